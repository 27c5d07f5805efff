"""Build the documentation site into build/docs and check its links; `make docs` runs this.

The pages are a first page, the tutorials (not executed, with their still pictures), the public
names of each module, the command line, and the Markdown files of docs/. They are copied to
build/docs_source where they lie relative to each other as in the repository, so that the same links
hold in both. Links to other sites are checked for their form, and asked if there is a network.
"""

from __future__ import annotations

import re
import shutil
import sys
import textwrap
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from html.parser import HTMLParser
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import unquote, urlsplit

import nbformat
import typer
from docs_front import MODULES, ROOT, binder, first_line, front_page, guides, notebooks
from typer.cli import get_docs_for_click

import qdens_nb
from qdens_nb import cli

SOURCE, TARGET = ROOT / "build" / "docs_source", ROOT / "build" / "docs"
PAGES = ("ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "benchmarks/README.md")
#: files that pages link to as files
LINKED = ("LICENSE", "CITATION.cff", "examples", "results", "configs", "tests")
_ANCHOR = re.compile(r'<a id="([\w-]+)"></a>\n*')
_LINK = re.compile(r"\[([^\]]*)\]\(([^)#\s:]+)\)")
_FORM = re.compile(r"https?://[\w-]+(\.[\w-]+)+(:\d+)?([/?#][^\s<>\"]*)?")
NOTE = """```{{note}}
The cells are shown without their output. To run them: `make lab`, or
[this page on Binder]({binder}).
```"""


def toctree(caption: str, entries: list[str]) -> str:
    """A part of the table of contents."""
    return "\n".join(["", "```{toctree}", ":hidden:", f":caption: {caption}", "", *entries, "```"])


def public_names(module: str) -> list[str]:
    """Public names of a module of the package, in its own order."""
    found = getattr(qdens_nb, module)
    if hasattr(found, "__all__"):
        return list(found.__all__)
    inside = (name for name, value in vars(found).items() if _belongs(value, found.__name__))
    return sorted(name for name in inside if not name.startswith("_"))


def _belongs(value: object, module: str) -> bool:
    return getattr(value, "__module__", None) == module


def api_page(module: str) -> str:
    """Names in a table, then each with its docstring; constants with their values.

    Names of one file stand together, below the docstring of that file: it has the formulas.
    """
    of = getattr(qdens_nb, module)
    names = public_names(module)
    constants = [name for name in names if not callable(getattr(of, name))]
    real = {name: getattr(of, name).__name__ for name in names if name not in constants}
    aliases = {name: other for name, other in real.items() if other != name and other in names}
    described = [name for name in real if name not in aliases]
    lines = [f"# qdens_nb.{module}", "", "```{eval-rst}", f".. automodule:: qdens_nb.{module}"]
    lines += ["   :no-members:", "", ".. autosummary::", "   :nosignatures:", ""]
    lines += [f"   {name}" for name in described] + [""]
    files: dict[str, list[str]] = {}
    for name in described:
        files.setdefault(getattr(of, name).__module__, []).append(name)
    for file, inside in files.items():
        if file != of.__name__:
            lines += [".. container:: file-head", "", f"   .. automodule:: {file}"]
            lines += ["      :no-members:", "      :no-index:", ""]
            lines += [f".. currentmodule:: {of.__name__}", ""]
        for name in inside:
            kind = "class" if isinstance(getattr(of, name), type) else "function"
            lines += [f".. auto{kind}:: {name}"]
        lines.append("")
    for name, other in aliases.items():
        lines += [f".. py:data:: {name}", "", f"   The same as `qdens_nb.{module}.{other}`.", ""]
    for name in constants:
        value = textwrap.shorten(repr(getattr(of, name)), 300, placeholder=" ...")
        lines += [f".. py:data:: {name}", f"   :value: {value}", ""]
    return "\n".join([*lines, "```", ""])


def api_index() -> str:
    """The page of the package itself: its shortcuts and its modules."""
    lines = ["# qdens_nb", "", "## Shortcuts", ""]
    lines += ["| `import qdens_nb as qd` | the same as |", "|---|---|"]
    for name, module in qdens_nb._OBJECTS.items():
        lines.append(f"| `qd.{name}` | {{py:obj}}`{module}.{name}` |")
    lines += ["", "## Modules", "", "| | |", "|---|---|"]
    for name in MODULES:
        does = first_line(getattr(qdens_nb, name).__doc__)
        lines.append(f"| [qdens_nb.{name}]({name}.md) | {does} |")
    return "\n".join([*lines, "| [qdens](cli.md) | The command line |", ""])


def cli_page() -> str:
    """The command `qdens` and its options."""
    command = typer.main.get_command(cli.app)
    text = get_docs_for_click(obj=command, ctx=typer.Context(command), name="qdens")
    return "\n".join(["# Command line", *text.strip().split("\n")[1:], ""])


def own_anchors(notebook: nbformat.NotebookNode, stem: str) -> None:
    """Turn ``<a id="name"></a>`` into targets that no other page has, and the links to them."""
    cells = [cell for cell in notebook.cells if cell.cell_type == "markdown"]
    names = {name for cell in cells for name in _ANCHOR.findall(cell.source)}
    for cell in cells:
        cell.source = _ANCHOR.sub(rf"({stem}-\1)=\n", cell.source)
        for name in names:
            cell.source = cell.source.replace(f"](#{name})", f"](#{stem}-{name})")


def without_folders(text: str, folder: Path) -> str:
    """Markdown whose links to folders are their text alone: a site has no page of a folder."""
    return _LINK.sub(lambda link: link[1] if (folder / link[2]).is_dir() else link[0], text)


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
    for name in (*PAGES, *(f"docs/{path.name}" for path in guides())):
        text = without_folders((ROOT / name).read_text(encoding="utf-8"), (ROOT / name).parent)
        (SOURCE / name).write_text(text, encoding="utf-8")
    tutorials = notebooks("tutorials")
    for path in tutorials:
        notebook = nbformat.read(path, as_version=4)
        own_anchors(notebook, path.stem)
        imports = next(cell for cell in notebook.cells if cell.cell_type == "code")
        imports.metadata["tags"] = ["hide-input"]
        note = NOTE.format(binder=binder(f"labpath=tutorials/{path.name}"))
        notebook.cells.insert(1, nbformat.v4.new_markdown_cell(note))
        nbformat.write(notebook, SOURCE / "tutorials" / path.name)
    pages = {"index": api_index(), "cli": cli_page(), **{m: api_page(m) for m in MODULES}}
    for name, text in pages.items():
        (SOURCE / "api" / f"{name}.md").write_text(text, encoding="utf-8")
    more = [f"docs/{path.stem}" for path in guides()]
    parts = [
        front_page(),
        toctree("Tutorials", [f"tutorials/{path.stem}" for path in tutorials]),
        toctree("Guides", more),
        toctree("API", ["api/index", *(f"api/{module}" for module in MODULES), "api/cli"]),
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


def broken_links(site: Path) -> tuple[list[str], list[str]]:
    """Links whose file or anchor is not in the site, or of no sound form; and those to other sites.

    Links of the theme's own scripts and styles are files of the site too.
    """
    pages = {path.resolve(): _Page(path) for path in site.rglob("*.html")}
    broken, outside = set(), set()
    for path, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                if _FORM.fullmatch(link):
                    outside.add(link)
                elif parts.scheme not in ("mailto", "data"):
                    broken.add(f"{path.relative_to(site.resolve())}: {link}")
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            anchor = unquote(parts.fragment)
            wrong = target in pages and anchor not in pages[target].anchors
            if wrong or not target.exists():
                broken.add(f"{path.relative_to(site.resolve())}: {link}")
    return sorted(broken), sorted(outside)


def ask(link: str) -> int | None:
    """Status with which another site answers, None without an answer."""
    request = urllib.request.Request(link, method="HEAD", headers={"User-Agent": "qdens_nb docs"})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return int(answer.status)
    except HTTPError as error:
        return error.code
    except OSError:
        return None


def main() -> int:
    """Build and check; the exit status is 1 if there was a warning or a broken link.

    What other sites answer is printed and changes no exit status.
    """
    from sphinx.cmd.build import main as sphinx_build

    stage()
    shutil.rmtree(TARGET, ignore_errors=True)
    options = ["-b", "html", "-q", "-W", "--keep-going", "-c", str(ROOT / "docs")]
    options += ["-d", str(ROOT / "build" / "doctrees")]
    failed = sphinx_build([*options, str(SOURCE), str(TARGET)])
    if not (TARGET / "index.html").exists():
        return 1
    broken, outside = broken_links(TARGET)
    for link in broken:
        print(f"broken link: {link}", file=sys.stderr)
    with ThreadPoolExecutor(16) as pool:
        answers = dict(zip(outside, pool.map(ask, outside), strict=True))
    for link, status in answers.items():
        if status in (404, 410):
            print(f"other sites: {status} from {link}", file=sys.stderr)
    silent = list(answers.values()).count(None)
    print(f"links to other sites: {len(outside)} of sound form, {silent} without an answer")
    print(f"{TARGET / 'index.html'}: {len(list(TARGET.rglob('*.html')))} pages")
    return int(bool(failed or broken))


if __name__ == "__main__":
    sys.exit(main())
