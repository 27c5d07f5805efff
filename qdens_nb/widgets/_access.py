"""What an app lacks for those who use it by keyboard or by ear."""

from __future__ import annotations

from pathlib import Path

import anywidget
import traitlets


class Access(anywidget.AnyWidget):
    """Names, a focus ring and spoken results for the app whose box it is a child of.

    ipywidgets gives sliders no name and reads 0.1 as 0.09999999999999999; a status that is
    replaced is not always announced, one that changes with every step always. Nothing is seen of
    it but the ring around what has the focus. ``figure`` is what the figure is called.
    """

    _esm = Path(__file__).with_name("_access.js")
    _css = """
        .widget-vbox :is(button, select, input, [tabindex]):focus-visible {
          outline: 3px solid #000000 !important;
          outline-offset: -3px;
          box-shadow: inset 0 0 0 5px #FFFFFF !important;
        }
        .qdens-access {
          position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%);
        }
        """
    figure = traitlets.Unicode("figure; the text below says what it shows").tag(sync=True)
