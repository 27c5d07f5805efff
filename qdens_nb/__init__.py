"""qdens_nb: see what deep learning does for inhomogeneous correlated quantum systems.

A labelled ``xarray.Dataset`` flows through everything; a solver is any callable
``Dataset -> Dataset``, and a trained network is a solver too.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

_OBJECTS = {
    "fermion_chain": "qdens_nb.systems",
    "bose_hubbard": "qdens_nb.systems",
    "quantum_dot": "qdens_nb.systems",
    "load_predictor": "qdens_nb.training",
}
_MODULES = (
    "analysis",
    "datasets",
    "inverse",
    "metrics",
    "models",
    "mpnn",
    "nqs",
    "plotting",
    "potentials",
    "references",
    "solvers",
    "systems",
    "training",
    "widgets",
)

__all__ = [*_OBJECTS, *_MODULES, "__version__"]


def __getattr__(name: str) -> Any:
    if name in _OBJECTS:
        return getattr(importlib.import_module(_OBJECTS[name]), name)
    if name in _MODULES:
        return importlib.import_module(f"qdens_nb.{name}")
    raise AttributeError(f"module 'qdens_nb' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
