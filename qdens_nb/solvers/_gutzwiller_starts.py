"""Starting fields of the Gutzwiller mean field, and the choice of the lowest of its solutions.

The mean field of strong couplings has many local minima (Mott layers, checkerboards of either
sector, mixtures in a trap). Four starts find the lowest of them nearly always: a strong
checkerboard; none, cooled down; none; a weak checkerboard, cooled slowly.
"""

from __future__ import annotations

import numba
import numpy as np

from qdens_nb.solvers._gutzwiller_kernel import descend, diagonalise, evaluate

#: Kinds of starts, in the order in which they are tried.
STRONG, UNIFORM_COOLED, UNIFORM, WEAK_COOLED = range(4)
#: Start from the densities found in the means of the given state.
GIVEN = 4

_jit = numba.njit(cache=True, nogil=True)


@_jit
def sweep(problem, state, count):
    """Alternate between the sublattices `count` times."""
    for _ in range(count):
        evaluate(problem, state, False)
        for i in problem[1]:
            for c in range(2):
                state[0][c, i] = state[3][c, i]


@_jit
def start_fields(problem, state, kind):
    """Fill the fields on `second` for a start in which `first` is the denser sublattice."""
    first, second, neighbours, mu, U, V, T, root = problem
    field, mean = state[0], state[1]
    z = neighbours.shape[1]
    top = root.size - 1.0
    strength = 0.0
    for i in range(mu.size):
        strength = max(strength, U[i], z * abs(V))
        if kind != GIVEN:
            repulsion = max(U[i], 1e-9)
            guess = mu[i] / repulsion + 0.5
            if kind != STRONG:
                guess /= max(1.0 + z * V / repulsion, 0.1)
            if kind == WEAK_COOLED:
                guess *= 1.3
            mean[0, i] = min(max(guess, 0.0), top)
    for i in second:
        total = 0.0
        for k in range(z):
            total += mean[0, neighbours[i, k]]
        field[0, i] = V * total
        field[1, i] = -0.5 * z
    stages = 8 if kind == UNIFORM_COOLED else 16 if kind == WEAK_COOLED else 0
    hot = 0.25 * strength
    cold = max(T, hot / 50.0)
    if cold < hot:
        for k in range(stages):
            warm = hot * (cold / hot) ** (k / (stages - 1.0))
            warmer = (first, second, neighbours, mu, U, V, warm, root)
            sweep(warmer, state, 1 if kind == UNIFORM_COOLED else 3)
    sweep(problem, state, 2)


@_jit
def _swapped(problem):
    first, second, neighbours, mu, U, V, T, root = problem
    return second, first, neighbours, mu, U, V, T, root


@_jit
def _copy(source, target):
    for i in range(source.shape[0]):
        for j in range(source.shape[1]):
            target[i, j] = source[i, j]


@_jit
def _total(mean, sites):
    total = 0.0
    for i in sites:
        total += mean[0, i]
    return total


@_jit
def lowest_solution(problem, state, kinds, sector, tolerance, limit):
    """Fill `state` with the solution of lowest G over the starts `kinds`.

    sector : +1 (denser `first`), -1 (denser `second`), 0 (both are tried). A solution of the wanted
    sector goes before a lower one of the other; where none has it the lowest is taken.

    Returns
    -------
    G, last correction, evaluations of all starts, converged
    """
    best = np.inf
    best_right = False
    answer = (np.inf, np.inf, 0, False)
    given = state[1].copy()
    trial = (
        np.zeros_like(state[0]),
        np.zeros_like(state[1]),
        np.zeros_like(state[2]),
        np.zeros_like(state[3]),
    )
    used = 0
    for order in (1, -1):
        if sector == -order:
            continue
        for kind in kinds:
            for again in range(2):
                turned = problem if order * (1 - 2 * again) == 1 else _swapped(problem)
                _copy(given, trial[1])
                start_fields(turned, trial, kind)
                grand, residual, count, converged = descend(turned, trial, tolerance, limit)
                used += count
                n_first = _total(trial[1], problem[0])
                n_second = _total(trial[1], problem[1])
                right = sector * (n_first - n_second) >= -1e-6 * (n_first + n_second)
                lower = grand < best - 1e-9 * (1.0 + abs(best)) if best < np.inf else True
                if (right and not best_right) or (right == best_right and lower):
                    best, best_right = grand, right
                    answer = (grand, residual, count, converged)
                    for k in range(4):
                        _copy(trial[k], state[k])
                if right or kind == GIVEN:
                    break
    return answer[0], answer[1], used, answer[3]


@_jit
def occupation(mu, U, T, state, root, squared):
    """Fill `squared` with <n^2> of every site; return the largest probability of n = n_max."""
    d = root.size
    e = np.empty(d)
    f = np.empty(d)
    p = np.empty(d)
    z = np.empty((d, d))
    clipped = 0.0
    for i in range(mu.size):
        diagonalise(state[0][0, i] - mu[i], state[0][1, i], U[i], T, root, e, f, z, p)
        squared[i] = 0.0
        top = 0.0
        for k in range(d):
            top += p[k] * z[d - 1, k] ** 2
            for j in range(d):
                squared[i] += p[k] * (j * z[j, k]) ** 2
        clipped = max(clipped, top)
    return clipped


@_jit
def solve_batch(
    first, second, neighbours, mu, U, V, T, root, kinds, sector, tolerance, limit, fields, means, x
):
    """Solve every row of mu (B, sites), U (B, sites), V (B,), T (B,).

    ``fields``, ``means`` (B, 2, sites) and ``x`` (B, 3, sites) are filled; the densities in
    ``means`` are the start of kind `GIVEN`.

    Returns
    -------
    <n^2> (B, sites), table (B, 5) of G, last correction, evaluations, converged, clipped
    """
    rows, sites = mu.shape
    squared = np.zeros((rows, sites))
    table = np.zeros((rows, 5))
    for r in range(rows):
        problem = (first, second, neighbours, mu[r], U[r], V[r], T[r], root)
        state = (fields[r], means[r], x[r], np.zeros((2, sites)))
        grand, residual, used, converged = lowest_solution(
            problem, state, kinds, sector, tolerance, limit
        )
        table[r, 0] = grand
        table[r, 1] = residual
        table[r, 2] = used
        table[r, 3] = converged
        table[r, 4] = occupation(mu[r], U[r], T[r], state, root, squared[r])
    return squared, table
