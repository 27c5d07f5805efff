"""Density errors on wells and noise that no network saw, beside Hartree-Fock."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from _columns import shown

import qdens_nb as qd

METHODS = {
    "Hartree-Fock": lambda p: qd.solvers.chain_hartree_fock(p),
    "chain_cnn": lambda p: qd.load_predictor("chain_cnn")(p),
    "chain_cnn_live": lambda p: qd.load_predictor("chain_cnn_live")(p),
    "chain": lambda p: qd.load_predictor("chain")(p),
    "chain_live": lambda p: qd.load_predictor("chain_live")(p),
}
SETS = {"wells": ("wells_l12", "wells_l18", "wells_l40"), "noise": ("noise_l18",)}


def main() -> None:
    """Measure and write results/chain_wells.json."""
    rows = []
    for kind, names in SETS.items():
        for name in names:
            data = qd.datasets.open_dataset(qd.datasets.shipped(f"chain_{name}.nc"))
            answers = {method: solve(data) for method, solve in METHODS.items()}
            for V in np.unique(data["V"]) if kind == "wells" else [None]:
                chosen = (data["V"] == V).values if V is not None else np.ones(data.sizes["sample"])
                part = data.isel(sample=chosen.astype(bool))
                row = {
                    "potentials": kind,
                    "L": data.sizes["x"],
                    "V": "0 to 2" if V is None else float(V),
                    "samples": part.sizes["sample"],
                }
                for method, answer in answers.items():
                    guess = answer["density"].isel(sample=chosen.astype(bool))
                    row[method] = float(np.abs(guess - part["density"]).mean())
                    number = answer["particle_number"].isel(sample=chosen.astype(bool))
                    wrong = np.rint(number) != part["particle_number"]
                    row[f"{method}: wrong N"] = float(wrong.mean())
                    if "density_stderr" in answer:
                        bar = answer["density_stderr"].isel(sample=chosen.astype(bool))
                        inside = np.abs(guess - part["density"]) <= bar
                        row[f"{method}: within the error bar"] = float(inside.mean())
                rows.append(row)
                print(row)
    result = {
        "caption": "Mean absolute error of the density on problems that no network was trained on "
        "(reference: exact diagonalisation, DMRG at L = 40), how often N is wrong, and the share "
        "of sites whose error is within the stated standard error (0.68 is right).",
        "command": "python benchmarks/chain_wells.py",
        "rows": rows,
        **shown("chain_wells"),
    }
    path = Path(__file__).resolve().parents[1] / "results" / "chain_wells.json"
    path.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
