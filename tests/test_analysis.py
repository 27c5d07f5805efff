"""Friedel oscillations, Luttinger exponents, comparisons, distances and error bars."""

from __future__ import annotations

import numpy as np
import pytest

import qdens_nb as qd
from qdens_nb import analysis


def box_density(sites: int, particles: int, V: float) -> np.ndarray:
    box = qd.fermion_chain(np.zeros(sites), V=V, boundary="open")
    return qd.solvers.chain_ed(box, N=particles).density.values


@pytest.mark.parametrize(("sites", "particles"), [(20, 8), (21, 10), (40, 13), (17, 12)])
def test_free_box_is_fitted_exactly(sites: int, particles: int) -> None:
    fit = analysis.friedel_fit(qd.references.open_box_density(sites, particles), particles)
    assert fit.exponent == pytest.approx(1, abs=1e-6)
    assert fit.wavelength == pytest.approx((sites + 1) / (particles + 0.5), rel=1e-8)
    assert fit.amplitude == pytest.approx(0.5 / (sites + 1), rel=1e-6)
    assert fit.mean_density == pytest.approx((particles + 0.5) / (sites + 1), rel=1e-8)


def test_repulsion_slows_the_decay_as_luttinger_theory_says() -> None:
    fits = {V: analysis.friedel_fit(box_density(16, 6, V), 6) for V in (0.0, 0.5, 1.0, 1.5)}
    theory = {V: analysis.luttinger_parameter(V, fit.mean_density) for V, fit in fits.items()}
    exponents = [fit.exponent for fit in fits.values()]
    assert np.all(np.diff(exponents) < -0.03)
    for V, fit in fits.items():
        assert fit.exponent == pytest.approx(theory[V], abs=0.08)
        assert fit.wavelength * fit.mean_density == pytest.approx(1, abs=0.02)


def test_free_fermions_and_half_filling_are_limits_of_the_bethe_ansatz() -> None:
    assert analysis.luttinger_parameter(0.0, 0.3) == 1.0
    assert analysis.luttinger_parameter(1e-6, 0.3) == pytest.approx(1, abs=1e-5)
    for V in (0.4, 1.0, 1.7):
        near = analysis.luttinger_parameter(V, 0.499)
        assert near == pytest.approx(qd.references.luttinger_K(V), abs=2e-3)
        assert analysis.luttinger_parameter(V, 1e-3) == pytest.approx(1, abs=5e-3)
        assert analysis.luttinger_parameter(V, 0.3) == pytest.approx(
            analysis.luttinger_parameter(V, 0.7), rel=1e-12
        )


def test_bethe_exponent_agrees_with_the_stiffness_of_small_rings() -> None:
    """On a ring E(flux) - E(0) = u K flux^2 / (2 pi L) and d^2E/dN^2 = pi u / (K L)."""
    sites, particles, V = 15, 5, 1.0
    ring = np.zeros(sites)

    def energy(number: int, flux: float = 0.0) -> float:
        return float(qd.solvers.chain_ed(qd.fermion_chain(ring, V=V, flux=flux), N=number).energy)

    twist = 0.3
    stiffness = 2 * sites * (energy(particles, twist) - energy(particles)) / twist**2
    # Odd N only: their shells are closed.
    curvature = energy(7) + energy(3) - 2 * energy(5)
    inverse_compressibility = sites * curvature / 4
    K = np.sqrt(np.pi**2 * stiffness / inverse_compressibility)
    assert analysis.luttinger_parameter(V, particles / sites) == pytest.approx(K, rel=0.03)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"particles": 10}, "half filling"),
        ({"particles": 0}, "0 < particles"),
        ({"density": np.zeros(4)}, "at least 8"),
        ({"skip": 15}, "give 0 to 7"),
    ],
)
def test_fit_says_what_it_cannot_do(change: dict, message: str) -> None:
    options = {"density": np.full(20, 0.4), "particles": 8} | change
    with pytest.raises(ValueError, match=message):
        analysis.friedel_fit(**options)


@pytest.mark.parametrize("V", [-0.1, 2.1])
def test_exponent_refuses_other_phases(V: float) -> None:
    with pytest.raises(ValueError, match="Luttinger liquid"):
        analysis.luttinger_parameter(V)


def test_wavelength_is_one_over_the_density() -> None:
    for particles in (5, 8, 11):
        density = qd.references.open_box_density(40, particles)
        wavelength = analysis.friedel_wavelength(density[3:-3])
        assert wavelength == pytest.approx(41 / (particles + 0.5), rel=0.03)


def test_wavelength_needs_a_curve() -> None:
    with pytest.raises(ValueError, match="at least 6"):
        analysis.friedel_wavelength(np.zeros(5))


def test_sweep_of_the_depth_fills_the_well_in_steps() -> None:
    solvers = {"exact": qd.solvers.chain_ed, "hartree_fock": qd.solvers.chain_hartree_fock}
    sweep = analysis.well_sweep(
        solvers, depths=np.linspace(0.1, 3, 9), sites=10, width=5, V=0.0, mu=-0.8
    )
    assert sweep.density.dims == ("solver", "depth", "x")
    np.testing.assert_allclose(
        sweep.density.sel(solver="exact"), sweep.density.sel(solver="hartree_fock"), atol=1e-6
    )
    number = sweep.particle_number.sel(solver="exact")
    assert (number.diff("depth") >= 0).all() and number[-1] > number[0]
    np.testing.assert_allclose(sweep.density.sum("x").sel(solver="exact"), number, atol=1e-9)


def test_what_one_solver_lacks_is_unknown() -> None:
    problem = qd.fermion_chain(np.linspace(-1, 1, 8), V=1.0)
    both = analysis.compare(
        problem, {"ed": qd.solvers.chain_ed, "mean": qd.solvers.chain_hartree_fock}
    )
    assert both.gap.sel(solver="mean").isnull() and both.gap.sel(solver="ed") > 0
    assert both.energy.sel(solver="mean") > both.energy.sel(solver="ed")
    assert both.energy_of_N.dims == ("solver", "N") and both.density.attrs["units"] == "1"
    with pytest.raises(ValueError, match="nothing to compare"):
        analysis.compare(problem, {})


def test_distance_ignores_symmetries_of_the_ring() -> None:
    rng = np.random.default_rng(3)
    training = rng.normal(size=(20, 11))
    same = np.stack([np.roll(training[4], 3), training[7][::-1] - 1.5])
    np.testing.assert_allclose(analysis.nearest_distance(same, training), 0, atol=1e-7)
    brute = min(
        np.sqrt(np.mean((image - image.mean() - (other - other.mean())) ** 2))
        for other in training
        for shift in range(11)
        for image in (np.roll(same[0] ** 2, shift), np.roll(same[0] ** 2, shift)[::-1])
    )
    found = analysis.nearest_distance(same[0] ** 2, training)
    assert float(found[0]) == pytest.approx(brute, rel=1e-9)
    with pytest.raises(ValueError, match="same L"):
        analysis.nearest_distance(np.zeros(5), training)


def test_training_potentials_are_those_of_the_data_set() -> None:
    recipe = qd.datasets.read_recipe("chain", {"sites": {5: 4, 6: 2}})
    shard = recipe.shards().index((5, 4))
    solved = qd.datasets.chain_shard(recipe, shard, 7)
    drawn = analysis.training_potentials(recipe, 5, seed=7)
    np.testing.assert_allclose(np.unique(solved.potential, axis=0), np.unique(drawn, axis=0), 1e-5)
    with pytest.raises(ValueError, match="no L=9"):
        analysis.training_potentials(recipe, 9, seed=7)


def test_honest_error_bars_lie_on_the_diagonal() -> None:
    rng = np.random.default_rng(0)
    stderr = rng.uniform(0.01, 0.1, 40_000)
    table = analysis.reliability(rng.normal(size=stderr.size) * stderr, stderr, bins=8)
    np.testing.assert_allclose(table.observed, table.predicted, rtol=0.06)
    np.testing.assert_allclose(table.inside, 0.683, atol=0.03)
    assert int(table["count"].sum()) == stderr.size
    with pytest.raises(ValueError, match="negative"):
        analysis.reliability(stderr, -stderr)
