"""Inverse design of quantum dots: exact where the network is, honest where nothing is there."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr

import qdens_nb as qd
from qdens_nb.inverse import design_dot
from qdens_nb.inverse._dot_search import Blur
from qdens_nb.solvers._dot_orbitals import kinetic, sines

MODES = 10
GRID = (np.arange(64) + 0.5) * 30 / 64
CELL = (30 / 64) ** 2
#: so large that the electrons do not feel each other
SCREENED = 1e6


class Free:
    """Stands for the forward network: the exact density without repulsion, with its gradient."""

    name = "free"

    def torch_maps(self, source: torch.Tensor, *, eps_r: Any, step: Any) -> dict[str, torch.Tensor]:
        s = torch.as_tensor(sines(64, MODES))
        pairs = torch.einsum("ip,iq->ipq", s, s).reshape(64, -1)
        matrix = (pairs.T @ source @ pairs).reshape(-1, *(MODES,) * 4).transpose(2, 3)
        matrix = matrix.reshape(-1, MODES**2, MODES**2)
        matrix = matrix + torch.diag(torch.as_tensor(kinetic(MODES, 0.067, 30.0)).ravel())
        # one inverse iteration: its gradient is right also where higher levels are degenerate
        energies, states = torch.linalg.eigh(matrix.detach())
        shift = (energies[:, 0] - 1e-4)[:, None, None] * torch.eye(MODES**2)
        lowest = torch.linalg.solve(matrix - shift, states[:, :, 0])
        lowest = (lowest / lowest.norm(dim=1, keepdim=True)).reshape(-1, MODES, MODES)
        return {"density": 2 * (s @ lowest @ s.T).square() / CELL}


class Direct:
    """Stands for the direct network: the same potential for every density."""

    name = "direct"

    def __init__(self, potential: Any) -> None:
        self.potential = potential

    def __call__(self, data: xr.Dataset) -> xr.Dataset:
        assert "potential" not in data
        return qd.quantum_dot(self.potential)


FLAT = Direct(np.zeros((64, 64)))
DOT = qd.potentials.double_dot(radius=0.2, channel=0.12)


def solved(potential: Any, eps_r: float) -> xr.Dataset:
    return qd.solvers.dot_ci(qd.quantum_dot(potential, eps_r=eps_r), orbitals=4)


def two_electrons(shape: np.ndarray) -> np.ndarray:
    return shape * (2 / CELL / shape.sum())


@pytest.fixture(scope="module")
def free() -> xr.Dataset:
    """A density without repulsion, and what was found for it."""
    target = solved(DOT, SCREENED)
    return design_dot(
        target, eps_r=SCREENED, forward=Free(), direct=FLAT, starts=2, steps=45, orbitals=2
    )


def test_density_of_a_dot_is_reached_from_any_start(free: xr.Dataset) -> None:
    direct, refined, flat = free["start_error"].values
    assert free["start_kind"].values.tolist() == ["direct", "refined", "flat"]
    assert direct > 0.3 and max(refined, flat) < 0.1 and free["representability"] < 0.08
    assert set(np.unique(free["potential"])) == {0.0, 0.5}
    wrong = free["potential"].values != DOT.values
    where = free["target"].values
    assert float(where[wrong].sum() / where.sum()) < 0.1


def test_answer_is_a_problem_with_the_exact_density(free: xr.Dataset) -> None:
    again = qd.solvers.dot_ci(free[["potential", "mass", "eps_r"]], orbitals=2)
    np.testing.assert_allclose(again["density"], free["density"], atol=1e-6)
    displaced = 0.5 * CELL * abs(free["density"] - free["target"]).sum()
    assert float(free["representability"]) == pytest.approx(float(displaced))
    assert float(free["representability"]) == float(free["start_error"].min())
    best = int(free["start_error"].values.argmin())
    np.testing.assert_array_equal(free["start_potential"][best], free["potential"])
    history = free["history"].values
    assert history.shape == (3, 75) and np.isnan(history[0]).all()
    assert (history[1:, -1] < 0.5 * history[1:, 0]).all()
    assert free["prediction_error"] < 0.1
    options = json.loads(free.attrs["engine_options"])
    assert options["forward"] == "free" and free.attrs["interrupted"] == 0


def test_the_exact_solver_corrects_a_wrong_network() -> None:
    """The network that ignores the repulsion still leads to the density with it."""
    target = solved(DOT, 9.0)
    error = [
        float(
            design_dot(
                target, eps_r=9.0, forward=Free(), direct=Direct(DOT), starts=2, steps=36,
                corrections=rounds, orbitals=4, two_valued=False,
            )["start_error"][1:].min()
        )
        for rounds in (0, 2)
    ]  # fmt: skip
    assert error[1] < 0.6 * error[0]


def test_a_perfect_direct_answer_is_kept() -> None:
    found = design_dot(
        solved(DOT, 12.9), direct=Direct(DOT), forward=Free(), starts=1, steps=3, orbitals=4,
        corrections=0,
    )  # fmt: skip
    assert found["representability"] < 1e-9
    np.testing.assert_array_equal(found["potential"], DOT)


def test_densities_without_potential_are_shown_as_such() -> None:
    """No orbital of lowest energy has a node line, or the edges of a checkerboard."""
    x, y = GRID[:, None], GRID[None]
    inside = (abs(x - 15) < 8) & (abs(y - 15) < 6)
    board = inside & ((x // 2 + y // 2) % 2 == 0)
    node = np.where(
        inside, np.sin(np.pi * (x - 15) / 8) ** 2 * np.cos(np.pi * (y - 15) / 12) ** 2, 0
    )
    for shape, least in ((board, 0.5), (node, 0.1)):
        found = design_dot(
            two_electrons(shape), eps_r=SCREENED, forward=Free(), direct=FLAT, starts=1, steps=24,
            orbitals=2, corrections=0,
        )  # fmt: skip
        assert found["representability"] > least


def test_one_seed_one_answer() -> None:
    def run(seed: int) -> np.ndarray:
        return design_dot(
            solved(DOT, SCREENED), eps_r=SCREENED, forward=Free(), direct=FLAT, starts=3, steps=3,
            corrections=0, orbitals=2, seed=seed, two_valued=False,
        )["start_potential"].values  # fmt: skip

    first = run(1)
    np.testing.assert_array_equal(first, run(1))
    np.testing.assert_array_equal(first[:3], run(2)[:3])
    assert (first[3] != run(2)[3]).any()
    assert first.min() >= 0 and first.max() <= 0.5


def test_interrupted_descent_is_judged() -> None:
    class Stops(Free):
        calls = 0

        def torch_maps(self, source: torch.Tensor, **options: Any) -> dict[str, torch.Tensor]:
            self.calls += 1
            if self.calls == 5:
                raise KeyboardInterrupt
            return super().torch_maps(source, **options)

    found = design_dot(
        solved(DOT, SCREENED), eps_r=SCREENED, forward=Stops(), direct=FLAT, starts=1, steps=30,
        orbitals=2,
    )  # fmt: skip
    assert found.attrs["interrupted"] == 1
    assert np.isnan(found["history"][1]).sum() == found.sizes["step"] - 4
    assert np.isfinite(found["representability"])


def test_smoothing_keeps_charge_and_symmetry() -> None:
    maps = torch.rand(2, 64, 64, dtype=torch.float64)
    smooth = Blur(64, 1.0)(maps)
    torch.testing.assert_close(Blur(64, 1.0)(maps.flip(1)), smooth.flip(1))
    assert smooth.std() < 0.3 * maps.std()
    torch.testing.assert_close(Blur(64, 0.0)(maps), maps)
    flat = torch.full((1, 64, 64), 3.0, dtype=torch.float64)
    torch.testing.assert_close(Blur(64, 1.0)(flat), flat)


def test_what_is_no_density_is_refused() -> None:
    good = two_electrons(np.ones((64, 64)))
    for bad, words in (
        (good / 2, "integrates to 1 electrons"),
        (good[:60, :60], "64 x 64"),
        (np.where(GRID > 29.5, -1e-3, good), "negative"),
        (xr.Dataset({"charge": 1}), "no 'density'"),
        (xr.DataArray(good[None], dims=("sample", "x", "y")), "one map"),
        (xr.Dataset({"density": (("x", "y"), good)}, attrs={"size_nm": 40.0}), "30 nm"),
    ):
        with pytest.raises(ValueError, match=words):
            design_dot(bad, direct=FLAT, starts=0)
    for options, words in (
        ({"starts": -1}, "starts=-1"),
        ({"corrections": 1.5}, "corrections=1.5"),
        ({"steps": 0}, "steps=0"),
        ({"smoothing": -1.0}, "smoothing"),
        ({"step": 0.0}, "step=0.0"),
    ):
        with pytest.raises(ValueError, match=words):
            design_dot(good, direct=FLAT, forward=Free(), **options)
    with pytest.raises(TypeError, match="no torch_maps"):
        design_dot(good, direct=FLAT, forward=FLAT)
