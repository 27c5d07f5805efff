"""Time evolution of networks against exact state vectors, and what samples miss at nodes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from qdens_nb.nqs import RBM, transverse_ising
from qdens_nb.nqs._ansatz import get_parameters, set_parameters
from qdens_nb.nqs._broadened import Broadened
from qdens_nb.nqs._dynamics import evolve
from qdens_nb.nqs._exact import exact_evolution, ising_ring_quench
from qdens_nb.nqs._ground_state import energy_of
from qdens_nb.nqs._hamiltonian import Hamiltonian
from qdens_nb.nqs._initial import x_polarised
from qdens_nb.nqs._jastrow import Jastrow
from qdens_nb.nqs._models import heisenberg
from qdens_nb.nqs._natural_gradient import Derivatives, derivatives
from qdens_nb.nqs._observables import Correlation, magnetisation, state_vector
from qdens_nb.nqs._projection import project
from qdens_nb.nqs._samplers import FullSum, Metropolis
from qdens_nb.nqs._symmetry import translations

QUIET = {"progress": False}


def machine(sites: int = 4, alpha: int = 3, scale: float = 0.3, **options) -> RBM:
    return RBM(sites, alpha=alpha, is_complex=True, scale=scale, seed=2, **options)


def infidelity(first: np.ndarray, second: np.ndarray) -> float:
    return 1 - abs(np.vdot(first, second)) ** 2


def expectation(operator: Hamiltonian, vector: np.ndarray) -> float:
    return float(np.vdot(vector, operator.matrix() @ vector).real)


def test_real_time_follows_the_state_vector():
    # Four spins have 16 amplitudes; 64 complex weights can follow any of them.
    model, network = transverse_ising(4, h=0.7), machine()
    before = state_vector(model, network)
    times = [0.0, 0.3, 0.6]
    found = evolve(model, network, times, sampler="full", integrator="rk4", step=0.02, **QUIET)
    exact = exact_evolution(model, before, times)
    assert infidelity(exact[-1], state_vector(model, network)) < 1e-6
    for axis in "xz":
        values = [expectation(magnetisation(model, axis), v) for v in exact]
        np.testing.assert_allclose(found[f"sigma_{axis}"], values, atol=1e-4)
    weights = np.abs(exact) ** 2
    np.testing.assert_allclose(
        found.correlation, weights @ Correlation((4,))(model.basis()), atol=1e-4
    )
    assert (found.residual < 1e-6).all()
    assert (found.energy_stderr == 0).all()


def test_imaginary_time_follows_the_state_vector():
    model, network = transverse_ising(4, h=0.7), machine()
    before = state_vector(model, network)
    options = {"sampler": "full", "integrator": "rk4", "step": 0.02, "imaginary": True}
    found = evolve(model, network, [0.0, 0.5, 1.0], **options, **QUIET)
    exact = exact_evolution(model, before, [0.0, 0.5, 1.0], imaginary=True)
    assert infidelity(exact[-1], state_vector(model, network)) < 1e-6
    assert (np.diff(found.energy) < 0).all()


def test_a_real_network_cools_but_does_not_precess():
    model, network = transverse_ising(6, h=1.0), Jastrow(6)
    with pytest.raises(ValueError, match="complex network"):
        evolve(model, network, [0.0, 1.0], **QUIET)
    found = evolve(model, network, [0.0, 1.0], imaginary=True, sampler="full", step=0.02, **QUIET)
    rates = np.gradient(found.energy.values, found.time.values)
    assert rates[0] < 0 and found.energy[1] < found.energy[0]


def test_energy_is_conserved_and_time_reverses():
    model, network = transverse_ising(4, h=1.0), machine(alpha=1)
    before = state_vector(model, network)
    options = {"sampler": "full", "integrator": "rk4", "step": 0.01}
    there = evolve(model, network, [0.0, 0.25, 0.5], **options, **QUIET)
    assert infidelity(before, state_vector(model, network)) > 0.1
    assert np.ptp(there.energy.values) < 1e-4 * abs(there.energy[0])
    back = evolve(model, network, [0.5, 0.25, 0.0], **options, **QUIET)
    assert infidelity(before, state_vector(model, network)) < 1e-6
    assert back.energy[-1] == pytest.approx(float(there.energy[0]), rel=1e-4)


@pytest.mark.parametrize("integrator, order", [("euler", 1), ("heun", 2), ("rk4", 4)])
def test_order_of_the_integrator(integrator, order):
    model, ends = transverse_ising(3, h=1.0), []
    for step in (0.05, 0.025, 0.0125):
        network = machine(3, alpha=1)
        options = {"sampler": "full", "regularisation": "shift", "threshold": 0.01}
        options |= {"integrator": integrator, "step": step, "observables": []}
        evolve(model, network, [0.0, 0.2], **options, **QUIET)
        ends.append(get_parameters(network))
    ratio = np.linalg.norm(ends[0] - ends[1]) / np.linalg.norm(ends[1] - ends[2])
    assert np.log2(ratio) == pytest.approx(order, abs=0.35)


def test_adaptive_steps_keep_the_tolerance():
    model, errors, shortest = transverse_ising(4, h=1.0), [], []
    for tolerance in (1e-2, 1e-4):
        network = machine()
        exact = exact_evolution(model, state_vector(model, network), [0.5])[0]
        options = {"sampler": "full", "integrator": "adaptive", "tolerance": tolerance}
        found = evolve(model, network, [0.0, 0.5], step=0.05, **options, **QUIET)
        errors.append(infidelity(exact, state_vector(model, network)))
        shortest.append(float(found.step[-1]))
    assert errors[1] < 1e-5 and errors[1] < errors[0]
    assert shortest[1] < shortest[0]


def test_a_driven_field():
    # One spin in a field h(t) along x turns by the angle 2 int h dt.
    x = np.array([[0.0, 1.0], [1.0, 0.0]])

    def driven(t):
        return Hamiltonian(1, [(-3 * t**2 * x, (0,)), (0 * np.diag([1.0, -1.0]), (0,))])

    network = RBM(1, is_complex=True)
    set_parameters(network, np.array([0.0, 0.0, 0.0, 0.0, 0.9, 0.0]))
    times = [0.0, 0.4, 0.8]
    options = {"sampler": "full", "integrator": "rk4", "observables": ["sigma_z", "sigma_y"]}
    found = evolve(driven, network, times, **options, **QUIET)
    turned = np.tanh(1.8) * np.cos(2 * np.array(times) ** 3)
    np.testing.assert_allclose(found.sigma_z, turned, atol=1e-5)
    # d<sz>/dt = i<[H, sz]> = -2 h <sy>
    tilted = np.tanh(1.8) * np.sin(2 * np.array(times) ** 3)
    np.testing.assert_allclose(found.sigma_y, tilted, atol=1e-5)


def test_a_quench_of_the_ising_ring():
    model, times = transverse_ising(8, h=1.0), np.linspace(0, 0.5, 3)
    network = machine(8, alpha=4, tied=translations(8), biases=False)
    x_polarised(network, scale=0.15)
    options = {"sampler": "full", "integrator": "rk4", "step": 0.0125, "cutoff": 1e-7}
    found = evolve(model, network, times, **options, **QUIET)
    np.testing.assert_allclose(found.sigma_x, ising_ring_quench(8, 1.0, times), atol=5e-3)
    assert found.sigma_x[0] == pytest.approx(1.0, abs=1e-4)
    assert found.missed[-1] < 0.2


def test_samples_follow_too():
    model, times = transverse_ising(6, h=2.0), np.linspace(0, 0.5, 3)
    network = machine(6, alpha=2, tied=translations(6), biases=False)
    x_polarised(network, scale=0.15)
    options = {"samples": 1500, "observe_samples": 10_000, "step": 0.025, "cutoff": 1e-6}
    found = evolve(model, network, times, **options, **QUIET)
    exact = ising_ring_quench(6, 2.0, times)
    assert (abs(found.sigma_x - exact) < 0.02 + 4 * found.sigma_x_stderr).all()
    assert 0 < found.sigma_x_stderr[-1] < 0.02


def test_what_the_network_cannot_follow_is_reported():
    # A product of single spins: the bonds entangle, the field does not.
    network = machine(4, alpha=1)
    parameters = np.zeros(network.parameter_count)
    parameters[-8:] = [0.3, 0.1, -0.2, 0.4, 0.5, 0.0, 0.1, -0.3]
    for J, followed in ((0.0, True), (1.0, False)):
        set_parameters(network, parameters)
        model = transverse_ising(4, h=1.0, J=J)
        options = {"sampler": "full", "step": 1e-3, "integrator": "euler"}
        found = evolve(model, network, [0.0, 1e-3], **options, **QUIET)
        assert (found.residual[0] < 1e-10) == followed


def test_the_missed_velocity_bounds_the_error():
    model, network = transverse_ising(6, h=1.0), machine(6, alpha=1, scale=0.2)
    exact = exact_evolution(model, state_vector(model, network), [0.4])[0]
    found = evolve(model, network, [0.0, 0.4], sampler="full", integrator="rk4", **QUIET)
    overlap = abs(np.vdot(exact, state_vector(model, network)))
    assert np.arccos(min(overlap, 1.0)) < found.missed[-1] + 1e-3


def bell(offset: float = 0.0) -> RBM:
    """cosh(iπ/4 (s1 + s2)): (|+-> + |-+>)/√2, with nodes where the spins are equal."""
    network = RBM(2, alpha=1, is_complex=True, biases=False)
    weights = np.zeros((2, 2, 2))
    weights[0, :, 1] = np.pi / 4 - offset
    set_parameters(network, weights.ravel())
    return network


def equations(sampler, network, samples: int) -> tuple[np.ndarray, np.ndarray]:
    """S and F of a draw."""
    draw = sampler.draw(network, samples)
    system = derivatives(network, draw.configs, draw.weights)
    force = system.adjoint(system.residuals(draw.energies, draw.weights))
    return system.metric(), force


def test_samples_of_psi_squared_miss_the_nodes():
    # H|ψ> leads to |++> and |-->, where ψ = 0: the samples see an eigenstate that never moves.
    model = transverse_ising(2, h=1.0)
    plain = Metropolis(model, chains=100)
    broadened = Broadened(Metropolis(model, chains=100), share=0.3)
    for exact, biased, remedy in zip(
        equations(FullSum(model), bell(), 0),
        equations(plain, bell(), 4000),
        equations(broadened, bell(), 4000),
        strict=True,
    ):
        assert np.linalg.norm(exact) > 1 and np.linalg.norm(biased) < 1e-12
        np.testing.assert_allclose(remedy, exact, atol=0.1 * np.abs(exact).max())

    options = {"samples": 2000, "regularisation": "pinv", "observables": ["correlation"]}
    start = state_vector(model, bell())
    moved = exact_evolution(model, start, [0.2])[0]
    ends = []
    for sampler in (plain, broadened):
        network = bell()
        evolve(model, network, [0.0, 0.2], sampler=sampler, **options, **QUIET)
        ends.append(state_vector(model, network))
    assert infidelity(start, moved) > 0.1
    assert infidelity(ends[0], start) < 1e-10
    assert infidelity(ends[1], moved) < 0.01


def test_a_power_tames_the_tails_near_a_node():
    # Close to a node the samples of |ψ|² are rare there and heavy: the force scatters more.
    model, network = transverse_ising(2, h=1.0), bell(offset=0.01)
    exact = equations(FullSum(model), network, 0)[1]
    spread = {}
    for power in (1.0, 0.5):
        found = [
            equations(Metropolis(model, chains=50, power=power, seed=seed), network, 1000)[1]
            for seed in range(12)
        ]
        spread[power] = np.sqrt(np.mean(np.abs(np.array(found) - exact) ** 2))
    assert spread[0.5] < 0.5 * spread[1.0]


def test_weights_undo_the_power():
    model, network = transverse_ising(4, h=1.0), machine()
    exact = FullSum(model).draw(network)
    energy = np.sum(exact.weights * exact.energies).real
    for sampler in (
        Metropolis(model, chains=200, power=0.4),
        Broadened(Metropolis(model, chains=200), share=0.4),
    ):
        draw = sampler.draw(network, 20_000)
        estimate = energy_of(draw, sampler)
        assert abs(estimate.mean.real - energy) < 4 * estimate.stderr
        assert draw.weights.sum() == pytest.approx(1)
        assert np.sum(draw.weights * draw.energies).real == pytest.approx(energy, abs=0.15)
        keys, place = np.unique(draw.configs, axis=0, return_inverse=True)
        found = np.bincount(place.ravel(), draw.weights)
        basis = {tuple(config): weight for config, weight in zip(*exact[:2], strict=True)}
        np.testing.assert_allclose(found, [basis[tuple(key)] for key in keys], atol=0.02)


def test_broadened_draws_keep_a_conserved_total():
    model = heisenberg(4)
    network = machine()
    draw = Broadened(Metropolis(model, chains=50), share=0.5).draw(network, 2000)
    assert (draw.configs.sum(1) == 0).all()
    exact = FullSum(model).draw(network)
    means = [one.weights @ (one.configs[:, 0] * one.configs[:, 1]) for one in (draw, exact)]
    assert means[0] == pytest.approx(means[1], abs=0.08)


def test_the_filters_agree_where_nothing_is_to_filter():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(40, 3)) + 1j * rng.normal(size=(40, 3))
    values, weights = rng.normal(size=40) + 1j * rng.normal(size=40), np.full(40, 1 / 40)
    for holomorphic in (True, False):
        system = Derivatives(rows, weights, holomorphic)
        target = system.residuals(-1j * values, weights)
        expected = np.linalg.lstsq(system.matrix, target)[0]
        for options in ({}, {"regularisation": "snr", "threshold": 1e-3, "chains": 40}):
            found = project(system, target, **options)
            np.testing.assert_allclose(found.rate, system.pack(expected), rtol=1e-6)
        shifted = project(system, target, regularisation="shift", threshold=1e-9)
        np.testing.assert_allclose(shifted.rate, system.pack(expected), rtol=1e-6)


def test_noise_is_filtered_and_signal_is_kept():
    # Values that follow the first derivative; those of the others are pure noise.
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(2000, 12)) * np.linspace(2, 1, 12)
    values = 0.1 * rows[:, 0] + rng.normal(size=2000)
    system = Derivatives(rows, np.full(2000, 1 / 2000))
    target = system.residuals(values, np.full(2000, 1 / 2000))
    plain = project(system, target)
    snr = project(system, target, regularisation="snr", threshold=3.0, chains=2000)
    wanted = np.eye(12)[0] * 0.1
    assert snr.rank < plain.rank == 12
    assert np.linalg.norm(snr.rate - wanted) < 0.7 * np.linalg.norm(plain.rate - wanted)


def test_few_samples_and_many_parameters_give_the_same_rate():
    model, network = transverse_ising(4, h=1.0), machine(alpha=4)
    draw = FullSum(model).draw(network)
    holomorphic = derivatives(network, draw.configs, draw.weights)
    assert holomorphic.shape[0] < holomorphic.shape[1]
    target = holomorphic.residuals(-1j * draw.energies, draw.weights)
    by_pairs = Derivatives(network.log_derivatives(draw.configs), draw.weights)
    both = by_pairs.residuals(-1j * draw.energies, draw.weights)
    found, again = project(holomorphic, target), project(by_pairs, both)
    np.testing.assert_allclose(found.rate, again.rate, atol=1e-4 * np.abs(found.rate).max())


def test_the_polarised_machine_has_no_field_or_bond():
    basis = transverse_ising(6).basis()
    logs = x_polarised(machine(6, alpha=4), scale=0.1).log_psi(basis)
    assert np.ptp(logs.real) < 1e-3 and np.ptp(logs.imag) < 1e-3
    with pytest.raises(ValueError, match="ground_state"):
        x_polarised(Jastrow(6))


def test_an_eigenstate_stands_still():
    model, network = transverse_ising(4, h=1.0, J=0.0), machine()
    set_parameters(network, np.zeros(network.parameter_count))
    found = evolve(model, network, [0.0, 0.1], sampler="full", **QUIET)
    np.testing.assert_allclose(found.energy, -4.0)
    np.testing.assert_allclose(found.sigma_x, 1.0)
    assert np.isnan(found.residual).all()


def test_own_observables_and_an_early_end():
    model, network = transverse_ising(4, h=1.0), machine()
    observables = {"first": lambda configs: configs[:, 0], "all": lambda configs: configs}
    found = evolve(
        model,
        network,
        [0.0, 0.1, 0.2, 0.3],
        samples=400,
        step=0.05,
        observables=observables,
        callback=lambda number, row, ansatz: number == 1,
        **QUIET,
    )
    assert found.sizes["time"] == 2 and found["all"].shape == (2, 4)
    np.testing.assert_allclose(found["first"], found["all"][:, 0])
    assert (found.all_stderr > 0).all()


@pytest.mark.parametrize(
    "options, message",
    [
        ({"times": [0.0]}, "at least two"),
        ({"times": [0.0, 1.0, 0.5]}, "ascend"),
        ({"times": [1.0, 0.0], "imaginary": True}, "cannot go back"),
        ({"integrator": "leapfrog"}, "integrator"),
        ({"regularisation": "ridge"}, "regularisation"),
        ({"cutoff": 2.0}, "cutoff"),
        ({"step": 0.0}, "step"),
        ({"observables": ["energy"]}, "observable"),
    ],
)
def test_wrong_options_are_named(options, message):
    options = {"times": [0.0, 0.1], "samples": 50} | options
    with pytest.raises(ValueError, match=message):
        evolve(transverse_ising(4), machine(), **options, **QUIET)
    with pytest.raises(ValueError, match="sites"):
        evolve(transverse_ising(5), machine(), [0.0, 1.0], **QUIET)
    with pytest.raises(ValueError, match="power"):
        Metropolis(transverse_ising(4), power=0.0)


@pytest.mark.parametrize(
    ("sampler", "integrator"), [("metropolis", "heun"), ("metropolis", "adaptive"), ("full", "rk4")]
)
def test_interrupted_evolution_goes_on_as_if_nothing_had_happened(
    sampler: str, integrator: str, tmp_path: Path
) -> None:
    model, path = transverse_ising(6, h=1.0), tmp_path / "run.npz"
    options: dict[str, Any] = {
        "sampler": sampler,
        "integrator": integrator,
        "samples": 200,
        "observe_samples": 400,
        "observables": ["sigma_x", "correlation"],
        "step": 0.05,
        "tolerance": 0.05,
        "progress": False,
    }
    grid = np.linspace(0.0, 0.4, 5)

    whole = evolve(model, machine(6, 1), grid, **options)
    for last in (0, 2, 4):
        evolve(
            model,
            machine(6, 1),
            grid,
            checkpoint=path,
            callback=lambda number, row, ansatz, last=last: number == last,
            **options,
        )
    resumed = evolve(model, machine(6, 1), grid, checkpoint=path, **options)
    xr.testing.assert_identical(resumed.drop_vars("seconds"), whole.drop_vars("seconds"))
    with pytest.raises(ValueError, match="of another run"):
        evolve(model, machine(6, 1), grid[:-1], checkpoint=path, **options)
