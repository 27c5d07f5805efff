r"""Configurations distributed as :math:`|ψ(s)|^2`: the full sum, Metropolis chains, direct draws.

A sampler answers ``draw(ansatz, samples) -> Draw``. Metropolis chains persist between calls, so
that a slowly changing ψ needs no new burn-in; many short chains are cheaper to run side by side
than few long ones, and their spread is what the split R-hat of `_diagnostics` looks at.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from qdens_nb.nqs._ansatz import Ansatz
from qdens_nb.nqs._hamiltonian import Hamiltonian
from qdens_nb.nqs._local_energy import local_energy
from qdens_nb.solvers._random import stream

if TYPE_CHECKING:
    from qdens_nb.nqs._symmetry import SymmetryGroup


class Draw(NamedTuple):
    """Configurations, (chains x length, N) with the draws of a chain next to each other.

    `weights` sum to 1; `energies` are the local energies; `acceptance` is nan where nothing is
    proposed.
    """

    configs: np.ndarray
    weights: np.ndarray
    energies: np.ndarray
    chains: int
    acceptance: float

    @property
    def series(self) -> np.ndarray:
        """(chains, length) local energies."""
        return self.energies.reshape(self.chains, -1)


class FullSum:
    """All configurations with their exact weights: no sampling noise, small systems only.

    Parameters
    ----------
    hamiltonian : Hamiltonian
        Gives the basis.
    symmetry : SymmetryGroup, optional
        A symmetry of Hamiltonian *and* network: one configuration of each orbit is kept, with
        the orbit's size as its weight. The sums are the same, over up to |G| times fewer.
    """

    exact = True

    def __init__(self, hamiltonian: Hamiltonian, symmetry: SymmetryGroup | None = None) -> None:
        self.hamiltonian = hamiltonian
        self.configs = hamiltonian.basis()
        self.sizes = np.ones(len(self.configs))
        if symmetry is not None:
            found = orbits(hamiltonian, symmetry)
            _, chosen, sizes = np.unique(found, return_index=True, return_counts=True)
            self.configs, self.sizes = self.configs[chosen], sizes.astype(float)

    def draw(self, ansatz: Ansatz, samples: int = 0) -> Draw:
        """All configurations; `samples` is not used."""
        logs = 2 * ansatz.log_psi(self.configs).real
        weights = self.sizes * np.exp(logs - logs.max())
        energies = local_energy(self.hamiltonian, ansatz, self.configs)
        return Draw(self.configs, weights / weights.sum(), energies, len(weights), np.nan)


def orbits(hamiltonian: Hamiltonian, symmetry: SymmetryGroup) -> np.ndarray:
    """(D,) number of the orbit of each configuration of the basis, not consecutive."""
    configs = hamiltonian.basis()
    powers = len(hamiltonian.local_values) ** np.arange(hamiltonian.sites)
    least = np.full(len(configs), np.iinfo(np.int64).max)
    for permutation, flip in zip(symmetry.permutations, symmetry.flips, strict=True):
        image = configs[:, permutation] * (-1 if flip else 1)
        np.minimum(least, hamiltonian.digits(image) @ powers, out=least)
    return least


class Direct:
    """Independent samples of an autoregressive network.

    Parameters
    ----------
    hamiltonian : Hamiltonian
    seed : int
    """

    exact = False

    def __init__(self, hamiltonian: Hamiltonian, *, seed: int = 0) -> None:
        self.hamiltonian = hamiltonian
        self.rng = np.random.default_rng(seed)

    def draw(self, ansatz: Any, samples: int) -> Draw:
        """Independent samples.

        Raises
        ------
        ValueError
            The network answers other local values, or another total, than the Hamiltonian has.
        """
        for name in ("local_values", "total"):
            wanted, given = getattr(self.hamiltonian, name), getattr(ansatz, name, None)
            if wanted is not None and given is not None and given != wanted:
                raise ValueError(f"the network has {name}={given}, the Hamiltonian {wanted}")
        if self.hamiltonian.total is not None and getattr(ansatz, "total", None) is None:
            raise ValueError(
                f"the Hamiltonian is restricted to total={self.hamiltonian.total}; give the "
                "network the same total"
            )
        configs = ansatz.sample(samples, self.rng)
        energies = local_energy(self.hamiltonian, ansatz, configs)
        return Draw(configs, np.full(samples, 1 / samples), energies, samples, np.nan)

    def state(self) -> dict[str, np.ndarray]:
        """What a checkpoint keeps."""
        return {"rng": _rng_state(self.rng)}

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """Continue from a checkpoint."""
        _set_rng_state(self.rng, state["rng"])


class Metropolis:
    """Persistent Metropolis chains.

    Parameters
    ----------
    hamiltonian : Hamiltonian
        Says which moves there are.
    chains : int
        Number of chains.
    sweeps : int
        Sweeps of N proposals between two draws of a chain.
    moves : {"auto", "flip", "exchange"}
        Change one site, or move a step from one site to another; "auto" exchanges where the
        Hamiltonian conserves the total.
    seed : int
        Seed of the chains.
    burn_in : int
        Sweeps before the first draw.
    power : float
        p in (0, 1]: the chains sample the broader :math:`|ψ|^{2p}`, and the draws carry the
        weights :math:`|ψ|^{2-2p}`, normalised to sum 1. For states with nodes, see `_broadened`.

    Raises
    ------
    ValueError
        Unknown moves, flips under a conserved total, a sector of a single configuration, a power
        outside (0, 1].
    """

    exact = False

    def __init__(
        self,
        hamiltonian: Hamiltonian,
        *,
        chains: int = 250,
        sweeps: int = 1,
        moves: str = "auto",
        seed: int = 0,
        burn_in: int = 20,
        power: float = 1.0,
    ) -> None:
        if not 0 < power <= 1:
            raise ValueError(f"power={power!r}; expected a number in (0, 1]")
        self.power = float(power)
        if moves not in ("auto", "flip", "exchange"):
            raise ValueError(f"moves={moves!r}; expected 'auto', 'flip' or 'exchange'")
        if moves == "flip" and hamiltonian.total is not None:
            raise ValueError("flips do not conserve the total; take moves='exchange'")
        if chains < 1 or sweeps < 1:
            raise ValueError(f"chains={chains}, sweeps={sweeps}: expected at least 1")
        self.hamiltonian, self.chains, self.sweeps, self.burn_in = (
            hamiltonian,
            chains,
            sweeps,
            burn_in,
        )
        self.exchange = moves == "exchange" or (moves == "auto" and hamiltonian.total is not None)
        values, sites = hamiltonian.local_values, hamiltonian.sites
        if hamiltonian.total in (sites * values[0], sites * values[-1]):
            raise ValueError("this total has a single configuration: nothing to sample")
        children = np.random.SeedSequence(seed).spawn(chains + 1)
        self.streams = np.stack([stream(child) for child in children[1:]])
        self.rng = np.random.default_rng(children[0])
        self.configs = hamiltonian.random_configs(chains, self.rng)
        self.fresh = True

    def draw(self, ansatz: Ansatz, samples: int) -> Draw:
        """`samples` configurations, rounded up to a multiple of the chains."""
        length = -(-samples // self.chains)
        mover = _mover(self, ansatz)
        if self.fresh:
            mover.sweep(self.burn_in)
            self.fresh = False
        kept = np.empty((self.chains, length, self.hamiltonian.sites), np.int8)
        accepted = 0
        for place in range(length):
            accepted += mover.sweep(self.sweeps)
            kept[:, place] = mover.configs
        self.configs = mover.configs
        proposals = self.sweeps * self.hamiltonian.sites * self.chains * length
        configs = kept.reshape(-1, self.hamiltonian.sites)
        energies = mover.energies(configs)
        weights = np.full(len(configs), 1 / len(configs))
        if self.power != 1:
            weights = normalised((2 - 2 * self.power) * ansatz.log_psi(configs).real)
        return Draw(configs, weights, energies, self.chains, accepted / proposals)

    def state(self) -> dict[str, np.ndarray]:
        """What a checkpoint keeps."""
        return {
            "configs": self.configs.copy(),
            "streams": self.streams.copy(),
            "rng": _rng_state(self.rng),
            "fresh": np.array(self.fresh),
        }

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """Continue from a checkpoint."""
        self.configs, self.streams = state["configs"].copy(), state["streams"].copy()
        _set_rng_state(self.rng, state["rng"])
        self.fresh = bool(state.get("fresh", False))


Sampler = FullSum | Direct | Metropolis


class _NetworkMover:
    """Moves chains of any network: every proposal of a sweep is one batch of all chains."""

    def __init__(self, sampler: Metropolis, ansatz: Ansatz) -> None:
        self.sampler, self.ansatz = sampler, ansatz
        self.configs = sampler.configs.copy()
        self.logs = ansatz.log_psi(self.configs).real

    def sweep(self, sweeps: int) -> int:
        accepted = 0
        rng = self.sampler.rng
        for _ in range(sweeps * self.sampler.hamiltonian.sites):
            proposed, possible = self._propose(rng)
            logs = self.ansatz.log_psi(proposed).real
            chance = np.exp(np.minimum(2 * self.sampler.power * (logs - self.logs), 0.0))
            taken = possible & (rng.random(len(logs)) < chance)
            self.configs[taken] = proposed[taken]
            self.logs[taken] = logs[taken]
            accepted += int(taken.sum())
        return accepted

    def energies(self, configs: np.ndarray) -> np.ndarray:
        return local_energy(self.sampler.hamiltonian, self.ansatz, configs)

    def _propose(self, rng: np.random.Generator) -> tuple[np.ndarray, Any]:
        model = self.sampler.hamiltonian
        lowest, highest = model.local_values[0], model.local_values[-1]
        configs = self.configs.copy()
        each = np.arange(len(configs))
        first = rng.integers(0, model.sites, len(configs))
        up = np.where(rng.random(len(configs)) < 0.5, 1, -1)
        if self.sampler.exchange:
            second = rng.integers(0, model.sites, len(configs))
            if len(model.local_values) == 2:
                # A uniform pair of unlike sites: the largest of random keys of either kind.
                keys = rng.random(configs.shape)
                first = np.argmax(keys * (configs == lowest), 1)
                second = np.argmax(keys * (configs == highest), 1)
                up = np.ones_like(up)
            configs[each, second] -= (up * model.step).astype(np.int8)
        elif len(model.local_values) == 2:
            up = np.where(configs[each, first] == lowest, 1, -1)
        configs[each, first] += (up * model.step).astype(np.int8)
        possible = np.all((configs >= lowest) & (configs <= highest), axis=1)
        configs[~possible] = self.configs[~possible]
        return configs, possible


class _LookUpMover:
    """Moves the chains of a restricted Boltzmann machine in compiled code."""

    def __init__(self, sampler: Metropolis, machine: Any) -> None:
        from qdens_nb.nqs._rbm_engine import LookUp

        self.sampler = sampler
        self.table = LookUp(machine, sampler.hamiltonian, sampler.configs.copy())
        self.configs = self.table.configs

    def sweep(self, sweeps: int) -> int:
        sampler = self.sampler
        return self.table.sweep(sampler.streams, sampler.exchange, sweeps, sampler.power)

    def energies(self, configs: np.ndarray) -> np.ndarray:
        self.table.renew(configs)
        return self.table.local_energies()


def normalised(logs: np.ndarray) -> np.ndarray:
    """Weights of sum 1 from their logarithms."""
    weights = np.exp(logs - logs.max())
    return weights / weights.sum()


def _mover(sampler: Metropolis, ansatz: Ansatz) -> _NetworkMover | _LookUpMover:
    from qdens_nb.nqs._rbm_engine import supports

    if supports(ansatz, sampler.hamiltonian):
        return _LookUpMover(sampler, ansatz)
    return _NetworkMover(sampler, ansatz)


def make_sampler(
    sampler: str | Sampler, hamiltonian: Hamiltonian, ansatz: Ansatz, samples: int, seed: int
) -> Sampler:
    """The sampler of a name: "auto", "full", "metropolis" or "direct"."""
    if not isinstance(sampler, str):
        return sampler
    if sampler == "auto":
        sampler = "direct" if ansatz.samples_directly else "metropolis"
    if sampler == "full":
        return FullSum(hamiltonian)
    if sampler == "direct":
        if not ansatz.samples_directly:
            raise ValueError(
                f"{type(ansatz).__name__} has no direct sampling; take 'metropolis' or 'full'"
            )
        return Direct(hamiltonian, seed=seed)
    if sampler == "metropolis":
        return Metropolis(hamiltonian, chains=max(1, samples // 4), seed=seed)
    raise ValueError(
        f"sampler={sampler!r}; expected 'auto', 'full', 'metropolis', 'direct' or a sampler"
    )


def _rng_state(rng: np.random.Generator) -> np.ndarray:
    inner: Any = rng.bit_generator.state
    parts = [inner["state"]["state"], inner["state"]["inc"]]
    words = [(value >> (32 * k)) & 0xFFFFFFFF for value in parts for k in range(4)]
    return np.array([*words, inner["has_uint32"], inner["uinteger"]], np.uint64)


def _set_rng_state(rng: np.random.Generator, words: np.ndarray) -> None:
    numbers = [int(word) for word in words]
    state: Any = rng.bit_generator.state
    state["state"] = {
        "state": sum(w << (32 * k) for k, w in enumerate(numbers[:4])),
        "inc": sum(w << (32 * k) for k, w in enumerate(numbers[4:8])),
    }
    state["has_uint32"], state["uinteger"] = numbers[8], numbers[9]
    rng.bit_generator.state = state
