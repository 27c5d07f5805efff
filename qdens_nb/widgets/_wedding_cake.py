"""Lattice bosons in a trap: the network's answer at once, quantum Monte Carlo on demand."""

from __future__ import annotations

import threading
from functools import partial
from pathlib import Path
from typing import Any

import ipywidgets
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
from qdens_nb.widgets._bose_answers import (
    SECTORS,
    SHAPES,
    Predictor,
    T,
    answer_of,
    compute,
    join,
    live_predictor,
    mean_field,
    takes_sector,
    trap_problem,
)
from qdens_nb.widgets._job_bar import JobBar, Tell
from qdens_nb.widgets._lattice_words import cake_words, status
from qdens_nb.widgets._live_worm import Stage, worm_stages
from qdens_nb.widgets._panels import MAP, Panel, Panels, save_picture
from qdens_nb.widgets._phases import PHASES, name_phases

_SLIDERS: dict[str, dict[str, Any]] = {
    "hopping": {"value": 0.15, "min": 0.05, "max": 1.0, "step": 0.01, "description": "4t/U"},
    "repulsion": {"value": 0.75, "min": 0.0, "max": 1.75, "step": 0.05, "description": "4V/U"},
    "mu": {"value": 1.3, "min": -0.5, "max": 3.0, "step": 0.05, "description": "μ/U"},
    "depth": {"value": 2.0, "min": 0.0, "max": 3.0, "step": 0.05, "description": "trap depth (U)"},
    "sites": {"value": 24, "min": 8, "max": 40, "step": 2, "description": "side L (sites)"},
}
_CHOICES: dict[str, dict[str, Any]] = {
    "shape": {"options": SHAPES, "value": SHAPES[0], "description": "shape"},
    "sector": {"options": list(SECTORS), "value": "auto", "description": "checkerboard"},
}
_PHASE_COLORS = ("#EEEEEE", "#56B4E9", "#F0E442", "#D55E00", "#CC79A7")
_PHASE_TICKS = ("empty", "superfluid", "Mott", "solid", "supersolid")
_FIRST, _SECOND, _THIRD = 52, 282, 512
_N, _F = "density ⟨n⟩", "fluctuation ⟨n²⟩ − ⟨n⟩²"


def _map(left: int, title: str, **options: Any) -> Panel:
    y = "y (site)" if left == _FIRST else ""
    return Panel(left, MAP, MAP, title, "x (site)", y, square=True, **options)


_ROWS = {
    "network": [
        _map(_FIRST, f"network: {_N}", bar="coloraxis"),
        _map(_SECOND, f"network: {_F}", bar="coloraxis2"),
        _map(_THIRD, "network: phase", bar="coloraxis3", bar_place="right"),
    ],
    "worm": [
        _map(_FIRST, f"QMC: {_N}"),
        _map(_SECOND, f"QMC: {_F}"),
        _map(_THIRD, "network − QMC: density", bar="coloraxis4", bar_place="right"),
    ],
    "cut": [
        Panel(_FIRST, 330, 190, "", "x (site), along the dashed line", _N),
        Panel(440, 330, 190, "", "x (site), along the dashed line", _F),
    ],
}
_BARS: dict[str, Any] = {
    "coloraxis": {"colorscale": "Cividis", "cmin": 0},
    "coloraxis2": {"colorscale": "Cividis", "cmin": 0},
    "coloraxis3": {
        "colorscale": [
            [(i + j) / len(PHASES), color] for i, color in enumerate(_PHASE_COLORS) for j in (0, 1)
        ],
        "cmin": -0.5,
        "cmax": len(PHASES) - 0.5,
        "colorbar": {"tickvals": list(range(len(PHASES))), "ticktext": _PHASE_TICKS},
    },
    "coloraxis4": difference_scale(1.0, {}),
}


class WeddingCakeApp:
    """Sliders for bosons in a trap on the square lattice: maps, a cut, phases in words.

    The temperature is 0.25 t.

    Parameters
    ----------
    predictor : callable, optional
        Problem Dataset -> Dataset with density, density_squared and coherence, perhaps
        density_stderr; it may take ``sector``. By default the small shipped network.
    **start
        Values to begin with: hopping (4t/U), repulsion (4V/U), mu (mu/U), depth (in U), sites,
        shape, sector, mean_field.

    Attributes
    ----------
    data : Dataset
        What is shown, along a dim ``solver``: "network", perhaps "gutzwiller" and "worm".
    phases : Dataset
        `name_phases` of the network's answer.
    sliders : dict of ipywidgets
        All controls by the names above.
    """

    def __init__(self, predictor: Predictor | None = None, **start: Any) -> None:
        known = (*_SLIDERS, *_CHOICES, "mean_field")
        unknown = sorted(set(start) - set(known))
        if unknown:
            raise TypeError(f"unknown control {', '.join(unknown)}; there is {', '.join(known)}")
        self.predictor = live_predictor() if predictor is None else predictor
        self._lock = threading.RLock()
        self._quiet = False
        self._doubts: tuple[str, ...] = ()
        self.sliders = self._make_controls(start)
        self.jobs = JobBar(
            self._lock,
            {"qmc": ("Run QMC", "exact answer; takes up to some minutes, shows as it goes")},
        )
        self.qmc_button, self.stop_button = self.jobs.buttons["qmc"], self.jobs.stop_button
        self.text = ipywidgets.HTML()
        self._make_figure()
        self._solve()
        self._panels.to_widget()
        for slider in self.sliders.values():
            slider.observe(self._on_slider, names="value")
        self.qmc_button.on_click(lambda _: self.run_qmc())
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
        made["mean_field"] = ipywidgets.Checkbox(description="mean field too", **common)
        made["sector"].disabled = not takes_sector(self.predictor)
        for name, value in start.items():
            made[name].value = value
        return made

    def _make_figure(self) -> None:
        self._panels = Panels(_ROWS, _BARS)
        empty = xr.DataArray(np.zeros((2, 2)), dims=("x", "y"), coords={"x": [0, 1], "y": [0, 1]})
        self._maps, self._curves = {}, {}
        for row in ("network", "worm"):
            for place in range(3):
                bar = f"coloraxis{('', '2', '3' if row == 'network' else '4')[place]}"
                self._maps[row, place] = self._panels.add(lattice_map(empty, bar), row, place)
        phases = self.figure.data[self._maps["network", 2]]
        phases.hovertemplate = "x %{x}, y %{y}: %{text}<extra>phase</extra>"
        dashes = {"color": OKABE_ITO["vermillion"], "width": 1.5, "dash": "dash"}
        mark = {"mode": "lines", "line": dashes, "hoverinfo": "skip", "showlegend": False}
        self._mark = self._panels.add(go.Scatter(**mark), "network", 0)
        self._band = self._panels.add(error_band([], [], [], style_of("network")), "cut", 0)
        for solver in ("network", "gutzwiller", "worm"):
            for place in (0, 1):
                options = {"showlegend": place == 0, "legendgroup": solver}
                style = style_of(solver)
                drawn = partial(points, stderr=[]) if solver == "worm" else line
                trace = drawn([], [], style=style, **options)
                self._curves[solver, place] = self._panels.add(trace, "cut", place)

    @property
    def figure(self) -> Any:
        """The figure, a FigureWidget."""
        return self._panels.figure

    def _assemble(self) -> ipywidgets.VBox:
        wrap = ipywidgets.Layout(flex_flow="row wrap", max_width="800px")
        return ipywidgets.VBox(
            [
                ipywidgets.Box(list(self.sliders.values()), layout=wrap),
                self.jobs.widget,
                self.figure,
                self.text,
            ],
            layout=ipywidgets.Layout(max_width="820px"),
        )

    @property
    def values(self) -> dict[str, Any]:
        """The controls' values."""
        return {name: slider.value for name, slider in self.sliders.items()}

    def set(self, **values: Any) -> None:
        """Move several controls at once."""
        with self._lock:
            self._quiet = True
            try:
                for name, value in values.items():
                    self.sliders[name].value = value
            finally:
                self._quiet = False
            self._solve()

    def _on_slider(self, change: Any) -> None:
        with self._lock:
            if self._quiet:
                return
            if change["owner"] is self.sliders["mean_field"]:
                self._toggle_mean_field(change["new"])
            else:
                self._solve()

    def _problem(self) -> xr.Dataset:
        return trap_problem(**{k: self.values[k] for k in (*_SLIDERS, "shape")})

    def _solve(self) -> None:
        """Answer the controls; quantum Monte Carlo of another point is dropped."""
        with self._lock:
            values = self.values
            shown = values.pop("mean_field")
            values["sector"] = SECTORS[values["sector"]]
            self.sliders["depth"].disabled = values["shape"] == "flat"
            try:
                self.data = compute(**values, predictor=self.predictor, with_mean_field=shown)
            except (ArithmeticError, RuntimeError, ValueError) as error:
                self.text.value = status(f"<b>No answer here:</b> {error}")
                self.jobs.allow("qmc", False)
                self.jobs.cancel("no answer; the figure shows the last one")
                return
            self.phases = name_phases(answer_of(self.data, "network"))
            self._doubts = ()
            self.jobs.allow("qmc", True)
            self.jobs.cancel(f"T = {T:g} t")
            self._show()

    def _toggle_mean_field(self, wanted: bool) -> None:
        answers = self._answers()
        answers.pop("gutzwiller", None)
        if wanted:
            answers["gutzwiller"] = mean_field(self._problem(), int(self.data["sector"]))
        self._join(answers)

    def _answers(self) -> dict[str, xr.Dataset]:
        answers = {}
        for name in map(str, self.data["solver"].values):
            answers[name] = answer_of(self.data, name)
            answers[name].attrs["wall_seconds"] = float(self.data["seconds"].sel(solver=name))
            answers[name].attrs["notes"] = self.data.attrs["notes"] if name == "network" else ""
        return answers

    def _join(self, answers: dict[str, xr.Dataset]) -> None:
        self.data = join(self._problem(), answers, int(self.data["sector"]))
        self._show()

    def run_qmc(self) -> None:
        """Start quantum Monte Carlo in the background; its answer so far is shown as it goes."""
        with self._lock:
            problem, sector = self._problem(), int(self.data["sector"])

            def work(tell: Tell) -> None:
                for stage in worm_stages(problem, sector=sector):
                    tell(stage.text, stage.done, partial(self._take, stage))

            self.jobs.start("QMC", work)

    def _take(self, stage: Stage) -> None:
        if stage.answer is not None:
            self._doubts = stage.doubts
            self._join(self._answers() | {"worm": stage.answer})

    def stop(self) -> None:
        """Stop quantum Monte Carlo; what it has is kept."""
        self.jobs.stop()

    def wait(self, timeout: float | None = None) -> None:
        """Wait for quantum Monte Carlo (for scripts and tests)."""
        self.jobs.wait(timeout)

    def _show(self) -> None:
        data, figure = self.data, self.figure
        answers = {name: answer_of(data, name) for name in ("network", "gutzwiller", "worm")}
        network, exact = answers["network"], answers["worm"]
        with figure.batch_update():
            if ("worm" in self._panels.hidden) != (exact is None) or figure.layout.height is None:
                self._panels.show("worm", exact is not None)
                self._panels.place(legend="cut")
            self._panels.fit(data.sizes["x"])
            codes = self.phases["phase"]
            self._draw("network", [network["density"], network["fluctuation"], codes])
            figure.data[self._maps["network", 2]].text = np.array(PHASES)[
                codes.transpose("y", "x").values
            ]
            figure.layout.coloraxis.cmax = max(1.0, float(data["density"].max()))
            figure.layout.coloraxis2.cmax = max(0.1, float(data["fluctuation"].max()))
            if exact is not None:
                difference = network["density"] - exact["density"]
                self._draw("worm", [exact["density"], exact["fluctuation"], difference])
                most = max(0.02, float(abs(difference).max()))
                figure.layout.coloraxis4.cmin, figure.layout.coloraxis4.cmax = -most, most
            for (row, _), index in self._maps.items():
                figure.data[index].visible = row == "network" or exact is not None
            self._draw_cut(answers)
        rule = network.attrs.get("sector_rule", "")
        self.text.value = status(cake_words(data, self.phases, rule, self._doubts))

    def _draw(self, row: str, maps: list[xr.DataArray]) -> None:
        for place, values in enumerate(maps):
            trace = self.figure.data[self._maps[row, place]]
            trace.x, trace.y = values["x"].values, values["y"].values
            trace.z = values.transpose("y", "x").values

    def _draw_cut(self, answers: dict[str, Any]) -> None:
        row = self.data.sizes["y"] // 2
        x = self.data["x"].values
        traces = self.figure.data
        traces[self._mark].update(x=[-0.5, len(x) - 0.5], y=[row, row])
        for (solver, place), index in self._curves.items():
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

    def save_picture(self, path: str | Path, scale: float = 1.5) -> None:
        """Write the figure as a picture, for pages without a kernel (needs Chromium)."""
        save_picture(self.figure, path, scale)

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        return self.widget._repr_mimebundle_(**kwargs)
