"""What Hamiltonian learning looks for, as numbers between 0 and 1 and as physics."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import torch

from qdens_nb.inverse._border import check_number, check_range
from qdens_nb.inverse._descent import logit
from qdens_nb.inverse._families import Family
from qdens_nb.inverse._local_inversion import Guess

_TRIES = 8
_FIT_STEPS = 200


class Couplings(NamedTuple):
    """U, V, or the ranges (low, high) in which they are learnt, in t.

    Whatever the range of V, 4V/U stays below `highest_ratio`.
    """

    U: float | tuple[float, float]
    V: float | tuple[float, float]
    highest_ratio: float


def check_couplings(U: Any, V: Any, ranges: Any) -> Couplings:
    """Numbers and ranges; None stands for the trained range."""
    hopping, repulsion = ranges["4t/U"], ranges["4V/U"]
    if U is None:
        U = (4.0 / hopping[1], 4.0 / hopping[0])
    U = check_number("U", U, 0.0, above=True) if np.ndim(U) == 0 else check_range("U", U, 1e-6)
    least, most = (U, U) if isinstance(U, float) else U
    highest = float(repulsion[1])
    if V is None:
        V = (repulsion[0] * most / 4.0, highest * most / 4.0)
    V = check_number("V", V, 0.0) if np.ndim(V) == 0 else check_range("V", V, 0.0)
    if isinstance(V, tuple) and 4.0 * V[0] >= highest * least:
        raise ValueError(
            f"V={V} with U={U}: 4V/U starts above the {highest:g} that the network was trained on"
        )
    return Couplings(U, V, highest)


class State(NamedTuple):
    """U, V (B,), (mu - v)/U (B, X, Y); all free numbers (B, p) from 0 to 1 and in their units."""

    U: torch.Tensor
    V: torch.Tensor
    local: torch.Tensor
    unit: torch.Tensor
    free: torch.Tensor


class Unknowns:
    """Free numbers in (0, 1), and for a full map one for each site.

    Attributes
    ----------
    names : free numbers: those of U and V that are not given, then the family's
    """

    def __init__(self, couplings: Couplings, family: Family, bounds: tuple[float, float]) -> None:
        self.couplings, self.family, self.bounds = couplings, family, bounds
        learnt = [n for n in ("U", "V") if isinstance(getattr(couplings, n), tuple)]
        self.names = [*learnt, *family.ranges]
        if not self.names and family.local is not None:
            raise ValueError("U, V and all of the potential are given; there is nothing to learn")

    def couple(self, unit: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """U and V (B,) from the numbers (B, p)."""
        U, V, highest = self.couplings
        if isinstance(U, tuple):
            low, high = U
            U = low * torch.exp(unit[:, self.names.index("U")] * math.log(high / low))
        else:
            U = torch.full(unit.shape[:1], U, dtype=unit.dtype)
        if isinstance(V, tuple):
            top = (highest * U / 4.0).clamp(max=V[1])
            V = V[0] + unit[:, self.names.index("V")] * (top - V[0])
        else:
            V = torch.full(unit.shape[:1], V, dtype=unit.dtype)
        return U, V

    def state(self, points: list[torch.Tensor]) -> State:
        """Physics of the points: logits of the free numbers (B, p)[, and of the map]."""
        unit = points[0].sigmoid()
        U, V = self.couple(unit)
        values = {}
        for name, (low, high) in self.family.ranges.items():
            values[name] = low + (high - low) * unit[:, self.names.index(name)]
        if self.family.local is None:
            low, high = self.bounds
            local = low + (high - low) * points[1].sigmoid()
        else:
            wide = {name: value[:, None, None] for name, value in values.items()}
            local = self.family.local(wide, U[:, None, None])
        values |= {"U": U, "V": V}
        free = [values[name] for name in self.names]
        return State(U, V, local, unit, torch.stack(free, 1) if free else unit)

    def draw(self, rows: int, rng: np.random.Generator) -> torch.Tensor:
        """Free numbers (rows, p) spread evenly, each in the range of its own (Latin hypercube)."""
        cells = [rng.permutation(rows) for _ in self.names]
        unit = np.array([(c + rng.uniform(size=rows)) / rows for c in cells]).reshape(-1, rows).T
        return torch.as_tensor(np.ascontiguousarray(unit))

    def begin(
        self, unit: torch.Tensor, guess: Guess, density: np.ndarray, rng: np.random.Generator
    ) -> list[torch.Tensor]:
        """Points at the couplings of `unit` with the potential fitted to the local inversion."""
        if self.family.local is None:
            low, high = self.bounds
            return [logit(unit), logit((guess.local - low) / (high - low))]
        tries = unit.repeat_interleave(_TRIES, 0)
        own = len(self.names) - len(self.family.ranges)
        if not self.family.ranges:
            return [logit(unit)]
        for i in range(own, len(self.names)):
            cells = rng.permutation(_TRIES * len(unit)) + rng.uniform(size=_TRIES * len(unit))
            tries[:, i] = torch.as_tensor(cells / (_TRIES * len(unit)))
        couplings, shape = logit(tries[:, :own]), logit(tries[:, own:]).requires_grad_()
        local, weight = (
            part.repeat_interleave(_TRIES, 0) for part in (guess.local, 1 / (guess.variance + 0.01))
        )
        empty = torch.as_tensor(density < 0.02)
        optimiser = torch.optim.Adam([shape], lr=0.1)
        for _ in range(_FIT_STEPS):
            excess = self.state([torch.cat([couplings, shape], 1)]).local - local
            excess = torch.where(empty, excess.clamp(min=0.0), excess)
            misfit = (weight * excess**2).mean((1, 2))
            (shape.grad,) = torch.autograd.grad(misfit.sum(), [shape])
            optimiser.step()
        pick = misfit.detach().view(-1, _TRIES).argmin(1) + _TRIES * torch.arange(len(unit))
        return [torch.cat([couplings, shape.detach()], 1)[pick]]
