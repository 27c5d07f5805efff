"""Inverse problems with a cheap stand-in for a network, whose potential and couplings are known."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr

import qdens_nb as qd
from qdens_nb.inverse import _descent, _local_inversion
from qdens_nb.inverse._border import trained_ranges
from qdens_nb.inverse._network import Network
from qdens_nb.solvers._bose_common import checkerboard

SIDE = 8
R2 = sum((np.indices((SIDE, SIDE)) - (SIDE - 1) / 2) ** 2) / (SIDE / 2) ** 2


class Toy:
    """Smooth steps of the density in mu - v - V (neighbours), the sector breaks the tie."""

    def torch_observables(
        self, local: torch.Tensor, U: Any, V: Any, sector: Any, T: float, n_max: int
    ) -> dict[str, torch.Tensor]:
        U, V, sector = (
            torch.as_tensor(a, dtype=local.dtype).expand(len(local))[:, None, None]
            for a in (U, V, sector)
        )
        board = torch.as_tensor(checkerboard(local.shape[1:])) * (1 - 2 * sector)

        def occupation(mu: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            filled = [((mu - k * U) / 2.5).sigmoid() for k in range(n_max)]
            return sum(filled), sum((2 * k + 1) * p for k, p in enumerate(filled))

        def around(n: torch.Tensor) -> torch.Tensor:
            return sum(n.roll(shift, axis) for shift in (1, -1) for axis in (-1, -2))

        first, _ = occupation(U * local - 2 * V + 2 * V * board)
        density, squared = occupation(U * local - V * around(first))
        return {"density": density, "density_squared": squared}

    def torch_density(self, *args: Any, **options: Any) -> torch.Tensor:
        return self.torch_observables(*args, **options)["density"]


class Counting(Toy):
    """Is stopped by the user once, after some calls."""

    def __init__(self, calls: int) -> None:
        self.left = calls

    def torch_observables(self, *args: Any, **options: Any) -> dict[str, torch.Tensor]:
        self.left -= 1
        if self.left == -1:
            raise KeyboardInterrupt
        return super().torch_observables(*args, **options)


def toy_maps(local: np.ndarray, U: float, V: float, sector: int = 0) -> dict[str, np.ndarray]:
    couplings = (torch.tensor([float(c)]) for c in (U, V))
    found = Toy().torch_observables(torch.as_tensor(local)[None], *couplings, sector, 0.25, 3)
    return {name: value[0].numpy() for name, value in found.items()}


def trap(mu: float = 1.8, fall: float = 1.4) -> np.ndarray:
    return mu - fall * R2


def local_mu(found: xr.Dataset) -> np.ndarray:
    return ((found.mu - found.potential) / found.U).values


@pytest.fixture(scope="module")
def designed() -> xr.Dataset:
    target = toy_maps(trap(), 20.0, 2.0)["density"]
    return qd.inverse.design(Toy(), target, U=20.0, V=2.0, starts=3, steps=120, seed=3)


def test_a_known_potential_is_recovered_from_its_density(designed):
    assert designed.design_error < 1e-3
    felt = designed.target.values > 0.1
    assert np.abs(local_mu(designed) - trap())[felt].max() < 0.03
    np.testing.assert_allclose(
        toy_maps(local_mu(designed), 20.0, 2.0, int(designed.sector))["density"],
        designed.density,
        atol=1e-6,
    )


def test_the_answer_is_a_problem_with_all_starts(designed, tmp_path):
    assert designed.attrs["system"] == "bose_hubbard"
    assert dict(designed.history.sizes) == {"start": 6, "step": 120}
    assert designed.start_sector.values.tolist() == [0, 0, 0, 1, 1, 1]
    assert designed.start_kind.values.tolist() == ["local", "flat", "random"] * 2
    assert float(designed.potential.min()) == pytest.approx(0.0, abs=1e-9)
    error = abs(designed.density - designed.target).mean()
    assert float(designed.design_error) == pytest.approx(float(error))
    assert float(designed.start_error.min()) <= float(designed.design_error)
    assert (designed.history.min("step") >= designed.start_error - 0.01).all()
    designed.to_netcdf(tmp_path / "designed.nc")
    with xr.open_dataset(tmp_path / "designed.nc") as again:
        assert again.attrs["interrupted"] == 0


def test_same_seed_same_answer(designed):
    again = qd.inverse.design(Toy(), designed.target, U=20.0, V=2.0, starts=3, steps=120, seed=3)
    xr.testing.assert_identical(again, designed)
    other = qd.inverse.design(Toy(), designed.target, U=20.0, V=2.0, starts=3, steps=5, seed=4)
    random = designed.start_kind.values == "random"
    assert (other.start_potential != designed.start_potential)[random].any()


def test_bounds_are_kept_on_the_way_to_a_density_out_of_reach():
    found = qd.inverse.design(
        Toy(), np.full((4, 4), 3.0), U=20.0, V=2.0, bounds=(-0.5, 1.2), starts=3, steps=60
    )
    assert local_mu(found).min() >= -0.5 and local_mu(found).max() <= 1.2
    assert found.design_error > 0.5
    assert local_mu(found).min() > 1.0


def test_the_sector_is_that_of_a_checkerboard_or_the_one_asked_for():
    flat = np.full((SIDE, SIDE), 0.4)
    for sector in (0, 1):
        target = toy_maps(flat, 20.0, 4.0, sector)["density"]
        assert np.sign((target * checkerboard(target.shape)).sum()) == 1 - 2 * sector
        for wanted in ("auto", sector):
            found = qd.inverse.design(
                Toy(), target, U=20.0, V=4.0, sector=wanted, starts=2, steps=60
            )
            assert int(found.sector) == sector and found.design_error < 0.01
        # the homogeneous checkerboard needs no staggered potential
        assert np.ptp(local_mu(found)) < 0.1
    forced = qd.inverse.design(Toy(), target, U=20.0, V=4.0, sector=0, starts=1, steps=20)
    assert int(forced.sector) == 0 and set(forced.start_sector.values) == {0}


def test_the_local_inversion_is_right_in_a_homogeneous_system():
    density = toy_maps(np.full((4, 4), 1.05), 20.0, 2.0)["density"]
    couplings = (torch.tensor([c], dtype=torch.float64) for c in (20.0, 2.0))
    guess = _local_inversion.invert_locally(
        Network(Toy(), 0.25, 3), density, (-1.0, 3.3), *couplings, torch.tensor([0])
    )
    assert guess.local.shape == (1, 4, 4)
    assert (guess.local - 1.05).abs().max() < 0.05


def test_the_descent_keeps_the_best_of_each_start_and_leaves_the_weights_alone():
    weight = torch.nn.Parameter(torch.tensor(1.0))

    def measure(points: list[torch.Tensor], rows: torch.Tensor) -> _descent.Point:
        goals = torch.tensor([[1.0], [-2.0], [40.0]])[rows]
        value = weight * (points[0] - goals).square().sum(1)
        return _descent.Point(value, value, value)

    found = _descent.descend(
        measure,
        [torch.zeros(3, 1)],
        steps=300,
        learning_rate=0.1,
        title="",
        progress=False,
        groups=np.array([0, 0, 0]),
    )
    assert found.unknowns[0].squeeze(1)[:2].tolist() == pytest.approx([1.0, -2.0], abs=0.1)
    assert weight.grad is None and torch.isfinite(weight)
    np.testing.assert_allclose(found.loss, np.nanmin(found.history, 1), rtol=1e-6)
    steps_done = np.isfinite(found.history).sum(1)
    assert sorted(steps_done) == [60, 120, 300] and steps_done[2] == 60


def test_a_smooth_potential_if_asked_for():
    target = np.where(R2 < 1.0, 1.0, 0.2)
    rough, smooth = (
        qd.inverse.design(Toy(), target, U=20.0, starts=3, steps=80, smoothness=s)
        for s in (0.0, 0.3)
    )

    def roughness(found: xr.Dataset) -> float:
        return float(found.potential.diff("x").std())

    assert roughness(smooth) < 0.8 * roughness(rough)


def test_only_mu_minus_v_matters():
    target = toy_maps(trap(), 20.0, 0.0)["density"]
    options = {"U": 20.0, "starts": 1, "steps": 10}
    free = qd.inverse.design(Toy(), target, **options)
    given = qd.inverse.design(Toy(), target, mu=5.0, **options)
    assert float(given.mu) == 5.0
    np.testing.assert_allclose(local_mu(given), local_mu(free), atol=1e-12)


def test_an_interrupt_keeps_the_best_so_far():
    target = toy_maps(trap(), 20.0, 2.0)["density"]
    found = qd.inverse.design(Counting(30), target, U=20.0, V=2.0, steps=100, starts=2)
    assert found.attrs["interrupted"] == 1
    assert np.isfinite(found.history[:, :20]).all() and np.isnan(found.history[:, 30:]).all()
    assert found.design_error < 0.05
    with pytest.raises(KeyboardInterrupt):
        qd.inverse.design(Counting(0), target, U=20.0, V=2.0)


def test_recheck_compares_an_engine_with_target_and_network(designed):
    exact = qd.inverse.recheck(designed, qd.solvers.gutzwiller)
    assert exact.attrs["engine"] == "gutzwiller" and "history" not in exact
    xr.testing.assert_equal(exact.potential, designed.potential)
    assert float(exact.target_error) == pytest.approx(
        float(abs(exact.density - designed.target).mean())
    )
    assert float(exact.prediction_error) == pytest.approx(
        float(abs(exact.density - designed.density).mean())
    )
    measured = qd.inverse.recheck(designed, sweeps=64, thermalisation=64, start="classical")
    assert measured.attrs["engine"] == "worm" and "density_stderr" in measured
    with pytest.raises(ValueError, match="holds no 'target'"):
        qd.inverse.recheck(designed.drop_vars("target"))


@pytest.mark.parametrize(
    ("target", "options", "message"),
    [
        (np.zeros(8), {}, "one map of real numbers"),
        (np.zeros((5, 4)), {}, "even sides"),
        (np.full((4, 4), np.nan), {}, "NaN or infinite"),
        (np.full((4, 4), 3.5), {}, "0 to n_max=3"),
        (np.full((4, 4), -0.1), {}, "0 to n_max=3"),
        (xr.DataArray(np.zeros((4, 4)), dims=("a", "b")), {}, "has dims"),
        (np.zeros((4, 4)), {"bounds": (1.0, 0.0)}, "low < high"),
        (np.zeros((4, 4)), {"sector": 2}, "choose one of"),
        (np.zeros((4, 4)), {"starts": 0}, "at least 1"),
        (np.zeros((4, 4)), {"learning_rate": 0.0}, "above 0"),
        (np.zeros((4, 4)), {"U": 0.0}, "above 0"),
        (np.zeros((4, 4)), {"V": np.array([1.0, 2.0])}, "one number"),
    ],
)
def test_design_refuses(target, options, message):
    with pytest.raises(ValueError, match=message):
        qd.inverse.design(Toy(), target, **{"U": 20.0, **options})


def test_design_needs_a_gradient_and_warns_outside_of_the_training():
    with pytest.raises(TypeError, match="torch_density"):
        qd.inverse.design(qd.solvers.gutzwiller, np.zeros((4, 4)), U=20.0)
    carded = Toy()
    carded.card = {"ranges": {}}
    with pytest.warns(UserWarning, match="4t/U may leave"):
        qd.inverse.design(carded, np.zeros((4, 4)), U=200.0, steps=1, starts=1)


SMALL = {"starts": 6, "resamples": 6, "steps": 200, "model_error": 0.0}


def noisy(local: np.ndarray, U: float, V: float, noise: float, seed: int = 0) -> xr.Dataset:
    rng = np.random.default_rng(seed)
    maps = toy_maps(local, U, V)
    sizes = {"density": noise, "density_squared": 3 * noise}
    data = {k: (("x", "y"), v + sizes[k] * rng.normal(size=v.shape)) for k, v in maps.items()}
    errors = {f"{k}_stderr": (("x", "y"), np.full((SIDE, SIDE), sizes[k])) for k in maps}
    return xr.Dataset(data | errors)


def density_only(data: xr.Dataset) -> xr.Dataset:
    return data[["density", "density_stderr"]]


@pytest.fixture(scope="module")
def learnt() -> xr.Dataset:
    data = density_only(noisy(trap(), 18.0, 2.5, 0.01, seed=1))
    return qd.inverse.learn_hamiltonian(Toy(), data, family="trap", seed=5, **SMALL)


def test_couplings_of_a_trap_are_learnt_within_their_uncertainty(learnt):
    for name, truth in {"U": 18.0, "V": 2.5}.items():
        std = float(learnt[f"{name}_std"])
        assert 0 < std < 0.1 * truth
        assert abs(float(learnt[f"{name}_mean"]) - truth) < 3 * std
    table = learnt.sel(parameter=["mu_over_U", "fall_over_U", "centre_x", "centre_y"])
    pull = (table.parameter_mean - [1.8, 1.4, 3.5, 3.5]) / table.parameter_std
    assert abs(pull).max() < 3.5
    assert learnt.parameter_identified.values.all()
    assert 0.5 < float(learnt.chi2) < 1.5


def test_what_is_learnt_is_a_problem_that_tells_of_its_starts(learnt, tmp_path):
    assert learnt.attrs["system"] == "bose_hubbard" and learnt.start_accepted.sum() >= 1
    best = int(np.argmin(learnt.start_chi2.values))
    assert float(learnt.U) == float(learnt.start_U[best])
    assert float(learnt.parameter_best.sel(parameter="U")) == float(learnt.U)
    assert float(learnt.chi2) == float(learnt.start_chi2[best])
    joint = np.hypot(learnt.parameter_start_std, learnt.parameter_noise_std)
    np.testing.assert_allclose(learnt.parameter_std, joint)
    again = toy_maps(local_mu(learnt), float(learnt.U), float(learnt.V))["density"]
    np.testing.assert_allclose(again, learnt.density, atol=1e-6)
    learnt.to_netcdf(tmp_path / "learnt.nc")


def test_learning_repeats_with_its_seed(learnt):
    data = density_only(noisy(trap(), 18.0, 2.5, 0.01, seed=1))
    again = qd.inverse.learn_hamiltonian(Toy(), data, family="trap", seed=5, **SMALL)
    xr.testing.assert_identical(again, learnt)


def test_a_free_potential_hides_the_couplings_and_says_so():
    data = density_only(noisy(trap(), 18.0, 2.5, 0.01))
    found = qd.inverse.learn_hamiltonian(Toy(), data, U=(10.0, 30.0), V=(0.0, 4.0), **SMALL)
    assert found.parameter.values.tolist() == ["U", "V"]
    assert not found.parameter_identified.any()
    assert found.start_accepted.sum() >= 3
    assert "cannot be told" in found.attrs["note"]
    assert float(found.potential_std.mean()) > 0.5


def test_fluctuations_tell_the_repulsion_even_of_a_free_potential():
    data = noisy(trap(), 18.0, 2.5, 0.01)
    options = {"U": (10.0, 30.0), "V": (0.0, 4.0), **SMALL, "steps": 300, "learning_rate": 0.3}
    hidden = qd.inverse.learn_hamiltonian(Toy(), density_only(data), **options)
    told = qd.inverse.learn_hamiltonian(Toy(), data, **options)
    assert float(told.U_std) < 0.5 * float(hidden.U_std)
    assert abs(float(told.U_mean) - 18.0) < 3 * float(told.U_std)


def test_density_squared_may_be_given_by_itself_and_couplings_may_be_known():
    data = noisy(trap(), 18.0, 2.5, 0.01)
    found = qd.inverse.learn_hamiltonian(
        Toy(),
        data.density,
        density_squared=data.density_squared,
        U=18.0,
        V=2.5,
        starts=2,
        resamples=1,
        steps=40,
    )
    assert json.loads(found.attrs["engine_options"])["observed"] == ["density", "density_squared"]
    assert found.sizes["parameter"] == 0 and float(found.U_std) == 0.0
    assert float(found.chi2) < 1.0


def test_a_known_potential_a_box_and_a_callable():
    local = np.full((SIDE, SIDE), -0.1)
    local[2:6, 1:5] = 1.5
    data = density_only(noisy(local, 18.0, 2.5, 0.01))
    known = qd.inverse.learn_hamiltonian(Toy(), data, family=18.0 * (1.5 - local), mu=27.0, **SMALL)
    assert known.parameter.values.tolist() == ["U", "V"]
    assert abs(float(known.V_mean) - 2.5) < 4 * float(known.V_std) < 1.0
    assert float(known.mu) == 27.0
    box = qd.inverse.learn_hamiltonian(Toy(), data, U=18.0, V=2.5, family="box", **SMALL)
    values = box.parameter_best.sel(parameter=["mu_over_U", "side", "centre_x", "centre_y"])
    np.testing.assert_allclose(values, [1.5, 4.0, 3.5, 2.5], atol=0.1)

    board = torch.as_tensor(R2)
    found = qd.inverse.learn_hamiltonian(
        Toy(),
        density_only(noisy(trap(), 18.0, 0.0, 0.01)),
        U=18.0,
        V=0.0,
        family=lambda values, U: values["top"] - values["fall"] * board,
        parameters={"top": (10.0, 50.0), "fall": (5.0, 50.0)},
        **SMALL,
    )
    truth = xr.DataArray([18 * 1.8, 18 * 1.4], coords={"parameter": ["top", "fall"]})
    assert (abs(found.parameter_mean - truth) < 4 * found.parameter_std).all()


def test_an_interrupted_lesson_keeps_what_there_is():
    data = density_only(noisy(trap(), 18.0, 2.5, 0.01))
    options = {"family": "trap", "starts": 4, "resamples": 4, "steps": 60, "U": 18.0}
    for calls in (40, 61 + 3):
        found = qd.inverse.learn_hamiltonian(Counting(calls), data, **options)
        assert found.attrs["interrupted"] == 1
        assert np.isfinite(found.potential).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"family": "ring"}, "choose one of"),
        ({"family": np.zeros((4, 4))}, "the known potential is"),
        ({"family": np.zeros((SIDE, SIDE)), "U": 20.0, "V": 1.0, "mu": 3.0}, "nothing to learn"),
        ({"family": lambda values, U: U}, "needs parameters"),
        ({"parameters": {"a": (0.0, 1.0)}}, "for a callable"),
        ({"U": (20.0, 10.0)}, "low < high"),
        ({"U": (10.0, 20.0), "V": (10.0, 12.0)}, "starts above"),
        ({"noise": -0.1}, "negative"),
        ({"noise": 0.0, "model_error": 0.0}, "is 0 somewhere"),
        ({"noise": np.zeros((4, 4))}, "noise of density is"),
        ({"resamples": -1}, "at least 0"),
    ],
)
def test_learning_refuses(options, message):
    with pytest.raises(ValueError, match=message):
        qd.inverse.learn_hamiltonian(Toy(), np.ones((SIDE, SIDE)), **options)


def test_learning_refuses_data_that_are_no_density():
    with pytest.raises(ValueError, match="holds no 'density'"):
        qd.inverse.learn_hamiltonian(Toy(), xr.Dataset())
    with pytest.raises(ValueError, match="0 to n_max"):
        qd.inverse.learn_hamiltonian(Toy(), np.full((4, 4), -0.5), noise=0.01)

    class Plain:
        torch_density = Toy.torch_density

    with pytest.raises(TypeError, match="torch_observables"):
        qd.inverse.learn_hamiltonian(Plain(), noisy(trap(), 18.0, 2.5, 0.01))


def test_trained_ranges_come_from_the_card():
    carded = Toy()
    carded.card = {"ranges": {"4t/U": [0.1, 0.5]}}
    assert trained_ranges(carded)["4t/U"] == [0.1, 0.5]
    assert trained_ranges(carded)["4V/U"] == trained_ranges(Toy())["4V/U"]


@pytest.mark.slow
def test_the_shipped_network_designs_what_quantum_monte_carlo_confirms():
    predictor = qd.load_predictor("bose_hubbard_live")
    target = np.where(R2 < 0.8, 1.0, 0.0)
    found = qd.inverse.design(predictor, target, U=20.0, starts=1, steps=100)
    assert found.design_error < 0.02
    exact = qd.inverse.recheck(found, sweeps=1000, seed=1)
    assert exact.target_error < 0.05

    learnt = qd.inverse.learn_hamiltonian(
        predictor,
        exact[["density", "density_squared", "density_correlation", "density_stderr"]],
        family=found.potential,
        starts=3,
        resamples=2,
        steps=60,
    )
    assert learnt.parameter.values.tolist() == ["U", "V", "mu_over_U"]
    assert (abs(learnt.density - exact.density).mean()) < 0.1
