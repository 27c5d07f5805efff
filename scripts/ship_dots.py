"""Put the data sets and weights of the quantum dots that are shipped into data/.

`make data-dots` runs this last, after `qdens generate` and `qdens train` have filled runs/.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import numpy as np
import xarray as xr
from ship_chain import DATA, ROOT, RUNS, joined

import qdens_nb as qd

#: training dots that are shipped; `qdens generate` makes all of them
TRAINING = 1600
#: of the second half of dots_fresh
SECOND_SEED = 46
#: shipped file -> (folder in runs, values of `split`, config, seed)
SETS = {
    "dots_train": ("dots", (0,), "generate_dots", 41),
    "dots_test": ("dots", (1, 2), "generate_dots", 41),
    "dots_fresh": ("dots_fresh", (2,), "generate_dots_fresh", 42),
    "dots_designed": ("dots_designed", (2,), "generate_dots_designed", 45),
    "dots_conditional_test": ("dots_conditional", (2,), "generate_dots_conditional", 44),
}
#: shipped weights -> (folder in runs, model, configuration, data)
WEIGHTS = {
    "dot_density": ("w_dot_density", "dot_density", "train_dots_density", "dots"),
    "dot_density_free": (
        *("w_dot_density_free", "dot_density_free", "train_dots_density_free"),
        "dots",
    ),
    "dot_free_to_interacting": (
        *("w_dot_free_to_interacting", "dot_free_to_interacting"),
        *("train_dots_free_to_interacting", "dots"),
    ),
    "dot_potential": ("w_dot_potential", "dot_potential", "train_dots_potential", "dots"),
    "dot_density_live": (
        *("w_dot_density_live", "dot_density_live", "train_dots_density_live"),
        "dots_conditional",
    ),
    "dot_potential_pix2pix": (
        *("w_dot_potential_pix2pix", "dot_potential", "train_dots_pix2pix_potential"),
        "dots",
    ),
}
#: shipped weights -> folder in runs of benchmarks/dots_discriminator.py, which trains them
STUDIED = {
    "dot_density_pix2pix": "dots_bench/dot_density_w16_s2000_b1/patch70_seed0",
    "dot_density_unet": "dots_bench/dot_density_w16_s2000_b1/unet_seed0",
}


def rounded(values: np.ndarray, bits: int = 11) -> np.ndarray:
    """Single precision with that many bits after the first: tails keep their relative precision."""
    drop = 23 - bits
    whole = values.astype(np.float32).view(np.uint32) + np.uint32(1 << (drop - 1))
    return (whole & np.uint32(~((1 << drop) - 1) & 0xFFFFFFFF)).view(np.float32)


def ship_set(name: str) -> Path:
    """Write one data set."""
    folder, splits, config, seed = SETS[name]
    data = joined(RUNS / folder, 64)
    if name == "dots_fresh":
        second = joined(RUNS / f"{folder}_second", 64)
        data = xr.concat([data, second], "sample", data_vars="all", combine_attrs="override")
    data = data.isel(sample=np.flatnonzero(np.isin(data["split"].values, splits)))
    if name == "dots_train":
        data = data.isel(sample=slice(TRAINING))
    path = DATA / f"{name}.nc"
    training = name == "dots_train"
    if not training:  # the inverse problem reads the tails of a density
        for field in ("density", "density_free"):
            data[field] = data[field].copy(data=rounded(data[field].values))
            data[field].attrs["relative_precision"] = 2.0**-12
    qd.datasets.save(data, path, packed=training)
    command = f"qdens generate dots --config configs/{config}.yaml --seed {seed}"
    if name == "dots_fresh":
        command += f" (and --seed {SECOND_SEED})"
    qd.datasets.register(path, command, seed=seed)
    return path


def ship_weights(name: str) -> Path:
    """Copy one network."""
    if name in STUDIED:
        folder, command = STUDIED[name], "python benchmarks/dots_discriminator.py"
    else:
        folder, model, config, data = WEIGHTS[name]
        command = f"qdens train {model} --config configs/{config}.yaml --data runs/{data}"
    target = DATA / "weights" / name
    target.mkdir(parents=True, exist_ok=True)
    for file in ("weights.safetensors", "card.json"):
        shutil.copyfile(RUNS / folder / file, target / file)
        qd.datasets.register(target / file, command, seed=1)
    return target / "weights.safetensors"


def main() -> None:
    """Write the files named on the command line, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="data sets and weights; default: all")
    chosen = parser.parse_args().names
    for table, ship in ((SETS, ship_set), (WEIGHTS | STUDIED, ship_weights)):
        for name in table:
            if not chosen or name in chosen:
                path = ship(name)
                print(f"{path.relative_to(ROOT)}  {path.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
