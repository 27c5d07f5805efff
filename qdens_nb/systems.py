r"""The three problem constructors: one labelled Dataset that every solver and network takes.

Fermion chain (spinless fermions, the t-V model; hopping J = 1 is the unit of energy)

.. math:: H = -J \sum_x (e^{i\Phi/L} c^\dagger_{x+1} c_x + h.c.)
          + V \sum_x n_x n_{x+1} + \sum_x v_x n_x - \mu N

:math:`\Phi` is the flux through the ring in a uniform gauge (Peierls phase :math:`\Phi/L` a bond).
A positive potential :math:`v` repels. Free plane waves have the energy
:math:`-2J\cos(k-\Phi/L)`.

Extended Bose-Hubbard model (square torus or ring; hopping t = 1 is the unit of energy)

.. math:: H = -t \sum_{\langle ij\rangle} (b^\dagger_i b_j + h.c.)
          + \sum_i \frac{U_i}{2} n_i(n_i-1)
          + V \sum_{\langle ij\rangle} n_i n_j + \sum_i (v_i - \mu) n_i

Every site has one bond in each direction to its next neighbour, periodic; a side of two sites thus
has two bonds between the same pair. :math:`U_i` is one number or depends on the site.

Quantum dot (two electrons in two dimensions, effective mass :math:`m^*`, energies in eV, nm)

.. math:: H = \sum_{a=1,2} [-\hbar^2\nabla_a^2 / 2m^* + v(r_a)]
          + e^2 / (4\pi\epsilon_0\epsilon_r |r_1-r_2|)
"""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from qdens_nb._checks import (
    check_choice,
    check_couplings,
    check_potential,
    check_scalar,
    check_site_coupling,
    check_whole,
)

CONVENTION = "qdens-1"
#: system -> its couplings, each a variable of a problem
COUPLINGS: dict[str, tuple[str, ...]] = {
    "fermion_chain": ("V", "mu", "flux"),
    "bose_hubbard": ("U", "V", "mu", "T"),
    "quantum_dot": ("mass", "eps_r"),
}

_CHAIN_H = (
    "H = -J sum_x (exp(i flux/L) c+_{x+1} c_x + h.c.) + V sum_x n_x n_{x+1}"
    " + sum_x potential_x n_x - mu N, J = 1"
)
_BOSE_H = (
    "H = -t sum_<ij> (b+_i b_j + h.c.) + sum_i U_i/2 n_i (n_i - 1) + V sum_<ij> n_i n_j"
    " + sum_i (potential_i - mu) n_i, t = 1, n_i <= n_max"
)
_DOT_H = (
    "H = sum_a [-hbar^2/(2 m m0) laplacian_a + potential(r_a)]"
    " + e^2/(4 pi eps0 eps_r |r1 - r2|), two electrons, hard walls"
)


def _dataset(
    potential: xr.DataArray,
    couplings: dict[str, tuple[Any, str, str]],
    coords: dict[str, tuple[np.ndarray, str]],
    energy_unit: str,
    attrs: dict[str, Any],
    per_site: tuple[str, ...] = (),
) -> xr.Dataset:
    n_samples = potential.sizes.get("sample")
    potential = potential.rename("potential")
    for dim, (values, unit) in coords.items():
        if dim not in potential.coords:
            potential = potential.assign_coords({dim: values})
            potential[dim].attrs["units"] = unit
    data = potential.to_dataset()
    data["potential"].attrs.update(units=energy_unit, long_name="external potential")
    for name, (value, unit, long_name) in couplings.items():
        if name in per_site:
            data[name] = check_site_coupling(name, value, potential)
        else:
            data[name] = check_scalar(name, value, n_samples)
        data[name].attrs.update(units=unit, long_name=long_name)
    data.attrs.update(attrs, convention=CONVENTION)
    return data


def fermion_chain(
    potential: Any,
    V: Any = 0.0,
    mu: Any = 0.0,
    flux: Any = 0.0,
    boundary: str = "periodic",
    **unknown: Any,
) -> xr.Dataset:
    """Spinless fermions with nearest-neighbour interaction on a chain.

    Parameters
    ----------
    potential : DataArray or array, dims ("x",) or ("sample", "x")
        On-site potential in units of the hopping J.
    V : float or (sample,) array
        Nearest-neighbour interaction in units of J (positive repels).
    mu : float or (sample,) array
        Chemical potential in units of J.
    flux : float or (sample,) array
        Flux through the ring in radians (0 and 2 pi are equivalent).
    boundary : {"periodic", "open"}
        Ring or open chain.

    Returns
    -------
    Dataset
        The problem, ready for any solver of the chain.

    Raises
    ------
    TypeError
        Unknown coupling.
    ValueError
        Wrong rank, fewer than 3 sites, NaN or infinite values, mismatched batch lengths,
        a flux on an open chain.

    Examples
    --------
    >>> import numpy as np
    >>> problem = fermion_chain(np.zeros(8), V=1.0, mu=0.15)
    >>> problem.potential.dims
    ('x',)
    >>> fermion_chain(np.zeros(8), U=1.0)
    Traceback (most recent call last):
    ...
    TypeError: unknown coupling 'U' for fermion_chain; it has V, mu, flux
    """
    check_couplings(unknown, ("V", "mu", "flux"), "fermion_chain")
    check_choice("boundary", boundary, ("periodic", "open"))
    array = check_potential(potential, ("x",), min_sites=3)
    if boundary == "open" and np.any(np.asarray(flux) != 0):
        raise ValueError("an open chain has no flux; leave flux=0 or use boundary='periodic'")
    return _dataset(
        array,
        {
            "V": (V, "J", "nearest-neighbour interaction"),
            "mu": (mu, "J", "chemical potential"),
            "flux": (flux, "rad", "flux through the ring"),
        },
        {"x": (np.arange(array.sizes["x"]), "site")},
        "J",
        {"system": "fermion_chain", "hamiltonian": _CHAIN_H, "boundary": boundary},
    )


def bose_hubbard(
    potential: Any,
    U: Any = 20.0,
    V: Any = 0.0,
    mu: Any = 0.0,
    T: Any = 0.25,
    n_max: int = 3,
    **unknown: Any,
) -> xr.Dataset:
    """Extended Bose-Hubbard model on a square torus or a ring, in units of the hopping t.

    Parameters
    ----------
    potential : DataArray or array, dims ("x", "y") or ("x",), with or without a leading "sample"
        On-site potential; sides must be even, since an odd one frustrates a checkerboard. A plain
        array of rank 1 is a ring, of rank 2 a torus, of rank 3 a batch of tori; for a batch of
        rings give a DataArray with dims ("sample", "x").
    U : float or array, dims ("sample",), ("x", "y"), ("sample", "x", "y") (ring: without "y")
        On-site repulsion, zero or positive. A plain array that can be read as one value per
        sample is.
    V, mu, T : float or (sample,) array
        Neighbour repulsion, chemical potential, temperature (T >= 0).
    n_max : int
        Largest number of bosons on a site.

    Raises
    ------
    TypeError
        Unknown coupling.
    ValueError
        Wrong rank, odd or too small sides, values that are not finite, negative U or temperature.

    Examples
    --------
    >>> import numpy as np
    >>> bose_hubbard(np.zeros((4, 4)), U=20.0, V=5.0, mu=30.0).attrs["n_max"]
    3
    >>> bose_hubbard(np.zeros(8), U=np.linspace(10, 20, 8)).U.dims
    ('x',)
    """
    check_couplings(unknown, ("U", "V", "mu", "T", "n_max"), "bose_hubbard")
    if isinstance(potential, xr.DataArray):
        ring = "y" not in potential.dims
    else:
        ring = np.ndim(potential) == 1
    dims = ("x",) if ring else ("x", "y")
    array = check_potential(potential, dims, min_sites=2)
    for dim in dims:
        if array.sizes[dim] % 2:
            raise ValueError(
                f"the {'ring' if ring else 'torus'} has {array.sizes[dim]} sites along {dim!r}; an "
                f"odd {'ring' if ring else 'torus'} frustrates a checkerboard: use an even number"
            )
    n_max = check_whole("n_max", n_max, 1)
    problem = _dataset(
        array,
        {
            "U": (U, "t", "on-site repulsion"),
            "V": (V, "t", "neighbour repulsion"),
            "mu": (mu, "t", "chemical potential"),
            "T": (T, "t", "temperature"),
        },
        {dim: (np.arange(array.sizes[dim]), "site") for dim in dims},
        "t",
        {"system": "bose_hubbard", "hamiltonian": _BOSE_H, "n_max": n_max},
        per_site=("U",),
    )
    if (problem["T"] < 0).any():
        raise ValueError(f"T={T!r} is negative; give T >= 0")
    if (problem["U"] < 0).any():
        raise ValueError(
            f"U has the negative value {float(problem['U'].min()):g}; attractive bosons collapse "
            "to n_max: give U >= 0"
        )
    return problem


def quantum_dot(
    potential: Any,
    mass: Any = 0.067,
    eps_r: Any = 12.9,
    size: float = 30.0,
    **unknown: Any,
) -> xr.Dataset:
    """Two electrons in a two-dimensional dot; GaAs in a 30 nm square by default.

    Parameters
    ----------
    potential : DataArray or array, dims ("x", "y") or ("sample", "x", "y")
        Confinement in eV on the midpoints of a square grid with hard walls.
    mass : float or (sample,) array
        Effective mass in units of the electron mass (default: GaAs).
    eps_r : float or (sample,) array
        Relative permittivity (default: GaAs).
    size : float
        Side of the square in nm.

    Raises
    ------
    TypeError
        Unknown coupling.
    ValueError
        Wrong rank, a grid that is not square, values that are not finite or not positive.

    Examples
    --------
    >>> import numpy as np
    >>> float(quantum_dot(np.zeros((64, 64))).x[0])
    0.234375
    """
    check_couplings(unknown, ("mass", "eps_r", "size"), "quantum_dot")
    array = check_potential(potential, ("x", "y"), min_sites=4)
    if array.sizes["x"] != array.sizes["y"]:
        raise ValueError(
            f"the grid is {array.sizes['x']} x {array.sizes['y']}; a square one is needed"
        )
    size = float(check_scalar("size", size, None))
    for name, value in {"mass": mass, "eps_r": eps_r, "size": size}.items():
        number = check_scalar(name, value, array.sizes.get("sample"))
        if not ((number > 0) & (number < 1e12)).all():
            raise ValueError(f"{name}={value!r}; give a positive number below 1e12")
    points = array.sizes["x"]
    grid = (np.arange(points) + 0.5) * size / points
    return _dataset(
        array,
        {
            "mass": (mass, "m0", "effective mass"),
            "eps_r": (eps_r, "1", "relative permittivity"),
        },
        {"x": (grid, "nm"), "y": (grid, "nm")},
        "eV",
        {"system": "quantum_dot", "hamiltonian": _DOT_H, "size_nm": size},
    )


def check_system(problem: Any, system: str) -> xr.Dataset:
    """Return `problem` if it is a Dataset of `system`; otherwise say what it is."""
    if not isinstance(problem, xr.Dataset):
        raise TypeError(
            f"expected a problem Dataset made by qdens_nb.{system}(...), got {type(problem)}"
        )
    if problem.attrs.get("system") != system:
        raise ValueError(
            f"this solver takes problems of {system!r}, got one of "
            f"{problem.attrs.get('system')!r}; build it with qdens_nb.{system}(...)"
        )
    missing = [name for name in ("potential", *COUPLINGS[system]) if name not in problem]
    if missing:
        raise ValueError(
            f"the problem holds no {', '.join(map(repr, missing))}; build it with "
            f"qdens_nb.{system}(...)"
        )
    for name in ("potential", *COUPLINGS[system]):
        values = problem[name].values
        if values.dtype.kind not in "fiu" or not np.isfinite(values).all():
            raise ValueError(f"{name!r} of the problem holds NaN or infinite values")
    return problem
