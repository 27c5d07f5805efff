"""Machines, samplers, equations of the step and the optimisation loop, against exact sums."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import chi2

from qdens_nb import nqs
from qdens_nb.nqs._ansatz import Ansatz, get_parameters, set_parameters
from qdens_nb.nqs._local_energy import _local_energy
from qdens_nb.nqs._natural_gradient import Derivatives
from qdens_nb.nqs._samplers import Metropolis


def machines(shape):
    """One machine of each kind, with weights large enough to matter."""
    sites = int(np.prod(shape))
    shifts, turns, flip = nqs.translations(shape), nqs.point_group(shape), nqs.spin_flip(sites)
    return {
        "real": nqs.RBM(shape, 2, scale=0.3),
        "complex": nqs.RBM(shape, 2, scale=0.3, is_complex=True),
        "tied": nqs.RBM(shape, 2, scale=0.1, tied=shifts),
        "tied to a flip": nqs.RBM(shape, 1, scale=0.1, tied=shifts @ flip),
        "projected": nqs.RBM(shape, 1, scale=0.1, projection=turns @ flip, is_complex=True),
        "both": nqs.RBM(shape, 2, scale=0.1, tied=shifts, projection=turns, is_complex=True),
    }


KINDS = list(machines((2, 3)))


def exact_weights(ansatz, basis):
    weights = np.exp(2 * ansatz.log_psi(basis).real)
    return weights / weights.sum()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "model", [nqs.transverse_ising((2, 3), h=0.7), nqs.j1j2((2, 4), J2=0.4)], ids=lambda m: m.name
)
def test_look_up_tables_give_the_local_energies_of_the_network(model, kind):
    machine = machines(model.shape)[kind]
    configs = model.random_configs(20, np.random.default_rng(0))
    wanted = _local_energy(model, machine, configs)
    np.testing.assert_allclose(nqs.local_energy(model, machine, configs), wanted, atol=1e-9)


def test_look_up_tables_know_bosons():
    model = nqs.bose_hubbard((2, 2), U=3.0, V=0.5, mu=1.0, n_max=3)
    machine = nqs.RBM((2, 2), 2, scale=0.3)
    configs = model.random_configs(20, np.random.default_rng(0))
    wanted = _local_energy(model, machine, configs)
    np.testing.assert_allclose(nqs.local_energy(model, machine, configs), wanted, atol=1e-10)


def test_a_user_defined_term_on_three_sites_takes_the_general_path():
    x = np.array([[0.0, 1.0], [1.0, 0.0]])
    model = nqs.Hamiltonian(5, [(np.kron(np.kron(x, x), x), (0, 2, 3)), (x, (1,))])
    machine = nqs.RBM(5, 1, scale=0.3)
    basis = model.basis()
    psi = np.exp(machine.log_psi(basis))
    wanted = (model.matrix() @ psi) / psi
    np.testing.assert_allclose(nqs.local_energy(model, machine, basis), wanted, atol=1e-10)


@pytest.mark.parametrize("kind", KINDS)
def test_derivatives_are_those_of_automatic_differentiation(kind):
    machine = machines((2, 3))[kind]
    configs = nqs.transverse_ising((2, 3)).random_configs(7, np.random.default_rng(1))
    wanted = Ansatz.log_derivatives(machine, configs)
    np.testing.assert_allclose(machine.log_derivatives(configs), wanted, atol=1e-11)


@pytest.mark.parametrize("kind", ["real", "complex", "both"])
@pytest.mark.parametrize(
    "model",
    [
        nqs.transverse_ising((2, 3)),
        nqs.heisenberg((2, 4)),
        nqs.bose_hubbard(4, U=3.0, mu=1.0, n_max=2),
        nqs.bose_hubbard(4, U=3.0, n_max=2, particles=4),
    ],
    ids=["flip", "exchange", "bosons", "canonical bosons"],
)
def test_chains_sample_psi_squared(model, kind):
    machine = machines(model.shape)[kind]
    basis = model.basis()
    weights = exact_weights(machine, basis)
    draw = Metropolis(model, chains=500, sweeps=30, seed=3).draw(machine, 20_000)
    places = {row.tobytes(): k for k, row in enumerate(basis)}
    counts = np.bincount([places[row.tobytes()] for row in draw.configs], minlength=len(basis))
    expected = weights * len(draw.configs)
    common = expected > 5
    observed = np.append(counts[common], counts[~common].sum())
    wanted = np.append(expected[common], expected[~common].sum())
    kept = wanted > 0
    score = np.sum((observed - wanted)[kept] ** 2 / wanted[kept])
    assert 1e-4 < chi2.sf(score, kept.sum() - 1) < 1 - 1e-4


def test_chains_of_any_network_sample_psi_squared():
    model = nqs.heisenberg(4)
    network = nqs.FeedForward(4, widths=(8,))
    weights = exact_weights(network, model.basis())
    draw = Metropolis(model, chains=2000, sweeps=10, seed=1).draw(network, 4000)
    places = {row.tobytes(): k for k, row in enumerate(model.basis())}
    counts = np.bincount([places[row.tobytes()] for row in draw.configs], minlength=len(weights))
    expected = weights * len(draw.configs)
    assert chi2.sf(np.sum((counts - expected) ** 2 / expected), len(weights) - 1) > 1e-4


def test_the_number_of_threads_does_not_change_the_chains():
    torch = pytest.importorskip("torch")
    model, machine = nqs.heisenberg(8), nqs.RBM(8, 2, scale=0.3)
    before = torch.get_num_threads()
    found = []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            found.append(Metropolis(model, chains=100, seed=5).draw(machine, 400).configs)
    finally:
        torch.set_num_threads(before)
    np.testing.assert_array_equal(*found)


@pytest.mark.parametrize("kind", KINDS)
def test_all_solvers_of_the_step_agree(kind):
    model, machine = nqs.j1j2((2, 4), J2=0.4), machines((2, 4))[kind]
    draw = Metropolis(model, chains=60, seed=0).draw(machine, 240)
    system = nqs.derivatives(machine, draw.configs, draw.weights)
    residuals = system.residuals(draw.energies, draw.weights)
    previous = 0.1 * np.random.default_rng(0).normal(size=machine.parameter_count)
    steps = [
        nqs.natural_gradient(
            system, residuals, shift=0.01, method=method, previous=previous, momentum=0.5
        )
        for method in ("dense", "minsr", "cg")
    ]
    np.testing.assert_allclose(steps[1], steps[0], atol=1e-7)
    np.testing.assert_allclose(steps[2], steps[0], atol=1e-3 * np.abs(steps[0]).max())
    # Real parameters, rows split into real and imaginary parts: the same step.
    plain = Derivatives(Ansatz.log_derivatives(machine, draw.configs), draw.weights)
    again = nqs.natural_gradient(
        plain,
        plain.residuals(draw.energies, draw.weights),
        shift=0.01,
        method="dense",
        previous=previous,
        momentum=0.5,
    )
    np.testing.assert_allclose(again, steps[0], atol=1e-7)


@pytest.mark.parametrize("is_complex", [False, True])
def test_the_factored_machine_is_the_formed_matrix(is_complex):
    machine = nqs.RBM(6, 2, scale=0.3, is_complex=is_complex)
    configs = nqs.transverse_ising(6).random_configs(30, np.random.default_rng(0))
    weights = np.random.default_rng(1).dirichlet(np.ones(30))
    system = machine.derivatives(configs, weights)
    matrix, vector = system.matrix, np.arange(30.0)
    np.testing.assert_allclose(system.gram(), matrix @ matrix.conj().T, atol=1e-12)
    np.testing.assert_allclose(system.adjoint(vector), matrix.conj().T @ vector, atol=1e-11)
    step = np.arange(matrix.shape[1]) * 0.01
    np.testing.assert_allclose(system.apply(step), matrix @ step, atol=1e-11)


def test_gradient_is_the_derivative_of_the_energy():
    from qdens_nb.nqs._optimizers import energy_gradient
    from qdens_nb.nqs._samplers import FullSum

    model, machine = nqs.j1j2((2, 2), J2=0.3, marshall=False), nqs.RBM(4, 1, is_complex=True)
    sampler = FullSum(model)

    def energy():
        draw = sampler.draw(machine)
        return float((draw.weights @ draw.energies).real)

    gradient = energy_gradient(machine, sampler.draw(machine))
    start = get_parameters(machine)
    for place in (0, 5, len(start) - 1):
        moved = []
        for sign in (1, -1):
            changed = start.copy()
            changed[place] += sign * 1e-5
            set_parameters(machine, changed)
            moved.append(energy())
        set_parameters(machine, start)
        assert gradient[place] == pytest.approx((moved[0] - moved[1]) / 2e-5, abs=1e-6)


def test_a_sum_over_orbits_is_the_sum_over_all():
    from qdens_nb.nqs._samplers import FullSum

    model = nqs.j1j2((2, 4), J2=0.4)
    group = nqs.translations((2, 4)) @ nqs.point_group((2, 4)) @ nqs.spin_flip(8)
    machine = nqs.RBM((2, 4), scale=0.3, projection=group, is_complex=True)
    whole, orbits = FullSum(model).draw(machine), FullSum(model, group).draw(machine)
    assert len(orbits.configs) < len(whole.configs) / 5
    assert orbits.weights @ orbits.energies == pytest.approx(whole.weights @ whole.energies)
    metrics = [nqs.derivatives(machine, d.configs, d.weights).metric() for d in (whole, orbits)]
    np.testing.assert_allclose(*metrics, atol=1e-10)


def test_an_eigenstate_has_no_variance_and_no_force():
    # The x-polarised state is the ground state of a field alone.
    model, machine = nqs.transverse_ising(6, h=1.0, J=0.0), nqs.RBM(6, 1, scale=1e-9)
    estimate = nqs.estimate_energy(model, machine, sampler="full")
    assert estimate.mean == pytest.approx(-6.0, abs=1e-9)
    assert estimate.variance < 1e-12


def test_ground_state_of_the_critical_ring():
    model, machine = nqs.transverse_ising(10, h=1.0), nqs.RBM(10, alpha=1)
    found = nqs.ground_state(model, machine, steps=150, samples=500, seed=0, progress=False)
    assert found.sizes["step"] == 150
    error = float(found.final_energy - found.exact_energy)
    assert error / abs(found.exact_energy) < 3e-4
    assert error > -3 * float(found.final_energy_stderr)
    assert float(found.final_rhat) < 1.05 and 0 < float(found.final_v_score) < 1e-2


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_plain_gradients_descend_too(optimizer):
    model, machine = nqs.transverse_ising(8, h=1.0), nqs.RBM(8, alpha=1)
    found = nqs.ground_state(
        model, machine, steps=200, sampler="full", optimizer=optimizer, progress=False
    )
    assert abs(float(found.final_energy / found.exact_energy) - 1) < 0.02


def test_the_same_seed_gives_the_same_history():
    model = nqs.heisenberg(8)
    first, second = (
        nqs.ground_state(model, nqs.RBM(8), steps=5, samples=100, seed=4, progress=False)
        for _ in range(2)
    )
    np.testing.assert_array_equal(first.energy, second.energy)


@pytest.mark.parametrize("optimizer", ["sr", "adam", "sgd"])
def test_a_killed_run_goes_on_bit_for_bit(tmp_path, optimizer):
    model, path = nqs.transverse_ising(6), tmp_path / "run.npz"
    options = {"steps": 12, "samples": 80, "optimizer": optimizer, "progress": False}
    whole = nqs.ground_state(model, nqs.RBM(6), **options)

    def stop(step, row, ansatz):
        return step == 5

    nqs.ground_state(model, nqs.RBM(6), checkpoint=path, callback=stop, **options)
    again = nqs.ground_state(model, nqs.RBM(6), checkpoint=path, **options)
    np.testing.assert_array_equal(again.energy, whole.energy)
    with pytest.raises(ValueError, match="of another run"):
        nqs.ground_state(nqs.transverse_ising(6, h=2.0), nqs.RBM(6), checkpoint=path, **options)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ValueError, match="damaged"):
        nqs.ground_state(model, nqs.RBM(6), checkpoint=path, **options)


def test_an_interrupt_keeps_what_there_is():
    def interrupt(step, row, ansatz):
        if step == 3:
            raise KeyboardInterrupt

    found = nqs.ground_state(
        nqs.transverse_ising(6),
        nqs.RBM(6),
        steps=20,
        samples=80,
        callback=interrupt,
        progress=False,
    )
    assert found.sizes["step"] == 4 and '"interrupted": true' in found.attrs["engine_options"]


def test_errors_say_what_to_do():
    model = nqs.transverse_ising(6)
    with pytest.raises(ValueError, match="the network has 5 sites"):
        nqs.ground_state(model, nqs.RBM(5))
    with pytest.raises(ValueError, match="optimizer='newton'"):
        nqs.ground_state(model, nqs.RBM(6), optimizer="newton")
    with pytest.raises(ValueError, match="no direct sampling"):
        nqs.ground_state(model, nqs.RBM(6), sampler="direct")
    with pytest.raises(ValueError, match="take a complex network"):
        nqs.ground_state(nqs.tv_chain(np.zeros(6), particles=3, flux=0.3), nqs.RBM(6))
    with pytest.raises(ValueError, match="not conserve the total"):
        Metropolis(nqs.heisenberg(6), moves="flip")
    with pytest.raises(ValueError, match="single configuration"):
        Metropolis(nqs.heisenberg(6, total=6))
    with pytest.raises(ValueError, match="learning_rate"):
        nqs.ground_state(model, nqs.RBM(6), learning_rate=-1.0)
    with pytest.raises(ValueError, match="must be positive"):
        nqs.natural_gradient(Derivatives(np.eye(3), np.ones(3) / 3), np.ones(3), shift=0.0)
    with pytest.raises(ValueError, match="characters 1"):
        nqs.RBM(6, tied=nqs.translations(6, 3))
