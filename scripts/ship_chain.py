"""Put the data sets and weights of the chain that are shipped into data/ and its manifest.

`make data-chain` runs this last, after `qdens generate` and `qdens train` have filled runs/.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import xarray as xr

import qdens_nb as qd
from qdens_nb.training._shape_calibration import calibrate_card

ROOT = Path(__file__).resolve().parents[1]
RUNS, DATA = ROOT / "runs", ROOT / "data"
WEIGHTS = ("chain", "chain_cnn", "chain_live", "chain_cnn_live")
MARGIN = 0.05
CALIBRATION_SEED = 2718


def joined(folder: Path, sites: int, shards: int | None = None) -> xr.Dataset:
    """The first shards of one size as one Dataset."""
    found = []
    for path in sorted(folder.glob("*.nc")):
        with xr.open_dataset(path) as data:
            if data.sizes["x"] == sites:
                found.append(data.load())
        if shards is not None and len(found) == shards:
            break
    together = xr.concat(found, "sample", coords="minimal", compat="override", join="override")
    together.attrs = dict(found[0].attrs, shards=len(found))
    return together


def unique(data: xr.Dataset) -> xr.Dataset:
    """Samples whose ground state is unique by MARGIN."""
    distance = np.minimum(data["mu"] - data["mu_lower"], data["mu_upper"] - data["mu"])
    return data.isel(sample=((distance >= MARGIN) & (data["gap"] >= MARGIN)).values)


def sets() -> dict[str, tuple[Callable[[], xr.Dataset], str, int]]:
    """Shipped data set -> (how to make it, from which command, its seed)."""
    wells = "qdens generate chain_wells --config configs/generate_chain_wells.yaml --seed 987654"
    large = "qdens generate chain_wells --config configs/generate_chain_wells_l40.yaml --seed 7"
    full = "qdens generate chain --config configs/generate_chain_full.yaml --seed 1"
    grid = "qdens generate chain_well_grid --config configs/generate_chain_well_grid.yaml --seed 7"
    noise = "qdens generate chain --config configs/generate_chain_noise_l18.yaml --seed 11"
    return {
        "chain_wells_l12": (lambda: joined(RUNS / "wells_ed", 12), wells, 987654),
        "chain_wells_l18": (lambda: joined(RUNS / "wells_ed", 18), wells, 987654),
        "chain_wells_l40": (lambda: joined(RUNS / "wells_l40", 40), large, 7),
        "chain_l40_dmrg": (lambda: joined(RUNS / "well_grid", 40), grid, 7),
        "chain_noise_l18": (lambda: unique(joined(RUNS / "noise_l18", 18)), noise, 11),
        "chain_sample_l10": (lambda: joined(RUNS / "train" / "random", 10, 4), full, 1),
        "chain_sample_l12": (lambda: joined(RUNS / "train" / "random", 12, 4), full, 1),
    }


def main() -> None:
    """Write the files named on the command line, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="data sets and weights; default: all")
    chosen = parser.parse_args().names
    for name, (make, command, seed) in sets().items():
        if not chosen or name in chosen:
            path = DATA / f"{name}.nc"
            qd.datasets.save(make(), path, packed=name.startswith("chain_sample"))
            qd.datasets.register(path, command, seed=seed)
            print(f"{path.relative_to(ROOT)}  {path.stat().st_size / 1e6:.2f} MB")
    for name in WEIGHTS:
        if not chosen or name in chosen:
            target = DATA / "weights" / name
            target.mkdir(parents=True, exist_ok=True)
            model = name.removesuffix("_live")
            command = f"qdens train {model} --config configs/train_{name}.yaml --data runs/train"
            for file in ("weights.safetensors", "card.json"):
                shutil.copyfile(RUNS / f"w_{name}" / file, target / file)
            calibrate_card(target, seed=CALIBRATION_SEED)
            for file in ("weights.safetensors", "card.json"):
                qd.datasets.register(target / file, command, seed=1)
            print(f"{target.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
