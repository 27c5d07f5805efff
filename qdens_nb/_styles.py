"""What each solver looks like on every page, safe for colour-blind readers."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import plotly.graph_objects as go

#: Okabe, Ito: Color Universal Design (2008)
OKABE_ITO = {
    "black": "#000000",
    "blue": "#0072B2",
    "vermillion": "#D55E00",
    "green": "#009E73",
    "orange": "#E69F00",
    "sky": "#56B4E9",
    "purple": "#CC79A7",
    "yellow": "#F0E442",
}
#: For lines and marks on white: a contrast of at least 3. Orange and sky blue, which are too
#: pale, are of the same hue and darker; yellow is for areas only.
LINE_COLORS = {
    **{name: OKABE_ITO[name] for name in ("black", "blue", "vermillion", "green")},
    "brown": "#644300",
    "slate": "#214D66",
    "purple": OKABE_ITO["purple"],
}
#: diagonals, limits and other lines that are no data
GREY = "#767676"


class Style(NamedTuple):
    """How a solver is drawn and what it is called."""

    label: str
    color: str
    dash: str
    symbol: str


#: What each solver looks like on every page
STYLES: dict[str, Style] = {
    "exact": Style("exact", LINE_COLORS["black"], "solid", "circle-open"),
    "chain_ed": Style("exact diagonalisation", LINE_COLORS["black"], "solid", "circle-open"),
    "chain_dmrg": Style("DMRG", LINE_COLORS["black"], "solid", "circle-open"),
    "chain": Style("learnt correction", LINE_COLORS["blue"], "solid", "diamond"),
    "chain_cnn": Style("paper's network", LINE_COLORS["vermillion"], "dash", "square"),
    "hartree_fock": Style("Hartree-Fock", LINE_COLORS["green"], "dot", "triangle-up"),
    "chain_live": Style("learnt correction, live", LINE_COLORS["slate"], "dashdot", "cross"),
    "chain_cnn_live": Style("paper's network, live", LINE_COLORS["brown"], "longdash", "x"),
    "chain_nqs": Style("neural quantum state", LINE_COLORS["purple"], "longdash", "x"),
    "worm": Style("QMC", LINE_COLORS["black"], "solid", "circle-open"),
    "alps": Style("QMC of ALPS", LINE_COLORS["purple"], "dash", "x"),
    "bose_hubbard_ed": Style("exact diagonalisation", LINE_COLORS["black"], "solid", "circle-open"),
    "network": Style("network", LINE_COLORS["blue"], "solid", "diamond"),
    "bose_hubbard": Style("learnt correction", LINE_COLORS["blue"], "solid", "diamond"),
    "bose_hubbard_live": Style("learnt correction, live", LINE_COLORS["slate"], "dashdot", "cross"),
    "bose_hubbard_cnn": Style("paper's network", LINE_COLORS["vermillion"], "dash", "square"),
    "dot_ci": Style("exact diagonalisation", LINE_COLORS["black"], "solid", "circle-open"),
    "residual_unet": Style("our network", LINE_COLORS["blue"], "solid", "diamond"),
    "pix2pix": Style("pix2pix", LINE_COLORS["vermillion"], "dash", "square"),
    "unet": Style("its U-Net by L1 alone", LINE_COLORS["slate"], "dashdot", "cross"),
    "nearest": Style("nearest training dot", LINE_COLORS["purple"], "longdash", "x"),
    "free": Style("without interaction", LINE_COLORS["green"], "dot", "triangle-up"),
    "gutzwiller": Style("mean field", LINE_COLORS["green"], "dot", "triangle-up"),
}
#: engines whose error is statistical: drawn as points with bars
SAMPLED = ("worm", "alps", "chain_nqs")
_DASHES = ("solid", "dash", "dot", "dashdot", "longdash")
_SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "x")


def style_of(solver: str, index: int = 0) -> Style:
    """Style of a solver; names that are not in `STYLES` get one by `index`."""
    if solver in STYLES:
        return STYLES[solver]
    color = list(LINE_COLORS.values())[1 + index % (len(LINE_COLORS) - 1)]
    return Style(solver, color, _DASHES[index % len(_DASHES)], _SYMBOLS[index % len(_SYMBOLS)])


def line(x: Any, y: Any, style: Style, **options: Any) -> go.Scatter:
    """One curve, told apart by colour, dash and marker."""
    settings: dict[str, Any] = {
        "mode": "lines+markers",
        "name": style.label,
        "line": {"color": style.color, "dash": style.dash, "width": 2},
        "marker": {"symbol": style.symbol, "size": 6, "color": style.color},
    }
    return go.Scatter(x=np.asarray(x), y=np.asarray(y), **(settings | options))


def error_band(x: Any, y: Any, stderr: Any, style: Style, **options: Any) -> go.Scatter:
    """Shaded region from ``y - stderr`` to ``y + stderr``."""
    at, middle, half = (np.asarray(a, dtype=float) for a in (x, y, stderr))
    red, green, blue = (int(style.color[i : i + 2], 16) for i in (1, 3, 5))
    settings: dict[str, Any] = {
        "x": np.concatenate([at, at[::-1]]),
        "y": np.concatenate([middle + half, (middle - half)[::-1]]),
        "fill": "toself",
        "fillcolor": f"rgba({red},{green},{blue},0.18)",
        "line": {"width": 0},
        "mode": "lines",
        "hoverinfo": "skip",
        "showlegend": False,
        "name": f"{style.label} ± its standard error",
    }
    return go.Scatter(**(settings | options))


def points(x: Any, y: Any, stderr: Any, style: Style, **options: Any) -> go.Scatter:
    """Points with error bars of one standard error, as quantum Monte Carlo gives them."""
    bars = {"type": "data", "array": np.asarray(stderr), "color": style.color, "thickness": 1.5}
    return line(x, y, style, **({"mode": "markers", "error_y": bars} | options))


def log_axis(*values: Any) -> dict[str, Any]:
    """A logarithmic axis for these values: powers of ten, or 1, 2 and 5 where decades are few."""
    known = np.concatenate([np.ravel(np.asarray(one, dtype=float)) for one in values])
    known = known[np.isfinite(known) & (known > 0)]
    if known.size and known.max() < 100 * known.min():
        return {"type": "log", "dtick": "D2", "tickformat": "~g"}
    return {"type": "log", "dtick": 1, "exponentformat": "power"}


def words(place: Any) -> str:
    """A value on an axis of categories: 0.3, not 0.30000000000000004."""
    return f"{place:g}" if isinstance(place, float) else str(place)
