"""A quench of a ring of Ising spins by a neural quantum state, beside the exact evolution."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import scipy.sparse
import xarray as xr

from qdens_nb.nqs._dynamics import evolve
from qdens_nb.nqs._exact import exact_evolution, exact_ground_state
from qdens_nb.nqs._ground_state import ground_state
from qdens_nb.nqs._hamiltonian import Hamiltonian
from qdens_nb.nqs._models import transverse_ising
from qdens_nb.nqs._observables import Correlation, magnetisation, state_vector
from qdens_nb.nqs._rbm import RBM
from qdens_nb.nqs._samplers import FullSum, orbits
from qdens_nb.nqs._symmetry import spin_flip, translations

#: (words, share that is done, what there is)
Progress = Callable[[str, float, xr.Dataset | None], None]
LAST = 2.0
_COOLING = 0.2
#: variance of the energy (squared velocity of the state) below which nothing moves
_AT_REST = 1e-4


def observe(vectors: np.ndarray, hamiltonian: Hamiltonian) -> tuple[np.ndarray, np.ndarray]:
    """Magnetisation along x (T,) and correlation (T, N//2 + 1) of normalised states (T, D)."""
    operator = magnetisation(hamiltonian).matrix()
    sigma_x = np.einsum("td,td->t", vectors.conj(), (operator @ vectors.T).T).real
    by_distance = Correlation(hamiltonian.shape)(hamiltonian.basis())
    correlation = np.abs(vectors) ** 2 @ by_distance
    return sigma_x, correlation[:, : hamiltonian.sites // 2 + 1]


@cache
def _invariant(sites: int) -> scipy.sparse.csr_matrix:
    """Orthonormal rows (K, 2**sites): the sum of the configurations of each orbit."""
    symmetry = translations(sites) @ spin_flip(sites)
    _, orbit, size = np.unique(
        orbits(transverse_ising(sites), symmetry), return_inverse=True, return_counts=True
    )
    places = (orbit, np.arange(orbit.size))
    return scipy.sparse.csr_matrix((size[orbit] ** -0.5, places))


class _Sector:
    """The block of a Hamiltonian that translations and the spin flip leave unchanged.

    It holds the ground state of the ring, and 20 times fewer states on ten sites.
    """

    def __init__(self, hamiltonian: Hamiltonian) -> None:
        self.hamiltonian, self._rows = hamiltonian, _invariant(hamiltonian.sites)

    def matrix(self) -> Any:
        """The block, sparse."""
        return self._rows @ self.hamiltonian.matrix() @ self._rows.T

    def whole(self, vectors: np.ndarray) -> np.ndarray:
        """Vectors (T, K) of the block in the basis of the Hamiltonian."""
        return (self._rows.T @ vectors.T).T


def exact_quench(
    h0: float, h1: float, sites: int = 10, times: int = 41
) -> tuple[xr.Dataset, np.ndarray]:
    """The Dataset of `compute` with the exact answer alone, and the exact states (T, D)."""
    before, after = (_Sector(transverse_ising(sites, h=h)) for h in (h0, h1))
    grid = np.linspace(0.0, LAST, times)
    exact = after.whole(exact_evolution(after, exact_ground_state(before)[1], grid))
    data = _frame(grid, sites, {"h0": h0, "h1": h1})
    for name, values in zip(
        ("sigma_x", "correlation"), observe(exact, after.hamiltonian), strict=True
    ):
        data[name].loc["exact"] = values
    return data, exact


def compute(
    h0: float,
    h1: float,
    alpha: int,
    sites: int = 10,
    *,
    times: int = 41,
    step: float = 0.01,
    progress: Progress | None = None,
) -> xr.Dataset:
    """Ground state at the field h0, then evolution at h1, by a network and exactly.

    Parameters
    ----------
    h0, h1 : float
        Transverse field (J) before and after the quench.
    alpha : int
        Features of the restricted Boltzmann machine: complex, translation-invariant, even.
    sites : int
        Sites of the ring, even.
    times : int
        Times from 0 to 2/J.
    step : float
        Time step of the fourth-order Runge-Kutta method (1/J).
    progress : callable(text, done, data), optional
        Called now and then; what it raises ends the computation.

    Returns
    -------
    Dataset
        ``sigma_x(solver, time)``, ``correlation(solver, time, distance)`` of "exact" and
        "nqs", ``infidelity(time)``, ``residual(time)``; times that are not computed yet are nan.
    """
    tell = progress or (lambda text, done, data: None)
    before, after = transverse_ising(sites, h=h0), transverse_ising(sites, h=h1)
    data, exact = exact_quench(h0, h1, sites, times)
    grid = data["time"].values
    machine = RBM(
        sites, alpha, is_complex=True, tied=translations(sites), biases=False, scale=0.05, seed=1
    )
    data.attrs.update(alpha=alpha, parameters=machine.parameter_count)
    # One configuration of each orbit: 20 times fewer on a ring of ten.
    symmetry = translations(sites) @ spin_flip(sites)
    cold, driven = FullSum(before, symmetry), FullSum(after, symmetry)
    data.attrs["amplitudes"] = len(driven.configs)
    cooling = 300

    def cooled(number: int, row: dict[str, float], ansatz: Any) -> None:
        if number % 10 == 0:
            tell("ground state before the quench", _COOLING * number / cooling, None)

    ground_state(
        before,
        machine,
        steps=cooling,
        sampler=cold,
        learning_rate=(0.05, 0.1),
        diagonal_shift=(0.1, 1e-5),
        callback=cooled,
        progress=False,
    )

    def evolved(number: int, row: dict[str, float], ansatz: Any) -> None:
        vector = state_vector(after, ansatz)
        for name, values in zip(
            ("sigma_x", "correlation"), observe(vector[None], after), strict=True
        ):
            data[name].loc["nqs"][number] = values[0]
        data["infidelity"][number] = 1 - abs(np.vdot(exact[number], vector)) ** 2
        moves = row["variance"] > _AT_REST
        data["residual"][number] = row["residual"] if moves else 0.0
        done = _COOLING + (1 - _COOLING) * number / (times - 1)
        tell(f"Jt = {grid[number]:.2f}", done, data)

    evolve(
        after,
        machine,
        grid,
        sampler=driven,
        integrator="rk4",
        step=step,
        cutoff=1e-7,
        observables=[],
        callback=evolved,
        progress=False,
    )
    return data


def _frame(grid: np.ndarray, sites: int, settings: dict[str, Any]) -> xr.Dataset:
    coords = {
        "solver": ["exact", "nqs"],
        "time": grid,
        "distance": np.arange(sites // 2 + 1),
    }
    missing = np.full((2, len(grid), sites // 2 + 1), np.nan)
    data = xr.Dataset(coords=coords, attrs={"sites": sites, **settings})
    data["sigma_x"] = (("solver", "time"), missing[:, :, 0].copy())
    data["correlation"] = (("solver", "time", "distance"), missing)
    for name in ("infidelity", "residual"):
        data[name] = ("time", np.full(len(grid), np.nan))
    data["time"].attrs["units"] = "1/J"
    return data
