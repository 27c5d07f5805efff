"""A potential on its way out of a wave function: what the app trains, and what it looks at."""

from __future__ import annotations

import importlib
import importlib.util
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, NamedTuple

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from qdens_nb.mpnn._judged import Judged
from qdens_nb.mpnn._network import PotentialNet
from qdens_nb.mpnn._recovery import METHODS, Recovery
from qdens_nb.mpnn._sampling import WIDE, uniform
from qdens_nb.mpnn._systems import SYSTEMS, wave_function
from qdens_nb.mpnn._wavefunctions import WaveFunction

#: the name of the oscillator on a line whose state n is another control
LINE_OSCILLATOR = "oscillator"
#: points of the line and of a side of the plane: even, so that none is at a nucleus
POINTS, SIDE = 200, 40
#: systems without a recovery from noisy values: nodes in space, or two electrons
NO_NOISE = ("hydrogen_2s", "hydrogen_2p", "hooke_2d", "hooke_3d")
#: seconds from report to report, points of the errors while it trains
_CHUNK, _JUDGED = 0.1, 2000
#: steps of a recovery from noisy values, until it says so itself
_MEMBERS = 5
_CURVES = ("epsilon_wide", "epsilon_core")


@dataclass(frozen=True)
class Choice:
    """What the controls say; `strength` is lambda, `noise` the relative noise of psi.

    Raises
    ------
    ValueError
        An unknown system or method, or noise where it has no meaning.
    """

    system: str = "hydrogen_1s"
    n: int = 2
    method: str = "mpnn"
    samples: int = 5000
    strength: float = 1e-3
    noise: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.system not in (LINE_OSCILLATOR, *SYSTEMS):
            allowed = ", ".join((LINE_OSCILLATOR, *SYSTEMS))
            raise ValueError(f"system={self.system!r}; expected one of {allowed}")
        if self.method not in METHODS:
            raise ValueError(f"method={self.method!r}; expected one of {', '.join(METHODS)}")
        if self.noise > 0 and self.method != "local_energy":
            raise ValueError(f"method={self.method!r} takes no noise; use 'local_energy'")

    @property
    def name(self) -> str:
        """The name of the wave function."""
        return f"oscillator_{self.n}" if self.system == LINE_OSCILLATOR else self.system


def noisy_recovery() -> Callable[..., Judged] | None:
    """The class that recovers a potential from noisy values, None if this package has none."""
    if importlib.util.find_spec("qdens_nb.mpnn._noisy") is None:
        return None
    return getattr(importlib.import_module("qdens_nb.mpnn._noisy"), "NoisyRecovery", None)


def trainer(choice: Choice) -> Judged:
    """The training that the controls describe; drawing its points takes a moment.

    Raises
    ------
    ValueError
        Noise is wanted and there is nothing that takes it.
    """
    if choice.noise > 0:
        noisy = noisy_recovery()
        if noisy is None:
            raise ValueError(
                f"noise={choice.noise}; this package has no recovery from noisy values"
            )
        return noisy(choice.name, noise=choice.noise, seed=choice.seed, samples=choice.samples)
    return Recovery(_wave(choice.name), method=choice.method, seed=choice.seed, **_options(choice))


class Scene(NamedTuple):
    """Where the app looks, and the truth there.

    `points` (of all coordinates) and `places` (of one particle) run along the x axis; of two
    electrons the other one is at the opposite place. `plane` holds places in the plane z = 0.
    """

    wave: WaveFunction
    x: np.ndarray
    points: Tensor
    places: Tensor
    kinetic: Tensor
    exact: np.ndarray
    density: np.ndarray
    plane: Tensor | None
    plane_exact: np.ndarray | None


@lru_cache(maxsize=32)
def scene(name: str) -> Scene:
    """The scene of a system."""
    wave = _wave(name)
    body = wave.dims // wave.particles
    exact = wave.trap if wave.particles > 1 else wave.potential
    assert exact is not None
    x = np.linspace(-WIDE, WIDE, POINTS)
    places = torch.zeros(POINTS, body, dtype=torch.float64)
    places[:, 0] = torch.from_numpy(x)
    points = torch.cat([places, -places], dim=1) if wave.particles == 2 else places
    plane, plane_exact = None, None
    if body > 1:
        ticks = torch.linspace(-WIDE, WIDE, SIDE, dtype=torch.float64)
        plane = torch.zeros(SIDE * SIDE, body, dtype=torch.float64)
        plane[:, :2] = torch.cartesian_prod(ticks, ticks)
        plane_exact = exact(plane).reshape(SIDE, SIDE).numpy()
    return Scene(
        wave, x, points, places, wave.kinetic(points), exact(places).numpy(),
        wave.psi(points).square().numpy(), plane, plane_exact,
    )  # fmt: skip


class Training:
    """One choice of the controls: untrained at first, then a `Judged` training and its views.

    Parameters
    ----------
    choice : Choice

    Attributes
    ----------
    trainer : Judged or None
        None until the first step.
    """

    def __init__(self, choice: Choice) -> None:
        self.choice, self.scene = choice, scene(choice.name)
        self.trainer: Judged | None = None
        self._busy = threading.Lock()
        self._weight: dict[str, float] = {}

    @property
    def steps(self) -> int:
        """Steps after which the training is done."""
        if self.trainer is None:
            return _MEMBERS if self.choice.noise > 0 else METHODS[self.choice.method].steps
        return self.trainer.settings.steps

    @property
    def step(self) -> int:
        """Steps done."""
        return 0 if self.trainer is None else self.trainer.step_number

    def run(self, steps: int | None = None, report: Callable[[], None] | None = None) -> None:
        """Train on, by default to the end; `report` is called some ten times a second.

        What `report` raises ends the run between two steps. Waits for a run in another thread.
        """
        with self._busy:
            if self.trainer is None:
                made = trainer(self.choice)
                self._weight = weight(made, self.scene.wave, self.choice)
                self.trainer = made
                if report is not None:
                    report()
            left, chunk = (self.steps - self.step if steps is None else steps), 1
            while left > 0:
                begun = time.perf_counter()
                chunk = min(chunk, left)
                self.trainer.run(chunk, progress=False)
                left -= chunk
                if report is not None:
                    report()
                    each = (time.perf_counter() - begun) / chunk
                    chunk = max(1, min(200, 2 * chunk, int(_CHUNK / each)))
                else:
                    chunk = 200

    def view(self) -> xr.Dataset:
        """What is known now.

        Returns
        -------
        Dataset
            ``found``, ``exact``, ``density`` (|psi|^2), ``local_energy`` along ``x``;
            ``plane_found``, ``plane_exact`` (px, py) where there is a plane; ``loss``,
            ``epsilon_wide_history``, ``epsilon_core_history`` along ``step``; scalars ``energy``,
            ``energy_stderr``, ``energy_exact``, ``epsilon_wide``, ``epsilon_core``,
            ``trap_error`` and ``seconds``, NaN where unknown. Hartree and Bohr.
        """
        at, made, choice = self.scene, self.trainer, self.choice
        wave, nothing = at.wave, float("nan")
        with torch.no_grad():
            if made is not None:
                body: Callable[[Tensor], Tensor] = (
                    made.trap if wave.particles > 1 else made.potential
                )
                local = made.local_energy(at.points)
            else:
                net = untrained(choice)
                flat = partial(_flat, wave.pinned_value)
                body = flat if net is None else _body(net)
                local = at.kinetic + (flat if net is None else net)(at.points)
            found = body(at.places)
            plane = None if at.plane is None else body(at.plane).reshape(SIDE, SIDE).numpy()
        data = xr.Dataset(
            {
                "found": ("x", found.double().numpy()),
                "exact": ("x", at.exact),
                "density": ("x", at.density),
                "local_energy": ("x", local.double().numpy()),
            },
            coords={"x": at.x},
        )
        if plane is not None:
            ticks = np.linspace(-WIDE, WIDE, SIDE)
            data = data.assign_coords(px=ticks, py=ticks)
            data["plane_found"] = (("px", "py"), plane.astype(float))
            data["plane_exact"] = (("px", "py"), at.plane_exact)
        history = {"step": [], "loss": []} if made is None else made.history
        data = data.assign_coords(step=("step", np.asarray(history["step"], int)))
        data["loss"] = ("step", np.asarray(history["loss"], float))
        for name in _CURVES:
            data[f"{name}_history"] = ("step", np.asarray(history.get(name, []), float))
        energy, stderr = (nothing, nothing) if made is None else made.energy(_JUDGED)
        errors = {} if made is None else made.errors(_JUDGED)
        data["energy"], data["energy_stderr"] = energy, stderr
        data["energy_exact"] = nothing if wave.energy is None else wave.energy
        for name in _CURVES:
            data[name] = errors.get(name, nothing)
        two = made is not None and wave.particles > 1
        data["trap_error"] = made.trap_error(_JUDGED) if made is not None and two else nothing
        data["seconds"] = 0.0 if made is None else made.seconds
        settings = {
            name: getattr(choice, name) for name in ("method", "samples", "strength", "noise")
        }
        return data.assign_attrs(
            settings, system=choice.name, dims=wave.dims, particles=wave.particles, pin=wave.pin,
            pinned=wave.pinned_value, hamiltonian=wave.hamiltonian, step=self.step,
            steps=self.steps, **self._weight,
        )  # fmt: skip


def samples_of(name: str, method: str, noise: float) -> int:
    """Samples that a training begins with: as many as its method wants."""
    if noise == 0:
        return METHODS[method].samples
    return 250 if _wave(name).dims == 1 else 10_000


def untrained(choice: Choice) -> PotentialNet | None:
    """The network that `Recovery` begins with, without its points; None with noise."""
    if choice.noise > 0:
        return None
    wave, settings = _wave(choice.name), METHODS[choice.method]
    return PotentialNet(
        wave,
        widths=settings.widths,
        activation=settings.activation,
        inputs=settings.inputs if wave.cusps else ("coordinates",),
        delta=settings.delta,
        hard_pin=settings.hard_pin,
        seed=choice.seed,
    )


def weight(made: Judged, wave: WaveFunction, choice: Choice) -> dict[str, float]:
    """The ball that holds 99 % of the weight that a loss gives to errors of E(r).

    Returns
    -------
    dict
        ``radius`` (Bohr) about the origin and ``share``, its share of the box [-5, 5]^D. Empty for
        a loss that asks everywhere in the box.
    """
    if choice.method not in ("qpnn_ms", "mpnn") or choice.noise > 0:
        return {}
    points = made.walk.points
    distance, order = torch.linalg.vector_norm(points, dim=1).sort()
    if choice.method == "mpnn":
        weights = wave.psi(points).square()[order]
    else:
        weights = torch.ones(len(points), dtype=torch.float64)
    total = weights.cumsum(0)
    radius = float(distance[torch.searchsorted(total, 0.99 * total[-1])])
    box = uniform(wave.dims, 20_000, WIDE, torch.Generator().manual_seed(0))
    inside = torch.linalg.vector_norm(box, dim=1) < radius
    return {"radius": radius, "share": float(inside.double().mean())}


def compute(choice: Choice, steps: int) -> xr.Dataset:
    """Train for so many steps: what the app does, at once; see `Training.view`."""
    training = Training(choice)
    training.run(steps)
    return training.view()


@lru_cache(maxsize=32)
def _wave(name: str) -> WaveFunction:
    return wave_function(name)


def _options(choice: Choice) -> dict[str, Any]:
    options: dict[str, Any] = {"samples": choice.samples}
    return options | ({"strength": choice.strength} if choice.method == "mpnn" else {})


def _body(net: PotentialNet) -> Callable[[Tensor], Tensor]:
    """The potential of one particle, as `Recovery.trap` has it."""
    if net.wave.particles == 1:
        return net
    shift = net.shift() / net.wave.particles if net.hard_pin else 0.0
    return lambda places: net.one_body(places) + shift


def _flat(height: float, points: Tensor) -> Tensor:
    return torch.full((len(points),), height, dtype=torch.float64)
