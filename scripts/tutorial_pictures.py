"""Draw the still pictures of the tutorials in tutorials/img (needs Chromium, by kaleido).

`python scripts/tutorial_pictures.py` draws the shipped networks beside DMRG on 40 sites, and beside
quantum Monte Carlo on 40 x 40, and beside exact diagonalisation in quantum dots; `... friedel`,
`... wedding_cake` or `... quantum_dots` draws one of them.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from plotly.subplots import make_subplots

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


def wedding_cake() -> None:
    """Quantum Monte Carlo and the learnt correction in three traps."""
    known = qd.datasets.open_dataset(qd.datasets.shipped("bose_wedding_l40.nc"))
    problem = known[["potential", "U", "V", "mu", "T"]]
    network = qd.load_predictor("bose_hubbard")
    answers = {"worm": known, "bose_hubbard": network(problem, sector=network.sector_of(known))}
    titles = [
        f"{case}:<br>4t/U = {4 / U:.2f}, 4V/U = {4 * V / U:.1f}"
        for case, U, V in zip(known["case"].values, known["U"].values, known["V"].values,
                              strict=True)
    ]  # fmt: skip
    made = make_subplots(
        2,
        len(titles),
        subplot_titles=titles,
        row_titles=[plotting.style_of(name).label for name in answers],
        horizontal_spacing=0.02,
        vertical_spacing=0.03,
    )
    for row, answer in enumerate(answers.values(), 1):
        for column in range(len(titles)):
            heat = plotting.lattice_map(answer["density"].isel(sample=column))
            made.add_trace(heat, row=row, col=column + 1)
    made.update_layout(
        template="qdens",
        width=1000,
        height=680,
        font_size=15,
        margin={"t": 100, "l": 20, "r": 20, "b": 20},
        title="Density of bosons in traps on 40 × 40 sites",
        title_x=0.01,
        coloraxis={"cmin": 0, "colorbar": {"title": "⟨n⟩", "x": 1.06}},
    )
    made.update_xaxes(showticklabels=False, showgrid=False, constrain="domain")
    made.update_yaxes(showticklabels=False, showgrid=False, constrain="domain")
    for axis in made.select_yaxes():
        axis.scaleanchor = (axis.anchor or "x").replace("y", "x")
    made.write_image(IMAGES / "02_bose_hubbard_wedding_cake.png", scale=1.5)


def quantum_dots() -> None:
    """Potential, exact density, prediction and error of three test dots."""
    known = qd.datasets.open_dataset(qd.datasets.shipped("dots_fresh.nc")).isel(sample=slice(3))
    network = qd.load_predictor("dot_density")
    found = network(known)["density"]
    rows = {
        f"dot {i}": {
            "potential": known["potential"][i],
            "density, exact": known["density"][i],
            "density, network": found[i],
            "network − exact": (found[i] - known["density"][i]).rename("difference"),
        }
        for i in range(known.sizes["sample"])
    }
    made = plotting.dot_maps(rows, side=210)
    made.update_layout(
        width=1000, font_size=15, margin_t=100, title="Two electrons in a quantum dot", title_x=0.01
    )
    made.write_image(IMAGES / "03_pix2pix_quantum_dots.png", scale=1.5)


PICTURES = {"friedel": friedel, "wedding_cake": wedding_cake, "quantum_dots": quantum_dots}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Draw the still pictures of the tutorials.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(PICTURES)}")
    chosen = parser.parse_args().names or PICTURES
    IMAGES.mkdir(parents=True, exist_ok=True)
    for name in chosen:
        PICTURES[name]()
