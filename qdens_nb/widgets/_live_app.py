"""What apps with a live training have in common: buttons, a thread, a pace, a picture."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import ipywidgets

from qdens_nb.widgets._access import Access
from qdens_nb.widgets._background import Background
from qdens_nb.widgets._live_figure import LiveFigure
from qdens_nb.widgets._panels import WIDTH, save_picture

#: seconds from picture to picture, at most, if the browser is slow
_PATIENCE = 1.0


class LiveApp:
    """Controls, Start, Pause and a third button over a figure; subclasses say what is trained."""

    controls: dict[str, Any]
    start_button: ipywidgets.Button
    pause_button: ipywidgets.Button
    _drawing: LiveFigure
    #: seconds from picture to picture, at least
    _redraw = 0.2

    def __init__(self, start: dict[str, Any], known: Sequence[str]) -> None:
        unknown = sorted(set(start) - set(known))
        if unknown:
            raise TypeError(f"unknown control {', '.join(unknown)}; there is {', '.join(known)}")
        self._lock = threading.RLock()
        self._job = Background()
        self._quiet = False
        self._drawn = 0.0
        self.status = ipywidgets.Label()
        self.text = ipywidgets.HTML()

    def _connect(self, order: Sequence[str], third: ipywidgets.Button, beside: str) -> None:
        """Let controls and buttons act; assemble the widget once all of them are there."""
        self._drawing.to_widget()
        for name, control in self.controls.items():
            control.observe(partial(self._on_control, name), names="value")
        self.start_button.on_click(lambda _: self.start())
        self.pause_button.on_click(lambda _: self.pause())
        wrap = ipywidgets.Layout(flex_flow="row wrap", max_width=f"{WIDTH}px")
        buttons = [self.start_button, self.pause_button, third]
        self.widget = ipywidgets.VBox(
            [
                ipywidgets.Box([self.controls[name] for name in order], layout=wrap),
                ipywidgets.HBox([*buttons, self.controls[beside], self.status]),
                self.figure,
                self.text,
                Access(),
            ],
            layout=ipywidgets.Layout(max_width=f"{WIDTH + 20}px"),
        )
        self.widget.observe(lambda _: self.pause(), names="comm")

    @property
    def values(self) -> dict[str, Any]:
        """The controls' values."""
        return {name: control.value for name, control in self.controls.items()}

    @property
    def figure(self) -> Any:
        """The figure."""
        return self._drawing.figure

    @property
    def running(self) -> bool:
        """Whether it is training."""
        return self._job.running

    def start(self) -> None:
        """Train in the background."""
        raise NotImplementedError

    def _on_control(self, name: str, change: Any) -> None:
        raise NotImplementedError

    def _rest(self, text: str) -> None:
        self.start_button.disabled, self.pause_button.disabled = False, True
        self.status.value = text

    def _due(self) -> bool:
        """Whether it is time for another picture."""
        waited = time.monotonic() - self._drawn
        return waited >= self._redraw and (waited >= _PATIENCE or not self._drawing.waits())

    def pause(self) -> None:
        """Stop at the next step; what was learnt is kept."""
        with self._lock:
            self._job.stop()
            if not self.pause_button.disabled:
                self._rest("Paused")

    def close(self) -> None:
        """Stop, and close the widgets."""
        self.pause()
        self.widget.close()
        self.figure.close()

    def wait(self, timeout: float | None = None) -> None:
        """Wait until nothing runs (for scripts and tests)."""
        self._job.wait(timeout)

    def save_picture(self, path: str | Path, scale: float = 1.5) -> None:
        """Write the figure as a picture, for pages without a kernel (needs Chromium)."""
        save_picture(self.figure, path, scale)

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        return self.widget._repr_mimebundle_(**kwargs)
