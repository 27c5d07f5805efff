"""Phases of lattice bosons by their local order parameters, as numbers and in words."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

#: names of the phases, by their codes
PHASES = ("empty", "superfluid", "Mott insulator", "checkerboard solid", "supersolid")
EMPTY, SUPERFLUID, MOTT, SOLID, SUPERSOLID = range(5)

_LEAST_DENSITY = 0.03
_LEAST_STAGGERED = 0.1
_COMMENSURATE = 0.03
_MOTT_COHERENCE = 0.32
_SOLID_COHERENCE = 0.40
_LEAST_SHARE = 0.03


def name_phases(data: xr.Dataset) -> xr.Dataset:
    r"""Name the phase of each site by local rules.

    Averages are over the 3 x 3 sites around, with the weights 1 2 1 in both directions: those of
    :math:`n_i` and :math:`(-1)^{x+y} n_i` are exact for a checkerboard and see none in a straight
    wall. The thresholds were set by quantum Monte Carlo of homogeneous 8 x 8 lattices, where an
    insulator has no superfluid stiffness:

    - A checkerboard is there if the staggered average is above 0.1.
    - *empty*: without a checkerboard, the density or its average is below 0.03.
    - An insulator is commensurate: its density, or the average, is a whole number within 0.03;
      with a checkerboard half or whole, and the pairs with two neighbours may tell instead of the
      average. And its bonds have little coherence: below 0.32 (0.40 with a checkerboard) of the
      density, averaged. It is a *Mott insulator* or, with a checkerboard, a *checkerboard solid*.
    - Else the site is *superfluid*, with a checkerboard *supersolid*.

    They are rules of thumb: a local view cannot tell a superfluid from a normal fluid, nor find
    the place of a transition.

    Parameters
    ----------
    data : Dataset
        Density (x, y) and coherence (direction, x, y) of one torus.

    Returns
    -------
    Dataset
        ``phase`` (codes, see ``attrs["flag_meanings"]``), ``mean_density``, ``staggered_density``,
        ``relative_coherence`` and ``filling`` (the nearest commensurate density), all (x, y).

    Raises
    ------
    ValueError
        No density or coherence, or a batch.

    Examples
    --------
    >>> import numpy as np, qdens_nb as qd
    >>> flat = qd.bose_hubbard(np.zeros((8, 8)), U=40.0, V=0.0, mu=20.0)
    >>> phases = name_phases(qd.solvers.gutzwiller(flat))
    >>> PHASES[int(phases.phase[0, 0])]
    'Mott insulator'
    """
    for name, dims in {"density": {"x", "y"}, "coherence": {"direction", "x", "y"}}.items():
        if name not in data or set(data[name].dims) != dims:
            found = data[name].dims if name in data else "missing"
            raise ValueError(
                f"{name!r} is {found}; phases are named by the density and coherence of one torus"
            )
    n = data["density"].transpose("x", "y").values
    bonds = data["coherence"].transpose("direction", "x", "y").values
    touching = 0.25 * (bonds + np.stack([np.roll(b, 1, axis) for axis, b in enumerate(bonds)]))
    sign = 1.0 - 2.0 * (np.indices(n.shape).sum(0) % 2)
    mean, staggered = _around(n), np.abs(_around(sign * n))
    relative = _around(touching.sum(0)) / np.maximum(mean, 1e-9)
    board = staggered > _LEAST_STAGGERED
    filling, off = _commensurate(n, mean, board)
    bound = np.where(board, _SOLID_COHERENCE, _MOTT_COHERENCE)
    insulating = (off < _COMMENSURATE) & (relative < bound)
    alternating = board & (np.round(n) != filling)
    empty = (insulating & (filling == 0)) | (~board & (np.minimum(n, mean) < _LEAST_DENSITY))
    phase = np.select(
        [empty, insulating & alternating, insulating, board],
        [EMPTY, SOLID, MOTT, SUPERSOLID],
        SUPERFLUID,
    )
    flags = " ".join(name.replace(" ", "_") for name in PHASES)
    maps: dict[str, tuple[np.ndarray, dict[str, Any]]] = {
        "phase": (phase.astype(np.int8), {"flag_values": [*range(5)], "flag_meanings": flags})
    }
    for name, values, long_name in (
        ("mean_density", mean, "density averaged over 3 x 3 sites"),
        ("staggered_density", staggered, "half the difference of the sublattices' densities"),
        ("relative_coherence", relative, "coherence of a bond over the density"),
        ("filling", filling, "nearest commensurate density"),
    ):
        maps[name] = (values, {"units": "1", "long_name": long_name})
    return xr.Dataset(
        {name: (("x", "y"), *entry) for name, entry in maps.items()},
        {"x": data["x"], "y": data["y"]},
    )


def _around(values: np.ndarray) -> np.ndarray:
    """Average over the 3 x 3 sites around each, weights 1 2 1; the torus has no edge."""
    for axis in (0, 1):
        values = 0.5 * values + 0.25 * (np.roll(values, 1, axis) + np.roll(values, -1, axis))
    return values


def _commensurate(
    n: np.ndarray, mean: np.ndarray, board: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Nearest commensurate density, and how far from it the site or its surroundings are."""
    pairs = np.sort(
        [
            _distance(0.5 * (n + np.roll(n, shift, axis)), 0.5)
            for axis in (0, 1)
            for shift in (1, -1)
        ],
        axis=0,
    )
    pair = np.mean([0.5 * (n + np.roll(n, shift, 0)) for shift in (1, -1)], axis=0)
    own = np.where(board, pairs[1], _distance(n, 1.0))
    whole = np.where(board, _distance(mean, 0.5), _distance(mean, 1.0))
    nearest = np.where(own < whole, np.where(board, pair, n), mean)
    return np.where(board, np.round(2.0 * nearest) / 2.0, np.round(nearest)), np.minimum(own, whole)


def _distance(values: np.ndarray, step: float) -> np.ndarray:
    return np.abs(values - step * np.round(values / step))


def regions(data: xr.Dataset, phases: xr.Dataset) -> list[tuple[str, float, float]]:
    """Name, share of the sites and mean density of what `name_phases` found, densest first.

    Insulators of different filling are different regions. Regions of less than 3% of the sites are
    left out.
    """
    code, filling = phases["phase"].values, phases["filling"].values
    n = data["density"].transpose("x", "y").values
    high = np.maximum(np.round(n), 2.0 * filling - np.round(n))
    found = [(PHASES[phase], code == phase) for phase in (SUPERFLUID, SUPERSOLID)]
    for bosons in np.unique(filling[code == MOTT]):
        here = (code == MOTT) & (filling == bosons)
        plural = "" if bosons == 1 else "s"
        found.append((f"{PHASES[MOTT]} of {bosons:g} boson{plural} a site", here))
    for a, b in {*zip(high[code == SOLID], (2.0 * filling - high)[code == SOLID], strict=True)}:
        here = (code == SOLID) & (high == a) & (2.0 * filling - high == b)
        found.append((f"{PHASES[SOLID]} of {a:g} and {b:g} bosons", here))
    kept = [(name, at.mean(), n[at].mean()) for name, at in found if at.mean() > _LEAST_SHARE]
    return sorted(kept, key=lambda region: -region[2])


def phase_words(data: xr.Dataset, phases: xr.Dataset | None = None) -> str:
    """One sentence on the phases of an answer.

    Examples
    --------
    >>> import numpy as np, qdens_nb as qd
    >>> flat = qd.bose_hubbard(np.zeros((8, 8)), U=40.0, V=10.0, mu=20.0)
    >>> phase_words(qd.solvers.gutzwiller(flat))
    'checkerboard solid of 1 and 0 bosons (100% of the sites)'
    """
    found = regions(data, name_phases(data) if phases is None else phases)
    listed = [f"{name} ({share:.0%} of the sites)" for name, share, _ in found]
    if not found:
        return "no bosons"
    if len(found) == 1:
        return listed[0]
    cake = any("boson" in name for name, *_ in found)
    what = "wedding cake, from the densest phase outwards" if cake else "from dense to dilute"
    return f"{what}: {', '.join(listed)}"
