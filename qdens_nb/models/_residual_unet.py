"""Residual U-Net for maps inside hard walls, with attention at the coarsest level."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional as F


class Conv(nn.Module):
    """Zero-padded convolution on (B, X, Y, C); the weight is kept as a matrix (for Muon)."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int = 3) -> None:
        super().__init__()
        self.shape = (out_channels, kernel, kernel, in_channels)
        self.weight = nn.Parameter(torch.empty(out_channels, kernel**2 * in_channels))
        self.bias = nn.Parameter(torch.zeros(out_channels))
        nn.init.kaiming_normal_(self.weight, nonlinearity="relu")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        kernel = self.weight.view(self.shape).permute(0, 3, 1, 2)
        maps = F.conv2d(x.permute(0, 3, 1, 2), kernel, self.bias, padding=self.shape[1] // 2)
        return maps.permute(0, 2, 3, 1)


class Block(nn.Module):
    """x + conv(relu(conv(norm(x))))."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.conv1, self.conv2 = Conv(width, width), Conv(width, width)
        nn.init.zeros_(self.conv2.weight)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.conv2(torch.relu(self.conv1(self.norm(x))))


class Attention(nn.Module):
    """x + attention among all points: which of distant lobes takes the charge."""

    def __init__(self, width: int, heads: int = 4) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.query_key_value = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        nn.init.zeros_(self.out.weight)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        samples, sides, width = len(x), x.shape[1:3], x.shape[-1]
        points = self.query_key_value(self.norm(x)).flatten(1, 2)
        split = points.view(samples, -1, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(*split.unbind(0))
        return x + self.out(mixed.transpose(1, 2).reshape(samples, *sides, width))


def halve(x: torch.Tensor) -> torch.Tensor:
    """(B, X, Y, C) to (B, X/2, Y/2, 4C)."""
    samples, width, height, channels = x.shape
    parts = x.reshape(samples, width // 2, 2, height // 2, 2, channels)
    return parts.permute(0, 1, 3, 2, 4, 5).reshape(samples, width // 2, height // 2, 4 * channels)


def double(x: torch.Tensor) -> torch.Tensor:
    """Inverse of `halve`."""
    samples, width, height, channels = x.shape
    parts = x.reshape(samples, width, height, 2, 2, channels // 4).permute(0, 1, 3, 2, 4, 5)
    return parts.reshape(samples, 2 * width, 2 * height, channels // 4)


class ResidualUNet(nn.Module):
    """Maps of side 64 (or a multiple of 8) to maps of the same side.

    Nearly all layers work at half the resolution or less: the sites of the map enter, and leave,
    as 2 x 2 patches, and one convolution at full resolution smooths the seams.

    Parameters
    ----------
    in_channels : int
    outputs : sequence of str
        Names of the heads.
    blocks : int
        Residual blocks on the way down and on the way up at a half and a quarter of the resolution;
        at an eighth as many, each followed by attention.
    width : int
        Channels at half the resolution; twice as many at the coarser levels.
    """

    receptive_field = None
    divisor = 8

    def __init__(
        self, in_channels: int, outputs: Sequence[str], blocks: int = 2, width: int = 64
    ) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.outputs = tuple(outputs)
        seen, fine, wide = in_channels + 1, max(4, width // 4), 2 * width

        def level(channels: int) -> nn.Module:
            return nn.Sequential(*[Block(channels) for _ in range(blocks)])

        self.first = Conv(4 * seen, width)
        self.stem = nn.ModuleDict(
            {
                "down_half": level(width),
                "to_quarter": nn.Linear(4 * width, wide),
                "down_quarter": level(wide),
                "to_eighth": nn.Linear(4 * wide, wide),
                "eighth": nn.Sequential(
                    *[layer for _ in range(blocks) for layer in (Block(wide), Attention(wide))]
                ),
                "from_eighth": nn.Linear(wide, 4 * wide),
                "up_quarter": level(wide),
                "from_quarter": nn.Linear(wide, 4 * width),
                "up_half": level(width),
            }
        )
        self.last_norm = nn.LayerNorm(width)
        self.to_full = nn.Linear(width, 4 * fine)
        self.heads = Conv(fine + seen, len(self.outputs))
        nn.init.zeros_(self.heads.weight)

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        """Map (B, in_channels, X, Y) to a dict of (B, X, Y) tensors.

        Raises
        ------
        ValueError
            Another number of channels, or sides that are not multiples of 8.
        """
        if x.ndim != 4 or x.shape[1] != self.in_channels or x.shape[2] % 8 or x.shape[3] % 8:
            raise ValueError(
                f"input of shape {tuple(x.shape)}; expected (batch, {self.in_channels}, x, y) "
                "with sides that are multiples of 8"
            )
        s = self.stem
        seen = torch.cat([x.permute(0, 2, 3, 1), wall_channel(x)], -1)
        half = s["down_half"](self.first(halve(seen)))
        quarter = s["down_quarter"](s["to_quarter"](halve(half)))
        eighth = s["eighth"](s["to_eighth"](halve(quarter)))
        quarter = s["up_quarter"](quarter + double(s["from_eighth"](eighth)))
        half = s["up_half"](half + double(s["from_quarter"](quarter)))
        full = double(torch.relu(self.to_full(self.last_norm(half))))
        maps = self.heads(torch.cat([full, seen], -1)).float()
        return {name: maps[..., i] for i, name in enumerate(self.outputs)}


def wall_channel(x: torch.Tensor) -> torch.Tensor:
    """sin sin of the box, which tells the distance to the hard walls: (B, X, Y, 1)."""
    sides = []
    for points in x.shape[-2:]:
        middle = (torch.arange(points, device=x.device, dtype=x.dtype) + 0.5) / points
        sides.append(torch.sin(torch.pi * middle))
    wall = sides[0][:, None] * sides[1]
    return wall.expand(len(x), -1, -1)[..., None]
