"""Two electrons in a dot: exact and published values, limits, symmetries."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import qdens_nb as qd
from qdens_nb.solvers import dot_ci
from qdens_nb.solvers._dot_coulomb import COULOMB, coulomb_integrals, kernel, pair_densities
from qdens_nb.solvers._dot_orbitals import HBAR2_2M, dense_hamiltonian, orbitals

#: atomic units: bohr in nm and hartree in eV that belong to the constants of the package
BOHR = 2 * HBAR2_2M / COULOMB
HARTREE = COULOMB / BOHR


def hooke(omega: float, box: float, points: int = 64) -> xr.Dataset:
    """Two electrons in the well omega^2 r^2 / 2 (hartree), in a box of that side (bohr)."""
    x = (np.arange(points) + 0.5) * box / points - box / 2
    well = 0.5 * omega**2 * (x[:, None] ** 2 + x[None] ** 2) * HARTREE
    return qd.quantum_dot(well, mass=1.0, eps_r=1.0, size=box * BOHR)


def cell(problem: xr.Dataset) -> float:
    return (problem.attrs["size_nm"] / problem.sizes["x"]) ** 2


@pytest.mark.parametrize(
    ("count", "energy"),
    [(3, 3.152328), (6, 3.038605), (10, 3.025231), (15, 3.017608), (21, 3.013635)],
)
def test_finite_ci_of_the_harmonic_dot_has_the_published_energies(
    count: int, energy: float
) -> None:
    assert float(dot_ci(hooke(1.0, 11.0), count).energy) / HARTREE == pytest.approx(
        energy, abs=1.2e-5
    )


@pytest.mark.parametrize(
    ("omega", "box", "energy", "error"),
    [(1.0, 11.0, 3.0, 9e-3), (0.5, 15.0, 1.65977, 5e-3), (1 / 6, 26.0, 2 / 3, 1.2e-3),
     (0.1, 30.0, 0.440792, 5e-4)],
)  # fmt: skip
def test_exact_energies_of_the_harmonic_dot_from_above(
    omega: float, box: float, energy: float, error: float
) -> None:
    found = float(dot_ci(hooke(omega, box), 45).energy) / HARTREE
    assert energy < found < energy + error


def test_exact_density_of_the_harmonic_dot() -> None:
    problem = hooke(1.0, 11.0)
    solved = dot_ci(problem, 45)
    x = (problem.x.values - problem.x.values.mean()) / BOHR
    r = np.hypot(x[:, None], x[None])
    centre = 4 * (1 + np.sqrt(np.pi) / 2) / (np.pi * (3 + np.sqrt(2 * np.pi)))
    at_centre = float(solved.density.values[r < 0.2].max()) * BOHR**2
    assert at_centre == pytest.approx(centre, rel=0.03)
    psi_density = harmonic_density(r)
    moved = 0.5 * np.abs(solved.density.values * BOHR**2 - psi_density).sum()
    assert moved * cell(problem) / BOHR**2 < 0.01


def harmonic_density(r: np.ndarray) -> np.ndarray:
    """Density of Psi ~ (1 + r12) exp(-(r1^2 + r2^2)/2), integrated over the second electron."""
    radius, angle = np.linspace(0.005, 6, 600), np.linspace(0, 2 * np.pi, 121)[:-1]
    ring = np.unique(r.round(9))
    distance = np.sqrt(
        ring[:, None, None] ** 2
        + radius[None, :, None] ** 2
        - 2 * ring[:, None, None] * radius[None, :, None] * np.cos(angle)
    )
    inner = ((1 + distance) ** 2).mean(-1) * np.exp(-(radius**2)) * radius
    profile = inner.sum(1) * np.exp(-(ring**2))
    values = np.interp(r, ring, profile)
    return 2 * values / (values.sum() * (11 / 64) ** 2)


def test_triplet_of_the_harmonic_dot() -> None:
    found = float(dot_ci(hooke(1 / 3, 22.0), 45, spin="triplet").energy) / HARTREE
    assert found == pytest.approx(4 / 3, abs=5e-4)


def test_hard_square_with_one_orbital() -> None:
    energies, values = orbitals(np.zeros((64, 64)), 1.0, BOHR, 2)
    repulsion = COULOMB * coulomb_integrals(pair_densities(values[:1]), BOHR / 64)[0, 0]
    found = (2 * energies[0] + repulsion) / HARTREE
    assert found == pytest.approx(2 * np.pi**2 + 4.758855, abs=2e-6)


def test_kernel_of_a_gaussian_charge() -> None:
    x = np.arange(64) - 32.0
    width = 3.0
    charge = np.exp(-(x[:, None] ** 2 + x[None] ** 2) / (2 * width**2)) / (2 * np.pi * width**2)
    padded = np.zeros((128, 128))
    padded[:64, :64] = charge
    field = np.fft.ifft2(np.fft.fft2(padded) * np.fft.fft2(kernel(64))).real[:64, :64]
    self_energy = (field * charge).sum()
    assert self_energy == pytest.approx(np.sqrt(np.pi) / (2 * width), rel=1e-9)


def test_integrals_agree_with_a_convolution_by_fft() -> None:
    potential = qd.potentials.quantum_well_cluster(seed=5).values
    _, values = orbitals(potential, 0.067, 30.0, 4)
    pairs = pair_densities(values)
    spectrum = np.fft.rfft2(pairs, (128, 128)) * np.fft.rfft2(kernel(64))
    field = np.fft.irfft2(spectrum, (128, 128))[:, :64, :64]
    whole = np.einsum("aij,bij->ab", pairs, field) / (30 / 64)
    assert np.abs(coulomb_integrals(pairs, 30 / 64) - whole).max() < 1e-13
    assert np.abs(coulomb_integrals(pairs, 30 / 64, 40) - whole).max() < 1e-6


@pytest.mark.parametrize("seed", [0, 1])
def test_block_solver_finds_what_the_dense_one_finds(seed: int) -> None:
    potential = qd.potentials.quantum_well_cluster(seed=seed).values
    energies, values = orbitals(potential, 0.067, 30.0, 24)
    exact = np.linalg.eigvalsh(dense_hamiltonian(potential, 0.067, 30.0, 32))[:24]
    assert np.abs(energies - exact).max() < 1e-11
    overlaps = np.einsum("aij,bij->ab", values, values)
    assert np.abs(overlaps - np.eye(24)).max() < 1e-10


def test_all_orbitals_of_degenerate_shells_are_found() -> None:
    energies, _ = orbitals(hooke(1.0, 11.0).potential.values, 1.0, 11.0 * BOHR, 21)
    shells = np.repeat(np.arange(1, 7), np.arange(1, 7))
    assert energies / HARTREE == pytest.approx(shells, abs=1e-4)


def test_charge_is_two_and_interaction_repels() -> None:
    problem = qd.quantum_dot(qd.potentials.quantum_well_cluster(seed=3))
    solved = dot_ci(problem)
    for name in ("density", "density_free"):
        assert float(solved[name].sum()) * cell(problem) == pytest.approx(2.0, abs=1e-9)
    assert float(solved.energy) > float(solved.energy_free)
    assert float(solved.natural_occupation.sum()) == pytest.approx(2.0, abs=1e-9)
    assert 0 < float(solved.density_truncation) < 0.05


def test_without_interaction_the_densities_agree() -> None:
    dot = qd.potentials.quantum_well_cluster(seed=3)
    solved = dot_ci(qd.quantum_dot(dot, eps_r=1e9), 10)
    assert np.abs(solved.density - solved.density_free).max() < 1e-7
    assert float(solved.energy) == pytest.approx(float(solved.energy_free), abs=1e-8)


def test_density_turns_with_the_dot() -> None:
    dot = qd.potentials.quantum_well_cluster(seed=4).values
    turned = np.stack([dot, dot.T, dot[::-1], np.rot90(dot)])
    density = dot_ci(qd.quantum_dot(turned), 16).density.values
    expected = [density[0], density[0].T, density[0][::-1], np.rot90(density[0])]
    assert np.abs(density - np.stack(expected)).max() < 1e-7


def test_more_orbitals_lower_the_energy_and_the_triplet_lies_above() -> None:
    problem = qd.quantum_dot(qd.potentials.double_dot())
    energies = [float(dot_ci(problem, n).energy) for n in (6, 12, 24)]
    assert energies[0] > energies[1] > energies[2]
    assert float(dot_ci(problem, spin="triplet").energy) > energies[2]


def test_several_states_are_those_of_a_single_one_and_ascend() -> None:
    problem = qd.quantum_dot(qd.potentials.ring_dot())
    many, one = dot_ci(problem, 12, states=4), dot_ci(problem, 12)
    assert (np.diff(many.state_energy) > -1e-12).all()
    assert float(many.state_energy[0]) == pytest.approx(float(one.energy), abs=1e-12)
    assert np.abs(many.state_density[0] - one.density).max() < 1e-9
    charge = many.state_density.sum(("x", "y")) * cell(problem)
    assert charge.values == pytest.approx(2.0, abs=1e-9)


def test_scaling_of_lengths_energies_and_interaction() -> None:
    """Twice the length and half the permittivity: all energies a quarter, the same density."""
    dot = qd.potentials.quantum_well_cluster(seed=6).values
    small = dot_ci(qd.quantum_dot(dot, eps_r=10.0, size=30.0), 12)
    large = dot_ci(qd.quantum_dot(dot / 4, eps_r=20.0, size=60.0), 12)
    assert float(small.energy) == pytest.approx(4 * float(large.energy), rel=1e-9)
    assert np.abs(small.density.values - 4 * large.density.values).max() < 1e-7


def test_diagonal_formula_of_the_paper_moves_charge() -> None:
    problem = qd.quantum_dot(qd.potentials.quantum_well_cluster(samples=6, seed=8))
    full, paper = (dot_ci(problem, 16, density_matrix=how).density for how in ("full", "diagonal"))
    moved = 0.5 * np.abs(full - paper).sum(("x", "y")) * cell(problem)
    assert 0.03 < float(moved.median()) < 0.3
    assert (paper.sum(("x", "y")) * cell(problem)).values == pytest.approx(2.0, abs=1e-9)


def test_batched_torch_solver_agrees() -> None:
    problem = qd.quantum_dot(
        qd.potentials.quantum_well_cluster(36, samples=2, seed=1), eps_r=np.array([8.0, 12.9])
    )
    one = dot_ci(problem, 10, modes=16)
    batch = dot_ci(problem, 10, modes=16, device="cpu")
    for name in ("density", "density_free", "energy", "natural_occupation"):
        assert np.abs(one[name] - batch[name]).max() < 1e-7


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"orbitals": 1}, "give 2 to modes"),
        ({"modes": 64}, "on a grid of 64 points"),
        ({"states": 0}, "1 to 300 singlets"),
        ({"spin": "up"}, "singlet"),
        ({"density_matrix": "half"}, "diagonal"),
        ({"device": "abacus"}, "cannot be used"),
    ],
)
def test_what_cannot_be_is_refused(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        dot_ci(qd.quantum_dot(np.zeros((64, 64))), **options)
