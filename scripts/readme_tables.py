"""Write the results tables of README.md and docs/ from results/*.json: no number is typed.

A block ``<!-- results:NAME -->`` ... ``<!-- /results -->`` gets the table of results/NAME.json::

    {"caption": "...", "command": "make bench", "rows": [{"column": value, ...}, ...]}

with the columns that an entry ``"columns"`` names, if there is one, and all of them otherwise.
``<!-- results:NAME WORD -->`` shows only the rows in which ``row["WORD"]`` is true.
``--check`` writes nothing and fails if a page is not what the results say.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
_BLOCK = re.compile(r"(<!-- results:([\w-]+)(?: (\w+))? -->\n).*?(<!-- /results -->)", re.DOTALL)


def cell(value: Any) -> str:
    """Text of one cell: three significant digits, a dash for what was not
    measured, "to" in a range.

    >>> cell(0.012345), cell(14), cell(56627.8), cell(None), cell("HF")
    ('0.0123', '14', '56,600', '-', 'HF')
    """
    if value is None:
        return "-"
    if isinstance(value, list):
        return " to ".join(cell(entry) for entry in value)
    if isinstance(value, float):
        short = f"{value:.3g}"
        return f"{float(short):,.0f}" if 1e3 <= abs(value) < 1e6 else short
    return str(value).replace("|", r"\|")


def table(result: dict[str, Any]) -> str:
    """Markdown of one result.

    >>> print(table({"rows": [{"V": 0.7, "MAE": 0.00123}], "command": "make bench"}))
    | V | MAE |
    |---|---|
    | 0.7 | 0.00123 |
    <BLANKLINE>
    Written by `make bench`.
    """
    known = dict.fromkeys(name for row in result["rows"] for name in row)
    columns = [name for name in result.get("columns", known) if name in known]
    lines = [[cell(name) for name in columns], ["---"] * len(columns)]
    lines += [[cell(row.get(name)) for name in columns] for row in result["rows"]]
    text = "\n".join(
        f"|{'|'.join(line)}|" if line[0] == "---" else f"| {' | '.join(line)} |" for line in lines
    )
    parts = [result["caption"]] if "caption" in result else []
    return "\n\n".join([*parts, text, f"Written by `{result['command']}`."])


def fill(readme: str, results: Path) -> str:
    """README text with every block filled; a result not there yet is said to be missing."""

    def block(match: re.Match[str]) -> str:
        path = results / f"{match[2]}.json"
        if path.is_file():
            result = json.loads(path.read_text(encoding="utf-8"))
            if match[3]:
                result["rows"] = [row for row in result["rows"] if row[match[3]]]
            body = table(result)
        else:
            body = f"Not measured yet: `results/{path.name}` is missing."
        return f"{match[1]}{body}\n{match[4]}"

    return _BLOCK.sub(block, readme)


def main() -> int:
    """Fill the pages, or with ``--check`` say whether they are up to date."""
    parser = argparse.ArgumentParser(description="Fill the results tables of README.md and docs/.")
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    stale = 0
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        old = path.read_text(encoding="utf-8")
        new = fill(old, ROOT / "results")
        if new != old:
            stale = 1
            if options.check:
                print(f"{path.name} does not match results/: run `make readme`", file=sys.stderr)
            else:
                path.write_text(new, encoding="utf-8")
    return stale if options.check else 0


if __name__ == "__main__":
    sys.exit(main())
