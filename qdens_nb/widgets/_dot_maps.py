"""Which maps of a quantum dot are shown where, on the canvas of the app and in a still picture."""

from __future__ import annotations

from typing import Any

import xarray as xr

from qdens_nb.plotting import difference_scale, lattice_map
from qdens_nb.widgets._map_board import Map, round_up
from qdens_nb.widgets._panels import MAP, Panel, Panels

_DENSITY = "1/nm²"
_LEFT = (52, 300, 548)


def board_maps(data: xr.Dataset, stale: xr.Dataset | None = None) -> list[Map]:
    """Maps of what `compute` returns.

    The first row is the potential and the network's densities, the second, if there are exact
    ones, the network's error and the exact densities, on the scale of the densities above. Without
    exact ones those of a `stale` answer are shown faded.
    """
    network = data.sel(solver="network")
    other = data if "exact" in data["solver"].values else stale
    densities = [data[name] for name in ("density_free", "density")]
    exact = None if other is None else other.sel(solver="exact")
    if exact is not None and other is data:
        densities += [exact["density_free"], exact["density"]]
    top = round_up(max(float(one.max()) for one in densities))
    v = data["potential"]
    maps = [
        Map(v, (0, 0), "potential: draw here", "eV", 0.0, float(v.max())),
        Map(network["density_free"], (0, 1), "network: n₀, no repulsion", _DENSITY, 0.0, top),
        Map(network["density"], (0, 2), "network: n", _DENSITY, 0.0, top),
    ]
    if exact is None or other is None:
        return maps
    faded = other is not data
    off = other["density"].sel(solver="network") - exact["density"]
    most = round_up(float(abs(off).max()))
    return [
        *maps,
        Map(off, (1, 0), "network − exact: n", _DENSITY, -most, most, "PuOr", faded),
        Map(exact["density_free"], (1, 1), "exact: n₀", _DENSITY, 0.0, top, faded=faded),
        Map(exact["density"], (1, 2), "exact: n", _DENSITY, 0.0, top, faded=faded),
    ]


def still(data: xr.Dataset) -> Any:
    """The same maps as a plotly figure."""
    maps = board_maps(data)
    rows: dict[str, list[Panel]] = {}
    bars: dict[str, Any] = {}
    for number, m in enumerate(maps, 1):
        axis = f"coloraxis{number}"
        title = "potential" if m.place == (0, 0) else m.title
        y = "y (nm)" if m.place[1] == 0 else ""
        panel = Panel(
            _LEFT[m.place[1]], MAP, MAP, f"{title} ({m.unit})", "x (nm)", y, square=True, bar=axis
        )
        rows.setdefault(f"row {m.place[0]}", []).append(panel)
        bars[axis] = {"colorscale": m.table, "cmin": m.low, "cmax": m.high}
        if m.table == "PuOr":
            bars[axis] = difference_scale(m.high, {})
    panels = Panels(rows, bars)
    for number, m in enumerate(maps, 1):
        panels.add(lattice_map(m.values, f"coloraxis{number}"), f"row {m.place[0]}", m.place[1])
    size = float(data.attrs["size_nm"])
    panels.figure.update_xaxes(range=[0, size]).update_yaxes(range=[0, size])
    return panels.figure
