"""Mean and spread of the answers of several networks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

Answers = Sequence[Mapping[str, torch.Tensor]]


def mean_answer(answers: Answers) -> dict[str, torch.Tensor]:
    """Mean of each output."""
    return {k: torch.stack([a[k] for a in answers]).mean(0) for k in answers[0]}


def density_spread(answers: Answers) -> torch.Tensor:
    """Uncalibrated standard error: the learnt scale and the disagreement of the members."""
    density = torch.stack([answer["density"] for answer in answers])
    scale = torch.stack([answer["log_scale"] for answer in answers]).mean(0).exp()
    return torch.sqrt(scale**2 + density.var(0, correction=0))
