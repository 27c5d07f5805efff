r"""Unrestricted Hartree-Fock for the t-V chain: the baseline every network is shown beside.

:math:`H = -J\sum_x(e^{i\Phi/L}c^\dagger_{x+1}c_x + h.c.) + V\sum_x n_xn_{x+1} + \sum_x v_xn_x`,
J = 1, in the best single Slater determinant found from several starts at each N.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from qdens_nb.solvers._common import solve_each
from qdens_nb.solvers._mean_field import fill_orbitals, free_start, solve_mean_field
from qdens_nb.solvers._wick import slater_observables


class MeanField(NamedTuple):
    """A self-consistent determinant."""

    energy: float
    levels: np.ndarray
    orbitals: np.ndarray
    residual: float
    iterations: int


def solve_at(
    potential: np.ndarray,
    V: float,
    flux: float,
    particles: int,
    periodic: bool = True,
    starts: int = 5,
    tolerance: float = 1e-9,
    max_iterations: int = 500,
    seed: int = 0,
) -> MeanField:
    """Lowest of several self-consistent solutions at fixed N.

    The starts are free fermions, the same with the highest occupied and lowest empty orbital
    exchanged (the other parity on a mirror-symmetric ring), two opposite staggered densities, then
    random ones.
    """
    sites = potential.size
    bonds = sites if periodic else sites - 1
    hop: Any = -np.exp(-1j * flux / sites) if flux else -1.0
    zero = np.zeros(1, dtype=np.complex128 if flux else np.float64)
    n, g = free_start(potential, hop, particles, bonds, zero)
    if V == 0 or particles in (0, sites):
        starts = 1
    stagger = 1.6 * (-1.0) ** np.arange(sites) * n * (1.0 - n)
    rng = np.random.default_rng(seed)
    begins = [(n, g), (n, g), (n + stagger, g), (n - stagger, g)]
    begins += [(n + rng.uniform(-0.4, 0.4, sites), g) for _ in range(starts - 4)]
    best: MeanField | None = None
    for i, (first_n, first_g) in enumerate(begins[:starts]):
        if i == 1 and best is not None:
            exchanged = best.orbitals.copy()
            exchanged[:, particles - 1] = best.orbitals[:, particles]
            first_n, first_g = fill_orbitals(exchanged, particles, bonds)
        _, _, levels, orbitals, energy, residual, used = solve_mean_field(
            potential,
            hop,
            V,
            particles,
            bonds,
            first_n.copy(),
            first_g.copy(),
            tolerance,
            max_iterations,
        )
        found = MeanField(float(energy), levels, orbitals, float(residual), int(used))
        if best is None or found.energy < best.energy - 1e-9:
            best = found
    assert best is not None
    return best


def scan_numbers(grand: Any, sites: int, start: int) -> int:
    """N of the lowest grand potential ``grand(N)``, walking from `start` until two steps fail."""
    best = min(max(start, 0), sites)
    for direction in (1, -1):
        n, failed = best + direction, 0
        while 0 <= n <= sites and failed < 2:
            if grand(n) < grand(best):
                best, failed = n, 0
            else:
                failed += 1
            n += direction
    return best


def chain_hartree_fock(
    problem: xr.Dataset,
    N: int | None = None,
    *,
    starts: int = 5,
    tolerance: float = 1e-9,
    max_iterations: int = 500,
    seed: int = 0,
    progress: bool = False,
) -> xr.Dataset:
    """Hartree-Fock ground state, grand canonical at ``mu`` or at fixed `N`.

    Parameters
    ----------
    problem : Dataset
        From `qdens_nb.fermion_chain`, any number of sites, ring or open.
    N : int, optional
        Fix the particle number and ignore mu.
    starts : int
        Starting densities tried for each N (see `solve_at`).
    tolerance : float
        Largest change of density and bond order at self-consistency.
    max_iterations : int
        Iterations of one start.
    seed : int
        Seed of the random starts.
    progress : bool
        Show a progress bar over the samples.

    Returns
    -------
    Dataset
        The problem with the observables of `chain_ed` by Wick's theorem, energy,
        particle_number, converged, residual and iterations.

    Raises
    ------
    ValueError
        Not a chain, N out of range, no start.

    Examples
    --------
    >>> import numpy as np, qdens_nb as qd
    >>> problem = qd.fermion_chain(np.linspace(-1, 1, 9), V=1.0, mu=0.8)
    >>> mean_field, exact = qd.solvers.chain_hartree_fock(problem), qd.solvers.chain_ed(problem)
    >>> bool(mean_field.energy > exact.energy)       # variational
    True
    """
    sites = problem.sizes.get("x", 0)
    if N is not None and not 0 <= N <= sites:
        raise ValueError(f"N={N} on {sites} sites; give 0 <= N <= {sites}")
    if starts < 1:
        raise ValueError(f"starts={starts}; give at least 1")

    def solve_one(one: dict[str, Any]) -> dict[str, Any]:
        periodic = one["boundary"] == "periodic"
        found: dict[int, MeanField] = {}

        def at(n: int) -> MeanField:
            if n not in found:
                found[n] = solve_at(
                    one["potential"],
                    one["V"],
                    one["flux"],
                    n,
                    periodic,
                    starts,
                    tolerance,
                    max_iterations,
                    seed,
                )
            return found[n]

        if N is None:
            guess = sites // 2
            for _ in range(4):
                guess, last = int((at(guess).levels < one["mu"]).sum()), guess
                if guess == last:
                    break
            best = scan_numbers(lambda n: at(n).energy - one["mu"] * n, sites, guess)
        else:
            best = N
        state = at(best)
        out: dict[str, Any] = dict(
            slater_observables(state.orbitals[:, :best], one["flux"], periodic)
        )
        out.update(
            energy=state.energy,
            particle_number=best,
            converged=int(state.residual < tolerance),
            residual=state.residual,
            iterations=state.iterations,
        )
        return out

    options = {"N": N, "starts": starts, "tolerance": tolerance, "seed": seed}
    return solve_each(problem, solve_one, "chain_hartree_fock", options, progress)
