"""Errors of maps: norms, structural similarity, explained variance, displaced charge.

A set of maps is an array (..., x, y); every function but `r2_maps` gives one number for each map.
Definitions are those of Pantis-Simut et al. (pix2pix for quantum dots), equations 11 to 16, and of
Wang et al., IEEE Trans. Image Process. 13, 600 (2004) for the structural similarity.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr


def _maps(prediction: Any, reference: Any) -> tuple[np.ndarray, np.ndarray]:
    first, second = (np.asarray(a, dtype=np.float64) for a in (prediction, reference))
    if first.shape != second.shape or first.ndim < 2 or first.size == 0:
        raise ValueError(
            f"the prediction has shape {first.shape}, the reference {second.shape}; they must be "
            "the same, (..., x, y), and not empty"
        )
    for name, values in (("prediction", first), ("reference", second)):
        bad = int((~np.isfinite(values)).sum())
        if bad:
            raise ValueError(f"the {name} holds {bad} value(s) that are NaN or infinite")
    return first, second


def r2_maps(prediction: Any, reference: Any, mean_map: Any) -> float:
    """Explained variance of a set of maps against one map, the mean of the training set.

    ``1 - sum_i |reference_i - prediction_i|^2 / sum_i |reference_i - mean_map|^2``

    Parameters
    ----------
    prediction, reference : array, (..., x, y)
    mean_map : array, (x, y)

    Raises
    ------
    ValueError
        Shapes that do not fit, values that are not finite, references equal to `mean_map`.

    Examples
    --------
    >>> r2_maps([[[1.0, 2.0]]], [[[1.0, 4.0]]], [[1.0, 0.0]])
    0.75
    """
    predicted, exact = _maps(prediction, reference)
    mean = np.asarray(mean_map, dtype=np.float64)
    if mean.shape != exact.shape[-2:]:
        raise ValueError(f"mean_map has shape {mean.shape}; the maps have {exact.shape[-2:]}")
    spread = np.square(exact - mean).sum()
    if spread == 0:
        raise ValueError("every reference equals mean_map; R2 is not defined")
    return float(1.0 - np.square(exact - predicted).sum() / spread)


def map_norms(prediction: Any, reference: Any) -> dict[str, np.ndarray]:
    """Mean absolute, root-mean-square and largest difference of each map, in its unit.

    Returns
    -------
    dict
        ``l1``, ``l2``, ``linf``, each of the leading shape; the first two are the norms divided by
        the number of points and by its root.

    Raises
    ------
    ValueError
        Shapes that do not fit, values that are not finite.
    """
    predicted, exact = _maps(prediction, reference)
    error = np.abs(predicted - exact)
    return {
        "l1": error.mean((-2, -1)),
        "l2": np.sqrt(np.square(error).mean((-2, -1))),
        "linf": error.max((-2, -1)),
    }


def _window_means(values: np.ndarray, window: int) -> np.ndarray:
    """Means over all squares of `window` points a side inside each map."""
    summed = np.zeros((*values.shape[:-2], values.shape[-2] + 1, values.shape[-1] + 1))
    summed[..., 1:, 1:] = values.cumsum(-2).cumsum(-1)
    rows = summed[..., window:, :] - summed[..., :-window, :]
    return (rows[..., window:] - rows[..., :-window]) / window**2


def _similarity(
    predicted: np.ndarray, exact: np.ndarray, window: int | None, data_range: float
) -> np.ndarray:
    if not data_range > 0:
        raise ValueError(f"data_range={data_range!r}; give the extent of the values, above 0")
    sides = exact.shape[-2:]
    if window is not None and not 2 <= window <= min(sides):
        raise ValueError(f"window={window}; give 2 to {min(sides)}, the side of the map")
    # a common shift changes no variance; it keeps their differences of sums exact
    shift = exact.mean((-2, -1), keepdims=True)
    a, b = predicted - shift, exact - shift

    def mean(values: np.ndarray) -> np.ndarray:
        if window is None:
            return values.mean((-2, -1), keepdims=True)
        return _window_means(values, window)

    count = sides[0] * sides[1] if window is None else window**2
    unbiased = count / (count - 1)
    mean_a, mean_b = mean(a), mean(b)
    var_a = unbiased * (mean(a * a) - mean_a**2)
    var_b = unbiased * (mean(b * b) - mean_b**2)
    covariance = unbiased * (mean(a * b) - mean_a * mean_b)
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    mean_a, mean_b = mean_a + shift, mean_b + shift
    luminance = (2 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1)
    structure = (2 * covariance + c2) / (var_a + var_b + c2)
    return (luminance * structure).mean((-2, -1))


def ssim(prediction: Any, reference: Any, *, data_range: float) -> np.ndarray:
    """Structural similarity of whole maps: one window that holds all points.

    Parameters
    ----------
    prediction, reference : array, (..., x, y)
    data_range : float
        Extent of the values, as 255 for images of 8 bit; it scales the constants
        ``(0.01 data_range)^2`` and ``(0.03 data_range)^2``, so it has to be said.

    Returns
    -------
    array of the leading shape
        1 for equal maps, in [-1, 1]. Variances are unbiased ones.

    Raises
    ------
    ValueError
        Shapes that do not fit, values that are not finite, a range that is not positive.

    Examples
    --------
    >>> float(ssim([[0.0, 1.0]], [[0.0, 1.0]], data_range=1.0))
    1.0
    """
    predicted, exact = _maps(prediction, reference)
    return _similarity(predicted, exact, None, data_range)


def mssim(prediction: Any, reference: Any, *, data_range: float, window: int = 8) -> np.ndarray:
    """Mean structural similarity over all square windows inside the maps, uniformly weighted.

    Parameters
    ----------
    prediction, reference, data_range
        As for `ssim`.
    window : int
        Side of the windows in points; the paper's is 8.

    Returns
    -------
    array of the leading shape

    Raises
    ------
    ValueError
        As for `ssim`, and a window that does not fit into the map.
    """
    predicted, exact = _maps(prediction, reference)
    return _similarity(predicted, exact, window, data_range)


def displaced_charge(prediction: Any, reference: Any, *, size: float) -> np.ndarray:
    """Electrons that have to be moved to turn one density into the other.

    ``(1/2) integral |prediction - reference|``; where the totals differ, half of that counts too.

    Parameters
    ----------
    prediction, reference : array, (..., x, y)
        Densities in 1/nm^2 on the midpoints of a square grid.
    size : float
        Side of the square in nm.

    Returns
    -------
    array of the leading shape, in electrons
    """
    predicted, exact = _maps(prediction, reference)
    return 0.5 * size**2 * np.abs(predicted - exact).mean((-2, -1))


def charge_error(prediction: Any, *, size: float, electrons: float = 2.0) -> np.ndarray:
    """Difference of the total charge of a density from the right one, ``|integral - electrons|``.

    Parameters
    ----------
    prediction, size
        As for `displaced_charge`.
    electrons : float
        The right one.

    Returns
    -------
    array of the leading shape, in electrons
    """
    density, _ = _maps(prediction, prediction)
    return np.abs(size**2 * density.mean((-2, -1)) - electrons)


def map_scores(
    prediction: xr.Dataset,
    reference: xr.Dataset,
    name: str = "density",
    *,
    mean_map: Any,
    data_range: float | None = None,
    window: int = 8,
) -> xr.Dataset:
    """All errors of one kind of map, sample by sample, as the paper tabulates them.

    Parameters
    ----------
    prediction, reference : Dataset
        With `name`, dims ([sample,] x, y), in the same order.
    name : str
        ``"density"``, ``"density_free"`` or ``"potential"``.
    mean_map : array or DataArray, (x, y)
        Mean of the training set.
    data_range : float, optional
        For `ssim` and `mssim`; default the extent of all values of the reference.
    window : int
        For `mssim`.

    Returns
    -------
    Dataset
        ``l1``, ``l2``, ``linf`` (unit of the map), ``ssim``, ``mssim``, and for densities
        ``charge_displaced`` and ``charge_error`` (electrons), with the dim sample if there is one;
        ``r2`` of all samples together. The attribute ``data_range`` says which it was.

    Raises
    ------
    ValueError
        A Dataset without `name`, and what the single functions refuse.

    Examples
    --------
    >>> import numpy as np
    >>> density = xr.DataArray(np.eye(8) / 4.5, dims=("x", "y"))
    >>> data = xr.Dataset({"density": density}, attrs={"size_nm": 30.0})
    >>> scores = map_scores(data, data, mean_map=np.zeros((8, 8)))
    >>> float(scores["r2"]), float(scores["charge_displaced"])
    (1.0, 0.0)
    """
    for what, data in (("prediction", prediction), ("reference", reference)):
        if name not in data:
            raise ValueError(f"the {what} holds no {name!r}; it has {sorted(map(str, data))}")
    exact = reference[name].transpose(..., "x", "y")
    predicted = prediction[name].transpose(..., "x", "y").values
    dims = exact.dims[:-2]
    unit = exact.attrs.get("units", "")
    extent = float(exact.max() - exact.min()) if data_range is None else data_range
    values: dict[str, tuple[Any, str, str]] = {}
    norms = map_norms(predicted, exact.values)
    words = ("mean absolute difference", "root-mean-square difference", "largest difference")
    for (key, value), text in zip(norms.items(), words, strict=True):
        values[key] = (value, unit, text)
    similarity = ssim(predicted, exact.values, data_range=extent)
    values["ssim"] = (similarity, "1", "structural similarity of the whole map")
    local = mssim(predicted, exact.values, data_range=extent, window=window)
    values["mssim"] = (local, "1", f"mean structural similarity in {window} x {window} windows")
    if name != "potential":
        size = float(reference.attrs.get("size_nm", 30.0))
        moved = displaced_charge(predicted, exact.values, size=size)
        values["charge_displaced"] = (moved, "electrons", "half the integral of |difference|")
        wrong = charge_error(predicted, size=size)
        values["charge_error"] = (wrong, "electrons", "|total charge - 2|")
    out = xr.Dataset(
        {k: (dims, v, {"units": u, "long_name": text}) for k, (v, u, text) in values.items()},
        attrs={"map": name, "data_range": extent},
    )
    mean = mean_map.transpose("x", "y").values if isinstance(mean_map, xr.DataArray) else mean_map
    out["r2"] = r2_maps(predicted, exact.values, mean)
    out["r2"].attrs.update(units="1", long_name="R2 against the mean training map")
    return out
