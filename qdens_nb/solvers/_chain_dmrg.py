r"""Density-matrix renormalisation group for the t-V chain, ring or open (TeNPy).

:math:`H = -J\sum_x(e^{i\Phi/L}c^\dagger_{x+1}c_x + h.c.) + V\sum_x n_xn_{x+1} + \sum_x v_xn_x`,
J = 1. A quick run with a small bond dimension starts from the Hartree-Fock density and, at a given
mu, finds the particle numbers that matter; only these are converged.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from tenpy.algorithms.dmrg import TwoSiteDMRGEngine
from tenpy.networks.mps import MPS
from tqdm.auto import tqdm

from qdens_nb.solvers._chain_hartree_fock import scan_numbers, solve_at
from qdens_nb.solvers._chain_mps import (
    ChainModel,
    mps_observables,
    places,
    product_state,
    quiet,
)
from qdens_nb.solvers._common import solve_each
from qdens_nb.solvers._wick import slater_observables

_WARM_UP = {"bond_dimension": 32, "sweeps": 4}
_MIXER = 1e-3
_LARGE_TRUNCATION = 1e-6


@dataclass
class _State:
    """A matrix product state of one particle number and how far it has been optimised."""

    psi: MPS
    energy: float = np.inf
    sweeps: int = 0
    residual: float = np.inf
    truncation_error: float = 0.0
    converged: bool = False
    finished: bool = False


def _schedule(low: int, high: int) -> dict[int, int]:
    """Bond dimension from each sweep on, doubling from `low` to `high`."""
    steps: dict[int, int] = {}
    while low < high:
        steps[len(steps)] = low
        low *= 2
    steps[len(steps)] = high
    return steps


class _Solver:
    """All particle numbers of one problem: the Hamiltonian once, states as they are asked for."""

    def __init__(
        self,
        one: dict[str, Any],
        bond_dimension: int,
        max_sweeps: int,
        energy_tolerance: float,
        seed: int,
        bar: tqdm,
        on_sweep: Callable[[str], None] | None,
    ) -> None:
        self.one, self.seed, self.bar, self.on_sweep = one, seed, bar, on_sweep
        self.bond_dimension = bond_dimension
        self.max_sweeps = max_sweeps
        self.energy_tolerance = energy_tolerance
        self.periodic = one["boundary"] == "periodic"
        self.sites = one["potential"].size
        self.place = places(self.sites, self.periodic)
        self.model = ChainModel(one["potential"], one["V"], one["flux"], self.periodic, self.place)
        self.states: dict[int, _State] = {}

    def mean_field(self, particles: int) -> Any:
        """Hartree-Fock at fixed N."""
        one = self.one
        return solve_at(
            one["potential"], one["V"], one["flux"], particles, self.periodic, seed=self.seed
        )

    def _run(self, particles: int, state: _State, **options: Any) -> None:
        trunc_params = {"svd_min": 1e-8, "chi_max": self.bond_dimension}
        engine = TwoSiteDMRGEngine(
            state.psi,
            self.model,
            {
                "trunc_params": trunc_params,
                "max_trunc_err": 1.0,
                "max_E_err": self.energy_tolerance,
                "max_S_err": 1e-5,
                **options,
            },
        )

        def after_sweep(_: Any) -> None:
            discarded = engine.sweep_stats["max_trunc_err"][-1]
            engine.options["max_E_err"] = max(self.energy_tolerance, discarded)
            energy, chi = engine.sweep_stats["E"][-1], max(state.psi.chi)
            line = f"N={particles}, energy={energy:.8f} J, bond dimension {chi}"
            self.bar.set_postfix_str(line)
            self.bar.update()
            if self.on_sweep is not None:
                self.on_sweep(line)

        engine.options.touch(*engine.options.keys())
        engine.checkpoint.connect(after_sweep)
        engine.run()
        state.energy = float(self.model.H_MPO.expectation_value(state.psi).real)
        state.sweeps += engine.sweeps
        state.residual = abs(float(engine.sweep_stats["Delta_E"][-1]))
        state.truncation_error = float(engine.sweep_stats["max_trunc_err"][-1])
        state.converged = bool(engine.is_converged())

    def energy(self, particles: int) -> float:
        """Best energy known; a quick run with a small bond dimension if there is none yet."""
        if particles not in self.states:
            self.states[particles] = self._start(particles)
        return self.states[particles].energy

    def _start(self, particles: int) -> _State:
        orbitals = self.mean_field(particles).orbitals[:, :particles]
        density = (np.abs(orbitals) ** 2).sum(axis=1)
        psi = product_state(self.model, density, particles, self.place, self.one["flux"])
        state = _State(psi)
        if particles in (0, self.sites):
            state.energy = float(self.model.H_MPO.expectation_value(psi).real)
            state.residual, state.converged, state.finished = 0.0, True, True
            return state
        sweeps = _WARM_UP["sweeps"]
        self._run(
            particles,
            state,
            chi_list={0: min(_WARM_UP["bond_dimension"], self.bond_dimension)},
            mixer=True,
            mixer_params={"amplitude": _MIXER, "decay": 2.0, "disable_after": sweeps - 1},
            min_sweeps=sweeps - 1,
            max_sweeps=sweeps - 1,
        )
        return state

    def finish(self, particles: int) -> _State:
        """Optimise to the full bond dimension and the tolerance."""
        self.energy(particles)
        state = self.states[particles]
        if not state.finished:
            steps = _schedule(2 * _WARM_UP["bond_dimension"], self.bond_dimension)
            self._run(
                particles,
                state,
                chi_list=steps,
                mixer=True,
                mixer_params={"amplitude": _MIXER / 10, "decay": 2.0, "disable_after": len(steps)},
                min_sweeps=len(steps) + 1,
                max_sweeps=self.max_sweeps - state.sweeps,
            )
            state.finished = True
        return state

    def observables(self, particles: int) -> dict[str, np.ndarray]:
        """Site and bond observables, each of shape (L,)."""
        flux = self.one["flux"]
        if particles in (0, self.sites):
            return slater_observables(np.eye(self.sites)[:, :particles], flux, self.periodic)
        return mps_observables(self.states[particles].psi, self.place, flux, self.periodic)

    def bounds(self) -> tuple[int, int | None, int | None]:
        """N of the lowest grand potential and the known N that bound its interval of mu."""
        known = np.array(sorted(self.states))
        energies = np.array([self.states[n].energy for n in known])
        best = int(np.argmin(energies - self.one["mu"] * known))
        slopes = (energies - energies[best]) / np.where(
            known == known[best], 1, known - known[best]
        )
        below, above = slopes[:best], slopes[best + 1 :]
        return (
            int(known[best]),
            int(known[np.argmax(below)]) if below.size else None,
            int(known[best + 1 + np.argmin(above)]) if above.size else None,
        )


def _choose(solver: _Solver, asked: list[int]) -> tuple[int, dict[str, Any]]:
    """N of the ground state; E(N), NaN where it has not been converged, and the interval of mu."""
    mu, sites = solver.one["mu"], solver.sites
    if asked:
        for n in asked:
            solver.finish(n)
    else:
        guess = scan_numbers(lambda n: solver.mean_field(n).energy - mu * n, sites, sites // 2)
        scan_numbers(lambda n: solver.energy(n) - mu * n, sites, guess)
        while open_ends := [
            n for n in solver.bounds() if n is not None and not solver.states[n].finished
        ]:
            solver.finish(open_ends[0])
    energies = np.full(sites + 1, np.nan)
    for n, state in solver.states.items():
        if state.finished:
            energies[n] = state.energy
    best, below, above = solver.bounds()

    def slope(n: int | None, outermost: int, open_bound: float) -> float:
        if n is None:
            return open_bound if best == outermost else np.nan
        return float((energies[best] - energies[n]) / (best - n))

    interval = {"mu_lower": slope(below, 0, -np.inf), "mu_upper": slope(above, sites, np.inf)}
    return best, {"energy_of_N": energies, **interval}


def chain_dmrg(
    problem: xr.Dataset,
    N: int | None = None,
    *,
    bond_dimension: int = 256,
    max_sweeps: int = 40,
    energy_tolerance: float = 1e-9,
    numbers: Iterable[int] | None = None,
    seed: int = 0,
    progress: bool = False,
    on_sweep: Callable[[str], None] | None = None,
) -> xr.Dataset:
    """DMRG ground state of the chain, grand canonical at ``mu`` or at fixed `N`.

    Parameters
    ----------
    problem : Dataset
        From `qdens_nb.fermion_chain`, ring or open, any number of sites.
    N : int, optional
        Fix the particle number (canonical) and ignore mu.
    bond_dimension : int
        Largest bond dimension. The error of the energy is about a hundred times
        ``truncation_error``. A ring needs roughly the square of what an open chain needs, since
        each cut parts it in two places: where it is too dear, use ``boundary="open"``.
    max_sweeps : int
        Sweeps at each N.
    energy_tolerance : float
        Largest change of the energy in the last sweep, in J; if more is discarded than this, a
        change as large as the discarded weight is let pass.
    numbers : iterable of int, optional
        Particle numbers to choose from, all converged. By default the numbers around the
        Hartree-Fock one are scanned with a small bond dimension, and those that decide converged;
        this takes E(N) to be convex, as it is for repulsion.
    seed : int
        Seed of the random starts of Hartree-Fock, whose density gives the first product state.
    progress : bool
        Show a progress bar over the samples or, for one problem, the sweeps.
    on_sweep : callable, optional
        Called after each sweep with a line of text; an exception that it raises ends the run.

    Returns
    -------
    Dataset
        The problem with density, density_variance, density_correlation, coherence, current,
        current_correlation (all along x), energy, particle_number, truncation_error,
        bond_dimension, converged, residual, iterations and, if N is not fixed, energy_of_N (NaN
        where not converged), mu_lower, mu_upper (NaN where `numbers` has no neighbour).

    Raises
    ------
    ValueError
        Not a chain, N or an option out of range.

    Warns
    -----
    UserWarning
        A sample that did not converge, or discarded weight above 1e-6.

    Examples
    --------
    >>> import numpy as np, qdens_nb as qd
    >>> result = qd.solvers.chain_dmrg(qd.fermion_chain(np.zeros(13), V=1.0), N=7)
    >>> round(float(result.energy), 8)    # exact integer at V = J: -(L - N) J
    -6.0
    """
    sites = problem.sizes.get("x", 0)
    asked = sorted(set(numbers)) if numbers is not None else []
    for n in [*asked, *([] if N is None else [N])]:
        if not 0 <= n <= sites:
            raise ValueError(f"N={n} on {sites} sites; give 0 <= N <= {sites}")
    if N is not None and numbers is not None:
        raise ValueError("both N and numbers are given; N fixes the number, numbers is to choose")
    if numbers is not None and not asked:
        raise ValueError("numbers is empty; give the particle numbers to choose from")
    if bond_dimension < 2 or max_sweeps < 8 or not energy_tolerance > 0:
        raise ValueError(
            f"bond_dimension={bond_dimension}, max_sweeps={max_sweeps}, energy_tolerance="
            f"{energy_tolerance}; give at least 2, at least 8, and a positive number"
        )
    single = progress and "sample" not in problem.get("potential", xr.DataArray()).dims
    poor: list[str] = []

    def solve_one(one: dict[str, Any]) -> dict[str, Any]:
        bar = tqdm(desc="chain_dmrg", unit="sweep", disable=not single, leave=False)
        with bar, quiet():
            solver = _Solver(one, bond_dimension, max_sweeps, energy_tolerance, seed, bar, on_sweep)
            out: dict[str, Any] = {}
            if N is None:
                best, chosen = _choose(solver, asked)
                out.update(chosen)
            else:
                best = N
            state = solver.finish(best)
            out.update(solver.observables(best))
        if not state.converged or state.truncation_error > _LARGE_TRUNCATION:
            poor.append(f"{state.residual:.0e} J, discarded weight {state.truncation_error:.0e}")
        out.update(
            energy=state.energy,
            particle_number=best,
            truncation_error=state.truncation_error,
            bond_dimension=max(state.psi.chi),
            converged=int(state.converged),
            residual=state.residual,
            iterations=state.sweeps,
        )
        return out

    options = {
        "N": N,
        "bond_dimension": bond_dimension,
        "max_sweeps": max_sweeps,
        "energy_tolerance": energy_tolerance,
        "numbers": asked or None,
        "seed": seed,
    }
    result = solve_each(problem, solve_one, "chain_dmrg", options, progress)
    if poor:
        warnings.warn(
            f"chain_dmrg: {len(poor)} sample(s) not accurate (last change {poor[0]}); raise "
            "bond_dimension or max_sweeps, or use boundary='open'",
            stacklevel=2,
        )
    return result
