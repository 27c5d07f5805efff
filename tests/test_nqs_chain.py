"""Chains by neural quantum states against exact diagonalisation, within their error bars."""

import numpy as np
import pytest

import qdens_nb as qd
from qdens_nb.nqs._chain_solver import bond_values, bosons, machine
from qdens_nb.nqs._samplers import FullSum

SITES = 8
WELL = -2.0 * np.exp(-(((np.arange(SITES) - 3.2) / 1.6) ** 2))
QUICK = {"steps": 120, "samples": 400, "final_samples": 16_000}


@pytest.mark.parametrize(
    ("boundary", "flux"),
    [("open", 0.0), ("periodic", 0.0), ("periodic", 0.7), ("periodic", np.pi), ("periodic", -2.5)],
)
@pytest.mark.parametrize("particles", [3, 4])
def test_bosons_with_a_flux_have_the_energy_and_density_of_the_fermions(boundary, flux, particles):
    problem = qd.fermion_chain(WELL, V=1.0, flux=flux, boundary=boundary)
    exact = qd.solvers.chain_ed(problem, N=particles)
    one = {"potential": WELL, "V": 1.0, "mu": 0.0, "flux": flux, "boundary": boundary}
    model, theta = bosons(one, particles)
    energies, states = np.linalg.eigh(model.matrix().toarray())
    occupied = (model.basis() + 1) // 2
    assert -np.pi < theta <= np.pi
    assert energies[0] == pytest.approx(float(exact.energy), abs=1e-9)
    np.testing.assert_allclose(np.abs(states[:, 0]) ** 2 @ occupied, exact.density, atol=1e-7)
    if theta == 0:
        assert model.is_stoquastic


@pytest.mark.parametrize("theta", [0.0, 0.9, np.pi])
def test_bond_estimator_is_the_operator(theta):
    one = {"potential": WELL, "V": 1.0, "mu": 0.0, "flux": theta, "boundary": "periodic"}
    model, found = bosons(one, 3)
    assert found == pytest.approx(theta)
    network = machine(np.full(SITES, 3 / 8), theta, 1, seed=3, node=0.4 if theta else None)
    draw = FullSum(model).draw(network)
    values = draw.weights @ bond_values(network, draw.configs, theta)
    kinetic = -2 * values.real.sum()
    occupied = (draw.configs + 1) // 2
    pairs = (occupied * np.roll(occupied, -1, 1)).sum(1)
    energy = (draw.weights @ draw.energies).real
    assert kinetic + draw.weights @ (occupied @ WELL + pairs) == pytest.approx(energy, abs=1e-9)


@pytest.mark.parametrize(
    ("boundary", "flux", "particles", "V"),
    [("open", 0.0, 4, 1.0), ("periodic", 0.0, 3, 2.0), ("periodic", 1.0, 3, 1.0)],
)
def test_density_is_that_of_exact_diagonalisation(boundary, flux, particles, V):
    problem = qd.fermion_chain(WELL, V=V, flux=flux, boundary=boundary)
    found = qd.nqs.chain_nqs(problem, particles=particles, **QUICK)
    exact = qd.solvers.chain_ed(problem, N=particles)
    assert float(found.density.sum()) == pytest.approx(particles, abs=1e-9)
    assert abs(found.energy - exact.energy) < 4 * found.energy_stderr + 2e-3
    for name in ("density", "density_correlation", "coherence", "current"):
        error = np.abs(found[name] - exact[name])
        assert (error < 4 * found[f"{name}_stderr"] + 5e-3).all(), name
    assert 0 < float(found.density_stderr.mean()) < 0.01
    assert float(found.v_score) < 2e-2
    assert float(found.rhat) < 1.05
    if flux:
        middle = float(found.current.mean())
        assert np.sign(middle) == np.sign(float(exact.current.mean()))
        assert abs(middle) > 3 * float(found.current_stderr.mean())


def test_even_number_on_a_ring_without_interaction():
    problem = qd.fermion_chain(WELL)
    settings = {"steps": 100, "samples": 400, "final_samples": 8000, "learning_rate": (0.1, 0.02)}
    found = qd.nqs.chain_nqs(problem, particles=2, **settings)
    exact = qd.solvers.chain_free(problem, N=2)
    assert float(np.abs(found.density - exact.density).max()) < 0.03
    assert float(found.energy - exact.energy) < 5e-3


def test_number_of_particles_follows_from_mu_in_a_batch():
    problem = qd.fermion_chain(np.stack([WELL[:6], -WELL[:6]]), V=1.0, mu=0.3, boundary="open")
    found = qd.nqs.chain_nqs(problem, steps=60, samples=200)
    exact = qd.solvers.chain_ed(problem)
    np.testing.assert_array_equal(found.particle_number, exact.particle_number)
    np.testing.assert_allclose(found.mu_lower, exact.mu_lower, atol=0.02)
    np.testing.assert_allclose(found.mu_upper, exact.mu_upper, atol=0.02)
    assert found.density_stderr.dims == ("sample", "x")


def test_empty_and_full_chain_and_errors():
    problem = qd.fermion_chain(WELL, V=1.0)
    for particles in (0, SITES):
        found = qd.nqs.chain_nqs(problem, particles=particles)
        exact = qd.solvers.chain_ed(problem, N=particles)
        assert float(found.energy) == pytest.approx(float(exact.energy))
        np.testing.assert_array_equal(found.density, exact.density)
    with pytest.raises(ValueError, match="particles=9"):
        qd.nqs.chain_nqs(problem, particles=9)
    with pytest.raises(ValueError, match="alpha=0"):
        qd.nqs.chain_nqs(problem, particles=2, alpha=0)
