r"""Exact diagonalisation of the extended Bose-Hubbard model in all sectors of particle number.

:math:`H = -\sum_{\langle ij\rangle}(b^\dagger_i b_j + h.c.) + \sum_i \frac{U_i}{2} n_i(n_i-1)
+ V\sum_{\langle ij\rangle} n_in_j + \sum_i (v_i - \mu) n_i`, t = 1. At T = 0 a Lanczos solver
finds the ground state of each sector; at T > 0 every sector that carries thermal weight is
diagonalised completely.

A twist puts the phase :math:`\theta` on each bond of one direction d. With
:math:`H'' = -K_d` and :math:`H' = -iA_d` the stiffness is

.. math:: \Upsilon_d = \frac{1}{\text{sites}}\frac{d^2\Omega}{d\theta^2}
          = \frac{1}{\text{sites}}\Big[-\langle K_d\rangle
          - \sum_{nm}|A_{nm}|^2\frac{p_n-p_m}{E_m-E_n}\Big]
          = \frac{T L_d^2}{\text{sites}} \langle W_d^2\rangle .
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
import scipy.sparse.linalg
import xarray as xr

from qdens_nb.solvers._bose_common import checkerboard, neighbours, solve_each
from qdens_nb.solvers._bose_sectors import BoseSector, bose_sector, sector_dimension

MAX_GROUND_STATE = 500_000
MAX_THERMAL = 8_100
_DENSE = 300
_SMALL = 1_000
_MOST_STATES = 800
#: states whose summed Boltzmann weight is below this fraction of Z are left out
_NEGLIGIBLE = 1e-11


@dataclass(frozen=True)
class Lattice:
    """One problem: flat `mu` (chemical potential minus potential) and `U`, one value per site."""

    shape: tuple[int, ...]
    mu: np.ndarray
    U: np.ndarray
    V: float
    n_max: int

    @property
    def sites(self) -> int:
        """Number of sites."""
        return int(np.prod(self.shape))

    def sector(self, particles: int) -> tuple[BoseSector, np.ndarray]:
        """Sector of that particle number and its diagonal of H."""
        part = bose_sector(self.shape, particles, self.n_max)
        return part, part.diagonal(self.mu, self.U, self.V, self.shape)


def ground_state(part: BoseSector, diagonal: np.ndarray) -> tuple[float, np.ndarray]:
    """Lowest energy and state of a sector; hops of bosons make it unique."""
    matrix = part.hamiltonian(diagonal)
    if part.dim <= _DENSE:
        energies, vectors = np.linalg.eigh(matrix.toarray())
        return float(energies[0]), vectors[:, 0]
    start = np.ones(part.dim)
    energies, vectors = scipy.sparse.linalg.eigsh(matrix, k=1, which="SA", v0=start)
    return float(energies[0]), vectors[:, 0]


def lowest_energies(lattice: Lattice) -> np.ndarray:
    """Lowest energy of every particle number."""
    most = lattice.n_max * lattice.sites
    largest = sector_dimension(lattice.sites, most // 2, lattice.n_max)
    _check_dimension(largest, MAX_GROUND_STATE, "lowest")
    return np.array([ground_state(*lattice.sector(n))[0] for n in range(most + 1)])


def low_states(
    part: BoseSector, diagonal: np.ndarray, highest: float
) -> tuple[np.ndarray, np.ndarray]:
    """All eigenstates of a sector up to the energy `highest` (and some above), sorted.

    Large sectors are not diagonalised completely: a Lanczos solver finds the low states, and a
    second run orthogonal to them finds the copies of degenerate levels that the first one missed.
    """
    matrix = part.hamiltonian(diagonal)
    rng, count = np.random.default_rng(part.dim), 24
    while part.dim > _SMALL and count <= min(part.dim // 8, _MOST_STATES):
        v0 = rng.normal(size=part.dim)
        energies, states = scipy.sparse.linalg.eigsh(matrix, k=count, which="SA", v0=v0)
        if energies.max() > highest:
            break
        count *= 2
    else:
        _check_dimension(part.dim, MAX_THERMAL, "all")
        return np.linalg.eigh(matrix.toarray())
    while True:
        lift = energies.max() + 10.0 - energies
        rest = scipy.sparse.linalg.LinearOperator(
            matrix.shape,
            dtype=np.float64,
            matvec=lambda x, s=states, e=lift: matrix @ x + s @ (e * (s.T @ x)),
        )
        v0 = rng.normal(size=part.dim)
        energy, state = scipy.sparse.linalg.eigsh(rest, k=1, which="SA", v0=v0, tol=1e-5)
        if energy[0] > highest:
            break
        energy, state = scipy.sparse.linalg.eigsh(rest, k=1, which="SA", v0=state[:, 0])
        energies, states = np.append(energies, energy), np.column_stack([states, state])
    order = np.argsort(energies)
    return energies[order], states[:, order]


class _Sums:
    """Sums over sectors of weights times diagonal and one-hop operators."""

    def __init__(self, lattice: Lattice) -> None:
        self.lattice = lattice
        self.sign = checkerboard(lattice.shape).ravel()
        self.next = neighbours(lattice.shape).T[: len(lattice.shape)]
        sites, bonds = lattice.sites, (len(lattice.shape), lattice.sites)
        self.weight = self.energy = self.number = self.number_squared = self.staggered = 0.0
        self.density, self.squared, self.full = np.zeros((3, sites))
        self.correlation, self.coherence = np.zeros((2, *bonds))
        self.twist = np.zeros(len(lattice.shape))

    def add(
        self, part: BoseSector, energies: np.ndarray, states: np.ndarray, weights: np.ndarray
    ) -> None:
        """Add the columns of `states` with their `weights`."""
        n = part.occupation.astype(np.float64)
        inside = (states**2) @ weights
        weighted = states * weights
        number = n[0].sum()
        self.weight += weights.sum()
        self.energy += weights @ energies
        self.number += weights.sum() * number
        self.number_squared += weights.sum() * number**2
        self.density += inside @ n
        self.squared += inside @ n**2
        self.full += inside @ (part.occupation == self.lattice.n_max)
        self.staggered += inside @ (n @ self.sign) ** 2
        for d, j in enumerate(self.next):
            self.correlation[d] += np.einsum("s,si,si->i", inside, n, n[:, j], optimize=True)
            self.twist[d] -= np.einsum("sk,sk->", weighted, part.kinetic[d] @ states)
        for b, (row, col, value) in enumerate(part.hops):
            self.coherence.flat[b] += value @ np.einsum("sk,sk->s", weighted[row], states[col])

    def means(self, chemical_potential: float) -> dict[str, Any]:
        """Observables, once all sectors have been added; those of a twist are not."""
        shape, sites, z = self.lattice.shape, self.lattice.sites, self.weight
        bonds = (len(shape), *shape)
        number = self.number / z
        return {
            "density": self.density.reshape(shape) / z,
            "density_squared": self.squared.reshape(shape) / z,
            "density_correlation": self.correlation.reshape(bonds) / z,
            "coherence": self.coherence.reshape(bonds) / z,
            "energy": self.energy / z + chemical_potential * number,
            "particle_number": number,
            "structure_factor": self.staggered / z / sites**2,
            "clipped": self.full.max() / z,
        }


def at_zero_temperature(
    lattice: Lattice, chemical_potential: float, stiffness: bool = True
) -> dict[str, Any]:
    """Observables of the ground state over all particle numbers."""
    part, diagonal = lattice.sector(int(np.argmin(lowest_energies(lattice))))
    energy, state = ground_state(part, diagonal)
    sums = _Sums(lattice)
    sums.add(part, np.array([energy]), state[:, None], np.ones(1))
    out = sums.means(chemical_potential)
    out.update(grand_potential=energy, compressibility=np.nan)
    if stiffness:
        shifted = part.hamiltonian(diagonal) - energy * sp.identity(part.dim)
        response = [_resolvent(shifted, state, a @ state) for a in part.current]
        out["superfluid_stiffness"] = np.mean(sums.twist - 2.0 * np.array(response)) / lattice.sites
        out["winding_squared"] = np.full(len(lattice.shape), np.nan)
    return out


def _resolvent(shifted: sp.csr_matrix, state: np.ndarray, right: np.ndarray) -> float:
    """``<right| (H - E)^-1 |right>`` in the space orthogonal to the ground state."""
    if not right.any():
        return 0.0
    project = scipy.sparse.linalg.LinearOperator(
        shifted.shape, dtype=np.float64, matvec=lambda x: shifted @ x + state * (state @ x)
    )
    solution, failed = scipy.sparse.linalg.cg(project, right, rtol=1e-9, maxiter=5000)
    if failed:
        raise RuntimeError(
            "the linear solver of the superfluid stiffness did not converge; pass stiffness=False"
        )
    return float(right @ solution)


def at_temperature(
    lattice: Lattice, T: float, chemical_potential: float, stiffness: bool = True
) -> dict[str, Any]:
    """Thermal averages over all sectors that carry weight."""
    floor = lowest_energies(lattice)
    lowest = floor.min()
    total = (lattice.n_max + 1.0) ** lattice.sites
    window = T * np.log(total / _NEGLIGIBLE)
    needed = np.flatnonzero(floor <= lowest + window)
    if stiffness:
        dims = [sector_dimension(lattice.sites, int(n), lattice.n_max) for n in needed]
        _check_dimension(max(dims), MAX_THERMAL, "all")
    sums = _Sums(lattice)
    response = np.zeros(len(lattice.shape))
    for particles in needed:
        part, diagonal = lattice.sector(int(particles))
        if stiffness:
            energies, states = np.linalg.eigh(part.hamiltonian(diagonal).toarray())
        else:
            energies, states = low_states(part, diagonal, lowest + window)
        kept = int(np.searchsorted(energies, lowest + window))
        weights = np.exp(-(energies[:kept] - lowest) / T)
        sums.add(part, energies[:kept], states[:, :kept], weights)
        if stiffness:
            response += _kubo(part, energies, states, weights, T)
    out = sums.means(chemical_potential)
    out["grand_potential"] = lowest - T * np.log(sums.weight)
    variance = sums.number_squared / sums.weight - out["particle_number"] ** 2
    out["compressibility"] = variance / (T * lattice.sites)
    if stiffness:
        second = (sums.twist - response) / sums.weight
        out["superfluid_stiffness"] = second.mean() / lattice.sites
        out["winding_squared"] = second / (T * np.square(lattice.shape))
    return out


def _kubo(
    part: BoseSector, energies: np.ndarray, states: np.ndarray, weights: np.ndarray, T: float
) -> np.ndarray:
    """Per direction ``sum_nm |A_nm|^2 (w_n - w_m) / (E_m - E_n)`` with all m, n of `weights`."""
    kept = weights.size
    x = (energies[:, None] - energies[None, :kept]) / T
    higher = np.where(x >= 0, weights, np.pad(weights, (0, energies.size - kept))[:, None])
    x = np.abs(x)
    factor = np.divide(-np.expm1(-x), x, out=np.ones_like(x), where=x > 1e-12) * higher / T
    factor[kept:] *= 2.0
    elements = [states.T @ (a @ states[:, :kept]) for a in part.current]
    return np.array([np.sum(a**2 * factor) for a in elements])


def _check_dimension(dim: int, limit: int, wanted: str) -> None:
    if dim > limit:
        raise ValueError(
            f"a sector has {dim} states; exact diagonalisation finds {wanted} states of at most "
            f"{limit}: take fewer sites, a smaller n_max or a lower T (at T > 0 stiffness=False "
            "needs less), or solvers.worm"
        )


def bose_hubbard_ed(
    problem: xr.Dataset, *, stiffness: bool = True, progress: bool = False
) -> xr.Dataset:
    """Exact grand-canonical averages of a small lattice of bosons.

    Parameters
    ----------
    problem : Dataset
        From `qdens_nb.bose_hubbard`, single or batched. No sector may have more than 500,000
        states; at T > 0 none that carries weight more than 8,100, unless few of its states do
        and `stiffness` is off.
    stiffness : bool
        Compute the superfluid stiffness and the winding numbers. At T > 0 they need all states of
        a sector: without them eight sites with n_max = 3 take seconds instead of minutes.
    progress : bool
        Show a progress bar over the samples.

    Returns
    -------
    Dataset
        The problem with density, density_squared (x[, y]), density_correlation and coherence
        (direction, x[, y]), energy, grand_potential, particle_number, structure_factor, clipped,
        superfluid_stiffness (mean over the directions) and, where T > 0 (NaN at T = 0),
        compressibility and winding_squared (direction). At T = 0 they are those of the ground
        state with the particle number that `mu` selects.

    Raises
    ------
    ValueError
        Not a problem of bosons, or sectors that are too large.

    Examples
    --------
    >>> import numpy as np, qdens_nb as qd
    >>> result = qd.solvers.bose_hubbard_ed(qd.bose_hubbard(np.zeros(4), U=20.0, mu=8.0, T=0.0))
    >>> float(result.particle_number)
    4.0
    """

    def solve_one(one: dict[str, Any]) -> dict[str, Any]:
        lattice = Lattice(one["shape"], one["mu"].ravel(), one["U"].ravel(), one["V"], one["n_max"])
        if one["T"] == 0.0:
            return at_zero_temperature(lattice, one["chemical_potential"], stiffness)
        return at_temperature(lattice, one["T"], one["chemical_potential"], stiffness)

    options = {"stiffness": stiffness}
    return solve_each(problem, solve_one, "bose_hubbard_ed", options, progress)
