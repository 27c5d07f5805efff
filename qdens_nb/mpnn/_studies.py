"""The paper's tables and figures, and ours: many trainings, each kept in a file of its own.

A study is a list of runs (system, method, seed, options). A finished run is a small JSON file in
the folder of the study, so that a killed study goes on where it was.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from tqdm.auto import tqdm

from qdens_nb.datasets._files import write_json

PAPER = ("qpnn", "qpnn_ms", "mpnn")
OURS = "local_energy"
STATES = (
    "oscillator_2",
    "hydrogen_1s",
    "hydrogen_2s",
    "hydrogen_2p",
    "hooke_2d",
    "hooke_3d",
    "poschl_teller",
    "morse",
    "double_well",
)
#: What is kept of a run, and summarised by median and range over the seeds.
MEASURED = (
    "epsilon_wide",
    "epsilon_core",
    "energy_error",
    "trap_error",
    "last_loss",
    "seconds",
)


class Run(NamedTuple):
    """One training."""

    system: str
    method: str
    seed: int
    label: str
    options: dict[str, Any]
    keep_map: bool = False

    @property
    def stem(self) -> str:
        """Name of its file: another system, method, seed or option gives another."""
        text = json.dumps([self.system, self.method, self.seed, self.options], sort_keys=True)
        digest = hashlib.sha256(text.encode()).hexdigest()[:10]
        kind = "_map" if self.keep_map else ""
        return f"{self.system}_{self.method}_{self.seed}_{digest}{kind}"


def study(name: str, seeds: int = 5) -> list[Run]:
    """The runs of a study.

    Parameters
    ----------
    name : {"table", "maps", "penalty", "samples", "inputs"}
        Table I and the other states; Fig. 2; Fig. 3; error against the number of samples; what
        each input of the network is worth.
    seeds : int
        Seeds 0, 1, ... of each case.
    """
    found: list[Run] = []

    def add(system: str, method: str, label: str, count: int = seeds, **options: Any) -> None:
        keep = name == "maps"
        found.extend(Run(system, method, seed, label, options, keep) for seed in range(count))

    if name == "table":
        for system in STATES:
            add(system, OURS, "")
        for system in STATES[:2]:
            for method in PAPER:
                add(system, method, "")
            add(system, "qpnn", "smooth units", min(seeds, 3), activation="silu")
    elif name == "maps":
        add("hydrogen_1s", "mpnn", "MPNN", 1)
        add("hydrogen_1s", "mpnn", "MPNN, torch's initial values", 1, delta=None)
        add("hydrogen_1s", "mpnn", "MPNN, λ = 0", 1, strength=0.0)
        add("hydrogen_1s", "qpnn", "QPNN", 1)
        add("hydrogen_1s", OURS, "local energy (ours)", 1)
    elif name == "penalty":
        for strength in (0.0, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1):
            add("hydrogen_1s", "mpnn", f"{strength:g}", min(seeds, 2), strength=strength)
    elif name == "samples":
        for samples in (300, 1000, 3000, 10_000):
            for method in ("mpnn", OURS):
                add("hydrogen_1s", method, str(samples), min(seeds, 2), samples=samples)
    elif name == "inputs":
        sets: Iterable[tuple[str, ...]] = (
            ("coordinates",),
            ("coordinates", "distance"),
            ("coordinates", "log_distance"),
            ("coordinates", "distance", "log_distance"),
            ("distance",),
        )
        for inputs in sets:
            add("hydrogen_1s", OURS, ", ".join(inputs), min(seeds, 3), inputs=list(inputs))
    else:
        raise ValueError(
            f"study {name!r} is not known; one of: table, maps, penalty, samples, inputs"
        )
    return found


def perform(run: Run, folder: Path) -> dict[str, Any]:
    """Train, or take the finished file."""
    import torch

    path = folder / f"{run.stem}.json"
    if path.is_file():
        return {**json.loads(path.read_text()), "label": run.label}
    from qdens_nb.mpnn._recovery import recover_potential

    torch.set_num_threads(1)
    found = recover_potential(run.system, run.method, seed=run.seed, progress=False, **run.options)
    row: dict[str, Any] = {
        "system": run.system,
        "method": run.method,
        "label": run.label,
        "seed": run.seed,
        "epsilon_wide": float(found.epsilon_wide),
        "epsilon_core": float(found.epsilon_core),
        "energy": float(found.energy),
        "energy_stderr": float(found.energy_stderr),
        "energy_exact": float(found.energy_exact),
        "energy_error": abs(float(found.energy - found.energy_exact)),
        "trap_error": float(found.trap_error) if "trap_error" in found else None,
        "last_loss": float(found.loss[-1]),
        "seconds": float(found.seconds),
        "samples": found.attrs["samples"],
        "steps": found.attrs["steps"],
        "parameters": found.attrs["parameters"],
    }
    if run.keep_map:
        coarse = found.isel(x=slice(None, None, 2), y=slice(None, None, 2))
        row["x"] = [round(float(x), 4) for x in coarse.x.values]
        row["potential"] = [
            [float(f"{value:.4g}") for value in line] for line in coarse["potential"].values
        ]
    folder.mkdir(parents=True, exist_ok=True)
    write_json(path, row)
    return row


def perform_all(runs: list[Run], folder: Path, workers: int = 2) -> list[dict[str, Any]]:
    """All runs of a study on local processes of one thread each, in the order given."""
    rows: list[dict[str, Any] | None] = [None] * len(runs)
    context = get_context("spawn")
    with ProcessPoolExecutor(max_workers=max(1, workers), mp_context=context) as pool:
        jobs = {pool.submit(perform, run, folder): number for number, run in enumerate(runs)}
        try:
            for job in tqdm(as_completed(jobs), total=len(jobs), desc="trainings"):
                rows[jobs[job]] = job.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return [row for row in rows if row is not None]


def summary(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Median and range over the seeds of each case, in the order of the first seeds."""
    cases: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for row in rows:
        cases.setdefault((row["system"], row["method"], row["label"]), []).append(row)
    found = []
    for (system, method, label), same in cases.items():
        line: dict[str, Any] = {
            "system": system,
            "method": method,
            "label": label,
            "seeds": len(same),
            "energy": float(np.median([row["energy"] for row in same])),
            "energy_exact": same[0]["energy_exact"],
        }
        for name in MEASURED:
            values = [row[name] for row in same if row[name] is not None]
            if values:
                line[name] = float(np.median(values))
                line[f"{name}_range"] = [float(min(values)), float(max(values))]
        found.append(line)
    return found


CAPTIONS = {
    "table": "Potentials from wave functions, median over {seeds} seeds. ε: mean |U - V| over "
    "points uniform in [-5,5]^D (wide) and [-1,1]^D (core), Hartree. local_energy is ours.",
    "maps": "Potentials of hydrogen in the plane z = 0 (paper, Fig. 2).",
    "penalty": "Hydrogen by MPNN against the weight λ of the penalty (paper, Fig. 3).",
    "samples": "Hydrogen: errors against the number of points.",
    "inputs": "Hydrogen by local energy: what each input of the network is worth.",
}


def write(name: str, out: Path, runs: Path, *, seeds: int = 5, workers: int = 2) -> Path:
    """Perform a study and write its file ``mpnn_NAME.json``.

    Parameters
    ----------
    name : str
        See `study`.
    out, runs : Path
        Folders of the results file and of finished runs.
    seeds, workers : int
        Seeds of each case; local processes.
    """
    from qdens_nb.datasets._generate import versions

    rows = perform_all(study(name, seeds), runs, workers)
    lines = rows if name == "maps" else summary(rows)
    content = {
        "caption": CAPTIONS[name].format(seeds=seeds),
        "command": f"qdens mpnn {name}",
        "rows": lines,
        "columns": [
            "system",
            "method",
            "label",
            "seeds",
            "epsilon_wide",
            "epsilon_wide_range",
            "epsilon_core",
            "epsilon_core_range",
            "energy",
            "energy_exact",
            "energy_error",
            "trap_error",
            "seconds",
        ],
        "software": versions(),
    }
    if name != "maps":
        content["runs"] = rows
    path = out / f"mpnn_{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, content)
    return path
