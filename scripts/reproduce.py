"""Rebuild one shipped data set and one small set of weights, and compare with what is expected.

The data set is chain_wells_l12.nc, whole, from its recipe and seed. The weights are those of the
paper's kind of network, smaller and trained for seconds on the shipped sample of training data;
their errors, and those of the shipped network, are compared with results/reproduce.json, which
`python scripts/reproduce.py --write` makes.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr

import qdens_nb as qd
from qdens_nb import datasets
from qdens_nb.datasets._generate import versions
from qdens_nb.training import TrainConfig, train

ROOT = Path(__file__).resolve().parents[1]
EXPECTED = ROOT / "results" / "reproduce.json"
TEST, SAMPLE = "chain_wells_l12.nc", "chain_sample_l10.nc"
#: engines agree to rounding; a training on other hardware or software takes another path
DATA_TOLERANCE, WEIGHTS_TOLERANCE, SHIPPED_TOLERANCE = 1e-7, 0.1, 1e-3


def rebuilt_wells() -> xr.Dataset:
    """The random wells of 12 sites from their recipe and the seed in the manifest."""
    recipe = datasets.read_recipe("chain_wells", ROOT / "configs" / "generate_chain_wells.yaml")
    seed = datasets.registry()[TEST]["seed"]
    shards = [i for i, (sites, _) in enumerate(recipe.shards()) if sites == 12]
    return xr.concat(
        [datasets.well_shard(recipe, shard, seed) for shard in shards],
        "sample",
        coords="minimal",
        compat="override",
        join="override",
        combine_attrs="override",
    )


def data_difference() -> dict[str, float]:
    """Largest difference of each variable of the rebuilt data set from the shipped one."""
    shipped, again = datasets.open_dataset(datasets.shipped(TEST)), rebuilt_wells()
    if set(shipped.data_vars) != set(again.data_vars) or shipped.sizes != again.sizes:
        raise SystemExit(f"the rebuilt data set has other variables or sizes than {TEST}")
    return {
        str(name): float(np.abs(shipped[name].values - again[name].values).max())
        for name in sorted(map(str, shipped.data_vars))
    }


def density_error(model: str | Path) -> float:
    """Mean absolute error of the density of a network on the shipped wells."""
    wells = {12: datasets.open_dataset(datasets.shipped(TEST))}
    score = qd.metrics.evaluate(qd.load_predictor(model), wells, margin=0.05)
    return float(score["density"]["mae"])


def small_weights(folder: Path) -> dict[str, float]:
    """Train a small network as the shipped ones are trained; its errors."""
    config = replace(
        TrainConfig.read(ROOT / "configs" / "train_chain_cnn.yaml"),
        **{"blocks": 3, "width": 32, "steps": 300, "batch_size": 128, "validate_every": 100},
        **{"max_minutes": None, "precision": "fp32", "compile": False, "ema": 0.98, "seed": 1},
    )
    out = train(
        "chain_cnn", config, data=datasets.shipped(SAMPLE), out=folder / "w", progress=False
    )
    card = json.loads((out / "card.json").read_text())
    return {
        "validation_density_mae": card["calibration"]["validation_density_mae"],
        "wells_density_mae": density_error(out),
    }


def measured() -> dict[str, Any]:
    """All numbers of this machine."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        weights = small_weights(Path(folder))
    return {
        "data": TEST,
        "data_difference": data_difference(),
        "small_weights": weights,
        "shipped_weights": {"wells_density_mae": density_error("chain_cnn")},
        "versions": versions() | {"torch": torch.__version__},
    }


def compare(found: dict[str, Any], expected: dict[str, Any]) -> list[str]:
    """What is not as expected, one line each; prints all comparisons."""
    wrong = []

    def line(text: str, good: bool) -> None:
        print(f"{'ok   ' if good else 'WRONG'} {text}")
        if not good:
            wrong.append(text)

    for name, value in found["data_difference"].items():
        line(f"{TEST} {name}: differs by {value:.1e}", value <= DATA_TOLERANCE)
    for part, tolerance in (
        ("small_weights", WEIGHTS_TOLERANCE),
        ("shipped_weights", SHIPPED_TOLERANCE),
    ):
        for name, value in found[part].items():
            wanted = expected[part][name]
            text = f"{part} {name}: {value:.6f}, expected {wanted:.6f} within {tolerance:.1%}"
            line(text, abs(value - wanted) <= tolerance * wanted)
    return wrong


def main() -> None:
    """Compare with results/reproduce.json, or write it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="write what is expected from now on")
    write = parser.parse_args().write
    found = measured()
    if write:
        EXPECTED.write_text(json.dumps(found, indent=2) + "\n")
    wrong = compare(found, json.loads(EXPECTED.read_text()))
    sys.exit(f"{len(wrong)} not as expected" if wrong else 0)


if __name__ == "__main__":
    main()
