"""Figures of maps (x, y): lattices and quantum dots; every place is a square."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import plotly.graph_objects as go
import xarray as xr
from plotly.subplots import make_subplots

from qdens_nb._styles import style_of

#: Names of observables that are short enough for an axis
SHORT_NAMES = {
    "density": "density ⟨n<sub>x</sub>⟩",
    "density_variance": "variance of n<sub>x</sub>",
    "density_correlation": "correlation ⟨n<sub>x</sub> n<sub>x+1</sub>⟩",
    "coherence": "coherence Re ⟨c<sup>†</sup><sub>x</sub> c<sub>x+1</sub>⟩",
    "current": "current ⟨j<sub>x</sub>⟩",
    "current_correlation": "Re ⟨j<sub>x</sub> j<sub>x+1</sub>⟩",
}


def axis_title(array: xr.DataArray) -> str:
    """Name and unit of a labelled array."""
    name = SHORT_NAMES.get(str(array.name), str(array.attrs.get("long_name", array.name)))
    if "y" in array.dims:
        name = name.replace("<sub>x</sub>", "<sub>i</sub>")
    return name + _in_units(array)


def _in_units(array: xr.DataArray) -> str:
    units = str(array.attrs.get("units", "1")).replace("^2", "²")
    return "" if units in ("1", "") else f" ({units})"


def lattice_map(values: xr.DataArray, coloraxis: str = "coloraxis", **options: Any) -> go.Heatmap:
    """Heat map of an array (x, y), x to the right and y up."""
    name = str(values.name or "value")
    settings: dict[str, Any] = {
        "x": values["x"].values,
        "y": values["y"].values,
        "z": values.transpose("y", "x").values,
        "coloraxis": coloraxis,
        "hovertemplate": "x %{x}, y %{y}: %{z:.3f}<extra>" + name + "</extra>",
    }
    return go.Heatmap(**(settings | options))


def lattice_maps(
    data: xr.Dataset, observable: str = "density", reference: str | None = None, height: int = 0
) -> go.Figure:
    """Maps (solver, x, y) side by side on one scale; below, their difference from `reference`.

    Raises
    ------
    ValueError
        Other dims, a reference that is not among the solvers.
    """
    if observable not in data or set(data[observable].dims) != {"solver", "x", "y"}:
        found = data[observable].dims if observable in data else "missing"
        raise ValueError(f"{observable!r} is {found}; expected the dims ('solver', 'x', 'y')")
    names = [str(name) for name in data["solver"].values]
    if reference is not None and reference not in names:
        raise ValueError(f"reference={reference!r}; the data hold {', '.join(names)}")
    array = data[observable]
    labels = [style_of(name, i).label for i, name in enumerate(names)]
    rows = 1 if reference is None else 2
    against = f"difference from {style_of(str(reference)).label}"
    titles = labels + ["" if name == reference else against for name in names if rows == 2]
    made = make_subplots(
        rows, len(names), subplot_titles=titles, horizontal_spacing=0.04, vertical_spacing=0.14
    )
    for column, name in enumerate(names, 1):
        here = array.sel(solver=name)
        made.add_trace(lattice_map(here), row=1, col=column)
        if reference not in (None, name):
            difference = (here - array.sel(solver=reference)).rename("difference")
            made.add_trace(lattice_map(difference, "coloraxis2"), row=2, col=column)
    made.update_layout(
        template="qdens",
        height=height or 60 + 290 * rows,
        margin_t=50,
        coloraxis={
            "colorbar": {"title": axis_title(array), "len": 0.9 / rows, "y": 1, "yanchor": "top"}
        },
    )
    if rows == 2:
        most = float(abs(array - array.sel(solver=reference)).max()) or 1.0
        title = f"difference{_in_units(array)}"
        bar = {"title": title, "len": 0.48, "y": 0, "yanchor": "bottom"}
        made.update_layout(coloraxis2=difference_scale(most, bar))
    made.update_xaxes(showticklabels=False).update_yaxes(showticklabels=False)
    for column, name in enumerate(names, 1):
        lowest = 1 if name == reference else rows
        made.update_xaxes(title_text="x (site)", showticklabels=True, row=lowest, col=column)
        if column == 1 or (names[0] == reference and column == 2):
            row = 1 if column == 1 else 2
            made.update_yaxes(title_text="y (site)", showticklabels=True, row=row, col=column)
    made.update_annotations(font_size=14)
    return square_sites(made)


def square_sites(made: go.Figure) -> go.Figure:
    """The same figure with every site of its maps a square, right below the title of the map."""
    made.update_xaxes(showgrid=False, constrain="domain")
    made.update_yaxes(showgrid=False, constrain="domain", constraintoward="top")
    for axis in made.select_yaxes():
        axis.scaleanchor = (axis.anchor or "x").replace("y", "x")
    return made


def difference_scale(most: float, colorbar: Mapping[str, Any]) -> dict[str, Any]:
    """Colour axis from ``-most`` to ``most``, white at 0."""
    return {"colorscale": "PuOr", "cmin": -most, "cmax": most, "colorbar": dict(colorbar)}


#: first letters of a map's name -> title of its colour bar and its colours
_DOT_SCALES: dict[str, tuple[str, Any]] = {
    "potential": ("v (eV)", [[0, "#31456B"], [1, "#F4F4F4"]]),
    "density": ("n (nm<sup>-2</sup>)", "Cividis"),
    "difference": ("difference<br>(nm<sup>-2</sup>)", "PuOr"),
}


def dot_maps(rows: Mapping[str, Mapping[str, xr.DataArray]], *, side: int = 190) -> go.Figure:
    """Maps of quantum dots in rows; potentials, densities and differences have one scale each.

    Parameters
    ----------
    rows : mapping
        Name of the row -> title above the map -> array (x, y) in eV or 1/nm^2. The array's name
        begins with "potential", "density" or "difference", which chooses its colours.
    side : int
        Pixels of one map.

    Raises
    ------
    ValueError
        An array with another name.
    """
    columns = max(map(len, rows.values()))
    titles, before = [], None
    for row in rows.values():
        above = [] if list(row) == before else list(row)  # said once in the rows that agree
        titles += above + [""] * (columns - len(above))
        before = list(row)
    height = 95 + (side + 30) * len(rows)
    made = make_subplots(
        len(rows),
        columns,
        subplot_titles=titles,
        row_titles=list(rows),
        horizontal_spacing=0.015,
        vertical_spacing=26 / height if len(rows) > 1 else 0,
    )
    shown: dict[str, list[xr.DataArray]] = {}
    for at, cells in enumerate(rows.values(), 1):
        for column, array in enumerate(cells.values(), 1):
            kind = next((k for k in _DOT_SCALES if str(array.name).startswith(k)), None)
            if kind is None:
                raise ValueError(
                    f"a map is named {array.name!r}; begin its name with {', '.join(_DOT_SCALES)}"
                )
            shown.setdefault(kind, []).append(array)
            axis = f"coloraxis{list(_DOT_SCALES).index(kind) + 1}".removesuffix("1")
            hover = "x %{x:.1f} nm, y %{y:.1f} nm: %{z:.4g}<extra></extra>"
            made.add_trace(lattice_map(array, axis, hovertemplate=hover), row=at, col=column)
    for place, (kind, arrays) in enumerate(shown.items()):
        title, colours = _DOT_SCALES[kind]
        part = 1 / len(shown)
        bar = {"title": title, "len": 0.97 * part, "y": 1 - place * part, "yanchor": "top"}
        bar["exponentformat"] = "power"
        most = max(float(abs(array).max()) for array in arrays) or 1.0
        axis = f"coloraxis{list(_DOT_SCALES).index(kind) + 1}".removesuffix("1")
        scale = {"colorscale": colours, "cmin": 0.0, "cmax": most, "colorbar": bar}
        made.update_layout({axis: difference_scale(most, bar) if kind == "difference" else scale})
    made.update_layout(template="qdens", height=height, margin={"t": 45, "b": 50, "l": 30, "r": 20})
    made.update_annotations(font_size=13)
    made.update_xaxes(showticklabels=False, ticks="").update_yaxes(showticklabels=False, ticks="")
    size = float(arrays[0]["x"].values[[0, -1]].sum())
    for axes, name in ((made.select_xaxes(row=len(rows)), "x"), (made.select_yaxes(col=1), "y")):
        for axis in axes:
            axis.update(title_text=f"{name} (nm)", title_standoff=4, showticklabels=True)
            axis.update(tickvals=[0, size / 2], ticktext=["0", f"{size / 2:g}"], range=[0, size])
    return square_sites(made)
