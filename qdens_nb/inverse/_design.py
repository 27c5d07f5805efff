"""Inverse design: the potential for a wanted density."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import xarray as xr

from qdens_nb import potentials
from qdens_nb.inverse._border import (
    check_density,
    check_number,
    check_options,
    check_range,
    warn_outside,
)
from qdens_nb.inverse._descent import Descent, Point, descend, logit
from qdens_nb.inverse._local_inversion import invert_locally
from qdens_nb.inverse._network import Network
from qdens_nb.inverse._problem import problem_of, sector_of
from qdens_nb.solvers._bose_common import add_observables

_TIE = 1e-5


def design(
    predictor: Any,
    target: Any,
    *,
    U: float,
    V: float = 0.0,
    bounds: tuple[float, float] = (-1.0, 3.3),
    mu: float | None = None,
    T: float = 0.25,
    n_max: int = 3,
    sector: str | int = "auto",
    starts: int = 4,
    steps: int = 250,
    learning_rate: float = 0.1,
    smoothness: float = 0.0,
    seed: int = 0,
    progress: bool = False,
) -> xr.Dataset:
    r"""Find a potential whose density is the wanted one, by gradient through a network.

    Minimises the mean square of density - target over (mu - v)/U, which a sigmoid keeps within
    `bounds` on every site, with Adam from several starts at once. The answer need not be unique
    (a Mott insulator hardly feels its potential) and need not reach the target.

    Parameters
    ----------
    predictor : BosePredictor
        From `qdens_nb.load_predictor`, or anything with its `torch_density`.
    target : DataArray or array, dims ("x", "y")
        Wanted density, 0 to `n_max`; even sides of at least 4.
    U, V, T : float
        Couplings and temperature in units of the hopping t.
    bounds : (float, float)
        Least and largest (mu - v)/U; the default is the range of the training data.
    mu : float, optional
        Chemical potential in t. Only mu - v matters; by default mu is such that the lowest site of
        the potential is at 0.
    n_max : int
        Largest number of bosons on a site.
    sector : {"auto", 0, 1}
        Checkerboard sector that the network is told: 0, the even sites are the denser ones; 1, the
        odd. "auto" tries both and keeps the one that comes closer to the target; as good as equal,
        the one that the target itself is in.
    starts : int
        Starts in each sector: the first inverts the density site by site as if the system were
        homogeneous around it, the second is flat, the others are random. After a fifth of the steps
        the better half of each sector goes on, and half of that after two fifths.
    steps, learning_rate
        Of Adam; the rate falls along a cosine to a twentieth.
    smoothness : float
        Weight of the mean square of the differences of (mu - v)/U between neighbours, to be
        compared with that of density - target.
    seed : int
        The same seed gives the same potential.
    progress : bool
        Show a progress bar. After a ``KeyboardInterrupt`` the best potential so far is returned,
        with ``attrs["interrupted"] = 1``.

    Returns
    -------
    Dataset
        A problem as from `qdens_nb.bose_hubbard`, ready for any solver, with the network's
        ``density``, the ``target``, ``design_error`` (mean of ``|density - target|``) and the
        ``sector``. Of every start: ``history`` (start, step), the same mean, NaN once the start is
        given up; ``start_error`` (start), the mean at its best; ``start_potential`` (start, x, y),
        each with its lowest site at 0; the coordinates ``start_sector`` and ``start_kind``.

    Raises
    ------
    TypeError
        The predictor has no gradient.
    ValueError
        A target that is no density, wrong options.

    Notes
    -----
    The gradient may exploit the network's errors. Solve the answer with an exact engine before
    using it: `recheck`, or ``qdens_nb.solvers.worm(designed)``. A pattern that two sectors share
    by symmetry may come out there in the other sector, or as the mean of both.

    Examples
    --------
    >>> import numpy as np, qdens_nb as qd
    >>> class Ideal:  # stands for a network: bosons without hopping or neighbours
    ...     def torch_density(self, local, U, V, sector, T, n_max):
    ...         U = U[:, None, None]
    ...         return sum((U * (local - n) / 4).sigmoid() for n in range(n_max))
    >>> target = np.full((4, 4), 0.2)
    >>> target[1:3, 1:3] = 1.0
    >>> designed = qd.inverse.design(Ideal(), target, U=20.0)
    >>> float(designed.design_error) < 1e-3, designed.attrs["system"]
    (True, 'bose_hubbard')
    >>> exact = qd.inverse.recheck(designed, qd.solvers.worm, sweeps=500)
    >>> "density_stderr" in exact, "target_error" in exact
    (True, True)
    """
    network = Network(predictor, T, n_max)
    network.check()
    check_options(
        sector,
        n_max,
        {"starts": starts, "steps": steps},
        {"learning_rate": learning_rate, "smoothness": smoothness, "T": T},
    )
    wanted = check_density("target", target, n_max)
    low, high = check_range("bounds", bounds)
    U, V = check_number("U", U, 0.0, above=True), check_number("V", V, 0.0)
    if mu is not None:
        mu = check_number("mu", mu, -np.inf)
    warn_outside(
        predictor, {"4t/U": [4 / U], "4V/U": [4 * V / U], "T": [T], "(mu - v)/U": [low, high]}
    )
    own = sector_of(wanted)
    sectors = (own, 1 - own) if sector == "auto" else (int(sector),)
    begin, kinds = _starting_maps(network, wanted, (low, high), U, V, sectors, starts, seed)
    rows = len(begin)
    row_sector = torch.tensor(sectors).repeat_interleave(starts)
    row_U, row_V = (torch.full((rows,), value, dtype=begin.dtype) for value in (U, V))
    goal = torch.as_tensor(wanted)

    def answer(
        unknowns: list[torch.Tensor], rows: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        local = low + (high - low) * unknowns[0].sigmoid()
        return local, network.density(local, row_U[rows], row_V[rows], row_sector[rows])

    def measure(unknowns: list[torch.Tensor], rows: torch.Tensor) -> Point:
        local, density = answer(unknowns, rows)
        difference = density - goal
        loss = (difference**2).mean((1, 2)) + smoothness * roughness(local)
        return Point(loss * wanted.size, loss, difference.abs().mean((1, 2)))

    descent = descend(
        measure,
        [logit((begin - low) / (high - low))],
        steps=steps,
        learning_rate=learning_rate,
        title="design",
        progress=progress,
        groups=row_sector.numpy(),
    )
    with torch.no_grad():
        local, density = answer(descent.unknowns, torch.arange(rows))
    options = {
        "predictor": network.name,
        "bounds": [low, high],
        "sector": sector,
        "starts": starts,
        "steps": steps,
        "learning_rate": learning_rate,
        "smoothness": smoothness,
        "seed": seed,
    }
    return _dataset(
        wanted, local.numpy(), density.numpy(), row_sector.numpy(), kinds, descent,
        {"U": U, "V": V, "mu": mu, "T": T, "n_max": n_max}, options,
    )  # fmt: skip


def roughness(local: torch.Tensor) -> torch.Tensor:
    """Mean square (B,) of the differences between neighbours."""
    steps = [local - local.roll(1, axis) for axis in (-1, -2)]
    return torch.stack([(step**2).mean((1, 2)) for step in steps]).mean(0)


def _starting_maps(
    network: Network,
    target: np.ndarray,
    bounds: tuple[float, float],
    U: float,
    V: float,
    sectors: tuple[int, ...],
    starts: int,
    seed: int,
) -> tuple[torch.Tensor, list[str]]:
    """(mu - v)/U (sectors x starts, X, Y) to begin with, and of what kind each is."""
    row_U, row_V = (torch.full((len(sectors),), c, dtype=torch.float64) for c in (U, V))
    guess = invert_locally(network, target, bounds, row_U, row_V, torch.tensor(sectors)).local
    kinds = ["local", "flat", *["random"] * starts][:starts]
    maps = [guess, guess.mean((1, 2), keepdim=True).expand_as(guess)]
    if starts > 2:
        rng = np.random.default_rng(seed)
        width = bounds[1] - bounds[0]
        noise = potentials.coloured_noise(
            target.shape, 2.0, 0.3 * width, samples=starts - 2, seed=rng
        ).values
        middle = rng.uniform(bounds[0] + 0.3 * width, bounds[1] - 0.3 * width, starts - 2)
        noise = torch.as_tensor(noise + middle[:, None, None])
        maps += [one.expand_as(guess) for one in noise]
    return torch.stack(maps[:starts], 1).flatten(0, 1), kinds * len(sectors)


def _dataset(
    target: np.ndarray,
    local: np.ndarray,
    density: np.ndarray,
    sectors: np.ndarray,
    kinds: list[str],
    descent: Descent,
    couplings: dict[str, Any],
    options: dict[str, Any],
) -> xr.Dataset:
    # the first rows are those in the target's own sector
    best = int(np.flatnonzero(descent.loss <= descent.loss.min() + _TIE)[0])
    problem = problem_of(local[best], **couplings)
    out = add_observables(
        problem,
        {"density": density[best], "sector": sectors[best]},
        "inverse:design",
        options,
    )
    error = np.abs(density - target).mean((1, 2))
    U = couplings["U"]
    out["target"] = (("x", "y"), target, {"units": "1", "long_name": "wanted density"})
    mean = {"units": "1", "long_name": "mean |density - target|"}
    out["design_error"] = ((), error[best], mean)
    out["start_error"] = ("start", error, mean)
    out["history"] = (("start", "step"), descent.history, mean)
    out["start_potential"] = (
        ("start", "x", "y"),
        U * (local.max((1, 2), keepdims=True) - local),
        {"units": "t", "long_name": "potential from each start, its lowest site at 0"},
    )
    out = out.assign_coords(
        start=np.arange(len(kinds)),
        step=np.arange(descent.history.shape[1]),
        start_sector=("start", sectors),
        start_kind=("start", kinds),
    )
    out.attrs["interrupted"] = int(descent.interrupted)
    return out
