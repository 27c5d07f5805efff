"""The worm engine against exact averages, limits and itself."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import xarray as xr

import qdens_nb as qd
from qdens_nb.solvers import _worm_kernel, _worm_run
from qdens_nb.solvers._bose_common import neighbours, unpack
from qdens_nb.solvers._random import stream, uniform
from qdens_nb.solvers._worm_chain import Chain
from qdens_nb.solvers._worm_statistics import standard_error, suspicions
from qdens_nb.solvers._worm_symmetry import exact_symmetries, exchanges_sectors

MAPS = ("density", "density_squared", "density_correlation", "coherence")
SCALARS = ("energy", "particle_number", "compressibility", "structure_factor")


def chi_squared(answer: xr.Dataset, exact: xr.Dataset, names: tuple[str, ...]) -> float:
    """Mean squared deviation in units of the error bars."""
    deviations = [
        ((answer[name] - exact[name]) / answer[f"{name}_stderr"]).values.ravel() for name in names
    ]
    return float(np.mean(np.concatenate(deviations) ** 2))


def random_problem(shape: tuple[int, ...], seed: int, n_max: int) -> xr.Dataset:
    rng = np.random.default_rng(seed)
    dims = ("x", "y")[: len(shape)]
    U = xr.DataArray(rng.uniform(2.0, 12.0, size=shape), dims=dims)
    potential = xr.DataArray(rng.normal(0.0, 2.0, size=shape), dims=dims)
    V, mu, T = rng.uniform(0.0, 4.0), rng.uniform(0.0, 9.0), rng.uniform(0.3, 1.0)
    return qd.bose_hubbard(potential, U=U, V=V, mu=mu, T=T, n_max=n_max)


@pytest.mark.parametrize(
    ("shape", "n_max", "seed"),
    [
        *[((2,), 3, 0), ((4,), 3, 1), ((4,), 2, 2), ((6,), 2, 3), ((2, 2), 3, 4), ((2, 2), 2, 5)],
        *[((2, 4), 1, 6), ((2, 2), 1, 7), ((4, 2), 1, 8), ((4,), 3, 9), ((2, 2), 3, 10)],
    ],
)
def test_exact_thermal_averages(shape, n_max, seed):
    problem = random_problem(shape, seed, n_max)
    exact = qd.solvers.bose_hubbard_ed(problem)
    answer = qd.solvers.worm(problem, sweeps=20_000, seed=seed, clip_warning=1.0)
    assert chi_squared(answer, exact, MAPS) < 2.5
    assert chi_squared(answer, exact, SCALARS) < 4.0


def test_stiffness_is_the_response_to_a_twist():
    problem = qd.bose_hubbard(np.zeros((2, 4)), U=2.0, V=0.5, mu=0.5, T=0.8, n_max=2)
    exact = qd.solvers.bose_hubbard_ed(problem)
    answer = qd.solvers.worm(problem, sweeps=40_000, seed=3, clip_warning=1.0)
    deviation = answer.superfluid_stiffness - exact.superfluid_stiffness
    assert abs(deviation) < 4 * answer.superfluid_stiffness_stderr
    assert answer.superfluid_stiffness > 20 * answer.superfluid_stiffness_stderr


@pytest.mark.parametrize("shape", [(4,), (2, 2)])
def test_symmetry_moves_keep_the_averages(shape):
    """A potential with one reflection, in which some maps are refused."""
    potential = np.zeros(shape)
    potential[0] = potential[-1] = 0.4
    dims = ("x", "y")[: len(shape)]
    problem = qd.bose_hubbard(
        xr.DataArray(potential, dims=dims), U=6.0, V=3.0, mu=4.0, T=0.5, n_max=2
    )
    exact = qd.solvers.bose_hubbard_ed(problem)
    answer = qd.solvers.worm(problem, sweeps=20_000, seed=1, clip_warning=1.0, symmetry_moves=True)
    assert chi_squared(answer, exact, MAPS) < 2.5
    assert chi_squared(answer, exact, SCALARS) < 4.0


def test_symmetry_moves_exchange_the_sectors():
    problem = qd.bose_hubbard(np.zeros((6, 6)), U=40.0, V=12.0, mu=20.0, T=0.25)
    kept, mixed = (
        qd.solvers.worm(problem, sweeps=300, chains=1, seed=1, symmetry_moves=moves)
        for moves in (False, "auto")
    )
    assert np.ptp(kept.density.values) > 0.8
    assert np.ptp(mixed.density.values) < 0.3
    assert float(mixed.structure_factor) == pytest.approx(float(kept.structure_factor), abs=0.01)


@pytest.mark.parametrize(
    ("shape", "holes", "count", "exchanged"),
    [
        ((8, 8), [(3, 2)], 7, False),  # the point group around a site
        ((8, 6), [(3, 2)], 3, False),
        ((8, 8), [(3, 2), (3, 3), (4, 2), (4, 3)], 7, True),  # around a plaquette
        ((6, 6), [(0, y) for y in range(6)], 23, True),  # a wall: six shifts, four reflections
        ((8, 8), [(0, 0), (1, 3), (2, 5)], 0, False),
        ((6,), [(2,)], 1, False),
    ],
)
def test_exact_symmetries_form_a_group(shape, holes, count, exchanged):
    potential = np.zeros(shape)
    for hole in holes:
        potential[hole] = -3.0
    one = unpack(qd.bose_hubbard(potential, U=8.0))[0]
    maps = exact_symmetries(one)
    images, turns = maps
    nbr = neighbours(shape)
    assert (len(images), exchanges_sectors(one, maps)) == (count, exchanged)
    known = {tuple(image) for image in images} | {tuple(range(len(nbr)))}
    for image, turn in zip(images, turns, strict=True):
        np.testing.assert_array_equal(one["mu"].ravel()[image], one["mu"].ravel())
        np.testing.assert_array_equal(nbr[image][:, turn], image[nbr])  # neighbours stay neighbours
        assert tuple(np.argsort(image)) in known
        assert all(tuple(image[list(other)]) in known for other in known)


def test_a_site_dependent_U_has_fewer_symmetries():
    U = np.full((4, 4), 8.0)
    U[0, 0] = 9.0
    problem = qd.bose_hubbard(np.zeros((4, 4)), U=xr.DataArray(U, dims=("x", "y")))
    assert len(exact_symmetries(unpack(problem)[0])[0]) == 7


def test_without_a_symmetry_the_default_is_a_run_without_symmetry_moves():
    problem = random_problem((4, 4), 5, 3)
    one, two = (
        qd.solvers.worm(problem, sweeps=200, seed=7, clip_warning=1.0, **options)
        for options in ({}, {"symmetry_moves": False})
    )
    xr.testing.assert_identical(one.drop_attrs(), two.drop_attrs())


def test_a_given_start_keeps_its_sector():
    odd = np.indices((6, 6)).sum(0) % 2
    problem = qd.bose_hubbard(np.zeros((6, 6)), U=40.0, V=12.0, mu=20.0, T=0.25)
    answer = qd.solvers.worm(problem, sweeps=200, chains=1, start=odd, seed=1)
    assert float((answer.density * odd).sum()) > 17
    assert answer.density.values[odd == 0].max() < 0.1


@pytest.mark.parametrize(
    ("hopping", "interaction", "mu", "even"), [(0.1, 1.0, 1.5, (1, 1)), (0.1, 0.97, 2.5, (2, 1))]
)
def test_the_lowest_start_is_found_where_the_classical_one_stays(hopping, interaction, mu, even):
    """Next to 4V/U = 1: (2, 0) instead of (1, 1), and (3, 0) instead of (2, 1)."""
    problem = qd.analysis.homogeneous(hopping, interaction, mu, L=6).isel(sample=0, drop=True)
    options = dict(sweeps=400, thermalisation=100, chains=1, seed=1, clip_warning=1.0)
    stuck, lowest = (
        qd.solvers.worm(problem, start=start, **options) for start in ("classical", "lowest")
    )
    contrast = ((even[0] - even[1]) / 2) ** 2
    assert stuck.structure_factor > contrast + 0.9
    assert stuck.thermalised == lowest.thermalised == 1  # a single chain cannot know
    assert lowest.structure_factor == pytest.approx(contrast, abs=0.05)
    grand = [float(a.energy - a.mu * a.particle_number) for a in (stuck, lowest)]
    assert grand[1] < grand[0] - 4.0
    board = np.where(np.indices((6, 6)).sum(0) % 2, even[1], even[0])
    options = options | {"symmetry_moves": False}
    alone, lowest = (
        qd.solvers.worm(problem, start=start, **options) for start in (board, "lowest")
    )
    np.testing.assert_array_equal(lowest.density, alone.density)


def test_two_states_of_equal_energy_are_a_doubt():
    """Without a symmetry that exchanges them, but almost: the sectors of a checkerboard."""
    potential = np.zeros((6, 6))
    potential[0, 0], potential[2, 3] = -1e-3, -2e-3
    problem = qd.bose_hubbard(potential, U=40.0, V=12.0, mu=20.0, T=0.25)
    with pytest.warns(RuntimeWarning, match="two starts keep different states"):
        answer = qd.solvers.worm(problem, sweeps=300, chains=1, start="lowest", seed=1)
    assert answer.thermalised == 0


def test_free_bosons():
    side, mu, T = 6, -4.6, 2.0
    problem = qd.bose_hubbard(np.zeros((side, side)), U=0.0, mu=mu, T=T, n_max=60)
    k = 2 * np.pi * np.arange(side) / side
    epsilon = -2 * (np.cos(k)[:, None] + np.cos(k))
    exact = (1 / np.expm1((epsilon - mu) / T)).mean()
    answer = qd.solvers.worm(problem, sweeps=6000, seed=0)
    error = answer.particle_number_stderr / side**2
    assert error < 0.01
    assert abs(answer.density.mean() - exact) < 4 * error


def test_one_site_alone_is_the_atomic_limit():
    """Insertion, straight moves, turns and closing alone: a lattice without bonds."""
    U, mu, beta, n_max = 3.0, 4.0, 1.3, 4
    n = np.arange(n_max + 1)
    weight = np.exp(-beta * (0.5 * U * n * (n - 1) - mu * n))
    exact = weight / weight.sum()
    tau, occ = np.zeros((1, 32)), np.zeros((1, 32), dtype=np.int8)
    link, count = np.zeros((1, 32), dtype=np.int8), np.zeros(1, dtype=np.int32)
    start, worm = np.zeros(1, dtype=np.int8), np.full(3, -1, dtype=np.int64)
    length, counters = np.zeros(1), np.zeros(6, dtype=np.int64)
    rng, histogram = stream(np.random.SeedSequence(5)), np.zeros(n_max + 1)
    samples = 40_000
    for _ in range(samples):
        _worm_kernel.run_worms(
            8, tau, occ, link, count, start, np.zeros((1, 0), dtype=np.int64), np.array([mu]),
            np.array([U]), 0.0, beta, n_max, worm, length, counters, rng,
        )  # fmt: skip
        histogram[start[0]] += 1
    assert count[0] == 0
    assert counters[_worm_kernel.KINKS_MADE] == 0
    spread = np.sqrt(exact * (1 - exact) / samples)
    assert np.mean(((histogram / samples - exact) / spread) ** 2) < 5.0  # correlated samples


def test_configurations_stay_consistent():
    """Sorted events, allowed steps of one boson, kinks with two ends, current conserved."""
    problem = random_problem((4, 4), 3, 3)
    one = unpack(problem)[0]
    chain = Chain(one, np.random.SeedSequence(1), np.zeros(16, dtype=int))
    for _ in range(20):
        chain.thermalise(16)
        assert chain.worm[0] == -1
        for site in range(16):
            events = chain.count[site]
            times, occ = chain.tau[site, :events], chain.occ[site, :events].astype(int)
            before = np.concatenate([[chain.start[site]], occ])[:events]
            assert (np.diff(times) > 0).all()
            assert (np.abs(occ - before) == 1).all()
            assert occ.min(initial=0) >= 0
            assert occ.max(initial=0) <= 3
            if events:
                assert occ[-1] == chain.start[site]
            for time, link, jump in zip(times, chain.link[site], occ - before, strict=False):
                other = chain.fixed[0][site, link]
                at = np.flatnonzero(chain.tau[other, : chain.count[other]] == time)
                assert at.size == 1
                former = chain.start[other] if at[0] == 0 else chain.occ[other, at[0] - 1]
                assert int(chain.occ[other, at[0]]) - int(former) == -jump
    assert chain.count.max() > 4


def trap(side: int, U: float, V: float, T: float, top: float, rim: float) -> xr.Dataset:
    x = np.arange(side) - (side - 1) / 2
    fall = (x[:, None] ** 2 + x**2) / (side / 2) ** 2
    return qd.bose_hubbard((top - rim) * U * fall, U=U, V=V, mu=top * U, T=T)


def test_empty_start_fills_a_trap_with_a_forbidden_rim():
    """Local mu/U below -2 at the rim: the empty lattice must not survive there."""
    problem = trap(16, 24.0, 0.0, 0.25, 1.4, -0.6)
    assert float((problem.mu - problem.potential).min()) / 24.0 < -2.0
    answers = [
        qd.solvers.worm(problem, sweeps=128, thermalisation=120, chains=1, start=start, seed=2)
        for start in ("empty", "classical")
    ]
    assert answers[0].particle_number > 100
    error = np.hypot(*(a.density_stderr for a in answers)).clip(0.01)
    assert np.mean(((answers[0].density - answers[1].density) / error) ** 2) < 2.5
    assert answers[0].density.isel(x=0, y=0) < 0.01


def test_a_frozen_start_is_reported():
    problem = trap(4, 24.0, 0.0, 0.25, 1.4, 1.2)
    one = unpack(problem)[0]
    chain = Chain(one, np.random.SeedSequence(1), np.zeros(16, dtype=int))
    chain.worms = 0  # no update at all: the vacuum with zero error
    chain.advance(128)
    assert any("16 sites are frozen" in text for text in suspicions([chain], one))


def test_same_seed_same_numbers_on_any_number_of_threads():
    problem = random_problem((4, 4), 5, 3)
    one, two = (
        qd.solvers.worm(
            problem, sweeps=300, thermalisation=100, seed=7, workers=workers, clip_warning=1.0
        )
        for workers in (1, 2)
    )
    other = qd.solvers.worm(problem, sweeps=300, thermalisation=100, seed=8, clip_warning=1.0)
    xr.testing.assert_identical(one.drop_attrs(), two.drop_attrs())
    assert not np.array_equal(one.density, other.density)


class Stop:
    """Raises KeyboardInterrupt in the n-th block."""

    def __init__(self, monkeypatch, after):
        self.calls, self.after, self.block = 0, after, _worm_run.Run.block
        monkeypatch.setattr(_worm_run.Run, "block", lambda run, pool: self(run, pool))

    def __call__(self, run, pool):
        self.calls += 1
        if self.calls == self.after:
            raise KeyboardInterrupt
        return self.block(run, pool)


def test_resume_in_the_race_of_the_starts(tmp_path, monkeypatch):
    problem = qd.analysis.homogeneous(0.3, 1.0, 1.5, L=4).isel(sample=0, drop=True)
    options = dict(sweeps=1500, thermalisation=50, start="lowest", chains=1, seed=1)
    whole = qd.solvers.worm(problem, **options)
    for after in (3, 10):  # before and after the end of the race
        with monkeypatch.context() as patch:
            Stop(patch, after)
            part = qd.solvers.worm(problem, checkpoint=tmp_path / "run.npz", **options)
        assert part.attrs["interrupted"] == 1
        resumed = qd.solvers.worm(problem, checkpoint=tmp_path / "run.npz", **options)
        xr.testing.assert_identical(resumed.drop_attrs(), whole.drop_attrs())


def test_interrupt_keeps_what_there_is_and_resume_equals_an_undisturbed_run(tmp_path, monkeypatch):
    potential = np.random.default_rng(0).normal(size=(2, 4, 4))
    problem = qd.bose_hubbard(potential, U=8.0, V=1.0, mu=4.0, T=0.5)
    path = tmp_path / "run.npz"
    arguments = dict(sweeps=600, thermalisation=100, seed=1, checkpoint=path, clip_warning=1.0)
    whole = qd.solvers.worm(problem, **arguments)
    assert not path.exists()
    with monkeypatch.context() as patch:
        Stop(patch, 8)
        with pytest.warns(UserWarning, match="interrupted"):
            part = qd.solvers.worm(problem, **arguments)
    assert part.attrs["interrupted"] == 1
    np.testing.assert_array_equal(part.density[0], whole.density[0])
    assert path.exists()
    with pytest.raises(ValueError, match="other options"):
        qd.solvers.worm(problem, **arguments | {"seed": 2})
    resumed = qd.solvers.worm(problem, **arguments)
    xr.testing.assert_identical(resumed.drop_attrs(), whole.drop_attrs())
    assert not path.exists()
    path.write_bytes(b"rubbish")
    with pytest.raises(ValueError, match="damaged"):
        qd.solvers.worm(problem, **arguments)


def test_stops_at_the_wanted_error():
    problem = random_problem((4, 4), 5, 3)
    answer = qd.solvers.worm(problem, sweeps=100_000, density_error=0.02, seed=1, clip_warning=1)
    assert answer.sweeps < 20_000
    assert np.sqrt((answer.density_stderr**2).mean()) <= 0.02


def test_warns_when_n_max_clips():
    problem = qd.bose_hubbard(np.zeros((2, 2)), U=2.0, mu=8.0, T=0.5, n_max=2)
    with pytest.warns(RuntimeWarning, match="n_max=2"):
        qd.solvers.worm(problem, sweeps=200, seed=0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"sweeps": 0}, "sweeps=0"),
        ({"sweeps": 10}, "at least 64"),
        ({"chains": 0}, "chains=0"),
        ({"density_error": -1.0}, "density_error"),
        ({"start": "warm"}, "start='warm'"),
        ({"symmetry_moves": "all"}, "symmetry_moves='all'"),
        ({"start": np.zeros((2, 2))}, "shape"),
        ({"start": np.full((4, 4), 9)}, "allowed are 0..3"),
    ],
)
def test_wrong_arguments(arguments, message):
    problem = qd.bose_hubbard(np.zeros((4, 4)), U=8.0, mu=4.0)
    with pytest.raises(ValueError, match=message):
        qd.solvers.worm(problem, **arguments)


def test_zero_temperature_is_refused():
    with pytest.raises(ValueError, match="T > 0"):
        qd.solvers.worm(qd.bose_hubbard(np.zeros((4, 4)), U=8.0, mu=4.0, T=0.0))


def test_error_bars_of_correlated_series():
    """An AR(1) process of known autocorrelation: chi squared of its mean is about one."""
    rng = np.random.default_rng(0)
    rho, bins, length = 0.8, 96, 8
    ratio = []
    for _ in range(60):
        series = np.zeros((bins * length, 20))
        noise = rng.normal(size=series.shape) * np.sqrt(1 - rho**2)
        for i in range(1, len(series)):
            series[i] = rho * series[i - 1] + noise[i]
        rows = series.reshape(bins, length, 20).mean(axis=1)
        ratio.append(np.mean((rows.mean(axis=0) / standard_error([rows])) ** 2))
    assert 0.75 < np.mean(ratio) < 1.25


def test_random_numbers_are_uniform():
    state = stream(np.random.SeedSequence(0))
    numbers = np.array([uniform(state) for _ in range(20_000)])
    counts = np.histogram(numbers, bins=50, range=(0, 1))[0]
    assert ((counts - 400) ** 2 / 400).sum() < 85  # chi squared of 49 degrees of freedom, p = 0.001
    assert numbers.min() > 0
    assert numbers.max() < 1


def test_autocorrelation_and_sweeps_are_told():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        answer = qd.solvers.worm(random_problem((4, 4), 11, 4), sweeps=2000, clip_warning=1.0)
    assert answer.thermalised == 1
    assert answer.sweeps == 4000
    assert 0.5 <= answer.autocorrelation_time < 40
