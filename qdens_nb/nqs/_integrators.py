r"""Steps of :math:`\dotθ = f(t, θ)`: Euler, Heun, Runge-Kutta, and Heun with error control.

`f(t, θ)` answers a `Rate`; the rate at the start of a step is given, as it was computed for the
observables there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

SMALLEST = 1e-7


class Rate(NamedTuple):
    """Rate of change and what measures lengths where it was taken."""

    vector: np.ndarray
    #: Fubini-Study distance that a small change of the parameters moves the state
    distance: Callable[[np.ndarray], float]


Flow = Callable[[float, np.ndarray], Rate]
Step = Callable[[Flow, float, np.ndarray, float, Rate], np.ndarray]


def euler(flow: Flow, t: float, theta: np.ndarray, dt: float, first: Rate) -> np.ndarray:
    """First order; one rate a step."""
    return theta + dt * first.vector


def heun(flow: Flow, t: float, theta: np.ndarray, dt: float, first: Rate) -> np.ndarray:
    """Second order; two rates a step."""
    second = flow(t + dt, theta + dt * first.vector)
    return theta + dt / 2 * (first.vector + second.vector)


def rk4(flow: Flow, t: float, theta: np.ndarray, dt: float, first: Rate) -> np.ndarray:
    """Fourth order; four rates a step."""
    second = flow(t + dt / 2, theta + dt / 2 * first.vector)
    third = flow(t + dt / 2, theta + dt / 2 * second.vector)
    fourth = flow(t + dt, theta + dt * third.vector)
    middle = 2 * (second.vector + third.vector)
    return theta + dt / 6 * (first.vector + middle + fourth.vector)


STEPS: dict[str, Step] = {"euler": euler, "heun": heun, "rk4": rk4}


class Adaptive:
    """Heun's method with a step that keeps the error of the state below `tolerance`.

    A step is done at once and in two halves. Their difference, as a distance of the two states in
    the metric S at the start of the step, is the error; the halves are kept (M. Schmitt, M. Heyl,
    PRL 125, 100503, 2020). Five rates a step.

    Parameters
    ----------
    tolerance : float
        Largest error of a step, as the square root of an infidelity.
    step : float
        First step; afterwards the last one that was tried.
    """

    def __init__(self, tolerance: float, step: float) -> None:
        self.tolerance, self.step = tolerance, step

    def state(self) -> dict[str, np.ndarray]:
        """What a checkpoint keeps."""
        return {"step": np.array(self.step)}

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """Continue from a checkpoint."""
        self.step = float(state["step"])

    def advance(
        self, flow: Flow, t: float, theta: np.ndarray, limit: float, first: Rate
    ) -> tuple[float, np.ndarray]:
        """One accepted step, at most to the time `limit`: the new time and parameters.

        Raises
        ------
        RuntimeError
            The step has become too short to get anywhere.
        """
        while True:
            dt = np.copysign(min(self.step, abs(limit - t)), limit - t)
            half = heun(flow, t, theta, dt / 2, first)
            halves = heun(flow, t + dt / 2, half, dt / 2, flow(t + dt / 2, half))
            error = first.distance(heun(flow, t, theta, dt, first) - halves)
            factor = 0.9 * (self.tolerance / max(error, 1e-300)) ** (1 / 3)
            proposed = abs(dt) * float(np.clip(factor, 0.2, 2.0))
            if error <= self.tolerance:
                # A step cut short by the limit says little against a longer one.
                self.step = proposed if abs(dt) == self.step else max(proposed, self.step)
                reached = abs(dt) == abs(limit - t)
                return (limit if reached else t + dt), halves
            self.step = proposed
            if self.step < SMALLEST:
                raise RuntimeError(
                    f"at t={t:.4g} the adaptive step fell below {SMALLEST:g}: the equations are "
                    "stiff or noisy; raise tolerance or cutoff, or take more samples"
                )
