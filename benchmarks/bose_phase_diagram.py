"""Phase diagram of flat tori in the plane of 4t/U and mu/U: Monte Carlo beside mean field.

Writes data/bose_phase_diagram.nc (order parameters on the grids) and
results/bose_phase_diagram.json (lobe tips). The superfluid begins where the stiffness is 2T/pi.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
import xarray as xr
from _bose import monte_carlo, ship
from _common import options, write_result
from tqdm.auto import tqdm

import qdens_nb as qd
from qdens_nb.solvers._gutzwiller import two_sublattice

T, L, SEED = 0.25, 8, 2301
INTERACTIONS = (0.0, 1.0, 1.5)
SETTINGS = {"sweeps": 500, "thermalisation": 150}
TIP_SETTINGS = {"sweeps": 600, "thermalisation": 200}
#: fillings whose lobes are looked for; higher ones feel that a site holds three bosons at most
FILLINGS = {0.0: (1.0, 2.0), 1.0: (0.5, 1.0, 1.5), 1.5: (0.5, 1.0)}
#: tips (4t/U, mu/U) at 4V/U = 1 read off the paper's figure, to 0.02
PAPER_TIPS = {(1.0, 0.5): (0.327, 0.35), (1.0, 1.0): (0.198, 1.42), (1.0, 1.5): (0.151, 2.39)}
#: n = 1 and V = 0 in the ground state, arXiv:1908.10990 (4t/U alone)
EXACT_TIP = 4 * 0.0597291
TIP_WIDTH, TIP_HEIGHT = 0.045, 0.12
#: what is kept of a flat torus
KEPT = {
    "structure_factor": "<|sum_i (-1)^(x+y) n_i|^2> / sites^2",
    "superfluid_stiffness": "second derivative of the free energy by a phase twist",
    "compressibility": "(<N^2> - <N>^2) / (T sites)",
}


def grids(quick: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """4t/U and mu/U of the Monte Carlo, and of the mean field."""
    if quick:
        return (
            np.array([0.1, 0.4]),
            np.array([0.4, 1.4]),
            np.linspace(0.05, 0.5, 10),
            np.linspace(0, 3, 31),
        )
    return (
        np.linspace(0.05, 0.7, 14),
        np.linspace(-0.5, 3, 22),
        np.linspace(0.02, 0.7, 137),
        np.linspace(-0.5, 3, 141),
    )


def solve(problem: xr.Dataset, seed: int, settings: dict[str, int]) -> dict[str, np.ndarray]:
    """Averages over the sites of flat tori, by name."""
    answer = monte_carlo(problem, seed=seed, **settings)
    out = {
        "density": answer["density"].mean(("x", "y")).values,
        "density_stderr": answer["particle_number_stderr"].values / L**2,
        "density_squared": answer["density_squared"].mean(("x", "y")).values,
        "coherence": answer["coherence"].mean(("direction", "x", "y")).values,
    }
    for name in KEPT:
        out |= {key: answer[key].values for key in (name, f"{name}_stderr")}
    for name in ("thermalised", "clipped", "autocorrelation_time", "metastable", "cpu_seconds"):
        out[name] = answer[name].values
    return out


def diagram(x: np.ndarray, mu: np.ndarray, settings: dict[str, int]) -> dict[str, np.ndarray]:
    """Order parameters (interaction, hopping, mu) by Monte Carlo."""
    shape = (len(INTERACTIONS), x.size, mu.size)
    batch = qd.analysis.homogeneous(x[:, None], np.array(INTERACTIONS)[:, None, None], mu, L=L, T=T)
    return {name: v.reshape(shape) for name, v in solve(batch, SEED, settings).items()}


def mean_field(x: np.ndarray, mu: np.ndarray) -> dict[str, np.ndarray]:
    """Densities and order parameters (interaction, hopping, mu) of the two sublattices."""
    U = 4.0 / x[:, None]
    found = []
    for y in tqdm(INTERACTIONS, desc="mean field"):
        found.append(two_sublattice(mu * U, U, y * U / 4, T))
    return dict(
        zip(("n_a", "n_b", "phi_a", "phi_b"), (np.stack(v) for v in zip(*found, strict=True)),
            strict=True)
    )  # fmt: skip


def tip_of(
    found: dict[str, np.ndarray], i: int, filling: float, **grid: np.ndarray
) -> qd.analysis.LobeTip | None:
    """Tip of a lobe from the Monte Carlo's stiffness."""
    return qd.analysis.lobe_tip(
        found["superfluid_stiffness"][i],
        found["density"][i],
        filling=filling,
        level=qd.analysis.stiffness_jump(T),
        **grid,
    )


def refine(
    y: float, filling: float, coarse: tuple[float, float], seed: int, settings: dict[str, int]
) -> tuple[float, float, float | None]:
    """Tip from a finer grid around the coarse one, and the error of its 4t/U."""
    x = coarse[0] + TIP_WIDTH * np.linspace(-1, 1, 5)
    mu = coarse[1] + TIP_HEIGHT * np.linspace(-1, 1, 5)
    batch = qd.analysis.homogeneous(x[:, None], y, mu, L=L, T=T)
    found = {name: v.reshape(1, 5, 5) for name, v in solve(batch, seed, settings).items()}
    tip = tip_of(found, 0, filling, hopping=x, mu_over_U=mu)
    if tip is None:
        return (*coarse, None)
    rng, tips = np.random.default_rng(seed), []
    for _ in range(200):
        noisy = dict(found)
        for name in ("superfluid_stiffness", "density"):
            noise = rng.normal(size=found[name].shape)
            noisy[name] = found[name] + noise * found[f"{name}_stderr"]
        again = tip_of(noisy, 0, filling, hopping=x, mu_over_U=mu)
        if again is not None:
            tips.append(again.hopping)
    return (*tip, float(np.std(tips)))


def mean_field_tip(y: float, filling: float, coarse: tuple[float, float]) -> Any:
    """Tip of the mean field's lobe from a finer grid around the coarse one."""
    x = coarse[0] + np.linspace(-0.012, 0.012, 49)
    mu = coarse[1] + np.linspace(-0.06, 0.06, 25)
    U = 4.0 / x[:, None]
    n_a, n_b, phi_a, phi_b = two_sublattice(mu * U, U, y * U / 4, T)
    condensed = np.maximum(np.abs(phi_a), np.abs(phi_b))
    return qd.analysis.lobe_tip(
        condensed, 0.5 * (n_a + n_b), hopping=x, mu_over_U=mu, filling=filling, level=0.02
    )


def tips(
    found: dict[str, np.ndarray], mean: dict[str, np.ndarray], axes: tuple[np.ndarray, ...],
    quick: bool,
) -> list[dict[str, Any]]:  # fmt: skip
    """Rows of the table of lobe tips."""
    x, mu, fine_x, fine_mu = axes
    rows = []
    settings = {"sweeps": 64, "thermalisation": 50} if quick else TIP_SETTINGS
    for i, y in enumerate(INTERACTIONS):
        for filling in FILLINGS[y]:
            coarse = tip_of(found, i, filling, hopping=x, mu_over_U=mu)
            row: dict[str, Any] = {"4V/U": y, "filling": filling}
            if coarse is not None:
                seed = SEED + 2000 + 100 * len(rows)
                row["4t/U, QMC"], row["mu/U, QMC"], row["4t/U error"] = refine(
                    y, filling, coarse, seed, settings
                )
            condensed = np.maximum(np.abs(mean["phi_a"][i]), np.abs(mean["phi_b"][i]))
            density = 0.5 * (mean["n_a"][i] + mean["n_b"][i])
            gutzwiller = qd.analysis.lobe_tip(
                condensed, density, hopping=fine_x, mu_over_U=fine_mu, filling=filling, level=0.02
            )
            if gutzwiller is not None:
                gutzwiller = mean_field_tip(y, filling, gutzwiller)
            if gutzwiller is not None:
                row["4t/U, mean field"], row["mu/U, mean field"] = gutzwiller
            row["4t/U, paper's figure"], row["mu/U, paper's figure"] = PAPER_TIPS.get(
                (y, filling), (None, None)
            )
            row["4t/U, ground state"] = EXACT_TIP if (y, filling) == (0.0, 1.0) else None
            rows.append(row)
    return rows


def dataset(
    found: dict[str, np.ndarray], mean: dict[str, np.ndarray], axes: tuple[np.ndarray, ...]
) -> xr.Dataset:
    """Everything on its grid, with the flat potential of one torus."""
    x, mu, fine_x, fine_mu = axes
    out = qd.bose_hubbard(np.zeros((L, L)), T=T)[["potential", "T"]]
    out = out.assign_coords(
        interaction=("interaction", list(INTERACTIONS), {"units": "1", "long_name": "4V/U"}),
        hopping=("hopping", x, {"units": "1", "long_name": "4t/U"}),
        mu_over_U=("mu_over_U", mu, {"units": "1", "long_name": "mu/U"}),
        fine_hopping=("fine_hopping", fine_x, {"units": "1", "long_name": "4t/U"}),
        fine_mu_over_U=("fine_mu_over_U", fine_mu, {"units": "1", "long_name": "mu/U"}),
    )
    for name, values in found.items():
        out[name] = (("interaction", "hopping", "mu_over_U"), values.astype(float))
        out[name].attrs["long_name"] = KEPT.get(name, f"{name}, mean over the sites")
    for name, values in mean.items():
        out[name] = (("interaction", "fine_hopping", "fine_mu_over_U"), values)
        out[name].attrs["long_name"] = f"mean field: {name}"
    return out


def main(chosen: argparse.Namespace) -> None:
    """Measure and write."""
    axes = grids(chosen.quick)
    settings = {"sweeps": 64, "thermalisation": 50} if chosen.quick else SETTINGS
    found = diagram(*axes[:2], settings)
    mean = mean_field(*axes[2:])
    rows = tips(found, mean, axes, chosen.quick)
    ship(
        dataset(found, mean, axes),
        "bose_phase_diagram",
        chosen,
        command="bose_phase_diagram",
        seed=SEED,
    )
    write_result(
        "bose_phase_diagram",
        f"Tips of the insulating lobes at T = {T} t: Monte Carlo on {L} x {L} (superfluid where "
        "the stiffness exceeds 2T/pi; statistical error alone), two-sublattice mean field, the "
        "paper's figure (read off to 0.02), and the known ground state.",
        rows,
        chosen,
        cpu_seconds=float(found["cpu_seconds"].sum()),
        points_with_a_metastable_start=int((found["metastable"] > 1.0).sum()),
        doubtful_points=int((found["thermalised"] < 0.5).sum()),
        points=int(found["thermalised"].size),
    )


if __name__ == "__main__":
    main(options(__doc__))
