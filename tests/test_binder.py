"""What Binder builds: its environment really made, JupyterLab started, every tutorial run."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3000)]


def test_environment_of_binder_runs_every_tutorial_within_its_memory(
    root: Path, tmp_path: Path
) -> None:
    out = tmp_path / "binder.json"
    command = [sys.executable, root / "scripts" / "binder_check.py", "--out", out]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(out.read_text())
    tutorials = {path.stem for path in (root / "tutorials").glob("[0-9]*.ipynb")}
    assert {row["notebook"] for row in found["rows"]} == tutorials
    assert all(row["ran"] and row["peak memory (MB)"] < 2048 for row in found["rows"])
    assert found["lab starts"] and found["missing in the Dockerfile"] == []
