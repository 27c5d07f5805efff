"""A quantum dot as one draws it: round wells that can be moved, and paint on top."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np

from qdens_nb import potentials
from qdens_nb._dot_potentials import place_wells, well_points

POINTS, SIZE = 64, 30.0
DOTS = ("cluster", "double", "ring", "cross", "drawn")
#: as in the training data, lengths in units of the side
_RADIUS, _OVERLAP, _LARGEST_AREA = (1 / 16, 1 / 8), 0.75, 0.8
_GRID = (np.arange(POINTS) + 0.5) / POINTS


class Drawing(NamedTuple):
    """Wells (n, 3), each x, y and radius in nm, and paint (points, points).

    Paint is 1 (well), -1 (wall) or 0 (as the wells say).
    """

    wells: np.ndarray
    paint: np.ndarray

    @property
    def mask(self) -> np.ndarray:
        """True in the wells."""
        inside = np.zeros((POINTS, POINTS), dtype=bool)
        for x, y, r in self.wells / SIZE:
            rows, columns, disc = well_points(_GRID, x, y, r)
            inside[rows, columns] |= disc
        return np.where(self.paint == 0, inside, self.paint > 0)

    def find(self, x: float, y: float) -> int | None:
        """Index of the well around a point whose centre is nearest; None outside of all."""
        if not len(self.wells):
            return None
        distance = np.hypot(self.wells[:, 0] - x, self.wells[:, 1] - y)
        distance[distance > self.wells[:, 2]] = np.inf
        best = int(distance.argmin())
        return best if np.isfinite(distance[best]) else None

    def move(self, index: int, x: float, y: float) -> Drawing:
        """With the centre of a well elsewhere in the square."""
        wells = self.wells.copy()
        wells[index, :2] = np.clip((x, y), 0.0, SIZE)
        return self._replace(wells=wells)

    def stroke(self, path: np.ndarray, radius: float, value: int) -> Drawing:
        """Painted with `value` wherever a path (n, 2) in nm passes within `radius` of a point."""
        at = np.asarray(path, dtype=float).reshape(-1, 2)
        grid = _GRID * SIZE
        near = np.zeros((POINTS, POINTS), dtype=bool)
        for start, end in pairwise(at if len(at) > 1 else np.repeat(at, 2, 0)):
            along = end - start
            x, y = grid[:, None] - start[0], grid[None] - start[1]
            length = max(float(along @ along), 1e-12)
            part = np.clip((x * along[0] + y * along[1]) / length, 0.0, 1.0)
            near |= (x - part * along[0]) ** 2 + (y - part * along[1]) ** 2 < radius**2
        return self._replace(paint=np.where(near, np.int8(value), self.paint))


def drawing(dot: str, wells: int = 25, size: float = 1.0, seed: int = 0) -> Drawing:
    """One of `DOTS` to begin with.

    Parameters
    ----------
    wells, seed : of a cluster; one more well leaves the others where they are. Where the wells
        would cover more than 80 % of the square, there are fewer.
    size : radii of the wells, or width of ring and cross, in units of the usual one

    Raises
    ------
    ValueError
        Unknown dot.

    Examples
    --------
    >>> round(float(drawing("cluster", seed=1).mask.mean()), 2)
    0.43
    """
    blank = np.zeros((POINTS, POINTS), dtype=np.int8)
    if dot == "cluster":
        small, large = (size * r for r in _RADIUS)
        rng = np.random.default_rng(seed)
        inside, placed = place_wells(_GRID, wells, small, large, _OVERLAP, rng)
        made = Drawing(SIZE * placed, blank)
        while inside.mean() > _LARGEST_AREA:
            made = made._replace(wells=made.wells[:-1])
            inside = made.mask
        return made
    if dot == "double":
        joined = potentials.double_dot(POINTS, radius=0.17 * size).values == 0
        wells_at = [[0.5 + side, 0.5, 0.17 * size] for side in (-0.21, 0.21)]
        made = Drawing(SIZE * np.array(wells_at), blank)
        return made._replace(paint=(joined & ~made.mask).astype(np.int8))
    if dot == "ring":
        outline = potentials.ring_dot(POINTS, width=0.14 * size)
    elif dot == "cross":
        outline = potentials.cross_dot(POINTS, width=0.16 * size)
    elif dot == "drawn":
        return Drawing(SIZE * np.array([[0.5, 0.5, 0.15 * size]]), blank)
    else:
        raise ValueError(f"dot={dot!r}; choose one of {', '.join(DOTS)}")
    return Drawing(np.zeros((0, 3)), (outline.values == 0).astype(np.int8))
