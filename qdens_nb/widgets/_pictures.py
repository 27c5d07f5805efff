"""Densities to begin a drawing with."""

from __future__ import annotations

import numpy as np

PICTURES = ("blank", "ring", "cross", "letter Q", "checkerboard patch")
_Q = (
    ".###.",
    "#...#",
    "#...#",
    "#...#",
    "#.#.#",
    "#..#.",
    ".##.#",
)


def picture(name: str, sites: int) -> np.ndarray:
    """Wanted density (x, y), 0 or 1, of `sites` x `sites`.

    Raises
    ------
    ValueError
        Unknown name.

    Examples
    --------
    >>> float(picture("cross", 16).sum())
    80.0
    """
    if name not in PICTURES:
        raise ValueError(f"picture {name!r}; choose one of {', '.join(PICTURES)}")
    x, y = np.indices((sites, sites)) - (sites - 1) / 2
    out = np.zeros((sites, sites))
    if name == "ring":
        radius = np.hypot(x, y)
        out[(radius > 0.2 * sites) & (radius < 0.4 * sites)] = 1.0
    elif name == "cross":
        arms = np.minimum(abs(x), abs(y)) < 0.13 * sites
        out[arms & (np.maximum(abs(x), abs(y)) < 0.38 * sites)] = 1.0
    elif name == "letter Q":
        rows = np.array([[cell == "#" for cell in row] for row in _Q], dtype=float)[::-1]
        letter = np.kron(rows.T, np.ones((sites // 8, sites // 8)))
        left, low = ((sites - side) // 2 for side in letter.shape)
        out[left : left + letter.shape[0], low : low + letter.shape[1]] = letter
    elif name == "checkerboard patch":
        patch = np.maximum(abs(x), abs(y)) < 0.3 * sites
        out[patch & (np.indices(out.shape).sum(0) % 2 == 0)] = 1.0
    return out
