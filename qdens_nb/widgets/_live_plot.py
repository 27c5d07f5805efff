"""A callback of `qdens_nb.nqs.ground_state` that draws the optimisation while a cell runs."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import ipywidgets
import xarray as xr

from qdens_nb.nqs._ansatz import Ansatz
from qdens_nb.nqs._exact import exact_ground_state, reference_energy
from qdens_nb.nqs._hamiltonian import Hamiltonian
from qdens_nb.widgets._lattice_words import status
from qdens_nb.widgets._nqs_figure import LearningFigure
from qdens_nb.widgets._nqs_history import History, words
from qdens_nb.widgets._panels import WIDTH, save_picture

_ED_SITES = 14


class LivePlot:
    """Energy, exact line, relative error, V-score and R-hat of an optimisation as it goes.

    Give it as ``callback``. It shows itself at the first step, unless it was shown before;
    without a notebook it only collects.

    Parameters
    ----------
    hamiltonian : Hamiltonian
        Its exact energy is drawn where it is in the literature, or the spins are at most 14.
    every : float
        Seconds from picture to picture.

    Attributes
    ----------
    data : Dataset
        Per step: energy, energy_stderr, exact (per site), error, mean_error, v_score, rhat.

    Examples
    --------
    >>> import qdens_nb as qd
    >>> model, live = qd.nqs.transverse_ising(6), LivePlot(qd.nqs.transverse_ising(6))
    >>> _ = qd.nqs.ground_state(model, qd.nqs.RBM(6), steps=20, samples=100, callback=live,
    ...                         progress=False)
    >>> live.data.sizes["step"]
    20
    """

    def __init__(self, hamiltonian: Hamiltonian, *, every: float = 0.2) -> None:
        self.every = every
        self.exact = _exact(hamiltonian)
        self.history = History(hamiltonian.sites)
        self._lock = threading.RLock()
        self._later: threading.Timer | None = None
        self._drawn = 0.0
        self._shown = False
        self._parameters: int | None = None
        self._drawing = LearningFigure(maps=False)
        self._drawing.to_widget()
        self.text = ipywidgets.HTML()
        self.widget = ipywidgets.VBox(
            [self._drawing.figure, self.text],
            layout=ipywidgets.Layout(max_width=f"{WIDTH + 20}px"),
        )

    def __call__(self, step: int, row: dict[str, float], ansatz: Ansatz) -> None:
        with self._lock:
            if step == 0 and len(self.history):
                self.history = History(self.history.sites)
            self.history.add(row, self.exact)
            self._parameters = ansatz.parameter_count
            if not self._shown:
                self._display()
            if time.monotonic() - self._drawn >= self.every:
                self.draw()
            if self._later is None:
                # The last step of all is drawn too, and once more for a browser that loads slowly.
                self._later = threading.Timer(max(1.0, self.every), self._draw_late, [True])
                self._later.daemon = True
                self._later.start()

    @property
    def data(self) -> xr.Dataset:
        """The history so far."""
        return self.history.dataset()

    @property
    def figure(self) -> Any:
        """The figure."""
        return self._drawing.figure

    def draw(self) -> None:
        """Draw what there is."""
        with self._lock:
            data = self.data
            self._drawing.show(data)
            self.text.value = status(words(data, parameters=self._parameters))
            self._drawn = time.monotonic()

    def _draw_late(self, again: bool) -> None:
        with self._lock:
            self.draw()
            self._later = None
            if again:
                self._later = threading.Timer(3.0, self._draw_late, [False])
                self._later.daemon = True
                self._later.start()

    def close(self) -> None:
        """Close the widgets."""
        with self._lock:
            if self._later is not None:
                self._later.cancel()
            self.widget.close()
            self.figure.close()

    def save_picture(self, path: str | Path, scale: float = 1.5) -> None:
        """Write the figure as a picture, for pages without a kernel (needs Chromium)."""
        self.draw()
        save_picture(self.figure, path, scale)

    def _display(self) -> None:
        self._shown = True
        try:
            from IPython import get_ipython
            from IPython.display import display
        except ImportError:
            return
        shell = get_ipython()
        if shell is not None and hasattr(shell, "kernel"):
            display(self.widget)

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        self._shown = True
        return self.widget._repr_mimebundle_(**kwargs)


def _exact(hamiltonian: Hamiltonian) -> float | None:
    known = None
    if hamiltonian.total in (None, 0):
        known = reference_energy(hamiltonian.name, hamiltonian.shape, hamiltonian.couplings)
    if known is None and len(hamiltonian.local_values) == 2 and hamiltonian.sites <= _ED_SITES:
        known = float(exact_ground_state(hamiltonian)[0])
    return known
