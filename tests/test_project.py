"""The promises of the project as a whole: import, public names, notebooks, README, versions."""

from __future__ import annotations

import doctest
import importlib
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import nbformat
import pytest
import yaml

import qdens_nb

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "tutorials").glob("*.ipynb"))
PAGES = (
    "README.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "benchmarks/README.md",
    "docs/results.md",
)
HEAVY = ("torch", "quspin", "tenpy", "dask", "distributed", "lightning", "plotly")
# Written with [.] so that this file does not name a host itself.
_HOSTS = re.compile(
    r"pypi[.]|pythonhosted[.]|npmjs[.]|conda[.]anaconda[.]|deb[.]debian[.]|download[.]pytorch[.]"
)


def project_files() -> list[Path]:
    """Files that are or would be committed."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout
    paths = [ROOT / name for name in listed.decode().split("\0") if name]
    return [path for path in paths if path.is_file()]


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def test_import_loads_no_engine() -> None:
    code = f"import sys, qdens_nb; print(*[name for name in {HEAVY} if name in sys.modules])"
    command = [sys.executable, "-c", code]
    loaded = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert loaded == []


def test_a_shipped_network_is_opened_without_what_trains_it() -> None:
    code = (
        "import sys, qdens_nb as qd; qd.load_predictor('chain'); print('lightning' in sys.modules)"
    )
    command = [sys.executable, "-c", code]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "False\n"


@pytest.mark.parametrize("name", qdens_nb.__all__)
def test_public_name_resolves(name: str) -> None:
    assert getattr(qdens_nb, name) is not None


@pytest.mark.parametrize("name", qdens_nb._MODULES)
def test_public_names_of_each_module_resolve(name: str) -> None:
    module = importlib.import_module(f"qdens_nb.{name}")
    missing = [entry for entry in getattr(module, "__all__", ()) if not hasattr(module, entry)]
    assert missing == []


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no_such_thing"):
        _ = qdens_nb.no_such_thing


def test_versions_agree() -> None:
    project = tomllib.loads(read("pyproject.toml"))["project"]
    citation = re.search(r"^version: (.+)$", read("CITATION.cff"), re.MULTILINE)
    changelog = re.search(r"^## (\S+)", read("CHANGELOG.md"), re.MULTILINE)
    assert citation is not None and changelog is not None
    assert project["version"] == qdens_nb.__version__ == citation[1] == changelog[1]


def pinned(lines: list[str]) -> dict[str, str]:
    return dict(line.lower().split("==") for line in lines)


def pins(name: str) -> dict[str, str]:
    return pinned([line for line in read(name).splitlines() if line and not line.startswith("#")])


def test_every_dependency_is_pinned() -> None:
    project = tomllib.loads(read("pyproject.toml"))["project"]
    wanted = project["dependencies"] + project["optional-dependencies"]["dev"]
    assert {name.lower() for name in wanted} <= set(pins("constraints.txt"))


def test_binder_installs_the_pinned_versions_and_the_cpu_build_of_torch() -> None:
    project = tomllib.loads(read("pyproject.toml"))["project"]
    made = yaml.safe_load(read("binder/environment.yml"))["dependencies"]
    (by_pip,) = (entry["pip"] for entry in made if isinstance(entry, dict))
    binder, constraints = pinned(by_pip), pins("constraints.txt")
    assert "torch" not in binder  # a requirement of pip's would win over conda's CPU build
    assert any(str(entry).startswith("pytorch-cpu") for entry in made)
    assert set(project["dependencies"]) - {"torch"} <= set(binder)
    assert binder.items() <= constraints.items()


def test_settings_of_binder_are_those_that_jupyterlab_knows() -> None:
    schemas = Path(sys.prefix) / "share" / "jupyter" / "lab" / "schemas"
    for name, values in json.loads(read("binder/overrides.json")).items():
        folder, plugin = name.split(":")
        known = json.loads((schemas / folder / f"{plugin}.json").read_text())["properties"]
        for key, value in values.items():
            choices = known[key].get("oneOf") or [{"const": one} for one in known[key]["enum"]]
            assert value in [choice["const"] for choice in choices]
    assert "MappingKernelManager" in json.loads(read("binder/server.json"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_notebook_is_stripped_and_ends_in_checks(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(cell.outputs == [] and cell.execution_count is None for cell in code)
    assert "widgets" not in notebook.metadata
    checks = [
        index
        for index, cell in enumerate(notebook.cells)
        if cell.cell_type == "markdown" and re.search(r"^#+ Checks", cell.source, re.MULTILINE)
    ]
    assert checks, "no section headed 'Checks'"
    after = notebook.cells[checks[-1] :]
    assert any("assert" in cell.source for cell in after if cell.cell_type == "code")


def test_index_lists_every_notebook() -> None:
    index = nbformat.read(ROOT / "tutorials" / "00_index.ipynb", as_version=4)
    text = "\n".join(cell.source for cell in index.cells if cell.cell_type == "markdown")
    names = [path.name for path in NOTEBOOKS if path.name != "00_index.ipynb"]
    assert names and [name for name in names if name not in text] == []


@pytest.mark.parametrize("page", PAGES)
def test_relative_links_lead_somewhere(page: str) -> None:
    links = re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", read(page))
    folder = (ROOT / page).parent
    assert [link for link in links if not (folder / link).exists()] == []


def test_readme_tables_are_those_of_the_results() -> None:
    command = [sys.executable, "scripts/readme_tables.py", "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_readme_example_runs() -> None:
    """All of it where weights are shipped; without them, as far as the first predictor."""
    blocks = re.findall(r"```python\n(>>>.*?)```", read("README.md"), re.DOTALL)
    assert blocks
    test = doctest.DocTestParser().get_doctest("\n".join(blocks), {}, "README", "README.md", 0)
    if not any((ROOT / "data").rglob("*.safetensors")):
        uses = ["load_predictor" in example.source for example in test.examples]
        test.examples = test.examples[: uses.index(True)]
    report: list[str] = []
    result = doctest.DocTestRunner(verbose=False).run(test, out=report.append)
    assert result.attempted > 0 and result.failed == 0, "".join(report)


def test_no_file_names_a_package_registry_host() -> None:
    naming = []
    for path in project_files():
        if path.suffix in {".nc", ".safetensors", ".png", ".npz"}:
            continue
        if _HOSTS.search(path.read_text(encoding="utf-8", errors="replace")):
            naming.append(path.relative_to(ROOT))
    assert naming == []


def test_repository_stays_small() -> None:
    sizes = {path.relative_to(ROOT): path.stat().st_size for path in project_files()}
    data = sum(size for path, size in sizes.items() if path.parts[0] == "data")
    assert data < 100e6
    assert [str(path) for path, size in sizes.items() if size > 15e6] == []


def test_architecture_names_every_room_and_no_other() -> None:
    rooms = set(re.findall(r"^      (\w+(?:\.py|/)) ", read("ARCHITECTURE.md"), re.MULTILINE))
    package = ROOT / "qdens_nb"
    files = {path.name for path in package.glob("*.py")} - {"__init__.py"}
    folders = {f"{path.parent.name}/" for path in package.glob("*/__init__.py")}
    assert rooms == files | folders
