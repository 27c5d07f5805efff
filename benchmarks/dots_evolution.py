"""How the map of one validation dot forms while pix2pix is trained (figure 7 of the paper).

Uses the runs of the other studies; the pictures are in results/dots_evolution.nc.
"""

from __future__ import annotations

import numpy as np
import xarray as xr
from _dots import Laboratory, history, options, shown, write

RUNS = {
    "density by pix2pix": ("patch70", {"task": "dot_density"}),
    "density by L1 only": ("unet", {"task": "dot_density", "network": "unet"}),
    "potential by pix2pix": ("patch70", {"task": "dot_potential"}),
    "potential by L1 only": ("unet", {"task": "dot_potential", "network": "unet"}),
}


def main() -> None:
    """Train what is not there and write results/dots_evolution.json and .nc."""
    laboratory = Laboratory(options(__doc__ or ""))
    rows, parts = [], []
    for label, (name, changes) in RUNS.items():
        row = laboratory.run(name, **changes)
        past = history(row)[["picture", "picture_exact", "picture_source"]]
        error = np.abs(past["picture"] - past["picture_exact"]).mean(("x", "y"))
        means = {
            str(int(s)): float(f"{float(e):.4g}")
            for s, e in zip(past["picture_step"], error, strict=True)
        }
        rows.append(shown(row, map=label) | {"mean error of the picture by step": means})
        parts.append(past)
    together = xr.concat(
        parts, xr.Variable("map", list(RUNS)), join="outer", combine_attrs="drop"
    ).astype(np.float32)
    together.to_netcdf(
        laboratory.chosen.out / "results" / "dots_evolution.nc",
        encoding={name: {"zlib": True, "complevel": 9} for name in together},
    )
    caption = "Maps of the first validation dot during training; mean error in 1/nm^2 or eV."
    write("dots_evolution", caption, rows, laboratory)


if __name__ == "__main__":
    main()
