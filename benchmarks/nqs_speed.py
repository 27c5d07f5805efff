"""Speed of the optimisation of a neural quantum state, beside NetKet, in fresh processes by turns.

The ring of N Ising spins at its critical field, a real restricted Boltzmann machine with N hidden
units, stochastic reconfiguration on 1008 samples a step. NetKet has its own environment:

    python3 -m venv /tmp/netket_env && /tmp/netket_env/bin/pip install netket==3.23.0
    python benchmarks/nqs_speed.py [--netket-python /tmp/netket_env/bin/python] [--quick]

NetKet runs with the settings of its own tutorials and with others that may suit it better; of
each quantity the row of ratios takes the best of them. Both sides may use the same cores. Nothing
else should run: the busy cores before each run are in the file, with a warning if there are any.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from _common import ROOT, busy_cores, machine, write_result

import numpy as np  # isort: skip

import qdens_nb as qd

HERE = Path(__file__).resolve().parent
H, SAMPLES, REPEATS, STEPS, WINDOW = 1.0, 1008, 3, 300, 10
#: a machine that was busier than this before the start is not idle
LARGEST_LOAD = 1.3
#: more busy cores than this just before a run: something else is running
LARGEST_BUSY = 0.3
TARGETS = (1e-3, 1e-4)
OURS = "qdens"
OUR_SETTING = {"learning_rate": (0.1, 0.01), "diagonal_shift": (0.01, 0.001), "momentum": 0.9}
PLAIN = {"driver": "VMC", "learning_rate": 0.05, "chains": 16, "momentum": 0.0}
#: the kernel trick with momentum; it takes most of the time and runs once a size
SLOW = "NetKet, SPRING 0.9, 1008 chains, rate 0.1"
#: settings of the peer, the first one being that of its tutorials
PEERS: dict[str, dict[str, Any]] = {
    "NetKet": PLAIN,
    "NetKet, rate 0.1": PLAIN | {"learning_rate": 0.1},
    "NetKet, 1008 chains": PLAIN | {"chains": SAMPLES},
    "NetKet, 1008 chains, rate 0.1": PLAIN | {"chains": SAMPLES, "learning_rate": 0.1},
    SLOW: PLAIN | {"driver": "VMC_SR", "chains": SAMPLES, "learning_rate": 0.1, "momentum": 0.9},
}
QUICK_PEERS = ("NetKet", SLOW)
#: quantity -> whether smaller is better
QUANTITIES = {
    "import (s)": True,
    "call to first step (s)": True,
    "process start to first step (s)": True,
    "steps a second": False,
    "to 1e-3 (s)": True,
    "to 1e-4 (s)": True,
    "to 1e-3 after the first step (s)": True,
    "to 1e-4 after the first step (s)": True,
    "final relative error": True,
}


def child(
    script: str,
    python: str,
    options: dict[str, Any],
    cores: list[int],
    more: dict[str, str] | None = None,
) -> dict[str, Any]:
    """Answer of one fresh process, on the given cores."""
    busy = busy_cores()
    threads = dict.fromkeys(
        ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), str(len(cores))
    )
    command = [python, str(HERE / script), json.dumps(options | {"started": time.time()})]
    done = subprocess.run(
        command,
        env={**os.environ, "JAX_PLATFORMS": "cpu", **threads, **(more or {})},
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: os.sched_setaffinity(0, cores),
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("ANSWER ")]
    if done.returncode or not lines:
        raise SystemExit(f"{script} failed:\n{done.stderr[-2000:]}")
    return {**json.loads(lines[-1].removeprefix("ANSWER ")), "busy": busy}


def first_below(energies: np.ndarray, exact: float, target: float) -> int | None:
    """Step from which the mean of the last ten energies stays closer to the exact one."""
    if len(energies) < WINDOW:
        return None
    means = np.convolve(energies, np.full(WINDOW, 1 / WINDOW), "valid")
    above = np.flatnonzero(np.abs(means / exact - 1) >= target)
    first = int(above[-1]) + 1 if len(above) else 0
    return first + WINDOW - 1 if first < len(means) else None


def quantities(answer: dict[str, Any], exact: float) -> dict[str, float | None]:
    """What is compared, of one run."""
    times, energies = np.array(answer["times"]), np.array(answer["energies"])
    warm = len(times) // 5
    out: dict[str, float | None] = {
        "import (s)": answer["import"],
        "call to first step (s)": times[0],
        "process start to first step (s)": answer["process to call"] + times[0],
        "steps a second": (len(times) - 1 - warm) / (times[-1] - times[warm]),
        "final relative error": abs(answer["final_energy"] / exact - 1),
    }
    for target, name in zip(TARGETS, ("1e-3", "1e-4"), strict=True):
        step = first_below(energies, exact, target)
        out[f"to {name} (s)"] = None if step is None else times[step]
        out[f"to {name} after the first step (s)"] = (
            None if step is None else times[step] - times[0]
        )
    return out


def median(values: list[float | None]) -> float | None:
    """Median of the repeats; None unless most of them got there."""
    got = [value for value in values if value is not None]
    if 2 * len(got) <= len(values):
        return None
    return float(np.median([*got, *[np.inf] * (len(values) - len(got))]))


def compare(rows: list[dict[str, Any]], answers: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """Row of ratios, the best setting of the peer over ours; which one that is, beside it."""
    ours, peers = rows[0], rows[1:]
    out: dict[str, Any] = {"N": ours["N"], "side": "ratio to the best NetKet"}
    for name, smaller in QUANTITIES.items():
        known = [row for row in peers if row[name] is not None]
        if ours[name] is None:
            out[name] = None
        elif known:
            best = (min if smaller else max)(known, key=lambda row: row[name])
            ratio = best[name] / ours[name]
            out[name] = ratio if smaller else 1 / ratio
            out[f"{name}: setting"] = best["side"]
        else:
            longest = min(one["times"][-1] for side in answers for one in answers[side])
            out[name] = None
            out[f"{name}: setting"] = f"none got there; the shortest run took {longest:.1f} s"
    return out


def options() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--netket-python", default="/tmp/netket_env/bin/python")
    parser.add_argument("--cores", type=int, help="cores that each side may use; default all")
    parser.add_argument("--sites", type=int, nargs="+", default=[20, 40])
    parser.add_argument("--repeats", type=int, default=REPEATS)
    parser.add_argument("--without", nargs="*", default=[], help="settings of NetKet to leave out")
    parser.add_argument("--quick", action="store_true", help="tiny, for tests; into runs/quick")
    chosen = parser.parse_args()
    chosen.out = ROOT / "runs" / "quick" if chosen.quick else ROOT
    (chosen.out / "results").mkdir(parents=True, exist_ok=True)
    return chosen


def main() -> None:
    """Measure and write results/nqs_speed.json."""
    chosen = options()
    if not Path(chosen.netket_python).exists():
        print("nqs_speed: left out, NetKet's environment is missing (see --netket-python)")
        return
    cores = sorted(os.sched_getaffinity(0))[: chosen.cores]
    load = os.getloadavg()[0]
    steps, repeats = (20, 1) if chosen.quick else (STEPS, chosen.repeats)
    settings = {name: PEERS[name] for name in (QUICK_PEERS if chosen.quick else PEERS)}
    settings = {name: one for name, one in settings.items() if name not in chosen.without}
    rows, notes, busy, version = [], {}, [], ""
    for sites in chosen.sites:
        exact = qd.nqs.ising_ring_energy(sites, H)
        common = {
            "sites": sites,
            "h": H,
            "steps": steps,
            "samples": SAMPLES,
            "final_samples": SAMPLES if chosen.quick else 20 * SAMPLES,
        }
        python = sys.executable
        child("_nqs_ours.py", python, {**common, **OUR_SETTING, "steps": 2, "seed": 0}, cores)
        answers: dict[str, list[dict[str, Any]]] = {OURS: [], **{name: [] for name in settings}}
        for repeat in range(repeats):
            seed = {"seed": repeat}
            for name, setting in settings.items():
                if repeat and name == SLOW:
                    continue
                # By turns: one of ours after each of the peer's.
                peer = {**common, **setting, **seed}
                ours = {**common, **OUR_SETTING, **seed}
                answers[name].append(child("_netket_peer.py", chosen.netket_python, peer, cores))
                answers[OURS].append(child("_nqs_ours.py", python, ours, cores))
                print(f"N={sites}, repeat {repeat}: {name} done", flush=True)
        busy += [one["busy"] for several in answers.values() for one in several]
        version = next(one["version"] for name in settings for one in answers[name])
        block = []
        for name, several in answers.items():
            each = [quantities(one, exact) for one in several]
            row = {"N": sites, "side": name, "runs": len(several)}
            block.append(row | {what: median([one[what] for one in each]) for what in QUANTITIES})
        rows += [*block, compare(block, {name: answers[name] for name in settings})]
        notes[f"N={sites}"] = first_steps(common, chosen.netket_python, cores)
    warning = None
    if load > LARGEST_LOAD or max(busy) > LARGEST_BUSY:
        warning = (
            f"not idle: load {load:.2f} at the start, up to {max(busy):.2f} cores busy before a run"
        )
        print(f"WARNING: {warning}")
    write_result(
        "nqs_speed",
        f"Ising ring at h=1, RBM alpha=1, {SAMPLES} samples a step, {steps} steps: qdens and "
        f"NetKet {version} in fresh processes on the same {len(cores)} cores, medians. Time to "
        "a relative error: until the mean of the last ten energies stays below it.",
        rows,
        chosen,
        first_step=notes,
        warning=warning,
        load_at_start=load,
        busy_cores_before_runs=busy,
        qdens_setting=OUR_SETTING,
        netket_settings=settings,
        machine=machine() | {"threads used": len(cores)},
    )


def first_steps(common: dict[str, Any], netket: str, cores: list[int]) -> dict[str, float]:
    """Seconds from the call to the first step with nothing compiled, and with all compiled.

    Our compiled code is kept by Numba between processes as a matter of course; NetKet's is kept if
    the user turns JAX's persistent cache on.
    """
    out = {}
    brief = {**common, "steps": 3, "seed": 0}
    with tempfile.TemporaryDirectory() as folder:
        sides = {
            OURS: ("_nqs_ours.py", sys.executable, OUR_SETTING, {"NUMBA_CACHE_DIR": folder}),
            "NetKet, JAX's persistent cache": (
                "_netket_peer.py",
                netket,
                PLAIN,
                {
                    "JAX_COMPILATION_CACHE_DIR": f"{folder}/jax",
                    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
                    "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
                },
            ),
        }
        for side, (script, python, setting, more) in sides.items():
            for state in ("cold", "warm"):
                answer = child(script, python, {**brief, **setting}, cores, more)
                out[f"{side}, {state} (s)"] = answer["times"][0]
    return out


if __name__ == "__main__":
    main()
