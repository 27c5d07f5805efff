r"""Closed-form results for the t-V chain, to check engines and networks against.

:math:`H = -J\sum_x(c^\dagger_{x+1}c_x + h.c.) + V\sum_x n_xn_{x+1}` with J = 1. A Jordan-Wigner
transformation and a rotation of every other spin turn it into the XXZ chain with exchange 2J and
anisotropy :math:`\Delta = V/2J = \cos\gamma`; at half filling it is gapless for
:math:`|V| \le 2J`.
"""

from __future__ import annotations

import numpy as np
from scipy.integrate import quad


def _gamma(V: float) -> float:
    if not -2.0 < V <= 2.0:
        raise ValueError(
            f"V={V!r}; the half-filled chain is a Luttinger liquid for -2 < V <= 2 (in J) only"
        )
    return float(np.arccos(V / 2))


def bethe_energy_density(V: float) -> float:
    """Ground state energy per site of the infinite half-filled chain, in J (Bethe ansatz).

    Parameters
    ----------
    V : float
        Interaction in units of J, -2 < V <= 2.

    Raises
    ------
    ValueError
        V outside the gapless region.

    Notes
    -----
    ``V/4 + cos(gamma)/2 - 2 sin(gamma) int_0^inf sinh((pi-gamma) x) / (sinh(pi x) cosh(gamma x))``
    (C. N. Yang, C. P. Yang, Phys. Rev. 150, 327, 1966), here with x = y / gamma.

    Examples
    --------
    >>> round(bethe_energy_density(1.0), 12), round(bethe_energy_density(2.0), 6)
    (-0.5, -0.386294)
    """
    gamma = _gamma(V)
    if V == 2.0:
        return float(1.0 - 2.0 * np.log(2.0))

    def integrand(y: float) -> float:
        if y == 0.0:
            return (np.pi - gamma) / np.pi
        ratio = np.expm1(-2 * (np.pi - gamma) * y / gamma) / np.expm1(-2 * np.pi * y / gamma)
        return 2 * np.exp(-2 * y) / (1 + np.exp(-2 * y)) * ratio

    integral = quad(integrand, 0.0, 30.0, epsabs=1e-13, epsrel=1e-13, limit=200)[0]
    return float(V / 2 - 2 * np.sin(gamma) / gamma * integral)


def luttinger_K(V: float) -> float:
    """Luttinger parameter at half filling, ``pi / (2 arccos(-V / 2J))``; -2 < V <= 2.

    Examples
    --------
    >>> [round(luttinger_K(V), 12) for V in (0.0, 1.0, 2.0)]
    [1.0, 0.75, 0.5]
    """
    return float(np.pi / (2 * (np.pi - _gamma(V))))


def luttinger_velocity(V: float) -> float:
    """Velocity of the excitations at half filling in J sites, ``pi sin(gamma) / gamma``.

    Examples
    --------
    >>> round(luttinger_velocity(0.0), 12), round(luttinger_velocity(2.0) / np.pi, 12)
    (2.0, 1.0)
    """
    return float(np.pi * np.sinc(_gamma(V) / np.pi))


def casimir_energy_density(V: float, L: int) -> float:
    """Energy per site of a half-filled ring of L sites to order 1/L^2, ``e0 - pi u / (6 L^2)``.

    Holds for odd N = L / 2 (closed shell) or, with any N, for half a flux quantum through the ring.
    At V = 2 corrections of relative size 1/ln^3 L remain.

    Raises
    ------
    ValueError
        An odd number of sites, V outside the gapless region.
    """
    if L < 2 or L % 2:
        raise ValueError(f"L={L!r}; half filling needs an even number of sites")
    return bethe_energy_density(V) - np.pi * luttinger_velocity(V) / (6 * L**2)


def integer_ground_energy(L: int, N: int) -> float:
    """Exact ground state energy -(L - N) J of odd rings at V = J (cond-mat/0012035).

    Raises
    ------
    ValueError
        L is not odd, or N is not the odd one of (L - 1) / 2 and (L + 1) / 2.

    Examples
    --------
    >>> integer_ground_energy(13, 7)
    -6.0
    """
    if L < 3 or L % 2 == 0 or N % 2 == 0 or abs(2 * N - L) != 1:
        raise ValueError(
            f"L={L!r}, N={N!r}; the energy is known for odd L and odd N = (L - 1)/2 or (L + 1)/2"
        )
    return -float(L - N)


def open_box_density(L: int, N: int) -> np.ndarray:
    """Density of N free fermions on an open chain of L sites without a potential, shape (L,).

    ``n_j = (N + 1/2) / (L + 1) - sin((2N + 1) pi j / (L + 1)) / (2 (L + 1) sin(pi j / (L + 1)))``
    with j = x + 1: the Friedel oscillations of two hard walls.

    Raises
    ------
    ValueError
        N outside 0..L.

    Examples
    --------
    >>> open_box_density(3, 1).round(12).tolist()
    [0.25, 0.5, 0.25]
    """
    if L < 1 or not 0 <= N <= L:
        raise ValueError(f"L={L!r}, N={N!r}; give 0 <= N <= L")
    angle = np.pi * np.arange(1, L + 1) / (L + 1)
    return (N + 0.5 - np.sin((2 * N + 1) * angle) / (2 * np.sin(angle))) / (L + 1)
