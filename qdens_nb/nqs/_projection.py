r"""The rate of change of the parameters that follows Schrödinger's equation best.

McLachlan's principle with real parameters: the rate :math:`\dotθ` minimises
:math:`|A\dotθ - r|^2` with A, ε of `_natural_gradient` and :math:`r = -iε` in real time,
:math:`r = -ε` in imaginary time. In the eigenbasis of :math:`S = A^†A = \sum_k σ_k v_kv_k^†`

.. math:: \dotθ = \sum_k \frac{f_k}{σ_k}\, v_k\,ρ_k, \qquad ρ_k = v_k^†A^†r,

and the filter :math:`f_k` decides which directions are believed:

- "pinv": :math:`f = 1/(1 + (cσ_{max}/σ_k)^6)`, a smooth cut at the relative eigenvalue c;
- "snr": times :math:`1/(1 + (n_0/n_k)^6)`, with :math:`n_k = |ρ_k|/Δρ_k` the ratio of signal to
  noise of the samples (M. Schmitt, M. Heyl, PRL 125, 100503, 2020);
- "shift": :math:`f = σ_k/(σ_k + λ)`, the diagonal shift.

On samples this is a least-squares fit, whose noise is in proportion to what the network misses: one
that can follow (small residual, more samples than directions) needs no more than "pinv", and "snr"
would take directions from it. "snr" is for networks that cannot, or few samples.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.linalg

from qdens_nb.nqs._natural_gradient import Derivatives

#: regularisation -> default threshold: relative cut-off, signal to noise, shift
REGULARISATIONS = {"pinv": 1e-8, "snr": 2.0, "shift": 1e-4}


class Projection(NamedTuple):
    """Rate of the parameters and how well it is determined.

    Attributes
    ----------
    rate : (P,) array
        Real rates of change.
    residual : float
        :math:`|A\\dotθ - r|^2/|r|^2`: 0 if the network can follow, 1 if not at all; nan in an
        eigenstate, where nothing moves.
    rank : int
        Directions with a filter above 1/2 (complex ones count once).
    condition : float
        Largest eigenvalue of S over the smallest of those.
    """

    rate: np.ndarray
    residual: float
    rank: int
    condition: float


def project(
    system: Derivatives,
    target: np.ndarray,
    *,
    regularisation: str = "pinv",
    cutoff: float = 1e-8,
    threshold: float | None = None,
    chains: int | None = None,
) -> Projection:
    """Solve for the rate.

    Parameters
    ----------
    system : Derivatives
        A of a batch.
    target : array
        r in the rows of A.
    regularisation : {"pinv", "snr", "shift"}
        See the head of this module.
    cutoff : float
        Relative cut-off c of "pinv" and "snr".
    threshold : float, optional
        Signal-to-noise ratio :math:`n_0` of "snr" (default 2), diagonal shift λ of "shift"
        (default 1e-4).
    chains : int, optional
        Independent chains that the draws belong to, each in consecutive rows, for the noise of
        "snr". None: an exact sum, without noise.

    Raises
    ------
    ValueError
        Unknown regularisation, a threshold that is not positive, a rate that is not finite.
    """
    if regularisation not in REGULARISATIONS:
        raise ValueError(
            f"regularisation={regularisation!r}; expected one of {tuple(REGULARISATIONS)}"
        )
    threshold = REGULARISATIONS[regularisation] if threshold is None else threshold
    if not threshold > 0 or not 0 < cutoff < 1:
        raise ValueError(
            f"threshold={threshold!r} must be positive, cutoff={cutoff!r} between 0 and 1"
        )
    rows, count = system.shape
    wide = rows < count
    square = system.gram() if wide else system.metric()
    if not np.isfinite(square).all() or not np.isfinite(target).all():
        raise ValueError(
            "log ψ, its derivatives or local energies are not finite: the state has a node on a "
            "sampled configuration, or the step was too long"
        )
    eigenvalues, vectors = scipy.linalg.eigh(square, driver="evd", check_finite=False)
    largest = max(eigenvalues[-1], 0.0)
    eigenvalues = np.maximum(eigenvalues, 1e-30 * largest)
    if largest == 0.0:
        residual = 1.0 if np.abs(target).max() > 0 else np.nan
        empty = np.zeros_like(system.adjoint(target))
        return Projection(system.pack(empty), residual, 0, np.nan)
    left = vectors if wide else None
    if regularisation == "shift":
        filters = eigenvalues / (eigenvalues + threshold)
    else:
        filters = 1 / (1 + (cutoff * largest / eigenvalues) ** 6)
    if regularisation == "snr" and chains is not None:
        if left is None:
            left = system.matrix @ vectors
        noise = _signal_to_noise(system, left, target, chains)
        filters = filters / (1 + (threshold / np.maximum(noise, 1e-30)) ** 6)
    inverse = filters / eigenvalues
    if wide:
        rate = system.adjoint(vectors @ (inverse * (vectors.conj().T @ target)))
    else:
        rate = vectors @ (inverse * (vectors.conj().T @ system.adjoint(target)))
    size = float(np.vdot(target, target).real)
    missed = system.apply(rate) - target
    residual = float(np.vdot(missed, missed).real) / size if size > 1e-24 else np.nan
    kept = eigenvalues[filters > 0.5]
    condition = float(largest / kept.min()) if len(kept) else np.nan
    return Projection(system.pack(rate), residual, len(kept), condition)


def _signal_to_noise(
    system: Derivatives, left: np.ndarray, target: np.ndarray, chains: int
) -> np.ndarray:
    """|ρ_k| over its standard error, from the spread of the chains.

    `left` are the columns A v_k up to a factor; the factor drops out.
    """
    summands = left.conj() * target[:, None]
    if system.split:
        summands = summands[: len(summands) // 2] + summands[len(summands) // 2 :]
    of_chain = summands.reshape(chains, -1, summands.shape[1]).sum(1)
    share = (system.root**2).reshape(chains, -1).sum(1)
    signal = of_chain.sum(0)
    scatter = np.abs(of_chain - share[:, None] * signal) ** 2
    error = np.sqrt(chains / (chains - 1) * scatter.sum(0)) if chains > 1 else np.zeros(1)
    return np.abs(signal) / np.maximum(error, 1e-300)
