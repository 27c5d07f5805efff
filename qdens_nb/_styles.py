"""What each solver looks like on every page, safe for colour-blind readers."""

from __future__ import annotations

from typing import NamedTuple

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


class Style(NamedTuple):
    """How a solver is drawn and what it is called."""

    label: str
    color: str
    dash: str
    symbol: str


#: What each solver looks like on every page
STYLES: dict[str, Style] = {
    "exact": Style("exact", OKABE_ITO["black"], "solid", "circle-open"),
    "chain_ed": Style("exact diagonalisation", OKABE_ITO["black"], "solid", "circle-open"),
    "chain_dmrg": Style("DMRG", OKABE_ITO["black"], "solid", "circle-open"),
    "chain": Style("learnt correction", OKABE_ITO["blue"], "solid", "diamond"),
    "chain_cnn": Style("paper's network", OKABE_ITO["vermillion"], "dash", "square"),
    "hartree_fock": Style("Hartree-Fock", OKABE_ITO["green"], "dot", "triangle-up"),
    "chain_live": Style("learnt correction, live", OKABE_ITO["sky"], "dashdot", "cross"),
    "chain_cnn_live": Style("paper's network, live", OKABE_ITO["orange"], "longdash", "x"),
    "chain_nqs": Style("neural quantum state", OKABE_ITO["purple"], "longdash", "x"),
    "worm": Style("QMC", OKABE_ITO["black"], "solid", "circle-open"),
    "alps": Style("QMC of ALPS", OKABE_ITO["purple"], "dash", "x"),
    "bose_hubbard_ed": Style("exact diagonalisation", OKABE_ITO["black"], "solid", "circle-open"),
    "network": Style("network", OKABE_ITO["blue"], "solid", "diamond"),
    "bose_hubbard": Style("learnt correction", OKABE_ITO["blue"], "solid", "diamond"),
    "bose_hubbard_live": Style("learnt correction, live", OKABE_ITO["sky"], "dashdot", "cross"),
    "bose_hubbard_cnn": Style("paper's network", OKABE_ITO["vermillion"], "dash", "square"),
    "dot_ci": Style("exact diagonalisation", OKABE_ITO["black"], "solid", "circle-open"),
    "residual_unet": Style("our network", OKABE_ITO["blue"], "solid", "diamond"),
    "pix2pix": Style("pix2pix", OKABE_ITO["vermillion"], "dash", "square"),
    "unet": Style("its U-Net by L1 alone", OKABE_ITO["sky"], "dashdot", "cross"),
    "nearest": Style("nearest training dot", OKABE_ITO["purple"], "longdash", "x"),
    "free": Style("without interaction", OKABE_ITO["green"], "dot", "triangle-up"),
    "gutzwiller": Style("mean field", OKABE_ITO["green"], "dot", "triangle-up"),
}
#: engines whose error is statistical: drawn as points with bars
SAMPLED = ("worm", "alps", "chain_nqs")
_DASHES = ("solid", "dash", "dot", "dashdot", "longdash")
_SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "x")


def style_of(solver: str, index: int = 0) -> Style:
    """Style of a solver; names that are not in `STYLES` get one by `index`."""
    if solver in STYLES:
        return STYLES[solver]
    color = list(OKABE_ITO.values())[1 + index % (len(OKABE_ITO) - 1)]
    return Style(solver, color, _DASHES[index % len(_DASHES)], _SYMBOLS[index % len(_SYMBOLS)])
