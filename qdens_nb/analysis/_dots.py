"""Quantum dots: the most similar known dot, as a prediction that needs no network."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

_ELEMENTS = range(8)  # turns by quarters, then the same of the mirrored map


def nearest_dots(data: xr.Dataset, known: xr.Dataset, by: str = "potential") -> xr.Dataset:
    """For each dot the known one whose map is the closest, turned and mirrored to fit best.

    Parameters
    ----------
    data, known : Dataset, dims (sample, x, y)
        Both with the map `by`.
    by : str
        What is compared, by the mean squared difference.

    Returns
    -------
    Dataset
        The maps of `known` that were chosen, moved, along the ``sample`` of `data`; ``chosen``,
        their index; and ``distance``, the root-mean-square difference of `by`.

    Raises
    ------
    ValueError
        No such map, or other grids.

    Examples
    --------
    >>> import qdens_nb as qd
    >>> dots = qd.quantum_dot(qd.potentials.quantum_well_cluster(samples=3, seed=1))
    >>> mirrored = dots.isel(x=slice(None, None, -1)).assign_coords(x=dots.x)
    >>> found = nearest_dots(mirrored, dots)
    >>> found.chosen.values.tolist(), float(found.distance.max())
    ([0, 1, 2], 0.0)
    """
    for what, dataset in (("data", data), ("known", known)):
        if by not in dataset or set(dataset[by].dims) != {"sample", "x", "y"}:
            raise ValueError(f"{what} needs {by!r} with the dims ('sample', 'x', 'y')")
    wanted, there = (d[by].transpose("sample", "x", "y").values for d in (data, known))
    if wanted.shape[1:] != there.shape[1:]:
        raise ValueError(f"the grids differ: {wanted.shape[1:]} and {there.shape[1:]}")
    flat = np.asarray(there, dtype=np.float32).reshape(len(there), -1)
    moved = np.stack([_move(np.asarray(wanted, dtype=np.float32), e) for e in _ELEMENTS])
    overlap = moved.reshape(len(_ELEMENTS), len(wanted), -1) @ flat.T
    score = np.square(flat).sum(1) - 2 * overlap
    chosen = score.min(0).argmin(1)
    element = score[:, np.arange(len(wanted)), chosen].argmin(0)
    out = data.drop_vars([name for name in data.data_vars if "x" in data[name].dims])
    for name in map(str, known.data_vars):
        if set(known[name].dims) == {"sample", "x", "y"}:
            maps = known[name].transpose("sample", "x", "y").values[chosen]
            back = [_move(m, e, undo=True) for m, e in zip(maps, element, strict=True)]
            out[name] = (("sample", "x", "y"), np.stack(back), known[name].attrs)
    distance = np.sqrt(np.square(out[by].values - wanted).mean((1, 2)))
    out["chosen"] = ("sample", chosen, {"long_name": "index of the nearest known dot"})
    units: dict[str, Any] = {"units": data[by].attrs.get("units", "1")}
    out["distance"] = ("sample", distance, units | {"long_name": f"rms difference of {by}"})
    return out


def _move(maps: np.ndarray, element: int, *, undo: bool = False) -> np.ndarray:
    """Turn (..., x, y) by quarters, and mirror it first for elements 4 to 7."""
    quarters = element % 4
    if undo:
        turned = np.rot90(maps, -quarters, (-2, -1))
        return turned[..., ::-1, :] if element >= 4 else turned
    mirrored = maps[..., ::-1, :] if element >= 4 else maps
    return np.rot90(mirrored, quarters, (-2, -1))
