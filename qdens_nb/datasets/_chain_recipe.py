"""Training shards of the chain: random potentials, every particle number, exact answers.

As in the paper, mu of a sample is drawn uniformly from the interval in which its N is the ground
state, so a network that sees mu - v learns an interpolation of N. White and coloured noise only.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import xarray as xr

import qdens_nb
from qdens_nb import potentials
from qdens_nb.solvers._chain_ed import MAX_SITES, ground_state, mu_intervals, observables
from qdens_nb.solvers._common import add_observables
from qdens_nb.systems import fermion_chain


@dataclass(frozen=True)
class ChainRecipe:
    """Distribution of the training problems of the chain.

    Attributes
    ----------
    sites : mapping of L to the number of potentials of that size
    V_max : V is uniform in [0, V_max], with the two ends themselves included by clipping
    amplitude : range of the log-uniform amplitude max|v| in J
    exponent : range of the spectral exponent of the coloured noise
    flux_fraction : part of the potentials that get a uniform flux in [-pi, pi]; others have none
    mirror_fraction : part of the random potentials made mirror symmetric about a random centre;
        states of definite parity are rare otherwise
    mu_margin : width in J of the mu interval given to N = 0 and N = L
    potentials_per_shard : number of potentials in one file
    """

    sites: dict[int, int] = field(default_factory=lambda: {8: 64, 10: 64, 12: 64})
    V_max: float = 2.0
    amplitude: tuple[float, float] = (0.1, 3.0)
    exponent: tuple[float, float] = (0.0, 4.0)
    flux_fraction: float = 0.1
    mirror_fraction: float = 0.0
    mu_margin: float = 1.0
    potentials_per_shard: int = 250

    def check(self) -> None:
        """Raise ``ValueError`` for sizes that exact diagonalisation does not take."""
        if max(self.sites) > MAX_SITES:
            raise ValueError(
                f"sites: {max(self.sites)} sites; exact diagonalisation takes {MAX_SITES}"
            )

    def shards(self) -> list[tuple[int, int]]:
        """The ``(sites, potentials)`` of each shard, largest systems first."""
        plan = []
        for sites, total in sorted(self.sites.items(), reverse=True):
            full, rest = divmod(total, self.potentials_per_shard)
            plan += [(sites, self.potentials_per_shard)] * full + ([(sites, rest)] if rest else [])
        return plan


def draw_problems(
    recipe: ChainRecipe, sites: int, count: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Random potentials (count, sites), V (count,) and flux (count,).

    Two fifths are white noise, two fifths coloured, one fifth the sum of both.
    """
    low, high = np.log(recipe.amplitude)
    amplitude = np.exp(rng.uniform(low, high, (2, count)))
    exponent = rng.uniform(*recipe.exponent, count)
    seeds = rng.integers(2**63, size=2)
    white = potentials.white_noise(sites, amplitude[0], samples=count, seed=int(seeds[0])).values
    coloured = potentials.coloured_noise(
        sites, exponent, amplitude[1], samples=count, seed=int(seeds[1])
    ).values
    kind = rng.choice(3, size=count, p=(0.4, 0.4, 0.2))[:, None]
    potential = np.where(kind != 1, white, 0.0) + np.where(kind != 0, coloured, 0.0)
    V = np.clip(rng.uniform(-0.05, recipe.V_max + 0.05, count), 0.0, recipe.V_max)
    flux = np.where(
        rng.random(count) < recipe.flux_fraction, rng.uniform(-np.pi, np.pi, count), 0.0
    )
    if recipe.mirror_fraction > 0:
        image = (rng.integers(sites, size=(count, 1)) - np.arange(sites)) % sites
        source = np.minimum(np.arange(sites), image)
        mirrored = np.take_along_axis(potential, source, axis=1)
        chosen = rng.random(count) < recipe.mirror_fraction
        potential = np.where(chosen[:, None], mirrored, potential)
    return potential, V, flux


def chain_shard(recipe: ChainRecipe, shard: int, seed: int) -> xr.Dataset:
    """Compute one shard; it depends on ``(recipe, shard, seed)`` alone.

    Returns
    -------
    Dataset
        One sample for each potential and each N = 0..L, in single precision. An N that is the
        ground state at no mu has mu_lower > mu_upper.
    """
    sites, count = recipe.shards()[shard]
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(shard,)))
    potential, V, flux = draw_problems(recipe, sites, count, rng)
    rows: list[dict[str, np.ndarray]] = []
    columns: dict[str, Any] = {"V": [], "flux": [], "mu": []}
    for v, interaction, twist in zip(potential, V, flux, strict=True):
        states = [ground_state(v, interaction, twist, n) for n in range(sites + 1)]
        lower, upper = mu_intervals(np.array([state[0] for state in states]))
        bounded_lower = np.where(np.isfinite(lower), lower, upper - recipe.mu_margin)
        bounded_upper = np.where(np.isfinite(upper), upper, lower + recipe.mu_margin)
        mu = bounded_lower + (bounded_upper - bounded_lower) * rng.random(sites + 1)
        for n, (energy, psi, gap) in enumerate(states):
            rows.append(
                observables(psi, sites, n, twist)
                | {
                    "potential": v,
                    "energy": energy,
                    "particle_number": n,
                    "mu_lower": bounded_lower[n],
                    "mu_upper": bounded_upper[n],
                    "gap": min(gap, 1e3),
                }
            )
            for name, value in (("V", interaction), ("flux", twist), ("mu", mu[n])):
                columns[name].append(value)
    stacked = {name: np.stack([row[name] for row in rows]) for name in rows[0]}
    problem = fermion_chain(stacked.pop("potential"), **columns)
    options = {"recipe": asdict(recipe), "shard": shard, "seed": seed}
    data = add_observables(problem, stacked, "chain_ed", options)
    for name in map(str, data.data_vars):
        if data[name].dtype == np.float64:
            data[name] = data[name].astype(np.float32)
    data["particle_number"] = data["particle_number"].astype(np.int16)
    data.attrs.update(seed=seed, shard=shard, qdens_version=qdens_nb.__version__)
    return data
