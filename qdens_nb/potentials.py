"""Random and designed potentials as labelled DataArrays, on chains and square lattices.

``shape`` is a number of sites (dims ``("x",)``) or a pair (dims ``("x", "y")``). Random potentials
take ``samples=`` and then lead with a ``sample`` dim. Parameters are kept in ``attrs``; a parameter
given as one value per sample becomes a coordinate along ``sample`` instead, so that a solver's
result can be plotted against it. A positive value repels particles.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from qdens_nb._checks import check_whole
from qdens_nb._dot_potentials import (
    cross_dot,
    designed_dots,
    dot_from_mask,
    double_dot,
    quantum_well_cluster,
    ring_dot,
)

__all__ = [
    "coloured_noise",
    "correlated_disorder",
    "cross_dot",
    "designed_dots",
    "dot_from_mask",
    "double_dot",
    "double_well",
    "harmonic_trap",
    "linear_tilt",
    "quantum_well_cluster",
    "ring_dot",
    "step_well",
    "white_noise",
]

Shape = int | tuple[int, int]
Seed = int | np.random.Generator | np.random.SeedSequence


def _lattice(shape: Any) -> tuple[int, ...]:
    sides = tuple(shape) if isinstance(shape, tuple | list) else (shape,)
    whole = all(isinstance(n, int | np.integer) and n >= 1 for n in sides)
    if len(sides) not in (1, 2) or not whole:
        raise ValueError(f"shape={shape!r}; give a number of sites or a pair (Lx, Ly), each >= 1")
    return tuple(int(n) for n in sides)


def _count(samples: Any) -> int | None:
    if samples is None:
        return None
    if not isinstance(samples, int | np.integer) or samples < 1:
        raise ValueError(f"samples={samples!r}; give a whole number of at least 1, or None")
    return int(samples)


def _parameter(name: str, value: Any, samples: int | None, minimum: float = -np.inf) -> np.ndarray:
    """Return `value` as a scalar or one finite number per sample."""
    array = np.asarray(value)
    real = array.dtype.kind in "fiu"
    array = array.astype(np.float64) if real else np.array(np.nan)
    if not np.isfinite(array).all() or (array < minimum).any():
        bound = "" if np.isinf(minimum) else f" of at least {minimum:g}"
        raise ValueError(f"{name}={value!r}; give finite number(s){bound}")
    if array.ndim and array.shape != (samples,):
        raise ValueError(
            f"{name} has shape {array.shape} for samples={samples}; give one number, or one per "
            "sample"
        )
    return array


def _label(
    values: np.ndarray, shape: tuple[int, ...], kind: str, units: str, **parameters: Any
) -> xr.DataArray:
    if not np.isfinite(values).all() or not values.size:
        raise ValueError(f"{kind}: no values, or some not finite; give other parameters")
    dims = ("x", "y")[: len(shape)]
    if values.ndim > len(shape):
        dims = ("sample", *dims)
    coords = {}
    attrs: dict[str, Any] = {"units": units, "kind": kind}
    for name, value in parameters.items():
        if isinstance(value, np.ndarray) and value.ndim:
            coords[name] = ("sample", value)
        elif isinstance(value, np.ndarray):
            attrs[name] = value.item()
        elif isinstance(value, int | float | str | tuple):
            attrs[name] = value
    return xr.DataArray(values, dims=dims, coords=coords, attrs=attrs, name="potential")


def _per_site(parameter: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    return parameter.reshape(parameter.shape + (1,) * len(shape))


def _wavenumber(shape: tuple[int, ...]) -> np.ndarray:
    axes = [2 * np.pi * np.fft.fftfreq(n) for n in shape]
    return np.sqrt(sum(k**2 for k in np.meshgrid(*axes, indexing="ij")))


def _filtered_noise(
    shape: tuple[int, ...],
    samples: int | None,
    response: np.ndarray,
    amplitude: np.ndarray,
    seed: Seed,
) -> np.ndarray:
    """Periodic Gaussian noise with Fourier amplitudes ``response`` and max|v| = amplitude."""
    size = shape if samples is None else (samples, *shape)
    axes = tuple(range(-len(shape), 0))
    modes = np.fft.fftn(np.random.default_rng(seed).normal(size=size), axes=axes) * response
    modes[(..., *(0,) * len(shape))] = 0.0
    noise = np.fft.ifftn(modes, axes=axes).real
    largest = np.abs(noise).max(axis=axes, keepdims=True)
    return noise * _per_site(amplitude, shape) / np.where(largest > 0, largest, 1.0)


def white_noise(
    shape: Shape,
    amplitude: Any = 1.0,
    *,
    samples: int | None = None,
    seed: Seed,
    units: str = "J",
) -> xr.DataArray:
    """Independent values, uniform in [-amplitude, amplitude].

    Parameters
    ----------
    shape : int or (int, int)
        Number of sites.
    amplitude : float or (samples,) array
        Half width of the distribution, in `units`.
    samples : int, optional
        Number of potentials along a leading ``sample`` dim; the first ones do not depend on it.
    seed : int, Generator or SeedSequence
        Random seed.
    units : str
        Label of the energy unit.

    Raises
    ------
    ValueError
        Wrong shape, a negative amplitude, or a number of amplitudes other than `samples`.

    Examples
    --------
    >>> white_noise(8, 2.0, samples=3, seed=0).sizes
    Frozen({'sample': 3, 'x': 8})
    """
    sides, samples = _lattice(shape), _count(samples)
    scale = _parameter("amplitude", amplitude, samples, 0.0)
    size = sides if samples is None else (samples, *sides)
    values = np.random.default_rng(seed).uniform(-1.0, 1.0, size=size) * _per_site(scale, sides)
    return _label(values, sides, "white_noise", units, amplitude=scale, seed=seed)


def coloured_noise(
    shape: Shape,
    exponent: Any,
    amplitude: Any = 1.0,
    *,
    samples: int | None = None,
    seed: Seed,
    units: str = "J",
) -> xr.DataArray:
    """Periodic Gaussian noise with the power spectrum ``<|v_k|^2> ~ |k|^-exponent``.

    Inverse Fourier transform of random complex amplitudes, without the mode k = 0 (zero mean),
    scaled so that ``max|v| = amplitude`` in each sample.

    Parameters
    ----------
    shape : int or (int, int)
        Number of sites.
    exponent : float or (samples,) array
        0 is white, 2 a random walk, larger is smoother.
    amplitude : float or (samples,) array
        Largest absolute value, in `units`.
    samples, seed, units
        As in `white_noise`.

    Raises
    ------
    ValueError
        Wrong shape, values that are not finite, a number of values other than `samples`.

    Examples
    --------
    >>> import numpy as np
    >>> v = coloured_noise(16, 2.0, 1.5, samples=4, seed=0)
    >>> bool(np.allclose(np.abs(v).max("x"), 1.5) and np.allclose(v.mean("x"), 0))
    True
    """
    sides, samples = _lattice(shape), _count(samples)
    power = _parameter("exponent", exponent, samples)
    scale = _parameter("amplitude", amplitude, samples, 0.0)
    k = _wavenumber(sides)
    k[(0,) * len(sides)] = 1.0
    response = (k / k.min()) ** (-_per_site(power, sides) / 2)
    values = _filtered_noise(sides, samples, response, scale, seed)
    parameters = {"exponent": power, "amplitude": scale, "seed": seed}
    return _label(values, sides, "coloured_noise", units, **parameters)


def correlated_disorder(
    shape: Shape,
    amplitude: Any = 1.0,
    correlation_length: Any = 2.0,
    *,
    samples: int | None = None,
    seed: Seed,
    units: str = "J",
) -> xr.DataArray:
    """Periodic Gaussian disorder with a correlation ``exp(-r^2 / 2 correlation_length^2)``.

    White noise convolved with a Gaussian kernel; zero mean, ``max|v| = amplitude`` in each sample.

    Parameters
    ----------
    shape : int or (int, int)
        Number of sites.
    amplitude : float or (samples,) array
        Largest absolute value, in `units`.
    correlation_length : float or (samples,) array
        In sites; 0 leaves the sites independent.
    samples, seed, units
        As in `white_noise`.

    Raises
    ------
    ValueError
        Wrong shape, negative values, a number of values other than `samples`.
    """
    sides, samples = _lattice(shape), _count(samples)
    scale = _parameter("amplitude", amplitude, samples, 0.0)
    length = _parameter("correlation_length", correlation_length, samples, 0.0)
    k = _wavenumber(sides)
    softest = k[k > 0].min(initial=np.pi)
    harder = np.maximum(k**2 - softest**2, 0.0)
    response = np.exp(-(_per_site(np.minimum(length, 1e9), sides) ** 2) * harder / 4)
    response[(..., *(0,) * len(sides))] = 0.0
    values = _filtered_noise(sides, samples, response, scale, seed)
    parameters = {"amplitude": scale, "correlation_length": length, "seed": seed}
    return _label(values, sides, "correlated_disorder", units, **parameters)


def _widths(width: Any, sides: tuple[int, ...]) -> np.ndarray:
    """Widths with shape (dims,) or (samples, dims); a tuple is one width per direction."""
    array = np.asarray(width)
    if not isinstance(width, tuple):
        array = np.stack([array] * len(sides), axis=-1)
    whole = array.ndim in (1, 2) and array.shape[-1] == len(sides) and array.dtype.kind in "iu"
    if not whole or (array < 1).any() or (array > np.asarray(sides)).any():
        raise ValueError(
            f"width={width!r} on a lattice of shape {sides}; give a whole number of sites from 1 "
            "to the side, one per sample, or a tuple with one per direction"
        )
    return array


def _centre(centre: Any, sides: tuple[int, ...]) -> np.ndarray:
    if centre is None:
        return (np.asarray(sides) - 1) / 2
    array = np.atleast_1d(np.asarray(centre))
    real = array.dtype.kind in "fiu"
    if array.shape != (len(sides),) or not real or not np.isfinite(array).all():
        raise ValueError(f"centre={centre!r}; give one coordinate per direction ({len(sides)})")
    return array


def _inside(sides: tuple[int, ...], width: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """True inside a box of ``width`` sites; it wraps around the edges of the lattice."""
    first = np.ceil(centre % np.asarray(sides) - width / 2 - 1e-9).astype(int)
    inside = np.ones(width.shape[:-1] + sides, dtype=bool)
    for axis, n in enumerate(sides):
        place = np.arange(n).reshape((n,) + (1,) * (len(sides) - axis - 1))
        start = _per_site(first[..., axis], sides)
        inside &= (place - start) % n < _per_site(width[..., axis], sides)
    return inside


def step_well(
    shape: Shape, depth: Any, width: Any, *, centre: Any = None, units: str = "J"
) -> xr.DataArray:
    """Value ``-depth`` on `width` sites and 0 outside; a box in two dimensions.

    Parameters
    ----------
    shape : int or (int, int)
        Number of sites.
    depth : float or (samples,) array
        A negative depth is a wall. An array gives a ``sample`` dim.
    width : int, (samples,) array, or a tuple with one width per direction
        Number of sites inside.
    centre : float or pair, optional
        Position of the middle of the well, by default the middle of the lattice. The well wraps
        around the edges.
    units : str
        Label of the energy unit.

    Raises
    ------
    ValueError
        Wrong shape, a width that is not a whole number of 1 to L sites, mismatched lengths.

    Examples
    --------
    >>> step_well(6, 3.0, 2).values.tolist()
    [0.0, 0.0, -3.0, -3.0, 0.0, 0.0]
    >>> step_well(6, [1.0, 2.0], 2).depth.dims
    ('sample',)
    """
    sides = _lattice(shape)
    widths = _widths(width, sides)
    samples = len(widths) if widths.ndim == 2 else (np.size(depth) if np.ndim(depth) else None)
    deep = _parameter("depth", depth, samples)
    inside = _inside(sides, widths, _centre(centre, sides))
    values = -_per_site(deep, sides) * inside + 0.0
    given = width if isinstance(width, tuple) else np.asarray(width)
    return _label(values, sides, "step_well", units, depth=deep, width=given)


def double_well(
    shape: Shape,
    depth: float,
    width: int,
    separation: int,
    barrier: float = 0.0,
    *,
    units: str = "J",
) -> xr.DataArray:
    """Two wells of `width` sites beside each other along x, in the middle of the lattice.

    Parameters
    ----------
    shape : int or (int, int)
        Number of sites.
    depth : float
        The potential is ``-depth`` in the wells and 0 outside.
    width : int
        Sites of each well along x (and of the whole along y).
    separation : int
        Sites between the wells.
    barrier : float
        Potential between the wells.
    units : str
        Label of the energy unit.

    Raises
    ------
    ValueError
        Wrong shape, or wells that do not fit.

    Examples
    --------
    >>> double_well(7, 1.0, 2, 1, barrier=3.0).values.tolist()
    [0.0, -1.0, -1.0, 3.0, -1.0, -1.0, 0.0]
    """
    sides = _lattice(shape)
    width = check_whole("width", width, 1)
    separation = check_whole("separation", separation, 1)
    depth, barrier = (
        float(_parameter(name, value, None))
        for name, value in {"depth": depth, "barrier": barrier}.items()
    )
    total = 2 * width + separation
    if total > sides[0] or width > sides[-1]:
        raise ValueError(
            f"two wells of width={width} sites, {separation} apart, on {sides} sites; give widths "
            "of at least 1 that fit"
        )
    across = (width,) * (len(sides) - 1)
    centre = _centre(None, sides)
    whole = _inside(sides, np.array([total, *across]), centre)
    middle = _inside(sides, np.array([separation, *across]), centre)
    values = np.where(middle, barrier, np.where(whole, -depth, 0.0))
    parameters = {"depth": depth, "width": width, "separation": separation, "barrier": barrier}
    return _label(values.astype(np.float64), sides, "double_well", units, **parameters)


def harmonic_trap(
    shape: Shape, curvature: float, *, centre: Any = None, units: str = "J"
) -> xr.DataArray:
    """``curvature r^2 / 2`` with r the distance in sites from `centre` (default: the middle).

    Raises
    ------
    ValueError
        Wrong shape or centre, a curvature that is not finite.

    Examples
    --------
    >>> harmonic_trap(3, 2.0).values.tolist()
    [1.0, 0.0, 1.0]
    """
    sides = _lattice(shape)
    strength = float(_parameter("curvature", curvature, None))
    middle = _centre(centre, sides)
    axes = np.meshgrid(
        *(np.arange(n) - c for n, c in zip(sides, middle, strict=True)), indexing="ij"
    )
    values = 0.5 * strength * sum(axis**2 for axis in axes)
    return _label(values, sides, "harmonic_trap", units, curvature=strength)


def linear_tilt(shape: Shape, slope: float, axis: str = "x", *, units: str = "J") -> xr.DataArray:
    """A potential that rises by `slope` a site along `axis`, zero on average.

    Raises
    ------
    ValueError
        Wrong shape, an axis the lattice does not have, a slope that is not finite.

    Examples
    --------
    >>> linear_tilt(3, 0.5).values.tolist()
    [-0.5, 0.0, 0.5]
    """
    sides = _lattice(shape)
    names = ("x", "y")[: len(sides)]
    if axis not in names:
        raise ValueError(f"axis={axis!r}; choose one of {', '.join(map(repr, names))}")
    steep = float(_parameter("slope", slope, None))
    which = names.index(axis)
    line = steep * (np.arange(sides[which]) - (sides[which] - 1) / 2)
    line = line.reshape((-1,) + (1,) * (len(sides) - which - 1))
    values = np.broadcast_to(line, sides).copy()
    return _label(values, sides, "linear_tilt", units, slope=steep, axis=axis)
