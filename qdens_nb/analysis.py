r"""What is read off densities: Friedel oscillations, Luttinger exponents, sweeps, calibration.

In a box with hard walls at 0 and L + 1 the density of a Luttinger liquid is

.. math:: n_x = n_0 - (-1)^N A \cos(2k_F y) / \sin^K(\pi x/(L+1)), \quad y = x - (L+1)/2,

with :math:`k_F = \pi (N + 1/2 + \delta)/(L+1)`. Free fermions have :math:`K = 1`,
:math:`A = 1/2(L+1)`, :math:`\delta = 0`, exactly.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from scipy.optimize import brentq, least_squares

from qdens_nb import potentials, references
from qdens_nb.systems import fermion_chain

__all__ = [
    "FriedelFit",
    "compare",
    "friedel_fit",
    "friedel_wavelength",
    "luttinger_parameter",
    "nearest_distance",
    "reliability",
    "side_by_side",
    "well_sweep",
]

Solver = Callable[[xr.Dataset], xr.Dataset]


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


_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(160)


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
    cut = brentq(lambda log: _bethe(V, np.exp(log))[0] - filling, -12.0, 3.5)
    return _bethe(V, np.exp(cut))[1]


def side_by_side(problem: xr.Dataset, answers: Mapping[str, xr.Dataset]) -> xr.Dataset:
    """Join what several solvers answered to one problem (or batch) along a dim ``solver``.

    What a solver does not give is NaN. The attribute ``engines`` lists who answered.

    Raises
    ------
    ValueError
        No answer given.
    """
    if not answers:
        raise ValueError("nothing to compare; give a mapping of names to solvers or answers")
    given = set(problem.variables)
    out = problem.assign_coords(solver=list(answers))
    observables = dict.fromkeys(
        name for answer in answers.values() for name in answer.data_vars if name not in given
    )
    for name in observables:
        first = next(answer[name] for answer in answers.values() if name in answer)
        unknown = np.full(first.shape, np.nan)
        values = [
            answer[name].transpose(*first.dims).values if name in answer else unknown
            for answer in answers.values()
        ]
        for dim in set(first.dims) & set(first.coords) - set(out.coords):
            out = out.assign_coords({dim: first[dim]})
        out[name] = (("solver", *first.dims), np.stack(values), first.attrs)
    out.attrs["engines"] = ", ".join(
        f"{name}: {answer.attrs.get('engine', 'unknown')}" for name, answer in answers.items()
    )
    return out


def compare(problem: xr.Dataset, solvers: Mapping[str, Solver]) -> xr.Dataset:
    """Solve one problem (or batch) by several solvers and set the answers `side_by_side`.

    Examples
    --------
    >>> import numpy as np, qdens_nb as qd
    >>> problem = qd.fermion_chain(np.zeros(7), V=1.0, mu=0.4)
    >>> both = compare(problem, {"exact": qd.solvers.chain_ed,
    ...                          "hartree_fock": qd.solvers.chain_hartree_fock})
    >>> both.density.dims, both.solver.values.tolist()
    (('solver', 'x'), ['exact', 'hartree_fock'])
    """
    return side_by_side(problem, {name: solver(problem) for name, solver in solvers.items()})


def well_sweep(
    solvers: Mapping[str, Solver],
    *,
    depths: Sequence[float] | np.ndarray,
    sites: int,
    width: int,
    V: float,
    mu: float,
) -> xr.Dataset:
    """Deepen a step well on a ring and solve it by several solvers.

    Parameters
    ----------
    solvers : mapping of names to solvers
        As in `compare`.
    depths : (n,) array
        Depths of the well in J.
    sites, width : int
        Sites of the ring and of the well.
    V, mu : float
        Interaction and chemical potential in J.

    Returns
    -------
    Dataset
        Observables with dims (solver, depth, x) or (solver, depth).
    """
    well = potentials.step_well(sites, np.asarray(depths, dtype=np.float64), width)
    solved = compare(fermion_chain(well, V=V, mu=mu), solvers)
    if "depth" not in solved.coords:
        solved = solved.assign_coords(depth=("sample", np.asarray(depths, dtype=np.float64)))
    solved = solved.swap_dims(sample="depth").drop_vars("width", errors="ignore")
    solved["depth"].attrs.update(units="J", long_name="depth of the well")
    return solved


def nearest_distance(wells: Any, training: Any) -> xr.DataArray:
    """Distance of potentials to the nearest of a training set, up to shifts and reflections.

    The distance is the root mean square over the sites of the difference of two potentials after
    the mean of each is removed, in J. A shift of all of the potential is a change of mu, so this
    is a lower bound to the distance of what a network sees.

    Parameters
    ----------
    wells : (n, L) or (L,) array
        Potentials.
    training : (m, L) array
        Potentials trained on, of the same number of sites.

    Returns
    -------
    DataArray, dims ("sample",)

    Raises
    ------
    ValueError
        Different numbers of sites, or no training potential.

    Examples
    --------
    >>> import numpy as np
    >>> noise = np.random.default_rng(0).normal(size=(5, 12))
    >>> moved = np.roll(noise[3][::-1], 4) + 0.7
    >>> bool(nearest_distance(moved, noise) < 1e-6)
    True
    """
    first = np.atleast_2d(np.asarray(wells, dtype=np.float64))
    second = np.atleast_2d(np.asarray(training, dtype=np.float64))
    if first.shape[1] != second.shape[1] or not second.size:
        raise ValueError(
            f"potentials of shape {first.shape} and training set of shape {second.shape}; give "
            "arrays (n, L) and (m, L) with the same L and m > 0"
        )
    sites = first.shape[1]
    first = first - first.mean(1, keepdims=True)
    second = second - second.mean(1, keepdims=True)
    spectrum = np.fft.rfft(second)
    squares = (second**2).sum(1)
    nearest = np.empty(len(first))
    for i, potential in enumerate(first):
        transform = np.fft.rfft(potential)
        overlap = np.maximum(
            np.fft.irfft(transform * spectrum.conj(), sites).max(1),
            np.fft.irfft(transform * spectrum, sites).max(1),
        )
        nearest[i] = max(0.0, ((potential**2).sum() + squares - 2 * overlap).min())
    return xr.DataArray(
        np.sqrt(nearest / sites),
        dims="sample",
        name="nearest_distance",
        attrs={"units": "J", "long_name": "distance to the nearest training potential"},
    )


def reliability(error: Any, stderr: Any, bins: int = 10) -> xr.Dataset:
    """Compare errors with the standard errors that a predictor gave for them.

    Parameters
    ----------
    error, stderr : arrays of the same shape
        Prediction minus truth, and the predictor's own standard error.
    bins : int
        Bins with equal numbers of values, sorted by `stderr`.

    Returns
    -------
    Dataset, dims ("bin",)
        ``predicted`` (root mean square stderr), ``observed`` (root mean square error), ``inside``
        (part of the errors within one stderr; 0.68 for a Gaussian) and ``count``.

    Raises
    ------
    ValueError
        Different shapes, negative or unknown standard errors, too few values.
    """
    errors = np.asarray(error, dtype=np.float64)
    sizes = np.asarray(stderr, dtype=np.float64)
    if errors.shape != sizes.shape:
        raise ValueError(f"error {errors.shape} and stderr {sizes.shape} differ in shape")
    if errors.size < bins or bins < 1:
        raise ValueError(f"{errors.size} values for bins={bins}; give at least one value a bin")
    if not (sizes >= 0).all():
        raise ValueError("stderr holds negative values or NaN")
    order = np.argsort(sizes, axis=None)
    parts = np.array_split(order, bins)
    error_parts = [errors.flat[part] for part in parts]
    size_parts = [sizes.flat[part] for part in parts]
    return xr.Dataset(
        {
            "predicted": ("bin", [np.sqrt(np.mean(s**2)) for s in size_parts]),
            "observed": ("bin", [np.sqrt(np.mean(e**2)) for e in error_parts]),
            "inside": (
                "bin",
                [np.mean(np.abs(e) <= s) for e, s in zip(error_parts, size_parts, strict=True)],
            ),
            "count": ("bin", [len(part) for part in parts]),
        }
    )
