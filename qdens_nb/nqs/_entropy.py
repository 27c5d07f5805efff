r"""Entanglement: entropies of state vectors and of samples, and RBMs of short and long range.

A restricted Boltzmann machine :math:`\log ψ(s) = \sum_i a_i s_i + \sum_j \log\cosh(b_j + \sum_i
W_{ji}s_i)` whose hidden units see only sites nearby has an entropy bounded by the units that
straddle the cut: an area law. With connections over half the system N/2 units are enough for
the largest entropy there is (D.-L. Deng, X. Li, S. Das Sarma, PRX 7, 021021, 2017).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from qdens_nb.nqs._diagnostics import summarize


class RBMWeights(NamedTuple):
    """Weights W (units, sites), fields a (sites,) of the spins and b (units,) of the units."""

    W: np.ndarray
    a: np.ndarray
    b: np.ndarray


def entanglement_entropy(
    vector: ArrayLike, basis: ArrayLike, subsystem: Sequence[int], order: float = 1
) -> float:
    r"""Entropy of the sites `subsystem` with the rest, in units of ln (Bell pair: ln 2).

    Parameters
    ----------
    vector : (D,) array_like
        Real or complex state; normalised here.
    basis : (D, N) array_like
        Configuration of each component, all different; a sector with a conserved total is fine.
    subsystem : sequence of int
        Sites, each once. None or all of them have entropy zero.
    order : float
        1: von Neumann, :math:`-\mathrm{Tr}\,ρ\lnρ`; otherwise Rényi,
        :math:`\ln\mathrm{Tr}\,ρ^n/(1-n)`.

    Raises
    ------
    ValueError
        Sizes that do not match, a zero vector, sites outside the basis or repeated, order <= 0.

    Notes
    -----
    By the singular values of the components as a matrix (subsystem, rest); seconds at N = 16.

    Examples
    --------
    >>> bell = entanglement_entropy([1, 0, 0, 1], [[-1, -1], [-1, 1], [1, -1], [1, 1]], [0])
    >>> bool(np.isclose(bell, np.log(2)))
    True
    """
    vector, basis = np.asarray(vector), np.asarray(basis)
    if vector.ndim != 1 or basis.ndim != 2 or len(basis) != len(vector):
        raise ValueError(
            f"vector has shape {vector.shape} and basis {basis.shape}; expected (D,) and (D, N)"
        )
    if not order > 0:
        raise ValueError(f"order={order!r}; give 1 (von Neumann) or another positive Rényi order")
    norm = np.linalg.norm(vector)
    if not np.isfinite(norm) or norm == 0.0:
        raise ValueError(f"vector has the norm {norm}; give a finite state that is not zero")
    inside = _subsystem(subsystem, basis.shape[1])
    row, column = _labels(basis[:, inside]), _labels(basis[:, ~inside])
    matrix = np.zeros((row.max() + 1, column.max() + 1), dtype=np.result_type(vector, float))
    matrix[row, column] = vector / norm
    weights = np.linalg.svd(matrix, compute_uv=False) ** 2
    weights = weights[weights > 0.0]
    if order == 1:
        entropy = -np.sum(weights * np.log(weights))
    else:
        entropy = np.log(np.sum(weights**order)) / (1 - order)
    return max(0.0, float(entropy))


def entropy_profile(vector: ArrayLike, basis: ArrayLike, order: float = 1) -> np.ndarray:
    """Entropies (N + 1,) of the first l = 0, 1, ..., N sites; see `entanglement_entropy`."""
    sites = np.asarray(basis).shape[-1]
    return np.array(
        [entanglement_entropy(vector, basis, range(size), order) for size in range(sites + 1)]
    )


def page_entropy(dimension_a: int, dimension_b: int) -> float:
    r"""Mean von Neumann entropy of random states of two parts (D. Page, PRL 71, 1291, 1993).

    :math:`\sum_{k=n+1}^{mn}1/k - (m-1)/2n` with m <= n the two dimensions.
    """
    m, n = sorted((int(dimension_a), int(dimension_b)))
    if m < 1:
        raise ValueError(f"dimensions {dimension_a!r} and {dimension_b!r}; give positive integers")
    return float(np.sum(1.0 / np.arange(n + 1, m * n + 1)) - (m - 1) / (2 * n))


def renyi2_swap(
    log_psi: Callable[[np.ndarray], np.ndarray],
    configs_a: np.ndarray,
    configs_b: np.ndarray,
    subsystem: Sequence[int],
    *,
    total: float | None = None,
) -> tuple[float, float]:
    r"""Second Rényi entropy from samples of two independent copies of :math:`|ψ|^2`.

    The mean of :math:`\frac{ψ(s'_A, s_B)\,ψ(s_A, s'_B)}{ψ(s)\,ψ(s')}` over pairs of draws is
    :math:`\mathrm{Tr}\,ρ_A^2 = e^{-S_2}` (M. Hastings et al., PRL 104, 157201, 2010).

    Parameters
    ----------
    log_psi : callable
        (B, N) array of configurations to (B,) log amplitudes; ``ansatz.log_psi``, say.
    configs_a, configs_b : (B, N) or (chains, steps, N) arrays
        Two independent sets of draws. With chains the error bar includes the autocorrelation;
        (B, N) are taken as one series in the order of drawing.
    subsystem : sequence of int
        Sites of A, each once.
    total : float, optional
        Conserved sum of the local values: swapped configurations with another sum have ψ = 0,
        which a network trained within the sector does not know.

    Returns
    -------
    entropy, stderr : float
        Both nan where the mean is not positive: the noise has swamped the signal.

    Raises
    ------
    ValueError
        Shapes that do not match, sites outside or repeated, ψ = 0 at a drawn configuration.

    Notes
    -----
    The purity falls as :math:`e^{-S_2}` and few pairs carry it, so the number of samples needed
    grows exponentially with S_2; with too few of them both the purity and its error bar come out
    too small. Entropies above the logarithm of the number of draws cannot be measured. The error
    is carried through the logarithm to first order.
    """
    first, second = np.asarray(configs_a), np.asarray(configs_b)
    if first.shape != second.shape or first.ndim not in (2, 3) or first.size == 0:
        raise ValueError(
            f"configs have the shapes {first.shape} and {second.shape}; expected two equal ones, "
            "(B, N) or (chains, steps, N)"
        )
    inside = _subsystem(subsystem, first.shape[-1])
    draws, flat = first.shape[:-1], (-1, first.shape[-1])
    first, second = first.reshape(flat), second.reshape(flat)
    swapped = np.where(inside, second, first), np.where(inside, first, second)
    old = np.asarray(log_psi(first)) + np.asarray(log_psi(second))
    if not np.isfinite(old).all():
        raise ValueError("log_psi is not finite at a drawn configuration: not a sample of |psi|^2")
    ratio = np.exp(np.asarray(log_psi(swapped[0])) + np.asarray(log_psi(swapped[1])) - old)
    if total is not None:
        ratio = np.where(swapped[0].sum(axis=1, dtype=np.int64) == total, ratio, 0.0)
    estimate = summarize(ratio.reshape(draws))
    purity = float(np.real(estimate.mean))
    if purity <= 0.0:
        return float("nan"), float("nan")
    return -float(np.log(purity)), estimate.stderr / purity


def rbm_log_psi(weights: RBMWeights, configs: ArrayLike) -> np.ndarray:
    """Complex log amplitudes (B,) of an RBM at configurations (B, N) of s = -1, +1."""
    spins = np.asarray(configs, dtype=np.float64)
    angles = (weights.b + spins @ weights.W.T).astype(np.complex128)
    angles = np.where(angles.real < 0.0, -angles, angles)
    units = angles + np.log1p(np.exp(-2.0 * angles)) - np.log(2.0)
    return np.sum(units, axis=1) + spins @ weights.a


def rbm_state(weights: RBMWeights) -> tuple[np.ndarray, np.ndarray]:
    """Normalised state vector (2^N,) of an RBM and its basis (2^N, N); N up to some 18."""
    sites = weights.W.shape[1]
    bits = np.arange(2**sites)[:, None] >> np.arange(sites)[::-1] & 1
    basis = (2 * bits - 1).astype(np.int8)
    log_psi = rbm_log_psi(weights, basis)
    vector = np.exp(log_psi - log_psi.real.max())
    return vector / np.linalg.norm(vector), basis


def rbm_volume_law(sites: int) -> RBMWeights:
    r"""RBM with N/2 hidden units whose blocks of l <= N/2 adjacent sites have S = l ln 2.

    Unit i sees the sites i and i + N/2 through :math:`W = iπ/4` and has the field
    :math:`b = iπ/4`, so that :math:`\cosh(b + W(s + s')) = \cos\frac{π}{4}(1 + s + s')
    = ±1/\sqrt2`, negative for s = s' = +1: a controlled-Z, which makes the two a Bell pair.
    These are the long-range units of the maximally entangled example of Deng, Li and Das Sarma,
    PRX 7, 021021 (2017), in the simplest form: a block of half the ring holds one of each pair.

    Raises
    ------
    ValueError
        An odd number of sites.
    """
    if sites < 2 or sites % 2:
        raise ValueError(f"sites={sites!r}; the pairs (i, i + N/2) need an even number of sites")
    half = sites // 2
    pairs = np.eye(half, dtype=np.complex128)
    W = 0.25j * np.pi * np.concatenate([pairs, pairs], axis=1)
    return RBMWeights(W, np.zeros(sites, complex), np.full(half, 0.25j * np.pi))


def random_rbm(
    sites: int,
    reach: int | None = None,
    *,
    density: int = 1,
    scale: tuple[float, float] = (0.3, 1.5),
    periodic: bool = True,
    seed: int = 0,
) -> RBMWeights:
    """RBM with complex Gaussian weights and hidden units that see `reach` sites either side.

    Parameters
    ----------
    sites : int
        Number of sites N.
    reach : int, optional
        Unit j sits at the site j mod N and sees the sites up to this distance; None: all sites.
    density : int
        Hidden units per site.
    scale : (float, float)
        Root mean squares of the real and of the imaginary part of a unit's field and, whatever
        the reach, of its sum over spins. Imaginary parts entangle; real parts of one or more
        concentrate the state on few configurations and lower the entropy.
    periodic : bool
        Distances on the ring or on the open chain.
    seed : int
        Seed of the weights.

    Raises
    ------
    ValueError
        No sites, a negative reach, density below one.
    """
    if sites < 1 or density < 1 or (reach is not None and reach < 0):
        raise ValueError(
            f"sites={sites!r}, density={density!r}, reach={reach!r}; give at least one site and "
            "one unit per site, and a reach of zero or more (None for all sites)"
        )
    rng = np.random.default_rng(seed)
    centre = np.arange(density * sites) % sites
    distance = np.abs(centre[:, None] - np.arange(sites))
    if periodic:
        distance = np.minimum(distance, sites - distance)
    seen = distance <= (sites if reach is None else reach)
    part = scale[0] + 0j, 1j * scale[1]
    W, b = (
        np.tensordot(part, rng.normal(size=(2, *size)), 1) for size in (seen.shape, centre.shape)
    )
    W = np.where(seen, W, 0.0) / np.sqrt(seen.sum(axis=1, keepdims=True))
    return RBMWeights(W, np.zeros(sites, complex), b)


def rbm_entropy_bound(weights: RBMWeights, subsystem: Sequence[int]) -> float:
    """Upper bound ln 2 min(straddling units, their sites inside, their sites outside).

    Units with all their connections on one side of the cut do not raise the rank of ψ as a
    matrix (inside, outside); each other one at most doubles it. With a reach r each end of a
    block is straddled by at most 2r units (at density 1), however long the block: the area law.
    """
    inside = _subsystem(subsystem, weights.W.shape[1])
    seen = weights.W != 0.0
    straddling = seen[:, inside].any(axis=1) & seen[:, ~inside].any(axis=1)
    touched = seen[straddling].any(axis=0)
    return float(np.log(2) * min(straddling.sum(), *np.bincount(inside[touched], minlength=2)))


def _subsystem(subsystem: Sequence[int], sites: int) -> np.ndarray:
    chosen = np.asarray(subsystem, dtype=np.intp).ravel()
    if chosen.size and (chosen.min() < 0 or chosen.max() >= sites):
        raise ValueError(f"subsystem {chosen.tolist()} has sites outside 0..{sites - 1}")
    if len(np.unique(chosen)) < chosen.size:
        raise ValueError(f"subsystem {chosen.tolist()} names a site twice")
    inside = np.zeros(sites, dtype=bool)
    inside[chosen] = True
    return inside


def _labels(configs: np.ndarray) -> np.ndarray:
    """Number of each row's configuration among the different ones."""
    values, digits = np.unique(configs, return_inverse=True)
    keys = np.zeros(len(configs), dtype=np.intp)
    for column in digits.reshape(configs.shape).T:
        keys = np.unique(keys * values.size + column, return_inverse=True)[1]
    return keys
