"""The app of the quantum dots: what is drawn is what is solved and shown."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

import qdens_nb as qd
from qdens_nb.widgets import QuantumDotsApp
from qdens_nb.widgets import _quantum_dots as dots
from qdens_nb.widgets._dot_answers import compute, errors, moved_by_interaction
from qdens_nb.widgets._dot_drawing import DOTS, Drawing, drawing
from qdens_nb.widgets._dot_maps import board_maps, still

CELL = (30 / 64) ** 2
GRID = (np.arange(64) + 0.5) * 30 / 64
#: stand in for the network and, where the physics does not matter, for the exact engine
rough = partial(qd.solvers.dot_ci, orbitals=3, modes=10)
exact = partial(qd.solvers.dot_ci, orbitals=6, modes=16)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dots, "_PAUSE", 0.0)
    monkeypatch.setattr(qd.solvers, "dot_ci", exact)


@pytest.fixture
def app() -> Iterator[QuantumDotsApp]:
    made = QuantumDotsApp(rough, dot="drawn")
    yield made
    made.wait(60)


def disc(x: float, y: float, r: float) -> np.ndarray:
    return np.hypot(GRID[:, None] - x, GRID - y) < r


# Drawings


def test_cluster_is_that_of_the_training_data() -> None:
    for seed in range(5):
        wanted = qd.potentials.quantum_well_cluster(seed=seed).values == 0
        np.testing.assert_array_equal(drawing("cluster", seed=seed).mask, wanted)


def test_one_more_well_leaves_the_others() -> None:
    few, more = (drawing("cluster", wells, seed=3) for wells in (12, 13))
    np.testing.assert_array_equal(more.wells[:12], few.wells)
    assert len(more.wells) == 13 and (more.mask >= few.mask).all()


def test_full_squares_keep_a_fifth_of_wall() -> None:
    full = drawing("cluster", 40, 1.6, seed=3)
    assert 5 < len(full.wells) < 40 and 0.6 < full.mask.mean() <= 0.8


def test_designed_dots_have_their_symmetries() -> None:
    for dot in DOTS[1:]:
        mask = drawing(dot).mask
        np.testing.assert_array_equal(mask, mask[::-1])
        np.testing.assert_array_equal(mask, mask[:, ::-1])
        thin, wide = (drawing(dot, size=size).mask.sum() for size in (0.5, 1.6))
        assert 0 < thin < wide < 0.5 * 64**2
    np.testing.assert_array_equal(
        drawing("double").mask, qd.potentials.double_dot(radius=0.17).values == 0
    )
    with pytest.raises(ValueError, match="cluster, double, ring"):
        drawing("square")


def test_wells_are_found_moved_and_kept_inside() -> None:
    made = Drawing(np.array([[10.0, 10.0, 3.0], [13.0, 10.0, 3.0]]), np.zeros((64, 64), np.int8))
    assert made.find(9.0, 10.0) == 0 and made.find(12.4, 10.0) == 1 and made.find(20, 20) is None
    moved = made.move(1, 40.0, 20.0)
    np.testing.assert_array_equal(moved.wells[1], [30.0, 20.0, 3.0])
    np.testing.assert_array_equal(moved.mask, disc(10, 10, 3) | disc(30, 20, 3))
    np.testing.assert_array_equal(made.mask, disc(10, 10, 3) | disc(13, 10, 3))
    assert drawing("ring").find(15, 24) is None


def test_strokes_have_no_gaps_and_walls_erase() -> None:
    made = drawing("drawn")
    path = np.array([[5.0, 5.0], [25.0, 5.0]])
    painted = made.stroke(path, 1.5, 1)
    row = painted.mask[:, np.abs(GRID - 5.0).argmin()]
    assert row[(GRID > 5) & (GRID < 25)].all() and not row[(GRID < 3.4) | (GRID > 26.6)].any()
    assert painted.mask.sum() * CELL == pytest.approx(
        made.mask.sum() * CELL + 20 * 3 + np.pi * 1.5**2, rel=0.06
    )
    np.testing.assert_array_equal(painted.stroke(path, 1.6, -1).mask, made.mask)
    np.testing.assert_array_equal(
        made.stroke(np.array([[5.0, 25.0]]), 2.0, 1).mask, made.mask | disc(5, 25, 2)
    )


# Answers


def test_compute_holds_both_answers() -> None:
    mask = disc(12, 15, 6)
    data = compute(mask, 20.0, 0.3, predictor=rough, with_exact=True)
    assert data["solver"].values.tolist() == ["network", "exact"]
    assert float(data["potential"].max()) == 0.3 and float(data["eps_r"]) == 20.0
    direct = exact(qd.quantum_dot(np.where(mask, 0.0, 0.3), eps_r=20.0))
    np.testing.assert_allclose(data["density"].sel(solver="exact"), direct["density"])
    assert float(data["energy"]) == pytest.approx(float(direct["energy"]))
    np.testing.assert_allclose(
        data[["density", "density_free"]].sum(("x", "y")).to_array(), 2 / CELL
    )
    with pytest.raises(ValueError, match="no well"):
        compute(np.zeros((64, 64)), 12.9, 0.5, predictor=rough)
    with pytest.raises(ValueError, match="no density_free"):
        compute(mask, 12.9, 0.5, predictor=lambda p: p.assign(density=p["potential"]))


def test_repulsion_moves_less_charge_where_it_is_screened() -> None:
    mask = drawing("double").mask
    moved = [
        moved_by_interaction(compute(mask, eps_r, 0.5, predictor=exact), "network")
        for eps_r in (6.0, 40.0)
    ]
    assert moved[0] > 1.2 * moved[1] > 0.0


def test_errors_of_the_exact_answer_are_none_and_of_a_shifted_one_known() -> None:
    mask = drawing("double").mask
    same = errors(compute(mask, 12.9, 0.5, predictor=exact, with_exact=True))
    assert same["displaced"].max() < 1e-9 and same["ssim"].min() > 1 - 1e-9
    assert same["r2"].min() > 1 - 1e-9

    def elsewhere(problem: xr.Dataset) -> xr.Dataset:
        far = np.zeros((64, 64))
        far[0, 0] = 2 / CELL
        return problem.assign(density=(("x", "y"), far), density_free=(("x", "y"), far))

    off = errors(compute(mask, 12.9, 0.5, predictor=elsewhere, with_exact=True))
    np.testing.assert_allclose(off["displaced"], 2.0, atol=1e-2)
    assert off["r2"].max() < 0 and off["largest"].min() > 1


# The app


def test_sliders_dataset_and_board_agree(app: QuantumDotsApp) -> None:
    app.sliders["step"].value = 0.3
    app.sliders["eps_r"].value = 25.0
    app.sliders["dot"].value = "ring"
    assert app.sliders["seed"].disabled
    app.sliders["size"].value = 1.5
    mask = drawing("ring", size=1.5).mask
    np.testing.assert_array_equal(app.data["potential"], np.where(mask, 0.0, 0.3))
    wanted = rough(qd.quantum_dot(app.data["potential"], eps_r=25.0))
    np.testing.assert_allclose(app.data["density"].sel(solver="network"), wanted["density"])
    bytes_of = np.frombuffer(app.board.maps, np.uint8).reshape(3, 64, 64)
    np.testing.assert_array_equal(bytes_of[0], np.where(mask, 0, 255))
    panel = app.board.panels[2]
    np.testing.assert_allclose(
        bytes_of[2] / 255 * panel["high"], wanted["density"], atol=0.51 / 255 * panel["high"]
    )
    app.set(dot="cluster", wells=7, seed=4, size=1.0)
    assert not app.sliders["seed"].disabled and len(app.board.wells) == 7


def test_dragging_a_well_moves_its_density(app: QuantumDotsApp) -> None:
    start = app.data["density"].sel(solver="network")
    app._on_path(np.array([[16.0, 15.0]]), True, False)
    assert app.board.held == 0
    app._on_path(np.array([[16.0, 15.0], [18.0, 16.0], [21.0, 19.0]]), False, True)
    np.testing.assert_allclose(app.drawing.wells, [[20.0, 19.0, 4.5]])
    assert app._held is None and app.board.wells == [[20.0, 19.0, 4.5]]
    there = app.data["density"].sel(solver="network")
    for dim, middle in (("x", 20.0), ("y", 19.0)):
        assert float((start * start[dim]).sum() / start.sum()) == pytest.approx(15.0)
        assert float((there * there[dim]).sum() / there.sum()) == pytest.approx(middle, abs=0.3)
    before = app.drawing
    app._on_path(np.array([[2.0, 2.0], [10.0, 10.0]]), True, True)
    assert app.drawing is before
    app.reset_button.click()
    assert app.board.wells == [[15.0, 15.0, 4.5]]


def test_paint_and_an_empty_dot(app: QuantumDotsApp) -> None:
    app.sliders["tool"].value = "well"
    app.sliders["brush"].value = 3.0
    assert app.board.tool == "well" and app.board.brush == 3.0
    app._on_path(np.array([[5.0, 25.0]]), True, True)
    mask = disc(15, 15, 4.5) | disc(5, 25, 3)
    np.testing.assert_array_equal(app.data["potential"] == 0, mask)
    app.sliders["eps_r"].value = 9.0
    np.testing.assert_array_equal(app.data["potential"] == 0, mask)
    app.sliders["tool"].value = "wall"
    app.sliders["brush"].value = 5.0
    everywhere = np.array([[x, y] for x in range(0, 31, 3) for y in (0, 30)], dtype=float)
    app._on_path(everywhere, True, True)
    assert "no well" in app.text.value
    app.reset_button.click()
    assert "no well" not in app.text.value


def test_messages_of_the_browser_paint_and_are_answered(app: QuantumDotsApp) -> None:
    sent: list[Any] = []
    app.board.send = lambda content, buffers=None: sent.append(content)
    app.sliders["tool"].value = "well"
    app.board._hear(app.board, {"path": [[5, 5], [6, 5]], "begins": True, "ends": True}, [])
    assert app.drawing.mask[10, 10] and sent == [{"kind": "done"}]
    with pytest.raises(KeyError):
        app.board._hear(app.board, {}, [])
    assert len(sent) == 2


def test_exact_answer_follows_and_goes_with_the_box(app: QuantumDotsApp) -> None:
    low = app.board.height
    app.sliders["exact"].value = True
    app.wait(60)
    assert app.data["solver"].values.tolist() == ["network", "exact"]
    assert app.board.height > low and len(app.board.panels) == 6
    assert "electrons in the wrong place" in app.text.value and "meV" in app.text.value
    off = app.data["density"].sel(solver="network") - app.data["density"].sel(solver="exact")
    error = np.frombuffer(app.board.maps, np.uint8).reshape(6, 64, 64)[3]
    most = app.board.panels[3]["high"]
    np.testing.assert_allclose(error / 127.5 * most - most, off, atol=0.51 / 127 * most)
    app.sliders["step"].value = 0.8
    app.wait(60)
    again = exact(qd.quantum_dot(app.data["potential"]))
    np.testing.assert_allclose(app.data["density"].sel(solver="exact"), again["density"])
    app.sliders["exact"].value = False
    assert len(app.board.panels) == 3 and "exact" not in app.data["solver"].values
    assert "energy" not in app.data


def test_exact_answer_to_another_dot_is_dropped_and_shown_faded(
    app: QuantumDotsApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    app.sliders["exact"].value = True
    app.wait(60)
    go_on = threading.Event()

    def slow(problem: xr.Dataset) -> xr.Dataset:
        go_on.wait(60)
        return exact(problem)

    monkeypatch.setattr(qd.solvers, "dot_ci", slow)
    app.sliders["step"].value = 0.6
    assert [panel["faded"] for panel in app.board.panels] == [False] * 3 + [True] * 3
    assert "exact under way" in app.text.value
    first = app._job._thread
    app.sliders["step"].value = 0.7
    go_on.set()
    assert first is not None
    first.join(60)
    app.wait(60)
    assert float(app.data["potential"].max()) == 0.7
    assert not any(panel["faded"] for panel in app.board.panels)


def test_a_network_or_engine_that_fails_or_warns_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def doubtful(problem: xr.Dataset) -> xr.Dataset:
        if float(problem["eps_r"]) > 30:
            raise ValueError("too well screened")
        warnings.warn("an extrapolation", stacklevel=2)
        return rough(problem)

    app = QuantumDotsApp(doubtful, dot="drawn")
    assert "<b>Note:</b> an extrapolation." in app.text.value
    app.sliders["eps_r"].value = 35.0
    assert "too well screened" in app.text.value
    app.sliders["eps_r"].value = 10.0
    assert "too well" not in app.text.value

    def fails(problem: xr.Dataset) -> xr.Dataset:
        raise RuntimeError("out of room")

    monkeypatch.setattr(qd.solvers, "dot_ci", fails)
    app.sliders["exact"].value = True
    app.wait(60)
    assert "No exact answer:</b> out of room" in app.text.value


def test_callbacks_in_another_thread_track_no_gradients() -> None:
    import torch

    seen: list[bool] = []

    def watching(problem: xr.Dataset) -> xr.Dataset:
        seen.append(torch.is_grad_enabled())
        return rough(problem)

    app = QuantumDotsApp(watching, dot="drawn")
    thread = threading.Thread(target=lambda: setattr(app.sliders["step"], "value", 0.25))
    thread.start()
    thread.join()
    assert seen == [False, False]


def test_start_values_and_unknown_controls() -> None:
    app = QuantumDotsApp(rough, dot="cross", tool="wall", brush=2.0, step=0.25)
    assert (app.board.tool, app.board.brush) == ("wall", 2.0)
    assert float(app.data["potential"].max()) == 0.25
    with pytest.raises(TypeError, match="spet"):
        QuantumDotsApp(rough, spet=0.3)


def test_densities_share_one_scale_and_the_still_picture_shows_the_same() -> None:
    data = compute(drawing("double").mask, 12.9, 0.5, predictor=rough, with_exact=True)
    maps = board_maps(data)
    highs = {m.high for m in maps if m.unit == "1/nm²" and m.table == "Cividis"}
    assert len(highs) == 1 and highs.pop() >= float(data["density_free"].max())
    figure = still(data)
    assert len(figure.data) == 6
    np.testing.assert_allclose(figure.data[5].z, data["density"].sel(solver="exact").T)


@pytest.mark.slow
@pytest.mark.browser
def test_still_picture(app: QuantumDotsApp, tmp_path: Path) -> None:
    app.save_picture(tmp_path / "dots.png")
    assert (tmp_path / "dots.png").stat().st_size > 20_000
