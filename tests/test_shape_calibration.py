"""Error bars of the chain's networks: the factor is found again, and holds on another kind."""

from __future__ import annotations

import numpy as np
import pytest

import qdens_nb as qd
from qdens_nb.training._shape_calibration import (
    NODES,
    calibrate_on_shapes,
    shape_problems,
    smooth_shape,
)


class Erring:
    """The exact answer with normal errors of a known size; its spread is half a percent."""

    def __init__(self) -> None:
        self.rng = np.random.default_rng(1)

    def spread_factor(self, V: np.ndarray, sites: int) -> np.ndarray:
        return np.full(len(V), 3.0)

    def at_fixed_number(
        self, potential: np.ndarray, V: np.ndarray, flux: np.ndarray, number: np.ndarray
    ) -> dict[str, np.ndarray]:
        exact = [
            qd.solvers.chain_ed(qd.fermion_chain(v, V=float(one)), N=int(n))
            for v, one, n in zip(potential, V, number, strict=True)
        ]
        density = np.stack([found["density"].values for found in exact])
        size = (1.0 + V) * (potential.shape[1] / 9.0) ** 0.5
        noise = 0.005 * size[:, None] * self.rng.normal(size=density.shape)
        return {
            "density": density + noise,
            "density_stderr": np.full(density.shape, 3.0 * 0.005),
            "energy": np.array([float(found["energy"]) for found in exact]) + 0.01,
        }


def test_a_known_factor_is_found_again() -> None:
    found = calibrate_on_shapes(Erring(), sites=(6, 7, 11, 12), count=15, seed=3)
    assert found["stderr_factor"] == pytest.approx(1.0 + np.array(NODES), rel=0.15)
    assert found["energy_mae"] == pytest.approx([0.01] * len(NODES), rel=1e-6)
    assert found["sites"] == 9 and found["growth"] == pytest.approx(0.5, abs=0.3)


def test_shapes_are_smooth_bounded_and_seeded() -> None:
    rng = np.random.default_rng(0)
    shapes = np.stack([smooth_shape(18, rng) for _ in range(200)])
    assert np.abs(shapes).max() <= 3.0
    assert np.ptp(shapes, axis=1).min() > 0.1
    one, other = (shape_problems(8, 2, seed=5) for _ in range(2))
    assert one.equals(other)
    assert set(one["V"].values) <= set(NODES)


@pytest.mark.parametrize("name", ["chain", "chain_live", "chain_cnn"])
def test_error_bars_hold_in_square_wells_which_were_not_calibrated_on(name: str) -> None:
    data = qd.datasets.open_dataset(qd.datasets.shipped("chain_wells_l18.nc"))
    found = qd.load_predictor(name)(data)
    inside = np.abs(found["density"] - data["density"]) <= found["density_stderr"]
    assert 0.60 < float(inside.mean()) < 0.80
    for _, part in inside.groupby(data["V"]):
        assert 0.5 < float(part.mean()) < 0.9


def test_error_bars_grow_with_the_ring_and_the_interaction() -> None:
    factor = qd.load_predictor("chain").spread_factor
    small, large = (factor(np.array([0.0, 0.7, 1.3, 2.0]), sites) for sites in (12, 40))
    assert (np.diff(small) > 0).all() and (large > small).all()
    noise_only = qd.load_predictor("chain")
    del noise_only.card["calibration"]["shapes"]
    assert noise_only.spread_factor(np.ones(2), 40) == pytest.approx(noise_only.factor)
