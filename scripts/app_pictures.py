"""Open the apps of apps/ in Voila and save a picture of each for the gallery.

    python scripts/app_pictures.py [NAME ...] [--width 820] [--out tutorials/img/apps]

presses the button of each app, waits for what it brings and writes OUT/NAME.png. It needs
Chromium and Voila. tests/test_browser_voila.py drives the same pages with these functions.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Error, Locator, Page, sync_playwright
from render_notebooks import CHROMIUM, ROOT, served

APPS = ROOT / "apps"
IMAGES = ROOT / "tutorials" / "img" / "apps"
MOST_BYTES = 150_000
FIGURE = ".js-plotly-plot .main-svg, canvas.qdens-board"
QUIET_MS, LIMIT_MS = 600, 120_000

# All that an app draws, as text that differs if a picture does.
_LOOK = """() => [
  ...[...document.querySelectorAll(
    '.plot path, .overplot path, .shapelayer path')].map(p => p.getAttribute('d')),
  ...[...document.querySelectorAll('.plot image, .overplot image')].map(i => i.href.baseVal),
  ...[...document.querySelectorAll('canvas.qdens-board')].map(c => c.toDataURL()),
].join('|')"""
# From a key or a move of the pointer to the frame after the last change of figure or text.
_WATCH = """() => {
  const state = window.qdensWatch = {pressed: 0, drawn: 0, plots: 0};
  const drawn = () => requestAnimationFrame(() => setTimeout(
    () => { state.drawn = performance.now(); }, 0));
  const begin = () => Object.assign(state, {pressed: performance.now(), drawn: 0, plots: 0});
  window.addEventListener('keydown', begin, true);
  window.addEventListener('pointermove', event => { if (event.buttons) begin(); }, true);
  const count = () => { state.plots += 1; drawn(); };
  document.querySelectorAll('.js-plotly-plot .main-svg').forEach(svg => new MutationObserver(count)
    .observe(svg, {attributes: true, childList: true, characterData: true, subtree: true}));
  document.addEventListener('qdens-drawn', count);
  new MutationObserver(drawn).observe(
    document.querySelector('[role=status]').closest('.widget-html'),
    {childList: true, characterData: true, subtree: true});
}"""
_DONE = f"""() => {{
  const s = window.qdensWatch;
  return s.plots > 0 && s.drawn > 0 && performance.now() - s.drawn > {QUIET_MS};
}}"""
_TAKEN = "() => window.qdensWatch.drawn - window.qdensWatch.pressed"
_SAYS = """text => [...document.querySelectorAll('.widget-label, [role=status]')]
  .some(e => e.textContent.includes(text))"""


@contextmanager
def voila(folder: Path, log: Path) -> Iterator[str]:
    """A Voila of the notebooks in `folder` on this machine; yields its address."""
    command = [
        *(sys.executable, "-m", "voila", str(folder), "--no-browser"),
        *("--show_tracebacks=True", f"--Voila.config_file_paths={APPS}"),
    ]
    with served(command, "voila/static/voila.js", log) as address:
        yield address


@contextmanager
def app_page(page: Page, address: str, name: str) -> Iterator[Page]:
    """`page` showing an app, ready to be used; its kernel is ended after that."""
    page.goto(f"{address}/voila/render/{name}.ipynb", timeout=LIMIT_MS)
    page.wait_for_selector("[role=status]", timeout=LIMIT_MS)
    page.wait_for_selector(FIGURE, timeout=LIMIT_MS)
    page.wait_for_function(f"({_LOOK})().length > 100", timeout=LIMIT_MS)
    page.wait_for_timeout(QUIET_MS)
    page.evaluate(_WATCH)
    try:
        yield page
    finally:
        page.goto("about:blank")


def look(page: Page) -> str:
    """What the figures show, to be compared."""
    return page.evaluate(_LOOK)


def words(page: Page) -> str:
    """The text that states the result."""
    return page.locator("[role=status]").inner_text()


def slider(page: Page, label: str) -> Locator:
    """The handle of the slider with this in its description."""
    return page.locator(".widget-slider").filter(has_text=label).get_by_role("slider")


def press(page: Page, label: str, key: str) -> float:
    """Press a key on a slider; milliseconds until the last redraw."""
    slider(page, label).focus()
    page.keyboard.press(key)
    return redraw(page)


def redraw(page: Page) -> float:
    """Wait until the redraw after a key or a move is over; the milliseconds it took."""
    page.wait_for_function(_DONE, timeout=LIMIT_MS, polling=50)
    return float(page.evaluate(_TAKEN))


def click(page: Page, button: str) -> None:
    """Click a button once it can be clicked."""
    page.get_by_role("button", name=button, exact=True).click(timeout=LIMIT_MS)


def says(page: Page, text: str) -> None:
    """Wait until the page says so."""
    page.wait_for_function(_SAYS, arg=text, timeout=LIMIT_MS)


def _train(start: str, seconds: float) -> Callable[[Page], None]:
    def prepare(page: Page) -> None:
        click(page, start)
        page.wait_for_timeout(1000 * seconds)
        click(page, "Pause")

    return prepare


def _wait_for(button: str, text: str) -> Callable[[Page], None]:
    def prepare(page: Page) -> None:
        click(page, button)
        says(page, text)

    return prepare


#: what is done with an app before its picture is taken
SCENES: dict[str, Callable[[Page], None]] = {
    "friedel": _wait_for("Compute exact", "error against the exact density"),
    "wedding_cake": lambda page: None,
    "draw_density": _wait_for("Find potential", "design: done"),
    "quantum_dots": lambda page: says(page, "Network against exact"),
    "ground_state": _train("Start", 6),
    "quench": _wait_for("Evolve the network", "network: done"),
    "potential": _train("Start", 20),
}


def shoot(page: Page, path: Path) -> int:
    """Save what the app and the heading above it fill; returns the bytes."""
    page.wait_for_timeout(1500)
    page.mouse.move(0, 0)
    page.evaluate("() => document.activeElement.blur()")
    below = page.evaluate(
        "() => Math.max(...[...document.querySelectorAll('.jp-Cell')]"
        ".map(c => c.getBoundingClientRect().bottom))"
    )
    width = page.viewport_size["width"]  # type: ignore[index]
    path.parent.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=path, clip={"x": 0, "y": 0, "width": width, "height": below + 8})
    return path.stat().st_size


def main() -> int:
    """Take the pictures; the exit status is 1 if one is too large or an app did not answer."""
    parser = argparse.ArgumentParser(description="Pictures of the apps, taken in Voila.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(SCENES)}")
    parser.add_argument("--width", type=int, default=820, help="of the window, in pixels")
    parser.add_argument("--out", type=Path, default=IMAGES, help="folder of the pictures")
    options = parser.parse_args()
    if CHROMIUM is None:
        print("there is no Chromium on this machine; install one", file=sys.stderr)
        return 1
    failed = 0
    log = ROOT / "build" / "voila.log"
    log.parent.mkdir(exist_ok=True)
    with voila(APPS, log) as address, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for name in options.names or SCENES:
            page = browser.new_page(viewport={"width": options.width, "height": 1800})
            try:
                with app_page(page, address, name):
                    SCENES[name](page)
                    size = shoot(page, options.out / f"{name}.png")
            except Error as error:
                print(f"{name}: {error}", file=sys.stderr)
                failed = 1
                continue
            print(f"{options.out / name}.png: {size / 1000:.0f} kB", flush=True)
            failed |= size > MOST_BYTES
            page.close()
        browser.close()
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
