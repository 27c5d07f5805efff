"""Symmetry groups, and networks projected on their representations."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from qdens_nb.nqs._autoregressive import Autoregressive
from qdens_nb.nqs._cnn import CNN
from qdens_nb.nqs._feedforward import FeedForward
from qdens_nb.nqs._jastrow import Jastrow
from qdens_nb.nqs._symmetrized import Symmetrized
from qdens_nb.nqs._symmetry import (
    SymmetryGroup,
    point_group,
    reflection,
    spin_flip,
    translations,
)


def all_spins(sites: int) -> np.ndarray:
    return np.array(list(itertools.product((-1, 1), repeat=sites)), dtype=np.int8)


def index(configs: np.ndarray) -> np.ndarray:
    """Row of each configuration in `all_spins`."""
    return ((configs + 1) // 2) @ (2 ** np.arange(configs.shape[-1])[::-1])


def ground_state(sites: int, couplings: tuple[float, float, float], field: float) -> np.ndarray:
    """Lowest state of sum_<ij> (Jx xx + Jy yy + Jz zz) - field sum x on a ring."""
    spins, (jx, jy, jz) = all_spins(sites), couplings
    matrix = np.diag(jz * (spins * np.roll(spins, 1, axis=1)).sum(1).astype(float))
    rows = np.arange(len(spins))
    for i in range(sites):
        j = (i + 1) % sites
        one, two = spins.copy(), spins.copy()
        one[:, i] *= -1
        two[:, [i, j]] *= -1
        matrix[rows, index(one)] -= field
        matrix[rows, index(two)] += jx - jy * spins[:, i] * spins[:, j]
    energies, states = np.linalg.eigh(matrix)
    assert energies[1] - energies[0] > 1e-6
    return states[:, 0]


def weight(state: np.ndarray, group: SymmetryGroup) -> float:
    """Norm of the projection of a state vector on a representation."""
    images = state[index(group.images(all_spins(group.sites)))]
    return float(np.linalg.norm(images @ group.characters.conj()) / len(group))


def test_orders():
    square, chain = translations((4, 4)), translations(12)
    assert len(square) == 16
    assert len(square @ point_group((4, 4))) == 128
    assert len(square @ point_group((4, 4)) @ spin_flip((4, 4))) == 256
    assert len(translations((6, 6)) @ point_group((6, 6)) @ spin_flip(36)) == 576
    assert len(translations((4, 6)) @ point_group((4, 6))) == 96
    assert len(chain @ reflection(12) @ spin_flip(12)) == 48
    assert len(point_group((5, 5))) == 8
    assert len(point_group((4, 3))) == 4
    assert len(point_group(7)) == 2


def test_closed_under_products_and_inverses():
    group = translations((3, 3), (0, 0)) @ point_group((3, 3), "B1") @ spin_flip(9, -1)
    elements = {
        (*p, f): c
        for p, f, c in zip(group.permutations.tolist(), group.flips, group.characters, strict=True)
    }
    rng = np.random.default_rng(0)
    s = rng.choice([-1, 1], 9)
    for g, h in rng.integers(len(group), size=(200, 2)):
        p, q = group.permutations[g], group.permutations[h]
        flip = group.flips[g] ^ group.flips[h]
        chi = group.characters[g] * group.characters[h]
        assert elements[(*q[p].tolist(), flip)] == chi
        g_after_h = group.images(group.images(s[None])[:, h])[0, g]
        assert (g_after_h == s[q[p]] * (-1 if flip else 1)).all()
        assert (*np.argsort(p).tolist(), group.flips[g]) in elements


def test_images_act_as_the_words_say():
    s = np.arange(1, 13)[None]
    lattice = s.reshape(3, 4)
    moved = translations((3, 4)).images(s)[0].reshape(12, 3, 4)
    assert (moved[1 * 4 + 2] == np.roll(lattice, (-1, -2), axis=(0, 1))).all()
    assert (reflection(12, about="middle").images(s)[0, 1] == s[0, ::-1]).all()
    assert (reflection(12).images(s)[0, 1] == np.roll(s[0, ::-1], 1)).all()
    assert (spin_flip(12).images(s)[0, 1] == -s[0]).all()


@pytest.mark.parametrize(
    ("momentum", "real"), [(0, True), (6, True), (3, False), (1, False), (-1, False)]
)
def test_momentum_is_that_of_a_plane_wave(momentum, real):
    sites = 12
    group = translations(sites, momentum)
    assert np.isrealobj(group.characters) == real
    wave = np.exp(2j * np.pi * momentum * np.arange(sites) / sites)
    one_flipped = 1 - 2 * np.eye(sites, dtype=int)
    images = group.images(one_flipped)
    assert np.allclose(wave[images.argmin(2)], group.characters * wave[:, None], atol=1e-12)


@pytest.mark.parametrize(
    ("character", "wave"),
    [
        ("A1", lambda x, y: np.cos(x) + np.cos(y)),
        ("B1", lambda x, y: np.cos(x) - np.cos(y)),
        ("B2", lambda x, y: np.sin(x) * np.sin(y)),
        ("A2", lambda x, y: np.sin(x) * np.sin(2 * y) - np.sin(y) * np.sin(2 * x)),
    ],
)
def test_irreps_of_the_square(character, wave):
    side = 5
    x, y = 2 * np.pi * np.indices((side, side)).reshape(2, -1) / side
    amplitudes = wave(x, y)
    images = point_group((side, side), character).images(1 - 2 * np.eye(side**2, dtype=int))
    group = point_group((side, side), character)
    expected = group.characters * amplitudes[:, None]
    assert np.allclose(amplitudes[images.argmin(2)], expected, atol=1e-12)


@pytest.mark.parametrize("shape", [(4, 4), (6, 4)])
def test_characters_of_different_irreps_are_orthogonal(shape):
    names = ("A1", "A2", "B1", "B2")
    table = np.array([point_group(shape, name).characters for name in names])
    assert np.array_equal(table @ table.T, table.shape[1] * np.eye(4))


@pytest.mark.parametrize(("sites", "momentum", "parity"), [(6, 3, -1), (8, 0, 1)])
def test_heisenberg_ring_without_marshall_sign(sites, momentum, parity):
    """Momentum pi and odd under the flip for N = 4n + 2; momentum 0 and even for N = 4n."""
    state = ground_state(sites, (1.0, 1.0, 1.0), 0.0)
    right = translations(sites, momentum) @ spin_flip(sites, parity)
    assert weight(state, right) == pytest.approx(1.0, abs=1e-12)
    others = [k for k in range(sites) if k != momentum]
    assert all(weight(state, translations(sites, k)) < 1e-7 for k in others)
    assert weight(state, spin_flip(sites, -parity)) < 1e-7


def test_heisenberg_ring_with_marshall_sign_is_invariant_under_everything():
    """The rotated ring, whose ground state is positive."""
    sites = 6
    state = ground_state(sites, (-1.0, -1.0, 1.0), 0.0)
    group = translations(sites) @ reflection(sites) @ spin_flip(sites)
    assert weight(state, group) == pytest.approx(1.0, abs=1e-12)


def test_transverse_ising_ground_state_is_invariant_under_everything():
    state = ground_state(8, (0.0, 0.0, -1.0), 1.0)
    group = translations(8) @ reflection(8) @ spin_flip(8)
    assert weight(state, group) == pytest.approx(1.0, abs=1e-12)
    assert weight(state, reflection(8, -1)) < 1e-7


@pytest.mark.parametrize(
    "group",
    [
        translations((2, 4)) @ point_group((2, 4)) @ spin_flip(8),
        translations(8) @ reflection(8) @ spin_flip(8),
    ],
)
def test_symmetrized_with_trivial_characters_is_positive_and_invariant(group):
    psi = Symmetrized(FeedForward(8, seed=3), group)
    assert not psi.is_complex
    spins = all_spins(8)
    logs = psi.log_psi(spins)
    assert logs.dtype == np.float64
    images = psi.log_psi(group.images(spins).reshape(-1, 8)).reshape(len(spins), -1)
    assert abs(images - logs[:, None]).max() < 1e-12


@pytest.mark.parametrize(
    "group",
    [
        translations(8, 4) @ reflection(8, -1) @ spin_flip(8, -1),
        translations(8, 2),
        translations((2, 4), (1, 0)) @ point_group((2, 4), "A1") @ spin_flip(8, -1),
        translations((4, 2), (2, 1)) @ spin_flip(8),
    ],
    ids=["momentum pi, odd mirror", "momentum pi/2", "stripes, odd flip", "momentum (pi, pi)"],
)
@pytest.mark.parametrize("is_complex", [False, True])
def test_character_rule(group, is_complex):
    network = FeedForward(8, is_complex=is_complex, seed=1)
    psi = Symmetrized(network, group)
    assert psi.is_complex
    spins = all_spins(8)
    values = np.exp(psi.log_psi(spins))
    largest = abs(values).max()
    assert largest > 1e-4
    images = values[index(group.images(spins))]
    assert abs(images - group.characters * values[:, None]).max() < 1e-11 * largest
    plain = np.exp(network.log_psi(spins))
    projected = plain[index(group.images(spins))] @ group.characters.conj() / len(group)
    assert abs(values - projected).max() < 1e-12


def test_projecting_twice_changes_nothing():
    group = translations(6, 3) @ spin_flip(6, -1)
    once = Symmetrized(FeedForward(6, is_complex=True, seed=2), group)
    spins = all_spins(6)
    twice = np.exp(Symmetrized(once, group).log_psi(spins))
    assert abs(twice - np.exp(once.log_psi(spins))).max() < 1e-12


def test_forbidden_configurations_have_no_weight_and_no_derivative():
    psi = Symmetrized(FeedForward(6, seed=0), translations(6, 3))
    ferromagnet = np.ones((1, 6), np.int8)
    assert np.exp(psi.log_psi(ferromagnet))[0] == 0
    assert psi.log_psi(ferromagnet)[0].real == -np.inf
    assert not psi.log_derivatives(ferromagnet).any()
    assert np.isfinite(psi.log_derivatives(all_spins(6))).all()


def test_log_sum_exp_does_not_overflow():
    network = FeedForward(6, seed=0)
    network.readout.data *= 1e5
    spins = all_spins(6)
    for group in (translations(6), translations(6, 1)):
        logs = Symmetrized(network, group).log_psi(spins)
        assert abs(logs.real[np.isfinite(logs)]).max() > 800
        assert not np.isnan(logs).any()


def test_symmetrized_autoregressive_keeps_its_sector():
    network = Autoregressive(6, total=0, channels=4, seed=0)
    spins = all_spins(6)
    for group in (translations(6) @ spin_flip(6), translations(6, 3) @ spin_flip(6, -1)):
        psi = Symmetrized(network, group)
        outside = spins.sum(1) != 0
        assert (np.exp(psi.log_psi(spins[outside])) == 0).all()
        assert np.isfinite(psi.log_psi(spins[~outside]).real).any()
        assert np.isfinite(psi.log_derivatives(spins)).all()
        assert not psi.samples_directly


def test_large_groups_are_evaluated_in_parts():
    group = translations((4, 4)) @ point_group((4, 4)) @ spin_flip(16)
    psi = Symmetrized(CNN((4, 4), channels=(2,), seed=0), group)
    spins = np.random.default_rng(0).choice(np.array([-1, 1], np.int8), (40, 16))
    logs, derivatives = psi.log_psi(spins), psi.log_derivatives(spins)
    images = group.images(spins)[:, 77]
    assert abs(psi.log_psi(images) - logs).max() < 1e-12
    assert abs(psi.log_derivatives(images) - derivatives).max() < 1e-12
    assert psi.log_psi(spins[:0]).shape == (0,)


def test_a_network_with_the_wrong_symmetry_projects_to_zero():
    logs = Symmetrized(Jastrow(6, seed=0), spin_flip(6, -1)).log_psi(all_spins(6))
    assert (logs.real == -np.inf).all()


def test_errors_say_what_to_do():
    with pytest.raises(ValueError, match="not closed"):
        SymmetryGroup(np.array([[0, 1, 2], [1, 2, 0]]), np.zeros(2, bool), np.ones(2))
    with pytest.raises(ValueError, match="not closed"):
        translations(6) @ reflection_of_two_sites(6)
    with pytest.raises(ValueError, match="not a permutation"):
        SymmetryGroup(np.array([[0, 0, 2]]), np.zeros(1, bool), np.ones(1))
    with pytest.raises(ValueError, match="given twice"):
        SymmetryGroup(np.array([[0, 1], [0, 1]]), np.zeros(2, bool), np.ones(2))
    with pytest.raises(ValueError, match=r"expected \(G, N\)"):
        SymmetryGroup(np.array([[0, 1]]), np.zeros(2, bool), np.ones(1))
    with pytest.raises(ValueError, match="not a representation"):
        SymmetryGroup(np.array([[0, 1], [1, 0]]), np.zeros(2, bool), np.array([1.0, 0.5]))
    with pytest.raises(ValueError, match="fit together"):
        translations(6, 1) @ reflection(6)
    with pytest.raises(ValueError, match="different characters"):
        point_group((2, 4), "B1")
    with pytest.raises(ValueError, match="6 and 8 sites"):
        translations(6) @ translations(8)
    with pytest.raises(ValueError, match="'A1', 'A2'"):
        point_group(6, "B1")
    with pytest.raises(ValueError, match="an integer per direction"):
        translations((4, 4), (1, 2, 3))
    with pytest.raises(ValueError, match="an integer per direction"):
        translations(4, 0.5)
    with pytest.raises(ValueError, match="shape="):
        translations((2, 2, 2))
    with pytest.raises(ValueError, match="point_group"):
        reflection((4, 4))
    with pytest.raises(ValueError, match="parity=0"):
        spin_flip(4, 0)
    with pytest.raises(ValueError, match="the same lattice"):
        Symmetrized(FeedForward(6), translations(8))
    with pytest.raises(ValueError, match="leave spin_flip out"):
        Symmetrized(Autoregressive(6, local_values=(0, 1)), spin_flip(6))


def reflection_of_two_sites(sites: int) -> SymmetryGroup:
    """Exchange of sites 0 and 1: a group, but not one that fits translations."""
    swap = np.arange(sites)
    swap[:2] = 1, 0
    return SymmetryGroup(np.array([np.arange(sites), swap]), np.zeros(2, bool), np.ones(2))
