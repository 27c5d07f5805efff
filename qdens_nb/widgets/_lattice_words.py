"""What maps of several solvers show, in words, for those who read rather than look."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from qdens_nb.plotting import style_of
from qdens_nb.widgets._bose_answers import answer_of
from qdens_nb.widgets._phases import SOLID, SUPERSOLID, name_phases, phase_words

_SECTOR = ("even", "odd")


def cake_words(
    data: xr.Dataset, phases: xr.Dataset, rule: str = "", doubts: Sequence[str] = ()
) -> str:
    """Phases, particles, errors and times of what `compute` returns, as HTML.

    Parameters
    ----------
    data : Dataset
        Answers along a dim ``solver``: "network", perhaps "gutzwiller" and "worm".
    phases : Dataset
        `name_phases` of the network's answer.
    rule : str
        How the checkerboard sector was chosen.
    doubts : sequence of str
        Why quantum Monte Carlo may not be in equilibrium yet.
    """
    network = answer_of(data, "network")
    lines = [f"<b>Phases</b> (by the network's order parameters): {phase_words(network, phases)}."]
    if np.isin(phases["phase"].values, (SOLID, SUPERSOLID)).any():
        lines.append(
            f"<b>Checkerboard:</b> the {_SECTOR[int(data['sector'])]} sites are the denser ones"
            + (f" ({rule})." if rule else ".")
        )
    numbers = ", ".join(
        f"{style_of(str(name)).label} {float(data['density'].sel(solver=name).sum()):.1f}"
        for name in data["solver"].values
    )
    lines.append(f"<b>Particles:</b> {numbers}.")
    if "worm" in data["solver"].values:
        lines += _against_qmc(data, phases, doubts)
    else:
        lines.append(f"<b>Time:</b> {_times(data)}.")
    if data.attrs.get("notes"):
        lines.append(f"<b>Note:</b> {data.attrs['notes']}.")
    return "<br>".join(lines)


def _times(data: xr.Dataset) -> str:
    return ", ".join(
        f"{style_of(str(name)).label} {seconds_words(float(data['seconds'].sel(solver=name)))}"
        for name in data["solver"].values
    )


def _against_qmc(data: xr.Dataset, phases: xr.Dataset, doubts: Sequence[str]) -> list[str]:
    exact = answer_of(data, "worm")
    noise = float(np.sqrt((exact["density_stderr"] ** 2).mean()))
    errors = ", ".join(
        f"{style_of(str(name)).label} {mean:.3f} (largest {most:.2f})"
        for name in data["solver"].values
        if name != "worm"
        for mean, most in [_difference(data["density"].sel(solver=name), exact["density"])]
    )
    agree = (name_phases(exact)["phase"] == phases["phase"]).mean()
    ratio = float(data["seconds"].sel(solver="worm") / data["seconds"].sel(solver="network"))
    lines = [
        f"<b>Mean difference from the QMC density:</b> {errors}; QMC's own standard error is "
        f"{noise:.3f}. By the QMC answer, {float(agree):.0%} of the sites have the same phase.",
        f"<b>Time:</b> {_times(data)}: QMC took {ratio:,.0f} times as long as the network so far.",
    ]
    if doubts:
        lines.append(f"<b>QMC is perhaps not in equilibrium yet:</b> {'; '.join(doubts)}.")
    return lines


def _difference(a: xr.DataArray, b: xr.DataArray) -> tuple[float, float]:
    difference = np.abs(a - b)
    return float(difference.mean()), float(difference.max())


def seconds_words(seconds: float) -> str:
    """A time with its unit.

    Examples
    --------
    >>> seconds_words(0.0734), seconds_words(12.34), seconds_words(600)
    ('73 ms', '12.3 s', '10.0 min')
    """
    if seconds < 1:
        return f"{1000 * seconds:.0f} ms"
    return f"{seconds:.1f} s" if seconds < 120 else f"{seconds / 60:.1f} min"


def status(text: str) -> str:
    """HTML that a screen reader announces."""
    return f'<p role="status" aria-live="polite" style="line-height: 1.5">{text}</p>'


def drawn_words(
    wanted: xr.DataArray,
    found: xr.Dataset | None,
    exact: xr.Dataset | None,
    seconds: float,
    doubts: Sequence[str] = (),
) -> str:
    """How well a drawn density was reached, as HTML.

    Parameters
    ----------
    wanted : DataArray (x, y)
        The drawing.
    found : Dataset, optional
        What `qdens_nb.inverse.design` returned after `seconds`.
    exact : Dataset, optional
        Quantum Monte Carlo for the potential found, with reasons for `doubts`.
    """
    lines = [f"<b>Wanted:</b> {float(wanted.sum()):.1f} particles on {wanted.size} sites."]
    if found is None:
        lines.append("Draw on the left map, then press <b>Find potential</b>.")
        return "<br>".join(lines)
    mean, most = _difference(found["density"], wanted)
    height = float((found["potential"].max() - found["potential"].min()) / found["U"])
    early = ", stopped early" if found.attrs.get("interrupted") else ""
    lines.append(
        f"<b>Found</b> in {seconds_words(seconds)}{early}: a potential of height {height:.2f} U. "
        f"By the network, its density is off by {mean:.3f} on average, {most:.2f} at most."
    )
    if exact is None:
        lines.append(
            "The descent may exploit errors of the network: press <b>Check by QMC</b> before "
            "believing it."
        )
        return "<br>".join(lines)
    mean, most = _difference(exact["density"], wanted)
    apart, _ = _difference(exact["density"], found["density"])
    noise = float(np.sqrt((exact["density_stderr"] ** 2).mean()))
    lines.append(
        f"<b>QMC</b> in {seconds_words(exact.attrs['wall_seconds'])}: the density is off by "
        f"{mean:.3f} on average, {most:.2f} at most; the network was off by {apart:.3f}; QMC's own "
        f"standard error is {noise:.3f}."
    )
    if doubts:
        lines.append(f"<b>QMC is perhaps not in equilibrium yet:</b> {'; '.join(doubts)}.")
    return "<br>".join(lines)
