"""The app that learns potentials, without a browser."""

from __future__ import annotations

import json
import time

import numpy as np
import pytest
import torch

from qdens_nb.mpnn import METHODS, Recovery
from qdens_nb.widgets import PotentialApp, _potential, _potential_run
from qdens_nb.widgets._panels import WIDTH
from qdens_nb.widgets._potential_figure import spread, window
from qdens_nb.widgets._potential_run import Choice, Training, compute, scene, untrained
from qdens_nb.widgets._potential_words import potential_words

SMALL = {"system": "oscillator", "n": 0, "method": "local_energy", "samples": 1000}


def until(condition, seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


@pytest.fixture(autouse=True)
def few_points(monkeypatch):
    monkeypatch.setattr("qdens_nb.mpnn._recovery.JUDGED", 2000)


@pytest.fixture
def app():
    made = PotentialApp(**SMALL)
    yield made
    made.close()
    made.wait(10)
    assert not made.running


class Noisy(Recovery):
    """Stands for a recovery from noisy values."""

    def __init__(self, system, *, noise, seed, samples):
        super().__init__(system, method="local_energy", seed=seed, samples=samples)
        self.noise = noise


@pytest.mark.parametrize("name", ["oscillator_0", "hydrogen_2p", "morse", "hooke_2d"])
def test_with_the_exact_potential_the_local_energy_is_the_exact_energy(name):
    at = scene(name)
    local = at.kinetic + at.wave.potential(at.points)
    np.testing.assert_allclose(local, at.wave.energy, atol=1e-8)
    assert (at.plane is None) == (at.wave.dims == 1)


@pytest.mark.parametrize("system", _potential._SYSTEMS.values())
def test_every_system_is_shown_untrained(system):
    data = Training(Choice(system)).view()
    assert np.isfinite(data["found"]).all() and np.isnan(data["energy"])
    assert data.attrs["step"] == 0 and data.sizes["step"] == 0
    low, high = window(data)
    shown = (low <= data["exact"]) & (data["exact"] <= high)
    assert shown.sel(x=1, method="nearest") and shown.mean() > 0.6
    assert "is untrained" in potential_words(data)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("system", ["hydrogen_1s", "hooke_2d"])
def test_training_begins_with_the_network_that_is_shown(system, method):
    choice = Choice(system, method=method, samples=100, seed=3)
    shown = untrained(choice)
    made = _potential_run.trainer(choice)
    with torch.no_grad():
        points = scene(system).points
        np.testing.assert_array_equal(shown(points), made.potential(points))
    if system == "hooke_2d":
        training = Training(choice)
        before = training.view()["found"]
        training.trainer = made
        np.testing.assert_allclose(training.view()["found"], before, rtol=1e-6)


def test_ours_finds_the_oscillator():
    data = compute(Choice(**SMALL), 300)
    assert data["epsilon_core"] < 0.1 and abs(data["energy"] - 0.5) < 0.05
    assert data.sizes["step"] > 0 and data["seconds"] > 0
    assert np.abs(data["found"] - data["exact"]).sel(x=slice(-1, 1)).max() < 0.3


def test_pauses_change_nothing():
    whole, parts = Training(Choice(**SMALL)), Training(Choice(**SMALL))
    whole.run(30)
    for steps in (1, 19, 10):
        parts.run(steps, lambda: None)
    np.testing.assert_array_equal(whole.view()["found"], parts.view()["found"])


def test_the_weight_of_mpnn_is_nearer_to_the_nucleus_than_that_of_qpnn_ms(monkeypatch):
    monkeypatch.setattr("qdens_nb.mpnn._recovery.JUDGED", 20_000)
    found = {
        method: compute(Choice(method=method, samples=100), 1) for method in ("mpnn", "qpnn_ms")
    }
    # P(r > R) = exp(-2 R) (1 + 2 R + 2 R^2) is 0.01 at R = 4.203, for psi^4 at half of it.
    assert found["qpnn_ms"].attrs["radius"] == pytest.approx(4.203, abs=0.15)
    assert found["mpnn"].attrs["radius"] == pytest.approx(2.101, abs=0.1)
    sphere = 4 / 3 * np.pi * found["mpnn"].attrs["radius"] ** 3 / 1000
    assert found["mpnn"].attrs["share"] == pytest.approx(sphere, abs=0.01)
    assert "almost free" in potential_words(found["mpnn"])


def test_start_pause_restart_and_sliders(app):
    app.start()
    until(lambda: "Energy" in app.text.value)
    assert app.running and app.start_button.disabled
    app.pause_button.click()
    app.wait(10)
    done = app.training.step
    assert not app.running and "paused" in app.status.value and not app.start_button.disabled
    assert app.data.attrs["step"] == done
    app.start_button.click()
    until(lambda: app.training.step > done)
    first = app.training
    app.restart_button.click()
    until(lambda: app.training is not first and app.training.step > 0)
    assert app.running
    app.controls["n"].value = 3
    app.wait(10)
    assert app.training.step == 0 and "Untrained" in app.status.value
    assert app.data.attrs["system"] == "oscillator_3" and not app.running
    assert app.data["energy_exact"] == 3.5
    app.start()
    app.widget.close()
    app.wait(10)
    assert not app.running


def test_it_goes_on_after_the_last_step(app):
    app.training.run(10)
    app.training.trainer.step_number = app.training.steps - 1
    app.start()
    app.wait(10)
    until(lambda: "steps done" in app.status.value)
    assert app.training.step == METHODS["local_energy"].steps
    app.start()
    until(lambda: app.training.step > METHODS["local_energy"].steps)


def test_controls_that_have_no_meaning_are_disabled(app):
    assert app.controls["strength"].disabled and not app.controls["n"].disabled
    app.controls["method"].value = "mpnn"
    assert not app.controls["strength"].disabled
    assert app.values["samples"] == METHODS["mpnn"].samples
    assert app.controls["plane"].disabled
    app.set(system="hydrogen_1s", plane=True, strength=0.0)
    assert app.controls["n"].disabled and not app.controls["plane"].disabled
    assert app.training.choice.strength == 0.0
    app.advance(1)
    assert "λ = 0" in app.text.value


def test_noise_is_for_a_recovery_that_takes_it(monkeypatch):
    monkeypatch.setattr(_potential, "noisy_recovery", lambda: None)
    monkeypatch.setattr(_potential_run, "noisy_recovery", lambda: None)
    plain = PotentialApp(**SMALL)
    assert plain.controls["noise"].disabled
    plain.close()
    with pytest.raises(ValueError, match="no recovery from noisy values"):
        _potential_run.trainer(Choice(method="local_energy", noise=0.01))
    with pytest.raises(ValueError, match="takes no noise"):
        Choice(method="mpnn", noise=0.01)
    monkeypatch.setattr(_potential, "noisy_recovery", lambda: Noisy)
    monkeypatch.setattr(_potential_run, "noisy_recovery", lambda: Noisy)
    app = PotentialApp(**SMALL, noise=2.0)
    assert not app.controls["noise"].disabled and app.values["samples"] == 1000
    assert (app.data["found"] == 0).all() and "2.0 % noise" in app.text.value
    app.advance(5)
    assert app.training.trainer.noise == 0.02 and app.data["found"].std() > 0
    app.controls["noise"].value = 0.0
    assert app.values["samples"] == METHODS["local_energy"].samples
    app.controls["noise"].value = 1.0
    assert app.values["samples"] == 250
    app.controls["system"].value = "hydrogen_1s"
    assert app.values["samples"] == 10_000 and not app.controls["noise"].disabled
    app.controls["system"].value = "hooke_2d"
    assert app.values["noise"] == 0.0 and app.controls["noise"].disabled
    app.set(system="oscillator", noise=1.0)
    app.controls["method"].value = "mpnn"
    assert app.values["noise"] == 0.0 and app.controls["noise"].disabled
    app.close()


def test_failures_are_told_in_words(app, monkeypatch):
    def fail(*args, **options):
        raise ValueError("no points")

    monkeypatch.setattr(_potential_run, "trainer", fail)
    app.start()
    app.wait(10)
    assert "ValueError:</b> no points" in app.text.value and not app.start_button.disabled
    monkeypatch.setattr(_potential_run, "scene", fail)
    app.controls["n"].value = 4
    assert "no points" in app.text.value and not app.running


def test_a_training_that_fails_is_told(app):
    app.advance(1)
    app.training.trainer.network.last.bias.data.fill_(torch.nan)
    app._show(app.training.view())
    assert "not a number" in app.text.value


def test_figure_fits_the_page_and_messages_are_small(app):
    app.set(system="hydrogen_1s", plane=True, method="local_energy", samples=100)
    app.advance(200)
    maps = [trace for trace in app.figure.data if trace.type == "heatmap"]
    assert len(maps) == 3 and all(trace.visible for trace in maps)
    assert all(len(json.dumps(trace.z.tolist())) < 20_000 for trace in maps)
    assert WIDTH <= 800 and app.figure.layout.height < 600
    app.controls["system"].value = "morse"
    assert not any(trace.visible for trace in maps) and app.figure.layout.height < 350


def test_range_of_deviations_does_not_flicker():
    assert spread(np.array([0.4, -0.4])) == pytest.approx(0.5)
    assert spread(np.array([0.4, -0.4]), before=1.0) == 1.0
    assert spread(np.array([0.3, -0.3]), before=1.0) == pytest.approx(0.5)
    assert spread(np.full(3, np.nan)) > 0
    assert spread(np.zeros(3)) > 0


def test_unknown_controls_and_values():
    with pytest.raises(TypeError, match="unknown control field"):
        PotentialApp(field=1.0)
    with pytest.raises(ValueError, match="system='helium'; expected one of"):
        PotentialApp(system="helium")
    with pytest.raises(ValueError, match="samples=3; expected one of"):
        PotentialApp(samples=3)
    with pytest.raises(ValueError, match="method='mlp'"):
        Choice(method="mlp")
