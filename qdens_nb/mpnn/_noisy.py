"""`Recovery` where psi is known by noisy values at points, not as a function.

The values are drawn here, with their noise, from a known state; `potential_from_values` sees
nothing else. One step is one member of the committee.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import torch
import xarray as xr
from torch import Tensor
from tqdm.auto import tqdm

from qdens_nb.mpnn._from_values import Noise, potential_from_values
from qdens_nb.mpnn._judged import JUDGED, Judged
from qdens_nb.mpnn._log_psi import Recovered
from qdens_nb.mpnn._sampling import WIDE, sample_wave, uniform
from qdens_nb.mpnn._wavefunctions import WaveFunction


@dataclass(frozen=True)
class NoisySettings:
    """Values and members of the committee."""

    samples: int
    steps: int
    strength: float = 0.0


class NoisyRecovery(Judged):
    """Training of a potential from noisy values, one member of a committee after the other.

    Parameters
    ----------
    system : str or WaveFunction
        Of one particle; without nodes, unless on a line.
    noise : float
        Relative standard deviation of the values.
    samples : int, optional
        Values: on a line evenly over [-5, 5] (default 200), else uniform in the box (8,000).
    seed : int
        Of the noise and the networks.
    steps : int
        Members.
    """

    method = "values with noise (ours)"

    def __init__(
        self,
        system: str | WaveFunction,
        *,
        noise: float,
        seed: int = 0,
        samples: int | None = None,
        steps: int = 5,
    ) -> None:
        super().__init__(system, seed)
        if self.wave.particles > 1:
            raise ValueError(f"{self.wave.name}: noise is for one particle; give noise=0")
        line = self.wave.dims == 1
        count = samples or (200 if line else 8000)
        self.noise = noise
        self.settings = NoisySettings(count, steps)
        rng = torch.Generator().manual_seed(seed + 1)
        if line:
            edge = WIDE * (1 - 1 / count)
            self.points = torch.linspace(-edge, edge, count, dtype=torch.float64)[:, None]
        else:
            self.points = uniform(self.wave.dims, count, WIDE, rng)
        self.values = Noise(noise)(self.wave.psi(self.points), seed=seed + 2)
        self.walk = sample_wave(self.wave, JUDGED, seed=seed)
        self.members: list[Recovered] = []

    def run(self, steps: int | None = None, *, progress: bool = True) -> None:
        """Fit more members, by default all that are left."""
        left = self.settings.steps - self.step_number
        begun, before = time.perf_counter(), self.seconds
        for _ in tqdm(range(left if steps is None else min(steps, left)), disable=not progress):
            self.members.append(
                potential_from_values(
                    self.points,
                    self.values,
                    pin=self.wave.pin,
                    pinned=self.wave.pinned_value,
                    noise=self.noise,
                    cusps=self.wave.cusps,
                    members=1,
                    seed=self.seed + 1000 * self.step_number,
                )
            )
            self.step_number += 1
            self.seconds = before + time.perf_counter() - begun
            self._record(self.members[-1].history["held_out"][-1])

    def potential(self, points: Tensor) -> Tensor:
        """Mean over the members, (B, D) -> (B,); the flat start before there are any."""
        if not self.members:
            return torch.full((len(points),), self.wave.pinned_value, dtype=torch.float64)
        return torch.stack([one.potential(points) for one in self.members]).mean(0)

    def energy(self, samples: int = JUDGED) -> tuple[float, float]:
        """Mean over the members and its standard error from their spread."""
        if not self.members:
            return float("nan"), float("nan")
        found = [one.energy for one in self.members]
        return float(np.mean(found)), float(np.std(found) / max(1, len(found) - 1) ** 0.5)

    def result(self) -> xr.Dataset:
        """What was found as a Dataset; see `recover_potential`."""
        return super().result().assign_attrs(noise=self.noise)
