"""Test problems of the Bose-Hubbard torus of a kind that no network is trained on: traps, boxes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from qdens_nb import potentials
from qdens_nb.datasets._bose_recipe import BoseProblems, bose_shard

__all__ = ["BoseTrapRecipe", "bose_shard"]

_KINDS = ("harmonic", "box", "double_well")


@dataclass(frozen=True)
class BoseTrapRecipe(BoseProblems):
    """Harmonic traps, boxes and double wells in turn; couplings as in `BoseProblems`.

    Attributes
    ----------
    mu_over_U : range of the uniform mu/U in the centre of the trap or inside the box
    kinds : of ``"harmonic"``, ``"box"`` and ``"double_well"``; the samples of a shard take turns
    rim : range of the uniform fall of (mu - v)/U from the centre to the distance L/2 of a
        harmonic trap; the centre lies up to one site from the middle of the lattice
    outside : range of the uniform (mu - v)/U outside of boxes and double wells, which have sharp
        walls and any place; their sides are L/4 to 3L/4 and L/4 to 3L/8
    """

    sites: dict[int, int] = field(default_factory=lambda: {16: 12})
    mu_over_U: tuple[float, float] = (0.3, 3.0)
    kinds: tuple[str, ...] = _KINDS
    rim: tuple[float, float] = (1.0, 2.5)
    outside: tuple[float, float] = (-1.0, 0.0)
    samples_per_shard: int = 6

    def check(self) -> None:
        """Raise ``ValueError`` where the values make no problem that can be solved."""
        super().check()
        if not self.kinds or set(self.kinds) - set(_KINDS):
            raise ValueError(f"kinds: {self.kinds!r}; choose of {', '.join(_KINDS)}")
        if min(self.sites) < 8:
            raise ValueError(f"sites: {min(self.sites)}; traps need a side of at least 8")

    def draw_local_mu(
        self, sites: int, sample: int, mu0: float, rng: np.random.Generator
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """``(mu - v)/U`` on the sites (sites, sites), and what describes it."""
        kind = self.kinds[sample % len(self.kinds)]
        if kind == "harmonic":
            curvature = 2 * rng.uniform(*self.rim) / (sites / 2) ** 2
            centre = (sites - 1) / 2 + rng.uniform(-1, 1, 2)
            trap = potentials.harmonic_trap((sites, sites), curvature, centre=centre)
            return mu0 - trap.values, {"kind": kind}
        outside = rng.uniform(*self.outside)
        if kind == "box":
            width = tuple(map(int, rng.integers(sites // 4, 3 * sites // 4 + 1, 2)))
            wells = potentials.step_well((sites, sites), mu0 - outside, width).values
        else:
            wells = _two_wells(sites, mu0 - outside, rng)
        local = np.roll(outside - wells, rng.integers(sites, size=2), axis=(0, 1))
        return local, {"kind": kind}


def _two_wells(sites: int, depth: float, rng: np.random.Generator) -> np.ndarray:
    """Two square wells side by side along x or y, with a barrier that is lower than the walls."""
    width = int(rng.integers(sites // 4, 3 * sites // 8 + 1))
    separation = int(rng.integers(1, min(3, sites - 2 * width) + 1))
    barrier = -depth * rng.uniform()
    wells = potentials.double_well((sites, sites), depth, width, separation, barrier).values
    return wells if rng.random() < 0.5 else wells.T
