"""A trained network as a solver: ``predictor(problem) -> the same Dataset with observables``."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr
from torch import nn

from qdens_nb.datasets import data_folder
from qdens_nb.solvers._common import add_observables
from qdens_nb.systems import check_system
from qdens_nb.training._bose_predictor import BoseCorrectionPredictor, BosePredictor
from qdens_nb.training._card import load_weights
from qdens_nb.training._config import DOT_TASKS
from qdens_nb.training._dot_predictor import DotPredictor
from qdens_nb.training._ensemble import density_spread, mean_answer
from qdens_nb.training._mean_field_channels import mean_field_channels
from qdens_nb.training._symmetry import particle_hole_map, reflect_map
from qdens_nb.training._tasks import (
    OBSERVABLES,
    direct_channels,
    mean_field_observables,
    particle_hole_channels,
    reflect_channels,
)

Arrays = dict[str, np.ndarray]


class _Problem:
    """Plain arrays of a problem, batched."""

    def __init__(self, problem: xr.Dataset) -> None:
        self.batched = "sample" in problem["potential"].dims
        self.potential = np.atleast_2d(problem["potential"].values).astype(np.float64)
        self.count, self.sites = self.potential.shape
        self.V, self.mu, self.flux = (
            np.broadcast_to(problem[name].values, (self.count,)).astype(np.float64)
            for name in ("V", "mu", "flux")
        )


class ChainPredictor:
    """Base of the two chain predictors: weights, ranges, ensemble.

    Attributes
    ----------
    name : str
    card : dict
        Configuration, data, ranges, calibration and checksum of the weights.
    """

    def __init__(self, name: str, members: Sequence[nn.Module], card: dict[str, Any]) -> None:
        self.name = name
        self.members = list(members)
        self.card = card
        self.factor = float(card["calibration"].get("stderr_factor", 1.0))

    def spread_factor(self, V: np.ndarray, sites: int) -> np.ndarray:
        """What turns the spread of the members into a standard error, (B,) for V (B,).

        Calibrated on noise, or on smooth shapes where the card says so (`_shape_calibration`).
        """
        shapes = self.card["calibration"].get("shapes")
        if shapes is None:
            return np.full(len(V), self.factor)
        growth = (sites / shapes["sites"]) ** shapes["growth"]
        return np.interp(V, shapes["V"], shapes["stderr_factor"]) * growth

    def __call__(self, problem: xr.Dataset) -> xr.Dataset:
        """Predict the observables of `problem`.

        Returns
        -------
        Dataset
            The problem with density, density_stderr, density_variance, density_correlation,
            coherence, current, current_correlation and particle_number, as far as the training
            data held them.

        Raises
        ------
        ValueError
            Not a chain, or an open one (the networks are trained on rings).
        """
        check_system(problem, "fermion_chain")
        if problem.attrs.get("boundary", "periodic") != "periodic":
            raise ValueError(
                "the networks are trained on rings; use boundary='periodic', or an engine for "
                "the open chain"
            )
        arrays = _Problem(problem)
        self._warn_outside(arrays)
        with torch.inference_mode():
            values = self._predict(arrays)
        learnt = self.card["data"].get("observables", OBSERVABLES)
        values = {n: v for n, v in values.items() if n not in OBSERVABLES or n in learnt}
        values["density_variance"] = values["density"] * (1.0 - values["density"])
        if not arrays.batched:
            values = {name: value[0] for name, value in values.items()}
        options = {"model": self.card["model"], "sha256": self.card["sha256"][:12]}
        return add_observables(problem, values, f"network:{self.name}", options)

    def _warn_outside(self, problem: _Problem) -> None:
        low, high = self.card["ranges"]["V"]
        if (problem.V < low - 1e-9).any() or (problem.V > high + 1e-9).any():
            warnings.warn(
                f"V is outside [{low}, {high}], the range that {self.name!r} was trained on; "
                "the answer is an extrapolation",
                stacklevel=3,
            )
        swing = np.ptp(problem.potential, axis=-1).max()
        allowed = np.ptp(self.card["ranges"]["potential"])
        if swing > allowed + 1e-9:
            warnings.warn(
                f"the potential spans {swing:.2f} J; {self.name!r} was trained on spans up to "
                f"{allowed:.2f} J: the answer is an extrapolation",
                stacklevel=3,
            )
        fewest = min(self.card["ranges"]["sites"] or [3])
        if problem.sites < fewest:
            warnings.warn(
                f"{problem.sites} sites are fewer than the {fewest} that {self.name!r} was "
                "trained on; the answer is an extrapolation",
                stacklevel=3,
            )

    def _predict(self, problem: _Problem) -> Arrays:
        raise TypeError("use load_predictor, which returns the right kind")

    def _answers(self, inputs: torch.Tensor) -> list[dict[str, torch.Tensor]]:
        return [
            {k: v.double() for k, v in member(inputs.float()).items()} for member in self.members
        ]

    def _answers_to(self, seen: Sequence[torch.Tensor]) -> list[list[dict[str, torch.Tensor]]]:
        """`_answers` to each of several inputs of one shape, of one call of the members."""
        every = self._answers(torch.cat(list(seen)))
        rows = [slice(i * len(seen[0]), (i + 1) * len(seen[0])) for i in range(len(seen))]
        return [[{k: v[part] for k, v in one.items()} for one in every] for part in rows]


class DirectPredictor(ChainPredictor):
    """The paper's network: sees mu - v, V and flux/L only."""

    def _predict(self, problem: _Problem) -> Arrays:
        centred = torch.from_numpy((problem.mu - problem.V)[:, None] - problem.potential)
        V, flux = torch.from_numpy(problem.V), torch.from_numpy(problem.flux)
        seen = [direct_channels(centred, V, flux), direct_channels(centred.flip(-1), V, -flux)]
        if problem.sites % 2 == 0:
            seen.append(direct_channels(-centred, V, -flux))
        plain, mirrored, *rest = self._answers_to(seen)
        images = [{k: reflect_map(k, answer[k]) for k in OBSERVABLES} for answer in mirrored]
        groups = [mean_answer(plain), mean_answer(images)]
        if rest:
            holes = mean_answer(rest[0])
            density = holes["density"]
            groups.append({k: particle_hole_map(k, holes[k], density) for k in OBSERVABLES})
        out = {k: torch.stack([g[k] for g in groups]).mean(0).numpy() for k in OBSERVABLES}
        out["density"] = np.clip(out["density"], 0.0, 1.0)
        factor = self.spread_factor(problem.V, problem.sites)
        out["density_stderr"] = factor[:, None] * density_spread(plain).numpy()
        out["particle_number"] = out["density"].sum(-1)
        return out


class CorrectionPredictor(ChainPredictor):
    """Our network: Hartree-Fock at fixed N, corrected; N from the corrected energies."""

    def _answers(self, inputs: torch.Tensor) -> list[dict[str, torch.Tensor]]:
        """Answers of the members; N is fixed, so the mean of a density correction is taken out."""
        return [
            {**answer, "density": answer["density"] - answer["density"].mean(-1, keepdim=True)}
            for answer in super()._answers(inputs)
        ]

    def at_fixed_number(
        self, potential: np.ndarray, V: np.ndarray, flux: np.ndarray, number: np.ndarray
    ) -> Arrays:
        """Observables (B, L) and energy (B,) at given particle numbers (B,)."""
        count, sites = potential.shape
        out: Arrays = {name: np.zeros((count, sites)) for name in (*OBSERVABLES, "density_stderr")}
        full = number == sites
        out["density"][full] = out["density_correlation"][full] = 1.0
        out["energy"] = np.where(full, potential.sum(-1) + V * sites, 0.0)
        inner = (number > 0) & ~full
        if not inner.any():
            return out
        values, energies = mean_field_channels(
            potential[inner], V[inner], flux[inner], number[inner]
        )
        channels = torch.from_numpy(values)
        base = mean_field_observables(channels)
        seen = [channels, reflect_channels(channels)]
        if sites % 2 == 0:
            seen.append(particle_hole_channels(channels))
        plain, images, *rest = self._answers_to(seen)
        groups = [mean_answer(plain)]
        mirrored = mean_answer(images)
        groups.append({k: reflect_map(k, mirrored[k]) for k in OBSERVABLES})
        groups[1]["energy"] = mirrored["energy"]
        if rest:
            holes = mean_answer(rest[0])
            hole_base = mean_field_observables(seen[-1])
            whole = {k: holes[k] + hole_base.get(k, 0.0) for k in OBSERVABLES}
            whole = {k: particle_hole_map(k, whole[k], whole["density"]) for k in OBSERVABLES}
            image = {k: whole[k] - base.get(k, 0.0) for k in OBSERVABLES}
            groups.append({**image, "energy": holes["energy"]})
        mean = {k: torch.stack([g[k] for g in groups]).mean(0) for k in (*OBSERVABLES, "energy")}
        mean["density"] = mean["density"] - mean["density"].mean(-1, keepdim=True)
        for name in OBSERVABLES:
            out[name][inner] = (mean[name] + base.get(name, 0.0)).numpy()
        factor = self.spread_factor(V[inner], sites)
        out["density_stderr"][inner] = factor[:, None] * density_spread(plain).numpy()
        out["energy"][inner] = energies + mean["energy"].sum(-1).numpy()
        return out

    def _predict(self, problem: _Problem) -> Arrays:
        count, sites = problem.potential.shape
        found: dict[tuple[int, int], tuple[float, Arrays]] = {}
        start = guess_numbers(problem.potential, problem.V, problem.flux, problem.mu)
        wanted = {(i, n) for i in range(count) for n in start[i] + np.arange(-1, 2)}
        best = start
        while wanted:
            jobs = sorted((i, int(n)) for i, n in wanted if 0 <= n <= sites)
            rows, numbers = (np.array(part) for part in zip(*jobs, strict=True))
            answer = self.at_fixed_number(
                problem.potential[rows], problem.V[rows], problem.flux[rows], numbers
            )
            for j, key in enumerate(jobs):
                values = {name: array[j] for name, array in answer.items()}
                found[key] = (float(values["energy"] - problem.mu[key[0]] * key[1]), values)
            best = np.array(
                [
                    min((grand, n) for (k, n), (grand, _) in found.items() if k == i)[1]
                    for i in range(count)
                ]
            )
            wanted = {
                (i, n)
                for i in range(count)
                for n in (best[i] - 1, best[i] + 1)
                if 0 <= n <= sites and (i, n) not in found
            }
        chosen = [found[i, int(best[i])][1] for i in range(count)]
        out = {name: np.stack([c[name] for c in chosen]) for name in chosen[0]}
        out["density_stderr"] = np.sqrt(
            out["density_stderr"] ** 2
            + self._number_variance(found, best, out["density"], problem.V)
        )
        out["density"] = np.clip(out["density"], 0.0, 1.0)
        out["particle_number"] = best
        return out

    def _number_variance(
        self,
        found: dict[tuple[int, int], tuple[float, Arrays]],
        best: np.ndarray,
        density: np.ndarray,
        V: np.ndarray,
    ) -> np.ndarray:
        """Variance of the density from not knowing N, for a Laplace error of the energy.

        The error of the energy is taken to grow with the size of the ring.
        """
        calibration = self.card["calibration"]
        trained = float(np.mean(self.card["ranges"]["sites"] or [density.shape[-1]]))
        error = np.full(len(V), calibration.get("validation_energy_mae", 0.01))
        if shapes := calibration.get("shapes"):
            error, trained = np.interp(V, shapes["V"], shapes["energy_mae"]), shapes["sites"]
        width = np.maximum(2.0 * error * max(1.0, density.shape[-1] / trained), 1e-4)
        variance = np.zeros_like(density)
        for (i, n), (grand, values) in found.items():
            if n != best[i]:
                distance = grand - found[i, int(best[i])][0]
                chance = 0.5 * np.exp(-max(distance, 0.0) / width[i])
                variance[i] += chance * (values["density"] - density[i]) ** 2
        return variance


def guess_numbers(
    potential: np.ndarray, V: np.ndarray, flux: np.ndarray, mu: np.ndarray
) -> np.ndarray:
    """Particle numbers (B,) of a quick grand-canonical Hartree-Fock."""
    from qdens_nb.solvers._chain_hartree_fock import solve_at

    numbers = np.empty(len(potential), dtype=int)
    for i, v in enumerate(potential):
        guess = len(v) // 2
        for _ in range(5):
            state = solve_at(v, V[i], flux[i], guess, starts=1, tolerance=1e-3, max_iterations=60)
            last, guess = guess, int((state.levels < mu[i]).sum())
            if guess == last:
                break
        numbers[i] = guess
    return numbers


PREDICTORS: dict[str, Any] = {
    "chain": CorrectionPredictor,
    "chain_cnn": DirectPredictor,
    "bose_hubbard": BoseCorrectionPredictor,
    "bose_hubbard_cnn": BosePredictor,
    **dict.fromkeys(DOT_TASKS, DotPredictor),
}


def load_predictor(name: str | Path) -> Any:
    """Open a trained network as a solver.

    Parameters
    ----------
    name : str or Path
        A shipped one ("chain", "chain_cnn", "chain_live", "chain_cnn_live", "bose_hubbard",
        "bose_hubbard_cnn", "dot_density", "dot_density_free", "dot_free_to_interacting",
        "dot_potential", "dot_density_live", ...) or a folder written by `qdens_nb.training.train`.

    Returns
    -------
    ChainPredictor, BosePredictor or DotPredictor

    Raises
    ------
    ValueError
        Unknown name, or damaged weights.
    FileNotFoundError
        A folder without weights.
    """
    folder = Path(name)
    if not folder.is_dir():
        shipped = data_folder() / "weights"
        folder = shipped / str(name)
        if not folder.is_dir():
            there = sorted(p.name for p in shipped.glob("*")) if shipped.exists() else []
            raise ValueError(
                f"no predictor {str(name)!r}; shipped in {shipped} are {there}, or give a folder "
                "of weights. QDENS_DATA names another folder of shipped data"
            )
    members, card = load_weights(folder)
    return PREDICTORS[card["model"]](folder.name, members, card)
