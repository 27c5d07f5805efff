"""The paper's two-dimensional network: plain periodic convolutions, several maps at once."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from qdens_nb.models._lattice_layers import PeriodicConv2d, lattice_normalisation


class LatticeNetwork(nn.Module):
    """What the networks on the torus share: inputs, outputs, the last layer.

    Subclasses fill ``first``, ``stem`` (site fields to site fields, (B, X, Y, width)) and
    ``receptive_field``.
    """

    first: nn.Module
    stem: nn.Module
    receptive_field: int

    def __init__(self, in_channels: int, outputs: Sequence[str], width: int, norm: str) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.outputs = tuple(outputs)
        self.last_norm = lattice_normalisation(norm, width)
        self.heads = nn.Linear(width, len(self.outputs))

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        """Map (B, in_channels, X, Y) to a dict of (B, X, Y) tensors.

        Raises
        ------
        ValueError
            Another number of channels than the network was built for.
        """
        if x.ndim != 4 or x.shape[1] != self.in_channels:
            raise ValueError(
                f"input of shape {tuple(x.shape)}; expected (batch, {self.in_channels}, x, y)"
            )
        hidden = self.stem(self.first(x.permute(0, 2, 3, 1)))
        maps = self.heads(torch.relu(self.last_norm(hidden))).float()
        return {name: maps[..., i] for i, name in enumerate(self.outputs)}


class _Layer(nn.Module):
    def __init__(self, width: int, kernel: int, norm: str) -> None:
        super().__init__()
        self.norm = lattice_normalisation(norm, width)
        self.conv = PeriodicConv2d(width, width, kernel)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv(torch.relu(self.norm(x)))


class LatticeCNN(LatticeNetwork):
    """Plain stack of periodic convolutions, translation equivariant, any sides.

    Parameters
    ----------
    in_channels : int
        Input channels (fields and constant coupling channels).
    outputs : sequence of str
        Names of the heads.
    layers, width : int
        Convolutions and their channels; the paper's are 20 and 200.
    norm : {"batch", "layer"}
        Normalisation; the paper's is batch.
    first_kernel, kernel : int
        Kernel sizes of the first and of the other layers.

    Notes
    -----
    The receptive field is ``first_kernel + (layers - 1) (kernel - 1)`` sites a side.
    """

    def __init__(
        self,
        in_channels: int,
        outputs: Sequence[str],
        layers: int = 20,
        width: int = 200,
        norm: str = "batch",
        first_kernel: int = 5,
        kernel: int = 3,
    ) -> None:
        super().__init__(in_channels, outputs, width, norm)
        self.receptive_field = first_kernel + (layers - 1) * (kernel - 1)
        self.first = PeriodicConv2d(in_channels, width, first_kernel)
        self.stem = nn.Sequential(*[_Layer(width, kernel, norm) for _ in range(layers - 1)])
