"""Exact diagonalisation of many potentials: shared sectors against one-at-a-time QuSpin.

Both sides find the ground state of every particle number of the same rings in one process.
"""

from __future__ import annotations

import argparse
import time

from _common import machine, options, write_result

import numpy as np  # isort: skip
from quspin.basis import spinless_fermion_basis_1d
from quspin.operators import hamiltonian

from qdens_nb.solvers._chain_ed import ground_state

V, POTENTIALS, REPEATS = 1.3, {10: 20, 12: 10, 14: 5}, 3


def quspin_energy(potential: np.ndarray, particles: int) -> float:
    """Ground-state energy as a QuSpin user writes it: basis, operators, Lanczos, each time."""
    sites = len(potential)
    basis = spinless_fermion_basis_1d(sites, Nf=particles)
    ring = [(x, (x + 1) % sites) for x in range(sites)]
    terms = [
        ["+-", [[-1.0, x, y] for x, y in ring]],
        ["-+", [[1.0, x, y] for x, y in ring]],
        ["nn", [[V, x, y] for x, y in ring]],
        ["n", [[v, x] for x, v in enumerate(potential)]],
    ]
    quiet = {"check_herm": False, "check_pcon": False, "check_symm": False}
    operator = hamiltonian(terms, [], basis=basis, dtype=np.float64, **quiet)
    if basis.Ns < 4:
        return float(operator.eigvalsh()[0])
    return float(operator.eigsh(k=1, which="SA", return_eigenvectors=False)[0])


def main(chosen: argparse.Namespace) -> None:
    """Measure and write results/chain_ed_speed.json."""
    rows = []
    for sites, count in POTENTIALS.items():
        if chosen.quick and sites > 10:
            continue
        potentials = np.random.default_rng(sites).uniform(-1, 1, (count, sites))
        numbers = range(1, sites)
        [ground_state(potentials[0], V, 0.0, n) for n in numbers]
        ours, theirs = np.inf, np.inf
        for _ in range(REPEATS):
            start = time.process_time()
            a = [ground_state(v, V, 0.0, n)[0] for v in potentials for n in numbers]
            ours = min(ours, time.process_time() - start)
            start = time.process_time()
            b = [quspin_energy(v, n) for v in potentials[: max(1, count // 5)] for n in numbers]
            theirs = min(theirs, (time.process_time() - start) * count / max(1, count // 5))
        np.testing.assert_allclose(a[: len(b)], b, atol=1e-8)
        rows.append(
            {
                "sites": sites,
                "potentials/s, shared sectors": count / ours,
                "potentials/s, one-at-a-time QuSpin": count / theirs,
                "ratio": theirs / ours,
            }
        )
    write_result(
        "chain_ed_speed",
        "Ground states of all particle numbers of a ring in a random potential, "
        f"V = {V} J, CPU time of one core, best of {REPEATS} (the same energies to 1e-8 J).",
        rows,
        chosen,
        machine=machine(),
    )


if __name__ == "__main__":
    main(options(__doc__))
