"""CPU seconds a density against the size of the ring, and how wrong each density is, on one core.

Random wells, as in the test sets but of another seed, at one interaction; at 40 sites those of the
test set, whose references are shipped. Exact diagonalisation takes the sizes that it can, DMRG the
others, and both one size in between. All find the particle number by themselves. The networks
answer one problem, or a batch at once; so does Hartree-Fock.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable
from typing import Any

from _common import best_time, machine, options, write_result

import numpy as np  # isort: skip
import torch
import xarray as xr
from tqdm.auto import tqdm

import qdens_nb as qd
from qdens_nb.datasets._well_recipe import WellRecipe, draw_well

V, SEED, BATCH, MARGIN, BOND_DIMENSION = 1.3, 2311, 32, 0.05, 96
#: sites -> how many wells are solved and timed
EXACT = {10: 12, 14: 12, 18: 12}
DMRG = {18: 2, 24: 2, 40: 2}
SHIPPED = 40
NETWORKS = ("chain", "chain_live", "chain_cnn")

Row = dict[str, Any]
Solver = Callable[[xr.Dataset], xr.Dataset]


def draw(sites: int, count: int, seed: int) -> xr.Dataset:
    """A batch of problems."""
    rng = np.random.default_rng((seed, sites))
    wells, mu = zip(*(draw_well(WellRecipe(), sites, rng) for _ in range(count)), strict=True)
    return qd.fermion_chain(np.stack(wells), V=V, mu=np.array(mu))


def unique(answer: xr.Dataset) -> bool:
    """Whether no other particle number, and no excited state if known, is within the margin."""
    distances = [answer["mu"] - answer["mu_lower"], answer["mu_upper"] - answer["mu"]]
    distances += [answer["gap"]] if "gap" in answer else []
    return all(not float(one) < MARGIN for one in distances)


def by_dmrg(one: xr.Dataset) -> xr.Dataset:
    """As the shipped test wells are solved."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "chain_dmrg: ")
        return qd.solvers.chain_dmrg(one, bond_dimension=BOND_DIMENSION, energy_tolerance=1e-7)


def reference(
    solve: Solver, sites: int, count: int, seed: int
) -> tuple[xr.Dataset, xr.Dataset, list[float]]:
    """Problems with a unique ground state, their answers and the CPU seconds of each."""
    problems, answers, spent = [], [], []
    drawn = draw(sites, 10 * count, seed)
    if solve is qd.solvers.chain_ed:  # compile and build the bases
        solve(drawn.isel(sample=-1, drop=True))
    for i in range(drawn.sizes["sample"]):
        one = drawn.isel(sample=i, drop=True)
        start = time.process_time()
        answer = solve(one)
        seconds = time.process_time() - start
        if unique(answer):
            problems.append(one)
            answers.append(answer[["density", "particle_number"]])
            spent.append(seconds)
        if len(spent) == count:
            break
    together = {"dim": "sample", "coords": "minimal", "compat": "override", "join": "override"}
    return xr.concat(problems, **together), xr.concat(answers, **together), spent


def timed(solve: Solver, problems: xr.Dataset, count: int) -> list[float]:
    """CPU seconds of each of the first problems."""
    spent = []
    for i in range(count):
        start = time.process_time()
        solve(problems.isel(sample=i, drop=True))
        spent.append(time.process_time() - start)
    return spent


def shipped(solve: Solver, count: int) -> tuple[xr.Dataset, xr.Dataset, list[float]]:
    """The same of the test set, with all its wells of this interaction and the first ones timed."""
    known = qd.datasets.open_dataset(qd.datasets.shipped(f"chain_wells_l{SHIPPED}.nc"))
    known = known.isel(sample=np.flatnonzero(known["V"] == V))
    problems = known[["potential", "V", "mu", "flux"]]
    answers = known[["density", "particle_number"]]
    return problems, answers, timed(solve, problems, count)


def compared(name: str, solve: Solver, exact: tuple[xr.Dataset, xr.Dataset, list[float]]) -> Row:
    """Times and errors of an approximate method on the problems of a reference."""
    problems, answers, spent = exact
    many = problems.isel(sample=np.arange(BATCH) % problems.sizes["sample"])
    guess = solve(problems)
    one = best_time(lambda: solve(problems.isel(sample=0, drop=True)))
    wrong = np.rint(guess["particle_number"]) != answers["particle_number"]
    return {
        "method": name,
        "s a density": one,
        f"s a density, {BATCH} at once": best_time(lambda: solve(many)) / BATCH,
        "density error": float(np.abs(guess["density"] - answers["density"]).mean()),
        "wrong N": float(wrong.mean()),
        "exact / this": float(np.mean(spent)) / one,
    }


def main(chosen: argparse.Namespace) -> None:
    """Measure and write results/chain_time.json."""
    torch.set_num_threads(1)
    methods: dict[str, Solver] = {"Hartree-Fock": qd.solvers.chain_hartree_fock}
    methods |= {name: qd.load_predictor(name) for name in NETWORKS}
    cases: list[tuple[str, Solver, int, int]] = [
        *(("exact diagonalisation", qd.solvers.chain_ed, L, n) for L, n in EXACT.items()),
        *(("DMRG", by_dmrg, L, n) for L, n in DMRG.items()),
    ]
    rows: list[Row] = []
    for engine, solve, sites, count in tqdm(cases[:1] if chosen.quick else cases, desc="rings"):
        if sites == SHIPPED:
            exact = shipped(solve, count)
        else:
            exact = reference(solve, sites, 2 if chosen.quick else count, SEED)
        wells = {"sites": sites, "wells": exact[0].sizes["sample"]}
        rows.append(wells | {"method": engine, "s a density": float(np.mean(exact[2]))})
        if engine == "DMRG" and sites in EXACT:
            ed = qd.solvers.chain_ed(exact[0])["density"]
            rows[-1]["density error"] = float(np.abs(exact[1]["density"] - ed).mean())
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # 40 sites is beyond the training
            rows += [wells | compared(name, method, exact) for name, method in methods.items()]
        print(rows[-len(methods) - 1 :], flush=True)
    write_result(
        "chain_time",
        f"CPU seconds on one core for the density of a random well on a ring, V = {V} J, and the "
        "mean absolute density error against the exact engine of the same size, which is exact "
        f"diagonalisation up to {max(EXACT)} sites and DMRG (bond dimension {BOND_DIMENSION}) "
        f"beyond. Exact engines: the mean over the wells (DMRG at {SHIPPED} sites over the first "
        f"{DMRG[SHIPPED]}); the others: one well, best of 3 calls, or "
        f"{BATCH} at once. All are compiled; the training of the networks is not in their time.",
        rows,
        chosen,
        machine=machine(),
    )


if __name__ == "__main__":
    main(options(__doc__))
