"""The autoregressive wave function: normalisation, conserved totals, direct samples."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from scipy.stats import chi2

import qdens_nb as qd
from qdens_nb.nqs._ansatz import get_parameters, set_parameters
from qdens_nb.nqs._autoregressive import Autoregressive

AUTOREGRESSIVE = [
    ({"shape": 8}, (-1, 1)),
    ({"shape": 1}, (-1, 1)),
    ({"shape": (2, 3), "is_complex": True}, (-1, 1)),
    ({"shape": 8, "total": 0}, (-1, 1)),
    ({"shape": 7, "total": -3, "is_complex": True}, (-1, 1)),
    ({"shape": 6, "total": 6}, (-1, 1)),
    ({"shape": 5, "local_values": (0, 1, 2)}, (0, 1, 2)),
    ({"shape": (2, 3), "local_values": (0, 1, 2, 3), "total": 5}, (0, 1, 2, 3)),
]


def all_configs(sites: int, values: tuple[int, ...] = (-1, 1)) -> np.ndarray:
    return np.array(list(itertools.product(values, repeat=sites)), dtype=np.int8)


@pytest.mark.parametrize(("options", "values"), AUTOREGRESSIVE)
def test_autoregressive_is_normalised_and_keeps_the_total(options, values):
    psi = Autoregressive(**options, channels=8, seed=2)
    set_parameters(psi, 4.0 * get_parameters(psi))
    configs = all_configs(psi.sites, values)
    p = abs(np.exp(psi.log_psi(configs))) ** 2
    assert p.sum() == pytest.approx(1.0, abs=1e-12)
    total = options.get("total")
    inside = np.full(len(configs), True) if total is None else configs.sum(1) == total
    assert (p[inside] > 0).all()
    assert (p[~inside] == 0).all()
    assert np.isfinite(psi.log_derivatives(configs[:300])).all()


@pytest.mark.parametrize(("options", "values"), AUTOREGRESSIVE)
def test_direct_samples_follow_psi_squared(options, values):
    psi = Autoregressive(**options, channels=8, seed=2)
    set_parameters(psi, 2.0 * get_parameters(psi))
    samples = psi.sample(20000, np.random.default_rng(5))
    assert samples.dtype == np.int8
    assert samples.shape == (20000, psi.sites)
    configs = all_configs(psi.sites, values)
    expected = 20000 * abs(np.exp(psi.log_psi(configs))) ** 2
    keys = {s.tobytes(): i for i, s in enumerate(configs)}
    found = np.bincount([keys[s.tobytes()] for s in samples], minlength=len(configs))
    assert (found[expected == 0] == 0).all()
    common = expected > 10
    rest = [(found[~common].sum(), expected[~common].sum())] if not common.all() else []
    pairs = [*zip(found[common], expected[common], strict=True), *rest]
    statistic = sum((f - e) ** 2 / e for f, e in pairs if e > 0)
    freedom = max(1, len(pairs) - 1)
    assert 1e-4 < chi2.sf(statistic, freedom) or statistic < 1e-9
    assert chi2.cdf(statistic, freedom) > 1e-4 or freedom == 1


def test_samples_repeat_with_the_seed_and_only_then():
    psi = Autoregressive(10, total=0, seed=0)
    one, same, other = (psi.sample(50, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


def test_autoregressive_conditionals_see_earlier_sites_only_and_all_of_them():
    """p(s_1 ... s_i), the sum over the later sites, is the product of the first conditionals."""
    sites = 8
    psi = Autoregressive(sites, channels=6, seed=0)
    set_parameters(psi, 3.0 * get_parameters(psi))
    p = np.exp(2 * psi.log_psi(all_configs(sites))).reshape((2,) * sites)
    # Conditional of the last site given the others: depends on the first one too.
    last = p[..., 1] / p.sum(-1)
    assert abs(last[0] - last[1]).max() > 1e-4
    changed = Autoregressive(sites, channels=6, seed=0)
    set_parameters(changed, 3.0 * get_parameters(Autoregressive(sites, channels=6, seed=0)))
    with torch.no_grad():
        changed.offset[4:] += 1.0 + torch.arange(2)
    q = np.exp(2 * changed.log_psi(all_configs(sites))).reshape((2,) * sites)
    marginal = tuple(range(4, sites))
    assert np.allclose(p.sum(marginal), q.sum(marginal), atol=1e-14)
    assert abs(p - q).max() > 1e-4


@pytest.mark.parametrize(
    ("values", "total"), [((-1, 1), 2), ((0, 1, 2), 6), ((0, 1, 2, 3), 4), ((-1, 1), None)]
)
def test_autoregressive_without_weights_is_the_uniform_state(values, total):
    psi = Autoregressive(6, local_values=values, total=total)
    set_parameters(psi, np.zeros(psi.parameter_count))
    configs = all_configs(6, values)
    if total is not None:
        configs = configs[configs.sum(1) == total]
    assert np.allclose(psi.log_psi(configs), -0.5 * np.log(len(configs)), atol=1e-12)


def test_a_network_for_another_sector_or_other_values_is_refused() -> None:
    ring = qd.nqs.heisenberg(6)
    for network, words in (
        (qd.nqs.Autoregressive(6), "total=0"),
        (qd.nqs.Autoregressive(6, total=2), "total=2"),
        (qd.nqs.Autoregressive(6, local_values=(0, 1)), "local_values"),
    ):
        with pytest.raises(ValueError, match=words):
            qd.nqs.Direct(ring).draw(network, 10)
    qd.nqs.Direct(ring).draw(qd.nqs.Autoregressive(6, total=0), 10)
