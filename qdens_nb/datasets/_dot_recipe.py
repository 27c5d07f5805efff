"""Quantum dots with their exact densities: random clusters of wells, or designed shapes."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

import numpy as np
import xarray as xr

import qdens_nb
from qdens_nb.potentials import designed_dots, quantum_well_cluster
from qdens_nb.solvers._dot_ci import add_observables, dot_ci
from qdens_nb.systems import quantum_dot

#: values of the variable ``split``
SPLITS = ("train", "validation", "test")
_KEPT = ("density", "density_free", "energy", "energy_free", "density_truncation")


@dataclass(frozen=True)
class DotRecipe:
    """Distribution of the dots; the defaults are the pix2pix paper's, in GaAs.

    Attributes
    ----------
    sites : points of the grid in each direction -> number of dots
    validation, test : the last dots, of all sizes, that are marked for validation and for test
    kind : "cluster" (`potentials.quantum_well_cluster`) or "designed"
        (`potentials.designed_dots`)
    wells : smallest and largest number of wells of a cluster
    step : range of the uniform step height in eV
    eps_r : range of the permittivity; 1/eps_r, the strength of the interaction, is uniform
    mass : effective mass in electron masses
    size : side of the square in nm
    orbitals : of the exact diagonalisation
    samples_per_shard : dots in one file
    """

    sites: dict[int, int] = field(default_factory=lambda: {64: 5000})
    validation: int = 100
    test: int = 100
    kind: str = "cluster"
    wells: tuple[int, int] = (25, 25)
    step: tuple[float, float] = (0.5, 0.5)
    eps_r: tuple[float, float] = (12.9, 12.9)
    mass: float = 0.067
    size: float = 30.0
    orbitals: int = 24
    samples_per_shard: int = 100

    def shards(self) -> list[tuple[int, int, int]]:
        """The ``(points, first sample, number of samples)`` of each shard."""
        plan, first = [], 0
        for points, total in self.sites.items():
            for start in range(0, total, self.samples_per_shard):
                count = min(self.samples_per_shard, total - start)
                plan.append((points, first, count))
                first += count
        return plan

    def check(self) -> None:
        """Raise ``ValueError`` where the values make no problem that can be solved."""
        if self.kind not in ("cluster", "designed"):
            raise ValueError(f"kind: {self.kind!r}; choose 'cluster' or 'designed'")
        total = sum(self.sites.values())
        if min(self.validation, self.test) < 0 or self.validation + self.test > total:
            raise ValueError(
                f"validation: {self.validation!r}, test: {self.test!r}; give parts of the {total} "
                "dots"
            )
        if min(self.sites) < 33:
            raise ValueError(f"sites: {min(self.sites)}; 32 sines need at least 33 points")
        for name in ("step", "eps_r", "wells"):
            low, high = getattr(self, name)
            if not 0 < low <= high:
                raise ValueError(f"{name}: {(low, high)!r}; give positive numbers, lowest first")
        if self.mass <= 0 or self.size <= 0 or self.orbitals < 2:
            raise ValueError("mass and size must be positive, orbitals at least 2")


def dot_shard(recipe: DotRecipe, shard: int, seed: int) -> xr.Dataset:
    """Compute one shard with `qdens_nb.solvers.dot_ci`; it depends on its arguments alone.

    Returns
    -------
    Dataset
        In single precision, with ``step`` (eV) and ``split`` (0 train, 1 validation, 2 test) of
        each dot.
    """
    points, first, count = recipe.shards()[shard]
    potentials, steps, eps_r = [], [], []
    for sample in range(count):
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(shard, sample)))
        steps.append(rng.uniform(*recipe.step))
        eps_r.append(1.0 / rng.uniform(1.0 / recipe.eps_r[1], 1.0 / recipe.eps_r[0]))
        if recipe.kind == "cluster":
            wells = int(rng.integers(recipe.wells[0], recipe.wells[1] + 1))
            dot = quantum_well_cluster(points, wells=wells, step=steps[-1], seed=rng).values
        else:
            four = designed_dots(points, samples=4, step=steps[-1], seed=rng)
            dot = four.values[(first + sample) % 4]
        potentials.append(dot)
    problem = quantum_dot(np.stack(potentials), recipe.mass, np.array(eps_r), recipe.size)
    solved = dot_ci(problem, recipe.orbitals)
    options = {"recipe": asdict(recipe), "shard": shard, "seed": seed}
    data = add_observables(
        problem, {name: solved[name].values for name in _KEPT}, "dot_ci", options
    )
    data["step"] = ("sample", np.array(steps))
    data["step"].attrs.update(units="eV", long_name="height of the step around the wells")
    left = sum(recipe.sites.values()) - first - np.arange(count)
    part = np.where(left <= recipe.test, 2, np.where(left <= recipe.test + recipe.validation, 1, 0))
    data["split"] = ("sample", part.astype(np.int8))
    data["split"].attrs.update(long_name="0 train, 1 validation, 2 test")
    for name in map(str, data.data_vars):
        if data[name].dtype == np.float64:
            data[name] = data[name].astype(np.float32)
    data.attrs.update(seed=seed, shard=shard, qdens_version=qdens_nb.__version__)
    return data
