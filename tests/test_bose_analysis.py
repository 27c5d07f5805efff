"""Order parameters, phases, lobe tips, and errors with the reference's noise told apart."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import qdens_nb as qd
from qdens_nb import analysis


def board(side: int, high: float, low: float, sector: int = 0) -> xr.DataArray:
    even = np.indices((side, side)).sum(0) % 2 == sector
    return xr.DataArray(np.where(even, high, low), dims=("x", "y"))


def test_staggered_density_of_a_checkerboard_is_half_of_its_contrast() -> None:
    for sector, sign in ((0, 1), (1, -1)):
        density = board(6, 0.9, 0.2, sector)
        assert float(analysis.staggered_density(density)) == pytest.approx(sign * 0.35)
        np.testing.assert_allclose(analysis.local_staggered(density), sign * 0.35)
        assert int(analysis.checkerboard_sector(density)) == sector


def test_local_staggered_density_of_a_slope_vanishes() -> None:
    x = np.arange(8.0)
    slope = xr.DataArray(0.1 * x[:, None] - 0.2 * x, dims=("x", "y"))
    assert float(np.abs(analysis.local_staggered(slope)[1:-1, 1:-1]).max()) < 1e-12


def test_a_ring_is_staggered_too() -> None:
    assert float(analysis.staggered_density(xr.DataArray([1.0, 0.0] * 4, dims="x"))) == 0.5


def test_a_density_without_sites_is_refused() -> None:
    with pytest.raises(ValueError, match="x and y"):
        analysis.staggered_density(xr.DataArray([1.0], dims="sample"))


def test_homogeneous_grid_is_flat_and_in_order() -> None:
    batch = analysis.homogeneous(np.array([0.1, 0.2])[:, None], 1.0, [0.0, 0.5], L=4)
    assert batch.potential.shape == (4, 4, 4) and not batch.potential.any()
    assert batch.U.values.tolist() == [40, 40, 20, 20]
    assert batch.mu.values.tolist() == [0, 20, 0, 10]
    np.testing.assert_allclose(4 * batch.V / batch.U, batch.interaction)
    with pytest.raises(ValueError, match="positive"):
        analysis.homogeneous(0.0, 1.0, 0.5)


def test_order_parameters_of_the_free_condensate_and_of_the_atomic_limit() -> None:
    """A coherent state has <b+ b> = n; deep lobes have none and the density of the lobe."""
    lobes = analysis.homogeneous(1e-3, 0.8, [0.4, 1.3, 2.2], L=4, T=1.0)
    orders = analysis.order_parameters(qd.solvers.gutzwiller(lobes))
    np.testing.assert_allclose(orders.density, [0.5, 1.0, 1.5], atol=1e-3)
    np.testing.assert_allclose(orders.staggered, [0.5, 0.0, 0.5], atol=1e-3)
    np.testing.assert_allclose(orders.condensed, 0.0, atol=1e-3)
    free = qd.bose_hubbard(np.zeros((4, 4)), U=0.0, mu=-3.9, T=0.0, n_max=20)
    orders = analysis.order_parameters(qd.solvers.gutzwiller(free, start="uniform"))
    assert float(orders.condensed) == pytest.approx(1.0, abs=0.02)


@pytest.mark.parametrize(
    ("hopping", "interaction", "mu_over_U", "name"),
    [
        (0.1, 1.0, 0.5, "checkerboard"),
        (0.1, 1.0, 1.5, "Mott insulator"),
        (0.6, 0.0, 0.5, "superfluid"),
        (0.1, 0.0, -0.3, "empty"),
    ],
)
def test_monte_carlo_names_the_phases(
    hopping: float, interaction: float, mu_over_U: float, name: str
) -> None:
    problem = analysis.homogeneous(hopping, interaction, mu_over_U, L=6)
    answer = qd.solvers.worm(
        problem, sweeps=300, thermalisation=200, chains=1, start="empty", seed=3
    )
    assert analysis.phases_of(answer).tolist() == [name]


def test_phases_need_a_stiffness() -> None:
    problem = analysis.homogeneous(0.1, 0.0, 0.5, L=4)
    with pytest.raises(ValueError, match=r"solvers\.worm"):
        analysis.phases_of(qd.solvers.gutzwiller(problem))


def test_a_normal_fluid_has_no_name_of_an_insulator() -> None:
    assert analysis.phase_names(0.0, False, 0.4).tolist() == "normal fluid"


def test_first_crossing_is_linear_and_knows_what_it_does_not_know() -> None:
    found = analysis.first_crossing([[0, 1, 4], [3, 4, 5], [0, 0, 0]], [0, 1, 2], 2.5)
    assert found[0] == 1.5 and np.isnan(found[1:]).all()
    with pytest.raises(ValueError, match="increasing"):
        analysis.first_crossing([0, 1], [1, 0], 0.5)


def test_lobe_tip_of_a_parabola() -> None:
    x, mu = np.linspace(0.05, 0.5, 46), np.linspace(0, 1, 21)
    edge = 0.3 - 0.8 * (mu - 0.42) ** 2
    order = np.maximum(x[:, None] - edge, 0.0)
    tip = analysis.lobe_tip(
        order, np.ones_like(order), hopping=x, mu_over_U=mu, filling=1.0, level=1e-6
    )
    assert tip is not None
    assert tip.hopping == pytest.approx(0.3, abs=0.011)
    assert tip.mu_over_U == pytest.approx(0.42, abs=0.05)
    nothing = analysis.lobe_tip(
        order, np.ones_like(order), hopping=x, mu_over_U=mu, filling=2.0, level=1e-6
    )
    assert nothing is None


def test_mean_field_tips_on_the_square_lattice() -> None:
    """Ground state, V = 0: t/U = (3 - 2 sqrt 2)/4 at mu/U = sqrt 2 - 1, Sheshadri et al. (1993)."""
    from qdens_nb.solvers._gutzwiller import two_sublattice

    x, mu = np.linspace(0.1, 0.22, 61), np.linspace(0.3, 0.55, 26)
    U = 4.0 / x[:, None]
    n_a, n_b, phi_a, _ = two_sublattice(mu * U, U, 0.0, 0.0)
    tip = analysis.lobe_tip(
        phi_a**2, 0.5 * (n_a + n_b), hopping=x, mu_over_U=mu, filling=1.0, level=1e-3
    )
    assert tip is not None
    assert tip.hopping == pytest.approx(3 - 2 * np.sqrt(2), abs=0.002)
    assert tip.mu_over_U == pytest.approx(np.sqrt(2) - 1, abs=0.01)


def test_scores_take_the_noise_of_the_reference_out() -> None:
    rng = np.random.default_rng(4)
    exact, sigma = rng.uniform(size=40_000), 0.02
    wrong = exact + 0.03 * rng.normal(size=exact.size)
    noisy = exact + sigma * rng.normal(size=exact.size)
    found = analysis.error_scores(wrong, noisy, np.full(exact.size, sigma))
    true = np.abs(wrong - exact).mean()
    assert found["mae_at_least"] < true < found["mae"]
    assert found["mae_after_noise"] == pytest.approx(true, rel=0.02)
    assert found["noise"] == pytest.approx(np.abs(noisy - exact).mean(), rel=0.02)
    perfect = analysis.error_scores(exact, noisy, np.full(exact.size, 1.01 * sigma))
    assert perfect["mae_after_noise"] == 0.0 and perfect["rmse_after_noise"] == 0.0


def test_scores_by_squares_lie_within_the_bounds_for_uneven_errors() -> None:
    rng = np.random.default_rng(5)
    sigma = rng.choice([0.0, 0.05], 20_000)
    error = rng.standard_t(2, 20_000) * 0.01
    found = analysis.error_scores(error, sigma * rng.normal(size=20_000), sigma)
    assert found["mae_at_least"] < np.abs(error).mean() <= found["mae_after_noise"] < found["mae"]


def test_scores_refuse_what_is_unknown() -> None:
    with pytest.raises(ValueError, match="differ in shape"):
        analysis.error_scores([0.0], [0.0, 1.0], [0.0])
    with pytest.raises(ValueError, match="NaN"):
        analysis.error_scores([0.0], [np.nan], [0.0])


def reference(sample: int = 3) -> xr.Dataset:
    problem = qd.bose_hubbard(np.zeros((sample, 4, 4)), U=[80.0, 20.0, 20.0], V=5.0)
    density = xr.concat([board(4, 1, 0, 0), board(4, 1, 0, 1), board(4, 0.5, 0.5)], "sample")
    problem["density"] = density
    problem["density_stderr"] = 0.01 * xr.ones_like(density)
    return problem


def test_scores_by_hopping_and_sectors() -> None:
    exact = reference()
    guess = exact.copy()
    guess["density"] = exact["density"].roll(x=1, roll_coords=False)
    found = analysis.scores_by_hopping(guess, exact)
    assert list(found) == ["all", "< 0.15", ">= 0.15"]
    assert found["< 0.15"]["density"]["mae"] == 1.0
    assert found[">= 0.15"]["density"]["mae"] == 0.5
    assert analysis.sector_differs(guess, exact).tolist() == [True, True]
    assert analysis.sector_differs(exact, exact).tolist() == [False, False]
    with pytest.raises(ValueError, match="nothing to compare"):
        analysis.scores_by_hopping(guess, exact.drop_vars("density_stderr"))


def test_calibration_counts_both_errors() -> None:
    rng = np.random.default_rng(6)
    exact = reference()
    guess = exact.copy(deep=True)
    both = np.hypot(0.03, 0.01)
    guess["density"] = exact["density"] + both * rng.normal(size=exact["density"].shape)
    guess["density_stderr"] = 0.03 * xr.ones_like(exact["density"])
    found = analysis.density_calibration(guess, exact)
    assert found["within_1"] == pytest.approx(0.68, abs=0.15)
    assert found["reduced_chi2"] == pytest.approx(1.0, abs=0.5)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["phase_diagram", "traps", "box", "test_sets", "time"])
def test_commands_run(name: str, root: Path, tmp_path: Path) -> None:
    command = [sys.executable, root / "benchmarks" / f"bose_{name}.py", "--quick"]
    subprocess.run([*command, "--out", tmp_path], check=True, cwd=root)
    assert (tmp_path / "results" / f"bose_{name}.json").is_file()
