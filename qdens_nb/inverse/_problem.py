"""The found (mu - v)/U as a problem Dataset."""

from __future__ import annotations

import numpy as np
import xarray as xr

from qdens_nb.solvers._bose_common import checkerboard
from qdens_nb.systems import bose_hubbard


def sector_of(density: np.ndarray) -> int:
    """0 if the even sites hold as many bosons or more, else 1."""
    return int((density * checkerboard(density.shape)).sum() < 0)


def problem_of(
    local: np.ndarray, *, U: float, V: float, mu: float | None, T: float, n_max: int
) -> xr.Dataset:
    """Problem with (mu - v)/U = `local` (X, Y); without a `mu` the least potential is 0."""
    mu = U * float(local.max()) if mu is None else mu
    return bose_hubbard(mu - U * local, U=U, V=V, mu=mu, T=T, n_max=n_max)
