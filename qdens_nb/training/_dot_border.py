"""What a network of the dots is given: checked, brought to the scale of its training.

The Hamiltonian in units of the side L depends on v m L^2 and m L / eps_r only, so a dot of another
mass or size is one of GaAs in 30 nm with another potential and permittivity; its density is that
one's times (30 nm / L)^2.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from qdens_nb.systems import check_system
from qdens_nb.training._dot_tasks import ELECTRONS, EPS_R, MASS, SIZE_NM

_CHARGE_TOLERANCE = 0.02
_NEGATIVE_TOLERANCE = 0.02
#: part of the points that may lie between the bottom and the step before a warning
_BETWEEN = 0.02


class Given:
    """Plain arrays of what a network is given, batched, at the scale of the training.

    Attributes
    ----------
    source : (B, X, Y) array
        The map that goes in, in eV (the lowest value taken out) or 1/nm^2.
    mass, size : (B,) array and float
    eps_r, step : (B,) arrays
        At the scale of the training; ``step`` is NaN where no potential is given.
    energy_scale : (B,) array
        Energies at the scale of the training over those of the problem.
    """

    def __init__(self, problem: xr.Dataset, source: str, divisor: int) -> None:
        if source == "potential":
            check_system(problem, "quantum_dot")
        maps = _source(problem, source)
        self.dims = tuple(str(dim) for dim in maps.dims)
        self.batched = "sample" in maps.dims
        values = maps.values.astype(np.float64)
        values = values if self.batched else values[None]
        count, points, other = values.shape
        if points != other or points % divisor:
            raise ValueError(
                f"the grid is {points} x {other}; this network takes squares with sides that are "
                f"multiples of {divisor} (it was trained on 64 x 64)"
            )
        if not np.isfinite(values).all():
            raise ValueError(f"{source} holds NaN or infinite values; remove them")
        self.points = points
        self.size = float(problem.attrs.get("size_nm", SIZE_NM))
        self.mass, eps_r = (
            np.broadcast_to(problem[name].values if name in problem else default, count).astype(
                np.float64
            )
            for name, default in (("mass", MASS), ("eps_r", EPS_R))
        )
        self.given_eps_r = eps_r
        length = self.size / SIZE_NM
        self.energy_scale = self.mass / MASS * length**2
        self.eps_r = eps_r / (self.mass / MASS * length)
        if source == "potential":
            values = values - values.min((1, 2), keepdims=True)
            values = values * self.energy_scale[:, None, None]
            self.step = values.max((1, 2))
        else:
            _check_density(source, values, self.size)
            values = np.clip(values, 0.0, None) * length**2
            self.step = np.full(count, np.nan)
        self.source = values

    def warn_outside(self, name: str, ranges: Mapping[str, Any], stacklevel: int = 3) -> None:
        """Warn where the network `name` was not trained."""
        if self.points != ranges["points"]:
            _warn(
                f"{name!r} was trained on {ranges['points']} points a side; this grid has "
                f"{self.points}",
                stacklevel,
            )
        for key, meaning, unit in (("eps_r", "m L / eps_r", ""), ("step", "v m L^2", " eV")):
            values = getattr(self, key)
            values = values[~np.isnan(values)]
            low, high = ranges[key]
            slack = 1e-3 * high
            if ((values < low - slack) | (values > high + slack)).any():
                furthest = values[np.argmax(np.maximum(low - values, values - high))]
                allowed = f"{low:g}" if low == high else f"{low:g} to {high:g}"
                _warn(
                    f"{name!r} was trained on {key} = {allowed}{unit} in GaAs dots of 30 nm; this "
                    f"problem's {meaning} is that of {key} = {furthest:.3g}{unit}",
                    stacklevel,
                )
        if not np.isnan(self.step).any():
            height = self.step[:, None, None]
            between = (self.source > 0.02 * height) & (self.source < 0.98 * height)
            if between.mean((1, 2)).max() > _BETWEEN:
                _warn(
                    f"{name!r} was trained on potentials of two values; this one has more",
                    stacklevel,
                )


def _warn(text: str, stacklevel: int) -> None:
    warnings.warn(f"{text}; the answer is an extrapolation", stacklevel=stacklevel + 1)


def _source(problem: Any, source: str) -> xr.DataArray:
    if not isinstance(problem, xr.Dataset):
        raise TypeError(f"expected a Dataset, got {type(problem)}")
    if source not in problem:
        raise ValueError(
            f"the Dataset holds no {source!r}, which this network starts from; it holds "
            f"{sorted(map(str, problem.data_vars))}"
        )
    maps = problem[source]
    if set(maps.dims) not in ({"x", "y"}, {"sample", "x", "y"}):
        raise ValueError(f"{source} has dims {maps.dims}; expected ('x', 'y') or with 'sample'")
    return maps.transpose(..., "x", "y")


def _check_density(name: str, values: np.ndarray, size: float) -> None:
    charge = values.mean((1, 2)) * size**2
    wrong = np.abs(charge - ELECTRONS) > _CHARGE_TOLERANCE
    if wrong.any():
        raise ValueError(
            f"{name} integrates to {charge[wrong][0]:.4g} electrons; give densities in 1/nm^2 that "
            f"integrate to 2 over the square of {size:g} nm"
        )
    if (values.min((1, 2)) < -_NEGATIVE_TOLERANCE * values.max((1, 2))).any():
        raise ValueError(f"{name} is negative ({values.min():.3g} 1/nm^2); give densities")
