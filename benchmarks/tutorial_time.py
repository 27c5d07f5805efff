"""Run time of each tutorial in a fresh kernel beside what the tutorial tells its reader.

The notebooks run headless as by `make tutorials`, with as many threads as libraries take by
themselves. What a notebook states is read off its text: "**Time**: about three minutes", or, for
the index, the row of its table that says "(this page)".
"""

from __future__ import annotations

import argparse
import os
import re
import tempfile
from pathlib import Path

import nbformat
from _common import ROOT, THREADS, load_script, machine, options, write_result

_NUMBERS = "half a,a,two,three,four,five,six,seven,eight,nine,ten".split(",")
_SAID = re.compile(rf"\b({'|'.join(_NUMBERS)}|one|\d+) (second|minute)s?\b")
_PLACES = (re.compile(r"\*\*Time\*\*:.*"), re.compile(r"\|.*\(this page\).*"))
CELL_TIMEOUT = 1200


def stated_seconds(text: str) -> float | None:
    """Seconds that a page says it takes, None if it says nothing.

    >>> stated_seconds("**Time**: about three minutes on two cores."), stated_seconds("no word")
    (180.0, None)
    >>> stated_seconds("| **00_index** (this page) | a tour | half a minute |")
    30.0
    """
    for place in _PLACES:
        line = place.search(text)
        said = _SAID.search(line[0]) if line else None
        if said:
            number = {"half a": 0.5, "a": 1.0, "one": 1.0}.get(said[1])
            if number is None:
                number = float(said[1] if said[1].isdigit() else _NUMBERS.index(said[1]))
            return number * {"second": 1.0, "minute": 60.0}[said[2]]
    return None


def stated(path: Path) -> float | None:
    """Seconds that a notebook states."""
    cells = nbformat.read(path, as_version=4).cells
    return stated_seconds("\n".join(c.source for c in cells if c.cell_type == "markdown"))


def main(chosen: argparse.Namespace) -> None:
    """Measure and write results/tutorial_time.json."""
    for name in THREADS:
        os.environ.pop(name, None)
    runner = load_script("run_tutorials")
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        runner.OUTPUT = Path(folder)
        paths = sorted((ROOT / "tutorials").glob("[0-9]*.ipynb"))
        for path in paths[: 1 if chosen.quick else None]:
            load, said = os.getloadavg()[0], stated(path)
            seconds = runner.run(path, CELL_TIMEOUT)
            print(f"{path.name}: {seconds:.0f} s", flush=True)
            rows.append(
                {
                    "tutorial": path.stem,
                    "s": seconds,
                    "s as it says": said,
                    "said / taken": None if said is None else said / seconds,
                    "load of the machine before": load,
                }
            )
    write_result(
        "tutorial_time",
        "Each tutorial run headless in a fresh kernel, once, against the time that it tells its "
        "reader (on two cores).",
        rows,
        chosen,
        machine=machine() | {"threads used": os.cpu_count()},
    )


if __name__ == "__main__":
    main(options(__doc__))
