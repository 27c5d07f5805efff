"""What can be generated: each system's recipe, how it is read and checked."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import xarray as xr
import yaml

#: name -> (module, recipe class, shard function)
_SYSTEMS = {"chain": ("qdens_nb.datasets._chain_recipe", "ChainRecipe", "chain_shard")}


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


def read_yaml(path: str | Path) -> dict[str, Any]:
    """Read a YAML file that holds one mapping.

    Raises
    ------
    ValueError
        Not YAML, or not a mapping.
    """
    try:
        content = yaml.safe_load(Path(path).read_text())
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not valid YAML: {error}") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path} holds {type(content).__name__}; expected lines 'key: value'")
    return content


def read_recipe(system: str, source: Any = None) -> Any:
    """Return the recipe of `system` from a recipe, a mapping, a YAML file, or the defaults.

    Parameters
    ----------
    system : {"chain"}
        What to generate.
    source : recipe, mapping or path, optional
        A mapping or a file gives only what differs from the defaults.

    Raises
    ------
    ValueError
        Unknown system, unknown keys (the message lists the allowed ones), values out of range.
    """
    kind = _lookup(system, 1)
    if isinstance(source, kind):
        recipe = source
    else:
        given = {} if source is None else source
        if isinstance(given, (str, Path)):
            given = read_yaml(given)
        if not isinstance(given, Mapping):
            raise ValueError(f"recipe {source!r}: give a {kind.__name__}, a mapping or a YAML file")
        defaults = asdict(kind())
        unknown = sorted(set(map(str, given)) - set(defaults))
        if unknown:
            raise ValueError(
                f"unknown key {', '.join(map(repr, unknown))} in the recipe of {system!r}; "
                f"allowed are {', '.join(field.name for field in fields(kind))}"
            )
        recipe = kind(**{key: _like(key, given[key], defaults[key]) for key in given})
    _check(recipe)
    return recipe


def _like(key: str, value: Any, default: Any) -> Any:
    """Convert `value` to the type of `default`."""
    try:
        if isinstance(default, dict):
            return {_whole(k): _whole(v) for k, v in value.items()}
        if isinstance(default, tuple):
            if len(value) != len(default) or isinstance(value, str):
                raise TypeError
            return tuple(float(v) for v in value)
        return _whole(value) if isinstance(default, int) else float(value)
    except (TypeError, ValueError, AttributeError):
        raise ValueError(f"{key}: {value!r} does not fit; an example is {default!r}") from None


def _whole(value: Any) -> int:
    if int(value) != float(value):
        raise ValueError
    return int(value)


def _check(recipe: Any) -> None:
    """Check the entries that recipes of all systems have in common, where they have them."""
    values = asdict(recipe)
    positive = [n for n in values["sites"].values() if n > 0]
    if not positive or len(positive) < len(values["sites"]):
        raise ValueError(f"sites: {values['sites']!r}; give the number of potentials of each size")
    if min(values["sites"]) < 3:
        raise ValueError(f"sites: {min(values['sites'])} sites are too few; give at least 3")
    if values["potentials_per_shard"] < 1:
        raise ValueError("potentials_per_shard: give at least 1")
    low_high = {key: value for key, value in values.items() if isinstance(value, tuple)}
    for key, value in low_high.items():
        if not value[0] <= value[-1] or (key == "amplitude" and value[0] <= 0):
            rule = "0 < lowest <= highest" if key == "amplitude" else "lowest <= highest"
            raise ValueError(f"{key}: {list(value)}; give {rule}")
    if not 0 <= values.get("flux_fraction", 0) <= 1:
        raise ValueError(f"flux_fraction: {values['flux_fraction']}; give a number in [0, 1]")
    for key in ("V_max", "mu_margin"):
        if not 0 <= values.get(key, 0) < float("inf"):
            raise ValueError(f"{key}: {values[key]}; give a finite number >= 0")


def as_json(recipe: Any) -> dict[str, Any]:
    """The recipe as JSON gives it back: string keys, lists."""
    return json.loads(json.dumps(asdict(recipe)))
