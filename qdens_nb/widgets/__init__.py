"""Apps for notebooks: each a pure ``compute(...) -> Dataset``, then figure, controls, update."""

from __future__ import annotations

import importlib
from typing import Any

_APPS = {
    "DrawDensityApp": "qdens_nb.widgets._draw_density",
    "FriedelApp": "qdens_nb.widgets._friedel",
    "GroundStateApp": "qdens_nb.widgets._nqs_live",
    "LivePlot": "qdens_nb.widgets._live_plot",
    "PotentialApp": "qdens_nb.widgets._potential",
    "QuantumDotsApp": "qdens_nb.widgets._quantum_dots",
    "QuenchApp": "qdens_nb.widgets._quench",
    "WeddingCakeApp": "qdens_nb.widgets._wedding_cake",
    "name_phases": "qdens_nb.widgets._phases",
    "phase_words": "qdens_nb.widgets._phases",
    "quantum_dots": "qdens_nb.widgets._quantum_dots",
}

__all__ = [*_APPS]


def __getattr__(name: str) -> Any:
    if name in _APPS:
        return getattr(importlib.import_module(_APPS[name]), name)
    raise AttributeError(f"module 'qdens_nb.widgets' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
