"""Files that are whole or absent: atomic writes, checksums, netCDF in and out."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import uuid
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from qdens_nb.systems import CONVENTION

#: system -> dims of its potential (a leading "sample" may be added)
SYSTEM_DIMS: dict[str, tuple[str, ...]] = {
    "fermion_chain": ("x",),
    "bose_hubbard": ("x", "y"),
    "quantum_dot": ("x", "y"),
}
TEMPORARY = ".tmp"
_FULL = {errno.ENOSPC, errno.EDQUOT}
_PACKED_LEVELS = 2**16 - 2


def sha256(path: str | Path) -> str:
    """Return the SHA-256 of a file as 64 hexadecimal digits.

    Raises
    ------
    OSError
        The file cannot be read.
    """
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_atomic(path: str | Path, content: bytes | memoryview) -> None:
    """Write `content` so that, whatever happens, `path` is the old file or the whole new one.

    Raises
    ------
    OSError
        The disk is full (the message says so), or the folder cannot be written; no part of the
        new file is left.
    """
    path = Path(path)
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex}{TEMPORARY}")
    try:
        with open(part, "xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
        _sync_folder(path.parent)
    except OSError as error:
        part.unlink(missing_ok=True)
        if error.errno in _FULL:
            size = len(content) / 1e6
            raise OSError(
                error.errno,
                f"the disk is full: {size:.2f} MB are needed for this file, of which nothing was "
                "left behind. Free some space and repeat the command",
                str(path),
            ) from error
        raise
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _sync_folder(folder: Path) -> None:
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def write_json(path: str | Path, content: Mapping[str, Any]) -> None:
    """Write a mapping as readable JSON, atomically."""
    write_atomic(path, (json.dumps(content, indent=2) + "\n").encode())


def sidecar(path: Path) -> Path:
    """The file that holds the checksum of `path`, in the format of the ``sha256sum`` tool."""
    return path.with_name(path.name + ".sha256")


def write_with_checksum(path: Path, content: bytes | memoryview) -> None:
    """Write a file, then its checksum: a file without a valid checksum is not complete."""
    write_atomic(path, content)
    line = f"{hashlib.sha256(content).hexdigest()}  {path.name}\n"
    write_atomic(sidecar(path), line.encode())


def checksum_state(path: str | Path) -> str:
    """Compare a file with its checksum: ``"ok"``, ``"damaged"``, or ``"none"`` if it has none.

    A checksum whose file is gone counts as ``"damaged"``.
    """
    path = Path(path)
    try:
        expected = sidecar(path).read_text(errors="replace").split()
    except FileNotFoundError:
        return "none"
    if not path.exists() or not expected or sha256(path) != expected[0]:
        return "damaged"
    return "ok"


def _packing(array: xr.DataArray) -> dict[str, Any]:
    low, high = float(array.min()), float(array.max())
    if not np.isfinite([low, high]).all():
        raise ValueError(f"{array.name!r} holds NaN or infinite values: save with packed=False")
    scale = np.float32((high - low) / _PACKED_LEVELS or 1.0)
    return {
        "dtype": "int16",
        "scale_factor": scale,
        "add_offset": np.float32((high + low) / 2),
        "_FillValue": np.int16(-(2**15)),
    }


def encode(dataset: xr.Dataset, packed: bool = False) -> memoryview:
    """Return `dataset` as the bytes of a compressed netCDF file; see `save`."""
    data = dataset.drop_encoding()
    encoding: dict[str, dict[str, Any]] = {}
    for name, array in data.variables.items():
        options: dict[str, Any] = {"_FillValue": None} if array.dtype.kind == "f" else {}
        if packed and array.dtype.kind == "f" and name in data.data_vars:
            if name == "potential" or not set(array.dims) - {"sample"}:
                data[name] = data[name].astype(np.float32)
            else:
                options = _packing(data[name])
                step = float(options["scale_factor"])
                largest = float(np.abs(array).max())
                data[name].attrs["packing_error"] = 0.5 * step + 2.4e-7 * largest
        if array.ndim and array.dtype.kind in "fiub":
            options |= {"zlib": True, "complevel": 4, "shuffle": True}
        encoding[str(name)] = options
    try:
        return data.to_netcdf(engine="netcdf4", format="NETCDF4", encoding=encoding)
    except TypeError as error:
        raise ValueError(f"this Dataset does not fit into a netCDF file: {error}") from error


def save(dataset: xr.Dataset, path: str | Path, *, packed: bool = False) -> Path:
    """Write a Dataset as compressed netCDF, atomically; the round trip loses nothing.

    Parameters
    ----------
    dataset : Dataset
        A problem, or a problem with observables.
    path : path
        Ends in ``.nc``; its folder is made if needed.
    packed : bool
        Store observables that depend on a site as 16-bit integers between their extremes. The
        largest error, (max - min) / 131068 and the rounding of single precision, is stored as
        the attribute ``packing_error`` of each. The potential and what has one value per sample
        are then stored in single precision.

    Returns
    -------
    Path
        Where it was written.

    Raises
    ------
    ValueError
        Not a Dataset of this package, attributes that netCDF cannot hold, another ending, or
        values to be packed that are not finite.
    OSError
        Full disk; nothing partial is left.
    """
    path = Path(path)
    if path.suffix != ".nc":
        raise ValueError(f"{str(path)!r}: give a file name that ends in .nc")
    _check_schema(dataset, path)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, encode(dataset, packed))
    return path


def open_dataset(path: str | Path) -> xr.Dataset:
    """Load one netCDF file written by `save` or `generate` into memory.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    ValueError
        The file is damaged (it cannot be read, or differs from the checksum beside it), or is
        not a Dataset of this package.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(errno.ENOENT, "there is no such file", str(path))
    if checksum_state(path) == "damaged":
        raise ValueError(f"{path} is damaged: it differs from its checksum in {sidecar(path).name}")
    try:
        with warnings.catch_warnings(), xr.open_dataset(path, engine="netcdf4") as file:
            warnings.simplefilter("error", RuntimeWarning)
            data = file.load()
    except (OSError, RuntimeError, RuntimeWarning, ValueError, AttributeError) as error:
        raise ValueError(f"{path} is not a netCDF file, or is damaged: {error}") from error
    _check_schema(data, path)
    return data.drop_encoding()


def _check_schema(data: Any, path: Path) -> None:
    how = "; make one with qdens_nb.datasets.from_arrays or qdens generate"
    if not isinstance(data, xr.Dataset):
        raise ValueError(f"{path}: expected an xarray Dataset, got {type(data).__name__}{how}")
    convention, system = data.attrs.get("convention"), data.attrs.get("system")
    if convention != CONVENTION or system not in SYSTEM_DIMS:
        raise ValueError(
            f"{path} is not a Dataset of qdens_nb: its convention is {convention!r} (needed: "
            f"{CONVENTION!r}) and its system {system!r} (known: {', '.join(SYSTEM_DIMS)}){how}"
        )
    dims = SYSTEM_DIMS[system]
    if "potential" not in data or data["potential"].dims not in (dims, ("sample", *dims)):
        found = data["potential"].dims if "potential" in data else "missing"
        raise ValueError(
            f"{path}: the potential of {system} has dims {dims} or {('sample', *dims)}, found "
            f"{found}{how}"
        )
