"""A square box of 22 x 22 sites on L = 40 against its depth: Monte Carlo beside mean field.

Writes data/bose_box.nc and results/bose_box.json. Inside, (mu - v)/U is the depth; outside it is
-1/2, where there are no particles. Both checkerboard sectors have the same energy in a box of even
sides: the Monte Carlo starts from, and at these couplings keeps, one of them everywhere.
"""

from __future__ import annotations

import argparse

import numpy as np
import xarray as xr
from _bose import monte_carlo, ship, with_mean_field
from _common import options, write_result

import qdens_nb as qd

T, SEED = 0.25, 2303
HOPPING, INTERACTION, OUTSIDE = 0.1, 1.0, -0.5
SETTINGS = {"sweeps": 20_000, "thermalisation": 400, "density_error": 0.02}


def problem(L: int, inner: int, depths: np.ndarray) -> xr.Dataset:
    """Boxes of all depths as a batch."""
    U = 4.0 / HOPPING
    box = qd.potentials.step_well((L, L), (depths - OUTSIDE) * U, inner).values
    potential = box + ((depths - OUTSIDE) * U)[:, None, None]
    batch = qd.bose_hubbard(potential, U=U, V=INTERACTION * U / 4, mu=depths * U, T=T)
    return batch.assign_coords(
        depth=("sample", depths, {"units": "U", "long_name": "(mu - v)/U inside"})
    )


def main(chosen: argparse.Namespace) -> None:
    """Solve and write."""
    L, inner, count = (12, 6, 3) if chosen.quick else (40, 22, 9)
    settings = {"sweeps": 64, "thermalisation": 50} if chosen.quick else SETTINGS
    depths = np.linspace(0.0, 3.0, count)
    answer = monte_carlo(problem(L, inner, depths), seed=SEED, **settings)
    answer = with_mean_field(answer)
    ship(answer, "bose_box", chosen, command="bose_box", seed=SEED)
    inside = answer["potential"].isel(sample=-1) < 1e-9
    rows = []
    for i, depth in enumerate(depths):
        one = answer.isel(sample=i)
        rows.append(
            {
                "(mu - v)/U inside": float(depth),
                "particles a site inside": float(one["density"].where(inside).mean()),
                "staggered density inside": float(
                    abs(qd.analysis.local_staggered(one["density"]).where(inside).mean())
                ),
                "density error": float(np.sqrt((one["density_stderr"].where(inside) ** 2).mean())),
                "mean field: mean density error inside": float(
                    np.abs(one["gutzwiller_density"] - one["density"]).where(inside).mean()
                ),
                "other starts' energy, t": float(one["metastable"]),
                "in equilibrium": bool(one["thermalised"]),
                "CPU, s": float(one["cpu_seconds"]),
            }
        )
    write_result(
        "bose_box",
        f"Box of {inner} x {inner} on {L} x {L} at 4t/U = {HOPPING}, 4V/U = {INTERACTION:g}, "
        f"T = {T} t by Monte Carlo, against the depth; the density error is the standard error of "
        "the local density inside.",
        rows,
        chosen,
    )


if __name__ == "__main__":
    main(options(__doc__))
