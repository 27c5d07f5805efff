"""One Dataset in one netCDF file: save, open, and what a valid one looks like."""

from __future__ import annotations

import errno
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from qdens_nb.datasets._files import checksum_state, replacing, sidecar
from qdens_nb.systems import CONVENTION

#: system -> dims of its potential; a leading "sample" may be added
SYSTEM_DIMS: dict[str, tuple[str, ...]] = {
    "fermion_chain": ("x",),
    "bose_hubbard": ("x", "y"),
    "quantum_dot": ("x", "y"),
}
#: further lattices of a system: bosons on a ring
_OTHER_DIMS: dict[str, tuple[tuple[str, ...], ...]] = {"bose_hubbard": (("x",),)}
#: the netCDF library is not safe for threads, and those of a dask worker share it
_LIBRARY = threading.RLock()
_STEPS = 2**16 - 2
#: deflate packs 1032 to 1 at best, and 16-bit integers open as double precision
_LARGEST_RATIO = 5000
_HOW = "; make one with qdens_nb.datasets.from_arrays or qdens generate"


def save(dataset: xr.Dataset, path: str | Path, *, packed: bool = False) -> Path:
    """Write a Dataset as compressed netCDF, atomically; the round trip loses nothing.

    Parameters
    ----------
    dataset : Dataset
        A problem, with or without observables.
    path : path
        Ends in ``.nc``; its folder is made if needed.
    packed : bool
        Store observables that depend on a site as 16-bit integers between their extremes. The
        largest error, (max - min) / 131068 plus the rounding of single precision, is stored as
        the attribute ``packing_error`` of each; standard errors are packed between 0 and their
        largest, and those above 0 stay so. The potential, and what is one number for each
        sample, are stored in single precision.

    Returns
    -------
    Path
        Where it was written.

    Raises
    ------
    ValueError
        Not a Dataset of this package, an attribute that netCDF cannot hold, another ending, or
        values to be packed that are not finite.
    OSError
        Full disk, or a limit on files; nothing partial is left.

    Examples
    --------
    >>> import tempfile, numpy as np, qdens_nb as qd
    >>> problem = qd.fermion_chain(np.zeros(8), V=1.0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = qd.datasets.save(problem, f"{folder}/flat.nc")
    ...     qd.datasets.open_dataset(path).identical(problem)
    True
    """
    path = Path(path)
    if path.suffix != ".nc":
        raise ValueError(f"{str(path)!r}: give a file name that ends in .nc")
    check_schema(dataset, path)
    data, encoding = _pack(dataset.drop_encoding()) if packed else (dataset.drop_encoding(), {})
    for name, array in data.variables.items():
        options = encoding.setdefault(name, {})
        if array.dtype.kind == "f":
            options.setdefault("_FillValue", None)
        if array.ndim and array.dtype.kind in "fiu":
            options |= {"zlib": True, "complevel": 4, "shuffle": True}
    path.parent.mkdir(parents=True, exist_ok=True)
    with _LIBRARY, replacing(path, data.nbytes + 2**20) as part:
        try:
            data.to_netcdf(part, engine="netcdf4", format="NETCDF4", encoding=encoding)
        except TypeError as error:
            raise ValueError(f"this Dataset does not fit into a netCDF file: {error}") from error
        except RuntimeError as error:  # how HDF5 says that the system refused to write
            raise OSError(
                errno.EIO,
                f"the file could not be written ({error}); nothing partial is left. Look for free "
                "space, quotas and limits, and repeat the command",
                str(path),
            ) from error
    return path


def _pack(data: xr.Dataset) -> tuple[xr.Dataset, dict[Any, dict[str, Any]]]:
    """Single precision for what is not packed, and the encodings and attributes of what is."""
    data, encoding = data.copy(), {}
    for name, array in data.data_vars.items():
        if array.dtype.kind != "f":
            continue
        if (np.isfinite(array) & (np.abs(array) > np.finfo(np.float32).max)).any():
            raise ValueError(f"{name!r} is too large for single precision; save with packed=False")
        if name == "potential" or not set(array.dims) - {"sample"}:
            data[name] = array.astype(np.float32)
            continue
        low, high = float(array.min()), float(array.max())
        if not np.isfinite([low, high]).all() or array.isnull().any():
            raise ValueError(f"{name!r} holds NaN or infinite values; save with packed=False")
        if str(name).endswith("_stderr") and low >= 0:
            data[name], encoding[name] = _pack_errors(array, high)
            continue
        scale = _step(high - low)
        rounding = 4 * np.finfo(np.float32).eps * max(abs(low), abs(high))
        data[name] = array.assign_attrs(packing_error=0.5 * float(scale) + rounding)
        encoding[name] = {
            "dtype": "int16",
            "scale_factor": scale,
            "add_offset": np.float32((high + low) / 2),
            "_FillValue": np.int16(-(2**15)),
        }
    return data, encoding


def _step(span: float) -> np.float32:
    """Step of the integers that cover `span`; never so small that it loses digits itself."""
    smallest = float(np.finfo(np.float32).tiny)
    return np.float32(max(span / _STEPS, smallest) if span else 1.0)


def _pack_errors(array: xr.DataArray, high: float) -> tuple[xr.DataArray, dict[str, Any]]:
    """Steps from 0: no error is rounded to less than 0, none but 0 itself to 0."""
    step = _step(high)
    kept = array.clip(min=step, keep_attrs=True).where(array != 0, 0.0)
    kept.attrs["packing_error"] = float(step) + 4 * np.finfo(np.float32).eps * high
    encoding = {"dtype": "uint16", "scale_factor": step, "_FillValue": np.uint16(_STEPS + 1)}
    return kept, encoding


def open_dataset(path: str | Path) -> xr.Dataset:
    """Load one netCDF file written by `save` or `generate` into memory.

    Parameters
    ----------
    path : path
        A file; if ``PATH.sha256`` lies beside it, it is compared with that checksum.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    ValueError
        The file is damaged (it cannot be read, or differs from its checksum), or is not a
        Dataset of this package.
    """
    with opened(Path(path)) as file:
        return file.load().drop_encoding()


@contextmanager
def opened(path: Path, verify: bool = True) -> Iterator[xr.Dataset]:
    """Open a file lazily and check it; whatever fails in reading it is a ``ValueError``."""
    if not path.is_file():
        raise FileNotFoundError(errno.ENOENT, "there is no such file", str(path))
    if verify and checksum_state(path) == "damaged":
        raise ValueError(f"{path} is damaged: it differs from its checksum in {sidecar(path).name}")
    with _LIBRARY:
        try:
            dataset = xr.open_dataset(path, engine="netcdf4", cache=False)
        except Exception as error:  # xarray and netCDF raise many kinds on foreign files
            raise _unreadable(path, error) from error
        try:
            with dataset as file:
                check_schema(file, path)
                _check_size(file, path)
                yield file
        except (OSError, RuntimeError, AttributeError, MemoryError) as error:
            raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> ValueError:
    return ValueError(f"{path} is not a netCDF file, or is damaged: {error}")


def _check_size(data: xr.Dataset, path: Path) -> None:
    """Refuse a small file that says it holds much more than compression can explain."""
    stored = path.stat().st_size
    if data.nbytes > 2**26 and data.nbytes > _LARGEST_RATIO * stored:
        raise ValueError(
            f"{path} says that it holds {data.nbytes / 1e9:.3g} GB in {stored / 1e6:.3g} MB; it "
            "is damaged or made to fill the memory"
        )


def check_schema(data: Any, path: Path) -> None:
    """Raise ``ValueError`` unless `data` is a Dataset made by this package."""
    if not isinstance(data, xr.Dataset):
        raise ValueError(f"{path}: expected an xarray Dataset, got {type(data).__name__}{_HOW}")
    convention, system = data.attrs.get("convention"), data.attrs.get("system")
    known = isinstance(convention, str) and isinstance(system, str)
    if not known or convention != CONVENTION or system not in SYSTEM_DIMS:
        raise ValueError(
            f"{path} is not a Dataset of qdens_nb: its convention is {convention!r} (needed: "
            f"{CONVENTION!r}) and its system {system!r} (known: {', '.join(SYSTEM_DIMS)}){_HOW}"
        )
    lattices = [SYSTEM_DIMS[system], *_OTHER_DIMS.get(system, ())]
    allowed = [dims for lattice in lattices for dims in (lattice, ("sample", *lattice))]
    found = data["potential"].dims if "potential" in data else "none"
    if found not in allowed:
        raise ValueError(
            f"{path}: the potential of {system} has dims {' or '.join(map(str, allowed))}, found "
            f"{found}{_HOW}"
        )
    if data["potential"].dtype.kind not in "fiu":
        raise ValueError(
            f"{path}: the potential is of type {data['potential'].dtype}; real numbers are "
            f"needed{_HOW}"
        )
