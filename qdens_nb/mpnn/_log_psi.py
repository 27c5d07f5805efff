r"""A smooth network for log psi of a nodeless state, with its exact gradient and Laplacian.

With :math:`\phi = \log\psi` the potential of a nodeless state is

.. math::  V - E = \tfrac12 \left(\nabla^2\phi + |\nabla\phi|^2\right),

so a smooth fit of :math:`\phi` is a potential. Value, gradient and Laplacian are carried forward
through the layers together, at the cost of D + 2 evaluations of the network.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor

from qdens_nb.mpnn._wavefunctions import check_points

Jet = tuple[Tensor, Tensor, Tensor]


class HasDerivatives(Protocol):
    """log psi of points, and its value, gradient and Laplacian."""

    def __call__(self, points: Tensor) -> Tensor: ...

    def derivatives(self, points: Tensor) -> Jet: ...


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
        What was watched during the training, network after network, by name.
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


class Perceptron(torch.nn.Module):
    """Layers with SiLU between them and one output, with derivatives by inputs and by weights.

    Parameters
    ----------
    sizes : sequence of int
        Inputs, hidden widths, and 1.
    seed : int
        Of the weights.
    gain : float
        Factor of the weights of the last layer.
    """

    def __init__(self, sizes: Sequence[int], *, seed: int = 0, gain: float = 0.1) -> None:
        super().__init__()
        rng = torch.Generator().manual_seed(seed)
        self.weights, self.biases = torch.nn.ParameterList(), torch.nn.ParameterList()
        for number, (fan_in, fan_out) in enumerate(itertools.pairwise(sizes)):
            last = number == len(sizes) - 2
            draw = torch.randn(fan_in, fan_out, generator=rng) / fan_in**0.5
            self.weights.append(torch.nn.Parameter((gain if last else 1.0) * draw))
            draw = torch.randn(fan_out, generator=rng)
            self.biases.append(torch.nn.Parameter((0.0 if last else 1.0) * draw))

    def forward(self, inputs: Tensor) -> Tensor:
        """(B, inputs) -> (B,)."""
        for number, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            inputs = (torch.nn.functional.silu(inputs) if number else inputs) @ weight + bias
        return inputs[:, 0]

    def carry(self, value: Tensor, slope: Tensor, bend: Tensor) -> Jet:
        """Output (B,), gradient (B, D) and Laplacian (B,) from those of the inputs.

        The inputs are (B, inputs), (B, D, inputs) and (B, inputs).
        """
        for number, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            if number:
                value, first, second = _silu(value)
                bend = first * bend + second * slope.square().sum(1)
                slope = first[:, None, :] * slope
            value, slope, bend = value @ weight + bias, slope @ weight, bend @ weight
        return value[:, 0], slope[..., 0], bend[:, 0]

    def by_weights(self, inputs: Tensor) -> Tensor:
        """Derivatives of the outputs by all weights, (B, P), in the order of `parameters()`."""
        with torch.no_grad():
            layers, gates = [], []
            for number, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
                if number:
                    inputs, first, _ = _silu(inputs)
                    gates.append(first)
                layers.append(inputs)
                inputs = inputs @ weight + bias
            back, of_weights, of_biases = torch.ones_like(inputs), [], []
            for number in range(len(layers) - 1, -1, -1):
                of_weights.append((layers[number][:, :, None] * back[:, None, :]).flatten(1))
                of_biases.append(back)
                if number:
                    back = (back @ self.weights[number].T) * gates[number - 1]
            return torch.cat(of_weights[::-1] + of_biases[::-1], dim=1)

    @property
    def theta(self) -> Tensor:
        """All weights as a vector (P,)."""
        return torch.nn.utils.parameters_to_vector(self.parameters()).detach()

    def load(self, theta: Tensor) -> None:
        """Take all weights from a vector."""
        torch.nn.utils.vector_to_parameters(theta, self.parameters())


def _silu(z: Tensor) -> Jet:
    """z sigmoid(z), its first and its second derivative."""
    gate = torch.sigmoid(z)
    fall = gate * (1 - gate)
    return z * gate, gate + z * fall, fall * (2 + z * (1 - 2 * gate))


class Inputs(torch.nn.Module):
    """What a network for log psi sees: scaled coordinates, and distances at which it has kinks.

    Parameters
    ----------
    points : (B, D) tensor
        Data, from which the scale of the inputs is taken: their mean and covariance.
    cusps : sequence of points
        Fixed points in the space of one particle; the distance of each particle is an input.
    particles : int
        Among which the coordinates are shared; the distances of pairs are inputs.
    """

    centre: Tensor
    whiten: Tensor
    maps: Tensor
    places: Tensor

    def __init__(
        self, points: Tensor, *, cusps: Sequence[Sequence[float]] = (), particles: int = 1
    ) -> None:
        super().__init__()
        dims = points.shape[1]
        if particles < 1 or dims % particles:
            raise ValueError(f"particles={particles} do not share {dims} coordinates evenly")
        values, axes = torch.linalg.eigh(torch.atleast_2d(torch.cov(points.T)))
        if values[0] <= 1e-9 * values[-1]:
            raise ValueError("the points lie in a subspace: one of the coordinates is redundant")
        maps, places = _distances(dims, particles, cusps)
        self.register_buffer("centre", points.mean(0))
        self.register_buffer("whiten", axes @ torch.diag(values**-0.5) @ axes.T)
        self.register_buffer("maps", maps)
        self.register_buffer("places", places)
        self.scale = float(values.mean().sqrt())
        self.count = dims + len(maps)

    def forward(self, points: Tensor) -> Tensor:
        """Inputs (B, count) at points (B, D)."""
        scaled = (points - self.centre) @ self.whiten
        if not len(self.maps):
            return scaled
        apart = torch.einsum("ckd,bd->bck", self.maps, points) - self.places
        return torch.cat([scaled, apart.square().sum(-1).sqrt() / self.scale], dim=1)

    def jet(self, points: Tensor) -> Jet:
        """Inputs (B, count), their gradients (B, D, count) and Laplacians (B, count)."""
        value = (points - self.centre) @ self.whiten
        slope, bend = self.whiten.expand(len(points), -1, -1), torch.zeros_like(value)
        if len(self.maps):
            apart = torch.einsum("ckd,bd->bck", self.maps, points) - self.places
            far = apart.square().sum(-1).sqrt().clamp(min=1e-12)
            unit = apart / far[..., None]
            along = torch.einsum("ckd,bck->bdc", self.maps, unit)
            rest = self.maps.square().sum((1, 2)) - along.square().sum(1)
            value = torch.cat([value, far / self.scale], dim=1)
            slope = torch.cat([slope, along / self.scale], dim=2)
            bend = torch.cat([bend, rest / far / self.scale], dim=1)
        return value, slope, bend


class LogPsi(torch.nn.Module):
    """Perceptron for log psi of the `Inputs`, in double precision."""

    def __init__(self, inputs: Inputs, *, width: int = 16, layers: int = 2, seed: int = 0) -> None:
        super().__init__()
        self.inputs = inputs
        self.perceptron = Perceptron([inputs.count, *[width] * layers, 1], seed=seed).double()

    def forward(self, points: Tensor) -> Tensor:
        """log psi up to a constant, (B,) at points (B, D)."""
        return self.perceptron(self.inputs(points))

    def derivatives(self, points: Tensor) -> Jet:
        """log psi (B,), its gradient (B, D) and its Laplacian (B,) at points (B, D)."""
        return self.perceptron.carry(*self.inputs.jet(points))


def _distances(
    dims: int, particles: int, cusps: Sequence[Sequence[float]]
) -> tuple[Tensor, Tensor]:
    """Maps (C, k, D) and places (C, k): the distances are |map x - place|."""
    k = dims // particles
    blocks = torch.eye(dims, dtype=torch.float64).reshape(particles, k, dims)
    maps, places = [], []
    for cusp in cusps:
        if len(cusp) != k:
            raise ValueError(f"a cusp has {len(cusp)} coordinates; a particle has {k}")
        for block in blocks:
            maps.append(block)
            places.append(torch.tensor([float(c) for c in cusp], dtype=torch.float64))
    for one in range(particles):
        for other in range(one):
            maps.append(blocks[one] - blocks[other])
            places.append(torch.zeros(k, dtype=torch.float64))
    if not maps:
        return blocks.new_zeros(0, k, dims), blocks.new_zeros(0, k)
    return torch.stack(maps), torch.stack(places)


def committee(
    members: Sequence[HasDerivatives],
    *,
    pin: Sequence[float],
    pinned: float,
    history: dict[str, list[float]],
    kinetic: float | None = None,
) -> Recovered:
    """The potential of the mean of several log psi, pinned to a value at a point."""
    dims = len(pin)

    def excess(points: Tensor) -> Tensor:
        parts = [torch.zeros(0, dtype=torch.float64)]
        with torch.no_grad():
            for some in check_points(points, dims).split(2048):
                found = [member.derivatives(some) for member in members]
                gradient = torch.stack([each[1] for each in found]).mean(0)
                laplacian = torch.stack([each[2] for each in found]).mean(0)
                parts.append((laplacian + gradient.square().sum(1)) / 2)
        return torch.cat(parts)

    def log_psi(points: Tensor) -> Tensor:
        at = check_points(points, dims)
        with torch.no_grad():
            return torch.stack([member(at) for member in members]).mean(0)

    energy = pinned - float(excess(torch.tensor([list(pin)], dtype=torch.float64)))
    return Recovered(lambda points: energy + excess(points), energy, history, log_psi, kinetic)
