"""Sectors of fixed particle number of lattice bosons: QuSpin's basis and hops, built once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import scipy.sparse as sp

from qdens_nb.solvers._bose_common import neighbours


@dataclass(frozen=True)
class BoseSector:
    """Occupations and hops of one particle number on one lattice.

    Attributes
    ----------
    occupation : (dim, sites) array of small integers
    hops : per bond (direction-major, then site) rows, columns and values of ``b+_j b_i``, with j
        the next site in the direction
    forward : per direction, the sum of its hops as a sparse matrix
    """

    occupation: np.ndarray
    hops: tuple[tuple[np.ndarray, np.ndarray, np.ndarray], ...]
    forward: tuple[sp.csr_matrix, ...]

    @property
    def dim(self) -> int:
        """Number of basis states."""
        return self.occupation.shape[0]

    @cached_property
    def kinetic(self) -> tuple[sp.csr_matrix, ...]:
        """Per direction ``-sum (b+_j b_i + h.c.)``, also minus the second derivative by a twist."""
        return tuple(-(hop + hop.T).tocsr() for hop in self.forward)

    @cached_property
    def current(self) -> tuple[sp.csr_matrix, ...]:
        """Per direction ``sum (b+_j b_i - h.c.)``, i times the derivative of H by a twist."""
        return tuple((hop - hop.T).tocsr() for hop in self.forward)

    def diagonal(
        self, mu: np.ndarray, U: np.ndarray, V: float, shape: tuple[int, ...]
    ) -> np.ndarray:
        """Energy of each basis state without hops; `mu` and `U` are flat, one value per site."""
        n = self.occupation.astype(np.float64)
        energy = (n * (n - 1.0)) @ (0.5 * U) - n @ mu
        if V:
            for j in neighbours(shape).T[: len(shape)]:
                energy += V * np.einsum("si,si->s", n, n[:, j])
        return energy

    def hamiltonian(self, diagonal: np.ndarray) -> sp.csr_matrix:
        """Sparse matrix of H."""
        matrix = sp.diags(diagonal)
        for part in self.kinetic:
            matrix = matrix + part
        return sp.csr_matrix(matrix)


def sector_dimension(sites: int, particles: int, n_max: int) -> int:
    """Number of ways to put `particles` on `sites`, at most `n_max` on each."""
    ways = np.ones(1, dtype=object)
    for _ in range(sites):
        ways = np.convolve(ways, np.ones(n_max + 1, dtype=object))
    return int(ways[particles])


def bose_sector(shape: tuple[int, ...], particles: int, n_max: int) -> BoseSector:
    """The sector of that particle number; small ones are remembered."""
    sites = int(np.prod(shape))
    small = sector_dimension(sites, particles, n_max) <= 10_000
    return _remembered(shape, particles, n_max) if small else _build(shape, particles, n_max)


def _build(shape: tuple[int, ...], particles: int, n_max: int) -> BoseSector:
    from quspin.basis import boson_basis_1d

    sites = int(np.prod(shape))
    basis = boson_basis_1d(sites, Nb=particles, sps=n_max + 1)
    digits = (n_max + 1) ** np.arange(sites)[::-1].astype(np.uint64)
    occupation = (basis.states.astype(np.uint64)[:, None] // digits) % np.uint64(n_max + 1)
    forward: list[sp.csr_matrix] = []
    hops: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    for targets in neighbours(shape).T[: len(shape)]:
        first = len(hops)
        for i, j in enumerate(targets):
            value, row, col = basis.Op("+-", [int(j), i], 1.0, np.float64)
            hops.append((row.astype(np.int64), col.astype(np.int64), value))
        row, col, value = (np.concatenate(parts) for parts in zip(*hops[first:], strict=True))
        forward.append(sp.csr_matrix((value, (row, col)), shape=(basis.Ns, basis.Ns)))
    return BoseSector(occupation.astype(np.int8), tuple(hops), tuple(forward))


_remembered = lru_cache(maxsize=64)(_build)
