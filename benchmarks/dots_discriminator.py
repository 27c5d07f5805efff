"""pix2pix on quantum dots: from ImageGAN to PixelGAN, and the same U-Net without discriminator.

Figures 3, 4 and 5 of the pix2pix paper: R2 against steps for each discriminator, the losses, the
errors of single validation samples, and what stopping at the best validation R2 gives. The curves
of all runs are in results/dots_discriminator.nc.
"""

from __future__ import annotations

import numpy as np
import xarray as xr
from _dots import DISCRIMINATORS, Laboratory, Row, curve, history, options, shown, write

from qdens_nb.models import PATCHES, gan_kind
from qdens_nb.training._pix2pix_module import patch_of

SEEDS = 2


def main() -> None:
    """Train, measure and write results/dots_discriminator.json and .nc."""
    laboratory = Laboratory(options(__doc__ or ""))
    chosen = laboratory.chosen
    rows, runs = [], []
    for seed in range(chosen.seed, chosen.seed + SEEDS):
        for name in (*DISCRIMINATORS, "none"):
            if seed == chosen.seed or name in ("patch70", "pixel", "none"):
                row = study(laboratory, name, seed)
                rows.append(row)
                runs.append((f"{name}, seed {seed}", row))
    together = xr.concat(
        [history(row).drop_dims("picture_step", errors="ignore") for _, row in runs],
        xr.Variable("run", [label for label, _ in runs]),
        join="outer",
        combine_attrs="drop",
        data_vars="all",
    )
    drawn = [name for name in together if "x" not in together[name].dims]
    together = together[drawn].astype(np.float32)
    together.to_netcdf(
        chosen.out / "results" / "dots_discriminator.nc",
        encoding={name: {"zlib": True, "complevel": 9} for name in drawn},
    )
    caption = (
        f"pix2pix for potential to interacting density on {rows[0]['test samples']} test dots: "
        f"discriminators by the side of what they judge, and the generator trained by the mean "
        f"absolute error alone; width {chosen.width}, {chosen.steps} steps of {chosen.batch}; "
        "weights of the best validation R2, dropout off."
    )
    write(
        "dots_discriminator",
        caption,
        [
            shown(
                row,
                discriminator=row["kind"],
                patch=row["patch"],
                seed=row["config"]["seed"],
            )
            for row in rows
        ],
        laboratory,
        curves={label: curve(row) for label, row in runs},
        stopping={label: stopping(row) for label, row in runs},
    )


def study(laboratory: Laboratory, name: str, seed: int) -> Row:
    """One discriminator, or ``"none"``."""
    if name == "none":
        row = laboratory.run("unet", network="unet", seed=seed)
        return {**row, "kind": "none (L1 only)", "patch": 0}
    patch = patch_of(name)
    row = laboratory.run(name, discriminator=name, seed=seed)
    layers = len(PATCHES[patch])
    return {**row, "kind": f"{gan_kind(patch)}, {layers} layers", "patch": patch}


def stopping(row: Row) -> dict[str, float]:
    """R2 of the validation at the best step and at the last one, and their steps."""
    past = history(row)
    best = int(np.argmax(past["r2"].values))
    return {
        "best step": int(past["step"][best]),
        "validation R2 there": float(past["r2"][best]),
        "training R2 there": float(past["r2_train"][best]),
        "last step": int(past["step"][-1]),
        "validation R2 at the last step": float(past["r2"][-1]),
        "spread of the last ten": float(past["r2"][-10:].std()),
        "correlation of training and validation R2": float(
            np.corrcoef(past["r2"], past["r2_train"])[0, 1]
        ),
    }


if __name__ == "__main__":
    main()
