"""Quenches of a ring of ten Ising spins by a neural quantum state, against the exact magnetisation.

A restricted Boltzmann machine with complex, translation-invariant weights follows
H = -sum sz sz - h sum sx after a sudden change of h, with sums over all configurations and with
Metropolis samples of |psi|^2 and of |psi|. The exact <sx>(t) is that of free fermions; the error of
the state is measured apart from that of its estimate, by a sum over all configurations.

    python benchmarks/nqs_quench.py [--quick]
"""

from __future__ import annotations

from typing import Any

from _common import options, write_result

import numpy as np  # isort: skip

import qdens_nb as qd
from qdens_nb.nqs._dynamics import evolve
from qdens_nb.nqs._exact import exact_evolution, ising_ring_quench
from qdens_nb.nqs._initial import x_polarised
from qdens_nb.nqs._observables import magnetisation, state_vector
from qdens_nb.nqs._samplers import Metropolis
from qdens_nb.nqs._symmetry import translations

SITES, H = 10, 1.0
#: name -> field before, features, sampling (power of |psi|^2; None: full sum), options
CASES: dict[str, tuple[float, int, float | None, dict[str, Any]]] = {
    "h=2 -> 1, full sum": (2.0, 8, None, {"integrator": "rk4", "step": 0.02, "cutoff": 1e-7}),
    "h=2 -> 1, full sum, half the features": (
        2.0,
        4,
        None,
        {"integrator": "rk4", "step": 0.02, "cutoff": 1e-7},
    ),
    "x-polarised, full sum": (
        np.inf,
        8,
        None,
        {"integrator": "rk4", "step": 0.01, "cutoff": 1e-6},
    ),
    "h=2 -> 1, samples of |psi|": (2.0, 8, 0.5, {"step": 0.02, "cutoff": 1e-7}),
    "h=2 -> 1, samples of |psi|^2": (2.0, 8, 1.0, {"step": 0.02, "cutoff": 1e-7}),
}


def start(field: float, features: int, quick: bool) -> qd.nqs.RBM:
    """The state before the quench: the ground state at a field, or all spins along x."""
    machine = qd.nqs.RBM(
        SITES,
        alpha=features,
        is_complex=True,
        tied=translations(SITES),
        biases=False,
    )
    x_polarised(machine)
    if not np.isfinite(field):
        return machine
    qd.nqs.ground_state(
        qd.nqs.transverse_ising(SITES, h=field),
        machine,
        steps=60 if quick else 150,
        sampler="full",
        learning_rate=0.1,
        diagonal_shift=(1e-2, 1e-6),
        progress=False,
    )
    return machine


def quench(name: str, times: np.ndarray, quick: bool) -> tuple[dict[str, Any], dict[str, Any]]:
    """A row of the table, and the curve, of one case."""
    field, features, power, settings = CASES[name]
    machine, model = start(field, features, quick), qd.nqs.transverse_ising(SITES, h=H)
    operator = magnetisation(model).matrix()
    states = exact_evolution(model, state_vector(model, machine), times)
    of_state, infidelity = [], []

    def follow(number: int, row: dict[str, float], ansatz: qd.nqs.RBM) -> None:
        vector = state_vector(model, ansatz)
        of_state.append(float(np.vdot(vector, operator @ vector).real))
        infidelity.append(1 - abs(np.vdot(states[number], vector)) ** 2)

    sampler: Any = "full"
    samples = 0 if power is None else 400 if quick else 5000
    if power is not None:
        sampler = Metropolis(model, chains=samples // 8, power=power, seed=0)
        settings = {"regularisation": "pinv"} | settings
    found = evolve(
        model,
        machine,
        times,
        sampler=sampler,
        samples=max(samples, 2),
        observe_samples=10 * samples or None,
        observables=["sigma_x"],
        callback=follow,
        **settings,
    )
    exact = ising_ring_quench(SITES, H, times, h0=field)
    row = {
        "quench": name,
        "features": features,
        "real parameters": machine.parameter_count,
        "samples a rate": samples or "all",
        "largest error of <sx>": float(np.abs(found["sigma_x"] - exact).max()),
        "largest standard error": float(found["sigma_x_stderr"].max()),
        "largest error of <sx>, summed exactly": float(np.abs(of_state - exact).max()),
        "infidelity at the end": float(infidelity[-1]),
        "largest residual": float(found["residual"].max()),
        "spread of the energy a site": float(np.ptp(found["energy"].values) / SITES),
        "seconds": float(found["seconds"][-1]),
    }
    curve = {
        "time": times.tolist(),
        "exact": exact.tolist(),
        "sigma_x": found["sigma_x"].values.tolist(),
        "sigma_x_stderr": found["sigma_x_stderr"].values.tolist(),
        "summed": of_state,
        "infidelity": [float(value) for value in infidelity],
        "residual": found["residual"].values.tolist(),
    }
    return row, curve


def main() -> None:
    chosen = options(__doc__ or "")
    times = np.linspace(0.0, 0.1, 2) if chosen.quick else np.linspace(0.0, 2.0, 11)
    rows, curves = [], {}
    for name in CASES:
        row, curves[name] = quench(name, times, chosen.quick)
        rows.append(row)
    caption = (
        f"<sx>(t) for Jt <= 2 after a quench to h = {H:g} of a ring of {SITES} Ising spins. The "
        "seconds are those of a machine that did other work too."
    )
    write_result("nqs_quench", caption, rows, chosen, curves=curves)


if __name__ == "__main__":
    main()
