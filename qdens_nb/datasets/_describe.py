"""What a file or a folder holds, as a dict that ``qdens info`` shows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from tqdm.auto import tqdm

from qdens_nb.datasets._files import checksum_state, sha256
from qdens_nb.datasets._generate import CONFIG
from qdens_nb.datasets._netcdf import opened
from qdens_nb.datasets._registry import data_folder, registry
from qdens_nb.datasets._shards import planned_shards


def describe(path: str | Path, *, progress: bool = False) -> dict[str, Any]:
    """Describe a netCDF file, or all of a folder.

    Returns
    -------
    dict
        ``files``, ``planned`` (shards that a generated folder shall have, else None),
        ``checksums`` (name of each file -> "ok", "damaged", "none"), ``samples`` (of each size),
        ``variables`` (name -> dims, units, long_name, lowest, highest, dtype), ``attributes``
        (those on which all files agree), ``config`` (of a generated folder).

    Raises
    ------
    FileNotFoundError
        No such file, or no netCDF file in the folder.
    ValueError
        A file that is foreign or cannot be read. A damaged one in a folder is left out of the
        ranges and listed.
    """
    path = Path(path)
    folder = path.is_dir()
    files = sorted(path.glob("*.nc")) if folder else [path]
    if not files or not files[0].exists():
        raise FileNotFoundError(f"{path}: there is no netCDF file")
    config = path / CONFIG
    report: dict[str, Any] = {
        "path": str(path),
        "files": len(files),
        "planned": planned_shards(path) if folder and config.exists() else None,
        "config": json.loads(config.read_text()) if folder and config.exists() else None,
        "checksums": {},
        "samples": {},
        "variables": {},
        "attributes": None,
    }
    for file in tqdm(files, desc="read", unit="file", disable=not progress or len(files) < 2):
        state = report["checksums"][file.name] = _state(file)
        if not folder or state != "damaged":
            _add(report, file)
    by_size = sorted(report["samples"].items(), key=lambda item: int(item[0].split()[0]))
    return {**report, "samples": dict(by_size)}


def _state(path: Path) -> str:
    """`checksum_state`, or for a shipped file what the manifest says."""
    state, folder = checksum_state(path), data_folder().resolve()
    if state != "none" or not path.resolve().is_relative_to(folder):
        return state
    entry = registry().get(path.resolve().relative_to(folder).as_posix())
    return state if entry is None else "ok" if sha256(path) == entry["sha256"] else "damaged"


def _add(report: dict[str, Any], path: Path) -> None:
    with opened(path) as data:
        size = " x ".join(str(data.sizes[dim]) for dim in ("x", "y") if dim in data.sizes)
        counts = report["samples"]
        counts[size] = counts.get(size, 0) + data.sizes.get("sample", 1)
        for name, array in data.data_vars.items():
            values = array.values
            low, high = float(np.min(values)), float(np.max(values))
            entry = report["variables"].setdefault(
                str(name),
                {
                    "dims": list(array.dims),
                    "units": array.attrs.get("units", ""),
                    "long_name": array.attrs.get("long_name", ""),
                    "dtype": str(array.dtype),
                    "lowest": low,
                    "highest": high,
                },
            )
            entry["lowest"] = float(np.minimum(entry["lowest"], low))
            entry["highest"] = float(np.maximum(entry["highest"], high))
        attributes = {name: _plain(value) for name, value in data.attrs.items()}
        known = report["attributes"]
        report["attributes"] = (
            attributes
            if known is None
            else {k: v for k, v in known.items() if attributes.get(k) == v}
        )


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
