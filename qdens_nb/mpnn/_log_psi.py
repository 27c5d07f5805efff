r"""A smooth network for log psi of a nodeless state, with its exact gradient and Laplacian.

With :math:`\phi = \log\psi` the potential of a nodeless state is

.. math::  V - E = \tfrac12 \left(\nabla^2\phi + |\nabla\phi|^2\right),

so a smooth fit of :math:`\phi` is a potential. Value, gradient and Laplacian are carried forward
through the layers together, at the cost of D + 2 evaluations of the network.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from qdens_nb.mpnn._wavefunctions import check_points


@dataclass(frozen=True)
class Recovered:
    """A potential learned from data.

    Attributes
    ----------
    potential : callable
        (B, D) points -> (B,) float64, in Hartree; equal to the pinned value at the pin.
    energy : float
        Energy of the state, in Hartree.
    history : dict of list
        What was watched during the training, by name; ``"step"`` counts the updates.
    log_psi : callable, optional
        (B, D) -> (B,), log |psi| up to a constant, where the method has it.
    kinetic : float, optional
        <T> of the state, in Hartree, where the method has it.
    """

    potential: Callable[[Tensor], Tensor]
    energy: float
    history: dict[str, list[float]] = field(default_factory=dict)
    log_psi: Callable[[Tensor], Tensor] | None = None
    kinetic: float | None = None


class LogPsi(torch.nn.Module):
    """Multilayer perceptron for log psi of D coordinates and of the distances to given points.

    Parameters
    ----------
    points : (B, D) tensor
        Data, from which the scale of the inputs is taken: their mean and covariance.
    cusps : sequence of points
        Points whose distance is a further input: places where log psi may have a kink.
    gaussian : bool
        Whether the network is added to the log psi of the Gaussian with the moments of `points`.
    width, layers : int
        Of the hidden layers.
    seed : int
        Of the weights.
    """

    def __init__(
        self,
        points: Tensor,
        *,
        cusps: Sequence[Sequence[float]] = (),
        gaussian: bool = False,
        width: int = 64,
        layers: int = 2,
        seed: int = 0,
    ) -> None:
        super().__init__()
        dims = points.shape[1]
        covariance = torch.atleast_2d(torch.cov(points.double().T))
        values, axes = torch.linalg.eigh(covariance)
        if values[0] <= 1e-12 * values[-1]:
            raise ValueError("the points lie in a subspace: one of the coordinates is redundant")
        whiten = axes @ torch.diag(values**-0.5) @ axes.T
        places = torch.tensor(cusps, dtype=torch.float64).reshape(-1, dims)
        self.register_buffer("centre", points.double().mean(0).float())
        self.register_buffer("whiten", whiten.float())
        self.register_buffer("places", places.float())
        self.scale = float(values.mean().sqrt())
        self.gaussian = gaussian
        rng = torch.Generator().manual_seed(seed)
        sizes = [dims + len(places), *[width] * layers, 1]
        self.weights = torch.nn.ParameterList()
        self.biases = torch.nn.ParameterList()
        for fan_in, fan_out in zip(sizes[:-1], sizes[1:], strict=True):
            gain = 1.0 if fan_out > 1 else 0.1
            draw = torch.randn(fan_in, fan_out, generator=rng)
            self.weights.append(torch.nn.Parameter(gain * draw / fan_in**0.5))
            self.biases.append(torch.nn.Parameter(0.5 * torch.randn(fan_out, generator=rng)))

    def forward(self, points: Tensor) -> Tensor:
        """log psi up to a constant, (B,) at points (B, D)."""
        scaled = (points - self.centre) @ self.whiten
        inputs = scaled
        if len(self.places):
            inputs = torch.cat([scaled, torch.cdist(points, self.places) / self.scale], dim=1)
        for number, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            inputs = inputs @ weight + bias
            if number < len(self.weights) - 1:
                inputs = torch.nn.functional.silu(inputs)
        value = inputs[:, 0]
        return value - scaled.square().sum(1) / 4 if self.gaussian else value

    def derivatives(self, points: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """log psi (B,), its gradient (B, D) and its Laplacian (B,) at points (B, D)."""
        scaled = (points - self.centre) @ self.whiten
        value, slope = scaled, self.whiten.expand(len(points), -1, -1)
        bend = torch.zeros_like(scaled)
        if len(self.places):
            apart = points[:, None, :] - self.places
            far = apart.square().sum(-1).sqrt() / self.scale
            unit = apart / far[..., None] / self.scale**2
            value = torch.cat([value, far], dim=1)
            slope = torch.cat([slope, unit.transpose(1, 2)], dim=2)
            bend = torch.cat([bend, (points.shape[1] - 1) / far / self.scale**2], dim=1)
        for number, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            value, slope, bend = value @ weight + bias, slope @ weight, bend @ weight
            if number < len(self.weights) - 1:
                gate = torch.sigmoid(value)
                fall = gate * (1 - gate)
                first = gate + value * fall
                second = fall * (2 + value * (1 - 2 * gate))
                bend = first * bend + second * slope.square().sum(1)
                slope = first[:, None, :] * slope
                value = value * gate
        phi, gradient, laplacian = value[:, 0], slope[..., 0], bend[:, 0]
        if self.gaussian:
            phi = phi - scaled.square().sum(1) / 4
            gradient = gradient - scaled @ self.whiten.T / 2
            laplacian = laplacian - self.whiten.square().sum() / 2
        return phi, gradient, laplacian

    def excess(self, points: Tensor) -> Tensor:
        """V - E = (laplace phi + |grad phi|^2) / 2, (B,) at points (B, D)."""
        _, gradient, laplacian = self.derivatives(points)
        return (laplacian + gradient.square().sum(1)) / 2


def committee(
    members: Sequence[LogPsi],
    *,
    pin: Sequence[float],
    pinned: float,
    history: dict[str, list[float]],
    kinetic: float | None = None,
) -> Recovered:
    """The potential of the mean of several log psi, pinned to a value at a point."""
    dims = len(pin)

    def excess(points: Tensor) -> Tensor:
        parts = []
        with torch.no_grad():
            for some in check_points(points, dims).split(4096):
                found = [member.derivatives(some.float()) for member in members]
                gradient = torch.stack([each[1] for each in found]).double().mean(0)
                laplacian = torch.stack([each[2] for each in found]).double().mean(0)
                parts.append((laplacian + gradient.square().sum(1)) / 2)
        return torch.cat(parts) if parts else torch.zeros(0, dtype=torch.float64)

    def log_psi(points: Tensor) -> Tensor:
        with torch.no_grad():
            found = [member(check_points(points, dims).float()) for member in members]
        return torch.stack(found).double().mean(0)

    energy = pinned - float(excess(torch.tensor([list(pin)], dtype=torch.float64)))
    return Recovered(lambda points: energy + excess(points), energy, history, log_psi, kinetic)
