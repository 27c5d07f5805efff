"""Where a network earns its place: the potential from noisy values and from samples of |psi|^2.

Values: direct inversion by central differences on an even grid of as many values, the same after a
Savitzky-Golay filter or spline of the best width, and `mpnn.potential_from_values`. Samples: a
histogram and a kernel density estimate of the best width, and `mpnn.potential_from_samples`. The
best width is chosen by the exact potential for each draw of the data and each domain, and these
methods are given the exact constant of the potential too: it is the best they can do. The network
sees the value at one point only.

    python benchmarks/mpnn_noise.py [--quick]
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

from _common import ROOT, machine, options, write_result

import numpy as np  # isort: skip
import torch
from tqdm.auto import tqdm

from qdens_nb.datasets._files import write_json
from qdens_nb.mpnn._baselines import (
    filtered_inversion,
    histogram_potential,
    kernel_density_potential,
    spline_inversion,
)
from qdens_nb.mpnn._from_samples import potential_from_samples
from qdens_nb.mpnn._from_values import Noise, potential_from_values
from qdens_nb.mpnn._sampling import sample_wave, uniform
from qdens_nb.mpnn._systems import wave_function
from qdens_nb.mpnn._wavefunctions import WaveFunction

SEEDS, SAMPLES, HALF = 5, 50_000, 5.0
#: label -> system, values, relative and additive noise, options of the network
VALUES: dict[str, tuple[str, int, float, float, dict[str, Any]]] = {
    "oscillator_2, 1 %": ("oscillator_2", 200, 0.01, 0.0, {}),
    "oscillator_2, 0.1 %": ("oscillator_2", 200, 0.001, 0.0, {}),
    "oscillator_2, 10 %": ("oscillator_2", 200, 0.1, 0.0, {}),
    "oscillator_2, 1 % of the maximum": ("oscillator_2", 200, 0.0, 0.01, {}),
    "oscillator_0, 1 %": ("oscillator_0", 200, 0.01, 0.0, {}),
    "oscillator_3d, 1 %": ("oscillator_3d", 20**3, 0.01, 0.0, {}),
    "hydrogen_1s, 1 %": ("hydrogen_1s", 20**3, 0.01, 0.0, {}),
    "hydrogen_1s, 1 %, without r": ("hydrogen_1s", 20**3, 0.01, 0.0, {"cusps": ()}),
}
#: label -> system, options of the network
SAMPLED: dict[str, tuple[str, dict[str, Any]]] = {
    "oscillator_0": ("oscillator_0", {"gaussian": False}),
    "oscillator_0, on a Gaussian": ("oscillator_0", {}),
    "oscillator_3d": ("oscillator_3d", {"gaussian": False}),
    "oscillator_3d, on a Gaussian": ("oscillator_3d", {}),
    "hydrogen_1s": ("hydrogen_1s", {}),
    "hydrogen_1s, without r": ("hydrogen_1s", {"cusps": ()}),
    "8 coupled wells, on a Gaussian": ("wells", {"members": 1}),
}
BANDWIDTHS = (0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.6, 0.75)
Errors = dict[str, list[float]]


def coupled_wells(dims: int = 8, coupling: float = 0.5) -> WaveFunction:
    """Ring of coordinates in double wells: -log psi = sum (x^2-1)^2/4 + coupling (x-x')^2/2."""

    def psi(x: torch.Tensor) -> torch.Tensor:
        wells = (x.square() - 1).square().sum(-1) / 4
        return torch.exp(-wells - coupling / 2 * (x - x.roll(-1, -1)).square().sum(-1))

    def potential(x: torch.Tensor) -> torch.Tensor:
        slope = x * (x.square() - 1) + coupling * (2 * x - x.roll(1, -1) - x.roll(-1, -1))
        bend = (3 * x.square() - 1 + 2 * coupling).sum(-1)
        return (slope.square().sum(-1) - bend) / 2

    return WaveFunction("wells", dims, psi, pin=(0.0,) * dims, potential=potential, energy=0.0)


def mean_error(found: Any, exact: Any) -> float:
    """Mean modulus, over the points that have an answer; the constant of the potential is free."""
    error = np.asarray(found) - np.asarray(exact)
    error = error[np.isfinite(error)]
    return float(np.abs(error).mean()) if len(error) else float("nan")


def from_values(label: str, quick: bool) -> dict[str, Errors]:
    """Errors in both domains of each method, one for each seed."""
    name, count, relative, additive, more = VALUES[label]
    wave, noise = wave_function(name), Noise(relative, additive)
    side = round(count ** (1 / wave.dims))
    step = 2 * HALF / side
    axis = -HALF + step * (np.arange(side) + 0.5)
    grid = np.stack(np.meshgrid(*[axis] * wave.dims, indexing="ij"), axis=-1)
    nodes = torch.from_numpy(grid.reshape(-1, wave.dims))
    exact = wave.potential(nodes).numpy() - wave.energy
    places = {"core": (np.abs(nodes.numpy()) <= 1).all(1), "wide": np.full(len(nodes), True)}
    errors: dict[str, Errors] = {}
    for seed in range(2 if quick else SEEDS):
        values = noise(wave.psi(nodes), seed=100 + seed)
        psi = values.numpy().reshape((side,) * wave.dims)
        direct = filtered_inversion(psi, step, 3).ravel()
        smooth = [
            filtered_inversion(psi, step, window, log=log).ravel()
            for log in ((False, True) if name != "oscillator_2" else (False,))
            for window in range(3, min(side, 80 if wave.dims == 1 else 12), 2)
        ]
        if wave.dims == 1:
            sigma = noise.spread(values / values.abs().max(), 1e-6).numpy()
            scaled = psi / np.abs(psi).max()
            smooth += [
                spline_inversion(axis, scaled, sigma, slack, axis)
                for slack in (0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.3)
            ]
        rng = torch.Generator().manual_seed(200 + seed)
        points = nodes if wave.dims == 1 else uniform(wave.dims, count, HALF, rng)
        seen = values if wave.dims == 1 else noise(wave.psi(points), seed=300 + seed)
        start = time.process_time()
        found = potential_from_values(
            points,
            seen,
            pin=wave.pin,
            pinned=wave.pinned_value,
            noise=relative,
            additive=additive,
            seed=seed,
            **{"cusps": wave.cusps, **more},
        )
        errors.setdefault("seconds", {"all": []})["all"].append(time.process_time() - start)
        errors.setdefault("energy", {"all": []})["all"].append(found.energy - wave.energy)
        for domain, inside in places.items():
            at = uniform(wave.dims, 4000, {"core": 1.0, "wide": HALF}[domain], rng)
            rows = {
                "direct": mean_error(direct[inside], exact[inside]),
                "smoothed": np.nanmin([mean_error(one[inside], exact[inside]) for one in smooth]),
                "network": mean_error(found.potential(at), wave.potential(at)),
            }
            for method, value in rows.items():
                errors.setdefault(method, {}).setdefault(domain, []).append(float(value))
    return errors


def from_samples(label: str, quick: bool) -> dict[str, Errors]:
    """As `from_values`, in "wide" where there are data; the domain "data" is further samples."""
    name, more = SAMPLED[label]
    wave = coupled_wells() if name == "wells" else wave_function(name)
    assert wave.potential is not None
    errors: dict[str, Errors] = {}
    widths: dict[str, tuple[float, ...]] = {}
    for seed in range(2 if quick else SEEDS):
        data = sample_wave(wave, 2000 if quick else SAMPLES, seed=seed).points
        rng = torch.Generator().manual_seed(200 + seed)
        places = {
            "core": uniform(wave.dims, 2000, 1.0, rng),
            "data": sample_wave(wave, 2000, seed=1000 + seed).points,
        }
        if wave.dims <= 3:
            box = uniform(wave.dims, 2000 * 10**wave.dims, HALF, rng)
            density = wave.log_density(box)
            places["wide"] = box[density > density.max() + np.log(1e-3)][:2000]
        start = time.process_time()
        found = potential_from_samples(
            data,
            pin=wave.pin,
            pinned=wave.pinned_value,
            seed=seed,
            **{"cusps": wave.cusps, **more},
        )
        errors.setdefault("seconds", {"all": []})["all"].append(time.process_time() - start)
        errors.setdefault("energy", {"all": []})["all"].append(found.energy - wave.energy)
        for domain, at in places.items():
            exact = wave.potential(at)
            rows = {"network": mean_error(found.potential(at), exact)}
            if "," not in label or name == "wells":
                few = slice(100 if quick else 150)
                tried = widths.get(domain, BANDWIDTHS[::4] if quick else BANDWIDTHS)
                kernel = {
                    width: mean_error(
                        kernel_density_potential(data, at[few], width), (exact - wave.energy)[few]
                    )
                    for width in tried
                }
                best = BANDWIDTHS.index(min(kernel, key=lambda width: kernel[width]))
                widths.setdefault(domain, BANDWIDTHS[max(0, best - 1) : best + 2])
                rows["kernel density"] = min(kernel.values())
                if wave.dims == 1:
                    rows["histogram"] = min(
                        mean_error(
                            histogram_potential(data[:, 0], at[:, 0], width), exact - wave.energy
                        )
                        for width in (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8)
                    )
            for method, value in rows.items():
                errors.setdefault(method, {}).setdefault(domain, []).append(float(value))
    return errors


def done_once(
    kind: str, label: str, compute: Callable[[str, bool], dict[str, Errors]], quick: bool
) -> dict[str, Errors]:
    """Errors of a case, taken from runs/ if they were computed before."""
    if quick:
        return compute(label, True)
    name = "".join(c if c.isalnum() else "_" for c in label)
    path = ROOT / "runs" / "mpnn_noise" / f"{kind}_{name}.json"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, compute(label, quick))
    return json.loads(path.read_text())


def row(kind: str, label: str, errors: dict[str, Errors]) -> dict[str, Any]:
    """Median over the seeds, least and greatest, of each method and domain."""
    out: dict[str, Any] = {"data": kind, "system": label}
    for method, domains in errors.items():
        for domain, values in domains.items():
            name = method if domain == "all" else f"{method}, {domain}"
            out[name] = float(np.median(values))
            out[f"{name}, range"] = [float(np.min(values)), float(np.max(values))]
    return out


def main() -> None:
    chosen = options(__doc__ or "")
    torch.set_num_threads(1)
    cases = [("values", label, from_values) for label in VALUES]
    cases += [("samples", label, from_samples) for label in SAMPLED]
    if chosen.quick:
        cases = [cases[0], cases[len(VALUES)]]
    rows = [
        row(kind, label, done_once(kind, label, compute, chosen.quick))
        for kind, label, compute in tqdm(cases, desc="cases")
    ]
    caption = (
        f"Mean error of the potential in Hartree, median of {SEEDS} draws of the data: in [-1,1]^D "
        "(core), in [-5,5]^D (wide) and over |psi|^2 (data). Values: 200 on a line, 20^3 in three "
        f"dimensions, in [-5,5]^D. Samples: {SAMPLES}; wide is then that part of the box where "
        "|psi|^2 exceeds 0.001 of its maximum. 'smoothed', 'kernel density' and 'histogram': the "
        "width that is best for the draw and the domain, and the exact constant of the potential, "
        "are taken from the answer; grid points at which a filter has no answer are left out. "
        "'seconds' are those of the processor."
    )
    write_result("mpnn_noise", caption, rows, chosen, machine=machine())


if __name__ == "__main__":
    main()
