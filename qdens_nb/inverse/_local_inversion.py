"""A first guess of the potential: each site as if it were part of a homogeneous system."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch

from qdens_nb.inverse._network import Network
from qdens_nb.solvers._bose_common import checkerboard

_SIDE = 8
_LEVELS = 44
_FINER = 4
_AT_ONCE = 256
_WIDTH = 0.05
_NEIGHBOURS = 0.5


class Guess(NamedTuple):
    """Mean and variance of the (mu - v)/U that fit a site's density, (R, X, Y) each."""

    local: torch.Tensor
    variance: torch.Tensor


@torch.no_grad()
def homogeneous(
    network: Network, levels: torch.Tensor, U: torch.Tensor, V: torch.Tensor, sector: torch.Tensor
) -> torch.Tensor:
    """Densities (R, levels, 2) of the even and odd sites of homogeneous systems."""
    rows, count = len(U), len(levels)
    local = levels.repeat(rows)[:, None, None].expand(-1, _SIDE, _SIDE)
    U, V, sector = (c.repeat_interleave(count) for c in (U, V, sector))
    parts = []
    for start in range(0, rows * count, _AT_ONCE):
        cut = slice(start, start + _AT_ONCE)
        parts.append(network.density(local[cut], U[cut], V[cut], sector[cut]))
    density = torch.cat(parts)
    even = torch.as_tensor(checkerboard((_SIDE, _SIDE)) > 0)
    both = torch.stack([density[:, even].mean(1), density[:, ~even].mean(1)], 1)
    return both.view(rows, count, 2)


def invert_locally(
    network: Network,
    density: np.ndarray,
    bounds: tuple[float, float],
    U: torch.Tensor,
    V: torch.Tensor,
    sector: torch.Tensor,
) -> Guess:
    """The (mu - v)/U of the homogeneous systems with a site's density and its neighbours'.

    U, V and sector have the shape (R,). Where many values fit, as in an insulator or the vacuum,
    the middle of them is given.
    """
    levels = torch.linspace(*bounds, _LEVELS, dtype=U.dtype)
    coarse = homogeneous(network, levels, U, V, sector).transpose(1, 2)
    count = _FINER * (_LEVELS - 1) + 1
    curves = torch.nn.functional.interpolate(coarse, count, mode="linear", align_corners=True)
    curves = curves.transpose(1, 2)
    levels = torch.linspace(*bounds, count, dtype=U.dtype)
    wanted = torch.as_tensor(density, dtype=U.dtype)
    around = sum(wanted.roll(shift, axis) for shift in (1, -1) for axis in (0, 1)) / 4.0
    odd = torch.as_tensor(checkerboard(density.shape) < 0).long()
    cost = (curves[..., odd] - wanted) ** 2 + _NEIGHBOURS * (curves[..., 1 - odd] - around) ** 2
    weight = torch.softmax(-cost / _WIDTH**2, 1)
    scale = levels[:, None, None]
    local = (weight * scale).sum(1)
    return Guess(local, (weight * (scale - local[:, None]) ** 2).sum(1))
