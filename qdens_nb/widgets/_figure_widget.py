"""A plotly FigureWidget that survives a slow browser."""

from __future__ import annotations

from typing import Any

import plotly.graph_objects as go
import traitlets


class PatientFigureWidget(go.FigureWidget):
    """A FigureWidget whose 5 MB of plotly.js are loaded when it is shown.

    anywidget gives the script of a widget two seconds to load and then drops all that Python sends
    to it: with plotly's own FigureWidget a browser that needs longer shows an empty figure that no
    slider moves. Here that script is a few lines, which load plotly.js without a time limit.

    Draw first, then wrap the figure: updates sent before plotly.js is there are lost. Clicks and
    selections call back, hovering does not.
    """

    _esm = """
        export default () => {
          let base, loading;
          // Each hover would be sent to Python, and take the place of a selection not sent yet.
          function quiet(model) {
            const set = model.set.bind(model);
            const isHover = value => /hover/.test(value?.event_type);
            model.set = (key, value, ...rest) => {
              if (key !== "_js2py_pointsCallback" || !isHover(value)) set(key, value, ...rest);
            };
          }
          async function load() {
            const text = new Blob([base.get("_plotly")], {type: "text/javascript"});
            const made = (await import(URL.createObjectURL(text))).default;
            const widget = typeof made === "function" ? await made() : made;
            await widget.initialize({model: base});
            return widget;
          }
          return {
            initialize({model}) { quiet(base = model); },
            async render(context) {
              quiet(context.model);
              loading ??= load();
              return (await loading).render(context);
            },
          };
        };
        """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        removed = ["sendChartToCloud", "lasso2d", "zoomIn2d", "zoomOut2d", "autoScale2d"]
        self._config = {"displaylogo": False, "modeBarButtonsToRemove": removed}

    _plotly = traitlets.Unicode(str(go.FigureWidget._esm)).tag(sync=True)
