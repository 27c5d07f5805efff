"""Errors of maps against slow loops, torchmetrics and scikit-image, and their limits."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from qdens_nb import metrics


def pair(shape: tuple[int, ...] = (3, 16, 16), seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    exact = 0.3 + rng.normal(size=shape)
    return exact + 0.2 * rng.normal(size=shape), exact


def similarity_of_window(a: np.ndarray, b: np.ndarray, extent: float, ddof: int = 1) -> float:
    """Equation 13 of Wang et al. word by word."""
    covariance = np.cov(a.ravel(), b.ravel(), ddof=ddof)
    c1, c2 = (0.01 * extent) ** 2, (0.03 * extent) ** 2
    above = (2 * a.mean() * b.mean() + c1) * (2 * covariance[0, 1] + c2)
    below = (a.mean() ** 2 + b.mean() ** 2 + c1) * (covariance[0, 0] + covariance[1, 1] + c2)
    return above / below


def similarity_by_loop(a: np.ndarray, b: np.ndarray, window: int, extent: float) -> float:
    rows, columns = (side - window + 1 for side in a.shape)
    squares = [np.s_[i : i + window, j : j + window] for i in range(rows) for j in range(columns)]
    return float(np.mean([similarity_of_window(a[s], b[s], extent) for s in squares]))


@pytest.mark.parametrize("window", [2, 8, 16])
def test_mssim_is_the_mean_over_windows(window: int) -> None:
    predicted, exact = pair((2, 16, 17))
    if window == 16:
        exact[0] += 1e4  # far from zero nothing may be lost to rounding
        predicted[0] += 1e4
    found = metrics.mssim(predicted, exact, data_range=4.0, window=window)
    expected = [
        similarity_by_loop(a, b, window, 4.0) for a, b in zip(predicted, exact, strict=True)
    ]
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_ssim_is_one_window_of_the_whole_map() -> None:
    predicted, exact = pair()
    found = metrics.ssim(predicted, exact, data_range=2.5)
    expected = [similarity_of_window(a, b, 2.5) for a, b in zip(predicted, exact, strict=True)]
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    one = metrics.mssim(predicted, exact, data_range=2.5, window=16)
    np.testing.assert_allclose(found, one, rtol=1e-12)


def test_mssim_is_that_of_torchmetrics() -> None:
    """Its windows are odd, its edges padded, its variances biased: a factor of the constant."""
    torch = pytest.importorskip("torch")
    image = pytest.importorskip("torchmetrics.functional.image")
    predicted, exact = pair((2, 24, 24))
    window, extent = 7, 3.0
    _, theirs = image.structural_similarity_index_measure(
        torch.from_numpy(predicted)[:, None],
        torch.from_numpy(exact)[:, None],
        gaussian_kernel=False,
        kernel_size=window,
        data_range=extent,
        reduction="none",
        return_full_image=True,
        k2=0.03 * np.sqrt((window**2 - 1) / window**2),
    )
    ours = metrics.mssim(predicted, exact, data_range=extent, window=window)
    inside = theirs.numpy()[:, 0, 3:-3, 3:-3].mean((-2, -1))
    np.testing.assert_allclose(ours, inside, rtol=1e-9)


def test_mssim_is_that_of_scikit_image() -> None:
    measure = pytest.importorskip("skimage.metrics")
    predicted, exact = pair((2, 24, 24))
    # its mean runs over the windows that lie inside the map
    expected = [
        measure.structural_similarity(a, b, win_size=7, data_range=3.0)
        for a, b in zip(predicted, exact, strict=True)
    ]
    ours = metrics.mssim(predicted, exact, data_range=3.0, window=7)
    np.testing.assert_allclose(ours, expected, rtol=1e-9)


@pytest.mark.parametrize("measure", [metrics.ssim, metrics.mssim])
def test_similarity_limits(measure) -> None:
    _, exact = pair()
    np.testing.assert_allclose(measure(exact, exact, data_range=1.0), 1.0, rtol=1e-12)
    waves = np.indices((16, 16)).sum(0) % 2 - 0.5
    assert measure(1 - waves, 1 + waves, data_range=1e-6) == pytest.approx(-1.0)
    # units do not matter if the range is given in them
    a, b = pair()
    np.testing.assert_allclose(
        measure(a, b, data_range=2.0), measure(7 * a, 7 * b, data_range=14.0), rtol=1e-9
    )


def test_r2_is_against_the_mean_training_map() -> None:
    predicted, exact = pair()
    train = np.random.default_rng(5).normal(size=(9, 16, 16)).mean(0)
    above = sum(float(np.sum((b - a) ** 2)) for a, b in zip(predicted, exact, strict=True))
    below = sum(float(np.sum((b - train) ** 2)) for b in exact)
    assert metrics.r2_maps(predicted, exact, train) == pytest.approx(1 - above / below, rel=1e-12)
    assert metrics.r2_maps(exact, exact, train) == 1.0
    constant = np.broadcast_to(train, exact.shape)
    assert metrics.r2_maps(constant, exact, train) == pytest.approx(0.0, abs=1e-12)
    with pytest.raises(ValueError, match="not defined"):
        metrics.r2_maps(predicted, constant, train)


def test_norms_are_those_of_numpy() -> None:
    predicted, exact = pair((4, 8, 12))
    found = metrics.map_norms(predicted, exact)
    for i, error in enumerate((predicted - exact).reshape(4, -1)):
        assert found["l1"][i] == pytest.approx(np.linalg.norm(error, 1) / 96)
        assert found["l2"][i] == pytest.approx(np.linalg.norm(error, 2) / np.sqrt(96))
        assert found["linf"][i] == pytest.approx(np.linalg.norm(error, np.inf))


def test_displaced_charge_counts_electrons() -> None:
    """A quarter of an electron moved from one corner to the other; half of one lost."""
    side, size = 8, 30.0
    cell = (size / side) ** 2
    exact = np.full((side, side), 2.0 / size**2)
    moved, lost = exact.copy(), exact.copy()
    moved[0, 0] += 0.25 / cell
    moved[-1, -1] -= 0.25 / cell
    lost[0, 0] -= 0.5 / cell
    assert metrics.displaced_charge(moved, exact, size=size) == pytest.approx(0.25)
    assert metrics.charge_error(moved, size=size) == pytest.approx(0.0, abs=1e-12)
    assert metrics.displaced_charge(lost, exact, size=size) == pytest.approx(0.25)
    assert metrics.charge_error(lost, size=size) == pytest.approx(0.5)


def test_map_scores_label_everything() -> None:
    predicted, exact = (np.abs(a) / 900 for a in pair())
    dims = ("sample", "x", "y")
    reference = xr.Dataset({"density": (dims, exact)}, attrs={"size_nm": 30.0})
    answer = xr.Dataset({"density": (("x", "sample", "y"), predicted.swapaxes(0, 1))})
    mean = np.zeros((16, 16))
    scores = metrics.map_scores(answer, reference, mean_map=mean)
    assert scores["l1"].dims == ("sample",)
    assert float(scores["r2"]) == pytest.approx(metrics.r2_maps(predicted, exact, mean))
    extent = exact.max() - exact.min()
    assert scores.attrs["data_range"] == pytest.approx(extent)
    np.testing.assert_allclose(
        scores["mssim"], metrics.mssim(predicted, exact, data_range=extent), rtol=1e-12
    )
    one = metrics.map_scores(
        answer.isel(sample=1), reference.isel(sample=1), mean_map=mean, data_range=extent
    )
    for name in ("l1", "ssim", "charge_displaced", "charge_error"):
        assert float(one[name]) == pytest.approx(float(scores[name][1]))
    renamed = reference.rename(density="potential")
    assert "charge_error" not in metrics.map_scores(renamed, renamed, "potential", mean_map=mean)
    with pytest.raises(ValueError, match="holds no 'potential'"):
        metrics.map_scores(answer, reference, "potential", mean_map=mean)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"window": 1}, "window=1; give 2 to 16"),
        ({"window": 17}, "window=17"),
        ({"data_range": 0.0}, "data_range=0.0"),
    ],
)
def test_mssim_refuses(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        metrics.mssim(*pair(), **{"data_range": 1.0, **arguments})


def test_shapes_and_gaps_are_refused() -> None:
    predicted, exact = pair()
    with pytest.raises(ValueError, match="must be the same"):
        metrics.map_norms(predicted[:2], exact)
    predicted[0, 0, 0] = np.nan
    with pytest.raises(ValueError, match="the prediction holds 1 value"):
        metrics.ssim(predicted, exact, data_range=1.0)
    with pytest.raises(ValueError, match="mean_map has shape"):
        metrics.r2_maps(exact, exact, np.zeros((3, 3)))
