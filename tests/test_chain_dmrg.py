"""DMRG against exact diagonalisation, free fermions and closed forms."""

import warnings

import numpy as np
import pytest

import qdens_nb as qd
from qdens_nb import references
from qdens_nb.solvers._chain_mps import places

NAMES = (
    "density",
    "density_variance",
    "density_correlation",
    "coherence",
    "current",
    "current_correlation",
)


def assert_same(result, exact, energy=1e-8, density=1e-6):
    assert int(result.particle_number) == int(exact.particle_number)
    assert float(result.energy) == pytest.approx(float(exact.energy), abs=energy)
    for name in NAMES:
        np.testing.assert_allclose(result[name], exact[name], atol=density, err_msg=name)


@pytest.mark.parametrize("sites", [3, 4, 9, 10])
def test_the_folded_ring_has_no_long_bond(sites):
    place = np.array(places(sites, True))
    assert sorted(place) == list(range(sites))
    assert np.abs(place - np.roll(place, -1)).max() <= 2
    assert places(sites, False) == list(range(sites))


@pytest.mark.parametrize(
    ("sites", "N", "V", "flux", "boundary"),
    [
        (9, 4, 1.3, 0.0, "periodic"),
        (10, 4, 2.0, 0.9, "periodic"),
        (10, 5, 0.6, 0.0, "open"),
        (3, 1, 1.0, 0.4, "periodic"),
    ],
)
def test_equals_exact_diagonalisation(sites, N, V, flux, boundary):
    potential = np.random.default_rng(sites).uniform(-1, 1, sites)
    problem = qd.fermion_chain(potential, V=V, flux=flux, boundary=boundary)
    result = qd.solvers.chain_dmrg(problem, N=N)
    assert_same(result, qd.solvers.chain_ed(problem, N=N))
    assert int(result.converged) == 1 and float(result.truncation_error) < 1e-12


@pytest.mark.parametrize(
    ("potential", "mu"),
    [
        (qd.potentials.double_well(9, 2.5, 3, 2, barrier=1.0), -0.6),
        (qd.potentials.white_noise(8, 1.0, seed=2), 1.1),
    ],
)
def test_chooses_N_as_exact_diagonalisation_does(potential, mu):
    problem = qd.fermion_chain(potential, V=1.5, mu=mu)
    result, exact = qd.solvers.chain_dmrg(problem), qd.solvers.chain_ed(problem)
    assert_same(result, exact)
    for name in ("mu_lower", "mu_upper"):
        assert float(result[name]) == pytest.approx(float(exact[name]), abs=1e-8)
    known = np.isfinite(result.energy_of_N)
    assert known.sum() >= 3
    np.testing.assert_allclose(result.energy_of_N[known], exact.energy_of_N[known], atol=1e-8)


def test_numbers_to_choose_from():
    problem = qd.fermion_chain(qd.potentials.white_noise(8, 1.0, seed=2), V=1.0, mu=0.7)
    exact = qd.solvers.chain_ed(problem)
    best = int(exact.particle_number)
    result = qd.solvers.chain_dmrg(problem, numbers=[best - 1, best])
    assert_same(result, exact)
    assert float(result.mu_lower) == pytest.approx(float(exact.mu_lower), abs=1e-8)
    assert np.isnan(result.mu_upper)


def test_empty_and_full():
    potential = np.linspace(-1, 1, 6)
    problem = qd.fermion_chain(potential, V=1.5)
    for N in (0, 6):
        assert_same(qd.solvers.chain_dmrg(problem, N=N), qd.solvers.chain_ed(problem, N=N))
    far_below = qd.fermion_chain(potential, V=1.5, mu=-9.0)
    assert_same(qd.solvers.chain_dmrg(far_below), qd.solvers.chain_ed(far_below))


def test_open_box():
    problem = qd.fermion_chain(np.zeros(24), boundary="open")
    result = qd.solvers.chain_dmrg(problem, N=9, bond_dimension=128)
    np.testing.assert_allclose(result.density, references.open_box_density(24, 9), atol=1e-6)


def test_a_batch_is_labelled():
    potentials = qd.potentials.white_noise(6, 1.0, samples=2, seed=0)
    problem = qd.fermion_chain(potentials, V=[0.5, 1.0])
    result = qd.solvers.chain_dmrg(problem, N=3)
    assert result.density.dims == ("sample", "x") and result.truncation_error.dims == ("sample",)
    assert result.attrs["engine"] == "chain_dmrg"
    np.testing.assert_allclose(result.density, qd.solvers.chain_ed(problem, N=3).density, atol=1e-6)


def test_says_so_when_the_bond_dimension_is_too_small():
    problem = qd.fermion_chain(qd.potentials.white_noise(14, 0.5, seed=0), V=1.0)
    with pytest.warns(UserWarning, match=r"1 sample\(s\) not accurate.*raise bond_dimension"):
        result = qd.solvers.chain_dmrg(problem, N=7, bond_dimension=8)
    assert float(result.truncation_error) > 1e-6
    assert float(result.energy) > float(qd.solvers.chain_ed(problem, N=7).energy)


def test_stops_when_the_callback_raises():
    class Stop(Exception):
        pass

    def stop(line):
        assert line.startswith("N=3, energy=")
        raise Stop

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(Stop):
            qd.solvers.chain_dmrg(qd.fermion_chain(np.zeros(6), V=1.0), N=3, on_sweep=stop)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"N": 7}, "N=7 on 6 sites"),
        ({"numbers": [3, 9]}, "N=9 on 6 sites"),
        ({"numbers": []}, "numbers is empty"),
        ({"N": 3, "numbers": [3]}, "both N and numbers"),
        ({"N": 3, "bond_dimension": 1}, "bond_dimension=1"),
        ({"N": 3, "energy_tolerance": 0.0}, "energy_tolerance=0"),
    ],
)
def test_errors(options, message):
    with pytest.raises(ValueError, match=message):
        qd.solvers.chain_dmrg(qd.fermion_chain(np.zeros(6), V=1.0), **options)


@pytest.mark.slow
def test_ring_of_forty_sites_to_1e_6():
    problem = qd.fermion_chain(qd.potentials.step_well(40, 2.0, 12), mu=-0.3)
    exact = qd.solvers.chain_free(problem)
    result = qd.solvers.chain_dmrg(problem)
    assert_same(result, exact, energy=1e-6, density=2e-6)
    for name in ("mu_lower", "mu_upper"):
        assert float(result[name]) == pytest.approx(float(exact[name]), abs=1e-6)


@pytest.mark.slow
def test_ring_of_thirty_eight_sites_follows_the_casimir_formula():
    result = qd.solvers.chain_dmrg(qd.fermion_chain(np.zeros(38), V=1.0), N=19)
    assert float(result.energy) / 38 == pytest.approx(
        references.casimir_energy_density(1.0, 38), abs=1e-5
    )
