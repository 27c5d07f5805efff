r"""Symmetry groups of a lattice: permutations of the sites, spin flips, and their characters.

An element g of the group acts on a configuration by :math:`(gs)_j = ± s_{p_g(j)}`. A state of a
one-dimensional irreducible representation has :math:`ψ(gs) = χ_g ψ(s)`; so has the projection

.. math:: ψ_χ(s) = \frac{1}{|G|} \sum_{g∈G} χ_g^* ψ(gs)

of any ψ (`Symmetrized`). A translation by r is stored as :math:`(gs)_j = s_{j+r}`, and momentum k
means :math:`χ_r = e^{-i k·r}`: a single flipped spin at n then has the amplitude
:math:`e^{+i k·n}`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from qdens_nb._checks import check_choice

# Characters of E, the two C4, C2, the mirrors x -> -x and y -> -y, and the two diagonal mirrors.
_C4V: dict[str, tuple[int, ...]] = {
    "A1": (1, 1, 1, 1, 1, 1),
    "A2": (1, 1, 1, -1, -1, -1),
    "B1": (1, -1, 1, 1, 1, -1),
    "B2": (1, -1, 1, -1, -1, 1),
}
_C2V: dict[str, tuple[int, ...]] = {  # of E, C2, the mirror x -> -x, the mirror y -> -y
    "A1": (1, 1, 1, 1),
    "A2": (1, 1, -1, -1),
    "B1": (1, -1, -1, 1),
    "B2": (1, -1, 1, -1),
}
_CHAIN: dict[str, tuple[int, ...]] = {"A1": (1, 1), "A2": (1, -1)}


def lattice_shape(shape: int | Sequence[int]) -> tuple[int, ...]:
    """Sides ``(L,)`` or ``(Lx, Ly)`` of a chain or lattice.

    Raises
    ------
    ValueError
        Not one or two integers of at least 1.
    """
    sides = (shape,) if np.isscalar(shape) else tuple(shape)  # type: ignore[arg-type]
    whole = all(isinstance(side, int | np.integer) and side >= 1 for side in sides)
    if len(sides) not in (1, 2) or not whole:
        raise ValueError(f"shape={shape!r}; give a number of sites L, or the sides (Lx, Ly)")
    return tuple(int(side) for side in sides)  # type: ignore[arg-type]


@dataclass(frozen=True, eq=False)
class SymmetryGroup:
    """A group of symmetries with the characters of a one-dimensional representation.

    Parameters
    ----------
    permutations : (G, N) array of int
        ``(g s)[j] = s[permutations[g, j]]``.
    flips : (G,) array of bool
        Elements that also change the sign of all local values (spins only).
    characters : (G,) array, real or complex

    Raises
    ------
    ValueError
        Arrays that do not fit together, rows that are not permutations, elements that occur
        twice, a set that is not closed, characters that are not a representation.

    Examples
    --------
    All symmetries of a 4x4 lattice of spins, for a state of momentum zero:

    >>> group = translations((4, 4)) @ point_group((4, 4)) @ spin_flip(16)
    >>> len(group)
    256
    """

    permutations: np.ndarray
    flips: np.ndarray
    characters: np.ndarray

    def __post_init__(self) -> None:
        permutations = np.asarray(self.permutations, dtype=np.intp)
        flips, characters = np.asarray(self.flips, dtype=bool), np.asarray(self.characters)
        if permutations.ndim != 2 or {flips.shape, characters.shape} != {permutations.shape[:1]}:
            raise ValueError(
                f"permutations {permutations.shape}, flips {flips.shape}, characters "
                f"{characters.shape}; expected (G, N), (G,) and (G,)"
            )
        if not (np.sort(permutations, axis=1) == np.arange(permutations.shape[1])).all():
            raise ValueError(
                f"a row of `permutations` is not a permutation of 0 ... {permutations.shape[1] - 1}"
            )
        object.__setattr__(self, "permutations", permutations)
        object.__setattr__(self, "flips", flips)
        object.__setattr__(self, "characters", characters + 0.0)
        self._check_group()

    def __len__(self) -> int:
        return len(self.permutations)

    def __matmul__(self, other: SymmetryGroup) -> SymmetryGroup:
        """Direct or semidirect product; ``ValueError`` if the products are not a group."""
        if self.sites != other.sites:
            raise ValueError(f"groups of {self.sites} and {other.sites} sites have no product")
        return _distinct(
            other.permutations[:, self.permutations].swapaxes(0, 1).reshape(-1, self.sites),
            (self.flips[:, None] ^ other.flips).ravel(),
            (self.characters[:, None] * other.characters).ravel(),
        )

    @property
    def sites(self) -> int:
        """Number of sites N."""
        return self.permutations.shape[1]

    @property
    def is_trivial(self) -> bool:
        """Whether all characters are 1: the state is invariant."""
        return bool((self.characters == 1).all())

    def images(self, configs: np.ndarray) -> np.ndarray:
        """All images (B, G, N) of (B, N) configurations."""
        signs = np.where(self.flips, -1, 1).astype(np.asarray(configs).dtype)
        return np.asarray(configs)[:, self.permutations] * signs[:, None]

    def _check_group(self) -> None:
        # An element is known by its fingerprint sum_j w_j p(j), exact in float64; that of g h,
        # which permutes by p_h[p_g], is a product of matrices.
        limit = 2**50 // max(self.sites, 1) ** 2
        weights = np.random.default_rng(0).integers(1, limit, self.sites).astype(float)
        p, chi = self.permutations, self.characters
        moved = np.zeros(p.shape)
        np.put_along_axis(moved, p, weights[None, :], axis=1)
        marks = p @ weights + (2.0**51) * self.flips
        products = moved @ p.T.astype(float)
        products += (2.0**51) * (self.flips[:, None] ^ self.flips)
        order = np.argsort(marks)
        if (np.diff(marks[order]) == 0).any():
            raise ValueError("an element of the group is given twice")
        found = order[np.searchsorted(marks[order], products).clip(max=len(p) - 1)]
        if not len(p) or (marks[found] != products).any():
            raise ValueError(
                f"the {len(p)} elements are not closed under multiplication: not a group"
            )
        if abs(chi[found] - chi[:, None] * chi).max() > 1e-9:
            raise ValueError(
                "the characters are not a representation: chi(g h) differs from chi(g) chi(h); "
                "do momentum, point group and parity fit together?"
            )


def translations(shape: int | Sequence[int], momentum: int | Sequence[int] = 0) -> SymmetryGroup:
    r"""All translations of a periodic chain or lattice, with :math:`χ_r = e^{-2πi k·r/L}`.

    Parameters
    ----------
    shape : int or (Lx, Ly)
        Sides of the lattice; site x * Ly + y.
    momentum : int or (kx, ky)
        Momentum in units of 2 pi / L; the characters are real for 0 and L / 2.

    Raises
    ------
    ValueError
        The momentum is not one integer per direction.
    """
    sides = lattice_shape(shape)
    k = (momentum,) * len(sides) if np.isscalar(momentum) else tuple(momentum)  # type: ignore[arg-type]
    if len(k) != len(sides) or not all(isinstance(n, int | np.integer) for n in k):
        raise ValueError(
            f"momentum={momentum!r} for shape {sides}; give an integer per direction, in units "
            "of 2 pi / L"
        )
    steps = np.indices(sides).reshape(len(sides), -1)
    moved = (steps[:, None, :] + steps[:, :, None]) % np.array(sides)[:, None, None]
    turns = (np.array(k) / np.array(sides)) @ steps
    if np.allclose(2 * turns, np.rint(2 * turns)):
        characters: np.ndarray = 1.0 - 2.0 * (np.rint(2 * turns) % 2)
    else:
        characters = np.exp(-2j * np.pi * turns)
    permutations = np.ravel_multi_index(tuple(moved), sides)
    return SymmetryGroup(permutations, np.zeros(len(permutations), bool), characters)


def point_group(shape: int | Sequence[int], character: str = "A1") -> SymmetryGroup:
    """Rotations and mirrors about site 0: C4v of a square, C2v of a rectangle, {1, R} of a chain.

    Parameters
    ----------
    shape : int or (Lx, Ly)
        Sides of the lattice.
    character : {"A1", "A2", "B1", "B2"}
        One-dimensional representation: A1 is invariant; A2 odd under all mirrors; B1 of a square
        like x^2 - y^2 and B2 like x y; B1 and B2 of a rectangle like x and like y. A chain has A1
        (even) and A2 (odd).

    Raises
    ------
    ValueError
        Another name, or a character that this lattice is too small for.
    """
    sides = lattice_shape(shape)
    if len(sides) == 1:
        maps, classes, table = [[[1]], [[-1]]], [0, 1], _CHAIN
    elif sides[0] != sides[1]:
        maps = [[[a, 0], [0, b]] for a, b in ((1, 1), (-1, -1), (-1, 1), (1, -1))]
        classes, table = [0, 1, 2, 3], _C2V
    else:
        maps = [[[a, 0], [0, b]] for a, b in ((1, 1), (-1, -1), (-1, 1), (1, -1))]
        maps += [[[0, a], [b, 0]] for a, b in ((-1, 1), (1, -1), (1, 1), (-1, -1))]
        classes, table = [0, 2, 3, 4, 1, 1, 5, 5], _C4V
    check_choice("character", character, [*table])
    places = np.indices(sides).reshape(len(sides), -1)
    moved = (np.array(maps) @ places) % np.array(sides)[:, None]
    permutations = np.ravel_multi_index(tuple(moved.swapaxes(0, 1)), sides)
    characters = np.array(table[character], dtype=float)[classes]
    return _distinct(permutations, np.zeros(len(permutations), bool), characters)


def reflection(sites: int, parity: int = 1, about: str = "site") -> SymmetryGroup:
    """Mirror of a chain about site 0 of a ring, or about the middle of an open chain.

    Parameters
    ----------
    sites : int
        Length of the chain.
    parity : {1, -1}
        Character of the mirror.
    about : {"site", "middle"}
        Site j goes to -j (modulo N), or to N - 1 - j.

    Raises
    ------
    ValueError
        Another parity or centre.
    """
    length, *rest = lattice_shape(sites)
    if rest:
        raise ValueError(f"sites={sites!r} is a lattice; take point_group for its mirrors")
    check_choice("parity", parity, (1, -1))
    check_choice("about", about, ("site", "middle"))
    forward = np.arange(length)
    mirror = -forward % length if about == "site" else forward[::-1]
    return _distinct(np.array([forward, mirror]), np.zeros(2, bool), np.array([1.0, parity]))


def spin_flip(sites: int | Sequence[int], parity: int = 1) -> SymmetryGroup:
    """Flip of all spins, s -> -s, with character `parity` (+1 or -1), for N sites or a shape.

    Raises
    ------
    ValueError
        Another parity.
    """
    length = int(np.prod(lattice_shape(sites)))
    check_choice("parity", parity, (1, -1))
    same = np.tile(np.arange(length), (2, 1))
    return SymmetryGroup(same, np.array([False, True]), np.array([1.0, parity]))


def _distinct(permutations: np.ndarray, flips: np.ndarray, characters: np.ndarray) -> SymmetryGroup:
    """The group of these elements, of which some may be the same one."""
    _, first, inverse = np.unique(
        np.column_stack([flips, permutations]), axis=0, return_index=True, return_inverse=True
    )
    if abs(characters - characters[first][inverse.ravel()]).max() > 1e-9:
        raise ValueError(
            "two elements are the same permutation but have different characters: no state has "
            "this symmetry on so small a lattice"
        )
    kept = np.sort(first)
    return SymmetryGroup(permutations[kept], flips[kept], characters[kept])
