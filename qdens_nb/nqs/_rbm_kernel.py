r"""Compiled moves and local energies of restricted Boltzmann machines.

A hidden unit enters ψ as :math:`\cosh θ_k`, :math:`θ_k = b_k + \sum_j W_{kj}s_j`. A change of
one site moves it to :math:`θ_k + σd_{kj}` with a fixed :math:`d_{kj}` (the step of the local
values times the weight) and :math:`σ = ±1`, so that

.. math:: \frac{\cosh(θ_k+σd_{kj})}{\coshθ_k} = C_{kj} + σ\,T_kS_{kj},\qquad
          T_k → \frac{T_k+σt_{kj}}{1+σT_kt_{kj}}

with tables of :math:`C=\cosh d`, :math:`S=\sinh d`, :math:`t=\tanh d` and the look-up table
:math:`T=\tanhθ` of the configuration: one multiplication and addition a hidden unit, and no
transcendental function, for a move as for a local energy. A step from one site to another has the
tables of its pair, cosh and sinh of :math:`d_{ki}-d_{kj}`.

A wave function projected on a symmetry, :math:`ψ(s)=\sum_p χ_pφ(ps)`, has one such table an image.
All functions work on real and on complex weights; they release the interpreter's lock.
"""

from __future__ import annotations

import numpy as np
from numba import njit, types
from numba.extending import overload

from qdens_nb.solvers._random import uniform

#: configurations that take a term together: its tables stay in the cache
BLOCK = 16


def _product(tanh, even, odd, sign, work):
    """Product over the hidden units of ``even + sign tanh odd``; `work` is (2, M) scratch."""
    raise NotImplementedError("compiled code only")


@overload(_product)
def _compiled_product(tanh, even, odd, sign, work):
    def of_reals(tanh, even, odd, sign, work):
        found = 1.0
        for k in range(tanh.shape[0]):
            found *= even[k] + sign * tanh[k] * odd[k]
        return found

    def of_complex(tanh, even, odd, sign, work):
        # Real and imaginary parts apart, multiplied by halves: both loops become vector code.
        real, imag = work[0], work[1]
        left = tanh.shape[0]
        for k in range(left):
            t, o, e = tanh[k], odd[k], even[k]
            real[k] = e.real + sign * (t.real * o.real - t.imag * o.imag)
            imag[k] = e.imag + sign * (t.real * o.imag + t.imag * o.real)
        while left > 1:
            half = left // 2
            first = left - half
            for k in range(half):
                a, b, c, d = real[k], imag[k], real[first + k], imag[first + k]
                real[k] = a * c - b * d
                imag[k] = a * d + b * c
            left = first
        return complex(real[0], imag[0])

    return of_complex if isinstance(tanh.dtype, types.Complex) else of_reals


@njit(cache=True, fastmath=True, nogil=True)
def _two(tanh, cosh, sinh, sign, cosh2, sinh2, sign2):
    """Product for two changed sites, from the tables of each."""
    both = sign * sign2
    found = tanh[0] * 0 + 1
    for k in range(tanh.shape[0]):
        even = cosh[k] * cosh2[k] + both * sinh[k] * sinh2[k]
        odd = sign * sinh[k] * cosh2[k] + sign2 * cosh[k] * sinh2[k]
        found *= even + tanh[k] * odd
    return found


@njit(cache=True, fastmath=True, nogil=True)
def _ratio(tables, tanh, first, up, second, up2, work, out):
    """Ratios φ(p s')/φ(p s) of all images p into `out`; `second` < 0 if one site changes.

    `up` is +1 or -1: the change of the site in steps of the local values.
    """
    cosh, sinh, _, visible, pair_cosh, pair_sinh, _, places, signs = tables
    for p in range(places.shape[0]):
        i = places[p, first]
        sign = signs[p] * up
        way = 0 if sign > 0 else 1
        if second < 0:
            out[p] = _product(tanh[p], cosh[i], sinh[i], sign, work) * visible[way, i]
            continue
        j = places[p, second]
        sign2 = signs[p] * up2
        way2 = 0 if sign2 > 0 else 1
        if sign2 == -sign and pair_cosh.shape[0] > 0:
            found = _product(tanh[p], pair_cosh[i, j], pair_sinh[i, j], sign, work)
        else:
            found = _two(tanh[p], cosh[i], sinh[i], sign, cosh[j], sinh[j], sign2)
        out[p] = found * visible[way, i] * visible[way2, j]


def _add_angle(tanh, step, sign):
    """tanh(θ + d) from tanh θ and tanh d, in place."""
    raise NotImplementedError("compiled code only")


@overload(_add_angle)
def _compiled_add_angle(tanh, step, sign):
    def of_reals(tanh, step, sign):
        for k in range(tanh.shape[0]):
            below = 1.0 + sign * tanh[k] * step[k]
            tanh[k] = (tanh[k] + sign * step[k]) / (below if abs(below) > 1e-12 else 1e-12)

    def of_complex(tanh, step, sign):
        for k in range(tanh.shape[0]):
            a, b, c, d = tanh[k].real, tanh[k].imag, sign * step[k].real, sign * step[k].imag
            real, imag = 1.0 + a * c - b * d, a * d + b * c
            scale = 1.0 / (real * real + imag * imag + 1e-24)
            a, b = a + c, b + d
            tanh[k] = complex((a * real + b * imag) * scale, (b * real - a * imag) * scale)

    return of_complex if isinstance(tanh.dtype, types.Complex) else of_reals


@njit(cache=True, fastmath=True, nogil=True)
def _shift(tables, tanh, site, up):
    """Move the look-up table after a change of `site`."""
    _, _, step_tanh, _, _, _, _, places, signs = tables
    for p in range(places.shape[0]):
        i = places[p, site]
        sign = signs[p] * up
        _add_angle(tanh[p], step_tanh[i], sign)


@njit(cache=True, fastmath=True, nogil=True)
def _shift_pair(tables, tanh, first, second, up):
    """Move the look-up table after a step from one site to another."""
    _, _, _, _, _, _, pair_tanh, places, signs = tables
    for p in range(places.shape[0]):
        _add_angle(tanh[p], pair_tanh[places[p, first], places[p, second]], signs[p] * up)


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
    work = np.empty((2, tanh.shape[2]))
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
            _ratio(tables, tanh[b], first, up, second, up2, work, ratio)
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
                config[first] += up * step
                if second >= 0:
                    config[second] += up2 * step
                if second >= 0 and up2 == -up and tables[4].shape[0] > 0:
                    _shift_pair(tables, tanh[b], first, second, up)
                else:
                    _shift(tables, tanh[b], first, up)
                    if second >= 0:
                        _shift(tables, tanh[b], second, up2)
    return accepted


@njit(cache=True, nogil=True)
def local_energies(configs, tanh, images, tables, rows, lowest, step, out):
    """Local energies of (B, N) configurations into `out`, from their look-up tables.

    `rows` are the `Tables` of the Hamiltonian as a plain tuple.
    """
    sites_of, strides, kind, diagonal, elements, delta = rows
    ratio = np.empty(images.shape[1], images.dtype)
    work = np.empty((2, tanh.shape[2]))
    zero = (images[0, 0] + elements[0, 0, 0]) * 0
    for start in range(0, configs.shape[0], BLOCK):
        block = range(start, min(start + BLOCK, configs.shape[0]))
        for b in block:
            out[b] = zero
        for t in range(sites_of.shape[0]):
            table = kind[t]
            for b in block:
                place = 0
                for k in range(sites_of.shape[1]):
                    digit = (configs[b, sites_of[t, k]] - lowest) // step
                    place += digit * strides[t, k]
                out[b] += diagonal[table, place]
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
                    _ratio(tables, tanh[b], first, up, second, up2, work, ratio)
                    found, whole = images[b, 0] * 0, images[b, 0] * 0
                    for p in range(ratio.shape[0]):
                        found += images[b, p] * ratio[p]
                        whole += images[b, p]
                    out[b] += element * found / whole


@njit(cache=True, fastmath=True, nogil=True)
def weight_derivatives(configs, tanh, places, signs, out):
    """Derivatives of log ψ by the weights, summed over images and tied copies, into `out`.

    Parameters
    ----------
    configs : (B, N) int8
    tanh : (B, P, F, T)
        tanh θ of image p, feature f and copy g, times the share of the image in ψ.
    places, signs : (P, T, N), (P, T)
        The site, and the sign, that weight j of copy g sees in image p.
    out : (B, F, N)
    """
    seen = np.empty(configs.shape[1])
    for b in range(configs.shape[0]):
        out[b] = 0
        for p in range(tanh.shape[1]):
            for g in range(tanh.shape[3]):
                for j in range(seen.shape[0]):
                    seen[j] = signs[p, g] * configs[b, places[p, g, j]]
                for f in range(tanh.shape[2]):
                    factor = tanh[b, p, f, g]
                    for j in range(seen.shape[0]):
                        out[b, f, j] += factor * seen[j]


@njit(cache=True, fastmath=True, nogil=True)
def complex_tanh(theta, tanh, logs):
    """tanh θ of (R, M) complex θ, and the log of the product of cosh θ over a row.

    With the sign of θ such that q = exp(-2θ) is at most 1 in size, cosh θ = exp(θ) (1 + q) / 2.
    """
    for r in range(theta.shape[0]):
        size, phase, whole = 0.0, 0.0, 1.0 + 0.0j
        for k in range(theta.shape[1]):
            sign = -1.0 if theta[r, k].real < 0 else 1.0
            x, y = sign * theta[r, k].real, sign * theta[r, k].imag
            small = np.exp(-2 * x)
            real, imag = 1 + small * np.cos(2 * y), -small * np.sin(2 * y)
            square = real * real + imag * imag
            scale = sign / square
            tanh[r, k] = complex(scale * (1 - small * small), -2 * scale * imag)
            whole *= complex(real, imag)
            size += x - np.log(2.0)
            phase += y
            if k % 64 == 63:
                size += np.log(abs(whole))
                whole /= abs(whole)
        logs[r] = complex(size, phase) + np.log(whole)
