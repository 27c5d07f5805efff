r"""Projection of any network on a symmetry sector, by a sum over the images of a configuration.

.. math:: ψ_χ(s) = \frac{1}{|G|} \sum_{g∈G} χ_g^* ψ(gs)

The variational space shrinks to the sector of the wanted state, which is what keeps the
optimisation out of many local minima (Nomura, J. Phys.: Condens. Matter 33, 174003 (2021); Roth et
al., Phys. Rev. B 108, 054410 (2023)). The price is |G| evaluations of the network.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from qdens_nb.nqs._ansatz import CHUNK, Ansatz
from qdens_nb.nqs._layers import check_sites
from qdens_nb.nqs._symmetry import SymmetryGroup

_ROUNDING = 1e-14


class Symmetrized(Ansatz):
    """A network projected on the representation whose characters `group` carries.

    log ψ is real if the network is and all characters are 1, complex otherwise. Where the images
    cancel to rounding, because the representation forbids the configuration, log ψ is -inf: the
    exact value, with derivative zero. A network that is itself invariant under an element of
    character other than 1 (a CNN under translations, a Jastrow factor without field under a spin
    flip) projects to zero everywhere.

    Parameters
    ----------
    ansatz : Ansatz
        The network; its parameters are those of this one.
    group : SymmetryGroup
        For example ``translations((4, 4)) @ point_group((4, 4)) @ spin_flip(16)``.

    Raises
    ------
    ValueError
        Group and network have different numbers of sites; a spin flip of values that are not
        spins.

    Examples
    --------
    >>> import numpy as np
    >>> from qdens_nb.nqs._jastrow import Jastrow
    >>> from qdens_nb.nqs._symmetry import translations
    >>> psi = Symmetrized(Jastrow(6, seed=0), translations(6))
    >>> s = np.array([[1, 1, -1, 1, -1, -1]])
    >>> bool(np.isclose(psi.log_psi(s), psi.log_psi(np.roll(s, 2, axis=1))).all())
    True
    """

    conj_characters: Tensor
    permutations: Tensor
    signs: Tensor

    def __init__(self, ansatz: Ansatz, group: SymmetryGroup) -> None:
        super().__init__()
        if group.sites != ansatz.sites:
            raise ValueError(
                f"the group acts on {group.sites} sites, the network has {ansatz.sites}; give "
                "both the same lattice"
            )
        values = getattr(ansatz, "local_values", (-1, 1))
        if group.flips.any() and {*values} != {-value for value in values}:
            raise ValueError(
                f"the group flips spins, but the network has the local values {values}; leave "
                "spin_flip out"
            )
        self.ansatz, self.group, self.sites = ansatz, group, ansatz.sites
        self.is_complex = ansatz.is_complex or not group.is_trivial
        signs = np.where(group.flips, -1.0, 1.0)[:, None]
        self.register_buffer("permutations", torch.from_numpy(group.permutations), False)
        self.register_buffer("signs", torch.from_numpy(signs), False)
        self.register_buffer("conj_characters", torch.from_numpy(group.characters.conj()), False)

    def log_psi(self, configs: np.ndarray) -> np.ndarray:
        return self._in_parts(super().log_psi, configs)

    def log_derivatives(self, configs: np.ndarray) -> np.ndarray:
        return self._in_parts(super().log_derivatives, configs)

    def _in_parts(
        self, function: Callable[[np.ndarray], np.ndarray], configs: np.ndarray
    ) -> np.ndarray:
        size = max(1, CHUNK // len(self.group))
        parts = [function(configs[i : i + size]) for i in range(0, len(configs), size)]
        return np.concatenate(parts) if parts else function(configs)

    def forward(self, configs: Tensor) -> Tensor:
        check_sites(configs, self.sites)
        images = configs[:, self.permutations] * self.signs
        logs = self.ansatz(images.reshape(-1, self.sites)).reshape(-1, len(self.group))
        size = float(np.log(len(self.group)))
        if not self.is_complex:
            return torch.logsumexp(logs, 1) - size
        largest = logs.real.detach().amax(1, keepdim=True)
        largest = torch.where(largest.isfinite(), largest, 0.0)
        terms = torch.exp(logs - largest) * self.conj_characters
        total = torch.complex(terms.real, terms.imag if terms.is_complex() else 0 * terms).sum(1)
        forbidden = total.abs() < _ROUNDING * len(self.group)
        answer = torch.log(torch.where(forbidden, 1.0, total)) + (largest[:, 0] - size)
        return torch.where(forbidden, -torch.inf, answer)
