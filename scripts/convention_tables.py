"""Write the formulas and tables of docs/conventions.md from the code: nothing there is typed.

A block ``<!-- code:NAME -->`` ... ``<!-- /code -->`` gets, for a system, its Hamiltonian as in the
docstring of qdens_nb/systems.py, the variables of a problem and the observables of its engines; for
a module, its docstring. ``--check`` writes nothing and fails if the page is not what the code says.
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import re
import sys
import textwrap
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from qdens_nb import systems
from qdens_nb.solvers._bose_common import BOSE_OBSERVABLES
from qdens_nb.solvers._common import CHAIN_OBSERVABLES
from qdens_nb.solvers._dot_ci import DOT_OBSERVABLES

PAGE = Path(__file__).resolve().parents[1] / "docs" / "conventions.md"
_BLOCK = re.compile(r"(<!-- code:([\w.]+) -->\n).*?(<!-- /code -->)", re.DOTALL)
_UNITS = {"1": "-"}
#: system -> (first words of its part of the docstring, shape of a small problem, observables)
SYSTEMS = {
    "fermion_chain": ("Fermion chain", (4,), CHAIN_OBSERVABLES),
    "bose_hubbard": ("Extended Bose-Hubbard", (4, 4), BOSE_OBSERVABLES),
    "quantum_dot": ("Quantum dot", (64, 64), DOT_OBSERVABLES),
}


def markdown(docstring: str) -> str:
    """Markdown of the reStructuredText that our module docstrings use.

    >>> print(markdown("An angle :math:`a`, see ``f``.\\n\\n.. math:: a = 1\\n   + 2"))
    An angle $a$, see `f`.
    <BLANKLINE>
    $$a = 1 + 2$$
    """
    parts = []
    for part in docstring.strip().split("\n\n"):
        flat = " ".join(part.split())
        if flat.startswith(".. math::"):
            formula = flat.removeprefix(".. math::").strip().rstrip(",")
            parts.append("$$" + formula.replace("h.c.", r"\text{h.c.}") + "$$")
        else:
            text = re.sub(r":math:`([^`]+)`", r"$\1$", flat).replace("``", "`")
            parts.append(textwrap.fill(text, 100, break_long_words=False))
    return "\n\n".join(parts)


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table."""
    head = list(head)
    return "\n".join(f"| {' | '.join(line)} |" for line in (head, ["---"] * len(head), *rows))


def plain(text: str) -> str:
    r"""Text in which Markdown finds no tags, emphasis or cells.

    >>> plain("<c+_x c_y> | 1")
    '\\<c+\\_x c\\_y> \\| 1'
    """
    return re.sub(r"([<_*|])", r"\\\1", text)


def _dims(dims: Iterable[str]) -> str:
    return f"({', '.join(dims)})" if dims else "-"


def of_system(name: str) -> str:
    """Hamiltonian, variables of a problem and observables of a system."""
    words, shape, observables = SYSTEMS[name]
    paragraphs = (systems.__doc__ or "").split("\n\n")
    starts = [i for i, text in enumerate(paragraphs) if text.startswith(_headings())]
    first = next(i for i in starts if paragraphs[i].startswith(words))
    last = next((i for i in starts if i > first), len(paragraphs))
    build = getattr(systems, name)
    problem = build(np.zeros(shape))
    defaults = inspect.signature(build).parameters
    dims = {"U": "-, (x, y)"} if name == "bose_hubbard" else {}
    rows = [
        (
            f"`{key}`",
            dims.get(key) or _dims(value.dims),
            _UNITS.get(value.attrs["units"], value.attrs["units"]),
            plain(value.attrs["long_name"]),
            f"{defaults[key].default:g}" if key != "potential" else "-",
        )
        for key, value in problem.items()
    ]
    grid = problem.x.values[:3]
    points = ", ".join(f"{point:g}" for point in grid)
    said = {key: value for key, value in problem.attrs.items() if key != "hamiltonian"}
    return "\n\n".join(
        [
            markdown("\n\n".join(paragraphs[first:last])),
            f"In `attrs['hamiltonian']`: `{problem.attrs['hamiltonian']}`. The other attributes: "
            f"{', '.join(f'`{key}={value!r}`' for key, value in said.items())}. Coordinates `x` "
            f"({problem.x.attrs['units']}): {points}, ...",
            table(["variable", "dims", "unit", "what it is", "default"], rows),
            table(["observable", "dims", "unit", "what it is"], _rows(observables)),
        ]
    )


def _headings() -> tuple[str, ...]:
    return tuple(words for words, _, _ in SYSTEMS.values())


def _rows(observables: Mapping[str, tuple[tuple[str, ...], str, str]]) -> list[tuple[str, ...]]:
    return [
        (f"`{name}`", _dims(dims), _UNITS.get(units, units), plain(long_name))
        for name, (dims, units, long_name) in observables.items()
    ]


def fill(page: str) -> str:
    """The page with every block filled."""

    def block(match: re.Match[str]) -> str:
        if match[2] in SYSTEMS:
            body = of_system(match[2])
        else:
            body = markdown(importlib.import_module(f"qdens_nb.{match[2]}").__doc__ or "")
        return f"{match[1]}{body}\n{match[3]}"

    return _BLOCK.sub(block, page)


def main() -> int:
    """Write or check; the exit status is 1 if a check fails."""
    parser = argparse.ArgumentParser(description="Formulas and tables of docs/conventions.md.")
    parser.add_argument("--check", action="store_true", help="write nothing, compare")
    options = parser.parse_args()
    page = PAGE.read_text(encoding="utf-8")
    filled = fill(page)
    if options.check and filled != page:
        print("docs/conventions.md is old; run scripts/convention_tables.py", file=sys.stderr)
        return 1
    if not options.check:
        PAGE.write_text(filled, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
