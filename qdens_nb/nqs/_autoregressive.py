r"""Autoregressive wave function: normalised, and sampled directly, without a Markov chain.

.. math:: ψ(s) = \prod_i \sqrt{p(s_i | s_1 … s_{i-1})}\; e^{iφ_i(s_i | s_1 … s_{i-1})}

The conditionals come from one network in which site i sees only the sites before it (Sharir et
al., Phys. Rev. Lett. 124, 020503 (2020)): causal convolutions whose dilation doubles from layer to
layer (van den Oord et al., arXiv:1609.03499), with a second head for the phases (Hibat-Allah et
al., Phys. Rev. Research 2, 023358 (2020)). Each factor sums to one, so
:math:`\sum_s |ψ(s)|^2 = 1`, and drawing the sites one after the other gives independent samples.

A conserved total enters by counting: :math:`p(s_i|…) ∝ e^{f_i(s_i)} Ω(s_i)`, with Ω the number of
ways in which the sites to come can complete the total. Ω = 0 forbids what cannot be completed, and
f = 0 is the uniform state of the sector.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from qdens_nb.nqs._ansatz import Ansatz
from qdens_nb.nqs._layers import (
    activation_of,
    check_positive,
    check_sites,
    normal,
    seeded,
    zeros,
)
from qdens_nb.nqs._symmetry import lattice_shape

KERNEL = 2


class Autoregressive(Ansatz):
    """Causal dilated convolutions for the conditional probabilities, with direct sampling.

    Parameters
    ----------
    shape : int or (Lx, Ly)
        Sites; a lattice is read row by row, in the order of its sites.
    channels : int
        Channels of each layer.
    local_values : sequence of int
        Equidistant local values, ascending.
    total : int, optional
        Conserved sum of the local values; other configurations have weight zero (log ψ = -inf).
    activation : {"tanh", "gelu", "log_cosh"}
        The non-linearity.
    is_complex : bool
        A second head for the phases.
    seed : int
        Seed of the first parameters.

    Raises
    ------
    ValueError
        Local values that are not equidistant, a total that no configuration has, no channel, an
        unknown activation, a seed that is not an integer >= 0.

    Notes
    -----
    There are as many residual layers, of dilation 1, 2, 4..., as it takes for the last site to see
    the first. Positions enter by a bias per site. Filters start from N(0, 1/inputs), the heads
    from N(0, 0.1²/channels): nearly the uniform state.

    Examples
    --------
    >>> import numpy as np
    >>> psi = Autoregressive(6, total=0, seed=1)
    >>> psi.sample(1000, np.random.default_rng(0)).sum(axis=1).any()
    np.False_
    """

    samples_directly = True
    taps: Tensor
    log_ways: Tensor

    def __init__(
        self,
        shape: int | Sequence[int],
        *,
        channels: int = 16,
        local_values: Sequence[int] = (-1, 1),
        total: int | None = None,
        activation: str = "tanh",
        is_complex: bool = False,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.shape = lattice_shape(shape)
        self.sites = int(np.prod(self.shape))
        self.is_complex, self.total = is_complex, total
        self.activation = activation_of(activation)
        check_positive(channels=channels)
        self.local_values = tuple(int(value) for value in local_values)
        steps, levels = np.diff(self.local_values), len(self.local_values)
        if levels < 2 or (steps != steps[0]).any() or steps[0] < 1:
            raise ValueError(f"local_values={local_values!r}; give equidistant, ascending values")
        self.step = int(steps[0])
        table = _log_ways(self.sites, levels)
        self.register_buffer("log_ways", torch.from_numpy(table), False)
        self.quanta = None if total is None else self._quanta(total)
        depth = max(1, int(np.ceil(np.log2(self.sites))))
        back = 2 ** np.arange(depth)[:, None] * np.arange(KERNEL)
        taps = np.maximum(np.arange(1, self.sites + 1)[:, None] - back[:, None], 0)
        self.register_buffer("taps", torch.from_numpy(taps), False)
        generator, scale = seeded(seed), (KERNEL * channels) ** -0.5
        self.embedding = normal(generator, levels, channels, scale=1.0)
        self.position = normal(generator, self.sites, channels, scale=0.1)
        self.filters = nn.ParameterList(
            normal(generator, KERNEL * channels, channels, scale=scale) for _ in range(depth)
        )
        self.biases = nn.ParameterList(zeros(channels) for _ in range(depth))
        heads = levels * (2 if is_complex else 1)
        self.head = normal(generator, channels, heads, scale=0.1 * channels**-0.5)
        self.offset = zeros(self.sites, heads)

    def forward(self, configs: Tensor) -> Tensor:
        check_sites(configs, self.sites)
        digits = torch.round((configs - self.local_values[0]) / self.step).long()
        hidden = self.position + nn.functional.pad(self.embedding[digits[:, :-1]], (0, 0, 1, 0))
        for layer, taps in enumerate(self.taps):
            seen = nn.functional.pad(hidden, (0, 0, 1, 0))[:, taps]
            hidden = self._layer(layer, hidden, seen)
        heads = hidden @ self.head + self.offset
        levels = len(self.local_values)
        left = None
        if self.quanta is not None:
            inside = digits.sum(1) == self.quanta
            left = self.quanta - (digits.cumsum(1) - digits)
            left = torch.where(inside[:, None], left, -1)
        logs = self._conditionals(heads[..., :levels], torch.arange(self.sites), left)
        log_psi = logs.gather(2, digits[..., None]).sum((1, 2)) / 2
        if self.quanta is not None:
            log_psi = torch.where(inside, log_psi, -torch.inf)
        if not self.is_complex:
            return log_psi
        phase = heads[..., levels:].gather(2, digits[..., None]).sum((1, 2))
        return torch.complex(log_psi, phase)

    @torch.no_grad()
    def sample(self, samples: int, rng: np.random.Generator) -> np.ndarray:
        """Independent configurations from :math:`|ψ|^2`, int8 of shape (samples, N).

        Each site needs one column of each layer only, because earlier columns are kept.

        Raises
        ------
        ValueError
            The number of samples is not an integer of at least 1.
        """
        check_positive(samples=samples)
        uniform = torch.from_numpy(1.0 - rng.random((self.sites, samples, 1)))
        levels, channels = len(self.local_values), self.position.shape[1]
        memory = torch.zeros(len(self.taps), samples, self.sites + 1, channels).double()
        digits = torch.zeros(samples, self.sites, dtype=torch.long)
        left = None if self.quanta is None else torch.full((samples, 1), self.quanta)
        for site in range(self.sites):
            hidden = self.position[site].expand(samples, 1, -1)
            if site:
                hidden = hidden + self.embedding[digits[:, site - 1 : site]]
            for layer, taps in enumerate(self.taps[:, site]):
                memory[layer, :, site + 1] = hidden[:, 0]
                hidden = self._layer(layer, hidden, memory[layer][:, None, taps])
            heads = (hidden @ self.head + self.offset[site])[..., :levels]
            logs = self._conditionals(heads, torch.tensor([site]), left)
            below = logs[:, 0].exp().cumsum(1)
            digits[:, site] = (uniform[site] * below[:, -1:] > below).sum(1)
            if left is not None:
                left = left - digits[:, site : site + 1]
        return (self.local_values[0] + self.step * digits).numpy().astype(np.int8)

    def _tensor(self, configs: np.ndarray) -> Tensor:
        if not np.isin(configs, self.local_values).all():
            raise ValueError(
                f"a configuration has values other than local_values={self.local_values}"
            )
        return super()._tensor(configs)

    def _layer(self, layer: int, hidden: Tensor, seen: Tensor) -> Tensor:
        """(B, n, C) columns and the (B, n, K, C) columns that they see, to (B, n, C)."""
        return hidden + self.activation(seen.flatten(2) @ self.filters[layer] + self.biases[layer])

    def _conditionals(self, heads: Tensor, sites: Tensor, left: Tensor | None) -> Tensor:
        """log p of the (B, n, levels) values at `sites` when (B, n) quanta are left to place."""
        if left is not None:
            after = left[..., None] - torch.arange(heads.shape[-1])
            columns = torch.where(after < 0, self.log_ways.shape[1] - 1, after)
            ways = self.log_ways[(self.sites - 1 - sites)[:, None], columns]
            heads = heads + torch.where(left[..., None] < 0, 0.0, ways)
        return torch.log_softmax(heads, -1)

    def _quanta(self, total: int) -> int:
        quanta, rest = divmod(total - self.sites * self.local_values[0], self.step)
        most = (len(self.local_values) - 1) * self.sites
        if rest or not 0 <= quanta <= most:
            lowest, highest = (
                self.sites * v for v in (self.local_values[0], self.local_values[-1])
            )
            raise ValueError(
                f"total={total!r}: no configuration of {self.sites} sites has this sum; give one "
                f"of {lowest}, {lowest + self.step}, ..., {highest}"
            )
        return int(quanta)


def _log_ways(sites: int, levels: int) -> np.ndarray:
    """log of the number of ways to place q quanta on k sites, [k, q]; the last column is -inf."""
    width = (levels - 1) * sites + 2
    ways = np.full((sites + 1, width), -np.inf)
    ways[0, 0] = 0.0
    for k in range(sites):
        shifted = [np.r_[np.full(m, -np.inf), ways[k, : width - m]] for m in range(levels)]
        ways[k + 1] = np.logaddexp.reduce(shifted, axis=0)
    return ways
