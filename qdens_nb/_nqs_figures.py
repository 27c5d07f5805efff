"""Figures of neural quantum states: amplitudes, chains, optimisations, entropies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import xarray as xr
from plotly.subplots import make_subplots

from qdens_nb._styles import GREY, LINE_COLORS, Style, error_band, log_axis, style_of, words

_BLACK, _BLUE = LINE_COLORS["black"], LINE_COLORS["blue"]


def _grid(titles: Sequence[str], height: int, **options: Any) -> go.Figure:
    made = make_subplots(1, len(titles), subplot_titles=list(titles), **options)
    return made.update_layout(template="qdens", height=height, margin_t=80, legend_y=1.14)


def _curve(x: Any, y: Any, style: Style, **options: Any) -> go.Scatter:
    look = {
        "name": style.label,
        "mode": "lines",
        "line": {"color": style.color, "dash": style.dash, "width": 2},
        "marker": {"symbol": style.symbol, "size": 7, "color": style.color},
    }
    return go.Scatter(x=np.asarray(x), y=np.asarray(y), **(look | options))


def amplitude_bars(
    states: Mapping[str, np.ndarray], exact: np.ndarray, height: int = 360
) -> go.Figure:
    """Moduli of the amplitudes of each state as bars over the configurations, with the exact ones.

    Parameters
    ----------
    states : dict of (D,) array
        Vectors of unit norm, one panel each.
    exact : (D,) array
        Its moduli, descending, are the order of the configurations.
    height : int
        Of the figure, in pixels.
    """
    order = np.argsort(-np.abs(exact), kind="stable")
    place = np.arange(1, len(order) + 1)
    made = _grid(list(states), height, shared_yaxes=True, horizontal_spacing=0.04)
    for column, state in enumerate(states.values(), 1):
        bars = go.Bar(
            x=place,
            y=np.abs(state)[order],
            name="network",
            marker={"color": _BLUE, "line_width": 0},
            showlegend=column == 1,
        )
        made.add_trace(bars, row=1, col=column)
        look = Style("exact", _BLACK, "solid", "circle")
        steps = _curve(place, np.abs(exact)[order], look, showlegend=column == 1)
        steps.line.shape = "hvh"
        made.add_trace(steps, row=1, col=column)
    made.update_layout(bargap=0)
    made.update_xaxes(title_text="configuration (by exact |ψ|)", range=[0, len(order) + 1])
    return made.update_yaxes(title_text="|ψ|", col=1)


def local_energy_histogram(
    local: Mapping[str, tuple[np.ndarray, np.ndarray]], exact: float, height: int = 340
) -> go.Figure:
    """Distributions of local energies, each (values, weights), with the exact energy."""
    values = np.concatenate([np.real(one) for one, _ in local.values()])
    edges = np.histogram_bin_edges(values, 60)
    middle, width = (edges[1:] + edges[:-1]) / 2, edges[1] - edges[0]
    made = _grid([""], height)
    for index, (name, (one, weights)) in enumerate(local.items()):
        share, _ = np.histogram(np.real(one), edges, weights=weights / np.sum(weights))
        mean = float(np.sum(weights * np.real(one)) / np.sum(weights))
        spread = float(np.sum(weights * (np.real(one) - mean) ** 2) / np.sum(weights))
        bars = go.Bar(
            x=middle,
            y=share,
            width=width,
            name=f"{name}: mean {mean:.3f}, variance {spread:.2g}".replace("-", "−"),
            marker={"color": style_of(name, 1 - index).color, "opacity": 0.9},
            marker_pattern_shape=("/", "")[index % 2],
        )
        made.add_trace(bars)
    made.add_vline(exact, line={"color": _BLACK, "width": 1.5, "dash": "dash"})
    made.update_layout(barmode="overlay", margin_t=50, legend_y=1.04)
    made.update_xaxes(title_text="local energy (J); dashed: exact energy")
    return made.update_yaxes(title_text="probability")


def chain_traces(series: Mapping[str, np.ndarray], height: int = 320) -> go.Figure:
    """Magnetisation of Markov chains (chains, draws) against the draw, one panel for each set."""
    made = _grid(list(series), height, shared_yaxes=True, horizontal_spacing=0.04)
    for column, chains in enumerate(series.values(), 1):
        for index, chain in enumerate(np.atleast_2d(chains)):
            look = style_of("", index)
            trace = _curve(np.arange(len(chain)), chain, look, showlegend=False)
            trace.line.update(width=1, dash="solid")
            made.add_trace(trace, row=1, col=column)
    made.update_layout(margin_t=40)
    made.update_xaxes(title_text="draw")
    return made.update_yaxes(title_text="magnetisation per site", range=[-1.08, 1.08], col=1)


def magnetisation_bars(
    sampled: Mapping[str, np.ndarray], values: np.ndarray, weights: np.ndarray, height: int = 320
) -> go.Figure:
    """Histograms of the magnetisation of samples beside the exact distribution.

    Parameters
    ----------
    sampled : dict of (B,) array
        Magnetisation of each sample.
    values, weights : (D,) array
        Magnetisation and probability of all configurations.
    height : int
        Of the figure, in pixels.
    """
    places, index = np.unique(np.round(values, 9), return_inverse=True)
    exact = np.bincount(index, weights)
    made = _grid(list(sampled), height, shared_yaxes=True, horizontal_spacing=0.04)
    for column, found in enumerate(sampled.values(), 1):
        share = [float(np.isclose(found, place).mean()) for place in places]
        bars = go.Bar(x=places, y=share, name="samples", marker_color=_BLUE, showlegend=column == 1)
        made.add_trace(bars, row=1, col=column)
        look = Style("exact", _BLACK, "solid", "circle-open")
        dots = _curve(places, exact, look, mode="markers", showlegend=column == 1)
        dots.marker.update(size=9, line_width=2)
        made.add_trace(dots, row=1, col=column)
    made.update_xaxes(title_text="magnetisation per site")
    return made.update_yaxes(title_text="probability", col=1)


def error_curves(
    runs: Mapping[str, xr.Dataset],
    exact: float,
    *,
    against: Sequence[str] = ("step", "seconds"),
    window: int = 15,
    height: int = 380,
) -> go.Figure:
    """Relative error of the energy of optimisations, its modulus averaged over `window` steps.

    Parameters
    ----------
    runs : dict of Dataset
        From `nqs.ground_state`.
    exact : float
        Exact energy.
    against : sequence of {"step", "seconds"}
        What is on the horizontal axis of each panel.
    window, height : int
        Steps that are averaged, and the height in pixels.
    """
    labels = {"step": "step", "seconds": "time on this machine (s)"}
    made = _grid([""] * len(against), height, shared_yaxes=True, horizontal_spacing=0.05)
    errors = []
    for index, (name, run) in enumerate(runs.items()):
        off = np.abs(run["energy"].values - exact) / abs(exact)
        off = np.convolve(off, np.ones(window) / window, "valid")
        errors.append(off)
        for column, axis in enumerate(against, 1):
            x = np.asarray(run[axis])[window - 1 :]
            trace = _curve(x, off, style_of(name, index), showlegend=column == 1)
            made.add_trace(trace, row=1, col=column)
    for column, axis in enumerate(against, 1):
        made.update_xaxes(title_text=labels[axis], row=1, col=column)
    made.update_layout(margin_t=50, legend_y=1.04)
    made.update_yaxes(log_axis(*errors))
    return made.update_yaxes(title_text="relative error of E", col=1)


def cost_curves(cost: pd.DataFrame, samples: int, height: int = 360) -> go.Figure:
    """Milliseconds of a step against parameters, by ``method``; a line where they equal samples."""
    names = {"dense": "dense, P × P", "minsr": "minSR, B × B", "cg": "conjugate gradients"}
    made = _grid([""], height)
    for index, (method, rows) in enumerate(cost.groupby("method", sort=False)):
        style, at = style_of(names[str(method)], index), rows["parameters"]
        made.add_trace(_curve(at, rows["milliseconds"], style, mode="lines+markers"))
    made.add_vline(samples, line={"color": GREY, "dash": "dot"})
    made.add_annotation(
        x=np.log10(samples), y=0.03, yref="paper", text=" P = B", showarrow=False, xanchor="left"
    )
    made.update_layout(margin_t=50, legend_y=1.04)
    made.update_xaxes(title_text="parameters P", type="log", tickvals=cost["parameters"].unique())
    return made.update_yaxes(title_text="time of a step (ms)", **log_axis(cost["milliseconds"]))


def entropy_curves(
    entropies: Mapping[str, np.ndarray], page: np.ndarray, height: int = 400
) -> go.Figure:
    """Entanglement entropies (N + 1,) of blocks against their size, with Page's curve."""
    made = _grid([""], height)
    random = Style("random states (Page)", _BLACK, "dot", "circle")
    made.add_trace(_curve(np.arange(len(page)), page, random))
    for index, (name, values) in enumerate(entropies.items()):
        trace = _curve(np.arange(len(values)), values, style_of(name, index), mode="lines+markers")
        made.add_trace(trace)
    made.update_layout(margin_t=70, legend_y=1.02)
    made.update_xaxes(title_text="sites in the block", dtick=2)
    return made.update_yaxes(title_text="entanglement entropy (nat)")


def grouped_points(
    data: pd.DataFrame, value: str, by: str, panel: str, height: int = 380
) -> go.Figure:
    """A column, logarithmic, at each value of the index: one mark for each `by`, in panels."""
    parts = list(data.groupby(panel, sort=False))
    titles = [str(name) for name, _ in parts]
    made = _grid(titles, height, shared_yaxes=True, horizontal_spacing=0.04)
    for column, (_, part) in enumerate(parts, 1):
        for index, (name, rows) in enumerate(part.groupby(by, sort=False)):
            trace = _curve(
                [words(place) for place in rows.index],
                rows[value],
                style_of(str(name), index),
                mode="markers",
                cliponaxis=False,
                offsetgroup=str(name),
                showlegend=column == 1,
            )
            trace.marker.size = 12
            made.add_trace(trace, row=1, col=column)
    made.update_layout(scattermode="group", scattergap=0.5)
    made.update_xaxes(title_text=data.index.name, type="category", showgrid=False)
    return made.update_yaxes(log_axis(data[value])).update_yaxes(title_text=value, col=1)


def spectra(values: Mapping[str, np.ndarray], limit: int, height: int = 380) -> go.Figure:
    """Eigenvalues, descending and relative to the largest, with a line at the largest rank."""
    made = _grid([""], height)
    for index, (name, one) in enumerate(values.items()):
        descending = np.sort(one)[::-1]
        style = style_of(name, index)
        shown = np.maximum(descending / descending[0], 1e-19)
        made.add_trace(_curve(np.arange(1, len(one) + 1), shown, style))
    made.add_vline(limit, line={"color": GREY, "dash": "dot"})
    text = f" {limit} = 2<sup>N</sup> − 1"
    made.add_annotation(x=limit, y=1, yref="paper", text=text, showarrow=False, xanchor="left")
    made.update_layout(margin_t=50, legend_y=1.04)
    made.update_xaxes(title_text="number of the eigenvalue")
    return made.update_yaxes(
        title_text="eigenvalue / largest",
        type="log", dtick=3, exponentformat="power", range=[-18, 0.3],
    )  # fmt: skip


def evolution_curves(
    exact: np.ndarray,
    runs: Mapping[str, xr.Dataset],
    observable: str,
    label: str,
    height: int = 380,
) -> go.Figure:
    """An observable of evolutions against time, and its distance from the exact curve.

    Where a run has ``OBSERVABLE_stderr`` the band is one standard error.
    """
    made = _grid(["", ""], height, horizontal_spacing=0.12)
    errors = []
    for index, (name, run) in enumerate(runs.items()):
        style, time = style_of(name, index), run["time"]
        off = np.maximum(np.abs(run[observable].values - exact), 1e-6)
        errors.append(off[1:])
        stderr = run.get(f"{observable}_stderr")
        if stderr is not None and bool((stderr > 0).any()):
            made.add_trace(error_band(time, run[observable], stderr, style), row=1, col=1)
        made.add_trace(_curve(time, run[observable], style), row=1, col=1)
        made.add_trace(_curve(time[1:], off[1:], style, showlegend=False), row=1, col=2)
    look = Style("exact", _BLACK, "solid", "circle-open")
    at = next(iter(runs.values()))["time"]
    made.add_trace(_curve(at, exact, look, mode="markers"), row=1, col=1)
    made.update_layout(margin_t=70, legend_y=1.04)
    made.update_xaxes(title_text="time (1/J)")
    made.update_yaxes(title_text=label, col=1)
    return made.update_yaxes(title_text=f"error of {label}", **log_axis(*errors), col=2)
