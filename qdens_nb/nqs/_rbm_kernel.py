r"""Compiled moves and local energies of restricted Boltzmann machines.

A hidden unit enters ψ as :math:`\cosh θ_k`, :math:`θ_k = b_k + \sum_j W_{kj}s_j`. A change of
one site moves it to :math:`θ_k + σd_{kj}` with a fixed :math:`d_{kj}` (the step of the local
values times the weight) and :math:`σ = ±1`, so that

.. math:: \frac{\cosh(θ_k+σd_{kj})}{\coshθ_k} = C_{kj} + σ\,T_kS_{kj},\qquad
          T_k → \frac{T_k+σt_{kj}}{1+σT_kt_{kj}}

with tables of :math:`C=\cosh d`, :math:`S=\sinh d`, :math:`t=\tanh d` and the look-up table
:math:`T=\tanhθ` of the configuration: one multiplication and addition a hidden unit, and no
transcendental function, for a move as for a local energy. Two sites at once cost two more.

A wave function projected on a symmetry, :math:`ψ(s)=\sum_p χ_pφ(ps)`, has one such table an image.
All functions work on real and on complex weights; they release the interpreter's lock.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from qdens_nb.solvers._random import uniform


@njit(cache=True, fastmath=True, nogil=True)
def _one(tanh, cosh, sinh, sign):
    """Product over the hidden units of the ratios for one changed site."""
    found = cosh[0] + sign * tanh[0] * sinh[0]
    for k in range(1, tanh.shape[0]):
        found *= cosh[k] + sign * tanh[k] * sinh[k]
    return found


@njit(cache=True, fastmath=True, nogil=True)
def _two(tanh, cosh, sinh, sign, cosh2, sinh2, sign2):
    """The same for two changed sites."""
    both = sign * sign2
    found = tanh[0] * 0 + 1
    for k in range(tanh.shape[0]):
        even = cosh[k] * cosh2[k] + both * sinh[k] * sinh2[k]
        odd = sign * sinh[k] * cosh2[k] + sign2 * cosh[k] * sinh2[k]
        found *= even + tanh[k] * odd
    return found


@njit(cache=True, fastmath=True, nogil=True)
def _ratio(tables, tanh, first, up, second, up2, out):
    """Ratios φ(p s')/φ(p s) of all images p into `out`; `second` < 0 if one site changes.

    `up` is +1 or -1: the change of the site in steps of the local values.
    """
    cosh, sinh, _, visible, places, signs = tables
    for p in range(places.shape[0]):
        i = places[p, first]
        sign = signs[p] * up
        if second < 0:
            out[p] = _one(tanh[p], cosh[i], sinh[i], sign) * np.exp(sign * visible[i])
        else:
            j = places[p, second]
            sign2 = signs[p] * up2
            out[p] = _two(tanh[p], cosh[i], sinh[i], sign, cosh[j], sinh[j], sign2) * np.exp(
                sign * visible[i] + sign2 * visible[j]
            )


@njit(cache=True, fastmath=True, nogil=True)
def _shift(tables, tanh, site, up):
    """Move the look-up table after a change of `site`."""
    _, _, step_tanh, _, places, signs = tables
    for p in range(places.shape[0]):
        i = places[p, site]
        sign = signs[p] * up
        for k in range(tanh.shape[1]):
            moved = sign * step_tanh[i, k]
            below = 1.0 + tanh[p, k] * moved
            if abs(below) < 1e-12:
                below += 1e-12
            tanh[p, k] = (tanh[p, k] + moved) / below


@njit(cache=True, nogil=True)
def sweep(configs, tanh, images, tables, exchange, lowest, highest, step, streams, sweeps, power):
    """Metropolis sweeps of N proposals for each configuration; returns the accepted moves.

    Parameters
    ----------
    configs : (B, N) int8
        Moved in place.
    tanh : (B, P, M)
        Look-up tables of the P images, moved in place.
    images : (B, P)
        χ_p φ(p s) up to a common factor of a configuration, moved in place.
    exchange : bool
        Move a step from one site to another, so that the total stays; else change one site.
    streams : (B, 4) uint64
        One random generator a chain.
    power : float
        The chains sample |ψ|^(2 power).
    """
    chains, sites = configs.shape
    ratio = np.empty(images.shape[1], images.dtype)
    accepted = 0
    for b in range(chains):
        state = streams[b]
        config = configs[b]
        for _ in range(sweeps * sites):
            first = int(uniform(state) * sites)
            second, up, up2 = -1, 1, 0
            if exchange:
                second = int(uniform(state) * sites)
                while config[second] == config[first] and highest - lowest == step:
                    first = int(uniform(state) * sites)
                    second = int(uniform(state) * sites)
                if first == second:
                    continue
                if highest - lowest == step:
                    up = 1 if config[first] == lowest else -1
                else:
                    up = 1 if uniform(state) < 0.5 else -1
                up2 = -up
                reached = config[second] + up2 * step
                if reached < lowest or reached > highest:
                    continue
            elif highest - lowest == step:
                up = 1 if config[first] == lowest else -1
            else:
                up = 1 if uniform(state) < 0.5 else -1
            reached = config[first] + up * step
            if reached < lowest or reached > highest:
                continue
            _ratio(tables, tanh[b], first, up, second, up2, ratio)
            before, after = images[b, 0] * 0, images[b, 0] * 0
            largest = 0.0
            for p in range(ratio.shape[0]):
                before += images[b, p]
                ratio[p] *= images[b, p]
                after += ratio[p]
                largest = max(largest, abs(ratio[p]))
            chance = abs(after) / abs(before) if abs(before) > 0 else 2.0
            chance = chance * chance if power == 1.0 else chance ** (2.0 * power)
            if uniform(state) < chance:
                accepted += 1
                for p in range(ratio.shape[0]):
                    images[b, p] = ratio[p] / largest
                _shift(tables, tanh[b], first, up)
                config[first] += up * step
                if second >= 0:
                    _shift(tables, tanh[b], second, up2)
                    config[second] += up2 * step
    return accepted


@njit(cache=True, nogil=True)
def local_energies(configs, tanh, images, tables, rows, lowest, step, out):
    """Local energies of (B, N) configurations into `out`, from their look-up tables.

    `rows` are the `Tables` of the Hamiltonian as a plain tuple.
    """
    sites_of, strides, kind, diagonal, elements, delta = rows
    ratio = np.empty(images.shape[1], images.dtype)
    for b in range(configs.shape[0]):
        config = configs[b]
        whole = images[b, 0] * 0
        for p in range(images.shape[1]):
            whole += images[b, p]
        energy = (images[b, 0] + elements[0, 0, 0]) * 0
        for t in range(sites_of.shape[0]):
            place = 0
            for k in range(sites_of.shape[1]):
                place += ((config[sites_of[t, k]] - lowest) // step) * strides[t, k]
            table = kind[t]
            energy += diagonal[table, place]
            for m in range(elements.shape[2]):
                element = elements[table, place, m]
                if element == 0:
                    continue
                first, second, up, up2 = -1, -1, 0, 0
                for k in range(sites_of.shape[1]):
                    change = delta[table, place, m, k]
                    if change != 0 and first < 0:
                        first, up = sites_of[t, k], change
                    elif change != 0:
                        second, up2 = sites_of[t, k], change
                _ratio(tables, tanh[b], first, up, second, up2, ratio)
                found = images[b, 0] * 0
                for p in range(ratio.shape[0]):
                    found += images[b, p] * ratio[p]
                energy += element * found / whole
        out[b] = energy
