"""An optimisation that follows the controls: another coupling or rate takes effect as it runs."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import xarray as xr

from qdens_nb.nqs._ansatz import Ansatz
from qdens_nb.nqs._autoregressive import Autoregressive
from qdens_nb.nqs._cnn import CNN
from qdens_nb.nqs._exact import exact_ground_state, reference_energy
from qdens_nb.nqs._ground_state import ground_state
from qdens_nb.nqs._hamiltonian import Hamiltonian
from qdens_nb.nqs._jastrow import Jastrow
from qdens_nb.nqs._models import heisenberg, j1j2, transverse_ising
from qdens_nb.nqs._rbm import RBM
from qdens_nb.nqs._samplers import Direct, Draw, Metropolis
from qdens_nb.nqs._symmetry import translations
from qdens_nb.widgets._nqs_history import History

#: largest ring that is diagonalised for the exact line
ED_SITES = 16
MODELS: dict[str, Callable[[int, float], Hamiltonian]] = {
    "ising": lambda sites, coupling: transverse_ising(sites, h=coupling),
    "heisenberg": lambda sites, coupling: heisenberg(sites),
    "j1j2": lambda sites, coupling: j1j2(sites, J2=coupling),
}
OPTIMIZERS = {"sr": 0.05, "sgd": 0.05, "adam": 0.01}
_CHAINS = 16


@dataclass(frozen=True)
class Settings:
    """What the controls say; `coupling` is h/J or J2/J1."""

    model: str = "ising"
    coupling: float = 1.0
    sites: int = 20
    network: str = "rbm"
    alpha: int = 1
    complex_weights: bool = False
    optimizer: str = "sr"
    learning_rate: float = 0.05
    samples: int = 1000

    def keeps_the_weights(self, other: Settings) -> bool:
        """Whether the network and the chains of one go on with the other."""
        live = {"coupling": 0.0, "optimizer": "", "learning_rate": 0.0, "samples": 0}
        return replace(self, **live) == replace(other, **live)  # type: ignore[arg-type]


def make_network(settings: Settings) -> Ansatz:
    """The network that the settings describe, with its first weights.

    Raises
    ------
    ValueError
        An unknown network.
    """
    sites, alpha, phases = settings.sites, settings.alpha, settings.complex_weights
    if settings.network == "rbm":
        return RBM(sites, alpha, is_complex=phases)
    if settings.network == "symmetric":
        group = translations(sites)
        return RBM(sites, alpha, is_complex=phases, tied=group, biases=False)
    if settings.network == "jastrow":
        return Jastrow(sites)
    if settings.network == "cnn":
        return CNN(sites, channels=(4 * alpha, 4 * alpha), kernel=min(7, sites), is_complex=phases)
    if settings.network == "autoregressive":
        total = None if settings.model == "ising" else 0
        return Autoregressive(sites, channels=8 * alpha, total=total, is_complex=phases)
    raise ValueError(
        f"network={settings.network!r}; expected 'rbm', 'symmetric', 'jastrow', 'cnn' or "
        "'autoregressive'"
    )


@lru_cache(maxsize=256)
def exact_energy(model: str, sites: int, coupling: float) -> float | None:
    """Energy in closed form, by exact diagonalisation up to 16 sites, else None."""
    hamiltonian = MODELS[model](sites, coupling)
    known = reference_energy(hamiltonian.name, hamiltonian.shape, hamiltonian.couplings)
    if known is None and sites <= ED_SITES:
        known = float(exact_ground_state(hamiltonian)[0])
    return known


class _Again(Exception):
    """Another optimiser is to go on from here."""


class Optimisation:
    """A network on its way to a ground state.

    Parameters
    ----------
    settings : Settings

    Attributes
    ----------
    wanted : Settings
        Coupling, optimiser, rate and number of samples are looked up at each step: replace them
        at any time by settings that keep the weights.
    ansatz : Ansatz
    history : History
    """

    exact = False

    def __init__(self, settings: Settings) -> None:
        self.wanted = self.settings = settings
        self.ansatz = make_network(settings)
        self.history = History(settings.sites)
        self.reference: float | None = None
        self.hamiltonian = MODELS[settings.model](settings.sites, settings.coupling)
        chains = max(4, settings.samples // _CHAINS)
        if self.ansatz.samples_directly:
            self.sampler: Any = Direct(self.hamiltonian, seed=0)
        else:
            self.sampler = Metropolis(self.hamiltonian, chains=chains, seed=0)
        self._busy = threading.Lock()
        self._since = 0

    def draw(self, ansatz: Ansatz, samples: int) -> Draw:
        """Samples of the Hamiltonian that is wanted now (the optimisation is its own sampler)."""
        self._follow()
        return self.sampler.draw(ansatz, self.settings.samples)

    def run(self, steps: int, report: Callable[[], None] | None = None) -> None:
        """Go on for so many steps; `report` is called after each, what it raises ends the run.

        Waits for a run in another thread to end.
        """
        with self._busy:
            goal = len(self.history) + steps
            while len(self.history) < goal:
                self._follow()
                before = self.history.rows["seconds"][-1] if len(self.history) else 0.0
                using = self.settings.optimizer

                def done(
                    step: int, row: dict[str, float], ansatz: Ansatz,
                    before: float = before, using: str = using,
                ) -> bool:  # fmt: skip
                    row = row | {"seconds": before + row["seconds"]}
                    self.history.add(row, self.reference)
                    if report is not None:
                        report()
                    if self.wanted.optimizer != using or len(self.history) >= goal:
                        raise _Again
                    return False

                try:
                    ground_state(
                        self.hamiltonian,
                        self.ansatz,
                        steps=steps,
                        samples=self.settings.samples,
                        sampler=self,  # type: ignore[arg-type]
                        optimizer=using,
                        learning_rate=lambda step: self.wanted.learning_rate,
                        diagonal_shift=self._shift,
                        momentum=0.9 if using == "sr" else 0.0,
                        callback=done,
                        progress=False,
                    )
                except _Again:
                    continue

    def samples(self, count: int) -> np.ndarray:
        """Some configurations of the present state, (count, N)."""
        if isinstance(self.sampler, Direct):
            return self.ansatz.sample(count, np.random.default_rng(0))
        return self.sampler.configs[:count]

    def dataset(self) -> xr.Dataset:
        """The history, see `History.dataset`."""
        data = self.history.dataset()
        return data.assign_attrs(parameters=self.ansatz.parameter_count)

    def _follow(self) -> None:
        wanted = self.wanted
        if wanted.coupling != self.settings.coupling:
            self.hamiltonian = MODELS[wanted.model](wanted.sites, wanted.coupling)
            self.sampler.hamiltonian = self.hamiltonian
            self._since = len(self.history)
            self.reference = None
        self.settings = wanted
        if self.reference is None:
            self.reference = exact_energy(wanted.model, wanted.sites, wanted.coupling)

    def _shift(self, step: int) -> float:
        return max(1e-3, 1e-2 * 0.99 ** (len(self.history) - self._since))


def compute(settings: Settings, steps: int) -> xr.Dataset:
    """Optimise a network for so many steps: what the live app does, at once.

    Returns
    -------
    Dataset
        See `History.dataset`.
    """
    run = Optimisation(settings)
    run.run(steps)
    return run.dataset()


def weights_of(ansatz: Ansatz) -> tuple[np.ndarray, str, str]:
    """A matrix of weights to look at, what its columns are, and what its rows are."""
    if isinstance(ansatz, RBM):
        weights = ansatz.weights.detach().numpy()
        return (weights[..., 0] if ansatz.is_complex else weights), "site", "hidden unit"
    if isinstance(ansatz, Jastrow):
        matrix = np.zeros((ansatz.sites, ansatz.sites))
        pairs = np.triu_indices(ansatz.sites, 1)
        matrix[pairs] = ansatz.v.detach().numpy()
        return matrix + matrix.T, "site", "site"
    first = next(value for name, value in ansatz.named_parameters() if name == "filters.0")
    flat = first.detach().numpy()
    return flat.reshape(len(flat), -1), "place under the filter", "channel"
