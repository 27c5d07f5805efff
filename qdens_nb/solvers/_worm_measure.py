r"""What a closed configuration of world lines says, integrated over imaginary time.

Diagonal observables are averages over all of :math:`[0, \beta)`; the neighbour coherence is the
number of kinks, :math:`\langle b^\dagger_i b_j + h.c.\rangle = \langle k_{ij}\rangle/\beta t`.
"""

from __future__ import annotations

import math

from numba import njit

from qdens_nb.solvers._random import uniform
from qdens_nb.solvers._worm_kernel import W_SITE, run_worms

#: a row of measurements: SITE_MAPS maps over sites, then BOND_MAPS maps over bonds, then scalars
SITE_MAPS = ("density", "density_squared", "clipped")
BOND_MAPS = ("density_correlation", "coherence")
SCALARS = ("number", "number_squared", "structure_factor", "staggered", "energy", "winding_squared")


def row_length(sites: int, directions: int) -> int:
    """Number of entries in a row of measurements."""
    return (
        len(SITE_MAPS) * sites + len(BOND_MAPS) * directions * sites + len(SCALARS) - 1 + directions
    )


@njit(cache=True, nogil=True)
def measure(
    tau, occ, link, count, start, nbr, sign, side, mu, U, V, beta, n_max, row, total, squares
):
    """Write one measurement into `row` and add it and its square to `total` and `squares`."""
    sites, z = nbr.shape
    half = z // 2
    n_at, n2_at, top_at = 0, sites, 2 * sites
    nn_at = 3 * sites
    kink_at = nn_at + half * sites
    scalar_at = kink_at + half * sites
    row[:] = 0.0
    number, stagger, energy, kinks = 0, 0.0, 0.0, 0
    for i in range(sites):
        n = start[i]
        number += n
        stagger += sign[i] * n
        since, first, second, top = 0.0, 0.0, 0.0, 0.0
        for e in range(count[i]):
            now = tau[i, e]
            span = now - since
            first += n * span
            second += n * n * span
            if n == n_max:
                top += span
            since = now
            previous = n
            n = occ[i, e]
            q = link[i, e]
            if q < half:
                row[kink_at + q * sites + i] += 1.0
                row[scalar_at + 5 + q] += previous - n
            else:
                # the same kink seen from its other end carries the current once more
                row[scalar_at + 5 + q - half] -= previous - n
        span = beta - since
        first += n * span
        second += n * n * span
        if n == n_max:
            top += span
        row[n_at + i] = first / beta
        row[n2_at + i] = second / beta
        row[top_at + i] = top / beta
        energy += 0.5 * U[i] * (second - first) / beta - mu[i] * first / beta
        for q in range(half):
            j = nbr[i, q]
            a, b, since, product = start[i], start[j], 0.0, 0.0
            x, y = 0, 0
            cx, cy = count[i], count[j]
            while x < cx or y < cy:
                if y >= cy or (x < cx and tau[i, x] <= tau[j, y]):
                    now = tau[i, x]
                    product += a * b * (now - since)
                    a = occ[i, x]
                    x += 1
                else:
                    now = tau[j, y]
                    product += a * b * (now - since)
                    b = occ[j, y]
                    y += 1
                since = now
            product += a * b * (beta - since)
            row[nn_at + q * sites + i] = product / beta
            energy += V * product / beta
            kinks += row[kink_at + q * sites + i]
            row[kink_at + q * sites + i] /= 2.0 * beta
    row[scalar_at] = number
    row[scalar_at + 1] = number * number
    row[scalar_at + 2] = (stagger / sites) ** 2
    row[scalar_at + 3] = stagger / sites
    row[scalar_at + 4] = energy - kinks / beta
    for q in range(half):
        winding = row[scalar_at + 5 + q] / (2.0 * side[q])
        row[scalar_at + 5 + q] = winding * winding
    for e in range(row.size):
        total[e] += row[e]
        squares[e] += row[e] * row[e]


@njit(cache=True, nogil=True)
def symmetry_move(tau, occ, link, count, start, mu, U, beta, row, images, turns, rng):
    """Propose to map all world lines by a symmetry of the empty lattice, Metropolis accepted.

    The map of the sites is one of `images` (ops, sites), that of the directions the same row of
    `turns`; the set holds every inverse. `row` holds the time averages just measured.
    """
    op = int(uniform(rng) * images.shape[0])
    sites = count.size
    action = 0.0
    for i in range(sites):
        j = images[op, i]
        n, n2 = row[i], row[sites + i]
        action += beta * (0.5 * (U[j] - U[i]) * (n2 - n) - (mu[j] - mu[i]) * n)
    if action > 0.0 and uniform(rng) >= math.exp(-action):
        return False
    times, levels, links = tau.copy(), occ.copy(), link.copy()
    events, first = count.copy(), start.copy()
    for i in range(sites):
        j = images[op, i]
        count[j] = events[i]
        start[j] = first[i]
        for e in range(events[i]):
            tau[j, e] = times[i, e]
            occ[j, e] = levels[i, e]
            link[j, e] = turns[op, links[i, e]]
    return True


@njit(cache=True, nogil=True)
def run_sweeps(
    sweeps, worms, pending, tau, occ, link, count, start, nbr, sign, side, mu, U, V, beta, n_max,
    worm, length, counters, rng, row, total, squares, measuring, images, turns,
):  # fmt: skip
    """Sweeps of `worms` worms with a measurement after each; `pending` worms open the first.

    With symmetry maps in `images`, one is proposed after each measurement.

    Returns sweeps done and worms still to insert in the unfinished one (more room is needed then).
    """
    for done in range(sweeps):
        left = run_worms(
            pending, tau, occ, link, count, start, nbr, mu, U, V, beta, n_max, worm, length,
            counters, rng,
        )  # fmt: skip
        if left > 0 or worm[W_SITE] >= 0:
            return done, left
        pending = worms
        if measuring:
            measure(
                tau, occ, link, count, start, nbr, sign, side, mu, U, V, beta, n_max, row, total,
                squares,
            )  # fmt: skip
            if images.shape[0] > 0:
                symmetry_move(
                    tau, occ, link, count, start, mu, U, beta, row, images, turns, rng
                )  # fmt: skip
    return sweeps, worms
