"""Potentials from measured densities: exact where the physics is, robust where noise is."""

from __future__ import annotations

import json

import numpy as np
import pytest
import xarray as xr

import qdens_nb as qd
from qdens_nb.mpnn._condensate import Box, condensate
from qdens_nb.mpnn._from_density import potential_from_density
from qdens_nb.mpnn._from_image import trap_from_image
from qdens_nb.solvers._dot_orbitals import HBAR2_2M

POINTS = 32
X = (np.arange(POINTS) + 0.5) * 30 / POINTS - 15
#: two harmonic directions, hbar omega = 30 and 36 meV
TRAP = 0.25 * 0.067 / HBAR2_2M * (0.030**2 * X[:, None] ** 2 + 0.036**2 * X**2)
SCREENED = 1e6
H = 0.25
P = (np.arange(48) - 23.5) * H
OSCILLATOR = (P[:, None] ** 2 + P**2) / 2


def dot(eps_r: float = 12.9) -> xr.Dataset:
    return qd.solvers.dot_ci(qd.quantum_dot(TRAP, eps_r=eps_r), orbitals=12, modes=16)


def error(found: xr.Dataset, exact: np.ndarray, density: np.ndarray) -> float:
    """Mean over the density of |V - V_exact|, up to a constant."""
    weight = density / density.sum()
    off = found["potential"].values - exact
    return float((np.abs(off - (off * weight).sum()) * weight).sum())


def test_without_repulsion_the_direct_inversion_is_exact() -> None:
    data = dot(SCREENED)
    found = potential_from_density(data, method="direct", corrections=0, orbitals=12)
    assert error(found, TRAP, data.density.values) < 5e-5
    assert float(found.charge_displaced) < 1e-4


def test_exact_diagonalisation_supplies_the_correlation() -> None:
    data = dot()
    plain, corrected = (
        potential_from_density(data, method="direct", corrections=rounds, orbitals=12)
        for rounds in (0, 5)
    )
    wrong, right = (error(f, TRAP, data.density.values) for f in (plain, corrected))
    assert right < 0.2 * wrong < 1e-3
    history = corrected["history"].values
    assert (history[1:] < history[:-1]).all() and history[-1] < 1e-3


def test_network_stands_noise_that_the_laplacian_does_not() -> None:
    data = dot()
    n = data.density.values
    noisy = n * (1 + 0.01 * np.random.default_rng(0).normal(size=n.shape))
    given = data.drop_vars("potential").assign(density=(("x", "y"), noisy))
    options = {"corrections": 1, "orbitals": 12}
    direct = potential_from_density(given, method="direct", **options)
    network = potential_from_density(given, method="network", steps=40, **options)
    assert error(network, TRAP, n) < 0.002
    assert error(network, TRAP, n) < 0.1 * error(direct, TRAP, n)
    assert network["potential"].attrs["units"] == "eV"
    assert json.loads(network.attrs["options"])["method"] == "network"


def test_bounds_fix_the_constant() -> None:
    well = np.where(np.hypot(X[:, None], X) < 8, 0.0, 0.3)
    data = qd.solvers.dot_ci(qd.quantum_dot(well), orbitals=12, modes=16)
    found = potential_from_density(
        data, method="direct", bounds=(0.0, 0.3), corrections=2, orbitals=12
    )
    assert float(found.potential.min()) >= 0 and float(found.potential.max()) <= 0.3
    weight = data.density.values / data.density.values.sum()
    assert (np.abs(found.potential.values - well) * weight).sum() < 0.03


def test_orbital_solver_agrees_with_the_solver_of_the_dots() -> None:
    box = Box((POINTS, POINTS), 30 / POINTS, HBAR2_2M / 0.067)
    psi, energy = box.ground_state(TRAP)
    data = dot(SCREENED)
    assert 2 * energy == pytest.approx(float(data.energy_free), abs=1e-9)
    assert np.allclose(2 * (psi / box.spacing) ** 2, data.density_free.values, atol=1e-9)


def test_condensate_without_interaction_is_the_oscillator() -> None:
    solved = condensate(OSCILLATOR, H, g=0.0, atoms=500)
    assert float(solved.mu) == pytest.approx(1.0, abs=1e-6)
    gauss = 500 / np.pi * np.exp(-2 * OSCILLATOR)
    assert np.allclose(solved.density.values, gauss, atol=1e-4)
    assert float(solved.density.sum()) * H**2 == pytest.approx(500)


def test_condensate_in_the_thomas_fermi_limit() -> None:
    x = (np.arange(64) - 31.5) * 0.25
    solved = condensate((x[:, None] ** 2 + x**2) / 2, 0.25, g=0.05, atoms=3e4)
    limit = np.sqrt(0.05 * 3e4 / np.pi)
    assert limit < float(solved.mu) < 1.01 * limit
    assert float(solved.energy) == pytest.approx(2 / 3 * limit, rel=0.01)
    image = solved.density * 0.25**2
    plain = trap_from_image(image, 0.25, 0.05, method="thomas_fermi")
    exact = solved.potential.values
    assert error(plain, exact, solved.density.values) < 0.01 * limit


def test_condensate_obeys_the_virial_theorem() -> None:
    """2 T - 2 V + U = 0 in two dimensions, U the interaction energy."""
    solved = condensate(OSCILLATOR, H, g=0.02, atoms=1000)
    n = solved.density.values * H**2 / 1000
    trap = float((n * OSCILLATOR).sum())
    interaction = float(solved.mu - solved.energy)
    kinetic = float(solved.energy) - trap - interaction
    assert 2 * kinetic - 2 * trap + 2 * interaction == pytest.approx(0, abs=1e-5)


def test_response_is_the_derivative_of_the_ground_state() -> None:
    rng = np.random.default_rng(1)
    box, strength = Box((16, 20), 0.6), 8.0
    x, y = ((np.arange(p) - (p - 1) / 2) * 0.6 for p in box.shape)
    trap = (x[:, None] ** 2 + 1.4 * y**2) / 2
    change, wanted = rng.normal(size=(2, *box.shape))
    psi, mu = box.ground_state(trap, strength, tolerance=1e-13)
    slope = -(wanted * box.response(psi, mu, trap, strength, psi * change)).sum()
    ahead, back = (
        box.ground_state(trap + s * change, strength, tolerance=1e-13)[0] for s in (1e-4, -1e-4)
    )
    assert slope == pytest.approx((wanted * (ahead - back)).sum() / 2e-4, rel=1e-4)


def test_trap_from_a_clean_image_is_exact() -> None:
    bump = OSCILLATOR + 2 * np.exp(-((P[:, None] - 1) ** 2) - P**2)
    solved = condensate(bump, H, g=0.01, atoms=1e4)
    found = trap_from_image(solved.density * H**2, H, 0.01, method="direct")
    assert error(found, bump, solved.density.values) < 0.01
    shift = float((bump * solved.density.values).sum() / solved.density.values.sum())
    assert float(found.mu) == pytest.approx(float(solved.mu) - shift, abs=1e-3)


def test_trap_from_counts_by_network_beats_both_formulas() -> None:
    bump = OSCILLATOR + 2 * np.exp(-((P[:, None] - 1) ** 2) - P**2)
    solved = condensate(bump, H, g=0.002, atoms=1e4)
    n = solved.density.values
    counts = np.random.default_rng(2).poisson(n * H**2)
    off = {
        method: error(
            trap_from_image(counts, H, 0.002, method=method, members=1, steps=40), bump, n
        )
        for method in ("network", "direct", "thomas_fermi")
    }
    assert off["network"] < 0.5 * min(off["direct"], off["thomas_fermi"])
    found = trap_from_image(counts, H, 0.002, members=1, images=2, steps=5)
    assert found["potential_stderr"].shape == counts.shape
    assert found.attrs["counted"] == counts.sum()


def test_refuses_what_is_no_density() -> None:
    data = dot()
    with pytest.raises(ValueError, match="NaN or infinite"):
        potential_from_density(data.assign(density=data.density * np.nan))
    with pytest.raises(ValueError, match="density has the negative value"):
        potential_from_density(data.assign(density=data.density - 1e-3))
    with pytest.raises(ValueError, match="4 electrons"):
        potential_from_density(data.assign(density=2 * data.density))
    with pytest.raises(ValueError, match="square grid"):
        potential_from_density(data.isel(x=slice(0, 20)))
    with pytest.raises(ValueError, match="with 'density'"):
        potential_from_density(data.drop_vars("density"))
    with pytest.raises(ValueError, match="low < high"):
        potential_from_density(data, bounds=(0.5, 0.0))
    with pytest.raises(ValueError, match="choose one of"):
        potential_from_density(data, method="laplacian")  # type: ignore[arg-type]


def test_refuses_what_is_no_image() -> None:
    counts = np.ones((16, 16))
    for wrong, match in (
        (-counts, "negative"),
        (counts[0], "counts has shape"),
        (0 * counts, "all zero"),
        (counts * np.inf, "NaN or infinite"),
    ):
        with pytest.raises(ValueError, match=match):
            trap_from_image(wrong, 0.3, 0.01)
    with pytest.raises(ValueError, match="spacing=0"):
        trap_from_image(counts, 0, 0.01)
    with pytest.raises(ValueError, match="g=-1"):
        trap_from_image(counts, 0.3, -1)
    with pytest.raises(ValueError, match="images=1"):
        trap_from_image(counts, 0.3, 0.01, images=1)
    with pytest.raises(ValueError, match="atoms=-5"):
        condensate(OSCILLATOR, H, 0.0, atoms=-5)
