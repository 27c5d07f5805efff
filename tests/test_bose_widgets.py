"""The apps of the lattice bosons: what the controls say is what the Dataset and the figure hold."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

import qdens_nb as qd
from qdens_nb.widgets import DrawDensityApp, WeddingCakeApp, name_phases, phase_words
from qdens_nb.widgets import _draw_density as draw
from qdens_nb.widgets import _wedding_cake as cake
from qdens_nb.widgets._bose_answers import SHAPES, answer_of, ask, compute, trap_problem
from qdens_nb.widgets._job_bar import JobBar
from qdens_nb.widgets._lattice_words import seconds_words
from qdens_nb.widgets._live_worm import Stage, start_occupation, worm_stages
from qdens_nb.widgets._phases import EMPTY, MOTT, PHASES, SOLID, SUPERFLUID, SUPERSOLID
from qdens_nb.widgets._pictures import PICTURES, picture


def learnt(problem: xr.Dataset, sector: str | int = "auto") -> xr.Dataset:
    """Stands in for a network: the mean field with a standard error."""
    start = {"auto": "auto", 0: "even", 1: "odd"}[sector]
    out = qd.solvers.gutzwiller(problem, start=start, starts=2, tolerance=1e-6)
    return out.assign(density_stderr=0.05 + 0.0 * out["density"])


class Ideal:
    """Stands in for a network with a gradient: bosons without hopping or neighbours."""

    def torch_density(self, local: Any, U: Any, V: Any, sector: Any, T: float, n_max: int) -> Any:
        U = U[:, None, None]
        return sum((U * (local - n) / 4).sigmoid() for n in range(n_max))


def flat(hopping: float, repulsion: float, mu: float, sites: int = 8) -> xr.Dataset:
    return trap_problem(hopping, repulsion, mu, 0.0, sites, "flat")


def stage_of(problem: xr.Dataset, done: float, doubts: tuple[str, ...] = ()) -> Stage:
    answer = ask(learnt, problem, 0)
    for name in ("density", "fluctuation"):
        answer[f"{name}_stderr"] = 0.02 + 0.0 * answer["density"]
    answer.attrs["wall_seconds"] = 12.0
    return Stage("128 sweeps", done, answer, doubts)


def until(true: Callable[[], bool], seconds: float = 60) -> bool:
    end = time.monotonic() + seconds
    while not true() and time.monotonic() < end:
        time.sleep(0.002)
    return true()


@pytest.fixture
def app() -> Iterator[WeddingCakeApp]:
    made = WeddingCakeApp(learnt, sites=12, hopping=0.15, repulsion=0.0, mu=1.2, depth=2.0)
    yield made
    made.stop()
    made.wait(60)


@pytest.fixture
def drawing() -> Iterator[DrawDensityApp]:
    made = DrawDensityApp(Ideal(), starts=1, steps=40, picture="cross", hopping=0.3)
    yield made
    made.stop()
    made.wait(60)


# Problems and answers


def test_depth_is_the_height_of_the_potential_in_U() -> None:
    for shape in SHAPES[:3]:
        problem = trap_problem(0.25, 1.0, 1.5, 2.0, 16, shape)
        v = (problem["potential"] / problem["U"]).values
        assert v[7:9, 7:9].max() <= 1.0 + 1e-12
        np.testing.assert_allclose(v, v[::-1])
        np.testing.assert_allclose(v, v[:, ::-1])
        if shape != "harmonic trap":
            assert (v.min(), v.max()) == pytest.approx((0.0, 2.0))
        else:
            rim = 2.0 * 7.5**2 / 8**2
            assert v[7, 0] == pytest.approx(rim + 2.0 * 0.25 / 64)
    assert float(problem["U"]) == 16.0 and float(problem["V"]) == 4.0
    assert float(problem["mu"]) == 24.0 and float(problem["T"]) == 0.25
    assert not flat(0.2, 0.0, 0.5)["potential"].any()
    with pytest.raises(ValueError, match="harmonic trap, box"):
        trap_problem(0.25, 1.0, 1.5, 2.0, 16, "ring")


def test_compute_holds_the_solvers_answers_in_one_sector() -> None:
    data = compute(
        0.2, 1.0, 0.5, 0.0, 8, "flat", 1, predictor=learnt, with_mean_field=True
    )  # fmt: skip
    assert data["solver"].values.tolist() == ["network", "gutzwiller"]
    assert int(data["sector"]) == 1
    direct = qd.solvers.gutzwiller(flat(0.2, 1.0, 0.5), start="odd")
    for solver in ("network", "gutzwiller"):
        one = answer_of(data, solver)
        np.testing.assert_allclose(one["density"], direct["density"], atol=1e-4)
        variance = one["density_squared"] - one["density"] ** 2
        np.testing.assert_allclose(one["fluctuation"], variance)
    assert "density_stderr" in answer_of(data, "network")
    assert "density_stderr" not in answer_of(data, "gutzwiller")
    assert answer_of(data, "worm") is None
    assert bool((data["seconds"] > 0).all())


def test_predictors_without_sector_or_observables() -> None:
    problem = flat(0.2, 0.0, 0.5)

    def plain(problem: xr.Dataset) -> xr.Dataset:
        return learnt(problem)

    assert "density" in ask(plain, problem)
    with pytest.raises(ValueError, match="takes none"):
        ask(plain, problem, 1)
    with pytest.raises(ValueError, match="no density_squared, coherence"):
        ask(lambda p: p.assign(density=p["potential"]), problem)
    assert WeddingCakeApp(plain, sites=8).sliders["sector"].disabled


# Phases


@pytest.mark.parametrize(
    ("couplings", "phase"),
    [
        ((0.1, 0.0, 0.5), "Mott insulator"),
        ((0.5, 0.0, 0.5), "superfluid"),
        ((0.05, 0.0, -0.5), "empty"),
        ((0.2, 1.0, 0.4), "checkerboard solid"),
    ],
)
def test_phases_of_homogeneous_qmc(couplings: tuple[float, ...], phase: str) -> None:
    """Deep in each phase; the stiffness of the same run agrees."""
    answer = qd.solvers.worm(
        flat(*couplings, 6),
        sweeps=300,
        chains=1,
        start="classical",
        symmetry_moves=False,
        seed=1,
    )
    named = name_phases(answer)["phase"].values
    assert {PHASES[code] for code in np.unique(named)} == {phase}
    assert (float(answer["superfluid_stiffness"]) > 0.16) == (phase == "superfluid")


def synthetic(density: np.ndarray, coherence: float) -> xr.Dataset:
    n = np.asarray(density, dtype=float)
    bonds = coherence * np.stack([0.5 * (n + np.roll(n, -1, axis)) for axis in (0, 1)])
    coords = {"x": np.arange(len(n)), "y": np.arange(len(n))}
    return xr.Dataset(
        {"density": (("x", "y"), n), "coherence": (("direction", "x", "y"), bonds)}, coords
    )


def test_supersolid_has_both_orders() -> None:
    board = (np.indices((8, 8)).sum(0) + 1) % 2
    for n, coherence, code in (
        (board, 0.1, SOLID),
        (0.2 + 0.8 * board, 0.4, SUPERSOLID),
        (0.25 + 0.5 * board, 0.6, SUPERSOLID),
        (2 * board, 0.1, SOLID),
        (board + 1, 0.1, SOLID),
        (np.ones((8, 8)), 0.1, MOTT),
        (np.ones((8, 8)), 0.6, SUPERFLUID),
        (np.full((8, 8), 0.9), 0.2, SUPERFLUID),
        (np.full((8, 8), 0.01), 0.9, EMPTY),
    ):
        assert (name_phases(synthetic(n, coherence))["phase"] == code).all()


def test_walls_are_no_phase() -> None:
    inside = np.zeros((12, 12))
    inside[3:9, 3:9] = 1
    phase = name_phases(synthetic(inside, 0.1))["phase"].values
    assert (phase[inside == 1] == MOTT).all() and (phase[inside == 0] == EMPTY).all()


def test_words_tell_rings_from_the_densest() -> None:
    n = np.zeros((24, 24))
    x, y = np.indices(n.shape) - 11.5
    radius = np.hypot(x, y)
    n[radius < 10] = ((np.indices(n.shape).sum(0) + 1) % 2)[radius < 10]
    n[radius < 6] = 1
    text = phase_words(synthetic(n, 0.05))
    assert text.startswith("wedding cake, from the densest phase outwards: Mott insulator of 1 ")
    assert "boson a site" in text and "checkerboard solid of 1 and 0 bosons" in text
    assert text.index("Mott") < text.index("checkerboard")
    assert phase_words(synthetic(2 * np.ones((8, 8)), 0.1)).startswith("Mott insulator of 2 bosons")
    assert phase_words(synthetic(np.zeros((8, 8)), 0.1)) == "no bosons"


def test_phases_do_not_depend_on_the_place() -> None:
    answer = learnt(trap_problem(0.15, 0.75, 1.3, 2.0, 16, "harmonic trap"), 0)
    phase = name_phases(answer)["phase"]
    moved = name_phases(answer.roll(x=3, y=2, roll_coords=False))["phase"]
    np.testing.assert_array_equal(moved, np.roll(phase.values, (3, 2), (0, 1)))


def test_phases_of_a_batch_or_without_coherence_are_refused() -> None:
    answer = synthetic(np.ones((8, 8)), 0.1)
    with pytest.raises(ValueError, match="'coherence' is missing"):
        name_phases(answer[["density"]])
    with pytest.raises(ValueError, match="one torus"):
        name_phases(answer.expand_dims(sample=2))


# Quantum Monte Carlo in stages


def test_stages_reach_the_exact_answer() -> None:
    problem = qd.bose_hubbard([[0.0, 1.0], [2.0, 0.5]], U=8.0, V=1.0, mu=4.0, T=0.5)
    exact = qd.solvers.bose_hubbard_ed(problem)
    stages = list(worm_stages(problem, wanted_error=0.003, sweeps=20_000, seed=3))
    dones = [stage.done for stage in stages]
    assert dones == sorted(dones) and dones[-1] == 1.0
    assert [stage.answer is None for stage in stages[:9]] == [True] * 8 + [False]
    last = stages[-1].answer
    exact["fluctuation"] = exact["density_squared"] - exact["density"] ** 2
    for name in ("density", "fluctuation"):
        pull = ((last[name] - exact[name]) / last[f"{name}_stderr"]).values
        assert np.sqrt((pull**2).mean()) < 3.0
    assert last.attrs["wall_seconds"] > 0


def test_stages_with_one_seed_give_one_answer() -> None:
    problem = flat(0.5, 0.0, 0.5, 4)

    def run(seed: int) -> np.ndarray:
        stages = worm_stages(problem, sweeps=128, seed=seed)
        return [stage.answer for stage in stages][-1]["density"].values

    np.testing.assert_array_equal(run(1), run(1))
    assert (run(1) != run(2)).any()


def test_start_is_in_the_wanted_sector_where_a_mirror_allows_it() -> None:
    for shape in SHAPES:
        problem = trap_problem(0.2, 1.5, 0.6, 1.0, 8, shape)
        even, odd = (start_occupation(problem, sector) for sector in (0, 1))
        sign = 1 - 2 * (np.indices((8, 8)).sum(0) % 2)
        assert (sign * even).sum() > 0 > (sign * odd).sum()
    slope = qd.bose_hubbard(qd.potentials.white_noise((8, 8), 8.0, seed=1), U=20, V=5, mu=10)
    np.testing.assert_array_equal(start_occupation(slope, 0), start_occupation(slope, 1))


# The wedding cake


def shown(app: WeddingCakeApp, place: int, wanted: xr.DataArray) -> tuple[np.ndarray, np.ndarray]:
    """A map as the canvas has it, in 255 steps, and what it should be, rounded likewise."""
    panel, sites = app.board.panels[place], app.board.points
    steps = np.frombuffer(app.board.maps, np.uint8).reshape(-1, sites, sites)[place]
    low, height = panel["low"], panel["high"] - panel["low"]
    rounded = np.rint((wanted.transpose("x", "y").values - low) / height * 255)
    return low + steps / 255 * height, low + rounded / 255 * height


def test_sliders_dataset_and_figure_agree(app: WeddingCakeApp) -> None:
    figure, board = app.figure, app.board
    for name, value in {"mu": 0.8, "hopping": 0.4, "depth": 1.0, "sites": 16}.items():
        app.sliders[name].value = value
        density = app.data["density"].sel(solver="network")
        np.testing.assert_allclose(*shown(app, 0, density))
    app.sliders["shape"].value = "box"
    app.sliders["repulsion"].value = 0.5
    direct = learnt(trap_problem(0.4, 0.5, 0.8, 1.0, 16, "box"))
    np.testing.assert_allclose(app.data["density"].sel(solver="network"), direct["density"])
    np.testing.assert_allclose(*shown(app, 1, direct.density_squared - direct.density**2))
    np.testing.assert_array_equal(np.rint(shown(app, 2, app.phases["phase"])[0]), app.phases.phase)
    assert app.figure is figure and app.board is board and board.row == 8
    assert board.names[app.phases["phase"].values[8, 8]] in ("superfluid", "Mott")
    assert figure.layout.xaxis.title.text.startswith("x (site)") and board.unit == "site"


def test_cut_has_the_networks_band(app: WeddingCakeApp) -> None:
    traces = {trace.name: trace for trace in app.figure.data if trace.yaxis == "y"}
    n = app.data["density"].sel(solver="network").isel(y=6).values
    np.testing.assert_allclose(traces["network"].y, n)
    (band,) = [trace for trace in app.figure.data if getattr(trace, "fill", None) == "toself"]
    np.testing.assert_allclose((band.y[:12] - band.y[:-13:-1]) / 2, 0.05, atol=1e-12)
    assert not traces["mean field"].visible and not traces["QMC"].visible


def test_mean_field_is_optional(app: WeddingCakeApp) -> None:
    app.sliders["mean_field"].value = True
    assert "gutzwiller" in app.data["solver"] and "mean field" in app.text.value
    app.sliders["mu"].value = 0.5
    assert "gutzwiller" in app.data["solver"]
    app.sliders["mean_field"].value = False
    assert "gutzwiller" not in app.data["solver"]


def test_sector_can_be_forced() -> None:
    app = WeddingCakeApp(learnt, sites=8, shape="flat", repulsion=1.0, mu=0.4, hopping=0.2)
    for choice, sector in (("odd sites", 1), ("even sites", 0)):
        app.sliders["sector"].value = choice
        assert int(app.data["sector"]) == sector
        assert f"the {choice} are the denser ones" in app.text.value
    assert "checkerboard solid of 1 and 0 bosons (100% of the sites)" in app.text.value
    assert app.sliders["depth"].disabled


def test_qmc_shows_what_it_has_and_goes_when_a_slider_moves(
    app: WeddingCakeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    problem = trap_problem(**{k: app.values[k] for k in (*cake._SLIDERS, "shape")})

    def stages(given: xr.Dataset, sector: int) -> Iterator[Stage]:
        assert given.identical(problem) and sector == int(app.data["sector"])
        yield Stage("thermalising", 0.1)
        yield stage_of(given, 1.0, ("too short",))

    monkeypatch.setattr(cake, "worm_stages", stages)
    low = app.board.height
    app.qmc_button.click()
    app.wait(60)
    assert app.jobs.status.value == "QMC: done" and app.jobs.progress.value == 1.0
    assert app.data["solver"].values.tolist() == ["network", "worm"]
    exact = app.data.sel(solver="worm")
    np.testing.assert_allclose(*shown(app, 3, exact["density"]))
    difference = app.data["density"].sel(solver="network") - exact["density"]
    np.testing.assert_allclose(*shown(app, 5, difference))
    assert app.board.height > low
    bars = next(t for t in app.figure.data if t.name == "QMC" and t.yaxis == "y").error_y.array
    np.testing.assert_allclose(bars, 0.02)
    assert "standard error is 0.020" in app.text.value and "QMC 12.0 s" in app.text.value
    assert "not in equilibrium yet:</b> too short" in app.text.value
    app.sliders["mean_field"].value = True
    assert app.data["solver"].values.tolist() == ["network", "worm", "gutzwiller"]
    app.sliders["mu"].value = 0.3
    assert "worm" not in app.data["solver"] and app.board.height == low
    assert "equilibrium" not in app.text.value


def test_qmc_runs_for_real() -> None:
    app = WeddingCakeApp(learnt, sites=8, shape="flat", hopping=0.1, repulsion=0.0, mu=0.5)
    app.qmc_button.click()
    app.wait(120)
    assert app.jobs.status.value == "QMC: done"
    np.testing.assert_allclose(app.data["density"].sel(solver="worm"), 1.0, atol=0.05)
    assert "100% of the sites have the same phase" in app.text.value


def test_stopped_qmc_keeps_what_it_has_and_a_moved_slider_drops_it(
    app: WeddingCakeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    def endless(given: xr.Dataset, sector: int) -> Iterator[Stage]:
        one = stage_of(given, 0.3)
        while True:
            yield one
            time.sleep(0.001)

    monkeypatch.setattr(cake, "worm_stages", endless)
    app.qmc_button.click()
    assert app.qmc_button.disabled and not app.stop_button.disabled
    assert until(lambda: "worm" in app.data["solver"])
    app.stop_button.click()
    app.wait(60)
    assert app.jobs.status.value == "QMC: stopped" and "worm" in app.data["solver"]
    assert app.stop_button.disabled and not app.qmc_button.disabled
    app.qmc_button.click()
    app.sliders["mu"].value = 0.5
    app.wait(60)
    assert "worm" not in app.data["solver"] and not app.qmc_button.disabled
    assert app.jobs.status.value == "T = 0.25 t"


def test_an_engine_that_fails_says_so(app: WeddingCakeApp, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(problem: xr.Dataset, sector: int) -> Iterator[Stage]:
        yield Stage("thermalising", 0.0)
        raise RuntimeError("out of room")

    monkeypatch.setattr(cake, "worm_stages", fails)
    app.qmc_button.click()
    app.wait(60)
    assert app.jobs.status.value == "QMC failed: out of room" and not app.qmc_button.disabled


def test_a_predictor_that_fails_or_warns_says_so() -> None:
    def doubtful(problem: xr.Dataset) -> xr.Dataset:
        if float(problem["V"]) > 0:
            raise ValueError("no V, please")
        out = learnt(problem)
        import warnings

        warnings.warn("an extrapolation", stacklevel=2)
        return out

    app = WeddingCakeApp(doubtful, sites=8, repulsion=0.0)
    assert "<b>Note:</b> an extrapolation." in app.text.value
    app.sliders["repulsion"].value = 1.0
    assert "no V, please" in app.text.value and app.qmc_button.disabled
    app.sliders["repulsion"].value = 0.0
    assert "Phases" in app.text.value and not app.qmc_button.disabled


def test_callbacks_in_another_thread_track_no_gradients() -> None:
    """JupyterLab delivers slider moves in a thread of its own, where grad mode starts anew."""
    import torch

    seen: list[bool] = []

    def watching(problem: xr.Dataset) -> xr.Dataset:
        seen.append(torch.is_grad_enabled())
        return learnt(problem)

    app = WeddingCakeApp(watching, sites=8)
    thread = threading.Thread(target=lambda: setattr(app.sliders["mu"], "value", 0.2))
    thread.start()
    thread.join()
    assert seen == [False, False]


@pytest.mark.parametrize("kind", [WeddingCakeApp, DrawDensityApp])
def test_unknown_control_is_named(kind: Any) -> None:
    with pytest.raises(TypeError, match="dpeth"):
        kind(Ideal(), dpeth=1.0)


def test_figures_are_whole_when_the_browser_hears_of_them(
    app: WeddingCakeApp, drawing: DrawDensityApp
) -> None:
    for figure in (app.figure, drawing.figure):
        assert figure.comm is not None
        state = figure.get_state(["_widget_data", "_widget_layout"])
        assert len(state["_widget_data"]) == len(figure.data)
        assert state["_widget_layout"]["height"] == figure.layout.height


@pytest.mark.slow
@pytest.mark.browser
def test_still_pictures(app: WeddingCakeApp, drawing: DrawDensityApp, tmp_path: Path) -> None:
    app._take(stage_of(app._problem(), 1.0))
    for i, one in enumerate((app, drawing)):
        one.save_picture(tmp_path / f"{i}.png")
        assert (tmp_path / f"{i}.png").stat().st_size > 20_000


def test_times_in_words() -> None:
    assert seconds_words(0.1234) == "123 ms" and seconds_words(300) == "5.0 min"


# The drawing


def test_pictures_fill_a_part_of_the_lattice() -> None:
    for name in PICTURES[1:]:
        for sites in (16, 20, 24):
            made = picture(name, sites)
            assert made.shape == (sites, sites) and 0.1 < made.mean() < 0.6
            assert not made[0].any() and not made[:, -1].any()
    with pytest.raises(ValueError, match="checkerboard patch"):
        picture("cat", 16)


def test_clicks_and_boxes_paint(drawing: DrawDensityApp) -> None:
    before = drawing.wanted.copy()
    drawing.sliders["brush"].value = 1.8
    cells = drawing.figure.data[drawing._cells]
    assert len(cells.x) == 256

    class Points:
        xs, ys = [2, 3], [5, 5]

    drawing._on_cells(cells, Points(), None)
    changed = drawing.wanted.values != before.values
    assert np.argwhere(changed).tolist() == [[2, 5], [3, 5]]
    np.testing.assert_allclose(drawing.figure.data[0].z, drawing.wanted.values.T)
    assert drawing.figure.data[0].z[5][2] == 1.8
    drawing.sliders["picture"].value = "blank"
    assert not drawing.wanted.any()
    drawing.sliders["sites"].value = 20
    assert drawing.wanted.shape == (20, 20) and drawing.figure.layout.xaxis.range[1] == 19.5


def test_potential_makes_the_wanted_density(drawing: DrawDensityApp) -> None:
    assert drawing.check_button.disabled
    drawing.find_button.click()
    drawing.wait(120)
    assert drawing.jobs.status.value == "design: done" and not drawing.check_button.disabled
    error = abs(drawing.found["density"] - drawing.wanted).mean()
    assert float(error) < 0.04
    potential = drawing.found["potential"] / drawing.found["U"]
    np.testing.assert_allclose(drawing.figure.data[1].z, potential.T)
    assert f"{float(error):.3f} on average" in drawing.text.value
    drawing.paint([0], [0], 1.0)
    assert drawing.found is None and drawing.check_button.disabled
    assert not drawing.figure.data[1].visible


def test_potential_is_checked_by_qmc(
    drawing: DrawDensityApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[xr.Dataset] = []

    def stages(problem: xr.Dataset, sector: int) -> Iterator[Stage]:
        seen.append(problem)
        yield stage_of(problem, 1.0)

    monkeypatch.setattr(draw, "worm_stages", stages)
    drawing.find()
    drawing.wait(120)
    drawing.check_button.click()
    drawing.wait(60)
    np.testing.assert_array_equal(seen[0]["potential"], drawing.found["potential"])
    assert float(seen[0]["mu"]) == float(drawing.found["mu"])
    off = drawing.exact["density"] - drawing.wanted
    np.testing.assert_allclose(drawing.figure.data[5].z, off.T, atol=1e-12)
    assert "<b>QMC</b> in 12.0 s" in drawing.text.value


def test_stopped_design_keeps_the_best_so_far(monkeypatch: pytest.MonkeyPatch) -> None:
    started = threading.Event()

    class Slow(Ideal):
        def torch_density(self, local: Any, *args: Any, **options: Any) -> Any:
            if local.requires_grad:
                started.set()
                time.sleep(0.005)
            return super().torch_density(local, *args, **options)

    app = DrawDensityApp(Slow(), starts=1, steps=100_000)
    app.find_button.click()
    assert started.wait(60) and until(lambda: "step 3 " in app.jobs.status.value)
    app.stop_button.click()
    app.wait(60)
    assert app.jobs.status.value == "design: stopped"
    assert app.found.attrs["interrupted"] == 1 and "stopped early" in app.text.value
    app.find_button.click()
    app.paint([1], [1])
    app.wait(60)
    assert app.found is None


def test_predictor_without_gradient_is_reported() -> None:
    app = DrawDensityApp(learnt)
    app.find_button.click()
    app.wait(60)
    assert "design failed" in app.jobs.status.value and "torch_density" in app.jobs.status.value


def test_jobs_take_turns() -> None:
    bar = JobBar(threading.RLock(), {"a": ("A", "a"), "b": ("B", "b")})
    bar.allow("b", False)
    delivered: list[int] = []
    go_on = threading.Event()

    def work(number: int) -> Callable[..., None]:
        def run(tell: Any) -> None:
            go_on.wait(60)
            tell("now", 0.5, lambda: delivered.append(number))

        return run

    bar.start("first", work(1))
    first = bar._job._thread
    bar.start("second", work(2))
    go_on.set()
    first.join(60)
    bar.wait(60)
    assert delivered == [2] and bar.status.value == "second: done"
    assert not bar.buttons["a"].disabled and bar.buttons["b"].disabled
