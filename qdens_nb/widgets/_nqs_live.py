"""A network that becomes a ground state before one's eyes."""

from __future__ import annotations

import time
from typing import Any

import ipywidgets
import xarray as xr

from qdens_nb.widgets._background import Report, Stopped
from qdens_nb.widgets._lattice_words import status
from qdens_nb.widgets._live_app import LiveApp
from qdens_nb.widgets._nqs_figure import LearningFigure
from qdens_nb.widgets._nqs_history import words
from qdens_nb.widgets._nqs_run import OPTIMIZERS, Optimisation, Settings, weights_of

#: name -> label of the coupling, its range and the value to begin with
_COUPLINGS: dict[str, tuple[str, float, float, float]] = {
    "ising": ("field h (J)", 0.0, 3.0, 1.0),
    "heisenberg": ("no coupling", 0.0, 1.0, 0.0),
    "j1j2": ("J₂ (J₁)", 0.0, 1.0, 0.2),
}
_CHOICES: dict[str, tuple[str, dict[str, str]]] = {
    "model": (
        "model",
        {
            "Ising ring in a field": "ising",
            "Heisenberg ring": "heisenberg",
            "J₁-J₂ ring": "j1j2",
        },
    ),
    "network": (
        "network",
        {
            "RBM": "rbm",
            "RBM with translations": "symmetric",
            "Jastrow": "jastrow",
            "CNN": "cnn",
            "autoregressive": "autoregressive",
        },
    ),
    "optimizer": (
        "optimiser",
        {"stochastic reconfiguration": "sr", "SGD": "sgd", "Adam": "adam"},
    ),
}
_ORDER = (
    "model", "coupling", "network", "sites", "optimizer", "alpha", "learning_rate", "samples",
)  # fmt: skip
#: samples a step that a network can afford
_SAMPLES = {"rbm": 1000, "symmetric": 1000, "jastrow": 500, "cnn": 500, "autoregressive": 200}
#: steps after which the optimisation rests, and samples shown
_MOST, _SHOWN = 2000, 16


class GroundStateApp(LiveApp):
    """Live optimisation of a neural quantum state, with controls that act while it runs.

    Field or J2, optimiser, learning rate and number of samples take effect at the next step, so
    that the network is seen to adapt. What changes its shape starts anew.

    Parameters
    ----------
    **start
        Values to begin with: model ("ising", "heisenberg", "j1j2"), coupling (h/J or J2/J1),
        sites, network ("rbm", "symmetric", "jastrow", "cnn", "autoregressive"), alpha,
        complex_weights, optimizer ("sr", "sgd", "adam"), learning_rate, samples.

    Attributes
    ----------
    data : Dataset
        Per step: energy, energy_stderr, exact (per site), error, mean_error, v_score, rhat.
    controls : dict of ipywidgets
        All controls by the names above.

    Examples
    --------
    >>> app = GroundStateApp(sites=8, samples=200)
    >>> app.advance(40)
    >>> bool(app.data.mean_error[-1] < 0.05)
    True
    """

    _redraw = 0.15

    def __init__(self, **start: Any) -> None:
        super().__init__(start, (*_ORDER, "complex_weights"))
        self.controls = self._make_controls()
        self._move(start)
        self.start_button, self.pause_button, self.reset_button = (
            ipywidgets.Button(description=label, tooltip=tip, button_style=style)
            for label, tip, style in (
                ("Start", "optimise, from the present weights", "primary"),
                ("Pause", "stop after this step", ""),
                ("Reset", "new weights", ""),
            )
        )
        self._drawing: LearningFigure = LearningFigure()
        self._renew()
        self.reset_button.on_click(lambda _: self.reset())
        self._connect(_ORDER, self.reset_button, "complex_weights")

    def _make_controls(self) -> dict[str, Any]:
        common: dict[str, Any] = {
            "style": {"description_width": "105px"},
            "layout": ipywidgets.Layout(width="375px"),
        }
        label, low, high, value = _COUPLINGS["ising"]
        made: dict[str, Any] = {
            name: ipywidgets.Dropdown(options=options, description=description, **common)
            for name, (description, options) in _CHOICES.items()
        }
        made["coupling"] = ipywidgets.FloatSlider(
            value=value, min=low, max=high, step=0.05, description=label, **common
        )
        for name, description, first, low, high, step in (
            ("sites", "sites N", 20, 8, 40, 2),
            ("alpha", "α (units/site)", 1, 1, 6, 1),
            ("samples", "samples a step", 1000, 100, 2000, 100),
        ):
            made[name] = ipywidgets.IntSlider(
                value=first, min=low, max=high, step=step, description=description, **common
            )
        made["learning_rate"] = ipywidgets.FloatLogSlider(
            value=0.05, min=-3, max=-0.5, step=0.05, description="learning rate",
            readout_format=".3f", **common,
        )  # fmt: skip
        made["complex_weights"] = ipywidgets.Checkbox(
            description="complex weights", indent=False, layout=ipywidgets.Layout(width="140px")
        )
        return made

    @property
    def data(self) -> xr.Dataset:
        """What the optimisation has done so far."""
        return self.run.dataset()

    def set(self, **values: Any) -> None:
        """Move several controls at once."""
        with self._lock:
            self._move(values)
            self._apply()

    def _on_control(self, name: str, change: Any) -> None:
        with self._lock:
            if not self._quiet:
                self._move({name: change["new"]})
                self._apply()

    def _move(self, values: dict[str, Any]) -> None:
        """Move controls, and those that depend on them where they are not given."""
        controls, self._quiet = self.controls, True
        try:
            if "model" in values:
                label, low, high, value = _COUPLINGS[values["model"]]
                slider = controls["coupling"]
                slider.min, slider.max = min(slider.min, low), max(slider.max, high)
                slider.value = value
                slider.min, slider.max, slider.description = low, high, label
                slider.disabled = values["model"] == "heisenberg"
            if "network" in values:
                controls["samples"].value = _SAMPLES[values["network"]]
            if "optimizer" in values:
                controls["learning_rate"].value = OPTIMIZERS[values["optimizer"]]
            for name in sorted(values, key=lambda n: n not in _CHOICES):
                controls[name].value = values[name]
            jastrow = controls["network"].value == "jastrow"
            controls["alpha"].disabled = controls["complex_weights"].disabled = jastrow
        finally:
            self._quiet = False

    def _apply(self) -> None:
        """Follow the controls: with the same weights if they fit, else with new ones."""
        settings = Settings(**self.values)
        if settings.keeps_the_weights(self.run.wanted):
            self.run.wanted = settings
        else:
            running = self.running
            self._job.stop()
            self._renew()
            if running:
                self.start()

    def _renew(self) -> None:
        self.run = Optimisation(Settings(**self.values))
        self._show(self.run)
        self._rest("New weights: press Start")

    def start(self) -> None:
        """Optimise in the background, for at most 2000 steps."""
        with self._lock:
            run = self.run
            self.start_button.disabled, self.pause_button.disabled = True, False
            self.status.value = "Starting (the first step may compile)"

            def work(report: Report) -> None:
                run.run(_MOST, lambda: report(""))

            self._job.start(
                work,
                lambda _: self._on_step(run),
                lambda _, error: self._on_end(run, error),
            )

    def reset(self) -> None:
        """Stop, and take new weights."""
        with self._lock:
            self._job.stop()
            self._renew()

    def advance(self, steps: int) -> None:
        """Optimise so many steps at once (for scripts and tests)."""
        self.pause()
        self.run.run(steps)
        self._show(self.run)
        self.status.value = f"Step {len(self.run.history)}"

    def _on_step(self, run: Optimisation) -> None:
        if not self._due():
            return
        with self._lock:
            if run is self.run and not self.pause_button.disabled:
                self._show(run)
                self.status.value = f"Step {len(run.history)}"
        self._drawn = time.monotonic()

    def _on_end(self, run: Optimisation, error: BaseException | None) -> None:
        with self._lock:
            paused = self.pause_button.disabled
            if run is not self.run or (isinstance(error, Stopped) and not paused):
                return
            self._show(run)
            if error is None:
                self._rest(f"{len(run.history)} steps done: press Start to go on")
            elif not isinstance(error, Stopped):
                self._rest("Failed: press Reset for new weights")
                self.text.value = status(f"<b>Stopped:</b> {error}")

    def _show(self, run: Optimisation) -> None:
        data = run.dataset()
        with self._drawing.figure.batch_update():
            self._drawing.show(data)
            self._drawing.show_maps(*weights_of(run.ansatz), run.samples(_SHOWN))
        self.text.value = status(words(data, parameters=run.ansatz.parameter_count))
