"""Errors of solvers and networks against Monte Carlo, whose own noise is told apart from them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import xarray as xr

from qdens_nb.analysis._bose import checkerboard_sector, staggered_density
from qdens_nb.metrics import calibration

#: what is compared, where both sides hold it
COMPARED = ("density", "density_squared", "density_correlation", "coherence")


def error_scores(prediction: Any, reference: Any, stderr: Any) -> dict[str, float]:
    r"""Mean errors against a noisy reference, with and without the reference's noise.

    The difference d of the two is the prediction's error e plus the reference's noise, independent
    and Gaussian of the standard error :math:`\sigma`. Its mean square is exactly the sum of both.
    For the mean of abs(e) only bounds hold without more knowledge: it is at most that of d, and at
    least that less :math:`E|noise| = \sqrt{2/\pi}\,\sigma`. Between them lies the value from
    squares, :math:`\sqrt{E|d|^2 - E|noise|^2}`, exact for Gaussian errors of one size and rather
    too large for others.

    Parameters
    ----------
    prediction, reference, stderr : arrays of the same shape
        `stderr` is that of the reference.

    Returns
    -------
    dict
        ``mae`` with the noise (an upper bound), ``noise``, ``mae_after_noise`` by squares,
        ``mae_at_least``, ``rmse`` with the noise, and ``rmse_after_noise``.

    Raises
    ------
    ValueError
        Shapes that differ, NaN, a negative standard error.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> exact, sigma = rng.uniform(size=10_000), 0.03
    >>> wrong = exact + 0.04 * rng.normal(size=exact.size)
    >>> noisy = exact + sigma * rng.normal(size=exact.size)
    >>> found = error_scores(wrong, noisy, np.full(exact.size, sigma))
    >>> round(found["rmse"], 2), round(found["rmse_after_noise"], 2)
    (0.05, 0.04)
    """
    a, b, s = (np.asarray(v, dtype=np.float64) for v in (prediction, reference, stderr))
    if a.shape != b.shape or b.shape != s.shape or not a.size:
        raise ValueError(
            f"prediction {a.shape}, reference {b.shape} and stderr {s.shape} differ in shape, or "
            "are empty"
        )
    if not np.isfinite(a + b + s).all() or (s < 0).any():
        raise ValueError("NaN, or a negative standard error; leave those samples out")
    difference = np.abs(a - b)
    mae, noise = difference.mean(), np.sqrt(2.0 / np.pi) * s.mean()
    square, noise_square = np.mean(difference**2), np.mean(s**2)
    return {
        "mae": float(mae),
        "noise": float(noise),
        "mae_after_noise": float(np.sqrt(max(mae**2 - noise**2, 0.0))),
        "mae_at_least": float(max(mae - noise, 0.0)),
        "rmse": float(np.sqrt(square)),
        "rmse_after_noise": float(np.sqrt(max(square - noise_square, 0.0))),
    }


def hopping_ranges(U: Any, edges: Sequence[float] = (0.15,)) -> dict[str, np.ndarray]:
    """Masks of all samples and of those in each range of 4t/U, by label; empty ranges left out.

    Examples
    --------
    >>> {label: mask.tolist() for label, mask in hopping_ranges([80.0, 20.0]).items()}
    {'all': [True, True], '< 0.15': [True, False], '>= 0.15': [False, True]}
    """
    x = 4.0 / np.atleast_1d(np.asarray(U, dtype=np.float64))
    out = {"all": np.ones(x.size, dtype=bool)}
    for low, high in pairwise((0.0, *edges, np.inf)):
        label = f"< {high:g}" if low == 0 else f">= {low:g}" if np.isinf(high) else None
        out[label or f"{low:g} to {high:g}"] = (x >= low) & (x < high)
    return {label: mask for label, mask in out.items() if mask.any()}


def scores_by_hopping(
    prediction: xr.Dataset, reference: xr.Dataset, edges: Sequence[float] = (0.15,)
) -> dict[str, dict[str, dict[str, float]]]:
    """`error_scores` of every observable in each range of 4t/U.

    Parameters
    ----------
    prediction : Dataset
        Answer of a solver or network to the problems of `reference`.
    reference : Dataset, dims (sample, x, y)
        From `solvers.worm`: observables with their standard errors.
    edges : sequence of float
        Where the ranges of 4t/U meet.

    Returns
    -------
    dict
        range -> observable -> scores; the range ``"all"`` holds every sample.

    Raises
    ------
    ValueError
        No observable with a standard error that both hold.
    """
    names = [
        n for n in COMPARED if n in prediction and n in reference and f"{n}_stderr" in reference
    ]
    if not names:
        raise ValueError(
            f"nothing to compare: {', '.join(COMPARED)} with standard errors are looked for"
        )
    out: dict[str, dict[str, dict[str, float]]] = {}
    for label, mask in hopping_ranges(reference["U"], edges).items():
        out[label] = {}
        for name in names:
            dims = ("sample", *(d for d in reference[name].dims if d != "sample"))
            arrays = [
                data.transpose(*dims).values[mask]
                for data in (prediction[name], reference[name], reference[f"{name}_stderr"])
            ]
            out[label][name] = error_scores(*arrays)
    return out


def sector_differs(
    prediction: xr.Dataset, reference: xr.Dataset, *, ordered: float = 0.1
) -> np.ndarray:
    """Whether the sector of the prediction is the other one, of samples that have a checkerboard.

    Parameters
    ----------
    prediction, reference : Dataset
        With a density.
    ordered : float
        Samples whose reference has a smaller abs(staggered density) are left out.

    Returns
    -------
    (n,) array of bool
    """
    size = np.abs(np.atleast_1d(staggered_density(reference["density"])))
    differs = np.atleast_1d(
        checkerboard_sector(prediction["density"]) != checkerboard_sector(reference["density"])
    )
    return differs[size > ordered]


def density_calibration(prediction: xr.Dataset, reference: xr.Dataset) -> dict[str, float]:
    """Whether the density's standard error of a prediction holds what it promises.

    The reference's own standard error is added to it in squares.

    Returns
    -------
    dict
        ``within_1`` and ``within_2`` (0.68 and 0.95 for a Gaussian), ``reduced_chi2``.
    """
    error = prediction["density"].values - reference["density"].values
    both = np.hypot(prediction["density_stderr"].values, reference["density_stderr"].values)
    known = both > 0
    found = calibration(error[known], both[known])
    return {name: found[name] for name in ("within_1", "within_2", "reduced_chi2")}
