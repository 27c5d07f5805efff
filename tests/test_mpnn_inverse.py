"""The potential from samples of |psi|^2 and from noisy values."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from qdens_nb.mpnn._baselines import (
    filtered_inversion,
    histogram_potential,
    kernel_density_potential,
    spline_inversion,
)
from qdens_nb.mpnn._forward import Box
from qdens_nb.mpnn._from_samples import CosineLogPsi, potential_from_samples
from qdens_nb.mpnn._from_values import Noise, count_nodes, potential_from_values
from qdens_nb.mpnn._log_psi import Inputs, LogPsi, Perceptron
from qdens_nb.mpnn._sampling import uniform
from qdens_nb.mpnn._systems import wave_function
from qdens_nb.mpnn._wavefunctions import _derivatives

LINE = torch.linspace(-5, 5, 200, dtype=torch.float64)[:, None]


def normal(samples: int, dims: int, *, seed: int = 0) -> torch.Tensor:
    """|psi|^2 of the oscillator's ground state, exactly."""
    rng = torch.Generator().manual_seed(seed)
    return torch.randn(samples, dims, generator=rng, dtype=torch.float64) / math.sqrt(2)


def error(found, wave, half: float) -> float:
    points = uniform(wave.dims, 2000, half, torch.Generator().manual_seed(1))
    return float((found.potential(points) - wave.potential(points)).abs().mean())


@pytest.mark.parametrize("kind", ["perceptron", "cosines", "cosines on a Gaussian"])
def test_derivatives_of_log_psi_are_those_of_autodiff(kind):
    data = normal(300, 4)
    inputs = Inputs(data, cusps=[(0.3, -0.2)], particles=2)
    assert inputs.count == 4 + 2 + 1
    if kind == "perceptron":
        net = LogPsi(inputs, width=7, seed=3)
    else:
        net = CosineLogPsi(inputs, 9, 0.7, kind != "cosines", 3)
        net.output = torch.linspace(-1, 1, 9 + inputs.count, dtype=torch.float64)
    value, slope, bend = _derivatives(net, data[:20])
    ours = net.derivatives(data[:20])
    for mine, exact in zip(ours, (value, slope, bend.sum(-1)), strict=True):
        torch.testing.assert_close(mine, exact, rtol=1e-9, atol=1e-9)


def test_derivatives_by_weights():
    net, seen = Perceptron([3, 5, 4, 1], seed=1).double(), normal(6, 3)
    theta, rows = net.theta, net.by_weights(seen)

    def at(weights):
        net.load(weights)
        with torch.no_grad():
            return net(seen)

    for k in range(0, len(theta), 7):
        push = torch.zeros_like(theta)
        push[k] = 1e-6
        slope = (at(theta + push) - at(theta - push)) / 2e-6
        torch.testing.assert_close(rows[:, k], slope, rtol=1e-6, atol=1e-8)


def test_score_matching_is_the_variational_principle():
    """<V_phi> over |psi|^2 is -<T> at phi = log psi, else greater by <|grad (phi - log psi)|^2>/2.

    psi = exp(-x^2/2), phi = -a x^2/2: V_phi = (a^2 x^2 - a)/2, <x^2> = 1/2, <T> = 1/4.
    """
    x = torch.linspace(-9, 9, 4001, dtype=torch.float64)
    weight = torch.exp(-(x**2)) / torch.exp(-(x**2)).sum()
    for a in (0.5, 1.0, 1.7):
        trial = float(weight @ ((a * x) ** 2 - a)) / 2
        assert trial == pytest.approx(-0.25 + (a - 1) ** 2 / 4, abs=1e-12)
        hyvarinen = float(weight @ (2 * (a * x) ** 2 - 2 * a))
        assert hyvarinen == pytest.approx(4 * trial, abs=1e-12)
        box = Box(-9, 9, 60)
        ground = box.states((a * box.places) ** 2 / 2 - a / 2)[0][0]
        assert float(ground) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("cusps", [(), [(0.0, 0.0)]])
def test_averages_are_those_of_the_potential(cusps):
    data = normal(500, 2)
    net = CosineLogPsi(Inputs(data, cusps=cusps), 12, 0.8, True, 0)
    matrix, vector, constant = net.averages(data)
    net.output = torch.linspace(-0.3, 0.4, len(vector), dtype=torch.float64)
    _, slope, laplacian = net.derivatives(data)
    mean = (laplacian + slope.square().sum(1)).mean() / 2
    found = net.output @ matrix @ net.output / 2 + vector @ net.output + constant
    torch.testing.assert_close(found, mean)


def test_samples_of_the_oscillator_give_its_potential():
    wave = wave_function("oscillator_0")
    data = normal(10_000, 1)
    plain = potential_from_samples(data, pin=(0.0,), pinned=0.0, gaussian=False, width=60)
    based = potential_from_samples(data, pin=(0.0,), pinned=0.0, width=60)
    assert error(plain, wave, 1.0) < 0.1
    assert error(based, wave, 1.0) < 0.05
    assert based.energy == pytest.approx(0.5, abs=0.03)
    assert based.kinetic == pytest.approx(0.25, abs=0.01)
    assert float(based.potential(torch.zeros(1, 1))) == pytest.approx(0, abs=1e-12)
    # The least <V - E> is the one that was chosen.
    assert min(based.history["held_out"]) == pytest.approx(-based.kinetic)


def test_samples_in_six_dimensions_beat_a_kernel_density():
    """Coupled oscillators: psi = exp(-x.A.x/2), V = x.A^2.x/2, E = tr A / 2."""
    dims = 6
    coupling = torch.eye(dims, dtype=torch.float64) * 1.5 - torch.ones(dims, dims) / 6
    axes = torch.linalg.cholesky(torch.linalg.inv(2 * coupling))
    rng = torch.Generator().manual_seed(4)
    draw = torch.randn(4000, dims, generator=rng, dtype=torch.float64) @ axes.T
    fresh = torch.randn(300, dims, generator=rng, dtype=torch.float64) @ axes.T
    exact = (fresh @ coupling).square().sum(1) / 2
    found = potential_from_samples(draw, pin=(0.0,) * dims, pinned=0.0, width=60, members=1)
    assert found.energy == pytest.approx(float(coupling.trace()) / 2, rel=0.05)
    ours = float((found.potential(fresh) - exact).abs().mean())
    best = min(
        float((kernel - exact - (kernel - exact).median()).abs().mean())
        for kernel in (kernel_density_potential(draw, fresh, h) for h in (0.4, 0.6, 0.8))
    )
    assert 4 * ours < best


def test_samples_of_hydrogen_show_its_charge():
    rng = torch.Generator().manual_seed(0)
    # |psi|^2 = exp(-2 r): r is a sum of three exponentials.
    far = -torch.rand(10_000, 3, generator=rng, dtype=torch.float64).log().sum(1) / 2
    ways = torch.randn(10_000, 3, generator=rng, dtype=torch.float64)
    data = far[:, None] * ways / ways.norm(dim=1, keepdim=True)
    found = potential_from_samples(
        data, pin=(1.0, 0, 0), pinned=-1.0, cusps=[(0.0, 0, 0)], width=60, members=1
    )
    assert found.kinetic == pytest.approx(0.5, abs=0.05)
    near = torch.tensor([[0.05, 0, 0], [0, 0.1, 0], [0, 0, -2.0]], dtype=torch.float64)
    torch.testing.assert_close(found.potential(near), -1 / near.norm(dim=1), rtol=0.15, atol=0.1)


@pytest.mark.parametrize("quanta", [0, 3])
def test_noisy_values_on_a_line(quanta):
    wave = wave_function(f"oscillator_{quanta}")
    values = Noise(0.01)(-3 * wave.psi(LINE), seed=quanta)
    found = potential_from_values(LINE, values, pin=wave.pin, pinned=wave.pinned_value, members=1)
    assert error(found, wave, 1.0) < 0.06
    assert error(found, wave, 5.0) < 0.06
    assert found.energy == pytest.approx(wave.energy, abs=0.06)
    assert 0.5 < min(found.history["held_out"]) < 1.6


def test_error_grows_with_the_noise_and_is_far_below_direct_inversion():
    wave = wave_function("oscillator_2")
    exact = wave.potential(LINE).numpy() - wave.energy
    ours, direct = [], []
    for relative in (0.001, 0.01, 0.1):
        values = Noise(relative)(wave.psi(LINE), seed=7)
        found = potential_from_values(
            LINE, values, pin=wave.pin, pinned=wave.pinned_value, noise=relative, members=1
        )
        ours.append(error(found, wave, 5.0))
        step = float(LINE[1, 0] - LINE[0, 0])
        direct.append(np.nanmean(np.abs(filtered_inversion(values.numpy(), step, 3) - exact)))
    assert ours[0] < ours[1] < ours[2] < 1
    assert all(10 * mine < theirs for mine, theirs in zip(ours, direct, strict=True))


def test_additive_noise_leaves_the_core():
    wave = wave_function("oscillator_2")
    values = Noise(0.0, 0.01)(wave.psi(LINE), seed=1)
    assert count_nodes(LINE[:, 0], values, Noise(0.0, 0.01)) == 2
    found = potential_from_values(
        LINE, values, pin=wave.pin, pinned=wave.pinned_value, noise=0.0, additive=0.01, members=1
    )
    assert error(found, wave, 1.0) < 0.1


def test_noisy_values_of_hydrogen():
    wave = wave_function("hydrogen_1s")
    points = uniform(3, 2000, 5.0, torch.Generator().manual_seed(0))
    values = Noise(0.01)(wave.psi(points), seed=0)
    found = potential_from_values(
        points,
        values,
        pin=wave.pin,
        pinned=wave.pinned_value,
        cusps=wave.cusps,
        members=1,
        width=10,
    )
    assert error(found, wave, 1.0) < 0.08
    assert error(found, wave, 5.0) < 0.08
    assert found.energy == pytest.approx(-0.5, abs=0.05)


def test_baselines_invert_exact_data():
    x = np.linspace(-4, 4, 401)
    psi, exact = np.exp(-(x**2) / 2), x**2 / 2 - 0.5
    for window, log in ((3, False), (11, False), (11, True)):
        found = filtered_inversion(psi, x[1] - x[0], window, log=log)
        assert np.nanmax(np.abs(found - exact)) < 2e-2
        assert np.isnan(found[: window // 2]).all()
    spline = spline_inversion(x, psi, np.full(x.shape, 1e-9), 1.0, x[50:-50])
    assert np.abs(spline - exact[50:-50]).max() < 1e-3
    data, at = normal(50_000, 1), torch.linspace(-1, 1, 21, dtype=torch.float64)
    kernel = kernel_density_potential(data, at[:, None], 0.4)
    # A kernel of width h widens p to the variance 1/2 + h^2/2: V - E of that oscillator.
    narrow = 1 / (1 + 0.4**2)
    torch.testing.assert_close(kernel, (narrow * at) ** 2 / 2 - narrow / 2, rtol=0, atol=0.05)
    bins = histogram_potential(data[:, 0], at, 0.5)
    assert float((bins - at**2 / 2 + 0.5).abs().mean()) < 0.15


@pytest.mark.parametrize(
    ("points", "values", "options", "message"),
    [
        (LINE[:20], torch.ones(20), {}, "20 values; expected at least 30"),
        (LINE, torch.ones(3), {}, "expected \\(200,\\)"),
        (LINE, torch.full((200,), torch.nan), {}, "NaN"),
        (LINE, torch.zeros(200), {}, "vanish everywhere"),
        (LINE.expand(-1, 2), torch.ones(200), {}, "expected \\(B, 1\\)"),
        (LINE, torch.ones(200), {"noise": 0.0}, "one of them positive"),
        (LINE, torch.ones(200), {"method": "magic"}, "method='magic'"),
        (LINE, torch.ones(200), {"members": 0}, "members=0"),
        (LINE, LINE[:, 0], {"method": "log_psi"}, "change sign"),
        (LINE, torch.ones(200), {"nodes": 50}, "nodes=50"),
    ],
)
def test_values_that_are_refused(points, values, options, message):
    with pytest.raises(ValueError, match=message):
        potential_from_values(points, values, pin=(0.0,), pinned=0.0, **options)


@pytest.mark.parametrize(
    ("points", "options", "message"),
    [
        (normal(100, 1), {}, "100 points; expected at least 200"),
        (normal(300, 2), {}, "expected \\(B, 1\\)"),
        (normal(300, 1) * torch.nan, {}, "NaN"),
        (normal(300, 1), {"members": 0}, "members=0"),
        (normal(300, 1) * 0, {}, "subspace"),
        (normal(300, 1), {"cusps": [(0.0, 1.0)]}, "a cusp has 2 coordinates"),
        (normal(300, 1), {"particles": 2}, "do not share 1 coordinates"),
    ],
)
def test_samples_that_are_refused(points, options, message):
    with pytest.raises(ValueError, match=message):
        potential_from_samples(points, pin=(0.0,), pinned=0.0, **options)
