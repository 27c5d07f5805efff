"""Errors of one Dataset against another, and whether stated standard errors can be believed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import xarray as xr
from scipy.special import erfinv
from tqdm.auto import tqdm

from qdens_nb._map_metrics import (
    charge_error,
    displaced_charge,
    map_norms,
    map_scores,
    mssim,
    r2_maps,
    ssim,
)

__all__ = [
    "OBSERVABLES",
    "calibration",
    "charge_error",
    "displaced_charge",
    "evaluate",
    "map_norms",
    "map_scores",
    "mssim",
    "r2_maps",
    "regression",
    "regression_by",
    "resolved",
    "scores",
    "ssim",
]

Data = xr.Dataset | Mapping[int, xr.Dataset]
Scores = dict[str, float]

#: what `regression` compares unless names are given
OBSERVABLES = (
    "density",
    "density_variance",
    "density_squared",
    "density_correlation",
    "coherence",
    "current",
    "current_correlation",
    "energy",
    "particle_number",
)
_PROBLEM = ("potential", "V", "mu", "flux", "U", "T", "mass", "eps_r")


def scores(prediction: Any, reference: Any, name: str = "values") -> Scores:
    """Errors of `prediction` against `reference`, over all entries.

    Parameters
    ----------
    prediction, reference : arrays of the same shape
    name : str
        What they are, for messages.

    Returns
    -------
    dict
        ``mae``, ``rmse`` and ``max`` of the absolute error, in the units of the values, and
        ``r2``, the coefficient of determination. A reference that does not vary has the r2 of 1
        if it is met exactly, and else of 0.

    Raises
    ------
    ValueError
        Shapes that differ, no entries, NaN or infinite values.

    Examples
    --------
    >>> scores([0.0, 1.0], [0.0, 2.0])
    {'mae': 0.5, 'rmse': 0.7071067811865476, 'r2': 0.5, 'max': 1.0}
    """
    predicted, exact = _finite(prediction, name), _finite(reference, name)
    if predicted.shape != exact.shape or exact.size == 0:
        raise ValueError(
            f"{name}: the prediction has shape {predicted.shape}, the reference {exact.shape}; "
            "they must be the same and not empty"
        )
    error = predicted - exact
    squares = float(np.square(error).sum())
    spread = float(np.square(exact - exact.mean()).sum())
    return {
        "mae": float(np.abs(error).mean()),
        "rmse": float(np.sqrt(squares / error.size)),
        "r2": 1.0 - squares / spread if spread > 0 else float(squares == 0),
        "max": float(np.abs(error).max()),
    }


def _finite(values: Any, name: str) -> np.ndarray:
    array = np.asarray(values, dtype=np.float64)
    bad = int((~np.isfinite(array)).sum())
    if bad:
        raise ValueError(f"{name} holds {bad} value(s) that are NaN or infinite; leave them out")
    return array


def regression(
    prediction: Data, reference: Data, names: Sequence[str] | None = None
) -> dict[str, Scores]:
    """`scores` of every observable, over all samples, sites and sizes.

    Parameters
    ----------
    prediction, reference : Dataset, or mapping of L to Dataset
        With the same samples in the same order.
    names : sequence of str, optional
        What to compare (default: the `OBSERVABLES` that all of them hold).

    Returns
    -------
    dict
        name -> mae, rmse, r2, max.

    Raises
    ------
    ValueError
        Nothing in common, a missing name, shapes that differ, NaN or infinite values.
    """
    pairs = _pairs(prediction, reference)
    everywhere = [n for n in OBSERVABLES if all(n in a and n in b for a, b in pairs)]
    wanted = everywhere if names is None else list(names)
    absent = [n for n in wanted if not all(n in a and n in b for a, b in pairs)]
    if absent or not wanted:
        raise ValueError(
            f"prediction and reference do not both hold {', '.join(absent) or 'an observable'}; "
            f"in common they have: {', '.join(everywhere) or 'nothing'}"
        )
    return {name: scores(*_pooled(pairs, name), name) for name in wanted}


def regression_by(
    prediction: Data,
    reference: Data,
    by: str,
    names: Sequence[str] | None = None,
    *,
    bins: Sequence[float] | None = None,
) -> dict[str, dict[str, Scores]]:
    """`regression` in each range of a coupling, or at each size.

    Parameters
    ----------
    prediction, reference, names
        As for `regression`.
    by : str
        ``"L"``, or a variable of `reference` with one value for each sample, such as ``"V"``.
    bins : sequence of float, optional
        Edges; each bin holds its lower edge, the last one both. Default: every value on its own
        if there are at most 8, otherwise 4 bins of equal width.

    Returns
    -------
    dict
        label -> name -> mae, rmse, r2, max; bins without a sample are left out.

    Raises
    ------
    ValueError
        No such variable, edges that do not increase, and what `regression` refuses.
    """
    pairs = _pairs(prediction, reference)
    if by == "L":
        sizes = {size: (a, b) for a, b in pairs for size in [b.sizes["x"]]}
        return {str(size): regression(*sizes[size], names) for size in sorted(sizes)}
    for _, exact in pairs:
        if by not in exact or set(exact[by].dims) - {"sample"}:
            raise ValueError(f"{by!r} is not a number for each sample; choose L, V, mu or another")
    values = [np.atleast_1d(_finite(exact[by], by)) for _, exact in pairs]
    out = {}
    for label, low, high, closed in _bins(np.concatenate(values), bins):
        chosen: tuple[dict[int, xr.Dataset], dict[int, xr.Dataset]] = ({}, {})
        for i, ((predicted, exact), value) in enumerate(zip(pairs, values, strict=True)):
            inside = (value >= low) & ((value < high) | (closed & (value == high)))
            if inside.any() and "sample" in exact["potential"].dims:
                if value.size == 1:
                    inside = np.full(exact.sizes["sample"], inside[0])
                predicted, exact = predicted.isel(sample=inside), exact.isel(sample=inside)
            if inside.any():
                chosen[0][i], chosen[1][i] = predicted, exact
        if chosen[0]:
            out[label] = regression(*chosen, names)
    return out


def _bins(
    values: np.ndarray, edges: Sequence[float] | None
) -> list[tuple[str, float, float, bool]]:
    distinct = np.unique(values)
    if edges is None and distinct.size <= 8:
        return [(f"{v:g}", v, v, True) for v in distinct]
    edge = np.linspace(distinct[0], distinct[-1], 5) if edges is None else np.asarray(edges, float)
    if edge.size < 2 or (np.diff(edge) <= 0).any():
        raise ValueError(f"bins={edges!r}; give at least two edges that increase")
    last = edge.size - 2
    return [
        (f"[{low:.4g}, {high:.4g}{']' if i == last else ')'}", float(low), float(high), i == last)
        for i, (low, high) in enumerate(pairwise(edge))
    ]


def _pairs(prediction: Data, reference: Data) -> list[tuple[xr.Dataset, xr.Dataset]]:
    if isinstance(prediction, xr.Dataset) and isinstance(reference, xr.Dataset):
        return [(prediction, reference)]
    if isinstance(prediction, xr.Dataset) or isinstance(reference, xr.Dataset):
        raise ValueError("give two Datasets, or two mappings of L to Dataset")
    if set(prediction) != set(reference) or not reference:
        raise ValueError(
            f"the prediction has the sizes {sorted(prediction)}, the reference {sorted(reference)}"
        )
    return [(prediction[size], reference[size]) for size in reference]


def _pooled(pairs: list[tuple[xr.Dataset, xr.Dataset]], name: str) -> tuple[np.ndarray, np.ndarray]:
    for predicted, exact in pairs:
        if predicted[name].sizes != exact[name].sizes:
            raise ValueError(
                f"{name} has the shape {dict(predicted[name].sizes)} in the prediction and "
                f"{dict(exact[name].sizes)} in the reference"
            )
    first = [a[name].transpose(*b[name].dims).values.ravel() for a, b in pairs]
    second = [b[name].values.ravel() for _, b in pairs]
    return np.concatenate(first), np.concatenate(second)


def resolved(reference: xr.Dataset, margin: float = 0.0) -> np.ndarray:
    """Which samples have a ground state at mu that is unique by `margin` (in the energy unit).

    Data for training hold every particle number, also those that are the ground state at no mu:
    an engine that works at mu cannot be judged by them.

    Returns
    -------
    array of bool, one for each sample
        True where mu_lower + margin < mu < mu_upper - margin and gap > margin, as far as the
        Dataset holds these; with margin 0 a gap of 0 is let pass, since mu does not decide it.
    """
    inside = xr.DataArray(True)
    if {"mu", "mu_lower", "mu_upper"} <= set(reference.data_vars):
        inside = inside & (reference["mu_lower"] < reference["mu_upper"])
        inside = inside & (reference["mu"] - reference["mu_lower"] >= margin)
        inside = inside & (reference["mu_upper"] - reference["mu"] >= margin)
    if margin > 0 and "gap" in reference:
        inside = inside & (reference["gap"] >= margin)
    return np.broadcast_to(np.atleast_1d(inside.values), reference.sizes.get("sample", 1))


def calibration(error: Any, stderr: Any, *, levels: int = 9) -> dict[str, Any]:
    """Compare errors with the standard errors that were stated for them.

    Parameters
    ----------
    error, stderr : arrays of the same shape
        prediction - reference, and its stated standard error (> 0).
    levels : int
        Number of points of the curve.

    Returns
    -------
    dict
        ``within_1`` and ``within_2``: part of the errors within one and two standard errors
        (0.683 and 0.954 for normal errors); ``reduced_chi2``: mean of (error/stderr)^2 (1);
        ``expected`` and ``observed``: lists, part of the errors that a normal distribution puts
        into each central interval, and the part that is there; ``calibration_error``: the mean
        absolute difference of the two.

    Raises
    ------
    ValueError
        Shapes that differ, no entries, NaN or infinite values, a standard error that is not
        positive.
    """
    errors, sigma = _finite(error, "error"), _finite(stderr, "stderr")
    if errors.shape != sigma.shape or errors.size == 0:
        raise ValueError(
            f"the error has shape {errors.shape}, its standard error {sigma.shape}; they must be "
            "the same and not empty"
        )
    if (sigma <= 0).any():
        raise ValueError(
            f"{int((sigma <= 0).sum())} standard error(s) are not positive; leave them out"
        )
    ratio = np.abs(errors / sigma).ravel()
    expected = np.arange(1, levels + 1) / (levels + 1)
    observed = np.array([(ratio <= np.sqrt(2.0) * erfinv(p)).mean() for p in expected])
    return {
        "within_1": float((ratio <= 1.0).mean()),
        "within_2": float((ratio <= 2.0).mean()),
        "reduced_chi2": float(np.square(ratio).mean()),
        "expected": expected.tolist(),
        "observed": observed.tolist(),
        "calibration_error": float(np.abs(observed - expected).mean()),
    }


def evaluate(
    solver: Callable[[xr.Dataset], xr.Dataset],
    reference: Data,
    *,
    split: str | None = None,
    margin: float = 0.0,
    batch: int = 128,
    progress: bool = False,
) -> dict[str, Any]:
    """Let `solver` solve the problems of `reference` and compare what they both give.

    Parameters
    ----------
    solver : callable, Dataset to Dataset
        A predictor or an engine; it sees the potential and the couplings only. A solver with a
        method ``sector_of`` is told the checkerboard sector of the reference, which a simulation
        may choose at random.
    reference : Dataset, or mapping of L to Dataset
        Solved problems, as from `qdens_nb.datasets.open_shards`.
    split : str, optional
        Give the errors also for each ``"L"`` or each range of a coupling; see `regression_by`.
    margin : float
        Samples whose ground state is not unique by that much are left out; see `resolved`.
    batch : int
        Samples given to the solver at a time.
    progress : bool
        Show a progress bar.

    Returns
    -------
    dict
        Each observable with its `scores`; ``samples`` and ``left_out``, their numbers; ``by``, if
        there is a split; ``calibration`` of the density's standard error, if the solver states
        one that is positive anywhere.

    Raises
    ------
    ValueError
        No sample left, nothing to compare, and what the solver refuses.
    """
    parts = {0: reference} if isinstance(reference, xr.Dataset) else reference
    solved, kept = {}, {}
    sector_of: Any = getattr(solver, "sector_of", None)
    total = sum(part.sizes.get("sample", 1) for part in parts.values())
    with tqdm(total=total, desc="evaluate", unit="sample", disable=not progress) as bar:
        for size, part in parts.items():
            part = part if "sample" in part["potential"].dims else part.expand_dims("sample")
            rows = np.flatnonzero(resolved(part, margin))
            bar.update(part.sizes["sample"] - rows.size)
            answers = []
            for start in range(0, rows.size, batch):
                chosen = part.isel(sample=rows[start : start + batch])
                problem = chosen[[name for name in _PROBLEM if name in chosen]]
                sectors = {"sector": sector_of(chosen)} if sector_of else {}
                answer = solver(problem, **sectors)
                answers.append(answer[[n for n in answer if n in part or n == "density_stderr"]])
                bar.update(chosen.sizes["sample"])
            if answers:
                kept[size] = part.isel(sample=rows)
                solved[size] = xr.concat(
                    answers, "sample", data_vars="all", coords="minimal", compat="override"
                )
    samples = sum(part.sizes["sample"] for part in kept.values())
    if not samples:
        raise ValueError(f"none of {total} samples has a ground state unique by {margin:g}")
    out: dict[str, Any] = {**regression(solved, kept), "samples": samples}
    out["left_out"] = total - samples
    if split:
        out["by"] = {split: regression_by(solved, kept, split)}
    if all("density_stderr" in answer and "density" in answer for answer in solved.values()):
        stderr, error = (
            np.concatenate([np.ravel(f(size)) for size in kept])
            for f in (
                lambda size: solved[size]["density_stderr"].values,
                lambda size: (solved[size]["density"] - kept[size]["density"]).values,
            )
        )
        if (stderr > 0).any():
            out["calibration"] = calibration(error[stderr > 0], stderr[stderr > 0])
    return out
