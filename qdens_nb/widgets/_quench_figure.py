"""A quench in one figure: curves, errors, correlations at one time and their light cones."""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go
import xarray as xr

from qdens_nb.plotting import OKABE_ITO, difference_scale, line, style_of
from qdens_nb.widgets._panels import Panel, Panels
from qdens_nb.widgets._quench_run import LAST

NETWORK = style_of("network")._replace(label="network")
EXACT = style_of("exact")
_DIFFERENCE = NETWORK._replace(
    label="|difference of ⟨σ<sup>x</sup>⟩|", color=OKABE_ITO["vermillion"], dash="solid"
)
_RESIDUAL = NETWORK._replace(label="TDVP residual r²", color=OKABE_ITO["green"], dash="dash")
_INFIDELITY = NETWORK._replace(label="infidelity", color=OKABE_ITO["purple"], dash="dot")
_CHANGE = "C(d, t) − C(d, 0)"
_NOT_YET = "press<br>Evolve the network"
_ROWS = {
    "curves": [
        Panel(62, 190, 200, "magnetisation", "time Jt", "⟨σ<sup>x</sup>⟩"),
        Panel(328, 190, 200, "error of the network", "time Jt", "", hint=_NOT_YET),
        Panel(584, 182, 200, "correlation", "distance d (sites)", "C(d)"),
    ],
    "maps": [
        Panel(62, 165, 190, f"exact: {_CHANGE}", "distance d (sites)", "time Jt"),
        Panel(280, 165, 190, f"network: {_CHANGE}", "distance d (sites)", "",
              bar="coloraxis", bar_place="right", hint=_NOT_YET),
        Panel(553, 165, 190, "network − exact", "distance d (sites)", "",
              bar="coloraxis2", bar_place="right", hint=_NOT_YET),
    ],
}  # fmt: skip
_FLOOR = 1e-6


def light_cone(data: xr.Dataset, solver: str) -> np.ndarray:
    """Change of the correlation since the quench, (time, distance) from -N/2 to N/2."""
    correlation = data["correlation"].sel(solver=solver)
    change = (correlation - correlation.isel(time=0)).values
    change[:, 0] = np.nan
    return np.hstack([change[:, :0:-1], change])


class QuenchFigure:
    """The figure of what `compute` of a quench returns; a FigureWidget after `to_widget`."""

    def __init__(self) -> None:
        bars = {
            "coloraxis": difference_scale(1.0, {}),
            "coloraxis2": difference_scale(0.01, {"exponentformat": "power"}),
        }
        self._panels = Panels(_ROWS, bars)
        self._index: dict[str, int] = {}
        self._shown: dict[tuple[str, str], np.ndarray] = {}
        plain: dict[str, Any] = {"mode": "lines"}
        hidden: dict[str, Any] = {"showlegend": False}
        dots = {"mode": "markers", **hidden}
        bare = {**plain, **hidden, "hoverinfo": "skip"}
        front = {"color": "#666666", "width": 1.5, "dash": "dot"}
        grey = {"color": "#666666", "width": 1}
        for solver, style in (("exact", EXACT), ("nqs", NETWORK)):
            curve = {"color": style.color, "width": 2.5 if solver == "exact" else 2,
                     "dash": "solid" if solver == "exact" else "dash"}  # fmt: skip
            self._add(f"sigma_x {solver}", line([], [], style, line=curve, **plain), 0)
            self._add(f"now {solver}", line([], [], style, **dots), 0)
        for name, style in (
            ("difference", _DIFFERENCE), ("residual", _RESIDUAL), ("infidelity", _INFIDELITY),
        ):  # fmt: skip
            self._add(name, line([], [], style, **plain), 1)
        for solver, style in (("exact", EXACT), ("nqs", NETWORK)):
            mode = {"mode": "lines+markers"} if solver == "exact" else {"mode": "markers"}
            marker = {"size": 11 if solver == "exact" else 6, "symbol": style.symbol,
                      "color": style.color}  # fmt: skip
            self._add(f"C {solver}", line([], [], style, marker=marker, **mode, **hidden), 2)
        self._add("time curves", go.Scatter(line=grey, **bare), 0)
        self._add("time errors", go.Scatter(line=grey, **bare), 1)
        for place in range(3):
            axis = "coloraxis" if place < 2 else "coloraxis2"
            self._add(f"map {place}", go.Heatmap(z=[[0.0]], coloraxis=axis), place, "maps")
            for side in "+-":
                named = {"name": "light cone", "showlegend": place == 0 and side == "+"}
                edge = go.Scatter(line=front, **(bare | named))
                self._add(f"front {side}{place}", edge, place, "maps")
            self._add(f"time {place}", go.Scatter(line=grey, **bare), place, "maps")
        self.figure.update_layout(
            xaxis={"range": [0, LAST]},
            xaxis2={"range": [0, LAST]},
            yaxis2={
                "type": "log",
                "exponentformat": "power",
                "dtick": 1,
                "tickfont_size": 11,
                "range": [-6.2, 0.3],
            },
            legend={"x": 0.06, "font_size": 12},
        )
        for number in (4, 5, 6):
            self.figure.update_layout(
                {f"yaxis{number}": {"range": [0, LAST], "showgrid": False},
                 f"xaxis{number}": {"showgrid": False}}
            )  # fmt: skip
        self._panels.place(legend="curves")

    @property
    def figure(self) -> Any:
        """The figure."""
        return self._panels.figure

    def to_widget(self) -> None:
        """Make the figure a FigureWidget."""
        self._panels.to_widget()

    def _add(self, name: str, trace: Any, place: int, row: str = "curves") -> None:
        self._index[name] = self._panels.add(trace, row, place)

    def _update(self, name: str, **values: Any) -> None:
        # Curves are sent as bytes, maps as JSON, which has no nan; what is there already is not.
        trace, news = self.figure.data[self._index[name]], {}
        for axis, value in values.items():
            array = np.asarray(value, float)
            if np.array_equal(array, self._shown.get((name, axis), np.empty(0)), equal_nan=True):
                continue
            self._shown[name, axis] = array.copy()
            if array.ndim == 2:
                array = np.where(np.isnan(array), None, array.round(5))  # type: ignore[call-overload]
            news[axis] = array
        if news:
            trace.update(**news)

    def show(self, data: xr.Dataset, frame: int) -> None:
        """Draw a quench, with the pointer at the time of number `frame`."""
        time, half = data["time"].values, data.sizes["distance"] - 1
        cones = [light_cone(data, solver) for solver in ("exact", "nqs")]
        most = max(float(np.nanmax(np.abs(cones[0]))), 1e-3)
        missed = cones[1] - cones[0]
        worst = 1e-3 if np.isnan(missed).all() else max(float(np.nanmax(np.abs(missed))), 1e-3)
        with self.figure.batch_update():
            self.figure.update_layout(
                coloraxis={"cmin": -most, "cmax": most}, coloraxis2={"cmin": -worst, "cmax": worst}
            )
            for solver in ("exact", "nqs"):
                self._update(f"sigma_x {solver}", x=time, y=data["sigma_x"].sel(solver=solver))
            difference = data["sigma_x"].sel(solver="nqs") - data["sigma_x"].sel(solver="exact")
            for name, values in (
                ("difference", np.abs(difference)),
                ("residual", data["residual"]),
                ("infidelity", data["infidelity"]),
            ):
                self._update(name, x=time, y=np.maximum(values, _FLOOR))
            # Correlations leave a site in pairs, each at the largest group velocity 2J min(h, J).
            reach = 4 * min(data.attrs["h1"], 1.0) * time
            for place, cone in enumerate((*cones, missed)):
                self._update(f"map {place}", x=np.arange(-half, half + 1), y=time, z=cone)
                for side, sign in (("+", 1), ("-", -1)):
                    inside = reach <= half
                    self._update(f"front {side}{place}", x=sign * reach[inside], y=time[inside])
            for row, place in (("curves", 1), ("maps", 1), ("maps", 2)):
                self._panels.hint(row, place, bool(np.isnan(difference).all()))
            self._draw_time(data, frame)

    def show_time(self, data: xr.Dataset, frame: int) -> None:
        """Move the pointer to another time."""
        with self.figure.batch_update():
            self._draw_time(data, frame)

    def _draw_time(self, data: xr.Dataset, frame: int) -> None:
        now = data.isel(time=frame)
        t, half = float(now["time"]), data.sizes["distance"] - 1
        for solver in ("exact", "nqs"):
            one = now.sel(solver=solver)
            self._update(f"now {solver}", x=[t], y=[float(one["sigma_x"])])
            near = one["correlation"].isel(distance=slice(1, None))
            self._update(f"C {solver}", x=near["distance"].values, y=near.values)
        self.figure.layout.annotations[2].text = f"correlation at Jt = {t:.2f}"
        low, high = _span(data["sigma_x"].values)
        self._update("time curves", x=[t, t], y=[low, high])
        self._update("time errors", x=[t, t], y=[_FLOOR, 1.0])
        for place in range(3):
            self._update(f"time {place}", x=[-half - 0.5, half + 0.5], y=[t, t])


def _span(values: np.ndarray) -> tuple[float, float]:
    return float(np.nanmin(values)), float(np.nanmax(values))
