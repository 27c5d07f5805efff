"""The eight symmetries of the square and translations, as maps of fields on the torus.

An element is a number 0..7: bit 0 reflects x -> X - 1 - x, bit 1 reflects y, bit 2 then exchanges x
and y. Fields on sites have the dims (..., x, y), those on bonds (..., direction, x, y) with the
bond from the site to its next one in the direction. Under a reflection the bond x -> x + 1 becomes
the one of the site X - 2 - x; the exchange swaps the directions too. A checkerboard channel is a
site field like any other: on even sides a reflection, as an odd translation, turns its sign.
"""

from __future__ import annotations

import torch

ELEMENTS = tuple(range(8))
BONDS = ("density_correlation", "coherence")


def move_sites(values: torch.Tensor, element: int) -> torch.Tensor:
    """Image of a site field (..., X, Y)."""
    if element & 1:
        values = values.flip(-2)
    if element & 2:
        values = values.flip(-1)
    return values.transpose(-1, -2) if element & 4 else values


def move_bonds(values: torch.Tensor, element: int) -> torch.Tensor:
    """Image of a bond field (..., 2, X, Y)."""
    along_x, along_y = values.unbind(-3)
    along_x, along_y = move_sites(along_x, element & 3), move_sites(along_y, element & 3)
    if element & 1:
        along_x = along_x.roll(-1, -2)
    if element & 2:
        along_y = along_y.roll(-1, -1)
    if element & 4:
        along_x, along_y = along_y.transpose(-1, -2), along_x.transpose(-1, -2)
    return torch.stack([along_x, along_y], -3)


def move(name: str, values: torch.Tensor, element: int) -> torch.Tensor:
    """Image of the observable `name`."""
    return move_bonds(values, element) if name in BONDS else move_sites(values, element)


def inverse(element: int) -> int:
    """The element that undoes `element`."""
    if not element & 4:
        return element
    return 4 | (element & 1) << 1 | (element & 2) >> 1


def translate(values: torch.Tensor, shift: tuple[int, int]) -> torch.Tensor:
    """Image of a site or bond field under x -> x + shift (an odd one flips the sector)."""
    return values.roll(shift, (-2, -1))
