"""Write results/accuracy_*.json, the short tables of README, from the detailed results.

Each row: what is wrong by how much on problems that were never seen, what was asked for, the error
of a baseline on the same problems, and the noise of the reference. Nothing is measured here.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from _common import ROOT, read_result
from tqdm.auto import tqdm

import numpy as np  # isort: skip

from qdens_nb.datasets._files import write_json

Row = dict[str, Any]
SITE, CHARGE = "density a site", "electrons displaced"


def row(
    by: str,
    on: str,
    measure: str,
    error: float | None,
    aim: float | None = None,
    baseline: str | None = None,
    other: float | None = None,
    noise: float | None = None,
) -> Row:
    """One row of any of the tables."""
    return {
        "by": by,
        "of": on,
        "measure": measure,
        "error": error,
        "aim": aim,
        "baseline": baseline,
        "its error": other,
        "noise": noise,
    }


def weighted(rows: list[Row], name: str) -> float:
    """Mean of a column, weighted with the samples."""
    return float(np.average([one[name] for one in rows], weights=[one["samples"] for one in rows]))


def chain(results: Path) -> list[Row]:
    """Networks of the ring on wells and noise."""
    found = read_result("chain_wells", results)["rows"]
    out = []

    def add(name: str, words: str, chosen: list[Row], aim: float | None = None) -> None:
        mean_field = weighted(chosen, "Hartree-Fock")
        error = weighted(chosen, name)
        out.append(row(name, words, SITE, error, aim, "Hartree-Fock", mean_field))

    of = {
        (sites, V): [one for one in found if one["L"] == sites and one["V"] == V]
        for sites, V in {(one["L"], one["V"]) for one in found if one["potentials"] == "wells"}
    }
    for V, aim in ((0.7, 0.002), (1.3, 0.007), (2.0, 0.015)):
        add("chain", f"wells, 18 sites, V = {V:g}", of[18, V], aim)
    for name in ("chain_cnn", "chain_live"):
        wells = [one for V in (0.0, 0.7, 1.3, 2.0) for one in of[18, V]]
        add(name, "wells, 18 sites, V = 0 to 2", wells, 0.012 if name == "chain_cnn" else None)
    for name, aim in (("chain", 0.010), ("chain_cnn", 0.012)):
        wells = [one for V in (0.0, 0.7, 1.3, 2.0) for one in of[40, V]]
        add(name, "wells, 40 sites, V = 0 to 2", wells, aim)
    return out


def bose(results: Path) -> list[Row]:
    """Networks of lattice bosons, with the sector that they choose and with the reference's."""
    found = read_result("bose_test_sets", results)["rows"]
    of = {(one["potentials"][:5], one["method"]): one for one in found if one["4t/U"] == "all"}
    out = []
    for name in ("bose_hubbard", "bose_hubbard_live", "bose_hubbard_cnn"):
        for kind, words in (("traps", "traps, 16 x 16"), ("noise", "noise, 10 x 10")):
            one, mean = of[kind, name], of[kind, "mean field"]
            cases = {words: "error of n"}
            if kind == "noise":
                cases = {
                    f"{words}, sector chosen": "error of n",
                    f"{words}, sector given": "error of n, sector given",
                }
            for case, column in cases.items():
                if "given" in case and name == "bose_hubbard_live":
                    continue
                out.append(
                    row(
                        name,
                        case,
                        SITE,
                        one[column],
                        0.02,
                        "mean field",
                        mean[column],
                        one["reference's noise"],
                    )
                )
    return out


def dots(results: Path) -> list[Row]:
    """Networks of quantum dots on a fresh seed of their recipe and on designed dots."""
    found = read_result("dots_test_sets", results)["rows"]
    of = {(one["mapping"], one["method"]): one for one in found}
    truncation = {
        one["orbitals"]: one["density_truncation (electrons)"]
        for one in read_result("dots_ci_speed", results)["rows"]
    }
    names = {
        ("V to n0", "our network"): "dot_density_free",
        ("V to n", "our network"): "dot_density",
        ("V to n", "our conditional network"): "dot_density_live",
        ("n0 to n", "our network"): "dot_free_to_interacting",
        ("n to V", "our network"): "dot_potential",
    }
    out = []
    for (mapping, method), name in names.items():
        peer = of[mapping, "pix2pix"]
        for kind in ("fresh", "designed"):
            column = f"charge displaced, {kind}"
            out.append(
                row(
                    name,
                    f"{kind} dots, {mapping}",
                    CHARGE,
                    of[mapping, method][column],
                    0.02 if name == "dot_potential" else None,
                    "pix2pix",
                    peer[column],
                    truncation.get(24) if mapping in ("V to n", "n0 to n") else None,
                )
            )
    return out


def states(results: Path) -> list[Row]:
    """Neural quantum states: relative energy errors."""
    found = read_result("nqs_targets", results)["rows"]
    out = []
    for one in found:
        if one["wanted"] is None:
            continue
        network, error = next(
            (
                (other["network"], other["relative error"])
                for other in found
                if other["model"] == one["model"] and other["wanted"] is None
            ),
            (None, None),
        )
        out.append(
            row(
                one["network"],
                one["model"],
                "relative energy",
                one["relative error"],
                one["wanted"],
                network,
                error,
                one["its standard error"],
            )
        )
    return out


def potentials(results: Path) -> list[Row]:
    """Potentials found from wave functions, with our method and with the article's best."""
    found = read_result("mpnn_table", results)["rows"]
    aims = {
        "hydrogen_1s": 0.003,
        "oscillator_2": 0.001,
        "hydrogen_2s": 0.02,
        "hydrogen_2p": 0.02,
        "hooke_2d": 0.01,
        "hooke_3d": 0.01,
    }
    out = []
    for one in found:
        if one["method"] != "local_energy" or one["system"] not in aims:
            continue
        measure = "trap_error" if one["system"].startswith("hooke") else "epsilon_wide"
        peer = next(
            (o for o in found if o["system"] == one["system"] and o["method"] == "mpnn"), None
        )
        out.append(
            row(
                f"local_energy, {one['seeds']} seeds",
                one["system"],
                "strength of the trap" if measure == "trap_error" else "potential, [-5, 5]^D",
                one[measure],
                aims[one["system"]],
                peer and "MPNN of the article",
                peer and peer[measure],
            )
        )
    return out


TABLES = {
    "accuracy_predictors": (
        (chain, bose, dots),
        "Mean absolute errors of the networks on problems of a kind, or at least of a seed, that "
        "they never saw. Density a site: reference exact diagonalisation or DMRG (wells), or Monte "
        "Carlo, whose noise is taken out in squares. Electrons displaced: half the integral of "
        "|error| in a dot, median; for dot_potential that of the density solved again in the "
        "potential that it answers. Noise: that of the reference (Monte Carlo's standard error, "
        "the change of the exact density with the number of orbitals).",
    ),
    "accuracy_states": (
        (states, potentials),
        "Neural quantum states: the energy on fresh samples, one seed; noise: its standard error. "
        "Potentials from wave functions: the mean |error|, median of the seeds.",
    ),
}


def build(name: str, results: Path) -> Row:
    """Content of one file."""
    parts, caption = TABLES[name]
    rows = [one for part in parts for one in part(results)]
    return {"caption": caption, "command": "python benchmarks/summary.py", "rows": rows}


def main() -> int:
    """Write both files."""
    for name in tqdm(TABLES, desc="tables", disable=None):
        write_json(ROOT / "results" / f"{name}.json", build(name, ROOT / "results"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
