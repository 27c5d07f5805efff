"""Buttons that start long computations, one that stops them, progress and a line of text."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Protocol

import ipywidgets

from qdens_nb.widgets._background import Background, Report, Stopped


class Tell(Protocol):
    """How a computation reports: text, how much is done (0 to 1), what to do with what it has.

    Raises `Stopped` once the computation is to stop; `deliver` is called before, unless the
    answer is not wanted any more.
    """

    def __call__(
        self, text: str, done: float, deliver: Callable[[], None] | None = None
    ) -> None: ...


class JobBar:
    """One computation at a time, started by one of several buttons.

    Parameters
    ----------
    lock : RLock
        Held while results are delivered.
    buttons : mapping of names to (label, tooltip)
    """

    def __init__(self, lock: threading.RLock, buttons: Mapping[str, tuple[str, str]]) -> None:
        self._lock = lock
        self._job = Background()
        self._turn = 0
        self._allowed = {name: True for name in buttons}
        self.buttons = {
            name: ipywidgets.Button(description=label, tooltip=tooltip, button_style="primary")
            for name, (label, tooltip) in buttons.items()
        }
        self.stop_button = ipywidgets.Button(
            description="Stop", disabled=True, tooltip="stop, and keep what there is"
        )
        self.progress = ipywidgets.FloatProgress(
            min=0, max=1, layout=ipywidgets.Layout(width="110px", visibility="hidden")
        )
        self.status = ipywidgets.Label()
        self.stop_button.on_click(lambda _: self.stop())
        row = [*self.buttons.values(), self.stop_button, self.progress, self.status]
        self.widget = ipywidgets.HBox(row)

    @property
    def running(self) -> bool:
        """Whether a computation is under way."""
        return self._job.running

    def allow(self, name: str, allowed: bool) -> None:
        """Whether a button can be pressed while nothing runs."""
        self._allowed[name] = allowed
        if self.stop_button.disabled:
            self.buttons[name].disabled = not allowed

    def start(self, title: str, work: Callable[[Tell], None]) -> None:
        """Run `work` in the background, instead of what runs now."""
        with self._lock:
            self._turn += 1
            turn = self._turn
            for button in self.buttons.values():
                button.disabled = True
            self.stop_button.disabled = False
            self.progress.value, self.progress.layout.visibility = 0, "visible"
            self.status.value = f"{title}: starting"

            def run(report: Report) -> None:
                def tell(text: str, done: float, deliver: Callable[[], None] | None = None) -> None:
                    with self._lock:
                        if turn == self._turn:
                            if deliver is not None:
                                deliver()
                            self.progress.value = done
                    report(f"{title}: {text}")

                work(tell)

            self._job.start(run, self._say, lambda _, error: self._finish(title, error, turn))

    def _say(self, text: str) -> None:
        self.status.value = text

    def _finish(self, title: str, error: BaseException | None, turn: int) -> None:
        with self._lock:
            if turn != self._turn:
                return
            if error is None:
                self._idle(f"{title}: done")
            elif isinstance(error, Stopped):
                self._idle(f"{title}: stopped")
            else:
                self._idle(f"{title} failed: {error}")

    def stop(self) -> None:
        """Stop the computation at its next report; what it has is delivered."""
        if self.running:
            self._job.stop()
            self.status.value = "stopping after this step"

    def cancel(self, text: str) -> None:
        """Stop the computation and drop its answer; show `text`."""
        with self._lock:
            self._job.stop()
            self._turn += 1
            self._idle(text)

    def wait(self, timeout: float | None = None) -> None:
        """Wait until nothing runs (for scripts and tests)."""
        self._job.wait(timeout)

    def _idle(self, text: str) -> None:
        for name, button in self.buttons.items():
            button.disabled = not self._allowed[name]
        self.stop_button.disabled = True
        self.progress.layout.visibility = "hidden"
        self.status.value = text
