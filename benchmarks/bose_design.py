"""Inverse design by gradient through each network and through mean field, checked by Monte Carlo.

Writes results/bose_design.json. Wanted densities on 16 x 16 sites: those of the tutorial and of the
drawing app. "error" is the mean over sites of |density - wanted|.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np
import torch
from _bose import predictors
from _common import machine, options, write_result

import qdens_nb as qd
from qdens_nb.solvers._gutzwiller_torch import gutzwiller_density
from qdens_nb.widgets._live_worm import start_occupation
from qdens_nb.widgets._pictures import picture

SIDE, SEED = 16, 5
#: name of the wanted density, 4t/U, 4V/U
CASES = (
    ("hill", 0.3, 0.0),
    ("hill", 0.6, 0.8),
    ("ring around a lake", 0.2, 0.0),
    ("letter Q", 0.2, 0.0),
    ("letter Q", 0.5, 0.0),
    ("cross", 0.2, 0.6),
    ("checkerboard patch", 0.2, 1.0),
)


class MeanField:
    """The Gutzwiller mean field in place of a network."""

    name = "mean field"

    def torch_density(self, local: Any, U: Any, V: Any, sector: Any, T: float, n_max: int) -> Any:
        """Density (B, X, Y) from (mu - v)/U (B, X, Y)."""
        U, V, sector = (torch.as_tensor(c).expand(len(local)) for c in (U, V, sector))
        mu = local * U[:, None, None]
        both = [gutzwiller_density(mu, U, V, T, n_max, start=s) for s in ("even", "odd")]
        return torch.where(sector[:, None, None] == 0, *both)


def wanted(name: str, side: int) -> np.ndarray:
    """A density (x, y)."""
    r = np.hypot(*(np.indices((side, side)) - (side - 1) / 2)) * SIDE / side
    if name == "hill":
        return 0.1 + 1.4 * np.exp(-((r / 5.0) ** 2))
    if name != "ring around a lake":
        return picture(name, side)
    return np.where(r < 2.5, 0.5, np.where((r > 4) & (r < 6.5), 1.0, 0.05))


def main(chosen: argparse.Namespace) -> None:
    """Design, check and write."""
    torch.set_num_threads(1)
    side, steps, sweeps = (8, 5, 64) if chosen.quick else (SIDE, 120, 2000)
    rows = []
    for name, hopping, interaction in CASES[-2:] if chosen.quick else CASES:
        target, U = wanted(name, side), 4.0 / hopping
        for label, predictor in ({"mean field": MeanField()} | predictors()).items():
            began = time.process_time()
            found = qd.inverse.design(
                predictor, target, U=U, V=interaction * U / 4, starts=3, steps=steps, seed=SEED
            )
            seconds = time.process_time() - began
            start = start_occupation(found, int(found["sector"]))
            exact = qd.inverse.recheck(found, sweeps=sweeps, start=start, seed=SEED)
            answer, stderr = exact["density"], exact["density_stderr"]
            scores = qd.analysis.error_scores(exact["target"], answer, stderr)
            rows.append(
                {
                    "wanted density": name,
                    "4t/U": hopping,
                    "4V/U": interaction,
                    "gradient through": label,
                    "error it promises": float(found["design_error"]),
                    "error by QMC": scores["mae_after_noise"],
                    "QMC's noise": scores["noise"],
                    "QMC in equilibrium": bool(exact["thermalised"]),
                    "CPU, s": seconds,
                }
            )
            print(rows[-1], flush=True)
    names = list(dict.fromkeys(row["gradient through"] for row in rows))
    mean = {
        name: float(np.mean([r["error by QMC"] for r in rows if r["gradient through"] == name]))
        for name in names
    }
    write_result(
        "bose_design",
        f"Potentials designed on {side} x {side} sites ({steps} steps, 3 starts in each sector) by "
        "gradient through the networks and through mean field: mean |density - wanted| that each "
        "promises and that Monte Carlo finds, Monte Carlo's noise taken out in squares.",
        rows,
        chosen,
        mean_error_by_qmc=mean,
        machine=machine(),
    )


if __name__ == "__main__":
    main(options(__doc__))
