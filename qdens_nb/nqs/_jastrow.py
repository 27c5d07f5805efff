r"""The baseline before networks: a Jastrow factor of pairs.

.. math:: \log ψ(s) = \sum_{i<j} v_{ij} s_i s_j

or, on a periodic lattice and translation invariant, v of the displacement alone. It is positive,
has no hidden units, and gets the long-range part of many ground states right (Jastrow, Phys. Rev.
98, 1479 (1955); for lattices Capello et al., Phys. Rev. Lett. 94, 026406 (2005)).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from qdens_nb.nqs._ansatz import Ansatz
from qdens_nb.nqs._layers import check_sites, normal, seeded, zeros
from qdens_nb.nqs._symmetry import lattice_shape


class Jastrow(Ansatz):
    """Two-body Jastrow wave function, real and positive.

    Parameters
    ----------
    shape : int or (Lx, Ly)
        Sites of the ring, or sides of the lattice.
    invariant : bool
        v depends on the displacement of the two sites only, r and -r being the same.
    onsite : bool
        Add the pairs i = j: constant for spins, a Gutzwiller factor for bosons.
    field : bool
        Add a one-body factor :math:`\\sum_i b_i s_i` (one b if `invariant`).
    seed : int
        Seed of the first parameters.

    Raises
    ------
    ValueError
        A single site without `onsite` or `field`, a seed that is not an integer >= 0.

    Notes
    -----
    v starts from N(0, 0.1²/pairs), so that log ψ of random spins has a variance of 0.01; b at 0.
    """

    kinds: Tensor

    def __init__(
        self,
        shape: int | Sequence[int],
        *,
        invariant: bool = False,
        onsite: bool = False,
        field: bool = False,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.shape = lattice_shape(shape)
        self.sites = int(np.prod(self.shape))
        first, second = np.triu_indices(self.sites, k=0 if onsite else 1)
        if not len(first) and not field:
            raise ValueError(f"shape={shape!r} has no pair of sites; take onsite=True")
        kind = _displacements(self.shape, first, second) if invariant else np.arange(len(first))
        count = int(kind.max(initial=-1)) + 1
        kinds = np.full((self.sites, self.sites), count)
        kinds[first, second] = kind
        self.register_buffer("kinds", torch.from_numpy(kinds), False)
        self.v = normal(seeded(seed), count, scale=0.1 / max(len(first), 1) ** 0.5)
        self.b = zeros(1 if invariant else self.sites) if field else None

    def forward(self, configs: Tensor) -> Tensor:
        check_sites(configs, self.sites)
        matrix = nn.functional.pad(self.v, (0, 1))[self.kinds]
        answer = ((configs @ matrix) * configs).sum(1)
        return answer if self.b is None else answer + (configs * self.b).sum(1)


def _displacements(sides: tuple[int, ...], first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Number of the class of displacements, r and -r together, of each pair of sites."""
    a, b = (np.array(np.unravel_index(sites, sides)) for sites in (first, second))
    ends = [np.ravel_multi_index(tuple(r), sides) for r in _both((b - a), sides)]
    return np.unique(np.minimum(*ends), return_inverse=True)[1].ravel()


def _both(r: np.ndarray, sides: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    lengths = np.array(sides)[:, None]
    return r % lengths, -r % lengths
