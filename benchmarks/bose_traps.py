"""Harmonic traps of the paper's kind at L = 16, 24 and 40: Monte Carlo beside mean field.

Writes data/bose_wedding_l16.nc, _l24.nc, _l40.nc and results/bose_traps.json. The centre lies a
quarter of a site off the middle of the lattice in both directions: around the middle itself, which
is between sites, both checkerboard sectors have the same energy. A core and a ring with a Mott
insulator between them are domains of their own: their sectors need not be the same.
"""

from __future__ import annotations

import argparse
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from _bose import monte_carlo, ship, with_mean_field
from _common import options, write_result

import qdens_nb as qd

T, SEED, OFFSET = 0.25, 2302, 0.25
SETTINGS = {"sweeps": 20_000, "thermalisation": 500, "density_error": 0.012}


class Trap(NamedTuple):
    """4t/U, 4V/U, mu/U in the centre and its fall at the distance L/2."""

    hopping: float
    interaction: float
    centre: float
    fall: float = 2.0


TRAPS = {
    "wedding cake": Trap(0.1, 0.0, 1.75),
    "checkerboard rings": Trap(0.1, 1.0, 2.6),
    "supersolid ring": Trap(0.35, 1.5, 1.3),
}


def trap(L: int, one: Trap) -> np.ndarray:
    """Potential in t, (L, L), zero at the centre."""
    middle = (L - 1) / 2 + OFFSET
    curvature = 2 * one.fall / (L / 2) ** 2 * 4.0 / one.hopping
    return qd.potentials.harmonic_trap((L, L), curvature, centre=(middle, middle)).values


def problem(L: int, traps: dict[str, Trap] = TRAPS) -> xr.Dataset:
    """The traps of one size as a batch."""
    U = np.array([4.0 / one.hopping for one in traps.values()])
    V = U / 4 * [one.interaction for one in traps.values()]
    mu = U * [one.centre for one in traps.values()]
    potential = np.stack([trap(L, one) for one in traps.values()])
    batch = qd.bose_hubbard(potential, U=U, V=V, mu=mu, T=T)
    return batch.assign_coords(case=("sample", list(traps)))


def main(chosen: argparse.Namespace) -> None:
    """Solve and write."""
    rows: list[dict[str, Any]] = []
    settings = {"sweeps": 64, "thermalisation": 50} if chosen.quick else SETTINGS
    for L in (16,) if chosen.quick else (16, 24, 40):
        answer = with_mean_field(monte_carlo(problem(L), seed=SEED, sectors=True, **settings))
        ship(answer, f"bose_wedding_l{L}", chosen, command="bose_traps", seed=SEED)
        for i, case in enumerate(TRAPS):
            one = answer.isel(sample=i)
            mean = one["gutzwiller_density"]
            error = np.abs(mean - one["density"])
            smooth = np.abs(
                qd.analysis.smooth_density(mean) - qd.analysis.smooth_density(one["density"])
            )
            rows.append(
                {
                    "trap": case,
                    "L": L,
                    "4t/U": TRAPS[case].hopping,
                    "4V/U": TRAPS[case].interaction,
                    "N": float(one["particle_number"]),
                    "N error": float(one["particle_number_stderr"]),
                    "density error": float(np.sqrt((one["density_stderr"] ** 2).mean())),
                    "mean field: mean density error": float(error.mean()),
                    "mean field: mean error of the smooth density": float(smooth.mean()),
                    "largest P(n = n_max)": float(one["clipped"]),
                    "other starts' energy, t": float(one["metastable"]),
                    "other sector in mean field, t": float(one["sector_advantage"]),
                    "in equilibrium": bool(one["thermalised"]),
                    "CPU, s": float(one["cpu_seconds"]),
                }
            )
    write_result(
        "bose_traps",
        f"Traps (mu - v)/U = centre - 2 r^2/(L/2)^2 at T = {T} t by Monte Carlo: particles, "
        "standard error of the local density, and the mean absolute error of the mean field; in "
        "the smooth density (each site averaged with its neighbours) no checkerboard shows.",
        rows,
        chosen,
        traps={name: one._asdict() for name, one in TRAPS.items()},
    )


if __name__ == "__main__":
    main(options(__doc__))
