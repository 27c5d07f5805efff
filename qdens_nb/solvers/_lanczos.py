"""A compiled Lanczos solver for the lowest state of many matrices with one sparsity pattern.

QuSpin builds the pattern once for a sector; only the diagonal (the potential) changes between
calls, so a call costs a few dozen sparse products and nothing else.
"""

from __future__ import annotations

import numba
import numpy as np


@numba.njit(cache=True, fastmath=True)
def _apply(diagonal, indptr, indices, values, x, y):
    for row in range(diagonal.size):
        total = diagonal[row] * x[row]
        for k in range(indptr[row], indptr[row + 1]):
            total += values[k] * x[indices[k]]
        y[row] = total


@numba.njit(cache=True)
def _count_below(alpha, beta, m, x):
    """Number of eigenvalues below x of the tridiagonal matrix (Sturm sequence)."""
    count = 0
    d = 1.0
    for i in range(m):
        off = beta[i - 1] * beta[i - 1] if i > 0 else 0.0
        d = alpha[i] - x - off / d
        if d == 0.0:
            d = 1e-300
        if d < 0:
            count += 1
    return count


@numba.njit(cache=True)
def _tridiagonal_eigenvalue(alpha, beta, m, which):
    low, high = alpha[0], alpha[0]
    for i in range(m):
        r = (abs(beta[i - 1]) if i > 0 else 0.0) + (abs(beta[i]) if i < m - 1 else 0.0)
        low = min(low, alpha[i] - r)
        high = max(high, alpha[i] + r)
    for _ in range(200):
        mid = 0.5 * (low + high)
        if mid <= low or mid >= high:
            break
        if _count_below(alpha, beta, m, mid) > which:
            high = mid
        else:
            low = mid
    return 0.5 * (low + high)


@numba.njit(cache=True)
def _tridiagonal_vector(alpha, beta, m, value):
    """Eigenvector of the tridiagonal matrix by inverse iteration with pivoting."""
    shift = value - 1e-13 * max(1.0, abs(value))
    vector = np.ones(m) / np.sqrt(m)
    for _ in range(3):
        a = alpha[:m] - shift
        b = np.zeros(m)
        c = np.zeros(m)
        rhs = vector.copy()
        b[: m - 1] = beta[: m - 1]
        low = beta[: m - 1].copy()
        for i in range(m - 1):
            if abs(low[i]) > abs(a[i]):
                a_i, b_i, r_i = a[i], b[i], rhs[i]
                a[i], b[i], c[i], rhs[i] = low[i], a[i + 1], b[i + 1], rhs[i + 1]
                factor = a_i / a[i]
                a[i + 1] = b_i - factor * b[i]
                b[i + 1] = -factor * c[i]
                rhs[i + 1] = r_i - factor * rhs[i]
            else:
                pivot = a[i] if a[i] != 0.0 else 1e-300
                factor = low[i] / pivot
                a[i + 1] -= factor * b[i]
                rhs[i + 1] -= factor * rhs[i]
        for i in range(m - 1, -1, -1):
            total = rhs[i]
            if i + 1 < m:
                total -= b[i] * vector[i + 1]
            if i + 2 < m:
                total -= c[i] * vector[i + 2]
            vector[i] = total / (a[i] if a[i] != 0.0 else 1e-300)
        vector /= np.sqrt((vector * vector).sum())
    return vector


@numba.njit(cache=True, fastmath=True)
def lowest_state(diagonal, indptr, indices, values, start, tolerance, krylov, restarts):
    """Lowest eigenpair of ``diag(diagonal) + sparse``.

    Returns
    -------
    energy, vector, residual norm, second Ritz value (an upper bound of the first excited energy)
    """
    dim = diagonal.size
    krylov = min(krylov, dim)
    basis = np.empty((krylov, dim), dtype=start.dtype)
    alpha = np.zeros(krylov)
    beta = np.zeros(krylov)
    work = np.empty(dim, dtype=start.dtype)
    vector = start / np.sqrt((np.abs(start) ** 2).sum())
    energy, residual, second = 0.0, np.inf, np.inf
    for _ in range(restarts):
        basis[0] = vector
        used = krylov
        for m in range(krylov):
            _apply(diagonal, indptr, indices, values, basis[m], work)
            if m > 0:
                for i in range(dim):
                    work[i] -= beta[m - 1] * basis[m - 1, i]
            overlap = 0.0
            for i in range(dim):
                overlap += (np.conj(basis[m, i]) * work[i]).real
            alpha[m] = overlap
            norm = 0.0
            for i in range(dim):
                work[i] -= overlap * basis[m, i]
                norm += work[i].real * work[i].real + work[i].imag * work[i].imag
            beta[m] = np.sqrt(norm)
            last = m + 1 == krylov or beta[m] < 1e-13
            if last or (m >= 15 and (m + 1) % 6 == 0):
                energy = _tridiagonal_eigenvalue(alpha, beta, m + 1, 0)
                ritz = _tridiagonal_vector(alpha, beta, m + 1, energy)
                residual = beta[m] * abs(ritz[m])
                if last or residual < tolerance:
                    used = m + 1
                    break
            if m + 1 < krylov:
                inverse = 1.0 / beta[m]
                for i in range(dim):
                    basis[m + 1, i] = work[i] * inverse
        vector = np.zeros(dim, dtype=start.dtype)
        for m in range(used):
            weight = ritz[m]
            for i in range(dim):
                vector[i] += weight * basis[m, i]
        vector /= np.sqrt((np.abs(vector) ** 2).sum())
        if used > 1:
            second = _tridiagonal_eigenvalue(alpha, beta, used, 1)
        if residual < tolerance:
            break
    return energy, vector, residual, second
