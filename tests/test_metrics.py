"""Scores agree with scikit-learn, calibration with the normal distribution."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import qdens_nb as qd
from qdens_nb import metrics


def solved(samples: int, sites: int, seed: int = 0) -> xr.Dataset:
    rng = np.random.default_rng(seed)
    V = np.linspace(0.0, 2.0, samples)
    return qd.solvers.chain_ed(qd.fermion_chain(rng.normal(size=(samples, sites)), V=V, mu=0.5))


def disturbed(data: xr.Dataset, seed: int = 1) -> xr.Dataset:
    rng = np.random.default_rng(seed)
    noise = rng.normal(scale=0.01, size=data["density"].shape)
    return data.assign(density=data["density"] + noise)


def test_scores_are_those_of_scikit_learn() -> None:
    reference = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(0)
    exact = rng.normal(size=(20, 7))
    predicted = exact + rng.normal(scale=0.3, size=exact.shape)
    flat = (exact.ravel(), predicted.ravel())
    expected = {
        "mae": reference.mean_absolute_error(*flat),
        "rmse": reference.root_mean_squared_error(*flat),
        "r2": reference.r2_score(*flat),
        "max": reference.max_error(*flat),
    }
    assert metrics.scores(predicted, exact) == pytest.approx(expected, rel=1e-12)
    for constant in ([1.0, 1.0], [1.0, 2.0]):
        r2 = metrics.scores(constant, [1.0, 1.0])["r2"]
        assert r2 == reference.r2_score([1.0, 1.0], constant)


@pytest.mark.parametrize(
    ("prediction", "reference", "message"),
    [
        ([np.nan, 1.0], [0.0, 1.0], "NaN"),
        ([0.0, 1.0], [np.inf, 1.0], "infinite"),
        ([0.0], [0.0, 1.0], "must be the same"),
        ([], [], "not empty"),
    ],
)
def test_scores_refuse(prediction: list, reference: list, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        metrics.scores(prediction, reference)


def test_regression_pools_sizes() -> None:
    exact = {8: solved(4, 8), 10: solved(3, 10)}
    predicted = {size: disturbed(part) for size, part in exact.items()}
    result = metrics.regression(predicted, exact)
    assert set(result) == set(metrics.OBSERVABLES) - {"density_squared"}
    errors = np.concatenate([(predicted[s] - exact[s])["density"].values.ravel() for s in exact])
    assert result["density"]["mae"] == pytest.approx(np.abs(errors).mean())
    assert result["current"] == {"mae": 0.0, "rmse": 0.0, "r2": 1.0, "max": 0.0}
    each = metrics.regression_by(predicted, exact, "L", ["density"])
    assert list(each) == ["8", "10"]
    mean = (32 * each["8"]["density"]["mae"] + 30 * each["10"]["density"]["mae"]) / 62
    assert mean == pytest.approx(result["density"]["mae"])


def test_split_by_values_and_by_bins() -> None:
    exact = solved(20, 8)
    predicted = disturbed(exact)
    bins = metrics.regression_by(predicted, exact, "V", ["density"])
    assert list(bins) == ["[0, 0.5)", "[0.5, 1)", "[1, 1.5)", "[1.5, 2]"]
    first = np.abs(predicted - exact)["density"].values[exact["V"].values < 0.5]
    assert bins["[0, 0.5)"]["density"]["mae"] == pytest.approx(first.mean())
    own = metrics.regression_by(predicted, exact, "V", ["density"], bins=[0, 0.01, 2, 3])
    assert list(own) == ["[0, 0.01)", "[0.01, 2)", "[2, 3]"]
    assert list(metrics.regression_by(predicted, exact, "mu", ["density"])) == ["0.5"]
    with pytest.raises(ValueError, match="increase"):
        metrics.regression_by(predicted, exact, "V", bins=[1, 0])
    with pytest.raises(ValueError, match="'depth' is not"):
        metrics.regression_by(predicted, exact, "depth")


def test_regression_refuses() -> None:
    exact = solved(2, 8)
    with pytest.raises(ValueError, match="do not both hold entropy; in common they have: density"):
        metrics.regression(exact, exact, ["entropy"])
    with pytest.raises(ValueError, match="nothing"):
        metrics.regression(exact[["V"]], exact)
    with pytest.raises(ValueError, match="density has the shape"):
        metrics.regression(exact.isel(sample=[0]), exact)
    with pytest.raises(ValueError, match="the sizes"):
        metrics.regression({8: exact}, {9: exact})
    with pytest.raises(ValueError, match="two mappings"):
        metrics.regression(exact, {9: exact})
    with pytest.raises(ValueError, match="density holds 16 value"):
        metrics.regression(exact.assign(density=exact["density"].where(False)), exact)


def test_normal_errors_are_calibrated_and_overconfident_ones_are_not() -> None:
    rng = np.random.default_rng(0)
    stderr = rng.uniform(0.1, 2.0, 200_000)
    error = rng.normal(scale=stderr)
    fair = metrics.calibration(error, stderr)
    assert fair["within_1"] == pytest.approx(0.6827, abs=0.005)
    assert fair["within_2"] == pytest.approx(0.9545, abs=0.003)
    assert fair["reduced_chi2"] == pytest.approx(1.0, abs=0.02)
    np.testing.assert_allclose(fair["observed"], fair["expected"], atol=0.006)
    proud = metrics.calibration(error, stderr / 2)
    assert proud["reduced_chi2"] == pytest.approx(4 * fair["reduced_chi2"])
    assert proud["calibration_error"] > 10 * fair["calibration_error"]
    with pytest.raises(ValueError, match="not positive"):
        metrics.calibration([0.1], [0.0])
    with pytest.raises(ValueError, match="NaN"):
        metrics.calibration([np.nan], [0.1])
    with pytest.raises(ValueError, match="must be"):
        metrics.calibration([0.1, 0.2], [0.1])


def test_evaluate_asks_the_solver_and_leaves_out_what_mu_does_not_decide() -> None:
    exact = solved(8, 8)
    exact["mu_lower"][3] = exact["mu_upper"][3] + 0.1
    exact["mu"] = ("sample", np.full(8, 0.5))
    asked = []

    def solver(problem: xr.Dataset) -> xr.Dataset:
        asked.append(set(problem.data_vars))
        answer = qd.solvers.chain_ed(problem)
        return answer.assign(
            density=answer["density"] + 0.1, density_stderr=0.1 + 0 * answer["density"]
        )

    result = metrics.evaluate(solver, {8: exact}, split="L", batch=3)
    assert asked == [{"potential", "V", "mu", "flux"}] * 3
    assert (result["samples"], result["left_out"]) == (7, 1)
    assert result["density"]["mae"] == pytest.approx(0.1)
    assert result["energy"]["max"] < 1e-9
    assert result["by"]["L"]["8"]["density"] == result["density"]
    assert result["calibration"]["reduced_chi2"] == pytest.approx(1.0)
    with pytest.raises(ValueError, match="unique by 9"):
        metrics.evaluate(solver, exact, margin=9.0)


def test_resolved_wants_a_margin_to_the_steps_of_n_and_to_the_excited_state() -> None:
    data = qd.fermion_chain(np.zeros((4, 8)), mu=[0.0, 0.9, 0.5, 0.5]).assign(
        mu_lower=("sample", [0.0, 0.0, 0.0, 1.0]),
        mu_upper=("sample", [1.0, 1.0, 1.0, 0.0]),
        gap=("sample", [1.0, 1.0, 0.01, 1.0]),
    )
    assert metrics.resolved(data).tolist() == [True, True, True, False]
    assert metrics.resolved(data, 0.05).tolist() == [False, True, False, False]
    assert metrics.resolved(data.drop_vars(["mu_lower", "gap"]), 0.05).all()
