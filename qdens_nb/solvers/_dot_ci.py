r"""Exact diagonalisation (configuration interaction, CI) of two electrons in a quantum dot.

.. math:: H = \sum_{a=1,2}\left[-\frac{\hbar^2}{2m^*}\nabla_a^2 + v(r_a)\right]
          + \frac{e^2}{4\pi\epsilon_0\epsilon_r}\frac{1}{|r_1 - r_2|}

in a square with hard walls. Without a magnetic field the ground state is a spin singlet.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from threadpoolctl import threadpool_limits
from tqdm.auto import tqdm

import qdens_nb
from qdens_nb._checks import check_choice
from qdens_nb.solvers import _dot_pairs as two
from qdens_nb.solvers._dot_coulomb import COULOMB, coulomb_integrals, pair_densities, pair_index
from qdens_nb.solvers._dot_orbitals import orbitals as lowest_orbitals
from qdens_nb.systems import check_system

_MAP = ("x", "y")

#: name -> (dims, units, long name) of everything an engine of the dots can return
DOT_OBSERVABLES: dict[str, tuple[tuple[str, ...], str, str]] = {
    "density": (_MAP, "1/nm^2", "density of the interacting electrons"),
    "density_free": (_MAP, "1/nm^2", "density without interaction, two electrons in one orbital"),
    "energy": ((), "eV", "energy of the interacting electrons"),
    "energy_free": ((), "eV", "energy without interaction"),
    "orbital_energy": (("orbital",), "eV", "one-electron energies"),
    "natural_occupation": (("orbital",), "1", "eigenvalues of the one-body density matrix"),
    "state_energy": (("state",), "eV", "energies of the lowest states"),
    "state_density": (("state", *_MAP), "1/nm^2", "densities of the lowest states"),
    "density_truncation": (
        (),
        "1",
        "charge (electrons) that moves when the last quarter of the orbitals is left out",
    ),
}


def dot_ci(
    problem: xr.Dataset,
    orbitals: int = 24,
    *,
    spin: str = "singlet",
    states: int = 1,
    density_matrix: str = "full",
    modes: int = 32,
    progress: bool = False,
    device: str | None = None,
) -> xr.Dataset:
    """Ground state (or several states) of two interacting electrons.

    Parameters
    ----------
    problem : Dataset
        From `qdens_nb.quantum_dot`.
    orbitals : int
        One-electron orbitals, of which all two-electron configurations are formed. The energy
        converges slowly in it (the wave function has a cusp where the electrons meet), the
        density fast; `density_truncation` says how far.
    spin : {"singlet", "triplet"}
        Symmetry of the wave function; the ground state is a singlet.
    states : int
        Number of states; with more than one, `state_energy` and `state_density` are added.
    density_matrix : {"full", "diagonal"}
        "diagonal" leaves out the products of different orbitals, as equation (8) of
        Pantis-Simut et al. does; in GaAs dots this displaces about 0.15 electrons.
    modes : int
        Sines in each direction for the one-electron problem.
    progress : bool
        Show a progress bar over samples.
    device : str, optional
        Such as "cuda": solve the samples in batches with torch on it.

    Returns
    -------
    Dataset
        `problem` with `density` and `density_free` (1/nm^2), `energy`, `energy_free` and
        `orbital_energy` (eV), `natural_occupation`, `density_truncation` (electrons).

    Raises
    ------
    ValueError
        Another system, or numbers of orbitals, states or modes that cannot be.

    References
    ----------
    Pantis-Simut et al., pix2pix paper, section III.1.

    Examples
    --------
    >>> import numpy as np
    >>> import qdens_nb as qd
    >>> solved = qd.solvers.dot_ci(qd.quantum_dot(np.zeros((32, 32))), orbitals=12, modes=16)
    >>> round(float(solved.density.sum()) * (30 / 32) ** 2, 9)
    2.0
    >>> bool(solved.energy > solved.energy_free)
    True
    """
    check_system(problem, "quantum_dot")
    check_choice("spin", spin, ("singlet", "triplet"))
    check_choice("density_matrix", density_matrix, ("full", "diagonal"))
    points = problem.sizes["x"]
    if not 2 <= modes < points:
        raise ValueError(f"modes={modes!r}; give 2 to {points - 1} on a grid of {points} points")
    if not 2 <= orbitals <= modes**2:
        raise ValueError(f"orbitals={orbitals!r}; give 2 to modes^2 = {modes**2}")
    largest = orbitals * (orbitals + (1 if spin == "singlet" else -1)) // 2
    if not 1 <= states <= largest:
        raise ValueError(f"states={states!r}; {orbitals} orbitals have 1 to {largest} {spin}s")
    settings = {
        "orbitals": int(orbitals),
        "spin": spin,
        "states": int(states),
        "density_matrix": density_matrix,
        "modes": int(modes),
    }
    problem = problem.transpose(..., *_MAP)
    batched = "sample" in problem["potential"].dims
    potentials = problem["potential"].values.reshape(-1, points, points)
    mass, eps_r = (
        np.broadcast_to(problem[name].values, len(potentials)).astype(np.float64)
        for name in ("mass", "eps_r")
    )
    size = float(problem.attrs["size_nm"])
    if device is not None:
        from qdens_nb.solvers._dot_batch import solve_batch

        rows = solve_batch(potentials, mass, eps_r, size, settings, device, progress)
    else:
        shown = tqdm(
            range(len(potentials)), desc="dot_ci", disable=not progress or len(potentials) == 1
        )
        with threadpool_limits(1):  # threads only get in the way of matrices this small
            rows = [_solve_one(potentials[i], mass[i], eps_r[i], size, settings) for i in shown]
    values = {name: np.stack([row[name] for row in rows]) for name in rows[0]}
    if not batched:
        values = {name: array[0] for name, array in values.items()}
    return add_observables(problem, values, "dot_ci", settings)


def _solve_one(
    potential: np.ndarray, mass: float, eps_r: float, size: float, settings: Mapping[str, Any]
) -> dict[str, Any]:
    step = size / len(potential)
    count, modes = settings["orbitals"], settings["modes"]
    energies, values = lowest_orbitals(potential, mass, size, count, modes)
    pairs = pair_densities(values)
    integrals = COULOMB / eps_r * coulomb_integrals(pairs, step, modes + modes // 4)
    return observables(energies, values, pairs, integrals, step, settings)


def observables(
    energies: np.ndarray,
    values: np.ndarray,
    pairs: np.ndarray,
    integrals: np.ndarray,
    step: float,
    settings: Mapping[str, Any],
) -> dict[str, Any]:
    """What one sample returns, from its orbitals and integrals (eV)."""
    spin, states, count = settings["spin"], settings["states"], settings["orbitals"]
    diagonal = settings["density_matrix"] == "diagonal"
    found, amplitudes = two.ci_states(energies, integrals, spin, states)
    matrix = two.density_matrix(amplitudes, diagonal)
    maps = two.density_of(matrix, pairs) / step**2
    fewer = max(2, count - max(1, count // 4))
    rows = pair_index(count)[np.triu_indices(fewer)]
    _, short = two.ci_states(energies[:fewer], integrals[np.ix_(rows, rows)], spin, 1)
    before = two.density_of(two.density_matrix(short, diagonal), pairs[rows])[0]
    out = {
        "density": maps[0],
        "density_free": 2.0 * values[0] ** 2 / step**2,
        "energy": found[0],
        "energy_free": 2.0 * energies[0],
        "orbital_energy": energies,
        "natural_occupation": np.linalg.eigvalsh(two.density_matrix(amplitudes[0]))[::-1],
        "density_truncation": 0.5 * np.abs(maps[0] * step**2 - before).sum(),
    }
    return out | ({"state_energy": found, "state_density": maps} if states > 1 else {})


def add_observables(
    problem: xr.Dataset, values: Mapping[str, np.ndarray], engine: str, options: Mapping[str, Any]
) -> xr.Dataset:
    """Return `problem` with labelled observables and the engine's name, version, options."""
    result = problem.copy()
    batched = ("sample",) if "sample" in problem["potential"].dims else ()
    for name, array in values.items():
        base = name.removesuffix("_stderr")
        dims, units, long_name = DOT_OBSERVABLES[base]
        if base != name:
            long_name = f"standard error of {base}"
        result[name] = ((*batched, *dims), array)
        result[name].attrs.update(units=units, long_name=long_name)
    result.attrs.update(
        engine=engine,
        engine_version=qdens_nb.__version__,
        engine_options=json.dumps(dict(options), sort_keys=True),
    )
    return result
