"""Maps on a canvas, the first of which may be drawn on with the pointer.

A figure of plotly takes a click or a box, not a stroke, and redraws six maps of 64 x 64 in some
100 ms; a canvas takes a few.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import anywidget
import numpy as np
import plotly.colors
import traitlets
import xarray as xr

SIDE, WIDTH = 200, 780
_LEFT, _TITLE, _ROW, _READOUT = (52, 305, 558), 28, SIDE + 104, 14
#: names of the colour scales, as plotly has them
TABLES = ("Cividis", "PuOr")
_SHADES = [i / 255 for i in range(256)]


class Map(NamedTuple):
    """A map (x, y), its place (row, column), and the values of the ends of its colour scale."""

    values: xr.DataArray
    place: tuple[int, int]
    title: str
    unit: str
    low: float
    high: float
    table: str = "Cividis"
    faded: bool = False


class Steps(NamedTuple):
    """Names and colours of a map whose values are 0, 1, ...; its ``table`` is "steps"."""

    names: Sequence[str]
    colors: Sequence[str]


class MapBoard(anywidget.AnyWidget):
    """Maps in rows of three; `on_path` hears of the pointer on the first one.

    Traits ``tool`` ("move", "well", "wall", or "" to draw nothing) and ``brush`` (radius in nm) say
    what the pointer looks like. ``unit`` is "nm", or "site" for lattices, whose row ``row`` is
    marked on the first map; ``step`` is between the ticks.
    """

    _esm = Path(__file__).with_name("_map_board.js")
    maps = traitlets.Bytes().tag(sync=True)
    panels: traitlets.List = traitlets.List().tag(sync=True)
    tables = traitlets.Bytes().tag(sync=True)
    points = traitlets.Int(64).tag(sync=True)
    size = traitlets.Float(30.0).tag(sync=True)
    side = traitlets.Int(SIDE).tag(sync=True)
    width = traitlets.Int(WIDTH).tag(sync=True)
    height = traitlets.Int(_ROW).tag(sync=True)
    unit = traitlets.Unicode("nm").tag(sync=True)
    step = traitlets.Int(10).tag(sync=True)
    row = traitlets.Int(-1).tag(sync=True)
    names: traitlets.List = traitlets.List().tag(sync=True)
    label = traitlets.Unicode().tag(sync=True)
    tool = traitlets.Unicode("move").tag(sync=True)
    brush = traitlets.Float(1.5).tag(sync=True)
    wells: traitlets.List = traitlets.List().tag(sync=True)
    held = traitlets.Int(-1).tag(sync=True)
    turn = traitlets.Int(0).tag(sync=True)

    def __init__(
        self,
        on_path: Callable[[np.ndarray, bool, bool], None] | None = None,
        steps: Steps | None = None,
        **traits: Any,
    ) -> None:
        """`on_path` gets the new part of the path (n, 2) in nm, and whether it begins and ends."""
        tables = [_table(plotly.colors.sample_colorscale(name, _SHADES)) for name in TABLES]
        if steps is not None:
            colors = [steps.colors[i * len(steps.colors) // 256] for i in range(256)]
            tables.append(_table(colors))
            traits["names"] = [*steps.names]
        super().__init__(tables=b"".join(tables), **traits)
        self._on_path = on_path
        if on_path is None:
            self.tool = ""
        self.on_msg(self._hear)

    def _hear(self, _: Any, message: Any, buffers: Any) -> None:
        try:
            path = np.asarray(message["path"], dtype=float).reshape(-1, 2)
            if self._on_path is not None:
                self._on_path(path, bool(message["begins"]), bool(message["ends"]))
        finally:
            self.send({"kind": "done"})

    def show(
        self,
        maps: Sequence[Map],
        wells: np.ndarray | None = None,
        held: int | None = None,
        label: str = "",
        **traits: Any,
    ) -> None:
        """Draw these maps; the first is the one to draw on. `traits` are set with them.

        Wells (n, 3), each x, y and radius in nm, are marked where they can be moved; `held` is
        under way.
        """
        panels = [
            {
                "left": _LEFT[m.place[1]],
                "top": _TITLE + _ROW * m.place[0],
                "first": m.place[1] == 0,
                "title": m.title,
                "unit": m.unit,
                "low": m.low,
                "high": m.high,
                "table": (*TABLES, "steps").index(m.table),
                "named": m.table == "steps",
                "faded": m.faded,
            }
            for m in maps
        ]
        rows = 1 + max(m.place[0] for m in maps)
        with self.hold_sync():
            self.maps = b"".join(_bytes(m) for m in maps)
            self.panels = panels
            self.height = rows * _ROW + _READOUT
            self.wells = [] if wells is None else wells.round(3).tolist()
            self.held = -1 if held is None else held
            self.label = label
            for name, value in traits.items():
                setattr(self, name, value)
            self.turn += 1


def round_up(value: float) -> float:
    """The next number of two digits."""
    if value <= 0:
        return 1e-6
    unit = 10.0 ** (np.floor(np.log10(value)) - 1)
    return float(np.ceil(value / unit - 1e-9) * unit)


def _bytes(shown: Map) -> bytes:
    values = shown.values.transpose("x", "y").values
    part = (values - shown.low) / max(shown.high - shown.low, 1e-12)
    return np.rint(255 * part.clip(0, 1)).astype(np.uint8).tobytes()


def _table(colors: Sequence[str]) -> bytes:
    parts, _ = plotly.colors.convert_colors_to_same_type(list(colors), colortype="tuple")
    return np.rint(255 * np.array(parts)).astype(np.uint8).tobytes()
