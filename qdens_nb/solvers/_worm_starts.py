"""World lines to start a Monte Carlo run from: occupations without hopping."""

from __future__ import annotations

from typing import Any

import numpy as np

from qdens_nb.solvers._bose_common import checkerboard, neighbours


def classical_occupation(one: dict[str, Any], rounds: int = 20) -> np.ndarray:
    """Occupation of lowest energy without hopping, by single-site descent from three starts."""
    sites = int(np.prod(one["shape"]))
    nbr = neighbours(one["shape"])
    even = checkerboard(one["shape"]).ravel() > 0
    levels = np.arange(one["n_max"] + 1)
    own = 0.5 * one["U"].reshape(sites, 1) * levels * (levels - 1)
    own = own - one["mu"].reshape(sites, 1) * levels
    best, lowest = np.zeros(sites, dtype=int), np.inf
    for first in (even, ~even):
        n = np.zeros(sites, dtype=int)
        for _ in range(rounds):
            old = n.copy()
            for part in (first, ~first):
                around = one["V"] * n[nbr[part]].sum(axis=1)
                n[part] = np.argmin(own[part] + around[:, None] * levels, axis=1)
            if np.array_equal(n, old):
                break
        half = nbr.shape[1] // 2
        energy = own[np.arange(sites), n].sum() + one["V"] * (n[:, None] * n[nbr[:, :half]]).sum()
        if energy < lowest - 1e-9:
            best, lowest = n, energy
    return best


def flat_occupations(one: dict[str, Any], sectors: bool = False) -> list[np.ndarray]:
    """Occupations of lowest energy without hopping, as if the lattice around each site were flat.

    Each site gets what it would have on a flat torus of its own mu_i and U_i, of all pairs of
    occupations of the two sublattices, for V and for 0.97 V: near 4V/U = 1 a Mott insulator and a
    checkerboard (or n + 1, n and n + 2, n - 1) have almost the same energy without hopping, and at
    low temperature a run keeps what it starts from. Hopping to second order favours the smaller
    contrast, as a slightly smaller V does.

    Parameters
    ----------
    one : dict
        A problem from `_bose_common.unpack`.
    sectors : bool
        Make each with the denser sublattice on the even sites, and on the odd ones.

    Returns
    -------
    list of integer arrays of the shape of the lattice
        All that differ.
    """
    levels = np.arange(one["n_max"] + 1)
    dense, thin = (n.ravel() for n in np.meshgrid(levels, levels, indexing="ij"))
    dense, thin = dense[dense >= thin], thin[dense >= thin]
    own = 0.25 * one["U"][..., None] * (dense * (dense - 1) + thin * (thin - 1))
    own = own - 0.5 * one["mu"][..., None] * (dense + thin)
    even = checkerboard(one["shape"]) > 0
    found: list[np.ndarray] = []
    for first in (even, ~even) if sectors else (even,):
        for factor in (1.0, 0.97):
            bonds = len(one["shape"]) * factor * one["V"]
            # of equal ones that of the largest contrast
            energy = own + bonds * dense * thin - 1e-9 * (dense - thin)
            lowest = energy.argmin(-1)
            start = np.where(first, dense[lowest], thin[lowest])
            if not any(np.array_equal(start, known) for known in found):
                found.append(start)
    return found


def candidates(one: dict[str, Any], sectors: bool) -> list[np.ndarray]:
    """Different occupations among which the one that a run should start from may be."""
    found = [start.ravel() for start in flat_occupations(one, sectors)]
    descended = classical_occupation(one)
    if not any(np.array_equal(descended, known) for known in found):
        found.append(descended)
    return found


def occupations(start: Any, chains: int, one: dict[str, Any]) -> list[np.ndarray]:
    """Straight world lines of each chain; for every `start` but "lowest"."""
    sites = int(np.prod(one["shape"]))
    known = {
        "classical": lambda: classical_occupation(one),
        "empty": lambda: np.zeros(sites, dtype=int),
        "full": lambda: np.full(sites, one["n_max"]),
    }
    names: Any = start
    if isinstance(start, str):
        names = ("classical", "empty", "full") if start == "spread" else (start,)
        unknown = [name for name in names if name not in known]
        if unknown:
            raise ValueError(
                f"start={start!r}; give 'spread', 'lowest', {', '.join(map(repr, known))} or an "
                f"array of occupations of shape {one['shape']}"
            )
        return [known[names[i % len(names)]]() for i in range(chains)]
    array = np.asarray(start)
    whole = np.issubdtype(array.dtype, np.integer) or np.array_equal(array, np.round(array))
    if array.shape != tuple(one["shape"]) or not whole:
        raise ValueError(f"start has shape {array.shape}; give whole numbers of {one['shape']}")
    if array.min() < 0 or array.max() > one["n_max"]:
        raise ValueError(f"start holds {array.min()}..{array.max()}; allowed are 0..{one['n_max']}")
    return [array.astype(int).ravel()] * chains
