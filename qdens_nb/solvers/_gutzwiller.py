r"""Gutzwiller mean field of the extended Bose-Hubbard model: the baseline of every network.

The best product of single-site density matrices for

.. math:: H = -t\sum_{\langle ij\rangle}(b_i^\dagger b_j + h.c.) + \tfrac U2\sum_i n_i(n_i-1)
          + V\sum_{\langle ij\rangle} n_in_j - \sum_i\mu_in_i,\qquad t = 1,

at any temperature: its grand potential is an upper bound of the exact one. Sources: Sheshadri,
Krishnamurthy, Pandit, Ramakrishnan, Europhys. Lett. 22, 257 (1993); Iskin, Phys. Rev. A 83, 051606
(2011) for V.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from qdens_nb.solvers._bose_common import checkerboard, neighbours, solve_each
from qdens_nb.solvers._gutzwiller_starts import GIVEN, UNIFORM, solve_batch

_SECTORS = {"auto": 0, "even": 1, "odd": -1, "uniform": 0}
_KINDS = 4


class GutzwillerFields(NamedTuple):
    """Mean field of a batch; arrays (B, sites...) and, the last, (B,)."""

    density: np.ndarray
    density_squared: np.ndarray
    phi: np.ndarray
    grand_potential: np.ndarray


class Solution(NamedTuple):
    """Everything a batch of solutions holds; sites flattened."""

    fields: np.ndarray
    means: np.ndarray
    susceptibility: np.ndarray
    squared: np.ndarray
    table: np.ndarray


def _kinds(start: Any, starts: int) -> tuple[np.ndarray, int]:
    if not isinstance(start, str):
        return np.array([GIVEN]), 0
    if start not in _SECTORS:
        raise ValueError(
            f"start={start!r}; choose one of {', '.join(map(repr, _SECTORS))} or give densities"
        )
    if not 1 <= starts <= _KINDS:
        raise ValueError(f"starts={starts}; give 1 to {_KINDS}")
    kinds = np.array([UNIFORM]) if start == "uniform" else np.arange(starts)
    return kinds, _SECTORS[start]


def _rows(name: str, values: Any, shape: tuple[int, ...], sites: bool) -> np.ndarray:
    """`values` broadcast to (B, sites...) or (B,); a (B,) array may stand for (B, sites...)."""
    array = np.asarray(values, dtype=np.float64)
    full = shape if sites else shape[:1]
    if sites and array.ndim == 1:
        array = array.reshape(-1, *(1,) * (len(shape) - 1))
    try:
        array = np.broadcast_to(array, full)
    except ValueError:
        raise ValueError(f"{name} has shape {array.shape}; give one that fits {full}") from None
    if not np.isfinite(array).all():
        raise ValueError(f"{name} holds values that are NaN or infinite; remove them")
    return np.array(array.reshape(full[0], -1) if sites else array, order="C")


def solve_rows(
    mu_local: np.ndarray,
    U: Any,
    V: Any,
    T: Any,
    n_max: int,
    start: Any,
    starts: int,
    tolerance: float,
    max_iterations: int,
) -> Solution:
    """Solve a batch ``mu_local`` (B, sites...); the engine behind all public functions.

    Without V a site-resolved problem has one solution and one start is made.
    """
    shape = np.shape(mu_local)
    if len(shape) not in (2, 3) or any(side % 2 or side < 2 for side in shape[1:]):
        raise ValueError(f"mu_local has shape {shape}; give (B, L) or (B, Lx, Ly) with even sides")
    if int(n_max) != n_max or n_max < 1:
        raise ValueError(f"n_max={n_max!r}; give a whole number of at least 1")
    kinds, sector = _kinds(start, starts)
    mu = _rows("mu_local", mu_local, shape, True)
    given = [_rows(name, v, shape, name == "U") for name, v in (("U", U), ("V", V), ("T", T))]
    if (given[2] < 0).any():
        raise ValueError("T holds negative values; give T >= 0")
    if not given[1].any() and kinds[0] != GIVEN:
        kinds, sector = np.array([UNIFORM]), 1
    means = np.zeros((len(mu), 2, mu.shape[1]))
    if kinds[0] == GIVEN:
        means[:, 0] = _rows("start", start, shape, True)
    return _solve(
        shape[1:], neighbours(shape[1:]), mu, given, n_max, kinds, sector, means, tolerance,
        max_iterations,
    )  # fmt: skip


def _solve(
    shape: tuple[int, ...],
    near: np.ndarray,
    mu: np.ndarray,
    couplings: list[np.ndarray],
    n_max: int,
    kinds: np.ndarray,
    sector: int,
    means: np.ndarray,
    tolerance: float,
    max_iterations: int,
) -> Solution:
    sign = checkerboard(shape).ravel()
    U, V, T = couplings
    fields = np.zeros_like(means)
    x = np.zeros((len(mu), 3, mu.shape[1]))
    squared, table = solve_batch(
        np.flatnonzero(sign > 0),
        np.flatnonzero(sign < 0),
        near,
        mu,
        U,
        V,
        T,
        np.sqrt(np.arange(1.0, n_max + 2)),
        kinds,
        sector,
        float(tolerance),
        int(max_iterations),
        fields,
        means,
        x,
    )
    return Solution(fields, means, x, squared, table)


def gutzwiller_fields(
    mu_local: np.ndarray,
    U: Any,
    V: Any,
    T: Any,
    n_max: int = 3,
    start: Any = "even",
    tolerance: float = 1e-6,
    max_iterations: int = 200,
    starts: int = 2,
) -> GutzwillerFields:
    """Mean-field density, fluctuation and order parameter of a batch, for networks.

    Parameters
    ----------
    mu_local : (B, Lx, Ly) or (B, L) array
        Local chemical potential mu - v in units of t; even sides.
    U : (B, Lx, Ly), (B,) array or number
        On-site repulsion.
    V, T : (B,) array or number
        Neighbour repulsion, temperature.
    n_max : int
        Largest number of bosons on a site.
    start : {"even", "odd", "auto", "uniform"} or (B, Lx, Ly) array
        See `gutzwiller`. "even" and "odd" are images of each other under a shift by one site and
        agree where no checkerboard is stable.
    tolerance, max_iterations, starts
        See `gutzwiller`.

    Returns
    -------
    GutzwillerFields
        density, density_squared, phi (B, Lx, Ly) and grand_potential (B,).

    Raises
    ------
    ValueError
        Odd sides, shapes that do not fit, values that are not finite, unknown start.

    Examples
    --------
    >>> import numpy as np
    >>> fields = gutzwiller_fields(np.full((1, 4, 4), 10.0), U=40.0, V=10.0, T=0.0)
    >>> fields.density[0, 0].round(1) + 0.0
    array([1., 0., 1., 0.])
    """
    shape = np.shape(mu_local)
    found = solve_rows(mu_local, U, V, T, n_max, start, starts, tolerance, max_iterations)
    return GutzwillerFields(
        found.means[:, 0].reshape(shape),
        found.squared.reshape(shape),
        0.5 * found.means[:, 1].reshape(shape),
        found.table[:, 0].copy(),
    )


def two_sublattice(
    mu: Any, U: Any, V: Any = 0.0, T: Any = 0.0, n_max: int = 3, z: int = 4
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Homogeneous mean field with two sublattices, for phase diagrams.

    Parameters
    ----------
    mu, U, V, T : arrays that broadcast
        Couplings in units of t.
    n_max : int
        Largest number of bosons on a site.
    z : int
        Neighbours of a site: 4 on the torus, 2 on the ring.

    Returns
    -------
    n_a, n_b, phi_a, phi_b : arrays
        Densities and order parameters of the two sublattices, n_a >= n_b.

    Examples
    --------
    >>> n_a, n_b, phi_a, phi_b = two_sublattice(mu=[10.0, 30.0], U=40.0, V=[15.0, 0.0])
    >>> n_a.round(6), n_b.round(6) + 0.0
    (array([1., 1.]), array([0., 1.]))
    """
    arrays = np.broadcast_arrays(*(np.asarray(a, dtype=np.float64) for a in (mu, U, V, T)))
    shape = arrays[0].shape
    mu, U, V, T = (np.array(a.ravel()) for a in arrays)
    if (T < 0).any():
        raise ValueError("T holds negative values; give T >= 0")
    two = np.ones((1, 2))
    near = np.repeat([[1], [0]], z, axis=1)
    found = _solve(
        (2,), near, mu[:, None] * two, [U[:, None] * two, V, T], n_max, np.arange(_KINDS), 1,
        np.zeros((mu.size, 2, 2)), 1e-9, 400,
    )  # fmt: skip
    n, phi = found.means[:, 0], 0.5 * found.means[:, 1]
    dense = np.argmax(n, axis=1)
    pick = np.arange(len(n))
    parts = (n[pick, dense], n[pick, 1 - dense], phi[pick, dense], phi[pick, 1 - dense])
    n_a, n_b, phi_a, phi_b = (part.reshape(shape) for part in parts)
    return n_a, n_b, phi_a, phi_b


def gutzwiller(
    problem: xr.Dataset,
    *,
    start: Any = "auto",
    tolerance: float = 1e-8,
    max_iterations: int = 200,
    starts: int = 3,
    progress: bool = False,
) -> xr.Dataset:
    """Site-resolved Gutzwiller mean field, ground state or finite temperature.

    Parameters
    ----------
    problem : Dataset
        From `qdens_nb.bose_hubbard`, torus or ring.
    start : {"auto", "even", "odd", "uniform"} or array
        "even", "odd": the checkerboard sector in which the even or odd sites are the denser ones is
        preferred. "auto": both are tried and the lowest grand potential wins. "uniform": one start
        without a checkerboard. An array of densities is taken as the start.
    tolerance : float
        Largest correction of density and order parameter that a last Newton step wants.
    max_iterations : int
        Most evaluations of all sites, each start.
    starts : int
        How many kinds of starts are tried in each sector, 1 to 4: strong checkerboard; none, cooled
        down; none; weak checkerboard, cooled slowly. 2 is quick.
    progress : bool
        Show a progress bar over the samples.

    Returns
    -------
    Dataset
        The problem with density, density_squared, density_correlation (product of densities),
        coherence (product of order parameters), order_parameter, energy, grand_potential,
        particle_number, sector, converged, residual, iterations (of all starts) and clipped.

    Raises
    ------
    ValueError
        Not a Bose-Hubbard problem, unknown start.

    Examples
    --------
    >>> import numpy as np, qdens_nb as qd
    >>> problem = qd.bose_hubbard(np.zeros((8, 8)), U=40.0, V=15.0, mu=20.0, T=0.0)
    >>> answer = gutzwiller(problem, start="odd")
    >>> int(answer.sector), round(float(answer.density[0, 1]), 1)
    (1, 1.0)
    """
    _kinds(start, starts)

    def solve_one(one: dict[str, Any]) -> dict[str, Any]:
        shape = one["shape"]
        begin = start if isinstance(start, str) else np.asarray(start, dtype=float)[None]
        found = solve_rows(
            one["mu"][None], one["U"][None], one["V"], one["T"], one["n_max"], begin, starts,
            tolerance, max_iterations,
        )  # fmt: skip
        n, phi = (a.reshape(shape) for a in (found.means[0, 0], 0.5 * found.means[0, 1]))
        squared = found.squared[0].reshape(shape)
        axes = range(len(shape))
        nn = np.stack([n * np.roll(n, -1, axis) for axis in axes])
        coherence = np.stack([phi * np.roll(phi, -1, axis) for axis in axes])
        grand, residual, used, converged, clipped = found.table[0]
        energy = (
            (one["potential"] * n + 0.5 * one["U"] * (squared - n)).sum()
            + one["V"] * nn.sum()
            - 2.0 * coherence.sum()
        )
        return {
            "density": n,
            "density_squared": squared,
            "density_correlation": nn,
            "coherence": coherence,
            "order_parameter": phi,
            "energy": energy,
            "grand_potential": grand,
            "particle_number": n.sum(),
            "sector": 0 if (checkerboard(shape) * n).sum() >= 0 else 1,
            "converged": int(converged),
            "residual": residual,
            "iterations": int(used),
            "clipped": clipped,
        }

    options = {
        "start": start if isinstance(start, str) else "array",
        "starts": starts,
        "tolerance": tolerance,
        "max_iterations": max_iterations,
    }
    return solve_each(problem, solve_one, "gutzwiller", options, progress)
