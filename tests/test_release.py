"""What is installed is whole: the wheel in an empty environment, data, weights, reproducibility."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

import qdens_nb
from qdens_nb import datasets

INSTALLED = """
import importlib, pkgutil, sys
from pathlib import Path
import numpy as np
import qdens_nb as qd

place = Path(qd.__file__).resolve().parent
assert place.is_relative_to(Path(sys.prefix).resolve()), place
assert qd.datasets.data_folder() == Path(qd.__file__).parent / "data"
for module in pkgutil.walk_packages(qd.__path__, "qdens_nb."):
    importlib.import_module(module.name)
files = qd.datasets.registry()
assert len(files) > 20
for name in files:
    qd.datasets.shipped(name)
weights = sorted(path.name for path in (place / "data" / "weights").iterdir())
for name in weights:
    qd.load_predictor(name)
problem = qd.fermion_chain(np.linspace(-1, 1, 10), V=1.0, mu=0.5)
off = np.abs(qd.load_predictor("chain")(problem).density - qd.solvers.chain_ed(problem).density)
assert off.max() < 0.05, off
print(len(files), "files", len(weights), "weights")
"""


def run(*command: Any, cwd: Path | None = None, **env: str) -> str:
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "QDENS", "COV"))}
    done = subprocess.run(
        [*map(str, command)], cwd=cwd, env=clean | env, capture_output=True, text=True
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def wheel(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    options = ["--no-deps", "--no-build-isolation", "--wheel-dir", folder]
    run(sys.executable, "-m", "pip", "wheel", "--quiet", *options, root)
    (built,) = folder.glob("*.whl")
    return built


def test_data_are_sought_where_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the repository, in an installed package, or where QDENS_DATA says; else a remedy."""
    monkeypatch.delenv("QDENS_DATA", raising=False)
    root = Path(qdens_nb.__file__).parents[1]
    assert datasets.data_folder() == root / "data"
    package = tmp_path / "qdens_nb"
    package.mkdir()
    monkeypatch.setattr(qdens_nb, "__file__", str(package / "__init__.py"))
    assert datasets.data_folder() == package / "data"
    with pytest.raises(ValueError, match="QDENS_DATA"):
        datasets.shipped("chain_wells_l12.nc")
    with pytest.raises(ValueError, match="QDENS_DATA"):
        qdens_nb.load_predictor("chain")
    monkeypatch.setenv("QDENS_DATA", str(root / "data"))
    assert datasets.shipped("chain_wells_l12.nc").parent == root / "data"


@pytest.mark.slow
def test_the_wheel_holds_the_package_and_every_shipped_file(wheel: Path, root: Path) -> None:
    assert wheel.stat().st_size < 100e6
    manifest = json.loads((root / "data" / "manifest.json").read_text())
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        for name, entry in manifest.items():
            content = archive.read(f"qdens_nb/data/{name}")
            assert hashlib.sha256(content).hexdigest() == entry["sha256"], name
    sources = {
        path.relative_to(root).as_posix()
        for path in (root / "qdens_nb").rglob("*")
        if path.suffix in {".py", ".js"}
    }
    assert sources <= set(names)
    shipped = {path.relative_to(root / "data").as_posix() for path in (root / "data").rglob("*.*")}
    allowed = sources | {f"qdens_nb/data/{name}" for name in shipped}
    rest = [name for name in names if name not in allowed]
    assert all(name.startswith(f"qdens_nb-{qdens_nb.__version__}.dist-info/") for name in rest)
    assert any(name.endswith("/LICENSE") for name in rest)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_the_wheel_works_in_an_empty_environment(wheel: Path, root: Path, tmp_path: Path) -> None:
    """All dependencies are installed as `make env` does, the checkout is out of reach."""
    run(sys.executable, "-m", "venv", tmp_path / "env")
    binaries = tmp_path / "env" / "bin"
    python = binaries / "python"
    run(python, "-m", "pip", "install", "-q", "-c", root / "constraints.txt", wheel)
    run(python, "-m", "pip", "check")
    assert "weights" in run(python, "-c", INSTALLED, cwd=tmp_path)
    assert run(binaries / "qdens", "--version", cwd=tmp_path).split()[1] == qdens_nb.__version__
    wells = run(
        python,
        "-c",
        "import qdens_nb as qd; print(qd.datasets.shipped('chain_wells_l12.nc'))",
        cwd=tmp_path,
    ).strip()
    assert Path(wells).is_relative_to(tmp_path)
    assert "fermion_chain" in run(binaries / "qdens", "info", wells, cwd=tmp_path)
    score = json.loads(run(binaries / "qdens", "evaluate", "chain", wells, cwd=tmp_path))
    assert score["model"] == "chain"


@pytest.mark.slow
def test_a_shipped_data_set_and_small_weights_are_rebuilt_as_expected(root: Path) -> None:
    said = run(sys.executable, root / "scripts" / "reproduce.py")
    assert said.count("ok ") > 10 and "WRONG" not in said
