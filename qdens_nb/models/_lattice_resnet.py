"""Residual network on the torus with squeeze-excite gates, small enough for sliders."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from qdens_nb.models._lattice_cnn import LatticeNetwork
from qdens_nb.models._lattice_layers import (
    PeriodicConv2d,
    SqueezeExcite,
    lattice_normalisation,
)


class LatticeBlock(nn.Module):
    """x + gate(conv(relu(norm(conv(relu(norm(x)))))))."""

    def __init__(self, channels: int, kernel_size: int, norm: str, squeeze: str) -> None:
        super().__init__()
        self.norm1 = lattice_normalisation(norm, channels)
        self.conv1 = PeriodicConv2d(channels, channels, kernel_size)
        self.norm2 = lattice_normalisation(norm, channels)
        self.conv2 = PeriodicConv2d(channels, channels, kernel_size)
        nn.init.zeros_(self.conv2.weight)
        self.gate = nn.Identity() if squeeze == "none" else SqueezeExcite(channels, squeeze)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.conv1(torch.relu(self.norm1(x)))
        return x + self.gate(self.conv2(torch.relu(self.norm2(y))))


class LatticeResNet(LatticeNetwork):
    """Residual blocks of two periodic convolutions, each with squeeze-excite gates.

    Parameters
    ----------
    in_channels, outputs, norm, first_kernel, kernel
        As for `LatticeCNN`.
    blocks, width : int
        Residual blocks and channels.
    squeeze : {"none", "local", "global"}
        Where the gates take the mean of the channels; see `SqueezeExcite`. Only "none" and "local"
        give answers in the middle of a large lattice that do not depend on its far parts.

    Notes
    -----
    The receptive field is ``first_kernel + 2 blocks (kernel - 1)`` sites a side, and six more with
    each local gate.
    """

    def __init__(
        self,
        in_channels: int,
        outputs: Sequence[str],
        blocks: int = 6,
        width: int = 64,
        norm: str = "layer",
        squeeze: str = "local",
        first_kernel: int = 5,
        kernel: int = 3,
    ) -> None:
        super().__init__(in_channels, outputs, width, norm)
        window = 6 if squeeze == "local" else 0
        self.receptive_field = first_kernel + blocks * (2 * (kernel - 1) + window)
        self.first = PeriodicConv2d(in_channels, width, first_kernel)
        self.stem = nn.Sequential(
            *[LatticeBlock(width, kernel, norm, squeeze) for _ in range(blocks)]
        )
