"""Efficiency of quantum Monte Carlo engines: our worm against the programs of ALPS.

The efficiency of a run is 1 / (mean over the sites of the squared standard error of the density x
CPU seconds), in 1/s: what a second of one core buys. All CPU time is counted on both sides,
thermalisation too (ALPS does not tell it apart), but what is done once before the first sweep is
not: compilation by Numba, and the tables that dirloop_sse builds for every kind of bond, measured
by the shortest possible run. Each engine runs each problem with several seeds: the spread between
them checks the error bars that the engines state, and whether the engines agree. For that the
densities are averaged over the symmetries of the problem, for at low temperature every run keeps a
checkerboard sector for a while.

    python benchmarks/worm_speed.py [--quick] [--only NAME ...]
"""

from __future__ import annotations

import argparse
import json
import os
import time
import warnings
from pathlib import Path
from typing import Any

os.environ["NUMBA_NUM_THREADS"] = "1"

from _common import machine, with_folders, write_result

import numpy as np  # isort: skip
import xarray as xr

import qdens_nb as qd
from qdens_nb.solvers._bose_common import unpack
from qdens_nb.solvers._worm_symmetry import exact_symmetries


def trap(side: int, centre: float, **couplings: float) -> xr.Dataset:
    """Harmonic trap with the local mu falling from `centre` in the middle to 0 in the corners."""
    shape = qd.potentials.harmonic_trap((side, side), 1.0, units="t")
    return qd.bose_hubbard(shape * (centre / float(shape.max())), mu=centre, **couplings)


def noise(side: int, mu: float, amplitude: float, **couplings: float) -> xr.Dataset:
    """Coloured noise with the local mu between ``mu - amplitude`` and ``mu + amplitude``."""
    potential = qd.potentials.coloured_noise((side, side), 2.0, amplitude, seed=0, units="t")
    return qd.bose_hubbard(potential, mu=mu, **couplings)


PROBLEMS = {
    "8x8 trap, U=20, V=5, T=0.5": lambda: trap(8, 40.0, U=20.0, V=5.0, T=0.5),
    "10x10 noise, U=20, V=0, T=0.25": lambda: noise(10, 25.0, 20.0, U=20.0, V=0.0, T=0.25),
    "16x16 trap, U=24, V=0, T=0.25": lambda: trap(16, 33.6, U=24.0, V=0.0, T=0.25),
}
OURS, BARE = "qdens worm", "qdens worm, no symmetry moves"
CAPTION = (
    "Efficiency 1 / (mean over sites of the squared standard error of the density x CPU seconds) "
    "of our worm and of ALPS (pyalps, default parameters) on one core, the mean of several seeds. "
    "Thermalisation (a sixth of the sweeps) counts on both sides, what is done once before the "
    "first sweep (Numba's compilation, ALPS' tables) does not. By spread: with the variance "
    "between the seeds in place of the stated one. The local mu falls from 2 U (8x8) or 1.4 U "
    "(16x16) in the middle to 0 in the corners and lies between 5 and 45 in the noise. By default "
    "our worm also maps all world lines by the exact symmetries of the potential (reflections and "
    "rotations of the two traps; the noise has none), an update in detailed balance that ALPS "
    "does not have; it exchanges the checkerboard sectors of the 8x8 trap. Without these moves: "
    "second row. Chi2: squared difference of the densities from those of our default over its "
    "squared error from the spread of the seeds, both averaged over the sites, the densities over "
    "the symmetries."
)
#: engine -> measured sweeps on each problem; a fifth as many for thermalisation
ENGINES = {
    OURS: (20_000, 4_000, 1_500),
    BARE: (20_000, 4_000, 1_500),
    "ALPS dirloop_sse": (20_000, 1_500, 500),
    "ALPS worm": (5_000, 1_200, 800),
}
#: engine -> number of seeds on each problem
SEEDS = {OURS: (8, 4, 4), BARE: (4, 2, 2), "ALPS dirloop_sse": (8, 4, 4), "ALPS worm": (2, 2, 2)}


def startup(engine: str, problem: xr.Dataset) -> float:
    """CPU seconds before the first sweep (of ALPS: those of a run of about a hundred sweeps)."""
    if engine.startswith("qdens"):
        return 0.0
    shortest = qd.solvers.alps(
        problem, algorithm=engine.split()[1], sweeps=128, thermalisation=100, seed=0
    )
    return shortest.attrs["cpu_seconds_total"]


def run(engine: str, problem: xr.Dataset, sweeps: int, seed: int) -> dict[str, Any]:
    """One run on one core."""
    warm = sweeps // 5
    if engine.startswith("qdens"):
        answer = qd.solvers.worm(
            problem,
            sweeps=sweeps,
            thermalisation=warm,
            chains=1,
            workers=1,
            seed=seed,
            symmetry_moves="auto" if engine == OURS else False,
        )
    else:
        answer = qd.solvers.alps(
            problem, algorithm=engine.split()[1], sweeps=sweeps, thermalisation=warm, seed=seed
        )
    return {
        "density": answer["density"].values,
        "variance": answer["density_stderr"].values ** 2,
        "seconds": answer.attrs["cpu_seconds_total"],
        "sweeps": int(answer["sweeps"]),
        "doubt": int(not answer["thermalised" if engine.startswith("qdens") else "converged"]),
    }


def summary(runs: list[dict[str, Any]], before: float) -> dict[str, Any]:
    """Pool the seeds of one engine; `before` are seconds of each run that do not count."""
    densities = np.stack([one["density"] for one in runs])
    stated = np.mean([one["variance"] for one in runs])
    seconds = sum(one["seconds"] - before for one in runs) / len(runs)
    spread = densities.var(axis=0, ddof=1).mean()
    return {
        "densities": densities,
        "seconds": seconds,
        "startup": before,
        "error": float(np.sqrt(stated)),
        "efficiency": float(1.0 / (stated * seconds)),
        "efficiency of spread": float(1.0 / (spread * seconds)),
        "spread": float(np.sqrt(spread / stated)),
        "doubts": sum(one["doubt"] for one in runs),
        "sweeps": int(np.mean([one["sweeps"] for one in runs])),
    }


def symmetrised(problem: xr.Dataset, densities: np.ndarray) -> np.ndarray:
    """Densities (seed, x, y) averaged over the symmetries of the problem, (seed, sites)."""
    flat = densities.reshape(len(densities), -1)
    images = exact_symmetries(unpack(problem)[0])[0]
    return np.mean([flat, *(flat[:, image] for image in images)], axis=0)


def agreement(problem: xr.Dataset, one: dict[str, Any], other: dict[str, Any]) -> float:
    """Squared difference over squared error of two densities, both averaged over the sites.

    The error is that of the mean of the seeds, from their spread. About 1 if the engines agree.
    """
    a, b = (symmetrised(problem, found["densities"]) for found in (one, other))
    squared_error = sum(part.var(axis=0, ddof=1).mean() / len(part) for part in (a, b))
    return float(((a.mean(axis=0) - b.mean(axis=0)) ** 2).mean() / squared_error)


def main() -> None:
    """Measure and write results/worm_speed.json."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few sweeps; into runs/quick")
    parser.add_argument("--out", type=Path, help="folder that gets results/")
    parser.add_argument("--only", nargs="*", default=list(ENGINES), choices=list(ENGINES))
    options = with_folders(parser.parse_args())
    warnings.simplefilter("ignore", RuntimeWarning)  # counted as doubts
    rows = []
    if OURS in options.only:
        qd.solvers.worm(PROBLEMS["8x8 trap, U=20, V=5, T=0.5"](), sweeps=64, chains=1, seed=0)
    for index, (name, build) in enumerate(PROBLEMS.items()):
        if options.quick and index:
            break
        problem, found = build(), {}
        for engine in options.only:
            sweeps = ENGINES[engine][index] // (20 if options.quick else 1)
            start = time.perf_counter()
            before = startup(engine, problem)
            seeds = 2 if options.quick else SEEDS[engine][index]
            runs = [run(engine, problem, sweeps, seed + 1) for seed in range(seeds)]
            found[engine] = summary(runs, before)
            print(f"{name} | {engine}: {time.perf_counter() - start:.0f} s wall", flush=True)
        reference = found.get(OURS)
        for engine, one in found.items():
            row = {
                "problem": name,
                "engine": engine,
                "efficiency (1/s)": one["efficiency"],
                "CPU s a run": one["seconds"],
                "CPU s before": one["startup"],
                "sweeps": one["sweeps"],
                "seeds": len(one["densities"]),
                "error of n": one["error"],
                "spread of seeds / error": one["spread"],
                "runs in doubt": one["doubts"],
            }
            if reference is not None:
                row["ours / this"] = reference["efficiency"] / one["efficiency"]
                row["ours / this, by spread"] = (
                    reference["efficiency of spread"] / one["efficiency of spread"]
                )
                if engine != OURS:
                    row["chi2 against ours"] = agreement(problem, one, reference)
            rows.append(row)
            print(json.dumps(row), flush=True)
    if set(options.only) == set(ENGINES):
        write_result(
            "worm_speed",
            CAPTION,
            rows,
            options,
            machine=machine(),
        )


if __name__ == "__main__":
    main()
