r"""Samples that reach the nodes of ψ: |ψ|² mixed with the places one step of H away from it.

Where :math:`ψ(s) = 0` but :math:`∂_kψ(s) ≠ 0`, the products :math:`|ψ|^2O^†O = |∂ψ|^2` and
:math:`|ψ|^2O^†E_{loc} = ∂ψ^*\,(Hψ)` of S and F are finite, yet samples of :math:`|ψ|^2` never come
there: both are biased, for any number of samples, and a state can stand still that should move
(A. Sinibaldi, C. Giuliani, G. Carleo, F. Vicentini, Quantum 7, 1131, 2023). Close to a node they
come there rarely and the estimates have heavy tails. Two remedies, both by importance weights:

- `Metropolis(power=p)` samples :math:`|ψ|^{2p}`, p < 1: small amplitudes become likelier. The
  effective sample size falls exponentially with the number of sites, and exact zeros stay out of
  reach.
- `Broadened` samples
  :math:`q ∝ (1-ε)|ψ(s)|^2 + ε\sum_{s'}|ψ(s')|^2T(s'→s)`, with T a random connection of H.
  :math:`Hψ ≠ 0` only where q > 0, so the force F is complete; weights :math:`|ψ|^2/q` are at most
  1/(1-ε), whatever the size of the system.

What stays biased: weights normalised by their own sum, of the order 1/samples; with `Broadened`
the part of S from nodes that H does not connect to the rest (F is zero there); with both a ψ that
is zero exactly in floating point, where log ψ does not exist.
"""

from __future__ import annotations

import numpy as np

from qdens_nb.nqs._ansatz import Ansatz
from qdens_nb.nqs._hamiltonian import Hamiltonian
from qdens_nb.nqs._local_energy import local_energy
from qdens_nb.nqs._samplers import (
    Direct,
    Draw,
    Metropolis,
    _rng_state,
    _set_rng_state,
    normalised,
)


class Broadened:
    """Draws of another sampler, a share of them moved along a random connection of H.

    Parameters
    ----------
    sampler : Metropolis or Direct
        Samples :math:`|ψ|^2` (power 1).
    share : float
        Share ε of the draws that are moved, in (0, 1).
    seed : int
        Seed of the moves.

    Raises
    ------
    ValueError
        A share outside (0, 1), or a sampler of a power other than 1.
    """

    exact = False

    def __init__(self, sampler: Metropolis | Direct, *, share: float = 0.2, seed: int = 0) -> None:
        if not 0 < share < 1:
            raise ValueError(f"share={share!r}; expected a number in (0, 1)")
        if getattr(sampler, "power", 1.0) != 1:
            raise ValueError("the sampler draws from a power of ψ already; give one of power 1")
        self.sampler, self.share = sampler, share
        self.rng = np.random.default_rng(seed)

    @property
    def hamiltonian(self) -> Hamiltonian:
        """The Hamiltonian of the sampler."""
        return self.sampler.hamiltonian

    @hamiltonian.setter
    def hamiltonian(self, value: Hamiltonian) -> None:
        self.sampler.hamiltonian = value

    def draw(self, ansatz: Ansatz, samples: int) -> Draw:
        """`samples` configurations with their weights."""
        drawn = self.sampler.draw(ansatz, samples)
        configs = drawn.configs.copy()
        _, index, connected, _ = self.hamiltonian.rows(configs)
        degree = np.bincount(index, minlength=len(configs))
        moved = np.flatnonzero((self.rng.random(len(configs)) < self.share) & (degree > 0))
        begin = np.cumsum(degree) - degree
        configs[moved] = connected[begin[moved] + self.rng.integers(0, degree[moved])]
        weights = normalised(-self._log_ratio(ansatz, configs))
        energies = local_energy(self.hamiltonian, ansatz, configs)
        return Draw(configs, weights, energies, drawn.chains, drawn.acceptance)

    def state(self) -> dict[str, np.ndarray]:
        """What a checkpoint keeps."""
        return self.sampler.state() | {"moves": _rng_state(self.rng)}

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """Continue from a checkpoint."""
        self.sampler.restore(state)
        _set_rng_state(self.rng, state["moves"])

    def _log_ratio(self, ansatz: Ansatz, configs: np.ndarray) -> np.ndarray:
        """log q/|ψ|² of configurations, up to a constant."""
        rows = self.hamiltonian.rows(configs)
        index, connected = np.asarray(rows[1]), rows[2]
        back = np.asarray(self.hamiltonian.rows(connected)[1])
        degree = np.bincount(back, minlength=len(connected))
        here = 2 * ansatz.log_psi(configs).real
        there = 2 * ansatz.log_psi(connected).real
        # Both sums relative to the largest amplitude around a configuration.
        largest = here.copy()
        np.maximum.at(largest, index, there)
        own = np.exp(here - largest)
        around = np.bincount(index, np.exp(there - largest[index]) / degree, minlength=len(configs))
        alone = np.bincount(index, minlength=len(configs)) == 0
        mixed = (1 - self.share * ~alone) * own + self.share * around
        return np.log(mixed) + largest - here
