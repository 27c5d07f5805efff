"""A potential network on a line, fitted forward: its eigenstate is compared with values."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from qdens_nb.mpnn._log_psi import Recovered
from qdens_nb.mpnn._wavefunctions import check_points


class Box:
    """Sines of a box with hard walls: eigenstates of a potential given on midpoints.

    Parameters
    ----------
    left, right : float
        The walls.
    basis : int
        Number of sines; the potential is integrated by three midpoints a sine.
    """

    def __init__(self, left: float, right: float, basis: int) -> None:
        self.left, self.length = left, right - left
        self.k = np.arange(1, basis + 1) * np.pi / self.length
        count = 3 * basis
        self.step = self.length / count
        self.places = torch.from_numpy(left + self.step * (np.arange(count) + 0.5))
        self.sines = self.at(self.places.numpy())

    def at(self, x: np.ndarray) -> np.ndarray:
        """The sines at points, (B, basis)."""
        return np.sqrt(2 / self.length) * np.sin(np.outer(x - self.left, self.k))

    def state(self, potential: Tensor, level: int) -> tuple[Tensor, Tensor]:
        """Energy and coefficients of an eigenstate, differentiable in the potential."""
        return _Eigenstate.apply(potential, self, level)


class _Eigenstate(torch.autograd.Function):
    """One eigenstate; backwards by first-order perturbation theory."""

    @staticmethod
    def forward(ctx: Any, potential: Tensor, box: Box, level: int) -> tuple[Tensor, Tensor]:
        weighted = box.step * potential.numpy()[:, None] * box.sines
        energies, states = np.linalg.eigh(np.diag(box.k**2 / 2) + box.sines.T @ weighted)
        ctx.saved = (energies, states, box, level)
        return torch.tensor(energies[level]), torch.from_numpy(states[:, level].copy())

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> Any:
        energies, states, box, level = ctx.saved
        of_energy, of_state = (slope.numpy() for slope in slopes)
        gaps = energies[level] - energies
        gaps[level] = np.inf
        mixed = states @ ((states.T @ of_state) / gaps) + of_energy * states[:, level]
        return (
            torch.from_numpy(box.step * (box.sines @ mixed) * (box.sines @ states[:, level])),
            None,
            None,
        )


class LinePotential(torch.nn.Module):
    """U(x) on a line, a small tanh network in units of the data's own length."""

    def __init__(self, centre: float, length: float, *, width: int = 32, seed: int = 0) -> None:
        super().__init__()
        self.centre, self.length = centre, length
        rng = torch.Generator().manual_seed(seed)
        sizes = [1, width, width, 1]
        self.weights, self.biases = torch.nn.ParameterList(), torch.nn.ParameterList()
        for fan_in, fan_out in zip(sizes[:-1], sizes[1:], strict=True):
            gain = 1.0 if fan_out > 1 else 0.01
            draw = torch.randn(fan_in, fan_out, generator=rng, dtype=torch.float64)
            self.weights.append(torch.nn.Parameter(gain * draw / fan_in**0.5))
            draw = torch.randn(fan_out, generator=rng, dtype=torch.float64)
            self.biases.append(torch.nn.Parameter(draw if fan_out > 1 else 0 * draw))

    def forward(self, x: Tensor) -> Tensor:
        """The potential at points (B,)."""
        values = ((x - self.centre) / self.length)[:, None]
        for number, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            values = values @ weight + bias
            if number < 2:
                values = torch.nn.functional.silu(values)
        return values[:, 0] / self.length**2


def fit_forward(
    x: Tensor,
    psi: Tensor,
    pin: float,
    pinned: float,
    noise: float,
    additive: float,
    nodes: int,
    members: int,
    steps: int,
    seed: int,
    progress: bool,
) -> Recovered:
    """Fit potentials to values on a line by maximum likelihood; see `potential_from_values`."""
    from qdens_nb.mpnn._from_values import fit

    low, high = float(x.min()), float(x.max())
    margin = 0.2 * (high - low)
    weights = psi.square()
    centre = float((weights * x).sum() / weights.sum())
    length = float(((weights * (x - centre).square()).sum() / weights.sum()).sqrt())
    box = Box(low - margin, high + margin, basis=100)
    sines = torch.from_numpy(box.at(x.numpy()))
    history: dict[str, list[float]] = {"step": [], "train": [], "held_out": []}
    nets, energies = [], []
    for member in range(members):
        net = LinePotential(centre, length, seed=100 * seed + member)
        calls = [0]

        def misfit(
            at: Tensor, seen: Tensor, net: LinePotential = net, calls: list[int] = calls
        ) -> Tensor:
            if torch.is_grad_enabled():
                calls[0] += 1
            # At first every value counts alike; the noise as it is from half way on.
            floor = 10 ** -(1 + 5 * min(1.0, 2 * calls[0] / steps)) if noise else 0.0
            floor = max(additive, noise * floor)
            _, state = box.state(net(box.places), nodes)
            fitted = sines[at] @ state
            spread = ((noise * seen).square() + floor**2).sqrt()
            shape, target = fitted / spread, seen / spread
            scale = (shape @ target) / (shape @ shape)
            return (scale * shape - target).square().mean()

        fit(net, misfit, torch.arange(len(x)), psi, steps, 1e-2, 100 * seed + member, history,
            progress, start=steps // 2)  # fmt: skip
        with torch.no_grad():
            energies.append(float(box.state(net(box.places), nodes)[0]))
        nets.append(net)

    def shape(points: Tensor) -> Tensor:
        at = check_points(points, 1)[:, 0]
        with torch.no_grad():
            return torch.stack([net(at) - e for net, e in zip(nets, energies, strict=True)]).mean(0)

    energy = pinned - float(shape(torch.tensor([[pin]], dtype=torch.float64)))
    return Recovered(lambda points: energy + shape(points), energy, history)
