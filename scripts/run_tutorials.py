"""Run notebooks headless into build/tutorials and say how long each took."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

OUTPUT = Path("build/tutorials")


def run(path: Path, timeout: int) -> float:
    """Execute one notebook in its own folder, save it, and return the seconds it took."""
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook,
        timeout=timeout,
        kernel_name="python3",
        store_widget_state=False,
        resources={"metadata": {"path": str(path.parent)}},
    )
    start = time.perf_counter()
    try:
        client.execute()
    finally:
        nbformat.write(notebook, OUTPUT / path.name)
    return time.perf_counter() - start


def main() -> int:
    """Run all; the exit status is 1 if a notebook failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("notebooks", nargs="*", type=Path)
    parser.add_argument("--timeout", type=int, default=600, help="seconds for one cell")
    options = parser.parse_args()
    OUTPUT.mkdir(parents=True, exist_ok=True)
    failed = 0
    for path in options.notebooks:
        try:
            print(f"{path}: {run(path, options.timeout):.0f} s", flush=True)
        except (CellExecutionError, TimeoutError, RuntimeError) as error:
            failed += 1
            print(f"{path}: FAILED\n{error}", file=sys.stderr, flush=True)
    print(f"{len(options.notebooks) - failed} ran, {failed} failed; they are in {OUTPUT}")
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main())
