"""Build what Binder builds, as far as that goes without Docker and conda, and measure it.

    python scripts/binder_check.py [--keep] [--out results/binder.json]

In a fresh virtual environment: torch (which Binder takes from conda-forge as a CPU build), the pip
requirements of binder/, and binder/postBuild. Then JupyterLab is started and every tutorial runs on
one core; results/binder.json says the seconds and the peak memory of the kernel, against Binder's
limit of 2 GB. The Dockerfile that repo2docker would use is printed and looked at, if repo2docker
can be installed.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import psutil
import yaml
from render_notebooks import ROOT, served

BUILD = ROOT / "build" / "binder"
LIMIT_MB = 2048
#: steps that must be in repo2docker's Dockerfile
STEPS = ("binder/environment.yml", "binder/postBuild", "binder/start")


def call(*command: str | Path, **options: Any) -> str:
    """Output of a command; its failure ends the check."""
    words = [str(part) for part in command]
    done = subprocess.run(words, text=True, capture_output=True, **options)
    if done.returncode:
        sys.exit(f"{' '.join(words)}\n{done.stdout}\n{done.stderr}")
    return done.stdout + done.stderr


def environment(folder: Path) -> Path:
    """A virtual environment with what binder/ asks for; its folder of programs."""
    call(sys.executable, "-m", "venv", folder)
    pip: list[str | Path] = [
        folder / "bin" / "python",
        "-m",
        "pip",
        "install",
        "--disable-pip-version-check",
        "-q",
    ]
    pins = (ROOT / "constraints.txt").read_text().splitlines()
    call(*pip, next(line for line in pins if line.startswith("torch==")))
    made = yaml.safe_load((ROOT / "binder" / "environment.yml").read_text())["dependencies"]
    call(*pip, *next(entry["pip"] for entry in made if isinstance(entry, dict)))
    path = {**os.environ, "PATH": f"{folder / 'bin'}:{os.environ['PATH']}"}
    call("bash", ROOT / "binder" / "postBuild", cwd=ROOT, env=path)
    return folder / "bin"


def dockerfile(folder: Path) -> list[str]:
    """Steps that are missing in the Dockerfile that repo2docker prints."""
    call(sys.executable, "-m", "venv", folder)
    call(folder / "bin" / "python", "-m", "pip", "install", "-q", "jupyter-repo2docker")
    command = ("jupyter-repo2docker", "--no-build", "--debug", ".")
    printed = call(folder / "bin" / command[0], *command[1:], cwd=ROOT)
    return [step for step in STEPS if step not in printed]


def starts_lab(programs: Path) -> bool:
    """Whether JupyterLab answers."""
    options = ("--no-browser", "--allow-root", "--IdentityProvider.token=")
    command = [str(programs / "jupyter"), "lab", *options]
    try:
        with served(command, "api/status", BUILD / "jupyterlab.log"):
            return True
    except RuntimeError as error:
        print(error, file=sys.stderr)
        return False


def measure(programs: Path, notebook: Path) -> dict[str, object]:
    """Seconds and peak memory of a notebook, run on one core."""
    command = [programs / "python", ROOT / "scripts" / "run_tutorials.py", notebook]
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    path = f"{programs}:{os.environ['PATH']}"
    start = time.monotonic()
    process = subprocess.Popen(
        command, cwd=BUILD, env={**os.environ, **threads, "PATH": path}, stdout=subprocess.DEVNULL
    )
    tree, peak, over = psutil.Process(process.pid), 0.0, threading.Event()
    tree.cpu_affinity([tree.cpu_affinity()[0]])
    while process.poll() is None:
        used = 0
        for one in (tree, *tree.children(recursive=True)):
            try:
                used += one.memory_full_info().pss
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
        peak = max(peak, used / 2**20)
        over.wait(0.5)
    return {
        "notebook": notebook.stem,
        "ran": process.returncode == 0,
        "seconds": round(time.monotonic() - start),
        "peak memory (MB)": round(peak),
    }


def main() -> int:
    """Build, start, run, write results/binder.json; 1 if something failed."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--keep", action="store_true", help="use the environment made before")
    parser.add_argument("--out", type=Path, default=ROOT / "results" / "binder.json")
    chosen = parser.parse_args()
    programs = BUILD / "env" / "bin"
    if not (chosen.keep and programs.exists()):
        shutil.rmtree(BUILD, ignore_errors=True)
        BUILD.mkdir(parents=True)
        programs = environment(BUILD / "env")
    missing = dockerfile(BUILD / "repo2docker")
    lab = starts_lab(programs)
    rows = []
    for notebook in sorted((ROOT / "tutorials").glob("[0-9]*.ipynb")):
        rows.append(measure(programs, notebook))
        print(rows[-1], flush=True)
    size = sum(p.stat().st_size for p in (BUILD / "env").rglob("*") if p.is_file()) / 2**20
    content = {
        "caption": f"Tutorials in the environment of binder/, on one core (limit {LIMIT_MB} MB).",
        "command": "python scripts/binder_check.py",
        "rows": rows,
        "lab starts": lab,
        "missing in the Dockerfile": missing,
        "environment (MB)": round(size),
    }
    chosen.out.write_text(json.dumps(content, indent=1) + "\n")
    fits = all(row["ran"] and int(str(row["peak memory (MB)"])) < LIMIT_MB for row in rows)
    return 0 if fits and lab and not missing else 1


if __name__ == "__main__":
    sys.exit(main())
