"""Exact diagonalisation of quantum dots: the solver against a straightforward dense version.

Both sides solve the same random dots with the same orbitals, to the same energies.
"""

from __future__ import annotations

import argparse
import time

from _common import machine, options, write_result

import numpy as np  # isort: skip
import scipy.fft
import scipy.linalg

import qdens_nb as qd
from qdens_nb.solvers._dot_coulomb import COULOMB, kernel
from qdens_nb.solvers._dot_orbitals import dense_hamiltonian

DOTS, REPEATS, ORBITALS, MODES, SIZE, MASS, EPS_R = 4, 3, (16, 24, 30), 32, 30.0, 0.067, 12.9


def straightforward(potential: np.ndarray, count: int, spectrum: np.ndarray) -> tuple:
    """Ground state energy and density as one writes it first: dense matrices, an FFT for each pair.

    Pairs of orbitals are used once (a <= b), and only the wanted orbitals are asked of LAPACK.
    """
    points = len(potential)
    step = SIZE / points
    matrix = dense_hamiltonian(potential, MASS, SIZE, MODES)
    energies, vectors = scipy.linalg.eigh(matrix, subset_by_index=(0, count - 1))
    grid, mode = np.arange(points) + 0.5, np.arange(1, MODES + 1)
    s = np.sqrt(2.0 / points) * np.sin(np.pi * np.outer(grid, mode) / points)
    phi = s @ vectors.T.reshape(count, MODES, MODES) @ s.T
    a, b = np.triu_indices(count)
    pairs = phi[a] * phi[b]
    fields = np.empty_like(pairs)
    for i, pair in enumerate(pairs):
        wide = scipy.fft.rfft2(pair, (2 * points, 2 * points)) * spectrum
        fields[i] = scipy.fft.irfft2(wide, (2 * points, 2 * points))[:points, :points]
    flat = pairs.reshape(len(pairs), -1) @ fields.reshape(len(pairs), -1).T
    integrals = np.zeros((count,) * 4)
    for p, q in ((a, b), (b, a)):
        for r, t in ((a, b), (b, a)):
            integrals[p[:, None], q[:, None], r, t] = flat
    integrals *= COULOMB / EPS_R / step
    norm = np.where(a == b, np.sqrt(0.5), 1.0)
    ci = integrals[a[:, None], a, b[:, None], b] + integrals[a[:, None], b, b[:, None], a]
    ci = ci * np.outer(norm, norm) + np.diag(energies[a] + energies[b])
    found, states = np.linalg.eigh(ci)
    amplitude = np.zeros((count, count))
    amplitude[a, b] = states[:, 0] * np.where(a == b, 1.0, np.sqrt(0.5))
    amplitude = np.where(np.eye(count, dtype=bool), amplitude, amplitude + amplitude.T)
    gamma = 2 * amplitude @ amplitude.T
    return found[0], np.einsum("ab,aij,bij->ij", gamma, phi, phi, optimize=True) / step**2


def main(chosen: argparse.Namespace) -> None:
    """Measure and write results/dots_ci_speed.json."""
    dots = qd.potentials.quantum_well_cluster(samples=DOTS, seed=5)
    problem = qd.quantum_dot(dots, mass=MASS, eps_r=EPS_R, size=SIZE)
    spectrum = np.fft.rfft2(kernel(dots.sizes["x"])).real
    rows = []
    for count in ORBITALS[: 1 if chosen.quick else None]:
        ours = theirs = np.inf
        for _ in range(REPEATS):
            start = time.process_time()
            solved = qd.solvers.dot_ci(problem, count)
            ours = min(ours, (time.process_time() - start) / DOTS)
            start = time.process_time()
            plain = [straightforward(v, count, spectrum) for v in dots.values]
            theirs = min(theirs, (time.process_time() - start) / DOTS)
        np.testing.assert_allclose(solved.energy, [e for e, _ in plain], atol=1e-7)
        np.testing.assert_allclose(solved.density, [n for _, n in plain], atol=1e-6)
        rows.append(
            {
                "orbitals": count,
                "s a dot, dot_ci": ours,
                "s a dot, straightforward dense": theirs,
                "ratio": theirs / ours,
                "energy above 40 orbitals (meV)": 0.0,
                "density_truncation (electrons)": float(solved.density_truncation.median()),
            }
        )
        rows[-1]["energy"] = float(solved.energy.mean())
    best = float(qd.solvers.dot_ci(problem, 40).energy.mean())
    for row in rows:
        row["energy above 40 orbitals (meV)"] = 1e3 * (row.pop("energy") - best)
    write_result(
        "dots_ci_speed",
        f"Two electrons in {DOTS} random dots of 64 x 64 points, {MODES} x {MODES} "
        f"sines; CPU seconds on one core, best of {REPEATS} (the same energies to 1e-7 eV).",
        rows,
        chosen,
        machine=machine(),
    )


if __name__ == "__main__":
    main(options(__doc__))
