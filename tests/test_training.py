"""Training and predictors: symmetries, resume, honest ranges, damaged weights."""

import json

import numpy as np
import pytest
import torch

import qdens_nb as qd
from qdens_nb.datasets._chain_recipe import ChainRecipe, chain_shard
from qdens_nb.solvers._chain_ed import ground_state, observables
from qdens_nb.training import TrainConfig, load_predictor, train
from qdens_nb.training._batches import Store
from qdens_nb.training._card import calibrate
from qdens_nb.training._mean_field_channels import CHANNELS, mean_field_channels
from qdens_nb.training._registry import build_task
from qdens_nb.training._symmetry import particle_hole_map, reflect_map
from qdens_nb.training._tasks import (
    OBSERVABLES,
    CorrectionTask,
    mean_field_observables,
    particle_hole_channels,
    reflect_channels,
)

SMALL = {"blocks": 1, "width": 12, "steps": 12, "batch_size": 16, "validate_every": 4, "warmup": 2}


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shards")
    recipe = ChainRecipe(sites={6: 12, 7: 12}, potentials_per_shard=12)
    for i in range(2):
        chain_shard(recipe, i, seed=3).to_netcdf(folder / f"shard_{i:05d}.nc")
    return folder


@pytest.fixture(scope="module")
def trained(shards, tmp_path_factory):
    out = tmp_path_factory.mktemp("weights")
    for task in ("chain", "chain_cnn"):
        config = TrainConfig(task=task, members=2, **SMALL)
        train(task, config, data=shards, out=out / task, progress=False)
    return out


def exact(potential, V, flux, particles):
    _, psi, _ = ground_state(potential, V, flux, particles)
    found = observables(psi, potential.size, particles, flux)
    return {name: torch.tensor(found[name]) for name in OBSERVABLES}


@pytest.mark.parametrize("flux", [0.0, 0.6])
def test_maps_of_observables_hold_for_exact_states(flux):
    potential = np.random.default_rng(0).normal(size=8)
    answer = exact(potential, 1.2, flux, 3)
    mirrored = exact(potential[::-1].copy(), 1.2, -flux, 3)
    holes = exact(-potential, 1.2, -flux, 5)
    for name in OBSERVABLES:
        torch.testing.assert_close(
            reflect_map(name, answer[name]), mirrored[name], atol=1e-7, rtol=0
        )
        image = particle_hole_map(name, answer[name], answer["density"])
        torch.testing.assert_close(image, holes[name], atol=1e-7, rtol=0)


@pytest.mark.parametrize("flux", [0.0, 0.6])
@pytest.mark.parametrize("V", [0.0, 0.4, 1.8])
def test_mean_field_channels_carry_the_symmetries(V, flux):
    v = np.random.default_rng(1).normal(size=8)
    channels, energies = mean_field_channels(
        np.stack([v, v[::-1], -v]),
        np.full(3, V),
        np.array([flux, -flux, -flux]),
        np.array([3, 3, 5]),
    )
    channels = torch.tensor(channels)
    torch.testing.assert_close(reflect_channels(channels[:1]), channels[1:2], atol=1e-5, rtol=0)
    torch.testing.assert_close(
        particle_hole_channels(channels[:1]), channels[2:], atol=1e-5, rtol=0
    )
    assert energies[0] == pytest.approx(energies[1], abs=1e-8)


def test_mean_field_channels_are_hartree_fock():
    v = np.random.default_rng(2).uniform(-1, 1, 9)
    channels, energies = mean_field_channels(
        v[None], np.array([0.4]), np.array([0.3]), np.array([4])
    )
    solved = qd.solvers.chain_hartree_fock(qd.fermion_chain(v, V=0.4, flux=0.3), N=4)
    base = mean_field_observables(torch.tensor(channels))
    for name in ("density", "coherence", "current", "density_correlation"):
        np.testing.assert_allclose(base[name][0], solved[name], atol=1e-5)
    assert energies[0] == pytest.approx(float(solved.energy), abs=1e-6)
    assert len(CHANNELS) == channels.shape[1]
    with pytest.raises(ValueError, match="0 < N < L"):
        mean_field_channels(v[None], np.zeros(1), np.zeros(1), np.array([9]))


def test_correction_targets_vanish_without_interaction():
    potential = np.random.default_rng(3).normal(size=(4, 7))
    data = qd.solvers.chain_ed(qd.fermion_chain(potential, V=0.0), N=3)
    task = CorrectionTask()
    _, target = task.inputs(task.prepare(data), None)
    for name in ("density", "coherence", "density_correlation", "energy"):
        assert float(target[name].abs().max()) < 1e-5


@pytest.mark.parametrize("task", ["chain", "chain_cnn"])
def test_predictor_is_a_solver(trained, task):
    predictor = load_predictor(trained / task)
    potential = np.random.default_rng(4).uniform(-1, 1, (3, 9))
    problem = qd.fermion_chain(potential, V=1.0, mu=0.4)
    answer = predictor(problem)
    assert answer.potential.equals(problem.potential)
    for name in (*OBSERVABLES, "density_stderr", "density_variance"):
        assert answer[name].dims == ("sample", "x")
        assert np.isfinite(answer[name]).all()
    assert (answer.density_stderr > 0).all()
    single = predictor(problem.isel(sample=1))
    np.testing.assert_allclose(single.density, answer.density.isel(sample=1), atol=1e-5)
    moved = predictor(problem.assign(potential=problem.potential.roll(x=2, roll_coords=False)))
    np.testing.assert_allclose(
        moved.density, answer.density.roll(x=2, roll_coords=False), atol=1e-4
    )
    mirrored = predictor(problem.assign(potential=(("sample", "x"), potential[:, ::-1])))
    np.testing.assert_allclose(mirrored.density, answer.density.values[:, ::-1], atol=1e-4)
    assert "network" in answer.attrs["engine"]


def test_correction_keeps_whole_numbers_and_finds_steps(trained):
    predictor = load_predictor(trained / "chain")
    mu = np.linspace(-4.5, 8, 12)
    ramp = np.broadcast_to(np.linspace(-1, 1, 8), (12, 8))
    answer = predictor(qd.fermion_chain(ramp, V=1.0, mu=mu))
    numbers = answer.particle_number.values
    np.testing.assert_allclose(answer.density.sum("x"), numbers, atol=2e-2)
    assert (np.diff(numbers) >= 0).all() and numbers[0] == 0 and numbers[-1] == 8


class Offset(torch.nn.Module):
    """A network whose raw density answer is shifted by a constant."""

    def __init__(self, member, shift):
        super().__init__()
        self.member, self.shift = member, shift

    def forward(self, inputs):
        answer = self.member(inputs)
        return {**answer, "density": answer["density"] + self.shift}


def test_a_constant_offset_of_the_density_correction_changes_nothing(trained):
    potential = np.random.default_rng(6).uniform(-1, 1, (3, 8))
    problem = qd.fermion_chain(potential, V=1.0, mu=0.4)
    predictor = load_predictor(trained / "chain")
    plain = predictor(problem)
    predictor.members = [Offset(m, c) for m, c in zip(predictor.members, (0.3, -0.1), strict=True)]
    shifted = predictor(problem)
    for name in (*OBSERVABLES, "density_stderr", "particle_number"):
        np.testing.assert_allclose(shifted[name], plain[name], atol=1e-5)


def test_calibration_takes_the_offset_out_at_fixed_number_only(trained):
    data = qd.solvers.chain_ed(
        qd.fermion_chain(np.random.default_rng(7).uniform(-1, 1, (20, 8)), V=1.0)
    )
    for task, fixed in (("chain", True), ("chain_cnn", False)):
        config = TrainConfig(task=task, members=2, **SMALL)
        store = Store(validation={8: build_task(config).prepare(data)})
        members = load_predictor(trained / task).members
        moved = [Offset(member, shift) for member, shift in zip(members, (0.3, -0.1), strict=True)]
        plain, shifted = (calibrate(config, part, store) for part in (members, moved))
        for name in ("stderr_factor", "validation_density_mae"):
            assert (shifted[name] == pytest.approx(plain[name], rel=1e-3)) is fixed, (task, name)


def test_ranges_are_watched(trained):
    predictor = load_predictor(trained / "chain_cnn")
    with pytest.warns(UserWarning, match=r"V is outside \[0.0, 2.0\]"):
        predictor(qd.fermion_chain(np.zeros(8), V=3.0))
    with pytest.warns(UserWarning, match="spans 9.00 J"):
        predictor(qd.fermion_chain(np.linspace(0, 9, 8), V=1.0))
    with pytest.warns(UserWarning, match="fewer than"):
        predictor(qd.fermion_chain(np.zeros(4), V=1.0))
    with pytest.raises(ValueError, match="trained on rings"):
        predictor(qd.fermion_chain(np.zeros(8), boundary="open"))
    with pytest.raises(ValueError, match="fermion_chain"):
        predictor(qd.bose_hubbard(np.zeros((4, 4))))
    with pytest.raises(ValueError, match="no predictor 'nothing'"):
        load_predictor("nothing")


def test_damaged_weights_are_refused(trained, tmp_path):
    folder = tmp_path / "copy"
    folder.mkdir()
    for name in ("weights.safetensors", "card.json"):
        (folder / name).write_bytes((trained / "chain_cnn" / name).read_bytes())
    weights = bytearray((folder / "weights.safetensors").read_bytes())
    weights[-1] ^= 1
    (folder / "weights.safetensors").write_bytes(weights)
    with pytest.raises(ValueError, match="damaged"):
        load_predictor(folder)
    (folder / "card.json").write_text(json.dumps({"format": 1}))
    with pytest.raises(ValueError, match="not a card"):
        load_predictor(folder)
    with pytest.raises(FileNotFoundError, match="train a model first"):
        load_predictor(tmp_path)


def test_same_seed_same_weights_and_resume(shards, tmp_path, monkeypatch):
    config = TrainConfig(task="chain_cnn", **SMALL)
    whole = train("chain_cnn", config, data=shards, out=tmp_path / "whole", progress=False)
    from qdens_nb.training import _train

    real = _train.RegressionModule.training_step

    def dies(self, batch, index):
        if int(batch["step"]) == 9:
            raise RuntimeError("killed")
        real(self, batch, index)

    monkeypatch.setattr(_train.RegressionModule, "training_step", dies)
    with pytest.raises(RuntimeError, match="killed"):
        train("chain_cnn", config, data=shards, out=tmp_path / "part", progress=False)
    monkeypatch.setattr(_train.RegressionModule, "training_step", real)
    checkpoints = tmp_path / "part" / "member_0" / "checkpoints"
    newest = _train.newest_checkpoint(checkpoints)
    assert newest is not None and newest.stem == "step=8"
    (checkpoints / "step=11.ckpt").write_bytes(newest.read_bytes()[:100])
    assert _train.newest_checkpoint(checkpoints) == newest
    resumed = train(
        "chain_cnn", config, data=shards, out=tmp_path / "part", progress=False, resume=True
    )
    problem = qd.fermion_chain(np.linspace(-1, 1, 8), V=1.0)
    a, b = (load_predictor(folder)(problem) for folder in (whole, resumed))
    np.testing.assert_allclose(a.density, b.density, atol=1e-6)


def test_trains_on_measured_data(tmp_path):
    potential = np.random.default_rng(5).uniform(-1, 1, (40, 8))
    solved = qd.solvers.chain_ed(qd.fermion_chain(potential, V=0.5, mu=0.2))
    measured = qd.datasets.from_arrays(potential, solved.density.values, V=0.5, mu=0.2)
    qd.datasets.save(measured, tmp_path / "measured.nc")
    config = TrainConfig(task="chain_cnn", **SMALL)
    folder = train(
        "chain_cnn", config, data=tmp_path / "measured.nc", out=tmp_path / "w", progress=False
    )
    answer = load_predictor(folder)(qd.fermion_chain(potential, V=0.5, mu=0.2))
    assert {"density", "density_stderr", "density_variance"} <= {*answer}
    assert not {"current", "coherence"} & {*answer}  # nothing was known of them
    again = TrainConfig(task="chain_cnn", pretrained=str(folder), **SMALL)
    train("chain_cnn", again, data=tmp_path / "measured.nc", out=tmp_path / "v", progress=False)


def test_configurations_are_checked(tmp_path, shards):
    path = tmp_path / "config.yaml"
    path.write_text("task: chain\nwidht: 3\n")
    with pytest.raises(ValueError, match="widht"):
        TrainConfig.read(path)
    with pytest.raises(ValueError, match="choose one of"):
        TrainConfig(optimizer="sgd")
    with pytest.raises(ValueError, match="at least 1"):
        TrainConfig(blocks=0)
    with pytest.raises(ValueError, match="for 'chain', not"):
        train("chain_cnn", TrainConfig(), data=shards, out=tmp_path)
    with pytest.raises(FileNotFoundError, match="qdens generate"):
        train("chain", TrainConfig(), data=tmp_path / "none", out=tmp_path)
