"""Mean answer of the dots' networks and its spread; their errors on the validation part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from qdens_nb.training._batches import Store, count_samples, sequential_batches
from qdens_nb.training._explained_variance import ExplainedVariance
from qdens_nb.training._square_symmetry import ELEMENTS, inverse, move_sites

Maps = Mapping[str, torch.Tensor]


def mean_maps(
    task: Any, members: Sequence[nn.Module], channels: torch.Tensor, symmetrise: bool
) -> dict[str, torch.Tensor]:
    """Mean maps (B, X, Y) in the task's units over the members and the images of the input.

    ``spread`` is the uncalibrated standard error of the first target, if the networks learnt one:
    their scale of the error, joined with the disagreement of the answers.
    """
    answers = []
    for element in ELEMENTS if symmetrise else ELEMENTS[:1]:
        moved = move_sites(channels, element)
        for member in members:
            answer = task.answer(member(moved))
            answers.append({k: move_sites(v, inverse(element)) for k, v in answer.items()})
    out = {k: torch.stack([answer[k] for answer in answers]).mean(0) for k in task.targets}
    if "log_scale" in answers[0]:
        first = torch.stack([answer[task.targets[0]] for answer in answers])
        scale = torch.stack([answer["log_scale"] for answer in answers]).mean(0).exp()
        out["spread"] = torch.sqrt(scale**2 + first.var(0, correction=0))
    return out


@torch.no_grad()
def calibrate_dots(task: Any, members: Sequence[nn.Module], store: Store) -> dict[str, float]:
    """R2 and mean absolute error (in the task's units) on the validation part, without images.

    ``stderr_factor`` makes the spread cover 68 % of the errors of the first target.
    """
    result: dict[str, float] = {"stderr_factor": 1.0}
    explained = ExplainedVariance.of(task, store)
    count = sum(count_samples(part) for part in store.validation.values())
    if not count:
        return result
    sums = dict.fromkeys(task.targets, 0.0)
    ratios = []
    for batch in sequential_batches(store.validation, 32):
        inputs, target = task.inputs(batch, None)
        answer = mean_maps(task, members, inputs, False)
        errors = {name: answer[name] - target[name] for name in task.targets}
        weight = count_samples(batch)
        for name, error in errors.items():
            sums[name] += float(error.abs().mean()) * weight
        explained.add({f"square_{k}": error.square().mean() for k, error in errors.items()}, weight)
        if "spread" in answer:
            ratios.append((errors[task.targets[0]].abs() / answer["spread"]).flatten())
    if ratios:
        ordered = torch.cat(ratios).sort().values
        result["stderr_factor"] = float(ordered[int(0.6827 * (len(ordered) - 1))])
    result |= {f"validation_{name}_mae": value / count for name, value in sums.items()}
    return {**result, "validation_samples": count} | {
        f"validation_{k}": v for k, v in explained.close().items()
    }
