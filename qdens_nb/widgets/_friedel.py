"""Friedel oscillations in a well on a ring: both networks, Hartree-Fock and the exact curve."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any

import ipywidgets
import numpy as np
import plotly.graph_objects as go
import xarray as xr
from plotly.subplots import make_subplots

import qdens_nb
from qdens_nb import analysis, potentials
from qdens_nb.plotting import error_band, line, style_of
from qdens_nb.solvers._chain_hartree_fock import MeanField, solve_at
from qdens_nb.systems import fermion_chain
from qdens_nb.widgets._access import Access
from qdens_nb.widgets._background import Background, Report, Stopped
from qdens_nb.widgets._figure_widget import PatientFigureWidget
from qdens_nb.widgets._words import curves_of, summary

Solver = Callable[[xr.Dataset], xr.Dataset]

ED_SITES = 16
KNOWN_FILE = "chain_l40_dmrg.nc"
_CONTROLS: dict[str, dict[str, Any]] = {
    "V": {"value": 1.0, "min": 0.0, "max": 2.0, "step": 0.05, "description": "interaction V (J)"},
    "mu": {
        "value": 0.0,
        "min": -2.0,
        "max": 3.0,
        "step": 0.05,
        "description": "chemical pot. μ (J)",
    },
    "depth": {"value": 2.0, "min": 0.0, "max": 3.0, "step": 0.05, "description": "well depth (J)"},
    "width": {"value": 10, "min": 2, "max": 14, "description": "well width (sites)"},
    "sites": {"value": 16, "min": 12, "max": 40, "description": "ring size L (sites)"},
}
_NOTE = {
    "ed": "exact diagonalisation, at once",
    "dmrg": "DMRG, some seconds to a minute",
}


def quick_hartree_fock(problem: xr.Dataset) -> xr.Dataset:
    """Hartree-Fock that looks for N roughly: as much as a slider can wait for."""
    mu, sites = float(problem["mu"]), problem.sizes["x"]
    given = (problem["potential"].values, float(problem["V"]), float(problem["flux"]))

    @cache
    def rough(n: int, starts: int) -> MeanField:
        return solve_at(*given, n, starts=starts, tolerance=1e-3)

    def grand(n: int) -> float:
        return rough(n, 3).energy - mu * n

    best = sites // 2
    for _ in range(4):
        best, last = int((rough(best, 1).levels < mu).sum()), best
        if best == last:
            break
    tried = {best}
    while not tried >= (near := {max(best - 1, 0), best, min(best + 1, sites)}):
        tried |= near
        best = min(tried, key=grand)
    first_is_best = rough(best, 1).energy < rough(best, 3).energy + 1e-4
    starts = 1 if first_is_best else 3
    return qdens_nb.solvers.chain_hartree_fock(problem, N=best, starts=starts, tolerance=1e-5)


def default_solvers() -> dict[str, Solver]:
    """Both shipped networks and Hartree-Fock, as solvers."""
    return {
        "chain_cnn": qdens_nb.load_predictor("chain_cnn"),
        "chain": qdens_nb.load_predictor("chain"),
        "hartree_fock": quick_hartree_fock,
    }


def well_problem(V: float, mu: float, depth: float, width: int, sites: int) -> xr.Dataset:
    """The problem that the sliders describe."""
    return fermion_chain(potentials.step_well(sites, depth, width), V=V, mu=mu)


def compute(
    V: float, mu: float, depth: float, width: int, sites: int, solvers: Mapping[str, Solver]
) -> xr.Dataset:
    """Answers of all `solvers` to one well, along a dim ``solver``."""
    import torch

    problem = well_problem(V, mu, depth, width, sites)
    # Grad mode belongs to a thread. One after another is quicker than threads, which take turns.
    with torch.no_grad():
        answers = {name: solver(problem) for name, solver in solvers.items()}
    return analysis.side_by_side(problem, answers)


def solve_exact(problem: xr.Dataset, report: Report | None = None) -> xr.Dataset:
    """Exact diagonalisation of up to 16 sites, DMRG above; `report` gets a line a sweep."""
    if problem.sizes["x"] <= ED_SITES:
        return qdens_nb.solvers.chain_ed(problem)
    return qdens_nb.solvers.chain_dmrg(
        problem, bond_dimension=128, energy_tolerance=1e-7, on_sweep=report
    )


def default_known() -> xr.Dataset | None:
    """The shipped DMRG answers for wells on a ring of 40 sites, if they are there."""
    if KNOWN_FILE not in qdens_nb.datasets.registry():
        return None
    return qdens_nb.datasets.open_dataset(qdens_nb.datasets.shipped(KNOWN_FILE))


def find_known(known: xr.Dataset | None, problem: xr.Dataset) -> xr.Dataset | None:
    """The sample of a batch of solved problems that is this problem; None if there is none."""
    if known is None or known.sizes["x"] != problem.sizes["x"]:
        return None
    same = np.abs(known["potential"].values - problem["potential"].values).max(-1) < 1e-4
    for name in ("V", "mu", "flux"):
        same &= np.abs(known[name].values - float(problem[name])) < 1e-4
    return known.isel(sample=int(same.argmax())) if same.any() else None


def _sliders_of(known: xr.Dataset) -> list[dict[str, float]]:
    """Where the sliders have to be for each sample of a batch of solved wells."""
    points = []
    for i in range(known.sizes["sample"]):
        one = known.isel(sample=i)
        inside = one["potential"].values < -1e-6
        points.append(
            {
                "V": round(float(one["V"]), 4),
                "mu": round(float(one["mu"]), 4),
                "depth": round(-float(one["potential"].min()), 4),
                "width": int(inside.sum()),
                "sites": one.sizes["x"],
            }
        )
    return points


class FriedelApp:
    """Sliders for a well on a ring of interacting fermions, and what each solver says.

    Parameters
    ----------
    solvers : mapping of names to solvers, optional
        By default both shipped networks and Hartree-Fock.
    known : Dataset, optional
        A batch of solved wells, shown without computing where the sliders are on one of them. By
        default the shipped ones, if `solvers` is the default too.
    **start : float
        Values of the sliders V, mu, depth, width, sites to begin with.

    Attributes
    ----------
    data : Dataset
        What is shown, along a dim ``solver``; it holds ``"exact"`` if the exact curve is there.
    sliders : dict of ipywidgets
        V, mu, depth, width, sites.
    """

    def __init__(
        self,
        solvers: Mapping[str, Solver] | None = None,
        known: xr.Dataset | None = None,
        **start: float,
    ) -> None:
        unknown = sorted(set(start) - set(_CONTROLS))
        if unknown:
            raise TypeError(f"unknown slider {', '.join(unknown)}; there is {', '.join(_CONTROLS)}")
        self.solvers = dict(default_solvers() if solvers is None else solvers)
        self.known = default_known() if known is None and solvers is None else known
        self._known_points = [] if self.known is None else _sliders_of(self.known)
        self._lock = threading.RLock()
        self._job = Background()
        self._quiet = False
        self.sliders = self._make_sliders(start)
        self.exact_button = ipywidgets.Button(
            description="Compute exact",
            button_style="primary",
            tooltip="exact density at this point",
        )
        self.stop_button = ipywidgets.Button(
            description="Stop", disabled=True, tooltip="stop the exact computation"
        )
        self.known_button = ipywidgets.Button(
            description="Nearest precomputed",
            disabled=not self._known_points,
            tooltip="move the sliders to the nearest point whose exact curve is shipped",
            layout=ipywidgets.Layout(width="auto"),
        )
        self.status = ipywidgets.Label()
        self.text = ipywidgets.HTML()
        self.figure: Any = self._make_figure()
        self._solve()
        self.figure = PatientFigureWidget(self.figure)
        for slider in self.sliders.values():
            slider.observe(self._on_slider, names="value")
        self.exact_button.on_click(lambda _: self.compute_exact())
        self.stop_button.on_click(lambda _: self.stop())
        self.known_button.on_click(lambda _: self.go_to_known())
        self.widget = self._assemble()

    def _make_sliders(self, start: Mapping[str, float]) -> dict[str, Any]:
        common = {
            "style": {"description_width": "132px"},
            "layout": ipywidgets.Layout(width="385px"),
        }
        made: dict[str, Any] = {}
        for name, options in _CONTROLS.items():
            kind = ipywidgets.FloatSlider if "step" in options else ipywidgets.IntSlider
            made[name] = kind(**options, **common)
        for name in ("sites", *start):
            made[name].value = start.get(name, made[name].value)
            made["width"].max = made["sites"].value - 2
        return made

    def _make_figure(self) -> go.Figure:
        panels = make_subplots(
            2, 1, shared_xaxes=True, row_heights=[0.74, 0.26], vertical_spacing=0.04
        )
        figure = go.Figure(panels)
        figure.update_layout(
            template="qdens", height=480, autosize=True, margin={"l": 65, "r": 15, "t": 45, "b": 55}
        )
        figure.update_xaxes(automargin=False).update_yaxes(automargin=False)
        figure.update_xaxes(title_text="x (site)", row=2, col=1)
        figure.update_yaxes(title_text="density ⟨n<sub>x</sub>⟩", range=[-0.04, 1.04], row=1, col=1)
        figure.update_yaxes(title_text="v, μ (J)", range=[-3.4, 3.4], row=2, col=1)
        names = ("exact", *self.solvers)
        for index, name in enumerate(names):
            style = style_of(name, index)
            figure.add_trace(error_band([], [], [], style), row=1, col=1)
            figure.add_trace(line([], [], style), row=1, col=1)
        self._traces = {name: (2 * i, 2 * i + 1) for i, name in enumerate(names)}
        grey = {"color": "#666666", "width": 2, "shape": "hvh"}
        figure.add_scatter(mode="lines", line=grey, name="potential v", row=2, col=1)
        dashed = {"color": "#CC79A7", "width": 2, "dash": "dash"}
        figure.add_scatter(mode="lines", line=dashed, name="μ", row=2, col=1)
        return figure

    def _assemble(self) -> ipywidgets.VBox:
        wrap = ipywidgets.Layout(flex_flow="row wrap", max_width="800px")
        buttons = ipywidgets.HBox(
            [self.exact_button, self.stop_button, self.known_button, self.status]
        )
        return ipywidgets.VBox(
            [
                ipywidgets.Box(list(self.sliders.values()), layout=wrap),
                buttons,
                self.figure,
                self.text,
                Access(),
            ],
            layout=ipywidgets.Layout(max_width="820px"),
        )

    @property
    def values(self) -> dict[str, Any]:
        """The sliders' values."""
        return {name: slider.value for name, slider in self.sliders.items()}

    def set(self, **values: float) -> None:
        """Move several sliders at once."""
        with self._lock:
            self._quiet = True
            try:
                for name in sorted(values, key=lambda n: n != "sites"):
                    if name == "sites":
                        self.sliders["width"].max = int(values[name]) - 2
                    self.sliders[name].value = values[name]
            finally:
                self._quiet = False
            self._solve()

    def _on_slider(self, change: Any) -> None:
        with self._lock:
            if self._quiet:
                return
            if change["owner"] is self.sliders["sites"]:
                self._quiet = True
                try:
                    self.sliders["width"].max = change["new"] - 2
                finally:
                    self._quiet = False
            self._solve()

    def _solve(self) -> None:
        """Answer the sliders; an exact curve of another point is dropped."""
        with self._lock:
            self._job.stop()
            self.data = compute(**self.values, solvers=self.solvers)
            self._idle("Exact: " + _NOTE["ed" if self.values["sites"] <= ED_SITES else "dmrg"])
            known = find_known(self.known, self.data)
            if known is None:
                self._show()
            else:
                self._add_exact(known, "Exact curve precomputed by DMRG")

    def compute_exact(self) -> None:
        """Add the exact curve: at once for small rings, in the background for large ones."""
        with self._lock:
            problem = well_problem(**self.values)
            if self.values["sites"] <= ED_SITES:
                self._finish(*_attempt(solve_exact, problem), problem)
                return
            self.exact_button.disabled, self.stop_button.disabled = True, False
            self.status.value = "DMRG: starting"
            self._job.start(
                partial(solve_exact, problem),
                self._report,
                lambda result, error: self._finish(result, error, problem),
            )

    def _report(self, text: str) -> None:
        self.status.value = f"DMRG: {text}"

    def go_to_known(self) -> None:
        """Move the sliders to the nearest point whose exact curve is precomputed."""
        here = self.values

        def distance(point: dict[str, float]) -> float:
            ranges = {name: s.max - s.min for name, s in self.sliders.items()}
            return sum(abs(point[name] - here[name]) / ranges[name] for name in point)

        if self._known_points:
            self.set(**min(self._known_points, key=distance))

    def stop(self) -> None:
        """Stop a running exact computation."""
        self._job.stop()
        self.status.value = "DMRG: stopping after this sweep"

    def wait(self, timeout: float | None = None) -> None:
        """Wait for the exact computation in the background (for scripts and tests)."""
        self._job.wait(timeout)

    def _finish(
        self, result: xr.Dataset | None, error: BaseException | None, problem: xr.Dataset
    ) -> None:
        with self._lock:
            if not problem.identical(well_problem(**self.values)):
                return
            if result is not None:
                self._add_exact(result, f"Exact curve by {style_of(result.attrs['engine']).label}")
            elif isinstance(error, Stopped):
                self._idle("Stopped; no exact curve")
            else:
                self._idle(f"No exact curve: {error}")

    def _idle(self, status: str) -> None:
        self.exact_button.disabled, self.stop_button.disabled = False, True
        self.status.value = status

    def _add_exact(self, result: xr.Dataset, status: str) -> None:
        problem = well_problem(**self.values)
        answers = {str(m): self.data.sel(solver=m) for m in self.data["solver"].values}
        answers["exact"] = result.drop_vars(set(result.variables) & set(problem.variables))
        self.data = analysis.side_by_side(problem, answers)
        self._idle(status)
        self._show()

    def _show(self) -> None:
        data, x = self.data, self.data["x"].values
        density, stderr = curves_of(data, "density"), curves_of(data, "density_stderr")
        self.text.value = (
            f'<p role="status" aria-live="polite" style="line-height: 1.5">{summary(data)}</p>'
        )
        with self.figure.batch_update():
            for name, places in self._traces.items():
                band, trace = (self.figure.data[place] for place in places)
                shown = name in density
                trace.x, trace.y = (x, density[name]) if shown else ([], [])
                trace.visible = shown
                if name in stderr:
                    shape = error_band(x, density[name], stderr[name], style_of(name))
                    band.x, band.y = shape.x, shape.y
                else:
                    band.x, band.y = [], []
            potential, level = self.figure.data[-2:]
            potential.x, potential.y = x, data["potential"].values
            level.x, level.y = [x[0], x[-1]], [float(data["mu"])] * 2

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        return self.widget._repr_mimebundle_(**kwargs)


def _attempt(
    function: Callable[[xr.Dataset], xr.Dataset], problem: xr.Dataset
) -> tuple[xr.Dataset | None, BaseException | None]:
    try:
        return function(problem), None
    except (RuntimeError, ValueError) as error:
        return None, error
