"""Run notebooks in a headless JupyterLab and save pictures of all they show, to look at.

    python scripts/render_notebooks.py tutorials/01_friedel_oscillations.ipynb

writes build/pictures/NAME_00.png, ... from top to bottom, formulas, plots and apps included. It
needs Chromium. The notebooks are copied first: JupyterLab saves what it opens.
"""

from __future__ import annotations

import argparse
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).resolve().parents[1]
BUILD = ROOT / "build"
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
TALL = 1600
OVERLAP = 60

_READY = """() => {
  const panel = window.jupyterapp && window.jupyterapp.shell.currentWidget;
  const session = panel && panel.context && panel.context.sessionContext;
  return Boolean(session && panel.context.isReady && session.session
    && session.session.kernel && session.session.kernel.status === 'idle');
}"""
_START = "() => { window.jupyterapp.commands.execute('notebook:run-all-cells'); }"
_LEFT = """() => {
  const cells = window.jupyterapp.shell.currentWidget.content.widgets;
  return cells.filter(c => c.model.type === 'code' && c.model.sharedModel.source.trim()
    && (c.model.executionCount === null || c.promptNode?.textContent.includes('*'))).length;
}"""
_ERRORS = """() => window.jupyterapp.shell.currentWidget.content.widgets
  .filter(c => c.model.type === 'code')
  .flatMap(c => c.model.outputs.toJSON())
  .filter(o => o.output_type === 'error').map(o => o.ename + ': ' + o.evalue)"""
_BOX = """() => {
  const box = document.querySelector('.jp-Notebook .jp-WindowedPanel-outer')
    || document.querySelector('.jp-WindowedPanel-outer');
  window.qdensBox = box;
  const r = box.getBoundingClientRect();
  return {x: r.x, y: r.y, width: r.width, height: r.height};
}"""
_SCROLL = """top => {
  window.qdensBox.scrollTop = top;
  return window.qdensBox.scrollTop;
}"""
_CELLS_IN_VIEW = """() => {
  const top = window.qdensBox.getBoundingClientRect().top;
  return [...document.querySelectorAll('.jp-Notebook .jp-Cell')]
    .some(c => c.getBoundingClientRect().bottom > top + 80);
}"""
_NO_NEWS = ".Toastify { display: none !important; }"


@contextmanager
def served(command: Sequence[str], alive: str, log: Path) -> Iterator[str]:
    """A server on this machine; yields its address once `alive` answers there.

    Parameters
    ----------
    command : sequence of str
        What starts it; the port is added.
    alive : str
        Path of a page that answers when it is ready.
    log : Path
        File of what it says.

    Raises
    ------
    RuntimeError
        It ended before that, or a minute went by.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    with log.open("w") as sink:
        server = subprocess.Popen([*command, f"--port={port}"], stdout=sink, stderr=sink)
    try:
        for _ in range(120):
            try:
                urllib.request.urlopen(f"{address}/{alive}", timeout=2)
                break
            except OSError:
                if server.poll() is not None:
                    raise RuntimeError(f"no server:\n{log.read_text()}") from None
                time.sleep(0.5)
        else:
            raise RuntimeError(f"no answer after a minute:\n{log.read_text()}")
        yield address
    finally:
        server.terminate()
        try:
            server.wait(60)
        except subprocess.TimeoutExpired:
            server.kill()


@contextmanager
def jupyterlab(folder: Path) -> Iterator[str]:
    """A JupyterLab of `folder` on this machine; yields its address."""
    command = [
        *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"),
        *("--ip=127.0.0.1", f"--ServerApp.root_dir={folder}"),
        *("--LabApp.expose_app_in_browser=True", "--IdentityProvider.token="),
    ]
    with served(command, "api/status", BUILD / "jupyterlab.log") as address:
        yield address


def run_all(page: Page, address: str, name: str, timeout: float) -> list[str]:
    """Open a notebook, run it, wait for the end; return the errors of its cells."""
    page.goto(f"{address}/doc/tree/tutorials/{name}")
    page.wait_for_function(_READY, timeout=120_000)
    page.evaluate(_START)
    end = time.monotonic() + timeout
    while page.evaluate(_LEFT):
        if time.monotonic() > end or page.evaluate(_ERRORS):
            break
        time.sleep(1)
    time.sleep(4)
    return page.evaluate(_ERRORS)


def shoot(page: Page, stem: str) -> list[Path]:
    """Scroll from top to bottom and save what is seen."""
    pictures = BUILD / "pictures"
    pictures.mkdir(parents=True, exist_ok=True)
    for old in pictures.glob(f"{stem}_[0-9][0-9].png"):
        old.unlink()
    page.add_style_tag(content=_NO_NEWS)
    box = page.evaluate(_BOX)
    made: list[Path] = []
    top, reached = 0.0, -1.0
    while len(made) < 60:
        at = page.evaluate(_SCROLL, top)
        if at <= reached:
            break
        page.wait_for_timeout(1200)
        if not page.evaluate(_CELLS_IN_VIEW):
            break
        made.append(pictures / f"{stem}_{len(made):02d}.png")
        page.screenshot(path=made[-1], clip=box)
        reached, top = at, at + box["height"] - OVERLAP
    return made


def main() -> int:
    """Render all; the exit status is 1 if a cell failed."""
    parser = argparse.ArgumentParser(description="Pictures of notebooks run in JupyterLab.")
    parser.add_argument("notebooks", nargs="+", type=Path)
    parser.add_argument("--width", type=int, default=1000, help="of the window, in pixels")
    parser.add_argument("--timeout", type=float, default=900, help="seconds for one notebook")
    options = parser.parse_args()
    if CHROMIUM is None:
        print("there is no Chromium on this machine; install one", file=sys.stderr)
        return 1
    folder = BUILD / "lab"
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "tutorials").mkdir(parents=True)
    for name in ("data", "results", "configs"):
        (folder / name).symlink_to(ROOT / name)
    shutil.copytree(ROOT / "tutorials" / "img", folder / "tutorials" / "img")
    failed = 0
    with jupyterlab(folder) as address, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for path in options.notebooks:
            shutil.copy(path, folder / "tutorials")
            page = browser.new_page(viewport={"width": options.width, "height": TALL})
            errors = run_all(page, address, path.name, options.timeout)
            made = shoot(page, path.stem)
            print(f"{path}: {len(made)} pictures in {made[0].parent}")
            for error in errors:
                print(f"  {error}", file=sys.stderr)
            failed += bool(errors)
            page.close()
        browser.close()
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main())
