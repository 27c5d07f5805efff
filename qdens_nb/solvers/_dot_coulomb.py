r"""Coulomb integrals :math:`(ab|cd) = \int\int \phi_a\phi_b(r)\,\phi_c\phi_d(r') / |r-r'|`.

The kernel is cut at R = 1.5 L, beyond the diagonal of the square, which changes nothing there and
makes its Fourier transform smooth (Vico, Greengard, Ferrando, J. Comput. Phys. 323, 191 (2016)):

.. math:: v(k) = 2\pi R\,[J_0 + (\pi/2)(J_1 H_0 - J_0 H_1)](kR), \quad v(0) = 2\pi R,

H the Struve functions. It is summed once on a grid four times as wide as the square and kept on
one twice as wide. There the kernel is even in x and in y, so that the integrals are sums over the
cosine and sine transforms of the pair densities: one product of matrices, no transform back.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from scipy.linalg.blas import dsyrk, ssyrk
from scipy.special import jv, struve

#: e^2 / 4 pi eps0 in eV nm
COULOMB = 1.439964


@cache
def kernel(points: int) -> np.ndarray:
    """1/|r - r'| on the grid (2 points, 2 points), wrapped around; the unit is 1/step."""
    wide = 4 * points
    k = 2 * np.pi * np.fft.fftfreq(wide)
    radius = 1.5 * points
    x = radius * np.hypot(k[:, None], k[None])
    v = 2 * np.pi * radius * (jv(0, x) + np.pi / 2 * _struve_part(x))
    index = np.r_[0:points, -points:0]
    return np.fft.ifft2(v).real[np.ix_(index, index)]


def _struve_part(x: np.ndarray) -> np.ndarray:
    return jv(1, x) * struve(0, x) - jv(0, x) * struve(1, x)


@cache
def _transform(points: int, cutoff: int) -> tuple[np.ndarray, np.ndarray]:
    """Cosines and sines (points, 2 cutoff + 1), and the root of the kernel's weights."""
    grid = np.arange(points)
    k = np.pi * np.arange(cutoff + 1) / points
    waves = np.concatenate([np.cos(np.outer(grid, k)), np.sin(np.outer(grid, k[1:]))], axis=1)
    spectrum = np.fft.fft2(kernel(points)).real[: cutoff + 1, : cutoff + 1]
    times = np.where((np.arange(cutoff + 1) % points) == 0, 1.0, 2.0)
    weight = spectrum * np.outer(times, times) / (2 * points) ** 2
    order = np.r_[0 : cutoff + 1, 1 : cutoff + 1]
    return waves, weight[np.ix_(order, order)].ravel()


def pair_index(count: int) -> np.ndarray:
    """Row of each pair (a, b) of orbitals in the list of pairs, (count, count)."""
    index = np.zeros((count, count), dtype=np.intp)
    upper = np.triu_indices(count)
    index[upper] = np.arange(len(upper[0]))
    return np.maximum(index, index.T)


def pair_densities(values: np.ndarray) -> np.ndarray:
    """phi_a phi_b for a <= b, (pairs, points, points)."""
    a, b = np.triu_indices(len(values))
    return values[a] * values[b]


def coulomb_integrals(pairs: np.ndarray, step: float, cutoff: int | None = None) -> np.ndarray:
    """Integrals (pairs, pairs) in 1/nm.

    Parameters
    ----------
    pairs : (pairs, points, points) array
        From `pair_densities`, of orbitals whose squares sum to 1.
    step : float
        Grid step in nm.
    cutoff : int, optional
        Highest wave number kept, in units of pi/L (default: all, which is the number of points).
    """
    count, points, _ = pairs.shape
    waves, weight = _transform(points, points if cutoff is None else min(cutoff, points))
    waves = waves.astype(pairs.dtype)
    half = (pairs.reshape(-1, points) @ waves).reshape(count, points, -1)
    modes = (waves.T @ half).reshape(count, -1)
    signed = weight.astype(pairs.dtype)
    positive = signed >= 0
    modes *= np.sqrt(np.abs(signed))
    rank = ssyrk if pairs.dtype == np.float32 else dsyrk
    gram = rank(1.0, modes.T, trans=1) if positive.all() else None
    if gram is None:
        gram = rank(1.0, modes.T[positive], trans=1) - rank(1.0, modes.T[~positive], trans=1)
    gram = np.triu(gram) + np.triu(gram, 1).T
    return gram / step
