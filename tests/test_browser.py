"""Apps in a real JupyterLab: sliders move curves and maps, a cell draws while it runs."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import nbformat
import pytest

pytestmark = [pytest.mark.slow, pytest.mark.browser]

_CURVES = """() => [...document.querySelectorAll('.scatterlayer .trace path.js-line')]
  .map(p => p.getAttribute('d')).join('|')"""
_CHANGED = "before => (" + _CURVES + ")() !== before"
_BOARD = "() => document.querySelector('canvas.qdens-board').toDataURL()"
_SAYS = "text => document.querySelector('[role=status]').textContent.includes(text)"


@pytest.fixture(scope="module")
def render(root: Path) -> ModuleType:
    """scripts/render_notebooks.py as a module."""
    spec = importlib.util.spec_from_file_location(
        "render_notebooks", root / "scripts" / "render_notebooks.py"
    )
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_sliders_and_button_in_jupyterlab(
    render: ModuleType, chromium: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from playwright.sync_api import sync_playwright

    codes = (
        "import qdens_nb as qd\nqd.widgets.FriedelApp(sites=12, width=6)",
        "qd.widgets.QuantumDotsApp()",
        "ring = qd.nqs.transverse_ising(8)\n"
        "live = qd.widgets.LivePlot(ring)\n"
        "qd.nqs.ground_state(ring, qd.nqs.RBM(8), steps=60, samples=100, callback=live,"
        " progress=False)\nNone",
    )
    cells = [nbformat.v4.new_code_cell(code) for code in codes]
    (tmp_path / "tutorials").mkdir()
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})
    nbformat.write(notebook, tmp_path / "tutorials" / "app.ipynb")
    monkeypatch.setattr(render, "BUILD", tmp_path)
    with render.jupyterlab(tmp_path) as address, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 800, "height": 2800})
        assert render.run_all(page, address, "app.ipynb", 240) == []
        page.wait_for_selector(".scatterlayer .trace path.js-line")
        # The first move still runs in the main thread of the kernel; later ones do not.
        for slider in (0, 2, 2, 1):
            before = page.evaluate(_CURVES)
            page.get_by_role("slider").nth(slider).focus()
            page.keyboard.press("ArrowRight")
            page.wait_for_function(_CHANGED, arg=before, timeout=60_000)
        page.get_by_role("button", name="Compute exact").click()
        page.wait_for_function(_SAYS, arg="error against the exact density", timeout=60_000)
        for _ in range(2):
            before = page.evaluate(_BOARD)
            page.locator(".widget-slider").filter(has_text="step (eV)").get_by_role("slider").press(
                "ArrowRight"
            )
            page.wait_for_function(f"before => ({_BOARD})() !== before", arg=before)
        page.get_by_text("steps/s").first.wait_for(timeout=30_000)
        widest = page.evaluate(
            "() => Math.max(...[...document.querySelectorAll('.main-svg, canvas.qdens-board')]"
            ".map(e => e.getBoundingClientRect().right))"
        )
        assert widest <= 800
        browser.close()
