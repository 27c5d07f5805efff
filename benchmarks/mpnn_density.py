"""Potentials of dots and of trapped atoms from measured densities: formulas against the network.

Dots: one of the training recipe, one ring and one smooth trap with a bump, GaAs, 30 nm, densities
by exact diagonalisation; clean, with 1 % noise, and counted (100,000 detected electrons).
Atoms: condensates of 10,000 atoms in an anharmonic trap with a bump, 64 x 64 pixels with shot
noise, one image or the sum of 100.

    python benchmarks/mpnn_density.py [--quick]
"""

from __future__ import annotations

import time
from typing import Any

from _common import machine, options, write_result

import numpy as np  # isort: skip
import torch
import xarray as xr

import qdens_nb as qd
from qdens_nb.mpnn._condensate import condensate
from qdens_nb.mpnn._from_density import potential_from_density
from qdens_nb.mpnn._from_image import trap_from_image

SIZE, POINTS, DETECTED = 30.0, 64, 100_000
WIDTHS = (0.5, 1.0, 1.5, 2.0, 3.0)
SPACING, ATOMS = 0.2, 1e4
Row = dict[str, Any]
Array = np.ndarray


def dots() -> dict[str, tuple[np.ndarray, tuple[float, float] | None]]:
    """Name -> potential (eV) and the bounds that the inversion is told."""
    test = qd.datasets.open_dataset(qd.datasets.shipped("dots_test.nc"))
    cluster = test["potential"].values[test["split"].values == 2][0].astype(np.float64)
    ring = qd.potentials.ring_dot(POINTS).values
    x = (np.arange(POINTS) + 0.5) * SIZE / POINTS - SIZE / 2
    x, y = x[:, None], x[None]
    smooth = 0.004 * (x**2 + 1.3 * y**2) / 2 + 0.04 * np.exp(-((x - 2) ** 2 + (y + 1) ** 2) / 8)
    return {
        "cluster of wells": (cluster, (0.0, 0.5)),
        "ring": (ring, (0.0, 0.5)),
        "smooth, with a bump": (smooth, None),
    }


def noisy(density: np.ndarray, noise: str, rng: np.random.Generator) -> np.ndarray:
    """A density as it is measured; no electron is lost."""
    if noise == "none":
        return density
    if noise == "1 %":
        found = density * (1 + 0.01 * rng.normal(size=density.shape))
    else:
        share = density / density.sum()
        found = rng.multinomial(DETECTED, share.ravel()).reshape(share.shape).astype(np.float64)
    return found * density.sum() / found.sum()


def off(
    found: np.ndarray, exact: np.ndarray, density: np.ndarray, least: float
) -> dict[str, float]:
    """Mean errors of a potential up to the constant that the density leaves open."""
    weight = density / density.sum()
    wrong = found - exact
    wrong = np.abs(wrong - (wrong * weight).sum())
    return {
        "error over the density": float((wrong * weight).sum()),
        "error inside": float(wrong[density > least * density.max()].mean()),
        "error, whole square": float(wrong.mean()),
    }


def keep_best(
    found: dict[str, tuple[xr.Dataset, float]],
    label: str,
    exact: np.ndarray,
    density: np.ndarray,
    least: float,
) -> None:
    """Of the answers for each width of the blur, keep the one nearest to the truth."""
    tried = {width: found.pop(f"{width}") for width in WIDTHS}
    best = min(
        tried,
        key=lambda width: off(tried[width][0]["potential"].values, exact, density, least)[
            "error over the density"
        ],
    )
    found[f"{label}, best blur ({best} pixels)"] = tried[best]


def dot_rows(quick: bool) -> tuple[list[Row], dict[str, Any]]:
    """All methods on all dots."""
    rows, curves = [], {}
    shipped = qd.load_predictor("dot_potential")
    rng = np.random.default_rng(0)
    effort: dict[str, Any] = {"steps": 10, "orbitals": 10} if quick else {"steps": 240}
    for name, (exact, bounds) in list(dots().items())[: 1 if quick else None]:
        solved = qd.solvers.dot_ci(qd.quantum_dot(exact))
        true = solved["density"].values
        for noise in ("none", "1 %", "counted"):
            seen = noisy(true, noise, rng)
            data = solved[["mass", "eps_r"]].assign(density=(("x", "y"), seen))
            data.attrs.update(solved.attrs)
            found: dict[str, tuple[xr.Dataset, float]] = {}

            def invert(label: str, **how: Any) -> None:
                started = time.perf_counter()
                answer = potential_from_density(data, bounds=bounds, **{**effort, **how})  # noqa: B023
                found[label] = answer, time.perf_counter() - started  # noqa: B023

            invert("formula", method="direct", corrections=0)
            if noise == "none":
                invert("formula, correlation by CI", method="direct", corrections=6)
            else:
                for width in WIDTHS:
                    invert(f"{width}", method="direct", corrections=0, smoothing=width)
                keep_best(found, "formula", exact, true, 0.01)
            if noise == "none":
                invert("our network, exchange only", method="network", corrections=0)
            invert("our network, correlation by CI", method="network", corrections=2)
            started = time.perf_counter()
            answer = shipped(data[["density", "mass", "eps_r"]].astype(np.float32))["potential"]
            again = qd.solvers.dot_ci(qd.quantum_dot(answer.values))
            found["shipped regressor (dot_potential)"] = again, time.perf_counter() - started
            for method, (answer, seconds) in found.items():
                moved = qd.metrics.displaced_charge(answer["density"].values, true, size=SIZE)
                rows.append(
                    {"system": name, "noise": noise, "method": method, "unit": "eV"}
                    | off(answer["potential"].values, exact, true, 0.01)
                    | {"charge displaced": float(moved), "seconds": round(seconds, 1)}
                )
                print(rows[-1], flush=True)
                if "history" in answer and answer.sizes["round"] > 2:
                    curves[f"{name}, {noise}, {method}, charge displaced by round"] = answer[
                        "history"
                    ].values.tolist()
                row = POINTS // 2 + (12 if name == "ring" else 0)
                curves[f"{name}, {noise}, {method}"] = cut(answer["potential"].values[row])
            curves[f"{name}, exact"] = cut(exact[row])
            curves[f"{name}, density"] = cut(true[row])
    return rows, curves


def trap_rows(quick: bool) -> tuple[list[Row], dict[str, Any]]:
    """All methods on all condensates."""
    rows, curves = [], {}
    x = (np.arange(POINTS) - (POINTS - 1) / 2) * SPACING
    y = x[None]
    bump = 3 * np.exp(-((x[:, None] - 0.8) ** 2 + (y + 0.3) ** 2) / 0.5)
    exact = (x[:, None] ** 2 + 1.3 * y**2) / 2 + 0.006 * x[:, None] ** 4 + bump
    rng = np.random.default_rng(1)
    effort: dict[str, Any] = {"steps": 5, "members": 1} if quick else {"members": 3}
    for strength in (10, 100, 1000)[: 1 if quick else None]:
        g = strength / ATOMS
        true = condensate(exact, SPACING, g, ATOMS)["density"].values
        for images in (None, 1, 100):
            mean = true * SPACING**2 * (images or 1)
            counts = mean if images is None else rng.poisson(mean)
            found: dict[str, tuple[xr.Dataset, float]] = {}

            def invert(label: str, **how: Any) -> None:
                started = time.perf_counter()
                answer = trap_from_image(counts, SPACING, g, atoms=ATOMS, **how)  # noqa: B023
                found[label] = answer, time.perf_counter() - started  # noqa: B023

            for method, words in (("thomas_fermi", "Thomas-Fermi"), ("direct", "formula")):
                invert(words, method=method)
                if images is None:
                    continue
                for width in WIDTHS:
                    invert(f"{width}", method=method, smoothing=width)
                keep_best(found, words, exact, true, 0.1)
            if images is not None:
                bars = 5 if (strength, images) == (100, 1) and not quick else 0
                invert("our network", method="network", images=bars, **effort)
            for method, (answer, seconds) in found.items():
                many = "clean" if images is None else f"{images} image" + "s" * (images > 1)
                name = f"condensate, gN = {strength}"
                rows.append(
                    {"system": name, "noise": many, "method": method, "unit": "hbar omega"}
                    | off(answer["potential"].values, exact, true, 0.1)
                    | {"seconds": round(seconds, 1)}
                )
                if "potential_stderr" in answer:
                    rows[-1] |= coverage(answer, exact, true)
                print(rows[-1], flush=True)
                row = POINTS // 2 - 2
                curves[f"{name}, {many}, {method}"] = cut(answer["potential"].values[:, row])
            curves[f"{name}, exact"] = cut(exact[:, row])
            curves[f"{name}, density"] = cut(true[:, row])
    return rows, curves


def coverage(answer: xr.Dataset, exact: np.ndarray, density: np.ndarray) -> dict[str, float]:
    """Whether the error bars are honest, where the density exceeds a tenth of the largest."""
    seen = density > 0.1 * density.max()
    wrong = answer["potential"].values - exact
    wrong = np.abs(wrong - (wrong * density).sum() / density.sum())[seen]
    bars = answer["potential_stderr"].values[seen]
    return {
        "mean standard error": float(bars.mean()),
        "share within two standard errors": float((wrong < 2 * bars).mean()),
    }


def cut(values: np.ndarray) -> list[float]:
    """A line through a map, short enough for a results file."""
    return [float(f"{value:.5g}") for value in values]


def main() -> None:
    chosen = options(__doc__ or "")
    torch.set_num_threads(1)
    atoms, atom_curves = trap_rows(chosen.quick)
    electrons, dot_curves = dot_rows(chosen.quick)
    caption = (
        "Potential recovered from a density, mean |V - V_exact| up to a constant: over the "
        "density, over pixels with more than 1 % (condensates: 10 %) of the largest density, and "
        "over the whole square. Charge displaced: electrons between the true density and that of "
        "the potential found, by exact diagonalisation. The blur of the formulas is the best of "
        f"{', '.join(map(str, WIDTHS))} pixels, chosen knowing the answer; the network is not told."
    )
    write_result(
        "mpnn_density",
        caption,
        electrons + atoms,
        chosen,
        curves=dot_curves | atom_curves,
        x={
            "dots (nm)": cut((np.arange(POINTS) + 0.5) * SIZE / POINTS),
            "condensates (a)": cut((np.arange(POINTS) - (POINTS - 1) / 2) * SPACING),
        },
        machine=machine(),
    )


if __name__ == "__main__":
    main()
