"""What the pix2pix studies on quantum dots share: options, resumable runs, scores, files."""

from __future__ import annotations

import argparse
import dataclasses
import json
import logging
import os
import platform
import time
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Any

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import numpy as np  # noqa: E402
import torch  # noqa: E402
import xarray as xr  # noqa: E402
from _columns import shown as columns  # noqa: E402

import qdens_nb as qd  # noqa: E402
from qdens_nb import metrics  # noqa: E402
from qdens_nb.datasets._files import write_json  # noqa: E402
from qdens_nb.training import TrainConfig  # noqa: E402
from qdens_nb.training._batches import Store, load_store  # noqa: E402
from qdens_nb.training._card import calibrate, load_weights, save_weights  # noqa: E402
from qdens_nb.training._registry import build_task  # noqa: E402
from qdens_nb.training._train import fit_member, training_files  # noqa: E402

ROOT = Path(__file__).resolve().parents[1]
TEST = 2  # value of `split`
#: 1/nm^2, above the largest density of the training set: what is 1 for the networks
DENSITY_UNITS = {
    "dot_density": 0.04,
    "dot_density_free": 0.055,
    "dot_free_to_interacting": 0.055,
    "dot_potential": 0.04,
}
DISCRIMINATORS = ("patch70", "patch34", "patch16", "patch7", "patch4", "pixel")
Row = dict[str, Any]


def options(description: str) -> argparse.Namespace:
    """Command line of the studies; the defaults are a reduced size for one core."""
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("--width", type=int, default=16, help="channels; the paper's are 64")
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--batch", type=int, default=1, help="maps a step; the paper's is 1")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--data", type=Path, help="folder or file; else runs/dots, else data/")
    parser.add_argument("--out", type=Path, default=ROOT, help="folder that gets results/")
    parser.add_argument("--runs", type=Path, default=ROOT / "runs" / "dots_bench")
    parser.add_argument("--quick", action="store_true", help="tiny, for tests; into runs/quick")
    chosen = parser.parse_args()
    if chosen.quick:
        chosen.width, chosen.steps = 2, 6
        chosen.out, chosen.runs = ROOT / "runs" / "quick", ROOT / "runs" / "quick" / "dots_bench"
    if chosen.data is None:
        shipped = [ROOT / "data" / f"dots_{part}.nc" for part in ("train", "test")]
        chosen.data = ROOT / "runs" / "dots" if (ROOT / "runs" / "dots").is_dir() else shipped
    (chosen.out / "results").mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", category=UserWarning, module="lightning")
    return chosen


def settings(chosen: argparse.Namespace, **changes: Any) -> TrainConfig:
    """pix2pix as in the paper, at the size that was chosen, with `changes`."""
    task = changes.get("task", "dot_density")
    scaling = {"centred": True, "augment": False, "density_unit": DENSITY_UNITS[task]}
    scaling |= changes.pop("task_options", {})
    plain: dict[str, Any] = {
        "task": task,
        "network": "pix2pix",
        "discriminator": "patch70",
        "width": chosen.width,
        "norm": "instance",
        "learning_rate": 2e-4,
        "batch_size": chosen.batch,
        "steps": chosen.steps,
        "validate_every": max(1, chosen.steps // 25),
        "patience": chosen.steps,
        "stored": "fp16",
        "seed": chosen.seed,
        "task_options": scaling,
    }
    return TrainConfig(**{**plain, **changes})


class Laboratory:
    """Trains what is not trained yet, keeps every run, and judges it on the test part."""

    def __init__(self, chosen: argparse.Namespace) -> None:
        self.chosen = chosen
        self.files = training_files(chosen.data)
        self._stores: dict[str, Store] = {}
        self._tests: dict[str, xr.Dataset] = {}

    def run(self, name: str, **changes: Any) -> Row:
        """Scores of one network on the test part, with the place of its files.

        An interrupted run goes on from its last checkpoint; a finished one is only read.
        """
        config = settings(self.chosen, **changes)
        size = f"w{config.width}_s{config.steps}_b{config.batch_size}"
        folder = self.chosen.runs / f"{config.task}_{size}" / f"{name}_seed{config.seed}"
        done = folder / "scores.json"
        plan = json.loads(json.dumps(config.as_dict()))
        if done.exists():
            known = json.loads(done.read_text())
            if known["config"] != plan:
                raise SystemExit(f"{folder} was made by another configuration; remove it")
            return known
        folder.mkdir(parents=True, exist_ok=True)
        store = self._store(config)
        started = time.process_time()
        module = fit_member(config, store, folder, resume=True, progress=False)
        row: Row = {
            "run": name,
            "config": plan,
            "training samples": store.samples,
            "steps": module.steps_done,
            "best step": int(module.averaged.step),
            "validation R2": float(module.averaged.r2),
            "cpu seconds": round(time.process_time() - started, 1),
            "folder": str(folder),
        }
        network = module.averaged.module.eval()
        row |= self.judge(config, network)
        data = {"files": len(self.files), "samples": store.samples, "sites": sorted(store.train)}
        data["minutes"] = round(module.minutes, 2)
        card = calibrate(config, [network], store)
        save_weights(folder, config, [network], data, card, torch.float16)
        write_json(done, row)
        print({k: v for k, v in row.items() if k not in ("config", "folder")}, flush=True)
        return row

    def judge(self, config: TrainConfig, network: torch.nn.Module) -> Row:
        """Errors on the test part, in physical units."""
        task = build_task(config)
        target = task.targets[0]
        test = self._test(config)
        mean = self._store(dataclasses.replace(config, max_samples=None)).train[64, 64][target]
        with torch.inference_mode():
            inputs, _ = task.inputs(task.prepare(test), None)
            answer = task.physical(target, task.answer(network(inputs))[target]).numpy()
            noisy = task.physical(target, task.answer(with_dropout(network, inputs))[target])
        predicted = test[[target]].copy(data={target: answer})
        average = mean.double().mean(0).numpy()
        found = metrics.map_scores(
            predicted, test, target, mean_map=average, data_range=task.units[target]
        )
        noisy_r2 = metrics.r2_maps(noisy.numpy(), test[target].values, average)
        row = {"test R2": float(found["r2"]), "test R2 with dropout on": noisy_r2}
        row["test samples"] = test.sizes["sample"]
        for name in ("l1", "l2", "linf", "ssim", "mssim"):
            row[f"mean {name}"] = float(found[name].mean())
        if "charge_displaced" in found:
            row["charge displaced, median"] = float(found["charge_displaced"].median())
            row["total charge error, median"] = float(found["charge_error"].median())
        return row

    def _store(self, config: TrainConfig) -> Store:
        key = f"{config.task}_{config.max_samples}_{config.seed if config.max_samples else 0}"
        if key not in self._stores:
            self._stores[key] = load_store(
                config.task,
                self.files,
                options=config.task_options,
                max_samples=config.max_samples,
                seed=config.seed,
                progress=False,
            )
        return self._stores[key]

    def _test(self, config: TrainConfig) -> xr.Dataset:
        if config.task not in self._tests:
            task = build_task(config)
            parts = []
            for path in self.files:
                with xr.open_dataset(path) as opened:
                    part = opened[[*task.sources, *task.targets, "split"]]
                    parts.append(part.isel(sample=(part["split"] == TEST).values).load())
            together = xr.concat(parts, "sample", combine_attrs="drop_conflicts")
            self._tests[config.task] = together.transpose("sample", "x", "y")
        return self._tests[config.task]


def with_dropout(network: torch.nn.Module, inputs: torch.Tensor) -> dict[str, torch.Tensor]:
    """Answers with dropout on, as pix2pix itself predicts; the draw is always the same."""
    drops = [module for module in network.modules() if isinstance(module, torch.nn.Dropout)]
    torch.manual_seed(0)
    for drop in drops:
        drop.train()
    answer = network(inputs)
    for drop in drops:
        drop.eval()
    return answer


def history(row: Row) -> xr.Dataset:
    """Losses, validation errors and pictures of a run, see `Pix2PixModule.history`."""
    with xr.open_dataset(Path(row["folder"]) / "log" / "history.nc") as opened:
        return opened.load()


def curve(row: Row) -> dict[str, list[float]]:
    """R2 of validation and training samples against steps."""
    past = history(row)
    return {
        "step": past["step"].values.tolist(),
        "validation R2": np.round(past["r2"].values, 5).tolist(),
        "training R2": np.round(past["r2_train"].values, 5).tolist(),
    }


def weights_of(row: Row) -> torch.nn.Module:
    """The network of a run at its best validation."""
    return load_weights(Path(row["folder"]))[0][0]


_HIDDEN = ("config", "folder", "run", "kind")


def shown(row: Row, **first: Any) -> Row:
    """Row of a results file: what is particular to the run, then its numbers."""
    return first | {k: _short(v) for k, v in row.items() if k not in _HIDDEN}


def _short(value: Any) -> Any:
    return float(f"{value:.5g}") if isinstance(value, float) else value


def write(name: str, caption: str, rows: list[Row], laboratory: Laboratory, **more: Any) -> None:
    """Write results/NAME.json with the size of everything and the versions."""
    chosen = laboratory.chosen
    content = {
        "caption": caption,
        "command": f"python benchmarks/{name}.py --width {chosen.width} --steps {chosen.steps} "
        f"--batch {chosen.batch} --seed {chosen.seed}",
        "rows": rows,
        "settings": {
            "width": chosen.width,
            "steps": chosen.steps,
            "batch": chosen.batch,
            "seed": chosen.seed,
            "data files": len(laboratory.files),
            "configuration": settings(chosen).as_dict(),
            "threads": 1,
            "processor": _processor(),
        },
        "versions": {
            "qdens_nb": qd.__version__,
            "python": platform.python_version(),
            **{package: version(package) for package in ("torch", "lightning", "numpy")},
        },
        **columns(name),
        **more,
    }
    path = chosen.out / "results" / f"{name}.json"
    write_json(path, content)
    print(f"{path}\n{json.dumps(rows, indent=1)}", flush=True)


def _processor() -> str:
    listing = Path("/proc/cpuinfo")
    for line in listing.read_text().splitlines() if listing.exists() else ():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
