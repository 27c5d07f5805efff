"""Exact diagonalisation of bosons: brute force, thermodynamic identities, known limits."""

import itertools
from functools import reduce

import numpy as np
import pytest

import qdens_nb as qd
from qdens_nb.solvers import _bose_hubbard_ed as ed
from qdens_nb.solvers._bose_common import BOSE_OBSERVABLES, checkerboard, neighbours
from qdens_nb.solvers._bose_sectors import bose_sector, sector_dimension

SHARED = ("density", "density_squared", "density_correlation", "coherence", "energy")


def fock_space(shape, n_max):
    """Dense b_i on the whole Fock space."""
    sites = int(np.prod(shape))
    lower, one = np.diag(np.sqrt(np.arange(1.0, n_max + 1)), 1), np.eye(n_max + 1)
    return [reduce(np.kron, [one] * i + [lower] + [one] * (sites - i - 1)) for i in range(sites)]


def brute_force(shape, mu, U, V, T, n_max, twist=(0.0, 0.0)):
    """Grand potential and averages from the whole matrix; -mu is part of the potential."""
    b = fock_space(shape, n_max)
    n = [np.diag(np.diag(a.T @ a).round()) for a in b]
    pairs = [list(enumerate(targets)) for targets in neighbours(shape).T[: len(shape)]]
    H = sum(0.5 * U[i] * a @ (a - np.eye(len(a))) - mu[i] * a for i, a in enumerate(n)) + 0j
    for d, bonds in enumerate(pairs):
        for i, j in bonds:
            hop = np.exp(1j * twist[d]) * b[j].T @ b[i]
            H += V * n[i] @ n[j] - hop - hop.conj().T
    levels, vectors = np.linalg.eigh(H)
    weights = np.exp(-(levels - levels[0]) / T)
    z = weights.sum()
    rho = (vectors * (weights / z)) @ vectors.conj().T

    def mean(operator):
        return np.einsum("ij,ji->", rho, operator).real

    N, stagger = sum(n), sum(s * a for s, a in zip(checkerboard(shape).flat, n, strict=True))
    number = mean(N)
    return {
        "density": np.array([mean(a) for a in n]).reshape(shape),
        "density_squared": np.array([mean(a @ a) for a in n]).reshape(shape),
        "density_correlation": np.array(
            [[mean(n[i] @ n[j]) for i, j in bonds] for bonds in pairs]
        ).reshape(len(shape), *shape),
        "coherence": np.array([[mean(b[i].T @ b[j]) for i, j in bonds] for bonds in pairs]).reshape(
            len(shape), *shape
        ),
        "energy": mean(H),
        "grand_potential": levels[0] - T * np.log(z),
        "particle_number": number,
        "compressibility": (mean(N @ N) - number**2) / (T * len(n)),
        "structure_factor": mean(stagger @ stagger) / len(n) ** 2,
        "clipped": max(mean(np.diag((np.diag(a) == n_max) * 1.0)) for a in n),
    }


CASES = {
    "ring": ((4,), 2, 0.7, 1.3),
    "two sites": ((2,), 4, 0.3, 0.5),
    "square": ((2, 2), 2, 1.1, 0.4),
    "hard core": ((2, 4), 1, 0.4, 1.7),
}


@pytest.mark.parametrize("name", CASES)
def test_equals_brute_force(name):
    shape, n_max, T, V = CASES[name]
    rng = np.random.default_rng(len(name))
    mu, U = rng.uniform(-1, 6, shape), rng.uniform(1, 8, shape)
    problem = qd.bose_hubbard(-mu, U=U, V=V, T=T, n_max=n_max)
    result = qd.solvers.bose_hubbard_ed(problem)
    expected = brute_force(shape, mu.ravel(), U.ravel(), V, T, n_max)
    for key, value in expected.items():
        np.testing.assert_allclose(result[key], value, atol=1e-10, err_msg=key)
    assert set(result.data_vars) - set(problem.data_vars) <= set(BOSE_OBSERVABLES)


@pytest.mark.parametrize("name", ["ring", "two sites", "square", "hard core"])
def test_stiffness_is_the_curvature_of_the_grand_potential(name):
    shape, n_max, T, V = CASES[name]
    rng = np.random.default_rng(1)
    mu, U = rng.uniform(0, 5, shape), rng.uniform(1, 8, shape)
    result = qd.solvers.bose_hubbard_ed(qd.bose_hubbard(-mu, U=U, V=V, T=T, n_max=n_max))
    curvature = []
    for d in range(len(shape)):
        omega = [
            brute_force(shape, mu.ravel(), U.ravel(), V, T, n_max, step * np.eye(2)[d])
            for step in (0.0, 0.02, 0.04)
        ]
        rise = [one["grand_potential"] - omega[0]["grand_potential"] for one in omega[1:]]
        coarse, fine = 2 * rise[1] / 0.04**2, 2 * rise[0] / 0.02**2
        curvature.append((4 * fine - coarse) / 3)
    sites = np.prod(shape)
    assert float(result.superfluid_stiffness) == pytest.approx(np.mean(curvature) / sites, rel=1e-5)
    windings = np.array(curvature) / (T * np.square(shape))
    np.testing.assert_allclose(result.winding_squared, windings, rtol=1e-5)


@pytest.mark.parametrize("shape", [(4,), (2, 2)])
def test_low_temperature_is_the_ground_state(shape):
    mu = np.random.default_rng(3).uniform(4, 12, shape)
    cold, zero = (
        qd.solvers.bose_hubbard_ed(qd.bose_hubbard(-mu, U=10.0, V=1.0, T=T, mu=1.0))
        for T in (0.01, 0.0)
    )
    for name in (*SHARED, "grand_potential", "superfluid_stiffness", "structure_factor"):
        np.testing.assert_allclose(zero[name], cold[name], atol=1e-7, err_msg=name)
    assert float(zero.particle_number) == pytest.approx(round(float(zero.particle_number)))
    assert np.isnan(zero.compressibility) and np.isnan(zero.winding_squared).all()


def test_known_energies_of_nine_and_sixteen_sites():
    """Own values of the reference notes; nine sites are odd, which the public door refuses."""
    lattice = ed.Lattice((3, 3), np.zeros(9), np.full(9, 16.74), 0.0, 4)
    assert ed.ground_state(*lattice.sector(9))[0] == pytest.approx(-6.104593, abs=1e-6)
    lattice = ed.Lattice((3, 3), np.full(9, 6.0), np.full(9, 8.0), 2.0, 3)
    result = ed.at_zero_temperature(lattice, 6.0, stiffness=False)
    assert result["grand_potential"] == pytest.approx(-39.9039, abs=1e-4)
    assert result["particle_number"] == pytest.approx(7.0)
    for V, energy in [(1.0, -3.2285), (0.7, -4.7208)]:  # given for t = 1/2
        lattice = ed.Lattice((4, 4), np.zeros(16), np.zeros(16), 2 * V, 1)
        assert ed.ground_state(*lattice.sector(8))[0] / 2 == pytest.approx(energy, abs=1e-4)


def test_hard_core_bosons_on_a_ring_are_free_fermions():
    """An odd number on a ring: no boundary sign, E = -2 sum cos k over the lowest levels."""
    lattice = ed.Lattice((10,), np.zeros(10), np.zeros(10), 0.0, 1)
    k = 2 * np.pi * np.arange(-2, 3) / 10
    energy, _ = ed.ground_state(*lattice.sector(5))
    assert energy == pytest.approx(-2 * np.cos(k).sum(), abs=1e-10)


@pytest.mark.parametrize("V", [0.0, 4.0])
def test_atomic_limit(V):
    """All energies far above t: sums over classical configurations."""
    shape, scale, T, n_max = (2, 2), 1e5, 2.0, 3
    mu, U = np.random.default_rng(5).uniform(0, 25, shape), 10.0
    problem = qd.bose_hubbard(-mu * scale, U=U * scale, V=V * scale, T=T * scale, n_max=n_max)
    result = qd.solvers.bose_hubbard_ed(problem)
    n = np.array(list(itertools.product(range(n_max + 1), repeat=4)), dtype=float)
    pairs = sum((n * n[:, j]).sum(1) for j in neighbours(shape).T[:2])
    energy = 0.5 * U * (n * (n - 1)).sum(1) - n @ mu.ravel() + V * pairs
    weights = np.exp(-(energy - energy.min()) / T)
    weights /= weights.sum()
    np.testing.assert_allclose(result.density.values.ravel(), weights @ n, atol=1e-6)
    np.testing.assert_allclose(result.density_squared.values.ravel(), weights @ n**2, atol=1e-6)
    assert float(result.energy) / scale == pytest.approx(weights @ energy, rel=1e-6)


def test_dilute_gas_is_a_free_particle():
    """At z = exp(mu/T) -> 0 the density is z exp(-h/T)_ii with the one-particle matrix h."""
    shape, T, mu = (2, 4), 1.5, -30.0
    v = np.random.default_rng(6).uniform(-1, 1, shape)
    problem = qd.bose_hubbard(v, U=20.0, V=5.0, mu=mu, T=T, n_max=2)
    result = qd.solvers.bose_hubbard_ed(problem)
    h = np.diag(v.ravel())
    for targets in neighbours(shape).T:
        h[np.arange(8), targets] -= 1.0
    levels, modes = np.linalg.eigh(h)
    green = (modes * np.exp((mu - levels) / T)) @ modes.T
    np.testing.assert_allclose(result.density.values.ravel(), np.diag(green), rtol=1e-6)
    for d in range(2):
        expected = green[np.arange(8), neighbours(shape)[:, d]]
        np.testing.assert_allclose(result.coherence.values[d].ravel(), expected, rtol=1e-6)


def test_derivatives_of_the_grand_potential():
    """N = -dO/dmu, sites kappa = dN/dmu, n_i = dO/dv_i, n_i(n_i - 1)/2 = dO/dU_i, S = -dO/dT."""
    shape, h = (2, 2), 1e-3
    rng = np.random.default_rng(7)
    v, U = rng.uniform(-2, 2, shape), rng.uniform(6, 12, shape)
    site = np.zeros(shape)
    site[0, 1] = 1.0

    def omega(dmu=0.0, dv=0.0, dU=0.0, dT=0.0):
        problem = qd.bose_hubbard(v + dv * site, U=U + dU * site, V=1.5, mu=8.0 + dmu, T=0.8 + dT)
        return qd.solvers.bose_hubbard_ed(problem)

    def slope(name, **step):
        (key,) = step
        up, down = omega(**{key: h}), omega(**{key: -h})
        return float(up[name] - down[name]) / (2 * h)

    result = omega()
    number = float(result.particle_number)
    assert number == pytest.approx(-slope("grand_potential", dmu=h), abs=1e-5)
    assert float(result.compressibility) * 4 == pytest.approx(
        slope("particle_number", dmu=h), abs=1e-5
    )
    n, squared = float(result.density[0, 1]), float(result.density_squared[0, 1])
    assert n == pytest.approx(slope("grand_potential", dv=h), abs=1e-5)
    assert (squared - n) / 2 == pytest.approx(slope("grand_potential", dU=h), abs=1e-5)
    entropy = (float(result.energy) - 8.0 * number - float(result.grand_potential)) / 0.8
    assert entropy == pytest.approx(-slope("grand_potential", dT=h), abs=1e-5)


def test_moving_and_turning_the_torus():
    v = np.random.default_rng(8).uniform(-3, 3, (2, 4))
    solve = qd.solvers.bose_hubbard_ed
    couplings = {"V": 2.0, "mu": 3.0, "T": 0.6, "n_max": 1}
    one, moved = (solve(qd.bose_hubbard(p, **couplings)) for p in (v, np.roll(v, (1, 3), (0, 1))))
    turned = solve(qd.bose_hubbard(v.T, **couplings))
    for name in SHARED[:-1]:
        rolled = np.roll(one[name].values, (1, 3), (-2, -1))
        np.testing.assert_allclose(moved[name], rolled, atol=1e-10, err_msg=name)
        swapped = np.swapaxes(turned[name].values, -1, -2)
        if "direction" in turned[name].dims:
            swapped = swapped[::-1]
        np.testing.assert_allclose(one[name], swapped, atol=1e-10, err_msg=name)
    np.testing.assert_allclose(one.winding_squared, turned.winding_squared[::-1], atol=1e-10)


def test_lanczos_finds_every_copy_of_a_degenerate_level(monkeypatch):
    """A flat ring has levels in pairs of momenta k and -k."""
    monkeypatch.setattr(ed, "_SMALL", 100)
    lattice = ed.Lattice((8,), np.zeros(8), np.full(8, 6.0), 1.0, 2)
    part, diagonal = lattice.sector(6)
    exact = np.linalg.eigvalsh(part.hamiltonian(diagonal).toarray())
    highest = exact[60] + 1e-6
    energies, states = ed.low_states(part, diagonal, highest)
    below = exact[exact <= highest]
    assert energies.size < part.dim
    np.testing.assert_allclose(energies[: below.size], below, atol=1e-9)
    assert (energies[below.size :] > highest).all()
    overlap = states[:, : below.size].T @ states[:, : below.size]
    np.testing.assert_allclose(overlap, np.eye(below.size), atol=1e-8)


def test_without_stiffness_all_else_is_the_same(monkeypatch):
    monkeypatch.setattr(ed, "_SMALL", 100)
    mu = np.random.default_rng(9).uniform(4, 16, 8)
    problem = qd.bose_hubbard(-mu, U=14.0, V=1.0, T=0.15, n_max=2)
    full = qd.solvers.bose_hubbard_ed(problem)
    quick = qd.solvers.bose_hubbard_ed(problem, stiffness=False)
    assert set(full) - set(quick) == {"superfluid_stiffness", "winding_squared"}
    for name in quick.data_vars:
        np.testing.assert_allclose(quick[name], full[name], atol=1e-9, err_msg=name)


def test_a_batch_equals_one_by_one():
    v = np.random.default_rng(10).uniform(-3, 3, (3, 2, 2))
    U, T, mu = np.array([5.0, 9.0, 12.0]), np.array([0.5, 0.0, 1.0]), np.array([2.0, 4.0, 8.0])
    batch = qd.solvers.bose_hubbard_ed(qd.bose_hubbard(v, U=U, T=T, mu=mu))
    assert batch.density.dims == ("sample", "x", "y")
    assert batch.coherence.dims == ("sample", "direction", "x", "y")
    for i in range(3):
        one = qd.solvers.bose_hubbard_ed(qd.bose_hubbard(v[i], U=U[i], T=T[i], mu=mu[i]))
        for name in set(one.data_vars) & set(BOSE_OBSERVABLES):
            np.testing.assert_allclose(batch[name][i], one[name], err_msg=name)


def test_sector_dimensions_are_those_of_quspin():
    for n_max, particles in [(1, 3), (2, 5), (3, 7)]:
        part = bose_sector((2, 3), particles, n_max)
        assert part.dim == sector_dimension(6, particles, n_max)
        assert (part.occupation.sum(axis=1) == particles).all()
        assert part.occupation.max() <= n_max


@pytest.mark.parametrize("stiffness", [True, False])
@pytest.mark.parametrize(("limit", "T"), [("GROUND_STATE", 0.0), ("THERMAL", 50.0)])
def test_too_large(monkeypatch, limit, T, stiffness):
    monkeypatch.setattr(ed, f"MAX_{limit}", 10)
    with pytest.raises(ValueError, match=r"at most 10.*solvers\.worm"):
        problem = qd.bose_hubbard(np.zeros(4), T=T, n_max=4)
        qd.solvers.bose_hubbard_ed(problem, stiffness=stiffness)


def test_refuses_a_chain():
    with pytest.raises(ValueError, match="bose_hubbard"):
        qd.solvers.bose_hubbard_ed(qd.fermion_chain(np.zeros(4)))
