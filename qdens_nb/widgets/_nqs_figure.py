"""Energy, error, weights and samples of an optimisation that goes on."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import plotly.graph_objects as go
import xarray as xr

from qdens_nb.plotting import OKABE_ITO, difference_scale, error_band, line, style_of
from qdens_nb.widgets._live_figure import LiveFigure
from qdens_nb.widgets._panels import Panel, Panels

NETWORK = style_of("network")._replace(label="network")
EXACT = style_of("exact")
V_SCORE = style_of("", 1)._replace(label="V-score", color=OKABE_ITO["vermillion"], dash="dash")
_CURVES = [
    Panel(82, 283, 235, "", "step (the last 200)", "energy per site (J)"),
    Panel(455, 305, 235, "", "step", "relative error, V-score"),
]
_MAPS = [
    Panel(82, 283, 150, "weights W", "site", "hidden unit", bar="coloraxis", bar_place="right"),
    Panel(455, 305, 150, "samples (blue: s = +1)", "site", "sample"),
]
#: points of a curve of the whole history, steps of the energy
_POINTS, _RECENT = 300, 200
_ROWS_SHOWN = 48
_SPINS = [[0.0, "#E8E8E8"], [1.0, OKABE_ITO["blue"]]]


class LearningFigure(LiveFigure):
    """The curves of a `History`; with `maps`, weights and samples below them.

    `figure` is a FigureWidget once `to_widget` was called.
    """

    def __init__(self, *, maps: bool = True) -> None:
        rows = {"curves": _CURVES} | ({"maps": _MAPS} if maps else {})
        bars = {"coloraxis": difference_scale(1.0, {})} if maps else {}
        super().__init__(Panels(rows, bars))
        plain: dict[str, Any] = {"mode": "lines"}
        thin = {"color": "rgba(0,114,178,0.35)", "width": 1}
        sharp = {"color": EXACT.color, "width": 2, "shape": "hv", "dash": "dash"}
        self._add("band", error_band([], [], [], NETWORK, fillcolor="rgba(0,114,178,0.3)"), 0)
        self._add("energy", line([], [], NETWORK, **plain), 0)
        self._add("exact", line([], [], EXACT, line=sharp, **plain), 0)
        quiet = {"showlegend": False, "hoverinfo": "skip"}
        self._add("error", line([], [], NETWORK, line=thin, **plain, **quiet), 1)
        mean = NETWORK._replace(label="relative error, mean of up to 20 steps")
        self._add("mean_error", line([], [], mean, **plain), 1)
        self._add("v_score", line([], [], V_SCORE, **plain), 1)
        if maps:
            weights = go.Heatmap(z=[[0.0]], coloraxis="coloraxis", hoverinfo="skip")
            spins = go.Heatmap(
                z=[[0]], zmin=-1, zmax=1, colorscale=_SPINS, showscale=False, hoverinfo="skip"
            )
            self._index["weights"] = self._panels.add(weights, "maps", 0)
            self._index["samples"] = self._panels.add(spins, "maps", 1)
        self.figure.update_layout(
            yaxis2={"type": "log", "exponentformat": "power", "dtick": 1, "tickfont_size": 11},
            legend={"x": 0.09, "font_size": 12},
        )
        self._panels.place(legend="curves")

    def _add(self, name: str, trace: Any, place: int) -> None:
        self._index[name] = self._panels.add(trace, "curves", place)

    def show(self, data: xr.Dataset) -> None:
        """Draw what `History.dataset` returns; errors of many steps are thinned out."""
        count = data.sizes["step"]
        kept = np.unique(np.linspace(0, count - 1, min(count, _POINTS)).astype(int))
        whole, recent = data.isel(step=kept), data.isel(step=slice(-_RECENT, None))
        traces, step = self.figure.data, recent["step"].values
        band = error_band(step, recent["energy"], recent["energy_stderr"], NETWORK)
        self._sent()
        with self.figure.batch_update():
            traces[self._index["band"]].update(x=band.x, y=band.y)
            for name in ("energy", "exact"):
                traces[self._index[name]].update(x=step, y=recent[name].values)
            for name in ("error", "mean_error", "v_score"):
                values = np.abs(whole[name].values)
                traces[self._index[name]].update(x=whole["step"].values, y=values)

    def show_maps(self, weights: np.ndarray, columns: str, rows: str, samples: np.ndarray) -> None:
        """Draw a matrix of weights, with what its columns and rows are, and (B, N) spins."""
        most, count = max(float(np.abs(weights).max()), 1e-12), len(weights)
        unit = 10 ** math.floor(math.log10(most))
        weights, most = (
            weights[:_ROWS_SHOWN].round(3 - round(math.log10(unit))),
            unit * math.ceil(2 * most / unit) / 2,
        )
        rows = f"{rows}, first {_ROWS_SHOWN}" if count > _ROWS_SHOWN else rows
        with self.figure.batch_update():
            self.figure.data[self._index["weights"]].z = weights
            self.figure.data[self._index["samples"]].z = samples.astype(np.int8)
            self.figure.update_layout(
                coloraxis={"cmin": -most, "cmax": most},
                xaxis3={"title_text": columns, "range": [-0.5, weights.shape[1] - 0.5]},
                yaxis3={
                    "title_text": rows,
                    "range": [-0.5, len(weights) - 0.5],
                    "dtick": -(-len(weights) // 5),
                },
                xaxis4_range=[-0.5, samples.shape[1] - 0.5],
                yaxis4_range=[-0.5, len(samples) - 0.5],
            )
