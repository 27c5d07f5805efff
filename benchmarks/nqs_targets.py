"""Ground-state energies of neural quantum states against exact ones, model by model.

Writes results/nqs_targets.json: relative error of the energy on fresh samples with its error bar,
the bar that was set, V-score, R-hat, and what it took. A case that was done before (runs/nqs) is
taken from its file; a killed one goes on from its checkpoint. About half an hour on one core,
most of it the 6 x 6 lattice. NQS_CASE=6x6 runs only the cases with that name.
"""

from __future__ import annotations

import json
import os
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from _common import ROOT, machine, options, write_result

from qdens_nb import nqs
from qdens_nb.nqs._ansatz import Ansatz


class Case(NamedTuple):
    """One optimisation and the relative error wanted of it (None: shown for comparison)."""

    name: str
    network: str
    hamiltonian: nqs.Hamiltonian
    ansatz: Any
    wanted: float | None
    settings: dict[str, Any]


def square(side: int) -> Ansatz:
    """Complex machine, averaged over all translations, turns and reflections of the square."""
    shape = (side, side)
    group = nqs.translations(shape) @ nqs.point_group(shape)
    return nqs.RBM(shape, alpha=1, projection=group, biases=False, is_complex=True)


def tied(side: int, features: int) -> Ansatz:
    """Complex machine with weights tied by translations, averaged over the point group."""
    shape = (side, side)
    return nqs.RBM(
        shape,
        alpha=features,
        tied=nqs.translations(shape),
        projection=nqs.point_group(shape),
        biases=False,
        is_complex=True,
    )


def cases(quick: bool) -> list[Case]:
    """All cases; `quick` keeps the small ones and a few steps."""

    def ring(sites: int, alpha: int) -> Ansatz:
        return nqs.RBM(sites, alpha=alpha, tied=nqs.translations(sites), biases=False)

    ising, rotated = nqs.transverse_ising, nqs.heisenberg(20)
    frustrated, large = nqs.j1j2((4, 4), J2=0.5), nqs.j1j2((6, 6), J2=0.5)
    gentle = {"learning_rate": (0.05, 0.005), "diagonal_shift": (0.01, 1e-4)}
    found = [
        Case("Ising ring, N=20", "RBM, α=1", ising(20), nqs.RBM(20), 1e-4, {}),
        Case("Ising ring, N=40", "RBM, α=1", ising(40), nqs.RBM(40), None, {"steps": 500}),
        Case(
            "Ising ring, N=80",
            "RBM, α=1",
            ising(80),
            nqs.RBM(80),
            5e-4,
            {"steps": 1000, "samples": 2000},
        ),
        Case(
            "Ising ring, N=20",
            "RBM, α=4, translations",
            ising(20),
            ring(20, 4),
            1e-5,
            {
                "steps": 600,
                "samples": 2000,
                "learning_rate": (0.1, 0.005),
                "diagonal_shift": (0.01, 1e-4),
            },
        ),
        Case("Heisenberg ring, N=20", "RBM, α=1", rotated, nqs.RBM(20), None, gentle),
        Case(
            "Heisenberg ring, N=20",
            "RBM, α=4, translations",
            rotated,
            ring(20, 4),
            1e-4,
            {"steps": 400, **gentle},
        ),
        Case(
            "J1-J2 4x4, J2=0.5",
            "RBM, α=4, real",
            frustrated,
            nqs.RBM((4, 4), alpha=4),
            None,
            {"steps": 400},
        ),
        Case(
            "J1-J2 4x4, J2=0.5",
            "RBM, α=4, complex",
            frustrated,
            nqs.RBM((4, 4), alpha=4, is_complex=True),
            None,
            {"steps": 400},
        ),
        Case(
            "J1-J2 4x4, J2=0.5",
            "RBM, α=4, complex, translations tied, C4v projected",
            frustrated,
            tied(4, 4),
            None,
            {},
        ),
        Case(
            "J1-J2 4x4, J2=0.5",
            "RBM, α=1, complex, all symmetries projected, exact sum",
            frustrated,
            square(4),
            1e-4,
            {"learning_rate": 0.05, "diagonal_shift": (1e-3, 1e-4), "orbits": True},
        ),
        Case(
            "J1-J2 6x6, J2=0.5",
            "RBM, α=1, complex",
            large,
            nqs.RBM((6, 6), is_complex=True),
            None,
            {"steps": 400},
        ),
        Case(
            "J1-J2 6x6, J2=0.5",
            "RBM, α=1, complex, all symmetries projected",
            large,
            square(6),
            2e-3,
            {"steps": 1100, "samples": 600, "learning_rate": (0.05, 0.01), "final_samples": 6000},
        ),
    ]
    if not quick:
        return found
    return [case._replace(settings={"steps": 3, "samples": 100}) for case in found[:1]]


def below(found: xr.Dataset) -> float:
    """By how many error bars the energy is below the exact one."""
    depth = float(found.exact_energy - found.final_energy)
    return max(0.0, depth) / float(found.final_energy_stderr) if depth > 0 else 0.0


def row(case: Case) -> dict[str, Any]:
    """Optimise, or take the finished row from runs/."""
    settings = {"steps": 300, "samples": 1000, "seed": 0, **case.settings}
    key = f"{case.name} {case.network} {json.dumps(settings, sort_keys=True)}"
    stem = "".join(c if c.isalnum() else "_" for c in key)[:150]
    folder = ROOT / "runs" / "nqs"
    folder.mkdir(parents=True, exist_ok=True)
    done = folder / f"{stem}.json"
    if done.is_file():
        return json.loads(done.read_text())
    given = dict(settings)
    if given.pop("orbits", False):
        group = case.ansatz.projection @ nqs.spin_flip(case.hamiltonian.sites)
        given["sampler"] = nqs.FullSum(case.hamiltonian, group)
    found = nqs.ground_state(
        case.hamiltonian, case.ansatz, checkpoint=folder / f"{stem}.npz", **given
    )
    exact = float(found.exact_energy)
    error = float(found.final_energy) / exact - 1
    result = {
        "model": case.name,
        "network": case.network,
        "parameters": case.ansatz.parameter_count,
        "steps": settings["steps"],
        "samples": settings["samples"],
        "energy": float(found.final_energy),
        "exact": exact,
        "relative error": -error,
        "its standard error": float(found.final_energy_stderr) / abs(exact),
        "wanted": case.wanted,
        "error bars below exact": below(found),
        "V-score": float(found.final_v_score),
        "split R-hat": None if np.isnan(found.final_rhat) else float(found.final_rhat),
        "seconds": float(found.seconds[-1]),
        "settings": {name: value for name, value in settings.items() if name != "seed"},
    }
    done.write_text(json.dumps(result))
    return result


def main() -> None:
    chosen = options(__doc__ or "")
    only = os.environ.get("NQS_CASE", "")
    done = []
    for case in cases(chosen.quick):
        if only and only not in f"{case.name} {case.network}":
            continue
        done.append(row(case))
        print(done[-1], flush=True)
    if only:
        return
    caption = "Relative error of the ground-state energy on fresh samples (seed 0)."
    columns = [name for name in done[0] if name not in ("settings", "energy", "exact")]
    write_result("nqs_targets", caption, done, chosen, columns=columns, machine=machine())


if __name__ == "__main__":
    main()
