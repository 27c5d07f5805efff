"""Test problems of the chain: potential wells, a kind that no network is trained on.

A well has any width from 2 to L - 2, any depth up to 3 J and any place; mu is uniform. Problems whose
ground state is not unique by `margin` (against the first excited state at the same N and against
N - 1 and N + 1) are drawn again.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
import xarray as xr

from qdens_nb.potentials import step_well
from qdens_nb.solvers._chain_ed import chain_ed
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
    """

    sites: tuple[int, ...] = (12, 18)
    V: tuple[float, ...] = (0.0, 0.7, 1.3, 2.0)
    count: int = 60
    depth: tuple[float, float] = (0.0, 3.0)
    mu: tuple[float, float] = (-2.0, 2.0)
    margin: float = 0.05

    def shards(self) -> list[tuple[int, float]]:
        """The ``(sites, V)`` of each shard."""
        return [(int(L), float(V)) for L in self.sites for V in self.V]


def draw_well(recipe: WellRecipe, sites: int, rng: np.random.Generator) -> tuple[np.ndarray, float]:
    """One well (sites,) and its mu."""
    width = int(rng.integers(2, sites - 1))
    depth = rng.uniform(*recipe.depth)
    well = step_well(sites, depth, width).values
    return np.roll(well, int(rng.integers(sites))), float(rng.uniform(*recipe.mu))


def well_shard(recipe: WellRecipe, shard: int, seed: int) -> xr.Dataset:
    """Exact answers of the wells of one (L, V)."""
    sites, V = recipe.shards()[shard]
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(shard,)))
    found: list[xr.Dataset] = []
    while len(found) < recipe.count:
        well, mu = draw_well(recipe, sites, rng)
        solved = chain_ed(fermion_chain(well, V=V, mu=mu))
        lower, upper = float(solved["mu_lower"]), float(solved["mu_upper"])
        if min(mu - lower, upper - mu, float(solved["gap"])) >= recipe.margin:
            found.append(solved)
    data = xr.concat(found, "sample", data_vars="all", coords="minimal", compat="override")
    data["gap"] = data["gap"].clip(max=1e3)
    data.attrs.update(seed=seed, shard=shard, recipe=str(asdict(recipe)))
    return data
