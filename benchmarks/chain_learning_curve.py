"""Error on unseen wells against the number of training samples, for both kinds of network.

Needs the training data of `make data-chain` in runs/train; every network takes the same steps.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

import qdens_nb as qd
from qdens_nb.training import TrainConfig, load_predictor, train

ROOT = Path(__file__).resolve().parents[1]
SAMPLES = (1_000, 4_000, 16_000, 64_000)
STEPS = 800


def main() -> None:
    """Train, measure and write results/chain_learning_curve.json."""
    wells = qd.datasets.open_dataset(qd.datasets.shipped("chain_wells_l18.nc"))
    noise = qd.datasets.open_dataset(qd.datasets.shipped("chain_noise_l18.nc"))
    rows = []
    for model, learning_rate in (("chain", 0.005), ("chain_cnn", 0.005)):
        for samples in SAMPLES:
            config = TrainConfig(
                task=model,
                blocks=6,
                width=48,
                optimizer="muon",
                learning_rate=learning_rate,
                use_every=4,
                max_samples=samples,
                steps=STEPS,
                precision="bf16",
                validate_every=100_000,
            )
            out = ROOT / "runs" / "curve" / f"{model}_{samples}"
            train(model, config, data=ROOT / "runs/train", out=out, workers=2, progress=False)
            predictor = load_predictor(out)
            row = {"model": model, "training samples": samples, "steps": STEPS}
            for name, data in (("wells", wells), ("noise", noise)):
                error = np.abs(predictor(data)["density"] - data["density"])
                row[f"mean error, {name} L = 18"] = float(error.mean())
            rows.append(row)
            print(row, flush=True)
    result = {
        "caption": "Mean absolute error of the density on wells and noise at L = 18 against the "
        f"number of training samples; small networks (6 blocks of 48 channels), {STEPS} steps.",
        "command": "python benchmarks/chain_learning_curve.py",
        "rows": rows,
    }
    (ROOT / "results" / "chain_learning_curve.json").write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
