"""Local functions of a density that say something about the potential which holds it.

Two electrons that share one orbital phi have n = 2 phi^2, and then
hbar^2/2m (laplacian phi)/phi = v + w - E with the repulsion w: v up to w and a constant.
"""

from __future__ import annotations

import functools
import math

import torch
from torch.nn import functional as F

from qdens_nb.solvers._dot_coulomb import COULOMB
from qdens_nb.solvers._dot_orbitals import HBAR2_2M

DENSITY_CHANNELS = 3
#: of the density, in units of its mean: below it nothing is seen
FLOOR = 1e-7


def density_channels(
    density: torch.Tensor, unit: float, mass: float, eps_r: float, size: float, step: float
) -> torch.Tensor:
    """Channels (B, 3, X, Y) of densities (B, X, Y) in 1/nm^2.

    The logarithm; the curvature of the orbital, as an energy in units of `step` (eV), clipped; and
    the electrostatic energy of one electron in the field of half the charge, likewise.
    """
    relative = (density / unit).clamp(min=FLOOR)
    decades = relative.log10() / math.log10(1 / FLOOR) + 0.5
    curvature = orbital_curvature(relative.sqrt()) * (density.shape[-1] / size) ** 2
    energy = (HBAR2_2M / mass / step) * curvature
    repulsion = (0.5 / step) * hartree(density, eps_r, size)
    return torch.stack([decades, energy.clamp(-1.0, 2.0), repulsion], 1)


def orbital_curvature(orbital: torch.Tensor) -> torch.Tensor:
    """Laplacian of a positive map over the map, in 1/(grid step)^2; zero at the walls."""
    wide = F.pad(orbital[:, None], (1, 1, 1, 1), mode="replicate")[:, 0]
    wide[:, [0, -1]] *= -1.0
    wide[:, :, [0, -1]] *= -1.0
    around = wide[:, :-2, 1:-1] + wide[:, 2:, 1:-1] + wide[:, 1:-1, :-2] + wide[:, 1:-1, 2:]
    return around / orbital - 4.0


def hartree(density: torch.Tensor, eps_r: float, size: float) -> torch.Tensor:
    """Electrostatic energy (eV) of one more electron in the field of the density (1/nm^2)."""
    points = density.shape[-1]
    kernel = _kernel(points).to(density.device)
    spectrum = torch.fft.rfft2(density, s=(2 * points, 2 * points)) * kernel
    field = torch.fft.irfft2(spectrum, s=(2 * points, 2 * points))[..., :points, :points]
    return field * (COULOMB / eps_r * size / points)


@functools.lru_cache(4)
def _kernel(points: int) -> torch.Tensor:
    """Transform of 1/distance on the doubled grid.

    The number at zero distance makes the sum over the grid right for smooth densities.
    """
    axis = torch.arange(2 * points)
    axis = torch.minimum(axis, 2 * points - axis).double()
    distance = torch.hypot(axis[:, None], axis[None])
    distance[0, 0] = 1.0 / 3.900265
    return torch.fft.rfft2(1.0 / distance).to(torch.complex64)
