"""Figures show the labelled data, with units, and can be told apart without colour."""

from __future__ import annotations

import numpy as np
import plotly.io as pio
import pytest
import xarray as xr

import qdens_nb as qd
from qdens_nb import analysis, plotting


@pytest.fixture(scope="module")
def both() -> xr.Dataset:
    def doubtful(problem: xr.Dataset) -> xr.Dataset:
        out = qd.solvers.chain_hartree_fock(problem)
        return out.assign(density_stderr=0.1 * out.density)

    problem = qd.fermion_chain(qd.potentials.step_well(10, 2.0, 5), V=1.0, mu=0.2)
    return analysis.compare(problem, {"exact": qd.solvers.chain_ed, "chain": doubtful})


def test_template_is_registered() -> None:
    assert "qdens" in pio.templates
    assert pio.templates["qdens"].layout.colorscale.sequential[0][1] == "#00224e"


def test_solvers_differ_in_more_than_colour() -> None:
    looks = [plotting.style_of(name, i)[2:] for i, name in enumerate(plotting.STYLES)]
    shown_together = ("exact", "chain", "chain_cnn", "hartree_fock")
    assert len({plotting.STYLES[name][2:] for name in shown_together}) == 4
    assert len({plotting.STYLES[name].dash for name in shown_together[1:]}) == 3
    assert {style[0] for style in looks} > {"dash", "dot"}
    used = {style.color for style in plotting.STYLES.values()}
    assert used <= set(plotting.LINE_COLORS.values())


def test_curves_and_band_are_the_data(both: xr.Dataset) -> None:
    made = plotting.curves(both)
    lines = {trace.name: trace for trace in made.data if trace.fill is None}
    np.testing.assert_allclose(lines["exact"].y, both.density.sel(solver="exact"))
    (band,) = [trace for trace in made.data if trace.fill == "toself"]
    half = both.density_stderr.sel(solver="chain").values
    np.testing.assert_allclose((band.y[:10] - band.y[:-11:-1]) / 2, half, atol=1e-12)
    assert made.layout.xaxis.title.text == "x (site)"
    assert plotting.curves(both, "current").layout.yaxis.title.text.endswith("(J)")


def test_curves_of_what_is_not_there(both: xr.Dataset) -> None:
    with pytest.raises(ValueError, match="'wings' is missing"):
        plotting.curves(both, "wings")
    with pytest.raises(ValueError, match="isel"):
        plotting.curves(both.expand_dims(sample=2))


def test_maps_share_one_scale_of_cividis() -> None:
    sweep = analysis.well_sweep(
        {"exact": qd.solvers.chain_ed, "hartree_fock": qd.solvers.chain_hartree_fock},
        depths=[0.5, 1.5],
        sites=8,
        width=4,
        V=1.0,
        mu=0.1,
    )
    made = plotting.maps(sweep.density, "depth")
    assert [trace.coloraxis for trace in made.data] == ["coloraxis"] * 2
    np.testing.assert_allclose(made.data[0].z, sweep.density.sel(solver="exact"))
    assert made.layout.yaxis.title.text == "depth of the well (J)"
    with pytest.raises(ValueError, match="'width'"):
        plotting.maps(sweep.density, "width")


def test_parity_and_calibration_carry_the_diagonal() -> None:
    rng = np.random.default_rng(1)
    truth = rng.random(50)
    made = plotting.parity_plot(truth, {"chain": truth + 0.01})
    assert made.data[-1].name == "equal" and tuple(made.data[-1].x) == tuple(made.data[-1].y)
    table = analysis.reliability(rng.normal(size=200), np.full(200, 1.0), bins=4)
    made = plotting.calibration_plot({"chain": table})
    np.testing.assert_allclose(made.data[0].y, table.observed)
    assert made.layout.xaxis.type == made.layout.yaxis.type == "log"


def test_panels_have_one_legend(both: xr.Dataset) -> None:
    made = plotting.panels(both, ["density", "coherence", "density_correlation", "current"])
    assert sum(trace.showlegend for trace in made.data) == 2
    assert len({trace.xaxis for trace in made.data}) == 4
