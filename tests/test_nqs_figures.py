"""Figures of neural quantum states show the numbers they are given."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import qdens_nb as qd
from qdens_nb import plotting


def test_amplitudes_are_sorted_by_the_exact_ones() -> None:
    exact, state = np.array([0.1, -0.9, 0.4]), np.array([1.0, 2.0, 3.0])
    bars, line = plotting.amplitude_bars({"one": state}, exact).data
    assert bars.y.tolist() == [2.0, 3.0, 1.0]
    assert line.y.tolist() == [0.9, 0.4, 0.1]


def test_local_energies_of_an_eigenstate_have_no_variance() -> None:
    made = plotting.local_energy_histogram({"after": (np.full(4, -2.0), np.full(4, 0.25))}, -2.0)
    assert "variance 0" in made.data[0].name
    assert np.sum(made.data[0].y) == pytest.approx(1.0)


def test_magnetisation_bars_are_shares() -> None:
    values, weights = np.array([-1.0, 0.0, 0.0, 1.0]), np.array([0.4, 0.1, 0.1, 0.4])
    bars, exact = plotting.magnetisation_bars({"": np.array([-1.0, 1.0])}, values, weights).data
    assert list(bars.y) == [0.5, 0.0, 0.5]
    assert np.allclose(exact.y, [0.4, 0.2, 0.4])


def test_error_curves_average_the_modulus() -> None:
    run = xr.Dataset(
        {"energy": ("step", np.array([-9.0, -11.0, -9.0])), "seconds": ("step", np.arange(3.0))}
    ).assign_coords(step=np.arange(3))
    step, seconds = plotting.error_curves({"a": run}, -10.0, window=2).data
    assert np.allclose(step.y, 0.1)
    assert step.x.tolist() == [1, 2] and seconds.x.tolist() == [1.0, 2.0]


def test_spectra_are_relative_and_descending() -> None:
    made = plotting.spectra({"S": np.array([1.0, 4.0, 2.0])}, 3)
    assert made.data[0].y.tolist() == [1.0, 0.5, 0.25]


def test_curves_of_costs_entropies_points_traces_and_evolutions() -> None:
    rows = [("dense", 10, 1.0), ("minsr", 10, 2.0), ("cg", 10, 3.0)]
    cost = pd.DataFrame(rows, columns=["method", "parameters", "milliseconds"])
    assert len(plotting.cost_curves(cost, 5).data) == 3
    page = np.array([qd.nqs.page_entropy(2**k, 2 ** (2 - k)) for k in range(3)])
    assert len(plotting.entropy_curves({"pairs": np.array([0, 1.0, 0])}, page).data) == 2
    signs = pd.DataFrame(
        {"error": [0.1, 0.2], "network": ["a", "b"], "rule": ["with", "with"]},
        index=pd.Index([0.0, 0.0], name="J2"),
    )
    points = plotting.grouped_points(signs, "error", "network", "rule")
    assert [trace.y[0] for trace in points.data] == [0.1, 0.2]
    assert len(plotting.chain_traces({"h = 1": np.zeros((3, 5))}).data) == 3
    run = xr.Dataset({"m": ("time", np.ones(3))}, coords={"time": np.arange(3.0)})
    curve, off, exact = plotting.evolution_curves(np.zeros(3), {"run": run}, "m", "m").data
    assert curve.y.tolist() == [1.0] * 3 and off.y.tolist() == [1.0] * 2
    assert exact.y.tolist() == [0.0] * 3
