r"""Order parameters, phases and phase boundaries of the extended Bose-Hubbard model.

The phases that a homogeneous torus can be in are told apart by two order parameters: the staggered
density :math:`m` (the sublattices hold :math:`n \pm m`, so max - min of n is :math:`2|m|`) and the
superfluid stiffness :math:`\rho_s`, which at the temperature T jumps from :math:`2T/\pi` to 0 where
the superfluid ends (Nelson, Kosterlitz, Phys. Rev. Lett. 39, 1201, 1977).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from qdens_nb.solvers._bose_common import checkerboard
from qdens_nb.systems import bose_hubbard

#: name of a phase -> staggered, superfluid
PHASES: dict[str, tuple[bool, bool]] = {
    "superfluid": (False, True),
    "supersolid": (True, True),
    "checkerboard": (True, False),
    "Mott insulator": (False, False),
}
#: without hopping, interaction or both: nothing moves because nothing is there
EMPTY, NORMAL = "empty", "normal fluid"


def homogeneous(
    hopping: Any, interaction: Any, mu_over_U: Any, *, L: int = 8, T: Any = 0.25, n_max: int = 3
) -> xr.Dataset:
    """Flat tori on a point or grid of the phase diagram, as one batch.

    Parameters
    ----------
    hopping, interaction, mu_over_U : arrays that broadcast
        4t/U, 4V/U and mu/U. They are flattened, in C order, to the dim ``sample``.
    L : int
        Even side of the torus.
    T : float
        Temperature in t.
    n_max : int
        Largest number of bosons on a site.

    Raises
    ------
    ValueError
        A hopping that is not positive, an odd side.

    Examples
    --------
    >>> batch = homogeneous(0.1, 1.0, [0.5, 1.5], L=4)
    >>> batch.U.values.tolist(), batch.V.values.tolist(), batch.mu.values.tolist()
    ([40.0, 40.0], [10.0, 10.0], [20.0, 60.0])
    """
    x, y, m = (
        np.atleast_1d(a).ravel()
        for a in np.broadcast_arrays(
            *(np.asarray(a, dtype=np.float64) for a in (hopping, interaction, mu_over_U))
        )
    )
    if not (x > 0).all():
        raise ValueError(f"hopping 4t/U={hopping!r}; give positive numbers")
    U = 4.0 / x
    flat = np.zeros((x.size, L, L))
    problem = bose_hubbard(flat, U=U, V=y * U / 4.0, mu=m * U, T=T, n_max=n_max)
    return problem.assign_coords(
        hopping=("sample", x), interaction=("sample", y), mu_over_U=("sample", m)
    )


def _sign(density: xr.DataArray) -> xr.DataArray:
    lattice = [dim for dim in ("x", "y") if dim in density.dims]
    if not lattice:
        raise ValueError(f"density has dims {density.dims}; x and y (or x) are needed")
    return xr.DataArray(checkerboard(tuple(density.sizes[d] for d in lattice)), dims=lattice)


def staggered_density(density: xr.DataArray) -> xr.DataArray:
    """Mean of (-1)^(x+y) n over the lattice; positive if the even sites are the denser ones.

    Raises
    ------
    ValueError
        A density without dims x and y (or x).
    """
    sign = _sign(density)
    return (density * sign).mean(sign.dims)


def local_staggered(density: xr.DataArray) -> xr.DataArray:
    """Staggered density at each site, (-1)^(x+y) (n - mean of the neighbours' n) / 2.

    It is m in a checkerboard of sublattice densities n + m and n - m and 0 where the density
    varies linearly, so that rings of a checkerboard show in a trap.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> board = xr.DataArray((np.indices((4, 4)).sum(0) + 1) % 2, dims=("x", "y"))
    >>> np.unique(local_staggered(board)).tolist()
    [0.5]
    """
    sign = _sign(density)
    moved = [density.roll({dim: step}) for dim in sign.dims for step in (1, -1)]
    return (sign * (density - sum(moved) / len(moved)) / 2).transpose(*density.dims)


def smooth_density(density: xr.DataArray) -> xr.DataArray:
    """Mean of n and the mean of the neighbours' n: the density without any checkerboard.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> board = xr.DataArray(np.indices((4, 4)).sum(0) % 2, dims=("x", "y"))
    >>> np.unique(smooth_density(board)).tolist()
    [0.5]
    """
    return density - _sign(density) * local_staggered(density)


def checkerboard_sector(density: xr.DataArray) -> xr.DataArray:
    """0 where the even sites are the denser ones, 1 where the odd ones are, as of a predictor."""
    return (staggered_density(density) < 0).astype(int)


def order_parameters(answer: xr.Dataset) -> xr.Dataset:
    """Order parameters of a homogeneous torus, whichever engine or network answered.

    Parameters
    ----------
    answer : Dataset
        A problem (or batch) with a density.

    Returns
    -------
    Dataset
        ``density``, particles a site; ``staggered``, the size of m: from the structure factor
        where it is known (quantum Monte Carlo averages over both sectors), with what is left of it
        without order, of the order of 1/L; else from the density. ``condensed``, the mean neighbour
        coherence over the density, between 0 and 1. ``stiffness`` and ``compressibility`` where
        they are known.
    """
    density = answer["density"]
    lattice = _sign(density).dims
    mean = density.mean(lattice)
    out = xr.Dataset({"density": mean})
    if "structure_factor" in answer:
        out["staggered"] = np.sqrt(np.maximum(answer["structure_factor"], 0.0))
    else:
        out["staggered"] = np.abs(staggered_density(density))
    if "coherence" in answer:
        flow = answer["coherence"].mean(("direction", *lattice))
        out["condensed"] = flow / np.maximum(mean, 1e-9)
    for name, known in (
        ("stiffness", "superfluid_stiffness"),
        ("compressibility", "compressibility"),
    ):
        if known in answer:
            out[name] = answer[known]
    return out


def stiffness_jump(T: Any) -> Any:
    """Smallest stiffness of a superfluid in two dimensions at the temperature T, 2T/pi.

    Examples
    --------
    >>> round(stiffness_jump(0.25), 4)
    0.1592
    """
    return 2.0 * T / np.pi


def phase_names(
    staggered: Any, superfluid: Any, density: Any, *, threshold: float = 0.25
) -> np.ndarray:
    """Names of phases by their order parameters.

    Parameters
    ----------
    staggered : array
        Staggered density m.
    superfluid : array of bool
        Whether it is a superfluid, for example ``stiffness > stiffness_jump(T)``.
    density : array
        Particles a site: without a superfluid a density within 0.05 of a whole number is a Mott
        insulator (of 0: empty), and any other one a normal fluid.
    threshold : float
        Smallest abs(m) of a checkerboard. Without order m is some 0.15 on 8 x 8.

    Examples
    --------
    >>> phase_names([0.5, 0.0, 0.4, 0.0], [False, False, True, True], [0.5, 1.0, 0.8, 0.8]).tolist()
    ['checkerboard', 'Mott insulator', 'supersolid', 'superfluid']
    """
    m, flows, n = np.broadcast_arrays(np.abs(staggered), superfluid, density)
    ordered = m > threshold
    whole = np.abs(n - np.rint(n)) < 0.05
    names = np.full(m.shape, NORMAL, dtype=object)
    for name, (solid, superflow) in PHASES.items():
        chosen = (ordered == solid) & (flows.astype(bool) == superflow)
        names[chosen & (whole | solid | superflow)] = name
    names[(n < 0.05) & ~ordered & ~flows.astype(bool)] = EMPTY
    return names.astype(str)


def first_crossing(values: Any, places: Any, level: float) -> np.ndarray:
    """Where rows of values first rise above a level, by linear interpolation.

    Parameters
    ----------
    values : (..., n) array
    places : (n,) array, increasing
    level : float

    Returns
    -------
    (...) array
        NaN where a row begins above the level or never rises above it.

    Raises
    ------
    ValueError
        Lengths that differ, places that do not increase.

    Examples
    --------
    >>> first_crossing([[0.0, 0.0, 2.0], [0.0, 0.0, 0.0]], [1.0, 2.0, 3.0], 1.0).tolist()
    [2.5, nan]
    """
    rows, x = np.asarray(values, dtype=np.float64), np.asarray(places, dtype=np.float64)
    if x.ndim != 1 or rows.shape[-1:] != x.shape or (np.diff(x) <= 0).any():
        raise ValueError(
            f"values of shape {rows.shape} at places of shape {x.shape}; give increasing places, "
            "one for each of the last axis"
        )
    above = rows > level
    at = above.argmax(-1)
    found = above.any(-1) & (at > 0)
    after, before = np.maximum(at, 1), np.maximum(at, 1) - 1
    high, low = (np.take_along_axis(rows, i[..., None], -1)[..., 0] for i in (after, before))
    rise = np.where(found, high - low, 1.0)
    place = x[before] + (level - low) / rise * (x[after] - x[before])
    return np.where(found, place, np.nan)


class LobeTip(NamedTuple):
    """Tip of an insulating lobe.

    Attributes
    ----------
    hopping : 4t/U
    mu_over_U : mu/U
    """

    hopping: float
    mu_over_U: float


def lobe_tip(
    stiffness: Any,
    density: Any,
    *,
    hopping: Any,
    mu_over_U: Any,
    filling: float,
    level: float,
    tolerance: float = 0.1,
) -> LobeTip | None:
    """Tip of the insulating lobe of a filling: the largest 4t/U without a superfluid.

    On each line of constant mu/U the lobe ends where the stiffness first rises above the level; a
    parabola through the three lines around the farthest end gives the tip.

    Parameters
    ----------
    stiffness, density : (hopping, mu) arrays
        Superfluid stiffness (or another superfluid order parameter) and particles a site.
    hopping, mu_over_U : (hopping,), (mu,) arrays
        The grid, increasing.
    filling : float
        Particles a site in the lobe, 1 or 1/2 for example.
    level : float
        Stiffness at which the superfluid begins.
    tolerance : float
        Largest distance from the filling at the last point without a superfluid.

    Returns
    -------
    LobeTip, or None if no line of the grid has its end in that lobe
    """
    flow, n = np.asarray(stiffness, dtype=np.float64), np.asarray(density, dtype=np.float64)
    x, mu = np.asarray(hopping, dtype=np.float64), np.asarray(mu_over_U, dtype=np.float64)
    ends = first_crossing(flow.T, x, level)
    last = np.where(np.isnan(ends), x[0], ends)
    row = np.clip(np.searchsorted(x, last, side="right") - 1, 0, x.size - 1)
    inside = np.abs(n[row, np.arange(mu.size)] - filling) < tolerance
    ends = np.where(inside, ends, np.nan)
    if np.isnan(ends).all():
        return None
    top = int(np.nanargmax(ends))
    around = slice(max(top - 1, 0), top + 2)
    if np.isfinite(ends[around]).sum() == 3:
        centre = mu[top]
        curve = np.polyfit(mu[around] - centre, ends[around], 2)
        if curve[0] < 0:
            shift = -curve[1] / (2 * curve[0])
            return LobeTip(float(np.polyval(curve, shift)), float(centre + shift))
    return LobeTip(float(ends[top]), float(mu[top]))


def phases_of(answer: xr.Dataset, *, threshold: float = 0.25) -> np.ndarray:
    """Names of the phases of homogeneous tori solved by `solvers.worm`, of a batch or one.

    Raises
    ------
    ValueError
        An answer without a superfluid stiffness.
    """
    if "superfluid_stiffness" not in answer:
        raise ValueError("the answer holds no superfluid_stiffness; take that of solvers.worm")
    orders: Mapping[Any, xr.DataArray] = order_parameters(answer)
    superfluid = orders["stiffness"] > stiffness_jump(answer["T"])
    return phase_names(orders["staggered"], superfluid, orders["density"], threshold=threshold)
