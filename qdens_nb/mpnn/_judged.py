"""What trainings of a potential have in common: the truth, the errors, the history, the answer."""

from __future__ import annotations

from typing import Any

import torch
import xarray as xr
from torch import Tensor

from qdens_nb.mpnn._answer import answer
from qdens_nb.mpnn._sampling import CORE, WIDE, Walk, uniform
from qdens_nb.mpnn._systems import wave_function
from qdens_nb.mpnn._wavefunctions import WaveFunction

#: Points of the boxes on which errors are measured, and of those on the way.
JUDGED, GLANCED = 20_000, 2000


class Judged:
    """A training of a potential that is known; subclasses say how U and the energy come about."""

    method: str
    settings: Any
    walk: Walk

    def __init__(self, system: str | WaveFunction, seed: int) -> None:
        self.wave = wave_function(system) if isinstance(system, str) else system
        self.seed, self.step_number, self.seconds = seed, 0, 0.0
        self.history: dict[str, list[float]] = {
            name: [] for name in ("step", "loss", "energy", "epsilon_wide", "epsilon_core")
        }

    def run(self, steps: int | None = None, *, progress: bool = True) -> None:
        """Train on, by default to the end of the settings' steps."""
        raise NotImplementedError

    def potential(self, points: Tensor) -> Tensor:
        """The potential found, (B, D) -> (B,)."""
        raise NotImplementedError

    def energy(self, samples: int = JUDGED) -> tuple[float, float]:
        """The energy and its standard error."""
        raise NotImplementedError

    def trap(self, places: Tensor) -> Tensor:
        """Potential of one particle, (B, d) -> (B,), without an interaction."""
        return self.potential(places)

    def local_energy(self, points: Tensor) -> Tensor:
        """E(r) = -1/2 laplace(psi)/psi + U(r), (B, D) -> (B,): a constant if U is right."""
        return self.wave.kinetic(points) + self.potential(points)

    def errors(self, samples: int = JUDGED) -> dict[str, float]:
        """Mean |U - V| over points uniform in [-5, 5]^D and in [-1, 1]^D, eq. (9)."""
        exact, found = self.wave.potential, {}
        for name, half in (("epsilon_wide", WIDE), ("epsilon_core", CORE)):
            found[name] = float("nan")
            if exact is not None:
                points = _box(self.wave.dims, samples, half)
                found[name] = float((self.potential(points) - exact(points)).abs().mean())
        return found

    def trap_error(self, samples: int = JUDGED) -> float:
        """Mean |u - trap| over mean |trap| in [-5, 5]^d; nan where there is no exact trap."""
        if self.wave.trap is None:
            return float("nan")
        places = _box(self.wave.dims // self.wave.particles, samples, WIDE)
        exact = self.wave.trap(places)
        return float((self.trap(places) - exact).abs().mean() / exact.abs().mean())

    def _record(self, loss: float) -> None:
        row = {"step": self.step_number, "loss": loss, "energy": self.energy(GLANCED)[0]}
        row |= self.errors(GLANCED)
        for name, values in self.history.items():
            values.append(row[name])

    def result(self) -> xr.Dataset:
        """What was found as a Dataset; see `recover_potential`."""
        return answer(self)


def _box(dims: int, samples: int, half: float) -> Tensor:
    """The same points for every training."""
    return uniform(dims, samples, half, torch.Generator().manual_seed(20210618))
