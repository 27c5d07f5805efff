"""What the commands of this folder share: options, result files, the machine, times."""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
for _name in THREADS:
    os.environ.setdefault(_name, "1")

import numpy as np  # noqa: E402
from _columns import shown  # noqa: E402

from qdens_nb.datasets._files import write_json  # noqa: E402

ROOT = Path(__file__).resolve().parents[1]
QUICK = ROOT / "runs" / "quick"


def options(description: str) -> argparse.Namespace:
    """Command line of most commands here; ``--quick`` writes to runs/ and registers nothing."""
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="tiny, for tests; into runs/quick")
    parser.add_argument("--out", type=Path, help="folder that gets data/ and results/")
    return with_folders(parser.parse_args())


def with_folders(chosen: argparse.Namespace) -> argparse.Namespace:
    """The same options with `out`, where data/ and results/ now are."""
    if getattr(chosen, "out", None) is None:
        chosen.out = QUICK if chosen.quick else ROOT
    (chosen.out / "data").mkdir(parents=True, exist_ok=True)
    (chosen.out / "results").mkdir(exist_ok=True)
    return chosen


def write_result(
    name: str, caption: str, rows: list[dict[str, Any]], chosen: argparse.Namespace, **more: Any
) -> None:
    """Write results/NAME.json; README and docs/results.md show its rows."""
    content = {
        "caption": caption,
        "command": f"python benchmarks/{name}.py",
        "rows": rows,
        **shown(name),
        **more,
    }
    path = chosen.out / "results" / f"{name}.json"
    write_json(path, content)
    print(f"{path}\n{json.dumps(rows, indent=1)}", flush=True)


def read_result(name: str, folder: Path = ROOT / "results") -> dict[str, Any]:
    """Content of results/NAME.json."""
    found: dict[str, Any] = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    return found


def best_time(work: Callable[[], Any], repeats: int = 3) -> float:
    """Least CPU seconds of several calls after one that is not timed."""
    work()
    spent = []
    for _ in range(repeats):
        start = time.process_time()
        work()
        spent.append(time.process_time() - start)
    return min(spent)


def busy_cores(seconds: float = 1.0) -> float:
    """Cores at work during the next `seconds`, in which nothing of ours runs.

    Where the system does not tell (it is not Linux), the load average, which knows of the past too.
    """
    stat = Path("/proc/stat")
    if not stat.exists():
        return os.getloadavg()[0]

    def idle() -> int:
        return sum(int(word) for word in stat.read_text().split("\n")[0].split()[4:6])

    before, start = idle(), time.perf_counter()
    time.sleep(seconds)
    ticks = os.sysconf("SC_CLK_TCK") * (time.perf_counter() - start)
    return max(0.0, (os.cpu_count() or 1) - (idle() - before) / ticks)


def load_script(name: str) -> ModuleType:
    """scripts/NAME.py as a module."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def machine() -> dict[str, Any]:
    """Processor and software that times are measured on."""
    model = platform.processor() or platform.machine()
    listing = Path("/proc/cpuinfo")
    for line in listing.read_text().splitlines() if listing.exists() else ():
        if line.startswith("model name"):
            model = line.split(":", 1)[1].strip()
    return {
        "processor": model,
        "cores": os.cpu_count(),
        "threads used": 1,
        "python": platform.python_version(),
        "numpy": np.__version__,
    }
