"""Hartree-Fock: exact without interaction, variational with it, self-consistent."""

import numpy as np
import pytest

import qdens_nb as qd
from qdens_nb.solvers._chain_hartree_fock import scan_numbers, solve_at

NAMES = ("density", "density_correlation", "coherence", "current", "current_correlation")


@pytest.mark.parametrize("flux", [0.0, 0.7])
def test_exact_without_interaction(flux):
    potential = np.random.default_rng(0).normal(size=(3, 9))
    problem = qd.fermion_chain(potential, V=0.0, mu=0.3, flux=flux)
    exact, mean_field = qd.solvers.chain_ed(problem), qd.solvers.chain_hartree_fock(problem)
    np.testing.assert_allclose(mean_field.energy, exact.energy, atol=1e-10)
    np.testing.assert_array_equal(mean_field.particle_number, exact.particle_number)
    for name in NAMES:
        np.testing.assert_allclose(mean_field[name], exact[name], atol=1e-6)


@pytest.mark.parametrize("V", [0.5, 1.3, 2.0])
def test_variational_and_self_consistent(V):
    potential = np.random.default_rng(1).uniform(-1, 1, (4, 10))
    problem = qd.fermion_chain(potential, V=V)
    for N in (3, 5):
        exact = qd.solvers.chain_ed(problem, N=N)
        mean_field = qd.solvers.chain_hartree_fock(problem, N=N)
        assert (mean_field.energy > exact.energy).all()
        assert (mean_field.converged == 1).all()
        np.testing.assert_allclose(mean_field.density.sum("x"), N, atol=1e-12)


def test_energy_is_what_its_observables_say():
    potential = np.random.default_rng(2).uniform(-1, 1, 11)
    V = 1.7
    state = qd.solvers.chain_hartree_fock(qd.fermion_chain(potential, V=V, flux=0.4), N=5)
    energy = (
        -2 * state.coherence.sum()
        + V * state.density_correlation.sum()
        + (state.potential * state.density).sum()
    )
    assert float(energy) == pytest.approx(float(state.energy), abs=1e-8)


def test_more_starts_never_raise_the_energy():
    for sites, depth, width, V, particles in ((12, 1.5, 5, 2.0, 6), (14, 2.1, 11, 1.5, 7)):
        well = qd.potentials.step_well(sites, depth, width).values
        energies = [solve_at(well, V, 0.0, particles, starts=k).energy for k in (1, 2, 4, 6)]
        assert (np.diff(energies) < 1e-9).all()


def test_open_chain_and_full_ring():
    potential = np.linspace(-1, 1, 8)
    open_chain = qd.fermion_chain(potential, V=1.0, boundary="open")
    answer = qd.solvers.chain_hartree_fock(open_chain, N=4)
    assert float(answer.coherence[-1]) == 0 and float(answer.density_correlation[-1]) == 0
    full = qd.solvers.chain_hartree_fock(qd.fermion_chain(potential, V=1.0), N=8)
    assert float(full.energy) == pytest.approx(potential.sum() + 8)


def test_scan_passes_over_one_bad_number():
    grand = {0: 0.0, 1: -1.0, 2: -0.9, 3: -2.0, 4: -1.5, 5: -1.0}
    assert scan_numbers(grand.__getitem__, 5, 1) == 3


def test_errors_name_what_is_allowed():
    problem = qd.fermion_chain(np.zeros(6))
    with pytest.raises(ValueError, match="0 <= N <= 6"):
        qd.solvers.chain_hartree_fock(problem, N=7)
    with pytest.raises(ValueError, match="at least 1"):
        qd.solvers.chain_hartree_fock(problem, starts=0)
