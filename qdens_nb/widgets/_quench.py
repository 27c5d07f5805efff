"""A quench of the Ising ring, followed by a network and exactly: a player for the time."""

from __future__ import annotations

import threading
from functools import partial
from pathlib import Path
from typing import Any

import ipywidgets
import numpy as np
import xarray as xr

from qdens_nb.widgets._access import Access
from qdens_nb.widgets._job_bar import JobBar, Tell
from qdens_nb.widgets._lattice_words import status
from qdens_nb.widgets._nqs_history import power
from qdens_nb.widgets._panels import WIDTH, save_picture
from qdens_nb.widgets._quench_figure import QuenchFigure
from qdens_nb.widgets._quench_run import compute, exact_quench

#: name -> label, value, lowest, highest, step
_SLIDERS: dict[str, tuple[str, Any, Any, Any, Any]] = {
    "h0": ("field before h₀ (J)", 3.0, 0.4, 3.0, 0.1),
    "h1": ("field after h₁ (J)", 1.0, 0.2, 2.5, 0.1),
    "alpha": ("α (features)", 4, 1, 8, 1),
}
SITES = 10
#: difference of the magnetisation up to which the network is said to follow
_FOLLOWS = 0.01


def quench_words(data: xr.Dataset, frame: int) -> str:
    """What a quench shows at a time and so far, as HTML."""
    now = data.isel(time=frame)
    exact, network = (float(now["sigma_x"].sel(solver=s)) for s in ("exact", "nqs"))
    text = f"<b>Jt = {float(now['time']):.2f}:</b> ⟨σ<sup>x</sup>⟩ = {exact:.4f} exactly"
    text += f", {network:.4f} by the network." if np.isfinite(network) else "."
    difference = np.abs(data["sigma_x"].diff("solver").isel(solver=0).values)
    known = np.isfinite(difference)
    if not known.any():
        return text + "<br>Press “Evolve the network” for its answer: some seconds."
    until = float(data["time"].values[known][-1])
    lost = np.flatnonzero(known & (np.nan_to_num(difference) > _FOLLOWS))
    verdict = (
        f"off by more than {_FOLLOWS:g} from Jt = {float(data['time'][lost[0]]):.2f} on"
        if lost.size
        else f"within {_FOLLOWS:g}"
    )
    return (
        f"{text}<br><b>Up to Jt = {until:.2f}</b> the magnetisation of the network is {verdict} "
        f"(largest difference {power(np.nanmax(difference))}); infidelity "
        f"{power(np.nanmax(data['infidelity']))}, residual r² ≤ "
        f"{power(np.nanmax(data['residual']))}: the share of the squared velocity of the state "
        f"that {data.attrs['parameters']} real parameters miss. In its symmetry sector the state "
        f"has {data.attrs['amplitudes']} complex amplitudes."
    )


class QuenchApp:
    """A ring of ten Ising spins after a sudden change of the field.

    The exact answer is there at once; that of the network is computed in the background.

    Parameters
    ----------
    **start : float
        Values to begin with: h0, h1 (J), alpha, time (1/J).

    Attributes
    ----------
    data : Dataset
        sigma_x, correlation along a dim ``solver`` ("exact", "nqs"), infidelity, residual.
    sliders : dict of ipywidgets
        h0, h1, alpha, and the number of the time, "frame".

    Examples
    --------
    >>> app = QuenchApp(h0=2.0)
    >>> app.data.sigma_x.dims
    ('solver', 'time')
    """

    def __init__(self, **start: float) -> None:
        unknown = sorted(set(start) - {*_SLIDERS, "time"})
        if unknown:
            known = ", ".join((*_SLIDERS, "time"))
            raise TypeError(f"unknown slider {', '.join(unknown)}; there is {known}")
        self._lock = threading.RLock()
        self._quiet = False
        self._known: dict[tuple, xr.Dataset] = {}
        self.data, _ = exact_quench(1.0, 1.0, SITES)
        self.sliders = self._make_sliders()
        for name, value in start.items():
            self._put(name, value)
        frame = self.sliders["frame"]
        self.play = ipywidgets.Play(value=frame.value, max=frame.max, interval=150)
        self._link = ipywidgets.jslink((self.play, "value"), (frame, "value"))
        self.jobs = JobBar(
            self._lock, {"evolve": ("Evolve the network", "compute the network's answer")}
        )
        self.jobs.buttons["evolve"].layout.width = "170px"
        self.text = ipywidgets.HTML()
        self._drawing = QuenchFigure()
        self._solve()
        self._drawing.to_widget()
        for name, slider in self.sliders.items():
            slider.observe(partial(self._on_slider, name), names="value")
        self.jobs.buttons["evolve"].on_click(lambda _: self.evolve())
        self.widget = self._assemble()
        self.widget.observe(lambda _: self.jobs.cancel("closed"), names="comm")

    def _make_sliders(self) -> dict[str, Any]:
        common: dict[str, Any] = {
            "style": {"description_width": "125px"},
            "layout": ipywidgets.Layout(width="385px"),
        }
        made: dict[str, Any] = {}
        for name, (label, value, low, high, step) in _SLIDERS.items():
            kind = ipywidgets.IntSlider if isinstance(step, int) else ipywidgets.FloatSlider
            made[name] = kind(
                value=value, min=low, max=high, step=step, description=label, **common
            )
        last = self.data.sizes["time"] - 1
        made["frame"] = ipywidgets.IntSlider(value=last // 2, max=last, readout=False, **common)
        return made

    def _assemble(self) -> ipywidgets.VBox:
        wrap = ipywidgets.Layout(flex_flow="row wrap", max_width=f"{WIDTH}px")
        top = [self.sliders[name] for name in _SLIDERS]
        return ipywidgets.VBox(
            [
                ipywidgets.Box(top, layout=wrap),
                self.jobs.widget,
                ipywidgets.HBox([self.sliders["frame"], self.play]),
                self._drawing.figure,
                self.text,
                Access(),
            ],
            layout=ipywidgets.Layout(max_width=f"{WIDTH + 20}px"),
        )

    @property
    def values(self) -> dict[str, Any]:
        """The sliders' values."""
        return {name: slider.value for name, slider in self.sliders.items()}

    @property
    def figure(self) -> Any:
        """The figure."""
        return self._drawing.figure

    def set(self, **values: float) -> None:
        """Move several sliders at once."""
        with self._lock:
            self._quiet = True
            try:
                for name, value in values.items():
                    self._put(name, value)
            finally:
                self._quiet = False
            self._apply(*values)

    def _put(self, name: str, value: float) -> None:
        if name == "time":
            name, value = "frame", int(np.abs(self.data["time"].values - value).argmin())
        self.sliders[name].value = value

    def _on_slider(self, name: str, change: Any) -> None:
        with self._lock:
            if not self._quiet:
                self._apply(name)

    def _apply(self, *changed: str) -> None:
        if any(name in _SLIDERS for name in changed):
            self._solve()
        else:
            self._say_time()
            self._drawing.show_time(self.data, self.sliders["frame"].value)
            self._say()

    def _key(self) -> tuple:
        return tuple(self.sliders[name].value for name in _SLIDERS)

    def _solve(self) -> None:
        """Show the exact answer, and that of the network if it was computed before."""
        key = self._key()
        if key in self._known:
            self.data = self._known[key]
            self.jobs.cancel("computed before")
        else:
            self.data, _ = exact_quench(key[0], key[1], SITES)
            self.jobs.cancel("")
        self._show()

    def evolve(self) -> None:
        """Let the network evolve in the background; its answer so far is shown as it goes."""
        key = self._key()

        def work(tell: Tell) -> None:
            def progress(text: str, done: float, data: xr.Dataset | None) -> None:
                def deliver() -> None:
                    if data is not None:
                        self._known[key] = self.data = data
                        self._show()

                tell(text, done, deliver)

            h0, h1, alpha = key
            compute(h0, h1, alpha, SITES, progress=progress)

        self.jobs.start("network", work)

    def _show(self) -> None:
        self._say_time()
        self._drawing.show(self.data, self.sliders["frame"].value)
        self._say()

    def _say(self) -> None:
        self.text.value = status(quench_words(self.data, self.sliders["frame"].value))

    def _say_time(self) -> None:
        frame = self.sliders["frame"]
        frame.description = f"time Jt = {float(self.data['time'][frame.value]):.2f}"

    def stop(self) -> None:
        """Stop the network; what it has is kept."""
        self.jobs.stop()

    def close(self) -> None:
        """Stop, and close the widgets."""
        self.jobs.cancel("closed")
        self.widget.close()
        self.figure.close()

    def wait(self, timeout: float | None = None) -> None:
        """Wait until nothing runs (for scripts and tests)."""
        self.jobs.wait(timeout)

    def save_picture(self, path: str | Path, scale: float = 1.5) -> None:
        """Write the figure as a picture, for pages without a kernel (needs Chromium)."""
        save_picture(self.figure, path, scale)

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        return self.widget._repr_mimebundle_(**kwargs)
