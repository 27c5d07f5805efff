"""Error bars of the chain's networks on smooth shapes: what people ask about is not noise.

Networks are trained on random potentials, where their spread is calibrated first. In wells and
traps it falls short where the particles interact strongly, and more so on larger rings. Here the
factor that makes the spread cover 68 % of the errors is measured on Gaussian wells, parabolas,
cosines and sums of bumps, as a function of V and L. The test sets hold square wells: another kind.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr

from qdens_nb.datasets._files import write_json
from qdens_nb.solvers._chain_ed import chain_ed
from qdens_nb.systems import fermion_chain
from qdens_nb.training._card import CARD
from qdens_nb.training._predictor import load_predictor

SITES = (10, 12, 14, 16, 18)
#: interactions (J) between which the factor is interpolated
NODES = (0.0, 0.7, 1.3, 2.0)
MARGIN = 0.05
_COVERED = 0.6827


def smooth_shape(sites: int, rng: np.random.Generator) -> np.ndarray:
    """A random Gaussian well, parabola, cosine or sum of bumps on a ring, up to 3 J deep; (L,)."""
    x = np.arange(sites)

    def bump(width: float) -> np.ndarray:
        apart = (x - rng.uniform(0, sites) + sites / 2) % sites - sites / 2
        return np.exp(-((apart / width) ** 2))

    match rng.integers(4):
        case 0:
            return -rng.uniform(0.5, 3.0) * bump(rng.uniform(0.08, 0.35) * sites)
        case 1:
            apart = (x - rng.uniform(0, sites) + sites / 2) % sites - sites / 2
            return rng.uniform(0.5, 3.0) * (2 * apart / sites) ** 2
        case 2:
            phase = 2 * np.pi * (rng.integers(1, 4) * x / sites + rng.random())
            return rng.uniform(0.3, 1.5) * np.cos(phase)
        case _:
            bumps = [rng.uniform(0.5, 2.5) * bump(rng.uniform(0.8, 3.0)) for _ in range(3)]
            return np.maximum(-np.sum(bumps, axis=0), -3.0)


def shape_problems(sites: int, count: int, seed: int) -> xr.Dataset:
    """Exact answers to random shapes at random mu whose ground state is unique.

    `count` are drawn for each V of `NODES`.
    """
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(sites,)))
    number = count * len(NODES)
    V = np.repeat(NODES, count)
    solved = chain_ed(
        fermion_chain(
            xr.DataArray([smooth_shape(sites, rng) for _ in range(number)], dims=("sample", "x")),
            V=xr.DataArray(V, dims="sample"),
            mu=xr.DataArray(rng.uniform(-1.5, 2.0, number) + 0.4 * V, dims="sample"),
        )
    )
    apart = np.minimum(solved["mu"] - solved["mu_lower"], solved["mu_upper"] - solved["mu"])
    unique = np.minimum(apart, solved["gap"]) > MARGIN
    return solved.isel(sample=np.flatnonzero(unique))


def calibrate_card(folder: str | Path, *, seed: int) -> dict[str, Any]:
    """Write what `calibrate_on_shapes` finds into the card of a folder of weights."""
    predictor, path = load_predictor(folder), Path(folder) / CARD
    card = json.loads(path.read_text())
    with torch.inference_mode():
        found = calibrate_on_shapes(predictor, seed=seed)
    card["calibration"]["shapes"] = found
    write_json(path, card)
    return found


def _answer(predictor: Any, exact: xr.Dataset) -> dict[str, np.ndarray]:
    if not hasattr(predictor, "at_fixed_number"):
        found = predictor(exact[["potential", "V", "mu", "flux"]].assign_attrs(exact.attrs))
        return {name: found[name].values for name in ("density", "density_stderr")}
    numbers = np.rint(exact["particle_number"].values).astype(int)
    flux = np.broadcast_to(exact["flux"].values, numbers.shape)
    given = (exact["potential"].values, exact["V"].values, flux)
    return predictor.at_fixed_number(*given, numbers)


def calibrate_on_shapes(
    predictor: Any, *, sites: Sequence[int] = SITES, count: int = 60, seed: int = 0
) -> dict[str, Any]:
    r"""The factor of the spread on smooth shapes, as a function of V and L.

    Parameters
    ----------
    predictor : ChainPredictor
        Answers at the exact particle number where it can; the spread is taken without any factor.
    sites : sequence of int
        Sizes of the rings.
    count : int
        Problems for each size and each V of `NODES`.
    seed : int
        Of the shapes.

    Returns
    -------
    dict
        ``V``, ``stderr_factor`` and ``energy_mae`` (J; None for a predictor without energies) at
        `NODES`, for rings of ``sites``; with L the factor goes as
        :math:`(L/\mathrm{sites})^{\mathrm{growth}}`.
    """
    middle = float(np.mean(sites))
    factors = np.empty((len(sites), len(NODES)))
    energies = np.empty_like(factors)
    for row, size in enumerate(sites):
        exact = shape_problems(size, count, seed)
        V = exact["V"].values
        found = _answer(predictor, exact)
        error = np.abs(found["density"] - exact["density"].values)
        spread = found["density_stderr"] / predictor.spread_factor(V, size)[:, None]
        off = np.abs(found.get("energy", np.nan) - exact["energy"].values)
        for column, node in enumerate(NODES):
            here = V == node
            ratio = error[here] / np.maximum(spread[here], 1e-6)
            factors[row, column] = np.quantile(ratio, _COVERED)
            energies[row, column] = off[here].mean()
    scale, logs = np.log(np.asarray(sites) / middle), np.log(factors)
    centred = scale - scale.mean()
    growth = float((centred @ logs).mean() / (centred @ centred))
    at_middle = logs.mean(axis=0) - growth * float(scale.mean())
    return {
        "V": list(NODES),
        "stderr_factor": np.exp(at_middle).tolist(),
        "energy_mae": None if np.isnan(energies).any() else energies.mean(axis=0).tolist(),
        "sites": middle,
        "growth": growth,
        "problems": len(sites) * len(NODES) * count,
        "seed": seed,
    }
