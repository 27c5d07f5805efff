r"""Least squares for small networks: Gauss-Newton steps along a path of falling weight decay.

The misfit to N values in units of their noise and a Gaussian prior on the P weights about their
start,

.. math::  |r(\theta)|^2 + \alpha |\theta - \theta_0|^2 ,

are minimised together, from a strong prior (a smooth function) to a weak one. Each of several
networks holds out another part of the values; the prior that is kept is the one with which all of
them together do best on what they did not see.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from tqdm.auto import tqdm

#: theta, number of the stage, Jacobian wanted -> residuals (N,), Jacobian (N, P) or None
Residuals = Callable[[Tensor, int, bool], tuple[Tensor, Tensor | None]]
#: Starts that a network is given, and the held-out misfit at which it needs no other.
STARTS, GOOD = 4, 3.0


@dataclass
class Path:
    """Weights (P,) and mean squared misfits after each stage."""

    thetas: list[Tensor] = field(default_factory=list)
    train: list[float] = field(default_factory=list)
    held_out: list[float] = field(default_factory=list)


def cross_validated(
    build: Callable[[int], tuple[Residuals, Tensor, Tensor]],
    values: int,
    priors: Sequence[float],
    *,
    members: int,
    warm_up: int = 0,
    moves: int = 2,
    seed: int = 0,
    history: dict[str, list[float]],
    progress: bool = False,
) -> list[tuple[int, Tensor]]:
    """Seeds and weights of networks, at the prior chosen by their held-out values.

    Parameters
    ----------
    build : callable
        Seed of a network -> its residuals of all values in units of their noise, the weights at
        which the prior is centred, and those to start from.
    values : int
        N.
    priors : sequence of float
        alpha at each stage.
    members : int
        Networks; each holds out one part of max(5, members).
    warm_up : int
        First stages, which cannot be chosen and are not in the history.
    moves : int
        Gauss-Newton steps at each stage.
    seed : int
        Of the parts and of the networks.
    history : dict
        Gets ``step``, ``train`` and ``held_out`` of every stage after those.
    """
    order = torch.randperm(values, generator=torch.Generator().manual_seed(seed))
    parts = order.tensor_split(max(5, members))
    chosen = []
    for member in tqdm(range(members), desc="networks", disable=not progress):
        train = torch.cat([part for k, part in enumerate(parts) if k != member])
        tries = []
        for start in range(STARTS):
            number = 1000 * seed + 10 * member + start
            path = follow(*build(number), priors, train, parts[member], moves=moves)
            tries.append((min(path.held_out[warm_up:]), number, path))
            if tries[-1][0] < GOOD:
                break
        chosen.append(min(tries, key=lambda entry: entry[0]))
        history["step"] += [float(stage) for stage in range(len(priors) - warm_up)]
        history["train"] += chosen[-1][2].train[warm_up:]
        history["held_out"] += chosen[-1][2].held_out[warm_up:]
    fair = 2 * min(entry[0] for entry in chosen)
    chosen = [entry for entry in chosen if entry[0] <= max(GOOD, fair)]
    scores = torch.tensor([path.held_out for _, _, path in chosen]).log().mean(0)
    best = warm_up + int(scores[warm_up:].argmin())
    return [(number, path.thetas[best]) for _, number, path in chosen]


def follow(
    residuals: Residuals,
    centre: Tensor,
    theta: Tensor,
    priors: Sequence[float],
    train: Tensor,
    check: Tensor,
    *,
    moves: int = 2,
) -> Path:
    """Minimise stage after stage, each from the weights of the one before."""
    path, damping = Path(), 1e-2
    for stage, prior in enumerate(priors):
        for _ in range(moves):
            theta, damping = _move(residuals, theta, centre, float(prior), stage, train, damping)
        misfit, _ = residuals(theta, stage, False)
        path.thetas.append(theta)
        path.train.append(float(misfit[train].square().mean()))
        path.held_out.append(float(misfit[check].square().mean()))
    return path


def _move(
    residuals: Residuals,
    theta: Tensor,
    centre: Tensor,
    prior: float,
    stage: int,
    train: Tensor,
    damping: float,
) -> tuple[Tensor, float]:
    """A Levenberg-Marquardt step that lowers the objective, or none; and the next damping."""
    misfit, slopes = residuals(theta, stage, True)
    assert slopes is not None
    misfit, slopes = misfit[train], slopes[train]
    curvature = slopes.T @ slopes
    downhill = slopes.T @ misfit + prior * (theta - centre)
    now = float(misfit.square().sum() + prior * (theta - centre).square().sum())
    curvature.diagonal().add_(prior)
    size = curvature.diagonal().mean()
    for _ in range(6):
        damped = curvature.clone()
        damped.diagonal().add_(damping * (0.1 * size + curvature.diagonal()))
        trial = theta - torch.linalg.solve(damped, downhill)
        misfit, _ = residuals(trial, stage, False)
        then = float(misfit[train].square().sum() + prior * (trial - centre).square().sum())
        if then < now:
            return trial, max(damping / 5, 1e-9)
        damping = min(damping * 5, 1e6)
    return theta, damping
