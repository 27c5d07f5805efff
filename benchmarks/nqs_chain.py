"""Density of chains in a well by a neural quantum state, beside exact results and our network.

Gaussian wells of 12 and 16 sites, open or a ring, odd and even numbers of particles, against exact
diagonalisation; wells of 40 sites that come with their exact (V=0) or DMRG answers. The neural
state is optimised anew for each potential, without data; the trained network answers at once, and
at the mu for which N is the ground state. The number of particles is given to the neural state.

    python benchmarks/nqs_chain.py [--quick]
"""

from __future__ import annotations

import json
import time
from typing import Any

from _common import machine, options, write_result

import numpy as np  # isort: skip
import torch
import xarray as xr

import qdens_nb as qd

#: sites, boundary, particles of the wells against exact diagonalisation
SMALL = ((12, "periodic", 5), (16, "open", 8), (16, "periodic", 7), (16, "periodic", 8))
INTERACTIONS = (0.0, 1.0, 2.0)
#: V of the shipped wells of 40 sites; of each the first with an odd number of particles
LARGE = (0.0, 1.3, 2.0)
QUICK = {"steps": 20, "samples": 200, "final_samples": 4000}


def well(sites: int) -> np.ndarray:
    """A Gaussian well off the middle, 2.5 J deep."""
    x = np.arange(sites)
    return -2.5 * np.exp(-(((x - 0.4 * sites) / (0.18 * sites)) ** 2))


def small(sites: int, boundary: str, particles: int, V: float) -> xr.Dataset:
    """Exact answer at the mu in the middle of the interval of this particle number."""
    energies = qd.solvers.chain_ed(qd.fermion_chain(well(sites), V=V, boundary=boundary))
    grand = energies["energy_of_N"].values
    mu = 0.5 * (grand[particles + 1] - grand[particles - 1])
    problem = qd.fermion_chain(well(sites), V=V, mu=mu, boundary=boundary)
    return qd.solvers.chain_ed(problem, N=particles)


def large(V: float) -> xr.Dataset:
    """A shipped well of 40 sites with an odd number of particles, and its answer."""
    data = qd.datasets.open_dataset(qd.datasets.shipped("chain_wells_l40.nc"))
    odd = (data["particle_number"].values.round().astype(int) % 2 == 1) & (data["V"].values == V)
    return data.isel(sample=int(np.flatnonzero(odd)[0]), drop=True)


def compare(exact: xr.Dataset, reference: str, network: Any, **settings: Any) -> dict[str, Any]:
    """One row."""
    problem = exact[["potential", "V", "mu", "flux"]].assign_attrs(exact.attrs)
    particles = int(np.rint(exact["particle_number"]))
    start = time.perf_counter()
    found = qd.nqs.chain_nqs(problem, particles=particles, **settings)
    seconds = time.perf_counter() - start
    error = np.abs(found["density"] - exact["density"])
    bars = error / found["density_stderr"]
    row = {
        "L": problem.sizes["x"],
        "boundary": problem.attrs["boundary"],
        "N": particles,
        "V": float(problem["V"]),
        "reference": reference,
        "neural state: mean error of n": float(error.mean()),
        "largest error of n": float(error.max()),
        "standard error of n": float(found["density_stderr"].mean()),
        "rms error in standard errors": float(np.sqrt((bars**2).mean())),
        "energy above exact": float(found["energy"] - exact["energy"]),
        "standard error of the energy": float(found["energy_stderr"]),
        "V-score": float(found["v_score"]),
        "R-hat": float(found["rhat"]),
        "seconds": seconds,
    }
    if problem.attrs["boundary"] == "periodic":
        network(problem)
        start = time.perf_counter()
        guess = network(problem)
        row["network: seconds"] = time.perf_counter() - start
        row["network: mean error of n"] = float(np.abs(guess["density"] - exact["density"]).mean())
        row["network: N"] = int(np.rint(guess["particle_number"]))
    return row


def main() -> None:
    """Measure and write results/nqs_chain.json."""
    chosen = options(__doc__ or "")
    torch.set_num_threads(1)
    network = qd.load_predictor("chain")
    settings = QUICK if chosen.quick else {}
    cases = [(*case, V) for case in (SMALL[:2] if chosen.quick else SMALL) for V in INTERACTIONS]
    rows = []
    compare(small(12, "periodic", 5, 0.0), "", network, **QUICK)
    for case in [*cases, *([] if chosen.quick else [(40, "periodic", 0, V) for V in LARGE])]:
        if case[0] == 40:
            reference = "free fermions" if case[3] == 0 else "DMRG"
            row = compare(large(case[3]), reference, network, **settings)
        else:
            row = compare(small(*case), "exact diagonalisation", network, **settings)
        rows.append(row)
        print(json.dumps(row), flush=True)
    write_result(
        "nqs_chain",
        "Density of chains in a well by a neural quantum state (restricted Boltzmann machine, "
        "alpha=2, optimised anew each time) against exact results, and by the trained network "
        "(rings only).",
        rows,
        chosen,
        machine=machine(),
    )


if __name__ == "__main__":
    main()
