"""Errors of mean field and networks on Bose-Hubbard problems of two kinds, noise told apart.

Needs data/bose_noise_l10.nc and data/bose_traps_l16.nc, made by ``qdens generate``; takes whichever
networks there are. Every method answers twice: with a checkerboard sector of its own choice, and
in the sector that the reference has.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import xarray as xr
from _bose import mean_field_in, predictors
from _common import options, write_result
from tqdm.auto import tqdm

import qdens_nb as qd
from qdens_nb import analysis

SETS = {"noise": "bose_noise_l10", "traps": "bose_traps_l16"}
MEAN_FIELD = "mean field"
SHORT = {"density_squared": "n^2", "density_correlation": "n n", "coherence": "coherence"}
#: what the README shows
COLUMNS = [
    "potentials",
    "4t/U",
    "samples",
    "method",
    "error of n",
    "error of n, with the reference's noise",
    "error of n, sector given",
    "times better than mean field",
    "other sector",
    "within 1 stderr",
]
Solver = Callable[[xr.Dataset], xr.Dataset]


def test_set(name: str, quick: bool) -> xr.Dataset:
    """A shipped test set; ``--quick`` solves two problems of its kind in its place."""
    if not quick:
        return qd.datasets.open_dataset(qd.datasets.shipped(f"{name}.nc"))
    kind = qd.datasets.BoseTrapRecipe if "traps" in name else qd.datasets.BoseRecipe
    recipe = kind(sites={8: 2}, sweeps=300, thermalisation=100, samples_per_shard=2)
    return qd.datasets.bose_shard(recipe, 0, 5)


def in_sector(answers: list[xr.Dataset], reference: xr.Dataset) -> xr.Dataset:
    """Of the answers in sector 0 and 1 that of the reference, sample by sample."""
    odd = analysis.checkerboard_sector(reference["density"]) == 1
    return xr.where(odd, answers[1], answers[0])


def solve(reference: xr.Dataset) -> dict[str, tuple[xr.Dataset, xr.Dataset]]:
    """Method -> answers in its own sector and in that of the reference."""
    problem = reference[["potential", "U", "V", "mu", "T"]]
    out = {
        MEAN_FIELD: (qd.solvers.gutzwiller(problem), mean_field_in(problem, reference["density"]))
    }
    for name, network in tqdm(predictors().items(), desc="networks"):
        names = ["density", "density_stderr", *SHORT]
        forced = [network(problem, sector=sector)[names] for sector in (0, 1)]
        out[name] = (network(problem), in_sector(forced, reference))
    return out


def details(
    answers: dict[str, tuple[xr.Dataset, xr.Dataset]], reference: xr.Dataset
) -> dict[str, Any]:
    """Everything measured on one set, by method."""
    out = {}
    for name, (own, given) in answers.items():
        wrong = analysis.sector_differs(own, reference)
        out[name] = {
            "own sector": analysis.scores_by_hopping(own, reference),
            "reference's sector": analysis.scores_by_hopping(given, reference),
            "samples with a checkerboard": int(wrong.size),
            "sector differs": float(wrong.mean()) if wrong.size else None,
        }
        if "density_stderr" in own:
            out[name]["calibration"] = {
                "own sector": analysis.density_calibration(own, reference),
                "reference's sector": analysis.density_calibration(given, reference),
            }
    return out


def table(kind: str, reference: xr.Dataset, found: dict[str, Any]) -> list[dict[str, Any]]:
    """Rows of the README, one a range of 4t/U and method."""
    rows = []
    for label, mask in analysis.hopping_ranges(reference["U"]).items():
        for name, scores in found.items():
            own = scores["own sector"][label]
            given = scores["reference's sector"][label]["density"]
            least = found[MEAN_FIELD]["own sector"][label]["density"]
            density = own["density"]
            row: dict[str, Any] = {
                "potentials": f"{kind}, L = {reference.sizes['x']}",
                "4t/U": label,
                "samples": int(mask.sum()),
                "method": name,
                "error of n, with the reference's noise": density["mae"],
                "reference's noise": density["noise"],
                "error of n": density["mae_after_noise"],
                "error of n, sector given": given["mae_after_noise"],
                "times better than mean field": None,
            }
            if name != MEAN_FIELD and density["mae_after_noise"] > 0:
                row["times better than mean field"] = (
                    least["mae_after_noise"] / density["mae_after_noise"]
                )
            for observable, short in SHORT.items():
                row[f"error of {short}"] = own[observable]["mae_after_noise"]
            row["other sector"] = scores["sector differs"] if label == "all" else None
            if label == "all" and "calibration" in scores:
                row["within 1 stderr"] = scores["calibration"]["own sector"]["within_1"]
                row["within 2 stderr"] = scores["calibration"]["own sector"]["within_2"]
            rows.append(row)
    return rows


def main(chosen: argparse.Namespace) -> None:
    """Measure and write results/bose_test_sets.json."""
    rows, more = [], {}
    for kind, name in SETS.items():
        reference = test_set(name, chosen.quick)
        found = details(solve(reference), reference)
        rows += table(kind, reference, found)
        more[name] = {
            "methods": found,
            "samples": reference.sizes["sample"],
            "reference not surely in equilibrium": int((reference["thermalised"] < 0.5).sum()),
            "largest P(n = n_max)": float(reference["clipped"].max()),
        }
    write_result(
        "bose_test_sets",
        "Mean absolute errors against Monte Carlo on test problems: of the density with the "
        "reference's own noise in them, and without it (subtracted in squares, as of the other "
        "observables); each method chooses the checkerboard sector itself unless it is given. "
        "Other sector: how often that is not the reference's, where there is a checkerboard.",
        rows,
        chosen,
        columns=COLUMNS,
        sets=more,
    )


if __name__ == "__main__":
    main(options(__doc__))
