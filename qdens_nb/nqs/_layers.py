"""Small parts that the networks share: shapes of lattices, seeded parameters, activations."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from qdens_nb._checks import check_choice
from qdens_nb.nqs._rbm import log_cosh
from qdens_nb.nqs._symmetry import lattice_shape

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "gelu": nn.functional.gelu,
    "log_cosh": log_cosh,
    "tanh": torch.tanh,
}


def activation_of(name: str) -> Callable[[Tensor], Tensor]:
    """The function called `name`; raises ``ValueError`` with the choices for another name."""
    check_choice("activation", name, [*ACTIVATIONS])
    return ACTIVATIONS[name]


def check_positive(**numbers: int) -> None:
    """Raise ``ValueError`` for a number (of channels, layers...) that is not an integer >= 1."""
    for name, value in numbers.items():
        if not isinstance(value, int | np.integer) or value < 1:
            raise ValueError(f"{name}={value!r}; give an integer of at least 1")


def seeded(seed: int) -> torch.Generator:
    """Random numbers for the first parameters, apart from torch's global ones.

    Raises
    ------
    ValueError
        The seed is not an integer of at least 0.
    """
    if not isinstance(seed, int | np.integer) or seed < 0:
        raise ValueError(f"seed={seed!r}; give an integer of at least 0")
    return torch.Generator().manual_seed(int(seed))


def normal(generator: torch.Generator, *size: int, scale: float) -> nn.Parameter:
    """Parameters from a normal distribution of mean 0 and standard deviation `scale`."""
    return nn.Parameter(scale * torch.randn(*size, generator=generator, dtype=torch.float64))


def zeros(*size: int) -> nn.Parameter:
    """Parameters that start at zero."""
    return nn.Parameter(torch.zeros(*size, dtype=torch.float64))


def one_or_two(values: Tensor, is_complex: bool) -> Tensor:
    """Values (..., 1) as real numbers (...), or (..., 2) as complex numbers (...)."""
    return torch.view_as_complex(values) if is_complex else values[..., 0]


def check_sites(configs: Tensor, sites: int) -> None:
    """Raise ``ValueError`` unless `configs` is a (B, sites) tensor."""
    if configs.ndim != 2 or configs.shape[1] != sites:
        raise ValueError(
            f"configurations have the shape {tuple(configs.shape)}; expected (B, {sites})"
        )


def per_direction(name: str, value: int | Sequence[int], sides: tuple[int, ...]) -> tuple[int, ...]:
    """`value` as one number from 1 to the side per direction, for a kernel or a patch.

    Raises
    ------
    ValueError
        Another number of values, or values out of range.
    """
    spans = [value] * len(sides) if isinstance(value, int | np.integer) else [*value]
    if len(spans) != len(sides) or not all(
        isinstance(span, int | np.integer) and 1 <= span <= side
        for span, side in zip(spans, sides, strict=False)
    ):
        raise ValueError(
            f"{name}={value!r} on a periodic lattice of shape {sides}; give an integer (or one per "
            "direction) from 1 to the side of the lattice"
        )
    return tuple(int(span) for span in spans)


def window(shape: int | Sequence[int], kernel: int | Sequence[int]) -> np.ndarray:
    """Sites under a kernel centred on each site of a periodic lattice, (N, K)."""
    sides = lattice_shape(shape)
    spans = per_direction("kernel", kernel, sides)
    offsets = np.indices(spans).reshape(len(spans), -1) - (np.array(spans) // 2)[:, None]
    places = np.indices(sides).reshape(len(sides), -1)
    moved = (places[:, :, None] + offsets[:, None, :]) % np.array(sides)[:, None, None]
    return np.ravel_multi_index(tuple(moved), sides)
