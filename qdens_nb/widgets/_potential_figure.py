"""A potential, its local energy and the progress of its training in one figure; maps on demand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import plotly.graph_objects as go
import xarray as xr

from qdens_nb.plotting import OKABE_ITO, difference_scale, line, style_of
from qdens_nb.widgets._live_figure import LiveFigure
from qdens_nb.widgets._panels import Panel, Panels

EXACT = style_of("exact")
FOUND = style_of("network")._replace(label="found")
_WIDE = FOUND._replace(label="ε wide", color=OKABE_ITO["vermillion"], dash="solid")
_CORE = FOUND._replace(label="ε core", color=OKABE_ITO["green"], dash="dash")
_LOSS = FOUND._replace(label="loss", color=OKABE_ITO["purple"], dash="dot")
_SHADE = "rgba(230,159,0,0.22)"
_GLYPHS = {"solid": "━━", "dash": "<b>╸╸╸</b>", "dot": "<b>····</b>"}


def _key(*parts: tuple[str, str, str]) -> str:
    """A legend in one line of a title: (glyph, colour, label)."""
    return "  ".join(f"<span style='color:{color}'>{glyph}</span> {label}"
                     for glyph, color, label in parts)  # fmt: skip


_TITLES = (
    _key((_GLYPHS["solid"], EXACT.color, "exact"), (_GLYPHS["dash"], FOUND.color, "found"),
         ("◆", OKABE_ITO["vermillion"], "known"), ("█", "#F7E3B5", "|Ψ|²")),
    _key((_GLYPHS["solid"], FOUND.color, "E(r)"), (_GLYPHS["dash"], EXACT.color, "exact E")),
    _key(*((_GLYPHS[s.dash], s.color, s.label) for s in (_WIDE, _CORE, _LOSS))),
)  # fmt: skip
_ROWS = {
    "curves": [
        Panel(58, 205, 230, _TITLES[0], "x (Bohr)", "potential (Hartree)"),
        Panel(332, 185, 230, _TITLES[1], "x (Bohr)", "local energy (Hartree)"),
        Panel(586, 184, 230, _TITLES[2], "step", "ε (Hartree), loss"),
    ],
    "maps": [
        Panel(58, 165, 165, "found", "x (Bohr)", "y (Bohr)", True),
        Panel(265, 165, 165, "exact", "x (Bohr)", "", True, "coloraxis", "right"),
        Panel(540, 165, 165, "found − exact", "x (Bohr)", "", True, "coloraxis2", "right"),
    ],
}
#: how far below (of what is deeper than the first) and above E the potential is drawn (Hartree)
_DEEP, _BELOW, _ABOVE = 20.0, 5.0, 12.0
#: share of a map, around a nucleus, that may be darker than its colours go
_CENTRE = 0.01
_SMALLEST = 1e-8


class PotentialFigure(LiveFigure):
    """The figure of what `Training.view` returns; a FigureWidget after `to_widget`."""

    def __init__(self) -> None:
        bars = {
            "coloraxis": {"colorscale": "Cividis", "colorbar": {"title": {"text": "Ha"}}},
            "coloraxis2": difference_scale(1.0, {"title": {"text": "Ha"}}),
        }
        super().__init__(Panels(_ROWS, bars))
        self._half, self._worst = 0.0, 0.0
        plain: dict[str, Any] = {"mode": "lines", "showlegend": False}
        bare: dict[str, Any] = {"line_width": 0, "hoverinfo": "skip", **plain}
        self._add("density", go.Scatter(fill="toself", fillcolor=_SHADE, **bare), 0)
        self._add("exact", line([], [], EXACT, **plain), 0)
        self._add("found", line([], [], FOUND._replace(dash="dash"), **plain), 0)
        self._add("pin", go.Scatter(
            mode="markers", showlegend=False, name="known",
            marker={"symbol": "diamond", "size": 9, "color": OKABE_ITO["vermillion"],
                    "line": {"width": 1, "color": "white"}},
        ), 0)  # fmt: skip
        self._add("local_energy", line([], [], FOUND._replace(label="E(r)"), **plain), 1)
        constant = EXACT._replace(label="exact E", dash="dash")
        self._add("energy", line([], [], constant, **plain), 1)
        small = {"mode": "lines+markers", "showlegend": False}
        for name, style in (("epsilon_wide", _WIDE), ("epsilon_core", _CORE), ("loss", _LOSS)):
            marker = {"size": 4, "symbol": style.symbol, "color": style.color}
            self._add(name, line([], [], style, marker=marker, **small), 2)
        for place, axis in enumerate(("coloraxis", "coloraxis", "coloraxis2")):
            self._add(f"map {place}", go.Heatmap(z=[[0.0]], coloraxis=axis), place, "maps")
        self.figure.update_layout(
            showlegend=False,
            xaxis={"range": [-5, 5]},
            xaxis2={"range": [-5, 5]},
            yaxis3={"type": "log", "exponentformat": "power", "dtick": 1, "tickfont_size": 11},
        )
        for number in (4, 5, 6):
            self.figure.update_layout(
                {f"{axis}axis{number}": {"range": [-5, 5], "dtick": 5} for axis in "xy"}
            )
        for note in list(self.figure.layout.annotations)[:3]:
            note.font.size = 12
        self.show_maps(False)

    @property
    def maps_shown(self) -> bool:
        """Whether the maps are seen."""
        return "maps" not in self._panels.hidden

    def show_maps(self, shown: bool) -> None:
        """Show or hide the maps of the plane z = 0."""
        self._panels.show("maps", shown)
        for place in range(3):
            self.figure.data[self._index[f"map {place}"]].visible = shown
        self._panels.place()

    def show(self, data: xr.Dataset) -> None:
        """Draw a view of a training."""
        x, steps = data["x"].values, data["step"].values
        low, high = window(data)
        floor = low - 0.05 * (high - low)
        density = data["density"].values / data["density"].values.max()
        centre = float(data["energy_exact"])
        self._half = spread(data["local_energy"].values - centre, self._half)
        pin = data.attrs["pin"][0]
        self._sent()
        with self.figure.batch_update():
            shade = np.pad(floor + 0.4 * (high - low) * density, 1, constant_values=floor)
            self._update("density", x=np.pad(x, 1, mode="edge"), y=shade)
            for name in ("exact", "found", "local_energy"):
                self._update(name, x=x, y=data[name].values)
            self._update("pin", x=[pin], y=[np.interp(pin, x, data["exact"].values)])
            self._update("energy", x=x[[0, -1]], y=[centre, centre])
            for name in ("epsilon_wide", "epsilon_core", "loss"):
                values = data[name if name == "loss" else f"{name}_history"].values
                self._update(name, x=steps, y=np.where(values > _SMALLEST, values, np.nan))
            self.figure.update_layout(
                yaxis_range=[floor, high + 0.05 * (high - low)],
                yaxis2_range=[centre - self._half, centre + self._half],
                xaxis3_range=[0, max(data.attrs["steps"], data.attrs["step"])],
                yaxis3_range=_decades(data),
            )
            if self.maps_shown and "plane_found" in data:
                self._draw_maps(data, low, high)

    def _draw_maps(self, data: xr.Dataset, low: float, high: float) -> None:
        found, exact = data["plane_found"].values.T, data["plane_exact"].values.T
        self._worst = spread(found - exact, self._worst)
        low = max(low, float(np.quantile(exact, _CENTRE)))
        ticks = data["px"].values
        for place, values in enumerate((found, exact, found - exact)):
            self._update(f"map {place}", x=ticks, y=ticks, z=values)
        self.figure.update_layout(
            coloraxis={"cmin": low, "cmax": high},
            coloraxis2={"cmin": -self._worst, "cmax": self._worst},
        )

    def _add(self, name: str, trace: Any, place: int, row: str = "curves") -> None:
        self._index[name] = self._panels.add(trace, row, place)

    def _update(self, name: str, **values: Any) -> None:
        # Curves are sent as bytes, maps as JSON, which has no nan.
        for axis, value in values.items():
            values[axis] = array = np.asarray(value, float)
            if array.ndim == 2:
                values[axis] = np.where(np.isfinite(array), array.round(4), None)  # type: ignore[call-overload]
        self.figure.data[self._index[name]].update(**values)


def window(data: xr.Dataset) -> tuple[float, float]:
    """The potentials that are drawn: the exact one, without what is far from the energy."""
    exact, energy = data["exact"].values, float(data["energy_exact"])
    low = float(exact.min()) if exact.min() > energy - _DEEP else energy - _BELOW
    return low, min(float(exact.max()), energy + _ABOVE)


def spread(deviation: np.ndarray, before: float = 0.0) -> float:
    """Half of a range for nine tenths of the deviations: 1, 2 or 5 times a power of ten.

    It shrinks only to less than half of the range `before`, so that axes do not flicker.

    Examples
    --------
    >>> spread(np.array([0.03, -0.03])), spread(np.array([0.04, 0.04]), before=0.1)
    (0.05, 0.1)
    """
    known = np.abs(deviation[np.isfinite(deviation)])
    most = 1.2 * max(float(np.quantile(known, 0.9)), 1e-6) if known.size else 1.0
    unit = 10.0 ** math.floor(math.log10(most))
    half = next(step * unit for step in (1, 2, 5, 10) if step * unit >= most * (1 - 1e-12))
    return before if half < before <= 2.5 * half and most > before / 2.5 else half


def _decades(data: xr.Dataset) -> list[float]:
    """Range of the logarithmic axis: whole decades around what was reached."""
    names = ("loss", "epsilon_wide_history", "epsilon_core_history")
    values = np.concatenate([data[name].values for name in names])
    values = values[np.isfinite(values) & (values > _SMALLEST)]
    if not values.size:
        return [-3.0, 1.0]
    low, high = np.log10([values.min(), values.max()])
    return [float(np.floor(low)), float(max(np.ceil(high), np.floor(low) + 1))]
