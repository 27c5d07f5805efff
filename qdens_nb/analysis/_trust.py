"""How far a network can be trusted: distance to what it was trained on, and its error bars."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from qdens_nb.datasets._chain_recipe import ChainRecipe, draw_problems


def training_potentials(recipe: ChainRecipe, sites: int, *, seed: int) -> np.ndarray:
    """The random potentials that `datasets.generate` solves, without solving them.

    Parameters
    ----------
    recipe : ChainRecipe
        As from `datasets.read_recipe`.
    sites : int
        Only potentials of that many sites.
    seed : int
        Seed of the data set.

    Returns
    -------
    (n, sites) array, in J

    Raises
    ------
    ValueError
        The recipe holds no such size.

    Examples
    --------
    >>> from qdens_nb import datasets
    >>> training_potentials(datasets.read_recipe("chain", {"sites": {8: 3}}), 8, seed=0).shape
    (3, 8)
    """
    drawn = []
    for shard, (size, count) in enumerate(recipe.shards()):
        if size == sites:
            rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(shard,)))
            drawn.append(draw_problems(recipe, size, count, rng)[0])
    if not drawn:
        raise ValueError(f"the recipe holds no L={sites}, only {sorted(recipe.sites)}")
    return np.concatenate(drawn)


def nearest_distance(wells: Any, training: Any) -> xr.DataArray:
    """Distance of potentials to the nearest of a training set, up to shifts and reflections.

    The distance is the root mean square over the sites of the difference of two potentials after
    the mean of each is removed, in J. A shift of all of the potential is a change of mu, so this
    is a lower bound to the distance of what a network sees.

    Parameters
    ----------
    wells : (n, L) or (L,) array
        Potentials.
    training : (m, L) array
        Potentials trained on, of the same number of sites.

    Returns
    -------
    DataArray, dims ("sample",)

    Raises
    ------
    ValueError
        Different numbers of sites, or no training potential.

    Examples
    --------
    >>> import numpy as np
    >>> noise = np.random.default_rng(0).normal(size=(5, 12))
    >>> moved = np.roll(noise[3][::-1], 4) + 0.7
    >>> bool(nearest_distance(moved, noise) < 1e-6)
    True
    """
    first = np.atleast_2d(np.asarray(wells, dtype=np.float64))
    second = np.atleast_2d(np.asarray(training, dtype=np.float64))
    if first.shape[1] != second.shape[1] or not second.size:
        raise ValueError(
            f"potentials of shape {first.shape} and training set of shape {second.shape}; give "
            "arrays (n, L) and (m, L) with the same L and m > 0"
        )
    sites = first.shape[1]
    first = first - first.mean(1, keepdims=True)
    second = second - second.mean(1, keepdims=True)
    spectrum = np.fft.rfft(second)
    squares = (second**2).sum(1)
    nearest = np.empty(len(first))
    for i, potential in enumerate(first):
        transform = np.fft.rfft(potential)
        overlap = np.maximum(
            np.fft.irfft(transform * spectrum.conj(), sites).max(1),
            np.fft.irfft(transform * spectrum, sites).max(1),
        )
        nearest[i] = max(0.0, ((potential**2).sum() + squares - 2 * overlap).min())
    return xr.DataArray(
        np.sqrt(nearest / sites),
        dims="sample",
        name="nearest_distance",
        attrs={"units": "J", "long_name": "distance to the nearest training potential"},
    )


def reliability(error: Any, stderr: Any, bins: int = 10) -> xr.Dataset:
    """Compare errors with the standard errors that a predictor gave for them.

    Parameters
    ----------
    error, stderr : arrays of the same shape
        Prediction minus truth, and the predictor's own standard error.
    bins : int
        Bins with equal numbers of values, sorted by `stderr`.

    Returns
    -------
    Dataset, dims ("bin",)
        ``predicted`` (root mean square stderr), ``observed`` (root mean square error), ``inside``
        (part of the errors within one stderr; 0.68 for a Gaussian) and ``count``.

    Raises
    ------
    ValueError
        Different shapes, negative or unknown standard errors, too few values.
    """
    errors = np.asarray(error, dtype=np.float64)
    sizes = np.asarray(stderr, dtype=np.float64)
    if errors.shape != sizes.shape:
        raise ValueError(f"error {errors.shape} and stderr {sizes.shape} differ in shape")
    if errors.size < bins or bins < 1:
        raise ValueError(f"{errors.size} values for bins={bins}; give at least one value a bin")
    if not (sizes >= 0).all():
        raise ValueError("stderr holds negative values or NaN")
    order = np.argsort(sizes, axis=None)
    parts = np.array_split(order, bins)
    error_parts = [errors.flat[part] for part in parts]
    size_parts = [sizes.flat[part] for part in parts]
    return xr.Dataset(
        {
            "predicted": ("bin", [np.sqrt(np.mean(s**2)) for s in size_parts]),
            "observed": ("bin", [np.sqrt(np.mean(e**2)) for e in error_parts]),
            "inside": (
                "bin",
                [np.mean(np.abs(e) <= s) for e, s in zip(error_parts, size_parts, strict=True)],
            ),
            "count": ("bin", [len(part) for part in parts]),
        }
    )
