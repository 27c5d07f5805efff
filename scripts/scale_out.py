"""What a large data set of quantum Monte Carlo samples costs, from our own rates.

    python scripts/scale_out.py

computes a few shards of the shipped data sets again on one core, checks that they are the shipped
ones, and takes CPU seconds a sweep and bytes a sample from them. The sweeps that a sample needs are
those of all shipped samples of its kind: CPU seconds a sample are their mean times the seconds a
sweep. The table of `docs/scale_out.md` is made of the file results/scale_out.json.
"""

from __future__ import annotations

import argparse
import json
import platform
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from qdens_nb import datasets

ROOT = Path(__file__).resolve().parents[1]
SAMPLES = 170_000
CORES = 100
#: configuration, system, seed, words, {side: shipped file}
KINDS = (
    (
        "generate_bose_hubbard.yaml",
        "bose_hubbard",
        2026,
        "training noise",
        {side: f"bose_train_l{side}.nc" for side in (8, 10, 12, 14)},
    ),
    (
        "generate_bose_hubbard_noise_l10.yaml",
        "bose_hubbard",
        32,
        "test noise",
        {10: "bose_noise_l10.nc"},
    ),
    (
        "generate_bose_hubbard_traps_l16.yaml",
        "bose_hubbard_traps",
        31,
        "test traps",
        {16: "bose_traps_l16.nc"},
    ),
)


def measure(
    system: str, recipe: Any, seed: int, shards: list[int], shipped: Any
) -> list[dict[str, float]]:
    """CPU seconds, sweeps and bytes of these shards, the first ones in `shipped`."""
    rows: list[dict[str, float]] = []
    first = 0
    for shard in shards:
        start = time.process_time()
        made = datasets.bose_shard(recipe, shard, seed)
        seconds = time.process_time() - start
        count = made.sizes["sample"]
        known = shipped.isel(sample=slice(first, first + count))
        first += count
        if not np.array_equal(made["sweeps"], known["sweeps"]):
            raise RuntimeError(f"shard {shard} of {system} is not what is shipped")
        with tempfile.TemporaryDirectory() as folder:
            size = datasets.save(made, Path(folder) / "shard.nc").stat().st_size
        sweeps = float(known["sweeps"].sum()) + count * recipe.thermalisation
        rows.append({"seconds": seconds, "sweeps": sweeps, "bytes": size, "samples": count})
    return rows


def estimate(rows: list[dict[str, float]], sweeps: np.ndarray) -> dict[str, float]:
    """CPU seconds and kB a sample, from shards and from the sweeps of all samples.

    >>> rows = [{"seconds": 2.0, "sweeps": 200, "bytes": 4000, "samples": 2}] * 2
    >>> estimate(rows, np.array([100, 300]))
    {'CPU s a sample': 2.0, 'its standard error': 0.0, 'kB a sample': 2.0}
    """
    total = {key: sum(row[key] for row in rows) for key in rows[0]}
    rate = total["seconds"] / total["sweeps"]
    each = np.array([row["seconds"] / row["sweeps"] for row in rows])
    weight = np.array([row["sweeps"] for row in rows]) / total["sweeps"]
    error = np.sqrt(np.sum((weight * (each - rate)) ** 2) * len(rows) / max(1, len(rows) - 1))
    return {
        "CPU s a sample": rate * float(sweeps.mean()),
        "its standard error": float(error * sweeps.mean()),
        "kB a sample": total["bytes"] / total["samples"] / 1e3,
    }


def priced(row: dict[str, Any], samples: int, price: float) -> dict[str, Any]:
    """The row with what `samples` of its kind take.

    >>> made = priced({"CPU s a sample": 3.6, "kB a sample": 10.0}, 1000, 0.5)
    >>> made["core-hours"], made["GB"], made["cost"]
    (1.0, 0.01, 0.5)
    """
    hours = row["CPU s a sample"] * samples / 3600
    return {
        **row,
        "core-hours": hours,
        "GB": row["kB a sample"] * samples / 1e6,
        "days on 2 cores": hours / 2 / 24,
        f"minutes on {CORES} cores": hours * 60 / CORES,
        "cost": hours * price,
    }


def main() -> None:
    """Measure and write results/scale_out.json."""
    parser = argparse.ArgumentParser(description="Core-hours, disk and cost of a large data set.")
    parser.add_argument("--samples", type=int, default=SAMPLES)
    parser.add_argument("--price", type=float, default=0.04, help="of a core-hour")
    parser.add_argument("--shards", type=int, default=3, help="computed of each size")
    options = parser.parse_args()
    datasets.bose_shard(datasets.BoseRecipe(sites={4: 1}, sweeps=64), 0, 0)  # compiles
    table: list[dict[str, Any]] = []
    mix: dict[str, float] = {"CPU s a sample": 0.0, "kB a sample": 0.0}
    variance = 0.0
    for config, system, seed, words, files in KINDS:
        recipe = datasets.read_recipe(system, ROOT / "configs" / config)
        plan = recipe.shards()
        for side, file in files.items():
            shipped = datasets.open_dataset(datasets.shipped(file))
            shards = [n for n, (size, _) in enumerate(plan) if size == side][: options.shards]
            rows = measure(system, recipe, seed, shards, shipped)
            found = estimate(rows, shipped["sweeps"].values + recipe.thermalisation)
            of = {"potentials": words, "L": side, "density error": recipe.density_error}
            table.append(priced(of | found, options.samples, options.price))
            print(table[-1])
            if words == "training noise":
                part = recipe.sites[side] / sum(recipe.sites.values())
                mix = {key: value + part * found[key] for key, value in mix.items()}
                variance += (part * found["its standard error"]) ** 2
    known = datasets.read_recipe("bose_hubbard", ROOT / "configs" / KINDS[0][0])
    of = {
        "potentials": "training noise, our mix of sizes",
        "L": sorted([min(known.sites), max(known.sites)]),
        "density error": known.density_error,
    }
    mix = {
        "CPU s a sample": mix["CPU s a sample"],
        "its standard error": float(np.sqrt(variance)),
        "kB a sample": mix["kB a sample"],
    }
    row = priced(of | mix, options.samples, options.price)
    per_shard = known.samples_per_shard
    caption = (
        f"What {options.samples:,} quantum Monte Carlo samples of each kind take, from shards "
        f"computed again on one core ({platform.machine()}, {options.shards} of each size) and "
        "from the sweeps of all shipped samples. Disk: shards as they are generated, with all "
        "observables and standard errors. Minutes on "
        f"{CORES} cores: if all are busy to the end. Cost: at an assumed {options.price:g} a "
        f"core-hour, in whatever currency; put in your own with `--price`. With {per_shard} "
        f"samples in a shard there are {-(-options.samples // per_shard):,} shards of about "
        f"{row['CPU s a sample'] * per_shard:.0f} s each, and as much is lost with a worker."
    )
    result = {
        "caption": caption,
        "command": "python scripts/scale_out.py",
        "samples": options.samples,
        "price": options.price,
        "rows": [row, *table],
    }
    path = ROOT / "results" / "scale_out.json"
    path.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(f"written: {path}")


if __name__ == "__main__":
    main()
