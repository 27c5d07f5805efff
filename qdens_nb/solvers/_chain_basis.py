"""Sectors of fixed particle number of the chain: QuSpin's basis and hops, built once and shared."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numba
import numpy as np
import scipy.sparse as sp


@dataclass(frozen=True)
class Sector:
    """Occupations and hops of one particle number.

    Attributes
    ----------
    occupation : (dim, L) float array
    pairs : (dim,) array, number of occupied neighbour pairs
    indptr, indices, sign, forward : CSR pattern of all hops; ``sign`` is the fermion sign,
        ``forward`` is +1 for c+_{x+1} c_x and -1 for its conjugate
    bond_start, bond_row, bond_col, bond_sign : the forward hops, grouped by bond
    """

    occupation: np.ndarray
    pairs: np.ndarray
    indptr: np.ndarray
    indices: np.ndarray
    sign: np.ndarray
    forward: np.ndarray
    bond_start: np.ndarray
    bond_row: np.ndarray
    bond_col: np.ndarray
    bond_sign: np.ndarray

    @property
    def dim(self) -> int:
        """Number of basis states."""
        return self.pairs.size

    def hop_values(self, peierls: float) -> np.ndarray:
        """Matrix elements -J exp(+-i peierls) of the pattern (real where the phase is)."""
        if peierls == 0.0:
            return -self.sign
        return -self.sign * np.exp(1j * peierls * self.forward)


@lru_cache(maxsize=64)
def sector(sites: int, particles: int, periodic: bool) -> Sector:
    """Build the sector once; the hops come from QuSpin's fermion basis."""
    from quspin.basis import spinless_fermion_basis_1d

    basis = spinless_fermion_basis_1d(sites, Nf=particles)
    occupation = (basis.states[:, None] >> np.arange(sites)[::-1].astype(basis.states.dtype)) & 1
    occupation = occupation.astype(np.float64)
    neighbour = np.roll(occupation, -1, axis=1)
    if not periodic:
        neighbour[:, -1] = 0.0
    bonds = sites if periodic else sites - 1
    rows, cols, signs, starts = [], [], [], [0]
    for x in range(bonds):
        sign, row, col = basis.Op("+-", [(x + 1) % sites, x], 1.0, np.float64)
        rows.append(row)
        cols.append(col)
        signs.append(sign)
        starts.append(starts[-1] + len(row))
    row, col, sign = (np.concatenate(parts) for parts in (rows, cols, signs))
    starts += [starts[-1]] * (sites - bonds)
    code = np.concatenate([sign, -2.0 * sign])  # remembers the sign and the direction
    pattern = sp.csr_matrix(
        (code, (np.concatenate([row, col]), np.concatenate([col, row]))),
        shape=(basis.Ns, basis.Ns),
    )
    if pattern.nnz != code.size:
        raise ValueError(f"a ring of {sites} sites has doubled bonds; use at least 3 sites")
    return Sector(
        occupation=occupation,
        pairs=(occupation * neighbour).sum(axis=1),
        indptr=pattern.indptr.astype(np.int32),
        indices=pattern.indices.astype(np.int32),
        sign=np.where(np.abs(pattern.data) > 1.5, -pattern.data / 2, pattern.data),
        forward=np.where(np.abs(pattern.data) > 1.5, -1.0, 1.0),
        bond_start=np.asarray(starts, dtype=np.int64),
        bond_row=row.astype(np.int32),
        bond_col=col.astype(np.int32),
        bond_sign=sign.astype(np.float64),
    )


@numba.njit(cache=True, fastmath=True)
def bond_expectations(psi, start, row, col, sign, phase):
    """Per bond: g = phase* <c+_x c_{x+1}> and Re <j_x j_{x+1}> (J = 1), periodic in the bond."""
    bonds = start.size - 1
    dim = psi.size
    g = np.zeros(bonds, dtype=np.complex128)
    correlation = np.zeros(bonds)
    first = np.zeros(dim, dtype=psi.dtype)
    previous = np.zeros(dim, dtype=psi.dtype)
    current = np.zeros(dim, dtype=psi.dtype)
    for step in range(bonds + 1):
        bond = step % bonds
        current[:] = 0
        if step < bonds:
            total = phase * 0.0
            for k in range(start[bond], start[bond + 1]):
                hop = sign[k] * phase
                total += np.conj(psi[row[k]]) * hop * psi[col[k]]
                current[row[k]] += hop * psi[col[k]]
                current[col[k]] -= np.conj(hop) * psi[row[k]]
            g[bond] = np.conj(total)
        else:
            current[:] = first
        if step == 0:
            first[:] = current
        else:
            overlap = 0.0
            for i in range(dim):
                overlap += (np.conj(previous[i]) * current[i]).real
            correlation[step - 1] = overlap
        previous, current = current, previous
    return g, correlation
