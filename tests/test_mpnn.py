"""Potentials from wave functions: eigenstates, sampler, losses, recovery, studies."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
import xarray as xr
from scipy import stats
from typer.testing import CliRunner

import qdens_nb as qd
from qdens_nb.mpnn import _losses, _studies
from qdens_nb.mpnn._recovery import METHODS

NAMES = (
    "oscillator_0",
    "oscillator_2",
    "oscillator_9",
    "oscillator_2d",
    "oscillator_3d",
    "hydrogen_1s",
    "hydrogen_2s",
    "hydrogen_2p",
    "poschl_teller",
    "morse",
    "hooke_2d",
    "hooke_3d",
)


def points_of(wave: qd.mpnn.WaveFunction, count: int = 500, seed: int = 3) -> torch.Tensor:
    rng = torch.Generator().manual_seed(seed)
    return 6 * torch.rand(count, wave.dims, generator=rng, dtype=torch.float64) - 3


@pytest.mark.parametrize("name", NAMES)
def test_states_solve_their_schroedinger_equation(name: str) -> None:
    wave = qd.mpnn.wave_function(name)
    points = points_of(wave)
    local = wave.kinetic(points) + wave.potential(points)
    np.testing.assert_allclose(local, wave.energy, rtol=0, atol=1e-8)


def test_double_well_from_a_grid_solves_its_equation() -> None:
    wave = qd.mpnn.wave_function("double_well")
    points = torch.linspace(-4, 4, 201, dtype=torch.float64)[:, None]
    local = wave.kinetic(points) + wave.potential(points)
    np.testing.assert_allclose(local, wave.energy, rtol=0, atol=1e-6)


def test_derivatives_are_those_of_closed_forms() -> None:
    wave = qd.mpnn.wave_function("hydrogen_1s")
    points = points_of(wave)
    r = points.norm(dim=-1)
    psi, slope, laplacian = wave.derivatives(points)
    np.testing.assert_allclose(psi, torch.exp(-r) / np.sqrt(np.pi), rtol=1e-13)
    np.testing.assert_allclose(slope, -(points / r[:, None]) * psi[:, None], rtol=1e-12)
    np.testing.assert_allclose(laplacian, (1 - 2 / r) * psi, rtol=1e-11)
    np.testing.assert_allclose(
        wave.kinetic_gradient(points), -points / r[:, None] ** 3, rtol=1e-9, atol=1e-10
    )


@pytest.mark.parametrize("name", ["hydrogen_1s", "hydrogen_2s", "hydrogen_2p", "oscillator_2"])
def test_states_are_normalised(name: str) -> None:
    wave = qd.mpnn.wave_function(name)
    if wave.dims == 1:
        x = torch.linspace(-12, 12, 4001, dtype=torch.float64)
        norm = float((wave.psi(x[:, None]) ** 2).sum() * (x[1] - x[0]))
    else:
        r = torch.linspace(1e-6, 60, 200_001, dtype=torch.float64)
        direction = torch.tensor([1.0, 1.0, 1.0], dtype=torch.float64) / np.sqrt(3)
        # Along the diagonal a p state has its angular mean of cos^2, 1/3.
        norm = float(
            (wave.psi(r[:, None] * direction) ** 2 * 4 * np.pi * r**2).sum() * 60 / 200_000
        )
    assert norm == pytest.approx(1, abs=1e-4)


def chi_squared(observed: np.ndarray, edges: np.ndarray, cumulative: np.ndarray) -> float:
    expected = np.diff(cumulative) * len(observed)
    counts = np.histogram(observed, edges)[0]
    return float(stats.chisquare(counts, expected * counts.sum() / expected.sum()).pvalue)


def test_walk_samples_the_density_of_hydrogen() -> None:
    wave = qd.mpnn.wave_function("hydrogen_1s")
    walk = qd.mpnn.sample_wave(wave, 20_000, seed=5, walkers=2000, thin=60)
    r = walk.points.norm(dim=-1).numpy()
    edges = np.r_[np.linspace(0, 4, 17), 12]
    cumulative = stats.gamma(3, scale=0.5).cdf(edges)
    assert chi_squared(r, edges, cumulative) > 1e-3
    assert walk.rhat < 1.1
    assert walk.acceptance == pytest.approx(0.5, abs=0.05)


def test_walk_visits_all_lobes_between_nodes() -> None:
    wave = qd.mpnn.wave_function("oscillator_2")
    walk = qd.mpnn.sample_wave(wave, 20_000, seed=6, walkers=2000, thin=60)
    x = np.linspace(-6, 6, 6001)
    density = wave.psi(torch.from_numpy(x)[:, None]).numpy() ** 2
    cumulative = np.cumsum(density) / density.sum()
    edges = np.linspace(-3.5, 3.5, 15)
    chosen = np.interp(edges, x, cumulative)
    assert chi_squared(walk.points[:, 0].numpy(), edges, chosen) > 1e-3


def test_a_walk_that_drops_rejected_moves_is_wrong() -> None:
    """The trap of the paper's code: keeping accepted points only is another distribution."""
    rng = np.random.default_rng(0)
    x, kept = 0.0, []
    for _ in range(40_000):
        trial = x + 2 * rng.normal()
        if np.log(rng.random()) < x**2 - trial**2:
            x = trial
            kept.append(x)
    walk = qd.mpnn.metropolis(lambda r: -(r[:, 0] ** 2), 1, 20_000, seed=1, thin=30)
    assert float(walk.points.var()) == pytest.approx(0.5, abs=0.02)
    assert np.var(kept) > 0.55


def test_walk_is_repeatable_and_refuses_bad_input() -> None:
    wave = qd.mpnn.wave_function("hydrogen_2p")
    first, second = (qd.mpnn.sample_wave(wave, 700, seed=9) for _ in range(2))
    assert torch.equal(first.points, second.points)
    assert first.points.shape == (700, 3)
    with pytest.raises(ValueError, match="samples=0"):
        qd.mpnn.sample_wave(wave, 0)
    with pytest.raises(ValueError, match="acceptance=1"):
        qd.mpnn.metropolis(wave.log_density, 3, 10, acceptance=1.0)
    with pytest.raises(ValueError, match="vanishes"):
        qd.mpnn.metropolis(lambda r: torch.full((len(r),), -torch.inf), 3, 10)


class Truth(qd.mpnn.PotentialNet):
    """A network that answers the exact potential."""

    def one_body(self, places: torch.Tensor) -> torch.Tensor:
        return -1 / places.norm(dim=-1) + 0 * self.last.bias[0]


def test_losses_vanish_at_the_exact_potential_and_only_there() -> None:
    wave = qd.mpnn.wave_function("hydrogen_1s")
    points = points_of(wave)
    psi, kinetic = wave.psi(points), wave.kinetic(points)
    truth, other = Truth(wave), qd.mpnn.PotentialNet(wave)
    for net, expected in ((truth, True), (other, False)):
        losses = [
            _losses.qpnn(net, points, wave.kinetic_gradient(points), 1.0),
            _losses.mpnn(net, points, kinetic, psi, 1.0),
        ]
        if expected:
            assert max(float(loss.detach()) for loss in losses) < 1e-8
        else:
            assert min(float(loss.detach()) for loss in losses) > 1e-3


def test_a_constant_changes_the_energy_and_not_the_local_energy_loss() -> None:
    wave = qd.mpnn.wave_function("oscillator_2")
    points = points_of(wave)
    net = qd.mpnn.PotentialNet(wave, hard_pin=True, delta=None)
    before = net(points).detach()
    with torch.no_grad():
        net.last.bias += 3.0
    torch.testing.assert_close(net(points).detach(), before, atol=1e-5, rtol=0)
    assert float(net(net.pin)[0].detach()) == pytest.approx(0, abs=1e-6)


def test_network_of_two_particles_is_symmetric_and_holds_the_interaction() -> None:
    wave = qd.mpnn.wave_function("hooke_3d")
    net = qd.mpnn.PotentialNet(wave, delta=None, hard_pin=True)
    points = points_of(wave, 20)
    swapped = torch.cat([points[:, 3:], points[:, :3]], dim=1)
    torch.testing.assert_close(net(points), net(swapped), atol=1e-5, rtol=0)
    close = points.clone()
    close[:, 3:] = close[:, :3] + 1e-4
    assert (net(close) > 1000).all()


@pytest.mark.parametrize("method", METHODS)
def test_every_method_goes_down_and_answers_a_labelled_dataset(method: str) -> None:
    found = qd.mpnn.recover_potential(
        "hydrogen_1s", method, seed=1, samples=500, steps=80, progress=False
    )
    assert float(found.loss[-1]) < float(found.loss[0])
    assert found.potential.dims == ("x", "y")
    assert np.isfinite(found.potential).all()
    for name in ("energy", "epsilon_wide", "epsilon_core"):
        assert np.isfinite(float(found[name]))
    assert found.attrs["method"] == method


def test_same_seed_same_potential() -> None:
    first, second = (
        qd.mpnn.recover_potential("oscillator_2", seed=4, samples=600, steps=60, progress=False)
        for _ in range(2)
    )
    np.testing.assert_array_equal(first.potential, second.potential)


def test_oscillator_is_recovered() -> None:
    found = qd.mpnn.recover_potential(
        "oscillator_2", seed=0, samples=20_000, steps=2500, progress=False
    )
    assert abs(float(found.energy) - 2.5) < 0.01
    assert float(found.epsilon_core) < 0.01
    assert float(found.epsilon_wide) < 0.03
    assert float(found.local_energy.sel(x=slice(-3, 3)).std()) < 0.05


def test_training_can_be_paused() -> None:
    once = qd.mpnn.Recovery("hydrogen_1s", seed=2, samples=500, steps=60)
    once.run(progress=False)
    twice = qd.mpnn.Recovery("hydrogen_1s", seed=2, samples=500, steps=60)
    twice.run(25, progress=False)
    twice.run(progress=False)
    assert twice.step_number == 60
    assert once.errors(500) == twice.errors(500)


def test_direct_inversion_is_exact_for_a_known_function() -> None:
    wave = qd.mpnn.wave_function("hydrogen_2s")
    points = points_of(wave)
    potential, energy = qd.mpnn.direct_inversion(wave, points)
    assert energy == pytest.approx(-0.125)
    torch.testing.assert_close(potential, wave.potential(points), atol=1e-8, rtol=0)


def test_grid_states_of_the_oscillator() -> None:
    x = np.linspace(-10, 10, 1001)
    for level in range(3):
        energy, values = qd.mpnn.grid_state(x, x**2 / 2, level)
        assert energy == pytest.approx(level + 0.5, abs=1e-9)
        exact = qd.mpnn.oscillator(level).psi(torch.from_numpy(x)[:, None]).numpy()
        np.testing.assert_allclose(np.abs(values), np.abs(exact), atol=1e-8)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"system": "helium"}, "helium"),
        ({"method": "magic"}, "magic"),
        ({"samples": 0}, "samples=0"),
        ({"strength": -1.0}, "strength=-1"),
        ({"learning": 1}, "unknown option learning"),
        ({"inputs": ("charge",)}, "charge"),
        ({"noise": -0.1}, "noise=-0.1"),
        ({"activation": "sin"}, "sin"),
    ],
)
def test_bad_input_is_named(given: dict, words: str) -> None:
    options = {"system": "hydrogen_1s", "progress": False, **given}
    with pytest.raises(ValueError, match=words):
        qd.mpnn.recover_potential(**options)


def test_odd_oscillators_are_not_pinned_at_their_node() -> None:
    for n in range(8):
        found = qd.mpnn.recover_potential(f"oscillator_{n}", samples=200, steps=3, progress=False)
        assert np.isfinite(float(found.energy))


def test_a_pin_on_a_node_is_refused() -> None:
    wave = qd.mpnn.WaveFunction("odd", 1, lambda r: r[..., 0], pin=(0.0,), pinned=0.0)
    with pytest.raises(ValueError, match="node"):
        qd.mpnn.Recovery(wave, samples=10)


def test_noise_is_answered_from_values_alone() -> None:
    found = qd.mpnn.recover_potential(
        "oscillator_0", noise=0.01, samples=100, steps=2, seed=1, progress=False
    )
    assert found.attrs["noise"] == 0.01
    assert abs(float(found.energy) - 0.5) < 0.1
    assert float(found.epsilon_core) < 0.1
    with pytest.raises(ValueError, match="takes no noise"):
        qd.mpnn.recover_potential("oscillator_0", "mpnn", noise=0.01)
    with pytest.raises(ValueError, match="one particle"):
        qd.mpnn.recover_potential("hooke_3d", noise=0.01)


def test_a_grid_that_does_not_increase_is_refused() -> None:
    x = np.linspace(-1, 1, 20)
    with pytest.raises(ValueError, match="increase"):
        qd.mpnn.from_grid(x[::-1], np.exp(-(x**2)), pin=0.0, pinned=0.0)
    with pytest.raises(ValueError, match="NaN"):
        qd.mpnn.from_grid(x, np.full(20, np.nan), pin=0.0, pinned=0.0)
    with pytest.raises(ValueError, match="outside"):
        qd.mpnn.from_grid(x, np.exp(-(x**2)), pin=3.0, pinned=0.0)


def test_studies_resume_and_summarise(tmp_path, monkeypatch) -> None:
    runs = [
        _studies.Run("oscillator_2", "mpnn", seed, "", {"samples": 200, "steps": 40})
        for seed in range(2)
    ]
    rows = [_studies.perform(run, tmp_path) for run in runs]
    assert len(list(tmp_path.glob("*.json"))) == 2
    monkeypatch.setattr(qd.mpnn._recovery, "recover_potential", None)
    again = [_studies.perform(run, tmp_path) for run in runs]
    assert again == rows
    (line,) = _studies.summary(rows)
    low, high = line["epsilon_wide_range"]
    assert low <= line["epsilon_wide"] <= high
    assert line["seeds"] == 2


def test_studies_have_the_cases_of_the_paper() -> None:
    table = _studies.study("table")
    assert {run.method for run in table} == set(METHODS)
    assert len({run.stem for run in table}) == len(table)
    assert any(run.options.get("strength") == 0 for run in _studies.study("penalty"))
    with pytest.raises(ValueError, match="table, maps, penalty"):
        _studies.study("figure 9")


def test_command_prints_one_object(tmp_path) -> None:
    from qdens_nb.cli import app

    path = tmp_path / "potential.nc"
    options = ["recover", "oscillator_2", "--samples", "300", "--steps", "40", "--out", str(path)]
    done = CliRunner().invoke(app, options)
    assert done.exit_code == 0, done.output
    answer = json.loads(done.stdout)
    assert set(answer) >= {"energy", "epsilon_wide", "epsilon_core"}
    assert xr.open_dataset(path).attrs["system"] == "oscillator_2"
