"""Training problems that cost nothing but a mean field: what a network can be pre-trained on.

They are drawn like those of `qdens_nb.datasets` ("bose_hubbard"), in a wider window of local
chemical potentials, so that the network has seen sites that are surely empty.
"""

from __future__ import annotations

import numpy as np
import torch
import xarray as xr
from tqdm.auto import tqdm

from qdens_nb.datasets._bose_recipe import BoseRecipe
from qdens_nb.systems import bose_hubbard
from qdens_nb.training._batches import Store, Tensors, split_store
from qdens_nb.training._bose_fields import base_observables, sector_fields
from qdens_nb.training._config import TrainConfig
from qdens_nb.training._registry import build_task

_WINDOW = (-2.0, 3.5)
_PART = 100


def draw_problems(sites: int, count: int, seed: int, part: int = 0) -> xr.Dataset:
    """Random problems on a torus of `sites` x `sites`; `part` counts independent sets."""
    recipe = BoseRecipe(local_mu=_WINDOW)
    couplings, potential = [], []
    for sample in range(count):
        rng = np.random.default_rng([seed, sites, part, sample])
        U, V, mu0 = recipe.draw_couplings(rng)
        local, _ = recipe.draw_local_mu(sites, sample, mu0, rng)
        couplings.append((U, V, mu0 * U))
        potential.append((mu0 - local) * U)
    U, V, mu = np.array(couplings).T
    return bose_hubbard(np.stack(potential), U=U, V=V, mu=mu, T=recipe.T, n_max=recipe.n_max)


def mean_field_labels(problem: xr.Dataset) -> xr.Dataset:
    """The Gutzwiller answer of the sector with the lower grand potential, for each sample.

    Where both sectors are as low, they take turns.
    """
    U, V, T = (
        np.broadcast_to(problem[name].values, problem.sizes["sample"]) for name in ("U", "V", "T")
    )
    local = (problem["mu"] - problem["potential"]).transpose("sample", "x", "y").values
    fields = sector_fields(local, U, V, T, int(problem.attrs["n_max"]))
    even, odd = fields.grand_potential
    turns = np.arange(len(U)) % 2 == 0
    first = np.where(np.abs(even - odd) < 1e-3, turns, even < odd)
    chosen = np.where(first[:, None, None, None], *fields.values)
    out = problem.assign_coords(direction=["x", "y"])
    for name, values in base_observables(torch.from_numpy(chosen)).items():
        dims = ("sample", "direction", "x", "y") if values.ndim == 4 else ("sample", "x", "y")
        out[name] = (dims, values.numpy())
    return out


def mean_field_store(config: TrainConfig, progress: bool = True) -> Store:
    """Draw, solve and prepare the problems that ``config.mean_field`` asks for."""
    task = build_task(config)
    jobs = [
        (int(sites), min(_PART, int(count) - start), start // _PART)
        for sites, count in (config.mean_field or {}).items()
        for start in range(0, int(count), _PART)
    ]
    prepared: list[Tensors] = [
        task.prepare(mean_field_labels(draw_problems(sites, count, config.seed, part)))
        for sites, count, part in tqdm(jobs, desc="mean field", disable=not progress)
    ]
    return split_store(prepared, config.validation_fraction)
