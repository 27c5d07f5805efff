"""From a key press on a slider to the finished redraw, for every app, in a JupyterLab of its own.

Writes results/app_latency.json. A headless Chromium moves a slider by one step, one press after
another, or a well of a quantum dot with the pointer; the page itself takes the time from the event
until a frame was drawn after the last change of figure and text. Needs Chromium.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import nbformat
from _common import load_script, machine, options, write_result

PRESSES, WARM_UP = 20, 3
QUIET_MS, LIMIT_MS = 600, 30_000
#: stands for a slider: the well in the middle of the potential, held with the pointer
DRAG, MIDDLE = "drag", (152, 128)
PLOT = ".js-plotly-plot .main-svg"


class App(NamedTuple):
    """An app as a line of Python, and the sliders that are moved, by their descriptions."""

    code: str
    sliders: tuple[str, ...]
    wanted_ms: float
    parts: tuple[str, ...] = ("canvas.qdens-board",)


APPS = {
    "Friedel, 40 sites": App("qd.widgets.FriedelApp(sites=40)", ("interaction V",), 150, (PLOT,)),
    "wedding cake, 24 x 24": App(
        "qd.widgets.WeddingCakeApp(sites=24, hopping=0.1, repulsion=1.0, mu=2.0, depth=2.5)",
        ("4t/U", "4V/U", "μ/U", "trap depth (U)"),
        150,
        ("canvas.qdens-board", PLOT),
    ),
    "quantum dot": App("qd.widgets.QuantumDotsApp()", ("εᵣ", "step (eV)", "wells"), 100),
    "quantum dot, a well dragged": App("qd.widgets.QuantumDotsApp(dot='drawn')", (DRAG,), 100),
}

# Every change below the app counts; a frame is drawn once two animation frames have begun.
_WATCH = """() => {
  const state = window.qdensLatency = {pressed: 0, drawn: 0, plots: 0};
  const drawn = () => requestAnimationFrame(() => setTimeout(
    () => { state.drawn = performance.now(); }, 0));
  const begin = () => { state.pressed = performance.now(); state.drawn = 0; state.plots = 0; };
  window.addEventListener('keydown', begin, true);
  window.addEventListener('pointermove', event => { if (event.buttons) begin(); }, true);
  const count = () => { state.plots += 1; drawn(); };
  const plot = document.querySelector('.js-plotly-plot');
  if (plot) plot.on('plotly_afterplot', count);
  document.addEventListener('qdens-drawn', count);
  new MutationObserver(drawn).observe(
    document.querySelector('[role=status]').closest('.widget-html, .jupyter-widgets'),
    {childList: true, characterData: true, subtree: true});
}"""
_DONE = f"""() => {{
  const s = window.qdensLatency;
  return s.plots > 0 && s.drawn > 0 && performance.now() - s.drawn > {QUIET_MS};
}}"""
_TAKEN = "() => window.qdensLatency.drawn - window.qdensLatency.pressed"


def notebook(app: App) -> nbformat.NotebookNode:
    """One cell that shows the app."""
    cell = nbformat.v4.new_code_cell(f"import qdens_nb as qd\n{app.code}")
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return nbformat.v4.new_notebook(cells=[cell], metadata={"kernelspec": kernel})


def press(page: Any, slider: str, key: str) -> float:
    """Milliseconds from one press to the last redraw."""
    if slider == DRAG:
        hold(page, 10 if key == "ArrowRight" else -10)
    else:
        row = page.locator(".widget-slider").filter(has_text=slider)
        row.get_by_role("slider").focus()
        page.keyboard.press(key)
    page.wait_for_function(_DONE, timeout=LIMIT_MS, polling=50)
    return float(page.evaluate(_TAKEN))


def hold(page: Any, aside: int = 0) -> None:
    """Move the pointer to the middle of the potential, or `aside` of it."""
    box = page.locator("canvas.qdens-board").bounding_box()
    page.mouse.move(box["x"] + MIDDLE[0] + aside, box["y"] + MIDDLE[1])


def measure(page: Any, address: str, name: str, app: App, lab: ModuleType, presses: int) -> Any:
    """Times of all presses; the sliders go forth and back."""
    errors = lab.run_all(page, address, name, 240)
    if errors:
        raise RuntimeError(f"{app.code}: {errors[0]}")
    for part in app.parts:
        page.wait_for_selector(part)
    keys = ("ArrowLeft", "ArrowRight", "ArrowRight", "ArrowLeft")
    if DRAG in app.sliders:
        keys = ("ArrowLeft", "ArrowRight")
        hold(page)
        page.mouse.down()
        page.wait_for_timeout(2 * QUIET_MS)
    page.evaluate(_WATCH)
    taken = [
        press(page, app.sliders[i % len(app.sliders)], keys[i // len(app.sliders) % len(keys)])
        for i in range(WARM_UP + presses)
    ]
    return taken[WARM_UP:]


def main(chosen: argparse.Namespace) -> None:
    """Measure all apps and write."""
    from playwright.sync_api import sync_playwright

    lab = load_script("render_notebooks")
    if lab.CHROMIUM is None:
        raise SystemExit("there is no Chromium on this machine; install one")
    rows = []
    with tempfile.TemporaryDirectory() as made, sync_playwright() as driver:
        folder = Path(made)
        (folder / "tutorials").mkdir()
        for i, app in enumerate(APPS.values()):
            nbformat.write(notebook(app), folder / "tutorials" / f"app{i}.ipynb")
        with lab.jupyterlab(folder) as address:
            browser = driver.chromium.launch(executable_path=lab.CHROMIUM, args=["--no-sandbox"])
            for i, (name, app) in enumerate(APPS.items()):
                load = os.getloadavg()[0]
                page = browser.new_page(viewport={"width": 900, "height": 1400})
                taken = measure(
                    page, address, f"app{i}.ipynb", app, lab, 2 if chosen.quick else PRESSES
                )
                page.close()
                taken.sort()
                rows.append(
                    {
                        "app": name,
                        "presses": len(taken),
                        "median, ms": statistics.median(taken),
                        "90 %, ms": taken[min(len(taken) - 1, round(0.9 * len(taken)))],
                        "wanted, ms": app.wanted_ms,
                        "load of the machine before": load,
                    }
                )
            browser.close()
    write_result(
        "app_latency",
        "From a key press on a slider to the finished redraw (figure and text) in JupyterLab and "
        "headless Chromium, kernel and browser on the same machine.",
        rows,
        chosen,
        machine=machine(),
    )


if __name__ == "__main__":
    main(options(__doc__))
