r"""One electron in a dot with hard walls.

.. math:: [-\hbar^2\nabla^2/2m^* + v(x, y)]\,\phi = \epsilon\,\phi

Basis :math:`(2/L)\sin(p\pi x/L)\sin(q\pi y/L)` with p, q = 1 ... modes; integrals on the midpoints
of the grid, on which the sines are orthogonal as long as modes < points.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from scipy.linalg import eigh, qr

#: hbar^2 / 2 m0 in eV nm^2
HBAR2_2M = 0.0380998
#: matrices up to this size are diagonalised whole
_DENSE = 400
#: vectors of the block beyond the wanted ones; iterations; residual in units of the bandwidth
_GUARD, _ITERATIONS, _TOLERANCE = 4, 60, 2e-7


@cache
def sines(points: int, modes: int) -> np.ndarray:
    """Sines on the midpoints, (points, modes), with orthonormal columns."""
    grid, mode = np.arange(points) + 0.5, np.arange(1, modes + 1)
    return np.sqrt(2.0 / points) * np.sin(np.pi * np.outer(grid, mode) / points)


def kinetic(modes: int, mass: float, size: float) -> np.ndarray:
    """Kinetic energies (modes, modes) of the sines in eV."""
    squares = np.arange(1, modes + 1) ** 2
    return HBAR2_2M / mass * (np.pi / size) ** 2 * (squares[:, None] + squares[None])


def dense_hamiltonian(potential: np.ndarray, mass: float, size: float, modes: int) -> np.ndarray:
    """The whole matrix (modes^2, modes^2) in eV."""
    return _matrix(potential, kinetic(modes, mass, size), sines(len(potential), modes))


def _matrix(potential: np.ndarray, kinetic_energy: np.ndarray, s: np.ndarray) -> np.ndarray:
    modes = s.shape[1]
    pairs = np.einsum("ip,iq->ipq", s, s).reshape(len(s), -1)
    matrix = (pairs.T @ potential @ pairs).reshape((modes,) * 4)
    matrix = matrix.transpose(0, 2, 1, 3).reshape(modes**2, modes**2)
    matrix[np.diag_indices(modes**2)] += kinetic_energy.ravel()
    return matrix


def orbitals(
    potential: np.ndarray, mass: float, size: float, count: int, modes: int = 32
) -> tuple[np.ndarray, np.ndarray]:
    """Lowest `count` orbitals.

    The Hamiltonian is applied to a block of vectors by four small matrix products between sines
    and grid; the block, started in the long waves, is improved by LOBPCG (Knyazev, SIAM J. Sci.
    Comput. 23, 517 (2001)) with the kinetic energy as preconditioner. A block, unlike a single
    Lanczos vector, finds all orbitals of a degenerate shell.

    Returns
    -------
    energies : (count,) array
        In eV, ascending.
    values : (count, points, points) array
        Values on the grid; the sum of their squares is 1 (divide by the grid step for 1/nm).
    """
    s = sines(len(potential), modes)
    found = None
    if modes**2 > _DENSE and 6 * (count + _GUARD) < modes**2:
        found = _block_solver(potential, kinetic(modes, mass, size), s, count)
    if found is None:
        matrix = dense_hamiltonian(potential, mass, size, modes)
        energies, vectors = eigh(matrix, subset_by_index=(0, count - 1))
        found = energies, vectors.T
    coefficients = found[1].reshape(count, modes, modes)
    return found[0], s @ coefficients @ s.T


def _block_solver(
    potential: np.ndarray, kinetic_energy: np.ndarray, s: np.ndarray, count: int
) -> tuple[np.ndarray, np.ndarray] | None:
    """Lowest eigenvalues and coefficient rows; None if the block does not converge."""
    points, modes = s.shape
    t, block = kinetic_energy.ravel(), count + _GUARD

    def apply(rows: np.ndarray) -> np.ndarray:
        n = len(rows)
        on_grid = s @ (rows.reshape(-1, modes) @ s.T).reshape(n, modes, points)
        on_grid *= potential
        back = (on_grid.reshape(-1, points) @ s).reshape(n, points, modes)
        return (s.T @ back).reshape(n, -1) + t * rows

    low = min(modes, max(14, int(np.ceil(np.sqrt(2 * block)))))
    matrix = _matrix(potential, kinetic_energy[:low, :low], s[:, :low])
    w, vectors = eigh(matrix, subset_by_index=(0, block - 1))
    start = np.zeros((block, modes, modes))
    start[:, :low, :low] = vectors.T.reshape(block, low, low)
    x = start.reshape(block, -1)
    hx, p = apply(x), np.zeros((0, modes**2))
    hp = p
    for _ in range(_ITERATIONS):
        residual = hx - w[:, None] * x
        size = np.linalg.norm(residual, axis=1)
        scale = w[-1] - w[0]
        if size[:count].max() < _TOLERANCE * scale:
            return w[:count], x[:count]
        active = size > 0.1 * _TOLERANCE * scale
        new = residual[active] / np.maximum(t + potential.mean() - w[active, None], 0.1 * scale)
        old = np.concatenate([x, p])
        for _ in range(2):
            new -= (new @ old.T) @ old
        new = qr(new.T, mode="economic", check_finite=False)[0].T
        basis, image = np.concatenate([old, new]), np.concatenate([hx, hp, apply(new)])
        gram = basis @ image.T
        w, c = eigh((gram + gram.T) / 2, subset_by_index=(0, block - 1), check_finite=False)
        c = c.T
        past = c.copy()
        past[:, :block] = 0.0
        past -= (past @ c.T) @ c
        past = qr(past.T, mode="economic", check_finite=False)[0].T
        past -= (past @ c.T) @ c
        x, hx, p, hp = c @ basis, c @ image, past @ basis, past @ image
    return None
