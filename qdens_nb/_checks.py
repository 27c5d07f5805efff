"""Validation at the border: every message says what was given, what is allowed, what to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr


def check_couplings(given: Mapping[str, Any], allowed: Sequence[str], system: str) -> None:
    """Raise ``TypeError`` if `given` names a coupling that `system` does not have."""
    unknown = sorted(set(given) - set(allowed))
    if unknown:
        raise TypeError(
            f"unknown coupling {', '.join(map(repr, unknown))} for {system}; "
            f"it has {', '.join(allowed)}"
        )


def check_potential(potential: Any, dims: tuple[str, ...], min_sites: int) -> xr.DataArray:
    """Return `potential` as a float64 DataArray with dims ``dims`` or ``("sample", *dims)``.

    Raises
    ------
    ValueError
        Wrong rank or dims, fewer than `min_sites` sites along a direction, or values that
        are not finite.
    """
    expected = f"{dims} or {('sample', *dims)}"
    if isinstance(potential, xr.DataArray):
        array = potential
        if set(array.dims) not in ({*dims}, {"sample", *dims}):
            raise ValueError(
                f"potential has dims {array.dims}; expected {expected}. Rename or transpose it"
            )
        full = ("sample", *dims) if "sample" in array.dims else dims
        array = array.transpose(*full)
    else:
        if np.ma.is_masked(potential):
            raise ValueError("potential has masked values; fill them, or leave those samples out")
        values = np.asarray(potential)
        if values.ndim not in (len(dims), len(dims) + 1):
            raise ValueError(
                f"potential has shape {values.shape} (rank {values.ndim}); expected an array "
                f"with dims {expected}"
            )
        full = dims if values.ndim == len(dims) else ("sample", *dims)
        array = xr.DataArray(values, dims=full)
    if array.dtype.kind not in "fiu":
        raise ValueError(f"potential has dtype {array.dtype}; real numbers are needed")
    array = array.astype(np.float64)
    for dim in dims:
        if array.sizes[dim] < min_sites:
            raise ValueError(
                f"potential has {array.sizes[dim]} sites along {dim!r}; at least {min_sites} "
                "are needed"
            )
    if "sample" in array.dims and array.sizes["sample"] == 0:
        raise ValueError("potential holds no samples; give at least one")
    if not np.isfinite(array.values).all():
        bad = int((~np.isfinite(array.values)).sum())
        raise ValueError(f"potential holds {bad} value(s) that are NaN or infinite; remove them")
    return array


def check_whole(name: str, value: Any, least: int, most: int = 10**6) -> int:
    """Return `value` as an int.

    Raises
    ------
    ValueError
        No whole number, or outside [least, most].
    """
    number = np.asarray(value)
    whole = number.ndim == 0 and number.dtype.kind in "fiu" and number == np.trunc(number)
    if not whole or not least <= number <= most:
        raise ValueError(f"{name}={value!r}; give a whole number from {least} to {most}")
    return int(number)


def check_scalar(name: str, value: Any, n_samples: int | None) -> xr.DataArray:
    """Return coupling `name` as a scalar or, for a batch, a ``("sample",)`` DataArray."""
    array = np.asarray(value.values if isinstance(value, xr.DataArray) else value)
    if array.dtype.kind not in "fiu":
        raise ValueError(f"{name}={value!r} is not a real number")
    array = array.astype(np.float64)
    if not np.isfinite(array).all():
        raise ValueError(f"{name}={value!r} is not finite; give a finite number")
    if array.ndim == 0:
        return xr.DataArray(array)
    if array.ndim > 1:
        raise ValueError(f"{name} has shape {array.shape}; give a number or one value per sample")
    if n_samples is None:
        raise ValueError(
            f"{name} has {array.size} values but the potential is a single one; give a scalar, "
            "or a potential with a leading 'sample' dim"
        )
    if array.size != n_samples:
        raise ValueError(
            f"{name} has {array.size} values for {n_samples} potentials; the lengths must match"
        )
    return xr.DataArray(array, dims="sample")


def check_site_coupling(name: str, value: Any, potential: xr.DataArray) -> xr.DataArray:
    """Return coupling `name` as a scalar, one value per sample, per site, or per both.

    A DataArray is understood by its dims. A plain array is understood by its shape: ``(samples,)``
    first, then that of the lattice, then ``(samples, *lattice)``.
    """
    sizes = {str(dim): size for dim, size in potential.sizes.items()}
    lattice = tuple(dim for dim in sizes if dim != "sample")
    forms = [dims for dims in (("sample",), lattice, ("sample", *lattice)) if {*dims} <= {*sizes}]
    allowed = ", ".join(f"{dims} = {tuple(sizes[d] for d in dims)}" for dims in forms)
    if isinstance(value, xr.DataArray):
        dims = tuple(dim for dim in sizes if dim in value.dims)
        matches = [dims] if {*value.dims} == {*dims} and dims in forms else []
        values = value.transpose(*dims).values if matches else value.values
    else:
        values = np.asarray(value)
        matches = [dims for dims in forms if values.shape == tuple(sizes[d] for d in dims)]
    if values.ndim == 0:
        return check_scalar(name, values, None)
    if not matches or values.shape != tuple(sizes[d] for d in matches[0]):
        raise ValueError(
            f"{name} has shape {np.shape(value)}; give a number or an array of {allowed}"
        )
    flat = check_scalar(name, values.ravel(), values.size)
    return xr.DataArray(flat.values.reshape(values.shape), dims=matches[0])


def check_choice(name: str, value: Any, allowed: Sequence[Any]) -> None:
    """Raise ``ValueError`` unless `value` is one of `allowed`."""
    if value not in allowed:
        raise ValueError(f"{name}={value!r}; choose one of {', '.join(map(repr, allowed))}")
