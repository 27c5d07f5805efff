"""One look for all figures: the plotly template ``"qdens"`` and a few figures of labelled data.

Lines use the colour-blind safe palette of Okabe and Ito and differ in dash and marker too; maps
use cividis. Importing this module registers the template; `qdens_nb.plotting.figure` uses it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
import plotly.io as pio
import xarray as xr
from plotly.subplots import make_subplots

from qdens_nb._map_figures import (
    axis_title,
    difference_scale,
    dot_maps,
    lattice_map,
    lattice_maps,
    square_sites,
)
from qdens_nb._mpnn_figures import medians, potential_cuts, potential_planes, radial_histograms
from qdens_nb._nqs_figures import (
    amplitude_bars,
    chain_traces,
    cost_curves,
    entropy_curves,
    error_curves,
    evolution_curves,
    grouped_points,
    local_energy_histogram,
    magnetisation_bars,
    spectra,
)
from qdens_nb._styles import (
    GREY,
    LINE_COLORS,
    OKABE_ITO,
    SAMPLED,
    STYLES,
    Style,
    error_band,
    line,
    log_axis,
    points,
    style_of,
)

__all__ = [
    "LINE_COLORS",
    "OKABE_ITO",
    "STYLES",
    "Style",
    "amplitude_bars",
    "calibration_plot",
    "chain_traces",
    "cost_curves",
    "curves",
    "cut",
    "difference_scale",
    "dot_maps",
    "entropy_curves",
    "error_band",
    "error_curves",
    "evolution_curves",
    "figure",
    "grouped_points",
    "lattice_map",
    "lattice_maps",
    "line",
    "local_energy_histogram",
    "magnetisation_bars",
    "maps",
    "medians",
    "panels",
    "parity_plot",
    "points",
    "potential_cuts",
    "potential_planes",
    "radial_histograms",
    "spectra",
    "square_sites",
    "style_of",
]


def _template() -> go.layout.Template:
    axis = {
        "showgrid": True,
        "gridcolor": "#E8E8E8",
        "linecolor": "#444444",
        "showline": True,
        "ticks": "outside",
        "zeroline": False,
        "title": {"standoff": 8},
        "automargin": True,
        "exponentformat": "power",
    }
    return go.layout.Template(
        layout={
            "colorway": list(LINE_COLORS.values()),
            "colorscale": {"sequential": "Cividis", "diverging": "PuOr"},
            "font": {"family": "Helvetica, Arial, sans-serif", "size": 14, "color": "#222222"},
            "paper_bgcolor": "white",
            "plot_bgcolor": "white",
            "xaxis": axis,
            "yaxis": axis,
            "legend": {"orientation": "h", "yanchor": "bottom", "y": 1.02, "x": 0},
            "margin": {"l": 60, "r": 20, "t": 60, "b": 50},
            "hovermode": "closest",
            "coloraxis": {"colorscale": "Cividis", "colorbar": {"exponentformat": "power"}},
        },
        data={"heatmap": [{"colorscale": "Cividis"}]},
    )


pio.templates["qdens"] = _template()


def figure(
    x: str = "", y: str = "", title: str = "", height: int = 380, **layout: Any
) -> go.Figure:
    """Empty figure with axis titles in the style of this package."""
    made = go.Figure()
    made.update_layout(template="qdens", height=height, **layout)
    made.update_layout(xaxis_title=x, yaxis_title=y, title=title)
    if title:
        made.update_layout(margin_t=90, title={"y": 0.97, "yanchor": "top", "x": 0.01})
    return made


def curves(
    data: xr.Dataset,
    observable: str = "density",
    title: str = "",
    height: int = 380,
) -> go.Figure:
    """Curves along x of a Dataset with a dim ``solver``, with bands where there is a ``_stderr``.

    Raises
    ------
    ValueError
        The observable is missing or has other dims than ("solver", "x").
    """
    if observable not in data or set(data[observable].dims) != {"solver", "x"}:
        found = data[observable].dims if observable in data else "missing"
        raise ValueError(
            f"{observable!r} is {found}; give a Dataset whose {observable!r} has dims "
            "('solver', 'x'), such as analysis.compare makes; take one sample with isel"
        )
    unit = data["x"].attrs.get("units", "site")
    made = figure(f"x ({unit})", axis_title(data[observable]), title, height)
    stderr = data.get(f"{observable}_stderr")
    for index, solver in enumerate(data["solver"].values):
        style, values = style_of(str(solver), index), data[observable].sel(solver=solver)
        if bool(values.isnull().all()):
            continue
        error = None if stderr is None else stderr.sel(solver=solver)
        known = error is not None and bool(error.notnull().all())
        error = error if known else None
        if known and solver in SAMPLED:
            made.add_trace(points(data["x"], values, error, style))
            continue
        if known:
            made.add_trace(error_band(data["x"], values, error, style))
        made.add_trace(line(data["x"], values, style))
    return made


def cut(
    data: xr.Dataset, observable: str = "density", y: int | None = None, height: int = 340
) -> go.Figure:
    """`curves` along the row `y` (default: the middle) of maps (solver, x, y)."""
    row = data.sizes["y"] // 2 if y is None else y
    named = f"{observable}_stderr"
    kept = data[[name for name in (observable, named) if name in data]].isel(y=row, drop=True)
    return curves(kept, observable, height=height)


def maps(
    data: xr.DataArray,
    y: str,
    labels: Mapping[str, str] | None = None,
    title: str = "",
    height: int = 380,
    zrange: tuple[float, float] | None = None,
) -> go.Figure:
    """Heat maps side by side, one for each ``solver``, of an array (solver, `y`, x).

    Raises
    ------
    ValueError
        Other dims.
    """
    if set(data.dims) != {"solver", y, "x"}:
        raise ValueError(f"the array has dims {data.dims}; expected ('solver', {y!r}, 'x')")
    solvers = [str(m) for m in data["solver"].values]
    names = [(labels or {}).get(m, style_of(m, i).label) for i, m in enumerate(solvers)]
    made = make_subplots(
        1, len(solvers), shared_yaxes=True, subplot_titles=names, horizontal_spacing=0.03
    )
    for column, solver in enumerate(solvers, 1):
        values = data.sel(solver=solver).transpose(y, "x")
        heat = go.Heatmap(x=data["x"], y=data[y], z=values, coloraxis="coloraxis")
        made.add_trace(heat, row=1, col=column)
    low, high = zrange or (float(data.min()), float(data.max()))
    units = str(data.attrs.get("units", "1"))
    bar = str(data.name) if units in ("1", "") else f"{data.name} ({units})"
    made.update_layout(
        template="qdens",
        height=height,
        title=title,
        margin_t=90 if title else 50,
        coloraxis={"cmin": low, "cmax": high, "colorbar": {"title": bar, "len": 0.9}},
    )
    made.update_xaxes(title_text=f"x ({data['x'].attrs.get('units', 'site')})", showgrid=False)
    made.update_yaxes(showgrid=False)
    made.update_yaxes(title_text=axis_title(data[y]), row=1, col=1)
    return made


def parity_plot(
    exact: Any, predicted: Mapping[str, Any], quantity: str = "density", height: int = 420
) -> go.Figure:
    """Predicted against exact values, with the diagonal."""
    made = figure(f"exact {quantity}", f"predicted {quantity}", height=height)
    truth = np.asarray(exact, dtype=float).ravel()
    ends = [float(np.nanmin(truth)), float(np.nanmax(truth))]
    for index, (solver, values) in enumerate(predicted.items()):
        style = style_of(solver, index)
        marker = {"symbol": style.symbol, "size": 5, "color": style.color, "opacity": 0.9}
        made.add_trace(
            line(
                truth, np.asarray(values, dtype=float).ravel(), style, mode="markers", marker=marker
            )
        )
    diagonal = {"color": GREY, "width": 1}
    made.add_trace(go.Scatter(x=ends, y=ends, mode="lines", line=diagonal, name="equal"))
    return made


def calibration_plot(
    tables: Mapping[str, xr.Dataset], quantity: str = "density", height: int = 420
) -> go.Figure:
    """Observed against predicted error of `analysis.reliability`, one curve for each solver."""
    made = figure(
        f"stated standard error of the {quantity}",
        "root mean square error found",
        height=height,
    )
    known: list[np.ndarray] = []
    for index, (solver, table) in enumerate(tables.items()):
        made.add_trace(line(table["predicted"], table["observed"], style_of(solver, index)))
        both = np.concatenate([table["predicted"].values, table["observed"].values])
        known.append(both[both > 0])
    if any(one.size for one in known):
        ends = [float(end(np.concatenate(known))) for end in (np.min, np.max)]
        diagonal = {"color": GREY, "width": 1}
        made.add_trace(go.Scatter(x=ends, y=ends, mode="lines", line=diagonal, name="calibrated"))
    scale = log_axis(*known)
    return made.update_xaxes(scale).update_yaxes(scale)


def panels(
    data: xr.Dataset, observables: Sequence[str], columns: int = 2, height: int = 560
) -> go.Figure:
    """`curves` of several observables (solver, x) in a grid, with one legend."""
    rows = -(-len(observables) // columns)
    made = make_subplots(
        rows,
        columns,
        shared_xaxes=True,
        subplot_titles=[axis_title(data[name]) for name in observables],
        horizontal_spacing=0.1,
        vertical_spacing=0.16,
    )
    for place, name in enumerate(observables):
        row, column = divmod(place, columns)
        for trace in curves(data, name).data:
            trace.legendgroup = trace.name
            trace.showlegend = place == 0 and trace.fill is None
            made.add_trace(trace, row=row + 1, col=column + 1)
    made.update_layout(template="qdens", height=height, margin_t=90, legend_y=1.1)
    made.update_xaxes(title_text=f"x ({data['x'].attrs.get('units', 'site')})", row=rows)
    return made
