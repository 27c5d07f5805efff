"""Adam on a batch of independent starts; the best point of each is kept."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from tqdm.auto import tqdm

_LAST_RATE = 0.05
# A memory of 100 steps. With the usual 1000 the steep first steps slow down all later ones, most of
# all along the valleys in which the couplings lie.
_BETAS = (0.9, 0.99)
# Gradients far below the first hardly move a site of a map. With Adam's usual 1e-8 a site in an
# insulator, whose density does not feel the potential, would wander at full speed.
_EPSILON = {"map": 1e-3, "number": 1e-8}
_ROUND = 0.2


class Point(NamedTuple):
    """What is known at a point: (B,) each.

    ``objective`` is what the gradient is taken of, ``loss`` what the best point of a start is
    chosen by, ``error`` what the history shows.
    """

    objective: torch.Tensor
    loss: torch.Tensor
    error: torch.Tensor


class Descent(NamedTuple):
    """Best unknowns of each start (B, ...), their loss (B,), errors (B, steps), NaN if not done."""

    unknowns: list[torch.Tensor]
    loss: np.ndarray
    history: np.ndarray
    interrupted: bool


def logit(unit: torch.Tensor, margin: float = 0.02) -> torch.Tensor:
    """Inverse of the sigmoid, kept off the flat ends by `margin`."""
    return torch.logit(unit.clamp(margin, 1.0 - margin))


class _Adam:
    """Adam whose rows can be dropped on the way."""

    def __init__(self, points: Sequence[torch.Tensor]) -> None:
        self.points = [p.detach().clone() for p in points]
        self.mean = [torch.zeros_like(p) for p in points]
        self.square = [torch.zeros_like(p) for p in points]
        self.count = 0

    def keep(self, rows: torch.Tensor) -> None:
        for part in (self.points, self.mean, self.square):
            part[:] = [p[rows] for p in part]

    def step(self, gradients: Sequence[torch.Tensor | None], rate: float) -> None:
        self.count += 1
        first, second = (1.0 - beta**self.count for beta in _BETAS)
        for p, m, s, g in zip(self.points, self.mean, self.square, gradients, strict=True):
            if g is None:
                continue
            m.lerp_(g, 1.0 - _BETAS[0])
            s.lerp_(g**2, 1.0 - _BETAS[1])
            small = _EPSILON["map" if p.ndim > 2 else "number"]
            p -= rate * (m / first) / ((s / second).sqrt() + small)


def descend(
    measure: Callable[[list[torch.Tensor], torch.Tensor], Point],
    unknowns: Sequence[torch.Tensor],
    *,
    steps: int,
    learning_rate: float,
    title: str,
    progress: bool,
    groups: np.ndarray | None = None,
) -> Descent:
    """Minimise from all starts at once; at a ``KeyboardInterrupt`` the best so far is returned.

    ``measure(unknowns, rows)`` gets the unknowns of the starts `rows`. With `groups`, a number for
    each start, the better half of each group goes on after a fifth of the steps, and again the
    better half of those after another fifth.
    """
    adam = _Adam(unknowns)
    best = [p.clone() for p in adam.points]
    rows = torch.arange(len(best[0]))
    loss = torch.full((len(rows),), torch.inf, dtype=best[0].dtype)
    history = np.full((len(rows), steps), np.nan)
    rounds = () if groups is None else (int(_ROUND * steps), int(2 * _ROUND * steps))
    interrupted = False
    bar = tqdm(total=steps, desc=title, unit="step", disable=not progress)
    try:
        for step in range(steps):
            if step in rounds and step:
                left = _better_half(loss[rows], np.asarray(groups)[rows])
                adam.keep(left)
                rows = rows[left]
            points = [p.requires_grad_() for p in adam.points]
            found = measure(points, rows)
            gradients = torch.autograd.grad(found.objective.sum(), points, allow_unused=True)
            adam.points = [p.detach() for p in points]
            better = found.loss.detach() < loss[rows]
            for old, new in zip(best, adam.points, strict=True):
                old[rows[better]] = new[better]
            loss[rows[better]] = found.loss.detach()[better]
            if not torch.isfinite(loss).any():
                raise ArithmeticError("the network's answers are not finite; narrow the bounds")
            history[rows, step] = found.error.detach()
            falling = 0.5 * (1.0 + math.cos(math.pi * step / steps))
            adam.step(gradients, learning_rate * (_LAST_RATE + (1.0 - _LAST_RATE) * falling))
            bar.update()
            bar.set_postfix(error=f"{np.nanmin(history[:, step]):.4f}")
    except KeyboardInterrupt:
        if not torch.isfinite(loss).any():
            raise
        interrupted = True
    finally:
        bar.close()
    return Descent(best, loss.numpy(), history, interrupted)


def _better_half(loss: torch.Tensor, groups: np.ndarray) -> torch.Tensor:
    """Indices of the lower half of the losses in each group, at least one, in order."""
    chosen: list[int] = []
    for group in np.unique(groups):
        members = np.flatnonzero(groups == group)
        order = members[np.argsort(loss.numpy()[members], kind="stable")]
        chosen.extend(order[: (len(order) + 1) // 2])
    return torch.as_tensor(np.sort(chosen))
