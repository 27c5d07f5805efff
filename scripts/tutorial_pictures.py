"""Draw the still pictures of the tutorials in tutorials/img (needs Chromium, by kaleido).

`python scripts/tutorial_pictures.py` draws the shipped networks beside DMRG on 40 sites.
"""

from __future__ import annotations

from pathlib import Path

import qdens_nb as qd
from qdens_nb import analysis, plotting

IMAGES = Path(__file__).resolve().parents[1] / "tutorials" / "img"
V, DEPTH = 2.0, 2.0


def friedel() -> None:
    """Both networks, Hartree-Fock and DMRG in a well of half the ring."""
    known = qd.datasets.open_dataset(qd.datasets.shipped("chain_l40_dmrg.nc"))
    away = abs(known["V"] - V) + abs(known["potential"].min("x") + DEPTH)
    one = known.isel(sample=int(away.values.argmin()))
    solvers = {
        "hartree_fock": qd.solvers.chain_hartree_fock,
        "chain_cnn": qd.load_predictor("chain_cnn"),
        "chain": qd.load_predictor("chain"),
    }
    problem = one[["potential", "V", "mu", "flux"]].assign_attrs(one.attrs)
    answers = {"chain_dmrg": one} | {name: solve(problem) for name, solve in solvers.items()}
    data = analysis.side_by_side(problem, answers)
    title = (
        f"Interacting fermions on a ring of {one.sizes['x']} sites with a well of {DEPTH:g} J "
        f"(shaded), V = {V:g} J"
    )
    made = plotting.curves(data, title=title, height=440)
    inside = one["x"].values[one["potential"].values < 0]
    made.add_vrect(
        x0=inside[0] - 0.5, x1=inside[-1] + 0.5, fillcolor="#777777", opacity=0.1, line_width=0
    )
    made.update_layout(width=1000, font_size=15, title_x=0.01)
    made.write_image(IMAGES / "01_friedel_oscillations.png", scale=1.5)


if __name__ == "__main__":
    IMAGES.mkdir(parents=True, exist_ok=True)
    friedel()
