"""Answers of the network and of exact diagonalisation to one quantum dot, and how they differ."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import xarray as xr

from qdens_nb import metrics, potentials, solvers
from qdens_nb.plotting import style_of
from qdens_nb.systems import quantum_dot
from qdens_nb.widgets._lattice_words import seconds_words

Predictor = Callable[[xr.Dataset], xr.Dataset]
_MAPS = ("density_free", "density")
_NUMBERS = ("energy", "energy_free")
_SIGNS = {"density_free": "n₀", "density": "n"}


def compute(
    mask: Any, eps_r: float, step: float, *, predictor: Predictor, with_exact: bool = False
) -> xr.Dataset:
    """Densities of two electrons by the network and, if wanted, by exact diagonalisation.

    Parameters
    ----------
    mask : (64, 64) array
        True in the wells.
    eps_r : float
        Relative permittivity.
    step : float
        Height of the step around the wells in eV.
    predictor : callable
        Problem Dataset -> Dataset with density and density_free.
    with_exact : bool

    Returns
    -------
    Dataset
        The problem with density and density_free (solver, x, y) along a dim ``solver`` ("network",
        "exact") and the ``seconds`` each took; ``energy`` and ``energy_free`` (eV) if exact. The
        attr ``notes`` holds what the network warned of.

    Raises
    ------
    ValueError
        No well, and what the network refuses.
    """
    out = quantum_dot(potentials.dot_from_mask(mask, step=step), eps_r=eps_r)
    engines: dict[str, Predictor] = {"network": predictor}
    if with_exact:
        engines["exact"] = solvers.dot_ci
    answers, seconds, notes = {}, [], ""
    for name, engine in engines.items():
        began = time.perf_counter()
        answers[name], said = _ask(engine, out)
        seconds.append(time.perf_counter() - began)
        notes = said if name == "network" else notes
    out = out.assign_coords(solver=[*answers]).assign_attrs(notes=notes)
    for name in _MAPS:
        maps = np.stack([answer[name].transpose("x", "y").values for answer in answers.values()])
        out[name] = (("solver", "x", "y"), maps, answers["network"][name].attrs)
    out["seconds"] = ("solver", seconds, {"units": "s", "long_name": "wall time"})
    if with_exact:
        out = out.assign({name: answers["exact"][name] for name in _NUMBERS})
    return out


def _ask(engine: Predictor, problem: xr.Dataset) -> tuple[xr.Dataset, str]:
    """The answer and what it warned of."""
    import torch

    # Grad mode belongs to a thread.
    with warnings.catch_warnings(record=True) as caught, torch.no_grad():
        warnings.simplefilter("always")
        answer = engine(problem)
    missing = [name for name in _MAPS if name not in answer]
    if missing:
        raise ValueError(f"the answer holds no {', '.join(missing)}; take 'dot_density_live'")
    return answer, "; ".join(dict.fromkeys(str(one.message) for one in caught))


def errors(data: xr.Dataset) -> xr.Dataset:
    """Errors of the network's maps against the exact ones, along a dim ``map``.

    ``displaced`` (electrons), ``ssim``, ``largest`` (part of the highest exact density) and ``r2``,
    the part of the exact map's spread around its own mean that the network explains.
    """
    size = float(data.attrs["size_nm"])
    rows = []
    for name in _MAPS:
        network, exact = (data[name].sel(solver=s).values for s in ("network", "exact"))
        off = network - exact
        rows.append(
            (
                float(metrics.displaced_charge(network, exact, size=size)),
                float(metrics.ssim(network, exact, data_range=exact.max() - exact.min())),
                float(np.abs(off).max() / exact.max()),
                float(1.0 - np.square(off).sum() / np.square(exact - exact.mean()).sum()),
            )
        )
    names = ("displaced", "ssim", "largest", "r2")
    values = {k: ("map", list(v)) for k, v in zip(names, zip(*rows, strict=True), strict=True)}
    return xr.Dataset(values, {"map": list(_MAPS)})


def moved_by_interaction(data: xr.Dataset, solver: str) -> float:
    """Electrons that the interaction moves: half the integral of abs(n - n0)."""
    free, full = (data[name].sel(solver=solver).values for name in _MAPS)
    return float(metrics.displaced_charge(full, free, size=float(data.attrs["size_nm"])))


def dot_words(data: xr.Dataset, waiting: bool = False) -> str:
    """What the maps show, in words, as HTML; `waiting` if exact maps are on their way."""
    names = [str(name) for name in data["solver"].values]
    moved = ", ".join(
        f"{style_of(name).label} {moved_by_interaction(data, name):.2f}" for name in names
    )
    covered = float((data["potential"] == data["potential"].min()).mean())
    lines = [
        f"<b>Charge that the repulsion moves</b> (half the integral of |n − n₀|, in electrons): "
        f"{moved}. Wells cover {covered:.0%} of the square."
    ]
    if "exact" in names:
        found = errors(data)
        each = "; ".join(
            f"{_SIGNS[name]}: {row['displaced']:.3f} electrons in the wrong place, R² "
            f"{row['r2']:.4f}, SSIM {row['ssim']:.4f}, largest error {row['largest']:.1%} of the "
            "peak"
            for name in _MAPS
            for row in [{k: float(v) for k, v in found.sel(map=name).data_vars.items()}]
        )
        lines.append(f"<b>Network against exact:</b> {each}.")
        lines.append(
            f"<b>Energy</b> (exact): {1000 * float(data['energy']):.0f} meV; without repulsion "
            f"{1000 * float(data['energy_free']):.0f} meV."
        )
    times = ", ".join(
        f"{style_of(name).label} {seconds_words(float(data['seconds'].sel(solver=name)))}"
        for name in names
    )
    lines.append(f"<b>Time:</b> {times}{', exact under way' if waiting else ''}.")
    if data.attrs["notes"]:
        lines.append(f"<b>Note:</b> {data.attrs['notes']}.")
    return "<br>".join(lines)
