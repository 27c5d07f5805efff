r"""The potential behind measured positions: samples of |psi|^2, no values.

For a nodeless ground state :math:`\psi = e^{\phi}` of a trial network, the Hamiltonian
:math:`H_\phi = T + V_\phi` with :math:`V_\phi = \tfrac12(\nabla^2\phi + |\nabla\phi|^2)` has ground
energy zero, as :math:`e^\phi` has no node. By the principle of Rayleigh and Ritz the true state
obeys :math:`\langle\psi|H_\phi|\psi\rangle \ge 0`, so

.. math::
   \langle V_\phi \rangle_{|\psi|^2} \;\ge\; -\langle T \rangle_\psi ,

with equality if and only if :math:`e^\phi = \psi`. The left side is an average over the measured
positions alone: minimising it finds the state, and minus its minimum is the kinetic energy. Four
times the left side is the objective of score matching, :math:`\mathbb E[\tfrac12|s|^2 +
\nabla\cdot s]` with :math:`s = 2\nabla\phi` (A. Hyvärinen, J. Mach. Learn. Res. 6, 695 (2005)):
score matching is the variational principle read backwards, for the potential at a given state.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import Tensor
from tqdm.auto import tqdm

from qdens_nb.mpnn._log_psi import LogPsi, Recovered, committee
from qdens_nb.mpnn._wavefunctions import check_points

#: Fewer points than this leave no second derivative to speak of.
FEWEST = 200


def potential_from_samples(
    points: Tensor,
    *,
    pin: Sequence[float],
    pinned: float,
    cusps: Sequence[Sequence[float]] = (),
    gaussian: bool | None = None,
    width: int = 64,
    layers: int = 2,
    steps: int = 1500,
    batch: int = 1000,
    learning_rate: float = 3e-3,
    held_out: float = 0.1,
    members: int = 1,
    seed: int = 0,
    progress: bool = False,
) -> Recovered:
    """Learn the potential of a nodeless ground state from samples of its density.

    Parameters
    ----------
    points : (N, D) array_like
        Measured positions, distributed as |psi|^2; N >= 200.
    pin : (D,) sequence of float
        Point at which the potential is known.
    pinned : float
        The potential there: the density says nothing about its constant.
    cusps : sequence of (D,) points
        Where log psi may have a kink, e.g. nuclei; the distance to each is an input.
    gaussian : bool, optional
        Whether the network is a correction to the Gaussian with the moments of the points; by
        default if there are no `cusps`. For an oscillator that is the answer itself.
    width, layers : int
        Of the network.
    steps, batch, learning_rate
        Of Adam; the rate falls to zero along a cosine.
    held_out : float
        Share of the points, in (0, 1), on which the averaged weights that are kept are chosen.
    members : int
        Networks whose log psi is averaged; each holds out other points.
    seed : int
        Of the weights, the held-out points and the batches.
    progress : bool
        Whether a bar is shown.

    Returns
    -------
    Recovered
        ``history`` holds ``step``, ``train`` and ``held_out``: <V - E> over the points, which falls
        to -<T>.

    Raises
    ------
    ValueError
        For too few points, NaN, other shapes, or numbers out of range.
    """
    data = check_points(points, len(pin))
    if len(data) < FEWEST:
        raise ValueError(f"{len(data)} points; expected at least {FEWEST}")
    for name, value in (("steps", steps), ("batch", batch), ("members", members)):
        if value < 1:
            raise ValueError(f"{name}={value}; expected at least 1")
    if not 0 < held_out < 1:
        raise ValueError(f"held_out={held_out}; expected a share between 0 and 1")
    gaussian = not cusps if gaussian is None else gaussian
    chosen, history = [], {"step": [], "train": [], "held_out": []}
    for member in range(members):
        net, best = _train(
            LogPsi(
                data, cusps=cusps, gaussian=gaussian, width=width, layers=layers, seed=seed + member
            ),
            data.float(),
            torch.Generator().manual_seed(1000 * seed + member),
            history,
            steps,
            batch,
            learning_rate,
            held_out,
            progress,
        )
        chosen.append((net, best))
    kinetic = -sum(best for _, best in chosen) / members
    nets = [net for net, _ in chosen]
    return committee(nets, pin=pin, pinned=pinned, history=history, kinetic=kinetic)


def _train(
    net: LogPsi,
    data: Tensor,
    rng: torch.Generator,
    history: dict[str, list[float]],
    steps: int,
    batch: int,
    learning_rate: float,
    held_out: float,
    progress: bool,
) -> tuple[LogPsi, float]:
    """The averaged weights that do best on the held-out points, and <V - E> there."""
    order = torch.randperm(len(data), generator=rng)
    aside = max(1, int(held_out * len(data)))
    check, train = data[order[:aside]], data[order[aside:]]
    averaged, best, kept = copy.deepcopy(net), float("inf"), copy.deepcopy(net)
    optimiser = torch.optim.Adam(net.parameters(), lr=learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    every, running = max(1, steps // 40), 0.0
    for step in tqdm(range(1, steps + 1), desc="score matching", disable=not progress):
        some = train[torch.randint(len(train), (min(batch, len(train)),), generator=rng)]
        loss = net.excess(some).mean()
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 10.0)
        optimiser.step()
        schedule.step()
        running = loss.item() if step == 1 else 0.95 * running + 0.05 * loss.item()
        decay = min(0.99, step / (step + 10))
        with torch.no_grad():
            for mean, now in zip(averaged.parameters(), net.parameters(), strict=True):
                mean.lerp_(now, 1 - decay)
            if step % every == 0 or step == steps:
                score = float(torch.cat([averaged.excess(p) for p in check.split(4096)]).mean())
                for name, value in (("step", step), ("train", running), ("held_out", score)):
                    history[name].append(float(value))
                if score < best:
                    best, kept = score, copy.deepcopy(averaged)
    return kept, best
