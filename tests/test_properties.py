"""Property-based: whatever is given, a constructor makes a sound problem or says what is wrong."""

from __future__ import annotations

import inspect
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import qdens_nb as qd
from qdens_nb import datasets, potentials
from qdens_nb.systems import COUPLINGS, check_system

#: examples of a test; `make test-all` tries ten times as many
EXAMPLES = int(os.environ.get("QDENS_EXAMPLES", "30"))
settings.register_profile(
    "project",
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
settings.load_profile("project")

FINITE = st.floats(-1e300, 1e300, allow_nan=False)
SMALL = st.floats(-3.0, 3.0, allow_nan=False)
#: what somebody might hand over by mistake
JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.text(max_size=5),
    st.binary(max_size=5),
    st.integers(-(10**30), 10**30),
    st.floats(),
    st.complex_numbers(),
    st.dates(),
    st.lists(st.lists(st.one_of(st.none(), st.floats()), max_size=3), max_size=3),
    st.dictionaries(st.text(max_size=2), st.floats(), max_size=2),
    hnp.arrays(
        st.one_of(hnp.scalar_dtypes(), st.just(np.dtype(object))),
        hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5),
    ),
    st.builds(
        lambda values, dims: xr.DataArray(values, dims=dims),
        hnp.arrays(np.float64, (3, 4)),
        st.permutations(["sample", "x", "y"]).map(lambda names: names[:2]),
    ),
)
SHAPES = {
    "fermion_chain": st.tuples(st.integers(3, 9)),
    "bose_hubbard": st.tuples(*[st.sampled_from([2, 4, 6])] * 2),
    "quantum_dot": st.integers(4, 9).map(lambda side: (side, side)),
}
POSITIVE = {"U", "T", "mass", "eps_r"}


@st.composite
def problems(draw: st.DrawFn, system: str, values: Any = FINITE) -> xr.Dataset:
    """A problem of a system, single or batched, its couplings one number or one for each sample."""
    shape = draw(SHAPES[system])
    samples = draw(st.one_of(st.none(), st.integers(1, 4)))
    full = shape if samples is None else (samples, *shape)
    couplings: dict[str, Any] = {}
    for name in COUPLINGS[system]:
        one = st.floats(0.01, 50.0) if name in POSITIVE else SMALL
        batched = samples is not None and draw(st.booleans())
        couplings[name] = draw(hnp.arrays(np.float64, samples, elements=one) if batched else one)
    return getattr(qd, system)(draw(hnp.arrays(np.float64, full, elements=values)), **couplings)


def every(values: Any = FINITE) -> st.SearchStrategy[xr.Dataset]:
    return st.one_of(*(problems(system, values) for system in SHAPES))


@given(every())
def test_a_problem_is_sound_and_its_own_input(problem: xr.Dataset) -> None:
    system = problem.attrs["system"]
    assert check_system(problem, system) is problem
    assert all(np.isfinite(array.values).all() for array in problem.data_vars.values())
    assert all("units" in problem[name].attrs for name in (*problem.data_vars, *problem.coords))
    couplings = {name: problem[name] for name in COUPLINGS[system]}
    again = getattr(qd, system)(problem["potential"], **couplings)
    xr.testing.assert_identical(again, problem)


@given(every())
def test_a_sample_of_a_batch_is_the_problem_made_alone(problem: xr.Dataset) -> None:
    system = problem.attrs["system"]
    for i in range(problem.sizes.get("sample", 0)):
        one = problem.isel(sample=i)
        alone = getattr(qd, system)(
            one["potential"].values, **{name: float(one[name]) for name in COUPLINGS[system]}
        )
        xr.testing.assert_identical(one, alone)


@settings(max_examples=2 * EXAMPLES)
@given(st.sampled_from([*SHAPES]), st.data())
def test_junk_makes_a_sound_problem_or_an_error_with_a_message(system: str, data: Any) -> None:
    construct = getattr(qd, system)
    names = [*inspect.signature(construct).parameters][1:-1]
    chosen = data.draw(st.lists(st.sampled_from(names), unique=True, max_size=2))
    good = np.zeros(data.draw(SHAPES[system]))
    potential = data.draw(JUNK) if not chosen else good
    try:
        problem = construct(potential, **{name: data.draw(JUNK) for name in chosen})
    except (ValueError, TypeError) as error:
        assert len(str(error)) > 10
        return
    for name, array in problem.variables.items():
        assert np.isfinite(array.values).all(), name
    assert check_system(problem, system) is problem


@pytest.mark.parametrize(
    ("system", "options"),
    [
        *(("quantum_dot", {"size": size}) for size in (np.inf, np.nan, 0, "30", None, [1.0] * 4)),
        *(("bose_hubbard", {"n_max": n}) for n in (np.inf, np.nan, 2.5, 0, "3", None, [3], 10**30)),
        *(("fermion_chain", {"mu": mu}) for mu in (None, "0.1", 1j, np.inf, [[1.0]], 10**400)),
    ],
)
def test_wrong_options_are_refused_by_name(system: str, options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        getattr(qd, system)(np.zeros({"fermion_chain": (4,)}.get(system, (4, 4))), **options)


def test_masked_values_are_not_taken_for_numbers() -> None:
    with pytest.raises(ValueError, match="masked"):
        qd.fermion_chain(np.ma.masked_array([1.0, 2.0, 3.0], [False, True, False]))


@given(every(), st.dictionaries(st.sampled_from("abc"), st.one_of(FINITE, st.text(max_size=8))))
def test_netcdf_round_trip_is_identical(problem: xr.Dataset, attrs: dict[str, Any]) -> None:
    attrs = {name: value for name, value in attrs.items() if value != "" and "\0" not in str(value)}
    problem = problem.assign_attrs(attrs)
    with tempfile.TemporaryDirectory() as folder:
        path = datasets.save(problem, Path(folder) / "a.nc")
        xr.testing.assert_identical(datasets.open_dataset(path), problem)
        (batch,) = datasets.open_shards(path).values()
    assert batch.sizes["sample"] == problem.sizes.get("sample", 1)
    np.testing.assert_array_equal(
        batch["potential"].values.ravel(), problem["potential"].values.ravel()
    )


@settings(max_examples=EXAMPLES // 2)
@given(
    hnp.arrays(np.float64, (3, 6), elements=st.floats(0, 1)),
    hnp.arrays(np.float64, (3, 6), elements=st.floats(-1e6, 1e6)),
    hnp.arrays(np.float64, (3, 6), elements=st.floats(0, 10)),
)
def test_packed_files_keep_the_precision_that_they_state(
    density: np.ndarray, current: np.ndarray, errors: np.ndarray
) -> None:
    data = datasets.from_arrays(np.zeros((3, 6)), density, current=current, density_stderr=errors)
    with tempfile.TemporaryDirectory() as folder:
        again = datasets.open_dataset(datasets.save(data, Path(folder) / "a.nc", packed=True))
    for name in ("density", "current", "density_stderr"):
        off = np.abs(again[name].values - data[name].values).max()
        assert off <= again[name].attrs["packing_error"], name
    assert (again["density_stderr"].values >= 0).all()


ENGINES = {
    "fermion_chain": qd.solvers.chain_ed,
    "bose_hubbard": qd.solvers.gutzwiller,
    "quantum_dot": qd.solvers.dot_ci,
}


@pytest.mark.parametrize("system", ["fermion_chain", "bose_hubbard"])
def test_a_batch_is_solved_as_in_a_loop(system: str) -> None:
    @settings(max_examples=EXAMPLES // 5)
    @given(problems(system, SMALL))
    def check(problem: xr.Dataset) -> None:
        solved = ENGINES[system](problem)
        for i in range(problem.sizes.get("sample", 0)):
            alone = ENGINES[system](problem.isel(sample=i))
            for name in ("density", "energy", "particle_number"):
                np.testing.assert_allclose(
                    solved[name][i], alone[name], rtol=1e-9, atol=1e-9, err_msg=name
                )

    check()


@given(
    st.sampled_from(["white_noise", "coloured_noise", "correlated_disorder"]),
    st.one_of(st.integers(3, 12), st.tuples(st.integers(2, 6), st.integers(2, 6))),
    st.floats(1e-3, 1e3),
    st.floats(0.1, 4.0),
    st.integers(1, 5),
    st.integers(0, 2**32),
)
def test_random_potentials_are_bounded_seeded_and_do_not_depend_on_the_batch(
    kind: str, shape: Any, amplitude: float, parameter: float, samples: int, seed: int
) -> None:
    arguments = {
        "white_noise": (shape, amplitude),
        "coloured_noise": (shape, parameter, amplitude),
        "correlated_disorder": (shape, amplitude, parameter),
    }[kind]
    make = getattr(potentials, kind)
    batch = make(*arguments, samples=samples, seed=seed)
    assert (np.abs(batch) <= amplitude * (1 + 1e-9)).all()
    xr.testing.assert_identical(batch, make(*arguments, samples=samples, seed=seed))
    np.testing.assert_allclose(batch[0], make(*arguments, seed=seed), atol=1e-9 * amplitude)


@settings(max_examples=2 * EXAMPLES)
@given(
    st.sampled_from(
        [
            *("white_noise", "coloured_noise", "correlated_disorder", "step_well"),
            *("double_well", "harmonic_trap", "linear_tilt"),
        ]
    ),
    st.data(),
)
def test_junk_makes_a_finite_potential_or_an_error_with_a_message(kind: str, data: Any) -> None:
    make = getattr(potentials, kind)
    good = {"shape": 8, "exponent": 1.0, "depth": 1.0, "width": 3, "separation": 1}
    good |= {"curvature": 0.1, "slope": 0.1, "seed": 0}
    parameters = inspect.signature(make).parameters
    arguments = {name: good[name] for name in parameters if name in good}
    replaced = data.draw(st.sampled_from([name for name in parameters if name != "units"]))
    junk = data.draw(JUNK)
    if isinstance(junk, int) and abs(junk) > 10_000:  # a lattice of that size is no mistake
        return
    try:
        potential = make(**arguments | {replaced: junk})
    except (ValueError, TypeError) as error:
        assert str(error)
        return
    assert np.isfinite(potential.values).all() and potential.size > 0


@pytest.mark.parametrize(
    ("kind", "arguments", "options"),
    [
        ("double_well", (8, 1.0, 2, 1), {"barrier": None}),
        ("double_well", (8, 1.0, 2.5, 1), {}),
        ("double_well", (8, 1j, 2, 1), {}),
        ("step_well", (8, [], 3), {}),
        ("step_well", (8, "1", 3), {}),
        ("harmonic_trap", (8, 1.0), {"centre": 1e300}),
        ("white_noise", (8, True), {"seed": 0}),
    ],
)
def test_parameters_that_the_search_found_are_refused(
    kind: str, arguments: tuple, options: dict[str, Any]
) -> None:
    with np.errstate(over="ignore"), pytest.raises(ValueError, match=r"give"):
        getattr(potentials, kind)(*arguments, **options)


def test_a_correlation_longer_than_any_lattice_is_the_softest_wave() -> None:
    long, longer = (potentials.correlated_disorder(8, 1.0, c, seed=1) for c in (1e8, 1e200))
    np.testing.assert_allclose(longer, long, atol=1e-12)


@pytest.mark.parametrize(
    ("system", "recipe"),
    [
        ("chain_wells", {"count": float("inf")}),
        ("chain_well_grid", {"depth": []}),
        ("chain_well_grid", {"V": []}),
        ("chain_wells", {"V": [float("nan")]}),
    ],
)
def test_recipes_that_the_search_found_are_refused(system: str, recipe: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(recipe))):
        datasets.read_recipe(system, recipe)


PLAIN = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-5, 10**20), st.floats(), st.text(max_size=4)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=5,
)


@settings(max_examples=2 * EXAMPLES)
@given(st.sampled_from(datasets.systems()), st.data())
def test_a_recipe_of_any_values_is_sound_or_refused(system: str, data: Any) -> None:
    fields = [*datasets.read_recipe(system).__dataclass_fields__]
    given_ = data.draw(st.dictionaries(st.sampled_from(fields), PLAIN, max_size=2))
    try:
        recipe = datasets.read_recipe(system, given_)
    except ValueError as error:
        assert len(str(error)) > 10
        return
    assert isinstance(recipe, type(datasets.read_recipe(system)))
