"""Rows of H against QuSpin and published energies."""

from __future__ import annotations

import numpy as np
import pytest
from quspin.basis import boson_basis_1d, spin_basis_general
from quspin.operators import hamiltonian as quspin_hamiltonian
from scipy.sparse.linalg import eigsh

from qdens_nb import fermion_chain, nqs, solvers

QUIET = {"check_herm": False, "check_pcon": False, "check_symm": False, "dtype": np.complex128}


def lowest(model: nqs.Hamiltonian) -> float:
    return float(eigsh(model.matrix(), k=1, which="SA")[0][0])


def quspin_matrix(shape, terms, **sector):
    basis = spin_basis_general(int(np.prod(shape)), pauli=1, **sector)
    return quspin_hamiltonian(terms, [], basis=basis, **QUIET).toarray()


def square_bonds(lx, ly, steps):
    def site(x, y):
        return (x % lx) * ly + y % ly

    places = [(x, y) for x in range(lx) for y in range(ly)]
    return [(site(x, y), site(x + a, y + b)) for a, b in steps for x, y in places]


@pytest.mark.parametrize("shape", [(5,), (2, 3)])
def test_ising_has_the_spectrum_of_quspin(shape):
    near = (
        [(x, (x + 1) % 5) for x in range(5)]
        if len(shape) == 1
        else square_bonds(*shape, [(1, 0), (0, 1)])
    )
    sites = int(np.prod(shape))
    terms = [
        ["zz", [[-1.0, i, j] for i, j in near]],
        ["x", [[-0.7, i] for i in range(sites)]],
    ]
    wanted = np.linalg.eigvalsh(quspin_matrix(shape, terms))
    found = np.linalg.eigvalsh(nqs.transverse_ising(shape, h=0.7).matrix().toarray())
    np.testing.assert_allclose(found, wanted, atol=1e-12)


@pytest.mark.parametrize("marshall", [True, False])
def test_j1j2_has_the_spectrum_of_quspin(marshall):
    near, far = (
        square_bonds(4, 2, [(1, 0), (0, 1)]),
        square_bonds(4, 2, [(1, 1), (1, -1)]),
    )
    terms = [
        [pair, [[c, i, j] for c, bonds in ((1.0, near), (0.4, far)) for i, j in bonds]]
        for pair in ("xx", "yy", "zz")
    ]
    wanted = np.linalg.eigvalsh(quspin_matrix((4, 2), terms, Nup=4))
    model = nqs.j1j2((4, 2), J2=0.4, marshall=marshall)
    np.testing.assert_allclose(np.linalg.eigvalsh(model.matrix().toarray()), wanted, atol=1e-12)


@pytest.mark.parametrize("particles", [None, 4])
def test_bose_hubbard_has_the_spectrum_of_quspin(particles):
    potential = np.array([0.3, -0.2, 0.0, 0.5])
    basis = boson_basis_1d(4, sps=3, **({} if particles is None else {"Nb": particles}))
    near = [(x, (x + 1) % 4) for x in range(4)]
    terms = [
        ["+-", [[-1.0, i, j] for i, j in near]],
        ["-+", [[-1.0, i, j] for i, j in near]],
        ["nn", [[1.5, i, j] for i, j in near] + [[3.0, i, i] for i in range(4)]],
        ["n", [[v - 2.0 - 3.0, i] for i, v in enumerate(potential)]],
    ]
    wanted = np.linalg.eigvalsh(quspin_hamiltonian(terms, [], basis=basis, **QUIET).toarray())
    model = nqs.bose_hubbard(
        4, U=6.0, V=1.5, mu=2.0, potential=potential, n_max=2, particles=particles
    )
    np.testing.assert_allclose(np.linalg.eigvalsh(model.matrix().toarray()), wanted, atol=1e-12)


@pytest.mark.parametrize("flux", [0.0, 0.8])
@pytest.mark.parametrize("particles", [3, 4])
def test_tv_chain_agrees_with_the_solver_of_chains(particles, flux):
    potential = np.random.default_rng(1).normal(size=8)
    problem = fermion_chain(potential, V=1.2, flux=flux)
    wanted = float(solvers.chain_ed(problem).energy_of_N[particles])
    model = nqs.tv_chain(potential, 1.2, particles=particles, flux=flux)
    assert lowest(model) == pytest.approx(wanted, abs=1e-9)


def test_published_energies():
    assert lowest(nqs.heisenberg((4, 4))) == pytest.approx(-44.9139328, abs=1e-6)
    assert lowest(nqs.j1j2((4, 4), J2=0.5)) == pytest.approx(-33.83169341, abs=1e-6)
    assert lowest(nqs.transverse_ising(12, h=1.0)) == pytest.approx(-2 / np.sin(np.pi / 24))


def test_marshall_rule_takes_the_signs_away_on_bipartite_lattices_only():
    assert nqs.heisenberg((4, 4)).is_stoquastic
    assert not nqs.heisenberg((4, 4), marshall=False).is_stoquastic
    assert not nqs.j1j2((4, 4), J2=0.5).is_stoquastic
    assert nqs.transverse_ising(6).is_stoquastic


def test_rows_are_the_rows_of_the_matrix():
    model = nqs.bose_hubbard((2, 2), U=2.0, mu=1.0, n_max=2)
    basis = model.basis()
    vector = np.random.default_rng(0).normal(size=len(basis))
    diagonal, index, connected, elements = model.rows(basis)
    places = {row.tobytes(): k for k, row in enumerate(basis)}
    found = diagonal * vector
    np.add.at(found, index, elements * vector[[places[row.tobytes()] for row in connected]])
    np.testing.assert_allclose(found, model.matrix() @ vector, atol=1e-12)


def test_errors_say_what_is_wrong():
    x = np.array([[0.0, 1.0], [1.0, 0.0]])
    with pytest.raises(ValueError, match="not Hermitian"):
        nqs.Hamiltonian(2, [(np.triu(np.ones((2, 2))), (0,))])
    with pytest.raises(ValueError, match="different sites in"):
        nqs.Hamiltonian(2, [(x, (2,))])
    with pytest.raises(ValueError, match="does not conserve"):
        nqs.Hamiltonian(2, [(x, (0,))], total=0)
    with pytest.raises(ValueError, match="2 x 2 matrix"):
        nqs.Hamiltonian(2, [(np.eye(3), (0,))])
    with pytest.raises(ValueError, match="even sides"):
        nqs.heisenberg(5)
    with pytest.raises(ValueError, match="too many to list"):
        nqs.transverse_ising(40).basis()
    with pytest.raises(ValueError, match="none of"):
        nqs.transverse_ising(4).rows(np.zeros((1, 4), np.int8))
    with pytest.raises(ValueError, match="total=3"):
        nqs.heisenberg(4, total=3)
