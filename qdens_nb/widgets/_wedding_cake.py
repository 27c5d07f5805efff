"""Lattice bosons in a trap: the network's answer at once, quantum Monte Carlo on demand."""

from __future__ import annotations

import threading
from functools import partial
from pathlib import Path
from typing import Any

import ipywidgets
import xarray as xr

from qdens_nb.widgets._access import Access
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
from qdens_nb.widgets._cake_figure import PHASE_STEPS, CakeCut, cake_maps, still
from qdens_nb.widgets._job_bar import JobBar, Tell
from qdens_nb.widgets._lattice_words import cake_words, status
from qdens_nb.widgets._live_worm import Stage, worm_stages
from qdens_nb.widgets._map_board import MapBoard
from qdens_nb.widgets._panels import save_picture
from qdens_nb.widgets._phases import name_phases

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
        self.board = MapBoard(steps=PHASE_STEPS, unit="site", step=5)
        self._cut = CakeCut()
        self._solve()
        self._cut.to_widget()
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

    @property
    def figure(self) -> Any:
        """The cut, a FigureWidget."""
        return self._cut.figure

    def _assemble(self) -> ipywidgets.VBox:
        wrap = ipywidgets.Layout(flex_flow="row wrap", max_width="800px")
        return ipywidgets.VBox(
            [
                ipywidgets.Box(list(self.sliders.values()), layout=wrap),
                self.jobs.widget,
                self.board,
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
        data, sites = self.data, self.data.sizes["x"]
        maps = cake_maps(data, self.phases)
        self.board.show(
            maps,
            label=", ".join(m.title for m in maps),
            points=sites,
            size=sites,
            row=data.sizes["y"] // 2,
        )
        self.text.value = status(cake_words(data, self.phases, doubts=self._doubts))
        self._cut.show(data)

    def save_picture(self, path: str | Path, scale: float = 1.5) -> None:
        """Write maps and cut as a picture, for pages without a kernel (needs Chromium)."""
        save_picture(still(cake_maps(self.data, self.phases), self.figure), path, scale)

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        return self.widget._repr_mimebundle_(**kwargs)
