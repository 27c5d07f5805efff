"""Closed forms against each other and against exact diagonalisation."""

import numpy as np
import pytest

import qdens_nb as qd
from qdens_nb import references as R


def half_filled_energy(V, sites, particles=None):
    problem = qd.fermion_chain(np.zeros(sites), V=V)
    return float(qd.solvers.chain_ed(problem, N=particles or sites // 2).energy)


def test_bethe_energies_known_in_closed_form():
    assert R.bethe_energy_density(0.0) == pytest.approx(-2 / np.pi, abs=1e-12)
    assert R.bethe_energy_density(1.0) == pytest.approx(-0.5, abs=1e-12)
    assert R.bethe_energy_density(2.0) == pytest.approx(1 - 2 * np.log(2), abs=1e-12)
    assert R.bethe_energy_density(2 - 1e-9) == pytest.approx(1 - 2 * np.log(2), abs=1e-6)


def test_bethe_energy_is_a_ground_state_energy():
    V = np.linspace(-1.5, 2.0, 15)
    energy = np.array([R.bethe_energy_density(v) for v in V])
    slope = np.diff(energy) / np.diff(V)
    assert (np.diff(slope) < 0).all()
    assert (slope > 0).all() and (slope < 0.5).all()
    first_order = -2 / np.pi + 0.01 * (1 / 4 - 1 / np.pi**2)
    assert R.bethe_energy_density(0.01) == pytest.approx(first_order, abs=1e-5)


def test_velocity_and_luttinger_parameter():
    assert R.luttinger_velocity(0.0) == pytest.approx(2.0)
    assert R.luttinger_velocity(1.0) == pytest.approx(3 * np.sqrt(3) / 2)
    assert R.luttinger_velocity(2.0) == pytest.approx(np.pi)
    assert [R.luttinger_K(V) for V in (0.0, 1.0, 2.0)] == pytest.approx([1.0, 0.75, 0.5])


@pytest.mark.parametrize("V", [0.0, 0.6, 1.0, 1.5])
def test_finite_rings_follow_the_casimir_formula(V):
    error = {
        sites: half_filled_energy(V, sites) / sites - R.casimir_energy_density(V, sites)
        for sites in (10, 14)
    }
    assert abs(error[14]) < 4e-4
    assert abs(error[14]) < (10 / 14) ** 2 * abs(error[10])


def test_finite_ring_at_the_transition():
    energy = half_filled_energy(2.0, 14) / 14
    assert energy == pytest.approx(R.casimir_energy_density(2.0, 14), abs=1e-3)


def test_compressibility_gives_velocity_over_K():
    V, sites = 1.0, 18
    below, half = (half_filled_energy(V, sites, N) for N in (7, 9))
    above = below + V * (2 * 11 - sites)  # particle-hole symmetry
    exact = np.pi * R.luttinger_velocity(V) / (R.luttinger_K(V) * sites)
    assert (below + above - 2 * half) / 4 == pytest.approx(exact, rel=0.05)


@pytest.mark.parametrize("sites", [5, 7, 9, 11, 13])
def test_integer_energies(sites):
    N = sites // 2 if (sites // 2) % 2 else sites // 2 + 1
    assert half_filled_energy(1.0, sites, N) == pytest.approx(
        R.integer_ground_energy(sites, N), abs=1e-10
    )


@pytest.mark.parametrize("N", [0, 1, 9, 30])
def test_open_box(N):
    problem = qd.fermion_chain(np.zeros(30), boundary="open")
    density = qd.solvers.chain_free(problem, N=N).density
    np.testing.assert_allclose(density, R.open_box_density(30, N), atol=1e-12)
    assert R.open_box_density(30, N).sum() == pytest.approx(N)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: R.bethe_energy_density(2.1), "V=2.1"),
        (lambda: R.luttinger_K(-2.0), "V=-2.0"),
        (lambda: R.casimir_energy_density(1.0, 9), "even number of sites"),
        (lambda: R.integer_ground_energy(8, 4), "odd"),
        (lambda: R.integer_ground_energy(7, 4), "odd"),
        (lambda: R.open_box_density(4, 5), "N=5"),
    ],
)
def test_errors(call, message):
    with pytest.raises(ValueError, match=message):
        call()
