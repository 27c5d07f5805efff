"""All Markov chains of one problem: choose a start, thermalise, measure in blocks, stop, tell."""

from __future__ import annotations

import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from qdens_nb.solvers._worm_chain import Chain
from qdens_nb.solvers._worm_starts import candidates, occupations
from qdens_nb.solvers._worm_statistics import (
    autocorrelation_time,
    density_error,
    grand_energy,
    observables,
    suspicions,
    undecided,
)
from qdens_nb.solvers._worm_symmetry import exact_symmetries, exchanges_sectors, proposed_maps

#: measured sweeps after which one of the starts is chosen
RACE = 1024


class Run:
    """The chains of one problem.

    With start="lowest" every candidate start gets chains; `rivals` holds those still in the race,
    all advanced alike, and `chains` are the first of them. The numbers of the winner are those of
    a run that starts from it alone.
    """

    def __init__(self, one: dict[str, Any], options: dict[str, Any], seed: tuple[int, int]) -> None:
        self.one, self.options = one, options
        start, chains = options["start"], options["chains"]
        maps = proposed_maps(one, options["symmetry_moves"], given=not isinstance(start, str))
        if isinstance(start, str) and start == "lowest":
            both = not exchanges_sectors(one, exact_symmetries(one))
            begins = [[occupation] * chains for occupation in candidates(one, both)]
        else:
            begins = [occupations(start, chains, one)]
        self.rivals = [
            [
                Chain(
                    one, np.random.SeedSequence(seed[0], spawn_key=(seed[1], i)), occupation, maps
                )
                for i, occupation in enumerate(begin)
            ]
            for begin in begins
        ]
        self.racing = list(range(len(begins)))
        self.doubts: list[str] = []
        self.thermal = 0
        self.seconds = [0.0, 0.0]

    @property
    def chains(self) -> list[Chain]:
        """The chains that the answer is made of."""
        return self.rivals[0]

    def _each(self, pool: ThreadPoolExecutor | None, work: Any) -> None:
        clock = time.process_time()
        every = [chain for chains in self.rivals for chain in chains]
        if pool is None:
            for chain in every:
                work(chain)
        else:
            list(pool.map(work, every))
        self.spent = time.process_time() - clock

    def finished(self) -> bool:
        """Whether the budget of sweeps is used or the wanted error reached."""
        measured = self.chains[0].measured
        if measured >= self.options["sweeps"]:
            return True
        wanted = self.options["density_error"]
        if len(self.rivals) > 1 or wanted is None or len(self.chains[0].bins) < 64:
            return False
        enough = measured >= 40 * autocorrelation_time(self.chains)
        return enough and density_error(self.chains) <= wanted

    def block(self, pool: ThreadPoolExecutor | None) -> int:
        """Advance all chains a little; returns the sweeps done.

        Block lengths depend on the number of sweeps done alone, never on the clock, so that a seed
        gives the same numbers on any machine.
        """
        warm = self.options["thermalisation"]
        if self.thermal < warm:
            self._each(pool, lambda chain: chain.thermalise(warm))
            self.thermal = warm
            self.seconds[0] += self.spent
            return warm
        measured = self.chains[0].measured
        step = min(max(128, min(measured // 8, 2048)), self.options["sweeps"] - measured)
        self._each(pool, lambda chain: chain.advance(step))
        self.seconds[1] += self.spent
        self._drop(last=measured + step >= RACE)
        return step

    def _drop(self, last: bool) -> None:
        """End the race of the starts that lie higher beyond their errors; at the `last`, of all."""
        if len(self.rivals) == 1:
            return
        mean, error = np.transpose([grand_energy(chains) for chains in self.rivals])
        best = int(mean.argmin())
        kept = np.flatnonzero(mean - mean[best] <= 4.0 * np.hypot(error, error[best]))
        if last:
            others = [self.rivals[k] for k in kept if k != best]
            self.doubts = undecided(self.rivals[best], others)
            kept = np.array([best])
        self.rivals = [self.rivals[k] for k in kept]
        self.racing = [self.racing[k] for k in kept]

    def state(self) -> dict[str, np.ndarray]:
        """Plain arrays for a checkpoint."""
        out = {
            "run": np.array([self.thermal, *self.seconds]),
            "racing": np.array(self.racing),
            "doubts": np.array(self.doubts, dtype=str),
        }
        for k, chains in zip(self.racing, self.rivals, strict=True):
            for i, chain in enumerate(chains):
                out |= {f"chain{k}.{i}/{name}": value for name, value in chain.state().items()}
        return out

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """Continue from a checkpoint."""
        self.thermal, self.seconds = int(state["run"][0]), [float(s) for s in state["run"][1:]]
        self.racing = [int(k) for k in state["racing"]]
        self.doubts = [str(text) for text in state["doubts"]]
        self.rivals = [self.rivals[k] for k in self.racing]
        for k, chains in zip(self.racing, self.rivals, strict=True):
            for i, chain in enumerate(chains):
                part = f"chain{k}.{i}/"
                chain.restore({n[len(part) :]: v for n, v in state.items() if n.startswith(part)})

    def result(self) -> dict[str, Any]:
        """Observables and diagnostics."""
        self._drop(last=True)
        out = observables(self.chains, self.one)
        doubts = self.doubts + suspicions(self.chains, self.one)
        if doubts:
            warnings.warn(
                "worm: perhaps not in equilibrium: " + "; ".join(doubts), RuntimeWarning, 4
            )
        if out["clipped"] > self.options["clip_warning"]:
            warnings.warn(
                f"worm: some site holds n_max={self.one['n_max']} bosons with probability "
                f"{out['clipped']:.2g}; a larger n_max would change the answer",
                RuntimeWarning,
                4,
            )
        out["thermalised"] = int(not doubts)
        out["autocorrelation_time"] = autocorrelation_time(self.chains)
        out["sweeps"] = sum(chain.measured for chain in self.chains)
        return out
