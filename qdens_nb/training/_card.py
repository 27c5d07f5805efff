"""Weights on disk: safetensors for the ensemble, a JSON card for everything else."""

from __future__ import annotations

import json
import platform
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

import qdens_nb
from qdens_nb.datasets import sha256
from qdens_nb.models import ChainResNet
from qdens_nb.training._batches import Store, sequential_batches
from qdens_nb.training._config import TrainConfig
from qdens_nb.training._module import build_network
from qdens_nb.training._tasks import TASKS

WEIGHTS, CARD = "weights.safetensors", "card.json"


def density_and_spread(
    members: Sequence[ChainResNet], inputs: torch.Tensor, fixed_number: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean density output (B, L) of the ensemble and its uncalibrated spread.

    The spread joins the learnt scale of the error and the disagreement of the members. At a
    fixed number of particles the mean over the sites is taken out of each answer first.
    """
    answers = [member(inputs) for member in members]
    density = torch.stack([answer["density"] for answer in answers])
    if fixed_number:
        density = density - density.mean(-1, keepdim=True)
    scale = torch.stack([answer["log_scale"] for answer in answers]).mean(0).exp()
    disagreement = density.var(0, correction=0)
    return density.mean(0), torch.sqrt(scale**2 + disagreement)


@torch.no_grad()
def calibrate(
    config: TrainConfig, members: Sequence[ChainResNet], store: Store
) -> dict[str, float]:
    """Errors on the validation part and the factor that makes density_stderr cover 68 %."""
    task = TASKS[config.task](**config.task_options)
    errors, spreads, energies = [], [], []
    for batch in sequential_batches(store.validation, 512):
        batch = {k: v.float() if v.is_floating_point() else v for k, v in batch.items()}
        inputs, target = task.inputs(batch, None)
        density, spread = density_and_spread(members, inputs, config.task == "chain")
        if config.task == "chain":
            energy = torch.stack([m(inputs)["energy"].sum(-1) for m in members]).mean(0)
            energies.append((energy - target["energy"]).abs())
        errors.append((density - target["density"]).abs().flatten())
        spreads.append(spread.flatten())
    if not errors:
        return {"stderr_factor": 1.0}
    error, spread = torch.cat(errors), torch.cat(spreads)
    ratio = (error / spread.clamp(min=1e-6)).sort().values
    result = {
        "stderr_factor": float(ratio[int(0.6827 * (len(ratio) - 1))]),
        "validation_density_mae": float(error.mean()),
        "validation_samples": int(sum(len(p["density"]) for p in store.validation.values())),
    }
    if energies:
        energy = torch.cat(energies)
        energy = energy[~torch.isnan(energy)]
        result["validation_energy_mae"] = float(energy.mean()) if len(energy) else 0.0
    return result


def save_weights(
    folder: Path,
    config: TrainConfig,
    members: Sequence[ChainResNet],
    data: dict[str, Any],
    calibration: dict[str, float],
    dtype: torch.dtype = torch.float32,
) -> None:
    """Write the weights of all members and the card."""
    tensors = {
        f"{i}.{name}": value.to(dtype).contiguous() if value.is_floating_point() else value
        for i, member in enumerate(members)
        for name, value in member.state_dict().items()
    }
    save_file(tensors, folder / WEIGHTS)
    card = {
        "format": 1,
        "model": config.task,
        "config": config.as_dict(),
        "parameters": sum(p.numel() for p in members[0].parameters()),
        "receptive_field": members[0].receptive_field,
        "ranges": {"V": [0.0, 2.0], "potential": [-3.0, 3.0], "sites": data.get("sites")},
        "data": data,
        "calibration": calibration,
        "sha256": sha256(folder / WEIGHTS),
        "versions": {
            "qdens_nb": qdens_nb.__version__,
            "python": platform.python_version(),
            **{name: version(name) for name in ("torch", "lightning", "numpy", "quspin")},
        },
    }
    (folder / CARD).write_text(json.dumps(card, indent=2) + "\n")


def load_weights(folder: Path) -> tuple[list[ChainResNet], dict[str, Any]]:
    """Networks and card of a folder.

    Raises
    ------
    FileNotFoundError
        No weights there.
    ValueError
        Damaged or foreign files.
    """
    if not (folder / WEIGHTS).exists() or not (folder / CARD).exists():
        raise FileNotFoundError(f"{folder} holds no {WEIGHTS} and {CARD}; train a model first")
    try:
        card = json.loads((folder / CARD).read_text())
        config = TrainConfig(**card["config"])
        expected = card["sha256"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{folder / CARD} is not a card of this package: {error}") from error
    if sha256(folder / WEIGHTS) != expected:
        raise ValueError(
            f"{folder / WEIGHTS} is damaged: its checksum is not the one on the card; fetch it anew"
        )
    try:
        tensors = load_file(folder / WEIGHTS)
    except SafetensorError as error:
        raise ValueError(f"{folder / WEIGHTS} is not a safetensors file: {error}") from error
    members = []
    for i in range(config.members):
        prefix = f"{i}."
        state = {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
        member = build_network(config)
        member.load_state_dict(
            {k: v.float() if v.is_floating_point() else v for k, v in state.items()}
        )
        members.append(member.eval())
    return members, card
