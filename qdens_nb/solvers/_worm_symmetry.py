"""Symmetries of a lattice problem, by which the worm engine moves all world lines at once."""

from __future__ import annotations

from itertools import permutations, product
from typing import Any

import numpy as np

from qdens_nb.solvers._bose_common import checkerboard, symmetries

Maps = tuple[np.ndarray, np.ndarray]
_TOLERANCE = 1e-9


def exact_symmetries(one: dict[str, Any]) -> Maps:
    """Translations, reflections and rotations of the torus that leave every mu_i and U_i as it is.

    All of them but the identity (a group: with each its inverse); of a flat lattice those of
    `_bose_common.symmetries`, which generate the others.

    Parameters
    ----------
    one : dict
        A problem from `_bose_common.unpack`.

    Returns
    -------
    images : (maps, sites) site to which each site goes
    turns : (maps, 2 d) direction to which each direction of `neighbours` goes
    """
    shape = tuple(one["shape"])
    d, sites = len(shape), int(np.prod(shape))
    fields = np.stack([one["mu"].ravel(), one["U"].ravel()])
    # only to find symmetries in rounded numbers: the move itself weighs the difference
    allowed = _TOLERANCE * max(float(np.abs(fields).max()), 1.0)

    def kept(image: np.ndarray) -> bool:
        return bool((np.abs(fields[:, image] - fields) <= allowed).all())

    images, turns = symmetries(shape)
    if all(kept(image) for image in images):
        return images, turns
    # a symmetry takes the site with the rarest value to a site with the same one
    _, kind, count = np.unique(
        np.round(fields / allowed), axis=1, return_inverse=True, return_counts=True
    )
    rare = int(count[kind.ravel()].argmin())
    targets = np.flatnonzero((np.abs(fields - fields[:, [rare]]) <= allowed).all(axis=0))
    coordinates = np.indices(shape).reshape(d, sites)
    size = np.array(shape)[:, None]
    found: list[np.ndarray] = []
    turned: list[np.ndarray] = []
    orders = [o for o in permutations(range(d)) if tuple(shape[a] for a in o) == shape]
    for order, signs in product(orders, product((1, -1), repeat=d)):
        linear = np.array(signs)[:, None] * coordinates[list(order)]
        turn = np.empty(2 * d, dtype=np.int64)
        for axis, (source, sign) in enumerate(zip(order, signs, strict=True)):
            pair = (axis, axis + d)[::sign]
            turn[source], turn[source + d] = pair
        for target in targets:
            shift = coordinates[:, [target]] - linear[:, [rare]]
            image = np.ravel_multi_index(tuple((linear + shift) % size), shape)
            if kept(image) and not np.array_equal(image, np.arange(sites)):
                found.append(image)
                turned.append(turn)
    return (
        np.array(found, dtype=np.int64).reshape(-1, sites),
        np.array(turned, dtype=np.int64).reshape(-1, 2 * d),
    )


def proposed_maps(one: dict[str, Any], choice: str | bool, given: bool = False) -> Maps:
    """Maps that `symmetry_moves` of `solvers.worm` proposes; `given`: with a given start."""
    shape = tuple(one["shape"])
    if choice is True:
        return symmetries(shape)
    if choice == "auto" and not given:
        return exact_symmetries(one)
    images, turns = symmetries(shape)
    return images[:0], turns[:0]


def exchanges_sectors(one: dict[str, Any], maps: Maps) -> bool:
    """Whether one of the maps takes the even sites to the odd ones."""
    even = checkerboard(one["shape"]).ravel()
    return any(even[image[0]] < 0 for image in maps[0])
