"""Figures of potentials found from wave functions: cuts, planes, medians over seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import xarray as xr
from plotly.subplots import make_subplots

from qdens_nb._map_figures import square_sites
from qdens_nb._styles import log_axis, style_of, words

_WIDE = {"color": "#808080", "width": 5}


def _curve(x: Any, y: Any, name: str, index: int, **options: Any) -> go.Scatter:
    style = style_of(name, index)
    look = {"color": style.color, "dash": style.dash, "width": 2}
    settings = {"name": name, "mode": "lines", "line": look, "legendgroup": name, **options}
    return go.Scatter(x=np.asarray(x), y=np.asarray(y), **settings)


def _line(field: xr.DataArray) -> xr.DataArray:
    """A field on a line, or along x where y is nearest to zero."""
    return field.isel(y=int(np.abs(field.y.values).argmin())) if "y" in field.dims else field


def potential_cuts(
    found: Mapping[str, xr.Dataset],
    *,
    potential_range: tuple[float, float] | None = None,
    energy_range: tuple[float, float] | None = None,
    height: int = 380,
) -> go.Figure:
    """Potentials and local energies along x, beside the exact ones.

    Parameters
    ----------
    found : dict of Dataset
        Answers of `mpnn.recover_potential` for one system.
    potential_range, energy_range : tuple of float, optional
        Of the vertical axes, in Hartree.
    height : int
        Of the figure, in pixels.
    """
    titles = ["", "constant for the right potential"]
    made = make_subplots(1, 2, subplot_titles=titles, horizontal_spacing=0.11)
    first = next(iter(found.values()))
    exact = _line(first.potential_exact)
    made.add_trace(go.Scatter(x=exact.x, y=exact, name="exact", mode="lines", line=_WIDE), 1, 1)
    for index, (name, one) in enumerate(found.items()):
        cut, local = _line(one.potential), _line(one.local_energy)
        made.add_trace(_curve(cut.x, cut, name, index), 1, 1)
        made.add_trace(_curve(local.x, local, name, index, showlegend=False), 1, 2)
    made.add_hline(float(first.energy_exact), line=_WIDE, layer="below", row=1, col=2)
    made.update_xaxes(title_text="x (Bohr radii)")
    made.update_yaxes(title_text="potential (Hartree)", range=potential_range, row=1, col=1)
    made.update_yaxes(title_text="local energy (Hartree)", range=energy_range, row=1, col=2)
    return made.update_layout(template="qdens", height=height, margin_t=90, legend_y=1.17)


def potential_planes(
    planes: Mapping[str, np.ndarray],
    x: Sequence[float],
    *,
    limits: tuple[float, float],
    unit: str = "Hartree",
    length: str = "Bohr radii",
    height: int = 300,
    columns: int | None = None,
) -> go.Figure:
    """Maps (x, y) side by side with one scale of colours; NaN stays white."""
    across = columns or len(planes)
    rows = -(-len(planes) // across)
    made = make_subplots(
        rows,
        across,
        subplot_titles=list(planes),
        horizontal_spacing=0.02,
        vertical_spacing=0.11,
    )
    for number, field in enumerate(planes.values()):
        shown = go.Heatmap(x=x, y=x, z=np.asarray(field).T, coloraxis="coloraxis")
        made.add_trace(shown, number // across + 1, number % across + 1)
    scale = {"colorscale": "Cividis", "cmin": limits[0], "cmax": limits[1]}
    bar = {"title": unit, "thickness": 14}
    made.update_layout(
        template="qdens", height=height * rows, margin_t=50, coloraxis={**scale, "colorbar": bar}
    )
    made.update_xaxes(showticklabels=False).update_yaxes(showticklabels=False)
    made.update_xaxes(title_text=f"x ({length})", showticklabels=True, row=rows)
    made.update_yaxes(title_text=f"y ({length})", showticklabels=True, col=1)
    return square_sites(made)


def medians(
    data: pd.DataFrame,
    x: str,
    values: Mapping[str, str],
    by: str | None = None,
    *,
    x_title: str = "",
    log_x: bool = True,
    height: int = 360,
) -> go.Figure:
    """Medians over seeds with the whole range as bars, one panel for each of `values`.

    Parameters
    ----------
    data : DataFrame
        Columns `x`, each value and ``VALUE_range`` of pairs (lowest, highest).
    x : str
        Column of the horizontal axis.
    values : dict of str
        Column -> title of its panel.
    by : str, optional
        Column that tells curves apart.
    x_title : str
        Of the horizontal axis.
    log_x : bool
        Logarithmic; otherwise values of `x` are categories.
    height : int
        Of the figure, in pixels.
    """
    made = make_subplots(1, len(values), subplot_titles=list(values.values()))
    groups = [("", data)] if by is None else list(data.groupby(by, sort=False))
    for column, value in enumerate(values, 1):
        for index, (name, rows) in enumerate(groups):
            middle = rows[value].to_numpy(float)
            low, high = np.array([list(pair) for pair in rows[f"{value}_range"]]).T
            bars = {"type": "data", "array": high - middle, "arrayminus": middle - low}
            places = rows[x] if log_x else [words(place) for place in rows[x]]
            trace = _curve(places, middle, str(name), index, error_y=bars, mode="lines+markers")
            trace.update(showlegend=column == 1 and by is not None)
            made.add_trace(trace, 1, column)
        ends = np.array([list(pair) for pair in data[f"{value}_range"]])
        made.update_yaxes(log_axis(ends), col=column)
    kind: dict[str, Any] = (
        {"type": "log", "exponentformat": "power", "dtick": 1} if log_x else {"type": "category"}
    )
    made.update_xaxes(title_text=x_title or x, **kind)
    return made.update_layout(template="qdens", height=height, margin_t=80, legend_y=1.16)


def radial_histograms(
    samples: Mapping[str, np.ndarray], r: np.ndarray, density: np.ndarray, height: int = 340
) -> go.Figure:
    """Distances of sampled points as histograms, with the exact distribution."""
    made = go.Figure()
    edges = np.linspace(float(r[0]), float(r[-1]), 46)
    middle = (edges[1:] + edges[:-1]) / 2
    for index, (name, values) in enumerate(samples.items()):
        share = np.histogram(values, edges, density=True)[0]
        made.add_trace(_curve(middle, share, name, index, line_shape="hvh"))
    exact = go.Scatter(x=r, y=density, name="exact", mode="lines", line=_WIDE)
    made.add_trace(exact)
    made.update_layout(template="qdens", height=height, margin_t=50)
    made.update_xaxes(title_text="distance from the nucleus (Bohr radii)")
    return made.update_yaxes(title_text="probability density (1/Bohr radius)")
