r"""Quantum Monte Carlo for the extended Bose-Hubbard model: worms in continuous imaginary time.

.. math:: H = -t \sum_{\langle ij\rangle} (b^\dagger_i b_j + h.c.) + \sum_i U_i n_i(n_i-1)/2
          + V \sum_{\langle ij\rangle} n_i n_j - \sum_i (\mu - v_i) n_i

t = 1, grand canonical, temperature T > 0, without discretisation of imaginary time. The updates
are in `_worm_kernel`, the estimators in `_worm_measure`, the statistics in `_worm_statistics`.
"""

from __future__ import annotations

import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from tqdm.auto import tqdm

from qdens_nb.solvers._bose_common import add_observables, checkerboard, neighbours, unpack
from qdens_nb.solvers._worm_chain import Chain
from qdens_nb.solvers._worm_checkpoint import load, save
from qdens_nb.solvers._worm_statistics import (
    autocorrelation_time,
    density_error,
    observables,
    suspicions,
)


def classical_occupation(one: dict[str, Any], rounds: int = 20) -> np.ndarray:
    """Occupation of lowest energy without hopping, by single-site descent from three starts."""
    sites = int(np.prod(one["shape"]))
    nbr = neighbours(one["shape"])
    even = checkerboard(one["shape"]).ravel() > 0
    levels = np.arange(one["n_max"] + 1)
    own = 0.5 * one["U"].reshape(sites, 1) * levels * (levels - 1)
    own = own - one["mu"].reshape(sites, 1) * levels
    best, lowest = np.zeros(sites, dtype=int), np.inf
    for first in (even, ~even):
        n = np.zeros(sites, dtype=int)
        for _ in range(rounds):
            old = n.copy()
            for part in (first, ~first):
                around = one["V"] * n[nbr[part]].sum(axis=1)
                n[part] = np.argmin(own[part] + around[:, None] * levels, axis=1)
            if np.array_equal(n, old):
                break
        half = nbr.shape[1] // 2
        energy = own[np.arange(sites), n].sum() + one["V"] * (n[:, None] * n[nbr[:, :half]]).sum()
        if energy < lowest - 1e-9:
            best, lowest = n, energy
    return best


def _starts(start: Any, chains: int, one: dict[str, Any]) -> list[np.ndarray]:
    """Straight world lines of each chain."""
    sites = int(np.prod(one["shape"]))
    known = {
        "classical": lambda: classical_occupation(one),
        "empty": lambda: np.zeros(sites, dtype=int),
        "full": lambda: np.full(sites, one["n_max"]),
    }
    names: Any = start
    if isinstance(start, str):
        names = ("classical", "empty", "full") if start == "spread" else (start,)
        unknown = [name for name in names if name not in known]
        if unknown:
            raise ValueError(
                f"start={start!r}; give 'spread', {', '.join(map(repr, known))} or an array of "
                f"occupations of shape {one['shape']}"
            )
        return [known[names[i % len(names)]]() for i in range(chains)]
    array = np.asarray(start)
    whole = np.issubdtype(array.dtype, np.integer) or np.array_equal(array, np.round(array))
    if array.shape != tuple(one["shape"]) or not whole:
        raise ValueError(f"start has shape {array.shape}; give whole numbers of {one['shape']}")
    if array.min() < 0 or array.max() > one["n_max"]:
        raise ValueError(f"start holds {array.min()}..{array.max()}; allowed are 0..{one['n_max']}")
    return [array.astype(int).ravel()] * chains


class _Run:
    """All chains of one problem: thermalise, measure in blocks, stop, tell."""

    def __init__(self, one: dict[str, Any], options: dict[str, Any], seed: tuple[int, int]) -> None:
        self.one, self.options = one, options
        begins = _starts(options["start"], options["chains"], one)
        self.chains = [
            Chain(
                one,
                np.random.SeedSequence(seed[0], spawn_key=(seed[1], i)),
                occupation,
                options["symmetry_moves"],
            )
            for i, occupation in enumerate(begins)
        ]
        self.thermal = 0
        self.seconds = [0.0, 0.0]

    def _each(self, pool: ThreadPoolExecutor | None, work: Any) -> None:
        clock = time.process_time()
        if pool is None:
            for chain in self.chains:
                work(chain)
        else:
            list(pool.map(work, self.chains))
        self.spent = time.process_time() - clock

    def finished(self) -> bool:
        """Whether the budget of sweeps is used or the wanted error reached."""
        measured = self.chains[0].measured
        if measured >= self.options["sweeps"]:
            return True
        wanted = self.options["density_error"]
        if wanted is None or len(self.chains[0].bins) < 64:
            return False
        enough = measured >= 40 * autocorrelation_time(self.chains)
        return enough and density_error(self.chains) <= wanted

    def block(self, pool: ThreadPoolExecutor | None) -> int:
        """Advance all chains a little; returns the sweeps done.

        Block lengths depend on the number of sweeps done alone, never on the clock, so that a seed
        gives the same numbers on any machine.
        """
        warm = self.options["thermalisation"]
        if self.thermal < warm:
            self._each(pool, lambda chain: chain.thermalise(warm))
            self.thermal = warm
            self.seconds[0] += self.spent
            return warm
        measured = self.chains[0].measured
        step = min(max(128, min(measured // 8, 2048)), self.options["sweeps"] - measured)
        self._each(pool, lambda chain: chain.advance(step))
        self.seconds[1] += self.spent
        return step

    def state(self) -> dict[str, np.ndarray]:
        """Plain arrays for a checkpoint."""
        out = {"run": np.array([self.thermal, *self.seconds])}
        for i, chain in enumerate(self.chains):
            out |= {f"chain{i}/{name}": value for name, value in chain.state().items()}
        return out

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """Continue from a checkpoint."""
        self.thermal, self.seconds = int(state["run"][0]), [float(s) for s in state["run"][1:]]
        for i, chain in enumerate(self.chains):
            part = f"chain{i}/"
            chain.restore({k[len(part) :]: v for k, v in state.items() if k.startswith(part)})

    def result(self) -> dict[str, Any]:
        """Observables and diagnostics."""
        out = observables(self.chains, self.one)
        doubts = suspicions(self.chains, self.one)
        if doubts:
            warnings.warn(
                "worm: perhaps not in equilibrium: " + "; ".join(doubts), RuntimeWarning, 4
            )
        if out["clipped"] > self.options["clip_warning"]:
            warnings.warn(
                f"worm: some site holds n_max={self.one['n_max']} bosons with probability "
                f"{out['clipped']:.2g}; a larger n_max would change the answer",
                RuntimeWarning,
                4,
            )
        out["thermalised"] = int(not doubts)
        out["autocorrelation_time"] = autocorrelation_time(self.chains)
        out["sweeps"] = sum(chain.measured for chain in self.chains)
        return out


def worm(
    problem: xr.Dataset,
    *,
    sweeps: int = 10_000,
    thermalisation: int | None = None,
    density_error: float | None = None,
    chains: int = 2,
    start: Any = "spread",
    symmetry_moves: bool = False,
    seed: int = 0,
    workers: int | None = None,
    checkpoint: str | Path | None = None,
    clip_warning: float = 0.1,
    progress: bool = False,
) -> xr.Dataset:
    """Thermal averages of the Bose-Hubbard model by quantum Monte Carlo, with error bars.

    Parameters
    ----------
    problem : Dataset
        From `qdens_nb.bose_hubbard`, torus or ring, T > 0, any n_max up to 100.
    sweeps : int
        Most sweeps of each chain. In a sweep the worms travel about the space-time volume.
    thermalisation : int, optional
        Sweeps before measuring; default a fifth of `sweeps`, at least 500.
    density_error : float, optional
        Stop when the standard error of the local density (root mean square over sites) is below.
    chains : int
        Independent chains, run in parallel threads.
    start : {"spread", "classical", "empty", "full"} or integer array
        World lines to start from. "spread" starts the chains differently (the configuration of
        lowest energy without hopping, the empty lattice, the full one), so that they agree only in
        equilibrium.
    symmetry_moves : bool
        After each measurement propose a translation by one site or a reflection of all world
        lines, accepted by Metropolis' rule. Where the potential has such a symmetry the two
        checkerboard sectors are then sampled alike, and the mean density shows no checkerboard;
        without it a run at low temperature keeps the sector it starts in.
    seed : int
        The same seed gives the same numbers.
    workers : int, optional
        Threads; default one a chain.
    checkpoint : path, optional
        State of the run, written every half minute and at an interrupt; a later call with the
        same arguments continues from it. Removed at the end.
    clip_warning : float
        Warn if a site holds n_max bosons with a larger probability.
    progress : bool
        Show a progress bar.

    Returns
    -------
    Dataset
        The problem with density, density_squared, density_correlation, coherence, energy,
        particle_number, compressibility, winding_squared, superfluid_stiffness and
        structure_factor, each with ``_stderr``; clipped, autocorrelation_time, sweeps and
        thermalised. ``attrs["cpu_seconds"]`` is the time of measuring,
        ``attrs["cpu_seconds_total"]`` the time with thermalisation. After an interrupt: what was
        measured until then, with ``attrs["interrupted"] = 1``.

    Raises
    ------
    ValueError
        T = 0, a budget that is not positive, a wrong start, a checkpoint of another problem.

    Examples
    --------
    >>> import numpy as np, qdens_nb as qd
    >>> problem = qd.bose_hubbard(np.zeros((4, 4)), U=8.0, mu=4.0, T=1.0)
    >>> answer = qd.solvers.worm(problem, sweeps=500, seed=1)
    >>> bool(answer.density_stderr.max() < 0.1)
    True
    """
    for name, value in {"sweeps": sweeps, "chains": chains}.items():
        if int(value) != value or value < 1:
            raise ValueError(f"{name}={value!r}; give a whole number of at least 1")
    if sweeps < 64:
        raise ValueError(f"sweeps={sweeps}; error bars need at least 64")
    if density_error is not None and not density_error > 0:
        raise ValueError(f"density_error={density_error!r}; give a positive number or None")
    problems = unpack(problem)
    if min(one["T"] for one in problems) <= 0:
        raise ValueError("T=0; path integrals need T > 0, for example T=0.25")
    if problems[0]["n_max"] > 100:
        raise ValueError(f"n_max={problems[0]['n_max']}; the worm engine takes at most 100")
    warm = max(500, sweeps // 5) if thermalisation is None else int(thermalisation)
    options = {
        "sweeps": int(sweeps),
        "thermalisation": warm,
        "density_error": density_error,
        "chains": int(chains),
        "start": start if isinstance(start, str) else np.asarray(start).tolist(),
        "seed": int(seed),
    }
    if symmetry_moves:
        options["symmetry_moves"] = True
    settings = options | {"clip_warning": clip_warning, "symmetry_moves": symmetry_moves}
    rows: list[dict[str, Any]] = []
    seconds = np.zeros(2)
    interrupted = False
    threads = min(chains, workers or chains)
    pool = ThreadPoolExecutor(threads) if threads > 1 else None
    bar = tqdm(total=len(problems) * sweeps, desc="worm", unit="sweep", disable=not progress)
    written = time.monotonic()
    first, saved, done_rows = load(checkpoint, problem, options)
    rows += done_rows
    try:
        for i in range(first, len(problems)):
            run = _Run(problems[i], settings, (seed, i))
            if saved:
                run.restore(saved)
                saved = {}
            try:
                while not run.finished():
                    step = run.block(pool)
                    if run.chains[0].measured:
                        bar.update(step)
                    if checkpoint is not None and time.monotonic() - written > 30:
                        save(checkpoint, problem, options, i, run.state(), rows)
                        written = time.monotonic()
            except KeyboardInterrupt:
                interrupted = True
                if checkpoint is not None:
                    save(checkpoint, problem, options, i, run.state(), rows)
                if min(len(chain.bins) for chain in run.chains) < 8:
                    if not rows:
                        raise
                    break
            seconds += run.seconds
            rows.append(run.result())
            bar.update((i + 1) * sweeps - bar.n)
            if interrupted:
                break
    finally:
        bar.close()
        if pool is not None:
            pool.shutdown()
    if checkpoint is not None and not interrupted:
        Path(checkpoint).unlink(missing_ok=True)
    stacked = {name: np.stack([np.asarray(row[name]) for row in rows]) for name in rows[0]}
    missing = len(problems) - len(rows)
    if missing:
        warnings.warn(f"worm: interrupted, {missing} samples have no answer (NaN)", stacklevel=2)
        stacked = {
            name: np.concatenate([v, np.full((missing, *v.shape[1:]), np.nan)])
            for name, v in stacked.items()
        }
    if "sample" not in problem["potential"].dims:
        stacked = {name: values[0] for name, values in stacked.items()}
    answer = add_observables(problem, stacked, "worm", options)
    answer.attrs.update(
        cpu_seconds=float(seconds[1]),
        cpu_seconds_total=float(seconds.sum()),
        interrupted=int(interrupted),
    )
    return answer
