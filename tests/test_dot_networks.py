"""Networks of the quantum dots: channels, answers, training, predictors."""

import dataclasses
import json

import numpy as np
import pytest
import torch
import xarray as xr

import qdens_nb as qd
from qdens_nb.models import ResidualUNet
from qdens_nb.models._residual_unet import double, halve
from qdens_nb.training import TrainConfig, load_predictor, train
from qdens_nb.training._batches import load_store, sequential_batches
from qdens_nb.training._dot_calibration import calibrate_dots, mean_maps
from qdens_nb.training._dot_channels import density_channels, hartree, orbital_curvature
from qdens_nb.training._dot_tasks import DOT_TASK_CLASSES
from qdens_nb.training._registry import build_network, build_task
from qdens_nb.training._square_symmetry import ELEMENTS, move_sites

SMALL = {
    "network": "residual_unet",
    "blocks": 1,
    "width": 8,
    "steps": 4,
    "batch_size": 4,
    "validate_every": 2,
    "warmup": 2,
    "optimizer": "muon",
}
OPTIONS = {
    "dot_density": {"positive": "softplus", "error_bar": 0.01},
    "dot_density_free": {"positive": "square"},
    "dot_free_to_interacting": {"positive": "exp", "physics": True},
    "dot_potential": {"cross_entropy": 1.0, "physics": True},
    "dot_density_live": {"positive": "softplus"},
}
CELL = (30 / 64) ** 2
GRID = (np.arange(64) + 0.5) * 30 / 64


def discs(count, seed, step=0.5):
    rng = np.random.default_rng(seed)
    out = np.full((count, 64, 64), step)
    for potential in out:
        for _ in range(2):
            centre, radius = rng.uniform(9, 21, 2), rng.uniform(4, 7)
            inside = np.hypot(GRID[:, None] - centre[0], GRID - centre[1]) < radius
            potential[inside] = 0.0
    return out


@pytest.fixture(scope="module")
def solved():
    steps = np.linspace(0.3, 0.9, 12)
    potential = discs(12, 0) * (steps / 0.5)[:, None, None]
    problem = qd.quantum_dot(potential, eps_r=np.linspace(7.0, 19.0, 12))
    data = qd.solvers.dot_ci(problem, orbitals=4, modes=12)
    return data.assign(
        split=("sample", np.array([0] * 6 + [1] * 3 + [2] * 3, dtype=np.int8)),
        step=("sample", steps),
    )


@pytest.fixture(scope="module")
def file(solved, tmp_path_factory):
    path = tmp_path_factory.mktemp("dots") / "shard_0.nc"
    solved.to_netcdf(path)
    return path


@pytest.fixture(scope="module")
def trained(file, tmp_path_factory):
    out = tmp_path_factory.mktemp("weights")
    for task, options in OPTIONS.items():
        config = TrainConfig(task=task, task_options=options, **SMALL)
        train(task, config, data=file, out=out / task, progress=False)
    return out


def gaas(count=2, seed=5):
    return qd.quantum_dot(discs(count, seed))


def test_curvature_of_the_box_orbital_is_its_energy():
    wave = np.sin(np.pi * GRID / 30)
    density = torch.tensor(2 * (2 / 30) ** 2 * np.outer(wave**2, wave**2))[None]
    assert float(density.sum()) * CELL == pytest.approx(2)
    channels = density_channels(density, 2 / 900, 0.067, 12.9, 30.0, 0.5)
    exact = 0.0380998 / 0.067 * 2 * (np.pi / 30) ** 2 / 0.5
    assert channels[0, 1].numpy() == pytest.approx(-exact, rel=1e-3)
    assert float(orbital_curvature(torch.ones(1, 8, 8))[0, 4, 4]) == 0.0


def test_hartree_of_a_gaussian():
    width = 2.5
    square = (GRID[:, None] - GRID[32]) ** 2 + (GRID - GRID[32]) ** 2
    density = torch.tensor(2 * np.exp(-square / 2 / width**2) / (2 * np.pi * width**2))[None]
    field = hartree(density, 12.9, 30.0)[0, 32, 32]
    exact = 2 * 1.439964 / 12.9 * np.sqrt(np.pi / 2) / width
    assert float(field) == pytest.approx(exact, rel=2e-3)


@pytest.mark.parametrize("name", list(DOT_TASK_CLASSES))
def test_inputs_carry_the_symmetries(name, solved):
    task = DOT_TASK_CLASSES[name](physics=True)
    channels, target = task.inputs(task.prepare(solved), None)
    assert channels.shape[1] == task.in_channels
    for element in ELEMENTS:
        moved = solved.copy()
        for key in ("potential", "density", "density_free"):
            values = move_sites(torch.tensor(solved[key].values), element).numpy().copy()
            moved[key] = (("sample", "x", "y"), values)
        there, wanted = task.inputs(task.prepare(moved), None)
        torch.testing.assert_close(move_sites(channels, element), there, atol=1e-4, rtol=1e-4)
        for key in task.targets:
            torch.testing.assert_close(move_sites(target[key], element), wanted[key])


def test_augmentation_moves_source_and_target_together(solved):
    task = DOT_TASK_CLASSES["dot_density"](augment=True)
    batch = task.prepare(solved)
    still, target = task.inputs(batch, None)
    moved, wanted = task.inputs(batch, torch.Generator().manual_seed(1))
    found = set()
    for i in range(len(still)):
        same = [
            e
            for e in ELEMENTS
            if torch.equal(move_sites(still[i], e), moved[i])
            and torch.equal(move_sites(target["density"][i], e), wanted["density"][i])
        ]
        assert same
        found.add(same[0])
    assert len(found) > 3
    fixed, _ = DOT_TASK_CLASSES["dot_density"](augment=False).inputs(
        batch, torch.Generator().manual_seed(1)
    )
    assert torch.equal(fixed, still)


def test_tails_are_cut_at_random_in_training(solved):
    task = DOT_TASK_CLASSES["dot_potential"](physics=True, floor=0.1, augment=False)
    batch = {k: v.repeat(4, *[1] * (v.ndim - 1)) for k, v in task.prepare(solved).items()}
    still, _ = task.inputs(batch, None)
    cut, target = task.inputs(batch, torch.Generator().manual_seed(0))
    lowest = cut[:, 0].amin((1, 2))
    assert 0.3 < float((lowest <= 1.01e-7).float().mean()) < 0.7
    assert 1e-3 < float(lowest.max()) <= 0.1
    torch.testing.assert_close(torch.maximum(still[:, 0], lowest[:, None, None]), cut[:, 0])
    assert torch.equal(target["potential"], batch["potential"] / 0.5)
    with pytest.raises(ValueError, match="for densities that go in"):
        DOT_TASK_CLASSES["dot_density"](floor=0.1)


@pytest.mark.parametrize("positive", ["softplus", "square", "exp"])
def test_answers_hold_two_electrons(positive):
    task = DOT_TASK_CLASSES["dot_density_live"](positive=positive, density_unit=0.01)
    torch.manual_seed(0)
    answer = task.answer({name: 3 * torch.randn(2, 64, 64) for name in task.targets})
    for name in task.targets:
        density = task.physical(name, answer[name])
        assert float(density.min()) >= 0
        torch.testing.assert_close(density.sum((1, 2)) * CELL, torch.full((2,), 2.0))


def test_scaling_and_options():
    task = DOT_TASK_CLASSES["dot_potential"](centred=True, density_unit=0.02)
    assert task.scaled("potential", 0.5) == 1.0 and task.scaled("density", 0.0) == -1.0
    assert task.physical("density", task.scaled("density", 0.013)) == pytest.approx(0.013)
    with pytest.raises(ValueError, match="not centred"):
        DOT_TASK_CLASSES["dot_density"](centred=True, positive="exp")
    with pytest.raises(ValueError, match="choose one of"):
        DOT_TASK_CLASSES["dot_density"](positive="abs")
    with pytest.raises(ValueError, match="no 'density'; solve it with dot_ci"):
        DOT_TASK_CLASSES["dot_density"]().prepare(gaas())
    with pytest.raises(ValueError, match="choose one of"):
        TrainConfig(task="dot_density", network="resnet")
    with pytest.raises(ValueError, match="choose one of"):
        TrainConfig(task="dot_density", network="pix2pix", discriminator="patch71")


def test_split_is_that_of_the_data(file, solved):
    store = load_store("dot_density", [file], progress=False)
    train_part, validation = (part[64, 64] for part in (store.train, store.validation))
    np.testing.assert_allclose(train_part["density"], solved.density[:6], rtol=1e-6)
    np.testing.assert_allclose(validation["density"], solved.density[6:9], rtol=1e-6)


def test_r2_is_that_of_the_paper(trained, file, solved):
    predictor = load_predictor(trained / "dot_density_live")
    store = load_store("dot_density_live", [file], progress=False)
    answer = predictor(solved.isel(sample=slice(6, 9)))
    for name in ("density", "density_free"):
        truth, mean = solved[name][6:9].values, solved[name][:6].mean("sample").values
        rest = ((truth - answer[name].values) ** 2).sum()
        r2 = 1 - rest / ((truth - mean) ** 2).sum()
        known = predictor.card["calibration"][f"validation_r2_{name}"]
        assert known == pytest.approx(r2, abs=1e-4)
        again = calibrate_dots(predictor.task, predictor.members, store)[f"validation_r2_{name}"]
        assert again == pytest.approx(known, abs=1e-6)


def test_error_bars_cover_two_thirds(trained, file):
    predictor = load_predictor(trained / "dot_density")
    part = load_store("dot_density", [file], progress=False).validation
    batch = next(sequential_batches(part, 32))
    channels, target = predictor.task.inputs(batch, None)
    with torch.no_grad():
        answer = mean_maps(predictor.task, predictor.members, channels, False)
    inside = (answer["density"] - target["density"]).abs() < predictor.factor * answer["spread"]
    assert float(inside.float().mean()) == pytest.approx(0.6827, abs=1e-3)


@pytest.mark.parametrize("name", ["dot_density", "dot_density_free", "dot_density_live"])
def test_density_predictors_are_solvers(trained, name):
    predictor = load_predictor(trained / name)
    problem = gaas(3)
    answer = predictor(problem)
    assert answer.potential.equals(problem.potential)
    for target in predictor.task.targets:
        assert answer[target].dims == ("sample", "x", "y")
        assert answer[target].attrs["units"] == "1/nm^2"
        np.testing.assert_allclose(answer[target].sum(("x", "y")) * CELL, 2.0, rtol=1e-5)
        single = predictor(problem.isel(sample=1))
        np.testing.assert_allclose(single[target], answer[target][1], atol=1e-6)
    assert ("density_stderr" in answer) == (name == "dot_density")
    assert answer.attrs["engine"] == f"network:{name}"
    moved = problem.assign(potential=(("sample", "x", "y"), problem.potential.values[:, ::-1]))
    image = predictor(moved, symmetrise=True)[target].values[:, ::-1]
    np.testing.assert_allclose(image, predictor(problem, symmetrise=True)[target], atol=1e-6)
    shifted = predictor(problem.assign(potential=problem.potential + 0.2))
    np.testing.assert_allclose(shifted[target], answer[target], atol=1e-6)


def test_other_masses_and_sizes_are_scaled(trained):
    """Heavier and smaller with the energies and the permittivity to match: the same dot."""
    predictor = load_predictor(trained / "dot_density_live")
    base = gaas()
    mass, size = 0.134, 20.0
    energies = (0.067 / mass) * (30 / size) ** 2
    other = qd.quantum_dot(
        base.potential.values * energies, mass=mass, eps_r=12.9 * 2 * 20 / 30, size=size
    )
    there = predictor(other)
    np.testing.assert_allclose(there.density, predictor(base).density * 2.25, rtol=1e-3)
    assert float(there.density[0].sum()) * (size / 64) ** 2 == pytest.approx(2)
    solve = {"orbitals": 4, "modes": 12}
    exact = qd.solvers.dot_ci(other, **solve).density
    np.testing.assert_allclose(exact, qd.solvers.dot_ci(base, **solve).density * 2.25, atol=1e-6)


def test_conditions_matter(trained):
    predictor = load_predictor(trained / "dot_density_live")
    potential = np.repeat(discs(1, 3), 3, axis=0) * np.array([1.0, 1.0, 1.6])[:, None, None]
    answer = predictor(qd.quantum_dot(potential, eps_r=[7.0, 18.0, 18.0])).density.values
    assert np.abs(answer[0] - answer[1]).max() > 0 and np.abs(answer[1] - answer[2]).max() > 0


def test_the_interacting_from_the_free_density(trained, solved):
    predictor = load_predictor(trained / "dot_free_to_interacting")
    free = qd.solvers.dot_ci(gaas(), orbitals=4, modes=12)
    whole, bare = predictor(free), predictor(free[["density_free"]])
    np.testing.assert_allclose(whole.density, bare.density)
    assert "potential" not in bare and whole.potential.equals(free.potential)
    with pytest.raises(ValueError, match="holds no 'density_free'"):
        predictor(gaas())


def test_potential_of_a_density_can_be_solved(trained):
    predictor = load_predictor(trained / "dot_potential")
    truth = qd.solvers.dot_ci(gaas(), orbitals=4, modes=12)
    answer = predictor(truth[["density"]])
    assert answer.potential.attrs["units"] == "eV"
    assert 0 <= float(answer.potential.min()) and float(answer.potential.max()) <= 0.5
    again = qd.solvers.dot_ci(answer, orbitals=4, modes=12)
    assert float(again.density[0].sum()) * CELL == pytest.approx(2)
    np.testing.assert_allclose(predictor(truth).potential, answer.potential)
    sharp = predictor(truth.isel(sample=0), two_valued=True).potential
    assert sharp.dims == ("x", "y") and set(np.unique(sharp)) <= {0.0, 0.5}
    rough = truth.assign(density=truth.density.clip(1e-2 * 2 / 900) * 0.99)
    np.testing.assert_allclose(
        predictor(rough, floor=0.02).potential, predictor(truth, floor=0.02).potential, atol=0.01
    )
    light = truth[["density"]].assign(mass=0.0335, eps_r=6.45)
    np.testing.assert_allclose(predictor(light).potential, 2 * answer.potential, rtol=1e-4)


def test_torch_maps_are_the_prediction_and_have_a_gradient(trained):
    predictor = load_predictor(trained / "dot_density_live")
    problem = qd.quantum_dot(discs(2, 5), eps_r=[8.0, 15.0])
    potential = torch.tensor(problem.potential.values, requires_grad=True)
    eps_r = torch.tensor(problem.eps_r.values, requires_grad=True)
    maps = predictor.torch_maps(potential, eps_r=eps_r)
    np.testing.assert_allclose(maps["density"].detach(), predictor(problem).density, atol=1e-6)
    maps["density"].square().sum().backward()
    assert float(potential.grad.abs().max()) > 0 and (eps_r.grad != 0).all()


def test_ranges_are_watched(trained):
    fixed = load_predictor(trained / "dot_density")
    live = load_predictor(trained / "dot_density_live")
    potential = discs(1, 5)[0]
    with pytest.warns(UserWarning, match=r"eps_r = 12.9 in GaAs dots.* that of eps_r = 10"):
        fixed(qd.quantum_dot(potential, eps_r=10.0))
    with pytest.warns(UserWarning, match=r"step = 0.5 eV in GaAs.* that of step = 0.6 eV"):
        fixed(qd.quantum_dot(1.2 * potential))
    with pytest.warns(UserWarning, match=r"eps_r = 6 to 40 in GaAs.* that of eps_r = 4"):
        live(qd.quantum_dot(potential, eps_r=4.0))
    with pytest.warns(UserWarning, match=r"step = 0.2 to 1 eV .* that of step = 1.2 eV"):
        live(qd.quantum_dot(potential, mass=0.067 * 2.4, eps_r=12.9 * 2.4))
    with pytest.warns(UserWarning, match="64 points a side; this grid has 32"):
        fixed(qd.quantum_dot(potential[::2, ::2]))
    with pytest.warns(UserWarning, match="two values"):
        ramp = np.broadcast_to(np.linspace(0, 0.5, 64), (64, 64))
        fixed(qd.quantum_dot(ramp))


def test_errors_at_the_border(trained):
    fixed, back = (load_predictor(trained / name) for name in ("dot_density", "dot_potential"))
    with pytest.raises(ValueError, match="multiples of 8"):
        fixed(qd.quantum_dot(np.zeros((20, 20))))
    with pytest.raises(ValueError, match="quantum_dot"):
        fixed(qd.bose_hubbard(np.zeros((8, 8))))
    with pytest.raises(ValueError, match="NaN"):
        problem = gaas(1)
        problem.potential[0, 3, 3] = np.nan
        fixed(problem)
    density = xr.Dataset({"density": (("x", "y"), np.full((64, 64), 2 / 900))})
    with pytest.raises(ValueError, match="integrates to 3 electrons"):
        back(1.5 * density)
    with pytest.raises(ValueError, match="is negative"):
        signs = (-1.0) ** np.arange(64)
        back(density * (1 + 2 * xr.DataArray(signs, dims="x")))
    with pytest.raises(ValueError, match="holds no 'density'"):
        back(gaas(1))
    with pytest.raises(TypeError, match="expected a Dataset"):
        back(density["density"])
    with pytest.raises(ValueError, match="dims"):
        back(density.rename(y="z"))


def test_same_seed_same_weights_and_resume(file, tmp_path, monkeypatch):
    config = TrainConfig(task="dot_density", task_options=OPTIONS["dot_density"], **SMALL)
    whole = train("dot_density", config, data=file, out=tmp_path / "whole", progress=False)
    from qdens_nb.training import _train

    real = _train.RegressionModule.training_step

    def dies(self, batch, index):
        if int(batch["step"]) == 3:
            raise RuntimeError("killed")
        real(self, batch, index)

    monkeypatch.setattr(_train.RegressionModule, "training_step", dies)
    with pytest.raises(RuntimeError, match="killed"):
        train("dot_density", config, data=file, out=tmp_path / "part", progress=False)
    monkeypatch.setattr(_train.RegressionModule, "training_step", real)
    part = train(
        "dot_density", config, data=file, out=tmp_path / "part", progress=False, resume=True
    )
    a, b = (load_predictor(folder)(gaas()) for folder in (whole, part))
    np.testing.assert_allclose(a.density, b.density, rtol=1e-5)
    log = (whole / "member_0" / "log" / "metrics.csv").read_text()
    assert "val_r2_density" in log
    card = json.loads((whole / "card.json").read_text())
    assert card["units"]["density"] == pytest.approx(2 / 900)
    assert card["ranges"]["eps_r"] == [12.9, 12.9]


def test_half_precision_weights(file, tmp_path):
    config = TrainConfig(task="dot_density_free", **SMALL)
    half = dataclasses.replace(config, stored="fp16")
    folders = [
        train("dot_density_free", c, data=file, out=tmp_path / c.stored, progress=False)
        for c in (config, half)
    ]
    sizes = [(folder / "weights.safetensors").stat().st_size for folder in folders]
    assert sizes[1] < 0.6 * sizes[0]
    answers = [load_predictor(folder)(gaas()).density_free for folder in folders]
    np.testing.assert_allclose(answers[1], answers[0], atol=2e-5)


def test_residual_unet():
    torch.manual_seed(0)
    net = ResidualUNet(2, ("density", "log_scale"), blocks=1, width=8)
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    x = torch.randn(2, 2, 64, 64, requires_grad=True)
    maps = net(x)
    assert set(maps) == {"density", "log_scale"} and maps["density"].shape == (2, 64, 64)
    maps["density"][0, 0, 0].backward()
    assert (x.grad[0].abs().amax((0,)) > 0).all() and (x.grad[1] == 0).all()
    assert net(torch.zeros(1, 2, 128, 64))["density"].shape == (1, 128, 64)
    y = torch.randn(2, 6, 4, 3)
    torch.testing.assert_close(double(halve(y)), y)
    with pytest.raises(ValueError, match="multiples of 8"):
        net(torch.zeros(1, 2, 60, 64))
    with pytest.raises(ValueError, match="expected \\(batch, 2, x, y\\)"):
        net(torch.zeros(1, 3, 64, 64))


def test_networks_of_the_paper_are_built_with_the_heads_of_the_task():
    for network in ("unet", "pix2pix"):
        options = {"centred": True, "density_unit": 0.02}
        config = TrainConfig(
            task="dot_density", network=network, width=4, norm="batch", task_options=options
        )
        net = build_network(config)
        assert net(torch.zeros(1, 1, 64, 64))["density"].shape == (1, 64, 64)
    assert build_task(config).targets == ("density",)


@pytest.mark.parametrize("task", list(DOT_TASK_CLASSES))
def test_configurations_can_be_read(task):
    config = TrainConfig.read(f"configs/train_dots_{task.removeprefix('dot_')}.yaml")
    assert config.task == task
    network = build_network(config)
    assert sum(p.numel() for p in network.parameters()) * 2 < 4e6
