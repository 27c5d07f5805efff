"""Run all comparisons with peers and write results/bench.json; `make bench` runs this.

Each comparison is a process of its own and writes its own results/NAME.json; what it prints is in
runs/bench/NAME.log. Then results/bench.json is made of these files, one row a claim. A comparison
whose peer is not installed is left out, one that fails does not stop the others, and Ctrl-C keeps
what was measured; results/bench.json says which, and the exit status is 1 after a failure. The
table holds the latest measurement of each comparison, with its date.

    python benchmarks/bench.py [--quick] [--only NAME ...] [--collect] [--studies]
"""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from _collect import COLLECT, COLUMNS, Row, claim
from _common import QUICK, ROOT, busy_cores, machine, read_result

from qdens_nb.datasets._files import write_json

HERE = Path(__file__).resolve().parent
NETKET = "/tmp/netket_env/bin/python"
VERSIONS = ("qdens_nb", "numpy", "scipy", "numba", "torch", "xarray", "quspin", "pyalps")
#: more cores at work than this before a comparison: the machine is not idle
LARGEST_BUSY = 0.3
GRACE_SECONDS = 30


class Comparison(NamedTuple):
    """A command; `missing` says what it lacks on this machine, if anything."""

    title: str
    command: tuple[str, ...]
    missing: Callable[[argparse.Namespace], str | None] = lambda chosen: None


def _alps(_: argparse.Namespace) -> str | None:
    found = importlib.util.find_spec("pyalps")
    return None if found else "ALPS is not installed: pip install 'qdens_nb[alps]' (Linux)"


def _netket(chosen: argparse.Namespace) -> str | None:
    there = Path(chosen.netket_python).exists()
    return None if there else f"NetKet's own environment is missing: no {chosen.netket_python}"


def _chromium(_: argparse.Namespace) -> str | None:
    if importlib.util.find_spec("playwright") is None:
        return "Playwright is not installed"
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    return None if found else "there is no Chromium"


def script(name: str, *more: str) -> tuple[str, ...]:
    """Command of a script of this folder."""
    return (sys.executable, str(HERE / f"{name}.py"), *more)


# For time, NetKet's settings with 1008 chains are left out; all: python benchmarks/nqs_speed.py
_NETKET_WITHOUT = (
    "NetKet, 1008 chains",
    "NetKet, 1008 chains, rate 0.1",
    "NetKet, SPRING 0.9, 1008 chains, rate 0.1",
)
COMPARISONS = {
    "chain_ed_speed": Comparison("exact diagonalisation against QuSpin", script("chain_ed_speed")),
    "dots_ci_speed": Comparison("CI of dots against dense matrices", script("dots_ci_speed")),
    "worm_speed": Comparison("quantum Monte Carlo against ALPS", script("worm_speed"), _alps),
    "nqs_speed": Comparison(
        "neural quantum states against NetKet",
        script("nqs_speed", "--repeats", "1", "--without", *_NETKET_WITHOUT),
        _netket,
    ),
    "bose_time": Comparison("lattice bosons: network, QMC, mean field", script("bose_time")),
    "chain_time": Comparison("chain: networks against engines by size", script("chain_time")),
    "app_latency": Comparison("apps: key press to redraw", script("app_latency"), _chromium),
    "import_time": Comparison("imports and first answers", script("import_time")),
    "tutorial_time": Comparison("tutorials, headless", script("tutorial_time")),
}
#: what trains, or measures accuracy; hours in all. Some read what others before them have left.
STUDIES = {
    **{
        name: Comparison(name, script(name))
        for name in (
            "chain_wells",
            "chain_learning_curve",
            "friedel_exponent",
            "bose_phase_diagram",
            "bose_traps",
            "bose_box",
            "bose_test_sets",
            "bose_learning_curve",
            "bose_design",
            "dots_mappings",
            "dots_discriminator",
            "dots_ablation",
            "dots_evolution",
            "dots_jitter",
            "dots_learning_curve",
            "dots_material",
            "dots_test_sets",
            "nqs_targets",
            "nqs_quench",
            "nqs_chain",
            "mpnn_noise",
            "mpnn_density",
        )
    },
    **{
        f"mpnn {study}": Comparison(
            f"qdens mpnn {study}", (str(Path(sys.executable).with_name("qdens")), "mpnn", study)
        )
        for study in ("table", "maps", "penalty", "samples", "inputs")
    },
    "summary": Comparison("the tables of accuracy", script("summary")),
}


def say(text: str) -> None:
    """One line of progress."""
    print(f"{datetime.now():%H:%M:%S}  {text}", flush=True)


def stop(process: subprocess.Popen[bytes]) -> None:
    """Interrupt a process and its children, end them if they do not obey."""
    for signal_number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, signal_number)
        except ProcessLookupError:
            return
        try:
            process.wait(GRACE_SECONDS)
            return
        except subprocess.TimeoutExpired:
            continue


def run(name: str, one: Comparison, chosen: argparse.Namespace) -> Row:
    """Run one comparison to its end; KeyboardInterrupt stops it and is raised again."""
    reason = one.missing(chosen)
    if reason:
        say(f"{name}: left out, {reason}")
        return {"state": "left out", "note": reason}
    command = [*one.command, *(["--quick"] if chosen.quick else [])]
    if name == "nqs_speed":
        command += ["--netket-python", chosen.netket_python]
    log = ROOT / "runs" / "bench" / f"{name.replace(' ', '_')}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    about: Row = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "busy cores before": busy_cores(),
        "load before": os.getloadavg()[0],
    }
    say(f"{name}: {one.title}")
    start = time.perf_counter()
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, stdout=out, stderr=subprocess.STDOUT, cwd=ROOT, start_new_session=True
        )
        try:
            status = process.wait()
        except KeyboardInterrupt:
            stop(process)
            raise
    about["seconds"] = time.perf_counter() - start
    if status == 0:
        say(f"{name}: {about['seconds']:.0f} s")
        return about | {"state": "measured"}
    last = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-5:]
    say(f"{name}: FAILED after {about['seconds']:.0f} s, see {log}")
    print("\n".join(f"          {line}" for line in last), flush=True)
    return about | {"state": "failed", "note": last[-1][:200] if last else f"status {status}"}


def read(path: Path) -> Row:
    """Content of a file of JSON, empty if there is none to be read."""
    try:
        return read_result(path.stem, path.parent)
    except (OSError, ValueError):
        return {}


def rows_of(name: str, results: Path, about: Row) -> list[Row]:
    """Rows of one comparison, or one that says why there are none."""
    note = about.get("last try", {}).get("note") or f"python benchmarks/{name}.py"
    if (results / f"{name}.json").is_file():
        try:
            return COLLECT[name](read_result(name, results))
        except (ValueError, KeyError, TypeError) as error:
            note = f"results/{name}.json cannot be read: {error!r}"
    return [claim(COMPARISONS[name].title, f"not measured: {note}", None, headline=True)]


def collect(results: Path, runs: dict[str, Row] | None = None) -> Row:
    """Write bench.json of the detailed results in a folder and return its content.

    `runs` is what is new about some comparisons; of the others the former bench.json is believed.
    """
    earlier = read(results / "bench.json").get("runs", {})
    about: dict[str, Row] = {}
    for name in COMPARISONS:
        there = (results / f"{name}.json").is_file()
        before = {"state": "measured earlier" if there else "not measured"}
        about[name] = dict(earlier.get(name, before))
        new = (runs or {}).get(name)
        if new is None:
            continue
        if new["state"] == "measured":
            about[name] = dict(new)
        else:
            about[name]["last try"] = new
    rows = [row for name, one in about.items() for row in rows_of(name, results, one)]
    content = {
        "caption": caption(about, results),
        "command": "make bench",
        "columns": list(COLUMNS),
        "rows": rows,
        "runs": about,
        "machine": machine(),
        "versions": versions(),
        "date": max((one.get("date", "") for one in about.values()), default=""),
    }
    write_json(results / "bench.json", content)
    return content


def caption(about: dict[str, Row], results: Path) -> str:
    """What the table is, and what in it is old or was measured on a busy machine."""
    parts = [
        "Each comparison measures both sides in one run on the same cores. Times better: how many "
        "times better ours is, whatever the measure; below 1 the peer is better. Aim: what was "
        "asked for, of the ratio (≥ 10×) or of our value (≤ 150)."
    ]
    busy = [
        f"{name} ({one['busy cores before']:.1f})"
        for name, one in about.items()
        if one.get("busy cores before", 0.0) > LARGEST_BUSY
    ]
    if busy:
        parts.append(f"Other work ran (cores busy) before: {', '.join(busy)}.")
    for name, one in about.items():
        if "last try" in one:
            old = " (its rows are older)" if (results / f"{name}.json").is_file() else ""
            note = one["last try"].get("note", "")
            parts.append(f"{name}: {one['last try']['state']} in the last run{old}: {note}.")
    return " ".join(parts)


def versions() -> dict[str, str]:
    """Versions of what is installed of the packages that matter."""
    found = {}
    for name in VERSIONS:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def options(arguments: list[str] | None = None) -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="tiny, to try it; into runs/quick")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="these alone")
    parser.add_argument("--collect", action="store_true", help="make bench.json anew, run nothing")
    parser.add_argument("--studies", action="store_true", help="the studies, hours of them")
    parser.add_argument("--netket-python", default=NETKET, help="Python of NetKet's environment")
    chosen = parser.parse_args(arguments)
    if chosen.studies and (chosen.quick or chosen.collect):
        parser.error("--studies goes with --only alone")
    known = STUDIES if chosen.studies else COMPARISONS
    wrong = sorted(set(chosen.only or ()) - set(known))
    if wrong:
        parser.error(f"unknown: {', '.join(wrong)}; there are {', '.join(known)}")
    return chosen


def main() -> int:
    """Run, collect, and say what failed."""
    chosen = options()
    results = (QUICK if chosen.quick else ROOT) / "results"
    results.mkdir(parents=True, exist_ok=True)
    known = STUDIES if chosen.studies else COMPARISONS
    runs: dict[str, Row] = {}
    start, status = time.perf_counter(), 0
    try:
        for name in [] if chosen.collect else chosen.only or known:
            runs[name] = {"state": "interrupted", "note": "Ctrl-C"}
            runs[name] = run(name, known[name], chosen)
    except KeyboardInterrupt:
        say("interrupted; what was measured is kept")
        status = 130
    failed = [name for name, one in runs.items() if one["state"] == "failed"]
    if not chosen.studies:
        rows = collect(results, runs)["rows"]
        say(f"{results / 'bench.json'}: {len(rows)} rows")
    say(f"{len(runs)} in {(time.perf_counter() - start) / 60:.1f} min")
    if failed:
        say(f"FAILED: {', '.join(failed)}")
    return status or int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
