"""Exact references of small systems, closed forms and the table of energies."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import scipy.sparse
from scipy.linalg import expm

from qdens_nb.nqs import _exact
from qdens_nb.nqs._exact import (
    REFERENCE_ENERGIES,
    exact_evolution,
    exact_ground_state,
    heisenberg_ring_energy,
    ising_ring_energy,
    ising_ring_quench,
    reference_energy,
)
from qdens_nb.nqs._models import heisenberg, j1j2, transverse_ising

Z, X = scipy.sparse.csr_matrix(np.diag([-1.0, 1.0])), scipy.sparse.csr_matrix([[0.0, 1], [1, 0]])


def on_site(operator: scipy.sparse.csr_matrix, site: int, sites: int) -> scipy.sparse.csr_matrix:
    before, after = scipy.sparse.identity(2**site), scipy.sparse.identity(2 ** (sites - site - 1))
    return scipy.sparse.csr_matrix(scipy.sparse.kron(scipy.sparse.kron(before, operator), after))


def ising(sites: int, h: float, J: float = 1.0) -> SimpleNamespace:
    """The Ising ring by Kronecker products, independent of our Hamiltonians."""
    z = [on_site(Z, site, sites) for site in range(sites)]
    x = sum(on_site(X, site, sites) for site in range(sites))
    bonds = sum(z[site] @ z[(site + 1) % sites] for site in range(sites))
    return SimpleNamespace(matrix=lambda: -J * bonds - h * x, magnetisation=x / sites)


def random_hermitian(size: int, seed: int) -> SimpleNamespace:
    rng = np.random.default_rng(seed)
    matrix = rng.normal(size=(size, size)) + 1j * rng.normal(size=(size, size))
    matrix += matrix.conj().T
    return SimpleNamespace(matrix=lambda: scipy.sparse.csr_matrix(matrix))


@pytest.mark.parametrize(("sites", "dense"), [(6, 600), (10, 600), (10, 2000)])
def test_ground_state_is_an_eigenvector(monkeypatch, sites: int, dense: int) -> None:
    monkeypatch.setattr(_exact, "DENSE", dense)
    model = ising(sites, 1.2)
    energy, vector = exact_ground_state(model)
    assert isinstance(energy, float)
    np.testing.assert_allclose(model.matrix() @ vector, energy * vector, atol=1e-9)
    assert np.linalg.norm(vector) == pytest.approx(1.0)
    assert (vector > 0).all(), "a stoquastic ground state is positive"
    assert energy == pytest.approx(ising_ring_energy(sites, 1.2), rel=1e-12)


def test_several_states_and_complex_matrices() -> None:
    model = random_hermitian(30, 0)
    energies, vectors = exact_ground_state(model, states=4)
    np.testing.assert_allclose(energies, np.linalg.eigvalsh(model.matrix().toarray())[:4])
    np.testing.assert_allclose(vectors.conj().T @ vectors, np.eye(4), atol=1e-12)
    np.testing.assert_allclose(model.matrix() @ vectors, vectors * energies, atol=1e-10)
    with pytest.raises(ValueError, match="30 states"):
        exact_ground_state(model, states=31)


def test_ground_state_is_in_the_order_of_the_basis() -> None:
    """Strong field along x: ψ is flat; strong coupling: ψ lives on the two ferromagnets."""
    model = transverse_ising(8, h=0.05)
    _, vector = exact_ground_state(model)
    heaviest = model.basis()[np.argsort(vector)[-2:]]
    assert sorted(heaviest.sum(axis=1)) == [-8, 8]


@pytest.mark.parametrize("imaginary", [False, True])
def test_evolution_is_the_exponential(imaginary: bool) -> None:
    model = random_hermitian(20, 1)
    rng = np.random.default_rng(2)
    start = rng.normal(size=20) + 1j * rng.normal(size=20)
    start /= np.linalg.norm(start)
    times = [0.0, 0.1, 0.1, 0.75]
    found = exact_evolution(model, start, times, imaginary=imaginary)
    matrix = model.matrix().toarray()
    for time, state in zip(times, found, strict=True):
        expected = expm((-time if imaginary else -1j * time) * matrix) @ start
        np.testing.assert_allclose(state, expected / np.linalg.norm(expected), atol=1e-10)


def test_evolution_conserves_and_reverses() -> None:
    model = ising(8, 0.7)
    start = np.full(256, 1 / 16.0)
    states = exact_evolution(model, start, np.linspace(0.0, 2.0, 5))
    np.testing.assert_allclose(np.linalg.norm(states, axis=1), 1.0)
    energies = [np.vdot(s, model.matrix() @ s).real for s in states]
    np.testing.assert_allclose(energies, energies[0])
    back = exact_evolution(model, states[-1], [-2.0])
    np.testing.assert_allclose(back[0], start, atol=1e-10)


def test_imaginary_time_ends_in_the_ground_state() -> None:
    model = ising(6, 2.0)
    _, ground = exact_ground_state(model)
    late = exact_evolution(model, np.full(64, 0.125), [30.0], imaginary=True)[0]
    assert abs(np.vdot(late, ground)) == pytest.approx(1.0, abs=1e-10)


@pytest.mark.parametrize(
    ("vector", "times", "options", "message"),
    [
        (np.ones(3), [0.0], {}, "basis needs"),
        (np.ones(4), [1.0, 0.0], {}, "do not descend"),
        (np.ones(4), [np.inf], {}, "finite"),
        (np.ones(4), 1.0, {}, "a list"),
        (np.ones(4), [-1.0], {"imaginary": True}, "from zero on"),
    ],
)
def test_evolution_refuses(vector, times, options, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        exact_evolution(random_hermitian(4, 3), vector, times, **options)


@pytest.mark.parametrize("sites", [4, 6, 8])
@pytest.mark.parametrize(("h", "J"), [(0.5, 1.0), (1.0, 1.0), (2.0, 0.7), (1.3, -1.0), (-0.4, 1)])
def test_energy_of_the_ising_ring(sites: int, h: float, J: float) -> None:
    assert ising_ring_energy(sites, h, J) == pytest.approx(
        exact_ground_state(ising(sites, h, J))[0]
    )


def test_critical_ising_ring() -> None:
    for sites in (20, 40, 80):
        closed = -2 / np.sin(np.pi / (2 * sites))
        assert ising_ring_energy(sites, 1.0) == pytest.approx(closed, rel=1e-13)
    with pytest.raises(ValueError, match="even"):
        ising_ring_energy(5, 1.0)


@pytest.mark.parametrize(("h", "J"), [(0.8, 1.0), (1.0, 1.0), (1.5, -1.0)])
@pytest.mark.parametrize("h0", [np.inf, -np.inf, 2.0, 0.3])
def test_quench_of_the_ising_ring(h0: float, h: float, J: float) -> None:
    sites, times = 10, np.linspace(0.0, 3.0, 13)
    model = ising(sites, h, J)
    if np.isinf(h0):
        start = np.array([1.0])
        for _ in range(sites):
            start = np.kron(start, [np.sign(h0), 1.0]) / np.sqrt(2)
    else:
        _, start = exact_ground_state(ising(sites, h0, J))
    states = exact_evolution(model, start, times)
    exact = [np.vdot(s, model.magnetisation @ s).real for s in states]
    found = ising_ring_quench(sites, h, times, J=J, h0=h0)
    np.testing.assert_allclose(found, exact, atol=1e-9)


def test_no_quench_no_change() -> None:
    found = ising_ring_quench(20, 0.7, [0.0, 1.0, 5.0], h0=0.7)
    slope = (ising_ring_energy(20, 0.7 + 1e-5) - ising_ring_energy(20, 0.7 - 1e-5)) / 2e-5
    np.testing.assert_allclose(found, -slope / 20, rtol=1e-8)
    with pytest.raises(ValueError, match="both zero"):
        ising_ring_quench(20, 0.0, [0.0], J=0.0)


def test_energy_of_the_heisenberg_ring() -> None:
    for sites in (4, 6, 8, 10):
        exact, _ = exact_ground_state(heisenberg(sites))
        assert heisenberg_ring_energy(sites) == pytest.approx(exact, rel=1e-12)
    assert heisenberg_ring_energy(20) == pytest.approx(-35.61754612, abs=1e-8)
    assert heisenberg_ring_energy(80, J=2.0) == pytest.approx(-2 * 141.848305, abs=2e-6)
    limit = 1 - 4 * np.log(2)
    assert heisenberg_ring_energy(400) / 400 == pytest.approx(limit, rel=3e-5)
    with pytest.raises(ValueError, match="J > 0"):
        heisenberg_ring_energy(8, J=-1.0)


@pytest.mark.parametrize(
    "model", [heisenberg((4, 4)), j1j2((4, 4), J2=0.5), j1j2((4, 4), J2=0.5, marshall=False)]
)
def test_table_against_exact_diagonalisation(model) -> None:
    exact, _ = exact_ground_state(model)
    listed = reference_energy(model.name, model.shape, model.couplings)
    assert listed == pytest.approx(exact, abs=1e-7)


@pytest.mark.parametrize(
    "model",
    [transverse_ising(8, h=0.6, J=1.7), heisenberg(8, J=2.0), j1j2(8, J1=1.5, J2=0.75)],
    ids=lambda model: model.name,
)
def test_reference_of_rings_against_exact_diagonalisation(model) -> None:
    exact, _ = exact_ground_state(model)
    found = reference_energy(model.name, model.shape, model.couplings)
    assert found == pytest.approx(exact, rel=1e-10)


def test_table_scales_and_knows_what_it_does_not_know() -> None:
    for row in REFERENCE_ENERGIES:
        assert reference_energy(row.name, row.shape, row.couplings) == row.energy
        doubled = {key: 2.0 * value for key, value in row.couplings.items()}
        assert reference_energy(row.name, row.shape[::-1], doubled) == pytest.approx(2 * row.energy)
    square = reference_energy("j1j2", (4, 4), {"J1": 1.0, "J2": 0.0})
    assert square == reference_energy("heisenberg", (4, 4), {})
    for name, shape, couplings in [
        ("j1j2", (4, 4), {"J2": 0.3}),
        ("j1j2", 12, {"J2": 0.2}),
        ("heisenberg", (4, 4), {"J": -1.0}),
        ("heisenberg", 7, {}),
        ("heisenberg", 8, {"J": -1.0}),
        ("transverse_ising", 8, {"periodic": False}),
        ("transverse_ising", (8, 8), {"h": 3.0}),
        ("bose_hubbard", 8, {"U": 1.0}),
    ]:
        assert reference_energy(name, shape, couplings) is None


@pytest.mark.slow
def test_table_of_the_4x6_lattice_by_quspin() -> None:
    """The ground state of J1-J2 at 0.5 in the sector of zero momentum and even spin flip."""
    quspin_basis = pytest.importorskip("quspin.basis")
    operators = pytest.importorskip("quspin.operators")
    shape, sites = (4, 6), np.arange(24)

    def moved(dx: int, dy: int) -> np.ndarray:
        x, y = np.unravel_index(sites, shape)
        return (x + dx) % shape[0] * shape[1] + (y + dy) % shape[1]

    basis = quspin_basis.spin_basis_general(
        24, Nup=12, pauli=True, tx=(moved(1, 0), 0), ty=(moved(0, 1), 0), z=(-(sites + 1), 0)
    )
    bonds = [
        [J, int(i), int(moved(*step)[i])]
        for J, steps in ((1.0, ((1, 0), (0, 1))), (0.5, ((1, 1), (1, -1))))
        for step in steps
        for i in sites
    ]
    static = [[pair, bonds] for pair in ("xx", "yy", "zz")]
    checks = dict.fromkeys(("check_symm", "check_herm", "check_pcon"), False)
    matrix = operators.hamiltonian(static, [], basis=basis, dtype=np.float64, **checks)
    energy = matrix.eigsh(k=1, which="SA", return_eigenvectors=False)[0]
    assert reference_energy("j1j2", shape, {"J2": 0.5}) == pytest.approx(energy, abs=1e-7)
