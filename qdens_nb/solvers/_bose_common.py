"""What all Bose-Hubbard engines share: observables, the lattice, batches, labels.

Every site has one bond in direction ``x`` and, on a torus, one in direction ``y``; a side of two
sites thus has two bonds between the same pair.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import xarray as xr
from tqdm.auto import tqdm

import qdens_nb
from qdens_nb.systems import check_system

_SITE = ("x", "y")
_BOND = ("direction", "x", "y")

#: name -> (dims on the torus, units, long name) of everything a Bose-Hubbard engine can return.
BOSE_OBSERVABLES: dict[str, tuple[tuple[str, ...], str, str]] = {
    "density": (_SITE, "1", "<n_i>"),
    "density_squared": (_SITE, "1", "<n_i^2>"),
    "density_correlation": (_BOND, "1", "<n_i n_j>, j the next site in the direction"),
    "coherence": (_BOND, "1", "Re <b+_i b_j>, j the next site in the direction"),
    "order_parameter": (_SITE, "1", "mean-field amplitude <b_i>"),
    "energy": ((), "t", "<H> without the term -mu N"),
    "grand_potential": ((), "t", "-T log Z, at T = 0 the lowest <H>"),
    "particle_number": ((), "1", "<N>"),
    "compressibility": ((), "1/t", "(<N^2> - <N>^2) / (T sites)"),
    "winding_squared": (("direction",), "1", "<W^2> of the world lines"),
    "superfluid_stiffness": ((), "t", "second derivative of the free energy by a phase twist"),
    "structure_factor": ((), "1", "<|sum_i (-1)^(x+y) n_i|^2> / sites^2"),
    "clipped": ((), "1", "largest probability of n_i = n_max over the sites"),
    "autocorrelation_time": ((), "sweep", "integrated autocorrelation time of the density"),
    "sweeps": ((), "1", "measured sweeps of all chains"),
    "thermalised": ((), "1", "1 if all tests of equilibrium passed"),
    "converged": ((), "1", "1 if the engine converged"),
    "residual": ((), "1", "size of the last change (engine's own measure)"),
    "iterations": ((), "1", "iterations used"),
    "sector": ((), "1", "checkerboard sector: 0, the even sites are denser; 1, the odd"),
}


def directions(shape: tuple[int, ...]) -> tuple[str, ...]:
    """Names of the bond directions of a lattice of that shape."""
    return ("x", "y")[: len(shape)]


def neighbours(shape: tuple[int, ...]) -> np.ndarray:
    """Site indices ``(sites, 2 d)`` of the neighbours in +x[, +y], -x[, -y]."""
    index = np.arange(np.prod(shape)).reshape(shape)
    forward = [np.roll(index, -1, axis) for axis in range(len(shape))]
    backward = [np.roll(index, 1, axis) for axis in range(len(shape))]
    return np.stack([a.ravel() for a in (*forward, *backward)], axis=1)


def symmetries(shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Translations by one site and reflections of the lattice; with each its inverse.

    Returns
    -------
    images : (maps, sites) site to which each site goes
    turns : (maps, 2 d) direction to which each direction of `neighbours` goes
    """
    index = np.arange(np.prod(shape)).reshape(shape)
    d = len(shape)
    plain = np.arange(2 * d)
    images, turns = [], []
    for axis in range(d):
        for step in (1, -1):
            images.append(np.roll(index, step, axis))
            turns.append(plain)
        images.append(np.flip(index, axis))
        turned = plain.copy()
        turned[[axis, axis + d]] = axis + d, axis
        turns.append(turned)
    if d == 2 and shape[0] == shape[1]:
        images.append(index.T)
        turns.append(np.array([1, 0, 3, 2]))
    return np.array([image.ravel() for image in images]), np.array(turns)


def checkerboard(shape: tuple[int, ...]) -> np.ndarray:
    """``(-1)^(x+y)``, +1 on the even sites."""
    return 1.0 - 2.0 * (np.indices(shape).sum(0) % 2)


def unpack(problem: xr.Dataset) -> list[dict[str, Any]]:
    """One ``dict(mu=site-resolved mu - v, U=site-resolved, V=, T=, n_max=, shape=)`` a sample."""
    check_system(problem, "bose_hubbard")
    batched = "sample" in problem["potential"].dims
    n = problem.sizes["sample"] if batched else 1
    potential = problem["potential"].values if batched else problem["potential"].values[None]
    shape = potential.shape[1:]
    out = []
    for i in range(n):
        one: dict[str, Any] = {"shape": shape, "n_max": int(problem.attrs["n_max"])}
        for name in ("V", "mu", "T", "U"):
            values = problem[name]
            one[name] = (values.isel(sample=i) if "sample" in values.dims else values).values
        one["potential"] = potential[i]
        one["chemical_potential"] = float(one["mu"])
        one["mu"] = one["mu"] - potential[i]
        one["U"] = np.broadcast_to(one["U"], shape).astype(np.float64)
        one["V"], one["T"] = float(one["V"]), float(one["T"])
        out.append(one)
    return out


def solve_each(
    problem: xr.Dataset,
    solve_one: Callable[[dict[str, Any]], Mapping[str, Any]],
    engine: str,
    options: Mapping[str, Any],
    progress: bool = False,
) -> xr.Dataset:
    """Call ``solve_one`` with what `unpack` gives for each sample; label what it returns."""
    problems = unpack(problem)
    rows = [
        solve_one(one)
        for one in tqdm(problems, desc=engine, disable=not progress or len(problems) == 1)
    ]
    stacked = {name: np.stack([np.asarray(row[name]) for row in rows]) for name in rows[0]}
    if "sample" not in problem["potential"].dims:
        stacked = {name: values[0] for name, values in stacked.items()}
    return add_observables(problem, stacked, engine, options)


def add_observables(
    problem: xr.Dataset,
    values: Mapping[str, np.ndarray],
    engine: str,
    options: Mapping[str, Any],
) -> xr.Dataset:
    """Return `problem` with labelled observables and the engine's name, version, options."""
    batched = ("sample",) if "sample" in problem["potential"].dims else ()
    lattice = tuple(d for d in _SITE if d in problem["potential"].dims)
    result = problem.assign_coords(direction=list(lattice))
    labelled: dict[str, Any] = {}
    for name, array in values.items():
        base = name.removesuffix("_stderr")
        dims, units, long_name = BOSE_OBSERVABLES[base]
        if base != name:
            long_name = f"standard error of {base}"
        dims = tuple(d for d in dims if d not in _SITE or d in lattice)
        labelled[name] = ((*batched, *dims), array, {"units": units, "long_name": long_name})
    result = result.assign(labelled)
    result.attrs.update(
        engine=engine,
        engine_version=qdens_nb.__version__,
        engine_options=json.dumps(dict(options), sort_keys=True),
    )
    return result
