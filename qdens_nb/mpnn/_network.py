"""The network that is the potential: U_theta(r)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from qdens_nb.mpnn._wavefunctions import WaveFunction

#: The layers of the paper's code: residual over the last hidden one.
PAPER_WIDTHS = (32, 32, 128, 128)
INPUTS = ("coordinates", "distance", "log_distance")
ACTIVATIONS = {"relu": nn.ReLU, "silu": nn.SiLU, "tanh": nn.Tanh}


class PotentialNet(nn.Module):
    """A multilayer perceptron from coordinates to a potential.

    Where the last two hidden layers have the same width the second is residual, as in the paper's
    code (3-32-32-128-128-1).

    Parameters
    ----------
    wave : WaveFunction
        Gives the number of coordinates, the particles that share them, the known part of the
        potential (`interaction`) and the places of possible cusps. Of several identical particles
        the network is the one-body potential, and U is its sum and the interaction.
    widths : sequence of int
        Hidden layers.
    activation : {"relu", "silu", "tanh"}
    inputs : sequence of {"coordinates", "distance", "log_distance"}
        What the network is told: x, y, z; the distance to each known cusp, which is a place, not
        a potential; its logarithm.
    delta : float, optional
        Draw all parameters from N(0, delta^2): "randomly initializing and then multiplying with a
        small factor" (paper, section IV). Without it torch's own initialisation.
    hard_pin : bool
        Subtract the value at r0 and add the known one, so that U(r0) = V(r0) always; without, a
        penalty has to see to it.
    seed : int
        Of the initial parameters.
    """

    pin: Tensor
    cusps: Tensor

    def __init__(
        self,
        wave: WaveFunction,
        *,
        widths: Sequence[int] = PAPER_WIDTHS,
        activation: str = "relu",
        inputs: Sequence[str] = ("coordinates",),
        delta: float | None = 0.01,
        hard_pin: bool = False,
        seed: int = 0,
    ) -> None:
        super().__init__()
        inputs = (inputs,) if isinstance(inputs, str) else tuple(inputs)
        if not inputs or any(name not in INPUTS for name in inputs):
            raise ValueError(f"inputs={inputs!r}; expected some of {', '.join(INPUTS)}")
        if activation not in ACTIVATIONS:
            raise ValueError(f"activation={activation!r}; expected one of {', '.join(ACTIVATIONS)}")
        if not widths or min(widths) < 1:
            raise ValueError(f"widths={widths!r}; expected at least one positive width")
        self.inputs, self.hard_pin, self.wave = inputs, hard_pin, wave
        self.body_dims = wave.dims // wave.particles
        cusps = torch.tensor(wave.cusps, dtype=torch.float64).reshape(-1, self.body_dims)
        self.register_buffer("cusps", cusps, persistent=False)
        pin = torch.tensor([wave.pin], dtype=torch.float64)
        self.register_buffer("pin", pin, persistent=False)
        self.pinned = wave.pinned_value
        given = self.features(torch.zeros(1, self.body_dims, dtype=torch.float64)).shape[-1]
        sizes = [given, *widths]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(sizes))
            self.last = nn.Linear(sizes[-1], 1)
            if delta is not None:
                for parameter in self.parameters():
                    nn.init.normal_(parameter, std=delta)
        self.activation = ACTIVATIONS[activation]()

    @property
    def parameter_count(self) -> int:
        """Number of parameters."""
        return sum(parameter.numel() for parameter in self.parameters())

    def features(self, places: Tensor) -> Tensor:
        """What the network sees of the places of one particle, (B, d) -> (B, features)."""
        parts = []
        if "coordinates" in self.inputs:
            parts.append(places)
        if len(self.cusps) and {"distance", "log_distance"} & set(self.inputs):
            distance = torch.linalg.vector_norm(places[:, None] - self.cusps, dim=-1)
            if "distance" in self.inputs:
                parts.append(distance)
            if "log_distance" in self.inputs:
                parts.append(distance.clamp_min(1e-12).log())
        if not parts:
            raise ValueError(
                f"inputs={self.inputs!r}, but {self.wave.name} has no cusps to measure from; "
                "add 'coordinates'"
            )
        return torch.cat(parts, dim=-1)

    def one_body(self, places: Tensor) -> Tensor:
        """The raw network for places of one particle, (B, d) -> (B,)."""
        signal = self.features(places).to(self.last.weight.dtype)
        for number, layer in enumerate(self.layers):
            stronger = self.activation(layer(signal))
            residual = number == len(self.layers) - 1 and stronger.shape == signal.shape
            signal = signal + stronger if residual else stronger
        return self.last(signal)[..., 0]

    def unpinned(self, points: Tensor) -> Tensor:
        """The potential up to a constant, (B, D) -> (B,)."""
        points = points.to(torch.float64)
        bodies = points.reshape(-1, self.body_dims)
        potential = self.one_body(bodies).reshape(len(points), -1).sum(-1)
        if self.wave.interaction is not None:
            potential = potential + self.wave.interaction(points).to(potential.dtype)
        return potential

    def shift(self) -> Tensor:
        """The constant V(r0) - U(r0) that `hard_pin` adds."""
        return self.pinned - self.unpinned(self.pin)[0]

    def forward(self, points: Tensor) -> Tensor:
        """The potential U, (B, D) -> (B,)."""
        potential = self.unpinned(points)
        return potential + self.shift() if self.hard_pin else potential
