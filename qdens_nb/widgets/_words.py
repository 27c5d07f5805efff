"""What curves of several solvers show, in words, for those who read rather than look."""

from __future__ import annotations

import numpy as np
import xarray as xr

from qdens_nb.plotting import style_of

#: standard error above which a network's own doubt is mentioned
DOUBT = 0.03


def summary(data: xr.Dataset) -> str:
    """What the curves show, in words."""
    density = curves_of(data, "density")
    label = {name: style_of(name).label for name in density}
    numbers = ", ".join(f"{label[name]} {_number(n.sum())}" for name, n in density.items())
    text = [f"<b>Particles:</b> {numbers}."]
    reference, what = "exact", "error against the exact density"
    if reference not in density:
        reference, what = "hartree_fock", "difference from Hartree-Fock (no exact curve yet)"
    if reference in density:
        errors = {
            name: np.abs(n - density[reference]) for name, n in density.items() if name != reference
        }
        largest = ", ".join(
            f"{label[name]} {error.max():.3f} at site {error.argmax()}"
            for name, error in errors.items()
        )
        text.append(f"<b>Largest {what}:</b> {largest}.")
    for name, stderr in curves_of(data, "density_stderr").items():
        doubted = np.flatnonzero(stderr > DOUBT)
        where = f"at sites {_listing(doubted)}" if doubted.size else "nowhere"
        text.append(f"<b>{label[name].capitalize()}</b> expects an error above {DOUBT:g} {where}.")
    return "<br>".join(text)


def curves_of(data: xr.Dataset, name: str) -> dict[str, np.ndarray]:
    """Values of an observable by solver; solvers that do not give it are left out."""
    if name not in data:
        return {}
    rows = zip(data["solver"].values, data[name].transpose("solver", "x").values, strict=True)
    return {str(solver): row for solver, row in rows if np.isfinite(row).all()}


def _listing(sites: np.ndarray) -> str:
    """Site numbers with runs joined: 1-3, 7."""
    runs = np.split(sites, np.flatnonzero(np.diff(sites) > 1) + 1)
    return ", ".join(f"{r[0]}-{r[-1]}" if len(r) > 1 else f"{r[0]}" for r in runs)


def _number(value: float) -> str:
    if abs(value - round(value)) < 0.005:
        return f"{value:.0f}"
    doubt = abs(value - round(value)) > 0.15
    return f"{value:.2f}" + (" (not whole: near a step)" if doubt else "")
