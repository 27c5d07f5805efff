"""From bins to averages, error bars, autocorrelation times and tests of equilibrium."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from qdens_nb.solvers._bose_common import neighbours
from qdens_nb.solvers._worm_chain import Chain
from qdens_nb.solvers._worm_measure import BOND_MAPS, SCALARS, SITE_MAPS

LEAST_BINS = 12


def all_bins(chains: list[Chain]) -> list[np.ndarray]:
    """Bins of each chain, (bins, entries of a row)."""
    return [np.array(chain.bins) for chain in chains]


def standard_error(parts: list[np.ndarray]) -> np.ndarray:
    """Standard error of the mean of the columns, with what longer bins add.

    Parameters
    ----------
    parts : list of (bins, columns) arrays
        Bins of equal length from each chain. The columns share one factor for autocorrelation: the
        largest ratio, over lengths of merged bins (at least 12 of them), of the summed variance of
        the mean from merged bins to that from the bins given. Many columns (the sites of a map)
        so make it less noisy.
    """
    naive = _variance_of_mean(parts)
    factor, merged, length = 1.0, parts, 1
    while min(len(part) for part in merged) >= 2 * LEAST_BINS:
        merged = [0.5 * (p[: len(p) // 2 * 2 : 2] + p[1 : len(p) // 2 * 2 : 2]) for p in merged]
        length *= 2
        if naive.sum() > 0:
            factor = max(factor, _variance_of_mean(merged).sum() / naive.sum())
    # what bins of this length miss if correlations decay exponentially
    missed = min(0.5, (factor - 1.0 / factor) / (2.0 * length))
    return np.sqrt(naive * factor / (1.0 - missed))


def _variance_of_mean(parts: list[np.ndarray]) -> np.ndarray:
    count = sum(len(part) for part in parts)
    spread = sum(((part - part.mean(axis=0)) ** 2).sum(axis=0) for part in parts)
    return spread / (count - len(parts)) / count


def density_error(chains: list[Chain]) -> float:
    """Standard error of the local density, root mean square over sites."""
    error = standard_error([bins[:, : chains[0].sites] for bins in all_bins(chains)])
    return float(np.sqrt(np.mean(error**2)))


def _jackknife(bins: np.ndarray, function: Any) -> tuple[float, float]:
    """Bias-corrected value and error of a function of the mean row."""
    count = len(bins)
    mean = bins.mean(axis=0)
    parts = np.array([function((count * mean - row) / (count - 1)) for row in bins])
    value = count * function(mean) - (count - 1) * parts.mean()
    return float(value), float(np.sqrt((count - 1) * np.mean((parts - parts.mean()) ** 2)))


def _scalar(chains: list[Chain], name: str) -> int:
    """Column of a scalar in the bins."""
    maps = len(SITE_MAPS) + len(BOND_MAPS) * chains[0].directions
    return maps * chains[0].sites + SCALARS.index(name)


def _scalar_mean(chains: list[Chain], name: str) -> tuple[float, float]:
    column = _scalar(chains, name)
    parts = [bins[:, [column]] for bins in all_bins(chains)]
    return float(np.concatenate(parts).mean()), float(standard_error(parts)[0])


def grand_energy(chains: list[Chain]) -> tuple[float, float]:
    """<H> with the term -mu N, and its standard error."""
    return _scalar_mean(chains, "energy")


def undecided(best: list[Chain], others: list[list[Chain]]) -> list[str]:
    """Doubts about a start that is the lowest, but within errors: another state lies as low."""
    found = []
    for other in others:
        for name in ("number", "structure_factor", "staggered"):
            (a, error_a), (b, error_b) = (_scalar_mean(chains, name) for chains in (best, other))
            if abs(a - b) > 5.0 * np.hypot(error_a, error_b) + 1e-9:
                found.append(
                    f"two starts keep different states ({name} {a:.4g} and {b:.4g}) of equal "
                    "<H> - mu <N>"
                )
                break
    return found[:1]


def autocorrelation_time(chains: list[Chain]) -> float:
    """Integrated autocorrelation time in sweeps of the local density, averaged over variances.

    Half the ratio of the variance of the mean times the number of measurements to the variance of
    single measurements; 0.5 for independent ones.
    """
    sites = chains[0].sites
    parts = [bins[:, :sites] for bins in all_bins(chains)]
    squared = standard_error(parts) ** 2
    measured = sum(chain.bin_size * len(part) for chain, part in zip(chains, parts, strict=True))
    single = np.zeros(sites)
    for chain, part in zip(chains, parts, strict=True):
        mean_square = chain.squares[:sites] / max(chain.measured, 1)
        single += np.maximum(mean_square - part.mean(axis=0) ** 2, 0.0) / len(chains)
    if single.sum() <= 0:
        return 0.5
    return float(max(0.5, 0.5 * measured * squared.sum() / single.sum()))


def observables(chains: list[Chain], one: dict[str, Any]) -> dict[str, Any]:
    """Averages and standard errors of everything measured, by the names of BOSE_OBSERVABLES."""
    parts = all_bins(chains)
    bins = np.concatenate(parts)
    sites, directions, beta = chains[0].sites, chains[0].directions, chains[0].beta
    shape = tuple(one["shape"])
    mean = bins.mean(axis=0)

    def with_error(name: str, columns: Any) -> None:
        """Add the average and error of a function of the rows, (bins, n) -> (bins, m)."""
        values = [columns(part) for part in parts]
        average = np.concatenate(values).mean(axis=0)
        out[name], out[f"{name}_stderr"] = average, standard_error(values)

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
        with_error(name, lambda rows, part=part: rows[:, part])
        for key in (name, f"{name}_stderr"):
            out[key] = out[key].reshape(full)
    scalar = {name: at + i for i, name in enumerate(SCALARS)}
    number, number2 = scalar["number"], scalar["number_squared"]
    mu = one["chemical_potential"]
    side_squared = np.array(shape, dtype=np.float64) ** 2 / (beta * sites * directions)
    scalars = {
        "energy": lambda rows: rows[:, [scalar["energy"]]] + mu * rows[:, [number]],
        "particle_number": lambda rows: rows[:, [number]],
        "structure_factor": lambda rows: rows[:, [scalar["structure_factor"]]],
        "superfluid_stiffness": lambda rows: (
            rows[:, scalar["winding_squared"] :] @ side_squared[:, None]
        ),
    }
    for name, columns in scalars.items():
        with_error(name, columns)
        out[name], out[f"{name}_stderr"] = out[name][0], out[f"{name}_stderr"][0]
    with_error("winding_squared", lambda rows: rows[:, scalar["winding_squared"] :])
    out["compressibility"], error = _jackknife(
        bins, lambda row: beta * (row[number2] - row[number] ** 2) / sites
    )
    square = bins[:, [number2]] - 2.0 * mean[number] * bins[:, [number]]
    plain = np.sqrt(_variance_of_mean([square]))[0]
    lengths = np.cumsum([0] + [len(part) for part in parts])
    split = [square[a:b] for a, b in itertools.pairwise(lengths)]
    inflation = standard_error(split)[0] / plain if plain > 0 else 1.0
    out["compressibility_stderr"] = error * inflation
    return out


def suspicions(chains: list[Chain], one: dict[str, Any]) -> list[str]:
    """Reasons to doubt that the chains are in equilibrium; empty if every test passed.

    Tests: enough independent measurements; the halves of each chain and the chains agree on the
    number of particles, the energy and the staggered density (with symmetry moves, which may
    exchange the sectors at any time, also on the structure factor); no site is frozen where
    classical energies say that a particle must enter or leave.
    """
    found = []
    names = ["number", "energy", "staggered"]
    if len(chains[0].maps[0]):
        names.append("structure_factor")
    series = {name: _scalar(chains, name) for name in names}
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
        means = np.array([part.mean() for part in parts])
        within = np.mean([standard_error([part[:, None]]) ** 2 for part in parts])
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
    bins = np.concatenate(all_bins(chains))
    sites = chains[0].sites
    density = bins[:, :sites].mean(axis=0)
    still = (bins[:, :sites].std(axis=0) == 0) & (density == np.round(density))
    around = density[neighbours(one["shape"])].sum(axis=1)
    local = one["mu"].ravel() - one["V"] * around
    gain_in = np.where(density < one["n_max"], local - one["U"].ravel() * density, -np.inf)
    gain_out = np.where(density > 0, one["U"].ravel() * (density - 1) - local, -np.inf)
    return int((still & (np.maximum(gain_in, gain_out) > 5.0 * one["T"])).sum())
