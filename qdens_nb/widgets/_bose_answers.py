"""Answers of a network, the mean field and quantum Monte Carlo to one problem of lattice bosons."""

from __future__ import annotations

import inspect
import time
import warnings
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import xarray as xr

import qdens_nb
from qdens_nb import analysis, potentials
from qdens_nb.systems import bose_hubbard

Predictor = Callable[..., xr.Dataset]
Sector = str | int

SHAPES = ("harmonic trap", "box", "double well", "flat")
SECTORS: dict[str, Sector] = {"auto": "auto", "even sites": 0, "odd sites": 1}
#: temperature in t, as in the training data
T = 0.25
_NEEDED = ("density", "density_squared", "coherence")
_KEPT = (*_NEEDED, "density_stderr", "fluctuation", "fluctuation_stderr")


def live_predictor(name: str = "bose_hubbard_live") -> Predictor:
    """The small shipped network without the average over symmetries, fast enough for a slider."""
    return partial(qdens_nb.load_predictor(name), symmetrise=False)


def takes_sector(predictor: Predictor) -> bool:
    """Whether a checkerboard sector can be asked for."""
    try:
        return "sector" in inspect.signature(predictor).parameters
    except (TypeError, ValueError):
        return False


def trap_problem(
    hopping: float, repulsion: float, mu: float, depth: float, sites: int, shape: str
) -> xr.Dataset:
    """The problem that the sliders describe.

    Parameters
    ----------
    hopping, repulsion, mu : float
        4t/U, 4V/U and mu/U in the middle of the trap.
    depth : float
        How far, in U, the potential rises from the middle to the middle of an edge of a harmonic
        trap, or to the outside of a box or double well. The barrier of the double well is half as
        high.
    sites : int
        Even side L of the torus, at least 8.
    shape : str
        One of `SHAPES`.

    Examples
    --------
    >>> box = trap_problem(0.2, 0.0, 1.0, 2.0, sites=8, shape="box")
    >>> float((box.potential / box.U)[0, 0]), float(box.potential[4, 4])
    (2.0, 0.0)
    """
    U, side = 4.0 / hopping, (sites, sites)
    if shape == "harmonic trap":
        potential = potentials.harmonic_trap(side, 2.0 * depth * U / (sites / 2) ** 2)
    elif shape == "box":
        potential = potentials.step_well(side, depth * U, 2 * round(0.28 * sites)) + depth * U
    elif shape == "double well":
        width = 2 * (sites // 6)
        wells = potentials.double_well(side, depth * U, width, 2, barrier=-0.5 * depth * U)
        potential = wells + depth * U
    elif shape == "flat":
        potential = xr.DataArray(np.zeros(side), dims=("x", "y"))
    else:
        raise ValueError(f"shape={shape!r}; choose one of {', '.join(SHAPES)}")
    return bose_hubbard(potential, U=U, V=repulsion * U / 4.0, mu=mu * U, T=T)


def ask(predictor: Predictor, problem: xr.Dataset, sector: Sector = "auto") -> xr.Dataset:
    """The predictor's answer with ``fluctuation``, its time in ``attrs["wall_seconds"]``.

    What the predictor warns of is in ``attrs["notes"]``.

    Raises
    ------
    ValueError
        A sector is asked for that the predictor does not take, or observables are missing.
    """
    import torch

    if sector != "auto" and not takes_sector(predictor):
        raise ValueError(f"sector={sector!r}, but this predictor takes none; leave it on auto")
    call = partial(predictor, sector=sector) if takes_sector(predictor) else predictor
    began = time.perf_counter()
    # Grad mode belongs to a thread.
    with warnings.catch_warnings(record=True) as caught, torch.no_grad():
        warnings.simplefilter("always")
        answer = call(problem)
    seconds = time.perf_counter() - began
    missing = [name for name in _NEEDED if name not in answer]
    if missing:
        raise ValueError(f"the predictor's answer holds no {', '.join(missing)}")
    out = answer.assign(fluctuation=answer["density_squared"] - answer["density"] ** 2)
    out.attrs["wall_seconds"] = seconds
    out.attrs["notes"] = "; ".join(dict.fromkeys(str(one.message) for one in caught))
    return out


def mean_field(problem: xr.Dataset, sector: int) -> xr.Dataset:
    """The Gutzwiller mean field in a sector, 0 or 1, as `ask` answers."""
    start = ("even", "odd")[sector]
    solve = partial(qdens_nb.solvers.gutzwiller, start=start, starts=2, tolerance=1e-6)
    return ask(solve, problem)


def join(problem: xr.Dataset, answers: Mapping[str, xr.Dataset], sector: int) -> xr.Dataset:
    """Answers along a dim ``solver``, as `analysis.side_by_side` joins them, but quicker.

    ``seconds`` is what each took, the attr ``notes`` what each warned of.
    """
    variables: dict[str, Any] = {str(name): problem[name] for name in problem.data_vars}
    for name in _KEPT:
        first = next((answer[name] for answer in answers.values() if name in answer), None)
        if first is None:
            continue
        rows = [
            answer[name].transpose(*first.dims).values if name in answer else None
            for answer in answers.values()
        ]
        unknown = np.full(first.shape, np.nan)
        stacked = np.stack([unknown if row is None else row for row in rows])
        variables[name] = (("solver", *first.dims), stacked, first.attrs)
    seconds = [answer.attrs.get("wall_seconds", np.nan) for answer in answers.values()]
    variables["seconds"] = ("solver", seconds, {"units": "s", "long_name": "wall time"})
    variables["sector"] = ((), sector, {"units": "1", "long_name": "0: even sites denser, 1: odd"})
    coords = {"x": problem["x"], "y": problem["y"], "direction": ["x", "y"], "solver": [*answers]}
    notes = (answer.attrs.get("notes") for answer in answers.values())
    attrs = problem.attrs | {"notes": "; ".join(filter(None, notes))}
    return xr.Dataset(variables, coords, attrs)


def compute(
    hopping: float,
    repulsion: float,
    mu: float,
    depth: float,
    sites: int,
    shape: str,
    sector: Sector = "auto",
    *,
    predictor: Predictor,
    with_mean_field: bool = False,
) -> xr.Dataset:
    """Answers of the network and, if wanted, the mean field in the same sector.

    Returns
    -------
    Dataset
        The problem of `trap_problem` with density, density_squared, fluctuation
        (<n^2> - <n>^2), coherence and, of a network that gives it, density_stderr along a dim
        ``solver`` ("network", "gutzwiller"); ``sector``, 0 or 1, read off the network's density.
    """
    problem = trap_problem(hopping, repulsion, mu, depth, sites, shape)
    answers = {"network": ask(predictor, problem, sector)}
    chosen = int(analysis.checkerboard_sector(answers["network"]["density"]))
    if with_mean_field:
        answers["gutzwiller"] = mean_field(problem, chosen)
    return join(problem, answers, chosen)


def answer_of(data: xr.Dataset, solver: str) -> Any:
    """The observables of one solver; None if it has not answered."""
    names = [str(name) for name in data["solver"].values]
    if solver not in names:
        return None
    row = names.index(solver)
    values = {
        name: (data[name].dims[1:], data[name].values[row], data[name].attrs)
        for name in _KEPT
        if name in data and not np.isnan(data[name].values[row]).all()
    }
    return xr.Dataset(values, {"x": data["x"], "y": data["y"]})
