"""How a draw becomes a step of the parameters: stochastic reconfiguration, SGD, Adam."""

from __future__ import annotations

import numpy as np

from qdens_nb.nqs._ansatz import Ansatz
from qdens_nb.nqs._natural_gradient import METHODS, derivatives, natural_gradient
from qdens_nb.nqs._samplers import Draw
from qdens_nb.nqs._schedule import Schedule

#: largest step in the metric of the states (an angle in Hilbert space)
LONGEST = 0.1


class StochasticReconfiguration:
    """Natural gradient, see `_natural_gradient`; steps beyond an angle of 0.1 are shortened."""

    def __init__(self, method: str, momentum: float) -> None:
        self.method, self.momentum = method, momentum
        self.longest = LONGEST
        self.previous: np.ndarray | None = None

    def step(self, ansatz: Ansatz, draw: Draw, rate: float, shift: float) -> np.ndarray:
        """What is subtracted from the parameters."""
        system = derivatives(ansatz, draw.configs, draw.weights)
        found = natural_gradient(
            system,
            system.residuals(draw.energies, draw.weights),
            shift=shift,
            method=self.method,
            previous=self.previous,
            momentum=self.momentum,
        )
        self.previous = found
        length = rate * float(np.linalg.norm(system.apply(system.unpack(found))))
        return rate * min(1.0, self.longest / max(length, 1e-300)) * found

    def state(self) -> dict[str, np.ndarray]:
        """What a checkpoint keeps."""
        return {} if self.previous is None else {"previous": self.previous}

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """Continue from a checkpoint."""
        self.previous = state.get("previous")


def energy_gradient(ansatz: Ansatz, draw: Draw) -> np.ndarray:
    """(P,) gradient of the energy, 2 Re ⟨(O - ⟨O⟩)† E_loc⟩."""
    system = derivatives(ansatz, draw.configs, draw.weights)
    force = system.adjoint(system.residuals(draw.energies, draw.weights))
    return 2 * system.pack(force)


class SGD:
    """Gradient descent with a heavy ball."""

    def __init__(self, momentum: float) -> None:
        self.momentum = momentum
        self.velocity: np.ndarray | None = None

    def step(self, ansatz: Ansatz, draw: Draw, rate: float, shift: float) -> np.ndarray:
        """What is subtracted from the parameters."""
        gradient = energy_gradient(ansatz, draw)
        if self.velocity is not None:
            gradient = gradient + self.momentum * self.velocity
        self.velocity = gradient
        return rate * gradient

    def state(self) -> dict[str, np.ndarray]:
        """What a checkpoint keeps."""
        return {} if self.velocity is None else {"velocity": self.velocity}

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """Continue from a checkpoint."""
        self.velocity = state.get("velocity")


class Adam:
    """Adam (Kingma, Ba, 2015), betas 0.9 and 0.999."""

    def __init__(self) -> None:
        self.moments: np.ndarray | None = None
        self.count = 0

    def step(self, ansatz: Ansatz, draw: Draw, rate: float, shift: float) -> np.ndarray:
        """What is subtracted from the parameters."""
        gradient = energy_gradient(ansatz, draw)
        if self.moments is None:
            self.moments = np.zeros((2, len(gradient)))
        self.count += 1
        for moment, value, beta in zip(
            self.moments, (gradient, gradient**2), (0.9, 0.999), strict=True
        ):
            moment += (1 - beta) * (value - moment)
        first = self.moments[0] / (1 - 0.9**self.count)
        second = self.moments[1] / (1 - 0.999**self.count)
        return rate * first / (np.sqrt(second) + 1e-8)

    def state(self) -> dict[str, np.ndarray]:
        """What a checkpoint keeps."""
        return {} if self.moments is None else {"moments": self.moments, "count": self.count}  # type: ignore[dict-item]

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """Continue from a checkpoint."""
        if "moments" in state:
            self.moments, self.count = state["moments"].copy(), int(state["count"])


Optimizer = StochasticReconfiguration | SGD | Adam


def make_optimizer(name: str, ansatz: Ansatz, *, method: str, momentum: float) -> Optimizer:
    """The optimiser of a name: "sr", "sgd" or "adam"."""
    if method not in METHODS:
        raise ValueError(f"method={method!r}; expected one of {METHODS}")
    if not 0 <= momentum < 1:
        raise ValueError(f"momentum={momentum!r}; expected a number in [0, 1)")
    if name == "sr":
        return StochasticReconfiguration(method, momentum)
    if name == "sgd":
        return SGD(momentum)
    if name == "adam":
        return Adam()
    raise ValueError(f"optimizer={name!r}; expected 'sr', 'sgd' or 'adam'")


def default_rate(name: str, gentle: bool) -> Schedule:
    """Learning rate where none is given; `gentle` for a ψ with signs or phases."""
    if name == "sr":
        return (0.03, 0.01) if gentle else (0.1, 0.01)
    return 0.05 if name == "sgd" else 0.005


def default_shift(gentle: bool) -> Schedule:
    """Diagonal shift where none is given."""
    return (0.01, 0.003) if gentle else (0.01, 0.001)
