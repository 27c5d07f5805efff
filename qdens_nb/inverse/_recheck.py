"""Solve what an inverse problem found with another engine and compare."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import xarray as xr

from qdens_nb import solvers
from qdens_nb.systems import check_system

_PROBLEM = ("potential", "U", "V", "mu", "T")


def recheck(
    found: xr.Dataset, solver: Callable[..., xr.Dataset] | None = None, **options: Any
) -> xr.Dataset:
    """Solve a designed or learnt problem with an engine and compare with target and network.

    Parameters
    ----------
    found : Dataset
        From `design` or `learn_hamiltonian`.
    solver : callable
        Any solver or predictor; default `qdens_nb.solvers.worm`.
    **options
        Passed to `solver`.

    Returns
    -------
    Dataset
        The solver's answer with the ``target``, the network's density as ``predicted_density``,
        ``target_error`` (mean of ``|density - target|``: is the wanted density reached?) and
        ``prediction_error`` (mean of ``|density - predicted_density|``: was the network right?).

    Raises
    ------
    ValueError
        Not the answer of an inverse problem.

    Examples
    --------
    See `design`.
    """
    check_system(found, "bose_hubbard")
    missing = [name for name in ("target", "density") if name not in found]
    if missing:
        raise ValueError(
            f"the Dataset holds no {', '.join(map(repr, missing))}; give the answer of "
            "inverse.design or inverse.learn_hamiltonian"
        )
    problem = found[[*_PROBLEM]].reset_coords(drop=True)
    for name in ("engine", "engine_version", "engine_options", "interrupted", "note"):
        problem.attrs.pop(name, None)
    answer = (solver or solvers.worm)(problem, **options)
    answer["target"] = found["target"]
    answer["predicted_density"] = found["density"].assign_attrs(
        long_name="<n_i> that the network predicted"
    )
    for name, reference in (("target_error", "target"), ("prediction_error", "predicted_density")):
        answer[name] = abs(answer["density"] - answer[reference]).mean(("x", "y"))
        answer[name].attrs.update(units="1", long_name=f"mean |density - {reference}|")
    return answer
