r"""Wave functions in torch, with their derivatives, and the potentials they belong to.

An eigenstate and its potential obey, in units with hbar = m = 1 (Hartree units for atoms),

.. math::  \left[-\tfrac12\nabla^2 + V(r)\right] \Psi(r) = E\,\Psi(r),

so that the *local kinetic energy* :math:`-\tfrac12 \nabla^2\Psi/\Psi` is minus the potential, up to
the constant E. Derivatives are exact: automatic differentiation of automatic differentiation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

Field = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class WaveFunction:
    """A real wave function of D coordinates; it need not be normalised.

    Parameters
    ----------
    name : str
        For titles and files.
    dims : int
        D, the number of coordinates of all particles together.
    psi : callable
        (..., D) float64 tensor -> (...,) values; made of differentiable torch operations.
    pin : tuple of float
        A point r0 at which the potential is taken as known (paper, below eq. (4)).
    potential : callable, optional
        The exact potential, (..., D) -> (...,); where it is not known, only `pinned` is.
    energy : float, optional
        The exact energy.
    pinned : float, optional
        V(r0), if `potential` is not given.
    cusps : tuple of points
        Points at which the potential may be singular, e.g. nuclei: places, not charges.
    particles : int
        Identical particles among which the coordinates are shared evenly.
    interaction : callable, optional
        The part of the potential that is known beforehand, e.g. the repulsion of two electrons.
    trap : callable, optional
        The exact potential of one of several particles, (..., d) -> (...,).
    spread : float
        Standard deviation of the points at which random walkers start.
    hamiltonian : str
        In words, for attributes.
    """

    name: str
    dims: int
    psi: Field
    pin: tuple[float, ...]
    potential: Field | None = None
    energy: float | None = None
    pinned: float | None = None
    cusps: tuple[tuple[float, ...], ...] = ()
    particles: int = 1
    interaction: Field | None = None
    trap: Field | None = None
    spread: float = 1.0
    hamiltonian: str = "-1/2 laplace + V(r), hbar = m = 1"

    def __post_init__(self) -> None:
        if len(self.pin) != self.dims:
            raise ValueError(f"pin has {len(self.pin)} coordinates; {self.name} has {self.dims}")
        if self.potential is None and self.pinned is None:
            raise ValueError("give the potential, or its value 'pinned' at the point 'pin'")

    @property
    def pinned_value(self) -> float:
        """V(r0)."""
        if self.pinned is not None:
            return self.pinned
        assert self.potential is not None
        return float(self.potential(torch.tensor(self.pin, dtype=torch.float64)))

    def log_density(self, points: Tensor) -> Tensor:
        """log |psi|^2 up to a constant, (..., D) -> (...,)."""
        return 2 * self.psi(points).abs().log()

    def derivatives(self, points: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Psi (B,), its gradient (B, D) and its Laplacian (B,) at points (B, D)."""
        points = check_points(points, self.dims)
        value, slope, bend = _derivatives(self.psi, points)
        return value, slope, bend.sum(-1)

    def kinetic(self, points: Tensor) -> Tensor:
        """Local kinetic energy, -1/2 laplace(psi) / psi, (B,) at points (B, D)."""
        value, _, laplacian = self.derivatives(points)
        return -0.5 * laplacian / value

    def kinetic_gradient(self, points: Tensor) -> Tensor:
        """Gradient of the local kinetic energy, (B, D) at points (B, D); third derivatives."""
        points = check_points(points, self.dims)
        with torch.enable_grad():
            leaf = points.detach().requires_grad_()
            return torch.autograd.grad(self.kinetic(leaf).sum(), leaf)[0].detach()


def check_points(points: Tensor, dims: int) -> Tensor:
    """Points as a float64 tensor (B, D), or an error that says what is wrong."""
    points = torch.as_tensor(points, dtype=torch.float64)
    if points.ndim != 2 or points.shape[1] != dims:
        raise ValueError(f"points have shape {tuple(points.shape)}; expected (B, {dims})")
    if not torch.isfinite(points).all():
        raise ValueError("points hold NaN or infinite coordinates")
    return points


def _derivatives(function: Field, points: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Values (B,), gradients (B, D) and second derivatives along each axis (B, D).

    They can be differentiated again where `points` require a gradient.
    """
    again = points.requires_grad
    with torch.enable_grad():
        leaf = points if again else points.detach().requires_grad_()
        value = function(leaf)
        slope = torch.autograd.grad(value.sum(), leaf, create_graph=True)[0]
        bends = [
            torch.autograd.grad(slope[:, axis].sum(), leaf, create_graph=again, retain_graph=True)[
                0
            ][:, axis]
            for axis in range(points.shape[1])
            if slope.requires_grad  # not for a linear function
        ]
    bend = torch.stack(bends, dim=-1) if bends else torch.zeros_like(points)
    return (value, slope, bend) if again else (value.detach(), slope.detach(), bend.detach())
