"""Engines: each a callable ``problem Dataset -> the same Dataset with observables``."""

from __future__ import annotations

import importlib
from typing import Any

_SOLVERS = {
    "chain_ed": "qdens_nb.solvers._chain_ed",
    "chain_dmrg": "qdens_nb.solvers._chain_dmrg",
    "chain_hartree_fock": "qdens_nb.solvers._chain_hartree_fock",
    "chain_free": "qdens_nb.solvers._chain_free",
    "bose_hubbard_ed": "qdens_nb.solvers._bose_hubbard_ed",
    "worm": "qdens_nb.solvers._worm",
    "alps": "qdens_nb.solvers._alps",
    "gutzwiller": "qdens_nb.solvers._gutzwiller",
    "dot_ci": "qdens_nb.solvers._dot_ci",
}

__all__ = [*_SOLVERS]


def __getattr__(name: str) -> Any:
    if name in _SOLVERS:
        return getattr(importlib.import_module(_SOLVERS[name]), name)
    raise AttributeError(f"module 'qdens_nb.solvers' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
