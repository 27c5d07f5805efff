r"""The potential behind noisy values of a wave function.

Direct inversion :math:`V - E = \nabla^2\psi / 2\psi` turns noise s on values a step h apart into an
error of order :math:`s/h^2`. Two ways round it:

- **Forward, on a line.** A network :math:`U_\theta(x)` is the potential, its eigenstate with the
  wanted number of nodes is computed in a basis of sines, and :math:`\theta` is fitted to the values
  by maximum likelihood. The state obeys the Schrödinger equation by construction: nothing is
  differentiated twice, and nodes are no poles. The gradient is first-order perturbation theory.
- **Smooth log psi, in any dimension, no nodes.** A network for :math:`\log|\psi|` is fitted to the
  values, and its exact Laplacian inverted.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm.auto import tqdm

from qdens_nb.mpnn._log_psi import LogPsi, Recovered, committee
from qdens_nb.mpnn._wavefunctions import check_points

#: Fewer values than this leave no second derivative to speak of.
FEWEST = 30


def noisy_values(
    values: Tensor, *, relative: float = 0.0, additive: float = 0.0, seed: int = 0
) -> Tensor:
    """Values with Gaussian noise, psi (1 + relative xi) + additive max|psi| xi'."""
    rng = torch.Generator().manual_seed(seed)
    first, second = torch.randn(2, *values.shape, generator=rng, dtype=torch.float64)
    return values * (1 + relative * first) + additive * values.abs().max() * second


def potential_from_values(
    points: Tensor,
    values: Tensor,
    *,
    pin: Sequence[float],
    pinned: float,
    noise: float = 0.01,
    additive: float = 0.0,
    nodes: int | None = None,
    cusps: Sequence[Sequence[float]] = (),
    method: str | None = None,
    members: int = 5,
    steps: int | None = None,
    seed: int = 0,
    progress: bool = False,
) -> Recovered:
    """Learn the potential from values of an eigenstate that carry noise.

    Parameters
    ----------
    points : (N, D) array_like
        Where psi was measured; N >= 30.
    values : (N,) array_like
        Its real values with their signs; the norm is free.
    pin : (D,) sequence of float
        Point at which the potential is known.
    pinned : float
        The potential there.
    noise : float
        Relative standard deviation of the values, 0.01 for 1 %.
    additive : float
        Standard deviation of a further, constant noise, in units of max|values|.
    nodes : int, optional
        Of the state on a line; counted from the values where they exceed their noise if not given.
    cusps : sequence of (D,) points
        Where log psi may have a kink; the distance to each is an input of the network.
    method : {"forward", "log_psi"}, optional
        By default forward on a line without cusps, else log_psi.
    members : int
        Networks that are averaged; each holds out other values to stop by.
    steps : int, optional
        Updates of each network; 800 (forward) or 2000 (log_psi).
    seed : int
        Of the weights and of the held-out values.
    progress : bool
        Whether a bar is shown.

    Returns
    -------
    Recovered
        ``history`` holds ``step``, ``train`` and ``held_out``: mean squared misfit in units of the
        noise, 1 at best.

    Raises
    ------
    ValueError
        For too few values, NaN, other shapes, no noise, or a state with nodes for log_psi.
    """
    data = check_points(points, len(pin))
    psi = torch.as_tensor(values, dtype=torch.float64)
    if psi.shape != (len(data),):
        raise ValueError(f"values have shape {tuple(psi.shape)}; expected ({len(data)},)")
    if not torch.isfinite(psi).all() or not psi.abs().max() > 0:
        raise ValueError("values hold NaN or infinite numbers, or vanish everywhere")
    if len(data) < FEWEST:
        raise ValueError(f"{len(data)} values; expected at least {FEWEST}")
    if noise < 0 or additive < 0 or noise + additive == 0:
        raise ValueError(
            f"noise={noise}, additive={additive}; expected numbers >= 0, one of them positive: "
            "values without noise are better inverted directly (`direct_inversion`)"
        )
    if members < 1:
        raise ValueError(f"members={members}; expected at least 1")
    line = data.shape[1] == 1
    method = method or ("forward" if line and not len(cusps) else "log_psi")
    if method not in ("forward", "log_psi") or (method == "forward" and not line):
        raise ValueError(f"method={method!r}; expected 'log_psi', or 'forward' on a line")
    psi = psi / psi.abs().max()
    if method == "forward":
        from qdens_nb.mpnn._forward import fit_forward

        nodes = count_nodes(data[:, 0], psi, noise, additive) if nodes is None else nodes
        return fit_forward(
            data[:, 0], psi, pin[0], pinned, noise, additive, nodes, members, steps or 800, seed,
            progress,
        )  # fmt: skip
    clear = psi.abs() > 3 * additive
    if nodes or (psi[clear] < 0).any() and (psi[clear] > 0).any():
        raise ValueError("the values change sign: log_psi is for a state without nodes")
    psi = psi * psi[clear].sum().sign()
    return _fit_log_psi(
        data, psi, pin, pinned, noise, additive, cusps, members, steps or 2000, seed, progress
    )


def count_nodes(x: Tensor, values: Tensor, noise: float, additive: float) -> int:
    """Changes of sign along a line, among values clearly above their additive noise."""
    ordered = values[x.argsort()]
    clear = ordered[ordered.abs() > 4 * additive * values.abs().max()]
    return int((clear[1:] * clear[:-1] < 0).sum())


def _fit_log_psi(
    data: Tensor,
    psi: Tensor,
    pin: Sequence[float],
    pinned: float,
    noise: float,
    additive: float,
    cusps: Sequence[Sequence[float]],
    members: int,
    steps: int,
    seed: int,
    progress: bool,
) -> Recovered:
    history: dict[str, list[float]] = {"step": [], "train": [], "held_out": []}
    nets = []
    for member in range(members):
        net = LogPsi(data, cusps=cusps, width=64, seed=seed * 100 + member)

        def misfit(at: Tensor, seen: Tensor, net: LogPsi = net) -> Tensor:
            phi = net(at)
            if additive == 0:
                return ((phi - seen.abs().log()) / noise).square().mean()
            fitted = phi.clamp(max=3).exp()
            spread = (noise * fitted.detach()).square() + additive**2
            return ((fitted - seen).square() / spread).mean()

        fit(net, misfit, data.float(), psi.float(), steps, 5e-3, seed * 100 + member, history,
            progress, batch=1000)  # fmt: skip
        nets.append(net)
    return committee(nets, pin=pin, pinned=pinned, history=history)


def fit(
    net: torch.nn.Module,
    misfit: Callable[..., Tensor],
    points: Tensor,
    values: Tensor,
    steps: int,
    learning_rate: float,
    seed: int,
    history: dict[str, list[float]],
    progress: bool,
    *,
    batch: int | None = None,
    held_out: float = 0.1,
    start: int = 0,
) -> None:
    """Adam with averaged weights; leaves in `net` those that do best on held-out values.

    ``misfit(points, values)`` is the mean squared misfit in units of the noise, of `net`.
    """
    rng = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(points), generator=rng)
    aside = max(1, int(held_out * len(points)))
    check, train = order[:aside], order[aside:]
    averaged = copy.deepcopy(net.state_dict())
    best, kept = float("inf"), copy.deepcopy(averaged)
    optimiser = torch.optim.Adam(net.parameters(), lr=learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    every = max(1, steps // 40)
    for step in tqdm(range(1, steps + 1), desc="fit to values", disable=not progress):
        some = train
        if batch and batch < len(train):
            some = train[torch.randint(len(train), (batch,), generator=rng)]
        loss = misfit(points[some], values[some])
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 100.0)
        optimiser.step()
        schedule.step()
        decay = min(0.98, step / (step + 10))
        for name, now in net.state_dict().items():
            averaged[name].lerp_(now, 1 - decay)
        if step % every == 0 or step == steps:
            now = copy.deepcopy(net.state_dict())
            net.load_state_dict(averaged)
            with torch.no_grad():
                score = float(misfit(points[check], values[check]))
            net.load_state_dict(now)
            for name, value in (("step", step), ("train", loss.item()), ("held_out", score)):
                history[name].append(float(value))
            if step >= start and score < best:
                best, kept = score, copy.deepcopy(averaged)
    net.load_state_dict(kept)


_ = (np, Any)
