"""Several solvers on the same problems, side by side along a dim ``solver``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from qdens_nb import potentials
from qdens_nb.systems import fermion_chain

Solver = Callable[[xr.Dataset], xr.Dataset]
#: what a problem of any system can consist of
PROBLEM_VARIABLES = ("potential", "U", "V", "mu", "flux", "T", "mass", "eps_r")


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
    joined: dict[str, Any] = {}
    for name in observables:
        first = next(answer[name] for answer in answers.values() if name in answer)
        unknown = np.full(first.shape, np.nan)
        values = [
            answer[name].transpose(*first.dims).values if name in answer else unknown
            for answer in answers.values()
        ]
        for dim in set(first.dims) & set(first.coords) - set(out.coords):
            out = out.assign_coords({dim: first[dim]})
        joined[str(name)] = (("solver", *first.dims), np.stack(values), first.attrs)
    out = out.assign(joined)
    out.attrs["engines"] = ", ".join(
        f"{name}: {answer.attrs.get('engine', 'unknown')}" for name, answer in answers.items()
    )
    return out


def compare(problem: xr.Dataset, solvers: Mapping[str, Solver]) -> xr.Dataset:
    """Solve one problem (or batch) by several solvers and set the answers `side_by_side`.

    Answers that `problem` may hold already are left out: nobody sees them.

    Examples
    --------
    >>> import numpy as np, qdens_nb as qd
    >>> problem = qd.fermion_chain(np.zeros(7), V=1.0, mu=0.4)
    >>> both = compare(problem, {"exact": qd.solvers.chain_ed,
    ...                          "hartree_fock": qd.solvers.chain_hartree_fock})
    >>> both.density.dims, both.solver.values.tolist()
    (('solver', 'x'), ['exact', 'hartree_fock'])
    """
    bare = problem[[name for name in PROBLEM_VARIABLES if name in problem]]
    return side_by_side(bare, {name: solver(bare) for name, solver in solvers.items()})


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
