"""Periodic convolutions on rings, stored channels last so that a layer is one matrix product."""

from __future__ import annotations

import torch
from torch import nn


class PeriodicConv1d(nn.Module):
    """Convolution with wrap-around on (B, L, C) tensors; any L, also shorter than the kernel."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int) -> None:
        super().__init__()
        if kernel_size % 2 == 0:
            raise ValueError(f"kernel_size={kernel_size}; give an odd number")
        self.reach = kernel_size // 2
        self.linear = nn.Linear(kernel_size * in_channels, out_channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        shifts = range(self.reach, -self.reach - 1, -1)
        return self.linear(torch.cat([x.roll(shift, 1) for shift in shifts], dim=-1))


class SiteBatchNorm(nn.Module):
    """Batch normalisation over samples and sites of a (B, L, C) tensor."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.norm(x.flatten(0, 1)).view_as(x)


def normalisation(kind: str, channels: int) -> nn.Module:
    """``"batch"`` (the paper's) or ``"layer"`` (no running statistics)."""
    if kind == "batch":
        return SiteBatchNorm(channels)
    if kind == "layer":
        return nn.LayerNorm(channels)
    raise ValueError(f"norm={kind!r}; choose 'batch' or 'layer'")


class ResidualBlock(nn.Module):
    """Two periodic convolutions around an identity: x + conv(relu(norm(conv(relu(norm(x))))))."""

    def __init__(self, channels: int, kernel_size: int, norm: str) -> None:
        super().__init__()
        self.norm1 = normalisation(norm, channels)
        self.conv1 = PeriodicConv1d(channels, channels, kernel_size)
        self.norm2 = normalisation(norm, channels)
        self.conv2 = PeriodicConv1d(channels, channels, kernel_size)
        nn.init.zeros_(self.conv2.linear.weight)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.conv1(torch.relu(self.norm1(x)))
        return x + self.conv2(torch.relu(self.norm2(y)))
