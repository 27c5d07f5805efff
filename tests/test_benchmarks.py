"""One table of all comparisons: what is collected, what is shown, what happens when one fails."""

from __future__ import annotations

import importlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "benchmarks"
RESULTS = ROOT / "results"
#: widest table of README and of docs/results.md
WIDEST = {"README.md": 8, "docs/results.md": 13}


@pytest.fixture(scope="module")
def load() -> Any:
    """Modules of benchmarks/, which is not a package."""
    sys.path.insert(0, str(FOLDER))
    yield importlib.import_module
    sys.path.remove(str(FOLDER))


@pytest.fixture(scope="module")
def bench(load: Any) -> ModuleType:
    found: ModuleType = load("bench")
    return found


def small_results(folder: Path) -> None:
    """Hand-made detailed results: one good, one lost, one that cannot be read."""
    good = {
        "sites": 14,
        "potentials/s, shared sectors": 100.0,
        "potentials/s, one-at-a-time QuSpin": 5.0,
    }
    slow = {"app": "dots", "median, ms": 90.0, "90 %, ms": 120.0, "wanted, ms": 100}
    (folder / "chain_ed_speed.json").write_text(json.dumps({"rows": [good]}))
    (folder / "app_latency.json").write_text(json.dumps({"rows": [slow]}))
    (folder / "dots_ci_speed.json").write_text("{ not JSON")


def test_a_ratio_says_how_many_times_better_ours_is_whatever_the_measure(load: Any) -> None:
    claim = load("_collect").claim
    assert claim("", "s", 2.0, "peer", 8.0)["times better"] == 4.0
    assert claim("", "per s", 8.0, "peer", 2.0, more_is_better=True)["times better"] == 4.0
    assert claim("", "s", 8.0, "peer", 2.0)["times better"] == 0.25
    assert claim("", "s", 1.0)["times better"] is None


def test_rows_that_are_lost_are_always_shown(load: Any) -> None:
    collect = load("_collect")
    claim, aim = collect.claim, (collect.TIMES, 10)
    assert not claim("", "s", 1.0, "peer", 2.0)["headline"]
    assert claim("", "s", 2.0, "peer", 1.0)["headline"]
    assert claim("", "s", None, "peer", 1.0, aim=aim)["met"] == "no"
    assert claim("", "s", 1.0, "peer", 5.0, aim=aim)["met"] == "no"
    assert claim("", "s", 1.0, "peer", 10.0, aim=aim)["met"] == "yes"
    assert claim("", "s", 3.0, aim=(collect.AT_MOST, 2.0))["met"] == "no"
    assert claim("", "s", None, "nobody got there", None, aim=aim)["met"] is None


def test_collected_from_what_there_is(bench: ModuleType, tmp_path: Path) -> None:
    small_results(tmp_path)
    made = bench.collect(tmp_path)
    assert made == json.loads((tmp_path / "bench.json").read_text())
    assert [set(made["columns"]) <= set(row) for row in made["rows"]] == [True] * len(made["rows"])
    by = {row["what"]: row for row in made["rows"]}
    assert by["chain, all N of 14 sites"]["times better"] == 20.0
    assert by["chain, all N of 14 sites"]["met"] == "yes"
    latency = [row["met"] for row in made["rows"] if row["what"] == "app dots"]
    assert latency == ["yes", "no"]
    unread = by[bench.COMPARISONS["dots_ci_speed"].title]
    assert "cannot be read" in unread["measure"] and unread["headline"]
    absent = by[bench.COMPARISONS["worm_speed"].title]
    assert "not measured" in absent["measure"] and absent["ours"] is None
    assert made["runs"]["worm_speed"]["state"] == "not measured"
    assert made["machine"]["cores"] and made["versions"]["numpy"]


def test_an_old_row_says_that_it_is_old(bench: ModuleType, tmp_path: Path) -> None:
    small_results(tmp_path)
    done = {"state": "measured", "date": "2026-01-01", "seconds": 3.0, "busy cores before": 1.5}
    bench.collect(tmp_path, {"chain_ed_speed": done})
    failed = {"state": "failed", "note": "no luck", "busy cores before": 0.1}
    bench.collect(tmp_path, {"chain_ed_speed": failed})
    left_out = {"state": "left out", "note": "ALPS is not installed"}
    made = bench.collect(tmp_path, {"worm_speed": left_out})
    assert made["runs"]["chain_ed_speed"] == {**done, "last try": failed}
    assert made["date"] == "2026-01-01"
    assert "chain_ed_speed: failed in the last run (its rows are older): no luck" in made["caption"]
    assert "Other work ran (cores busy) before: chain_ed_speed (1.5)" in made["caption"]
    missing = [row for row in made["rows"] if "ALPS is not installed" in row["measure"]]
    assert len(missing) == 1
    again = bench.collect(tmp_path, {"chain_ed_speed": done})
    assert "last try" not in again["runs"]["chain_ed_speed"]


def test_a_missing_peer_is_said(
    bench: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nowhere = str(tmp_path / "python")
    chosen = bench.options(["--netket-python", nowhere])
    assert nowhere in bench.COMPARISONS["nqs_speed"].missing(chosen)
    monkeypatch.setattr(bench.shutil, "which", lambda name: None)
    assert "Chromium" in bench.COMPARISONS["app_latency"].missing(chosen)
    monkeypatch.setattr(bench.importlib.util, "find_spec", lambda name: None)
    assert "ALPS" in bench.COMPARISONS["worm_speed"].missing(chosen)
    assert bench.run("worm_speed", bench.COMPARISONS["worm_speed"], chosen)["state"] == "left out"


def test_unknown_comparison_is_refused(
    bench: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        bench.options(["--only", "no_such"])
    assert "unknown: no_such; there are chain_ed_speed" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        bench.options(["--studies", "--quick"])
    assert "--studies goes with --only alone" in capsys.readouterr().err


#: bench.py with three comparisons of no weight: one that is done, one that fails, one that waits
_PLAYED = """
import sys
from pathlib import Path
sys.path.insert(0, {folder!r})
import bench
here = Path({here!r})
bench.ROOT = here
good = '{{"rows": [{{"app": "a", "median, ms": 1.0, "90 %, ms": 2.0, "wanted, ms": 3}}]}}'
found = here / "results" / "app_latency.json"
write = f"import pathlib; pathlib.Path({{str(found)!r}}).write_text({{good!r}})"
waits = f"import pathlib, time; pathlib.Path({{str(here / 'waits')!r}}).touch(); time.sleep(60)"
one = lambda code: bench.Comparison("played", (sys.executable, "-c", code))
bench.COMPARISONS = {{
    "app_latency": one(write),
    "dots_ci_speed": one("raise SystemExit('no luck')"),
    "chain_time": one({last}),
}}
sys.argv = ["bench.py"]
sys.exit(bench.main())
"""


def play(here: Path, last: str) -> subprocess.Popen[str]:
    code = _PLAYED.format(folder=str(FOLDER), here=str(here), last=last)
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)


def test_one_failure_loses_nothing_else(tmp_path: Path) -> None:
    process = play(tmp_path, "'pass'")
    said = process.communicate(timeout=60)[0]
    assert process.returncode == 1
    assert "FAILED: dots_ci_speed" in said and "no luck" in said
    made = json.loads((tmp_path / "results" / "bench.json").read_text())
    assert made["runs"]["app_latency"]["state"] == "measured"
    assert made["runs"]["dots_ci_speed"]["last try"]["note"] == "no luck"
    assert any(row["what"] == "app a" for row in made["rows"])


def test_ctrl_c_keeps_what_was_measured(tmp_path: Path) -> None:
    process = play(tmp_path, "waits")
    deadline = time.monotonic() + 60
    while not (tmp_path / "waits").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGINT)
    said = process.communicate(timeout=60)[0]
    assert process.returncode == 130 and "interrupted" in said
    made = json.loads((tmp_path / "results" / "bench.json").read_text())
    assert made["runs"]["chain_time"]["last try"]["state"] == "interrupted"
    assert any(row["what"] == "app a" for row in made["rows"])


def test_every_script_is_a_comparison_or_a_study(bench: ModuleType) -> None:
    scripts = {path.stem for path in FOLDER.glob("*.py") if not path.name.startswith("_")}
    assert scripts - {"bench"} == {
        name for name in {**bench.COMPARISONS, **bench.STUDIES} if not name.startswith("mpnn ")
    }
    assert not set(bench.COMPARISONS) & set(bench.STUDIES)


def test_every_comparison_is_collected(bench: ModuleType, load: Any) -> None:
    assert set(load("_collect").COLLECT) == set(bench.COMPARISONS)


def test_bench_json_is_what_the_detailed_results_say(bench: ModuleType) -> None:
    """If not: python benchmarks/bench.py --collect."""
    made = json.loads((RESULTS / "bench.json").read_text())
    runs = made["runs"].items()
    rows = [row for name, one in runs for row in bench.rows_of(name, RESULTS, one)]
    assert list(made["runs"]) == list(bench.COMPARISONS)
    assert json.loads(json.dumps(rows)) == made["rows"]


def test_accuracy_tables_are_what_the_detailed_results_say(load: Any) -> None:
    """If not: python benchmarks/summary.py."""
    summary = load("summary")
    for name in summary.TABLES:
        made = json.loads((RESULTS / f"{name}.json").read_text())
        assert json.loads(json.dumps(summary.build(name, RESULTS))) == made


def test_shown_columns_are_those_of_the_files(load: Any) -> None:
    for name, columns in load("_columns").SHOWN.items():
        path = RESULTS / f"{name}.json"
        if path.is_file():
            assert json.loads(path.read_text())["columns"] == list(columns), name


@pytest.mark.parametrize("page", WIDEST)
def test_tables_are_not_wide(page: str) -> None:
    heads = re.findall(r"^(\|.*\|)\n\|---", (ROOT / page).read_text(), re.MULTILINE)
    assert heads and max(head.count("|") - 1 for head in heads) <= WIDEST[page]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("**Time**: about two minutes on two cores.", 120.0),
        ("**Time**: 45 seconds.", 45.0),
        ("**Time**: a minute", 60.0),
        ("about three minutes of training", None),
        ("| **00** (this page) | tour | half a minute |\n| 01 | x | three minutes |", 30.0),
    ],
)
def test_stated_run_time(load: Any, text: str, seconds: float | None) -> None:
    assert load("tutorial_time").stated_seconds(text) == seconds


def test_every_tutorial_states_its_run_time(load: Any) -> None:
    stated = load("tutorial_time").stated
    silent = [p.name for p in sorted((ROOT / "tutorials").glob("[0-9]*.ipynb")) if not stated(p)]
    assert silent == []
