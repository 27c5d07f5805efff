"""From a wave function to the potential behind it, step by step or in one call."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm.auto import tqdm

from qdens_nb.mpnn import _losses
from qdens_nb.mpnn._judged import JUDGED, Judged
from qdens_nb.mpnn._network import PAPER_WIDTHS, PotentialNet
from qdens_nb.mpnn._sampling import WIDE, mixed, sample_wave, uniform
from qdens_nb.mpnn._wavefunctions import WaveFunction


@dataclass(frozen=True)
class Settings:
    """How a method trains; `METHODS` holds the settings of each.

    Attributes
    ----------
    points : {"uniform", "metropolis", "mixed"}
        Where: uniform in [-5, 5]^D, in |psi|^2, or both and nested boxes (see `mixed`).
    samples : int
        Points drawn before training.
    steps : int
        Steps of Adam.
    batch : int or None
        Points of a step; None for all, the paper's way.
    learning_rate : tuple of float
        First and last rate, on a cosine.
    strength : float
        Of the penalty [U(r0) - V(r0)]^2: lambda of eq. (7); eq. (4) has 1.
    widths, activation, inputs, delta, hard_pin
        See `PotentialNet`.
    """

    points: str
    samples: int
    steps: int
    batch: int | None = None
    learning_rate: tuple[float, float] = (1e-3, 1e-3)
    strength: float = 1.0
    widths: tuple[int, ...] = PAPER_WIDTHS
    activation: str = "relu"
    inputs: tuple[str, ...] = ("coordinates",)
    delta: float | None = 0.01
    hard_pin: bool = False


METHODS = {
    "qpnn": Settings("uniform", samples=2500, steps=2000),
    "qpnn_ms": Settings("metropolis", samples=2500, steps=2000),
    "mpnn": Settings("metropolis", samples=2500, steps=2000, strength=1e-3),
    "local_energy": Settings(
        "mixed",
        samples=60_000,
        steps=8000,
        batch=512,
        learning_rate=(1e-2, 1e-6),
        widths=(64, 64, 64),
        activation="silu",
        inputs=("coordinates", "distance", "log_distance"),
        delta=None,
        hard_pin=True,
    ),
}


class Recovery(Judged):
    """Training of a potential, one step after the other; for live plots and pauses.

    Parameters
    ----------
    system : str or WaveFunction
        A name of `wave_function`, or a state of your own.
    method : {"local_energy", "mpnn", "qpnn", "qpnn_ms"}
        ``"local_energy"`` is ours; the others are the paper's.
    seed : int
        Of the points, the network and the batches.
    **options
        Any of `Settings`, e.g. ``samples=2000``, ``strength=0.0``, ``inputs=("coordinates",)``.

    Raises
    ------
    ValueError
        For unknown names or numbers out of range.

    Examples
    --------
    >>> recovery = Recovery("oscillator_2", method="local_energy", samples=2000)
    >>> recovery.run(50, progress=False)
    >>> recovery.step_number
    50
    """

    def __init__(
        self,
        system: str | WaveFunction,
        *,
        method: str = "local_energy",
        seed: int = 0,
        **options: Any,
    ) -> None:
        if method not in METHODS:
            raise ValueError(f"method={method!r}; expected one of {', '.join(METHODS)}")
        super().__init__(system, seed)
        self.method = method
        self.settings = _with_options(METHODS[method], options)
        set_ = self.settings
        inputs = set_.inputs
        if not self.wave.cusps and "coordinates" in inputs:
            inputs = ("coordinates",)
        self.network = PotentialNet(
            self.wave,
            widths=set_.widths,
            activation=set_.activation,
            inputs=inputs,
            delta=set_.delta,
            hard_pin=set_.hard_pin,
            seed=seed,
        )
        self._rng = torch.Generator().manual_seed(seed + 1)
        self._draw()
        self._pin_kinetic = self.wave.kinetic(self.network.pin)
        if not torch.isfinite(self._pin_kinetic).all():
            raise ValueError(
                f"the local energy of {self.wave.name} is not finite at its pin {self.wave.pin}: "
                "is that a node, or a singular point? Choose another"
            )
        self._optimizer = torch.optim.Adam(
            self.network.parameters(), lr=set_.learning_rate[0], fused=True
        )

    def _draw(self) -> None:
        """Points, and what the losses need of psi there."""
        wave, set_ = self.wave, self.settings
        self.walk = sample_wave(wave, max(set_.samples, JUDGED), seed=self.seed)
        if set_.points == "uniform":
            points = uniform(wave.dims, set_.samples, WIDE, self._rng)
        elif set_.points == "metropolis":
            points = self.walk.points[: set_.samples]
        else:
            points = mixed(self.walk.points, wave, set_.samples, WIDE, self._rng)
        psi, _, laplacian = wave.derivatives(points)
        kinetic = -0.5 * laplacian / psi
        sound = torch.isfinite(kinetic)
        # Networks are in single precision; what they are compared with was made in double.
        self.points, self._psi = points[sound], psi[sound].float()
        self._kinetic = kinetic[sound].float()
        self._slope = (
            wave.kinetic_gradient(self.points) if self.method in ("qpnn", "qpnn_ms") else None
        )
        self._walk_kinetic = wave.kinetic(self.walk.points[:JUDGED])

    def run(self, steps: int | None = None, *, progress: bool = True) -> None:
        """Train on; by default to the end of the settings' steps. May be interrupted and repeated.

        Parameters
        ----------
        steps : int, optional
            Steps to take.
        progress : bool
            Show a bar.
        """
        left = max(0, self.settings.steps - self.step_number) if steps is None else steps
        bar = tqdm(range(left), disable=not progress, desc=f"{self.wave.name}, {self.method}")
        begun, before = time.perf_counter(), self.seconds
        try:
            for _ in bar:
                loss = self._step()
                self.seconds = before + time.perf_counter() - begun
                if self.step_number % max(1, self.settings.steps // 40) == 0:
                    self._record(loss)
                    bar.set_postfix(loss=f"{loss:.2e}", energy=f"{self.history['energy'][-1]:.4f}")
        except KeyboardInterrupt:
            bar.close()

    def _step(self) -> float:
        set_, count = self.settings, len(self.points)
        for group in self._optimizer.param_groups:
            group["lr"] = _cosine(set_.learning_rate, self.step_number / set_.steps)
        chosen: Tensor | slice = slice(None)
        if set_.batch is not None and set_.batch < count:
            chosen = torch.randint(count, (set_.batch,), generator=self._rng)
        points, kinetic = self.points[chosen], self._kinetic[chosen]
        self._optimizer.zero_grad()
        if self.method == "local_energy":
            loss = _losses.local_energy(self.network, points, kinetic, self._pin_kinetic)
        elif self.method == "mpnn":
            loss = _losses.mpnn(self.network, points, kinetic, self._psi[chosen], set_.strength)
        else:
            assert self._slope is not None
            loss = _losses.qpnn(self.network, points, self._slope[chosen], set_.strength)
        loss.backward()
        self._optimizer.step()
        self.step_number += 1
        return float(loss.detach())

    @torch.no_grad()
    def potential(self, points: Tensor) -> Tensor:
        """The potential found, (B, D) -> (B,)."""
        points = torch.as_tensor(points, dtype=torch.float64)
        return torch.cat([self.network(part) for part in points.split(20_000)])

    def energy(self, samples: int = JUDGED) -> tuple[float, float]:
        """Mean of the local energy and its standard error.

        Over samples of |psi|^2; for ``"qpnn"`` over its uniform points, as eq. (10) has it.
        """
        if self.method == "qpnn":
            local = self._kinetic[:samples] + self.potential(self.points[:samples])
            tau = 1.0
        else:
            local = self._walk_kinetic[:samples] + self.potential(self.walk.points[:samples])
            tau = max(1.0, self.walk.tau) if np.isfinite(self.walk.tau) else 1.0
        return float(local.mean()), float(local.std() * np.sqrt(tau / len(local)))

    def trap(self, places: Tensor) -> Tensor:
        """Potential of one particle, (B, d) -> (B,), without the interaction."""
        with torch.no_grad():
            raw = self.network.one_body(torch.as_tensor(places, dtype=torch.float64))
            if not self.network.hard_pin:
                return raw
            return raw + self.network.shift() / self.wave.particles


def recover_potential(
    system: str | WaveFunction,
    method: str = "local_energy",
    *,
    seed: int = 0,
    noise: float = 0.0,
    progress: bool = True,
    **options: Any,
) -> Any:
    """The potential behind a wave function.

    Parameters
    ----------
    system : str or WaveFunction
        A name of `wave_function`, e.g. ``"hydrogen_1s"`` or ``"oscillator_2"``.
    method : {"local_energy", "mpnn", "qpnn", "qpnn_ms"}
        ``"local_energy"`` is ours; the others are the paper's.
    seed : int
        Of the points, the network and the batches.
    noise : float
        Relative noise of the values of psi. Above 0 the method must be ``"local_energy"``, psi is
        known at ``samples`` points only, and ``steps`` are the members of a committee (see
        `potential_from_values`).
    progress : bool
        Show a bar.
    **options
        Any of `Settings`: ``samples``, ``steps``, ``strength`` (lambda), ``inputs``, ...

    Returns
    -------
    xarray.Dataset
        ``potential`` and ``local_energy`` on a grid (``x``, in three dimensions the plane z = 0),
        beside ``potential_exact`` and ``psi``; of several particles ``trap`` on a line. Scalars
        ``energy``, ``energy_stderr``, ``epsilon_wide`` ([-5, 5]^D), ``epsilon_core`` ([-1, 1]^D);
        ``loss``, ``energy_history``, ... against ``step``.

    Raises
    ------
    ValueError
        For unknown names, or options that do not fit.

    Examples
    --------
    >>> found = recover_potential("oscillator_2", samples=2000, steps=300, progress=False)
    >>> bool(abs(found.energy - 2.5) < 0.1)
    True
    """
    if noise < 0:
        raise ValueError(f"noise={noise}; expected 0 or more")
    if noise > 0:
        from qdens_nb.mpnn._noisy import NoisyRecovery

        if method != "local_energy":
            raise ValueError(f"method={method!r} takes no noise; use 'local_energy'")
        unknown = set(options) - {"samples", "steps"}
        if unknown:
            raise ValueError(f"unknown option {', '.join(unknown)}; with noise: samples, steps")
        recovery: Any = NoisyRecovery(system, noise=noise, seed=seed, **options)
    else:
        recovery = Recovery(system, method=method, seed=seed, **options)
    recovery.run(progress=progress)
    return recovery.result()


def _cosine(rates: Sequence[float], share: float) -> float:
    first, last = rates
    return last + (first - last) * (1 + np.cos(np.pi * min(share, 1.0))) / 2


def _with_options(settings: Settings, options: dict[str, Any]) -> Settings:
    unknown = set(options) - set(Settings.__dataclass_fields__)
    if unknown:
        allowed = ", ".join(Settings.__dataclass_fields__)
        raise ValueError(f"unknown option {', '.join(sorted(unknown))}; expected some of {allowed}")
    for name in ("widths", "inputs", "learning_rate"):
        if name in options and not isinstance(options[name], str):
            value = options[name]
            options[name] = tuple(value) if isinstance(value, Sequence) else (value, value)
    chosen = replace(settings, **options)
    if isinstance(chosen.inputs, str):
        chosen = replace(chosen, inputs=(chosen.inputs,))
    if chosen.points not in ("uniform", "metropolis", "mixed"):
        raise ValueError(f"points={chosen.points!r}; expected uniform, metropolis or mixed")
    for name in ("samples", "steps"):
        if getattr(chosen, name) < 1:
            raise ValueError(f"{name}={getattr(chosen, name)}; expected at least 1")
    if chosen.strength < 0:
        raise ValueError(f"strength={chosen.strength}; expected 0 or more")
    return chosen
