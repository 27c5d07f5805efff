"""Inversion without a network of what is known with noise: kernels, filters and splines.

Each returns V - E, whose width of smoothing is an argument: the benchmark chooses it by the answer,
which flatters these methods.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Array = NDArray[np.float64]


def kernel_density_potential(data: Tensor, at: Tensor, bandwidth: float) -> Tensor:
    """V - E from a Gaussian kernel density estimate p = |psi|^2, by its exact derivatives.

    Parameters
    ----------
    data : (N, D) tensor
        Samples of |psi|^2.
    at : (B, D) tensor
        Where the potential is wanted.
    bandwidth : float
        Of the kernel, whose covariance is ``bandwidth**2`` times that of the data.
    """
    values, axes = torch.linalg.eigh(torch.atleast_2d(torch.cov(data.T)))
    whiten = axes @ torch.diag(values**-0.5) / bandwidth
    metric = whiten @ whiten.T
    kernels, found = data @ whiten, []
    for some in at.split(max(1, 4_000_000 // len(data))):
        centred = some @ whiten
        weights = torch.softmax(-torch.cdist(centred, kernels).square() / 2, dim=1)
        mean = weights @ kernels
        # grad p / p = W (mean - z); laplace p / p = <|W (k - z)|^2> - tr(W W^T)
        slope = (mean - centred) @ whiten.T
        pulled = kernels @ whiten.T
        own = centred @ whiten.T
        square = (
            weights @ pulled.square().sum(1)
            - 2 * ((weights @ pulled) * own).sum(1)
            + own.square().sum(1)
        )
        found.append((square - metric.trace()) / 4 - slope.square().sum(1) / 8)
    return torch.cat(found)


def filtered_inversion(psi: Array, step: float, window: int, *, log: bool = False) -> Array:
    """V - E on an even grid of any dimension, by Savitzky-Golay filters of odd length >= 3.

    Window 3 is the central difference; `log` filters log|psi| and is for states without nodes. The
    margins, half a window wide, are NaN.
    """
    from scipy.signal import savgol_filter

    order = 2 if window == 3 else 4 if window > 8 else 2
    field = np.log(np.abs(psi)) if log else psi

    def along(values: Array, axis: int, derivative: int) -> Array:
        if window == 3 and derivative == 0:
            return values
        return savgol_filter(values, window, order, deriv=derivative, delta=step, axis=axis)

    def of(axis: int | None, derivative: int) -> Array:
        values = field
        for each in range(psi.ndim):
            values = along(values, each, derivative if each == axis else 0)
        return values

    bend = np.sum([of(axis, 2) for axis in range(psi.ndim)], axis=0)
    if log:
        result = (bend + np.sum([of(axis, 1) ** 2 for axis in range(psi.ndim)], axis=0)) / 2
    else:
        with np.errstate(divide="ignore", invalid="ignore"):
            result = bend / (2 * of(None, 0))
    inside = np.full(psi.shape, np.nan)
    core = (slice(window // 2, -(window // 2)),) * psi.ndim
    inside[core] = result[core]
    return inside


def spline_inversion(x: Array, psi: Array, sigma: Array, slack: float, at: Array) -> Array:
    """V - E at points by a quintic spline that misses the values by `slack` times their noise."""
    from scipy.interpolate import UnivariateSpline

    spline = UnivariateSpline(x, psi, w=1 / sigma, k=5, s=slack * len(x))
    with np.errstate(divide="ignore", invalid="ignore"):
        return spline.derivative(2)(at) / (2 * spline(at))


def histogram_potential(data: Tensor, at: Tensor, width: float) -> Tensor:
    """V - E on a line from the second difference of the root of a histogram.

    Parameters
    ----------
    data, at : (N,) and (B,) tensor
        Samples of |psi|^2, and points; each gets the value of its bin, NaN where a bin is empty.
    width : float
        Of a bin.
    """
    low = float(data.min()) - 2 * width
    bins = int((float(data.max()) - low) / width) + 3
    counts = torch.bincount(((data - low) / width).long(), minlength=bins).double()
    root = counts.sqrt()
    bend = (root[2:] - 2 * root[1:-1] + root[:-2]) / width**2
    inside = torch.full((bins,), torch.nan, dtype=torch.float64)
    empty = (counts[2:] == 0) | (counts[1:-1] == 0) | (counts[:-2] == 0)
    inside[1:-1] = torch.where(empty, torch.nan, bend / (2 * root[1:-1]))
    where = ((at - low) / width).floor().long()
    outside = (where < 0) | (where >= bins)
    return torch.where(outside, torch.nan, inside[where.clamp(0, bins - 1)])
