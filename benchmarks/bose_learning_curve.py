"""Error on test noise and traps against the number of training samples, pre-trained or not.

Needs data/bose_train_l*.nc, made by ``qdens generate bose_hubbard``. The paper's kind of network in
a small size; the pre-trained ones start from a network that learnt mean-field answers, which cost
nothing. The learnt correction to the mean field stands beside them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from _common import ROOT, options, write_result

import qdens_nb as qd
from qdens_nb import metrics
from qdens_nb.training import TrainConfig, load_predictor, train

SAMPLES = (250, 1_000, 4_000)
STEPS, STEPS_BEFORE = 400, 1_200
SIZE: dict[str, Any] = {"width": 48, "optimizer": "muon", "batch_size": 32, "precision": "bf16"}
CNN = {"task": "bose_hubbard_cnn", "network": "cnn", "blocks": 8, "norm": "batch", **SIZE}
CORRECTION = {"task": "bose_hubbard", "blocks": 4, "squeeze": "none", **SIZE}
LABELS = {"huber": 3.0, "thermalised_only": False}


def main() -> None:
    """Train, measure and write results/bose_learning_curve.json."""
    chosen = options(__doc__ or "")
    samples, steps, before = (40,) if chosen.quick else SAMPLES, STEPS, STEPS_BEFORE
    if chosen.quick:
        steps, before = 4, 4
    files: list[str | Path] = [
        qd.datasets.shipped(f"bose_train_l{side}.nc") for side in (8, 10, 12, 14)
    ]
    tests = {
        kind: qd.datasets.open_dataset(qd.datasets.shipped(name))
        for kind, name in (("noise", "bose_noise_l10.nc"), ("traps", "bose_traps_l16.nc"))
    }
    runs = ROOT / "runs" / ("curve_quick" if chosen.quick else "curve_bose")
    start = runs / "mean_field"
    if not (start / "card.json").exists():
        problems = {8: 20} if chosen.quick else {8: 2000, 10: 2000, 12: 1500}
        config = TrainConfig(
            **CNN, mean_field=problems, steps=before, learning_rate=4e-3, validate_every=100_000
        )
        train("bose_hubbard_cnn", config, out=start, progress=False)
    kinds: dict[str, dict[str, Any]] = {
        "paper's": CNN,
        "paper's, pre-trained": {**CNN, "pretrained": str(start)},
        "correction to mean field": CORRECTION,
    }
    rows = []
    for kind, network in kinds.items():
        for number in samples:
            config = TrainConfig(
                **network,
                max_samples=number,
                steps=steps,
                learning_rate=4e-3,
                validate_every=100_000,
                task_options=LABELS,
            )
            out = runs / f"{kind.replace(' ', '_')}_{number}"
            if not (out / "card.json").exists():
                train(network["task"], config, data=files, out=out, progress=False)
            predictor = load_predictor(out)
            row: dict[str, Any] = {"network": kind, "training samples": number, "steps": steps}
            for name, data in tests.items():
                row[f"mean error, {name}"] = metrics.evaluate(predictor, data)["density"]["mae"]
            rows.append(row)
            print(row, flush=True)
    caption = (
        "Mean absolute error of the density, in the sector of the reference, on test noise "
        "(L = 10) and traps (L = 16) against the number of training samples; small networks "
        f"({steps} steps), pre-training {before} steps."
    )
    write_result("bose_learning_curve", caption, rows, chosen)


if __name__ == "__main__":
    main()
