"""Bose-Hubbard networks: symmetries, sectors, pre-training, resume, honest ranges."""

import dataclasses
import json
import warnings

import numpy as np
import pytest
import torch
import xarray as xr

import qdens_nb as qd
from qdens_nb.models import LatticeCNN, LatticeResNet, PeriodicConv2d, SqueezeExcite
from qdens_nb.models._lattice_layers import window_mean
from qdens_nb.solvers._bose_common import checkerboard
from qdens_nb.training import TrainConfig, load_predictor, sector_of, train
from qdens_nb.training._bose_fields import (
    base_observables,
    sector_fields,
    torch_sector_fields,
)
from qdens_nb.training._bose_tasks import OBSERVABLES, BoseCorrectionTask, BoseDirectTask
from qdens_nb.training._mean_field_data import draw_problems, mean_field_labels
from qdens_nb.training._registry import build_network
from qdens_nb.training._square_symmetry import (
    BONDS,
    ELEMENTS,
    inverse,
    move,
    move_sites,
    translate,
)

SMALL = {
    "blocks": 2,
    "width": 12,
    "steps": 8,
    "batch_size": 8,
    "validate_every": 4,
    "warmup": 2,
    "validation_fraction": 0.2,
}
NETWORKS = [("cnn", "none"), ("resnet", "none"), ("resnet", "local"), ("resnet", "global")]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    for sites in (4, 6):
        data = mean_field_labels(draw_problems(sites, 20, seed=1))
        for name in OBSERVABLES:
            data[f"{name}_stderr"] = xr.full_like(data[name], 0.01)
            data[name] = data[name] + 0.01 * rng.normal(size=data[name].shape)
        data.to_netcdf(folder / f"torus_{sites}.nc")
    return folder


@pytest.fixture(scope="module")
def trained(files, tmp_path_factory):
    out = tmp_path_factory.mktemp("weights")
    for task, network in (("bose_hubbard", "resnet"), ("bose_hubbard_cnn", "cnn")):
        config = TrainConfig(task=task, network=network, members=2, **SMALL)
        train(task, config, data=files, out=out / task, progress=False)
    return out


def maps(solved):
    return {name: torch.tensor(solved[name].values) for name in OBSERVABLES}


def solutions():
    """Two engines on random potentials without any symmetry: exact, and one with long sides."""
    rng = np.random.default_rng(2)

    def exact(potential):
        problem = qd.bose_hubbard(potential, U=12.0, V=2.0, mu=9.0, T=0.5, n_max=1)
        return qd.solvers.bose_hubbard_ed(problem)

    def mean_field(potential):
        problem = qd.bose_hubbard(potential, U=12.0, V=2.0, mu=9.0)
        return qd.solvers.gutzwiller(problem, start="uniform")

    return {
        "exact": (exact, rng.normal(size=(4, 2)) * 3),
        "mean field": (mean_field, rng.normal(size=(6, 4)) * 3),
    }


@pytest.mark.parametrize("engine", ["exact", "mean field"])
def test_maps_of_observables_hold_for_solutions(engine):
    solve, potential = solutions()[engine]
    answer = maps(solve(potential))
    for element in ELEMENTS:
        moved = move_sites(torch.tensor(potential), element)
        there = maps(solve(moved.numpy().copy()))
        for name in OBSERVABLES:
            image = move(name, answer[name], element)
            torch.testing.assert_close(image, there[name], atol=1e-6, rtol=0)
            torch.testing.assert_close(move(name, image, inverse(element)), answer[name])
    for shift in ((1, 0), (0, 1), (2, 1)):
        there = maps(solve(np.roll(potential, shift, (0, 1))))
        for name in OBSERVABLES:
            torch.testing.assert_close(
                translate(answer[name], shift), there[name], atol=1e-6, rtol=0
            )


@pytest.mark.parametrize("task", [BoseDirectTask, BoseCorrectionTask])
def test_inputs_carry_the_symmetries(task, files):
    """Channels and targets of the moved problem are the moved channels and targets."""
    with xr.open_dataset(files / "torus_6.nc") as opened:
        data = opened.load()
    task = task()
    channels, target = task.inputs(task.prepare(data), None)
    for element in ELEMENTS:
        moved = data.copy()
        for name in ("potential", *OBSERVABLES):
            dims = ("sample", *(("direction",) if name in BONDS else ()), "x", "y")
            values = torch.tensor(data[name].transpose(*dims).values)
            moved[name] = (dims, move(name, values, element).numpy().copy())
        there, wanted = task.inputs(task.prepare(moved), None)
        torch.testing.assert_close(move_sites(channels, element), there, atol=2e-3, rtol=0)
        for name in OBSERVABLES:
            image = move(name, target[name], element)
            torch.testing.assert_close(image, wanted[name], atol=2e-3, rtol=0)


def test_the_sector_is_that_of_the_denser_sites():
    problem = qd.bose_hubbard(np.zeros((2, 4, 4)), U=40.0, V=15.0, mu=20.0)
    board = np.maximum(checkerboard((4, 4)), 0.0)
    data = problem.assign(density=(("sample", "x", "y"), np.stack([board, 1 - board])))
    task = BoseDirectTask()
    batch = task.prepare(data)
    assert batch["sector"].tolist() == [1.0, -1.0]
    channels, target = task.inputs(batch, None)
    assert ((channels[:, 3] > 0).float() == target["density"]).all()
    assert float(channels[0, 1, 0, 0]) == pytest.approx(2 * 4 / 40 - 1)
    assert torch.isnan(target["coherence"]).all()
    loss = task.loss({name: torch.zeros(2, 4, 4) for name in task.outputs}, target)["loss"]
    assert torch.isfinite(loss)


def test_mean_field_channels_are_the_engine_in_each_sector():
    rng = np.random.default_rng(3)
    local = 20.0 + rng.normal(size=(2, 6, 6))
    fields = sector_fields(local, np.full(2, 40.0), np.full(2, 15.0), np.full(2, 0.25), 3)
    for sector, sign in ((0, 1), (1, -1)):
        base = base_observables(torch.tensor(fields.values[sector]))
        staggered = (base["density"].numpy() * checkerboard((6, 6))).sum((1, 2))
        assert (sign * staggered > 5).all()
        problem = qd.bose_hubbard(20.0 - local, U=40.0, V=15.0, mu=20.0)
        solved = qd.solvers.gutzwiller(problem, start=("even", "odd")[sector])
        for name in OBSERVABLES:
            np.testing.assert_allclose(base[name], solved[name], atol=1e-3)
    swapped = sector_fields(
        np.roll(local, 1, 1), np.full(2, 40.0), np.full(2, 15.0), np.full(2, 0.25), 3
    )
    np.testing.assert_allclose(swapped.values[1], np.roll(fields.values[0], 1, 2), atol=1e-3)


def test_the_sector_is_that_of_the_lower_mean_field(trained):
    board = checkerboard((8, 8))
    potential = np.stack([3.0 * board, -3.0 * board, 0.0 * board])
    problem = qd.bose_hubbard(potential, U=40.0, V=15.0, mu=20.0)
    for task in ("bose_hubbard", "bose_hubbard_cnn"):
        assert load_predictor(trained / task)(problem).sector.values.tolist() == [1, 0, 0]
    weak = qd.bose_hubbard(potential, U=4.0, V=0.0, mu=4.0)
    predictor = load_predictor(trained / "bose_hubbard")
    assert predictor(weak).sector.values.tolist() == [1, 0, 0]
    solved = qd.solvers.gutzwiller(problem, start="odd")
    assert sector_of(solved).tolist() == [1, 1, 1]
    assert predictor(solved, sector=predictor.sector_of(solved)).sector.values.tolist() == [1, 1, 1]
    one = solved.isel(sample=0)
    assert int(predictor(one, sector=predictor.sector_of(one)).sector) == 1


@pytest.mark.parametrize("task", ["bose_hubbard", "bose_hubbard_cnn"])
def test_predictor_is_a_solver(trained, task):
    predictor = load_predictor(trained / task)
    potential = np.random.default_rng(5).normal(size=(3, 8, 10)) * 5
    problem = qd.bose_hubbard(potential, U=20.0, V=[5.0, 0.0, 8.0], mu=15.0)
    answer = predictor(problem)
    assert answer.potential.equals(problem.potential)
    for name in (*OBSERVABLES, "density_stderr"):
        dims = ("sample", *(("direction",) if name in BONDS else ()), "x", "y")
        assert answer[name].dims == dims
        assert np.isfinite(answer[name]).all()
    assert (answer.density_stderr > 0).all()
    assert (answer.density_squared >= answer.density**2 - 1e-9).all()
    assert set(np.unique(answer.sector)) <= {0, 1}
    single = predictor(problem.isel(sample=1))
    np.testing.assert_allclose(single.density, answer.density.isel(sample=1), atol=1e-4)
    assert "lower grand potential" in answer.attrs["sector_rule"]

    even, odd = predictor(problem, sector=0), predictor(problem, sector=1)
    assert (even.sector == 0).all() and (odd.sector == 1).all()
    chosen = xr.where(answer.sector == 0, even.density, odd.density)
    np.testing.assert_allclose(answer.density, chosen.transpose(*answer.density.dims), atol=1e-9)

    moved = problem.assign(potential=(problem.potential.dims, np.roll(potential, 1, 1)))
    np.testing.assert_allclose(
        predictor(moved, sector=1).density, np.roll(even.density, 1, 1), atol=2e-3
    )
    turned = problem.drop_vars(["x", "y", "potential"]).assign(
        potential=(problem.potential.dims, potential.transpose(0, 2, 1))
    )
    np.testing.assert_allclose(
        predictor(turned, sector=0).coherence.values,
        even.coherence.values[:, ::-1].transpose(0, 1, 3, 2),
        atol=2e-3,
    )


def test_ties_go_to_the_even_sector(trained):
    for task in ("bose_hubbard", "bose_hubbard_cnn"):
        answer = load_predictor(trained / task)(
            qd.bose_hubbard(np.zeros((8, 8)), U=40.0, V=15.0, mu=20.0)
        )
        assert int(answer.sector) == 0


def test_torch_density_is_the_prediction_and_has_a_gradient(trained):
    predictor = load_predictor(trained / "bose_hubbard_cnn")
    local = torch.rand(2, 8, 8, dtype=torch.float64, requires_grad=True)
    density = predictor.torch_density(local, 20.0, torch.tensor([5.0, 2.0]), torch.tensor([0, 1]))
    density.square().sum().backward()
    assert (local.grad != 0).all()
    problem = qd.bose_hubbard(-20.0 * local.detach().numpy(), U=20.0, V=[5.0, 2.0], mu=0.0)
    for i in (0, 1):
        answer = predictor(problem.isel(sample=i), sector=i, symmetrise=False)
        np.testing.assert_allclose(
            np.clip(density[i].detach().numpy(), 0, 3), answer.density, atol=1e-4
        )


@pytest.mark.parametrize(("U", "V", "sector"), [(20.0, 2.0, 1), (24.0, 4.0, 0), (30.0, 0.0, 0)])
def test_the_correction_has_the_gradient_of_its_own_prediction(trained, U, V, sector):
    predictor = load_predictor(trained / "bose_hubbard")
    rng = np.random.default_rng(1)
    local, weight = rng.uniform(-0.3, 1.5, (6, 6)), rng.normal(size=(6, 6))

    def total(local=local, U=U, V=V):
        problem = qd.bose_hubbard(-U * local, U=U, V=V, mu=0.0)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".* was trained on")
            answer = predictor(problem, sector=sector, symmetrise=False)
        return float((weight * answer.density).sum())

    at = [torch.tensor([c], dtype=torch.float64, requires_grad=True) for c in (U, V)]
    seen = torch.tensor(local[None], requires_grad=True)
    density = predictor.torch_density(seen, *at, sector)
    # a prediction is cut to what is possible, where its derivative jumps
    weight[density.detach().numpy()[0] < 0.02] = 0.0
    found = (torch.tensor(weight) * density).sum()
    assert found.item() == pytest.approx(total(), abs=1e-5)
    by_local, by_U, by_V = torch.autograd.grad(found, [seen, *at])
    for way in rng.normal(size=(4, 6, 6)) / 6:
        step = 0.005 * way
        slope = (total(local + step) - total(local - step)) / 0.01
        assert float((by_local[0].numpy() * way).sum()) == pytest.approx(slope, rel=0.02, abs=0.01)
    slope = (total(U=U + 0.05) - total(U=U - 0.05)) / 0.1
    assert float(by_U) == pytest.approx(slope, rel=0.02, abs=2e-3)
    low = max(0.0, V - 0.02)
    slope = (total(V=V + 0.02) - total(V=low)) / (V + 0.02 - low)
    assert float(by_V) == pytest.approx(slope, rel=0.02, abs=0.01)


def test_the_lower_sector_is_told_by_a_grand_potential_with_a_gradient():
    local = torch.full((1, 6, 6), 5.0, dtype=torch.float64)
    local[0, 0, 0] = 5.3
    local.requires_grad_()
    couplings = (torch.tensor([c], dtype=torch.float64) for c in (20.0, 5.0, 0.25))
    fields = torch_sector_fields(local, *couplings, 3)
    even, odd = fields.grand_potential
    assert even.item() < odd.item()
    for grand, values in zip(fields.grand_potential, fields.values, strict=True):
        (slope,) = torch.autograd.grad(grand.sum(), [local], retain_graph=True)
        torch.testing.assert_close(slope, -values[:, 0], atol=1e-6, rtol=0)


def test_ranges_are_watched(trained):
    predictor = load_predictor(trained / "bose_hubbard_cnn")
    with pytest.warns(UserWarning, match=r"4t/U is outside \[0.05, 1.0\]"):
        predictor(qd.bose_hubbard(np.zeros((8, 8)), U=200.0))
    with pytest.warns(UserWarning, match="T is not 0.25"):
        predictor(qd.bose_hubbard(np.zeros((8, 8)), T=1.0))
    with pytest.warns(UserWarning, match="reaches 5.00"):
        predictor(qd.bose_hubbard(np.zeros((8, 8)), U=20.0, mu=100.0))
    with pytest.raises(ValueError, match="is a ring"):
        predictor(qd.bose_hubbard(np.zeros(8)))
    with pytest.raises(ValueError, match="U per site"):
        predictor(qd.bose_hubbard(np.zeros((4, 4)), U=np.full((4, 4), 20.0)))
    with pytest.raises(ValueError, match="choose 'auto', 0"):
        predictor(qd.bose_hubbard(np.zeros((4, 4))), sector=2)
    with pytest.raises(ValueError, match="bose_hubbard"):
        predictor(qd.fermion_chain(np.zeros(8)))


def test_pretraining_on_the_mean_field(files, tmp_path):
    small = {**SMALL, "task": "bose_hubbard_cnn", "network": "cnn"}
    config = TrainConfig(mean_field={4: 12, 6: 12}, **small)
    first = train("bose_hubbard_cnn", config, out=tmp_path / "first", progress=False)
    start = load_predictor(first).members[0].state_dict()
    config = TrainConfig(pretrained=str(first), **{**small, "learning_rate": 0.0, "steps": 2})
    second = train("bose_hubbard_cnn", config, data=files, out=tmp_path / "second", progress=False)
    after = load_predictor(second).members[0].state_dict()
    torch.testing.assert_close(after["heads.weight"], start["heads.weight"])
    with pytest.raises(ValueError, match="width=12, this configuration 8"):
        wrong = dataclasses.replace(config, width=8)
        train("bose_hubbard_cnn", wrong, data=files, out=tmp_path / "w", progress=False)
    with pytest.raises(ValueError, match="give no data"):
        wrong = dataclasses.replace(config, mean_field={4: 2})
        train("bose_hubbard_cnn", wrong, data=files, out=tmp_path / "w", progress=False)
    with pytest.raises(ValueError, match="no training data"):
        train("bose_hubbard_cnn", config, out=tmp_path / "w", progress=False)
    with pytest.raises(ValueError, match="learns a fermion_chain"):
        train("chain_cnn", TrainConfig(task="chain_cnn"), data=files, out=tmp_path / "w")


def test_same_seed_same_weights_and_resume(files, tmp_path, monkeypatch):
    config = TrainConfig(task="bose_hubbard", optimizer="muon", **SMALL)
    whole = train("bose_hubbard", config, data=files, out=tmp_path / "whole", progress=False)
    from qdens_nb.training import _train

    real = _train.RegressionModule.training_step

    def dies(self, batch, index):
        if int(batch["step"]) == 6:
            raise RuntimeError("killed")
        real(self, batch, index)

    monkeypatch.setattr(_train.RegressionModule, "training_step", dies)
    with pytest.raises(RuntimeError, match="killed"):
        train("bose_hubbard", config, data=files, out=tmp_path / "part", progress=False)
    monkeypatch.setattr(_train.RegressionModule, "training_step", real)
    resumed = train(
        "bose_hubbard", config, data=files, out=tmp_path / "part", progress=False, resume=True
    )
    problem = qd.bose_hubbard(np.zeros((8, 8)), U=20.0, V=3.0, mu=12.0)
    a, b = (load_predictor(folder)(problem) for folder in (whole, resumed))
    np.testing.assert_allclose(a.density, b.density, atol=1e-6)
    card = json.loads((whole / "card.json").read_text())
    assert card["data"]["sites"] == [[4, 4], [6, 6]]
    assert card["calibration"]["validation_samples"] == 8


@pytest.mark.parametrize(("network", "squeeze"), NETWORKS)
@pytest.mark.parametrize("norm", ["layer", "batch"])
def test_translation_equivariance(network, squeeze, norm):
    torch.manual_seed(0)
    kinds = {"cnn": LatticeCNN, "resnet": LatticeResNet}
    more = {} if network == "cnn" else {"squeeze": squeeze}
    net = kinds[network](3, ("density", "coherence"), 2, 8, norm, **more).eval()
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    for shape in ((2, 4), (7, 10)):
        x = torch.randn(2, 3, *shape)
        plain, moved = net(x), net(x.roll((1, 3), (2, 3)))
        for name in plain:
            torch.testing.assert_close(
                plain[name].roll((1, 3), (1, 2)), moved[name], rtol=1e-4, atol=1e-4
            )


@pytest.mark.parametrize(("network", "reach"), [("cnn", 3), ("none", 6), ("local", 12)])
def test_receptive_field_is_what_it_says(network, reach):
    torch.manual_seed(0)
    if network == "cnn":
        net = LatticeCNN(1, ("density",), layers=2, width=6, norm="layer")
    else:
        net = LatticeResNet(1, ("density",), blocks=2, width=6, squeeze=network)
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    x = torch.randn(1, 1, 31, 31, requires_grad=True)
    net(x)["density"][0, 15, 15].backward()
    seen = (x.grad[0, 0] != 0).nonzero()
    assert net.receptive_field == 2 * reach + 1
    assert int(seen.min()) == 15 - reach and int(seen.max()) == 15 + reach


def test_periodic_convolution_is_the_padded_one():
    torch.manual_seed(0)
    layer = PeriodicConv2d(2, 3, 5)
    x = torch.randn(1, 6, 8, 2)
    kernel = layer.weight.view(3, 5, 5, 2).permute(0, 3, 1, 2)
    wide = torch.nn.functional.pad(x.permute(0, 3, 1, 2), (2, 2, 2, 2), mode="circular")
    expected = torch.nn.functional.conv2d(wide, kernel, layer.bias).permute(0, 2, 3, 1)
    torch.testing.assert_close(layer(x), expected)
    ones = torch.ones(1, 4, 10, 2)
    torch.testing.assert_close(window_mean(ones, 3), ones)
    with pytest.raises(ValueError, match="odd"):
        PeriodicConv2d(1, 1, 4)
    with pytest.raises(ValueError, match="choose 'local' or 'global'"):
        SqueezeExcite(8, "none")
    with pytest.raises(ValueError, match="expected \\(batch, 3, x, y\\)"):
        LatticeCNN(3, ("density",), 2, 4)(torch.zeros(1, 2, 8, 8))


def test_paper_configuration_has_the_paper_size():
    config = TrainConfig.read("configs/train_bose_hubbard_cnn_full.yaml")
    network = build_network(config)
    assert len(network.stem) == 19 and network.heads.in_features == 200
    assert network.receptive_field == 43
    assert any(isinstance(m, torch.nn.BatchNorm2d) for m in network.modules())


@pytest.mark.parametrize("name", ["", "_cnn", "_cnn_mean_field", "_cnn_first", "_live"])
def test_configurations_can_be_read(name):
    config = TrainConfig.read(f"configs/train_bose_hubbard{name}.yaml")
    build_network(config)
