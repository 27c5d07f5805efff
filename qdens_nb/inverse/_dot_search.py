"""Descents through a forward network to the potential of a wanted density, corrected on the way."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.nn import functional as F

from qdens_nb import metrics
from qdens_nb.inverse._descent import Point, descend
from qdens_nb.training._dot_tasks import DENSITY_UNIT, SIZE_NM

#: how sharply the sigmoid turns the unknowns into a potential, stage by stage
_SHARPNESS = {True: (1.0, 3.0, 9.0), False: (1.0,)}
_MARGIN = 0.05


class Search(NamedTuple):
    """Descents through the forward network."""

    forward: Any
    eps_r: float
    step: float
    steps: int
    learning_rate: float
    two_valued: bool
    smoothing: float
    corrections: int
    progress: bool

    def density(self, potential: torch.Tensor) -> torch.Tensor:
        """Densities (B, X, Y) in 1/nm^2 by the network."""
        return self.forward.torch_maps(potential, eps_r=self.eps_r, step=self.step)["density"]

    def run(
        self, wanted: np.ndarray, begin: np.ndarray, judge: Callable[[np.ndarray], np.ndarray]
    ) -> tuple[np.ndarray, np.ndarray, bool]:
        """Potentials (n, X, Y), errors on the way (n, steps), whether interrupted.

        Begins at maps (n, X, Y) from 0 to 1. `judge` gives the exact densities of potentials.
        """
        goal = torch.as_tensor(wanted).expand(begin.shape)
        blur = Blur(len(wanted), self.smoothing)
        stages = _SHARPNESS[self.two_valued]
        shares = np.array_split(np.arange(self.steps), len(stages))
        plan = [(len(part), sharpness) for part, sharpness in zip(shares, stages, strict=True)]
        plan += [(len(shares[0]), stages[-1])] * self.corrections

        def potential(unknowns: torch.Tensor, sharpness: float) -> torch.Tensor:
            return self.step * torch.sigmoid(sharpness * blur(unknowns))

        def measure(
            goal: torch.Tensor, sharpness: float, points: list[torch.Tensor], rows: torch.Tensor
        ) -> Point:
            off = (self.density(potential(points[0], sharpness)) - goal) / DENSITY_UNIT
            loss = off.square().mean((1, 2))
            return Point(loss * wanted.size, loss, off.abs().mean((1, 2)))

        unknowns = torch.logit(torch.as_tensor(begin).clamp(_MARGIN, 1.0 - _MARGIN))
        best, least = begin * self.step, np.full(len(begin), np.inf)
        histories: list[np.ndarray] = []
        interrupted = False
        for number, (count, sharpness) in enumerate(plan):
            if not count:
                continue
            found = descend(
                partial(measure, goal, sharpness),
                [unknowns],
                steps=count,
                learning_rate=self.learning_rate,
                title=f"design_dot, part {number + 1} of {len(plan)}",
                progress=self.progress,
            )
            unknowns, interrupted = found.unknowns[0], found.interrupted
            histories.append(found.history)
            if number + 1 < len(stages) and not interrupted:
                continue
            with torch.no_grad():
                made = potential(unknowns, sharpness).numpy()
                if self.two_valued:
                    made = rounded(made, self.step)
                exact = judge(made)
                # where the network is off, aim as much beside the target
                bias = torch.as_tensor(exact) - self.density(torch.as_tensor(made))
            error = missed(exact, wanted)
            better = error < least
            best[better], least[better] = made[better], error[better]
            goal = torch.as_tensor(wanted) - bias
            if interrupted:
                break
        history = np.concatenate(histories, 1)
        lacking = sum(count for count, _ in plan) - history.shape[1]
        return best, np.pad(history, ((0, 0), (0, lacking)), constant_values=np.nan), interrupted


def rounded(potential: np.ndarray, step: float) -> np.ndarray:
    """0 or the step, whichever is nearer."""
    return np.where(potential > step / 2, step, 0.0)


def missed(density: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Charge (n,) by which densities miss a target, in electrons."""
    return metrics.displaced_charge(density, np.broadcast_to(target, density.shape), size=SIZE_NM)


class Blur:
    """Gaussian of a width in nm; what lies beyond the walls mirrors the inside."""

    def __init__(self, points: int, width: float) -> None:
        sigma = width * points / SIZE_NM
        reach = min(math.ceil(3 * sigma), points - 1)
        at = torch.arange(-reach, reach + 1, dtype=torch.float64)
        kernel = torch.exp(-0.5 * (at / max(sigma, 1e-9)) ** 2)
        self.kernel, self.reach = kernel / kernel.sum(), reach

    def __call__(self, maps: torch.Tensor) -> torch.Tensor:
        wide = F.pad(maps[:, None], (self.reach,) * 4, mode="reflect")
        along_y = F.conv2d(wide, self.kernel[None, None, None])
        return F.conv2d(along_y, self.kernel[None, None, :, None])[:, 0]
