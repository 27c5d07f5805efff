r"""Free fermions on the chain (V = 0): exact at any length.

:math:`H = -J\sum_x(e^{i\Phi/L}c^\dagger_{x+1}c_x + h.c.) + \sum_x v_xn_x`, J = 1; the ground state
of N particles fills the N lowest orbitals of an L x L matrix.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from qdens_nb.solvers._common import solve_each
from qdens_nb.solvers._wick import slater_observables
from qdens_nb.systems import check_system


def one_body_matrix(potential: np.ndarray, flux: float, periodic: bool) -> np.ndarray:
    """The matrix h of ``H = sum h[x, y] c+_x c_y``; complex only with a flux."""
    sites = potential.size
    hop = -np.exp(1j * flux / sites) if flux else -1.0
    h = np.diag(potential.astype(type(hop)))
    x = np.arange(sites if periodic else sites - 1)
    y = (x + 1) % sites
    h[y, x] = hop
    h[x, y] = np.conj(hop)
    return h


def chain_free(problem: xr.Dataset, N: int | None = None, *, progress: bool = False) -> xr.Dataset:
    """Exact ground state at V = 0, grand canonical at ``mu`` or at fixed `N`.

    Parameters
    ----------
    problem : Dataset
        From `qdens_nb.fermion_chain` with V = 0; any number of sites, ring or open.
    N : int, optional
        Fix the particle number (canonical) and ignore mu.
    progress : bool
        Show a progress bar over the samples.

    Returns
    -------
    Dataset
        The problem with the observables of `chain_ed`: density, density_variance,
        density_correlation, coherence, current, current_correlation (all along x), energy,
        particle_number, gap and, if N is not fixed, energy_of_N, mu_lower, mu_upper. Where the
        gap vanishes the ground state is one of several.

    Raises
    ------
    ValueError
        Not a chain, V is not 0, N out of range.

    Examples
    --------
    >>> import numpy as np, qdens_nb as qd
    >>> result = qd.solvers.chain_free(qd.fermion_chain(np.zeros(100), mu=-1.0))
    >>> int(result.particle_number)      # levels -2 cos k below mu: |k| < pi / 3
    33
    """
    check_system(problem, "fermion_chain")
    if np.any(problem["V"].values != 0):
        raise ValueError(
            f"V reaches {float(abs(problem['V']).max()):g} J; free fermions know no "
            "interaction: use solvers.chain_ed (up to 22 sites), chain_dmrg or, approximately, "
            "chain_hartree_fock"
        )
    sites = problem.sizes["x"]
    if N is not None and not 0 <= N <= sites:
        raise ValueError(f"N={N} on {sites} sites; give 0 <= N <= {sites}")

    def solve_one(one: dict[str, Any]) -> dict[str, Any]:
        periodic = one["boundary"] == "periodic"
        levels, orbitals = np.linalg.eigh(one_body_matrix(one["potential"], one["flux"], periodic))
        energies = np.concatenate([[0.0], np.cumsum(levels)])
        bounds = np.concatenate([[-np.inf], levels, [np.inf]])
        best = int((levels < one["mu"]).sum()) if N is None else N
        out: dict[str, Any] = {}
        if N is None:
            out.update(energy_of_N=energies, mu_lower=bounds[best], mu_upper=bounds[best + 1])
        out.update(slater_observables(orbitals[:, :best], one["flux"], periodic))
        out.update(energy=energies[best], particle_number=best, gap=bounds[best + 1] - bounds[best])
        return out

    return solve_each(problem, solve_one, "chain_free", {"N": N}, progress)
