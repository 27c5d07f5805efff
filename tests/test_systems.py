"""Problems: labels, batches, validation, and a round trip through netCDF that loses nothing."""

import numpy as np
import pytest
import xarray as xr

import qdens_nb as qd
from qdens_nb.systems import check_system

FLAT = np.zeros(6)


def test_fermion_chain_is_labelled():
    problem = qd.fermion_chain(qd.potentials.step_well(8, 1.0, 3), V=1.0, mu=0.15, flux=0.2)
    assert problem.potential.dims == ("x",) and problem.x.attrs["units"] == "site"
    assert problem.attrs["system"] == "fermion_chain" and problem.attrs["boundary"] == "periodic"
    assert "c+_{x+1} c_x" in problem.attrs["hamiltonian"]
    assert [float(problem[name]) for name in ("V", "mu", "flux")] == [1.0, 0.15, 0.2]
    assert problem.V.attrs["units"] == "J" and problem.flux.attrs["units"] == "rad"


def test_batches_along_sample():
    batch = np.random.default_rng(0).normal(size=(3, 6))
    problem = qd.fermion_chain(batch, V=[0.0, 1.0, 2.0], mu=0.5)
    assert problem.potential.dims == ("sample", "x")
    assert problem.V.dims == ("sample",) and problem.mu.dims == ()
    np.testing.assert_array_equal(problem.isel(sample=1).potential, batch[1])
    turned = qd.fermion_chain(xr.DataArray(batch.T, dims=("x", "sample")))
    np.testing.assert_array_equal(turned.potential, batch)


def test_the_potential_given_is_not_changed():
    potential = qd.potentials.step_well(6, 1.0, 2, units="recoil")
    before = potential.copy(deep=True)
    problem = qd.fermion_chain(potential)
    problem["potential"][0] = 7.0
    xr.testing.assert_identical(potential, before)


def test_shapes_of_the_other_systems():
    lattice = qd.bose_hubbard(np.zeros((2, 4, 6)), U=20.0, V=5.0, mu=[10.0, 20.0], T=0.25)
    assert lattice.potential.dims == ("sample", "x", "y") and lattice.attrs["n_max"] == 3
    dot = qd.quantum_dot(np.zeros((8, 8)), size=16.0)
    np.testing.assert_allclose(dot.x, np.arange(1, 16, 2))
    assert dot.x.attrs["units"] == "nm" and dot.potential.attrs["units"] == "eV"


def test_a_ring_of_bosons():
    ring = qd.bose_hubbard(np.zeros(6))
    assert ring.potential.dims == ("x",) and "y" not in ring.coords
    batch = qd.bose_hubbard(xr.DataArray(np.zeros((6, 3)), dims=("x", "sample")), mu=[1, 2, 3])
    assert batch.potential.dims == ("sample", "x") and batch.mu.dims == ("sample",)
    assert qd.bose_hubbard(np.zeros((4, 6))).potential.dims == ("x", "y")


def test_U_may_depend_on_the_site():
    torus, batch = np.zeros((2, 4)), np.zeros((3, 2, 4))
    sites = np.arange(8.0).reshape(2, 4)
    np.testing.assert_array_equal(qd.bose_hubbard(torus, U=sites).U, sites)
    turned = qd.bose_hubbard(torus, U=xr.DataArray(sites.T, dims=("y", "x"))).U
    assert turned.dims == ("x", "y")
    np.testing.assert_array_equal(turned, sites)
    assert qd.bose_hubbard(batch, U=sites).U.dims == ("x", "y")
    assert qd.bose_hubbard(batch, U=[1.0, 2.0, 3.0]).U.dims == ("sample",)
    assert qd.bose_hubbard(batch, U=np.ones((3, 2, 4))).U.dims == ("sample", "x", "y")
    assert qd.bose_hubbard(torus, U=3.0).U.dims == ()


def test_U_that_fits_samples_and_sites_is_one_value_per_sample():
    rings = xr.DataArray(np.zeros((6, 6)), dims=("sample", "x"))
    assert qd.bose_hubbard(rings, U=np.arange(6.0)).U.dims == ("sample",)
    per_site = xr.DataArray(np.arange(6.0), dims="x")
    assert qd.bose_hubbard(rings, U=per_site).U.dims == ("x",)


def test_labels_of_U_do_not_shift_it():
    sites = xr.DataArray(np.arange(4.0), dims="x", coords={"x": [10, 11, 12, 13]})
    np.testing.assert_array_equal(qd.bose_hubbard(np.zeros(4), U=sites).U, sites.values)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: qd.fermion_chain([0, np.nan, 0]), ValueError, "1 value.*NaN"),
        (lambda: qd.fermion_chain([0, np.inf, 0]), ValueError, "infinite"),
        (lambda: qd.fermion_chain(np.zeros((2, 3, 4))), ValueError, "rank 3"),
        (lambda: qd.fermion_chain(0.0), ValueError, "rank 0"),
        (lambda: qd.fermion_chain(np.zeros((0, 5))), ValueError, "no samples"),
        (lambda: qd.fermion_chain(np.zeros(2)), ValueError, "at least 3"),
        (lambda: qd.fermion_chain(["a", "b", "c"]), ValueError, "dtype"),
        (lambda: qd.fermion_chain(FLAT + 1j), ValueError, "real"),
        (lambda: qd.fermion_chain(xr.DataArray(FLAT, dims="r")), ValueError, "Rename"),
        (lambda: qd.fermion_chain(FLAT, U=1.0), TypeError, "unknown coupling 'U'"),
        (lambda: qd.fermion_chain(FLAT, V=np.inf), ValueError, "V=inf"),
        (lambda: qd.fermion_chain(FLAT, mu=np.nan), ValueError, "mu=nan"),
        (lambda: qd.fermion_chain(FLAT, V="strong"), ValueError, "not a real number"),
        (lambda: qd.fermion_chain(FLAT, V=[1.0, 2.0]), ValueError, "single one"),
        (lambda: qd.fermion_chain(np.zeros((3, 6)), mu=[1.0, 2.0]), ValueError, "must match"),
        (lambda: qd.fermion_chain(np.zeros((2, 6)), mu=np.zeros((2, 6))), ValueError, "shape"),
        (lambda: qd.fermion_chain(FLAT, flux=1.0, boundary="open"), ValueError, "no flux"),
        (lambda: qd.fermion_chain(FLAT, boundary="twisted"), ValueError, "'periodic', 'open'"),
        (lambda: qd.bose_hubbard(np.zeros((3, 4))), ValueError, "odd torus"),
        (lambda: qd.bose_hubbard(np.zeros((4, 4)), T=-1.0), ValueError, "negative"),
        (lambda: qd.bose_hubbard(np.zeros((4, 4)), n_max=0), ValueError, "n_max"),
        (lambda: qd.bose_hubbard(np.zeros((4, 4)), J=1.0), TypeError, "unknown coupling"),
        (lambda: qd.bose_hubbard(np.zeros(5)), ValueError, "odd ring"),
        (lambda: qd.bose_hubbard(0.0), ValueError, "rank 0"),
        (lambda: qd.bose_hubbard(np.zeros(4), U=-1.0), ValueError, "negative"),
        (lambda: qd.bose_hubbard(np.zeros(4), U=[1, 2, np.nan, 4]), ValueError, "not finite"),
        (lambda: qd.bose_hubbard(np.zeros(4), U=[1.0, 2.0]), ValueError, r"'x',\) = \(4,\)"),
        (lambda: qd.bose_hubbard(np.zeros((2, 4)), U=np.ones((4, 2))), ValueError, "shape"),
        (lambda: qd.bose_hubbard(np.zeros(4), U=xr.DataArray([1.0], dims="y")), ValueError, "U"),
        (lambda: qd.quantum_dot(np.zeros((4, 5))), ValueError, "square"),
        (lambda: qd.quantum_dot(np.zeros((4, 4)), mass=0.0), ValueError, "positive"),
    ],
)
def test_validation(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_solvers_refuse_other_systems():
    with pytest.raises(ValueError, match="'bose_hubbard'"):
        check_system(qd.bose_hubbard(np.zeros((4, 4))), "fermion_chain")
    with pytest.raises(TypeError, match=r"qdens_nb.fermion_chain"):
        check_system(FLAT, "fermion_chain")


NOISE = qd.potentials.coloured_noise(6, [1.0, 2.0], samples=2, seed=0)
DATASETS = {
    "chain batch": lambda: qd.fermion_chain(NOISE, V=[0.5, 1.0], mu=0.2, flux=0.3),
    "open well": lambda: qd.fermion_chain(qd.potentials.step_well(6, 1.0, 2), boundary="open"),
    "lattice": lambda: qd.bose_hubbard(qd.potentials.harmonic_trap((4, 4), 0.1, units="t")),
    "ring": lambda: qd.bose_hubbard(np.zeros(4), U=np.arange(4.0)),
    "dot": lambda: qd.quantum_dot(qd.potentials.step_well((4, 4), 0.1, (2, 3), units="eV")),
    "solved batch": lambda: qd.solvers.chain_ed(qd.fermion_chain(NOISE, V=[0.5, 1.0])),
    "solved": lambda: qd.solvers.chain_free(qd.fermion_chain(np.arange(6.0), flux=0.3), N=2),
}


@pytest.mark.parametrize("name", DATASETS)
def test_round_trip_through_netcdf(name, tmp_path):
    data = DATASETS[name]()
    data.to_netcdf(tmp_path / "data.nc")
    with xr.open_dataset(tmp_path / "data.nc") as reopened:
        reopened.load()
    xr.testing.assert_identical(data, reopened)
    for variable in data.variables:
        assert data[variable].dtype == reopened[variable].dtype
