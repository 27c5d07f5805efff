r"""Time evolution of networks: the time-dependent variational principle on samples (tVMC).

In real time the parameters follow :math:`i\,∂_t|ψ⟩ = H|ψ⟩` as well as the network can, in
imaginary time :math:`∂_τ|ψ⟩ = -(H - ⟨H⟩)|ψ⟩` (G. Carleo, F. Becca, M. Schiro, M. Fabrizio, Sci.
Rep. 2, 243, 2012; G. Carleo, M. Troyer, Science 355, 602, 2017). `_projection` has the equations,
`_broadened` what samples miss at the nodes of ψ. Neither norm nor global phase appears.
"""

from __future__ import annotations

import json
import math
import time as clock
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike
from tqdm.auto import tqdm

import qdens_nb
from qdens_nb.nqs._ansatz import Ansatz, get_parameters, set_parameters
from qdens_nb.nqs._broadened import Broadened
from qdens_nb.nqs._checkpoint import load_checkpoint, save_checkpoint, state_of
from qdens_nb.nqs._flow import VariationalFlow
from qdens_nb.nqs._hamiltonian import Hamiltonian
from qdens_nb.nqs._integrators import STEPS, Adaptive
from qdens_nb.nqs._observables import Observable, make_observables
from qdens_nb.nqs._samplers import Sampler, make_sampler

#: of each time: what it is
RECORD = {
    "energy": "mean local energy",
    "energy_stderr": "standard error of the energy",
    "variance": "variance of the local energy",
    "residual": "share of the squared velocity of the state that the network misses",
    "missed": "integral of the missed velocity: bounds the error of the state",
    "rank": "directions of the geometric tensor that are used",
    "condition": "condition number of the geometric tensor in them",
    "step": "length of the last time step",
    "acceptance": "share of accepted proposals",
    "seconds": "wall time since the start",
}
Model = Hamiltonian | Callable[[float], Hamiltonian]
Callback = Callable[[int, dict[str, float], Ansatz], bool | None]


def evolve(
    hamiltonian: Model,
    ansatz: Ansatz,
    times: ArrayLike,
    *,
    imaginary: bool = False,
    sampler: str | Sampler | Broadened = "auto",
    samples: int = 2000,
    integrator: str = "heun",
    step: float = 0.01,
    tolerance: float = 1e-3,
    regularisation: str | None = None,
    cutoff: float = 1e-8,
    threshold: float | None = None,
    observables: Iterable[str] | Mapping[str, Observable] | None = None,
    observe_samples: int | None = None,
    seed: int = 0,
    checkpoint: str | Path | None = None,
    callback: Callback | None = None,
    progress: bool = True,
) -> xr.Dataset:
    """Evolve a network in real or imaginary time; the network is changed in place.

    Parameters
    ----------
    hamiltonian : Hamiltonian or callable(t) -> Hamiltonian
        The model, or a driven one (on the same sites).
    ansatz : Ansatz
        The state at ``times[0]``. Real time needs a complex one.
    times : (T,) array_like
        Times of the output, ascending, or descending to go back in real time.
    imaginary : bool
        Imaginary time.
    sampler : {"auto", "full", "metropolis", "direct"} or a sampler
        As in `ground_state`; also `Metropolis(power=...)` and `Broadened` for states with nodes.
    samples : int
        Configurations for each rate of change.
    integrator : {"euler", "heun", "rk4", "adaptive"}
        Order 1, 2, 4 with a fixed step, or Heun's method with error control.
    step : float
        Longest fixed step, or the first step of "adaptive".
    tolerance : float
        Of "adaptive": largest error of a step, as a distance of states.
    regularisation : {"pinv", "snr", "shift"}, optional
        Smooth pseudo-inverse, signal-to-noise ratio or diagonal shift. "pinv" for exact sums and
        "snr" for samples if not given.
    cutoff : float
        Relative cut-off of the eigenvalues of S by "pinv" and "snr".
    threshold : float, optional
        Signal-to-noise ratio of "snr" (2) or diagonal shift of "shift" (1e-4).
    observables : names or dict, optional
        "sigma_x", "sigma_y", "sigma_z" (means per site), "correlation" (of s, by distance), or a
        dict of operators (`Hamiltonian`) and functions of (B, N) configurations.
    observe_samples : int, optional
        Configurations for energy and observables at each time of the output, drawn separately;
        if not given, those of the rate are used.
    seed : int
        Seed of the chains.
    checkpoint : path, optional
        File that is written at each time of the output; a call with the same arguments goes on
        from it, bit for bit.
    callback : callable(number, row, ansatz), optional
        Called at each time of the output; returning True stops.
    progress : bool
        Show a progress bar.

    Returns
    -------
    Dataset
        Over ``time``: ``energy``, ``energy_stderr``, ``variance``, each observable with its
        ``_stderr``, and of the equations ``residual`` (share of the squared velocity that is
        missed), ``missed`` (its integral), ``rank``, ``condition``, ``step``, ``acceptance``,
        ``seconds``.

    Raises
    ------
    ValueError
        Options out of range, times that are not monotone, another number of sites, a real network
        in real time, a rate that is not finite, a checkpoint of another run.
    RuntimeError
        The adaptive step has become too short.

    Notes
    -----
    ``missed`` bounds the distance from the exact state (apart from the integrator's error) for
    exact sums. On samples the residual is that of the fit to the samples, which is too small when
    there are not many more samples than parameters, plus their noise.

    The step that is stable is set by the smallest eigenvalues of S that are kept: a lower cutoff
    needs shorter steps. An interrupt or error leaves the network at the end of the last whole step.

    Examples
    --------
    A spin in a field along x precesses: started along z, its magnetisation is cos(2t).

    >>> import torch, qdens_nb as qd
    >>> model, machine = qd.nqs.transverse_ising(2, h=1.0, J=0.0), qd.nqs.RBM(2, is_complex=True)
    >>> with torch.no_grad():
    ...     _ = [machine.weights.zero_(), machine.hidden_bias.zero_()]
    ...     machine.visible_bias[:] = torch.tensor([2.0, 0.0])
    >>> found = evolve(model, machine, [0, 0.5, 1.0], sampler="full", progress=False)
    >>> found.sigma_z.values.round(3).tolist(), np.cos([0, 1, 2]).round(3).tolist()
    ([0.999, 0.54, -0.416], [1.0, 0.54, -0.416])
    """
    start = clock.perf_counter()
    grid = _times(times, imaginary)
    model = hamiltonian if callable(hamiltonian) else (lambda t: hamiltonian)
    first = model(float(grid[0]))
    _check(first, ansatz, imaginary, samples, integrator, step, tolerance)
    chosen: Any = make_sampler(sampler, first, ansatz, samples, seed)  # type: ignore[arg-type]
    regularisation = regularisation or ("pinv" if chosen.exact else "snr")
    solve = {"regularisation": regularisation, "cutoff": cutoff, "threshold": threshold}
    flow = VariationalFlow(model, ansatz, chosen, samples, imaginary, solve)
    measured = make_observables(observables, first)
    options = {
        "imaginary": imaginary,
        "samples": samples,
        "observe_samples": observe_samples,
        "sampler": type(chosen).__name__,
        "integrator": integrator,
        "step": step,
        "tolerance": tolerance,
        "regularisation": regularisation,
        "cutoff": cutoff,
        "threshold": threshold,
        "seed": seed,
        "interrupted": False,
    }
    control = Adaptive(tolerance, step)
    history: dict[str, list[Any]] = {name: [] for name in RECORD}
    for name in measured:
        history |= {name: [], f"{name}_stderr": []}
    network = f"{type(ansatz).__name__} of {ansatz.parameter_count} parameters"
    about = {"times": grid.tolist(), "observables": sorted(measured), **options}
    last = model(float(grid[-1]))
    label = f"evolution, {first!r} to {last!r}, {network}, {json.dumps(about, sort_keys=True)}"
    done = 0
    if checkpoint is not None and load_checkpoint(
        checkpoint, label, ansatz, {"sampler": chosen, "control": control}, history
    ):
        done = len(history["energy"])
    t, theta, dt, missed, before_now = float(grid[0]), get_parameters(ansatz), 0.0, 0.0, 0.0
    if done:
        t, missed, before_now = float(grid[done - 1]), history["missed"][-1], history["seconds"][-1]
    bar = tqdm(total=len(grid) - 1, initial=max(done - 1, 0), desc=first.name, disable=not progress)
    try:
        # The draw of a rate is repeated from where its chains began, when a run goes on.
        chains = state_of(chosen) if checkpoint is not None else {}
        rate = flow(t, theta)
        if done:
            flow.redraw(observe_samples)
        for number, goal in list(enumerate(grid.tolist()))[done:]:
            left = 0 if number == 0 else max(1, math.ceil(abs(goal - t) / step - 1e-9))
            while t != goal:
                speed, before = flow.missed_speed, t
                if integrator == "adaptive":
                    t, theta = control.advance(flow, t, theta, goal, rate)
                else:
                    dt = (goal - t) / left
                    theta = STEPS[integrator](flow, t, theta, dt, rate)
                    left -= 1
                    t = goal if left == 0 else t + dt
                dt = t - before
                chains = state_of(chosen) if checkpoint is not None else {}
                rate = flow(t, theta)
                missed += abs(dt) * (speed + flow.missed_speed) / 2
            flow.redraw(observe_samples)
            row = flow.row() | {"missed": missed, "step": abs(dt)}
            row["seconds"] = before_now + clock.perf_counter() - start
            for name, value in (row | flow.observe(measured)).items():
                history[name].append(value)
            if checkpoint is not None:
                states = {"sampler": chains, "control": control.state()}
                save_checkpoint(checkpoint, label, ansatz, states, history)
            bar.update(number > 0)
            bar.set_postfix_str(f"t={t:.3g}, E={row['energy']:.5f}")
            if callback is not None and callback(number, row, ansatz):
                break
    except KeyboardInterrupt:
        options["interrupted"] = True
    finally:
        bar.close()
        if np.isfinite(theta).all():
            set_parameters(ansatz, theta)
    return _dataset(first, ansatz, grid, history, measured, options)


def _times(times: ArrayLike, imaginary: bool) -> np.ndarray:
    grid = np.asarray(times, dtype=float)
    apart = np.diff(grid) if grid.ndim == 1 else np.zeros(1)
    if grid.ndim != 1 or len(grid) < 2 or not np.isfinite(grid).all():
        raise ValueError("times must be a list of at least two finite numbers")
    if not ((apart > 0).all() or (apart < 0).all()):
        raise ValueError("times must ascend, or descend to go back, without repetition")
    if imaginary and apart[0] < 0:
        raise ValueError("imaginary time cannot go back: exp(+Hτ) is not bounded; let times ascend")
    return grid


def _check(
    hamiltonian: Hamiltonian,
    ansatz: Ansatz,
    imaginary: bool,
    samples: int,
    integrator: str,
    step: float,
    tolerance: float,
) -> None:
    if ansatz.sites != hamiltonian.sites:
        raise ValueError(
            f"the network has {ansatz.sites} sites, the Hamiltonian {hamiltonian.sites}"
        )
    if not ansatz.is_complex and (not imaginary or hamiltonian.is_complex):
        raise ValueError(
            "real time, and complex Hamiltonians, need phases: take a complex network "
            "(is_complex=True)"
        )
    if integrator not in (*STEPS, "adaptive"):
        raise ValueError(f"integrator={integrator!r}; expected one of {(*STEPS, 'adaptive')}")
    if samples < 2 or not step > 0 or not tolerance > 0:
        raise ValueError(
            f"samples={samples}, step={step}, tolerance={tolerance}: expected at least 2 samples, "
            "and positive numbers"
        )


def _dataset(
    hamiltonian: Hamiltonian,
    ansatz: Ansatz,
    grid: np.ndarray,
    history: dict[str, list[Any]],
    observables: Mapping[str, Observable],
    options: dict[str, Any],
) -> xr.Dataset:
    done = len(history.get("energy", []))
    data = xr.Dataset(coords={"time": grid[:done]})
    data["time"].attrs.update(
        units="1/coupling", long_name="imaginary time" if options["imaginary"] else "time"
    )
    for name, values in history.items():
        array = np.array(values)
        of = name.removesuffix("_stderr")
        inner = "distance" if of == "correlation" else f"{of}_component"
        data[name] = (("time", inner)[: array.ndim], array)
        if name in RECORD:
            data[name].attrs["long_name"] = RECORD[name]
        elif name != of:
            data[name].attrs["long_name"] = f"standard error of {of}"
        else:
            data[name].attrs["long_name"] = getattr(observables[name], "name", name)
    for name in ("energy", "energy_stderr"):
        if name in data:
            data[name].attrs["units"] = "coupling"
    data.attrs.update(
        hamiltonian=repr(hamiltonian),
        ansatz=type(ansatz).__name__,
        parameters=ansatz.parameter_count,
        engine="nqs.evolve",
        engine_version=qdens_nb.__version__,
        engine_options=json.dumps(options, sort_keys=True),
    )
    return data
