"""Confinement of quantum dots: flat wells (0) in a step of given height (eV), on a square grid.

Positions and lengths are in units of the side L of the square; a point of the grid belongs to a
well if its midpoint does.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

Seed = int | np.random.Generator | np.random.SeedSequence


def _midpoints(points: Any) -> np.ndarray:
    if isinstance(points, bool) or not isinstance(points, int | np.integer) or points < 4:
        raise ValueError(f"points={points!r}; give a whole number of at least 4")
    return (np.arange(points) + 0.5) / points


def _fraction(name: str, value: Any, low: float = 0.0, high: float = 1.0) -> float:
    number = float(value)
    if not low < number <= high:
        raise ValueError(f"{name}={value!r}; give a number above {low:g} and up to {high:g}")
    return number


def _walls(mask: np.ndarray, step: Any, kind: str, **parameters: Any) -> xr.DataArray:
    height = np.asarray(step, dtype=np.float64)
    samples = len(mask) if mask.ndim == 3 else None
    if not np.isfinite(height).all() or (height <= 0).any():
        raise ValueError(f"step={step!r}; give a positive height in eV")
    if height.ndim and height.shape != (samples,):
        raise ValueError(
            f"step has shape {height.shape} for samples={samples}; give one height, or one per "
            "sample"
        )
    dims = ("sample", "x", "y")[-mask.ndim :]
    values = np.where(mask, 0.0, height.reshape((*height.shape, 1, 1)))
    attrs = {"units": "eV", "kind": kind} | parameters
    coords = {"step": ("sample", height)} if height.ndim else {}
    if not height.ndim:
        attrs["step"] = float(height)
    return xr.DataArray(values, dims=dims, coords=coords, attrs=attrs, name="potential")


def quantum_well_cluster(
    points: int = 64,
    *,
    wells: int = 25,
    radius: tuple[float, float] = (1 / 16, 1 / 8),
    overlap: float = 0.75,
    largest_area: float = 0.8,
    step: Any = 0.5,
    samples: int | None = None,
    seed: Seed,
) -> xr.DataArray:
    """Random connected cluster of circular wells.

    A well with uniform centre and radius is added if it overlaps with the cluster so far, but by no
    more than `overlap` of its area; else it is drawn again. A cluster that covers more than
    `largest_area` of the square is discarded. The part of a well beyond the square is cut off.

    Parameters
    ----------
    points : int
        Points of the grid in each direction.
    wells : int
        Number of wells.
    radius : (float, float)
        Smallest and largest radius in units of the side of the square.
    overlap, largest_area : float
        Largest part of a new well that lies in the cluster already; of the square that is covered.
    step : float or (samples,) array
        Height of the step around the wells in eV.
    samples : int, optional
        Number of potentials along a leading ``sample`` dim; the first ones do not depend on it.
    seed : int, Generator or SeedSequence
        Random seed.

    Raises
    ------
    ValueError
        Numbers out of range, or wells that cannot be placed.

    References
    ----------
    Pantis-Simut et al., pix2pix paper, section II.

    Examples
    --------
    >>> dot = quantum_well_cluster(seed=1)
    >>> dot.sizes["x"], float(dot.min()), float(dot.max())
    (64, 0.0, 0.5)
    """
    grid = _midpoints(points)
    if int(wells) != wells or wells < 1:
        raise ValueError(f"wells={wells!r}; give a whole number of at least 1")
    small, large = (float(r) for r in radius)
    if not 0 < small <= large <= 0.5:
        raise ValueError(f"radius={radius!r}; give two numbers, 0 < smallest <= largest <= 0.5")
    overlap, largest_area = _fraction("overlap", overlap), _fraction("largest_area", largest_area)
    if samples is not None and (int(samples) != samples or samples < 1):
        raise ValueError(f"samples={samples!r}; give a whole number of at least 1, or None")
    rng = np.random.default_rng(seed)
    masks = [
        _cluster(grid, int(wells), small, large, overlap, largest_area, rng)
        for _ in range(samples or 1)
    ]
    stack = np.stack(masks) if samples is not None else masks[0]
    return _walls(stack, step, "quantum_well_cluster", wells=int(wells))


def _cluster(
    grid: np.ndarray,
    wells: int,
    small: float,
    large: float,
    overlap: float,
    largest_area: float,
    rng: np.random.Generator,
) -> np.ndarray:
    """One cluster as a mask (points, points)."""
    for _ in range(20):
        inside, placed = place_wells(grid, wells, small, large, overlap, rng)
        if len(placed) == wells and inside.mean() <= largest_area:
            return inside
    raise ValueError(
        f"{wells} wells of radius {small:g} to {large:g} find no place within {largest_area:g} of "
        "the square; give fewer or smaller wells, or more overlap"
    )


def place_wells(
    grid: np.ndarray,
    wells: int,
    small: float,
    large: float,
    overlap: float,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """One attempt at a cluster: its mask and its wells (n, 3), x, y and radius, in their order."""
    inside = np.zeros((len(grid), len(grid)), dtype=bool)
    placed: list[tuple[float, float, float]] = []
    tried = 0
    while len(placed) < wells and tried < 50 * wells:
        x, y, r = rng.random(), rng.random(), rng.uniform(small, large)
        tried += 1
        rows, columns, disc = well_points(grid, x, y, r)
        area, common = int(disc.sum()), int((disc & inside[rows, columns]).sum())
        if area and (not placed or 0 < common <= overlap * area):
            inside[rows, columns] |= disc
            placed.append((x, y, r))
    return inside, np.array(placed).reshape(-1, 3)


def well_points(grid: np.ndarray, x: float, y: float, r: float) -> tuple[slice, slice, np.ndarray]:
    """Rows and columns around a well, and which of their points are in it."""
    rows = slice(*np.searchsorted(grid, (x - r, x + r)))
    columns = slice(*np.searchsorted(grid, (y - r, y + r)))
    return rows, columns, (grid[rows, None] - x) ** 2 + (grid[None, columns] - y) ** 2 < r * r


def double_dot(
    points: int = 64,
    *,
    radius: float = 0.17,
    distance: float = 0.42,
    channel: float = 0.06,
    step: float = 0.5,
) -> xr.DataArray:
    """Two circular wells side by side along x, joined by a channel of the width `channel`.

    Lengths in units of the side of the square.

    Raises
    ------
    ValueError
        Lengths that are not positive (channel: negative), or wells beyond the square.

    Examples
    --------
    >>> bool((double_dot().values == double_dot().values[::-1]).all())
    True
    """
    grid = _midpoints(points) - 0.5
    radius, distance = _fraction("radius", radius, 0, 0.5), _fraction("distance", distance)
    if channel < 0 or distance / 2 + radius > 0.5:
        raise ValueError(
            f"radius={radius:g}, distance={distance:g}, channel={channel:g}; the wells must lie in "
            "the square: distance / 2 + radius <= 0.5, channel >= 0"
        )
    x, y = grid[:, None], grid[None]
    wells = (np.abs(x) - distance / 2) ** 2 + y**2 < radius**2
    wells |= (np.abs(x) < distance / 2) & (np.abs(y) < channel / 2)
    return _walls(wells, step, "double_dot", radius=radius, distance=distance, channel=channel)


def ring_dot(
    points: int = 64, *, radius: float = 0.3, width: float = 0.12, step: float = 0.5
) -> xr.DataArray:
    """A ring of the mean radius `radius`; lengths in units of the side of the square.

    Raises
    ------
    ValueError
        Lengths that are not positive, or a ring beyond the square.

    Examples
    --------
    >>> float(ring_dot()[32, 32])
    0.5
    """
    grid = _midpoints(points) - 0.5
    radius, width = _fraction("radius", radius, 0, 0.5), _fraction("width", width)
    if radius + width / 2 > 0.5:
        raise ValueError(f"radius={radius:g}, width={width:g}; radius + width / 2 must be <= 0.5")
    distance = np.hypot(grid[:, None], grid[None])
    return _walls(
        np.abs(distance - radius) < width / 2, step, "ring_dot", radius=radius, width=width
    )


def cross_dot(
    points: int = 64, *, length: float = 0.8, width: float = 0.16, step: float = 0.5
) -> xr.DataArray:
    """Two crossing bars of the length `length`; lengths in units of the side of the square.

    Raises
    ------
    ValueError
        Lengths that are not positive or above 1.

    Examples
    --------
    >>> float(cross_dot()[32, 32]), float(cross_dot()[16, 16])
    (0.0, 0.5)
    """
    grid = np.abs(_midpoints(points) - 0.5)
    length, width = _fraction("length", length), _fraction("width", width)
    bar = (grid[:, None] < length / 2) & (grid[None] < width / 2)
    return _walls(bar | bar.T, step, "cross_dot", length=length, width=width)


def dot_from_mask(mask: Any, *, step: float = 0.5) -> xr.DataArray:
    """A dot drawn by hand.

    Parameters
    ----------
    mask : (points, points) array, or with a leading sample axis
        True (or non-zero) in the wells.
    step : float
        Height of the step around the wells in eV.

    Raises
    ------
    ValueError
        A mask that is not square, or has no well.

    Examples
    --------
    >>> dot_from_mask(np.eye(4)).values[0].tolist()
    [0.0, 0.5, 0.5, 0.5]
    """
    wells = np.asarray(mask)
    if wells.ndim not in (2, 3) or wells.shape[-1] != wells.shape[-2]:
        raise ValueError(f"mask has shape {wells.shape}; give (points, points)")
    wells = wells != 0
    if not wells.any((-1, -2)).all():
        raise ValueError("the mask has no well: give one with at least one non-zero point")
    return _walls(wells, step, "dot_from_mask")


def designed_dots(points: int = 64, *, samples: int, step: Any = 0.5, seed: Seed) -> xr.DataArray:
    """Double dots, rings, crosses and polygons in turn, of random size, place and angle.

    They are unlike `quantum_well_cluster`, to test what was learnt from that.

    Parameters
    ----------
    points, step, seed : as in `quantum_well_cluster`
    samples : int
        Number of dots along the leading ``sample`` dim.

    Returns
    -------
    DataArray
        With the coordinate ``outline`` along ``sample``.

    Raises
    ------
    ValueError
        Numbers out of range.

    Examples
    --------
    >>> designed_dots(samples=4, seed=0).outline.values.tolist()
    ['double', 'ring', 'cross', 'polygon']
    """
    grid = _midpoints(points) - 0.5
    if int(samples) != samples or samples < 1:
        raise ValueError(f"samples={samples!r}; give a whole number of at least 1")
    rng = np.random.default_rng(seed)
    makers = (_random_double, _random_ring, _random_cross, _random_polygon)
    masks: list[np.ndarray] = []
    names: list[str] = []
    while len(masks) < samples:
        name, maker = _SHAPES[len(masks) % len(makers)], makers[len(masks) % len(makers)]
        angle, shift = rng.uniform(0, 2 * np.pi), rng.uniform(-0.08, 0.08, 2)
        x, y = grid[:, None] - shift[0], grid[None] - shift[1]
        turned = np.cos(angle) * x + np.sin(angle) * y, np.cos(angle) * y - np.sin(angle) * x
        mask = maker(*turned, rng)
        if mask.mean() > 0.04:
            masks.append(mask)
            names.append(name)
    return _walls(np.stack(masks), step, "designed_dots").assign_coords(outline=("sample", names))


_SHAPES = ("double", "ring", "cross", "polygon")


def _random_double(x: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    radii, distance = rng.uniform(0.09, 0.19, 2), rng.uniform(0.25, 0.5)
    wells = (x - distance / 2) ** 2 + y**2 < radii[0] ** 2
    wells |= (x + distance / 2) ** 2 + y**2 < radii[1] ** 2
    return wells | ((np.abs(x) < distance / 2) & (np.abs(y) < rng.uniform(0.0, 0.06)))


def _random_ring(x: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    distance = np.hypot(x, y * rng.uniform(1.0, 1.6))
    return np.abs(distance - rng.uniform(0.2, 0.34)) < rng.uniform(0.05, 0.1)


def _random_cross(x: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    lengths, widths = rng.uniform(0.2, 0.45, 2), rng.uniform(0.05, 0.12, 2)
    return ((np.abs(x) < lengths[0]) & (np.abs(y) < widths[0])) | (
        (np.abs(y) < lengths[1]) & (np.abs(x) < widths[1])
    )


def _random_polygon(x: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    corners, radius = int(rng.integers(3, 7)), rng.uniform(0.2, 0.36)
    angles = 2 * np.pi * np.arange(corners) / corners
    edges = [np.cos(a) * x + np.sin(a) * y for a in angles]
    return np.max(edges, axis=0) < radius * np.cos(np.pi / corners) * rng.uniform(0.7, 1.0)
