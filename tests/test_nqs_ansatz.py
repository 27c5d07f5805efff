"""The networks as wave functions: derivatives, symmetries, normalisation, expressivity."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import torch

from qdens_nb.nqs._ansatz import Ansatz, get_parameters, set_parameters
from qdens_nb.nqs._autoregressive import Autoregressive
from qdens_nb.nqs._cnn import CNN
from qdens_nb.nqs._feedforward import FeedForward
from qdens_nb.nqs._jastrow import Jastrow
from qdens_nb.nqs._rbm import RBM
from qdens_nb.nqs._symmetrized import Symmetrized
from qdens_nb.nqs._symmetry import reflection, spin_flip, translations
from qdens_nb.nqs._transformer import Transformer

NETWORKS: dict[str, Callable[..., Ansatz]] = {
    "feed-forward": FeedForward,
    "feed-forward, two layers": lambda n, **kw: FeedForward(n, widths=(12, 8), **kw),
    "cnn": CNN,
    "cnn, local and residual": lambda n, **kw: CNN(
        n, channels=(6, 6, 6), kernel=3, residual=True, activation="gelu", **kw
    ),
    "cnn, lattice": lambda n, **kw: CNN((2, n // 2), kernel=(2, 3), **kw),
    "autoregressive": Autoregressive,
    "autoregressive, total": lambda n, **kw: Autoregressive(n, total=0, channels=8, **kw),
    "transformer": lambda n, **kw: Transformer(n, patch=2, width=8, heads=2, **kw),
    "transformer, softmax": lambda n, **kw: Transformer(
        n, width=8, layers=2, attention="softmax", **kw
    ),
    "transformer, lattice": lambda n, **kw: Transformer(
        (2, n // 2), patch=(2, 1), width=8, invariant=False, **kw
    ),
}
REAL_ONLY: dict[str, Callable[..., Ansatz]] = {
    "projected": lambda n, **kw: Symmetrized(
        FeedForward(n, **kw), translations(n) @ reflection(n) @ spin_flip(n)
    ),
    "jastrow": Jastrow,
    "jastrow, invariant": lambda n, **kw: Jastrow(n, invariant=True, field=True, **kw),
}
CASES = [
    pytest.param(partial(build, is_complex=c), c, id=name + " C" * c)
    for name, build in NETWORKS.items()
    for c in (False, True)
] + [pytest.param(build, False, id=name) for name, build in REAL_ONLY.items()]
CASES.append(
    pytest.param(
        lambda n, **kw: Symmetrized(
            CNN(n, channels=(6,), is_complex=True, **kw), reflection(n) @ spin_flip(n)
        ),
        True,
        id="projected C",
    )
)


def all_configs(sites: int, values: tuple[int, ...] = (-1, 1)) -> np.ndarray:
    return np.array(list(itertools.product(values, repeat=sites)), dtype=np.int8)


def sector(sites: int, total: int = 0) -> np.ndarray:
    spins = all_configs(sites)
    return spins[spins.sum(1) == total]


def transverse_ising(sites: int) -> np.ndarray:
    """Matrix of the critical ring, in the order of `all_configs`."""
    spins = all_configs(sites)
    matrix = np.diag(-(spins * np.roll(spins, 1, axis=1)).sum(1).astype(float))
    rows = np.arange(len(spins))
    for i in range(sites):
        matrix[rows, rows ^ (1 << i)] -= 1.0
    return matrix


@pytest.mark.parametrize(("build", "is_complex"), CASES)
def test_log_psi_and_its_first_variance(build, is_complex):
    psi = build(8, seed=0)
    assert (psi.sites, psi.is_complex) == (8, is_complex)
    configs = sector(8)
    logs = psi.log_psi(configs)
    assert logs.shape == (70,)
    assert logs.dtype == (np.complex128 if is_complex else np.float64)
    assert 1e-4 < logs.real.std() < 0.5
    if is_complex:
        assert 1e-4 < logs.imag.std() < 0.7
    alone = np.concatenate([psi.log_psi(s[None]) for s in configs[:5]])
    assert abs(alone - logs[:5]).max() < 1e-12
    assert psi.log_psi(configs[:0]).shape == (0,)
    assert all(p.dtype == torch.float64 for p in psi.parameters())


@pytest.mark.parametrize(("build", "is_complex"), CASES)
def test_derivatives_are_finite_differences(build, is_complex):
    psi = build(6, seed=4)
    configs = sector(6)[[0, 3, 8, 13, 19]]
    derivatives = psi.log_derivatives(configs)
    assert derivatives.shape == (5, psi.parameter_count)
    assert np.iscomplexobj(derivatives) == is_complex
    start = get_parameters(psi)
    directions = np.random.default_rng(0).normal(size=(4, start.size))
    step = 1e-5
    for direction in directions:
        sides = []
        for sign in (1, -1):
            set_parameters(psi, start + sign * step * direction)
            sides.append(psi.log_psi(configs))
        difference = (sides[0] - sides[1]) / (2 * step)
        exact = derivatives @ direction
        assert abs(difference - exact).max() < 1e-6 * max(1.0, abs(exact).max())


@pytest.mark.parametrize(("build", "is_complex"), CASES)
def test_the_seed_decides_and_torchs_own_random_numbers_are_left_alone(build, is_complex):
    before = torch.random.get_rng_state()
    one, same, other = (get_parameters(build(8, seed=seed)) for seed in (0, 0, 1))
    assert torch.equal(before, torch.random.get_rng_state())
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


@pytest.mark.parametrize(("build", "is_complex"), CASES)
def test_another_number_of_sites_is_an_error(build, is_complex):
    psi = build(8)
    spins = torch.ones(3, 6, dtype=torch.float64)
    with pytest.raises(ValueError, match=r"expected \(B, 8\)"):
        psi(spins)


@pytest.mark.parametrize("sites", [16, 36])
@pytest.mark.parametrize(("build", "is_complex"), CASES)
def test_first_variance_does_not_grow_out_of_hand(build, is_complex, sites):
    spins = np.random.default_rng(0).permuted(np.tile([-1, 1], (200, sites // 2)), axis=1)
    assert 1e-4 < build(sites, seed=1).log_psi(spins).real.std() < 0.8


@pytest.mark.parametrize(
    ("build", "worst"),
    [
        (lambda n: Jastrow(n, invariant=True), 3e-3),
        (FeedForward, 1e-3),
        (CNN, 1e-3),
        (lambda n: Autoregressive(n, channels=8), 2e-3),
        (lambda n: Transformer(n, patch=2, width=8), 1e-3),
        (lambda n: FeedForward(n, widths=(12,), is_complex=True), 2e-3),
        (lambda n: Symmetrized(FeedForward(n, widths=(4,)), translations(n) @ spin_flip(n)), 1e-3),
    ],
    ids=["jastrow", "feed-forward", "cnn", "autoregressive", "transformer", "complex", "projected"],
)
def test_reaches_the_ground_state_of_the_critical_ising_ring(build, worst):
    """Stochastic reconfiguration with exact averages over all 2^6 configurations."""
    sites = 6
    matrix, configs, psi = transverse_ising(sites), all_configs(sites), build(sites)
    exact = -2 / np.sin(np.pi / (2 * sites))
    assert np.linalg.eigvalsh(matrix)[0] == pytest.approx(exact)
    for _ in range(60):
        amplitude = np.exp(psi.log_psi(configs))
        p = abs(amplitude) ** 2 / (abs(amplitude) ** 2).sum()
        local = matrix @ amplitude / amplitude
        energy = float((p @ local).real)
        derivatives = psi.log_derivatives(configs)
        rows = np.sqrt(p)[:, None] * (derivatives - p @ derivatives)
        force = np.real(rows.conj().T @ (np.sqrt(p) * (local - energy)))
        metric = np.real(rows.conj().T @ rows) + 1e-3 * np.eye(rows.shape[1])
        set_parameters(psi, get_parameters(psi) - 0.1 * np.linalg.solve(metric, force))
    assert exact * (1 + 1e-12) < energy < exact * (1 - worst)


def fitted_overlap(psi: Ansatz, target: np.ndarray, steps: int) -> float:
    """Overlap with a normalised vector after maximising it with Adam."""
    configs = torch.tensor(all_configs(psi.sites), dtype=torch.float64)
    wanted = torch.tensor(target)
    optimiser = torch.optim.Adam(psi.parameters(), lr=0.03)
    overlap = torch.zeros(())
    for _ in range(steps):
        logs = psi(configs)
        state = torch.exp(logs - logs.real.max())
        overlap = abs(torch.vdot(state, wanted.to(state.dtype))) / torch.linalg.vector_norm(state)
        optimiser.zero_grad()
        (1 - overlap).backward()
        optimiser.step()
    return float(overlap.detach())


def test_a_wide_feed_forward_network_is_any_positive_vector():
    target = np.random.default_rng(0).exponential(size=16)
    target /= np.linalg.norm(target)
    wide = fitted_overlap(FeedForward(4, widths=(64,), seed=0), target, 300)
    pairs = fitted_overlap(Jastrow(4, seed=0), target, 300)
    assert wide > 0.9999 > 0.99 > pairs


def test_signs_need_a_complex_log_psi():
    target = np.random.default_rng(1).normal(size=16)
    target /= np.linalg.norm(target)
    positive = fitted_overlap(FeedForward(4, widths=(64,), seed=0), target, 400)
    signed = fitted_overlap(FeedForward(4, widths=(64,), is_complex=True, seed=0), target, 400)
    best_positive = max(np.linalg.norm(target[target > 0]), np.linalg.norm(target[target < 0]))
    assert positive < best_positive + 1e-9
    assert signed > 0.99


@pytest.mark.parametrize(
    ("psi", "group"),
    [
        (CNN(8, kernel=3, channels=(4, 4), residual=True, is_complex=True), translations(8)),
        (CNN((2, 4), kernel=(2, 3)), translations((2, 4))),
        (CNN((4, 2), is_complex=True), translations((4, 2))),
        (Transformer((2, 4), width=8, is_complex=True), translations((2, 4))),
        (Transformer(8, width=8, attention="softmax"), translations(8)),
        (Jastrow((4, 2), invariant=True, field=True), translations((4, 2))),
    ],
)
def test_invariant_under_all_translations(psi, group):
    set_parameters(psi, get_parameters(psi) + 0.3)
    spins = all_configs(8)
    logs = psi.log_psi(spins)
    images = psi.log_psi(group.images(spins).reshape(-1, 8)).reshape(len(spins), -1)
    assert logs.std() > 0.01
    assert abs(images - logs[:, None]).max() < 1e-12 * abs(logs).max()


@pytest.mark.parametrize(("shape", "kernel"), [(8, 3), (8, 4), ((2, 4), (2, 3)), ((3, 4), None)])
def test_features_of_a_cnn_move_with_the_configuration(shape, kernel):
    psi = CNN(shape, kernel=kernel, channels=(3, 3), seed=1)
    group = translations(shape)
    s = np.random.default_rng(0).choice([-1.0, 1.0], (1, psi.sites))
    features = psi.features(torch.tensor(s)).detach().numpy()[0]
    moved = psi.features(torch.tensor(group.images(s)[0])).detach().numpy()
    expected = features[:, group.permutations].swapaxes(0, 1)
    assert abs(moved - expected).max() < 1e-12


@pytest.mark.parametrize("kernel", [3, (2, 3), (4, 4), (1, 1)])
def test_both_ways_to_convolve_agree(kernel):
    psi = CNN((4, 4), kernel=kernel, seed=1)
    spins = torch.tensor(np.random.default_rng(0).choice([-1.0, 1.0], (9, 16)))
    gathered = psi(spins).detach()
    with torch.no_grad():
        multiplied = psi(spins)
    assert abs(gathered - multiplied).max() < 1e-13


@pytest.mark.parametrize(("shape", "reach"), [(9, 2), ((5, 5), 2)])
def test_a_local_cnn_sees_its_kernel_only(shape, reach):
    psi = CNN(shape, kernel=3, channels=(3, 3), seed=1)
    s = torch.ones(2, psi.sites, dtype=torch.float64)
    centre = psi.sites // 2
    s[1, centre] = -1
    features = psi.features(s).detach().numpy()
    places = np.indices(psi.shape).reshape(len(psi.shape), -1)
    distance = abs(places - places[:, centre][:, None]).max(0)
    changed = abs(features[1] - features[0]).max(0) > 1e-12
    assert np.array_equal(changed, distance <= reach)


def test_one_convolution_over_the_ring_is_the_translation_invariant_rbm():
    """log psi = sum_f sum_r log cosh(b_f + sum_j W_fj s_{j+r})."""
    sites, features = 6, 2
    rbm = RBM(sites, features, tied=translations(sites), seed=3, scale=0.4)
    cnn = CNN(sites, channels=(features,))
    with torch.no_grad():
        cnn.filters[0].copy_(rbm.weights.reshape(features, 1, sites))
        cnn.biases[0].copy_(rbm.hidden_bias[:, None])
        cnn.readout.fill_(1.0)
        rbm.visible_bias.zero_()
    spins = all_configs(sites)
    assert abs(cnn.log_psi(spins) - rbm.log_psi(spins)).max() < 1e-12


def test_jastrow_is_a_sum_over_pairs():
    spins = all_configs(6)
    psi = Jastrow(6, seed=0)
    v = np.zeros((6, 6))
    v[np.triu_indices(6, 1)] = get_parameters(psi)
    assert np.allclose(psi.log_psi(spins), np.einsum("bi,ij,bj->b", spins, v, spins), atol=1e-14)


def test_jastrow_of_displacements():
    """Two sites apart in either direction share a parameter: 3 for a ring of 6."""
    psi = Jastrow(6, invariant=True, seed=0)
    v = get_parameters(psi)
    spins = all_configs(6)
    counts = (1.0, 1.0, 0.5)
    expected = sum(
        counts[r - 1] * v[r - 1] * (spins * np.roll(spins, r, axis=1)).sum(1) for r in (1, 2, 3)
    )
    assert v.size == 3
    assert np.allclose(psi.log_psi(spins), expected, atol=1e-14)
    assert Jastrow((4, 4), invariant=True).parameter_count == 9
    assert Jastrow((4, 4), invariant=True, onsite=True, field=True).parameter_count == 11


def test_jastrow_of_bosons_holds_the_gutzwiller_factor():
    psi = Jastrow(3, onsite=True, field=True, invariant=True)
    assert psi.parameter_count == 3
    set_parameters(psi, np.array([-0.7, 0.0, 0.4]))
    n = all_configs(3, (0, 1, 2))
    assert np.allclose(psi.log_psi(n), (-0.7 * n.astype(float) ** 2 + 0.4 * n).sum(1))


def test_networks_take_bosons():
    n = all_configs(4, (0, 1, 2))
    for psi in (FeedForward(4), CNN(4), Transformer(4, width=8), Jastrow(4, onsite=True)):
        assert np.isfinite(psi.log_psi(n)).all()


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: FeedForward(0), "shape=0"),
        (lambda: FeedForward(4, widths=()), "layers=0"),
        (lambda: FeedForward(4, widths=(3, 0)), r"widths\[1\]=0"),
        (lambda: FeedForward(4, activation="step"), "'log_cosh', 'tanh'"),
        (lambda: FeedForward(4, seed=-1), "seed=-1"),
        (lambda: FeedForward(4, seed=0.5), "seed=0.5"),
        (lambda: CNN(4, kernel=5), "from 1 to the side"),
        (lambda: CNN((4, 4), kernel=(3, 3, 3)), "one per direction"),
        (lambda: CNN((4, 2), kernel=3), r"shape \(4, 2\)"),
        (lambda: CNN(4, channels=(0,)), r"channels\[0\]=0"),
        (lambda: Transformer(6, patch=4), "does not divide"),
        (lambda: Transformer((4, 6), patch=(2, 4)), "divisors"),
        (lambda: Transformer(6, patch=0), "patch=0"),
        (lambda: Transformer(6, width=8, heads=3), "must divide the width"),
        (lambda: Transformer(6, attention="linear"), "'factored', 'softmax'"),
        (lambda: Transformer(6, layers=0), "layers=0"),
        (lambda: Jastrow(1), "onsite=True"),
        (lambda: Autoregressive(6, total=1), "-6, -4, ..., 6"),
        (lambda: Autoregressive(6, total=8), "no configuration of 6 sites"),
        (lambda: Autoregressive(6, local_values=(0, 1, 3)), "equidistant"),
        (lambda: Autoregressive(6, channels=0), "channels=0"),
        (lambda: Autoregressive(6).sample(0, np.random.default_rng(0)), "samples=0"),
        (lambda: Autoregressive(2).log_psi(np.array([[0, 1]])), r"local_values=\(-1, 1\)"),
    ],
)
def test_errors_say_what_is_allowed(build, message):
    with pytest.raises(ValueError, match=message):
        build()
