"""Exact diagonalisation: brute force, plain QuSpin, symmetries, the choice of N by mu."""

from functools import reduce

import numpy as np
import pytest
from quspin.basis import spinless_fermion_basis_1d
from quspin.operators import hamiltonian

import qdens_nb as qd
from qdens_nb.solvers._chain_ed import mu_intervals

NAMES = (
    "density",
    "density_variance",
    "density_correlation",
    "coherence",
    "current",
    "current_correlation",
)
RNG = np.random.default_rng(0)


def annihilators(sites):
    """Dense c_x on the full Fock space (Jordan-Wigner)."""
    lower, parity, one = np.array([[0.0, 1.0], [0.0, 0.0]]), np.diag([1.0, -1.0]), np.eye(2)
    return [reduce(np.kron, [parity] * x + [lower] + [one] * (sites - x - 1)) for x in range(sites)]


def brute_force(potential, V, flux, periodic, N):
    """Energy and observables from dense matrices of the whole Fock space."""
    sites = len(potential)
    c = annihilators(sites)
    n = [a.T @ a for a in c]
    phase = np.exp(1j * flux / sites)
    bonds = [(x, (x + 1) % sites) for x in range(sites if periodic else sites - 1)]
    g = [np.conj(phase) * c[x].T @ c[y] for x, y in bonds]
    H = sum(v * n_x for v, n_x in zip(potential, n, strict=True))
    H = H + sum(V * n[x] @ n[y] for x, y in bonds) - sum(b + b.conj().T for b in g)
    current = [-1j * (b - b.conj().T) for b in g] + [np.zeros_like(H)] * (sites - len(bonds))
    inside = np.diag(sum(n)).round().astype(int) == N
    levels, vectors = np.linalg.eigh(H[np.ix_(inside, inside)])
    psi = np.zeros(2**sites, dtype=complex)
    psi[inside] = vectors[:, 0]

    def mean(operators):
        values = [np.vdot(psi, op @ psi) for op in operators]
        return np.array(values + [0.0] * (sites - len(values)))

    density = mean(n).real
    return {
        "energy": levels[0],
        "gap": levels[1] - levels[0],
        "density": density,
        "density_variance": mean([a @ a for a in n]).real - density**2,
        "density_correlation": mean([n[x] @ n[y] for x, y in bonds]).real,
        "coherence": mean(g).real,
        "current": mean(current).real,
        "current_correlation": mean(
            [current[x] @ current[(x + 1) % sites] for x in range(sites)]
        ).real,
    }


@pytest.mark.parametrize(
    ("sites", "N", "V", "flux", "boundary"),
    [
        (3, 1, 1.0, 0.4, "periodic"),
        (6, 3, 1.3, 0.0, "periodic"),
        (7, 4, 2.0, 0.9, "periodic"),
        (8, 4, 0.7, -2.0, "periodic"),
        (8, 3, 1.5, 0.0, "open"),
    ],
)
def test_equals_brute_force(sites, N, V, flux, boundary):
    potential = np.random.default_rng(sites).uniform(-1, 1, sites)
    problem = qd.fermion_chain(potential, V=V, flux=flux, boundary=boundary)
    result = qd.solvers.chain_ed(problem, N=N)
    expected = brute_force(potential, V, flux, boundary == "periodic", N)
    for name, value in expected.items():
        atol = 1e-6 if name == "gap" else 1e-9
        np.testing.assert_allclose(result[name], value, atol=atol, err_msg=name)


def test_lanczos_equals_plain_quspin():
    sites, N, V = 12, 5, 1.4
    potential = RNG.uniform(-1, 1, sites)
    bonds = [(x, (x + 1) % sites) for x in range(sites)]
    static = [
        ["+-", [[-1.0, x, y] for x, y in bonds]],
        ["-+", [[1.0, x, y] for x, y in bonds]],
        ["nn", [[V, x, y] for x, y in bonds]],
        ["n", [[potential[x], x] for x in range(sites)]],
    ]
    basis = spinless_fermion_basis_1d(sites, Nf=N)
    checks = {"check_herm": False, "check_symm": False, "check_pcon": False}
    plain = hamiltonian(static, [], basis=basis, dtype=np.float64, **checks)
    energy, psi = plain.eigsh(k=1, which="SA")
    result = qd.solvers.chain_ed(qd.fermion_chain(potential, V=V), N=N)
    assert float(result.energy) == pytest.approx(energy[0], abs=1e-9)
    for x in range(sites):
        number = hamiltonian([["n", [[1.0, x]]]], [], basis=basis, dtype=np.float64, **checks)
        assert float(result.density[x]) == pytest.approx(
            number.expt_value(psi[:, 0]).real, abs=1e-8
        )


@pytest.mark.parametrize("N", [2, 5])
def test_particle_hole_symmetry(N):
    sites, V = 10, 1.7
    potential = RNG.uniform(-1, 1, sites)
    particles = qd.solvers.chain_ed(qd.fermion_chain(potential, V=V), N=N)
    holes = qd.solvers.chain_ed(qd.fermion_chain(-potential, V=V), N=sites - N)
    shift = potential.sum() + V * (sites - 2 * (sites - N))
    assert float(particles.energy) == pytest.approx(float(holes.energy) + shift, abs=1e-9)
    np.testing.assert_allclose(particles.density, 1 - holes.density, atol=1e-7)
    np.testing.assert_allclose(particles.coherence, holes.coherence, atol=1e-7)
    np.testing.assert_allclose(
        particles.density_correlation,
        1 - holes.density - np.roll(holes.density, -1) + holes.density_correlation,
        atol=1e-7,
    )


@pytest.mark.parametrize("flux", [0.0, 0.8])
def test_reflection(flux):
    sites = 9
    potential = RNG.uniform(-1, 1, sites)
    one = qd.solvers.chain_ed(qd.fermion_chain(potential, V=1.0, flux=flux), N=4)
    other = qd.solvers.chain_ed(qd.fermion_chain(potential[::-1], V=1.0, flux=-flux), N=4)
    assert float(one.energy) == pytest.approx(float(other.energy), abs=1e-9)
    for name, reach, sign in [
        ("density", 0, 1),
        ("density_correlation", 1, 1),
        ("coherence", 1, 1),
        ("current", 1, -1),
        ("current_correlation", 2, 1),
    ]:
        mirrored = sign * np.roll(other[name].values[::-1], -reach)
        np.testing.assert_allclose(one[name], mirrored, atol=1e-7, err_msg=name)


def test_translation():
    potential = RNG.uniform(-1, 1, 9)
    batch = np.stack([potential, np.roll(potential, 4)])
    result = qd.solvers.chain_ed(qd.fermion_chain(batch, V=1.3, flux=0.5), N=4)
    for name in NAMES:
        np.testing.assert_allclose(np.roll(result[name][0], 4), result[name][1], atol=1e-7)


def test_current_is_uniform_and_minus_the_derivative_by_the_flux():
    potential = RNG.uniform(-1, 1, 9)
    flux = 0.7 + 1e-3 * np.array([-1, 0, 1])
    batch = qd.fermion_chain(np.tile(potential, (3, 1)), V=1.2, flux=flux)
    result = qd.solvers.chain_ed(batch, N=4)
    slope = float(result.energy[2] - result.energy[0]) / 2e-3
    np.testing.assert_allclose(result.current[1], -slope, atol=1e-6)
    opposite = qd.solvers.chain_ed(qd.fermion_chain(potential, V=1.2, flux=-0.7), N=4)
    np.testing.assert_allclose(opposite.current, -result.current[1], atol=1e-7)


def test_flux_quantum_changes_nothing():
    potential = RNG.uniform(-1, 1, 8)
    batch = qd.fermion_chain(np.tile(potential, (2, 1)), V=1.2, flux=[0.4, 0.4 + 2 * np.pi])
    result = qd.solvers.chain_ed(batch, N=4)
    for name in ("energy", "density", "coherence", "current", "current_correlation"):
        np.testing.assert_allclose(result[name][0], result[name][1], atol=1e-7, err_msg=name)


def test_mu_decides_the_number_of_particles():
    potential = RNG.uniform(-1, 1, 9)
    mu = np.linspace(-4, 6, 21)
    result = qd.solvers.chain_ed(qd.fermion_chain(np.tile(potential, (21, 1)), V=1.0, mu=mu))
    expected = (result.energy_of_N - result.mu * result.N).argmin("N")
    np.testing.assert_array_equal(result.particle_number, expected)
    assert (result.particle_number.diff("sample") >= 0).all()
    assert ((result.mu_lower <= mu) & (mu <= result.mu_upper)).all()
    np.testing.assert_allclose(result.density.sum("x"), result.particle_number, atol=1e-9)
    for sample in (5, 12):
        one = result.isel(sample=sample)
        number = int(one.particle_number)
        canonical = qd.solvers.chain_ed(qd.fermion_chain(potential, V=1.0), N=number)
        assert float(canonical.energy) == pytest.approx(float(one.energy_of_N[number]), abs=1e-10)
        np.testing.assert_allclose(canonical.density, one.density, atol=1e-9)


def test_mu_intervals_tile_the_line_where_the_energy_is_convex():
    lower, upper = mu_intervals(np.array([0.0, -3.0, -5.0, -5.5, -4.0]))
    np.testing.assert_allclose(upper[:-1], [-3.0, -2.0, -0.5, 1.5])
    np.testing.assert_allclose(lower[1:], upper[:-1])
    assert lower[0] == -np.inf and upper[-1] == np.inf


def test_a_number_above_the_convex_hull_is_never_the_ground_state():
    energies = np.array([0.0, -1.0, -4.0])
    lower, upper = mu_intervals(energies)
    assert lower[1] > upper[1]
    assert upper[0] == lower[2] == -2.0


def test_empty_and_full_ring():
    potential = np.linspace(-1, 1, 6)
    problem = qd.fermion_chain(np.tile(potential, (2, 1)), V=1.5, mu=[-9.0, 20.0], flux=0.2)
    result = qd.solvers.chain_ed(problem)
    assert list(result.particle_number) == [0, 6]
    np.testing.assert_allclose(result.energy, [0.0, potential.sum() + 6 * 1.5])
    np.testing.assert_allclose(result.density, [[0.0] * 6, [1.0] * 6])
    assert (result.current == 0).all() and (result.density_variance == 0).all()


def test_a_batch_equals_one_by_one():
    potentials = qd.potentials.white_noise(10, 1.0, samples=3, seed=0)
    V, mu = np.array([0.0, 1.0, 2.0]), np.array([-0.5, 0.0, 1.0])
    batch = qd.solvers.chain_ed(qd.fermion_chain(potentials, V=V, mu=mu))
    for i in range(3):
        one = qd.solvers.chain_ed(qd.fermion_chain(potentials[i], V=V[i], mu=mu[i]))
        taken = batch.isel(sample=i)
        for name in one.data_vars:
            np.testing.assert_allclose(one[name], taken[name], atol=1e-9, err_msg=name)
    assert batch.attrs["engine"] == "chain_ed" and batch.density.attrs["units"] == "1"


def test_errors():
    with pytest.raises(ValueError, match=r"23 sites.*at most 22.*chain_dmrg"):
        qd.solvers.chain_ed(qd.fermion_chain(np.zeros(23)))
    with pytest.raises(ValueError, match="N=-1 on 5 sites"):
        qd.solvers.chain_ed(qd.fermion_chain(np.zeros(5)), N=-1)
    with pytest.raises(ValueError, match="'quantum_dot'"):
        qd.solvers.chain_ed(qd.quantum_dot(np.zeros((4, 4))))
