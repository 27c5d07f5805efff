"""Periodic convolutions on the torus, on (B, X, Y, C) tensors.

The weight of a convolution is kept as a matrix (what the Muon optimiser takes), whose view is the
channels-last kernel that the compiled convolution wants. On a CPU, wrapping the lattice by one
gather and then convolving is faster than shifted copies and one matrix product.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F


def wrap(x: torch.Tensor, reach: int) -> torch.Tensor:
    """Continue a (B, X, Y, C) tensor periodically by `reach` sites on each side."""
    _, width, height, channels = x.shape
    rows = torch.arange(-reach, width + reach, device=x.device) % width
    columns = torch.arange(-reach, height + reach, device=x.device) % height
    index = (rows[:, None] * height + columns).flatten()
    wide = x.reshape(-1, width * height, channels).index_select(1, index)
    return wide.view(-1, len(rows), len(columns), channels)


class PeriodicConv2d(nn.Module):
    """Convolution with wrap-around on (B, X, Y, C) tensors; any sides."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int) -> None:
        super().__init__()
        if kernel_size % 2 == 0:
            raise ValueError(f"kernel_size={kernel_size}; give an odd number")
        self.shape = (out_channels, kernel_size, kernel_size, in_channels)
        fan_in = kernel_size**2 * in_channels
        self.weight = nn.Parameter(torch.empty(out_channels, fan_in))
        self.bias = nn.Parameter(torch.zeros(out_channels))
        nn.init.kaiming_normal_(self.weight, nonlinearity="relu")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        kernel = self.weight.view(self.shape).permute(0, 3, 1, 2)
        wide = wrap(x, self.shape[1] // 2).permute(0, 3, 1, 2)
        return F.conv2d(wide, kernel, self.bias).permute(0, 2, 3, 1)


class LatticeBatchNorm(nn.Module):
    """Batch normalisation over samples and sites of a (B, X, Y, C) tensor."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.norm(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)


def lattice_normalisation(kind: str, channels: int) -> nn.Module:
    """``"batch"`` (the paper's) or ``"layer"`` (site by site, no running statistics)."""
    if kind == "batch":
        return LatticeBatchNorm(channels)
    if kind == "layer":
        return nn.LayerNorm(channels)
    raise ValueError(f"norm={kind!r}; choose 'batch' or 'layer'")


def _circulant(sites: int, reach: int, like: torch.Tensor) -> torch.Tensor:
    shift = torch.arange(sites, device=like.device)
    distance = torch.stack([(shift + k) % sites for k in range(-reach, reach + 1)])
    matrix = torch.zeros(sites, sites, device=like.device)
    matrix.index_put_(
        (shift.expand_as(distance), distance), torch.tensor(1 / len(distance)), accumulate=True
    )
    return matrix.to(like.dtype)


def window_mean(x: torch.Tensor, reach: int) -> torch.Tensor:
    """Mean of a (B, X, Y, C) tensor over a periodic square window around each site."""
    samples, width, height, channels = x.shape
    rows = _circulant(width, reach, x) @ x.reshape(samples, width, height * channels)
    return _circulant(height, reach, x) @ rows.view(samples, width, height, channels)


class SqueezeExcite(nn.Module):
    """Gates of the channels from their mean, over a window around each site or over the lattice.

    A mean over the whole lattice couples distant sites: the answer in the middle of a trap would
    change with the width of its empty rim, and a network trained on 14 x 14 sites meets other means
    on 40 x 40. The window (7 x 7 by default) keeps the answer local and independent of the size.

    Parameters
    ----------
    channels : int
    window : {"local", "global"}
    reach : int
        The local window has ``2 reach + 1`` sites a side; on smaller lattices it wraps around.
    reduction : int
        The gates see ``channels // reduction`` combinations of the channels.
    """

    def __init__(
        self, channels: int, window: str = "local", reach: int = 3, reduction: int = 8
    ) -> None:
        super().__init__()
        if window not in ("local", "global"):
            raise ValueError(f"window={window!r}; choose 'local' or 'global'")
        self.reach = reach if window == "local" else None
        few = max(4, channels // reduction)
        self.squeeze = nn.Linear(channels, few)
        self.excite = nn.Linear(few, channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        few = self.squeeze(x)
        if self.reach is None:
            mean = few.mean((1, 2), keepdim=True)
        else:
            mean = window_mean(few, self.reach)
        return x * torch.sigmoid(self.excite(torch.relu(mean)))
