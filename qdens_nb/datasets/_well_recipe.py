"""Test problems of the chain: potential wells, a kind that no network is trained on.

A random well has any width from 2 to L - 2, any depth up to 3 J and any place; mu is uniform.
Problems whose ground state is not unique by `margin` (against N - 1 and N + 1 and, where exact
diagonalisation gives it, against the first excited state at the same N) are drawn again. A grid of
wells in the middle of one ring is what the app shows where an engine would take minutes.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import xarray as xr

from qdens_nb.potentials import step_well
from qdens_nb.solvers import chain_dmrg, chain_free
from qdens_nb.solvers._chain_ed import MAX_SITES, chain_ed
from qdens_nb.systems import fermion_chain


@dataclass(frozen=True)
class WellRecipe:
    """Distribution of the test wells.

    Attributes
    ----------
    sites, V : sizes and interactions; every combination holds `count` wells
    count : wells of one shard, one shard for each (L, V)
    depth : range of the depth in J
    mu : range of the chemical potential in J
    margin : smallest distance in J to any other state
    bond_dimension : of DMRG, which solves what is too large for exact diagonalisation
    """

    sites: tuple[int, ...] = (12, 18)
    V: tuple[float, ...] = (0.0, 0.7, 1.3, 2.0)
    count: int = 60
    depth: tuple[float, float] = (0.0, 3.0)
    mu: tuple[float, float] = (-2.0, 2.0)
    margin: float = 0.05
    bond_dimension: int = 128

    def shards(self) -> list[tuple[int, float]]:
        """The ``(sites, V)`` of each shard."""
        return [(int(L), float(V)) for L in self.sites for V in self.V]


def draw_well(recipe: WellRecipe, sites: int, rng: np.random.Generator) -> tuple[np.ndarray, float]:
    """One well (sites,) and its mu."""
    width = int(rng.integers(2, sites - 1))
    depth = rng.uniform(*recipe.depth)
    well = step_well(sites, depth, width).values
    return np.roll(well, int(rng.integers(sites))), float(rng.uniform(*recipe.mu))


def solve_well(well: np.ndarray, V: float, mu: float, bond_dimension: int) -> xr.Dataset:
    """Reference answer: exact at V = 0 and up to 22 sites, DMRG beyond."""
    problem = fermion_chain(well, V=V, mu=mu)
    if len(well) <= MAX_SITES:
        solved = chain_ed(problem)
    elif V == 0:
        solved = chain_free(problem)
    else:
        solved = chain_dmrg(problem, bond_dimension=bond_dimension, energy_tolerance=1e-7)
    return solved.drop_dims("N", errors="ignore")


def well_shard(recipe: WellRecipe, shard: int, seed: int) -> xr.Dataset:
    """Reference answers of the random wells of one (L, V)."""
    sites, V = recipe.shards()[shard]
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(shard,)))
    found: list[xr.Dataset] = []
    while len(found) < recipe.count:
        well, mu = draw_well(recipe, sites, rng)
        solved = solve_well(well, V, mu, recipe.bond_dimension)
        lower, upper = float(solved["mu_lower"]), float(solved["mu_upper"])
        gap = float(solved["gap"]) if "gap" in solved else np.inf
        if min(mu - lower, upper - mu, gap) >= recipe.margin:
            found.append(solved)
    return _join(found, asdict(recipe), shard, seed)


def _join(found: list[xr.Dataset], recipe: dict[str, Any], shard: int, seed: int) -> xr.Dataset:
    data = xr.concat(found, "sample", data_vars="all", coords="minimal", compat="override")
    for name in ("gap", "mu_lower", "mu_upper"):
        if name in data:
            data[name] = data[name].clip(-1e3, 1e3)
    data.attrs.update(seed=seed, shard=shard, recipe=json.dumps(recipe))
    return data


@dataclass(frozen=True)
class WellGridRecipe:
    """A grid of wells over depth and V at fixed width and mu, one shard for each V.

    Attributes
    ----------
    sites, width : sites of the ring and of the well in its middle
    V, depth : values of the grid in J
    mu : chemical potential in J
    bond_dimension : of DMRG
    """

    sites: tuple[int, ...] = (40,)
    width: int = 20
    V: tuple[float, ...] = (0.5, 1.0, 1.5, 2.0)
    depth: tuple[float, ...] = (0.5, 1.0, 1.5, 2.0, 2.5, 3.0)
    mu: tuple[float, float] = (0.15, 0.15)
    bond_dimension: int = 128

    def shards(self) -> list[tuple[int, float]]:
        """The ``(sites, V)`` of each shard."""
        return [(int(L), float(V)) for L in self.sites for V in self.V]


def well_grid_shard(recipe: WellGridRecipe, shard: int, seed: int) -> xr.Dataset:
    """Reference answers of the wells of one V."""
    sites, V = recipe.shards()[shard]
    found = [
        solve_well(
            step_well(sites, depth, recipe.width).values, V, recipe.mu[0], recipe.bond_dimension
        )
        for depth in recipe.depth
    ]
    return _join(found, asdict(recipe), shard, seed)
