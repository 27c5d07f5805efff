r"""Restricted Boltzmann machine, real or complex, with symmetries tied in or projected on.

.. math:: φ(s) = e^{\sum_j a_js_j} \prod_{f}\prod_{g∈T} \cosh\Big(b_f + \sum_j W_{fj}(gs)_j\Big),
          \qquad ψ(s) = \frac1{|G|}\sum_{p∈G} χ_p^*\,φ(ps)

(Carleo, Troyer, Science 355, 602, 2017.) Without groups this is the plain machine with αN hidden
units. A *tied* group T shares the weights of each feature over its images, which makes φ
invariant; a *projection* G averages with characters χ, which can reach other sectors and signs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from qdens_nb.nqs._ansatz import Ansatz

if TYPE_CHECKING:
    from qdens_nb.nqs._natural_gradient import Derivatives
    from qdens_nb.nqs._symmetry import SymmetryGroup


class RBM(Ansatz):
    """Restricted Boltzmann machine.

    Parameters
    ----------
    sites : int or tuple of int
        Number of sites N, or the shape of the lattice.
    alpha : float
        Hidden units per site; with `tied` translations the number of features.
    is_complex : bool
        Complex weights (signs and phases) or real ones (ψ > 0).
    tied : SymmetryGroup, optional
        Symmetries that the weights share; the features are alpha times N over its order.
    projection : SymmetryGroup, optional
        Symmetries that ψ is averaged over, with their characters.
    biases : bool
        Visible and hidden biases; without them ψ is even under a flip of all spins.
    scale : float
        Standard deviation of the first weights.
    seed : int
        Seed of the first weights.

    Raises
    ------
    ValueError
        alpha not positive, groups of another number of sites, a tied group with characters other
        than 1.

    Examples
    --------
    >>> import numpy as np, qdens_nb as qd
    >>> qd.nqs.RBM(20, alpha=1).parameter_count
    440
    """

    def __init__(
        self,
        sites: int | Sequence[int],
        alpha: float = 1,
        *,
        is_complex: bool = False,
        tied: SymmetryGroup | None = None,
        projection: SymmetryGroup | None = None,
        biases: bool = True,
        scale: float = 0.05,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.sites = int(np.prod(sites))
        self.is_complex = is_complex
        if not alpha > 0 or self.sites < 1:
            raise ValueError(f"sites={sites!r}, alpha={alpha!r}: expected more than 0")
        self.alpha, self.tied, self.projection, self.biases = alpha, tied, projection, biases
        images = _images(tied, self.sites, "tied")
        if tied is not None and not np.allclose(tied.characters, 1):
            raise ValueError("a tied group has the characters 1; give others as projection")
        features = max(1, round(alpha * self.sites / len(images)))
        self._inverse = torch.from_numpy(np.argsort(images.permutations, 1))
        self._tied_signs = torch.from_numpy(images.signs)
        self._projected = _images(projection, self.sites, "projection")
        generator = torch.Generator().manual_seed(seed)

        def first(*shape: int) -> torch.nn.Parameter:
            full = (*shape, 2) if is_complex else shape
            drawn = torch.randn(full, generator=generator, dtype=torch.float64)
            return torch.nn.Parameter(scale * drawn)

        self.weights = first(features, self.sites)
        self.hidden_bias = first(features) if biases else None
        visible = biases and (tied is None or images.signs.min() > 0)
        self.visible_bias = first(self.sites if tied is None else 1) if visible else None

    @property
    def hidden(self) -> int:
        """Number M of hidden units."""
        return len(self.weights) * len(self._inverse)

    def numbers(self) -> tuple[Tensor, Tensor, Tensor]:
        """All weights (M, N), hidden biases (M,) and visible biases (N,) of φ, ties written out.

        The hidden units of one feature are next to each other.
        """
        view = torch.view_as_complex if self.is_complex else torch.clone
        weights = view(self.weights)
        full = weights[:, self._inverse] * self._tied_signs[None, :, None]
        order = len(self._inverse)
        hidden = torch.zeros(len(weights), dtype=weights.dtype)
        if self.hidden_bias is not None:
            hidden = view(self.hidden_bias)
        visible = torch.zeros(self.sites, dtype=weights.dtype)
        if self.visible_bias is not None:
            visible = view(self.visible_bias).expand(self.sites)
        return full.reshape(-1, self.sites), hidden.repeat_interleave(order), visible

    def forward(self, configs: Tensor) -> Tensor:
        weights, hidden, visible = self.numbers()
        group = self._projected
        images = configs[:, torch.from_numpy(group.permutations)]
        images = (images * torch.from_numpy(group.signs)[:, None]).to(weights.dtype)
        logs = images @ visible + log_cosh(images @ weights.T + hidden).sum(-1)
        if len(group) == 1:
            return logs[:, 0]
        characters = torch.from_numpy(group.characters).conj()
        if self.is_complex or characters.is_complex():
            logs, characters = logs.to(torch.complex128), characters.to(torch.complex128)
        largest = logs.real.max(1, keepdim=True).values.detach()
        return largest[:, 0] + torch.log(((logs - largest).exp() * characters).mean(1))

    def log_derivatives(self, configs: np.ndarray) -> np.ndarray:
        from qdens_nb.nqs._rbm_engine import log_derivatives

        return log_derivatives(self, configs)

    def derivatives(self, configs: np.ndarray, weights: np.ndarray) -> Derivatives:
        """A of a batch (see `_natural_gradient`), in the form that is cheapest here."""
        from qdens_nb.nqs._rbm_engine import derivatives

        return derivatives(self, configs, weights)


class _Images:
    """The images of a group as arrays; the trivial group if there is none."""

    def __init__(self, permutations: np.ndarray, signs: np.ndarray, characters: np.ndarray):
        self.permutations, self.signs, self.characters = permutations, signs, characters

    def __len__(self) -> int:
        return len(self.permutations)


def _images(group: SymmetryGroup | None, sites: int, what: str) -> _Images:
    if group is None:
        return _Images(np.arange(sites)[None], np.ones(1), np.ones(1))
    permutations = np.asarray(group.permutations, np.int64)
    if permutations.shape[1] != sites:
        raise ValueError(
            f"{what}: the group acts on {permutations.shape[1]} sites, the machine has {sites}"
        )
    characters: Any = np.asarray(group.characters)
    if np.isrealobj(characters):
        characters = characters.astype(float)
    return _Images(permutations, np.where(group.flips, -1.0, 1.0), characters)


def log_cosh(x: Tensor) -> Tensor:
    """log cosh x, without overflow, of a real or complex tensor."""
    if not x.is_complex():
        size = x.abs()
        return size + torch.log1p(torch.exp(-2 * size)) - np.log(2.0)
    x = torch.where(x.real < 0, -x, x)
    return x + torch.log(0.5 + 0.5 * torch.exp(-2 * x))
