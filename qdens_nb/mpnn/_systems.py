r"""The systems of the tutorial: eigenstates whose potential is known.

| name | Psi | V | E |
|---|---|---|---|
| oscillator_n | H_n(x) exp(-x^2/2) | x^2/2 | n + 1/2 |
| oscillator_2d, oscillator_3d | exp(-r^2/2) | r^2/2 | 1, 3/2 |
| hydrogen_1s | exp(-r) | -1/r | -1/2 |
| hydrogen_2s | (1 - r/2) exp(-r/2) | -1/r | -1/8 |
| hydrogen_2p | x exp(-r/2) | -1/r | -1/8 |
| poschl_teller | cosh(x)^-l, l = 2 | -l(l+1)/2 sech(x)^2 | -l^2/2 |
| morse | ground state of D (1 - exp(-a x))^2 | ... - V(0) | a sqrt(D/2) - a^2/8 |
| double_well | from a grid | (x^2 - 4)^2 / 8 | |
| hooke_2d, hooke_3d | (1 + w r12) exp(-w R/2), w = 1, 1/2 | w^2 R/2 + 1/r12 | 3, 2 |

with R = r1^2 + r2^2 for Hooke's atom, two interacting electrons (singlet) in a harmonic trap, of
which two exact states are known: M. Taut, Phys. Rev. A 48, 3561 (1993) and J. Phys. A 27, 1045
(1994). Energies in Hartree, lengths in Bohr radii.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from qdens_nb.mpnn._wavefunctions import Field, WaveFunction


def wave_function(name: str) -> WaveFunction:
    """The eigenstate of a name of the table above.

    Parameters
    ----------
    name : str
        E.g. ``"hydrogen_1s"``; ``"oscillator_2"`` is the state n = 2 of the oscillator on a line.

    Raises
    ------
    ValueError
        For a name that is not in the table.

    Examples
    --------
    >>> wave_function("oscillator_2").energy
    2.5
    """
    if found := re.fullmatch(r"oscillator_(\d{1,2})", name):
        return oscillator(int(found.group(1)))
    if name in SYSTEMS:
        return SYSTEMS[name]()
    allowed = ", ".join(["oscillator_0", "oscillator_1, ...", *SYSTEMS])
    raise ValueError(f"system {name!r} is not known; one of: {allowed}")


def oscillator(quanta: int | Sequence[int]) -> WaveFunction:
    """State of the isotropic oscillator in as many dimensions as quantum numbers are given.

    Parameters
    ----------
    quanta : int or sequence of int
        Quantum number n >= 0 for each axis.
    """
    numbers = (quanta,) if isinstance(quanta, int) else tuple(quanta)
    if not numbers or any(n < 0 for n in numbers):
        raise ValueError(f"quanta={quanta!r}; expected integers >= 0, one for each dimension")

    def psi(r: Tensor) -> Tensor:
        value = torch.exp(-r.square().sum(-1) / 2) / math.pi ** (len(numbers) / 4)
        for axis, n in enumerate(numbers):
            value = value * _hermite(n, r[..., axis])
        return value

    dims = len(numbers)
    label = f"oscillator_{numbers[0]}" if dims == 1 else f"oscillator_{dims}d"
    return WaveFunction(
        label,
        dims,
        psi,
        pin=tuple(0.5 * (n % 2) for n in numbers),  # odd states have a node at 0
        potential=lambda r: r.square().sum(-1) / 2,
        energy=sum(numbers) + dims / 2,
        spread=math.sqrt(max(numbers) + 0.5),
        hamiltonian="-1/2 laplace + r^2/2",
    )


def _hermite(n: int, x: Tensor) -> Tensor:
    """Hermite polynomial, scaled to unit norm under exp(-x^2) so that high n stay finite."""
    before, now = torch.zeros_like(x), torch.ones_like(x)
    for k in range(n):
        before, now = now, math.sqrt(2 / (k + 1)) * x * now - math.sqrt(k / (k + 1)) * before
    return now


def _hydrogen(name: str, psi: Callable[[Tensor, Tensor], Tensor], level: int) -> WaveFunction:
    def of_points(r: Tensor) -> Tensor:
        return psi(r, r.square().sum(-1).sqrt())

    return WaveFunction(
        name,
        3,
        of_points,
        pin=(1.0, 0.0, 0.0),
        potential=lambda r: -1 / r.square().sum(-1).sqrt(),
        energy=-0.5 / level**2,
        cusps=((0.0, 0.0, 0.0),),
        spread=1.5 * level**2,
        hamiltonian="-1/2 laplace - 1/r",
    )


def _poschl_teller(depth: int = 2) -> WaveFunction:
    return WaveFunction(
        "poschl_teller",
        1,
        lambda r: torch.cosh(r[..., 0]) ** -depth,
        pin=(0.0,),
        potential=lambda r: -depth * (depth + 1) / 2 / torch.cosh(r[..., 0]) ** 2,
        energy=-(depth**2) / 2,
        hamiltonian=f"-1/2 d^2/dx^2 - {depth * (depth + 1) // 2} sech(x)^2",
    )


def _morse(depth: float = 8.0, a: float = 0.25) -> WaveFunction:
    steep = math.sqrt(2 * depth) / a

    def psi(r: Tensor) -> Tensor:
        x = r[..., 0]
        return torch.exp(-steep * (torch.exp(-a * x) - 1) - (steep - 0.5) * a * x)

    return WaveFunction(
        "morse",
        1,
        psi,
        pin=(0.0,),
        potential=lambda r: depth * (1 - torch.exp(-a * r[..., 0])) ** 2,
        energy=a * math.sqrt(depth / 2) - a**2 / 8,
        hamiltonian=f"-1/2 d^2/dx^2 + {depth:g} (1 - exp(-{a:g} x))^2",
    )


def _double_well() -> WaveFunction:
    x = np.linspace(-7, 7, 2001)
    quartic = (x**2 - 4) ** 2 / 8
    from qdens_nb.mpnn._direct import grid_state

    energy, values = grid_state(x, quartic)
    return from_grid(
        x,
        values,
        name="double_well",
        pin=0.0,
        pinned=2.0,
        energy=energy,
        potential=lambda r: (r[..., 0].square() - 4).square() / 8,
    )


def from_grid(
    x: ArrayLike,
    values: ArrayLike,
    *,
    pin: float,
    pinned: float | None = None,
    potential: Field | None = None,
    energy: float | None = None,
    name: str = "grid",
) -> WaveFunction:
    """A wave function on a line that is known on a grid, as a quintic spline; zero outside.

    Parameters
    ----------
    x, values : (n,) array_like
        Increasing coordinates and real values of psi; n >= 6.
    pin : float
        Point at which the potential is known, inside the grid.
    pinned : float, optional
        The potential there, unless `potential` is given.
    potential, energy, name
        See `WaveFunction`.

    Raises
    ------
    ValueError
        For other shapes, NaN, coordinates that do not increase, or a pin outside.
    """
    from scipy.interpolate import PPoly, make_interp_spline

    places, heights = np.asarray(x, dtype=float), np.asarray(values, dtype=float)
    if places.ndim != 1 or heights.shape != places.shape or len(places) < 6:
        raise ValueError(
            f"x has shape {places.shape}, values {heights.shape}; expected (n,) twice, n >= 6"
        )
    if not (np.isfinite(places).all() and np.isfinite(heights).all()):
        raise ValueError("x or values hold NaN or infinite numbers")
    if not (np.diff(places) > 0).all():
        raise ValueError("x must increase")
    if not places[0] <= pin <= places[-1]:
        raise ValueError(f"pin={pin:g} is outside the grid [{places[0]:g}, {places[-1]:g}]")
    pieces = PPoly.from_spline(make_interp_spline(places, heights, k=5))
    knots = torch.from_numpy(np.ascontiguousarray(pieces.x))
    coefficients = torch.from_numpy(np.ascontiguousarray(pieces.c))

    def psi(r: Tensor) -> Tensor:
        where = r[..., 0]
        piece = torch.searchsorted(knots, where.detach().contiguous(), right=True) - 1
        piece = piece.clamp(0, coefficients.shape[1] - 1)
        inside, total = where - knots[piece], torch.zeros_like(where)
        for power in coefficients:
            total = total * inside + power[piece]
        return torch.where((where >= knots[0]) & (where <= knots[-1]), total, 0.0)

    return WaveFunction(
        name,
        1,
        psi,
        pin=(float(pin),),
        pinned=pinned,
        potential=potential,
        energy=energy,
        spread=float(np.sqrt(np.average(places**2, weights=heights**2))),
        hamiltonian="-1/2 d^2/dx^2 + V(x)",
    )


def _hooke(dims: int) -> WaveFunction:
    omega = {2: 1.0, 3: 0.5}[dims]

    def distance(r: Tensor) -> Tensor:
        return (r[..., :dims] - r[..., dims:]).square().sum(-1).sqrt()

    def psi(r: Tensor) -> Tensor:
        return (1 + omega * distance(r)) * torch.exp(-omega / 2 * r.square().sum(-1))

    # Electrons at opposite places: the potential of the pair is known there.
    first = (1.0,) + (0.0,) * (dims - 1)
    return WaveFunction(
        f"hooke_{dims}d",
        2 * dims,
        psi,
        pin=(*first, *(-c for c in first)),
        potential=lambda r: omega**2 / 2 * r.square().sum(-1) + 1 / distance(r),
        trap=lambda r: omega**2 / 2 * r.square().sum(-1),
        energy={2: 3.0, 3: 2.0}[dims],
        particles=2,
        interaction=lambda r: 1 / distance(r),
        spread=1 / math.sqrt(omega),
        hamiltonian=f"sum_i [-1/2 laplace_i + {omega**2 / 2:g} r_i^2] + 1/r12",
    )


SYSTEMS: dict[str, Callable[[], WaveFunction]] = {
    "oscillator_2d": lambda: oscillator((0, 0)),
    "oscillator_3d": lambda: oscillator((0, 0, 0)),
    "hydrogen_1s": lambda: _hydrogen(
        "hydrogen_1s", lambda r, d: torch.exp(-d) / math.sqrt(math.pi), 1
    ),
    "hydrogen_2s": lambda: _hydrogen(
        "hydrogen_2s", lambda r, d: (1 - d / 2) * torch.exp(-d / 2) / math.sqrt(8 * math.pi), 2
    ),
    "hydrogen_2p": lambda: _hydrogen(
        "hydrogen_2p", lambda r, d: r[..., 0] * torch.exp(-d / 2) / math.sqrt(32 * math.pi), 2
    ),
    "poschl_teller": _poschl_teller,
    "morse": _morse,
    "double_well": _double_well,
    "hooke_2d": lambda: _hooke(2),
    "hooke_3d": lambda: _hooke(3),
}
