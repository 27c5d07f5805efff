r"""Compiled Gutzwiller mean field of the extended Bose-Hubbard model on a bipartite lattice.

Each site has the local Hamiltonian (t = 1)

.. math:: h_i = U_i q + a_i n + b_i (b + b^\dagger),\quad q = n(n-1)/2,\quad
          a_i = V\sum_j n_j - \mu_i,\quad b_i = -\tfrac12\sum_j m_j

with the means n and :math:`m = \langle b + b^\dagger\rangle` of its neighbours. The fields on the
second sublattice fix everything: its means follow, from them the means of the first sublattice, and
from those new fields. This alternation lowers the product state's grand potential

.. math:: G = \sum_i \omega_i - \sum_{i\in 2} (a_i + \mu_i) n_i + b_i m_i

at every turn. Newton steps on the same function, by conjugate gradients in the metric of the local
susceptibilities, end the slow approach near phase boundaries; where the curvature is negative (a
saddle, such as no condensate in the superfluid) they follow it downhill.
"""

from __future__ import annotations

import numba
import numpy as np

_jit = numba.njit(cache=True, nogil=True)

# Below, ``problem`` is (first, second, neighbours, mu, U, V, T, root): site indices of the two
# sublattices, (sites, z) neighbour indices, site-resolved mu and U, V, T and sqrt(1..d), d the
# number of local states; ``state`` is (field, mean, x, new): fields (a + mu, b), means (n, m) and
# susceptibilities (nn, nm, mm) of all sites, and the fields on `second` that follow from the means.


@_jit
def eigen_tridiagonal(e, f, z):
    """Diagonalise in place: diagonal e, off-diagonal f[:-1]; columns of z are eigenvectors."""
    d = e.size
    for i in range(d):
        for j in range(d):
            z[i, j] = 0.0
        z[i, i] = 1.0
    f[d - 1] = 0.0
    for low in range(d):
        for _ in range(60):
            high = low
            while high < d - 1:
                scale = abs(e[high]) + abs(e[high + 1])
                if abs(f[high]) <= 1e-16 * scale + 1e-300:
                    break
                high += 1
            if high == low:
                break
            g = (e[low + 1] - e[low]) / (2.0 * f[low])
            r = np.sqrt(g * g + 1.0)
            g = e[high] - e[low] + f[low] / (g + (r if g >= 0.0 else -r))
            s, c, p = 1.0, 1.0, 0.0
            early = False
            for i in range(high - 1, low - 1, -1):
                h = s * f[i]
                b = c * f[i]
                r = np.sqrt(h * h + g * g)
                f[i + 1] = r
                if r == 0.0:
                    e[i + 1] -= p
                    f[high] = 0.0
                    early = True
                    break
                s = h / r
                c = g / r
                g = e[i + 1] - p
                r = (e[i] - g) * s + 2.0 * c * b
                p = s * r
                e[i + 1] = g + p
                g = c * r - b
                for k in range(d):
                    h = z[k, i + 1]
                    z[k, i + 1] = s * z[k, i] + c * h
                    z[k, i] = c * z[k, i] - s * h
            if early:
                continue
            e[low] -= p
            f[low] = g
            f[high] = 0.0


@_jit
def thermal_weights(e, T, p):
    """Fill p with the Boltzmann weights of levels e; return -T log Z (T = 0: the lowest)."""
    d = e.size
    lowest = 0
    for k in range(1, d):
        if e[k] < e[lowest]:
            lowest = k
    if T == 0.0:
        for k in range(d):
            p[k] = 0.0
        p[lowest] = 1.0
        return e[lowest]
    total = 0.0
    for k in range(d):
        p[k] = np.exp((e[lowest] - e[k]) / T)
        total += p[k]
    for k in range(d):
        p[k] /= total
    return e[lowest] - T * np.log(total)


@_jit
def pair_weight(pk, pl, ek, el, T):
    """Weight of |<k|A|l>|^2, k != l, both orders together, in the static susceptibility."""
    gap = el - ek
    if T > 0.0 and abs(gap) < 1e-5 * T:
        return (pk + pl) / T
    if pk == pl:
        return 0.0
    if abs(gap) < 1e-10:
        gap = 1e-10 if pk > pl else -1e-10
    return 2.0 * (pk - pl) / gap


@_jit
def diagonalise(a, b, U, T, root, e, f, z, p):
    """Levels e, states z and weights p of one site; return omega = -T log Z."""
    for k in range(e.size):
        e[k] = (0.5 * U * (k - 1) + a) * k
        f[k] = b * root[k]
    eigen_tridiagonal(e, f, z)
    return thermal_weights(e, T, p)


@_jit
def local_means(a, b, U, T, root, linear, e, f, z, p):
    """omega, <n>, <m> and the susceptibilities nn, nm, mm (positive, if `linear`) of one site."""
    d = e.size
    omega = diagonalise(a, b, U, T, root, e, f, z, p)
    n, m = 0.0, 0.0
    xnn, xnm, xmm = 0.0, 0.0, 0.0
    for k in range(d):
        nk = 0.0
        mk = 0.0
        for i in range(d):
            nk += i * z[i, k] * z[i, k]
        for i in range(d - 1):
            mk += root[i] * z[i, k] * z[i + 1, k]
        mk *= 2.0
        n += p[k] * nk
        m += p[k] * mk
        if not linear:
            continue
        if T > 0.0:
            xnn += p[k] * nk * nk / T
            xnm += p[k] * nk * mk / T
            xmm += p[k] * mk * mk / T
        for j in range(k):
            weight = pair_weight(p[k], p[j], e[k], e[j], T)
            if weight == 0.0:
                continue
            nkl = 0.0
            mkl = 0.0
            for i in range(1, d):
                nkl += i * z[i, k] * z[i, j]
                mkl += root[i - 1] * (z[i - 1, k] * z[i, j] + z[i, k] * z[i - 1, j])
            xnn += weight * nkl * nkl
            xnm += weight * nkl * mkl
            xmm += weight * mkl * mkl
    if T > 0.0 and linear:
        xnn -= n * n / T
        xnm -= n * m / T
        xmm -= m * m / T
    return omega, n, m, xnn, xnm, xmm


@_jit
def couple(sites, neighbours, V, mean, field):
    """Write the fields V sum n and -sum m / 2 of the neighbours of `sites`."""
    for i in sites:
        sum_n = 0.0
        sum_m = 0.0
        for k in range(neighbours.shape[1]):
            j = neighbours[i, k]
            sum_n += mean[0, j]
            sum_m += mean[1, j]
        field[0, i] = V * sum_n
        field[1, i] = -0.5 * sum_m


@_jit
def evaluate(problem, state, linear):
    """Fill means, susceptibilities (if `linear`) and new fields from the fields on `second`.

    Returns
    -------
    G, sum of the absolute values of its terms
    """
    first, second, neighbours, mu, U, V, T, root = problem
    field, mean, x, new = state
    d = root.size
    e = np.empty(d)
    f = np.empty(d)
    p = np.empty(d)
    z = np.empty((d, d))
    grand, scale = 0.0, 1.0
    for half in range(2):
        for i in second if half == 0 else first:
            part, mean[0, i], mean[1, i], x[0, i], x[1, i], x[2, i] = local_means(
                field[0, i] - mu[i], field[1, i], U[i], T, root, linear, e, f, z, p
            )
            if half == 0:
                part -= field[0, i] * mean[0, i] + field[1, i] * mean[1, i]
            grand += part
            scale += abs(part)
        if half == 0:
            couple(first, neighbours, V, mean, field)
    couple(second, neighbours, V, mean, new)
    return grand, scale


@_jit
def factor(second, x, low):
    """Cholesky factors (l11, l21, l22) of the susceptibilities on `second`."""
    for i in second:
        l11 = np.sqrt(max(x[0, i], 0.0))
        l21 = x[1, i] / l11 if l11 > 1e-30 else 0.0
        low[0, i], low[1, i] = l11, l21
        low[2, i] = np.sqrt(max(x[2, i] - l21 * l21, 0.0))


@_jit
def linear_change(problem, x, low, u, mean, field):
    """Change of the fields on `second` after one alternation, for the scaled change u there.

    `mean` gets the changes of the means (with the opposite sign on `second`); return the largest,
    of n and phi.
    """
    first, second, neighbours, _, _, V, _, _ = problem
    for i in second:
        mean[0, i] = low[0, i] * u[0, i]
        mean[1, i] = low[1, i] * u[0, i] + low[2, i] * u[1, i]
    couple(first, neighbours, V, mean, field)
    for i in first:
        mean[0, i] = x[0, i] * field[0, i] + x[1, i] * field[1, i]
        mean[1, i] = x[1, i] * field[0, i] + x[2, i] * field[1, i]
    couple(second, neighbours, V, mean, field)
    largest = 0.0
    for i in range(mean.shape[1]):
        largest = max(largest, abs(mean[0, i]), 0.5 * abs(mean[1, i]))
    return largest


@_jit
def scale_back(second, low, field, u):
    """u = L^T field on `second`."""
    for i in second:
        u[0, i] = low[0, i] * field[0, i] + low[1, i] * field[1, i]
        u[1, i] = low[2, i] * field[1, i]


@_jit
def dot(second, u, v):
    """Scalar product over `second`."""
    total = 0.0
    for i in second:
        total += u[0, i] * v[0, i] + u[1, i] * v[1, i]
    return total


@_jit
def conjugate_gradients(problem, x, low, r, accuracy, limit):
    """Solve (1 - W) u = r on `second` (r is overwritten), W the scaled response.

    Returns
    -------
    u, last direction, True if the curvature along that direction was negative
    """
    second = problem[1]
    u = np.zeros_like(r)
    mean = np.zeros_like(r)
    field = np.zeros_like(r)
    wp = np.zeros_like(r)
    p = r.copy()
    rr = dot(second, r, r)
    stop = rr * accuracy**2
    for _ in range(limit):
        if rr <= stop:
            break
        linear_change(problem, x, low, p, mean, field)
        scale_back(second, low, field, wp)
        pp = dot(second, p, p)
        curvature = pp - dot(second, p, wp)
        if curvature <= 1e-12 * pp:
            return u, p, True
        step = rr / curvature
        old = rr
        rr = 0.0
        for i in second:
            for c in range(2):
                u[c, i] += step * p[c, i]
                r[c, i] -= step * (p[c, i] - wp[c, i])
                rr += r[c, i] ** 2
        for i in second:
            for c in range(2):
                p[c, i] = r[c, i] + rr / old * p[c, i]
    return u, p, False


@_jit
def step_to(problem, state, origin, base, extra, step, more):
    """Evaluate at fields ``origin + step base + more extra``."""
    for i in problem[1]:
        state[0][0, i] = origin[0, i] + step * base[0, i] + more * extra[0, i]
        state[0][1, i] = -abs(origin[1, i] + step * base[1, i] + more * extra[1, i])
    return evaluate(problem, state, True)


@_jit
def line_search(problem, state, grand, base, extra, more):
    """Lower G along the Newton step `base` plus `more` times the downhill direction `extra`.

    Where nothing lowers it one alternation does.

    Returns
    -------
    G, evaluations
    """
    origin = state[0].copy()
    alternated = state[3] - origin
    used = 1
    found, scale = step_to(problem, state, origin, base, extra, 1.0, more)
    if more > 0.0:
        while used < 8 and found > grand:
            more *= 0.25
            found, scale = step_to(problem, state, origin, base, extra, 1.0, more)
            used += 1
        while used < 12 and found <= grand:
            further, _ = step_to(problem, state, origin, base, extra, 1.0, 2.0 * more)
            used += 1
            if further >= found:
                found, scale = step_to(problem, state, origin, base, extra, 1.0, more)
                used += 1
                break
            found = further
            more *= 2.0
    step = 1.0
    while used < 12 and found > grand + 1e-14 * scale and step > 0.1:
        step *= 0.4
        found, scale = step_to(problem, state, origin, base, extra, step, 0.0)
        used += 1
    if found > grand + 1e-14 * scale:
        found, scale = step_to(problem, state, origin, alternated, extra, 1.0, 0.0)
        used += 1
    return found, used


@_jit
def descend(problem, state, tolerance, limit):
    """Minimise G from the fields on `second`; fill `state`.

    Returns
    -------
    G, size of the last Newton correction of n and phi (at least 1 at a saddle), evaluations used,
    True if that correction was below `tolerance` and the curvature positive
    """
    second = problem[1]
    field, _, x, new = state
    low = np.zeros_like(x)
    scaled = np.zeros_like(field)
    shift_mean = np.zeros_like(field)
    base = np.zeros_like(field)
    extra = np.zeros_like(field)
    grand, _ = evaluate(problem, state, True)
    used = 1
    residual = np.inf
    while used < limit:
        factor(second, x, low)
        scale_back(second, low, new - field, scaled)
        change = np.sqrt(dot(second, scaled, scaled) / second.size)
        accuracy = min(0.1, max(change, 1e-6))
        u, p, saddle = conjugate_gradients(problem, x, low, scaled, accuracy, 200)
        residual = linear_change(problem, x, low, u, shift_mean, base)
        for i in second:
            for c in range(2):
                base[c, i] += new[c, i] - field[c, i]
        converged = False
        if not saddle and residual < tolerance:
            for i in second:
                scaled[0, i] = low[0, i]
                scaled[1, i] = -low[2, i]
            _, p, saddle = conjugate_gradients(problem, x, low, scaled, 0.05, 100)
            converged = not saddle
        more = 0.0
        if saddle:
            size = linear_change(problem, x, low, p, shift_mean, extra)
            more = 0.2 / max(size, 1e-300)
            residual = max(residual, 1.0)
        grand, more_used = line_search(problem, state, grand, base, extra, more)
        used += more_used
        if converged:
            return grand, residual, used, True
    return grand, residual, used, False
