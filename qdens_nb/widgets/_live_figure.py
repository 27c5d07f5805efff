"""A figure of panels that follows a computation no faster than the browser draws."""

from __future__ import annotations

from typing import Any

from qdens_nb.widgets._panels import Panels


class LiveFigure:
    """Panels whose traces have names; a FigureWidget after `to_widget`.

    A subclass draws in `show`, and says `_sent` before it does.
    """

    def __init__(self, panels: Panels) -> None:
        self._panels = panels
        self._index: dict[str, int] = {}
        self._answers = self._answered = False

    @property
    def figure(self) -> Any:
        """The figure."""
        return self._panels.figure

    def to_widget(self) -> None:
        """Make the figure a FigureWidget."""
        self._panels.to_widget()
        self.figure.observe(self._on_answer, names="_js2py_traceDeltas")

    def _on_answer(self, change: Any) -> None:
        self._answered = self._answers = True

    def _sent(self) -> None:
        self._answered = False

    def waits(self) -> bool:
        """Whether a browser has not drawn the last picture yet (False if there is none)."""
        return self._answers and not self._answered
