"""The programs of ALPS against exact diagonalisation, and what is said when they are missing."""

import importlib.util

import numpy as np
import pytest

import qdens_nb as qd

needs_pyalps = pytest.mark.skipif(
    importlib.util.find_spec("pyalps") is None, reason="pyalps is not installed"
)


def problem(shape, n_max=2, V=1.5, T=0.8):
    rng = np.random.default_rng(len(shape))
    mu, U = rng.uniform(2, 10, shape), rng.uniform(4, 10, shape)
    return qd.bose_hubbard(3.0 - mu, U=U, V=V, T=T, n_max=n_max, mu=3.0)


@needs_pyalps
@pytest.mark.parametrize(
    ("shape", "n_max", "algorithm"),
    [
        ((4,), 2, "dirloop_sse"),
        ((2, 4), 1, "dirloop_sse"),
        ((2, 2), 2, "dirloop_sse"),
        ((4,), 2, "worm"),
    ],
)
def test_equals_exact_diagonalisation(shape, n_max, algorithm):
    posed = problem(shape, n_max)
    exact = qd.solvers.bose_hubbard_ed(posed)
    answer = qd.solvers.alps(posed, algorithm=algorithm, sweeps=5_000, seed=3)
    pull = (answer.density - exact.density) / answer.density_stderr
    assert float((pull**2).mean()) < 4
    names = ["particle_number", "energy", "compressibility"]
    if len(set(shape)) == 1:
        names.append("superfluid_stiffness")
    for name in names:
        assert abs(answer[name] - exact[name]) < 5 * answer[f"{name}_stderr"], name
    assert answer.attrs["cpu_seconds_total"] > 0 and int(answer.sweeps) >= 5_000


@needs_pyalps
def test_a_batch_has_a_seed_for_each_sample():
    flat = qd.bose_hubbard(np.zeros((2, 2, 4)), U=8.0, mu=4.0, T=1.0, n_max=2)
    one, two = (qd.solvers.alps(flat, sweeps=500, thermalisation=1000, seed=5) for _ in range(2))
    assert one.density.dims == ("sample", "x", "y")
    assert not np.array_equal(one.density[0], one.density[1])
    # ALPS does more sweeps than asked, as many as it finds time for
    if (one.sweeps == two.sweeps).all():
        np.testing.assert_array_equal(one.density, two.density)


@needs_pyalps
def test_timeout():
    with pytest.raises(TimeoutError, match=r"timeout=0.2"):
        qd.solvers.alps(problem((4, 4)), sweeps=1_000_000, timeout=0.2)


@needs_pyalps
def test_an_error_of_the_program_is_shown():
    with pytest.raises(RuntimeError, match="dirloop_sse failed"):
        qd.solvers.alps(problem((4,)), sweeps=200, parameters={"MODEL": "nothing"})


def test_without_pyalps_the_message_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match=r"qdens_nb\[alps\]"):
        qd.solvers.alps(problem((4,)))


@pytest.mark.parametrize(
    ("options", "shape", "T", "message"),
    [
        ({"algorithm": "sse"}, (4,), 0.8, "'dirloop_sse', 'worm'"),
        ({"sweeps": 3}, (4,), 0.8, "sweeps=3"),
        ({"thermalisation": -1}, (4,), 0.8, "thermalisation=-1"),
        ({}, (4,), 0.0, "T > 0"),
        ({"algorithm": "worm"}, (2, 4), 0.8, "two sites"),
    ],
)
def test_refusals(options, shape, T, message):
    with pytest.raises(ValueError, match=message):
        qd.solvers.alps(problem(shape, T=T), **options)
