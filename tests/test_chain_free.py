"""Free fermions: exact diagonalisation at V = 0, plane waves, persistent current."""

import numpy as np
import pytest

import qdens_nb as qd

NAMES = (
    "density",
    "density_variance",
    "density_correlation",
    "coherence",
    "current",
    "current_correlation",
    "energy",
    "gap",
)


@pytest.mark.parametrize(
    ("N", "flux", "boundary"),
    [(3, 0.0, "periodic"), (4, 1.1, "periodic"), (4, 0.0, "open"), (0, 0.5, "periodic")],
)
def test_equals_exact_diagonalisation(N, flux, boundary):
    potential = np.random.default_rng(N).uniform(-1, 1, 8)
    problem = qd.fermion_chain(potential, flux=flux, boundary=boundary)
    free, exact = qd.solvers.chain_free(problem, N=N), qd.solvers.chain_ed(problem, N=N)
    for name in NAMES:
        np.testing.assert_allclose(free[name], exact[name], atol=1e-9, err_msg=name)


def test_grand_canonical_equals_exact_diagonalisation():
    potentials = qd.potentials.white_noise(9, 1.0, samples=4, seed=1)
    problem = qd.fermion_chain(potentials, mu=[-3.5, -0.4, 0.6, 3.5], flux=0.4)
    free, exact = qd.solvers.chain_free(problem), qd.solvers.chain_ed(problem)
    assert list(free.particle_number) == list(exact.particle_number)
    assert set(free.data_vars) == set(exact.data_vars)
    for name in (*NAMES[:-1], "energy_of_N", "mu_lower", "mu_upper"):
        np.testing.assert_allclose(free[name], exact[name], atol=1e-9, err_msg=name)


@pytest.mark.parametrize("N", [1, 33, 101])
def test_clean_ring_is_filled_with_plane_waves(N):
    sites, flux = 150, 0.8
    result = qd.solvers.chain_free(qd.fermion_chain(np.zeros(sites), flux=flux), N=N)
    k = 2 * np.pi * (np.arange(N) - N // 2) / sites
    assert float(result.energy) == pytest.approx(-2 * np.cos(k - flux / sites).sum(), abs=1e-10)
    np.testing.assert_allclose(result.density, N / sites, atol=1e-12)
    current = 2 * np.sin(k - flux / sites).sum() / sites
    np.testing.assert_allclose(result.current, current, atol=1e-12)


def test_current_is_minus_the_derivative_by_the_flux():
    potential = np.random.default_rng(3).uniform(-1, 1, 41)
    flux = 0.7 + 1e-4 * np.array([-1, 0, 1])
    batch = qd.fermion_chain(np.tile(potential, (3, 1)), flux=flux)
    result = qd.solvers.chain_free(batch, N=20)
    slope = float(result.energy[2] - result.energy[0]) / 2e-4
    np.testing.assert_allclose(result.current[1], -slope, atol=1e-8)


def test_energy_is_what_its_observables_say():
    problem = qd.fermion_chain(np.linspace(-1, 1, 60), flux=0.3, mu=0.1)
    result = qd.solvers.chain_free(problem)
    energy = (result.potential * result.density).sum() - 2 * result.coherence.sum()
    assert float(energy) == pytest.approx(float(result.energy), abs=1e-10)
    assert float(result.density.sum()) == pytest.approx(int(result.particle_number), abs=1e-10)


def test_errors():
    problem = qd.fermion_chain(np.zeros((2, 6)), V=[0.0, 1.0])
    with pytest.raises(ValueError, match=r"V reaches 1 J.*chain_ed.*chain_hartree_fock"):
        qd.solvers.chain_free(problem)
    with pytest.raises(ValueError, match="N=7 on 6 sites"):
        qd.solvers.chain_free(qd.fermion_chain(np.zeros(6)), N=7)
    with pytest.raises(TypeError, match="Dataset"):
        qd.solvers.chain_free(np.zeros(6))
