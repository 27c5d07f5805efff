r"""What a variational result is measured against: exact states, closed forms, published energies.

Ising ring, even N, :math:`k = π(2n+1)/N` (even fermion parity; P. Pfeuty, Ann. Phys. 57, 79, 1970):

.. math:: E_0 = -\sum_k \sqrt{J^2 + h^2 - 2Jh\cos k}

Each pair (k, -k) is a spin 1/2 in the field :math:`ε_k n_k,\ n_k ∝ (h - J\cos k,\ J\sin k)`; after
a quench of h it precesses, which gives :math:`⟨σ^x⟩(t)` (E. Barouch, B. McCoy, M. Dresden, PRA 2,
1075, 1970). All energies in Pauli units, whole system.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

import numpy as np
import scipy.sparse
from numpy.typing import ArrayLike
from scipy.sparse.linalg import eigsh, expm_multiply

#: Up to this dimension matrices are diagonalised as dense ones.
DENSE = 600


class HasMatrix(Protocol):
    """Anything with a Hermitian `matrix`, a Hamiltonian say."""

    def matrix(self) -> Any:
        """Sparse matrix."""


def exact_ground_state(hamiltonian: HasMatrix, states: int = 1) -> tuple[Any, np.ndarray]:
    """Lowest eigenvalues and eigenvectors, in the order of ``hamiltonian.basis()``.

    Parameters
    ----------
    hamiltonian : Hamiltonian
        With a basis that fits into memory (some 10^6 configurations).
    states : int
        Number of states.

    Returns
    -------
    energy : float or (states,) array
        A float for one state; ascending.
    vector : (D,) or (D, states) array
        Of unit norm; the component of largest modulus is positive.

    Raises
    ------
    ValueError
        `states` outside 1..D.

    Notes
    -----
    Lanczos above dimension 600; of an exactly degenerate level it may miss a state.
    """
    matrix = scipy.sparse.csr_matrix(hamiltonian.matrix())
    dimension = matrix.shape[0]
    if not 1 <= states <= dimension:
        raise ValueError(f"states={states!r}; the basis has {dimension} states, ask for 1 to that")
    if dimension <= DENSE or states >= dimension - 1:
        energies, vectors = np.linalg.eigh(matrix.toarray())
    else:
        start = np.random.default_rng(0).uniform(0.5, 1.5, dimension)
        energies, vectors = eigsh(matrix, k=states, which="SA", v0=start, ncv=max(20, 3 * states))
    order = np.argsort(energies)[:states]
    energies, vectors = energies[order], vectors[:, order]
    largest = np.take_along_axis(vectors, np.abs(vectors).argmax(axis=0)[None], axis=0)
    vectors = vectors * (np.abs(largest) / largest)
    return (float(energies[0]), vectors[:, 0]) if states == 1 else (energies, vectors)


def exact_evolution(
    hamiltonian: HasMatrix, vector0: ArrayLike, times: ArrayLike, *, imaginary: bool = False
) -> np.ndarray:
    r"""State vectors :math:`e^{-iHt}|ψ_0⟩`, or :math:`e^{-Hτ}|ψ_0⟩` normalised.

    Parameters
    ----------
    hamiltonian : Hamiltonian
        Time independent; up to some 2^14 configurations in seconds. Up to dimension 600 by
        diagonalisation.
    vector0 : (D,) array_like
        Initial state, in the order of ``hamiltonian.basis()``.
    times : (T,) array_like
        Times since the initial state, not descending; negative ones only in real time.
    imaginary : bool
        Imaginary time; the states are normalised.

    Returns
    -------
    (T, D) complex array

    Raises
    ------
    ValueError
        `vector0` of the wrong size, times that descend or are not finite.
    """
    matrix = scipy.sparse.csc_matrix(hamiltonian.matrix())
    state = np.asarray(vector0, dtype=np.complex128)
    if state.shape != (matrix.shape[0],):
        raise ValueError(f"vector0 has shape {state.shape}; the basis needs ({matrix.shape[0]},)")
    times = np.asarray(times, dtype=np.float64)
    if times.ndim != 1 or not np.isfinite(times).all() or np.any(np.diff(times) < 0.0):
        raise ValueError("times must be a list of finite numbers that do not descend")
    if imaginary and times.size and times[0] < 0.0:
        raise ValueError(f"times start at {times[0]}; imaginary time runs from zero on")
    if state.size <= DENSE:
        energies, vectors = np.linalg.eigh(matrix.toarray())
        phase = -np.outer(times, energies - energies[0] if imaginary else 1j * energies)
        states = (np.exp(phase) * (vectors.conj().T @ state)) @ vectors.T
        return states / np.linalg.norm(states, axis=1)[:, None] if imaginary else states
    generator = (-1.0 if imaginary else -1j) * matrix
    trace, norm = generator.diagonal().sum(), float(abs(generator).sum(axis=0).max())
    states = np.empty((times.size, state.size), dtype=np.complex128)
    for number, step in enumerate(np.diff(times, prepend=0.0)):
        # Imaginary time in pieces: exp(-H tau) of a long one would overflow.
        pieces = max(1, int(np.ceil(step * norm / 100))) if imaginary else 1
        for _ in range(pieces if step != 0.0 else 0):
            state = expm_multiply(step / pieces * generator, state, traceA=step / pieces * trace)
            state = state / np.linalg.norm(state) if imaginary else state
        states[number] = state / np.linalg.norm(state) if imaginary else state
    return states


def ising_ring_energy(sites: int, h: float, J: float = 1.0) -> float:
    r"""Ground state energy of the Ising ring :math:`-J\sumσ^zσ^z - h\sumσ^x`.

    Parameters
    ----------
    sites : int
        Even number of sites.
    h, J : float
        Field and coupling of either sign.

    Raises
    ------
    ValueError
        An odd number of sites.

    Examples
    --------
    >>> [round(ising_ring_energy(20, h), 6) for h in (0.5, 1.0, 2.0)]
    [-21.270888, -25.49099, -42.541777]
    """
    field, _ = _ising_field(_momenta(sites), h, J)
    return -float(field.sum())


def ising_ring_quench(
    sites: int, h: float, times: ArrayLike, *, J: float = 1.0, h0: float = np.inf
) -> np.ndarray:
    r"""Magnetisation :math:`⟨σ^x⟩(t)` per site of the Ising ring after a quench of the field.

    Parameters
    ----------
    sites : int
        Even number of sites.
    h, J : float
        Field and coupling that drive the evolution.
    times : (T,) array_like
        In units of 1/J for J = 1.
    h0 : float
        Field whose ground state (at the same J) is the initial state; infinite: all spins along x.

    Raises
    ------
    ValueError
        An odd number of sites; h and J both zero, or h0 and J.

    Notes
    -----
    At h0 = 0 the start is the even superposition of the two ferromagnets.

    Examples
    --------
    >>> ising_ring_quench(10, 1.0, [0.0]).tolist()
    [1.0]
    """
    k = _momenta(sites)
    energy, along = _ising_field(k, h, J)
    before = np.array([np.ones_like(k), np.zeros_like(k)]) * np.sign(h0)
    if np.isfinite(h0):
        before = _ising_field(k, h0, J)[1]
    constant = np.sum(before * along, axis=0) * along[0]
    phase = 4.0 * np.multiply.outer(np.asarray(times, dtype=np.float64), energy)
    return np.mean(constant + (before[0] - constant) * np.cos(phase), axis=-1)


def heisenberg_ring_energy(sites: int, J: float = 1.0) -> float:
    r"""Ground state energy of the Heisenberg ring :math:`J\sum\vecσ_i·\vecσ_{i+1}`, J > 0.

    The Bethe equations :math:`N\,2\arctan 2λ_j = 2πI_j + 2\sum_k\arctan(λ_j - λ_k)` with
    :math:`I_j = -(M-1)/2, ..., (M-1)/2`, M = N/2, solved by Newton's method (H. Bethe, Z. Phys. 71,
    205, 1931).

    Parameters
    ----------
    sites : int
        Even, at least 4.
    J : float
        Antiferromagnetic exchange in Pauli units.

    Raises
    ------
    ValueError
        An odd number of sites or J <= 0.

    Examples
    --------
    >>> round(heisenberg_ring_energy(20), 8), round(heisenberg_ring_energy(80), 6)
    (-35.61754612, -141.848305)
    """
    _momenta(sites)
    if J <= 0.0:
        raise ValueError(f"J={J!r}; the antiferromagnetic ground state needs J > 0")
    roots = sites // 2
    quantum = np.arange(roots) - (roots - 1) / 2
    rapidity = 0.5 * np.tan(np.pi * quantum / sites)
    for _ in range(100):
        apart = np.subtract.outer(rapidity, rapidity)
        residual = (
            2 * sites * np.arctan(2 * rapidity)
            - 2 * np.pi * quantum
            - 2 * np.arctan(apart).sum(axis=1)
        )
        kernel = 2.0 / (1.0 + apart**2)
        slope = 4 * sites / (1 + 4 * rapidity**2) - kernel.sum(axis=1)
        change = np.linalg.solve(np.diag(slope) + kernel, residual)
        rapidity = rapidity - change
        if np.abs(change).max() < 1e-13 * max(1.0, np.abs(rapidity).max()):
            break
    else:
        raise RuntimeError(f"the Bethe equations of {sites} sites did not converge")
    return float(J * (sites - 8 * np.sum(1.0 / (1.0 + 4 * rapidity**2))))


class Reference(NamedTuple):
    """A published or tabulated energy of the whole system, in Pauli units."""

    name: str
    shape: tuple[int, ...]
    couplings: Mapping[str, float]
    energy: float
    source: str


def _rows(name: str, source: str, rows: Sequence[tuple]) -> list[Reference]:
    return [
        Reference(name, shape, MappingProxyType(couplings), energy, source)
        for shape, couplings, energy in rows
    ]


_ED = "exact diagonalisation"
#: Energies beyond the closed forms; square tori. Our tests check those of 4 x 4 and 4 x 6.
REFERENCE_ENERGIES: tuple[Reference, ...] = (
    *_rows("heisenberg", _ED, [((4, 4), {"J": 1.0}, -44.9139328)]),
    *_rows(
        "heisenberg",
        _ED + "; H. J. Schulz, T. Ziman, D. Poilblanc, J. Phys. I 6, 675 (1996)",
        [((6, 6), {"J": 1.0}, -97.75758960)],
    ),
    *_rows(
        "heisenberg",
        "quantum Monte Carlo, -0.671549(4) per site in S units; A. W. Sandvik, PRB 56, 11678 "
        "(1997): good to 0.002",
        [((10, 10), {"J": 1.0}, -268.6196)],
    ),
    *_rows(
        "j1j2",
        _ED,
        [
            ((4, 4), {"J1": 1.0, "J2": 0.5}, -33.83169341),
            ((4, 6), {"J1": 1.0, "J2": 0.5}, -50.16239380),
        ],
    ),
    *_rows(
        "j1j2",
        _ED + "; H. J. Schulz, T. Ziman, D. Poilblanc, J. Phys. I 6, 675 (1996)",
        [((6, 6), {"J1": 1.0, "J2": 0.5}, -72.54859016)],
    ),
    *_rows("transverse_ising", _ED, [((6, 6), {"h": 3.0, "J": 1.0}, -115.23270730)]),
)


def reference_energy(
    name: str, shape: int | Sequence[int], couplings: Mapping[str, float]
) -> float | None:
    """Energy of the ground state where it is known without a calculation of ours, else None.

    Closed forms on even rings (Ising; Heisenberg with J > 0; J1-J2 at J2 = 0 and, where the
    dimers are exact, at J2 = J1/2), otherwise `REFERENCE_ENERGIES`, rescaled by the coupling.

    Parameters
    ----------
    name : str
        "transverse_ising", "heisenberg" or "j1j2"; others have no reference.
    shape : int or tuple of int
        (L,) or (Lx, Ly), periodic.
    couplings : mapping
        {"h", "J"}, {"J"} or {"J1", "J2"}. What is missing has the default of the model. A value
        ``periodic=False`` has no reference.

    Notes
    -----
    Of the whole spectrum: not for a sector with a total other than zero.

    Examples
    --------
    >>> reference_energy("j1j2", (4, 4), {"J2": 0.5})
    -33.83169341
    >>> reference_energy("j1j2", 8, {"J2": 0.5})
    -12.0
    """
    sides = tuple(sorted((shape,) if isinstance(shape, (int, np.integer)) else shape))
    defaults = {
        "transverse_ising": {"J": 1.0, "h": 1.0},
        "heisenberg": {"J": 1.0},
        "j1j2": {"J1": 1.0, "J2": 0.5},
    }
    if name not in defaults or not couplings.get("periodic", True):
        return None
    values = {key: float(couplings.get(key, start)) for key, start in defaults[name].items()}
    if name == "j1j2" and values["J2"] == 0.0:
        name, values = "heisenberg", {"J": values["J1"]}
    if len(sides) == 1 and sides[0] % 2 == 0 and sides[0] >= 4:
        return _ring(name, int(sides[0]), values)
    scale = next(iter(values.values()))
    for row in REFERENCE_ENERGIES:
        if row.name == name and row.shape == sides and scale > 0.0:
            if all(np.isclose(values[key], scale * row.couplings[key]) for key in values):
                return scale * row.energy
    return None


def _ring(name: str, sites: int, values: Mapping[str, float]) -> float | None:
    if name == "transverse_ising":
        return ising_ring_energy(sites, values["h"], values["J"])
    if name == "heisenberg":
        return heisenberg_ring_energy(sites, values["J"]) if values["J"] > 0.0 else None
    exact_dimers = np.isclose(values["J2"], values["J1"] / 2) and values["J1"] > 0.0 and sites > 4
    return -1.5 * sites * values["J1"] if exact_dimers else None


def _momenta(sites: int) -> np.ndarray:
    if sites < 2 or sites % 2:
        raise ValueError(f"sites={sites!r}; the closed form is for an even number of sites")
    return np.pi * (2 * np.arange(sites) + 1) / sites


def _ising_field(k: np.ndarray, h: float, J: float) -> tuple[np.ndarray, np.ndarray]:
    """Size and unit vector (2, N) of the pseudo-field of each momentum."""
    field = np.array([h - J * np.cos(k), J * np.sin(k)])
    size = np.hypot(*field)
    if h == 0.0 and J == 0.0:
        raise ValueError("h and J are both zero: nothing is left of the Hamiltonian")
    return size, field / size
