"""Diagnostics of samples on processes whose autocorrelation is known, and entanglement."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import lfilter

from qdens_nb.nqs._diagnostics import (
    Estimate,
    effective_sample_size,
    integrated_autocorrelation_time,
    split_rhat,
    summarize,
    v_score,
)
from qdens_nb.nqs._entropy import (
    RBMWeights,
    entanglement_entropy,
    entropy_profile,
    page_entropy,
    random_rbm,
    rbm_entropy_bound,
    rbm_log_psi,
    rbm_state,
    rbm_volume_law,
    renyi2_swap,
)


def ar1(rho: float, shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Stationary x_t = rho x_(t-1) + noise: tau = (1 + rho) / (1 - rho)."""
    noise = rng.normal(size=shape)
    noise[:, 0] /= np.sqrt(1 - rho**2)
    return lfilter([1.0], [1.0, -rho], noise, axis=1)


@pytest.mark.parametrize("rho", [-0.5, 0.0, 0.5, 0.9])
@pytest.mark.parametrize("shape", [(1, 40_000), (40, 1000), (400, 200)])
def test_autocorrelation_time_of_an_ar1_process(rho: float, shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(3)
    taus = [integrated_autocorrelation_time(ar1(rho, shape, rng)) for _ in range(10)]
    assert np.mean(taus) == pytest.approx((1 + rho) / (1 - rho), rel=0.08)


def test_autocorrelation_time_of_a_complex_series_is_that_of_its_parts() -> None:
    rng = np.random.default_rng(4)
    series = ar1(0.8, (4, 20_000), rng) + 1j * ar1(0.8, (4, 20_000), rng)
    assert integrated_autocorrelation_time(series) == pytest.approx(9.0, rel=0.1)
    assert effective_sample_size(series) == pytest.approx(series.size / 9.0, rel=0.1)


def test_autocorrelation_time_does_not_depend_on_units_or_origin() -> None:
    series = ar1(0.6, (8, 500), np.random.default_rng(5))
    tau = integrated_autocorrelation_time(series)
    assert integrated_autocorrelation_time(-3e4 * series + 7.0) == pytest.approx(tau)
    assert integrated_autocorrelation_time(series[0]) == integrated_autocorrelation_time(series[:1])


def test_autocorrelation_time_of_anticorrelated_draws_stays_positive() -> None:
    assert 0.0 < integrated_autocorrelation_time(np.tile([1.0, -1.0], 500)) < 1.0


def test_chains_in_disjoint_places_have_a_long_time_and_a_large_rhat() -> None:
    rng = np.random.default_rng(6)
    series = rng.normal(size=(10, 1000)) + 10.0 * np.arange(10)[:, None]
    assert integrated_autocorrelation_time(series) > 300
    within, between = 1.0, np.var(10.0 * np.arange(10).repeat(2), ddof=1)
    assert split_rhat(series) == pytest.approx(np.sqrt(1 + between / within), rel=0.02)
    assert split_rhat(series) > 20 * np.sqrt(2.0)
    assert np.isclose(split_rhat(1j * series), split_rhat(series))


def test_rhat_of_two_separated_chains_exceeds_the_cap_of_total_variance() -> None:
    rng = np.random.default_rng(7)
    series = rng.normal(size=(2, 400)) + np.array([[0.0], [100.0]])
    assert split_rhat(series) > 50


def test_rhat_of_independent_draws_is_one_and_a_drift_is_seen() -> None:
    rng = np.random.default_rng(8)
    series = rng.normal(size=(4, 5000))
    assert split_rhat(series) == pytest.approx(1.0, abs=2e-3)
    assert split_rhat(series[:1] + np.linspace(0.0, 4.0, 5000)) > 1.5
    assert split_rhat(series[:, :4999]) == pytest.approx(1.0, abs=2e-3)


def test_rhat_of_frozen_chains() -> None:
    assert split_rhat(np.arange(3.0)[:, None] * np.ones(8)) == np.inf
    assert split_rhat(np.arange(3.0)[:, None] * np.ones(8) + 0.1) == np.inf
    assert np.isnan(split_rhat(np.full((3, 8), 0.1)))


@pytest.mark.parametrize(
    ("rho", "shape"), [(0.0, (1, 400)), (0.9, (1, 2000)), (0.9, (20, 200)), (0.5, (200, 1))]
)
def test_error_bars_cover_the_truth(rho: float, shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(9)
    estimates = [summarize(ar1(rho, shape, rng)) for _ in range(300)]
    covered = np.mean([abs(e.mean) < e.stderr for e in estimates])
    assert covered == pytest.approx(0.683, abs=0.075)
    assert np.mean([abs(e.mean) < 3 * e.stderr for e in estimates]) > 0.98


def test_naive_error_bars_would_not() -> None:
    rng = np.random.default_rng(10)
    series = [ar1(0.9, (1, 2000), rng) for _ in range(300)]
    covered = np.mean([abs(s.mean()) < s.std() / np.sqrt(s.size) for s in series])
    assert covered < 0.3


def test_spread_of_many_short_chains_counts() -> None:
    """Chains too short to move: the number of chains, not of draws, is what there is."""
    rng = np.random.default_rng(11)
    series = np.repeat(rng.normal(size=(100, 1)), 20, axis=1) + 1e-3 * rng.normal(size=(100, 20))
    estimate = summarize(series)
    assert estimate.stderr >= 0.99 * series.mean(axis=1).std(ddof=1) / 10
    assert estimate.ess < 110
    assert estimate.rhat > 100


def test_summary_of_a_complex_series() -> None:
    rng = np.random.default_rng(12)
    series = (2.0 + 1j) + rng.normal(size=(10, 1000)) + 3j * rng.normal(size=(10, 1000))
    estimate = summarize(series)
    assert isinstance(estimate.mean, complex)
    assert abs(estimate.mean - (2.0 + 1j)) < 0.15
    assert estimate.variance == pytest.approx(10.0, rel=0.05)
    assert estimate.stderr == pytest.approx(0.01, rel=0.3)
    assert estimate.ess == pytest.approx(10_000, rel=0.5)


def test_weights_of_importance_sampling() -> None:
    """Draws from N(0, 1) weighted to N(1, 1): the error bar holds, equal weights change nothing."""
    rng = np.random.default_rng(13)
    pulls = []
    for _ in range(300):
        series = rng.normal(size=(1, 1000))
        estimate = summarize(series, np.exp(series))
        pulls.append((estimate.mean - 1.0) / estimate.stderr)
    assert np.mean(np.abs(pulls) < 1) == pytest.approx(0.68, abs=0.08)
    plain, equal = summarize(series), summarize(series, np.full(series.shape, 3.0))
    np.testing.assert_allclose(plain, equal)


def test_exact_sum_has_no_error_bar() -> None:
    estimate = summarize([1.0, 3.0], [0.75, 0.25], exact=True)
    assert (estimate.mean, estimate.stderr, estimate.variance) == (1.5, 0.0, 0.75)
    assert estimate.ess == np.inf
    with pytest.raises(ValueError, match="needs the weights"):
        summarize([1.0, 3.0], exact=True)


def test_degenerate_series() -> None:
    constant = np.full((4, 10), -0.1)
    assert np.isnan(integrated_autocorrelation_time(constant))
    assert np.isnan(effective_sample_size(constant))
    estimate = summarize(constant)
    assert isinstance(estimate, Estimate)
    assert (estimate.stderr, estimate.mean) == (0.0, pytest.approx(-0.1))
    assert np.isnan([estimate.tau, estimate.rhat, estimate.ess]).all()
    assert np.isnan(summarize([2.0]).stderr)
    short = summarize([[0.0], [1.0]])
    assert short.stderr == pytest.approx(0.5)
    assert np.isnan([short.tau, short.rhat]).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: integrated_autocorrelation_time([1.0]), "at least 2"),
        (lambda: split_rhat([1.0, 2.0, 3.0]), "at least 4"),
        (lambda: summarize(np.zeros((2, 2, 2))), "shape"),
        (lambda: summarize([]), "shape"),
        (lambda: summarize([1.0, np.nan]), "1 value"),
        (lambda: summarize(["a", "b"]), "dtype"),
        (lambda: summarize([1.0, 2.0], [1.0]), "weights have shape"),
        (lambda: summarize([1.0, 2.0], [1.0, -1.0]), "not negative"),
        (lambda: v_score(1.0, 1.0, 0), "degree of freedom"),
    ],
)
def test_what_makes_no_sense_is_refused(call, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


def test_v_score() -> None:
    assert v_score(-25.0, 0.3, 20) == pytest.approx(20 * 0.3 / 625)
    assert v_score(-25.0, 0.3, 20, energy_infinity=5.0) == pytest.approx(20 * 0.3 / 900)
    np.testing.assert_allclose(v_score([-1.0, -2.0], [0.0, 1.0], 4), [0.0, 1.0])
    assert v_score(1.0, 1.0, 4, energy_infinity=1.0) == np.inf
    assert np.isnan(v_score(0.0, 0.0, 4))


def spins(sites: int) -> np.ndarray:
    return np.array(list(np.ndindex(*[2] * sites)), np.int8) * 2 - 1


def named_state(name: str, sites: int) -> np.ndarray:
    vector = np.zeros(2**sites)
    if name == "product":
        return np.kron(np.kron([0.6, 0.8], np.ones(2 ** (sites - 2))), [1.0, -2.0])
    vector[[0, -1]] = 1.0, -1.0
    return vector


@pytest.mark.parametrize("order", [0.5, 1, 2])
def test_entropy_of_product_and_ghz_states(order: float) -> None:
    basis = spins(6)
    for sites in ([0], [1, 4], [0, 2, 3, 5]):
        product = entanglement_entropy(named_state("product", 6), basis, sites, order)
        ghz = entanglement_entropy(named_state("ghz", 6), basis, sites, order)
        assert product == pytest.approx(0.0, abs=1e-6)
        assert ghz == pytest.approx(np.log(2))
    assert entanglement_entropy(named_state("ghz", 6), basis, []) == pytest.approx(0.0, abs=1e-12)


def test_entropies_of_a_pair_of_spins() -> None:
    """cos a |00> + sin a |11>: the weights are cos^2 a and sin^2 a."""
    p = np.cos(0.4) ** 2
    vector = [np.cos(0.4), 0.0, 0.0, 1j * np.sin(0.4)]
    for site in (0, 1):
        von_neumann = entanglement_entropy(vector, spins(2), [site])
        assert von_neumann == pytest.approx(-p * np.log(p) - (1 - p) * np.log(1 - p))
        renyi = entanglement_entropy(vector, spins(2), [site], order=2)
        assert renyi == pytest.approx(-np.log(p**2 + (1 - p) ** 2))


def test_entropy_in_a_sector_is_that_of_the_full_space() -> None:
    rng = np.random.default_rng(0)
    basis = spins(8)
    inside = basis.sum(axis=1) == 0
    vector = np.where(inside, rng.normal(size=256), 0.0)
    for sites in (range(3), [0, 3, 6, 7]):
        full = entanglement_entropy(vector, basis, sites)
        order = rng.permutation(inside.sum())
        sector = entanglement_entropy(vector[inside][order], basis[inside][order], sites)
        assert sector == pytest.approx(full)
    profile = entropy_profile(vector, basis)
    np.testing.assert_allclose(profile, entropy_profile(vector, basis[:, ::-1])[::-1], atol=1e-7)


def test_entropy_of_bosons() -> None:
    """One boson on two sites, and a Fock state."""
    basis = np.array([[2, 0], [1, 1], [0, 2]])
    assert entanglement_entropy([0, 1, 0], basis, [0]) == pytest.approx(0.0, abs=1e-12)
    assert entanglement_entropy([1, 1, 1], basis, [0]) == pytest.approx(np.log(3))


def test_entropy_of_random_states_is_pages() -> None:
    rng = np.random.default_rng(1)
    basis = spins(10)
    for size in (2, 5):
        found = [
            entanglement_entropy(rng.normal(size=1024) + 1j * rng.normal(size=1024), basis, rows)
            for rows in [range(size)] * 10
        ]
        assert np.mean(found) == pytest.approx(page_entropy(2**size, 2 ** (10 - size)), abs=0.01)
    assert page_entropy(2, 2) == pytest.approx(1 / 3)


@pytest.mark.parametrize("sites", [4, 10, 12])
def test_long_range_rbm_has_the_largest_entropy(sites: int) -> None:
    """S(l) = l ln 2 up to half the ring, wherever the block starts, with N/2 hidden units."""
    weights = rbm_volume_law(sites)
    assert weights.W.shape == (sites // 2, sites)
    vector, basis = rbm_state(weights)
    blocks = np.arange(sites + 1)
    expected = np.minimum(blocks, sites - blocks) * np.log(2)
    np.testing.assert_allclose(entropy_profile(vector, basis), expected, atol=1e-7)
    np.testing.assert_allclose(entropy_profile(vector, basis, order=2), expected, atol=1e-7)
    moved = [(3 + i) % sites for i in range(sites // 2)]
    assert entanglement_entropy(vector, basis, moved) == pytest.approx(expected.max())
    assert rbm_entropy_bound(weights, moved) == pytest.approx(expected.max())


def test_area_law_of_short_range_rbms_and_growth_of_long_range_ones() -> None:
    profiles = {}
    for reach in (0, 1, None):
        found = []
        for seed in range(6):
            weights = random_rbm(12, reach, seed=seed)
            profile = entropy_profile(*rbm_state(weights))
            bounds = [rbm_entropy_bound(weights, range(size)) for size in range(13)]
            assert (profile <= np.array(bounds) + 1e-9).all()
            found.append(profile)
        profiles[reach] = np.mean(found, axis=0)
    np.testing.assert_allclose(profiles[0], 0.0, atol=1e-6)
    bound = [rbm_entropy_bound(random_rbm(40, 1), range(size)) for size in (5, 10, 20)]
    np.testing.assert_allclose(bound, 4 * np.log(2))
    assert profiles[1][3:10].max() < 1.0
    assert (np.diff(profiles[None][:7]) > 0.15).all()
    assert profiles[None][6] > 3 * profiles[1][6]


def test_open_chain_has_one_cut_and_weights_of_the_reach() -> None:
    weights = random_rbm(9, 2, periodic=False, density=2)
    distance = np.abs(np.arange(18)[:, None] % 9 - np.arange(9))
    np.testing.assert_array_equal(weights.W != 0, distance <= 2)
    assert rbm_entropy_bound(weights, range(4)) == pytest.approx(4 * np.log(2))
    again = random_rbm(9, 2, periodic=False, density=2)
    np.testing.assert_array_equal(weights.W, again.W)


def test_rbm_amplitudes_are_products_of_cosh() -> None:
    rng = np.random.default_rng(2)
    W, a, b = (rng.normal(size=s) + 1j * rng.normal(size=s) for s in ((3, 4), 4, 3))
    configs = spins(4)
    direct = np.exp(configs @ a) * np.cosh(b + configs @ W.T).prod(axis=1)
    np.testing.assert_allclose(np.exp(rbm_log_psi(RBMWeights(W, a, b), configs)), direct)
    far = rbm_log_psi(RBMWeights(1e4 * W, a, b), configs)
    assert np.isfinite(far).all()


def drawn(vector: np.ndarray, basis: np.ndarray, count: int, rng: np.random.Generator):
    return basis[rng.choice(len(vector), count, p=np.abs(vector) ** 2)]


@pytest.mark.parametrize("size", [1, 3])
def test_swap_estimator_has_the_exact_mean_and_error_bar(size: int) -> None:
    weights = random_rbm(8, seed=3)
    vector, basis = rbm_state(weights)
    exact = entanglement_entropy(vector, basis, range(size), order=2)
    rng = np.random.default_rng(4)
    pulls = []
    for _ in range(100):
        copies = [drawn(vector, basis, 2000, rng) for _ in range(2)]
        found, stderr = renyi2_swap(lambda s: rbm_log_psi(weights, s), *copies, range(size))
        pulls.append((found - exact) / stderr)
    assert abs(np.mean(pulls)) < 0.4
    assert np.std(pulls) == pytest.approx(1.0, abs=0.2)


def test_swap_estimator_in_a_sector_needs_the_total() -> None:
    """The singlet: a constant amplitude within the sector, and beyond it if nobody says so."""
    rng = np.random.default_rng(5)
    up = rng.choice([-1, 1], size=(2, 5000, 1))
    copies = np.concatenate([up, -up], axis=2)

    def log_psi(configs: np.ndarray) -> np.ndarray:
        return np.full(len(configs), -0.5 * np.log(2))

    found, stderr = renyi2_swap(log_psi, *copies, [0], total=0)
    assert abs(found - np.log(2)) < 4 * stderr
    assert renyi2_swap(log_psi, *copies, [0])[0] == pytest.approx(0.0)


def test_swap_estimator_without_signal_says_nan() -> None:
    copies = np.array([[[1, 1]], [[-1, -1]]])
    purity_zero = renyi2_swap(lambda s: np.where(s[:, 0] == s[:, 1], 0.0, -np.inf), *copies, [0])
    assert np.isnan(purity_zero).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: entanglement_entropy(np.ones(3), spins(2), [0]), "expected"),
        (lambda: entanglement_entropy(np.zeros(4), spins(2), [0]), "norm"),
        (lambda: entanglement_entropy(np.ones(4), spins(2), [2]), "outside"),
        (lambda: entanglement_entropy(np.ones(4), spins(2), [0, 0]), "twice"),
        (lambda: entanglement_entropy(np.ones(4), spins(2), [0], order=0), "order"),
        (lambda: rbm_volume_law(5), "even"),
        (lambda: random_rbm(5, -1), "reach"),
        (lambda: page_entropy(0, 2), "positive"),
        (lambda: renyi2_swap(np.sum, np.ones((3, 2)), np.ones((2, 2)), [0]), "shapes"),
        (
            lambda: renyi2_swap(
                lambda s: np.full(len(s), -np.inf), np.ones((2, 2)), np.ones((2, 2)), [0]
            ),
            "not finite",
        ),
    ],
)
def test_entropies_refuse_what_makes_no_sense(call, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
