"""What a training of a potential shows and what its loss asks for, in words."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from qdens_nb.widgets._lattice_words import seconds_words
from qdens_nb.widgets._nqs_history import power

_BAR = "mean |U − V|"


def potential_words(data: xr.Dataset) -> str:
    """Energy, errors, time and what the method constrains, as HTML.

    Parameters
    ----------
    data : Dataset
        What `Training.view` returns.
    """
    lines = [_progress(data), _errors(data)] if data.attrs["step"] else [_begin(data)]
    return "<br>".join([*filter(None, lines), f"<b>The method:</b> {asked(data)}"])


def _begin(data: xr.Dataset) -> str:
    return (
        f"<b>H = {data.attrs['hamiltonian']}</b>, exact energy "
        f"{_signed(float(data['energy_exact']))} Hartree. The potential drawn is untrained: press "
        "Start."
    )


def _progress(data: xr.Dataset) -> str:
    energy, exact = float(data["energy"]), float(data["energy_exact"])
    if not np.isfinite(energy):
        return (
            "<b>The training failed:</b> the potential or the local energy is not a number. Choose "
            "another method or system."
        )
    kind = "from network to network" if data.attrs["noise"] > 0 else "statistical"
    text = (
        f"<b>Energy:</b> {_signed(energy)} ± {power(data['energy_stderr'])} Hartree "
        f"(± {kind}); exact {_signed(exact)}, off by {power(abs(energy - exact))}. "
    )
    seconds = float(data["seconds"])
    taken = seconds_words(seconds).replace(" ", "&nbsp;")
    if data.attrs["noise"] > 0:
        return f"{text}<b>Time:</b> {taken}."
    return f"{text}<b>Time:</b> {taken}, {data.attrs['step'] / seconds:.3g} steps/s."


def _errors(data: xr.Dataset) -> str:
    wide, core = float(data["epsilon_wide"]), float(data["epsilon_core"])
    if not np.isfinite(wide + core):
        return ""
    power_of = f"<sup>{data.attrs['dims']}</sup>" if data.attrs["dims"] > 1 else ""
    text = (
        f"<b>Error of the potential</b> ({_BAR}): ε<sub>wide</sub> = {power(wide)} Hartree in "
        f"[−5, 5]{power_of}, ε<sub>core</sub> = {power(core)} Hartree in [−1, 1]{power_of}."
    )
    if np.isfinite(float(data["trap_error"])):
        text += f" The trap of one electron is off by {_percent(data['trap_error'])} of its mean."
    return text


def asked(data: xr.Dataset) -> str:
    """What the loss asks for, and what it leaves free.

    Parameters
    ----------
    data : Dataset
        What `Training.view` returns.
    """
    attrs = data.attrs
    if attrs["noise"] > 0:
        fitted = (
            "the eigenstate of a network that is the potential"
            if attrs["dims"] == 1
            else "a network that is log|Ψ|"
        )
        return (
            f"Ψ is known only as {attrs['samples']:,} values with {_percent(attrs['noise'])} "
            f"noise: {fitted} is fitted to them, so that noise is not differentiated twice. Each "
            "step adds a network that holds out other values; their mean is drawn."
        )
    if attrs["method"] == "local_energy":
        return (
            "a robust mean of |E(r) − E| over points from |Ψ|², from the box and from nested "
            "boxes, all with equal weight: nothing in the box is free. U = V holds exactly at the "
            "known point."
        )
    if attrs["method"] == "mpnn":
        free = attrs["strength"] == 0
        pin = (
            "λ = 0: a constant added to U and to E costs nothing, so both may be off by it."
            if free
            else f"Only λ = {_short(attrs['strength'])} ties U to V, at the known point."
        )
        return (
            "asks for HΨ = EΨ at samples of |Ψ|², which weights (E(r) − E)² by |Ψ|⁴: "
            f"{_reach(data)}{pin}"
        )
    where = (
        f"at samples of |Ψ|²: {_reach(data)}"
        if attrs["method"] == "qpnn_ms"
        else "with equal weight in the whole box [−5, 5]"
        + (f"<sup>{attrs['dims']}</sup>" if attrs["dims"] > 1 else "")
        + "; steep places dominate. "
    )
    return (
        f"asks that the slope ∇E(r) vanishes, {where}The energy is not in the loss: the height of "
        "U comes from the known point alone."
    )


def _reach(data: xr.Dataset) -> str:
    if "radius" not in data.attrs:
        return "the tails are free. "
    space = "origin" if data.attrs["particles"] == 1 else "origin of all coordinates"
    share = data.attrs["share"]
    filled = _percent(share, 0) if share >= 0.01 else "less than 1 %"
    tails = "the tails outside are almost free. " if share < 0.9 else "few tails are free. "
    return (
        f"99 % of the weight lies within {data.attrs['radius']:.1f} Bohr of the {space}, "
        f"{filled} of the box; {tails}"
    )


def _signed(value: float) -> str:
    return f"{value:.4f}".replace("-", "−")


def _short(value: float) -> str:
    return f"{value:g}" if value >= 1e-3 else power(value)


def _percent(share: Any, digits: int = 1) -> str:
    return f"{100 * float(share):.{digits}f} %"
