"""Checks of what the inverse problems are given."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from qdens_nb._checks import check_choice
from qdens_nb.training._bose_tasks import RANGES

LATTICE = ("x", "y")


def check_map(name: str, values: Any, dims: Sequence[str] = LATTICE) -> np.ndarray:
    """`values` as a float64 array with dims `dims` on an even torus, finite."""
    if isinstance(values, xr.DataArray):
        if {*values.dims} != {*dims}:
            raise ValueError(f"{name} has dims {values.dims}; expected {tuple(dims)}, one map")
        values = values.transpose(*dims).values
    array = np.asarray(values)
    if array.dtype.kind not in "fiub" or array.ndim != len(dims):
        raise ValueError(
            f"{name} has shape {array.shape} and dtype {array.dtype}; give one map of real numbers "
            f"with dims {tuple(dims)}"
        )
    odd = [side for side in array.shape[-2:] if side % 2 or side < 4]
    if odd:
        raise ValueError(
            f"{name} has the shape {array.shape}; the torus needs even sides of at least 4: crop "
            "or pad it"
        )
    array = array.astype(np.float64)
    bad = int((~np.isfinite(array)).sum())
    if bad:
        raise ValueError(f"{name} holds {bad} value(s) that are NaN or infinite; fill them in")
    return array


def check_density(name: str, values: Any, n_max: int, slack: float = 1e-9) -> np.ndarray:
    """A density map (X, Y) within 0..n_max, up to `slack`."""
    array = check_map(name, values)
    low, high = float(array.min()), float(array.max())
    if low < -slack or high > n_max + slack:
        raise ValueError(
            f"{name} runs from {low:.3g} to {high:.3g}; a site holds 0 to n_max={n_max} bosons: "
            "rescale it"
        )
    return array


def check_range(name: str, value: Any, lowest: float = -np.inf) -> tuple[float, float]:
    """A pair low < high of finite numbers, low at least `lowest`."""
    pair = np.asarray(value, dtype=np.float64) if np.ndim(value) == 1 else np.empty(0)
    if pair.shape != (2,) or not np.isfinite(pair).all() or not lowest <= pair[0] < pair[1]:
        least = "" if np.isinf(lowest) else f", low at least {lowest:g}"
        raise ValueError(f"{name}={value!r}; give a pair (low, high) with low < high{least}")
    return float(pair[0]), float(pair[1])


def check_number(name: str, value: Any, lowest: float, above: bool = False) -> float:
    """One finite number of at least `lowest`, or above it."""
    array = np.asarray(value)
    good = array.ndim == 0 and array.dtype.kind in "fiu" and np.isfinite(array)
    if not good or not (array > lowest if above else array >= lowest):
        raise ValueError(
            f"{name}={value!r}; give one number {'above' if above else 'of at least'} {lowest:g}"
        )
    return float(array)


def check_options(
    sector: Any, n_max: Any, counts: Mapping[str, Any], sizes: Mapping[str, Any]
) -> None:
    """Raise ``ValueError`` where an option shared by the inverse problems is out of bounds."""
    check_choice("sector", sector, ("auto", 0, 1))
    for name, value in {"n_max": n_max, **counts}.items():
        least = 0 if name == "resamples" else 1
        if isinstance(value, bool) or int(value) != value or value < least:
            raise ValueError(f"{name}={value!r}; give a whole number of at least {least}")
    for name, value in sizes.items():
        check_number(name, value, 0.0, above=name in ("learning_rate", "T"))


def trained_ranges(predictor: Any) -> Mapping[str, Any]:
    """Ranges of 4t/U, 4V/U, T and (mu - v)/U that the predictor was trained on."""
    return {**RANGES, **getattr(predictor, "card", {}).get("ranges", {})}


def warn_outside(predictor: Any, given: Mapping[str, Sequence[float]]) -> None:
    """Warn if the extremes `given` of an input leave the range the predictor was trained on."""
    if not hasattr(predictor, "card"):
        return
    ranges, reasons = trained_ranges(predictor), []
    for key, values in given.items():
        low, high = ranges[key]
        if min(values) < low - 1e-6 or max(values) > high + 1e-6:
            reasons.append(f"{key} may leave [{low}, {high}]")
    if reasons:
        warnings.warn(
            f"{'; '.join(reasons)}, what the network was trained on: it extrapolates",
            stacklevel=3,
        )
