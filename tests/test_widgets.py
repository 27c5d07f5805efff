"""The app: what the sliders say is what the Dataset holds."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest
import xarray as xr

import qdens_nb as qd
from qdens_nb.widgets import FriedelApp, _friedel
from qdens_nb.widgets._background import Background, Stopped
from qdens_nb.widgets._words import DOUBT


def learnt(problem: xr.Dataset) -> xr.Dataset:
    """Stands in for a network: the mean field, tilted, with a standard error."""
    out = qd.solvers.chain_hartree_fock(problem, starts=1)
    tilt = 0.02 * np.cos(2 * np.pi * out.x / out.sizes["x"])
    out["density"] = out["density"] + tilt
    out["density_stderr"] = abs(tilt) + 0.05 * (out.x == 3)
    return out


SOLVERS = {"chain": learnt, "hartree_fock": qd.solvers.chain_hartree_fock}


@pytest.fixture
def app() -> Iterator[FriedelApp]:
    made = FriedelApp(SOLVERS, sites=12, width=6, V=1.0, mu=0.3, depth=1.5)
    yield made
    made.stop()
    made.wait(60)


def test_sliders_and_dataset_agree(app: FriedelApp) -> None:
    for depth in (0.4, 1.2, 2.8):
        app.sliders["depth"].value = depth
        app.sliders["V"].value = depth / 2
        assert float(app.data.potential.min()) == pytest.approx(-depth)
        assert float(app.data.V) == pytest.approx(depth / 2)
        direct = qd.solvers.chain_hartree_fock(app.data[["potential", "V", "mu", "flux"]])
        np.testing.assert_allclose(
            app.data.density.sel(solver="hartree_fock"), direct.density, atol=1e-8
        )


def test_what_is_drawn_is_the_dataset(app: FriedelApp) -> None:
    app.sliders["mu"].value = 1.0
    trace = next(t for t in app.figure.data if t.name == "learnt correction")
    np.testing.assert_allclose(trace.y, app.data.density.sel(solver="chain"))
    np.testing.assert_array_equal(trace.x, app.data.x)


def test_exact_curve_is_the_solvers_and_goes_when_a_slider_moves(app: FriedelApp) -> None:
    app.exact_button.click()
    problem = _friedel.well_problem(**app.values)
    expected = qd.solvers.chain_ed(problem)
    np.testing.assert_allclose(app.data.density.sel(solver="exact"), expected.density)
    assert "Largest error against the exact density" in app.text.value
    app.sliders["depth"].value = 2.0
    assert "exact" not in app.data.solver
    assert "difference from Hartree-Fock" in app.text.value


def test_deeper_well_holds_more_particles_in_whole_steps(app: FriedelApp) -> None:
    app.set(V=0.5, mu=-0.9)
    numbers = []
    for depth in np.linspace(0, 3, 13):
        app.sliders["depth"].value = float(depth)
        app.exact_button.click()
        numbers.append(float(app.data.density.sel(solver="exact").sum()))
    steps = np.diff(np.round(numbers))
    np.testing.assert_allclose(numbers, np.round(numbers), atol=1e-6)
    assert (steps >= 0).all() and steps.sum() >= 2


def test_size_slider_keeps_the_well_inside(app: FriedelApp) -> None:
    app.set(sites=30, width=25)
    assert app.data.sizes["x"] == 30
    app.sliders["sites"].value = 14
    assert app.data.sizes["x"] == 14
    assert app.sliders["width"].value == 12
    assert int((app.data.potential < 0).sum()) == 12


def test_words_state_numbers_and_doubt(app: FriedelApp) -> None:
    app.exact_button.click()
    data = app.data
    number = int(data.density.sel(solver="exact").sum().round())
    assert f"exact {number}" in app.text.value
    worst = float(abs(data.density.sel(solver="chain") - data.density.sel(solver="exact")).max())
    assert f"{worst:.3f}" in app.text.value
    doubted = np.flatnonzero(data.density_stderr.sel(solver="chain") > DOUBT)
    assert doubted.tolist() == [3] and "0.03 at sites 3." in app.text.value


def test_large_ring_runs_in_the_background_and_stops(
    app: FriedelApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    reported = threading.Event()

    def endless(problem: xr.Dataset, report: _friedel.Report | None = None) -> xr.Dataset:
        assert report is not None
        while True:
            report("sweep")
            reported.set()
            time.sleep(0.001)

    monkeypatch.setattr(_friedel, "solve_exact", endless)
    app.set(sites=18)
    app.exact_button.click()
    assert reported.wait(10) and not app.stop_button.disabled
    app.stop_button.click()
    app.wait(10)
    assert app.stop_button.disabled and "exact" not in app.data.solver
    app.exact_button.click()
    app.sliders["V"].value = 0.3
    app.wait(10)
    assert "exact" not in app.data.solver and not app.exact_button.disabled


def test_dmrg_arrives_in_the_background(app: FriedelApp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_friedel, "ED_SITES", 11)
    app.set(V=0.8)
    app.exact_button.click()
    app.wait(300)
    assert app.status.value == "Exact curve by DMRG"
    exact = qd.solvers.chain_ed(_friedel.well_problem(**app.values))
    np.testing.assert_allclose(app.data.density.sel(solver="exact"), exact.density, atol=1e-5)


def test_precomputed_point_needs_no_button() -> None:
    well = qd.potentials.step_well(12, np.array([0.5, 1.0]), 6)
    known = qd.solvers.chain_ed(qd.fermion_chain(well, V=[1.0, 1.0], mu=[0.0, 0.0], flux=[0, 0]))
    app = FriedelApp(SOLVERS, known=known, sites=12, width=6, V=1.0, mu=0.0, depth=0.5)
    np.testing.assert_allclose(app.data.density.sel(solver="exact"), known.density[0], atol=1e-12)
    app.sliders["depth"].value = 0.75
    assert "exact" not in app.data.solver
    app.sliders["depth"].value = 1.0
    assert "exact" in app.data.solver
    app.set(sites=17, width=7, depth=2.0)
    assert "exact" not in app.data.solver
    app.known_button.click()
    assert app.values == {"V": 1.0, "mu": 0.0, "depth": 1.0, "width": 6, "sites": 12}
    np.testing.assert_allclose(app.data.density.sel(solver="exact"), known.density[1], atol=1e-12)


def test_an_engine_that_fails_says_so(app: FriedelApp, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(problem: xr.Dataset, report: object = None) -> xr.Dataset:
        raise RuntimeError("nearly degenerate")

    monkeypatch.setattr(_friedel, "solve_exact", fails)
    app.exact_button.click()
    assert "nearly degenerate" in app.status.value and not app.exact_button.disabled


def test_unknown_slider_is_named() -> None:
    with pytest.raises(TypeError, match="depht"):
        FriedelApp(SOLVERS, depht=1.0)


def test_callbacks_in_another_thread_track_no_gradients(app: FriedelApp) -> None:
    """JupyterLab delivers slider moves in a thread of its own, where grad mode starts anew."""
    import torch

    seen: list[bool] = []

    def watching(problem: xr.Dataset) -> xr.Dataset:
        seen.append(torch.is_grad_enabled())
        return learnt(problem)

    app.solvers["chain"] = watching
    thread = threading.Thread(target=lambda: setattr(app.sliders["V"], "value", 0.2))
    thread.start()
    thread.join()
    assert seen == [False]


def test_background_gives_results_and_errors() -> None:
    ended: list[object] = []
    job = Background()
    job.start(lambda report: 3, ended.append, lambda r, e: ended.append((r, e)))
    job.wait(10)
    assert ended == [(3, None)]

    def wrong(report: object) -> int:
        raise ValueError("no")

    job.start(wrong, ended.append, lambda r, e: ended.append(e))
    job.wait(10)
    assert isinstance(ended[-1], ValueError) and not isinstance(ended[-1], Stopped)
