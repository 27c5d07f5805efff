"""What can be generated: the recipe of each system, how it is read and checked."""

from __future__ import annotations

import importlib
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import xarray as xr
import yaml

#: name -> (module, recipe class, shard function)
_SYSTEMS = {
    "chain": ("qdens_nb.datasets._chain_recipe", "ChainRecipe", "chain_shard"),
    "chain_wells": ("qdens_nb.datasets._well_recipe", "WellRecipe", "well_shard"),
    "chain_well_grid": ("qdens_nb.datasets._well_recipe", "WellGridRecipe", "well_grid_shard"),
    "bose_hubbard": ("qdens_nb.datasets._bose_recipe", "BoseRecipe", "bose_shard"),
    "bose_hubbard_traps": ("qdens_nb.datasets._bose_trap_recipe", "BoseTrapRecipe", "bose_shard"),
    "dots": ("qdens_nb.datasets._dot_recipe", "DotRecipe", "dot_shard"),
}
_LARGEST_YAML = 10**6
_LEAST = {
    **dict.fromkeys(("V_max", "mu_margin", "margin", "thermalisation", "least_mu_over_U", "T"), 0),
    **dict.fromkeys(("potentials_per_shard", "samples_per_shard", "count", "n_max"), 1),
    "sweeps": 64,
    "density_error": 1e-9,
}
_RANGES = (
    *("amplitude", "exponent", "depth", "mu", "mu_over_U", "local_mu", "rim", "outside"),
    *("hopping_ratio", "interaction_ratio"),
)
_PARTS = ("flux_fraction", "mirror_fraction", "V_end_fraction", "flat_fraction")


def systems() -> tuple[str, ...]:
    """Names that `generate` takes."""
    return tuple(_SYSTEMS)


def _lookup(system: str, which: int) -> Any:
    if system not in _SYSTEMS:
        raise ValueError(f"unknown system {system!r}; there is {', '.join(_SYSTEMS)}")
    return getattr(importlib.import_module(_SYSTEMS[system][0]), _SYSTEMS[system][which])


def shard_function(system: str) -> Callable[[Any, int, int], xr.Dataset]:
    """The function ``(recipe, shard, seed) -> Dataset`` of a system."""
    return _lookup(system, 2)


class _PlainLoader(yaml.SafeLoader):
    """Plain values only: no objects, and no aliases, of which a few lines make gigabytes."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("it uses an alias (*name); write the value out")
        return super().compose_node(parent, index)


def read_yaml(path: str | Path) -> dict[str, Any]:
    """Read a YAML file that holds one mapping of names to plain values.

    Raises
    ------
    ValueError
        Not YAML, objects or aliases in it, larger than a configuration can be, or no mapping.
    OSError
        It cannot be read.
    """
    if Path(path).stat().st_size > _LARGEST_YAML:
        raise ValueError(f"{path} is larger than {_LARGEST_YAML} bytes: not a configuration")
    try:
        content = yaml.load(Path(path).read_text(encoding="utf-8"), _PlainLoader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not valid YAML: {error}") from error
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        raise ValueError(f"{path} holds {type(content).__name__}; expected lines 'key: value'")
    return content


def read_recipe(system: str, source: Any = None) -> Any:
    """Return the recipe of `system` from a recipe, a mapping, a YAML file, or the defaults.

    Parameters
    ----------
    system : str
        One of `systems`.
    source : recipe, mapping or path, optional
        A mapping or a file gives only what differs from the defaults.

    Raises
    ------
    ValueError
        Unknown system, unknown keys (the message lists the allowed ones), values out of range.

    Examples
    --------
    >>> read_recipe("chain", {"sites": {8: 100}}).shards()
    [(8, 100)]
    """
    kind = _lookup(system, 1)
    if isinstance(source, kind):
        recipe = source
    else:
        given = read_yaml(source) if isinstance(source, str | Path) else source or {}
        if not isinstance(given, Mapping):
            raise ValueError(f"recipe {source!r}: give a {kind.__name__}, a mapping or a YAML file")
        known = [field.name for field in fields(kind)]
        unknown = sorted(set(map(str, given)) - set(known))
        if unknown:
            raise ValueError(
                f"unknown key {', '.join(map(repr, unknown))} in the recipe of {system!r}; "
                f"allowed are {', '.join(known)}"
            )
        hints = get_type_hints(kind)
        recipe = kind(**{key: _convert(key, given[key], hints[key]) for key in given})
    _check(asdict(recipe))
    if hasattr(recipe, "check"):
        recipe.check()
    return recipe


def _convert(key: str, value: Any, hint: Any) -> Any:
    """Convert what YAML or JSON gives to the type of the field."""
    try:
        return _as(value, hint)
    except (TypeError, ValueError, AttributeError, OverflowError):
        kind = str(hint) if get_args(hint) else hint.__name__
        raise ValueError(f"{key}: {value!r} does not fit; it takes {kind}") from None


def _as(value: Any, hint: Any) -> Any:
    args = get_args(hint)
    if get_origin(hint) is dict:
        return {_as(k, args[0]): _as(v, args[1]) for k, v in value.items()}
    if get_origin(hint) is tuple:
        if isinstance(value, str) or (args[-1] is not Ellipsis and len(value) != len(args)):
            raise ValueError
        return tuple(_as(v, args[0]) for v in value)
    if isinstance(value, bool) or (hint is int and int(value) != float(value)):
        raise ValueError
    return hint(value)


def _check(values: dict[str, Any]) -> None:
    """Check what recipes have in common, where they have it."""
    for key, value in values.items():
        entries = value if isinstance(value, tuple) else (value,)
        if not entries or not all(math.isfinite(x) for x in entries if isinstance(x, float)):
            raise ValueError(f"{key}: {value!r}; give finite numbers, at least one")
    sites = values["sites"]
    counts = sites.values() if isinstance(sites, dict) else [1]
    if not sites or min(sites) < 3 or min(counts) < 1:
        raise ValueError(f"sites: {sites!r}; give sizes of at least 3, and no size without samples")
    for key in _RANGES:
        if key in values and not -1e6 < values[key][0] <= values[key][-1] < 1e6:
            raise ValueError(f"{key}: {values[key]!r}; give finite numbers, lowest and highest")
    if "amplitude" in values and values["amplitude"][0] <= 0:
        raise ValueError(f"amplitude: {values['amplitude']!r}; give positive numbers")
    for key in _PARTS:
        if not 0 <= values.get(key, 0) <= 1:
            raise ValueError(f"{key}: {values[key]!r}; give a number in [0, 1]")
    for key, least in _LEAST.items():
        if not least <= values.get(key, least) < 1e9:
            raise ValueError(f"{key}: {values[key]!r}; give a number of at least {least}")


def as_json(recipe: Any) -> dict[str, Any]:
    """The recipe as JSON gives it back: string keys, lists."""
    return json.loads(json.dumps(asdict(recipe)))
