"""Open what was generated: one Dataset for each size, since sizes cannot be stacked."""

from __future__ import annotations

import json
import warnings
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from tqdm.auto import tqdm

from qdens_nb.datasets._files import sidecar
from qdens_nb.datasets._generate import CONFIG
from qdens_nb.datasets._netcdf import opened
from qdens_nb.datasets._recipes import read_recipe

#: attributes without which samples mean different things
_MEANING = ("system", "convention", "boundary", "n_max", "size_nm")


def shard_files(folder: str | Path) -> list[Path]:
    """The complete netCDF files of a folder, sorted; of a generated one those with a checksum.

    Warns
    -----
    UserWarning
        A generated folder is not complete.

    Raises
    ------
    FileNotFoundError
        No such folder, or nothing in it.
    ValueError
        The folder's config.json is damaged.
    """
    folder = Path(folder)
    if folder.is_file():
        return [folder]
    files = sorted(folder.glob("*.nc"))
    if (folder / CONFIG).exists():
        files = [path for path in files if sidecar(path).exists()]
        planned = planned_shards(folder)
        if 0 < len(files) < planned:
            warnings.warn(
                f"{folder} holds {len(files)} of {planned} shards; 'qdens generate' completes it",
                stacklevel=2,
            )
    if not files:
        raise FileNotFoundError(f"{folder} holds no data set; make one with 'qdens generate'")
    return files


def planned_shards(folder: Path) -> int:
    """Number of shards that a generated folder has when it is complete."""
    try:
        config = json.loads((folder / CONFIG).read_text())
        return len(read_recipe(config["system"], config["recipe"]).shards())
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{folder / CONFIG} is damaged: {error}") from error


def open_shards(
    folder: str | Path,
    sites: int | Collection[int] | None = None,
    variables: Sequence[str] | None = None,
    *,
    verify: bool = True,
    progress: bool = False,
) -> dict[int, xr.Dataset]:
    """Load all files of a folder, one batch for each number of sites along x.

    Parameters
    ----------
    folder : path
        A folder of netCDF files, generated or made with `from_arrays` and `save`; or one file.
    sites : int or collection of int, optional
        Only these sizes.
    variables : sequence of str, optional
        Only these and the potential (default: everything).
    verify : bool
        Compare the files with the checksums beside them.
    progress : bool
        Show a progress bar.

    Returns
    -------
    dict of int to Dataset
        Samples in the order of the files; every variable has the dim ``sample``.

    Raises
    ------
    FileNotFoundError
        Nothing to open.
    ValueError
        A damaged or foreign file, a missing variable, no such size, files that cannot be mixed.
    """
    wanted = None if sites is None else {sites} if isinstance(sites, int) else set(sites)
    parts: dict[int, list[xr.Dataset]] = {}
    found = set()
    for path in tqdm(shard_files(folder), desc="open", unit="file", disable=not progress):
        with opened(path, verify) as file:
            size = file.sizes["x"]
            found.add(size)
            if wanted is None or size in wanted:
                part = _batch(_choose(file, variables, path).load())
                parts.setdefault(size, []).append(part)
                _check_alike(parts, part, path)
    if wanted is not None and wanted - found:
        raise ValueError(f"{folder} holds no L={sorted(wanted - found)}, only {sorted(found)}")
    return {size: _join(parts.pop(size)) for size in sorted(parts)}


def _choose(data: xr.Dataset, variables: Sequence[str] | None, path: Path) -> xr.Dataset:
    if variables is None:
        return data
    absent = [name for name in variables if name not in data]
    if absent:
        raise ValueError(
            f"{path} holds no {', '.join(absent)}; it holds {', '.join(map(str, data))}"
        )
    return data[list(dict.fromkeys(["potential", *variables]))]


def _batch(data: xr.Dataset) -> xr.Dataset:
    """Give every variable the dim sample."""
    samples = data.sizes.get("sample", 1)
    single = {
        name: array.expand_dims(sample=samples)
        for name, array in data.data_vars.items()
        if "sample" not in array.dims
    }
    return data.assign(single).drop_encoding()


def _check_alike(parts: Mapping[int, list[xr.Dataset]], part: xr.Dataset, path: Path) -> None:
    first = next(iter(parts.values()))[0]
    for name in _MEANING:
        if part.attrs.get(name) != first.attrs.get(name):
            raise ValueError(
                f"{path} has {name}={part.attrs.get(name)!r}, other files have "
                f"{first.attrs.get(name)!r}; keep them in separate folders"
            )
    if set(part.data_vars) != set(first.data_vars):
        differing = sorted(map(str, set(part.data_vars) ^ set(first.data_vars)))
        raise ValueError(
            f"{path} and other files differ in {', '.join(differing)}; choose those that all hold "
            "with variables=[...]"
        )
    shape = {dim: n for dim, n in part.sizes.items() if dim != "sample"}
    like = parts[part.sizes["x"]][0].sizes
    if any(like.get(dim) != n for dim, n in shape.items()):
        raise ValueError(f"{path} has the shape {shape}, others of this size {dict(like)}")


def _join(parts: list[xr.Dataset]) -> xr.Dataset:
    if len(parts) == 1:
        return parts[0]
    common = {k: v for k, v in parts[0].attrs.items() if all(_has(part, k, v) for part in parts)}
    joined = xr.concat(
        parts,
        "sample",
        data_vars="all",
        coords="minimal",
        compat="override",
        join="exact",
        combine_attrs="override",
    )
    return joined.drop_attrs(deep=False).assign_attrs(common)


def _has(data: xr.Dataset, name: str, value: Any) -> bool:
    return name in data.attrs and bool(np.array_equal(data.attrs[name], value))


def split(data: xr.Dataset, fraction: float = 0.1, *, seed: int) -> tuple[xr.Dataset, xr.Dataset]:
    """Divide a batch into two parts that have no potential in common.

    Parameters
    ----------
    data : Dataset
        A batch; samples of the same potential (its particle numbers, say) stay together.
    fraction : float
        Part of the potentials that the second Dataset gets, in [0, 1].
    seed : int
        Which ones.

    Returns
    -------
    tuple of Dataset
        The larger part and the smaller one, in the order of `data`.

    Raises
    ------
    ValueError
        No batch, or a fraction outside [0, 1].
    """
    if "sample" not in data["potential"].dims:
        raise ValueError("there is one sample only; split needs a batch with the dim 'sample'")
    if not 0 <= fraction <= 1:
        raise ValueError(f"fraction={fraction!r}; give a number in [0, 1]")
    rows = data["potential"].transpose("sample", ...).values.reshape(data.sizes["sample"], -1)
    _, group = np.unique(rows, axis=0, return_inverse=True)
    groups = int(group.max()) + 1
    second = np.random.default_rng(seed).permutation(groups) < round(fraction * groups)
    chosen = second[group.ravel()]
    return data.isel(sample=~chosen), data.isel(sample=chosen)
