"""Potentials: labels, statistics, seeds, shapes of the designed ones."""

import numpy as np
import pytest
import xarray as xr

import qdens_nb as qd
from qdens_nb import potentials as P

RANDOM = {
    "white_noise": lambda shape, **options: P.white_noise(shape, 1.5, **options),
    "coloured_noise": lambda shape, **options: P.coloured_noise(shape, 1.0, 1.5, **options),
    "correlated_disorder": lambda shape, **options: P.correlated_disorder(
        shape, 1.5, 2.0, **options
    ),
}
DESIGNED = {
    "step_well": lambda shape: P.step_well(shape, 2.0, 3),
    "double_well": lambda shape: P.double_well(shape, 2.0, 2, 1, barrier=1.0),
    "harmonic_trap": lambda shape: P.harmonic_trap(shape, 0.1),
    "linear_tilt": lambda shape: P.linear_tilt(shape, 0.1),
}


@pytest.mark.parametrize("kind", RANDOM)
@pytest.mark.parametrize(("shape", "dims"), [(12, ("sample", "x")), ((6, 8), ("sample", "x", "y"))])
def test_random_potentials(kind, shape, dims):
    make = RANDOM[kind]
    batch = make(shape, samples=5, seed=3)
    assert batch.dims == dims and batch.shape == (5, *np.atleast_1d(shape))
    assert batch.attrs["units"] == "J" and batch.attrs["kind"] == kind
    assert batch.attrs["amplitude"] == 1.5 and batch.attrs["seed"] == 3
    assert (np.abs(batch) <= 1.5 + 1e-12).all()
    xr.testing.assert_identical(batch, make(shape, samples=5, seed=3))
    assert not np.allclose(batch, make(shape, samples=5, seed=4))
    np.testing.assert_allclose(batch[:2], make(shape, samples=2, seed=3), atol=1e-12)
    np.testing.assert_allclose(batch[0], make(shape, seed=3), atol=1e-12)
    assert make(shape, seed=3, units="eV").attrs["units"] == "eV"


@pytest.mark.parametrize("kind", DESIGNED)
@pytest.mark.parametrize("shape", [9, 10, (9, 9), (10, 10)])
def test_designed_potentials_sit_in_the_middle(kind, shape):
    potential = DESIGNED[kind](shape)
    assert potential.shape == tuple(np.atleast_1d(shape)) and potential.attrs["kind"] == kind
    if kind == "linear_tilt":
        np.testing.assert_allclose(potential, -np.flip(potential.values, 0), atol=1e-12)
    elif kind == "harmonic_trap" or potential.shape[0] % 2:
        np.testing.assert_allclose(potential, np.flip(potential.values, 0), atol=1e-12)


def test_white_noise_is_uniform():
    v = P.white_noise(1000, 2.0, samples=100, seed=0)
    assert float(v.mean()) == pytest.approx(0.0, abs=0.02)
    assert float((v**2).mean()) == pytest.approx(2.0**2 / 3, rel=0.01)


@pytest.mark.parametrize("exponent", [0.0, 1.0, 3.0])
def test_coloured_noise_has_the_spectrum_it_names(exponent):
    sites = 64
    v = P.coloured_noise(sites, exponent, samples=4000, seed=0).values
    assert np.abs(v).max(axis=1) == pytest.approx(1.0)
    np.testing.assert_allclose(v.mean(axis=1), 0.0, atol=1e-12)
    log_power = np.log(np.abs(np.fft.rfft(v)[:, 1:-1]) ** 2).mean(axis=0)
    slope = np.polyfit(np.log(np.arange(1, sites // 2)), log_power, 1)[0]
    assert slope == pytest.approx(-exponent, abs=0.02)


def test_correlated_disorder_decays_over_the_length_it_names():
    length = 3.0
    v = P.correlated_disorder(120, 1.0, length, samples=3000, seed=0).values
    v = v / v.std(axis=1, keepdims=True)
    correlation = np.array([(v * np.roll(v, r, axis=1)).mean() for r in range(7)])
    zero_mean = length * np.sqrt(2 * np.pi) / 120
    gauss = (np.exp(-(np.arange(7) ** 2) / (2 * length**2)) - zero_mean) / (1 - zero_mean)
    np.testing.assert_allclose(correlation, gauss, atol=0.03)


def test_parameters_per_sample_become_coordinates():
    depth = np.linspace(0.0, 3.0, 4)
    wells = P.step_well(9, depth, [1, 2, 3, 4])
    np.testing.assert_allclose(wells.sum("x"), -depth * [1, 2, 3, 4])
    np.testing.assert_array_equal(wells.depth, depth)
    problem = qd.fermion_chain(wells, V=1.0)
    np.testing.assert_array_equal(problem.depth, depth)
    noise = P.coloured_noise(16, [0.0, 4.0], [1.0, 2.0], samples=2, seed=0)
    np.testing.assert_allclose(np.abs(noise).max("x"), [1.0, 2.0])
    white = P.white_noise(16, [0.0, 2.0], samples=2, seed=0)
    assert (white[0] == 0).all() and (white[1] != 0).all()


def test_wells_and_traps():
    assert P.step_well(8, 1.0, 3, centre=0).values.tolist() == [-1, -1, 0, 0, 0, 0, 0, -1]
    box = P.step_well((5, 6), 2.0, (1, 4))
    assert float(box.sum()) == -8.0 and (box[2, 1:5] == -2).all()
    np.testing.assert_allclose(P.harmonic_trap(5, 2.0, centre=0), [0, 1, 4, 9, 16])
    tilt = P.linear_tilt((3, 4), 1.0, "y")
    np.testing.assert_allclose(tilt.diff("y"), 1.0)
    np.testing.assert_allclose(tilt.diff("x"), 0.0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: P.white_noise(0, seed=0), "shape=0"),
        (lambda: P.white_noise((3, 3, 3), seed=0), "shape="),
        (lambda: P.white_noise(4, -1.0, seed=0), "amplitude=-1.0.*at least 0"),
        (lambda: P.white_noise(4, np.nan, seed=0), "finite"),
        (lambda: P.white_noise(4, [1, 2], samples=3, seed=0), "one per"),
        (lambda: P.white_noise(4, samples=0, seed=0), "samples=0"),
        (lambda: P.coloured_noise(4, np.inf, seed=0), "exponent"),
        (lambda: P.correlated_disorder(4, 1.0, -1.0, seed=0), "correlation_length"),
        (lambda: P.step_well(4, 1.0, 5), "width=5"),
        (lambda: P.step_well(4, 1.0, 1.5), "whole number"),
        (lambda: P.step_well(4, [1.0, 2.0], [1, 2, 3]), "depth has shape"),
        (lambda: P.step_well(4, 1.0, 2, centre=(1, 1)), "centre"),
        (lambda: P.double_well(4, 1.0, 2, 2), "fit"),
        (lambda: P.harmonic_trap(4, np.nan), "curvature"),
        (lambda: P.linear_tilt(4, 1.0, "y"), "axis='y'"),
    ],
)
def test_errors_say_what_was_given(call, message):
    with pytest.raises(ValueError, match=message):
        call()
