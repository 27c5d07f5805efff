r"""Friedel oscillations: wavelength, decay exponent, and what Luttinger theory says.

In a box with hard walls at 0 and L + 1 the density of a Luttinger liquid is

.. math:: n_x = n_0 - (-1)^N A \cos(2k_F y) / \sin^K(\pi x/(L+1)), \quad y = x - (L+1)/2,

with :math:`k_F = \pi (N + 1/2 + \delta)/(L+1)`. Free fermions have :math:`K = 1`,
:math:`A = 1/2(L+1)`, :math:`\delta = 0`, exactly.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import brentq, least_squares

from qdens_nb import references


class FriedelFit(NamedTuple):
    """Friedel oscillation in a box.

    Attributes
    ----------
    mean_density : n_0, particles a site
    wavelength : pi / k_F in sites
    exponent : decay exponent K
    amplitude : A
    rms : root mean square residual of the sites fitted
    """

    mean_density: float
    wavelength: float
    exponent: float
    amplitude: float
    rms: float


def _box_model(parameters: np.ndarray, sites: int, particles: int) -> np.ndarray:
    mean, amplitude, shift, exponent = parameters
    x = np.arange(1, sites + 1)
    k = np.pi * (particles + 0.5 + shift) / (sites + 1)
    wave = (-1.0) ** particles * np.cos(2 * k * (x - (sites + 1) / 2))
    return mean - amplitude * wave / np.sin(np.pi * x / (sites + 1)) ** exponent


def friedel_fit(density: Any, particles: int, skip: int | None = None) -> FriedelFit:
    """Fit wavelength and decay exponent of the Friedel oscillation in a flat open chain.

    Parameters
    ----------
    density : (L,) array
        Ground state density of an open chain without potential.
    particles : int
        Number of particles N.
    skip : int, optional
        Sites left out at each wall, where the power law does not hold yet; by default L // 5.

    Returns
    -------
    FriedelFit

    Raises
    ------
    ValueError
        Not one-dimensional, too few sites, N out of range, or exactly half filling, where the
        wavelength is two sites and its envelope cannot be told from its beat.

    Examples
    --------
    Free fermions on 20 sites, whose exponent is exactly 1:

    >>> import numpy as np
    >>> modes = np.sin(np.pi * np.outer(np.arange(1, 21), np.arange(1, 9)) / 21)
    >>> fit = friedel_fit((2 / 21) * (modes**2).sum(1), particles=8)
    >>> round(fit.exponent, 6), round(fit.wavelength, 6) == round(21 / 8.5, 6)
    (1.0, True)
    """
    values = np.asarray(density, dtype=np.float64)
    if values.ndim != 1 or values.size < 8:
        raise ValueError(f"density has shape {values.shape}; give one of at least 8 sites")
    sites = values.size
    skip = sites // 5 if skip is None else skip
    if not 0 < particles < sites:
        raise ValueError(f"particles={particles} on {sites} sites; give 0 < particles < {sites}")
    if 2 * particles == sites:
        raise ValueError(
            f"{particles} particles on {sites} sites is half filling, where this fit is not "
            "defined; take one particle more or less"
        )
    if not 0 <= skip <= (sites - 6) // 2:
        raise ValueError(f"skip={skip}; give 0 to {(sites - 6) // 2}")
    inner = slice(skip, sites - skip)
    start = [particles / sites, 0.5 / (sites + 1), 0.0, 0.8]
    found = least_squares(
        lambda p: (_box_model(p, sites, particles) - values)[inner],
        start,
        x_scale=[0.1, 0.01, 0.1, 0.1],
        xtol=1e-14,
        ftol=1e-14,
        gtol=1e-14,
    )
    mean, amplitude, shift, exponent = found.x
    wavelength = (sites + 1) / (particles + 0.5 + shift)
    rms = float(np.sqrt(np.mean(found.fun**2)))
    return FriedelFit(float(mean), float(wavelength), float(exponent), float(amplitude), rms)


def friedel_wavelength(density: Any, shortest: float = 2.0) -> float:
    """Wavelength in sites of the strongest oscillation, by least squares over all wavelengths.

    At each wave number a constant, a parabola and a sine and cosine are fitted; the wave number
    of the smallest residual counts. It works from about two periods on.

    Parameters
    ----------
    density : (L,) array
        Density between two walls, for example inside a well.
    shortest : float
        Shortest wavelength tried; the longest is the length of the array.

    Raises
    ------
    ValueError
        Not one-dimensional, or fewer than 6 sites.

    Examples
    --------
    >>> import numpy as np
    >>> round(friedel_wavelength(0.4 + 0.1 * np.cos(2 * np.pi * np.arange(30) / 5)), 2)
    5.0
    """
    values = np.asarray(density, dtype=np.float64)
    if values.ndim != 1 or values.size < 6:
        raise ValueError(f"density has shape {values.shape}; give one of at least 6 sites")
    x = np.arange(values.size) - (values.size - 1) / 2
    background = np.stack([np.ones_like(x), x**2], 1)
    waves = 2 * np.pi * np.linspace(1 / values.size, 1 / shortest, 2000)
    residuals = np.empty(waves.size)
    for i, q in enumerate(waves):
        design = np.column_stack([background, np.cos(q * x), np.sin(q * x)])
        fit = design @ np.linalg.lstsq(design, values, rcond=1e-8)[0]
        residuals[i] = np.sum((values - fit) ** 2)
    return float(2 * np.pi / waves[residuals.argmin()])


_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(80)


def _bethe(V: float, cut: float) -> tuple[float, float]:
    """Density and squared dressed charge of the t-V chain for the Bethe root cut-off `cut`."""
    eta = np.arccos(V / 2)

    def kernel(n: int, difference: np.ndarray) -> np.ndarray:
        sines = np.sinh(eta * difference / 2) ** 2 + np.sin(n * eta / 2) ** 2
        return eta * np.sin(n * eta) / (4 * np.pi * sines)

    roots, weights = cut * _NODES, cut * _WEIGHTS
    matrix = np.eye(roots.size) + kernel(2, roots[:, None] - roots) * weights
    density = np.linalg.solve(matrix, kernel(1, roots))
    charge = np.linalg.solve(matrix, np.ones_like(roots))
    at_cut = 1 - (kernel(2, cut - roots) * weights) @ charge
    return float(weights @ density), float(at_cut**2)


def luttinger_parameter(V: float, filling: float = 0.5) -> float:
    r"""Luttinger parameter K of the t-V chain (J = 1), whose Friedel oscillations decay as x^-K.

    At half filling this is `references.luttinger_K`; elsewhere K is the squared dressed charge
    of the Bethe ansatz, solved as a linear integral equation.

    Parameters
    ----------
    V : float
        Interaction in units of J, 0 <= V <= 2.
    filling : float
        Particles a site, strictly between 0 and 1.

    Raises
    ------
    ValueError
        V or filling out of range.

    References
    ----------
    Korepin, Bogoliubov, Izergin, Quantum Inverse Scattering Method and Correlation Functions
    (1993); Giamarchi, Quantum Physics in One Dimension (2003).

    Examples
    --------
    >>> [round(luttinger_parameter(V), 6) for V in (0.0, 1.0, 2.0)]
    [1.0, 0.75, 0.5]
    >>> round(luttinger_parameter(1.0, 0.001), 2)    # dilute fermions are free
    1.0
    """
    if not 0 <= V <= 2:
        raise ValueError(
            f"V={V!r}; the chain is a Luttinger liquid at all fillings for 0 <= V <= 2"
        )
    if not 0 < filling < 1:
        raise ValueError(f"filling={filling!r}; give a number strictly between 0 and 1")
    filling = min(filling, 1 - filling)
    if V == 0:
        return 1.0
    if filling > 0.4995:
        return references.luttinger_K(V)
    V = min(V, 2 - 1e-8)
    cut = brentq(lambda log: _bethe(V, np.exp(log))[0] - filling, -12.0, 2.2)
    return _bethe(V, np.exp(cut))[1]
