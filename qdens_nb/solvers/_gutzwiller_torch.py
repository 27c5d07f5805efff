"""The Gutzwiller mean field as a differentiable layer: its fields and its grand potential.

Forward runs the compiled solver, backward solves the linear response at the solution
(`_gutzwiller_response.adjoint`), both on the processor in double precision. The grand potential is
stationary in the fields, so its derivatives are expectation values. The answer jumps where the
lowest solution changes; there the derivative is that of the branch found.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch

from qdens_nb.solvers._bose_common import neighbours
from qdens_nb.solvers._gutzwiller import solve_rows
from qdens_nb.solvers._gutzwiller_response import adjoint


class TorchFields(NamedTuple):
    """Differentiable mean field, (B, sites...), and its grand potential (B,) in t."""

    density: torch.Tensor
    density_squared: torch.Tensor
    phi: torch.Tensor
    grand_potential: torch.Tensor


def _array(tensor: torch.Tensor) -> np.ndarray:
    return tensor.detach().to("cpu", torch.float64).numpy()


class _MeanField(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, mu, U, V, T, n_max, options):
        arrays = (_array(mu), _array(U), _array(V), _array(T))
        found = solve_rows(*arrays, n_max, **options)
        ctx.solution = (arrays, n_max, found)
        shape = mu.shape
        n, m = found.means[:, 0], found.means[:, 1]
        maps = [torch.as_tensor(a.reshape(shape)).to(mu) for a in (n, found.squared, 0.5 * m)]
        return *maps, torch.as_tensor(found.table[:, 0].copy()).to(mu)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *given):
        (mu, U, V, T), n_max, found = ctx.solution
        by_n, by_squared, by_phi = (_array(g).reshape(len(mu), -1) for g in given[:3])
        weights = np.stack([by_n + by_squared, 0.5 * by_phi, 2.0 * by_squared], axis=1)
        near = neighbours(mu.shape[1:])
        root = np.sqrt(np.arange(1.0, n_max + 2))
        rows = [
            adjoint(
                near, mu[i].ravel(), U[i].ravel(), V[i], T[i], root, found.fields[i],
                found.means[i], weights[i], 1e-10, 1000,
            )
            for i in range(len(mu))
        ]  # fmt: skip
        columns = [np.stack([row[k] for row in rows]) for k in range(4)]
        slopes = _potential_slopes(near, mu.reshape(len(mu), -1), U, V, T, found)
        for column, slope in zip(columns, slopes, strict=True):
            column += (slope.T * _array(given[3])).T
        by_mu, by_U, by_V, by_T = columns
        by_mu, by_U = by_mu.reshape(mu.shape), by_U.reshape(mu.shape)
        return *(torch.as_tensor(a).to(given[0]) for a in (by_mu, by_U, by_V, by_T)), None, None


def _potential_slopes(near: np.ndarray, mu: Any, U: Any, V: Any, T: Any, found: Any) -> list[Any]:
    """Derivatives of the grand potential by mu and U (B, sites), by V and by T (B,)."""
    n, m = found.means[:, 0], found.means[:, 1]
    pairs = 0.5 * (found.squared - n)
    both, hop = (0.5 * (a * a[:, near].sum(2)).sum(1) for a in (n, m))
    energy = (U.reshape(pairs.shape) * pairs - mu * n).sum(1) + V * both - 0.5 * hop
    entropy = np.divide(energy - found.table[:, 0], T, out=np.zeros_like(T), where=T > 0)
    return [-n, pairs, both, -entropy]


def gutzwiller_torch(
    mu_local: torch.Tensor,
    U: Any,
    V: Any,
    T: Any,
    n_max: int = 3,
    *,
    start: Any = "auto",
    starts: int = 2,
    tolerance: float = 1e-9,
    max_iterations: int = 200,
) -> TorchFields:
    """Mean-field density, fluctuation, order parameter, grand potential with exact gradients.

    Parameters
    ----------
    mu_local : (B, Lx, Ly) or (B, L) tensor
        Local chemical potential mu - v in units of t; even sides.
    U : (B, Lx, Ly), (B,) tensor or number
        On-site repulsion.
    V, T : (B,) tensor or number
        Neighbour repulsion, temperature.
    n_max : int
        Largest number of bosons on a site.
    start, starts, tolerance, max_iterations
        See `gutzwiller`. A looser tolerance loosens the gradients too.

    Returns
    -------
    TorchFields
        density, density_squared and phi like `mu_local` and grand_potential (B,), differentiable
        (once) by all couplings.

    Raises
    ------
    ValueError
        As `gutzwiller_fields`.
    """
    shape = mu_local.shape
    V, T, U = (torch.as_tensor(a).to(mu_local) for a in (V, T, U))
    if U.ndim == 1:
        U = U.reshape(-1, *(1,) * (len(shape) - 1))
    options = {
        "start": start,
        "starts": starts,
        "tolerance": tolerance,
        "max_iterations": max_iterations,
    }
    return TorchFields(
        *_MeanField.apply(
            mu_local, U.expand(shape), V.expand(shape[:1]), T.expand(shape[:1]), n_max, options
        )
    )


def gutzwiller_density(
    mu_local: torch.Tensor, U: Any, V: Any, T: Any, n_max: int = 3, **options: Any
) -> torch.Tensor:
    """Mean-field density, differentiable: `gutzwiller_torch` without the other fields.

    Examples
    --------
    >>> import torch
    >>> mu = torch.full((1, 4, 4), 4.0, dtype=torch.float64, requires_grad=True)
    >>> density = gutzwiller_density(mu, U=16.0, V=0.0, T=0.0)
    >>> density.sum().backward()
    >>> bool((mu.grad > 0).all())     # compressible: a superfluid
    True
    """
    return gutzwiller_torch(mu_local, U, V, T, n_max, **options).density
