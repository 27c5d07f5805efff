"""Data sets: generate, open, save, make from measured arrays, hand to torch."""

from __future__ import annotations

import importlib
from typing import Any

_NAMES = {
    "generate": "_generate",
    "read_recipe": "_recipes",
    "systems": "_recipes",
    "ChainRecipe": "_chain_recipe",
    "chain_shard": "_chain_recipe",
    "open_dataset": "_netcdf",
    "save": "_netcdf",
    "sha256": "_files",
    "checksum_state": "_files",
}

__all__ = [*_NAMES]


def __getattr__(name: str) -> Any:
    if name in _NAMES:
        return getattr(importlib.import_module(f"qdens_nb.datasets.{_NAMES[name]}"), name)
    raise AttributeError(f"module 'qdens_nb.datasets' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
