"""What the correction network sees: Hartree-Fock at fixed N, as channels on the ring.

Self-consistent fields differ by their start: free fermions; the same with the highest occupied and
the lowest empty orbital exchanged (on a mirror-symmetric well the two can differ in parity, and
either may be the lower); two opposite staggered densities, which may break a symmetry that the ring
keeps. The lowest one that keeps the symmetry leads; the runner-up enters as a difference with its
energy, the staggered ones only by their symmetric combinations. The fields of no and of half the
interaction, which screen less, come with them.
"""

from __future__ import annotations

import numba
import numpy as np

from qdens_nb.solvers._mean_field import fill_orbitals, free_start, solve_mean_field

CHANNELS = (
    "V",
    "potential_from_mid_gap",
    "density",
    "coherence",
    "homo",
    "lumo",
    "half_density",
    "half_coherence",
    "free_density",
    "free_coherence",
    "staggered_mean",
    "staggered_difference",
    "staggered_energy",
    "gap",
    "half_current",
    "second_density",
    "second_energy",
)
_TOLERANCE = 1e-6
_ITERATIONS = 120
_DISTINCT = 1e-4
_SAME = 2e-2
_STAGGERED_FROM = 0.5


@numba.njit(cache=True, nogil=True)
def _channels_one(potential, hop, V, particles, zero, out):
    """Fill out (channels, L) and return the energy of the leading solution."""
    sites = potential.size
    n0, g0 = free_start(potential, hop, particles, sites, zero)
    nh, gh, _, _, _, _, _ = solve_mean_field(
        potential, hop, 0.5 * V, particles, sites, n0.copy(), g0.copy(), 1e-4, _ITERATIONS
    )
    n, g, levels, orbitals, energy, _, _ = solve_mean_field(
        potential, hop, V, particles, sites, nh.copy(), gh.copy(), _TOLERANCE, _ITERATIONS
    )
    second = np.zeros(sites)
    second_energy = 0.0
    mean = np.zeros(sites)
    difference = np.zeros(sites)
    staggered_energy = 0.0
    if V > 0.0:
        exchanged = orbitals.copy()
        exchanged[:, particles - 1] = orbitals[:, particles]
        ns, gs = fill_orbitals(exchanged, particles, sites)
        ns, gs, ls, os, es, _, _ = solve_mean_field(
            potential, hop, V, particles, sites, ns, gs, _TOLERANCE, _ITERATIONS
        )
        if es < energy - _DISTINCT:
            n, ns = ns, n
            g, gs = gs, g
            levels, ls = ls, levels
            orbitals, os = os, orbitals
            energy, es = es, energy
        if es > energy + _DISTINCT:
            second[:] = ns
            second_energy = es
    if V > _STAGGERED_FROM:
        anchor = np.argmax(n0)
        kick = np.zeros(sites)
        for x in range(sites):
            distance = abs(x - anchor)
            distance = min(distance, sites - distance)
            kick[x] = 1.2 if distance % 2 == 0 else -1.2
        kick *= n * (1.0 - n)
        na, ga, la, oa, ea, _, _ = solve_mean_field(
            potential, hop, V, particles, sites, n + kick, g.copy(), 1e-4, _ITERATIONS
        )
        nb, _, _, _, eb, _, _ = solve_mean_field(
            potential, hop, V, particles, sites, n - kick, g.copy(), 1e-4, _ITERATIONS
        )
        gap = np.abs(na - nb).max()
        if gap < _SAME and ea < energy - _DISTINCT:
            second[:] = n
            second_energy = energy
            n, g, levels, orbitals, energy = na, ga, la, oa, ea
        weight = 1.0 / (1.0 + np.exp(min(max((ea - eb) / 0.1, -30.0), 30.0)))
        lowest = min(ea, eb)
        if gap >= _SAME and lowest < energy - _DISTINCT:
            mean[:] = weight * na + (1.0 - weight) * nb - n
            difference[:] = np.abs(na - nb)
            staggered_energy = lowest - energy
    if second_energy != 0.0:
        second_energy = max(0.02, min(second_energy - energy, 1.0))
        second[:] = second - n
    middle = 0.5 * (levels[particles - 1] + levels[particles])
    phase = -hop
    for x in range(sites):
        out[0, x] = V - 1.0
        out[1, x] = min(max(potential[x] - middle + V, -6.0), 6.0)
        out[2, x] = n[x] - 0.5
        out[3, x] = (phase * g[x]).real
        out[4, x] = (orbitals[x, particles - 1] * np.conj(orbitals[x, particles - 1])).real
        out[5, x] = (orbitals[x, particles] * np.conj(orbitals[x, particles])).real
        out[6, x] = nh[x] - n[x]
        out[7, x] = (phase * gh[x]).real
        out[8, x] = n0[x] - n[x]
        out[9, x] = (phase * g0[x]).real
        out[10, x] = mean[x]
        out[11, x] = difference[x]
        out[12, x] = staggered_energy
        out[13, x] = min(levels[particles] - levels[particles - 1], 4.0)
        out[14, x] = (phase * g[x]).imag
        out[15, x] = second[x]
        out[16, x] = second_energy
    return energy


@numba.njit(cache=True, nogil=True)
def _many(potential, V, hop, particles, zero, channels, energies):
    for i in range(potential.shape[0]):
        energies[i] = _channels_one(potential[i], hop[i], V[i], particles[i], zero, channels[i])


def mean_field_channels(
    potential: np.ndarray, V: np.ndarray, flux: np.ndarray, particles: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Channels (B, len(CHANNELS), L) and Hartree-Fock energies (B,) at fixed N, 0 < N < L."""
    count, sites = potential.shape
    if ((particles < 1) | (particles > sites - 1)).any():
        raise ValueError("mean-field channels exist for 0 < N < L; empty and full need no network")
    channels = np.zeros((count, len(CHANNELS), sites))
    energies = np.zeros(count)
    potential = np.ascontiguousarray(potential, dtype=np.float64)
    twisted = flux != 0
    for mask, dtype in ((~twisted, np.float64), (twisted, np.complex128)):
        if not mask.any():
            continue
        hop = -np.exp(-1j * flux[mask] / sites)
        hop = (
            hop.astype(np.complex128) if dtype == np.complex128 else np.ascontiguousarray(hop.real)
        )
        part, part_energies = channels[mask], energies[mask]
        _many(
            potential[mask],
            V[mask].astype(float),
            hop,
            particles[mask].astype(np.int64),
            np.zeros(1, dtype=dtype),
            part,
            part_energies,
        )
        channels[mask], energies[mask] = part, part_energies
    return channels, energies
