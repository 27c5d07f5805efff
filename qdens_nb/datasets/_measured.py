"""Anyone's own or measured potentials and densities as the Dataset that everything else takes."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import xarray as xr

from qdens_nb import systems
from qdens_nb._checks import check_choice
from qdens_nb.datasets._netcdf import SYSTEM_DIMS
from qdens_nb.solvers._common import CHAIN_OBSERVABLES

_SITE_OBSERVABLES = (
    "density",
    "density_variance",
    "density_correlation",
    "coherence",
    "current",
    "current_correlation",
)
_TOLERANCE = 1e-6


def from_arrays(
    potential: Any,
    density: Any,
    *,
    system: str = "fermion_chain",
    engine: str = "measured",
    **named: Any,
) -> xr.Dataset:
    """Make a Dataset of solved problems from arrays, to train on or to evaluate against.

    Parameters
    ----------
    potential : array or DataArray, (x,) or (sample, x); in two dimensions (x, y) or (sample, x, y)
        In the units and with the sign of the system's Hamiltonian (see `qdens_nb.systems`).
    density : array, shape of `potential`
        Mean number of particles on each site; of a quantum dot, the density in 1/nm^2.
    system : {"fermion_chain", "bose_hubbard", "quantum_dot"}
        Which problem it is.
    engine : str
        Where the density comes from; kept as an attribute.
    **named
        Couplings of the system, such as ``V=`` or ``mu=`` (a number or one for each sample), and
        further observables: ``density_variance``, ``density_correlation``, ``coherence``,
        ``current``, ``current_correlation`` (shape of `potential`), ``energy``,
        ``particle_number`` (one for each sample; default: sum or integral of the density). The
        standard error of any of them is NAME_stderr.

    Returns
    -------
    Dataset
        As from a solver; `save` it and use it with ``qdens train`` and ``qdens evaluate``.

    Raises
    ------
    TypeError
        A name that is neither a coupling nor an observable.
    ValueError
        Shapes that differ, values that are not finite, a density that no state has, a negative
        standard error; and what the system's constructor refuses.

    Examples
    --------
    >>> import numpy as np
    >>> data = from_arrays(np.zeros((2, 8)), np.full((2, 8), 0.5), V=1.0)
    >>> data.particle_number.values, data.attrs["engine"]
    (array([4., 4.]), 'measured')
    """
    check_choice("system", system, tuple(SYSTEM_DIMS))
    build = getattr(systems, system)
    couplings = set(inspect.signature(build).parameters) - {"potential", "unknown"}
    scalars = ("energy", "particle_number")
    allowed = [n + end for n in (*_SITE_OBSERVABLES, *scalars) for end in ("", "_stderr")]
    unknown = sorted(set(named) - couplings - set(allowed))
    if unknown:
        raise TypeError(
            f"unknown name {', '.join(map(repr, unknown))}; {system} has the couplings "
            f"{', '.join(sorted(couplings))} and the observables {', '.join(allowed)}"
        )
    data = build(potential, **{name: value for name, value in named.items() if name in couplings})
    observables = {"density": density, **{n: named[n] for n in allowed if n in named}}
    dims = data["potential"].dims
    for name, value in observables.items():
        base = name.removesuffix("_stderr")
        expected = dims if base in _SITE_OBSERVABLES else tuple(d for d in dims if d == "sample")
        data[name] = _check(name, value, data["potential"], expected)
        energy_unit = data["potential"].attrs["units"]
        data[name].attrs.update(_labels(base, system, energy_unit, name != base))
    _check_density(data, system)
    if "particle_number" not in data:
        data["particle_number"] = data["density"].sum(SYSTEM_DIMS[system]) * _cell(data, system)
        data["particle_number"].attrs.update(_labels("particle_number", system, "", False))
    data.attrs["engine"] = engine
    return data


def _cell(data: xr.Dataset, system: str) -> float:
    """What the density of a grid point is multiplied with to count particles."""
    if system != "quantum_dot":
        return 1.0
    return float(np.prod([np.diff(data[dim].values[:2])[0] for dim in SYSTEM_DIMS[system]]))


def _labels(base: str, system: str, energy_unit: str, stderr: bool) -> dict[str, str]:
    _, units, long_name = CHAIN_OBSERVABLES[base]
    if system != "fermion_chain":
        units = units.replace("J", energy_unit)
        long_name = base.replace("_", " ")
    if system == "quantum_dot" and base == "density":
        units = "1/nm^2"
    return {"units": units, "long_name": f"standard error of {base}" if stderr else long_name}


def _check(name: str, value: Any, potential: xr.DataArray, dims: tuple[Any, ...]) -> xr.DataArray:
    if isinstance(value, xr.DataArray) and set(value.dims) == set(dims):
        value = value.transpose(*dims)
    array = np.asarray(value)
    shape = tuple(potential.sizes[dim] for dim in dims)
    if array.shape != shape:
        raise ValueError(f"{name} has shape {array.shape}; the potential asks for {shape}")
    if array.dtype.kind not in "fiu":
        raise ValueError(f"{name} has dtype {array.dtype}; real numbers are needed")
    bad = int((~np.isfinite(array)).sum())
    if bad:
        raise ValueError(f"{name} holds {bad} value(s) that are NaN or infinite; remove them")
    if name.endswith("_stderr") and (array < 0).any():
        raise ValueError(f"{name} holds negative values; a standard error is >= 0")
    return xr.DataArray(array.astype(np.float64), dims=dims)


def _check_density(data: xr.Dataset, system: str) -> None:
    highest = {"fermion_chain": 1.0, "bose_hubbard": data.attrs.get("n_max")}.get(system)
    low, high = float(data["density"].min()), float(data["density"].max())
    if low < -_TOLERANCE or (highest is not None and high > highest + _TOLERANCE):
        rule = "of at least 0" if highest is None else f"in [0, {highest:g}]"
        raise ValueError(
            f"the density lies in [{low:.6g}, {high:.6g}]; {system} has densities {rule}: check "
            "the normalisation, and clip what noise took out of the range"
        )
