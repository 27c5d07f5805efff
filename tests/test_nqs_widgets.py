"""Apps of neural quantum states, without a browser."""

from __future__ import annotations

import json
import threading
import time

import numpy as np
import pytest

import qdens_nb as qd
from qdens_nb.nqs._exact import ising_ring_energy, ising_ring_quench
from qdens_nb.widgets import GroundStateApp, LivePlot, QuenchApp
from qdens_nb.widgets._nqs_history import History, power, verdict, words
from qdens_nb.widgets._nqs_run import Optimisation, Settings, compute, exact_energy, weights_of
from qdens_nb.widgets._panels import WIDTH
from qdens_nb.widgets._quench_run import compute as compute_quench

SMALL = {"sites": 8, "samples": 200}


def until(condition, seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


@pytest.fixture
def app():
    made = GroundStateApp(**SMALL)
    yield made
    made.close()
    made.wait(10)
    assert not made.running


@pytest.fixture
def player():
    made = QuenchApp(alpha=1)
    yield made
    made.close()
    made.wait(20)
    assert not made.jobs.running


@pytest.mark.parametrize("network", ["rbm", "symmetric", "jastrow", "cnn", "autoregressive"])
def test_every_network_comes_nearer_to_the_ground_state(network):
    data = compute(Settings(network=network, sites=6, samples=100, coupling=1.5), steps=30)
    assert data["mean_error"][-1] < 0.05 < data["error"][0]
    assert data["exact"][-1] == pytest.approx(ising_ring_energy(6, 1.5) / 6)
    shown = weights_of(Optimisation(Settings(network=network, sites=6)).ansatz)[0]
    assert shown.ndim == 2


def test_frustrated_ring_has_an_exact_line_up_to_16_sites():
    assert exact_energy("j1j2", 8, 0.5) == pytest.approx(-12.0)
    assert exact_energy("j1j2", 8, 0.25) == pytest.approx(
        qd.nqs.exact_ground_state(qd.nqs.j1j2(8, J2=0.25))[0]
    )
    assert exact_energy("j1j2", 18, 0.25) is None
    data = compute(Settings("j1j2", 0.3, 18, samples=100), steps=2)
    assert np.isnan(data["error"]).all() and "no exact energy" in words(data)


def test_a_pause_changes_nothing_and_a_new_field_keeps_the_weights():
    run = Optimisation(Settings(**SMALL))
    run.run(60)
    reached = float(run.dataset()["mean_error"][-1])
    weights = run.ansatz.weights.detach().numpy().copy()
    run.wanted = Settings(**SMALL, coupling=1.2)
    run.run(1)
    assert np.abs(run.ansatz.weights.detach().numpy() - weights).max() < 0.3
    data = run.dataset()
    fresh = compute(Settings(**SMALL, coupling=1.2), 1)
    assert reached < data["error"][-1] < fresh["error"][0] / 2
    assert data["exact"][-1] == pytest.approx(ising_ring_energy(8, 1.2) / 8)
    assert (data["seconds"].diff("step") > 0).all()


def test_start_pause_and_sliders_that_act_while_it_runs(app):
    app.start()
    until(lambda: len(app.run.history) > 5)
    first = app.run
    app.controls["coupling"].value = 1.5
    app.controls["learning_rate"].value = 0.02
    app.controls["optimizer"].value = "adam"
    goes_on = len(app.run.history) + 5
    until(lambda: len(app.run.history) > goes_on)
    assert app.run is first and first.settings.optimizer == "adam"
    assert app.data["exact"][-1] == pytest.approx(ising_ring_energy(8, 1.5) / 8)
    app.controls["alpha"].value = 2
    assert app.run is not first
    until(lambda: "Relative error now" in app.text.value)
    assert "Step" in app.status.value and not app.pause_button.disabled
    app.pause_button.click()
    app.wait(10)
    done = len(app.run.history)
    assert not app.running and app.status.value == "Paused" and not app.start_button.disabled
    app.start_button.click()
    until(lambda: len(app.run.history) > done)
    app.reset_button.click()
    app.wait(10)
    assert app.data.sizes["step"] == 0 and not app.running


def test_quick_starts_and_pauses_leave_one_thread(app):
    before = threading.active_count()
    app.start()
    for _ in range(5):
        app.pause()
        app.start()
    until(lambda: len(app.run.history) > 3)
    assert app.running and app.start_button.disabled
    until(lambda: threading.active_count() <= before + 1)
    app.widget.close()
    app.wait(10)
    assert not app.running


def test_choices_move_the_controls_that_depend_on_them(app):
    app.controls["model"].value = "j1j2"
    assert app.values["coupling"] == 0.2 and app.controls["coupling"].max == 1.0
    app.controls["model"].value = "heisenberg"
    assert app.controls["coupling"].disabled
    app.set(model="ising", network="autoregressive", coupling=2.5, optimizer="sgd")
    assert app.values["coupling"] == 2.5 and app.values["samples"] == 200
    app.controls["network"].value = "jastrow"
    assert app.controls["alpha"].disabled and app.controls["complex_weights"].disabled
    app.advance(2)
    assert app.data.sizes["step"] == 2


def test_a_failure_is_told_in_words(app, monkeypatch):
    def fail(*args):
        raise ValueError("too long a step")

    monkeypatch.setattr(Optimisation, "draw", fail)
    app.start()
    app.wait(10)
    assert "too long a step" in app.text.value and not app.start_button.disabled


def test_figures_fit_the_page_and_messages_are_small(app):
    app.advance(3)
    history = History(8)
    row = {"energy": -10.0, "energy_stderr": 0.1, "v_score": 0.1, "rhat": 1.0, "seconds": 1.0}
    for _ in range(2000):
        history.add(row, -10.2)
    app._drawing.show(history.dataset())
    app.set(sites=40, alpha=6)
    for trace in app.figure.data:
        if trace.type == "heatmap":
            assert len(json.dumps(trace.z.tolist())) < 20_000
    assert WIDTH <= 900 and app.figure.layout.height < 700
    assert max(len(trace.x) for trace in app.figure.data if trace.x is not None) <= 400


def test_words():
    assert power(0.00123) == "1.2·10<sup>−3</sup>" and power(0.25) == "0.25"
    assert "agree" in verdict(1.0) and "disagree" in verdict(1.5)
    assert "independently" in verdict(np.nan)


def test_an_eigenstate_that_is_not_the_lowest_is_told():
    history = History(10)
    for energy, said in ((-10.0, False), (-8.0, True)):
        row = {"energy": energy, "energy_stderr": 0.0, "v_score": 1e-4, "rhat": 1.0, "seconds": 1.0}
        for _ in range(30):
            history.add(row, -10.01)
        assert ("excited state" in words(history.dataset())) is said


def test_unknown_controls():
    with pytest.raises(TypeError, match="unknown control field"):
        GroundStateApp(field=1.0)
    with pytest.raises(TypeError, match="unknown slider field"):
        QuenchApp(field=1.0)
    with pytest.raises(ValueError, match="network='mlp'"):
        compute(Settings(network="mlp"), 1)


def test_live_plot_shows_what_the_optimisation_returns():
    model = qd.nqs.heisenberg(8)
    live = LivePlot(model, every=0.0)
    found = qd.nqs.ground_state(
        model, qd.nqs.RBM(8), steps=15, samples=100, callback=live, progress=False
    )
    np.testing.assert_allclose(live.data["energy"] * 8, found["energy"])
    np.testing.assert_allclose(live.data["exact"] * 8, float(found["exact_energy"]))
    assert len(live.figure.data[1].x) == 15
    assert "Relative error now" in live.text.value
    live.close()


def test_live_plot_without_a_reference():
    live = LivePlot(qd.nqs.tv_chain(np.zeros(20), V=1.0, particles=10))
    assert live.exact is None
    live.close()
    live = LivePlot(qd.nqs.tv_chain(np.zeros(6), V=1.0, particles=3))
    assert live.exact is not None
    live.close()


def test_quench_follows_the_exact_evolution():
    data = compute_quench(0.5, 0.8, 3, sites=6, times=11, step=0.02)
    exact, network = (data["sigma_x"].sel(solver=s) for s in ("exact", "nqs"))
    np.testing.assert_allclose(
        exact, ising_ring_quench(6, 0.8, data["time"].values, h0=0.5), atol=1e-8
    )
    assert np.abs(network - exact).max() < 0.01
    assert data["infidelity"].max() < 0.01 and np.ptp(exact.values) > 0.02
    np.testing.assert_allclose(data["correlation"].isel(distance=0), 1)


def test_player_shows_the_exact_answer_and_keeps_part_of_the_networks(player):
    assert np.isfinite(player.data["sigma_x"].sel(solver="exact")).all()
    assert "Evolve the network" in player.text.value
    for trace in player.figure.data:
        assert trace.y is None or isinstance(trace.y, np.ndarray)
        if trace.type == "heatmap":
            json.dumps(trace.z.tolist(), allow_nan=False)
    assert player.play.value == player.sliders["frame"].value
    player.sliders["frame"].value = 10
    assert "Jt = 0.50" in player.text.value and "0.50" in player.sliders["frame"].description
    player.set(h0=1.0, h1=0.5, time=1.0)
    assert player.sliders["frame"].value == 20
    player.evolve()
    until(lambda: np.isfinite(player.data["residual"]).sum() > 2)
    player.stop()
    player.wait(20)
    part = player.data["sigma_x"].sel(solver="nqs")
    assert 2 < int(np.isfinite(part).sum()) < 41
    assert "residual r²" in player.text.value and "stopped" in player.jobs.status.value
    player.set(h1=0.6)
    assert np.isnan(player.data["residual"]).all()
    player.set(h1=0.5)
    assert np.isfinite(player.data["residual"]).sum() > 2


def test_a_slider_drops_the_answer_that_is_being_computed(player):
    player.evolve()
    player.sliders["h1"].value = 0.6
    player.wait(20)
    assert player.data.attrs["h1"] == 0.6 and np.isnan(player.data["residual"]).all()
    assert player.figure.layout.height < 700
