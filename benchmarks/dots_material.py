"""pix2pix on dots of other materials: the stronger the interaction, the harder the map.

The pix2pix paper gives neither mass nor permittivity. Each material gets its own dots, of the
paper's shapes, and the same small training as GaAs. Where the size of the square is many effective
Bohr radii, small differences of the potential decide where two charges settle.
"""

from __future__ import annotations

import argparse

import numpy as np
import xarray as xr
from _dots import Laboratory, curve, options, shown, write

import qdens_nb as qd

#: effective mass and permittivity
MATERIALS = {"GaAs": (0.067, 12.9), "silicon": (0.19, 11.7), "heavy": (0.5, 6.0)}
SIZE, BOHR = 30.0, 0.0529177  # nm
SAMPLES, HELD = 1000, 100
SEED = 77


def main() -> None:
    """Generate, train, measure and write results/dots_material.json."""
    chosen = options(__doc__ or "")
    samples, held = (30, 5) if chosen.quick else (SAMPLES, HELD)
    rows, curves = [], {}
    for name, (mass, eps_r) in MATERIALS.items():
        folder = chosen.runs / f"material_{name}"
        recipe = {
            "sites": {64: samples},
            "validation": held,
            "test": held,
            "mass": mass,
            "eps_r": (eps_r, eps_r),
        }
        data = folder / "data"
        qd.datasets.generate("dots", recipe, data, seed=SEED, workers=1, progress=False)
        known = [xr.load_dataset(path) for path in sorted(data.glob("*.nc"))]
        peak = max(float(part["density"].max()) for part in known)
        lost = np.concatenate([part["density_truncation"].values for part in known])
        here = argparse.Namespace(**{**vars(chosen), "data": data, "runs": folder})
        laboratory = Laboratory(here)
        unit = {"density_unit": float(np.ceil(110 * peak) / 100)}
        for network, label in (("pix2pix", "pix2pix"), ("unet", "L1 only")):
            row = laboratory.run(network, network=network, task_options=unit)
            first = {
                "material": name,
                "mass": mass,
                "permittivity": eps_r,
                "side in Bohr radii": round(SIZE * mass / (eps_r * BOHR), 2),
                "truncation of the density, median (electrons)": float(np.median(lost)),
                "network": label,
            }
            rows.append(shown(row, **first))
            curves[f"{name}, {label}"] = curve(row)
    caption = (
        f"Potential to interacting density of {samples} dots (of which {held} to validate and "
        f"{held} to test) of three materials, pix2pix (patch 70) and its generator alone; width "
        f"{chosen.width}, {chosen.steps} steps of {chosen.batch}, 24 orbitals."
    )
    write("dots_material", caption, rows, laboratory, curves=curves)


if __name__ == "__main__":
    main()
