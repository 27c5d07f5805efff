"""Every public figure function on small data, and the figure of every app."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import xarray as xr

import qdens_nb as qd
from qdens_nb import analysis, plotting, widgets
from qdens_nb.widgets._bose_answers import answer_of, join
from qdens_nb.widgets._cake_figure import cake_maps
from qdens_nb.widgets._cake_figure import still as still_cake
from qdens_nb.widgets._dot_maps import still as still_dots

RNG = np.random.default_rng(1)


@cache
def chain() -> xr.Dataset:
    """Answers of four solvers to a chain; the network states its standard error."""
    problem = qd.fermion_chain(qd.potentials.step_well(10, 2.0, 5), V=1.0, mu=0.2, flux=0.7)
    mean_field = qd.solvers.chain_hartree_fock(problem)

    def near(by: float) -> Callable[[xr.Dataset], xr.Dataset]:
        return lambda _: mean_field.assign(
            density=mean_field.density + by, density_stderr=0 * mean_field.density + 0.02
        )

    return analysis.compare(
        problem,
        {
            "exact": qd.solvers.chain_ed,
            "chain": near(0.02),
            "chain_cnn": near(-0.03),
            "hartree_fock": lambda _: mean_field,
            "chain_nqs": near(0.01),
        },
    )


@cache
def lattice() -> xr.Dataset:
    """Quantum Monte Carlo, two networks and the mean field of a trap."""
    x, y = np.indices((8, 8)) - 3.5
    problem = qd.bose_hubbard(0.6 * (x**2 + y**2), U=20.0, V=5.0, mu=20.0, T=0.25)
    field = qd.solvers.gutzwiller(problem)
    noisy = field.assign(density=field.density + 0.01, density_stderr=0 * field.density + 0.02)
    answers = {"worm": noisy, "bose_hubbard_cnn": noisy, "bose_hubbard": noisy, "gutzwiller": field}
    return analysis.side_by_side(problem, answers)


@cache
def dots() -> xr.Dataset:
    """Two small quantum dots, solved."""
    problem = qd.quantum_dot(qd.potentials.quantum_well_cluster(32, samples=2, seed=1))
    return qd.solvers.dot_ci(problem, orbitals=4, modes=12)


@cache
def sweep() -> xr.Dataset:
    """Answers of three solvers to wells of some depths."""
    solvers = {
        "exact": qd.solvers.chain_ed,
        "chain": qd.solvers.chain_hartree_fock,
        "hartree_fock": qd.solvers.chain_hartree_fock,
    }
    return analysis.well_sweep(solvers, depths=[0.5, 1.0, 1.5], sites=8, width=4, V=1.0, mu=0.1)


def optimisation(scale: float) -> xr.Dataset:
    """A run that comes nearer to -10."""
    step = np.arange(120)
    energy = -10 + scale * np.exp(-step / 30) * (1 + 0.2 * RNG.normal(size=120))
    values = {"energy": ("step", energy), "seconds": ("step", 0.01 * step)}
    return xr.Dataset(values, {"step": step})


def evolution(shift: float) -> xr.Dataset:
    """A magnetisation in time with its standard error."""
    time = np.linspace(0, 2, 21)
    values = {
        "sigma_x": ("time", np.cos(time) + shift),
        "sigma_x_stderr": ("time", 0 * time + 0.03),
    }
    return xr.Dataset(values, {"time": time})


def recovered(shift: float) -> xr.Dataset:
    """What `mpnn.recover_potential` answers, in one dimension."""
    x = np.linspace(-5, 5, 81)
    values = {
        "potential": ("x", x**2 / 2 + shift),
        "local_energy": ("x", 0.5 + shift * np.sin(x)),
        "potential_exact": ("x", x**2 / 2),
    }
    return xr.Dataset(values, {"x": x}).assign(energy_exact=0.5)


def dot_rows() -> go.Figure:
    """Potential, densities and their difference."""
    data = dots()
    changed = (data.density - data.density_free).rename("difference")
    row = {"potential": data.potential, "without interaction": data.density_free,
           "density": data.density, "difference": changed}  # fmt: skip
    return plotting.dot_maps(
        {f"dot {i}": {title: maps[i] for title, maps in row.items()} for i in range(2)}
    )


def ranged(*columns: str) -> pd.DataFrame:
    """Medians of three methods at three numbers of points, with their ranges."""
    rows: dict[str, Any] = {
        "points": [1e3, 1e4, 1e5] * 3,
        "method": np.repeat(["QPNN", "MPNN", "local energy"], 3),
    }
    for column in columns:
        middle = 10 ** RNG.uniform(-2, 0, 9)
        rows[column] = middle
        rows[f"{column}_range"] = [(0.7 * m, 1.5 * m) for m in middle]
    return pd.DataFrame(rows)


EPSILON = {"wide": "ε in [−5, 5]³ (Hartree)", "core": "ε in [−1, 1]³ (Hartree)"}
SIGNS = pd.DataFrame(
    [(j, s, n, RNG.uniform(1e-4, 1e-1)) for s in ("with Marshall's rule", "without")
     for j in (0.0, 0.3, 0.7) for n in ("any positive state", "real RBM", "complex RBM")],
    columns=["J₂/J₁", "signs", "network", "relative error of E"],
).set_index("J₂/J₁")  # fmt: skip
COST = pd.DataFrame(
    [(m, p, k * p**e) for m, k, e in (("dense", 1e-5, 2), ("minsr", 1e-2, 1), ("cg", 2e-2, 1))
     for p in (100, 400, 1600)],
    columns=["method", "parameters", "milliseconds"],
)  # fmt: skip
PLANE = np.linspace(-5, 5, 21)


def lines() -> go.Figure:
    """`figure`, `line`, `points` and `error_band` together."""
    made = plotting.figure("x (site)", "density ⟨n⟩", "A title above the legend")
    x, y = np.arange(10), np.linspace(0, 1, 10)
    for place, name in enumerate(("worm", "bose_hubbard", "bose_hubbard_cnn", "gutzwiller")):
        style = plotting.style_of(name)
        if name == "worm":
            made.add_trace(plotting.points(x, y, 0 * y + 0.05, style))
            continue
        made.add_trace(plotting.error_band(x, y + place, 0 * y + 0.1, style))
        made.add_trace(plotting.line(x, y + place, style))
    return made


FIGURES: dict[str, Callable[[], go.Figure]] = {
    "figure, line, points, error_band": lines,
    "curves": lambda: plotting.curves(chain(), title="A well of depth 2 J, V = 1 J"),
    "curves of the current": lambda: plotting.curves(chain(), "current"),
    "panels": lambda: plotting.panels(
        chain(), ["coherence", "density_correlation", "current", "current_correlation"]
    ),
    "cut": lambda: plotting.cut(lattice()),
    "maps": lambda: plotting.maps(sweep().density, "depth"),
    "parity_plot": lambda: plotting.parity_plot(
        chain().density.sel(solver="exact"),
        {name: chain().density.sel(solver=name) for name in ("chain_cnn", "chain")},
    ),
    "calibration_plot": lambda: plotting.calibration_plot(
        {
            name: analysis.reliability(
                RNG.normal(size=200) * np.repeat([1.0, 2.0], 100) * k,
                np.repeat([1.0, 3.0], 100),
                bins=4,
            )
            for k, name in ((1.0, "chain_cnn"), (0.7, "chain"))
        }
    ),
    "lattice_map, square_sites": lambda: plotting.square_sites(
        plotting.figure("x (site)", "y (site)", coloraxis_colorbar_title="⟨n⟩").add_trace(
            plotting.lattice_map(lattice().density.sel(solver="worm"))
        )
    ),
    "lattice_maps": lambda: plotting.lattice_maps(lattice()),
    "lattice_maps, reference": lambda: plotting.lattice_maps(lattice(), reference="worm"),
    "dot_maps": dot_rows,
    "amplitude_bars": lambda: plotting.amplitude_bars(
        {k: RNG.normal(size=64) * np.linspace(0.5, 0, 64) for k in ("before", "after 100 steps")},
        np.linspace(0.5, 0, 64),
    ),
    "local_energy_histogram": lambda: plotting.local_energy_histogram(
        {
            k: (RNG.normal(-10, s, 500), np.full(500, 0.002))
            for k, s in (("before", 2), ("after", 0.5))
        },
        -10.2,
    ),
    "chain_traces": lambda: plotting.chain_traces(
        {f"h = {h}, four of the chains": RNG.uniform(-1, 1, (4, 60)) for h in (0.4, 1.0)}
    ),
    "magnetisation_bars": lambda: plotting.magnetisation_bars(
        {k: np.repeat([-1.0, 0.0, 1.0], [30, 40, 30]) for k in ("one flip", "with flips of all")},
        np.array([-1.0, 0.0, 1.0]),
        np.array([0.25, 0.5, 0.25]),
    ),
    "error_curves": lambda: plotting.error_curves(
        {name: optimisation(s) for name, s in (("SGD", 3.0), ("Adam", 1.0), ("SR", 0.1))}, -10.0
    ),
    "cost_curves": lambda: plotting.cost_curves(COST, 500),
    "entropy_curves": lambda: plotting.entropy_curves(
        {
            k: s * np.sin(np.linspace(0, np.pi, 15))
            for k, s in (("1 neighbour", 1.0), ("2 neighbours", 2.0), ("long range", 4.0))
        },
        4.5 * np.sin(np.linspace(0, np.pi, 15)),
    ),
    "grouped_points": lambda: plotting.grouped_points(
        SIGNS, "relative error of E", "network", "signs"
    ),
    "spectra": lambda: plotting.spectra(
        {f"α = {a}": 10.0 ** -np.linspace(0, 14, 80 * a) for a in (1, 2, 4)}, 255
    ),
    "evolution_curves": lambda: plotting.evolution_curves(
        np.cos(np.linspace(0, 2, 21)),
        {
            k: evolution(s)
            for k, s in (
                ("samples of |ψ|²", 0.02),
                ("samples of |ψ|", -0.05),
                ("|ψ|² broadened by H", 0.2),
            )
        },
        "sigma_x",
        "⟨σˣ⟩",
    ),
    "potential_cuts": lambda: plotting.potential_cuts(
        {
            k: recovered(s)
            for k, s in (
                ("QPNN", 1.0),
                ("QPNN+MS", -0.5),
                ("MPNN", 0.2),
                ("local energy (ours)", 0.02),
            )
        }
    ),
    "potential_planes": lambda: plotting.potential_planes(
        {
            k: -1 / np.hypot(np.hypot(PLANE[:, None], PLANE), 0.3)
            for k in ("QPNN", "MPNN, λ = 0", "MPNN", "exact")
        },
        PLANE,
        limits=(-2, 0),
        columns=2,
        height=270,
    ),
    "medians": lambda: plotting.medians(
        ranged(*EPSILON), "points", EPSILON, "method", x_title="number of points"
    ),
    "medians, categories": lambda: plotting.medians(
        ranged(*EPSILON, "loss").query("method == 'MPNN'"),
        "points",
        EPSILON | {"loss": "loss at the end"},
        x_title="λ",
        log_x=False,
    ),
    "radial_histograms": lambda: plotting.radial_histograms(
        {"rejected steps repeat": RNG.gamma(3, 0.5, 4000), "dropped": RNG.gamma(4, 0.5, 4000)},
        np.linspace(0, 5, 60),
        4 * np.linspace(0, 5, 60) ** 2 * np.exp(-2 * np.linspace(0, 5, 60)),
    ),
}


def friedel() -> Iterator[Any]:
    """The app with its exact curve."""
    app = widgets.FriedelApp(sites=12, width=6)
    app.compute_exact()
    yield app.figure


def cake() -> Iterator[Any]:
    """The cut, the same with quantum Monte Carlo, and the still picture with the maps."""
    app = widgets.WeddingCakeApp(sites=12, mean_field=True)
    yield app.figure
    network = answer_of(app.data, "network").assign_attrs(wall_seconds=1.0, notes="")
    stderr = {f"{name}_stderr": 0 * network[name] + 0.02 for name in ("density", "fluctuation")}
    noisy = network.assign(density=network.density + 0.01, **stderr)
    data = join(app._problem(), {"network": network, "worm": noisy}, int(app.data["sector"]))
    app._cut.show(data)
    yield app.figure
    yield still_cake(cake_maps(data, app.phases), app.figure)


def drawing() -> Iterator[Any]:
    """Before a potential is found, and with one that was checked."""
    app = widgets.DrawDensityApp()
    yield app.figure
    x, y = np.indices(app.wanted.shape) - 7.5
    problem = qd.bose_hubbard(0.4 * (x**2 + y**2), U=20.0, V=0.0, mu=8.0, T=0.25)
    answer = qd.solvers.gutzwiller(problem).assign(sector=0)
    noisy = answer.assign(density_stderr=0 * answer.density + 0.02)
    app.found, app.exact = answer, noisy.assign_attrs(wall_seconds=1.0)
    app._show()
    yield app.figure


def quantum_dots() -> Iterator[Any]:
    """The still picture of what is on the canvas."""
    yield still_dots(widgets.QuantumDotsApp(seed=4)._compute(with_exact=True))


def ground_state() -> Iterator[Any]:
    """Some steps of an optimisation."""
    app = widgets.GroundStateApp(sites=8, samples=100)
    app.advance(20)
    yield app.figure
    app.close()


def live_plot() -> Iterator[Any]:
    """The callback after some steps."""
    model = qd.nqs.transverse_ising(6)
    live = widgets.LivePlot(model)
    qd.nqs.ground_state(model, qd.nqs.RBM(6), steps=20, samples=100, callback=live, progress=False)
    live.draw()
    yield live.figure
    live.close()


def quench() -> Iterator[Any]:
    """The exact quench and that of a network."""
    app = widgets.QuenchApp(alpha=1)
    app.evolve()
    app.wait(60)
    yield app.figure
    app.close()


def potential() -> Iterator[Any]:
    """Some steps of a training, with the maps."""
    app = widgets.PotentialApp()
    app.controls["plane"].value = True
    app.advance(20)
    yield app.figure
    app.close()


APPS: dict[str, Callable[[], Iterator[Any]]] = {
    "FriedelApp": friedel,
    "WeddingCakeApp": cake,
    "DrawDensityApp": drawing,
    "QuantumDotsApp": quantum_dots,
    "GroundStateApp": ground_state,
    "LivePlot": live_plot,
    "QuenchApp": quench,
    "PotentialApp": potential,
}
