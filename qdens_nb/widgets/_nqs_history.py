"""What an optimisation has done so far: its rows as a Dataset, and in words."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import xarray as xr

#: most steps that "now" is the mean of; fewer right after a change
WINDOW = 20
#: R-hat below which chains agree, above which they disagree
AGREE, DISAGREE = 1.05, 1.2
#: relative error in units of the V-score that only a state other than the lowest has
_EXCITED = 20
_KEPT = ("energy", "energy_stderr", "v_score", "rhat", "seconds")


class History:
    """Rows of `ground_state` one after another, with the exact energy at each step.

    Parameters
    ----------
    sites : int
        Energies are given per site.
    """

    def __init__(self, sites: int) -> None:
        self.sites = sites
        self.rows: dict[str, list[float]] = {name: [] for name in (*_KEPT, "exact")}

    def __len__(self) -> int:
        # The last column that is written: a thread may be adding a row.
        return len(self.rows["exact"])

    def add(self, row: dict[str, float], exact: float | None) -> None:
        """Add a step; `exact` is the energy of the whole system, None if it is not known."""
        for name in _KEPT:
            self.rows[name].append(row[name])
        self.rows["exact"].append(math.nan if exact is None else exact)

    def dataset(self) -> xr.Dataset:
        """Per step: ``energy``, ``energy_stderr``, ``exact`` (per site), ``error`` and more.

        ``error`` is the relative error of the energy, ``mean_error`` that of the mean of the last
        steps (up to 20, a fifth of those since the Hamiltonian changed), ``mean_error_stderr``
        its standard error; ``v_score``, ``rhat``, ``seconds`` are those of `ground_state`.
        """
        done = len(self)
        values = {name: np.array(row[:done], float) for name, row in self.rows.items()}
        exact = values["exact"]
        error = values["energy"] / exact - 1
        stderr = np.abs(values["energy_stderr"] / exact)
        begins = _segments(exact)
        since = np.arange(len(exact)) - begins
        count = np.clip(since // 5, 1, WINDOW)
        mean = _moving(error, count)
        found = {
            **{name: values[name] / self.sites for name in ("energy", "energy_stderr", "exact")},
            **{name: values[name] for name in ("v_score", "rhat", "seconds")},
            "error": np.abs(error),
            "mean_error": np.abs(mean),
            "mean_error_stderr": np.sqrt(_moving(stderr**2, count) / np.maximum(count, 1)),
        }
        return xr.Dataset(
            {name: ("step", value) for name, value in found.items()},
            {"step": np.arange(done)},
            {"sites": self.sites},
        )


def words(data: xr.Dataset, *, parameters: int | None = None) -> str:
    """The last steps in words: relative error, steps a second, whether the chains agree."""
    if not data.sizes["step"]:
        return "Nothing is optimised yet."
    last = data.isel(step=slice(-WINDOW, None))
    now = data.isel(step=-1)
    if np.isfinite(now["mean_error"]):
        text = (
            f"<b>Relative error now:</b> {power(now['mean_error'])} "
            f"± {power(now['mean_error_stderr'])}"
        )
    else:
        text = "<b>Relative error:</b> no exact energy is at hand for this ring"
    score = float(last["v_score"][-5:].median())
    text += f"; V-score {power(score)}."
    if abs(float(now["mean_error"])) > max(_EXCITED * score, 0.005):
        text += " Hardly any variance, but not the lowest energy: near an excited state."
    text += f"<br><b>Chains:</b> {verdict(float(last['rhat'].median()))}"
    taken = float(last["seconds"][-1] - last["seconds"][0])
    if taken > 0:
        text += f" &nbsp;<b>Speed:</b> {(last.sizes['step'] - 1) / taken:.3g} steps/s"
        text += "." if parameters is None else f", {parameters} parameters."
    return text


def verdict(rhat: float) -> str:
    """What a split R-hat says about the chains.

    Examples
    --------
    >>> verdict(1.01)
    'R̂ = 1.01, they agree.'
    """
    if not np.isfinite(rhat):
        return "none, the samples are drawn independently."
    said = (
        "they agree" if rhat < AGREE else "they mix slowly" if rhat < DISAGREE else "they disagree"
    )
    return f"R̂ = {rhat:.2f}, {said}."


def power(value: Any) -> str:
    """A number in powers of ten, for HTML.

    Examples
    --------
    >>> power(0.00123)
    '1.2·10<sup>−3</sup>'
    """
    value = float(value)
    if not np.isfinite(value) or value == 0.0 or 0.1 <= abs(value) < 100:
        return f"{value:.2g}"
    mantissa, exponent = f"{value:.1e}".split("e")
    return f"{mantissa}·10<sup>{int(exponent)}</sup>".replace("-", "−")


def _segments(exact: np.ndarray) -> np.ndarray:
    """For each step, the first one with the same exact energy."""
    steps = np.arange(len(exact))
    changed = np.zeros(len(exact), bool)
    before, after = exact[:-1], exact[1:]
    changed[1:] = (before != after) & ~(np.isnan(before) & np.isnan(after))
    return np.maximum.accumulate(np.where(changed, steps, 0)) if len(exact) else steps


def _moving(values: np.ndarray, count: np.ndarray) -> np.ndarray:
    """Mean of the last `count` values at each place; nan where one of them is."""
    total = np.concatenate([[0.0], np.cumsum(np.nan_to_num(values))])
    ends = np.arange(1, len(values) + 1)
    mean = (total[ends] - total[ends - count]) / np.maximum(count, 1)
    return np.where(np.isnan(values), np.nan, mean)
