"""Panels of one figure in rows, placed in pixels; a row can be hidden without a new figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import plotly.graph_objects as go

from qdens_nb.widgets._figure_widget import PatientFigureWidget

WIDTH = 780
MAP = 190
_TITLE, _BELOW = 26, 46
_GREY = "#666666"


class Panel(NamedTuple):
    """Left edge, width and height of the axes in pixels, titles; `square` for maps.

    `bar` is the name of the colour axis whose bar is drawn below ("below") or to the right;
    `hint` what an empty panel says, shown by `Panels.hint`.
    """

    left: int
    width: int
    height: int
    title: str = ""
    x: str = ""
    y: str = ""
    square: bool = False
    bar: str = ""
    bar_place: str = "below"
    hint: str = ""


class Panels:
    """A figure with rows of panels; the axes are numbered in their order.

    Draw first, then call `to_widget`.

    Parameters
    ----------
    rows : mapping of names to sequences of Panel
    bars : mapping of colour axes to their properties
    """

    def __init__(
        self, rows: Mapping[str, Sequence[Panel]], bars: Mapping[str, Mapping[str, Any]]
    ) -> None:
        self.rows = {name: list(panels) for name, panels in rows.items()}
        self.hidden: set[str] = set()
        self.figure: Any = go.Figure()
        self.figure.update_layout(
            template="qdens",
            autosize=True,
            plot_bgcolor="rgba(0,0,0,0)",
            margin={"l": 0, "r": 0, "t": 0, "b": 0},
            font_size=13,
            legend={"yanchor": "bottom", "x": 0.06},
        )
        self._number: dict[Any, Any] = {}
        for name, panels in self.rows.items():
            for place, panel in enumerate(panels):
                number = self._number[name, place] = len(self._number) + 1
                self._add_axes(panel, number)
        self._hint: dict[Any, int] = {}
        for (name, place), number in self._number.items():
            if self.rows[name][place].hint:
                self._hint[name, place] = len(self.figure.layout.annotations)
                suffix = _suffix(number)
                self.figure.add_annotation(
                    text=self.rows[name][place].hint, x=0.5, y=0.5, xref=f"x{suffix} domain",
                    yref=f"y{suffix} domain", showarrow=False, visible=False,
                    font={"size": 12, "color": _GREY}, bgcolor="rgba(255,255,255,0.85)",
                )  # fmt: skip
        self.figure.update_layout(**bars)
        self.place()

    def add(self, trace: Any, row: str, place: int) -> int:
        """Add a trace to a panel; returns its index in ``figure.data``."""
        suffix = _suffix(self._number[row, place])
        self.figure.add_trace(trace.update(xaxis=f"x{suffix}", yaxis=f"y{suffix}"))
        return len(self.figure.data) - 1

    def fit(self, sites: int) -> None:
        """Show all sites of a lattice in the maps."""
        for (name, place), number in self._number.items():
            if self.rows[name][place].square:
                for axis in ("xaxis", "yaxis"):
                    self.figure.layout[f"{axis}{_suffix(number)}"].range = [-0.5, sites - 0.5]

    def to_widget(self) -> None:
        """Make the figure a FigureWidget; its traces and layout are new objects."""
        self.figure = PatientFigureWidget(self.figure)

    def _add_axes(self, panel: Panel, number: int) -> None:
        suffix = _suffix(number)
        domain = [panel.left / WIDTH, (panel.left + panel.width) / WIDTH]
        x: dict[str, Any] = {"anchor": f"y{suffix}", "domain": domain, "title_text": panel.x}
        y: dict[str, Any] = {"anchor": f"x{suffix}", "title_text": panel.y}
        if panel.square:
            x |= {"constrain": "domain", "showgrid": False}
            y |= {"constrain": "domain", "showgrid": False, "scaleanchor": f"x{suffix}"}
        for axis in (x, y):
            axis |= {"automargin": False, "title_standoff": 4, "title_font_size": 13}
        self.figure.update_layout({f"xaxis{suffix}": x, f"yaxis{suffix}": y})
        self.figure.add_annotation(
            text=panel.title, x=sum(domain) / 2, xref="paper", yref="paper", xanchor="center",
            yanchor="bottom", showarrow=False, font_size=13,
        )  # fmt: skip

    def show(self, row: str, shown: bool) -> None:
        """Show or hide a row; call `place` then."""
        (self.hidden.discard if shown else self.hidden.add)(row)

    def hint(self, row: str, place: int, shown: bool) -> None:
        """Show or hide what an empty panel says."""
        note = self.figure.layout.annotations[self._hint[row, place]]
        note.visible = shown and row not in self.hidden

    def _title(self, panels: Sequence[Panel]) -> int:
        return _TITLE if any(p.title for p in panels) else 6

    def _row_height(self, panels: Sequence[Panel]) -> int:
        below = max(
            _BELOW * bool(p.x) + 46 * (p.bar != "" and p.bar_place == "below") for p in panels
        )
        return self._title(panels) + max(p.height for p in panels) + max(below, 12)

    def place(self, legend: str = "") -> None:
        """Move everything to where the shown rows put it; the legend goes above a row."""
        total = sum(self._row_height(p) for name, p in self.rows.items() if name not in self.hidden)
        total += 28 * bool(legend)
        layout: dict[str, Any] = {"height": total}
        notes = self.figure.layout.annotations
        top = 0
        for name, panels in self.rows.items():
            shown = name not in self.hidden
            if name == legend and shown:
                top += 28
                layout["legend"] = {"y": 1 - top / total}
            for place, panel in enumerate(panels):
                number = self._number[name, place]
                suffix = _suffix(number)
                high = 1 - (top + self._title(panels)) / total
                low = high - panel.height / total
                note = notes[number - 1]
                note.visible = shown
                layout[f"xaxis{suffix}"] = {"visible": shown}
                layout[f"yaxis{suffix}"] = {"visible": shown}
                if panel.bar:
                    layout[panel.bar] = {"showscale": shown}
                if not shown:
                    continue
                layout[f"yaxis{suffix}"]["domain"] = [max(low, 0), min(high, 1)]
                note.y = high + 4 / total
                if panel.bar:
                    layout[panel.bar]["colorbar"] = _bar(panel, low, high, total)
            if shown:
                top += self._row_height(panels)
        self.figure.update_layout(layout)


def _bar(panel: Panel, low: float, high: float, total: float) -> dict[str, Any]:
    if panel.bar_place == "below":
        return {
            "orientation": "h", "x": (panel.left + panel.width / 2) / WIDTH, "xanchor": "center",
            "y": low - _BELOW / total, "yanchor": "top", "lenmode": "fraction",
            "len": panel.width / WIDTH, "thickness": 11, "ypad": 0, "tickfont_size": 11,
        }  # fmt: skip
    return {
        "x": (panel.left + panel.width + 8) / WIDTH, "xanchor": "left", "y": (low + high) / 2,
        "yanchor": "middle", "lenmode": "pixels", "len": panel.height, "thickness": 11, "xpad": 0,
        "ypad": 0, "tickfont_size": 11,
    }  # fmt: skip


def save_picture(figure: Any, path: str | Path, scale: float) -> None:
    """Write a figure of this width as a picture (needs Chromium)."""
    go.Figure(figure).write_image(path, width=WIDTH, height=figure.layout.height, scale=scale)


def _suffix(number: int) -> str:
    return "" if number == 1 else str(number)
