"""Build the documentation site into build/docs and check its links; `make docs` runs this.

The pages are README, the tutorials (not executed, with their still pictures), the public names of
each module, and the Markdown files of docs/. They are copied to build/docs_source where they lie
relative to each other as in the repository, so that the same links hold in both.
"""

from __future__ import annotations

import re
import shutil
import sys
import textwrap
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import nbformat

import qdens_nb

ROOT = Path(__file__).resolve().parents[1]
SOURCE, TARGET = ROOT / "build" / "docs_source", ROOT / "build" / "docs"
PAGES = ("ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "benchmarks/README.md")
#: files that pages link to as files
LINKED = ("LICENSE", "CITATION.cff", "examples", "results", "configs", "tests")
_ANCHOR = re.compile(r'<a id="([\w-]+)"></a>\n*')
NOTE = """```{note}
The cells are shown without their output. To run them: `make lab`, or the Binder badge on the
[first page](../index.md).
```"""


def toctree(caption: str, entries: list[str]) -> str:
    """A part of the table of contents."""
    return "\n".join(["", "```{toctree}", ":hidden:", f":caption: {caption}", "", *entries, "```"])


def public_names(module: str) -> list[str]:
    """Public names of a module of the package."""
    found = getattr(qdens_nb, module)
    if hasattr(found, "__all__"):
        return sorted(found.__all__)
    inside = (name for name, value in vars(found).items() if _belongs(value, found.__name__))
    return sorted(name for name in inside if not name.startswith("_"))


def _belongs(value: object, module: str) -> bool:
    return getattr(value, "__module__", None) == module


def api_page(module: str) -> str:
    """Names in a table, then each with its docstring; constants with their values."""
    of = getattr(qdens_nb, module)
    names = public_names(module)
    constants = [name for name in names if not callable(getattr(of, name))]
    described = [name for name in names if name not in constants]
    lines = [f"# qdens_nb.{module}", "", "```{eval-rst}", f".. automodule:: qdens_nb.{module}"]
    lines += ["   :no-members:", "", ".. autosummary::", "   :nosignatures:", ""]
    lines += [f"   {name}" for name in described] + [""]
    for name in described:
        kind = "class" if isinstance(getattr(of, name), type) else "function"
        lines += [f".. auto{kind}:: {name}"]
    for name in constants:
        value = textwrap.shorten(repr(getattr(of, name)), 300, placeholder=" ...")
        lines += [f".. py:data:: {name}", f"   :value: {value}", ""]
    return "\n".join([*lines, "```", ""])


def own_anchors(notebook: nbformat.NotebookNode, stem: str) -> None:
    """Turn ``<a id="name"></a>`` into targets that no other page has, and the links to them."""
    cells = [cell for cell in notebook.cells if cell.cell_type == "markdown"]
    names = {name for cell in cells for name in _ANCHOR.findall(cell.source)}
    for cell in cells:
        cell.source = _ANCHOR.sub(rf"({stem}-\1)=\n", cell.source)
        for name in names:
            cell.source = cell.source.replace(f"](#{name})", f"](#{stem}-{name})")


def stage() -> None:
    """Fill build/docs_source."""
    shutil.rmtree(SOURCE, ignore_errors=True)
    for name in ("api", "benchmarks", "tutorials"):
        (SOURCE / name).mkdir(parents=True)
    shutil.copytree(ROOT / "docs", SOURCE / "docs")
    shutil.copytree(ROOT / "docs" / "_static", SOURCE / "_static")
    shutil.copytree(ROOT / "tutorials" / "img", SOURCE / "tutorials" / "img")
    for name in LINKED:
        (SOURCE / name).symlink_to(ROOT / name)
    for name in PAGES:
        shutil.copy(ROOT / name, SOURCE / name)
    notebooks = sorted((ROOT / "tutorials").glob("[0-9]*.ipynb"))
    for path in notebooks:
        notebook = nbformat.read(path, as_version=4)
        own_anchors(notebook, path.stem)
        notebook.cells.insert(1, nbformat.v4.new_markdown_cell(NOTE))
        nbformat.write(notebook, SOURCE / "tutorials" / path.name)
    for module in qdens_nb._MODULES:
        (SOURCE / "api" / f"{module}.md").write_text(api_page(module), encoding="utf-8")
    more = [f"docs/{path.stem}" for path in sorted((ROOT / "docs").glob("*.md"))]
    parts = [
        (ROOT / "README.md").read_text(encoding="utf-8"),
        toctree("Tutorials", [f"tutorials/{path.stem}" for path in notebooks]),
        toctree("Guides", more),
        toctree("Public names", [f"api/{module}" for module in qdens_nb._MODULES]),
        toctree("The project", [name.removesuffix(".md") for name in PAGES]),
    ]
    (SOURCE / "index.md").write_text("\n".join(parts) + "\n", encoding="utf-8")


class _Page(HTMLParser):
    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors = {""}
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for key, value in attrs:
            if value and (key == "id" or (tag == "a" and key == "name")):
                self.anchors.add(value)
            elif value and key in ("href", "src"):
                self.links.append(value)


def broken_links(site: Path) -> list[str]:
    """Links within the site whose file or anchor is not there."""
    pages = {path.resolve(): _Page(path) for path in site.rglob("*.html")}
    broken = []
    for path, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            anchor = unquote(parts.fragment)
            wrong = target in pages and anchor not in pages[target].anchors
            if wrong or not target.exists():
                broken.append(f"{path.relative_to(site.resolve())}: {link}")
    return sorted(set(broken))


def main() -> int:
    """Build and check; the exit status is 1 if there was a warning or a broken link."""
    from sphinx.cmd.build import main as sphinx_build

    stage()
    shutil.rmtree(TARGET, ignore_errors=True)
    options = ["-b", "html", "-q", "-W", "--keep-going", "-c", str(ROOT / "docs")]
    options += ["-d", str(ROOT / "build" / "doctrees")]
    failed = sphinx_build([*options, str(SOURCE), str(TARGET)])
    if not (TARGET / "index.html").exists():
        return 1
    broken = broken_links(TARGET)
    for link in broken:
        print(f"broken link: {link}", file=sys.stderr)
    print(f"{TARGET / 'index.html'}: {len(list(TARGET.rglob('*.html')))} pages")
    return int(bool(failed or broken))


if __name__ == "__main__":
    sys.exit(main())
