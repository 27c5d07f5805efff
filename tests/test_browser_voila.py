"""Every app on its own page of Voila, used by keyboard: figures and words follow, buttons work.

The time from a key press to the last redraw is printed beside what is wanted; it decides nothing.
"""

from __future__ import annotations

import importlib.util
import shutil
import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import nbformat
import pytest

pytest.importorskip("voila", reason="Voila is not installed; pip install voila")
pytest.importorskip("playwright", reason="Playwright is not installed; pip install playwright")

pytestmark = pytest.mark.browser

WIDTH = 800
KEYS = ("ArrowRight", "ArrowRight", "ArrowLeft")
# What the buttons start fails in this way on the pages NAME_fault.
BROKEN = "def broken(*args, **options):\n    raise RuntimeError('out of order')\n\n"


@dataclass(frozen=True)
class Job:
    """A button, what the page says while it works, how it is stopped, and what is said then.

    `draws` tells whether the figure is another one after that; it works for `seconds` at least.
    """

    button: str
    working: str
    stop: str = ""
    stopped: str = ""
    draws: bool = True
    seconds: float = 0.0


@dataclass(frozen=True)
class App:
    """What is done with a page of apps/."""

    sliders: tuple[str, ...]
    wanted_ms: int
    jobs: tuple[Job, ...]
    fault: str
    reports: str
    prepare: Callable[[Any, Any], None] = lambda tools, page: None
    before_jobs: Callable[[Any, Any], None] = lambda tools, page: None


def _choose(label: str, option: str) -> Callable[[Any, Any], None]:
    def choose(tools: Any, page: Any) -> None:
        page.locator(".widget-dropdown").filter(has_text=label).locator("select").select_option(
            label=option
        )
        page.wait_for_timeout(1000)

    return choose


def _exact_dots(tools: Any, page: Any) -> None:
    page.get_by_label("exact answer too").click()
    page.wait_for_timeout(2000)


def _optimise(tools: Any, page: Any) -> None:
    tools.click(page, "Start")
    tools.says(page, "Step ")
    tools.click(page, "Pause")
    tools.says(page, "Paused")


APPS = {
    "friedel": App(
        ("interaction V", "chemical pot.", "well depth", "well width"),
        150,
        (Job("Compute exact", "DMRG:", "Stop", "Stopped; no exact curve", draws=False),),
        "qd.solvers.chain_ed = broken",
        "No exact curve: out of order",
        before_jobs=lambda tools, page: tools.press(page, "ring size", "PageUp"),
    ),
    "wedding_cake": App(
        ("4t/U", "4V/U", "μ/U", "trap depth"),
        150,
        (Job("Run QMC", "QMC: ", "Stop", "QMC: stopped", draws=False),),
        "from qdens_nb.widgets import _wedding_cake\n_wedding_cake.worm_stages = broken",
        "QMC failed: out of order",
    ),
    "draw_density": App(
        ("side L",),
        150,
        (
            Job("Find potential", "design: step", "Stop", "design: stopped", seconds=4),
            Job("Check by QMC", "QMC: ", "Stop", "QMC: stopped", draws=False),
        ),
        "qd.inverse.design = broken",
        "design failed: out of order",
    ),
    "quantum_dots": App(
        ("εᵣ", "step (eV)", "wells", "well size"),
        100,
        (),
        "qd.solvers.dot_ci = broken",
        "No exact answer: out of order",
        prepare=_exact_dots,
    ),
    "ground_state": App(
        ("sites N", "α (units"),
        150,
        (Job("Start", "Step ", "Pause", "Paused"),),
        "from qdens_nb.widgets._nqs_run import Optimisation\nOptimisation.run = broken",
        "Stopped: out of order",
        prepare=_optimise,
    ),
    "quench": App(
        ("field after", "time Jt"),
        100,
        (Job("Evolve the network", "network: Jt", "Stop", "network: stopped"),),
        "from qdens_nb.widgets import _quench\n_quench.compute = broken",
        "network failed: out of order",
        before_jobs=lambda tools, page: tools.slider(page, "α (features)").press("End"),
    ),
    "potential": App(
        ("state n",),
        150,
        (Job("Start", "Step ", "Pause", "paused"),),
        "from qdens_nb.widgets._potential_run import Training\nTraining.run = broken",
        "Stopped by RuntimeError: out of order",
        prepare=_choose("system", "oscillator on a line, state n"),
    ),
}
QUICK = "quench"
# Controls that a screen reader could only call "slider" or "button".
_UNNAMED = """() => [...document.querySelectorAll(
    '[role=slider], [role=textbox], .widget-vbox button, .js-plotly-plot, canvas.qdens-board')]
  .filter(e => e.getClientRects().length && !e.closest('.modebar'))
  .filter(e => !(e.getAttribute('aria-label') || e.textContent.trim()))
  .map(e => e.outerHTML.slice(0, 120))"""


@pytest.fixture(scope="module")
def tools(root: Path) -> Iterator[ModuleType]:
    """scripts/app_pictures.py as a module."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(root / "scripts")
        yield importlib.import_module("app_pictures")


@pytest.fixture(scope="module")
def address(root: Path, tools: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Iterator:
    """A Voila of copies of apps/ and of pages whose buttons fail."""
    folder = tmp_path_factory.mktemp("apps")
    shutil.copy(root / "apps" / "index.ipynb", folder)
    for path in (root / "apps" / f"{name}.ipynb" for name in APPS):
        shutil.copy(path, folder)
        notebook = nbformat.read(path, as_version=4)
        cell = notebook.cells[-1]
        cell.source = f"{BROKEN}import qdens_nb as qd\n{APPS[path.stem].fault}\n{cell.source}"
        nbformat.write(notebook, folder / f"{path.stem}_fault.ipynb")
    with tools.voila(folder, folder / "voila.log") as served:
        yield served


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    """A new page; what goes wrong in its scripts fails the test."""
    opened = browser.new_page(viewport={"width": WIDTH, "height": 1400})
    errors: list[str] = []
    opened.on("pageerror", lambda error: errors.append(str(error)))
    yield opened
    opened.close()
    assert errors == []


def move(tools: Any, page: Any, labels: tuple[str, ...]) -> list[float]:
    """Move each slider thrice; the figure changes every time, the words follow. Milliseconds."""
    taken, said = [], {tools.words(page)}
    for label in labels:
        for key in KEYS:
            figure = tools.look(page)
            taken.append(tools.press(page, label, key))
            assert tools.look(page) != figure, f"{label}: the figure stayed"
            said.add(tools.words(page))
    assert len(said) > 1, "the words stayed"
    return taken


def tell(capsys: Any, name: str, taken: list[float], wanted: int) -> None:
    """Print the times, the first move of the page apart."""
    first, *later = taken
    with capsys.disabled():
        print(
            f"\n{name}: key press to redraw {statistics.median(later):.0f} ms (median of "
            f"{len(later)}, longest {max(later):.0f}, first move {first:.0f}); wanted {wanted} ms"
        )


def test_every_app_has_a_page(root: Path) -> None:
    assert {path.stem for path in (root / "apps").glob("*.ipynb")} == {*APPS, "index"}
    shown = "".join(path.read_text() for path in (root / "apps").glob("*.ipynb"))
    from qdens_nb import widgets

    apps = [name for name in widgets.__all__ if name.endswith("App")]
    assert [name for name in apps if f"qd.widgets.{name}(" not in shown] == []


def test_index_names_every_page_with_its_title(root: Path) -> None:
    (cell,) = nbformat.read(root / "apps" / "index.ipynb", as_version=4).cells
    for name in APPS:
        page = nbformat.read(root / "apps" / f"{name}.ipynb", as_version=4)
        title = page.cells[0].source.splitlines()[0].removeprefix("# ")
        assert f"[{title}]({name}.ipynb)" in cell.source


@pytest.mark.parametrize("name", APPS)
def test_page_is_stripped_and_ends_in_its_app(root: Path, name: str) -> None:
    notebook = nbformat.read(root / "apps" / f"{name}.ipynb", as_version=4)
    nbformat.validate(notebook)
    assert [cell.cell_type for cell in notebook.cells] == ["markdown", "code"]
    assert notebook.cells[0].source.startswith("# ") and notebook.cells[1].outputs == []


def test_sliders_of_one_app(tools: Any, address: str, page: Any, capsys: Any) -> None:
    with tools.app_page(page, address, QUICK):
        tell(capsys, QUICK, move(tools, page, APPS[QUICK].sliders[:1]), APPS[QUICK].wanted_ms)


@pytest.mark.slow
@pytest.mark.parametrize("name", APPS)
def test_sliders_and_buttons(tools: Any, address: str, page: Any, capsys: Any, name: str) -> None:
    app = APPS[name]
    with tools.app_page(page, address, name):
        app.prepare(tools, page)
        tell(capsys, name, move(tools, page, app.sliders), app.wanted_ms)
        right = page.evaluate("() => document.documentElement.scrollWidth")
        assert right <= WIDTH, f"the page is {right} pixels wide"
        app.before_jobs(tools, page)
        for job in app.jobs:
            figure = tools.look(page)
            tools.click(page, job.button)
            tools.says(page, job.working)
            assert page.get_by_role("button", name=job.button, exact=True).is_disabled()
            page.wait_for_timeout(1000 * job.seconds)
            tools.click(page, job.stop)
            tools.says(page, job.stopped)
            assert page.get_by_role("button", name=job.button, exact=True).is_enabled()
            assert page.get_by_role("button", name=job.stop, exact=True).is_disabled()
            if job.draws:
                assert tools.look(page) != figure, f"{job.button}: the figure stayed"


@pytest.mark.slow
@pytest.mark.parametrize("name", APPS)
def test_failures_are_told(tools: Any, address: str, page: Any, name: str) -> None:
    app = APPS[name]
    with tools.app_page(page, address, f"{name}_fault"):
        if app.jobs:
            tools.click(page, app.jobs[0].button)
        tools.says(page, app.reports)
        for job in app.jobs[:1]:
            assert page.get_by_role("button", name=job.button, exact=True).is_enabled()
            assert page.get_by_role("button", name=job.stop, exact=True).is_disabled()


@pytest.mark.slow
def test_a_link_of_the_index_opens_an_app(address: str, page: Any) -> None:
    page.goto(f"{address}/voila/render/index.ipynb")
    page.get_by_role("link", name="A quench, frame by frame").click()
    page.wait_for_selector("[role=status]", timeout=120_000)


@pytest.mark.slow
def test_controls_act_while_the_state_is_optimised(tools: Any, address: str, page: Any) -> None:
    with tools.app_page(page, address, "ground_state"):
        tools.click(page, "Start")
        tools.says(page, "Step ")
        for _ in range(2):
            said = tools.words(page)
            tools.slider(page, "field h").focus()
            page.keyboard.press("PageUp")
            page.wait_for_timeout(1500)
            assert tools.words(page) != said
        tools.click(page, "Pause")
        tools.says(page, "Paused")
        figure = tools.look(page)
        tools.click(page, "Reset")
        tools.says(page, "New weights: press Start")
        page.wait_for_timeout(500)
        assert tools.look(page) != figure


@pytest.mark.slow
def test_exact_dot_is_computed_after_a_move(tools: Any, address: str, page: Any) -> None:
    with tools.app_page(page, address, "quantum_dots"):
        tools.says(page, "Network against exact")
        for key in ("ArrowRight", "ArrowRight"):
            figure = tools.look(page)
            tools.press(page, "step (eV)", key)
            tools.says(page, "Network against exact")
            assert tools.look(page) != figure


@pytest.mark.slow
def test_wells_and_densities_are_drawn_by_keyboard(tools: Any, address: str, page: Any) -> None:
    with tools.app_page(page, address, "quantum_dots"):
        page.get_by_role("button", name="paint walls").press("Enter")
        page.wait_for_timeout(500)
        board = page.locator("canvas.qdens-board")
        board.focus()
        figure = tools.look(page)
        for key in ("ArrowLeft", "Space", "Shift+ArrowDown", "Shift+ArrowLeft", "Space"):
            page.keyboard.press(key)
        page.wait_for_timeout(1500)
        assert tools.look(page) != figure
    with tools.app_page(page, address, "draw_density"):
        said = tools.words(page)
        page.get_by_role("button", name="Paint box").press("Enter")
        page.wait_for_timeout(1500)
        assert tools.words(page) != said


@pytest.mark.slow
def test_wells_and_densities_are_drawn_with_the_pointer(
    tools: Any, address: str, page: Any, capsys: Any
) -> None:
    with tools.app_page(page, address, "quantum_dots"):
        _choose("dot", "drawn")(tools, page)
        _exact_dots(tools, page)
        board = page.locator("canvas.qdens-board").bounding_box()
        for tool in ("move wells", "paint wells", "paint walls"):
            page.get_by_role("button", name=tool).click()
            page.wait_for_timeout(300)
            figure = tools.look(page)
            page.mouse.move(board["x"] + 152, board["y"] + 128)
            page.mouse.down()
            page.mouse.move(board["x"] + 190, board["y"] + 170, steps=4)
            page.mouse.up()
            page.wait_for_timeout(1000)
            page.mouse.move(0, 0)
            page.wait_for_timeout(300)
            assert tools.look(page) != figure, tool
        said = tools.words(page)
        page.get_by_role("button", name="Undo drawing").click()
        page.wait_for_timeout(1000)
        assert tools.words(page) != said
    with tools.app_page(page, address, "draw_density"):
        box = page.locator(".nsewdrag").first.bounding_box()
        tools.slider(page, "brush").focus()
        page.keyboard.press("End")
        for part in (0.5, 0.2):
            said = tools.words(page)
            page.mouse.click(box["x"] + part * box["width"], box["y"] + 0.5 * box["height"])
            page.wait_for_timeout(1500)
            assert tools.words(page) != said
        for brush in ("End", "Home"):  # a box where a box was before, too
            tools.slider(page, "brush").press(brush)
            page.mouse.move(box["x"] + 5, box["y"] + 5)
            page.mouse.down()
            page.mouse.move(box["x"] + 60, box["y"] + 60, steps=5)
            said = tools.words(page)
            page.mouse.up()
            page.wait_for_timeout(1500)
            assert tools.words(page) != said
