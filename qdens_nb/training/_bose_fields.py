"""The Gutzwiller mean field in both checkerboard sectors, as channels on the torus."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

#: what the correction network sees of the mean field: of the wanted sector, and how the other
#: one differs (in density, and in grand potential: positive if the wanted one is the lower)
FIELDS = ("density", "variance", "order_parameter", "other_density", "advantage")
_WIDTH = 1.0


@dataclass(frozen=True)
class SectorFields:
    """Channels (B, 5, X, Y) and grand potentials (B,) of the even and of the odd sector."""

    values: tuple[Any, Any]
    grand_potential: tuple[Any, Any]


def torch_sector_fields(
    mu: torch.Tensor, U: torch.Tensor, V: torch.Tensor, T: torch.Tensor, n_max: int
) -> SectorFields:
    """Solve the mean field of mu - v (B, X, Y), started with the even and with the odd sites dense.

    Couplings have the shape (B,). All answers are differentiable by all couplings.
    """
    from qdens_nb.solvers._gutzwiller_torch import TorchFields, gutzwiller_torch

    graded = torch.is_grad_enabled()

    def solve(start: str) -> TorchFields:
        # Grad mode belongs to a thread.
        with torch.set_grad_enabled(graded):
            return gutzwiller_torch(mu, U, V, T, n_max, start=start, tolerance=1e-5)

    if V.detach().any():
        with ThreadPoolExecutor(2) as pool:
            found = list(pool.map(solve, ("even", "odd")))
    else:  # without V there is but one solution
        found = [solve("even")] * 2
    values = []
    for this, other in (found, found[::-1]):
        advantage = torch.tanh((other.grand_potential - this.grand_potential) / _WIDTH)
        values.append(
            torch.stack(
                [
                    this.density,
                    this.density_squared - this.density**2,
                    this.phi.abs(),
                    other.density - this.density,
                    advantage[:, None, None].expand_as(mu),
                ],
                1,
            )
        )
    even, odd = (one.grand_potential for one in found)
    return SectorFields((values[0], values[1]), (even, odd))


@torch.no_grad()
def sector_fields(
    mu: np.ndarray, U: np.ndarray, V: np.ndarray, T: np.ndarray, n_max: int
) -> SectorFields:
    """`torch_sector_fields` of arrays, as arrays."""
    given = [torch.from_numpy(np.array(a, dtype=np.float64)) for a in (mu, U, V, T)]
    found = torch_sector_fields(given[0], given[1], given[2], given[3], n_max)
    (a, b), (even, odd) = found.values, found.grand_potential
    return SectorFields((a.numpy(), b.numpy()), (even.numpy(), odd.numpy()))


def base_observables(fields: torch.Tensor) -> dict[str, torch.Tensor]:
    """Mean-field observables off the channels (B, 5, X, Y); bonds (B, 2, X, Y) are products."""
    density, variance, amplitude = fields[:, 0], fields[:, 1], fields[:, 2]

    def bonds(values: torch.Tensor) -> torch.Tensor:
        return torch.stack([values * values.roll(-1, -2), values * values.roll(-1, -1)], 1)

    return {
        "density": density,
        "density_squared": variance + density**2,
        "density_correlation": bonds(density),
        "coherence": bonds(amplitude),
    }
