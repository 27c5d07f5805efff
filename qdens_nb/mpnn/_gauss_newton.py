r"""Least squares for small networks: Gauss-Newton steps along a path of falling weight decay.

The misfit to N values in units of their noise and a Gaussian prior on the P weights,

.. math::  |r(\theta)|^2 + \alpha |\theta|^2 ,

are minimised together, from a strong prior (a smooth function) to a weak one; the prior that is
kept is the one whose network does best on values that were held out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from tqdm.auto import tqdm

#: theta, number of the stage -> residuals (N,), their Jacobian (N, P) or None where not wanted
Residuals = Callable[[Tensor, int, bool], tuple[Tensor, Tensor | None]]


def follow_path(
    residuals: Residuals,
    theta: Tensor,
    priors: Sequence[float],
    train: Tensor,
    check: Tensor,
    *,
    warm_up: int = 0,
    moves: int = 2,
    history: dict[str, list[float]] | None = None,
    progress: bool = False,
) -> Tensor:
    """Weights of the stage that does best on the residuals `check`.

    Parameters
    ----------
    residuals : callable
        (theta, stage, jacobian wanted) -> residuals of all values in units of their noise.
    theta : (P,) tensor
        Weights at the start.
    priors : sequence of float
        alpha at each stage.
    train, check : index tensors
        Of the values that are fitted, and of those that are held out.
    warm_up : int
        Stages that cannot be chosen.
    moves : int
        Gauss-Newton steps at each stage.
    """
    best, kept, damping = float("inf"), theta, 1e-2
    for stage, prior in enumerate(tqdm(priors, desc="Gauss-Newton", disable=not progress)):
        for _ in range(moves):
            theta, damping = _move(residuals, theta, prior, stage, train, damping)
        misfit, _ = residuals(theta, stage, False)
        scores = [float(misfit[part].square().mean()) for part in (train, check)]
        if history is not None:
            for name, value in zip(("step", "train", "held_out"), (stage, *scores), strict=True):
                history[name].append(float(value))
        if stage >= warm_up and scores[1] < best:
            best, kept = scores[1], theta
    return kept


def _move(
    residuals: Residuals, theta: Tensor, prior: float, stage: int, train: Tensor, damping: float
) -> tuple[Tensor, float]:
    """A Levenberg-Marquardt step that lowers the objective, or none; and the next damping."""
    misfit, slopes = residuals(theta, stage, True)
    assert slopes is not None
    misfit, slopes = misfit[train], slopes[train]
    curvature = slopes.T @ slopes
    downhill = slopes.T @ misfit + prior * theta
    now = float(misfit.square().sum() + prior * theta.square().sum())
    curvature.diagonal().add_(prior)
    size = curvature.diagonal().mean()
    for _ in range(6):
        damped = curvature.clone()
        damped.diagonal().add_(damping * (0.1 * size + curvature.diagonal()))
        trial = theta - torch.linalg.solve(damped, downhill)
        misfit, _ = residuals(trial, stage, False)
        then = float(misfit[train].square().sum() + prior * trial.square().sum())
        if then < now:
            return trial, max(damping / 5, 1e-9)
        damping = min(damping * 5, 1e6)
    return theta, damping
