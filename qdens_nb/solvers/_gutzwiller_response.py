r"""Derivatives of the Gutzwiller mean field by its couplings, from the converged fields.

The local means :math:`y = (n, m)` follow the fields by the local susceptibilities X, and the fields
follow the means by the coupling K (V to each neighbour's n, -1/2 to its m), so
:math:`dy = (1 + XK)^{-1} d\theta`. The adjoint of that solve, symmetric in the metric of X and
positive at a minimum, is done by conjugate gradients: no iteration is unrolled.
"""

from __future__ import annotations

import numba
import numpy as np

from qdens_nb.solvers._gutzwiller_kernel import (
    couple,
    diagonalise,
    factor,
    pair_weight,
)

_jit = numba.njit(cache=True, nogil=True)


@_jit
def local_response(a, b, U, T, root, x, by_T):
    """Response of (n, m, q = n (n - 1) / 2) of a site.

    x (6,) gets the susceptibilities nn, nm, mm, nq, mq, qq; by_T (3,) the derivatives by T.
    """
    d = root.size
    e = np.empty(d)
    f = np.empty(d)
    p = np.empty(d)
    z = np.empty((d, d))
    diagonalise(a, b, U, T, root, e, f, z, p)
    x[:] = 0.0
    by_T[:] = 0.0
    mean = np.zeros(3)
    element = np.empty(3)
    mean_e = 0.0
    for k in range(d):
        mean_e += p[k] * e[k]
    for k in range(d):
        for j in range(k + 1):
            element[:] = 0.0
            for i in range(d):
                element[0] += i * z[i, k] * z[i, j]
                element[2] += 0.5 * i * (i - 1) * z[i, k] * z[i, j]
                if i:
                    element[1] += root[i - 1] * (z[i - 1, k] * z[i, j] + z[i, k] * z[i - 1, j])
            if j < k:
                weight = pair_weight(p[k], p[j], e[k], e[j], T)
            else:
                weight = p[k] / T if T > 0.0 else 0.0
                for c in range(3):
                    mean[c] += p[k] * element[c]
                    if T > 0.0:
                        by_T[c] += p[k] * (e[k] - mean_e) * element[c] / T**2
            _add_products(x, element, weight)
    if T > 0.0:
        _add_products(x, mean, -1.0 / T)


@_jit
def _add_products(x, v, weight):
    x[0] += weight * v[0] * v[0]
    x[1] += weight * v[0] * v[1]
    x[2] += weight * v[1] * v[1]
    x[3] += weight * v[0] * v[2]
    x[4] += weight * v[1] * v[2]
    x[5] += weight * v[2] * v[2]


@_jit
def _scaled_coupling(sites, neighbours, V, low, u, mean, field, out):
    """out = (1 + L^T K L) u on all sites."""
    for i in sites:
        mean[0, i] = low[0, i] * u[0, i]
        mean[1, i] = low[1, i] * u[0, i] + low[2, i] * u[1, i]
    couple(sites, neighbours, V, mean, field)
    for i in sites:
        out[0, i] = u[0, i] + low[0, i] * field[0, i] + low[1, i] * field[1, i]
        out[1, i] = u[1, i] + low[2, i] * field[1, i]


@_jit
def adjoint(neighbours, mu, U, V, T, root, fields, means, given, accuracy, limit):
    """Derivatives of sum(given * (n, m, q)) by mu and U of every site, V and T.

    Parameters
    ----------
    fields, means : (2, sites)
        Converged fields and means of `solve_batch`.
    given : (3, sites)
        Derivatives of a scalar by n, m and q.

    Returns
    -------
    by_mu, by_U (sites,), by_V, by_T, True if the linear solve converged
    """
    count = mu.size
    sites = np.arange(count)
    x = np.zeros((6, count))
    t = np.zeros((3, count))
    local = np.zeros(6)
    local_t = np.zeros(3)
    for i in sites:
        local_response(fields[0, i] - mu[i], fields[1, i], U[i], T, root, local, local_t)
        x[:, i] = local
        t[:, i] = local_t
    low = np.zeros((3, count))
    factor(sites, x, low)
    mean = np.zeros((2, count))
    field = np.zeros((2, count))
    for i in sites:
        mean[0, i] = x[3, i] * given[2, i]
        mean[1, i] = x[4, i] * given[2, i]
    couple(sites, neighbours, V, mean, field)
    right = np.zeros((2, count))
    r = np.zeros((2, count))
    for i in sites:
        right[0, i] = given[0, i] - field[0, i]
        right[1, i] = given[1, i] - field[1, i]
        r[0, i] = low[0, i] * right[0, i] + low[1, i] * right[1, i]
        r[1, i] = low[2, i] * right[1, i]
    u = np.zeros((2, count))
    p = r.copy()
    kp = np.zeros((2, count))
    rr = (r * r).sum()
    stop = accuracy**2 * rr
    for _ in range(limit):
        if rr <= stop:
            break
        _scaled_coupling(sites, neighbours, V, low, p, mean, field, kp)
        curvature = (p * kp).sum()
        if curvature <= 0.0:
            break
        step = rr / curvature
        u += step * p
        r -= step * kp
        old = rr
        rr = (r * r).sum()
        p = r + (rr / old) * p
    _scaled_coupling(sites, neighbours, V, low, u, mean, field, kp)
    by_mu = np.zeros(count)
    by_U = np.zeros(count)
    by_V = 0.0
    by_T = 0.0
    for i in sites:
        w_n = right[0, i] - field[0, i]
        w_m = right[1, i] - field[1, i]
        by_mu[i] = mean[0, i] + x[3, i] * given[2, i]
        by_U[i] = -(x[3, i] * w_n + x[4, i] * w_m + x[5, i] * given[2, i])
        by_T += w_n * t[0, i] + w_m * t[1, i] + given[2, i] * t[2, i]
        for k in range(neighbours.shape[1]):
            by_V -= by_mu[i] * means[0, neighbours[i, k]]
    return by_mu, by_U, by_V, by_T, rr <= stop
