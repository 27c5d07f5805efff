"""Draw a density of lattice bosons and get the potential that makes it."""

from __future__ import annotations

import threading
import time
from functools import partial
from pathlib import Path
from typing import Any

import ipywidgets
import numpy as np
import plotly.graph_objects as go
import xarray as xr

import qdens_nb
from qdens_nb.plotting import difference_scale, lattice_map
from qdens_nb.systems import bose_hubbard
from qdens_nb.widgets._access import Access
from qdens_nb.widgets._background import Stopped
from qdens_nb.widgets._bose_answers import SECTORS, T
from qdens_nb.widgets._job_bar import JobBar, Tell
from qdens_nb.widgets._lattice_words import drawn_words, status
from qdens_nb.widgets._live_worm import Stage, worm_stages
from qdens_nb.widgets._panels import MAP, Panel, Panels, save_picture
from qdens_nb.widgets._pictures import PICTURES, picture

_SLIDERS: dict[str, dict[str, Any]] = {
    "hopping": {"value": 0.2, "min": 0.05, "max": 1.0, "step": 0.01, "description": "4t/U"},
    "repulsion": {"value": 0.0, "min": 0.0, "max": 1.75, "step": 0.05, "description": "4V/U"},
    "sites": {"value": 16, "min": 16, "max": 24, "step": 2, "description": "side L (sites)"},
    "brush": {"value": 1.0, "min": 0.0, "max": 2.5, "step": 0.05, "description": "brush ⟨n⟩"},
}
_CHOICES: dict[str, dict[str, Any]] = {
    "picture": {"options": PICTURES, "value": "ring", "description": "picture"},
    "sector": {"options": list(SECTORS), "value": "auto", "description": "checkerboard"},
}
_LEFT = (52, 300, 530)


def _panel(place: int, title: str, **options: Any) -> Panel:
    y = "" if place else "y (site)"
    return Panel(_LEFT[place], MAP, MAP, title, "x (site)", y, square=True, **options)


_UNFOUND = "press<br>Find potential"
_UNCHECKED = "press<br>Check by QMC"
_ROWS = {
    "network": [
        _panel(0, "wanted ⟨n⟩: click, or drag a box", bar="coloraxis"),
        _panel(1, "potential found, v/U", bar="coloraxis2", hint=_UNFOUND),
        _panel(2, "network: ⟨n⟩ there", hint=_UNFOUND),
    ],
    "difference": [
        _panel(0, "network − wanted"),
        _panel(1, "QMC: ⟨n⟩ there", hint=_UNCHECKED),
        _panel(2, "QMC − wanted", bar="coloraxis3", bar_place="right", hint=_UNCHECKED),
    ],
}
_MAPS = {
    "wanted": ("network", 0, "coloraxis"),
    "potential": ("network", 1, "coloraxis2"),
    "density": ("network", 2, "coloraxis"),
    "density_off": ("difference", 0, "coloraxis3"),
    "exact": ("difference", 1, "coloraxis"),
    "exact_off": ("difference", 2, "coloraxis3"),
}
_BARS: dict[str, Any] = {
    "coloraxis": {"colorscale": "Cividis", "cmin": 0, "cmax": 1},
    "coloraxis2": {"colorscale": "Cividis"},
    "coloraxis3": difference_scale(0.5, {}),
}


class _Watched:
    """A predictor that tells how many gradient steps were asked of it, and ends them to stop."""

    def __init__(self, predictor: Any, tell: Tell, steps: int) -> None:
        self._predictor, self._tell = predictor, tell
        self._done, self._steps = 0, steps
        self._stopped = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._predictor, name)

    def torch_density(self, local: Any, *args: Any, **options: Any) -> Any:
        if local.requires_grad:
            self._done += 1
        if self._stopped:
            return self._predictor.torch_density(local, *args, **options)
        try:
            self._tell(f"step {self._done} of {self._steps}", min(1.0, self._done / self._steps))
        except Stopped:
            self._stopped = True
            raise KeyboardInterrupt from None
        return self._predictor.torch_density(local, *args, **options)


class DrawDensityApp:
    """A wanted density, drawn by hand, and the potential that `qdens_nb.inverse.design` finds.

    The temperature is 0.25 t.

    Parameters
    ----------
    predictor : optional
        Anything with ``torch_density``, see `qdens_nb.inverse`. By default the shipped
        "bose_hubbard_live".
    starts, steps : int
        Starts in each sector and gradient steps of the design.
    **start
        Values to begin with: hopping (4t/U), repulsion (4V/U), sites, brush, picture, sector.

    Attributes
    ----------
    wanted : DataArray (x, y)
    found : Dataset or None
        What `qdens_nb.inverse.design` returned.
    exact : Dataset or None
        The answer of quantum Monte Carlo to the potential found.
    """

    def __init__(
        self, predictor: Any = None, *, starts: int = 2, steps: int = 120, **start: Any
    ) -> None:
        known = (*_SLIDERS, *_CHOICES)
        unknown = sorted(set(start) - set(known))
        if unknown:
            raise TypeError(f"unknown control {', '.join(unknown)}; there is {', '.join(known)}")
        self.predictor = (
            qdens_nb.load_predictor("bose_hubbard_live") if predictor is None else predictor
        )
        self.starts, self.steps = starts, steps
        self._lock = threading.RLock()
        self._doubts: tuple[str, ...] = ()
        self.sliders = self._make_controls(start)
        self.jobs = JobBar(
            self._lock,
            {
                "find": ("Find potential", "by gradient through the network"),
                "check": ("Check by QMC", "exact density of the potential found"),
            },
        )
        self.find_button, self.check_button = self.jobs.buttons.values()
        self.stop_button = self.jobs.stop_button
        self.text = ipywidgets.HTML()
        # By keyboard what dragging a box is by pointer.
        self.box = {
            name: ipywidgets.IntRangeSlider(
                value=(4, 7), min=0, max=15, description=f"{name} (sites)",
                layout=ipywidgets.Layout(width="300px"),
            )
            for name in "xy"
        }  # fmt: skip
        self.paint_button = ipywidgets.Button(
            description="Paint box", tooltip="set the sites of the box to the brush"
        )
        self._make_figure()
        self._take_picture()
        self._panels.to_widget()
        cells = self.figure.data[self._cells]
        cells.on_click(self._on_cells)
        cells.on_selection(self._on_cells)
        for name, slider in self.sliders.items():
            if name in ("picture", "sites"):
                slider.observe(lambda _: self._take_picture(), names="value")
            elif name != "brush":
                slider.observe(lambda _: self._forget(), names="value")
        self.find_button.on_click(lambda _: self.find())
        self.paint_button.on_click(lambda _: self._paint_box())
        self.check_button.on_click(lambda _: self.check())
        self.widget = self._assemble()

    def _make_controls(self, start: dict[str, Any]) -> dict[str, Any]:
        common: dict[str, Any] = {
            "style": {"description_width": "105px"},
            "layout": ipywidgets.Layout(width="335px"),
        }
        made: dict[str, Any] = {}
        for name, options in _SLIDERS.items():
            whole = isinstance(options["step"], int)
            kind = ipywidgets.IntSlider if whole else ipywidgets.FloatSlider
            made[name] = kind(**options, **common)
        for name, options in _CHOICES.items():
            made[name] = ipywidgets.Dropdown(**options, **common)
        for name, value in start.items():
            made[name].value = value
        return made

    def _make_figure(self) -> None:
        self._panels = Panels(_ROWS, _BARS)
        self.figure.update_layout(dragmode="select")
        empty = xr.DataArray(np.zeros((2, 2)), dims=("x", "y"), coords={"x": [0, 1], "y": [0, 1]})
        self._maps = {
            name: self._panels.add(lattice_map(empty, axis), row, place)
            for name, (row, place, axis) in _MAPS.items()
        }
        # Heat maps take clicks but no selections; invisible points on the cells take both.
        hidden = {"marker_opacity": 0}
        cells = go.Scatter(
            mode="markers",
            marker={"opacity": 0, "symbol": "square"},
            selected=hidden,
            unselected=hidden,
            showlegend=False,
            hovertemplate="x %{x}, y %{y}<extra>wanted</extra>",
        )
        self._cells = self._panels.add(cells, "network", 0)

    @property
    def figure(self) -> Any:
        """The figure, a FigureWidget."""
        return self._panels.figure

    def _assemble(self) -> ipywidgets.VBox:
        wrap = ipywidgets.Layout(flex_flow="row wrap", max_width="800px")
        return ipywidgets.VBox(
            [
                ipywidgets.Box(list(self.sliders.values()), layout=wrap),
                ipywidgets.Box([*self.box.values(), self.paint_button], layout=wrap),
                self.jobs.widget,
                self.figure,
                self.text,
                Access(),
            ],
            layout=ipywidgets.Layout(max_width="820px"),
        )

    @property
    def values(self) -> dict[str, Any]:
        """The controls' values."""
        return {name: slider.value for name, slider in self.sliders.items()}

    def _take_picture(self) -> None:
        with self._lock:
            sites = self.sliders["sites"].value
            for slider in self.box.values():
                slider.max = sites - 1
            values = picture(self.sliders["picture"].value, sites)
            coords = {"x": np.arange(sites), "y": np.arange(sites)}
            self.wanted = xr.DataArray(values, coords, ("x", "y"), "wanted density")
            x, y = np.indices(values.shape)
            with self.figure.batch_update():
                self.figure.data[self._cells].update(x=x.ravel(), y=y.ravel())
                self.figure.data[self._cells].marker.size = MAP / sites
                self._panels.fit(sites)
            self._forget()

    def paint(self, x: Any, y: Any, value: float | None = None) -> None:
        """Set cells to a wanted density, by default the brush's."""
        with self._lock:
            painted = self.wanted.copy()
            painted.values[np.asarray(x, dtype=int), np.asarray(y, dtype=int)] = (
                self.sliders["brush"].value if value is None else value
            )
            self.wanted = painted
            self._forget()

    def _paint_box(self) -> None:
        (x, right), (y, top) = (slider.value for slider in self.box.values())
        cells = np.mgrid[x : right + 1, y : top + 1]
        self.paint(*cells.reshape(2, -1))

    def _on_cells(self, trace: Any, points: Any, selector: Any) -> None:
        if points.xs:
            self.paint(points.xs, points.ys)
            self.figure.data[self._cells].selectedpoints = None
            # The browser drew the box; as it is not known here, setting none would send nothing.
            self.figure._send_relayout_msg({"selections": []})

    def _forget(self) -> None:
        """Drop what was found for another drawing or other couplings."""
        with self._lock:
            self.found: xr.Dataset | None = None
            self.exact: xr.Dataset | None = None
            self.seconds = np.nan
            self._doubts = ()
            self.jobs.allow("check", False)
            self.jobs.cancel(f"T = {T:g} t")
            self._show()

    def find(self) -> None:
        """Look for the potential in the background."""
        with self._lock:
            values, wanted = self.values, self.wanted
            U = 4.0 / values["hopping"]
            began = time.perf_counter()
            self._forget()

            def work(tell: Tell) -> None:
                found = qdens_nb.inverse.design(
                    _Watched(self.predictor, tell, self.steps),
                    wanted,
                    U=U,
                    V=values["repulsion"] * U / 4.0,
                    T=T,
                    sector=SECTORS[values["sector"]],
                    starts=self.starts,
                    steps=self.steps,
                )
                tell("found", 1.0, partial(self._take_found, found, began))

            self.jobs.start("design", _ending(work))

    def _take_found(self, found: xr.Dataset, began: float) -> None:
        self.found, self.seconds = found, time.perf_counter() - began
        self.jobs.allow("check", True)
        self._show()

    def check(self) -> None:
        """Solve the potential found by quantum Monte Carlo in the background."""
        with self._lock:
            found = self.found
            if found is None:
                return
            couplings: dict[str, Any] = {name: float(found[name]) for name in ("U", "V", "mu", "T")}
            problem = bose_hubbard(found["potential"].reset_coords(drop=True), **couplings)

            def work(tell: Tell) -> None:
                for stage in worm_stages(problem, sector=int(found["sector"])):
                    tell(stage.text, stage.done, partial(self._take_stage, stage))

            self.jobs.start("QMC", work)

    def _take_stage(self, stage: Stage) -> None:
        if stage.answer is not None:
            self.exact, self._doubts = stage.answer, stage.doubts
            self._show()

    def stop(self) -> None:
        """Stop what runs; what it has is kept."""
        self.jobs.stop()

    def wait(self, timeout: float | None = None) -> None:
        """Wait for what runs (for scripts and tests)."""
        self.jobs.wait(timeout)

    def _show(self) -> None:
        maps: dict[str, xr.DataArray] = {"wanted": self.wanted}
        if self.found is not None:
            maps["potential"] = (self.found["potential"] / self.found["U"]).rename("v/U")
            maps["density"] = self.found["density"]
            maps["density_off"] = maps["density"] - self.wanted
        if self.exact is not None:
            maps["exact"] = self.exact["density"]
            maps["exact_off"] = maps["exact"] - self.wanted
        off = [float(abs(maps[name]).max()) for name in maps if name.endswith("_off")]
        dense = max(float(maps[name].max()) for name in maps if name in ("wanted", "density"))
        with self.figure.batch_update():
            if ("difference" in self._panels.hidden) == (self.found is not None):
                self._panels.show("difference", self.found is not None)
                self._panels.place()
            for place in (1, 2):
                self._panels.hint("network", place, self.found is None)
                self._panels.hint("difference", place, self.exact is None)
            for name, index in self._maps.items():
                trace = self.figure.data[index]
                trace.visible = name in maps
                if name in maps:
                    trace.x, trace.y = maps[name]["x"].values, maps[name]["y"].values
                    trace.z = maps[name].transpose("y", "x").values
            layout = self.figure.layout
            layout.coloraxis.cmax = max(1.0, dense)
            layout.coloraxis2.showscale = layout.coloraxis3.showscale = bool(off)
            most = max([0.1, *off])
            layout.coloraxis3.cmin, layout.coloraxis3.cmax = -most, most
        text = drawn_words(self.wanted, self.found, self.exact, self.seconds, self._doubts)
        self.text.value = status(text)

    def save_picture(self, path: str | Path, scale: float = 1.5) -> None:
        """Write the figure as a picture, for pages without a kernel (needs Chromium)."""
        save_picture(self.figure, path, scale)

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        return self.widget._repr_mimebundle_(**kwargs)


def _ending(work: Any) -> Any:
    """`work` that ends as stopped where it was interrupted before it had anything."""

    def run(tell: Tell) -> None:
        try:
            work(tell)
        except KeyboardInterrupt:
            raise Stopped from None

    return run
