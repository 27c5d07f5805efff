r"""Convolutional wave function: the same local filter at every site of a periodic lattice.

.. math:: h^{l+1}_o(x) = σ\Big(b_o + \sum_{c,r} w_{ocr} h^l_c(x + r)\Big),\qquad
          \log ψ(s) = \sum_c v_c \sum_x h_c(x)

The layers commute with translations and the sum over sites forgets the position, so log ψ is
invariant under all translations: momentum zero, with no sum over images. One layer with a kernel
as large as the lattice and σ = log cosh is the translation invariant RBM (Carleo and Troyer,
Science 355, 602 (2017)); deeper ones follow Choo, Neupert and Carleo, Phys. Rev. B 100, 125124
(2019), with residual layers as in Chen and Heyl, Nature Physics 20, 1476 (2024).
"""

from __future__ import annotations

import itertools
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
    one_or_two,
    seeded,
    window,
)
from qdens_nb.nqs._symmetry import lattice_shape


class CNN(Ansatz):
    """Periodic convolutional network in one or two dimensions, invariant under translations.

    Parameters
    ----------
    shape : int or (Lx, Ly)
        Sides of the periodic lattice.
    channels : sequence of int
        Channels of each layer.
    kernel : int or (kx, ky)
        Sides of the filters; the whole lattice if omitted.
    residual : bool
        Add the input of a layer to its output where both have as many channels.
    activation : {"log_cosh", "gelu", "tanh"}
        The non-linearity σ.
    is_complex : bool
        Complex log ψ: a complex read-out v of the real channels.
    seed : int
        Seed of the first parameters.

    Raises
    ------
    ValueError
        No layer or an empty one, a kernel longer than the lattice, an unknown activation, a seed
        that is not an integer >= 0.

    Notes
    -----
    Filters start from N(0, 1/inputs), biases from N(0, 0.1²), v from N(0, 0.1²/(channels sites)):
    the variance of log ψ is small for any size. Filters are read through a table of the sites under
    them, which makes chains and lattices the same code.
    """

    sites_under: Tensor
    place: Tensor

    def __init__(
        self,
        shape: int | Sequence[int],
        *,
        channels: Sequence[int] = (8, 8),
        kernel: int | Sequence[int] | None = None,
        residual: bool = False,
        activation: str = "log_cosh",
        is_complex: bool = False,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.shape = lattice_shape(shape)
        self.sites = int(np.prod(self.shape))
        self.is_complex, self.residual = is_complex, residual
        self.activation = activation_of(activation)
        check_positive(
            layers=len(channels), **{f"channels[{i}]": c for i, c in enumerate(channels)}
        )
        table = window(self.shape, self.shape if kernel is None else kernel)
        place = np.full((self.sites, self.sites), table.shape[1])
        np.put_along_axis(place, table, np.arange(table.shape[1])[None, :], axis=1)
        self.register_buffer("sites_under", torch.from_numpy(table), False)
        self.register_buffer("place", torch.from_numpy(place), False)
        generator = seeded(seed)
        sizes, span = [1, *channels], table.shape[1]
        self.filters = nn.ParameterList(
            normal(generator, b, a, span, scale=(a * span) ** -0.5)
            for a, b in itertools.pairwise(sizes)
        )
        self.biases = nn.ParameterList(normal(generator, c, 1, scale=0.1) for c in channels)
        scale = 0.1 * (channels[-1] * self.sites) ** -0.5
        self.readout = normal(generator, 2 if is_complex else 1, channels[-1], scale=scale)

    def features(self, configs: Tensor) -> Tensor:
        """Channels (B, C, N) of the last layer; they move with the configuration."""
        check_sites(configs, self.sites)
        hidden = configs[:, None, :]
        for weight, bias in zip(self.filters, self.biases, strict=True):
            out = self.activation(self._convolution(weight, hidden) + bias)
            hidden = out + hidden if self.residual and out.shape == hidden.shape else out
        return hidden

    def _convolution(self, weight: Tensor, hidden: Tensor) -> Tensor:
        """Periodic correlation of (B, C, N) channels with (O, C, K) filters, (B, O, N).

        Without gradients one product with a matrix of all pairs of sites is faster; for the
        derivatives of each sample it is better to gather the values under the filters.
        """
        if torch.is_grad_enabled():
            under = hidden[:, :, self.sites_under].movedim(3, 2)
            return weight.flatten(1) @ under.flatten(1, 2)
        padded = nn.functional.pad(weight, (0, 1))[:, :, self.place]
        matrix = padded.permute(1, 3, 0, 2).flatten(2).flatten(0, 1)
        return (hidden.flatten(1) @ matrix).unflatten(1, (-1, self.sites))

    def forward(self, configs: Tensor) -> Tensor:
        return one_or_two(self.features(configs).sum(2) @ self.readout.T, self.is_complex)
