"""Exact symmetries of the ring as maps of inputs and targets, for augmentation and averaging.

Reflection x -> L - 1 - x moves bond x to L - 2 - x and turns flux and current around. The
particle-hole map c_x -> (-1)^x c+_x of an even ring turns n into 1 - n, mu - v into 2V - (mu - v)
and the flux around.
"""

from __future__ import annotations

import torch

#: observable -> (roll after the flip, sign) under reflection
REFLECTION = {
    "density": (0, 1.0),
    "density_correlation": (-1, 1.0),
    "coherence": (-1, 1.0),
    "current": (-1, -1.0),
    "current_correlation": (-2, 1.0),
}


def reflect_map(name: str, values: torch.Tensor) -> torch.Tensor:
    """Image of an observable (..., L) under reflection."""
    shift, sign = REFLECTION[name]
    return sign * values.flip(-1).roll(shift, -1)


def particle_hole_map(name: str, values: torch.Tensor, density: torch.Tensor) -> torch.Tensor:
    """Image of an observable (..., L) of density `density` under the particle-hole map."""
    if name == "density":
        return 1.0 - values
    if name == "density_correlation":
        return 1.0 - density - density.roll(-1, -1) + values
    if name == "current":
        return -values
    return values
