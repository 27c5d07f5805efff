"""Training problems of the Bose-Hubbard torus: their distribution, their files, their answers."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

import qdens_nb as qd
from qdens_nb import datasets, solvers
from qdens_nb.datasets._bose_recipe import BoseProblems, BoseRecipe
from qdens_nb.datasets._bose_trap_recipe import BoseTrapRecipe
from qdens_nb.solvers._bose_common import add_observables

SMALL = {"sites": {4: 3, 6: 2}, "samples_per_shard": 2}


def fake_worm(problem: xr.Dataset, **options: Any) -> xr.Dataset:
    """Classical densities with noise in place of Monte Carlo; what it was asked is kept."""
    assert options["chains"] == 1
    rng = np.random.default_rng(options["seed"])
    local = (problem["mu"] - problem["potential"]) / problem["U"]
    mean = np.clip(np.ceil(local.values), 0, int(problem.attrs["n_max"]))
    values = {}
    for name in ("density", "density_squared", "density_correlation", "coherence"):
        shape = mean.shape if "squared" in name or name == "density" else (2, *mean.shape)
        stderr = options["density_error"] * rng.uniform(0.5, 1.5, shape)
        values[name] = np.broadcast_to(mean, shape) + stderr * rng.normal(size=shape)
        values[name + "_stderr"] = stderr * (values[name] != 0)
    values |= {"energy": rng.normal(), "energy_stderr": 0.1, "compressibility": 0.2}
    values |= {"thermalised": 1, "autocorrelation_time": 1.5, "sweeps": options["sweeps"]}
    warnings.warn("worm: perhaps not in equilibrium", RuntimeWarning, stacklevel=2)
    return add_observables(problem, {k: np.asarray(v) for k, v in values.items()}, "worm", {})


@pytest.fixture
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(solvers, "worm", fake_worm, raising=False)


def landscapes(
    recipe: BoseProblems, sites: int, count: int
) -> tuple[np.ndarray, np.ndarray, list[dict[str, Any]]]:
    """Couplings (count, 3), local mu (count, sites, sites) and labels of many samples."""
    couplings, local, labels = [], [], []
    for sample in range(count):
        rng = np.random.default_rng(sample)
        couplings.append(recipe.draw_couplings(rng))
        one, label = recipe.draw_local_mu(sites, sample, couplings[-1][2], rng)
        local.append(one)
        labels.append(label)
    return np.array(couplings), np.array(local), labels


def test_couplings_fill_their_ranges_and_V_is_often_zero() -> None:
    U, V, mu = landscapes(BoseRecipe(), 4, 2000)[0].T
    for ratio, low, high in ((4 / U, 0.05, 1.0), (4 * V / U, 0.0, 1.75), (mu, -0.5, 3.0)):
        assert low <= ratio.min() < low + 0.02 and high - 0.02 < ratio.max() <= high
    assert np.mean(V == 0) == pytest.approx(0.15, abs=0.03)
    rest = 4 * V[V > 0] / U[V > 0]
    assert rest.mean() == pytest.approx(1.75 / 2, abs=0.05)
    always = BoseRecipe(V_end_fraction=1.0, interaction_ratio=(0.5, 1.0))
    U, V, mu = landscapes(always, 4, 50)[0].T
    np.testing.assert_allclose(4 * V / U, 0.5)


def test_noise_keeps_to_the_window_and_to_its_amplitude() -> None:
    recipe = BoseRecipe()
    couplings, local, labels = landscapes(recipe, 8, 1500)
    assert local.min() >= -1 - 1e-12 and local.max() <= 3.3 + 1e-12
    flat = np.ptp(local, axis=(1, 2)) == 0
    assert flat.mean() == pytest.approx(0.025, abs=0.012)
    np.testing.assert_allclose(local[flat].mean(axis=(1, 2)), couplings[flat, 2])
    inside = (local.min(axis=(1, 2)) > -1 + 1e-9) & (local.max(axis=(1, 2)) < 3.3 - 1e-9)
    mu = couplings[:, 2]
    np.testing.assert_allclose(local[inside].mean(axis=(1, 2)), mu[inside], atol=1e-9)
    reach = np.abs(local - mu[:, None, None]).max(axis=(1, 2))
    scale = np.maximum(np.abs(mu), recipe.least_mu_over_U)
    assert (reach[inside] <= 2 * scale[inside] + 1e-9).all()
    assert np.mean(reach < 0.299 * scale) < 0.06
    np.testing.assert_allclose([label["amplitude"] for label in labels], reach)


def test_smooth_noise_has_a_large_exponent() -> None:
    _, local, labels = landscapes(BoseRecipe(flat_fraction=0), 12, 400)
    exponent = np.array([label["exponent"] for label in labels])
    spectrum = np.abs(np.fft.fft2(local)) ** 2
    spectrum[:, 0, 0] = 0
    long = spectrum[:, [0, 0, 1, -1], [1, -1, 0, 0]].sum(1) / spectrum.sum(axis=(1, 2))
    assert 0.1 <= exponent.min() < 0.12 and 9 < exponent.max() <= 10
    assert np.median(long[exponent > 6]) > 0.9 > 0.2 > np.median(long[exponent < 0.3])


def test_traps_have_the_forms_they_are_named_for() -> None:
    recipe = BoseTrapRecipe(outside=(-1.0, -0.2))
    couplings, local, labels = landscapes(recipe, 16, 90)
    assert [label["kind"] for label in labels[:4]] == ["harmonic", "box", "double_well", "harmonic"]
    for (_, _, mu), one, label in zip(couplings, local, labels, strict=True):
        assert one.max() <= mu + 1e-12
        levels, sites = np.unique(one.round(9), return_counts=True)
        if label["kind"] == "harmonic":
            second = np.diff(one, 2, axis=0)
            np.testing.assert_allclose(second, second[0, 0])
            assert -2 * 2.5 / 64 - 1e-9 <= second[0, 0] <= -2 / 64 + 1e-9
            middle = np.array(np.unravel_index(one.argmax(), one.shape))
            assert (np.abs(middle - 7.5) <= 1.5).all()
        elif label["kind"] == "box":
            assert len(levels) == 2 and levels[1] == pytest.approx(mu)
            assert -1 <= levels[0] <= -0.2 and 16 <= sites[1] <= 144
        else:
            assert len(levels) == 3 and levels[2] == pytest.approx(mu)
            assert levels[0] <= -0.2 and 2 * 16 <= sites[2] <= 2 * 36


def test_any_beginning_of_a_run_holds_all_sizes_in_proportion() -> None:
    recipe = BoseRecipe(sites={8: 160, 12: 90, 14: 40})
    plan = recipe.shards()
    totals = {side: sum(n for s, n in plan if s == side) for side in recipe.sites}
    assert totals == recipe.sites
    half = plan[: len(plan) // 2]
    for side, total in totals.items():
        assert sum(n for s, n in half if s == side) == pytest.approx(total / 2, abs=8)


def test_a_shard_depends_on_its_arguments_alone(fast: None) -> None:
    recipe = datasets.read_recipe("bose_hubbard", SMALL)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        one, again, other = (datasets.bose_shard(recipe, 0, seed) for seed in (3, 3, 4))
    xr.testing.assert_identical(one, again)
    for name in ("U", "V", "mu", "potential", "density"):
        assert not np.array_equal(one[name], other[name])
        assert not np.array_equal(one[name][0], one[name][1])
    next_shard = datasets.bose_shard(recipe, 1, 3)
    assert not set(one["U"].values) & set(next_shard["U"].values)


def test_shards_are_solved_problems_in_single_precision(fast: None) -> None:
    recipe = datasets.read_recipe("bose_hubbard", SMALL | {"T": 0.5, "n_max": 2})
    side, count = recipe.shards()[0]
    data = datasets.bose_shard(recipe, 0, 1)
    assert data["density"].dims == ("sample", "x", "y")
    assert data["density"].shape == (count, side, side)
    assert data["coherence"].dims == ("sample", "direction", "x", "y")
    assert data["coherence"].attrs["units"] == "1" and data["energy"].attrs["units"] == "t"
    assert {v.dtype for v in data.data_vars.values() if v.dtype.kind == "f"} == {np.dtype("f4")}
    assert (data["T"] == 0.5).all() and data.attrs["n_max"] == 2
    assert data.attrs["engine"] == "worm" and data.attrs["seed"] == 1
    for name in ("density", "density_squared", "density_correlation", "coherence", "energy"):
        assert name + "_stderr" in data
    assert {"thermalised", "autocorrelation_time", "exponent", "amplitude"} <= set(data.variables)
    local = (data["mu"] - data["potential"]) / data["U"]
    assert local.min() > -1 - 1e-5 and local.max() < 3.3 + 1e-5


def test_folder_resumes_opens_by_size_and_feeds_torch(fast: None, tmp_path: Path) -> None:
    from distributed import LocalCluster

    options: dict[str, Any] = {"seed": 2, "progress": False}
    with LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address="127.0.0.1:0"
    ) as cluster:
        options["scheduler"] = cluster.scheduler_address
        folder = datasets.generate("bose_hubbard", SMALL, tmp_path / "a", **options)
        first = datasets.open_shards(folder)
        (folder / "shard_00001.nc").unlink()
        datasets.generate("bose_hubbard", SMALL, folder, **options)
    data = datasets.open_shards(folder)
    assert {side: part.sizes["sample"] for side, part in data.items()} == SMALL["sites"]
    for side, part in data.items():
        xr.testing.assert_identical(part, first[side])
    report = datasets.describe(folder)
    assert report["samples"] == {"4 x 4": 3, "6 x 6": 2}
    batch = next(iter(datasets.Batches(data, ["density", "coherence", "U"], batch_size=2)))
    side = batch["density"].shape[-1]
    assert batch["coherence"].shape == (len(batch["U"]), 2, side, side)
    train, valid = datasets.split(data[4], 0.34, seed=0)
    assert (train.sizes["sample"], valid.sizes["sample"]) == (2, 1)


def test_packed_bosons_keep_precision_and_exact_zeros(fast: None, tmp_path: Path) -> None:
    recipe = datasets.read_recipe("bose_hubbard_traps", {"sites": {16: 24}})
    parts = [datasets.bose_shard(recipe, shard, 0) for shard in range(4)]
    data = xr.concat(parts, "sample", data_vars="all", coords="minimal", compat="override")
    data.attrs = parts[0].attrs
    data["density_stderr"] = data["density_stderr"].where(data["density"].round() != 0, 0.0)
    data["density_stderr"][0, 0, 0] = 1e-9
    packed = datasets.save(data, tmp_path / "packed.nc", packed=True)
    again = datasets.open_dataset(packed)
    assert list(again["kind"].values) == list(data["kind"].values)
    for name in ("density", "coherence", "density_correlation", "density_squared"):
        assert again[name].attrs["packing_error"] < 0.01 * float(data[name + "_stderr"].mean())
        stderr, exact = again[name + "_stderr"], data[name + "_stderr"]
        assert float(np.abs(stderr - exact).max()) <= stderr.attrs["packing_error"] < 1e-5
        np.testing.assert_array_equal(stderr == 0, exact == 0)
        assert float(stderr.min()) >= 0
    values = sum(v.size for v in data.data_vars.values() if v.ndim > 1)
    assert packed.stat().st_size < 2.1 * values + 2**17


def test_a_ring_of_bosons_is_saved_and_opened(tmp_path: Path) -> None:
    problem = qd.bose_hubbard(np.zeros(8), U=5.0)
    again = datasets.open_dataset(datasets.save(problem, tmp_path / "ring.nc"))
    xr.testing.assert_identical(again, problem)


@pytest.mark.parametrize(
    ("system", "recipe", "message"),
    [
        ("bose_hubbard", {"sites": {8: 1, 9: 1}}, r"\[9\].*odd torus.*even"),
        ("bose_hubbard", {"sites": {2: 1}}, "at least 3"),
        ("bose_hubbard", {"hopping_ratio": [0, 1]}, "positive"),
        ("bose_hubbard", {"exponent": [0, 1]}, "positive"),
        ("bose_hubbard", {"local_mu": [0, 1]}, "holds mu_over_U"),
        ("bose_hubbard", {"mu_over_U": [1, 0]}, "lowest and highest"),
        ("bose_hubbard", {"V_end_fraction": 2}, r"\[0, 1\]"),
        ("bose_hubbard", {"T": 0}, "T: .*positive"),
        ("bose_hubbard", {"sweeps": 10}, "at least 64"),
        ("bose_hubbard", {"density_error": 0}, "density_error"),
        ("bose_hubbard", {"n_max": 1.5}, "does not fit"),
        ("bose_hubbard_traps", {"kinds": ["cone"]}, "choose of harmonic, box, double_well"),
        ("bose_hubbard_traps", {"sites": {6: 1}}, "at least 8"),
    ],
)
def test_bad_recipe_is_refused(system: str, recipe: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        datasets.read_recipe(system, recipe)


def test_shipped_recipes_are_read(root: Path) -> None:
    def read(system: str, name: str) -> BoseProblems:
        return datasets.read_recipe(system, root / "configs" / f"generate_{name}.yaml")

    train = read("bose_hubbard", "bose_hubbard")
    noise = read("bose_hubbard", "bose_hubbard_noise_l10")
    traps = read("bose_hubbard_traps", "bose_hubbard_traps_l16")
    assert sum(train.sites.values()) >= 4000 and set(train.sites) == {8, 10, 12, 14}
    assert (noise.sites, traps.sites) == ({10: 40}, {16: 36})
    assert max(noise.density_error, traps.density_error) < train.density_error / 2


@pytest.mark.slow
def test_worm_answers_agree_with_a_longer_run() -> None:
    recipe = datasets.read_recipe(
        "bose_hubbard",
        {"sites": {4: 4}, "interaction_ratio": [0.0, 0.5], "thermalisation": 500, "sweeps": 2000},
    )
    data = datasets.bose_shard(recipe, 0, 0)
    problems = data[["potential", "U", "V", "mu", "T"]]
    longer = solvers.worm(problems, sweeps=8000, seed=5, chains=1, clip_warning=1.0)
    spread = np.hypot(data["density_stderr"], longer["density_stderr"]) + 1e-3
    assert float((((data["density"] - longer["density"]) / spread) ** 2).mean()) < 2
