"""Errors of all networks of the quantum dots, and of what needs no network, on three test sets.

`data/dots_test.nc` has the recipe and the seed of the training dots, `data/dots_fresh.nc` the
recipe with another seed, `data/dots_designed.nc` double dots, rings, crosses and polygons. Takes
whichever networks there are: ours, and those of pix2pix that ``dots_mappings.py`` has trained.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import _dots  # noqa: F401  (one thread, before numpy starts)
import numpy as np
import torch
import xarray as xr
from tqdm.auto import tqdm

import qdens_nb as qd
from qdens_nb import analysis, metrics
from qdens_nb.datasets._files import write_json

ROOT = Path(__file__).resolve().parents[1]
TEST, SIZE = 2, 30.0
SETS = {"test": "dots_test", "fresh": "dots_fresh", "designed": "dots_designed"}
#: outlines of the designed dots, in turn
OUTLINES = ("double", "ring", "cross", "polygon")
#: mapping -> (what goes in, what comes out)
MAPPINGS = {
    "dot_density_free": ("potential", "density_free"),
    "dot_density": ("potential", "density"),
    "dot_free_to_interacting": ("density_free", "density"),
    "dot_potential": ("density", "potential"),
}
ARROWS = {
    "dot_density_free": "V to n0",
    "dot_density": "V to n",
    "dot_free_to_interacting": "n0 to n",
    "dot_potential": "n to V",
}
GUESSES = ("mean training map", "nearest training dot")
Row = dict[str, Any]
Solver = Callable[[xr.Dataset], xr.Dataset]


def options() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few dots; into runs/quick")
    parser.add_argument("--pix2pix", type=Path, help="folder of the runs of dots_mappings.py")
    parser.add_argument("--out", type=Path, help="folder that gets results/")
    chosen = parser.parse_args()
    chosen.out = chosen.out or (ROOT / "runs" / "quick" if chosen.quick else ROOT)
    (chosen.out / "results").mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    return chosen


def test_sets(quick: bool) -> dict[str, xr.Dataset]:
    """The shipped sets; of the first only the test part."""
    out = {}
    for label, name in SETS.items():
        data = qd.datasets.open_dataset(qd.datasets.shipped(f"{name}.nc"))
        data = data.isel(sample=data["split"].values == TEST)
        out[label] = data.isel(sample=slice(8)) if quick else data
    return out


def training_dots() -> xr.Dataset:
    """All training dots if they are in runs/, else those that are shipped."""
    names = ["potential", "density", "density_free", "split"]
    files = sorted((ROOT / "runs" / "dots").glob("*.nc"))
    if not files:
        return qd.datasets.open_dataset(qd.datasets.shipped("dots_train.nc"))[names]
    parts = []
    for path in files:
        with xr.open_dataset(path) as opened:
            parts.append(opened[names].load())
    data = xr.concat(parts, "sample", combine_attrs="drop_conflicts")
    return data.isel(sample=data["split"].values == 0)


def networks(folder: Path | None) -> dict[str, dict[str, Any]]:
    """Mapping -> name -> predictor, of those whose weights are there."""
    runs = folder or next(iter(sorted((ROOT / "runs" / "dots_bench").glob("dot_density_w*"))), None)
    size = runs.name.removeprefix("dot_density") if runs else ""
    found: dict[str, dict[str, Any]] = {}
    for task in MAPPINGS:
        places: dict[str, Any] = {"our network": task}
        if task in ("dot_density", "dot_density_free"):
            places["our conditional network"] = "dot_density_live"
        for name, kind, run in (
            ("pix2pix", "pix2pix", "patch70"),
            ("its U-Net by L1 alone", "unet", "unet"),
        ):
            shipped = f"{task}_{kind}"
            if (qd.datasets.data_folder() / "weights" / shipped).is_dir():
                places[name] = shipped
            elif runs:
                places[name] = runs.parent / f"{task}{size}" / f"{run}_seed0"
        found[task] = {}
        for name, place in places.items():
            try:
                found[task][name] = qd.load_predictor(place)
            except (ValueError, FileNotFoundError) as error:
                print(f"{task}, {name}: left out ({str(error)[:80]})", flush=True)
    return found


def guesses(task: str, data: xr.Dataset, known: xr.Dataset) -> dict[str, xr.Dataset]:
    """What needs no network."""
    source, target = MAPPINGS[task]
    mean = known[target].mean("sample").values
    flat = np.broadcast_to(mean, data[target].shape)
    out = {"mean training map": data[[target]].copy(data={target: flat})}
    out["nearest training dot"] = analysis.nearest_dots(
        data[[source, target]], known[[source, target]], by=source
    )
    if target == "density":
        free = data["density_free"].values
        out["density without interaction"] = data[["density"]].copy(data={"density": free})
    return out


def scores(task: str, answer: xr.Dataset, data: xr.Dataset, mean: xr.DataArray) -> xr.Dataset:
    """All errors, dot by dot; similarities with the range of all test dots."""
    target = MAPPINGS[task][1]
    return metrics.map_scores(answer[[target]], data, target, mean_map=mean)


def row_of(task: str, label: str, name: str, found: xr.Dataset) -> Row:
    """One row of the table."""
    row: Row = {
        "mapping": ARROWS[task],
        "dots": label,
        "method": name,
        "samples": found.sizes["sample"],
        "R2": round(float(found["r2"]), 5),
        "L1, mean": float(found["l1"].mean()),
        "L2, mean": float(found["l2"].mean()),
        "Linf, mean": float(found["linf"].mean()),
        "SSIM, median": round(float(found["ssim"].median()), 5),
        "SSIM, lowest": round(float(found["ssim"].min()), 5),
        "MSSIM, median": round(float(found["mssim"].median()), 5),
    }
    if "charge_displaced" in found:
        moved = found["charge_displaced"]
        row["charge displaced, median"] = float(moved.median())
        row["charge displaced, 90 %"] = float(moved.quantile(0.9))
        row["total charge error, largest"] = float(found["charge_error"].max())
    return row


def wide(rows: list[Row]) -> list[Row]:
    """One row for each mapping and method, with the sets of dots beside each other."""
    out: dict[tuple[str, str], Row] = {}
    for what in ("R2", "charge displaced, median", "charge displaced after CI, median"):
        for row in rows:
            place = row["mapping"], row["method"]
            here = out.setdefault(place, {"mapping": place[0], "method": place[1]})
            if what == "R2":
                here[f"1 - R2, {row['dots']}"] = short(1 - row["R2"])
            elif what in row:
                here[f"charge displaced, {row['dots']}"] = row[what]
    return list(out.values())


def recomputed(potential: xr.DataArray, data: xr.Dataset) -> np.ndarray:
    """Electrons displaced when the density is computed again from a predicted potential."""
    again = qd.solvers.dot_ci(qd.quantum_dot(potential.values), progress=True)
    return metrics.displaced_charge(again["density"], data["density"], size=SIZE)


def seconds(task_networks: dict[str, dict[str, Any]], data: xr.Dataset) -> dict[str, float]:
    """CPU seconds a dot, best of three, on one thread."""
    some = data.isel(sample=slice(4))
    problem = some[["potential", "mass", "eps_r"]]
    calls: dict[str, Callable[[], Any]] = {
        "dot_ci, 24 orbitals": lambda: qd.solvers.dot_ci(problem)
    }
    for task, members in task_networks.items():
        for name, network in members.items():
            given = problem if MAPPINGS[task][0] == "potential" else some.drop_vars("potential")
            for views, symmetrise in ((8, True), (1, False)):
                calls[f"{ARROWS[task]}, {name}, {views} view{'s' * (views > 1)}"] = (
                    lambda network=network, given=given, symmetrise=symmetrise: network(
                        given, symmetrise=symmetrise
                    )
                )
    out = {}
    for name, call in tqdm(calls.items(), desc="times"):
        best = np.inf
        for _ in range(3):
            start = time.process_time()
            call()
            best = min(best, time.process_time() - start)
        out[name] = float(f"{best / some.sizes['sample']:.3g}")
    return out


def main(chosen: argparse.Namespace) -> None:
    """Measure and write results/dots_test_sets.json."""
    sets, known, found = test_sets(chosen.quick), training_dots(), networks(chosen.pix2pix)
    rows: list[Row] = []
    outliers: dict[str, Any] = {}
    outlines: dict[str, Any] = {}
    for task, members in found.items():
        target = MAPPINGS[task][1]
        mean = known[target].mean("sample")
        for label, data in sets.items():
            answers = {n: net(data) for n, net in members.items()} | guesses(task, data, known)
            if task == "dot_potential" and "our network" in members:
                sharp = members["our network"](data, two_valued=True)
                answers["our network, two values"] = sharp
            for name, answer in tqdm(answers.items(), desc=f"{task}, {label}"):
                one = scores(task, answer, data, mean)
                row = row_of(task, label, name, one)
                if task == "dot_potential" and name not in GUESSES:
                    after = recomputed(answer["potential"], data)
                    row["charge displaced after CI, median"] = float(np.median(after))
                    row["charge displaced after CI, 90 %"] = float(np.quantile(after, 0.9))
                rows.append({k: short(v) for k, v in row.items()})
                key = f"{ARROWS[task]}, {label}, {name}"
                outliers[key] = np.argsort(one["ssim"].values)[:3].tolist()
                if label == "designed" and "charge_displaced" in one:
                    moved = one["charge_displaced"].values
                    outlines[key] = {
                        outline: short(float(np.median(moved[k::4])))
                        for k, outline in enumerate(OUTLINES)
                    }
    content = {
        "caption": "Errors on test dots that no network has seen: test and fresh have the recipe "
        "of the training dots, designed are double dots, rings, crosses and polygons. R2 against "
        "the mean training map. Charge displaced: median, in electrons of two; for n to V that of "
        "the density computed again by exact diagonalisation from the predicted potential. All "
        "networks answer with the mean over eight symmetries, the conditional one directly; "
        "pix2pix (patch 70) and its U-Net are the shipped ones, or the runs of dots_mappings.py.",
        "command": "python benchmarks/dots_test_sets.py",
        "rows": wide(rows),
        "details": rows,
        "training dots for the mean map and the nearest dot": known.sizes["sample"],
        "three lowest SSIM": outliers,
        "charge displaced by outline, median": outlines,
        "CPU seconds a dot": seconds(found, sets["test"]),
    }
    path = chosen.out / "results" / "dots_test_sets.json"
    write_json(path, content)
    print(f"{path}\n{json.dumps(content, indent=1)}", flush=True)


def short(value: Any) -> Any:
    """Five digits are enough for a file."""
    return float(f"{value:.5g}") if isinstance(value, float) else value


if __name__ == "__main__":
    main(options())
