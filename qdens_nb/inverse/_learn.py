"""Hamiltonian learning: couplings and potential from a noisy density."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
import xarray as xr

from qdens_nb.inverse._border import (
    check_density,
    check_map,
    check_number,
    check_options,
    check_range,
    trained_ranges,
    warn_outside,
)
from qdens_nb.inverse._descent import Descent, Point, descend
from qdens_nb.inverse._design import roughness
from qdens_nb.inverse._families import make_family
from qdens_nb.inverse._learnt import Fit, learnt_dataset
from qdens_nb.inverse._local_inversion import invert_locally
from qdens_nb.inverse._network import Network
from qdens_nb.inverse._problem import sector_of
from qdens_nb.inverse._unknowns import State, Unknowns, check_couplings
from qdens_nb.training._bose_tasks import SCALE

_BOND = ("direction", "x", "y")
_DIMS = {
    "density": ("x", "y"),
    "density_squared": ("x", "y"),
    "density_correlation": _BOND,
    "coherence": _BOND,
}
_MODEL_ERROR = 0.01
_THREE_SIGMA = 9.0


class Observed(NamedTuple):
    """Maps by name, and what their difference to the network's is measured in."""

    maps: dict[str, np.ndarray]
    errors: dict[str, np.ndarray]


def learn_hamiltonian(
    predictor: Any,
    observed: Any,
    *,
    U: float | tuple[float, float] | None = None,
    V: float | tuple[float, float] | None = None,
    mu: float | None = None,
    family: Any = "map",
    parameters: Mapping[str, tuple[float, float]] | None = None,
    density_squared: Any = None,
    noise: Any = None,
    model_error: float | None = None,
    bounds: tuple[float, float] = (-1.0, 3.3),
    T: float = 0.25,
    n_max: int = 3,
    sector: str | int = "auto",
    starts: int = 8,
    resamples: int = 8,
    steps: int = 400,
    learning_rate: float = 0.1,
    smoothness: float = 0.0,
    seed: int = 0,
    progress: bool = False,
) -> xr.Dataset:
    r"""Infer U, V and the potential from a noisy density, by gradient through a network.

    Minimises chi^2, the mean square of (network - observed) / error. The starts have U and V all
    over the ranges. Each start that ends within three standard deviations of the best one (the
    sum of squares larger by at most 9, times the best chi^2 if that is above 1) counts as an
    explanation of the data; how far these differ is the first part of the uncertainty. The second
    is how far the answer moves if noise of the size of the errors is drawn anew.

    Parameters
    ----------
    predictor : BosePredictor
        From `qdens_nb.load_predictor`, or anything with its `torch_density`.
    observed : array, DataArray or Dataset
        Density (x, y), even sides; or a Dataset with ``density`` and any of ``density_squared``,
        ``density_correlation`` and ``coherence``, which are then fitted too, and their
        ``_stderr``, as an engine returns it.
    U, V : float, (float, float) or None
        Known value, or the range to search, in t; None: what the network was trained on. V stays
        in the trained range of 4V/U too.
    mu : float, optional
        Chemical potential in t, if it is known (see `family`). Else only mu - v has a meaning,
        and the lowest site of the potential is put at 0.
    family : {"map", "trap", "box"}, array or callable
        "map": one value a site. "trap": mu/U in the centre (there v = 0), fall of (mu - v)/U to
        the distance L/2, centre. "box": mu/U inside (there v = 0), height of the wall, side, and
        centre of a square. An array: the potential is known in t, up to mu. A callable
        ``family(values, U)`` gives mu - v in t (B, X, Y) from a dict of the `parameters` and from
        U, tensors (B, 1, 1).
    parameters : mapping of str to (float, float)
        Ranges of the parameters of a callable family.
    density_squared : array, optional
        ``<n^2>`` (x, y), instead of giving it in a Dataset.
    noise : float or (x, y) array, optional
        Standard error of the density; default ``density_stderr`` of the Dataset, else 0.
    model_error : float, optional
        Error of the network's density, added to the noise in quadrature (to the other maps in
        proportion to their size). Default: the predictor's mean error in validation, or 0.01.
    bounds : (float, float)
        Least and largest (mu - v)/U of a map; of mu/U in a family.
    T, n_max : float, int
        Temperature in t and largest number of bosons on a site, taken as known.
    sector : {"auto", 0, 1}
        Checkerboard sector; "auto" reads it off the density: 0 if the even sites hold as many
        bosons or more.
    starts, resamples : int
        Starts on the given density; fits of densities with noise drawn anew.
    steps, learning_rate
        Of Adam, on the given density; a resampled one takes half the steps.
    smoothness : float
        Weight in chi^2 of the mean square difference of (mu - v)/U between neighbours.
    seed : int
        The same seed gives the same answer.
    progress : bool
        Show a progress bar. After a ``KeyboardInterrupt`` the best answer so far is returned.

    Returns
    -------
    Dataset
        The best fit as a problem of `qdens_nb.bose_hubbard`, ready for any solver, with the
        network's ``density``, the given one as ``target``, ``chi2`` and

        ``parameter_best``, ``_mean``, ``_std`` (parameter)
            of U, V (if they are not given) and the family's parameters. The std joins
            ``parameter_start_std`` and ``parameter_noise_std``.
        ``parameter_contraction`` (parameter)
            spread of the answers over the spread of the range searched: 1, nothing is learnt.
        ``parameter_identified`` (parameter)
            1 if the contraction is below a quarter.
        ``U_mean``, ``U_std``, ``V_mean``, ``V_std``
            the same for the couplings; std 0 if given.
        ``potential_std`` (x, y)
            spread of mu - v in t.
        ``start_chi2``, ``start_U``, ``start_V``, ``start_accepted``, ``history`` (start[, step])
            of every start: its final chi^2, couplings, whether it explains the data.

    Raises
    ------
    TypeError
        The predictor has no gradient of what was observed.
    ValueError
        Data that are no density, ranges without sense, wrong options.

    Notes
    -----
    A density alone cannot tell U and V if the potential is free on every site: at given T, U and V
    any density has its own potential (Mermin, Phys. Rev. 137, A1441 (1965)). With family="map" and
    nothing but a density the couplings stay about where they started, and
    ``parameter_identified`` is 0 for them; that is the right answer. It takes ``density_squared``,
    a correlation, a known potential or a family with few parameters to fix them, and even then
    not where they leave no trace (V in a dilute gas, U where there is at most one boson a site).
    The uncertainty is that of the fit: a network that is wrong in the same way everywhere, or a
    potential outside the family, shift the answer by more. `chi2` well above 1 betrays the latter.

    Examples
    --------
    A trap in a toy model without hopping, where U/t is known and mu and the trap are not:

    >>> import numpy as np, torch, qdens_nb as qd
    >>> class Ideal:  # stands for a network: bosons without hopping or neighbours
    ...     def torch_density(self, local, U, V, sector, T, n_max):
    ...         U = U[:, None, None]
    ...         return sum((U * (local - n) / 4).sigmoid() for n in range(n_max))
    >>> r2 = sum((np.indices((8, 8)) - 3.5) ** 2) / 16
    >>> local = torch.tensor(1.4 - 1.2 * r2)[None]
    >>> density = Ideal().torch_density(local, torch.tensor([20.0]), None, 0, 0.25, 3)[0].numpy()
    >>> learnt = qd.inverse.learn_hamiltonian(
    ...     Ideal(), density, U=20.0, V=0.0, family="trap", noise=0.01, steps=200
    ... )
    >>> learnt.parameter_best.sel(parameter=["mu_over_U", "fall_over_U"]).values.round(2)
    array([1.4, 1.2])
    """
    check_options(
        sector,
        n_max,
        {"starts": starts, "steps": steps, "resamples": resamples},
        {"learning_rate": learning_rate, "smoothness": smoothness, "T": T},
    )
    given = _observe(predictor, observed, density_squared, noise, model_error, n_max)
    names = tuple(given.maps)
    network = Network(predictor, T, n_max)
    network.check(names)
    density = given.maps["density"]
    limits = check_range("bounds", bounds)
    couplings = check_couplings(U, V, trained_ranges(predictor))
    mu = None if mu is None else check_number("mu", mu, -np.inf)
    unknowns = Unknowns(
        couplings, make_family(family, parameters, density.shape, limits, mu), limits
    )
    _warn(predictor, couplings, limits, T)
    if sector == "auto":
        sector = sector_of(density)
    rng = np.random.default_rng(seed)

    def answer(points: list[torch.Tensor]) -> tuple[State, dict[str, torch.Tensor]]:
        state = unknowns.state(points)
        row_sector = torch.full((len(state.U),), int(sector))
        return state, network.maps(names, state.local, state.U, state.V, row_sector)

    data = sum(values.size for values in given.maps.values())
    scale = float((given.errors["density"] ** 2).mean())
    error = {k: torch.as_tensor(v) for k, v in given.errors.items()}

    def fit(points: list[torch.Tensor], noisy: Mapping[str, np.ndarray], count: int) -> Descent:
        goal = {k: torch.as_tensor(v) for k, v in noisy.items()}

        def measure(points: list[torch.Tensor], _rows: torch.Tensor) -> Point:
            state, found = answer(points)
            squares = [((found[k] - goal[k]) / error[k]) ** 2 for k in names]
            chi2 = torch.stack([s.flatten(1).sum(1) for s in squares]).sum(0) / data
            loss = chi2 + smoothness * roughness(state.local)
            off = (found["density"] - goal["density"]).abs().mean((1, 2))
            return Point(loss * data * scale, loss, off)

        return descend(
            measure,
            points,
            steps=count,
            learning_rate=learning_rate,
            title="learn" if count == steps else "resampled",
            progress=progress,
        )

    unit = unknowns.draw(starts, rng)
    row_sector = torch.full((starts,), int(sector))
    row_U, row_V = unknowns.couple(unit)
    guess = invert_locally(network, density, limits, row_U, row_V, row_sector)
    first = fit(unknowns.begin(unit, guess, density, rng), given.maps, steps)
    lowest = first.loss.min()
    accepted = first.loss <= lowest + _THREE_SIGMA * max(1.0, lowest) / data
    parents = np.flatnonzero(accepted)[np.arange(resamples) % accepted.sum()]
    again = None
    if resamples and not first.interrupted:
        noisy = {
            name: values + given.errors[name] * rng.normal(size=(resamples, *values.shape))
            for name, values in given.maps.items()
        }
        begin = [u[parents] for u in first.unknowns]
        # stopped before its first step, the resampling just leaves no answer
        with contextlib.suppress(KeyboardInterrupt):
            again = fit(begin, noisy, max(1, steps // 2))
    with torch.no_grad():
        state, found = answer(first.unknowns)
        moved = None if again is None else unknowns.state(again.unknowns)
    options = {
        "predictor": network.name,
        "observed": list(names),
        "family": unknowns.family.name,
        "U": couplings.U,
        "V": couplings.V,
        "bounds": limits,
        "sector": sector,
        "starts": starts,
        "resamples": resamples,
        "steps": steps,
        "learning_rate": learning_rate,
        "smoothness": smoothness,
        "seed": seed,
    }
    stopped = first.interrupted or again is None or again.interrupted
    return learnt_dataset(
        Fit(unknowns, first, accepted, state, found["density"], moved, parents),
        density,
        int(sector),
        {"mu": mu, "T": T, "n_max": n_max},
        options,
        interrupted=first.interrupted or (resamples > 0 and stopped),
    )


def _warn(predictor: Any, couplings: Any, bounds: tuple[float, float], T: float) -> None:
    ends = np.ravel(couplings.U)
    ratio = [0.0] if isinstance(couplings.V, tuple) else list(4.0 * couplings.V / ends)
    ratio = [min(r, couplings.highest_ratio) if len(ends) > 1 else r for r in ratio]
    warn_outside(
        predictor,
        {"4t/U": list(4.0 / ends), "4V/U": ratio, "T": [T], "(mu - v)/U": list(bounds)},
    )


def _observe(
    predictor: Any, observed: Any, density_squared: Any, noise: Any, model_error: Any, n_max: int
) -> Observed:
    """Maps and errors, checked."""
    if isinstance(observed, xr.Dataset):
        if "density" not in observed:
            raise ValueError("the observed Dataset holds no 'density'")
        given = {name: observed[name] for name in _DIMS if name in observed}
        errors = {k: observed[f"{k}_stderr"] for k in given if f"{k}_stderr" in observed}
    else:
        given, errors = {"density": observed}, {}
    if density_squared is not None:
        given["density_squared"] = density_squared
        errors.pop("density_squared", None)
    if noise is not None:
        errors["density"] = noise
    maps = {name: check_map(name, values, _DIMS[name]) for name, values in given.items()}
    shape = maps["density"].shape
    if model_error is None:
        card = getattr(predictor, "card", {})
        model_error = card.get("calibration", {}).get("validation_density_mae", _MODEL_ERROR)
    model_error = check_number("model_error", model_error, 0.0)
    total = {}
    for name, values in maps.items():
        if values.shape[-2:] != shape:
            raise ValueError(f"{name} is {values.shape[-2:]}, the density {shape}")
        given_error = errors.get(name, 0.0)
        if np.ndim(given_error):
            own = check_map(f"noise of {name}", given_error, _DIMS[name])
        else:
            own = np.asarray(given_error, dtype=np.float64)
        if own.ndim and own.shape != values.shape:
            raise ValueError(f"noise of {name} is {own.shape}, the map {values.shape}")
        if not (np.isfinite(own).all() and (own >= 0).all()):
            raise ValueError(f"noise of {name} holds values that are negative or not finite")
        both = np.sqrt(own**2 + (model_error * SCALE[name]) ** 2)
        if (both <= 0).any():
            raise ValueError(
                f"the error of {name} is 0 somewhere; give noise > 0 there or model_error > 0"
            )
        total[name] = np.broadcast_to(both, values.shape).copy()
    slack = 6.0 * float(total["density"].max())
    check_density("density", maps["density"], n_max, slack)
    return Observed(maps, total)
