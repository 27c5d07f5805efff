r"""Two electrons in orbitals: the configuration interaction (CI) matrix and its densities.

:math:`\Psi(r_1, r_2) = \sum_{ab} C_{ab}\,\phi_a(r_1)\phi_b(r_2)`, C symmetric for the spin singlet,
antisymmetric for the triplet, :math:`\sum C_{ab}^2 = 1`. The one-body density matrix is
:math:`2CC^T`.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import eigh

from qdens_nb.solvers._dot_coulomb import pair_index


def configurations(count: int, spin: str) -> tuple[np.ndarray, np.ndarray]:
    """Orbitals (a, b) of the configurations, a <= b for the singlet, a < b for the triplet."""
    return np.triu_indices(count, 0 if spin == "singlet" else 1)


def ci_matrix(energies: np.ndarray, integrals: np.ndarray, spin: str) -> np.ndarray:
    """CI matrix in eV from orbital energies and the integrals of the orbital pairs in eV."""
    count = len(energies)
    a, b = configurations(count, spin)
    pair = pair_index(count)
    direct = integrals[pair[a[:, None], a], pair[b[:, None], b]]
    exchange = integrals[pair[a[:, None], b], pair[b[:, None], a]]
    if spin == "singlet":
        norm = np.where(a == b, np.sqrt(0.5), 1.0)
        matrix = (direct + exchange) * np.outer(norm, norm)
    else:
        matrix = direct - exchange
    matrix[np.diag_indices(len(a))] += energies[a] + energies[b]
    return matrix


def ci_states(
    energies: np.ndarray, integrals: np.ndarray, spin: str, states: int
) -> tuple[np.ndarray, np.ndarray]:
    """Lowest states: energies (states,) in eV and amplitudes C (states, orbitals, orbitals)."""
    count = len(energies)
    matrix = ci_matrix(energies, integrals, spin)
    found, vectors = eigh(matrix, subset_by_index=(0, states - 1))
    a, b = configurations(count, spin)
    amplitudes = np.zeros((states, count, count))
    amplitudes[:, a, b] = vectors.T * np.where(a == b, 1.0, np.sqrt(0.5))
    mirrored = amplitudes.transpose(0, 2, 1)
    diagonal = np.arange(count)
    full = amplitudes + mirrored if spin == "singlet" else amplitudes - mirrored
    full[:, diagonal, diagonal] = amplitudes[:, diagonal, diagonal]
    return found, full


def density_matrix(amplitudes: np.ndarray, diagonal_only: bool = False) -> np.ndarray:
    """One-body density matrix (..., orbitals, orbitals) of both spins; its trace is 2."""
    matrix = 2.0 * amplitudes @ amplitudes.swapaxes(-1, -2)
    return matrix * np.eye(matrix.shape[-1]) if diagonal_only else matrix


def density_of(matrix: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """Density on the grid (states, points, points) from density matrices and pair densities."""
    a, b = np.triu_indices(matrix.shape[-1])
    weight = matrix[..., a, b] * np.where(a == b, 1.0, 2.0)
    return np.tensordot(weight, pairs[: len(a)], axes=1)
