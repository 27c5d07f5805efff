r"""What a series of samples is worth: autocorrelation, mixing, error bars, and the V-score.

A series has the shape (chains, steps); one chain may be given as (steps,). Times are counted in
draws and :math:`\tau = 1 + 2\sum_{k\ge1}\rho_k`, so that independent draws have τ = 1 and the
variance of a mean of n draws is :math:`\tau\sigma^2/n`. Complex series are measured by
:math:`\mathrm{Re}\,\langle\bar x_t x_{t+k}\rangle`.

No function here sees a region that no chain has visited: all of them can look perfect while a
whole sector of configurations is missing.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.fft import fft, ifft, next_fast_len

#: From this many chains on the spread of their means is an error bar of its own.
MANY_CHAINS = 8


class Estimate(NamedTuple):
    """Mean of a series with what is needed to judge it; see `summarize`."""

    mean: complex | float
    stderr: float
    variance: float
    tau: float
    rhat: float
    ess: float


def integrated_autocorrelation_time(series: ArrayLike) -> float:
    r"""Integrated autocorrelation time :math:`1 + 2\sum_k\rho_k` in draws.

    Parameters
    ----------
    series : array_like (chains, steps) or (steps,)
        Real or complex, at least two steps.

    Returns
    -------
    float
        1 for independent draws, below 1 where successive draws are anticorrelated, but at least
        1 / log10(number of draws). nan for a constant series, which says nothing about time.

    Raises
    ------
    ValueError
        Wrong rank, fewer than two steps, or values that are not finite.

    Notes
    -----
    The autocovariance is averaged over the chains about the mean of *all* draws, so chains stuck
    in different places count as a long time. The sum ends by Geyer's initial positive and
    monotone sequence (Stat. Sci. 7, 473, 1992), which holds for reversible chains; its bias from
    the unknown mean is corrected to first order (U. Wolff, CPC 156, 143, 2004).

    It cannot see times longer than the series: if the correlation has not decayed at the last
    lag, the answer is a lower bound. Trust it where ``steps`` is at least some fifty times τ, or
    where there are many chains.

    Examples
    --------
    >>> series = np.random.default_rng(0).normal(size=(4, 5000))
    >>> bool(abs(integrated_autocorrelation_time(series) - 1) < 0.1)
    True
    """
    chains = _as_chains(series, min_steps=2)
    deviation = chains - chains.mean()
    if _is_constant(chains, deviation):
        return float("nan")
    return _tau(deviation)


def effective_sample_size(series: ArrayLike) -> float:
    """Number of independent draws that would give the same error of the mean: draws / τ.

    Blind to what `integrated_autocorrelation_time` is blind to; nan for a constant series. It
    can exceed the number of draws where successive draws are anticorrelated.
    """
    return float(_as_chains(series, min_steps=2).size / integrated_autocorrelation_time(series))


def split_rhat(series: ArrayLike) -> float:
    r"""Gelman-Rubin :math:`\hat R` of the halves of all chains, between over within.

    :math:`\hat R = \sqrt{\left(\frac{n-1}{n}W + B\right)/W}` with W the mean variance within the
    half chains of n steps and B the variance of their means. It has no upper limit: chains in
    disjoint places give large values, and chains that do not move at all give infinity. (A ratio
    to the *total* variance could not exceed :math:`\sqrt2` for two chains.)

    Parameters
    ----------
    series : array_like (chains, steps) or (steps,)
        Real or complex, at least four steps; the middle one of an odd number is left out.

    Returns
    -------
    float
        About 1 for chains that agree; ``inf`` if every half chain is constant and the constants
        differ; nan if the whole series is one constant.

    Raises
    ------
    ValueError
        Wrong rank, fewer than four steps, or values that are not finite.

    Notes
    -----
    1 within :math:`\sqrt{1 + \tau/n}` even for perfect chains: values above 1.1 show disagreement
    or chains too short to judge. A value of 1 shows only that the halves agree: slow modes that
    all chains share, or places that none has reached, leave no trace.

    Examples
    --------
    >>> split_rhat([[0.0, 0.0, 0.0, 0.0], [1.0, 1.0, 1.0, 1.0]])
    inf
    """
    chains = _as_chains(series, min_steps=4)
    half = chains.shape[1] // 2
    halves = np.concatenate([chains[:, :half], chains[:, -half:]])
    means = halves.mean(axis=1, keepdims=True)
    if _is_constant(chains, halves - means):
        return float("nan") if _is_constant(chains, means - means.mean()) else float("inf")
    within = float(np.mean(np.var(halves, axis=1, ddof=1)))
    between = float(np.var(means, ddof=1))
    return float(np.sqrt((half - 1) / half + between / within))


def summarize(
    series: ArrayLike, weights: ArrayLike | None = None, *, exact: bool = False
) -> Estimate:
    r"""Mean, error bar, variance, τ, R-hat and effective sample size of a series.

    Parameters
    ----------
    series : array_like (chains, steps) or (steps,)
        Real or complex (local energies, say).
    weights : array_like of the same shape, optional
        Non-negative weights, normalised here: importance sampling, or :math:`|\psi|^2` of a sum
        over all configurations.
    exact : bool
        The series runs over all configurations: no statistical error. Needs `weights`.

    Returns
    -------
    Estimate
        ``mean`` complex for a complex series; ``stderr`` of its real part; ``variance``
        :math:`\langle|x - \bar x|^2\rangle`; ``tau`` and ``rhat`` of the real part (nan where
        there are too few steps, and for a constant series); ``ess`` the number of independent
        draws of that real part with the same error bar.

        An exact sum has ``stderr`` 0, ``ess`` infinite, ``tau`` and ``rhat`` nan. A constant
        series has ``stderr`` 0 and ``ess`` nan: an eigenstate, or a chain that does not move
        (the acceptance tells). A single draw has ``stderr`` nan.

    Raises
    ------
    ValueError
        Wrong rank, values that are not finite, weights that are negative, all zero or of another
        shape.

    Notes
    -----
    ``stderr`` is :math:`\sqrt{\tau\sigma^2/(n-\tau)}`. From eight chains on it is at least the
    spread of the chains' means, :math:`\mathrm{std}/\sqrt{\mathrm{chains}}`, which holds also
    where the chains are too short to show τ, provided that they are independent; for chains
    of a few τ the larger of the two is up to a third too wide. Weighted series
    enter by :math:`w_t(x_t - \bar x)`, the linear part of the ratio. Nothing protects against
    heavy tails: local energies of a state with nodes can have an infinite variance, and then no
    error bar holds.

    Examples
    --------
    >>> estimate = summarize(np.random.default_rng(0).normal(size=(10, 400)))
    >>> bool(abs(estimate.mean) < 3 * estimate.stderr), round(estimate.stderr, 3)
    (True, 0.016)
    """
    chains = _as_chains(series, min_steps=1)
    share = _as_weights(weights, np.shape(series), chains.shape)
    mean = np.sum(share * chains)
    variance = float(np.sum(share * np.abs(chains - mean) ** 2))
    mean = complex(mean) if np.iscomplexobj(chains) else float(mean)
    nan = float("nan")
    if exact:
        if weights is None:
            raise ValueError("exact=True needs the weights |psi|^2 of all configurations")
        return Estimate(mean, 0.0, variance, nan, nan, float("inf"))
    draws, steps = chains.size, chains.shape[1]
    real = chains.real
    deviation = draws * share * (real - np.real(mean))
    rhat = split_rhat(real) if steps >= 4 else nan
    if draws == 1:
        return Estimate(mean, nan, variance, nan, nan, 1.0)
    if _is_constant(real, deviation):
        return Estimate(mean, 0.0, variance, nan, rhat, nan)
    tau = _tau(deviation) if steps >= 2 else nan
    spread = float(np.mean(deviation**2))
    squared = spread * tau / (draws - tau) if draws > tau else spread
    if len(chains) >= MANY_CHAINS or steps == 1:
        among = float(np.var(deviation.mean(axis=1), ddof=1)) / len(chains)
        squared = float(np.fmax(squared, among)) if steps > 1 else among
    independent = float(np.sum(share * (real - np.real(mean)) ** 2))
    return Estimate(mean, float(np.sqrt(squared)), variance, tau, rhat, independent / squared)


def v_score(
    energy: ArrayLike, variance: ArrayLike, dof: int, energy_infinity: float = 0.0
) -> np.ndarray | float:
    r"""V-score :math:`\mathrm{DOF}\cdot\mathrm{Var}\,E/(E - E_\infty)^2` of a variational state.

    Parameters
    ----------
    energy, variance : array_like
        Energy and variance of H in the state, whole system.
    dof : int
        Degrees of freedom: sites for spins, particles for fermions.
    energy_infinity : float
        Energy at infinite temperature, Tr H / D; zero for spin models without a constant.

    Raises
    ------
    ValueError
        dof below one.

    Notes
    -----
    D. Wu et al., Science 386, 296 (2024). Zero for any eigenstate, an excited one too; it
    compares states where the exact energy is unknown, and is no bound on the error. Infinite
    where the energy is `energy_infinity`; nan if the variance is zero as well.

    Examples
    --------
    >>> v_score(-20.0, 0.4, dof=20)
    0.02
    """
    if dof < 1:
        raise ValueError(f"dof={dof!r}; a system has at least one degree of freedom")
    gap = np.real(np.asarray(energy)) - energy_infinity
    with np.errstate(divide="ignore", invalid="ignore"):
        score = dof * np.asarray(variance, dtype=float) / gap**2
    return float(score) if score.ndim == 0 else score


def _as_chains(series: ArrayLike, *, min_steps: int) -> np.ndarray:
    chains = np.asarray(series)
    if chains.ndim == 1:
        chains = chains[None]
    if chains.ndim != 2 or chains.size == 0:
        raise ValueError(
            f"series has shape {np.shape(series)}; give (chains, steps), or (steps,) for one chain"
        )
    if chains.shape[1] < min_steps:
        raise ValueError(
            f"series has {chains.shape[1]} step(s) a chain; at least {min_steps} are needed"
        )
    if chains.dtype.kind not in "biufc":
        raise ValueError(f"series has dtype {chains.dtype}; numbers are needed")
    bad = int((~np.isfinite(chains)).sum())
    if bad:
        raise ValueError(f"series holds {bad} value(s) that are NaN or infinite; remove the cause")
    return chains.astype(np.complex128 if chains.dtype.kind == "c" else np.float64)


def _as_weights(weights: ArrayLike | None, given: tuple, shape: tuple[int, ...]) -> np.ndarray:
    if weights is None:
        return np.full(shape, 1.0 / np.prod(shape))
    share = np.asarray(weights, dtype=np.float64)
    if share.shape != given:
        raise ValueError(f"weights have shape {share.shape}, the series has {given}; make them one")
    total = share.sum()
    if not np.isfinite(total) or total <= 0.0 or share.min() < 0.0:
        raise ValueError("weights must be finite, not negative and not all zero")
    return share.reshape(shape) / total


def _is_constant(chains: np.ndarray, deviation: np.ndarray) -> bool:
    """Whether `deviation` is no more than rounding of `chains`."""
    return bool(np.abs(deviation).max() <= 8 * np.finfo(float).eps * np.abs(chains).max())


def _tau(deviation: np.ndarray) -> float:
    """Geyer's estimate from deviations (chains, steps) about the common mean."""
    steps = deviation.shape[1]
    size = next_fast_len(2 * steps)
    power = np.mean(np.abs(fft(deviation, size, axis=1)) ** 2, axis=0)
    covariance = ifft(power).real[:steps] / np.arange(steps, 0, -1)
    rho = covariance[: steps - steps % 2] / covariance[0]
    pairs = rho[0::2] + rho[1::2]
    negative = np.flatnonzero(pairs <= 0.0)
    count = int(negative[0]) if negative.size else pairs.size
    tau = -1.0 + 2.0 * float(np.minimum.accumulate(pairs[:count]).sum()) if count else 0.0
    tau *= 1.0 + (4 * count - 1) / deviation.size
    return max(tau, 1.0 / max(1.0, float(np.log10(deviation.size))))
