"""CPU time against size of Monte Carlo, mean field and networks, on one core.

The Monte Carlo runs until its standard error of the density means the same mean absolute error as
that of the best network on the test traps (results/bose_test_sets.json; before there is one, the
wanted 0.02). Its time holds its thermalisation, not the compilation.
"""

from __future__ import annotations

import argparse
import json
import warnings
from typing import Any

import numpy as np
import torch
import xarray as xr
from _bose import predictors
from _common import ROOT, best_time, machine, options, write_result
from bose_traps import TRAPS, problem
from tqdm.auto import tqdm

import qdens_nb as qd

SEED, REPEATS = 2304, 3
SIZES = (8, 12, 16, 24, 32, 40)
WANTED = 0.02


def network_error() -> tuple[float, str]:
    """Mean absolute density error of the best network on the test traps, and its name."""
    path = ROOT / "results" / "bose_test_sets.json"
    found = json.loads(path.read_text())["rows"] if path.is_file() else []
    errors = {
        row["method"]: row["error of n"]
        for row in found
        if row["potentials"].startswith("traps") and row["4t/U"] == "all"
    }
    errors.pop("mean field", None)
    best = min(errors, key=errors.__getitem__, default="")
    return (errors[best], best) if best else (WANTED, "the error that is wanted")


def monte_carlo_time(one: xr.Dataset, stderr: float, quick: bool) -> dict[str, Any]:
    """CPU seconds of one run to the wanted standard error, and what it reached."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "worm: ")
        answer = qd.solvers.worm(
            one,
            sweeps=64 if quick else 50_000,
            thermalisation=50 if quick else 300,
            density_error=stderr,
            chains=1,
            start="classical",
            symmetry_moves=False,
            seed=SEED,
        )
    return {
        "QMC, s": answer.attrs["cpu_seconds_total"],
        "QMC sweeps": int(answer["sweeps"]),
        "QMC density error": float(np.sqrt((answer["density_stderr"] ** 2).mean())),
    }


def main(chosen: argparse.Namespace) -> None:
    """Measure and write results/bose_time.json."""
    torch.set_num_threads(1)
    error, whose = network_error()
    stderr = error * np.sqrt(np.pi / 2)
    networks = predictors()
    monte_carlo_time(problem(8).isel(sample=0), 1.0, True)
    rows = []
    for L in tqdm((8,) if chosen.quick else SIZES, desc="sizes"):
        batch = problem(L)
        names = ["potential", "U", "V", "mu", "T"]
        ones = [batch[names].isel(sample=i, drop=True) for i in range(len(TRAPS))]
        times = {}
        for name, network in networks.items():
            for label, symmetrise in ((name, True), (f"{name}, one view", False)):
                times[f"{label}, s"] = best_time(
                    lambda network=network, symmetrise=symmetrise, one=ones[1]: network(
                        one, symmetrise=symmetrise
                    )
                )
        for case, one in zip(TRAPS, ones, strict=True):
            row: dict[str, Any] = {"trap": case, "L": L}
            row |= monte_carlo_time(one, stderr, chosen.quick)
            row["mean field, s"] = best_time(lambda one=one: qd.solvers.gutzwiller(one))
            row |= times
            for name in networks:
                row[f"QMC / {name}"] = row["QMC, s"] / times[f"{name}, s"]
            rows.append(row)
            print(row, flush=True)
    write_result(
        "bose_time",
        f"CPU seconds on one core for one trap of L x L sites. Monte Carlo with its thermalisation "
        f"until its mean absolute density error is {error:.3g} ({whose}); networks with both "
        f"sectors and the mean over eight views, or one view; best of {REPEATS} calls, without "
        "compilation. The training of a network and the making of its data are not in its time.",
        rows,
        chosen,
        machine=machine(),
        mean_absolute_error=float(error),
        density_error=float(stderr),
    )


if __name__ == "__main__":
    main(options(__doc__))
