"""Maps and cut of the wedding cake: on the canvas and the figure of the app, and in a picture."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import plotly.graph_objects as go
import xarray as xr

from qdens_nb.plotting import (
    OKABE_ITO,
    difference_scale,
    error_band,
    lattice_map,
    line,
    points,
    style_of,
)
from qdens_nb.widgets._bose_answers import answer_of
from qdens_nb.widgets._map_board import Map, Steps, round_up
from qdens_nb.widgets._panels import MAP, Panel, Panels
from qdens_nb.widgets._phases import PHASES

#: names and colours of the phases, short enough for a colour bar
PHASE_STEPS = Steps(
    ("empty", "superfluid", "Mott", "solid", "supersolid"),
    ("#EEEEEE", "#56B4E9", "#F0E442", "#D55E00", "#CC79A7"),
)
_LEFT = (52, 282, 512)
_N, _F = "density ⟨n⟩", "fluctuation ⟨n²⟩ − ⟨n⟩²"
_ROWS = ("network", "worm")
_CUT = [
    Panel(52, 330, 190, "", "x (site), along the dashed line", _N),
    Panel(440, 330, 190, "", "x (site), along the dashed line", _F),
]


def cake_maps(data: xr.Dataset, phases: xr.Dataset) -> list[Map]:
    """Maps of what `compute` returns: the network's, below them those of quantum Monte Carlo."""
    network, exact = answer_of(data, "network"), answer_of(data, "worm")
    most_n = round_up(max(1.0, float(np.nanmax(data["density"].values))))
    most_f = round_up(max(0.1, float(np.nanmax(data["fluctuation"].values))))
    maps = [
        Map(network["density"], (0, 0), f"network: {_N}", "", 0.0, most_n),
        Map(network["fluctuation"], (0, 1), f"network: {_F}", "", 0.0, most_f),
        Map(phases["phase"], (0, 2), "network: phase", "", -0.5, len(PHASES) - 0.5, "steps"),
    ]
    if exact is None:
        return maps
    difference = network["density"] - exact["density"]
    most = round_up(max(0.02, float(abs(difference).max())))
    return [
        *maps,
        Map(exact["density"], (1, 0), f"QMC: {_N}", "", 0.0, most_n),
        Map(exact["fluctuation"], (1, 1), f"QMC: {_F}", "", 0.0, most_f),
        Map(difference, (1, 2), "network − QMC: density", "", -most, most, "PuOr"),
    ]


class CakeCut:
    """Density and fluctuation along the middle row, of all solvers.

    `figure` is a FigureWidget once `to_widget` was called.
    """

    def __init__(self) -> None:
        self._panels = Panels({"cut": _CUT}, {})
        self._band = self._panels.add(error_band([], [], [], style_of("network")), "cut", 0)
        self._curves: dict[tuple[str, int], int] = {}
        for solver in ("network", "gutzwiller", "worm"):
            for place in (0, 1):
                options = {"showlegend": place == 0, "legendgroup": solver}
                drawn = partial(points, stderr=[]) if solver == "worm" else line
                trace = drawn([], [], style=style_of(solver), **options)
                self._curves[solver, place] = self._panels.add(trace, "cut", place)
        self._panels.place(legend="cut")

    @property
    def figure(self) -> Any:
        """The figure."""
        return self._panels.figure

    def to_widget(self) -> None:
        """Make the figure a FigureWidget."""
        self._panels.to_widget()

    def show(self, data: xr.Dataset) -> None:
        """Draw what `compute` returns."""
        with self.figure.batch_update():
            row, x = data.sizes["y"] // 2, data["x"].values
            traces, answers = self.figure.data, {}
            for (solver, place), index in self._curves.items():
                if place == 0:
                    answers[solver] = answer_of(data, solver)
                answer, trace = answers[solver], traces[index]
                trace.visible = answer is not None
                if answer is None:
                    continue
                name = ("density", "fluctuation")[place]
                trace.x, trace.y = x, answer[name].isel(y=row).values
                if solver == "worm":
                    trace.error_y.array = answer[f"{name}_stderr"].isel(y=row).values
            network = answers["network"]
            stderr = network.get("density_stderr")
            traces[self._band].visible = stderr is not None
            if stderr is not None:
                n = network["density"].isel(y=row).values
                shape = error_band(x, n, stderr.isel(y=row).values, style_of("network"))
                traces[self._band].update(x=shape.x, y=shape.y)


def still(maps: Sequence[Map], cut: Any) -> Any:
    """Maps of `cake_maps` above the figure of a `CakeCut`, as one plotly figure."""
    rows: dict[str, list[Panel]] = {}
    bars: dict[str, Any] = {}
    for number, m in enumerate(maps, 1):
        row, column = m.place
        axis, y = f"coloraxis{number}", "y (site)" if column == 0 else ""
        place = "right" if column == 2 else "below"
        panel = Panel(
            _LEFT[column], MAP, MAP, m.title, "x (site)", y, square=True, bar=axis, bar_place=place
        )
        rows.setdefault(_ROWS[row], []).append(panel)
        bars[axis] = _bar(m)
    panels = Panels(rows | {"cut": _CUT}, bars)
    for number, m in enumerate(maps, 1):
        panels.add(lattice_map(m.values, f"coloraxis{number}"), _ROWS[m.place[0]], m.place[1])
    sites = maps[0].values.sizes["x"]
    dashes = {"color": OKABE_ITO["vermillion"], "width": 1.5, "dash": "dash"}
    row = maps[0].values.sizes["y"] // 2
    ends = {"x": [-0.5, sites - 0.5], "y": [row, row]}
    panels.add(go.Scatter(**ends, mode="lines", line=dashes, showlegend=False), "network", 0)
    for trace in cut.data:
        panels.add(go.Scatter(trace.to_plotly_json()), "cut", 1 if trace.xaxis == "x2" else 0)
    panels.fit(sites)
    panels.place(legend="cut")
    return panels.figure


def _bar(m: Map) -> dict[str, Any]:
    if m.table == "steps":
        names, colors = PHASE_STEPS
        shades = [((i + j) / len(names), c) for i, c in enumerate(colors) for j in (0, 1)]
        ticks = {"tickvals": list(range(len(names))), "ticktext": names}
        return {"colorscale": shades, "cmin": m.low, "cmax": m.high, "colorbar": ticks}
    if m.table == "PuOr":
        return difference_scale(m.high, {})
    return {"colorscale": m.table, "cmin": m.low, "cmax": m.high}
