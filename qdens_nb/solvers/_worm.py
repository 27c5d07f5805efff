r"""Quantum Monte Carlo for the extended Bose-Hubbard model: worms in continuous imaginary time.

.. math:: H = -t \sum_{\langle ij\rangle} (b^\dagger_i b_j + h.c.) + \sum_i U_i n_i(n_i-1)/2
          + V \sum_{\langle ij\rangle} n_i n_j - \sum_i (\mu - v_i) n_i

t = 1, grand canonical, temperature T > 0, without discretisation of imaginary time. The updates
are in `_worm_kernel`, the estimators in `_worm_measure`, the chains of one problem in `_worm_run`,
the statistics in `_worm_statistics`.
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

from qdens_nb._checks import check_choice
from qdens_nb.solvers._bose_common import add_observables, unpack
from qdens_nb.solvers._worm_checkpoint import load, save
from qdens_nb.solvers._worm_run import Run


def worm(
    problem: xr.Dataset,
    *,
    sweeps: int = 10_000,
    thermalisation: int | None = None,
    density_error: float | None = None,
    chains: int = 2,
    start: Any = "spread",
    symmetry_moves: str | bool = "auto",
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
    start : {"spread", "classical", "empty", "full", "lowest"} or integer array
        World lines to start from. "spread" starts the chains differently ("classical", which is
        of low energy without hopping, found by changing one site at a time; the empty lattice;
        the full one), so that they agree only in equilibrium. At low temperature and small
        hopping a run may keep the order that it starts with, and a single chain cannot know: near
        4V/U = 1 "classical" may be a checkerboard where a more even state is stable, with
        ``thermalised`` = 1. "lowest" runs all chains from several starts ("classical"; and what
        would be lowest around each site on a flat lattice, for V and for 0.97 V, in both
        checkerboard sectors unless a symmetry exchanges them), drops those whose <H> - mu <N>
        lies higher beyond its error, and after 1024 measured sweeps keeps the lowest. If another
        state is then left that is as low, that is a doubt (``thermalised`` = 0). This rule is for
        low temperatures, where the energy decides; it takes the time of the other starts.
    symmetry_moves : {"auto", False, True}
        After each measurement propose to map all world lines by a symmetry of the lattice, drawn
        at random and accepted by Metropolis' rule: an exact update in detailed balance. "auto"
        proposes the translations, reflections and rotations that leave every mu_i and U_i as it
        is, which are then always accepted; none where there are none, as in noise, and none if
        `start` is an array, which chooses a state to stay in. Sites that a symmetry exchanges so
        get the same density with less noise (their errors are equal and no longer independent),
        and where it exchanges the two checkerboard sectors both are sampled alike: the mean
        density, as the exact one, then shows no checkerboard (the structure factor does). False:
        no such moves; a run at low temperature keeps the sector that it starts in. True: all
        translations by one site and reflections, also those that the potential does not have.
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
        T = 0, a budget that is not positive, a wrong start or choice of symmetry moves, a
        checkpoint of another problem.

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
    check_choice("symmetry_moves", symmetry_moves, ("auto", False, True))
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
    moves = symmetry_moves if isinstance(symmetry_moves, str) else bool(symmetry_moves)
    if moves:
        options["symmetry_moves"] = moves
    settings = options | {"clip_warning": clip_warning, "symmetry_moves": moves}
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
            run = Run(problems[i], settings, (seed, i))
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
