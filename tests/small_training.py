"""A small network of the chain, trained in seconds, for the tests of faults and of kills."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import xarray as xr

import qdens_nb as qd
from qdens_nb import datasets
from qdens_nb.training import TrainConfig, train

SMALL = {"blocks": 1, "width": 8, "steps": 12, "batch_size": 16, "validate_every": 4}


def solved(samples: int = 12, seed: int = 0) -> xr.Dataset:
    rng = np.random.default_rng(seed)
    problem = qd.fermion_chain(rng.normal(size=(samples, 8)), V=rng.uniform(0, 2, samples), mu=0.3)
    return qd.solvers.chain_ed(problem)


def train_small(folder: Path) -> Path:
    """Weights of `SMALL` in a folder, its data beside them."""
    data = datasets.save(solved(40), folder / "data.nc")
    config = TrainConfig(task="chain_cnn", **SMALL)
    return train("chain_cnn", config, data=data, out=folder / "w", progress=False)
