"""Parametrised potentials for Hamiltonian learning."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
import xarray as xr

from qdens_nb.inverse._border import check_map, check_range

Parameters = Mapping[str, torch.Tensor]
Local = Callable[[Parameters, torch.Tensor], torch.Tensor]


class Family(NamedTuple):
    """Ranges of the parameters, and (mu - v)/U (B, X, Y) from them and from U, (B, 1, 1) each.

    ``local`` is None for the full map.
    """

    name: str
    ranges: dict[str, tuple[float, float]]
    local: Local | None


def make_family(
    family: Any,
    parameters: Mapping[str, Any] | None,
    shape: tuple[int, int],
    bounds: tuple[float, float],
    mu: float | None,
) -> Family:
    """The family that `learn_hamiltonian` was asked for.

    Raises
    ------
    ValueError
        Unknown name, a known potential of another shape, parameters where there are none to give
        or none where there must be.
    """
    if callable(family):
        if not parameters:
            raise ValueError("a callable family needs parameters={'name': (low, high), ...}")
        ranges = {
            name: check_range(f"parameters[{name!r}]", pair) for name, pair in parameters.items()
        }
        taken = {"U", "V"} & set(ranges)
        if taken:
            raise ValueError(f"parameters holds {sorted(taken)}; give those by U= and V=")
        if mu is not None:
            raise ValueError("a callable family returns mu - v, give no mu to it")
        return Family("callable", ranges, lambda values, U: family(values, U) / U)
    if parameters is not None:
        raise ValueError("parameters are for a callable family; leave them out")
    if not isinstance(family, str):
        return _known(family, shape, bounds, mu)
    makers = {"map": lambda *_: Family("map", {}, None), "trap": _trap, "box": _box}
    if family not in makers:
        raise ValueError(
            f"family={family!r}; choose one of {', '.join(map(repr, makers))}, or give the known "
            "potential or a callable"
        )
    return makers[family](shape, bounds, mu)


def _level(
    ranges: dict[str, tuple[float, float]], bounds: tuple[float, float], mu: float | None
) -> Callable[[Parameters, torch.Tensor], torch.Tensor]:
    """mu/U: a parameter, or known."""
    if mu is not None:
        return lambda values, U: mu / U
    ranges["mu_over_U"] = bounds
    return lambda values, U: values["mu_over_U"]


def _axes(shape: tuple[int, int]) -> tuple[torch.Tensor, torch.Tensor]:
    x, y = (torch.arange(side, dtype=torch.float64) for side in shape)
    return x[:, None], y[None, :]


def _centre(shape: tuple[int, int], reach: float) -> dict[str, tuple[float, float]]:
    middle = {name: (side - 1) / 2 for name, side in zip("xy", shape, strict=True)}
    return {f"centre_{k}": (m - reach, m + reach) for k, m in middle.items()}


def _trap(shape: tuple[int, int], bounds: tuple[float, float], mu: float | None) -> Family:
    """Harmonic trap: mu/U in the centre, its fall to the distance L/2, the centre."""
    ranges: dict[str, tuple[float, float]] = {}
    level = _level(ranges, bounds, mu)
    ranges["fall_over_U"] = (0.0, bounds[1] - bounds[0])
    ranges |= _centre(shape, min(shape) / 8)
    x, y = _axes(shape)
    half = min(shape) / 2

    def local(values: Parameters, U: torch.Tensor) -> torch.Tensor:
        square = (x - values["centre_x"]) ** 2 + (y - values["centre_y"]) ** 2
        return level(values, U) - values["fall_over_U"] * square / half**2

    return Family("trap", ranges, local)


def _box(shape: tuple[int, int], bounds: tuple[float, float], mu: float | None) -> Family:
    """Square box: mu/U inside, the height of the walls, side and centre.

    A site that the wall cuts has its share of the height, so that there is a gradient.
    """
    ranges: dict[str, tuple[float, float]] = {}
    level = _level(ranges, bounds, mu)
    ranges["wall_over_U"] = (0.0, bounds[1] - bounds[0])
    ranges["side"] = (2.0, float(min(shape)))
    ranges |= _centre(shape, min(shape) / 4)
    axes = _axes(shape)

    def local(values: Parameters, U: torch.Tensor) -> torch.Tensor:
        inside = torch.ones(())
        for axis, name in zip(axes, ("centre_x", "centre_y"), strict=True):
            depth = 0.5 + values["side"] / 2 - (axis - values[name]).abs()
            inside = inside * depth.clamp(0.0, 1.0)
        return level(values, U) - values["wall_over_U"] * (1.0 - inside)

    return Family("box", ranges, local)


def _known(
    potential: xr.DataArray | np.ndarray,
    shape: tuple[int, int],
    bounds: tuple[float, float],
    mu: float | None,
) -> Family:
    """A potential known in t; mu is learnt unless it is known too."""
    values = check_map("family", potential)
    if values.shape != shape:
        raise ValueError(f"the known potential is {values.shape}, the density {shape}")
    ranges: dict[str, tuple[float, float]] = {}
    level = _level(ranges, bounds, mu)
    v = torch.as_tensor(values)
    return Family("known", ranges, lambda params, U: level(params, U) - v / U)
