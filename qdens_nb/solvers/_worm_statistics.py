"""From bins to averages, error bars, autocorrelation times and tests of equilibrium."""

from __future__ import annotations

from typing import Any

import numpy as np

from qdens_nb.solvers._bose_common import neighbours
from qdens_nb.solvers._worm_chain import Chain
from qdens_nb.solvers._worm_measure import BOND_MAPS, SCALARS, SITE_MAPS


def pooled_bins(chains: list[Chain]) -> np.ndarray:
    """Bins of all chains, (bins, entries of a row)."""
    return np.concatenate([np.array(chain.bins) for chain in chains])


def standard_error(bins: np.ndarray) -> np.ndarray:
    """Standard error of the mean of independent bins."""
    return bins.std(axis=0, ddof=1) / np.sqrt(len(bins))


def density_error(chains: list[Chain]) -> float:
    """Standard error of the local density, root mean square over sites."""
    error = standard_error(pooled_bins(chains)[:, : chains[0].sites])
    return float(np.sqrt(np.mean(error**2)))


def _jackknife(bins: np.ndarray, function: Any) -> tuple[float, float]:
    """Bias-corrected value and error of a function of the mean row."""
    count = len(bins)
    mean = bins.mean(axis=0)
    parts = np.array([function((count * mean - row) / (count - 1)) for row in bins])
    value = count * function(mean) - (count - 1) * parts.mean()
    return float(value), float(np.sqrt((count - 1) * np.mean((parts - parts.mean()) ** 2)))


def autocorrelation_time(chains: list[Chain]) -> float:
    """Integrated autocorrelation time in sweeps of the local density, averaged over variances.

    Half the ratio of the variance of bins times their length to the variance of single
    measurements; 0.5 for independent measurements.
    """
    binned = single = 0.0
    for chain in chains:
        bins = np.array(chain.bins)[:, : chain.sites]
        mean = bins.mean(axis=0)
        measured = chain.bin_size * len(bins)
        squares = chain.squares[: chain.sites] * (measured / max(chain.measured, 1))
        binned += chain.bin_size * bins.var(axis=0, ddof=1).sum()
        single += max(float((squares / measured - mean**2).sum()), 0.0)
    return float(max(0.5, 0.5 * binned / single)) if single > 0 else 0.5


def observables(chains: list[Chain], one: dict[str, Any]) -> dict[str, Any]:
    """Averages and standard errors of everything measured, by the names of BOSE_OBSERVABLES."""
    bins = pooled_bins(chains)
    sites, directions, beta = chains[0].sites, chains[0].directions, chains[0].beta
    shape = tuple(one["shape"])
    mean, error = bins.mean(axis=0), standard_error(bins)
    out: dict[str, Any] = {}
    at = 0
    for name in (*SITE_MAPS, *BOND_MAPS):
        full = shape if name in SITE_MAPS else (directions, *shape)
        size = int(np.prod(full))
        part = slice(at, at + size)
        at += size
        if name == "clipped":
            out["clipped"] = float(mean[part].max())
            continue
        out[name] = mean[part].reshape(full)
        out[f"{name}_stderr"] = error[part].reshape(full)
    scalar = {name: at + i for i, name in enumerate(SCALARS)}
    number, number2 = scalar["number"], scalar["number_squared"]
    density = bins[:, :sites]
    with_mu = bins[:, scalar["energy"]] + density @ np.full(sites, one["chemical_potential"])
    out["energy"], out["energy_stderr"] = with_mu.mean(), standard_error(with_mu[:, None])[0]
    out["particle_number"] = mean[number]
    out["particle_number_stderr"] = error[number]
    out["compressibility"], out["compressibility_stderr"] = _jackknife(
        bins, lambda row: beta * (row[number2] - row[number] ** 2) / sites
    )
    out["structure_factor"] = mean[scalar["structure_factor"]]
    out["structure_factor_stderr"] = error[scalar["structure_factor"]]
    winding = bins[:, scalar["winding_squared"] :]
    out["winding_squared"] = winding.mean(axis=0)
    out["winding_squared_stderr"] = standard_error(winding)
    sides = np.array(shape, dtype=np.float64)
    stiffness = winding @ (sides**2 / (beta * sites * directions))
    out["superfluid_stiffness"] = stiffness.mean()
    out["superfluid_stiffness_stderr"] = standard_error(stiffness[:, None])[0]
    return out


def suspicions(chains: list[Chain], one: dict[str, Any]) -> list[str]:
    """Reasons to doubt that the chains are in equilibrium; empty if every test passed.

    Tests: enough independent measurements; the halves of each chain and the chains agree on the
    number of particles, the energy and the staggered density; no site is frozen where classical
    energies say that a particle must enter or leave.
    """
    found = []
    scale = len(SITE_MAPS) * chains[0].sites + len(BOND_MAPS) * chains[0].directions * (
        chains[0].sites
    )
    series = {name: scale + SCALARS.index(name) for name in ("number", "energy", "staggered")}
    tau = autocorrelation_time(chains)
    measured = sum(chain.measured for chain in chains)
    if measured < 50 * tau:
        found.append(f"{measured} measured sweeps are only {measured / tau:.0f} correlation times")
    for name, entry in series.items():
        parts = []
        for chain in chains:
            values = np.array(chain.bins)[:, entry]
            half = len(values) // 2
            parts += [values[:half], values[half:]]
        size = min(len(part) for part in parts)
        means = np.array([part.mean() for part in parts])
        within = np.mean([part[:size].var(ddof=1) for part in parts]) / size
        spread = means.var(ddof=1)
        floor = 1e-20 + (1e-12 * np.abs(means).max()) ** 2
        if spread > (9.0 if len(parts) > 2 else 12.0) * (within + floor):
            what = "the chains or their halves" if len(chains) > 1 else "the halves of the run"
            found.append(f"{what} disagree on the {name}: {np.array2string(means, precision=5)}")
    frozen = _frozen_sites(chains, one)
    if frozen:
        found.append(f"{frozen} sites are frozen although a particle would enter or leave")
    return found


def _frozen_sites(chains: list[Chain], one: dict[str, Any]) -> int:
    """Sites without any fluctuation where a change by one particle lowers the classical energy."""
    bins = pooled_bins(chains)
    sites = chains[0].sites
    density = bins[:, :sites].mean(axis=0)
    still = (bins[:, :sites].std(axis=0) == 0) & (density == np.round(density))
    around = density[neighbours(one["shape"])].sum(axis=1)
    local = one["mu"].ravel() - one["V"] * around
    gain_in = np.where(density < one["n_max"], local - one["U"].ravel() * density, -np.inf)
    gain_out = np.where(density > 0, one["U"].ravel() * (density - 1) - local, -np.inf)
    return int((still & (np.maximum(gain_in, gain_out) > 5.0 * one["T"])).sum())
