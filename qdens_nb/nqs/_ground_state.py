r"""The optimisation loop: sample, local energies, step, history.

The energy is the loss, :math:`⟨H⟩ = \sum_s p_s E_{loc}(s)` with :math:`p_s ∝ |ψ_s|^2`, estimated
on samples; its gradient is :math:`2\,\mathrm{Re}⟨(O - ⟨O⟩)^† E_{loc}⟩`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from threadpoolctl import threadpool_limits
from tqdm.auto import tqdm

import qdens_nb
from qdens_nb.nqs._ansatz import Ansatz, get_parameters, set_parameters
from qdens_nb.nqs._checkpoint import load_checkpoint, save_checkpoint, state_of
from qdens_nb.nqs._diagnostics import Estimate, summarize, v_score
from qdens_nb.nqs._exact import reference_energy
from qdens_nb.nqs._hamiltonian import Hamiltonian
from qdens_nb.nqs._optimizers import default_rate, default_shift, make_optimizer
from qdens_nb.nqs._samplers import Draw, FullSum, Metropolis, Sampler, make_sampler
from qdens_nb.nqs._schedule import Schedule, schedule

#: of each step: units and what it is
HISTORY = {
    "energy": "mean local energy of the samples",
    "energy_stderr": "standard error of the energy",
    "variance": "variance of the local energy",
    "v_score": "sites Var / E^2",
    "rhat": "split R-hat of the local energy over the chains",
    "acceptance": "share of accepted proposals",
    "step_norm": "length of the step of the parameters",
    "learning_rate": "learning rate",
    "diagonal_shift": "shift of the quantum geometric tensor",
    "seconds": "wall time since the start",
}
SMALL_BATCH = 2000
Callback = Callable[[int, dict[str, float], Ansatz], bool | None]


def ground_state(
    hamiltonian: Hamiltonian,
    ansatz: Ansatz,
    *,
    steps: int = 300,
    samples: int = 1000,
    seed: int = 0,
    sampler: str | Sampler = "auto",
    optimizer: str = "sr",
    learning_rate: Schedule | None = None,
    diagonal_shift: Schedule | None = None,
    momentum: float | None = None,
    method: str = "auto",
    final_samples: int | None = None,
    checkpoint: str | Path | None = None,
    callback: Callback | None = None,
    progress: bool = True,
) -> xr.Dataset:
    """Optimise a network as the ground state of a Hamiltonian; the network is changed in place.

    Parameters
    ----------
    hamiltonian : Hamiltonian
        From `transverse_ising`, `heisenberg`, `j1j2`, ... or of your own.
    ansatz : Ansatz
        The network: `RBM`, `CNN`, `Autoregressive`, ...
    steps, samples : int
        Steps of the optimisation, and configurations a step.
    seed : int
        Seed of the chains; the network has its own.
    sampler : {"auto", "full", "metropolis", "direct"} or a sampler
        "full" sums over all configurations; "auto" draws directly where the network can and by
        Metropolis chains (a quarter of `samples` of them) elsewhere.
    optimizer : {"sr", "sgd", "adam"}
        Stochastic reconfiguration or a plain gradient.
    learning_rate, diagonal_shift : float, (first, last) or function of the step
        A pair is a geometric schedule. The defaults are 0.05 for "sgd" and 0.005 for "adam";
        for "sr" the rate (0.1, 0.01) and the shift (0.01, 0.001) where ψ > 0, and the gentler
        (0.03, 0.01) and (0.01, 0.003) for a complex network: near its nodes local energies are
        large.
    momentum : float, optional
        SPRING's momentum for "sr" (0.9 where ψ > 0, else 0), the heavy ball for "sgd".
    method : {"auto", "dense", "minsr", "cg"}
        How the equations of "sr" are solved; "auto" takes the cheaper by shape.
    final_samples : int, optional
        Fresh samples of the final estimate, 20 times `samples` by default.
    checkpoint : path, optional
        File that is written now and then and at an interrupt; a call with the same arguments
        goes on from it, bit for bit.
    callback : callable(step, row, ansatz), optional
        Called after each step with the row of the history; returning True stops.
    progress : bool
        Show a progress bar.

    Returns
    -------
    Dataset
        ``energy(step)``, ``energy_stderr(step)``, ``variance``, ``v_score``, ``rhat``,
        ``acceptance``, ``step_norm``, ``learning_rate``, ``diagonal_shift``, ``seconds``; of fresh
        samples ``final_energy``, ``final_energy_stderr``, ``final_variance``, ``final_v_score``,
        ``final_rhat``, ``final_autocorrelation_time``; ``exact_energy`` where a reference is
        known.

    Raises
    ------
    ValueError
        Options that contradict each other, another number of sites, parameters that are no
        longer finite (the step was too long), a checkpoint of another run.

    Notes
    -----
    An interrupt from the keyboard ends the optimisation early and returns what there is.

    Examples
    --------
    >>> import qdens_nb as qd
    >>> model, machine = qd.nqs.transverse_ising(8, h=1.0), qd.nqs.RBM(8, alpha=1)
    >>> found = qd.nqs.ground_state(model, machine, steps=60, sampler="full", progress=False)
    >>> error = float(found.final_energy / found.exact_energy - 1)
    >>> abs(error) < 1e-3
    True
    """
    _check(hamiltonian, ansatz, steps, samples)
    start = time.perf_counter()
    chosen = make_sampler(sampler, hamiltonian, ansatz, samples, seed)
    gentle = ansatz.is_complex or not hamiltonian.is_stoquastic
    if momentum is None:
        momentum = 0.9 if optimizer == "sr" and not gentle else 0.0
    mover = make_optimizer(optimizer, ansatz, method=method, momentum=momentum)
    rate = schedule(learning_rate or default_rate(optimizer, gentle), steps, "learning_rate")
    shift = schedule(diagonal_shift or default_shift(gentle), steps, "diagonal_shift")
    options = {
        "steps": steps,
        "samples": samples,
        "seed": seed,
        "optimizer": optimizer,
        "momentum": momentum,
        "method": method,
        "sampler": type(chosen).__name__,
    }
    history: dict[str, list[float]] = {name: [] for name in HISTORY}
    label = _label(hamiltonian, ansatz, options)
    if checkpoint is not None:
        owners = {"sampler": chosen, "optimizer": mover}
        load_checkpoint(checkpoint, label, ansatz, owners, history)
    before = history["seconds"][-1] if history["seconds"] else 0.0

    def save() -> None:
        if checkpoint is not None:
            states = {"sampler": state_of(chosen), "optimizer": mover.state()}
            save_checkpoint(checkpoint, label, ansatz, states, history)

    done, interrupted = len(history["energy"]), False
    bar = tqdm(total=steps, initial=done, desc=f"{hamiltonian.name}", disable=not progress)
    try:
        with blas_threads(samples):
            for step in range(done, steps):
                draw = chosen.draw(ansatz, samples)
                if not np.isfinite(draw.energies).all():
                    raise ValueError(
                        f"local energies of step {step} are not finite: the steps were too long; "
                        "lower learning_rate or momentum, or raise diagonal_shift"
                    )
                found = energy_of(draw, chosen)
                change = mover.step(ansatz, draw, rate(step), shift(step))
                row = {
                    **_energy_row(found, hamiltonian.sites),
                    "acceptance": draw.acceptance,
                    "step_norm": float(np.linalg.norm(change)),
                    "learning_rate": rate(step),
                    "diagonal_shift": shift(step),
                    "seconds": before + time.perf_counter() - start,
                }
                set_parameters(ansatz, get_parameters(ansatz) - change)
                for name, value in row.items():
                    history[name].append(value)
                bar.update()
                if step % 10 == 9:
                    bar.set_postfix_str(f"E={row['energy']:.5f}±{row['energy_stderr']:.5f}")
                if (step + 1) % 50 == 0:
                    save()
                if callback is not None and callback(step, row, ansatz):
                    break
    except KeyboardInterrupt:
        interrupted = True
    finally:
        bar.close()
    save()
    final = estimate_energy(
        hamiltonian,
        ansatz,
        samples=final_samples or 20 * samples,
        seed=seed + 1,
        sampler=sampler if isinstance(sampler, str) else chosen,
    )
    options["interrupted"] = interrupted
    return _dataset(hamiltonian, ansatz, history, final, options)


def blas_threads(samples: int) -> Any:
    """One BLAS thread for small batches: starting and spinning threads costs more than it gives."""
    return threadpool_limits(limits=1 if samples <= SMALL_BATCH else None, user_api="blas")


def estimate_energy(
    hamiltonian: Hamiltonian,
    ansatz: Ansatz,
    *,
    samples: int = 20_000,
    seed: int = 0,
    sampler: str | Sampler = "auto",
) -> Estimate:
    """Energy of a network on fresh samples: ``mean``, ``stderr``, ``variance``, ``rhat``, ...

    Metropolis chains start anew, burn in for 200 sweeps and take four sweeps from draw to draw.

    Parameters
    ----------
    hamiltonian, ansatz
        Hamiltonian and network.
    samples, seed : int
        Number of configurations, and seed.
    sampler : {"auto", "full", "metropolis", "direct"} or a sampler
        As in `ground_state`.
    """
    chosen = make_sampler(sampler, hamiltonian, ansatz, samples, seed)
    if isinstance(chosen, Metropolis):
        chains = min(chosen.chains, max(1, samples // 40))
        chosen = Metropolis(
            hamiltonian,
            chains=chains,
            sweeps=4 * chosen.sweeps,
            moves="exchange" if chosen.exchange else "flip",
            seed=seed,
            burn_in=200,
        )
    return energy_of(chosen.draw(ansatz, samples), chosen)


def energy_of(draw: Draw, sampler: Sampler) -> Estimate:
    """Mean local energy of a draw with its error bar."""
    if isinstance(sampler, FullSum):
        return summarize(draw.energies, draw.weights, exact=True)
    weights = draw.weights.reshape(draw.series.shape)
    return summarize(draw.series, weights if np.ptp(weights) else None)


def _energy_row(found: Estimate, sites: int) -> dict[str, float]:
    energy = float(np.real(found.mean))
    return {
        "energy": energy,
        "energy_stderr": found.stderr,
        "variance": found.variance,
        "v_score": float(v_score(energy, found.variance, sites)),
        "rhat": found.rhat,
    }


def _check(hamiltonian: Hamiltonian, ansatz: Ansatz, steps: int, samples: int) -> None:
    if ansatz.sites != hamiltonian.sites:
        raise ValueError(
            f"the network has {ansatz.sites} sites, the Hamiltonian {hamiltonian.sites}"
        )
    if steps < 1 or samples < 2:
        raise ValueError(f"steps={steps}, samples={samples}: expected at least 1 and 2")
    if hamiltonian.is_complex and not ansatz.is_complex:
        raise ValueError(
            "the Hamiltonian has complex elements; take a complex network (is_complex=True)"
        )


def _label(hamiltonian: Hamiltonian, ansatz: Ansatz, options: dict[str, Any]) -> str:
    what = {
        "hamiltonian": repr(hamiltonian),
        "ansatz": type(ansatz).__name__,
        "parameters": ansatz.parameter_count,
        **{name: value for name, value in options.items() if name != "steps"},
    }
    return json.dumps(what, sort_keys=True)


def _dataset(
    hamiltonian: Hamiltonian,
    ansatz: Ansatz,
    history: dict[str, list[float]],
    final: Estimate,
    options: dict[str, Any],
) -> xr.Dataset:
    data = xr.Dataset(coords={"step": np.arange(len(history["energy"]))})
    for name, values in history.items():
        data[name] = ("step", np.array(values, float))
        data[name].attrs["long_name"] = HISTORY[name]
    row = _energy_row(final, hamiltonian.sites)
    for name, value in row.items():
        data[f"final_{name}"] = value
        data[f"final_{name}"].attrs["long_name"] = f"{HISTORY[name]}, fresh samples"
    data["final_autocorrelation_time"] = final.tau
    exact = reference_energy(hamiltonian.name, hamiltonian.shape, hamiltonian.couplings)
    if exact is not None and hamiltonian.total in (None, 0):
        data["exact_energy"] = exact
    for name in ("energy", "energy_stderr", "final_energy", "final_energy_stderr"):
        data[name].attrs["units"] = "coupling"
    data.attrs.update(
        hamiltonian=repr(hamiltonian),
        ansatz=type(ansatz).__name__,
        parameters=ansatz.parameter_count,
        engine="nqs.ground_state",
        engine_version=qdens_nb.__version__,
        engine_options=json.dumps(options, sort_keys=True),
    )
    return data
