r"""Stochastic reconfiguration: the step of the parameters that follows imaginary time.

With :math:`A_{bk} = \sqrt{w_b}\,(O_k(s_b) - ⟨O_k⟩)` and
:math:`ε_b = \sqrt{w_b}\,(E_{loc}(s_b) - ⟨E⟩)` the quantum geometric tensor is :math:`S = A^†A`,
the force :math:`F = A^†ε`, and the step solves

.. math:: \min_δ |Aδ - ε|^2 + λ|δ - μφ|^2

with the diagonal shift λ and, as momentum, the last step φ (SPRING: Goldshlager et al., J. Comput.
Phys. 516, 113351, 2024). The same δ comes from P x P or from B x B equations,

.. math:: δ = (A^†A + λ)^{-1} A^†ε = A^†(AA^† + λ)^{-1} ε

(Sorella, PRL 80, 4558, 1998; minSR: Chen, Heyl, Nat. Phys. 20, 1476, 2024), or from conjugate
gradients. Real parameters of a complex ψ: real and imaginary parts of a row are two rows.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.linalg

from qdens_nb.nqs._ansatz import Ansatz

METHODS = ("auto", "dense", "minsr", "cg")


class Derivatives:
    """The matrix A of a batch, formed.

    Parameters
    ----------
    rows : (B, P) array
        Derivatives of log ψ; complex ones of holomorphic parameters if `holomorphic`.
    weights : (B,) array
        Weights of the configurations, with sum 1.
    holomorphic : bool
        The parameters are complex: keep complex rows and answer pairs (real, imaginary).
    """

    def __init__(self, rows: np.ndarray, weights: np.ndarray, holomorphic: bool = False) -> None:
        self.holomorphic = holomorphic
        self.root = np.sqrt(weights)
        centred = (rows - weights @ rows) * self.root[:, None]
        self.split = np.iscomplexobj(centred) and not holomorphic
        self.matrix = np.concatenate([centred.real, centred.imag]) if self.split else centred

    @property
    def shape(self) -> tuple[int, int]:
        """Rows (twice the samples for real parameters of a complex ψ) and parameters."""
        return self.matrix.shape

    @property
    def gram_cost(self) -> float:
        """Multiplications that `gram` takes."""
        return float(self.shape[0]) ** 2 * self.shape[1]

    def residuals(self, values: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """ε of the values of the samples, in the rows of A."""
        centred = (values - weights @ values) * self.root
        if self.split:
            return np.concatenate([centred.real, centred.imag])
        return centred if self.holomorphic else centred.real

    def metric(self) -> np.ndarray:
        """S = A†A, (P, P)."""
        return self.matrix.conj().T @ self.matrix

    def gram(self) -> np.ndarray:
        """A A†, (B, B)."""
        return self.matrix @ self.matrix.conj().T

    def apply(self, step: np.ndarray) -> np.ndarray:
        """A δ."""
        return self.matrix @ step

    def adjoint(self, values: np.ndarray) -> np.ndarray:
        """A† x."""
        return self.matrix.conj().T @ values

    def pack(self, step: np.ndarray) -> np.ndarray:
        """Real parameters of δ: a complex one is a pair."""
        return np.ascontiguousarray(step).view(float) if self.holomorphic else step

    def unpack(self, step: np.ndarray) -> np.ndarray:
        """The inverse of `pack`."""
        return np.ascontiguousarray(step).view(complex) if self.holomorphic else step


def derivatives(ansatz: Ansatz, configs: np.ndarray, weights: np.ndarray) -> Derivatives:
    """A of a batch; a plain restricted Boltzmann machine never forms the matrix."""
    special: Any = getattr(ansatz, "derivatives", None)
    if special is not None:
        return special(configs, weights)
    return Derivatives(ansatz.log_derivatives(configs), weights)


def natural_gradient(
    system: Derivatives,
    residuals: np.ndarray,
    *,
    shift: float,
    method: str = "auto",
    previous: np.ndarray | None = None,
    momentum: float = 0.0,
) -> np.ndarray:
    """The step δ of the parameters (see the head of this module), a real (P,) vector.

    Parameters
    ----------
    system : Derivatives
        A of the batch.
    residuals : array
        ε in the rows of A.
    shift : float
        Diagonal shift λ > 0.
    method : {"auto", "dense", "minsr", "cg"}
        P x P equations, B x B equations or conjugate gradients; "auto" takes the cheaper of the
        first two by their multiplications.
    previous : (P,) array, optional
        The last step φ.
    momentum : float
        μ in [0, 1).

    Raises
    ------
    ValueError
        Unknown method, shift <= 0 or momentum outside [0, 1).
    """
    if method not in METHODS:
        raise ValueError(f"method={method!r}; expected one of {METHODS}")
    if not shift > 0 or not 0 <= momentum < 1:
        raise ValueError(
            f"diagonal_shift={shift!r} must be positive, momentum={momentum!r} in [0, 1)"
        )
    kept = np.zeros(0)
    if previous is not None and momentum:
        kept = momentum * system.unpack(previous)
        residuals = residuals - system.apply(kept)
    step = _solve(system, residuals, shift, method)
    return system.pack(step + kept if len(kept) else step)


def cheaper(system: Derivatives) -> str:
    """The method with the fewer multiplications: "dense" or "minsr"."""
    rows, count = system.shape
    dense = rows * float(count) ** 2 + count**3 / 3
    return "dense" if dense < system.gram_cost + rows**3 / 3 else "minsr"


def _solve(system: Derivatives, residuals: np.ndarray, shift: float, method: str) -> np.ndarray:
    if method == "auto":
        method = cheaper(system)
    if method == "cg":
        return _conjugate_gradient(system, residuals, shift)
    square = system.metric() if method == "dense" else system.gram()
    square.flat[:: len(square) + 1] += shift
    factor = scipy.linalg.cho_factor(square, lower=True, overwrite_a=True, check_finite=False)
    if method == "dense":
        return scipy.linalg.cho_solve(factor, system.adjoint(residuals), check_finite=False)
    return system.adjoint(scipy.linalg.cho_solve(factor, residuals, check_finite=False))


def _conjugate_gradient(
    system: Derivatives, residuals: np.ndarray, shift: float, tolerance: float = 1e-6
) -> np.ndarray:
    force = system.adjoint(residuals)
    step, rest = np.zeros_like(force), force.copy()
    direction, size = rest.copy(), np.vdot(rest, rest).real
    goal = tolerance**2 * size
    for _ in range(10 * len(force)):
        if size <= goal:
            break
        moved = system.adjoint(system.apply(direction)) + shift * direction
        length = size / np.vdot(direction, moved).real
        step += length * direction
        rest -= length * moved
        size, before = np.vdot(rest, rest).real, size
        direction = rest + size / before * direction
    return step
