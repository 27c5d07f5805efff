"""Draw the still pictures of the tutorials in tutorials/img (needs Chromium, by kaleido).

`python scripts/tutorial_pictures.py` draws the shipped networks beside DMRG on 40 sites, and beside
quantum Monte Carlo on 40 x 40, and beside exact diagonalisation in quantum dots, and four panels of
neural quantum states, and potentials of hydrogen; `... friedel`, `... wedding_cake`,
`... quantum_dots`, `... neural_states` or `... potentials` draws one of them.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import plotly.graph_objects as go
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


def neural_states() -> None:
    """Amplitudes, optimisers, entanglement and a biased evolution of neural quantum states."""
    nqs = qd.nqs
    small, ring = nqs.transverse_ising(8, h=1.0), nqs.transverse_ising(20, h=1.0)
    machine = nqs.RBM(8, scale=0.2, seed=1)
    nqs.ground_state(small, machine, steps=300, sampler="full", progress=False)
    vector = nqs.state_vector(small, machine)
    amplitudes = plotting.amplitude_bars({"": vector}, nqs.exact_ground_state(small)[1])
    race = {
        name: nqs.ground_state(ring, nqs.RBM(20), steps=200, optimizer=name.lower(), progress=False)
        for name in ("SGD", "Adam", "SR")
    }
    errors = plotting.error_curves(race, float(race["SR"].exact_energy), against=("step",))
    machines = {
        "long range": nqs.random_rbm(14, None, seed=1),
        "2 neighbours": nqs.random_rbm(14, 2, seed=1),
        "1 neighbour": nqs.random_rbm(14, 1, seed=1),
    }
    entropies = {name: nqs.entropy_profile(*nqs.rbm_state(w)) for name, w in machines.items()}
    page = np.array([nqs.page_entropy(2**k, 2 ** (14 - k)) for k in range(15)])
    entanglement = plotting.entropy_curves(entropies, page)
    shape = (4, 4)
    tied = {"is_complex": True, "biases": False, "tied": nqs.translations(shape)}
    group = nqs.point_group(shape)
    symmetric = {
        name: nqs.ground_state(nqs.j1j2(shape), network, steps=100, samples=400, progress=False)
        for name, network in {
            "plain": nqs.RBM(shape, alpha=2, is_complex=True),
            "tied": nqs.RBM(shape, alpha=4, **tied),
            "projected": nqs.RBM(shape, alpha=4, projection=group, **tied),
        }.items()
    }
    torus = nqs.reference_energy("j1j2", shape, {"J1": 1.0, "J2": 0.5})
    assert torus is not None
    symmetry = plotting.error_curves(symmetric, torus, against=("step",))
    panels = {
        "amplitudes: network (bars), exact (line)": amplitudes,
        "critical Ising ring: natural gradient wins": errors,
        "entanglement of random machines": entanglement,
        "frustrated magnet: symmetry helps": symmetry,
    }
    made = make_subplots(2, 2, subplot_titles=[*panels], vertical_spacing=0.17)
    for number, panel in enumerate(panels.values()):
        at = {"row": 1 + number // 2, "col": 1 + number % 2}
        for trace in panel.data:
            trace.showlegend = False
            made.add_trace(trace, **at)
            if number and trace.name:
                _name_at_end(made, trace, panel.layout.yaxis.type == "log", at)
        for axis in ("x", "y"):
            old = panel.layout[f"{axis}axis"]
            keep = {key: old[key] for key in ("type", "exponentformat", "dtick") if old[key]}
            update = made.update_xaxes if axis == "x" else made.update_yaxes
            update(title_text=old.title.text, **keep, **at)
    made.update_layout(
        template="qdens",
        width=1000,
        height=760,
        font_size=15,
        bargap=0,
        margin={"t": 100, "r": 30},
        title="Neural quantum states",
        title_x=0.01,
    )
    made.write_image(IMAGES / "04_neural_quantum_states.png", scale=1.5)


def potentials() -> None:
    """Fig. 2 of the MPNN paper, our method and the exact potential."""
    rows = json.loads((IMAGES.parents[1] / "results" / "mpnn_maps.json").read_text())["rows"]
    planes = {row["label"]: np.array(row["potential"]) for row in rows}
    errors = {row["label"]: f"<br>ε = {row['epsilon_wide']:.2g}" for row in rows}
    x = np.array(rows[0]["x"])
    planes["exact: −1/r"] = exact = -1 / np.hypot(x[:, None], x)
    shift = float(np.median(planes["MPNN, λ = 0"] - exact))  # the constant that λ = 0 leaves open
    planes["MPNN, λ = 0"] -= shift
    errors["MPNN, λ = 0"] += f", less {shift:.1f} Hartree"
    titled = {name + errors.get(name, ""): plane for name, plane in planes.items()}
    made = plotting.potential_planes(titled, x, limits=(-2, 0), columns=3, height=350)
    made.update_layout(
        width=1000,
        font_size=15,
        margin={"t": 120, "r": 30},
        title="The potential behind the ground state of hydrogen, in the plane z = 0",
        title_x=0.01,
    )
    made.write_image(IMAGES / "05_mpnn_hydrogen.png", scale=1.5)


def _name_at_end(made: go.Figure, trace: go.Scatter, logarithmic: bool, at: dict) -> None:
    """Write the name of a curve where it ends, or in the middle of one that ends at zero."""
    last = -1 if logarithmic else len(trace.y) // 2
    made.add_annotation(
        x=trace.x[last],
        y=np.log10(trace.y[last]) if logarithmic else trace.y[last],
        text=trace.name.replace("random states (Page)", "random states"),
        font={"color": "#222222", "size": 13},
        showarrow=False,
        xanchor="left" if logarithmic else "center",
        yanchor="middle" if logarithmic else "bottom" if trace.line.dash == "dot" else "top",
        yshift=0 if logarithmic else 4 if trace.line.dash == "dot" else -6,
        **at,
    )


PICTURES = {
    "friedel": friedel,
    "wedding_cake": wedding_cake,
    "quantum_dots": quantum_dots,
    "neural_states": neural_states,
    "potentials": potentials,
}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Draw the still pictures of the tutorials.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(PICTURES)}")
    chosen = parser.parse_args().names or PICTURES
    IMAGES.mkdir(parents=True, exist_ok=True)
    for name in chosen:
        PICTURES[name]()
