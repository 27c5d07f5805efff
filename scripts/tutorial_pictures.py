"""Draw the still pictures of the tutorials in tutorials/img (needs Chromium, by kaleido).

`python scripts/tutorial_pictures.py` draws the shipped networks beside DMRG on 40 sites.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import qdens_nb as qd
from qdens_nb import analysis, plotting

IMAGES = Path(__file__).resolve().parents[1] / "tutorials" / "img"
SITES, V, DEPTH, MU = 40, 1.3, 2.0, 0.15


def friedel() -> None:
    """Both networks, Hartree-Fock and DMRG in a well of half the ring (a minute)."""
    one = qd.fermion_chain(qd.potentials.step_well(SITES, DEPTH, SITES // 2), V=V, mu=MU)
    solvers = {
        "chain_dmrg": partial(qd.solvers.chain_dmrg, bond_dimension=128, energy_tolerance=1e-7),
        "chain_cnn": qd.load_predictor("chain_cnn"),
        "hartree_fock": qd.solvers.chain_hartree_fock,
        "chain": qd.load_predictor("chain"),
    }
    data = analysis.compare(one, solvers)
    title = (
        f"Interacting fermions on a ring of {SITES} sites with a well of {DEPTH:g} J (shaded), "
        f"V = {V:g} J"
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
