r"""Compiled Hartree-Fock for the t-V chain at fixed particle number.

The mean field of :math:`V n_xn_{x+1}` is
:math:`V(\bar n_xn_{x+1} + n_x\bar n_{x+1} - \bar n_x\bar n_{x+1})` (Hartree) and
:math:`-V(g_x c^\dagger_{x+1}c_x + h.c. - |g_x|^2)` with
:math:`g_x=\langle c^\dagger_xc_{x+1}\rangle` (Fock).
The optimal damping algorithm (Cances, Le Bris 2000) lowers the energy at every step, Anderson
mixing speeds up the end.
"""

from __future__ import annotations

import numba
import numpy as np


@numba.njit(cache=True, nogil=True)
def energy_functional(potential, hop, V, n, g, bonds):
    """Hartree-Fock energy of density n and bond order g (hop = -J exp(-i peierls))."""
    sites = n.size
    total = 0.0
    for x in range(sites):
        total += potential[x] * n[x]
    for x in range(bonds):
        y = (x + 1) % sites
        total += 2.0 * (hop * g[x]).real
        total += V * (n[x] * n[y] - (g[x] * np.conj(g[x])).real)
    return total


@numba.njit(cache=True, nogil=True)
def mean_field_matrix(potential, hop, V, n, g, bonds):
    """The L x L Fock matrix h[x, y], H = sum h[x, y] c+_x c_y."""
    sites = n.size
    h = np.zeros((sites, sites), dtype=g.dtype)
    for x in range(sites):
        h[x, x] += potential[x]
    for x in range(bonds):
        y = (x + 1) % sites
        h[x, x] += V * n[y]
        h[y, y] += V * n[x]
        element = hop - V * np.conj(g[x])
        h[x, y] += element
        h[y, x] += np.conj(element)
    return h


@numba.njit(cache=True, nogil=True)
def fill_orbitals(vectors, particles, bonds):
    """Density and bond order <c+_x c_{x+1}> of the lowest orbitals."""
    sites = vectors.shape[0]
    n = np.zeros(sites)
    g = np.zeros(sites, dtype=vectors.dtype)
    for x in range(sites):
        y = (x + 1) % sites
        for k in range(particles):
            n[x] += (vectors[x, k] * np.conj(vectors[x, k])).real
            if x < bonds:
                g[x] += np.conj(vectors[x, k]) * vectors[y, k]
    return n, g


@numba.njit(cache=True, nogil=True)
def solve_mean_field(potential, hop, V, particles, bonds, n, g, tolerance, iterations):
    """Iterate from the density n and bond order g to self-consistency.

    Returns
    -------
    n, g, orbital energies, orbitals, energy, last change, iterations used
    """
    sites = potential.size
    depth = 5
    old_n = np.zeros((depth, sites))
    old_dn = np.zeros((depth, sites))
    old_g = np.zeros((depth, sites), dtype=g.dtype)
    old_dg = np.zeros((depth, sites), dtype=g.dtype)
    stored = 0
    change = np.inf
    levels = np.zeros(sites)
    orbitals = np.zeros((sites, sites), dtype=g.dtype)
    new_n, new_g = n, g
    anderson = False
    best = np.inf
    used = 0
    while used < iterations:
        used += 1
        h = mean_field_matrix(potential, hop, V, n, g, bonds)
        levels, orbitals = np.linalg.eigh(h)
        new_n, new_g = fill_orbitals(orbitals, particles, bonds)
        dn = new_n - n
        dg = new_g - g
        change = max(np.abs(dn).max(), np.abs(dg).max())
        if change < tolerance:
            break
        if anderson and change > 4.0 * best:
            anderson = False
            stored = 0
        best = min(best, change) if anderson else change
        if not anderson and change < 0.03:
            anderson = True
            stored = 0
        if anderson:
            slot = stored % depth
            old_n[slot] = n
            old_dn[slot] = dn
            old_g[slot] = g
            old_dg[slot] = dg
            stored += 1
            size = min(stored, depth)
            gram = np.ones((size + 1, size + 1))
            rhs = np.zeros(size + 1)
            scale = 0.0
            for i in range(size):
                for j in range(size):
                    overlap = (old_dn[i] * old_dn[j]).sum()
                    gram[i, j] = overlap + (np.conj(old_dg[i]) * old_dg[j]).sum().real
                scale = max(scale, gram[i, i])
            for i in range(size):
                for j in range(size):
                    gram[i, j] /= scale
                gram[i, i] += 1e-11
            gram[size, size] = 0.0
            rhs[size] = 1.0
            weights = np.linalg.solve(gram, rhs)
            n = np.zeros(sites)
            g = np.zeros(sites, dtype=old_g.dtype)
            for i in range(size):
                n += weights[i] * (old_n[i] + 0.9 * old_dn[i])
                g += weights[i] * (old_g[i] + 0.9 * old_dg[i])
        else:
            slope = 0.0
            curvature = 0.0
            for x in range(sites):
                slope += (h[x, x] * dn[x]).real
            for x in range(bonds):
                y = (x + 1) % sites
                slope += 2.0 * (h[x, y] * dg[x]).real
                curvature += V * (dn[x] * dn[y] - (dg[x] * np.conj(dg[x])).real)
            step = 1.0
            if curvature > 0:
                step = min(1.0, max(0.02, -slope / (2 * curvature)))
            n = n + step * dn
            g = g + step * dg
    energy = energy_functional(potential, hop, V, new_n, new_g, bonds)
    return new_n, new_g, levels, orbitals, energy, change, used


@numba.njit(cache=True, nogil=True)
def free_start(potential, hop, particles, bonds, zero):
    """Density and bond order of the non-interacting problem."""
    sites = potential.size
    empty = np.zeros(sites, dtype=zero.dtype)
    h = mean_field_matrix(potential, hop, 0.0, np.zeros(sites), empty, bonds)
    _, orbitals = np.linalg.eigh(h)
    return fill_orbitals(orbitals, particles, bonds)
