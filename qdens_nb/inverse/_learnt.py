"""The answer of Hamiltonian learning as a Dataset, with what it does not know."""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import Any, NamedTuple

import numpy as np
import torch
import xarray as xr

from qdens_nb.inverse._descent import Descent
from qdens_nb.inverse._problem import problem_of
from qdens_nb.inverse._unknowns import State, Unknowns
from qdens_nb.solvers._bose_common import add_observables

_IDENTIFIED = 0.25
_UNIFORM = 1.0 / np.sqrt(12.0)
_NOTE = (
    "the spread over starts that explain the data equally well and over resampled noise; it does "
    "not hold errors that the network makes everywhere, nor a potential outside the family"
)
_DEGENERATE = (
    "from a density alone, with a potential that is free on every site, U and V cannot be told: "
    "each pair has a potential of its own that gives this density"
)
_CHI2 = {"units": "1", "long_name": "mean square of (network - observed) / error"}
_LABELS = {
    "best": "value of the best start",
    "mean": "mean over the starts that explain the data",
    "start_std": "spread over the starts that explain the data",
    "noise_std": "spread over resampled noise",
    "std": "standard deviation, of starts and resampled noise",
    "contraction": "spread of the answers over that of the range searched",
    "identified": "1 if the contraction is below a quarter",
}


class Fit(NamedTuple):
    """Starts on the given data, and fits of resampled data that began at the starts `parents`."""

    unknowns: Unknowns
    first: Descent
    accepted: np.ndarray
    state: State
    density: torch.Tensor
    moved: State | None
    parents: np.ndarray

    @property
    def best(self) -> int:
        """The start of lowest loss."""
        return int(np.argmin(self.first.loss))

    def spread(self, of: Callable[[State], torch.Tensor]) -> dict[str, np.ndarray]:
        """Mean over the accepted starts of a part of the state; its spread, and by what."""
        at = of(self.state).numpy()
        noise = np.zeros(at.shape[1:])
        if self.moved is not None:
            noise = np.sqrt(((of(self.moved).numpy() - at[self.parents]) ** 2).mean(0))
        starts = at[self.accepted].std(0)
        mean = at[self.accepted].mean(0)
        return {
            "best": at[self.best],
            "mean": mean,
            "std": np.hypot(starts, noise),
            "start_std": starts,
            "noise_std": noise,
        }


def learnt_dataset(
    fit: Fit,
    target: np.ndarray,
    sector: int,
    known: dict[str, Any],
    options: dict[str, Any],
    interrupted: bool,
) -> xr.Dataset:
    """Best start as a problem, with means and spreads."""
    best, state = fit.best, fit.state
    U, V = (float(part[best]) for part in (state.U, state.V))
    problem = problem_of(state.local[best].numpy(), U=U, V=V, **known)
    values = {"density": fit.density[best].numpy(), "sector": np.asarray(sector)}
    out = add_observables(problem, values, "inverse:learn_hamiltonian", options)
    out["target"] = (("x", "y"), target, {"units": "1", "long_name": "given density"})
    out["chi2"] = ((), fit.first.loss[best], _CHI2)
    out["potential_std"] = (
        ("x", "y"),
        fit.spread(lambda s: s.U[:, None, None] * s.local)["std"],
        {"units": "t", "long_name": "standard deviation of mu - v"},
    )
    for name in ("U", "V"):
        found = fit.spread(attrgetter(name))
        for key in ("mean", "std"):
            label = {"units": "t", "long_name": f"{name}: {_LABELS[key]}"}
            out[f"{name}_{key}"] = ((), found[key], label)
    unit = fit.spread(lambda s: s.unit)["std"] / _UNIFORM
    table = fit.spread(lambda s: s.free)
    table |= {"contraction": unit, "identified": (unit < _IDENTIFIED).astype(int)}
    for key, column in table.items():
        out[f"parameter_{key}"] = ("parameter", column, {"long_name": _LABELS[key]})
    out["start_chi2"] = ("start", fit.first.loss, _CHI2)
    for name, part in (("U", state.U), ("V", state.V)):
        label = {"units": "t", "long_name": f"{name} found from each start"}
        out[f"start_{name}"] = ("start", part.numpy(), label)
    out["start_accepted"] = ("start", fit.accepted.astype(int), {"long_name": "explains the data"})
    out["history"] = (
        ("start", "step"),
        fit.first.history,
        {"units": "1", "long_name": "mean |density - target|"},
    )
    names = fit.unknowns.names
    out = out.assign_coords(
        parameter=("parameter", np.array(names, dtype=np.str_)),
        start=np.arange(len(fit.accepted)),
        step=np.arange(fit.first.history.shape[1]),
    )
    note = _NOTE
    free_map = fit.unknowns.family.local is None
    if free_map and options["observed"] == ["density"] and {"U", "V"} & set(names):
        note = f"{_DEGENERATE}; {_NOTE}"
    out.attrs.update(interrupted=int(interrupted), note=note)
    return out
