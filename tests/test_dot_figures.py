"""Maps of dots, and the nearest known dot."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import qdens_nb as qd
from qdens_nb import analysis, plotting


@pytest.fixture(scope="module")
def dots() -> xr.Dataset:
    problem = qd.quantum_dot(qd.potentials.quantum_well_cluster(32, samples=4, seed=1))
    return qd.solvers.dot_ci(problem, orbitals=4, modes=12)


def test_each_kind_of_map_has_one_scale(dots: xr.Dataset) -> None:
    changed = (dots.density - dots.density_free).rename("difference")
    row = {"v": dots.potential, "n0": dots.density_free, "n": dots.density, "n - n0": changed}
    made = plotting.dot_maps(
        {f"dot {i}": {title: maps[i] for title, maps in row.items()} for i in range(2)}
    )
    axes = [trace.coloraxis for trace in made.data]
    assert axes == 2 * ["coloraxis", "coloraxis2", "coloraxis2", "coloraxis3"]
    densities = [dots.density[:2].max(), dots.density_free[:2].max()]
    assert made.layout.coloraxis2.cmax == pytest.approx(float(max(densities)))
    assert made.layout.coloraxis3.cmin == -made.layout.coloraxis3.cmax
    np.testing.assert_allclose(made.data[0].z, dots.potential[0].transpose("y", "x"))
    titles = [note.text for note in made.layout.annotations]
    assert titles == ["v", "n0", "n", "n - n0", "dot 0", "dot 1"]


def test_a_map_of_unknown_kind_is_refused(dots: xr.Dataset) -> None:
    with pytest.raises(ValueError, match="begin its name with potential, density, difference"):
        plotting.dot_maps({"": {"E": dots.potential[0].rename("field")}})


@pytest.mark.parametrize("quarters", range(4))
@pytest.mark.parametrize("mirrored", [False, True])
def test_the_nearest_dot_is_found_in_every_position(
    dots: xr.Dataset, quarters: int, mirrored: bool
) -> None:
    def move(array: xr.DataArray) -> np.ndarray:
        flipped = array.values[:, ::-1] if mirrored else array.values
        return np.rot90(flipped, quarters, (1, 2))

    maps = ("potential", "density", "density_free")
    moved = dots[list(maps)].copy(data={name: move(dots[name]) for name in maps})
    order = [2, 0, 3, 1]
    found = analysis.nearest_dots(moved.isel(sample=order), dots)
    assert found.chosen.values.tolist() == order
    for name in maps:
        np.testing.assert_allclose(found[name], moved[name][order], atol=1e-12)


def test_other_grids_have_no_nearest_dot(dots: xr.Dataset) -> None:
    small = dots.isel(x=slice(16), y=slice(16))
    with pytest.raises(ValueError, match="the grids differ"):
        analysis.nearest_dots(small, dots)
    with pytest.raises(ValueError, match="known needs 'density'"):
        analysis.nearest_dots(dots, dots[["potential"]], by="density")
