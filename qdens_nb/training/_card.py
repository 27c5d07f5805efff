"""Weights on disk: safetensors for the ensemble, a JSON card for everything else."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

import qdens_nb
from qdens_nb.datasets import sha256
from qdens_nb.datasets._files import replacing, write_json
from qdens_nb.training._batches import Store, sequential_batches
from qdens_nb.training._config import DOT_TASKS, TrainConfig
from qdens_nb.training._dot_calibration import calibrate_dots
from qdens_nb.training._ensemble import density_spread, mean_answer
from qdens_nb.training._registry import TASKS, build_network, build_task

WEIGHTS, CARD = "weights.safetensors", "card.json"


def density_and_spread(
    members: Sequence[nn.Module], inputs: torch.Tensor, fixed_number: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean density output (B, sites...) of the ensemble and its uncalibrated spread.

    The spread joins the learnt scale of the error and the disagreement of the members. At a
    fixed number of particles the mean over the sites is taken out of each answer first.
    """
    answers = [
        {name: answer[name] for name in ("density", "log_scale")}
        for answer in (member(inputs) for member in members)
    ]
    if fixed_number:
        for answer in answers:
            answer["density"] = answer["density"] - answer["density"].mean(-1, keepdim=True)
    return mean_answer(answers)["density"], density_spread(answers)


@torch.no_grad()
def calibrate(config: TrainConfig, members: Sequence[nn.Module], store: Store) -> dict[str, float]:
    """Errors on the validation part and the factor that makes density_stderr cover 68 %.

    Where the labels have standard errors of their own, it is the joint one that covers.
    """
    task = build_task(config)
    if task.system == "quantum_dot":
        return calibrate_dots(task, members, store)
    errors, spreads, noises, energies = [], [], [], []
    for batch in sequential_batches(store.validation, 512):
        batch = {k: v.float() if v.is_floating_point() else v for k, v in batch.items()}
        inputs, target = task.inputs(batch, None)
        density, spread = density_and_spread(members, inputs, task.fixed_number)
        if "energy" in target:
            energy = torch.stack([m(inputs)["energy"].sum(-1) for m in members]).mean(0)
            energies.append((energy - target["energy"]).abs())
        errors.append((density - target["density"]).abs().flatten())
        spreads.append(spread.flatten())
        noises.append(target.get("density_stderr", torch.zeros_like(density)).flatten())
    if not errors:
        return {"stderr_factor": 1.0}
    error, spread, noise = torch.cat(errors), torch.cat(spreads), torch.cat(noises)
    own = torch.sqrt((error**2 - noise**2).clamp(min=0.0))
    ratio = (own / spread.clamp(min=1e-6)).sort().values
    result = {
        "stderr_factor": float(ratio[int(0.6827 * (len(ratio) - 1))]),
        "validation_density_mae": float(error.mean()),
        "validation_samples": int(sum(len(p["density"]) for p in store.validation.values())),
    }
    if (noise > 0).any():
        result["validation_label_stderr"] = float(noise.mean())
    if energies:
        energy = torch.cat(energies)
        energy = energy[~torch.isnan(energy)]
        result["validation_energy_mae"] = float(energy.mean()) if len(energy) else 0.0
    return result


def save_weights(
    folder: Path,
    config: TrainConfig,
    members: Sequence[nn.Module],
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
    size = sum(value.nbytes for value in tensors.values())
    with replacing(folder / WEIGHTS, size + 2**20) as part:
        save_file(tensors, part)
    card = {
        "format": 1,
        "model": config.task,
        "config": config.as_dict(),
        "parameters": sum(p.numel() for p in members[0].parameters()),
        "receptive_field": getattr(members[0], "receptive_field", None),
        "ranges": {**TASKS[config.task].ranges, "sites": data.get("sites")},
        **({"units": build_task(config).units} if config.task in DOT_TASKS else {}),
        "data": data,
        "calibration": calibration,
        "sha256": sha256(folder / WEIGHTS),
        "versions": {
            "qdens_nb": qdens_nb.__version__,
            "python": platform.python_version(),
            **{name: version(name) for name in ("torch", "lightning", "numpy", "quspin")},
        },
    }
    write_json(folder / CARD, card)


def load_weights(folder: Path) -> tuple[list[nn.Module], dict[str, Any]]:
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
        if card["model"] != config.task:
            raise ValueError(f"model {card['model']!r}, but a configuration of {config.task!r}")
        float(card["calibration"].get("stderr_factor", 1.0))
        dict(card["ranges"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"{folder / CARD} is not a card of this package: {error}") from error
    if sha256(folder / WEIGHTS) != expected:
        raise ValueError(
            f"{folder / WEIGHTS} is damaged: its checksum is not the one on the card; fetch it anew"
        )
    try:
        tensors = load_file(folder / WEIGHTS)
    except SafetensorError as error:
        raise ValueError(f"{folder / WEIGHTS} is not a safetensors file: {error}") from error
    try:
        return [_member(config, tensors, f"{i}.") for i in range(config.members)], card
    except (RuntimeError, TypeError, ValueError, MemoryError) as error:
        raise ValueError(
            f"{folder / WEIGHTS} does not hold the network of {CARD}: {str(error)[:500]}"
        ) from error


def _member(config: TrainConfig, tensors: Mapping[str, torch.Tensor], prefix: str) -> nn.Module:
    """One network of the ensemble."""
    state = {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
    member = build_network(config)
    member.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in state.items()})
    return member.eval()
