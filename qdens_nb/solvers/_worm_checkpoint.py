"""Checkpoints of the worm engine: arrays without pickle, replaced atomically."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from qdens_nb._checkpoints import read_arrays, write_arrays


def _fingerprint(problem: xr.Dataset, options: dict[str, Any]) -> str:
    digest = hashlib.sha256(json.dumps(options, sort_keys=True).encode())
    for name in ("potential", "U", "V", "mu", "T"):
        digest.update(np.ascontiguousarray(problem[name].values, dtype=np.float64).tobytes())
    digest.update(str(problem.attrs["n_max"]).encode())
    return digest.hexdigest()


def save(
    path: str | Path,
    problem: xr.Dataset,
    options: dict[str, Any],
    sample: int,
    state: dict[str, np.ndarray],
    rows: list[dict[str, Any]],
) -> None:
    """Write the answers so far and the chains of the sample in work."""
    arrays: dict[str, Any] = {f"state/{name}": value for name, value in state.items()}
    for i, row in enumerate(rows):
        arrays |= {f"row{i}/{name}": np.asarray(value) for name, value in row.items()}
    arrays["fingerprint"] = np.array(_fingerprint(problem, options))
    arrays["sample"] = np.array([sample, len(rows)])
    write_arrays(path, arrays)


def load(
    path: str | Path | None, problem: xr.Dataset, options: dict[str, Any]
) -> tuple[int, dict[str, np.ndarray], list[dict[str, Any]]]:
    """Sample to continue with, the state of its chains and the answers before it.

    Raises
    ------
    ValueError
        The file is damaged or belongs to another problem or other options.
    """
    if path is None or not Path(path).exists():
        return 0, {}, []
    arrays = read_arrays(path)
    try:
        fingerprint = str(arrays["fingerprint"])
        sample, count = map(int, arrays["sample"])
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"checkpoint {path} is damaged ({error!r}); delete it to start anew"
        ) from None
    if fingerprint != _fingerprint(problem, options):
        raise ValueError(
            f"checkpoint {path} belongs to another problem or other options; delete it or give "
            "another path"
        )

    def part(prefix: str) -> dict[str, np.ndarray]:
        return {k[len(prefix) :]: v for k, v in arrays.items() if k.startswith(prefix)}

    return sample, part("state/"), [part(f"row{i}/") for i in range(count)]
