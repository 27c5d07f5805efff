"""Inverse design of quantum dots: the potential step whose two electrons have a wanted density."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import torch
import xarray as xr

import qdens_nb
from qdens_nb import potentials, solvers
from qdens_nb.inverse._border import check_number, check_options
from qdens_nb.inverse._dot_search import Search, missed, rounded
from qdens_nb.systems import quantum_dot
from qdens_nb.training._dot_tasks import EPS_R, SIZE_NM, STEP

_CHARGE = 0.02


def design_dot(
    target: Any,
    *,
    eps_r: float = EPS_R,
    step: float = STEP,
    forward: Any = None,
    direct: Any = None,
    starts: int = 3,
    steps: int = 120,
    learning_rate: float = 0.3,
    two_valued: bool = True,
    smoothing: float = 0.5,
    corrections: int = 2,
    orbitals: int = 24,
    seed: int = 0,
    progress: bool = False,
) -> xr.Dataset:
    r"""Find the quantum dot whose two electrons have the wanted density.

    A network answers directly; from its answer, from a flat potential and from random ones, the
    mean square of density - target is minimised by gradient through the forward network. The
    potential is the step times a sigmoid of the smoothed unknowns. Every candidate is then solved
    by `qdens_nb.solvers.dot_ci`; the one that comes closest to the target by that is returned. Most
    densities belong to no potential of this kind: ``representability`` says what is missed.

    Parameters
    ----------
    target : Dataset with ``density``, DataArray or array, dims ("x", "y")
        Wanted density in 1/nm^2 on a square grid, two electrons in all.
    eps_r : float
        Relative permittivity.
    step : float
        Height of the step in eV; the potential stays between 0 and it.
    forward : DotPredictor, optional
        Anything with ``torch_maps(source, eps_r=, step=) -> {"density": ...}``, (B, X, Y) in eV to
        1/nm^2. By default the shipped "dot_density" for the paper's `eps_r` and `step`, else
        "dot_density_live".
    direct : DotPredictor, optional
        Dataset with ``density`` -> Dataset with ``potential``; by default "dot_potential", which
        knows the paper's `eps_r` and `step` only.
    starts : int
        Descents: the first from the direct answer, the second from a flat potential, the others
        from random clusters of wells. With 0 the direct answer is all.
    steps, learning_rate
        Of Adam; the rate falls along a cosine to a twentieth.
    two_valued : bool
        Sharpen the sigmoid in three stages and round the candidates to 0 or `step`; otherwise
        potentials may take values between, for which the networks are not trained.
    smoothing : float
        Width (nm) of the Gaussian that smooths the unknowns; it keeps out details that the density
        does not feel.
    corrections : int
        How often the descent goes on, a third of `steps` each time, towards a target from which
        the error of the network is taken that the exact solver found.
    orbitals : int
        Of `qdens_nb.solvers.dot_ci`, the judge.
    seed : int
        The same seed gives the same potential.
    progress : bool
        Show progress bars. After a ``KeyboardInterrupt`` in a descent the best so far are judged,
        with ``attrs["interrupted"] = 1``.

    Returns
    -------
    Dataset
        A problem as from `qdens_nb.quantum_dot` with the exact ``density`` and ``energy`` of the
        best potential found, the ``target``, and in electrons, as half the integral of the absolute
        difference: ``representability`` (exact density and target) and ``prediction_error`` (exact
        density and the network's, ``predicted_density``). Of every candidate: ``start_error``
        (start), exact density and target; ``start_predicted_error``, the network's and target;
        ``start_potential`` and ``start_density`` (start, x, y); ``history`` (start, step), the
        network's error on the way, NaN for the direct answer and steps that were not done; the
        coordinate ``start_kind``: "direct", "refined", "flat" or "random".

    Raises
    ------
    TypeError
        The forward network has no gradient.
    ValueError
        A target that is no density of two electrons, wrong options.

    Notes
    -----
    A large ``representability`` says that no candidate reached the target, which is no proof that
    none can; where several starts end at the same number it is likely.

    Examples
    --------
    >>> import numpy as np, qdens_nb as qd
    >>> dot = qd.solvers.dot_ci(qd.quantum_dot(qd.potentials.double_dot()), orbitals=4, modes=16)
    >>> class Perfect:  # stands for the direct network
    ...     name = "perfect"
    ...     def __call__(self, data, **options):
    ...         return qd.quantum_dot(qd.potentials.double_dot())
    >>> found = qd.inverse.design_dot(dot, direct=Perfect(), starts=0, orbitals=4)
    >>> bool(found.representability < 0.05), found.start_kind.values.tolist()
    (True, ['direct'])
    """
    eps_r = check_number("eps_r", eps_r, 0.0, above=True)
    step = check_number("step", step, 0.0, above=True)
    for name, count in (("starts", starts), ("corrections", corrections)):
        if isinstance(count, bool) or int(count) != count or count < 0:
            raise ValueError(f"{name}={count!r}; give a whole number of at least 0")
    check_options(
        "auto",
        1,
        {"steps": steps},
        {"learning_rate": learning_rate, "smoothing": smoothing},
    )
    wanted = _check_target(target)
    if direct is None:
        direct = qdens_nb.load_predictor("dot_potential")
    if forward is None and starts:
        usual = math.isclose(eps_r, EPS_R) and math.isclose(step, STEP)
        forward = qdens_nb.load_predictor("dot_density" if usual else "dot_density_live")
    if starts and not hasattr(forward, "torch_maps"):
        raise TypeError(
            f"{type(forward).__name__} has no torch_maps(source, eps_r=, step=); take "
            "load_predictor('dot_density') or 'dot_density_live'"
        )
    answer = _direct_answer(direct, wanted)
    search = Search(
        forward, eps_r, step, steps, learning_rate, two_valued, smoothing, corrections, progress
    )

    def judge(made: np.ndarray) -> np.ndarray:
        return solvers.dot_ci(quantum_dot(made, eps_r=eps_r), orbitals)["density"].values

    begin, kinds = _begin(answer, starts, seed)
    made, history, interrupted = answer[None] * step, np.full((1, 0), np.nan), False
    if two_valued:
        made = rounded(made, step)
    if starts:
        found, known, interrupted = search.run(wanted, begin, judge)
        made = np.concatenate([made, found])
        history = np.concatenate([np.full_like(known[:1], np.nan), known])
    exact = solvers.dot_ci(quantum_dot(made, eps_r=eps_r), orbitals, progress=progress)
    predicted = None
    if starts:
        with torch.no_grad():
            predicted = search.density(torch.as_tensor(made)).numpy()
    options = {
        "forward": _name(forward) if starts else None,
        "direct": _name(direct),
        "starts": starts,
        "steps": steps,
        "learning_rate": learning_rate,
        "two_valued": two_valued,
        "smoothing": smoothing,
        "corrections": corrections,
        "orbitals": orbitals,
        "seed": seed,
    }
    out = _dataset(exact, predicted, wanted, history, ["direct", *kinds])
    return out.assign_attrs(
        engine="inverse:design_dot",
        engine_options=json.dumps(options, sort_keys=True),
        interrupted=int(interrupted),
    )


def _name(predictor: Any) -> str:
    return str(getattr(predictor, "name", type(predictor).__name__))


def _check_target(target: Any) -> np.ndarray:
    """Density (X, Y) of two electrons on the square of 30 nm."""
    if isinstance(target, xr.Dataset):
        if "density" not in target:
            raise ValueError(f"the target holds no 'density'; it has {sorted(map(str, target))}")
        if float(target.attrs.get("size_nm", SIZE_NM)) != SIZE_NM:
            raise ValueError(f"the target's square is not the {SIZE_NM:g} nm of the networks")
        target = target["density"]
    if isinstance(target, xr.DataArray):
        if {*target.dims} != {"x", "y"}:
            raise ValueError(f"the target has dims {target.dims}; expected ('x', 'y'), one map")
        target = target.transpose("x", "y").values
    wanted = np.asarray(target, dtype=np.float64)
    if wanted.ndim != 2 or wanted.shape[0] != wanted.shape[1] or wanted.shape[0] % 8:
        raise ValueError(
            f"the target has the shape {wanted.shape}; give a square map, 64 x 64 as the networks "
            "were trained on"
        )
    if not np.isfinite(wanted).all() or wanted.min() < -1e-6:
        raise ValueError("the target holds negative, NaN or infinite values; give a density")
    charge = wanted.mean() * SIZE_NM**2
    if abs(charge - 2.0) > _CHARGE:
        raise ValueError(
            f"the target integrates to {charge:.4g} electrons over the square of {SIZE_NM:g} nm; "
            "give a density in 1/nm^2 of 2 electrons (multiply it by 2 / that number)"
        )
    return wanted.clip(0.0)


def _direct_answer(direct: Any, wanted: np.ndarray) -> np.ndarray:
    """The direct network's potential (X, Y) from 0 to 1."""
    data = xr.Dataset({"density": (("x", "y"), wanted)}, attrs={"size_nm": SIZE_NM})
    potential = direct(data)["potential"].transpose("x", "y").values
    return np.clip(potential / STEP, 0.0, 1.0)


def _begin(answer: np.ndarray, starts: int, seed: int) -> tuple[np.ndarray, list[str]]:
    """Maps (starts, X, Y) from 0 to 1 to begin with, and of what kind each is."""
    kinds = ["refined", "flat", *["random"] * starts][:starts]
    maps = [answer, np.full_like(answer, 0.5)][:starts]
    if starts > 2:
        random = potentials.quantum_well_cluster(
            len(answer), step=1.0, samples=starts - 2, seed=seed
        ).values
        maps += [0.5 + 0.5 * (one - 0.5) for one in random]
    return np.array(maps).reshape(starts, *answer.shape), kinds


def _dataset(
    exact: xr.Dataset,
    predicted: np.ndarray | None,
    wanted: np.ndarray,
    history: np.ndarray,
    kinds: list[str],
) -> xr.Dataset:
    density = exact["density"].values

    def put(name: str, dims: tuple[str, ...], values: Any, units: str, text: str) -> None:
        out[name] = (dims, values, {"units": units, "long_name": text})

    error = missed(density, wanted)
    best = int(error.argmin())
    out = exact.isel(sample=best, drop=True)
    maps, each = ("x", "y"), ("start", "x", "y")
    by_network = "charge off the target by the network"
    put("target", maps, wanted, "1/nm^2", "wanted density")
    put("representability", (), error[best], "electrons", "charge off the target")
    put("start_error", ("start",), error, "electrons", "charge off the target")
    put("start_potential", each, exact["potential"].values, "eV", "confinement")
    put("start_density", each, density, "1/nm^2", "density of the interacting electrons")
    put("history", ("start", "step"), history, "electrons", by_network)
    if predicted is not None:
        put("predicted_density", maps, predicted[best], "1/nm^2", "density by the network")
        wrong = missed(predicted[best], density[best])
        put("prediction_error", (), wrong, "electrons", "charge that the network put wrong")
        off = missed(predicted, wanted)
        put("start_predicted_error", ("start",), off, "electrons", by_network)
    return out.assign_coords(
        start=np.arange(len(kinds)),
        step=np.arange(history.shape[1]),
        start_kind=("start", kinds),
    )
