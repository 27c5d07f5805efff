"""Sphinx settings; run by scripts/build_docs.py, which brings pages and notebooks together."""

from __future__ import annotations

import html
import re
from typing import Any

from docutils import nodes
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.util import logging
from sphinx.util.nodes import make_refnode

import qdens_nb

project = "qdens_nb"
author = "qdens_nb founders"
copyright = f"2026, {author}"
version = release = qdens_nb.__version__

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.autosummary", "sphinx.ext.napoleon"]
exclude_patterns = ["README.md"]
default_role = "py:obj"
# References to public names of ours must lead somewhere; types in prose, names of other packages
# and of private modules need not.
nitpicky = True
nitpick_ignore_regex = [(r".*", r"(?!qdens_nb\.).*"), (r"py:.*", r".*\._.*")]
python_maximum_signature_line_length = 80

nb_execution_mode = "off"
nb_ipywidgets_js: dict[str, Any] = {}
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 4

autodoc_member_order = "alphabetical"
autodoc_typehints_format = "short"
autodoc_type_aliases = {"ArrayLike": "ArrayLike"}
toc_object_entries_show_parents = "hide"
autodoc_default_options = {"members": True, "special-members": "__call__"}
autosummary_generate = False
napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True

pygments_dark_style = "github-dark"
html_theme = "furo"
html_title = f"qdens_nb {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False
html_math_renderer = "mathml"

_LITERAL = re.compile(r"(``.*?``|:\w+:`.*?`)")
_SIGNS = str.maketrans(
    {
        **{"⟨": r"\langle ", "⟩": r"\rangle ", "²": "^2", "·": r"\cdot ", "±": r"\pm "},
        **{"†": r"\dagger ", "∂": r"\partial ", "∈": r"\in ", "∝": r"\propto ", "…": r"\ldots "},
        **{"≠": r"\neq ", "←": r"\leftarrow ", "→": r"\to "},
    }
)
_CONJUGATE = re.compile(r"(?<!\{)\+ h\.c\.")
_BAR = re.compile(r"<mo[^>]*>\|</mo>")
_SIZES = re.compile(r"\\[bB]igg?[lrm]?(?=[\W_])")


def escape_bars(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Let ``|psi|`` in a docstring be what it looks like, not a substitution of reST."""
    math = -1
    for number, line in enumerate(lines):
        indent = len(line) - len(line.lstrip())
        if line.strip() and math >= 0 and indent <= math:
            math = -1
        if line.lstrip().startswith(".. math::"):
            math = indent
        if math < 0 and not line.lstrip().startswith((">>>", "...")):
            parts = _LITERAL.split(line)
            parts[::2] = [part.replace("|", r"\|") for part in parts[::2]]
            lines[number] = "".join(parts)


def _mathml(node: nodes.Element, block: bool) -> str:
    text = _SIZES.sub("", node.astext()).strip().translate(_SIGNS)
    text = _CONJUGATE.sub(r"+ \\text{h.c.}", text)
    try:
        drawn = str(tex2mathml(text, as_block=block))
        return _BAR.sub('<mo lspace="0" rspace="0" stretchy="false">|</mo>', drawn)
    except MathError as error:
        logging.getLogger(__name__).warning("formula %r: %s", text, error, location=node)
        return html.escape(text)


def visit_inline(writer: Any, node: nodes.Element) -> None:
    """A formula within a line."""
    writer.body.append(_mathml(node, block=False))
    raise nodes.SkipNode


def visit_block(writer: Any, node: nodes.Element) -> None:
    """A formula on a line of its own."""
    writer.body.append(f'<div class="math">{_mathml(node, block=True)}</div>\n')
    raise nodes.SkipNode


def plain_factories(
    app: Any, what: str, name: str, obj: Any, options: Any, signature: str | None, returns: Any
) -> tuple[str, Any] | None:
    """Write ``...`` for the factories of a dataclass, so that its signature can be parsed."""
    return (signature.replace("<factory>", "..."), returns) if signature else None


def skip_fields(app: Any, what: str, name: str, obj: Any, skip: bool, options: Any) -> bool | None:
    """Leave out the fields of named tuples, of which Python says no more than their number."""
    return True if (getattr(obj, "__doc__", "") or "").startswith("Alias for field") else None


def find_public_name(app: Any, env: Any, node: Any, content: nodes.Node) -> nodes.Node | None:
    """Resolve ``qdens_nb.fermion_chain`` and ``solvers.worm`` to where they are described."""
    if node.get("refdomain") != "py":
        return None
    target = node["reftarget"]
    shortcut = target.removeprefix("qdens_nb.")
    for name in (f"qdens_nb.{target}", f"{qdens_nb._OBJECTS.get(shortcut)}.{shortcut}"):
        objects = env.get_domain("py").objects
        if name in objects:
            found = objects[name]
            builder = app.builder
            return make_refnode(builder, node["refdoc"], found.docname, found.node_id, content)
    return None


def setup(app: Any) -> None:
    """Formulas as MathML, which browsers draw without a network."""
    app.add_html_math_renderer("mathml", (visit_inline, None), (visit_block, None))
    app.connect("autodoc-process-docstring", escape_bars)
    app.connect("autodoc-process-signature", plain_factories)
    app.connect("autodoc-skip-member", skip_fields)
    app.connect("missing-reference", find_public_name)
