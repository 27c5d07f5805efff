"""A potential that is learnt from a wave function before one's eyes."""

from __future__ import annotations

import time
from typing import Any

import ipywidgets
import xarray as xr

from qdens_nb.mpnn._recovery import METHODS
from qdens_nb.widgets._background import Report, Stopped
from qdens_nb.widgets._lattice_words import status
from qdens_nb.widgets._live_app import LiveApp
from qdens_nb.widgets._potential_figure import PotentialFigure
from qdens_nb.widgets._potential_run import (
    LINE_OSCILLATOR,
    NO_NOISE,
    Choice,
    Training,
    noisy_recovery,
    samples_of,
)
from qdens_nb.widgets._potential_words import potential_words

_SYSTEMS = {
    "hydrogen 1s": "hydrogen_1s",
    "hydrogen 2s": "hydrogen_2s",
    "hydrogen 2p": "hydrogen_2p",
    "oscillator on a line, state n": LINE_OSCILLATOR,
    "oscillator in 2D": "oscillator_2d",
    "oscillator in 3D": "oscillator_3d",
    "Morse potential": "morse",
    "Pöschl-Teller potential": "poschl_teller",
    "double well": "double_well",
    "Hooke's atom in 2D": "hooke_2d",
    "Hooke's atom in 3D": "hooke_3d",
}
_METHODS = {
    "QPNN: slope of E(r)": "qpnn",
    "QPNN at Metropolis samples": "qpnn_ms",
    "MPNN: HΨ = EΨ (the paper)": "mpnn",
    "local energy (ours)": "local_energy",
}
#: on logarithmic scales, with what the methods begin with
_SAMPLES = sorted(
    {100, 250, 500, 1000, 2500, 5000, 10_000, 25_000, 60_000}
    | {settings.samples for settings in METHODS.values()}
)
_STRENGTHS = sorted(
    {0.0, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1.0, 10.0} | {METHODS["mpnn"].strength}
)
_ORDER = ("system", "method", "n", "samples", "strength", "noise")


class PotentialApp(LiveApp):
    """Live training of the potential behind a wave function.

    A move of a control shows the untrained potential; Start trains it in the background.

    Parameters
    ----------
    seed : int
        Of the points, the network and the batches.
    **start
        Values to begin with: system (a name of `qdens_nb.mpnn.wave_function`, or "oscillator"
        with the state n = 0..6), method ("qpnn", "qpnn_ms", "mpnn", "local_energy"), samples
        (100, 250, 500, ... 60,000), strength (lambda of "mpnn": 0, 1e-6, 1e-5, ... 10), noise (per
        cent of psi; for "local_energy"), plane (bool).

    Attributes
    ----------
    data : Dataset
        What `Training.view` returns: the potential found and the exact one, the local energy,
        the history, energy and errors.
    controls : dict of ipywidgets
        All controls by the names above, and ``plane``, which shows maps.

    Examples
    --------
    >>> app = PotentialApp(system="oscillator", n=0, method="local_energy", samples=1000)
    >>> app.advance(100)
    >>> app.data.attrs["step"]
    100
    """

    def __init__(self, *, seed: int = 0, **start: Any) -> None:
        super().__init__(start, (*_ORDER, "plane"))
        self.seed = seed
        self._takes_noise = noisy_recovery() is not None
        self.controls = self._make_controls()
        self._usual = self._usual_samples()
        self._move(start)
        self.start_button, self.pause_button, self.restart_button = (
            ipywidgets.Button(
                description=label, tooltip=tip, button_style=style,
                layout=ipywidgets.Layout(width="100px"),
            )
            for label, tip, style in (
                ("Start", "train on from here", "primary"),
                ("Pause", "stop after this step", ""),
                ("Restart", "forget what was learnt, and train", ""),
            )
        )  # fmt: skip
        self._drawing: PotentialFigure = PotentialFigure()
        self._renew()
        self.restart_button.on_click(lambda _: self.restart())
        self._connect(_ORDER, self.restart_button, "plane")

    def _make_controls(self) -> dict[str, Any]:
        common: dict[str, Any] = {
            "style": {"description_width": "100px"},
            "layout": ipywidgets.Layout(flex="1 1 300px", max_width="385px", width="auto"),
        }
        made: dict[str, Any] = {
            name: ipywidgets.Dropdown(options=options, value=value, description=name, **common)
            for name, options, value in (
                ("system", _SYSTEMS, "hydrogen_1s"),
                ("method", _METHODS, "mpnn"),
            )
        }
        made["n"] = ipywidgets.IntSlider(
            value=2, max=6, description="state n", disabled=True, **common
        )
        made["samples"] = ipywidgets.SelectionSlider(
            options=[(f"{count:,}", count) for count in _SAMPLES],
            value=METHODS["mpnn"].samples, description="samples", continuous_update=False, **common,
        )  # fmt: skip
        made["strength"] = ipywidgets.SelectionSlider(
            options=[(f"{value:g}", value) for value in _STRENGTHS],
            value=METHODS["mpnn"].strength, description="λ (pin)", **common,
        )  # fmt: skip
        made["noise"] = ipywidgets.FloatSlider(
            value=0.0, max=5.0, step=0.1, description="noise of Ψ (%)", readout_format=".1f",
            disabled=True, **common,
        )  # fmt: skip
        made["plane"] = ipywidgets.ToggleButton(
            description="Plane z = 0", tooltip="maps of the potential in the plane z = 0",
            layout=ipywidgets.Layout(width="110px"),
        )  # fmt: skip
        return made

    def set(self, **values: Any) -> None:
        """Move several controls at once."""
        with self._lock:
            self._move(values)
            self._apply(*values)

    def _on_control(self, name: str, change: Any) -> None:
        with self._lock:
            if self._quiet:
                return
            try:
                self._move({name: change["new"]})
                self._apply(name)
            except Exception as error:
                self._tell(error)

    def _move(self, values: dict[str, Any]) -> None:
        """Move controls, and those that depend on them where they are not given."""
        controls, self._quiet = self.controls, True
        try:
            for name, value in values.items():
                _put(name, controls[name], value)
            method, system = controls["method"].value, controls["system"].value
            controls["n"].disabled = system != LINE_OSCILLATOR
            controls["strength"].disabled = method != "mpnn"
            noisy = self._takes_noise and method == "local_energy" and system not in NO_NOISE
            controls["noise"].disabled = not noisy
            if not noisy:
                controls["noise"].value = 0.0
            before, self._usual = self._usual, self._usual_samples()
            if "samples" not in values and self._usual != before:
                controls["samples"].value = self._usual
        finally:
            self._quiet = False

    def _usual_samples(self) -> int:
        values = self.values
        name = Choice(values["system"], values["n"]).name
        return samples_of(name, values["method"], values["noise"])

    def _apply(self, *changed: str) -> None:
        """Follow the controls: another training, unless only the view changes."""
        if set(changed) <= {"plane"}:
            self._show(self.data)
        else:
            self._job.stop()
            self._renew()

    def _renew(self) -> None:
        values = {name: self.controls[name].value for name in _ORDER}
        values["noise"] /= 100
        self.training = Training(Choice(**values, seed=self.seed))
        self._show(self.training.view())
        self._rest("Untrained: press Start")

    def start(self) -> None:
        """Train in the background, to the end of the method's steps or as many more."""
        with self._lock:
            training = self.training
            steps = training.steps - training.step or training.steps
            self.start_button.disabled, self.pause_button.disabled = True, False
            self.status.value = "Starting" if training.trainer is None else "Going on"

            def work(report: Report) -> None:
                training.run(steps, lambda: report(""))

            self._job.start(
                work,
                lambda _: self._on_step(training),
                lambda _, error: self._on_end(training, error),
            )

    def restart(self) -> None:
        """Forget what was learnt, and train."""
        with self._lock:
            self._job.stop()
            self._renew()
            self.start()

    def advance(self, steps: int) -> None:
        """Train for so many steps at once (for scripts and tests)."""
        self.pause()
        self.training.run(steps)
        self._show(self.training.view())
        self.status.value = self._progress(self.training)

    def _progress(self, training: Training) -> str:
        return f"Step {training.step:,} of {max(training.steps, training.step):,}"

    def _on_step(self, training: Training) -> None:
        if not (training.step and self._due()):
            return
        data = training.view()
        with self._lock:
            if training is self.training and not self.pause_button.disabled:
                self._show(data)
                self.status.value = self._progress(training)
        self._drawn = time.monotonic()

    def _on_end(self, training: Training, error: BaseException | None) -> None:
        try:
            data = training.view()
        except Exception as caught:
            error = caught
        with self._lock:
            going_on = isinstance(error, Stopped) and not self.pause_button.disabled
            if training is not self.training or going_on:
                return
            if error is not None and not isinstance(error, Stopped):
                self._tell(error)
                return
            self._show(data)
            done = "steps done" if error is None else "steps done, paused"
            self._rest(f"{training.step:,} {done}")

    def _tell(self, error: BaseException) -> None:
        self._rest("Failed: see below")
        self.text.value = status(f"<b>Stopped by {type(error).__name__}:</b> {error}")

    def _show(self, data: xr.Dataset) -> None:
        self.data = data
        plane = self.controls["plane"]
        plane.disabled = "plane_found" not in data
        wanted = plane.value and not plane.disabled
        with self._drawing.figure.batch_update():
            if wanted != self._drawing.maps_shown:
                self._drawing.show_maps(wanted)
            self._drawing.show(data)
        self.text.value = status(potential_words(data))


def _put(name: str, control: Any, value: Any) -> None:
    options = getattr(control, "options", None)
    if options is not None:
        allowed = list(dict(options).values())
        if value not in allowed:
            raise ValueError(f"{name}={value!r}; expected one of {', '.join(map(str, allowed))}")
    control.value = value
