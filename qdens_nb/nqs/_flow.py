r"""The rate of change of a network's parameters at a time, from one draw of configurations."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from qdens_nb.nqs._ansatz import Ansatz, set_parameters
from qdens_nb.nqs._hamiltonian import Hamiltonian
from qdens_nb.nqs._integrators import Rate
from qdens_nb.nqs._natural_gradient import derivatives
from qdens_nb.nqs._observables import Observable, estimate, measure
from qdens_nb.nqs._projection import project
from qdens_nb.nqs._samplers import Draw


class VariationalFlow:
    """Rate of change of the parameters at a time, with the draw that it came from."""

    def __init__(
        self,
        model: Callable[[float], Hamiltonian],
        ansatz: Ansatz,
        sampler: Any,
        samples: int,
        imaginary: bool,
        solve: dict[str, Any],
    ) -> None:
        self.model, self.ansatz, self.sampler, self.samples = model, ansatz, sampler, samples
        self.factor = -1.0 if imaginary else -1.0j
        self.solve = solve

    def __call__(self, t: float, theta: np.ndarray) -> Rate:
        if not np.isfinite(theta).all():
            raise ValueError(
                f"at t={t:.4g} the parameters are not finite: take a shorter step, a larger "
                "cutoff or more samples"
            )
        set_parameters(self.ansatz, theta)
        self.sampler.hamiltonian = self.model(t)
        draw = self.sampler.draw(self.ansatz, self.samples)
        filtered = self.solve["regularisation"] == "snr" and not self.sampler.exact
        # The noise of "snr" needs the draws chain by chain; otherwise equal ones are one row.
        chains = draw.chains if draw.chains >= 8 else len(draw.weights)
        configs, weights, energies = draw[:3] if filtered else _merged(draw)
        with np.errstate(invalid="ignore", over="ignore"):
            system = derivatives(self.ansatz, configs, weights)
            target = system.residuals(self.factor * energies, weights)
        found = project(system, target, chains=chains if filtered else None, **self.solve)
        size = float(np.linalg.norm(target))
        self.draw, self.found = draw, found
        self.missed_speed = size * math.sqrt(np.nan_to_num(found.residual))

        def distance(change: np.ndarray) -> float:
            return float(np.linalg.norm(system.apply(system.unpack(change))))

        return Rate(found.rate, distance)

    def redraw(self, samples: int | None) -> None:
        """A larger draw for the observables at the last call."""
        if samples is not None and not self.sampler.exact:
            self.draw = self.sampler.draw(self.ansatz, samples)

    def row(self) -> dict[str, float]:
        """Energy and quality of the equations at the last call."""
        energy = estimate(self.draw.energies, self.draw, exact=self.sampler.exact)
        return {
            "energy": float(np.real(energy.mean)),
            "energy_stderr": energy.stderr,
            "variance": energy.variance,
            "residual": self.found.residual,
            "rank": self.found.rank,
            "condition": self.found.condition,
            "acceptance": self.draw.acceptance,
        }

    def observe(self, observables: Mapping[str, Observable]) -> dict[str, np.ndarray]:
        """Observables at the last call."""
        found = {}
        for name, observable in observables.items():
            exact = self.sampler.exact
            mean, stderr = measure(observable, self.ansatz, self.draw, exact=exact)
            found[name], found[f"{name}_stderr"] = mean, stderr
        return found


def _merged(draw: Draw) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Configurations, weights and local energies, with equal configurations merged."""
    _, first, place = np.unique(draw.configs, axis=0, return_index=True, return_inverse=True)
    if len(first) > 0.7 * len(draw.weights):
        return draw.configs, draw.weights, draw.energies
    weights = np.bincount(place.ravel(), draw.weights)
    return draw.configs[first], weights, draw.energies[first]
