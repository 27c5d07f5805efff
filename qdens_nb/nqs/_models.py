r"""The Hamiltonians of the tutorials (Pauli units, :math:`σ^z = s = ±1`; periodic lattices).

Transverse-field Ising :math:`H = -J\sum_{⟨ij⟩}σ^z_iσ^z_j - h\sum_iσ^x_i`

Heisenberg :math:`H = J\sum_{⟨ij⟩}\vecσ_i·\vecσ_j`, J1-J2 with a second sum over diagonal neighbours

t-V chain :math:`H = -J\sum_x(c^†_{x+1}c_x + h.c.) + V\sum_xn_xn_{x+1} + \sum_xv_xn_x` (s = 2n - 1)

Bose-Hubbard :math:`H = -t\sum_{⟨ij⟩}(b^†_ib_j + h.c.) + \sum_i\frac{U}{2}n_i(n_i-1)
+ V\sum_{⟨ij⟩}n_in_j + \sum_i(v_i-μ)n_i`, n <= n_max

With ``marshall=True`` the spins of one sublattice are rotated about z, which changes the sign of
the exchange between sublattices (Marshall's rule): on a bipartite lattice all off-diagonal
elements are then negative and the ground state positive. The spectrum is the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from qdens_nb.nqs._hamiltonian import Hamiltonian, Term

_Z = np.diag([-1.0, 1.0])
_X = np.array([[0.0, 1.0], [1.0, 0.0]])
_ZZ = np.kron(_Z, _Z)
#: σx σx + σy σy: exchanges two opposite spins, element 2
_EXCHANGE = 2.0 * np.eye(4)[[0, 2, 1, 3]] * np.array([0, 1, 1, 0])


def bonds(shape: Sequence[int], step: Any, periodic: bool = True) -> list[tuple]:
    """Pairs of sites joined by the vector `step`, each bond once, on a chain or lattice."""
    found = []
    for start in np.ndindex(*shape):
        end = [place + by for place, by in zip(start, step, strict=True)]
        if periodic or all(0 <= e < side for e, side in zip(end, shape, strict=True)):
            target = [e % side for e, side in zip(end, shape, strict=True)]
            pair = [int(np.ravel_multi_index(site, shape)) for site in (start, target)]
            found.append(tuple(pair))
    return found


def _shape(shape: int | Sequence[int], *, even: bool = False) -> tuple[int, ...]:
    sides = (int(shape),) if np.isscalar(shape) else tuple(int(side) for side in shape)  # type: ignore[arg-type, union-attr]
    if len(sides) not in (1, 2) or min(sides) < 2:
        raise ValueError(f"shape={shape!r}: expected a number of sites or (Lx, Ly), at least 2")
    if even and any(side % 2 for side in sides):
        raise ValueError(
            f"shape={shape!r}: Marshall's rule needs two sublattices, so even sides; "
            "take marshall=False on an odd ring"
        )
    return sides


def _neighbours(shape: tuple[int, ...]) -> list[tuple]:
    steps = np.eye(len(shape), dtype=int)
    return [bond for step in steps for bond in bonds(shape, step)]


def transverse_ising(
    shape: int | Sequence[int], h: float = 1.0, J: float = 1.0, periodic: bool = True
) -> Hamiltonian:
    """Transverse-field Ising model on a chain or a square lattice; critical at h = J in 1D.

    Parameters
    ----------
    shape : int or (Lx, Ly)
        Sites of the ring, or sides of the square lattice.
    h, J : float
        Transverse field and ferromagnetic coupling.
    periodic : bool
        Periodic or open boundaries.
    """
    sides = _shape(shape)
    steps = np.eye(len(sides), dtype=int)
    pairs = [bond for step in steps for bond in bonds(sides, step, periodic)]
    terms: list[Term] = [(-J * _ZZ, pair) for pair in pairs]
    terms += [(-h * _X, (site,)) for site in range(int(np.prod(sides)))]
    couplings = {"h": h, "J": J, **({} if periodic else {"periodic": False})}
    return Hamiltonian(sides, terms, name="transverse_ising", couplings=couplings)


def heisenberg(
    shape: int | Sequence[int], *, J: float = 1.0, marshall: bool = True, total: int | None = 0
) -> Hamiltonian:
    """Antiferromagnetic Heisenberg model on a ring or a square lattice.

    Parameters
    ----------
    shape : int or (Lx, Ly)
        Sites of the ring, or sides of the square lattice.
    J : float
        Exchange in Pauli units (4 times that of spins 1/2).
    marshall : bool
        Rotate one sublattice, so that the ground state is positive. Needs even sides.
    total : int or None
        Total of s, i.e. twice the magnetisation S^z; None for all sectors.
    """
    sides = _shape(shape, even=marshall)
    bond = J * (_ZZ + (-_EXCHANGE if marshall else _EXCHANGE))
    terms: list[Term] = [(bond, pair) for pair in _neighbours(sides)]
    return Hamiltonian(sides, terms, total=total, name="heisenberg", couplings={"J": J})


def j1j2(
    shape: int | Sequence[int],
    *,
    J2: float = 0.5,
    J1: float = 1.0,
    marshall: bool = True,
    total: int | None = 0,
) -> Hamiltonian:
    """J1-J2 Heisenberg model: frustrated by the exchange J2 between second neighbours.

    Parameters
    ----------
    shape : int or (Lx, Ly)
        Ring (J2 between next-nearest sites) or square lattice (J2 along the diagonals).
    J2, J1 : float
        Exchange in Pauli units.
    marshall : bool
        Rotate one sublattice: exact signs at J2 = 0, a good start up to J2 about 0.5.
    total : int or None
        Total of s; None for all sectors.
    """
    sides = _shape(shape, even=marshall)
    near = J1 * (_ZZ + (-_EXCHANGE if marshall else _EXCHANGE))
    steps = [(2,)] if len(sides) == 1 else [(1, 1), (1, -1)]
    terms: list[Term] = [(near, pair) for pair in _neighbours(sides)]
    terms += [(J2 * (_ZZ + _EXCHANGE), pair) for step in steps for pair in bonds(sides, step)]
    couplings = {"J1": J1, "J2": J2}
    return Hamiltonian(sides, terms, total=total, name="j1j2", couplings=couplings)


def tv_chain(
    potential: Sequence[float] | np.ndarray,
    V: float = 0.0,
    *,
    particles: int,
    flux: float = 0.0,
    periodic: bool = True,
    statistics: str = "fermions",
) -> Hamiltonian:
    """t-V chain of spinless fermions, or hard-core bosons, in a potential; J = 1.

    The fermions are taken through a Jordan-Wigner transformation: they differ from hard-core
    bosons only by the sign (-1)^(N-1) of the hop around the ring.

    Parameters
    ----------
    potential : (L,) array
        On-site potential in units of the hopping.
    V : float
        Nearest-neighbour repulsion.
    particles : int
        Number N of particles.
    flux : float
        Flux through the ring in radians, a phase flux/L on every bond.
    periodic : bool
        Ring or open chain.
    statistics : {"fermions", "bosons"}
        Particles.
    """
    potential = np.asarray(potential, float)
    if potential.ndim != 1 or not np.isfinite(potential).all():
        raise ValueError(f"potential has the shape {potential.shape}; expected (L,), finite")
    if statistics not in ("fermions", "bosons"):
        raise ValueError(f"statistics={statistics!r}; expected 'fermions' or 'bosons'")
    sites = len(potential)
    occupied = np.diag([0.0, 1.0])
    hop = np.zeros((4, 4), complex if flux else float)
    # |01> -> |10> moves a particle from the second site to the first, against the flux.
    hop[2, 1] = -np.exp(-1j * flux / sites) if flux else -1.0
    hop[1, 2] = np.conj(hop[2, 1])
    around = -1.0 if statistics == "fermions" and particles % 2 == 0 else 1.0
    terms: list[Term] = [(v * occupied, (x,)) for x, v in enumerate(potential)]
    for pair in bonds((sites,), (1,), periodic):
        sign = around if pair[1] < pair[0] else 1.0
        terms.append((sign * hop + V * np.kron(occupied, occupied), pair))
    total = 2 * particles - sites
    return Hamiltonian(sites, terms, total=total, name="tv_chain", couplings={"V": V, "flux": flux})


def bose_hubbard(
    shape: int | Sequence[int],
    *,
    U: float,
    V: float = 0.0,
    mu: float = 0.0,
    potential: np.ndarray | float = 0.0,
    n_max: int = 3,
    particles: int | None = None,
) -> Hamiltonian:
    """Extended Bose-Hubbard model on the ring or square torus, hopping t = 1.

    Parameters
    ----------
    shape : int or (Lx, Ly)
        Sites of the ring, or sides of the torus.
    U, V, mu : float
        On-site and neighbour repulsion, chemical potential.
    potential : float or array of the lattice's shape
        On-site potential.
    n_max : int
        Largest occupation of a site.
    particles : int, optional
        Conserved number of particles; grand canonical if not given.
    """
    sides = _shape(shape)
    levels = np.arange(n_max + 1)
    lower = np.diag(np.sqrt(levels[1:]), 1)
    number = np.diag(levels.astype(float))
    bond = -(np.kron(lower, lower.T) + np.kron(lower.T, lower)) + V * np.kron(number, number)
    local = np.broadcast_to(np.asarray(potential, float), sides).ravel() - mu
    terms: list[Term] = [(bond, pair) for pair in _neighbours(sides)]
    terms += [
        (np.diag(0.5 * U * levels * (levels - 1) + v * levels), (site,))
        for site, v in enumerate(local)
    ]
    couplings = {"U": U, "V": V, "mu": mu}
    return Hamiltonian(
        sides,
        terms,
        local_values=tuple(int(n) for n in levels),
        total=particles,
        name="bose_hubbard",
        couplings=couplings,
    )
