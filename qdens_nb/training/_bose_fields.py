"""The Gutzwiller mean field in both checkerboard sectors, as channels on the torus."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

#: what the correction network sees of the mean field: of the wanted sector, and how the other
#: one differs (in density, and in grand potential: positive if the wanted one is the lower)
FIELDS = ("density", "variance", "order_parameter", "other_density", "advantage")
_WIDTH = 1.0


@dataclass(frozen=True)
class SectorFields:
    """Channels (B, 5, X, Y) and grand potentials (B,) of the even and of the odd sector."""

    values: tuple[np.ndarray, np.ndarray]
    grand_potential: tuple[np.ndarray, np.ndarray]


def sector_fields(
    mu: np.ndarray, U: np.ndarray, V: np.ndarray, T: np.ndarray, n_max: int
) -> SectorFields:
    """Solve the mean field of mu - v (B, X, Y), started with the even and with the odd sites dense.

    Couplings have the shape (B,).
    """
    from qdens_nb.solvers._gutzwiller import gutzwiller_fields

    found = [
        gutzwiller_fields(mu, U, V, T, n_max, start=start, tolerance=1e-5, max_iterations=200)
        for start in ("even", "odd")
    ]
    values = []
    for this, other in (found, found[::-1]):
        advantage = np.tanh((other.grand_potential - this.grand_potential) / _WIDTH)
        values.append(
            np.stack(
                [
                    this.density,
                    this.density_squared - this.density**2,
                    np.abs(this.phi),
                    other.density - this.density,
                    np.broadcast_to(advantage[:, None, None], this.density.shape),
                ],
                1,
            )
        )
    even, odd = (one.grand_potential for one in found)
    return SectorFields((values[0], values[1]), (even, odd))


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
