"""The documentation: pages of every public name, links that lead somewhere, code that runs."""

from __future__ import annotations

import doctest
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import nbformat
import pytest

import qdens_nb

ROOT = Path(__file__).resolve().parents[1]
TUTORIALS, APPS = (sorted(ROOT.glob(f"{folder}/*.ipynb")) for folder in ("tutorials", "apps"))
PAGES = [
    path
    for folder in (".", "docs", "benchmarks", "examples", "apps", "tutorials", "data", "binder")
    for path in sorted((ROOT / folder).glob("*.md"))
]
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_CODE = re.compile(r"^(```|    ).*?(?:^```|$)|`[^`\n]+`", re.MULTILINE | re.DOTALL)
_ID = re.compile(r"<a (?:id|name)=\"([^\"]+)\"></a>")


def scripts_module(name: str) -> ModuleType:
    """A module of scripts/."""
    sys.path.insert(0, str(ROOT / "scripts"))
    try:
        return __import__(name)
    finally:
        sys.path.pop(0)


@pytest.fixture(scope="module")
def build_docs() -> ModuleType:
    return scripts_module("build_docs")


def text_of(path: Path) -> str:
    """Markdown of a page, or of the Markdown cells of a notebook."""
    if path.suffix == ".md":
        return path.read_text(encoding="utf-8")
    cells = nbformat.read(path, as_version=4).cells
    return "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")


def anchors_of(path: Path) -> set[str]:
    """Anchors as code hosts and JupyterLab make them of headings, and those written out."""
    text = text_of(path)
    headings = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S), re.M)
    found = set(_ID.findall(text))
    for heading in headings:
        words = re.sub(r"[`*$]", "", re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)).strip()
        found |= {re.sub(r"[^\w -]", "", words.lower()).replace(" ", "-"), words.replace(" ", "-")}
    return found


def local_links(path: Path) -> Iterator[tuple[str, str]]:
    """(file or "", anchor) of the links of a page that have no scheme."""
    for link in _LINK.findall(_CODE.sub("", text_of(path))):
        if not re.match(r"[a-z]+:", link):
            target, _, anchor = link.partition("#")
            yield target, anchor


@pytest.mark.parametrize(
    "page", [*PAGES, *TUTORIALS, *APPS], ids=lambda path: str(path.relative_to(ROOT))
)
def test_links_lead_to_files_and_anchors(page: Path) -> None:
    lost = []
    for target, anchor in local_links(page):
        file = (page.parent / target).resolve() if target else page
        there = not anchor or (file.suffix in (".md", ".ipynb") and anchor in anchors_of(file))
        if not file.exists() or not there:
            lost.append(f"{target}#{anchor}")
    assert lost == []


def test_links_are_seen() -> None:
    """Neither of code, but all others: else the test above would pass for want of links."""
    assert ("docs/results.md", "") in set(local_links(ROOT / "README.md"))
    assert ("", "app") in set(local_links(ROOT / "tutorials" / "01_friedel_oscillations.ipynb"))
    assert "the-model" in anchors_of(ROOT / "tutorials" / "01_friedel_oscillations.ipynb")


@pytest.mark.parametrize("path", TUTORIALS[1:], ids=lambda path: path.stem)
def test_each_tutorial_shows_a_picture_before_its_code(path: Path) -> None:
    first = nbformat.read(path, as_version=4).cells[0].source
    names = re.findall(r"!\[[^\]]{20,}\]\((img/[\w.]+)\)", first)
    assert names and all((path.parent / name).stat().st_size > 10_000 for name in names)


def test_broken_links_are_found(build_docs: ModuleType, tmp_path: Path) -> None:
    inside = ("b.html", "b.html#here", "#top", "b.html#gone", "c.html")
    outside = ("https://example.org/x?y=z#w", "https://example", "htps://example.org", "mailto:a@b")
    body = "".join(f'<a href="{link}">x</a>' for link in (*inside, *outside))
    (tmp_path / "a.html").write_text(f'<p id="top">{body}</p><img src="no.png">')
    (tmp_path / "b.html").write_text('<a name="here"></a>')
    broken, others = build_docs.broken_links(tmp_path)
    assert broken == [
        "a.html: b.html#gone",
        "a.html: c.html",
        "a.html: htps://example.org",
        "a.html: https://example",
        "a.html: no.png",
    ]
    assert others == ["https://example.org/x?y=z#w"]


def test_anchors_of_notebooks_become_targets_of_their_own(build_docs: ModuleType) -> None:
    cells = ["[there](#app), [a heading](#checks)", '<a id="app"></a>\n\n## The app']
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(c) for c in cells])
    build_docs.own_anchors(notebook, "05_name")
    made = [cell.source for cell in notebook.cells]
    assert made == ["[there](#05_name-app), [a heading](#checks)", "(05_name-app)=\n## The app"]


def test_links_to_folders_become_text(build_docs: ModuleType) -> None:
    text = "the [results](results), the [page](README.md), [both](results/no.json)"
    made = build_docs.without_folders(text, ROOT)
    assert made == "the results, the [page](README.md), [both](results/no.json)"


@pytest.mark.parametrize("module", qdens_nb._MODULES)
def test_every_module_has_a_page_of_its_public_names(build_docs: ModuleType, module: str) -> None:
    page, names = build_docs.api_page(module), build_docs.public_names(module)
    assert names and not [name for name in names if name.startswith("_")]
    assert set(getattr(getattr(qdens_nb, module), "__all__", names)) <= set(names)
    for name in names:
        assert f":: {name}\n" in page


def test_every_module_and_shortcut_is_in_the_index(build_docs: ModuleType) -> None:
    assert sorted(build_docs.MODULES) == sorted(qdens_nb._MODULES)
    for page in (build_docs.api_index(), build_docs.front_page()):
        assert [name for name in qdens_nb._MODULES if f"{name}.md)" not in page] == []
    assert [
        name for name in qdens_nb._OBJECTS if f"`qd.{name}`" not in build_docs.api_index()
    ] == []


def test_the_command_line_has_a_page(build_docs: ModuleType) -> None:
    page = build_docs.cli_page()
    for command in ("generate", "train", "evaluate", "info", "recover", "mpnn"):
        assert f"## `qdens {command}`" in page


def test_first_page_leads_to_every_tutorial_app_and_guide(build_docs: ModuleType) -> None:
    page = build_docs.front_page()
    assert [path.name for path in TUTORIALS if f"(tutorials/{path.name})" not in page] == []
    apps = [path.name for path in APPS if path.stem != "index"]
    assert apps and [name for name in apps if f"/apps/{name})" not in page] == []
    assert [p.name for p in ROOT.glob("docs/*.md") if f"(docs/{p.name})" not in page] == []
    badges = re.findall(r"https://mybinder\.org/v2/[^)]+", (ROOT / "README.md").read_text("utf-8"))
    assert len(badges) >= 2 and [address for address in badges if f"({address})" not in page] == []
    shown = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", page)
    assert shown and [name for name in shown if not (ROOT / name).exists()] == []


def test_first_page_shows_the_pictures_of_apps_that_are_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    front = scripts_module("docs_front")
    for name in ("README.md", "apps", "docs"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "tutorials" / "img" / "apps").mkdir(parents=True)
    for path in TUTORIALS:
        (tmp_path / "tutorials" / path.name).symlink_to(path)
    monkeypatch.setattr(front, "ROOT", tmp_path)
    assert "img/apps" not in front.app_cards()
    (tmp_path / "tutorials" / "img" / "apps" / "quench.png").touch()
    assert front.app_cards().count("(tutorials/img/apps/quench.png)") == 2


def test_conventions_are_those_of_the_code() -> None:
    tables = scripts_module("convention_tables")
    page = tables.PAGE.read_text(encoding="utf-8")
    assert set(re.findall(r"<!-- code:([\w.]+) -->", page)) >= set(tables.SYSTEMS)
    assert tables.fill(page) == page, "run scripts/convention_tables.py"


@pytest.mark.parametrize("name", ["conventions", "own_data"])
def test_code_of_the_guides_runs(name: str) -> None:
    report: list[str] = []
    path = ROOT / "docs" / f"{name}.md"
    test = doctest.DocTestParser().get_doctest(
        "\n".join(re.findall(r"```python\n(.*?)```", path.read_text(encoding="utf-8"), re.DOTALL)),
        *({}, name, str(path), 0),
    )
    result = doctest.DocTestRunner(verbose=False).run(test, out=report.append)
    assert result.attempted > 5 and result.failed == 0, "".join(report)


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
    wanted |= {f"api/{module}.html" for module in (*qdens_nb._MODULES, "index", "cli")}
    wanted |= {"index.html", "ARCHITECTURE.html", "CHANGELOG.html", "search.html"}
    assert wanted <= pages
    text = (site / "tutorials" / "04_neural_quantum_states.html").read_text(encoding="utf-8")
    assert "<math" in text and "images/04_neural_quantum_states" in text
    assert 'id="qdens_nb.solvers.worm"' in (site / "api" / "solvers.html").read_text("utf-8")
