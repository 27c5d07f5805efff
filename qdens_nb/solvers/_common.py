"""What all chain engines share: the table of observables, batches, labels."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import xarray as xr
from tqdm.auto import tqdm

import qdens_nb
from qdens_nb.systems import check_system

#: name -> (dims, units, long name) of everything a chain engine can return. A bond x joins the
#: sites x and x + 1; the bond L - 1 of an open chain does not exist and holds 0.
CHAIN_OBSERVABLES: dict[str, tuple[tuple[str, ...], str, str]] = {
    "density": (("x",), "1", "<n_x>"),
    "density_variance": (("x",), "1", "<n_x^2> - <n_x>^2"),
    "density_correlation": (("x",), "1", "<n_x n_{x+1}>"),
    "coherence": (("x",), "1", "Re exp(-i flux/L) <c+_x c_{x+1}>"),
    "current": (
        ("x",),
        "J",
        "particle current from x to x + 1, 2 J Im exp(-i flux/L) <c+_x c_{x+1}>",
    ),
    "current_correlation": (("x",), "J^2", "Re <j_x j_{x+1}>"),
    "energy": ((), "J", "<H> without the term -mu N"),
    "particle_number": ((), "1", "number of particles N"),
    "mu_lower": ((), "J", "lowest mu at which N is the ground state"),
    "mu_upper": ((), "J", "highest mu at which N is the ground state"),
    "gap": ((), "J", "gap to the first excited state at fixed N"),
    "energy_of_N": (("N",), "J", "ground state energy of each particle number"),
    "converged": ((), "1", "1 if the engine converged"),
    "residual": ((), "1", "size of the last change (engine's own measure)"),
    "iterations": ((), "1", "iterations used"),
    "truncation_error": ((), "1", "largest discarded weight"),
    "bond_dimension": ((), "1", "largest bond dimension reached"),
    "v_score": ((), "1", "L Var(H) / (E - E_infinite)^2 of a variational state"),
    "rhat": ((), "1", "split R-hat of the local energy over the Markov chains"),
}


def solve_each(
    problem: xr.Dataset,
    solve_one: Callable[[dict[str, Any]], Mapping[str, Any]],
    engine: str,
    options: Mapping[str, Any],
    progress: bool = False,
) -> xr.Dataset:
    """Call ``solve_one`` for each sample and add what it returns to the problem.

    ``solve_one`` gets ``dict(potential=(L,) array, V=, mu=, flux=, boundary=)`` and returns a
    mapping from the names of `CHAIN_OBSERVABLES` to arrays.
    """
    check_system(problem, "fermion_chain")
    batched = "sample" in problem["potential"].dims
    n = problem.sizes["sample"] if batched else 1
    potentials = np.atleast_2d(problem["potential"].values)
    couplings = {name: np.broadcast_to(problem[name].values, (n,)) for name in ("V", "mu", "flux")}
    rows = []
    for i in tqdm(range(n), desc=engine, disable=not progress or n == 1):
        one: dict[str, Any] = {name: float(values[i]) for name, values in couplings.items()}
        one.update(potential=potentials[i], boundary=problem.attrs.get("boundary", "periodic"))
        rows.append(solve_one(one))
    stacked = {name: np.stack([np.asarray(row[name]) for row in rows]) for name in rows[0]}
    if not batched:
        stacked = {name: values[0] for name, values in stacked.items()}
    return add_observables(problem, stacked, engine, options)


def add_observables(
    problem: xr.Dataset,
    values: Mapping[str, np.ndarray],
    engine: str,
    options: Mapping[str, Any],
) -> xr.Dataset:
    """Return `problem` with labelled observables and the engine's name, version, options."""
    result = problem.copy()
    batched = ("sample",) if "sample" in problem["potential"].dims else ()
    labelled: dict[str, Any] = {}
    for name, array in values.items():
        base = name.removesuffix("_stderr")
        dims, units, long_name = CHAIN_OBSERVABLES[base]
        if base != name:
            long_name = f"standard error of {base}"
        if "N" in dims and "N" not in result.coords:
            result = result.assign_coords(N=np.arange(problem.sizes["x"] + 1))
        labelled[name] = ((*batched, *dims), array, {"units": units, "long_name": long_name})
    result = result.assign(labelled)
    result.attrs.update(
        engine=engine,
        engine_version=qdens_nb.__version__,
        engine_options=json.dumps(dict(options), sort_keys=True),
    )
    return result
