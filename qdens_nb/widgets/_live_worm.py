"""Quantum Monte Carlo in stages, so that an app can show what there is and stop."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import xarray as xr

from qdens_nb.solvers._bose_common import add_observables, checkerboard, unpack
from qdens_nb.solvers._worm_chain import Chain
from qdens_nb.solvers._worm_starts import classical_occupation
from qdens_nb.solvers._worm_statistics import (
    all_bins,
    density_error,
    observables,
    standard_error,
    suspicions,
)

_LEAST_BINS = 64
_WARMING = 0.25


class Stage(NamedTuple):
    """What is known after a stage; `done` is 0 to 1, `doubts` why it may not be in equilibrium."""

    text: str
    done: float
    answer: xr.Dataset | None = None
    doubts: tuple[str, ...] = ()


def start_occupation(problem: xr.Dataset, sector: int) -> np.ndarray:
    """Whole numbers (x, y) of lowest energy without hopping, in a checkerboard sector.

    Where both sectors are equally good by a mirror symmetry of the potential, `sector` decides: 0,
    the even sites are the denser ones; 1, the odd ones. A simulation would otherwise end in either,
    or change between them.
    """
    (one,) = unpack(problem)
    occupation = classical_occupation(one).reshape(one["shape"])
    if (checkerboard(one["shape"]) * occupation).sum() * (1 - 2 * sector) >= 0:
        return occupation
    images = [(np.flip(one["mu"], axis), np.flip(occupation, axis)) for axis in (0, 1)]
    images.append((np.roll(one["mu"], 1, 0), np.roll(occupation, 1, 0)))
    return next((image for mu, image in images if np.allclose(mu, one["mu"])), occupation)


def worm_stages(
    problem: xr.Dataset,
    *,
    sector: int = 0,
    wanted_error: float = 0.01,
    sweeps: int = 20_000,
    thermalisation: int = 400,
    block: int = 128,
    chains: int = 2,
    seed: int = 0,
) -> Iterator[Stage]:
    """Run the chains of `qdens_nb.solvers.worm` and yield what is known after each stage.

    Parameters
    ----------
    problem : Dataset
        One problem of `qdens_nb.bose_hubbard`.
    sector : int
        Checkerboard sector to start in, see `start_occupation`.
    wanted_error : float
        The last stage is when the standard error of the density, root mean square over sites, is
        below, or after `sweeps` of each chain.
    thermalisation, block : int
        Sweeps before measuring, in eight stages, and sweeps of a stage.
    chains : int
        Independent chains, each in a thread.
    seed : int
        The same seed gives the same numbers.

    Yields
    ------
    Stage
        The answer has the observables of `qdens_nb.solvers.worm`, ``fluctuation`` (<n^2> - <n>^2)
        with its error, and the attr ``wall_seconds``.
    """
    began = time.perf_counter()
    (one,) = unpack(problem)
    occupation = start_occupation(problem, sector).ravel()
    running = [
        Chain(one, np.random.SeedSequence(seed, spawn_key=(0, i)), occupation)
        for i in range(chains)
    ]
    options = {"chains": chains, "seed": seed, "thermalisation": thermalisation, "sector": sector}

    def answer() -> xr.Dataset:
        values = observables(running, one)
        values["sweeps"] = chains * running[0].measured
        out = add_observables(problem, values, "worm", options)
        out.attrs["wall_seconds"] = time.perf_counter() - began
        return _with_fluctuation(out, running)

    with ThreadPoolExecutor(chains) as pool:
        for part in range(8):
            yield Stage("thermalising", _WARMING * part / 8)
            list(pool.map(lambda chain: chain.thermalise(thermalisation // 8), running))
        done = 0.0
        while done < 1.0:
            list(pool.map(lambda chain: chain.advance(block), running))
            measured, error = running[0].measured, density_error(running)
            nearer = max((wanted_error / max(error, 1e-9)) ** 2, measured / sweeps)
            done = min(1.0, max(done, nearer)) if nearer < 1.0 else 1.0
            if len(running[0].bins) < _LEAST_BINS:
                done = min(done, 0.99)
            yield Stage(
                f"{measured} sweeps, error of the density {error:.4f}",
                _WARMING + (1.0 - _WARMING) * done,
                answer(),
                tuple(suspicions(running, one)),
            )


def _with_fluctuation(answer: xr.Dataset, chains: list[Chain]) -> xr.Dataset:
    """Add <n^2> - <n>^2; its error takes into account that both vary together."""
    n = answer["density"]
    sites = n.size
    parts = [
        bins[:, sites : 2 * sites] - 2.0 * n.values.ravel() * bins[:, :sites]
        for bins in all_bins(chains)
    ]
    error = standard_error(parts).reshape(n.shape)
    answer["fluctuation"] = answer["density_squared"] - n**2
    answer["fluctuation_stderr"] = (n.dims, error)
    return answer
