"""One long computation at a time, in a thread, that a button can stop."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

Report = Callable[[str], None]


class Stopped(Exception):
    """Raised inside a computation that was told to stop."""


class Background:
    """Runs ``work(report)`` in a thread; `report` raises `Stopped` once `stop` was called."""

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()

    @property
    def running(self) -> bool:
        """Whether a computation is under way."""
        return self._thread is not None and self._thread.is_alive()

    def start(
        self,
        work: Callable[[Report], Any],
        on_report: Report,
        on_end: Callable[[Any, BaseException | None], None],
    ) -> None:
        """Stop what runs, then start `work`; `on_end` gets its result or its exception."""
        self.stop()
        stop = self._stop = threading.Event()

        def report(text: str) -> None:
            if stop.is_set():
                raise Stopped
            on_report(text)

        def run() -> None:
            result, error = None, None
            try:
                result = work(report)
            except Exception as caught:
                error = caught
            if stop.is_set():
                result, error = None, Stopped()
            on_end(result, error)

        self._thread = threading.Thread(target=run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ask the computation to stop at its next report; its result is not used."""
        self._stop.set()

    def wait(self, timeout: float | None = None) -> None:
        """Wait until it has ended."""
        if self._thread is not None:
            self._thread.join(timeout)
