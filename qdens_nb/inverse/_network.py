"""What the inverse problems need of a predictor: maps with a gradient."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch


class Network(NamedTuple):
    """A predictor at given temperature and n_max."""

    predictor: Any
    T: float
    n_max: int

    @property
    def name(self) -> str:
        """Name for the record."""
        return str(getattr(self.predictor, "name", type(self.predictor).__name__))

    def check(self, maps: Sequence[str] = ("density",)) -> None:
        """Raise ``TypeError`` unless there is a differentiable answer for all `maps`."""
        needed = "torch_density" if tuple(maps) == ("density",) else "torch_observables"
        if not hasattr(self.predictor, needed):
            raise TypeError(
                f"{type(self.predictor).__name__} has no {needed}(local, U, V, sector, T, n_max), "
                f"which the gradient of {', '.join(maps)} needs; take "
                "load_predictor('bose_hubbard_live')"
            )

    def density(
        self, local: torch.Tensor, U: torch.Tensor, V: torch.Tensor, sector: torch.Tensor
    ) -> torch.Tensor:
        """Density (B, X, Y) from (mu - v)/U (B, X, Y) and couplings (B,)."""
        return self.predictor.torch_density(local, U, V, sector, T=self.T, n_max=self.n_max)

    def maps(
        self,
        names: Sequence[str],
        local: torch.Tensor,
        U: torch.Tensor,
        V: torch.Tensor,
        sector: torch.Tensor,
    ) -> dict[str, torch.Tensor]:
        """The named maps, (B, X, Y) or, of bonds, (B, 2, X, Y)."""
        if tuple(names) == ("density",):
            return {"density": self.density(local, U, V, sector)}
        found = self.predictor.torch_observables(local, U, V, sector, T=self.T, n_max=self.n_max)
        return {name: found[name] for name in names}
