"""Draw the still pictures of the tutorials in tutorials/img (needs Chromium, by kaleido).

`python scripts/tutorial_pictures.py` draws the shipped networks beside DMRG on 40 sites.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

import qdens_nb as qd
from qdens_nb import analysis, plotting

IMAGES = Path(__file__).resolve().parents[1] / "tutorials" / "img"
V, DEPTH = 1.5, 2.0


def friedel() -> None:
    """Both networks, Hartree-Fock and DMRG in a well of 20 sites."""
    known = qd.datasets.open_dataset(qd.datasets.shipped("chain_l40_dmrg.nc"))
    off = abs(known["V"].values - V) + abs(known["potential"].values.min(1) + DEPTH)
    one = known.isel(sample=int(np.argmin(off)))
    solvers = {
        "chain_cnn": qd.load_predictor("chain_cnn"),
        "hartree_fock": qd.solvers.chain_hartree_fock,
        "chain": qd.load_predictor("chain"),
    }
    answers = {"chain_dmrg": one} | {name: solve(one) for name, solve in solvers.items()}
    data = analysis.side_by_side(one[["potential", "V", "mu", "flux"]], answers)
    depth = -float(one["potential"].min())
    title = (
        f"Interacting fermions on a ring of {one.sizes['x']} sites with a well of {depth:.2g} J, "
        f"V = {float(one['V']):.2g} J"
    )
    made = plotting.curves(data, title=title, height=440)
    inside = one["x"].values[one["potential"].values < 0]
    made.add_vrect(
        x0=inside[0] - 0.5, x1=inside[-1] + 0.5, fillcolor="#777777", opacity=0.1, line_width=0
    )
    made.update_layout(width=1000, font_size=15)
    made.write_image(IMAGES / "01_friedel_oscillations.png", scale=1.5)


if __name__ == "__main__":
    IMAGES.mkdir(parents=True, exist_ok=True)
    friedel()
