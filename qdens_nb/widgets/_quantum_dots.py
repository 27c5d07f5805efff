"""Two electrons in a dot that is drawn with the pointer: the network's answer at once."""

from __future__ import annotations

import threading
import time
from functools import partial
from pathlib import Path
from typing import Any

import ipywidgets
import numpy as np
import xarray as xr

import qdens_nb
from qdens_nb.widgets._access import Access
from qdens_nb.widgets._background import Background, Report, Stopped
from qdens_nb.widgets._dot_answers import Predictor, compute, dot_words
from qdens_nb.widgets._dot_drawing import DOTS, Drawing, drawing
from qdens_nb.widgets._dot_maps import board_maps, still
from qdens_nb.widgets._lattice_words import status
from qdens_nb.widgets._map_board import WIDTH, MapBoard
from qdens_nb.widgets._panels import save_picture

_SLIDERS: dict[str, dict[str, Any]] = {
    "wells": {"value": 25, "min": 1, "max": 40, "step": 1, "description": "wells"},
    "size": {"value": 1.0, "min": 0.5, "max": 1.6, "step": 0.05, "description": "well size"},
    "seed": {"value": 1, "min": 0, "max": 99, "step": 1, "description": "seed"},
    "eps_r": {"value": 12.9, "min": 6.0, "max": 40.0, "step": 0.1, "description": "εᵣ (GaAs 12.9)"},
    "step": {"value": 0.5, "min": 0.2, "max": 1.0, "step": 0.05, "description": "step (eV)"},
    "brush": {"value": 1.5, "min": 0.5, "max": 5.0, "step": 0.25, "description": "brush (nm)"},
}
_SHAPE = ("dot", "wells", "size", "seed")
_TOOLS = {"move wells": "move", "paint wells": "well", "paint walls": "wall"}
#: seconds without a change before the exact answer is computed
_PAUSE = 0.3


class QuantumDotsApp:
    """Sliders and a brush for a quantum dot: potential and densities, with errors on demand.

    The left map can be drawn on: wells of a cluster are dragged, or painted and erased. GaAs mass,
    a square of 30 nm with 64 x 64 points.

    Parameters
    ----------
    predictor : callable, optional
        Problem Dataset -> Dataset with density and density_free. By default the shipped
        "dot_density_live".
    **start
        Values to begin with: dot, wells, size (of the wells; 1 as in the training data), seed,
        eps_r, step (eV), brush (nm), tool ("move", "well", "wall"), exact (bool).

    Attributes
    ----------
    drawing : Drawing
        Wells and paint.
    data : Dataset
        What is shown, along a dim ``solver``: "network", perhaps "exact".
    sliders : dict of ipywidgets
        All controls by the names above.

    Examples
    --------
    >>> import qdens_nb as qd
    >>> app = QuantumDotsApp(qd.solvers.dot_ci, dot="double")  # exact in place of the network
    >>> app.data.density.dims
    ('solver', 'x', 'y')
    """

    def __init__(self, predictor: Predictor | None = None, **start: Any) -> None:
        known = (*_SLIDERS, "dot", "tool", "exact")
        unknown = sorted(set(start) - set(known))
        if unknown:
            raise TypeError(f"unknown control {', '.join(unknown)}; there is {', '.join(known)}")
        self.predictor = (
            qdens_nb.load_predictor("dot_density_live") if predictor is None else predictor
        )
        self._lock = threading.RLock()
        self._job = Background()
        self._turn = 0
        self._quiet = False
        self._held: int | None = None
        self._offset = np.zeros(2)
        self._last: xr.Dataset | None = None
        self.sliders = self._make_controls(start)
        self.reset_button = ipywidgets.Button(
            description="Undo drawing", tooltip="back to the dot that the controls describe"
        )
        self.text = ipywidgets.HTML()
        self.board = MapBoard(self._on_path)
        self._equip()
        self.reset()
        for name, control in self.sliders.items():
            control.observe(partial(self._on_control, name), names="value")
        self.reset_button.on_click(lambda _: self.reset())
        self.widget = self._assemble()

    def _make_controls(self, start: dict[str, Any]) -> dict[str, Any]:
        common: dict[str, Any] = {
            "style": {"description_width": "105px"},
            "layout": ipywidgets.Layout(width="375px"),
        }
        made: dict[str, Any] = {
            "dot": ipywidgets.Dropdown(options=DOTS, value="cluster", description="dot", **common)
        }
        for name, options in _SLIDERS.items():
            whole = isinstance(options["step"], int)
            kind = ipywidgets.IntSlider if whole else ipywidgets.FloatSlider
            made[name] = kind(**options, **common)
        made["tool"] = ipywidgets.ToggleButtons(
            options=_TOOLS, style={"button_width": "98px"}, tooltips=["", "", ""]
        )
        made["exact"] = ipywidgets.Checkbox(
            description="exact answer too", indent=False, layout=ipywidgets.Layout(width="150px")
        )
        for name, value in start.items():
            made[name].value = value
        return made

    def _assemble(self) -> ipywidgets.VBox:
        wrap = ipywidgets.Layout(flex_flow="row wrap", max_width=f"{WIDTH}px", align_items="center")
        names = ("dot", *_SLIDERS)
        tools = [self.sliders["tool"], self.reset_button, self.sliders["exact"]]
        return ipywidgets.VBox(
            [
                ipywidgets.Box([self.sliders[name] for name in names], layout=wrap),
                ipywidgets.Box(tools, layout=wrap),
                self.board,
                self.text,
                Access(),
            ],
            layout=ipywidgets.Layout(max_width=f"{WIDTH + 20}px"),
        )

    @property
    def values(self) -> dict[str, Any]:
        """The controls' values."""
        return {name: control.value for name, control in self.sliders.items()}

    def set(self, **values: Any) -> None:
        """Move several controls at once."""
        with self._lock:
            self._quiet = True
            try:
                for name, value in values.items():
                    self.sliders[name].value = value
            finally:
                self._quiet = False
            self._apply(*values)

    def _on_control(self, name: str, change: Any) -> None:
        with self._lock:
            if not self._quiet:
                self._apply(name)

    def _apply(self, *changed: str) -> None:
        if any(name in _SHAPE for name in changed):
            self.reset()
        elif any(name in ("eps_r", "step", "exact") for name in changed):
            self._solve()
        self._equip()

    def _equip(self) -> None:
        self.board.tool, self.board.brush = self.sliders["tool"].value, self.sliders["brush"].value

    def reset(self) -> None:
        """Draw the dot that the controls describe."""
        with self._lock:
            values = self.values
            cluster = values["dot"] == "cluster"
            self.sliders["wells"].disabled = self.sliders["seed"].disabled = not cluster
            self._held = None
            self.draw(drawing(*(values[name] for name in _SHAPE)))

    def draw(self, made: Drawing) -> None:
        """Show another drawing."""
        with self._lock:
            self.drawing = made
            self._solve()

    def _on_path(self, path: np.ndarray, begins: bool, ends: bool) -> None:
        """A piece of the pointer's path (n, 2) on the potential, in nm."""
        with self._lock:
            tool = self.sliders["tool"].value
            if tool != "move":
                value = 1 if tool == "well" else -1
                self.draw(self.drawing.stroke(path, self.sliders["brush"].value, value))
                return
            if begins:
                self._held = self.drawing.find(*path[0])
                if self._held is not None:
                    self._offset = self.drawing.wells[self._held, :2] - path[0]
            held, self._held = self._held, None if ends else self._held
            if held is not None:
                self.draw(self.drawing.move(held, *(path[-1] + self._offset)))

    def _compute(self, with_exact: bool = False) -> xr.Dataset:
        values = self.values
        return compute(
            self.drawing.mask,
            values["eps_r"],
            values["step"],
            predictor=self.predictor,
            with_exact=with_exact,
        )

    def _solve(self) -> None:
        """Let the network answer; the exact answer to another dot is dropped."""
        with self._lock:
            self._turn += 1
            self._job.stop()
            try:
                self.data = self._compute()
            except (ArithmeticError, RuntimeError, ValueError) as error:
                self.text.value = status(f"<b>No answer here:</b> {error}")
                return
            self._show()

    def _show(self) -> None:
        """Show the data; what is wanted and not there is computed after a moment of quiet."""
        exact = "exact" in self.data["solver"].values
        if exact:
            self._last = self.data
        waiting = self.sliders["exact"].value and not exact
        maps = board_maps(self.data, self._last if waiting else None)
        self.board.show(maps, self.drawing.wells, self._held, "potential and densities of the dot")
        self.text.value = status(dot_words(self.data, waiting))
        if waiting:
            self._start_exact()

    def _start_exact(self) -> None:
        turn = self._turn

        def work(report: Report) -> xr.Dataset:
            time.sleep(_PAUSE)
            report("")
            return self._compute(with_exact=True)

        def end(data: xr.Dataset | None, error: BaseException | None) -> None:
            with self._lock:
                if turn != self._turn or isinstance(error, Stopped):
                    return
                if data is None:
                    self.text.value = status(f"<b>No exact answer:</b> {error}")
                    return
                self.data = data
                self._show()

        self._job.start(work, lambda _: None, end)

    def wait(self, timeout: float | None = None) -> None:
        """Wait for the exact answer (for scripts and tests)."""
        self._job.wait(timeout)

    def save_picture(self, path: str | Path, scale: float = 1.5) -> None:
        """Write the maps as a picture, for pages without a kernel (needs Chromium)."""
        save_picture(still(self.data), path, scale)

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        return self.widget._repr_mimebundle_(**kwargs)


quantum_dots = QuantumDotsApp
