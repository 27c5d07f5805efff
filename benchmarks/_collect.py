"""Rows of results/bench.json from the detailed result files: one row a claim, all of one form.

`COLLECT` holds a function for each comparison that takes the content of results/NAME.json. README
shows the rows that are a ``headline``: those of which the function says so, and always those with
an aim, met or missed, and those in which the peer is better.
"""

from __future__ import annotations

from collections.abc import Callable
from statistics import median
from typing import Any

Row = dict[str, Any]
COLUMNS = ("what", "measure", "ours", "peer", "peer's value", "times better", "aim", "met")
TIMES, AT_MOST = "times", "at most"


def claim(
    what: str,
    measure: str,
    ours: float | None,
    peer: str | None = None,
    theirs: float | None = None,
    *,
    more_is_better: bool = False,
    aim: tuple[str, float] | None = None,
    headline: bool = False,
) -> Row:
    """One row; `aim` is ``(TIMES, 10)``, ten times better than the peer, or ``(AT_MOST, 150)``.

    >>> row = claim("import", "s", 0.2, "torch", 1.0, aim=(TIMES, 10))
    >>> row["times better"], row["aim"], row["met"], row["headline"]
    (5.0, '≥ 10×', 'no', True)
    """
    ratio = None
    if ours is not None and theirs is not None:
        better, worse = (theirs, ours) if more_is_better else (ours, theirs)
        ratio = worse / better
    reached, wanted = None, None
    if aim is not None:
        kind, limit = aim
        value = ratio if kind == TIMES else ours
        wanted = f"≥ {limit:g}×" if kind == TIMES else f"≤ {limit:.3g}"
        if value is not None:
            reached = value >= limit if kind == TIMES else value <= limit
    if ours is None and theirs is not None:
        reached = None if aim is None else False
    lost = reached is False or (ratio is not None and ratio < 1)
    lost = lost or (ours is None and theirs is not None)
    return {
        "what": what,
        "measure": measure,
        "ours": ours,
        "peer": peer,
        "peer's value": theirs,
        "times better": ratio,
        "aim": wanted,
        "met": {None: None, True: "yes", False: "no"}[reached],
        "headline": headline or lost or aim is not None,
    }


def worm_speed(found: Row) -> list[Row]:
    """Quantum Monte Carlo against ALPS, by default and without the moves that ALPS lacks."""
    rows = []
    by = {(row["problem"], row["engine"]): row for row in found["rows"]}
    aims = {"ALPS dirloop_sse": 10, "ALPS worm": 100}
    for problem in dict.fromkeys(row["problem"] for row in found["rows"]):
        for ours, words in (
            ("qdens worm", ""),
            ("qdens worm, no symmetry moves", ", without symmetry moves"),
        ):
            if words and "noise" in problem:
                continue  # there is no symmetry: the same moves, as the detailed table shows
            for peer, times in aims.items():
                if (problem, ours) in by and (problem, peer) in by:
                    rows.append(
                        claim(
                            f"QMC density, {problem}{words}",
                            "1 / (error² CPU s)",
                            by[problem, ours]["efficiency (1/s)"],
                            peer,
                            by[problem, peer]["efficiency (1/s)"],
                            more_is_better=True,
                            aim=(TIMES, times),
                        )
                    )
    return rows


def chain_ed_speed(found: Row) -> list[Row]:
    """All particle numbers of a ring against plain QuSpin."""
    return [
        claim(
            f"chain, all N of {row['sites']} sites",
            "potentials a CPU s",
            row["potentials/s, shared sectors"],
            "plain QuSpin",
            row["potentials/s, one-at-a-time QuSpin"],
            more_is_better=True,
            aim=(TIMES, 10) if row["sites"] == 14 else None,
        )
        for row in found["rows"]
    ]


def dots_ci_speed(found: Row) -> list[Row]:
    """Configuration interaction against dense matrices."""
    return [
        claim(
            f"quantum dot, CI with {row['orbitals']} orbitals",
            "CPU s a dot",
            row["s a dot, dot_ci"],
            "dense matrices",
            row["s a dot, straightforward dense"],
            aim=(AT_MOST, 0.15) if row["orbitals"] == 24 else None,
        )
        for row in found["rows"]
    ]


def nqs_speed(found: Row) -> list[Row]:
    """Neural quantum states against the best of NetKet's settings, quantity by quantity."""
    quantities = {
        "call to first step (s)": ("to the first step, s", 10),
        "steps a second": ("steps a second", 2),
        "to 1e-3 (s)": ("to an error of 1e-3, s", 3),
        "to 1e-4 (s)": ("to an error of 1e-4, s", 3),
        "to 1e-3 after the first step (s)": ("to 1e-3 after the first step, s", None),
        "to 1e-4 after the first step (s)": ("to 1e-4 after the first step, s", None),
        "process start to first step (s)": ("process start to first step, s", None),
        "import (s)": ("import, s", None),
        "final relative error": ("relative error at the end", None),
    }
    rows = []
    for sites in dict.fromkeys(row["N"] for row in found["rows"]):
        sides = {row["side"]: row for row in found["rows"] if row["N"] == sites}
        ours, best = sides["qdens"], sides["ratio to the best NetKet"]
        for name, (measure, times) in quantities.items():
            setting = best.get(f"{name}: setting")
            theirs = sides[setting][name] if setting in sides else None
            if ours[name] is None and theirs is None:
                setting = "NetKet; neither got there"
            rows.append(
                claim(
                    f"Ising ring of {sites} spins, RBM",
                    measure,
                    ours[name],
                    setting or "NetKet",
                    theirs,
                    more_is_better=name == "steps a second",
                    aim=None if times is None else (TIMES, times),
                    headline=times is not None,
                )
            )
    return rows


def bose_time(found: Row) -> list[Row]:
    """Networks against Monte Carlo run to the same error, and against mean field."""
    rows, name = [], "bose_hubbard_live"
    sizes = sorted({row["L"] for row in found["rows"]})
    for sites in dict.fromkeys((sizes[0], 16, sizes[-1])):
        of_size = [row for row in found["rows"] if row["L"] == sites]
        for row in of_size:
            rows.append(
                claim(
                    f"density of a {sites} x {sites} trap, {row['trap']}",
                    "CPU s, to the network's error",
                    row[f"{name}, s"],
                    "our QMC",
                    row["QMC, s"],
                    headline=sites == sizes[-1],
                )
            )
    if sizes:
        last = [row for row in found["rows"] if row["L"] == sizes[-1]]
        rows.append(
            claim(
                f"density of a {sizes[-1]} x {sizes[-1]} trap, median of {len(last)}",
                "CPU s, at different errors",
                median(row[f"{name}, s"] for row in last),
                "our mean field, less exact",
                median(row["mean field, s"] for row in last),
            )
        )
    return rows


def chain_time(found: Row) -> list[Row]:
    """The network of the chain against exact engines, and against Hartree-Fock, by size."""
    rows, name = [], "chain"
    by: dict[int, dict[str, Row]] = {}
    for row in found["rows"]:
        by.setdefault(row["sites"], {})[row["method"]] = row
    at_once = next((key for row in found["rows"] for key in row if key.endswith("at once")), "")
    for sites, methods in by.items():
        network = methods.get(name)
        engine = methods.get("exact diagonalisation") or methods.get("DMRG")
        if network is None or engine is None:
            continue
        error = f"(error {network['density error']:.1g})"
        common = (f"density of a well, ring of {sites}, network {error}",)
        exact = f"our {engine['method']}"
        last = sites == max(by)
        rows.append(
            claim(
                *common,
                "CPU s, alone",
                network["s a density"],
                exact,
                engine["s a density"],
                headline=last,
            )
        )
        rows.append(
            claim(
                *common,
                f"CPU s, {at_once.split(', ')[-1]}",
                network[at_once],
                exact,
                engine["s a density"],
            )
        )
        if last:
            mean = methods["Hartree-Fock"]
            rows.append(
                claim(
                    *common,
                    "CPU s, alone",
                    network["s a density"],
                    f"Hartree-Fock (error {mean['density error']:.1g})",
                    mean["s a density"],
                    headline=True,
                )
            )
    return rows


def app_latency(found: Row) -> list[Row]:
    """From key press to redraw."""
    rows = []
    for row in found["rows"]:
        for name, words in (("median, ms", "median"), ("90 %, ms", "90 % of presses")):
            one = claim(
                f"app {row['app']}",
                f"ms to redraw, {words}",
                row[name],
                aim=(AT_MOST, row["wanted, ms"]),
                headline=words == "median",
            )
            rows.append(one)
    return rows


def import_time(found: Row) -> list[Row]:
    """Imports, the first exact density and the first prediction of a fresh process."""
    seconds = {row["until"]: row["s from the start of the process"] for row in found["rows"]}
    loaded = {row["until"]: row["engines loaded"] for row in found["rows"]}
    ours, measure = "import qdens_nb", "s from process start"
    rows = [
        claim(ours, "engines loaded", loaded[ours], aim=(AT_MOST, 0), headline=True),
        claim(ours, measure, seconds[ours], aim=(AT_MOST, 1.0), headline=True),
    ]
    rows += [
        claim(ours, measure, seconds[ours], peer, seconds[peer])
        for peer in ("import numpy", "import xarray", "import torch")
    ]
    exact = "first exact density, "
    rows.append(
        claim(
            "first exact density of a fresh process",
            measure,
            seconds[f"{exact}chain_ed"],
            "plain QuSpin",
            seconds[f"{exact}plain QuSpin"],
            headline=True,
        )
    )
    for name in ("chain_live", "chain"):
        rows.append(
            claim(
                f"first prediction of a fresh process, {name}",
                measure,
                seconds[f"first prediction, {name}"],
                headline=name == "chain",
            )
        )
    return rows


def tutorial_time(found: Row) -> list[Row]:
    """Run times of the tutorials; the aim is the time that each tells its reader."""
    rows = []
    for row in found["rows"]:
        said = row["s as it says"]
        rows.append(
            claim(
                f"tutorial {row['tutorial']}",
                "s to run headless",
                row["s"],
                aim=None if said is None else (AT_MOST, said),
            )
        )
    said_all = [row["s as it says"] for row in found["rows"]]
    rows.append(
        claim(
            f"all {len(rows)} tutorials",
            "s to run headless",
            sum(row["s"] for row in found["rows"]),
            aim=None if None in said_all else (AT_MOST, sum(said_all)),
            headline=True,
        )
    )
    return rows


COLLECT: dict[str, Callable[[Row], list[Row]]] = {
    "chain_ed_speed": chain_ed_speed,
    "dots_ci_speed": dots_ci_speed,
    "worm_speed": worm_speed,
    "nqs_speed": nqs_speed,
    "bose_time": bose_time,
    "chain_time": chain_time,
    "app_latency": app_latency,
    "import_time": import_time,
    "tutorial_time": tutorial_time,
}
