r"""The directed worm: compiled updates of world lines in continuous imaginary time.

World lines of a site are the events on it, sorted in :math:`[0, \beta)`: ``tau`` (time), ``occ``
(occupation after the event), ``link`` (direction of the site at the kink's other end, or `HEAD`,
`TAIL`), ``count`` events, and ``start``, the occupation before the first (and after the last).

A worm is a pair of discontinuities with the matrix elements of :math:`b` and :math:`b^\dagger`.
The head moves through time in one direction. With :math:`\Delta` the cost per unit time of what it
leaves behind over what it meets, and :math:`\Theta = t\sum_j g(n_j)`,
:math:`g(n) = n + (n+1)[n < n_{max}]`, the sum over both directions of exit of the ratios of weights
for a new kink to a neighbour j, it

- makes a kink at the rate :math:`\phi\Theta`, :math:`\phi = 1/2 + \Delta/2\Theta` clipped to
  [0, 1], the neighbour and the exit in proportion to the ratios,
- turns back at the rate :math:`\max(0, \Delta-\Theta)`,
- at a kink of its own sign deletes it and leaves from the other end, forward in time with the
  probability :math:`\phi` of a head that comes backward, and the reverse,
- passes every other kink (the two operators commute),
- at the tail closes.

The rates of the two directions differ by :math:`\Delta`, which is balance for the straight move
(:math:`e^{-\Delta d\tau}`); :math:`\phi` of the two directions adds to one, which is balance of
making and deleting kinks with no rejection; the rate to turn back is the least possible. A worm is
put in at a uniform point and accepted in proportion to the weight of its pair. Continuous-time
directed loops: Syljuasen and Sandvik, PRE 66, 046701 (2002); locally optimal worms: Pollet et al.,
J. Comput. Phys. 225, 2249 (2007).
"""

# mypy: disable-error-code="assignment"
from __future__ import annotations

import math

import numpy as np
from numba import njit

from qdens_nb.solvers._random import uniform

HEAD, TAIL = 100, 101
#: entries of the counters array
WORMS, STEPS, BOUNCES, KINKS_MADE, KINKS_CUT, WINDING = range(6)
#: entries of the worm array (-1 for a closed configuration)
W_SITE, W_INDEX, W_DIRECTION = range(3)


@njit(cache=True, inline="always")
def _until(tau, site, count, time):
    """Number of events of the site at times <= time."""
    found = 0
    if count <= 48:
        for k in range(count):
            found += tau[site, k] <= time
        return found
    low, high = 0, count
    while low < high:
        middle = (low + high) >> 1
        if tau[site, middle] <= time:
            low = middle + 1
        else:
            high = middle
    return low


@njit(cache=True, inline="always")
def _before(tau, site, count, time):
    """Number of events of the site at times < time."""
    found = 0
    if count <= 48:
        for k in range(count):
            found += tau[site, k] < time
        return found
    low, high = 0, count
    while low < high:
        middle = (low + high) >> 1
        if tau[site, middle] < time:
            low = middle + 1
        else:
            high = middle
    return low


@njit(cache=True, inline="always")
def _open(tau, occ, link, count, site, at):
    """Make room for two events at index `at`."""
    n = count[site]
    for k in range(n - 1, at - 1, -1):
        tau[site, k + 2] = tau[site, k]
        occ[site, k + 2] = occ[site, k]
        link[site, k + 2] = link[site, k]
    count[site] = n + 2


@njit(cache=True, inline="always")
def _close(tau, occ, link, count, site, at):
    """Remove the two events at `at` and `at` + 1."""
    n = count[site] - 2
    for k in range(at, n):
        tau[site, k] = tau[site, k + 2]
        occ[site, k] = occ[site, k + 2]
        link[site, k] = link[site, k + 2]
    count[site] = n


@njit(cache=True, nogil=True)
def run_worms(
    worms, tau, occ, link, count, start, nbr, mu, U, V, beta, n_max, worm, length, counters, rng
):
    """Insert `worms` worms (rejected ones count) and let each run until it closes.

    Returns the number of worms still to insert. It stops early, possibly with an open worm, when a
    list of events is full; the call is then repeated with longer lists.
    """
    sites, z = nbr.shape
    half = z // 2
    room = tau.shape[1] - 4
    cursor = np.empty(z, np.int64)
    near = np.empty(z, np.int64)
    coming = np.empty(z)
    h, k, d = worm[W_SITE], worm[W_INDEX], worm[W_DIRECTION]
    fresh = True
    left = worms
    while True:
        if h < 0:
            if left == 0:
                break
            left -= 1
            counters[WORMS] += 1
            site = int(uniform(rng) * sites)
            time = uniform(rng) * beta
            c = _until(tau, site, count[site], time)
            n = np.int64(start[site]) if c == 0 else np.int64(occ[site, c - 1])
            u = uniform(rng)
            between = n + 1 if u < 0.5 else n - 1
            if between < 0 or between > n_max:
                continue
            if uniform(rng) * n_max > max(n, between):
                continue
            if count[site] > room:
                left += 1
                counters[WORMS] -= 1
                break
            _open(tau, occ, link, count, site, c)
            tau[site, c] = time
            tau[site, c + 1] = time
            occ[site, c] = between
            occ[site, c + 1] = n
            u = 2.0 * u if u < 0.5 else 2.0 * u - 1.0
            h = site
            if u < 0.5:
                d, k = 1, c + 1
                link[site, c], link[site, c + 1] = TAIL, HEAD
            else:
                d, k = -1, c
                link[site, c], link[site, c + 1] = HEAD, TAIL
            fresh = True

        counters[STEPS] += 1
        time = tau[h, k]
        before = np.int64(start[h]) if k == 0 else np.int64(occ[h, k - 1])
        after = np.int64(occ[h, k])
        # neighbours at the head, on the side it moves to
        if fresh:
            total, theta = 0, 0
            for q in range(z):
                m = nbr[h, q]
                c = _until(tau, m, count[m], time) if d > 0 else _before(tau, m, count[m], time)
                n = np.int64(start[m]) if c == 0 else np.int64(occ[m, c - 1])
                cursor[q] = c
                near[q] = n
                total += n
                theta += n + (n + 1 if n < n_max else 0)
            fresh = False
        behind = before if d > 0 else after
        front = after if d > 0 else before
        # cost per unit time = base + slope * (sum over neighbours)
        slope = (behind - front) * V
        base = (behind - front) * (0.5 * U[h] * (before + after - 1) - mu[h])
        own = -1
        if d > 0:
            last = beta
            if k + 1 < count[h]:
                own = k + 1
                last = tau[h, own]
            for q in range(z):
                m = nbr[h, q]
                coming[q] = tau[m, cursor[q]] if cursor[q] < count[m] else 2.0 * beta
        else:
            last = 0.0
            if k > 0:
                own = k - 1
                last = tau[h, own]
            for q in range(z):
                m = nbr[h, q]
                coming[q] = tau[m, cursor[q] - 1] if cursor[q] > 0 else -1.0
        depth = -math.log(uniform(rng))
        arrived = False
        while True:
            # constant rates up to the next event of a neighbour, or the last one, on this site
            cost = base + slope * total
            kink_rate = min(max(0.5 * (theta + cost), 0.0), np.float64(theta))
            rate = kink_rate + max(0.0, cost - theta)
            hit = z
            limit = last
            if d > 0:
                for q in range(z):
                    if coming[q] < limit:
                        limit = coming[q]
                        hit = q
                distance = limit - time
            else:
                for q in range(z):
                    if coming[q] > limit:
                        limit = coming[q]
                        hit = q
                distance = time - limit
            if depth < rate * distance:
                distance = depth / rate
                length[0] += distance
                time = time + distance if d > 0 else time - distance
                break
            length[0] += distance
            depth -= rate * distance
            time = limit
            if hit == z:
                arrived = True
                break
            m = nbr[h, hit]
            n = near[hit]
            theta -= n + (n + 1 if n < n_max else 0)
            total -= n
            c = cursor[hit]
            if d > 0:
                n = np.int64(occ[m, c])
                c += 1
                coming[hit] = tau[m, c] if c < count[m] else 2.0 * beta
            else:
                c -= 1
                n = np.int64(start[m]) if c == 0 else np.int64(occ[m, c - 1])
                coming[hit] = tau[m, c - 1] if c > 0 else -1.0
            cursor[hit] = c
            near[hit] = n
            total += n
            theta += n + (n + 1 if n < n_max else 0)
        tau[h, k] = time
        if not arrived:
            choice = uniform(rng) * rate
            if choice >= kink_rate:
                counters[BOUNCES] += 1
                d = -d
                continue
            # a new kink: the head's jump stays behind, the head leaves from the neighbour
            choice *= theta / kink_rate
            q = 0
            n = near[0]
            weight = n + (n + 1 if n < n_max else 0)
            while q < z - 1 and choice >= weight:
                choice -= weight
                q += 1
                n = near[q]
                weight = n + (n + 1 if n < n_max else 0)
            m = nbr[h, q]
            if count[m] > room:
                break
            choice = min(choice, weight - 1e-9)
            up = n + 1 if n < n_max else 0
            onward = up if behind > front else n
            if choice >= onward:
                d = -d
            jump = after - before
            c = cursor[q]
            counters[KINKS_MADE] += 1
            link[h, k] = q
            _open(tau, occ, link, count, m, c)
            tau[m, c] = time
            tau[m, c + 1] = time
            occ[m, c + 1] = n
            back = q + half if q < half else q - half
            if d > 0:
                occ[m, c] = n - jump
                link[m, c], link[m, c + 1] = back, HEAD
                k = c + 1
            else:
                occ[m, c] = n + jump
                link[m, c], link[m, c + 1] = HEAD, back
                k = c
            h = m
            fresh = True
            continue
        if own < 0:
            # through the boundary of imaginary time
            n = count[h]
            if d > 0:
                for e in range(n - 1, 0, -1):
                    tau[h, e] = tau[h, e - 1]
                    occ[h, e] = occ[h, e - 1]
                    link[h, e] = link[h, e - 1]
                k = 0
                tau[h, 0], occ[h, 0], link[h, 0] = 0.0, front, HEAD
            else:
                for e in range(n - 1):
                    tau[h, e] = tau[h, e + 1]
                    occ[h, e] = occ[h, e + 1]
                    link[h, e] = link[h, e + 1]
                k = n - 1
                tau[h, k], occ[h, k], link[h, k] = beta, behind, HEAD
            start[h] = behind
            counters[WINDING] += d * (behind - front)
            fresh = True
            continue
        if link[h, own] == TAIL:
            _close(tau, occ, link, count, h, min(k, own))
            h = -1
            continue
        # a kink on this site: `beyond` is the occupation on its far side
        beyond = np.int64(occ[h, own])
        if d < 0:
            beyond = np.int64(start[h]) if own == 0 else np.int64(occ[h, own - 1])
        q = np.int64(link[h, own])
        if beyond == behind:
            counters[KINKS_CUT] += 1
            _close(tau, occ, link, count, h, min(k, own))
            m = nbr[h, q]
            h = m
            k = _until(tau, m, count[m], limit) - 1
            link[h, k] = HEAD
            before = np.int64(start[h]) if k == 0 else np.int64(occ[h, k - 1])
            after = np.int64(occ[h, k])
            total, theta = 0, 0
            for q in range(z):
                m = nbr[h, q]
                c = _until(tau, m, count[m], limit)
                n = np.int64(start[m]) if c == 0 else np.int64(occ[m, c - 1])
                cursor[q] = c
                near[q] = n
                total += n
                theta += n + (n + 1 if n < n_max else 0)
            cost = (before - after) * (0.5 * U[h] * (before + after - 1) + V * total - mu[h])
            phi = 0.5 * (theta + cost)  # times theta: of a head that moves forward
            d = -1 if uniform(rng) * theta < phi else 1
            continue
        # the operators commute: change places
        between = behind + beyond - front
        tau[h, k] = limit
        occ[h, min(k, own)] = between
        if d > 0:
            occ[h, own] = beyond
        else:
            occ[h, k] = behind
        link[h, k], link[h, own] = q, HEAD
        k = own
    worm[W_SITE], worm[W_INDEX], worm[W_DIRECTION] = h, k, d
    return left
