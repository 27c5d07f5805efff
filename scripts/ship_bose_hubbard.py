"""Put the data sets and weights of the Bose-Hubbard model that are shipped into data/.

`make data-bose-hubbard` runs this last, after `qdens generate` and `qdens train` have filled runs/.
"""

from __future__ import annotations

import argparse
import shutil

from ship_chain import DATA, ROOT, RUNS, joined

import qdens_nb as qd

WEIGHTS = ("bose_hubbard", "bose_hubbard_cnn", "bose_hubbard_live")
SYSTEM, TRAIN = "bose_hubbard", "generate_bose_hubbard"
#: shipped file -> (folder in runs, side, system, config, seed)
SETS = {
    **{f"bose_train_l{side}": ("bose", side, SYSTEM, TRAIN, 2026) for side in (8, 10, 12, 14)},
    "bose_noise_l10": ("bose_noise_l10", 10, "bose_hubbard", f"{TRAIN}_noise_l10", 32),
    "bose_traps_l16": ("bose_traps_l16", 16, "bose_hubbard_traps", f"{TRAIN}_traps_l16", 31),
}  # fmt: skip


def main() -> None:
    """Write the files named on the command line, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="data sets and weights; default: all")
    chosen = parser.parse_args().names
    for name, (folder, side, system, config, seed) in SETS.items():
        if not chosen or name in chosen:
            path = DATA / f"{name}.nc"
            qd.datasets.save(joined(RUNS / folder, side), path, packed=True)
            command = f"qdens generate {system} --config configs/{config}.yaml --seed {seed}"
            qd.datasets.register(path, command, seed=seed)
            print(f"{path.relative_to(ROOT)}  {path.stat().st_size / 1e6:.2f} MB")
    for name in WEIGHTS:
        if not chosen or name in chosen:
            target = DATA / "weights" / name
            target.mkdir(parents=True, exist_ok=True)
            model = "bose_hubbard_cnn" if "cnn" in name else "bose_hubbard"
            command = f"qdens train {model} --config configs/train_{name}.yaml --data runs/bose"
            for file in ("weights.safetensors", "card.json"):
                shutil.copyfile(RUNS / f"w_{name}" / file, target / file)
                qd.datasets.register(target / file, command, seed=1)
            print(target.relative_to(ROOT))


if __name__ == "__main__":
    main()
