"""Every figure and app: one template, units, colours safe for colour-blind readers, error bars."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import plotly
import plotly.graph_objects as go
import plotly.io as pio
import pytest
from shown_figures import APPS, FIGURES, chain, dots

from qdens_nb import plotting
from qdens_nb._styles import GREY, LINE_COLORS, SAMPLED, STYLES
from qdens_nb.widgets._cake_figure import PHASE_STEPS

CIVIDIS = [tuple(step) for step in pio.templates["qdens"].layout.colorscale.sequential]
PUOR = [tuple(step) for step in pio.templates["qdens"].layout.colorscale.diverging]
GREYS = {GREY, "#666666", "#808080"}
UNIT = re.compile(
    r"\((sites?|J|J²|t|U|eV|nm|nm²|s|ms|nat|1/J|Hartree|Bohr radii|Bohr|1/Bohr radius)\)"
)
#: quantities without a unit: numbers, shares, indices, ratios of couplings
PURE = re.compile(
    r"density|⟨n⟩|⟨σ|probability|\|ψ\||correlation|coherence|C\(d\)|fluctuation|error|loss"
    r"|step|draw|configuration|magnetisation|parameters|sites? |^sites?$|hidden unit|sample|number"
    r"|eigenvalue|time Jt|λ|J₂/J₁|v/U|phase|network|exact|QMC"
)
#: Machado, Oliveira, Fernandes: IEEE Trans. Vis. Comput. Graph. 15, 1291 (2009), severity 1
VISION = {
    "normal": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
                   [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
                     [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602],
                   [0.004733, 0.691367, 0.303900]],
}  # fmt: skip
#: linear sRGB to XYZ
XYZ = np.array([[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750],
                [0.0193339, 0.1191920, 0.9503041]])  # fmt: skip


#: apps that take some seconds
SLOW = ("FriedelApp", "PotentialApp", "QuenchApp")


@pytest.fixture(scope="module", params=["quick", pytest.param("slow", marks=pytest.mark.slow)])
def shown(request: pytest.FixtureRequest) -> dict[str, go.Figure]:
    """Figures as the browser gets them."""
    slow = request.param == "slow"
    every = {} if slow else {name: go.Figure(make()) for name, make in FIGURES.items()}
    for name, make in APPS.items():
        if (name in SLOW) is slow:
            every |= {f"{name}, {i}": go.Figure(one.to_dict()) for i, one in enumerate(make())}
    return every


# What is on a figure


def suffix(axis: str) -> str:
    return axis[1:]


def drawn(made: go.Figure) -> Iterator[Any]:
    """Traces that are seen."""
    for trace in made.data:
        if trace.visible is not False and trace.opacity != 0:
            yield trace


def axes(made: go.Figure) -> Iterator[tuple[str, Any]]:
    """Axes whose numbers are seen, with their names."""
    for trace in drawn(made):
        for letter in "xy":
            name = f"{letter}axis{suffix(trace[f'{letter}axis'] or letter)}"
            axis = made.layout[name]
            if axis.visible is not False and axis.showticklabels is not False:
                yield name, axis


def heading(made: go.Figure, name: str) -> str:
    """The text above the panel of an axis."""
    number = name[5:]
    x, y = (made.layout[f"{letter}axis{number}"].domain or (0, 1) for letter in "xy")
    return " ".join(
        note.text
        for note in made.layout.annotations
        if note.xref == "paper" and abs(note.x - sum(x) / 2) < 0.02 and 0 <= note.y - y[1] < 0.05
    )


def title(made: go.Figure, name: str) -> str:
    return made.layout[name].title.text or (heading(made, name) if name[0] == "y" else "")


def rgb(color: str) -> np.ndarray:
    return np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)]) / 255


def linear(color: np.ndarray) -> np.ndarray:
    return np.where(color <= 0.04045, color / 12.92, ((color + 0.055) / 1.055) ** 2.4)


def lab(color: str, vision: str) -> np.ndarray:
    """CIELAB of a colour as it is seen."""
    seen = np.clip(np.array(VISION[vision]) @ linear(rgb(color)), 0, 1)
    t = XYZ @ seen / XYZ.sum(1)
    x, y, z = np.where(t > 216 / 24389, np.cbrt(t), (24389 / 27 * t + 16) / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def least_difference(one: str, other: str) -> float:
    """Smallest CIELAB difference of two colours over the four kinds of vision."""
    return min(float(np.linalg.norm(lab(one, v) - lab(other, v))) for v in VISION)


def contrast(color: str, opacity: float = 1.0) -> float:
    """Of a colour on white, after WCAG 2."""
    mixed = opacity * rgb(color) + 1 - opacity
    return 1.05 / (float(XYZ[1] @ linear(mixed)) + 0.05)


def marks(made: go.Figure) -> Iterator[tuple[Any, dict[str, Any]]]:
    """Curves and points with colour, dash, symbol; bands and faint raw data are left out."""
    for trace in drawn(made):
        mode = getattr(trace, "mode", None) or ""
        if trace.type == "scatter" and trace.fill is None and trace.marker.opacity != 0:
            color = trace.line.color if "lines" in mode else trace.marker.color
            if str(color).startswith("rgba"):
                continue
            yield (
                trace,
                {
                    "color": color,
                    "dash": (trace.line.dash or "solid") if "lines" in mode else None,
                    "symbol": trace.marker.symbol if "markers" in mode else None,
                    "width": trace.line.width,
                },
            )


def each(shown: Mapping[str, go.Figure], problems: Any) -> dict[str, list[str]]:
    """What is wrong, figure by figure."""
    found = {name: sorted(set(problems(made))) for name, made in shown.items()}
    return {name: wrong for name, wrong in found.items() if wrong}


# The tests


def test_every_public_figure_and_app_is_here() -> None:
    from qdens_nb import widgets

    tools = {"STYLES", "Style", "style_of", "difference_scale", "OKABE_ITO", "LINE_COLORS"}
    covered = {part for name in FIGURES for part in re.split(r"[, ]+", name)}
    assert set(plotting.__all__) - tools <= covered
    plain = {"name_phases", "phase_words", "quantum_dots"}
    assert set(widgets.__all__) - plain == set(APPS)


def test_one_template_and_letters_of_eleven_pixels(shown: dict[str, go.Figure]) -> None:
    def problems(made: go.Figure) -> Iterator[str]:
        if made.layout.template != pio.templates["qdens"]:
            yield "another template"
        for path, size in sizes(made.to_plotly_json()["layout"]):
            if size < 11:
                yield f"{path}: {size} px"

    def sizes(node: Any, path: str = "") -> Iterator[tuple[str, float]]:
        for key, value in node.items() if isinstance(node, dict) else enumerate(node):
            if key == "template":
                continue
            if key == "size" and "font" in path:
                yield path, value
            elif isinstance(value, dict | list | tuple):
                yield from sizes(value, f"{path}/{key}")

    assert not each(shown, problems)


def test_every_axis_says_what_and_in_which_unit(shown: dict[str, go.Figure]) -> None:
    def problems(made: go.Figure) -> Iterator[str]:
        for name, _ in axes(made):
            text = title(made, name)
            if not text:
                yield f"{name} without a title"
            elif not (UNIT.search(text) or PURE.search(text)):
                yield f"{name} without a unit: {text}"

    assert not each(shown, problems)


def test_units_are_those_of_the_dataset() -> None:
    for name in ("current", "current_correlation", "density"):
        unit = chain()[name].attrs["units"].replace("^2", "²")
        made = plotting.curves(chain(), name)
        assert made.layout.yaxis.title.text.endswith(f"({unit})") is (unit != "1")
        assert made.layout.xaxis.title.text == f"x ({chain().x.attrs['units']})"
        heads = [
            note.text for note in plotting.panels(chain(), [name, "density"]).layout.annotations
        ]
        assert heads[0] == made.layout.yaxis.title.text
    made = FIGURES["dot_maps"]()
    length = dots().x.attrs["units"]
    assert {a.title.text for _, a in axes(made)} == {f"x ({length})", f"y ({length})"}
    assert f"({dots().potential.attrs['units']})" in made.layout.coloraxis.colorbar.title.text
    sweep = FIGURES["maps"]()
    assert sweep.layout.yaxis.title.text.endswith("(J)")


def test_colour_bars_are_named_and_scales_are_the_projects(shown: dict[str, go.Figure]) -> None:
    steps = {color for color in PHASE_STEPS.colors}

    def problems(made: go.Figure) -> Iterator[str]:
        for trace in drawn(made):
            if trace.type != "heatmap" or trace.coloraxis is None:
                continue
            bar = made.layout[trace.coloraxis]
            named = bar.colorbar.title.text or heading(made, f"xaxis{suffix(trace.xaxis or 'x')}")
            if bar.showscale is not False and not named:
                yield f"{trace.coloraxis} without a title"
            scale = [tuple(step) for step in bar.colorscale or CIVIDIS]
            diverging = scale == PUOR
            if diverging and bar.cmin != -bar.cmax:
                yield f"{trace.coloraxis} is not centred: {bar.cmin}, {bar.cmax}"
            ends = {"#31456B", "#F4F4F4"}
            if not diverging and scale != CIVIDIS and {c for _, c in scale} not in (steps, ends):
                yield f"{trace.coloraxis}: another scale of colours"

    assert not each(shown, problems)


def test_curves_have_colours_of_the_palette_that_are_seen_on_white(
    shown: dict[str, go.Figure],
) -> None:
    allowed = set(LINE_COLORS.values()) | GREYS

    def problems(made: go.Figure) -> Iterator[str]:
        for trace, look in marks(made):
            if look["color"] not in allowed:
                yield f"{trace.name}: {look['color']}"
            elif contrast(look["color"], trace.opacity or trace.marker.opacity or 1.0) < 2.7:
                yield f"{trace.name} is too pale"

    assert not each(shown, problems)


def test_what_differs_in_colour_differs_in_more(shown: dict[str, go.Figure]) -> None:
    def problems(made: go.Figure) -> Iterator[str]:
        every = [(t, look) for t, look in marks(made) if t.hoverinfo != "skip"]
        for (one, a), (two, b) in itertools.combinations(every, 2):
            together = (one.xaxis, one.yaxis) == (two.xaxis, two.yaxis)
            if together and a["color"] != b["color"]:
                if all(a[key] == b[key] for key in ("dash", "symbol", "width")):
                    yield f"{one.name}, {two.name}"
        bars = [trace for trace in drawn(made) if trace.type == "bar"]
        for one, two in itertools.combinations(bars, 2):
            if (one.xaxis, one.yaxis) == (two.xaxis, two.yaxis):
                if one.marker.pattern.shape == two.marker.pattern.shape:
                    yield f"bars of {one.name}, {two.name}"

    same_engine = {"chain_traces"}
    assert not each({k: v for k, v in shown.items() if k not in same_engine}, problems)


def test_uncertainties_are_shown(shown: dict[str, go.Figure]) -> None:
    networks = {STYLES[name].label for name in ("chain", "chain_cnn", "bose_hubbard", "network")}
    sampled = {STYLES[name].label for name in SAMPLED}

    def known(made: go.Figure) -> Iterator[str]:
        for trace in drawn(made):
            if getattr(trace, "fill", None) == "toself" and trace.x is not None and len(trace.x):
                yield trace.name.removesuffix(" ± its standard error")
            elif trace.type == "scatter" and trace.error_y.array is not None:
                if len(trace.error_y.array):
                    yield trace.name

    # the mean field, and exact answers, have none; energies of an optimisation are "network"
    apps = [f"{name}, 0" for name in ("FriedelApp", "WeddingCakeApp", "GroundStateApp", "LivePlot")]
    for name in ("curves", "cut", "figure, line, points, error_band", "WeddingCakeApp, 1", *apps):
        if name not in shown:
            continue
        names = {trace.name for trace, _ in marks(shown[name])}
        assert names & (networks | sampled) <= set(known(shown[name])), name
    if "evolution_curves" in shown:
        runs = {trace.name for trace, _ in marks(shown["evolution_curves"])} - {"exact"}
        assert runs == set(known(shown["evolution_curves"]))
        assert all(trace.error_y.array is not None for trace in shown["medians"].data)


def test_colours_can_be_told_apart_by_everybody() -> None:
    pairs = itertools.combinations(LINE_COLORS, 2)
    off = {(a, b): least_difference(LINE_COLORS[a], LINE_COLORS[b]) for a, b in pairs}
    assert min(off.values()) > 15, min(off, key=off.get)  # type: ignore[arg-type]
    areas = itertools.combinations(PHASE_STEPS.colors, 2)
    assert min(least_difference(*pair) for pair in areas) > 15
    for engines in itertools.combinations(STYLES.values(), 2):
        one, two = engines
        if one.color != two.color and least_difference(one.color, two.color) < 25:
            assert one.dash != two.dash and one.symbol != two.symbol, engines


def test_contrast_of_lines_and_letters() -> None:
    assert min(contrast(color) for color in LINE_COLORS.values()) >= 3
    assert min(contrast(color) for color in GREYS) >= 3
    template = pio.templates["qdens"].layout
    assert min(contrast(c) for c in (template.font.color, template.xaxis.linecolor)) >= 4.5
    assert {style.color for style in STYLES.values()} <= set(LINE_COLORS.values())
    many = [plotting.style_of(f"solver {i}", i) for i in range(12)]
    assert len({style[1:] for style in many}) == 12


def test_no_float_is_spelt_out(shown: dict[str, go.Figure]) -> None:
    def problems(made: go.Figure) -> Iterator[str]:
        words = [note.text for note in made.layout.annotations]
        words += [trace.name or "" for trace in made.data]
        words += [str(v) for t in made.data if t.x is not None for v in t.x if isinstance(v, str)]
        return (word for word in words if re.search(r"\d\.\d{5,}", str(word)))

    assert not each(shown, problems)


def test_a_logarithmic_axis_has_at_least_two_numbers() -> None:
    from qdens_nb._styles import log_axis

    assert log_axis([0.02, 0.2])["dtick"] == "D2"
    assert log_axis([1e-4, 1.0], [np.nan, 0.0])["dtick"] == 1
    assert log_axis([])["dtick"] == 1


_LAID_OUT = """async ([figure, width]) => {
  const root = document.querySelector('#figure');
  Plotly.purge(root);
  root.style.height = `${figure.layout.height || 450}px`;
  await Plotly.newPlot(root, figure.data, {...figure.layout, width}, {displayModeBar: false});
  const page = root.getBoundingClientRect(), wrong = [];
  const texts = [...document.querySelectorAll('svg text')]
    .filter(e => e.textContent.trim() && e.getBoundingClientRect().width > 1)
    .map(e => [e.textContent, e.getBoundingClientRect()]);
  texts.forEach(([one, a], i) => {
    if (a.left < page.left - 1 || a.right > page.right + 1 || a.top < page.top - 1
        || a.bottom > page.bottom + 1) wrong.push(`cropped: ${one}`);
    for (const [two, b] of texts.slice(i + 1))
      if (Math.min(a.right, b.right) - Math.max(a.left, b.left) > 2
          && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 4)
        wrong.push(`${one} on ${two}`);
  });
  return wrong;
}"""


@pytest.mark.slow
@pytest.mark.browser
def test_no_text_is_cropped_or_on_another_at_800_pixels(
    shown: dict[str, go.Figure], chromium: str
) -> None:
    playwright = pytest.importorskip("playwright.sync_api")
    script = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 800, "height": 900})
        page.set_content("<body style='margin: 0'><div id=figure></div></body>")
        page.add_script_tag(path=str(script))
        wrong = {}
        for name, made in shown.items():
            wrong[name] = page.evaluate(_LAID_OUT, [json.loads(made.to_json()), 800])
        browser.close()
    assert not {name: texts for name, texts in wrong.items() if texts}
