r"""The t-V chain as matrix product operators and states (TeNPy).

The ring is folded flat, in the order 0, L-1, 1, L-2, ...: no bond then reaches farther than two
places in the matrix product state, and each cut still parts the ring into two arcs. Against the
plain order with one bond through the whole state this costs less a sweep and truncates less.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from tenpy.models.lattice import Chain
from tenpy.models.model import CouplingModel, MPOModel
from tenpy.networks.mps import MPS
from tenpy.networks.site import FermionSite


class ChainModel(CouplingModel, MPOModel):
    """The Hamiltonian as a matrix product operator; site x sits at ``place[x]``."""

    def __init__(
        self, potential: np.ndarray, V: float, flux: float, periodic: bool, place: list[int]
    ) -> None:
        sites = potential.size
        site = FermionSite(conserve="N")
        site.add_op("Parity", np.diag([1.0, -1.0]), hc="Parity")
        lattice = Chain(sites, site, bc="open", bc_MPS="finite")
        CouplingModel.__init__(self, lattice)
        for x in range(sites):
            self.add_onsite_term(potential[x], place[x], "N")
        hop = -np.exp(1j * flux / sites) if flux else -1.0
        for x in range(sites if periodic else sites - 1):
            here, there = [place[x], 0], [place[(x + 1) % sites], 0]
            self.add_local_term(hop, [("Cd", there), ("C", here)], plus_hc=True)
            self.add_local_term(V, [("N", there), ("N", here)])
        MPOModel.__init__(self, lattice, self.calc_H_MPO())


@contextmanager
def quiet() -> Iterator[None]:
    """Keep TeNPy's own notes to itself; `chain_dmrg` checks convergence and truncation."""
    logger = logging.getLogger("tenpy")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def places(sites: int, periodic: bool) -> list[int]:
    """Place of each site in the matrix product state."""
    if not periodic:
        return list(range(sites))
    return [2 * x if 2 * x < sites else 2 * (sites - x) - 1 for x in range(sites)]


def _occupied(density: np.ndarray, particles: int) -> np.ndarray:
    """Sites of `particles` particles spread as `density`, which sums to their number."""
    filled = np.cumsum(density)
    chosen: list[int] = []
    for k in range(particles):
        site = int(np.searchsorted(filled, k + 0.5))
        chosen.append(min(max(site, chosen[-1] + 1 if chosen else 0), density.size - particles + k))
    return np.asarray(chosen, dtype=int)


def product_state(
    model: ChainModel, density: np.ndarray, particles: int, place: list[int], flux: float
) -> MPS:
    """The product state of `particles` particles spread as `density`."""
    occupation = np.zeros(density.size, dtype=int)
    occupation[np.asarray(place)[_occupied(density, particles)]] = 1
    return MPS.from_product_state(
        model.lat.mps_sites(),
        occupation,
        dtype=np.complex128 if flux else np.float64,
        unit_cell_width=density.size,
    )


def mps_observables(
    psi: MPS, place: list[int], flux: float, periodic: bool
) -> dict[str, np.ndarray]:
    """Site and bond observables of a state, each of shape (L,)."""
    sites = len(place)
    density = psi.expectation_value("N").real[place]
    g = np.zeros(sites, dtype=complex)
    correlation, current_correlation = np.zeros(sites), np.zeros(sites)
    phase = np.exp(-1j * flux / sites)
    for x in range(sites if periodic else sites - 1):
        a, b, c = (place[(x + i) % sites] for i in range(3))
        g[x] = phase * psi.expectation_value_term([("Cd", a), ("C", b)])
        correlation[x] = psi.expectation_value_term([("N", a), ("N", b)]).real
        if periodic or x < sites - 2:
            # Re j_x j_{x+1} = -Re e^{-2i flux/L} c+_x (1 - 2 n_{x+1}) c_{x+2}
            product = psi.expectation_value_term([("Cd", a), ("Parity", b), ("C", c)])
            current_correlation[x] = -(phase**2 * product).real
    return {
        "density": density,
        "density_variance": density - density**2,
        "density_correlation": correlation,
        "coherence": g.real,
        "current": 2.0 * g.imag,
        "current_correlation": current_correlation,
    }
