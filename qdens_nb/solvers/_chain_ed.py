r"""Exact diagonalisation of the t-V chain in all sectors of particle number.

:math:`H = -J\sum_x(e^{i\Phi/L}c^\dagger_{x+1}c_x + h.c.) + V\sum_x n_xn_{x+1} + \sum_x v_xn_x`,
J = 1. QuSpin gives the basis and the hops of a sector once, a compiled Lanczos solver does the
rest.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from qdens_nb.solvers._chain_basis import Sector, bond_expectations, sector
from qdens_nb.solvers._common import solve_each
from qdens_nb.solvers._lanczos import lowest_state

MAX_SITES = 22
_DENSE = 64


def ground_state(
    potential: np.ndarray,
    V: float,
    flux: float,
    particles: int,
    periodic: bool = True,
    tolerance: float = 1e-9,
) -> tuple[float, np.ndarray, float]:
    """Lowest energy, state vector and gap of one sector.

    The gap is exact in small sectors and an upper bound (second Ritz value) in large ones.
    """
    sites = potential.size
    if particles in (0, sites):
        energy = (potential.sum() + V * (sites if periodic else sites - 1)) if particles else 0.0
        return float(energy), np.ones(1), np.inf
    part = sector(sites, particles, periodic)
    diagonal = part.occupation @ potential + V * part.pairs
    values = part.hop_values(flux / sites)
    if part.dim <= _DENSE:
        matrix = np.zeros((part.dim, part.dim), dtype=values.dtype)
        matrix[np.repeat(np.arange(part.dim), np.diff(part.indptr)), part.indices] = values
        matrix[np.diag_indices(part.dim)] = diagonal
        energies, vectors = np.linalg.eigh(matrix)
        return float(energies[0]), vectors[:, 0], float(energies[1] - energies[0])
    start = np.random.default_rng(part.dim).normal(size=part.dim).astype(values.dtype)
    energy, vector, residual, second = lowest_state(
        diagonal, part.indptr, part.indices, values, start, tolerance, 120, 30
    )
    if residual > 1e3 * tolerance:
        raise RuntimeError(
            f"Lanczos did not converge for L={sites}, N={particles}, V={V}: residual "
            f"{residual:.1e}; the ground state is (nearly) degenerate, add a weak potential"
        )
    return float(energy), vector, float(second - energy)


def observables(
    psi: np.ndarray, sites: int, particles: int, flux: float = 0.0, periodic: bool = True
) -> dict[str, np.ndarray]:
    """Site and bond observables of a state vector of one sector; each has shape (L,)."""
    if particles in (0, sites):
        filled = np.full(sites, float(particles > 0))
        zero = np.zeros(sites)
        pairs = filled.copy()
        if not periodic:
            pairs[-1] = 0.0
        return {
            "density": filled,
            "density_variance": zero,
            "density_correlation": pairs,
            "coherence": zero,
            "current": zero,
            "current_correlation": zero,
        }
    part: Sector = sector(sites, particles, periodic)
    weight = np.abs(psi) ** 2
    density = weight @ part.occupation
    neighbour = np.roll(part.occupation, -1, axis=1)
    correlation = np.einsum("s,sx,sx->x", weight, part.occupation, neighbour, optimize=True)
    if not periodic:
        correlation[-1] = 0.0
    peierls = flux / sites
    phase = np.exp(1j * peierls) if np.iscomplexobj(psi) else 1.0
    g, current_correlation = bond_expectations(
        psi, part.bond_start, part.bond_row, part.bond_col, part.bond_sign, phase
    )
    return {
        "density": density,
        "density_variance": density - density**2,
        "density_correlation": correlation,
        "coherence": g.real,
        "current": 2.0 * g.imag,
        "current_correlation": current_correlation,
    }


def mu_intervals(energies: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Interval of mu in which each N is the ground state, from E(N) of all N.

    An N above the lower convex hull of E(N) is never the ground state: its interval is empty
    (lower > upper). The outermost intervals are open (-inf, inf).
    """
    n = energies.size
    number = np.arange(n)
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = (energies[:, None] - energies[None, :]) / (number[:, None] - number[None, :])
    lower = np.where(number[None, :] < number[:, None], slope, -np.inf).max(axis=1)
    upper = np.where(number[None, :] > number[:, None], slope, np.inf).min(axis=1)
    return lower, upper


def chain_ed(
    problem: xr.Dataset,
    N: int | None = None,
    tolerance: float = 1e-9,
    progress: bool = False,
) -> xr.Dataset:
    """Exact ground state of the chain, grand canonical at ``mu`` or at fixed `N`.

    Parameters
    ----------
    problem : Dataset
        From `qdens_nb.fermion_chain`, single or batched; at most 22 sites.
    N : int, optional
        Fix the particle number (canonical) and ignore mu.
    tolerance : float
        Residual norm of the Lanczos solver, in J.
    progress : bool
        Show a progress bar over the samples.

    Returns
    -------
    Dataset
        The problem with density, density_variance, density_correlation, coherence, current,
        current_correlation (all along x), energy, particle_number, gap (at fixed N) and, if N is
        not fixed, energy_of_N, mu_lower, mu_upper.

    Raises
    ------
    ValueError
        Not a chain, too many sites, N out of range.

    Examples
    --------
    >>> import numpy as np, qdens_nb as qd
    >>> result = qd.solvers.chain_ed(qd.fermion_chain(np.zeros(7), V=1.0), N=3)
    >>> round(float(result.energy), 9)    # exact integer at V = J: -(L - N) J
    -4.0
    """
    sites = problem.sizes.get("x", 0)
    if sites > MAX_SITES:
        raise ValueError(
            f"the chain has {sites} sites; exact diagonalisation takes at most {MAX_SITES}: use "
            "solvers.chain_dmrg"
        )
    if N is not None and not 0 <= N <= sites:
        raise ValueError(f"N={N} on {sites} sites; give 0 <= N <= {sites}")

    def solve_one(one: dict[str, Any]) -> dict[str, Any]:
        periodic = one["boundary"] == "periodic"
        common = (one["potential"], one["V"], one["flux"])
        numbers = range(sites + 1) if N is None else (N,)
        states = {n: ground_state(*common, n, periodic, tolerance) for n in numbers}
        out: dict[str, Any] = {}
        if N is None:
            energies = np.array([states[n][0] for n in numbers])
            best = int(np.argmin(energies - one["mu"] * np.arange(sites + 1)))
            lower, upper = mu_intervals(energies)
            out.update(energy_of_N=energies, mu_lower=lower[best], mu_upper=upper[best])
        else:
            best = N
        energy, psi, gap = states[best]
        out.update(observables(psi, sites, best, one["flux"], periodic))
        out.update(energy=energy, particle_number=best, gap=gap)
        return out

    options = {"N": N, "tolerance": tolerance}
    return solve_each(problem, solve_one, "chain_ed", options, progress)
