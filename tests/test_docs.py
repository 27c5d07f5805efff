"""The documentation site: built without a warning, with links that lead somewhere."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import nbformat
import pytest

import qdens_nb


@pytest.fixture(scope="module")
def build_docs(root: Path) -> ModuleType:
    sys.path.insert(0, str(root / "scripts"))
    try:
        import build_docs  # type: ignore[import-not-found]
    finally:
        sys.path.pop(0)
    return build_docs


def test_broken_links_are_found(build_docs: ModuleType, tmp_path: Path) -> None:
    links = ("b.html", "b.html#here", "#top", "https://example.org/x", "b.html#gone", "c.html")
    body = "".join(f'<a href="{link}">x</a>' for link in links)
    (tmp_path / "a.html").write_text(f'<p id="top">{body}</p><img src="no.png">')
    (tmp_path / "b.html").write_text('<a name="here"></a>')
    assert build_docs.broken_links(tmp_path) == [
        "a.html: b.html#gone",
        "a.html: c.html",
        "a.html: no.png",
    ]


def test_anchors_of_notebooks_become_targets_of_their_own(build_docs: ModuleType) -> None:
    cells = ["[there](#app), [a heading](#checks)", '<a id="app"></a>\n\n## The app']
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(c) for c in cells])
    build_docs.own_anchors(notebook, "05_name")
    made = [cell.source for cell in notebook.cells]
    assert made == ["[there](#05_name-app), [a heading](#checks)", "(05_name-app)=\n## The app"]


@pytest.mark.parametrize("module", qdens_nb._MODULES)
def test_every_module_has_a_page_of_its_public_names(build_docs: ModuleType, module: str) -> None:
    page, names = build_docs.api_page(module), build_docs.public_names(module)
    assert names and not [name for name in names if name.startswith("_")]
    for name in names:
        assert f":: {name}\n" in page


@pytest.mark.slow
def test_make_docs_builds_the_site(root: Path) -> None:
    """`make docs` fails at a warning of Sphinx and at a broken link within the site."""
    for package in ("sphinx", "myst_nb", "furo"):
        pytest.importorskip(package, reason="make docs installs it")
    if shutil.which("make") is None or not (root / ".venv" / "bin" / "python").exists():
        pytest.skip("needs make and the environment .venv")
    as_it_is = ("-o", ".venv/.installed", "-o", ".venv/.installed-docs")
    made = root / ".venv" / ".installed-docs"
    made.touch(exist_ok=True)
    shutil.rmtree(root / "build" / "docs", ignore_errors=True)
    done = subprocess.run(["make", *as_it_is, "docs"], cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    site = root / "build" / "docs"
    pages = {path.relative_to(site).as_posix() for path in site.rglob("*.html")}
    wanted = {f"tutorials/{path.stem}.html" for path in (root / "tutorials").glob("[0-9]*.ipynb")}
    wanted |= {f"docs/{path.stem}.html" for path in (root / "docs").glob("*.md")}
    wanted |= {"index.html", "ARCHITECTURE.html", "CHANGELOG.html", "api/solvers.html"}
    assert wanted <= pages
    text = (site / "tutorials" / "04_neural_quantum_states.html").read_text(encoding="utf-8")
    assert "<math" in text and "images/04_neural_quantum_states" in text
