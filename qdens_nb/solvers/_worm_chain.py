"""One Markov chain of the worm algorithm: its world lines, its bins, its state on disk."""

from __future__ import annotations

from typing import Any

import numpy as np

from qdens_nb.solvers import _worm_kernel as kernel
from qdens_nb.solvers._bose_common import checkerboard, neighbours
from qdens_nb.solvers._random import stream
from qdens_nb.solvers._worm_measure import row_length, run_sweeps
from qdens_nb.solvers._worm_symmetry import Maps, proposed_maps

MAX_BINS = 128
_ARRAYS = ("tau", "occ", "link", "count", "start", "worm", "length", "counters", "rng")


class Chain:
    """World lines of one problem, advanced in sweeps.

    A sweep is a fixed number of worms, tuned while thermalising so that the heads of one sweep
    travel about the whole space-time volume, sites / T.

    Parameters
    ----------
    one : dict
        A problem from `_bose_common.unpack`.
    seed : SeedSequence
        Random stream of the chain.
    occupation : (sites,) array
        Straight world lines to start from.
    maps : pair of arrays, optional
        Images and turns, from `_worm_symmetry`: one of these maps of all world lines is proposed
        after each measurement.
    """

    def __init__(
        self,
        one: dict[str, Any],
        seed: np.random.SeedSequence,
        occupation: np.ndarray,
        maps: Maps | None = None,
    ) -> None:
        shape = one["shape"]
        sites = int(np.prod(shape))
        self.sites, self.directions = sites, len(shape)
        self.beta = 1.0 / one["T"]
        self.fixed = (
            neighbours(shape),
            checkerboard(shape).ravel(),
            np.array(shape, dtype=np.float64),
            np.ascontiguousarray(one["mu"], dtype=np.float64).ravel(),
            np.ascontiguousarray(one["U"], dtype=np.float64).ravel(),
            float(one["V"]),
            self.beta,
            int(one["n_max"]),
        )
        self.maps = proposed_maps(one, False) if maps is None else maps
        room = 32
        self.tau = np.zeros((sites, room))
        self.occ = np.zeros((sites, room), dtype=np.int8)
        self.link = np.zeros((sites, room), dtype=np.int8)
        self.count = np.zeros(sites, dtype=np.int32)
        self.start = np.array(occupation, dtype=np.int8).ravel()
        self.worm = np.full(3, -1, dtype=np.int64)
        self.length = np.zeros(1)
        self.counters = np.zeros(6, dtype=np.int64)
        self.rng = stream(seed)
        self.row = np.zeros(row_length(sites, self.directions))
        self.worms = max(1, sites // 4)
        self.clear()

    def clear(self) -> None:
        """Forget all measurements."""
        self.bins: list[np.ndarray] = []
        self.squares = np.zeros_like(self.row)
        self.bin_size, self.in_bin, self.measured = 1, 0, 0
        self.total = np.zeros_like(self.row)

    def _run(self, sweeps: int, measuring: bool) -> None:
        done, pending = 0, self.worms
        while done < sweeps:
            more, pending = run_sweeps(
                sweeps - done, self.worms, pending, self.tau, self.occ, self.link, self.count,
                self.start, *self.fixed, self.worm, self.length, self.counters, self.rng, self.row,
                self.total, self.squares, measuring, *self.maps,
            )  # fmt: skip
            done += more
            if done < sweeps:
                self._grow()

    def _grow(self) -> None:
        sites, room = self.tau.shape
        for name in ("tau", "occ", "link"):
            old = getattr(self, name)
            new = np.zeros((sites, 2 * room), dtype=old.dtype)
            new[:, :room] = old
            setattr(self, name, new)

    def thermalise(self, sweeps: int) -> None:
        """Advance without measuring and tune the number of worms in a sweep."""
        rounds = 8
        for part in range(rounds):
            length, worms = self.length[0], self.counters[kernel.WORMS]
            self._run(max(1, sweeps // rounds), measuring=False)
            if part < rounds - 1:
                mean = (self.length[0] - length) / (self.counters[kernel.WORMS] - worms)
                wanted = self.sites * self.beta / max(mean, 1e-6)
                self.worms = int(np.clip(wanted, 1, 50 * self.sites))

    def advance(self, sweeps: int) -> None:
        """Advance and measure after each sweep."""
        done = 0
        while done < sweeps:
            step = min(sweeps - done, self.bin_size - self.in_bin)
            self._run(step, measuring=True)
            done += step
            self.in_bin += step
            self.measured += step
            if self.in_bin == self.bin_size:
                self.bins.append(self.total / self.bin_size)
                self.total[:] = 0.0
                self.in_bin = 0
                if len(self.bins) == MAX_BINS:
                    self.bins = [
                        0.5 * (a + b) for a, b in zip(self.bins[::2], self.bins[1::2], strict=True)
                    ]
                    self.bin_size *= 2

    def state(self) -> dict[str, np.ndarray]:
        """Everything that `restore` needs, as plain arrays."""
        out = {name: getattr(self, name) for name in _ARRAYS}
        out["bins"] = np.array(self.bins).reshape(len(self.bins), self.row.size)
        out["total"], out["squares"] = self.total, self.squares
        out["progress"] = np.array([self.bin_size, self.in_bin, self.measured, self.worms])
        return out

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """Continue from what `state` gave."""
        for name in (*_ARRAYS, "total", "squares"):
            setattr(self, name, np.array(state[name]))
        self.bins = list(np.array(state["bins"]))
        self.bin_size, self.in_bin, self.measured, self.worms = map(int, state["progress"])
