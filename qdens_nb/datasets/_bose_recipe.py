"""Training shards of the Bose-Hubbard torus: coloured noise, quantum Monte Carlo answers.

As in the paper's appendix the couplings are uniform and the potential is Gaussian noise with a
power spectrum |k|^-p, scaled by a random multiple of |mu|. What the project chose: V starts at 0
and is exactly 0 in a part of the samples; a noise whose local ``(mu - v)/U`` leaves a window is
shrunk to the width of the window, if it is wider, and shifted into it, so that no site is far
above the range in which n_max holds; some samples are flat or nearly flat.
"""

from __future__ import annotations

import warnings
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import xarray as xr

import qdens_nb
from qdens_nb import potentials, solvers
from qdens_nb.solvers._bose_common import add_observables
from qdens_nb.systems import bose_hubbard


@dataclass(frozen=True)
class BoseProblems:
    """What all Bose-Hubbard recipes share: sizes, couplings, effort of the Monte Carlo.

    Attributes
    ----------
    sites : mapping of the even side L of the torus to the number of samples of that size
    hopping_ratio : range of the uniform 4t/U
    interaction_ratio : range of the uniform 4V/U
    V_end_fraction : part of the samples at the lower end of that range, thus with V = 0 exactly
    mu_over_U : range of the uniform mu/U
    T : temperature in t
    n_max : largest number of bosons on a site
    thermalisation, sweeps : sweeps before the measurement, and the most that are measured
    density_error : wanted error of the density, at which the measurement ends
    samples_per_shard : number of samples in one file
    """

    sites: dict[int, int] = field(default_factory=lambda: {8: 8, 10: 8})
    hopping_ratio: tuple[float, float] = (0.05, 1.0)
    interaction_ratio: tuple[float, float] = (0.0, 1.75)
    V_end_fraction: float = 0.15
    mu_over_U: tuple[float, float] = (-0.5, 3.0)
    T: float = 0.25
    n_max: int = 3
    thermalisation: int = 1000
    sweeps: int = 20000
    density_error: float = 0.01
    samples_per_shard: int = 8

    def shards(self) -> list[tuple[int, int]]:
        """The ``(sites, samples)`` of each shard; the sizes take turns, so that any beginning
        of the list holds all of them in proportion.
        """
        plan = []
        for sites, total in self.sites.items():
            starts = range(0, total, self.samples_per_shard)
            plan += [(n / total, -sites, min(self.samples_per_shard, total - n)) for n in starts]
        return [(-side, count) for _, side, count in sorted(plan)]

    def check(self) -> None:
        """Raise ``ValueError`` where the values make no problem that can be solved."""
        odd = [sites for sites in self.sites if sites % 2]
        if odd:
            raise ValueError(
                f"sites: {odd}; an odd torus frustrates a checkerboard, give even sizes"
            )
        if self.hopping_ratio[0] <= 0:
            raise ValueError(f"hopping_ratio: {self.hopping_ratio!r}; give positive numbers")
        if self.T <= 0:
            raise ValueError(f"T: {self.T!r}; path integrals need a positive temperature")

    def draw_couplings(self, rng: np.random.Generator) -> tuple[float, float, float]:
        """U in t, V in t, mu/U of one sample."""
        U = 4.0 / rng.uniform(*self.hopping_ratio)
        low, high = self.interaction_ratio
        below = (high - low) * self.V_end_fraction / max(1.0 - self.V_end_fraction, 1e-9)
        V = U / 4.0 * max(low, rng.uniform(low - below, high))
        return U, V, rng.uniform(*self.mu_over_U)

    def draw_local_mu(
        self, sites: int, sample: int, mu0: float, rng: np.random.Generator
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """``(mu - v)/U`` on the sites (sites, sites), and what describes it."""
        raise NotImplementedError


@dataclass(frozen=True)
class BoseRecipe(BoseProblems):
    """Distribution of the training problems: coloured noise; couplings as in `BoseProblems`.

    Attributes
    ----------
    exponent : range of the log-uniform p of the power spectrum |k|^-p
    amplitude : range of the uniform max|v| in units of |mu|
    least_mu_over_U : value used instead where |mu|/U is smaller, or all noise there would be flat
    flat_fraction : part of the samples with less than a tenth of their amplitude; half of them
        are exactly homogeneous
    local_mu : window of (mu - v)/U
    """

    exponent: tuple[float, float] = (0.1, 10.0)
    amplitude: tuple[float, float] = (0.3, 2.0)
    least_mu_over_U: float = 0.3
    flat_fraction: float = 0.05
    local_mu: tuple[float, float] = (-1.0, 3.3)

    def check(self) -> None:
        """Raise ``ValueError`` where the values make no problem that can be solved."""
        super().check()
        low, high = self.local_mu
        if not low <= self.mu_over_U[0] <= self.mu_over_U[1] <= high:
            raise ValueError(
                f"local_mu: {self.local_mu!r}; give a window that holds mu_over_U "
                f"{self.mu_over_U!r}"
            )
        if self.exponent[0] <= 0:
            raise ValueError(f"exponent: {self.exponent!r}; give positive numbers")

    def draw_local_mu(
        self, sites: int, sample: int, mu0: float, rng: np.random.Generator
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """``(mu - v)/U`` on the sites (sites, sites), and what describes it."""
        exponent = np.exp(rng.uniform(*np.log(self.exponent)))
        amplitude = rng.uniform(*self.amplitude) * max(abs(mu0), self.least_mu_over_U)
        weaken = np.clip(rng.uniform(-0.1, 0.1), 0.0, None)
        if rng.random() < self.flat_fraction:
            amplitude *= weaken
        noise = potentials.coloured_noise((sites, sites), exponent, amplitude, seed=rng)
        local = fit_window(mu0 - noise.values, self.local_mu)
        return local, {"exponent": exponent, "amplitude": np.abs(local - mu0).max()}


def fit_window(values: np.ndarray, window: tuple[float, float]) -> np.ndarray:
    """Shrink `values` to the width of the window, if they are wider, and shift them into it.

    Examples
    --------
    >>> import numpy as np
    >>> fit_window(np.array([0.0, 3.0]), (-1.0, 2.0)).tolist()
    [-1.0, 2.0]
    >>> fit_window(np.array([0.0, 6.0]), (-1.0, 2.0)).tolist()
    [-1.0, 2.0]
    """
    low, high = window
    values = values * min(1.0, (high - low) / max(np.ptp(values), 1e-12))
    return values + max(low - values.min(), 0.0) + min(high - values.max(), 0.0)


def bose_shard(recipe: BoseProblems, shard: int, seed: int) -> xr.Dataset:
    """Compute one shard with `qdens_nb.solvers.worm`; it depends on its arguments alone.

    Returns
    -------
    Dataset
        One sample for each problem, in single precision, with the standard errors. What the
        engine would warn of is in the data: ``thermalised``, ``clipped``.
    """
    sites, count = recipe.shards()[shard]
    solved, labels = [], []
    for sample in range(count):
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(shard, sample)))
        U, V, mu0 = recipe.draw_couplings(rng)
        local, label = recipe.draw_local_mu(sites, sample, mu0, rng)
        problem = bose_hubbard(
            (mu0 - local) * U, U=U, V=V, mu=mu0 * U, T=recipe.T, n_max=recipe.n_max
        )
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "worm: ")
            answer = solvers.worm(
                problem,
                sweeps=recipe.sweeps,
                thermalisation=recipe.thermalisation,
                density_error=recipe.density_error,
                chains=1,
                symmetry_moves=False,  # a label shows one checkerboard sector
                seed=int(rng.integers(2**31)),
            )
        solved.append(answer)
        labels.append(label)
    return _join(solved, labels, {"recipe": asdict(recipe), "shard": shard, "seed": seed})


def _join(
    solved: list[xr.Dataset], labels: list[dict[str, Any]], options: dict[str, Any]
) -> xr.Dataset:
    columns = {name: [float(one[name]) for one in solved] for name in ("U", "V", "mu", "T")}
    coords = {name: ("sample", [label[name] for label in labels]) for name in labels[0]}
    potential = xr.DataArray(
        np.stack([one["potential"].values for one in solved]), dims=("sample", "x", "y")
    ).assign_coords(coords)
    problem = bose_hubbard(potential, **columns, n_max=solved[0].attrs["n_max"])
    names = [str(name) for name in solved[0].data_vars if name not in problem]
    values = {name: np.stack([one[name].values for one in solved]) for name in names}
    data = add_observables(problem, values, solved[0].attrs["engine"], options)
    for name in map(str, data.data_vars):
        if data[name].dtype == np.float64:
            data[name] = data[name].astype(np.float32)
    data.attrs.update(
        seed=options["seed"], shard=options["shard"], qdens_version=qdens_nb.__version__
    )
    return data
