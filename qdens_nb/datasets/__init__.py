"""Data sets: generate, open, save, make from measured arrays, hand to torch."""

from __future__ import annotations

import importlib
from typing import Any

_NAMES = {
    "Batches": "_torch",
    "BoseRecipe": "_bose_recipe",
    "BoseTrapRecipe": "_bose_trap_recipe",
    "ChainRecipe": "_chain_recipe",
    "DotRecipe": "_dot_recipe",
    "WellGridRecipe": "_well_recipe",
    "WellRecipe": "_well_recipe",
    "bose_shard": "_bose_recipe",
    "chain_shard": "_chain_recipe",
    "checksum_state": "_files",
    "data_folder": "_registry",
    "describe": "_describe",
    "dot_shard": "_dot_recipe",
    "from_arrays": "_measured",
    "generate": "_generate",
    "open_dataset": "_netcdf",
    "open_shards": "_shards",
    "read_recipe": "_recipes",
    "register": "_registry",
    "registry": "_registry",
    "save": "_netcdf",
    "sha256": "_files",
    "shard_files": "_shards",
    "shipped": "_registry",
    "split": "_shards",
    "systems": "_recipes",
    "well_shard": "_well_recipe",
}

__all__ = [*_NAMES]


def __getattr__(name: str) -> Any:
    if name in _NAMES:
        return getattr(importlib.import_module(f"qdens_nb.datasets.{_NAMES[name]}"), name)
    raise AttributeError(f"module 'qdens_nb.datasets' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
