"""The first page of the documentation site: README between the pictures of tutorials and apps."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat

import qdens_nb

ROOT = Path(__file__).resolve().parents[1]
#: modules in the order in which they are met
MODULES = (
    *("systems", "potentials", "solvers", "references", "datasets", "models", "training"),
    *("inverse", "analysis", "metrics", "nqs", "mpnn", "plotting", "widgets"),
)
#: guides that come first, in this order
GUIDES = ("own_data", "conventions", "glossary", "results", "scale_out", "faults")
#: sections of README that follow the pictures, and those that are said by other means
_FIRST = ("Two commands", "Ten lines")
_REPLACED = ("Gallery", "Measured", "Read on")
_BINDER = re.compile(r"https://mybinder\.org/v2/[^?)\s]+")
_PICTURE = re.compile(r"!\[([^\]]*)\]\(([^)]+)\)")
_SENTENCE = re.compile(r"(?<=[.?!])\s+(?=[A-Z*`])")


def notebooks(folder: str) -> list[Path]:
    """The notebooks of a folder of the repository, in order."""
    return sorted((ROOT / folder).glob("*.ipynb"))


def guides() -> list[Path]:
    """The Markdown files of docs/, in the order of the table of contents."""
    first = {name: number for number, name in enumerate(GUIDES)}
    pages = (ROOT / "docs").glob("*.md")
    return sorted(pages, key=lambda page: (first.get(page.stem, len(first)), page.stem))


def sections(markdown: str) -> dict[str, str]:
    """Text under each heading of the second level; what comes before them is ``""``.

    >>> sections("# Title\\nwords\\n## One\\ntext\\n")
    {'': '# Title\\nwords\\n', 'One': 'text\\n'}
    """
    parts = re.split(r"^## (.+)\n", markdown, flags=re.MULTILINE)
    return {"": parts[0], **dict(zip(parts[1::2], parts[2::2], strict=True))}


def opening(path: Path) -> tuple[str, str, str]:
    """Title, first paragraph and picture (or ``""``) of a notebook or a Markdown file."""
    if path.suffix == ".ipynb":
        text = nbformat.read(path, as_version=4).cells[0].source
    else:
        text = path.read_text(encoding="utf-8")
    paragraphs = [part.strip() for part in text.split("\n\n")]
    picture = _PICTURE.search(text)
    return paragraphs[0].lstrip("# "), paragraphs[1], picture.group() if picture else ""


def binder(target: str) -> str:
    """Address of Binder's page for a target; the repository is that of README's badge."""
    found = _BINDER.search((ROOT / "README.md").read_text(encoding="utf-8"))
    if found is None:
        raise ValueError("README.md has no Binder badge, which says where the repository is")
    return f"{found.group()}?{target}"


def _cards(cards: list[list[str]]) -> str:
    bodies = ["\n\n".join(part for part in card if part) for card in cards]
    inner = "\n".join(f"```{{container}} card\n{body}\n```" for body in bodies)
    return f"````{{container}} cards\n{inner}\n````"


def tutorial_cards() -> str:
    """A card a tutorial, without the index: its picture, title and first sentences."""
    cards = []
    for path in notebooks("tutorials")[1:]:
        title, text, picture = opening(path)
        target = f"tutorials/{path.name}"
        picture = picture.replace("](img/", "](tutorials/img/")
        first = " ".join(_SENTENCE.split(" ".join(text.split()))[:2])
        cards.append([f"[{picture}]({target})" if picture else "", f"**[{title}]({target})**"])
        cards[-1].append(first)
    return _cards(cards)


def app_cards() -> str:
    """A card an app: its picture if there is one, what it does, where it runs, its tutorial."""
    titles = {path.name: opening(path)[0] for path in notebooks("tutorials")}
    cards = []
    for path in notebooks("apps"):
        if path.stem == "index":
            continue
        title, text, _ = opening(path)
        address = binder(f"urlpath=voila/render/apps/{path.name}")
        picture = f"tutorials/img/apps/{path.stem}.png"
        shown = f"[![The app: {title}]({picture})]({picture})"
        tutorial = re.search(r"`tutorials/([\w.]+)`", text)
        links = [f"[Open on Binder]({address})"]
        if tutorial:
            links.append(f"the physics: [{titles[tutorial[1]]}](tutorials/{tutorial[1]})")
        what = re.sub(r"\s*The physics is in .*", "", text, flags=re.DOTALL)
        here = (ROOT / picture).exists()
        cards.append([shown if here else "", f"**{title}**", what, " · ".join(links)])
    return _cards(cards)


def first_line(text: str | None) -> str:
    """First sentence of a docstring, without a stop."""
    line = " ".join((text or "").split("\n\n")[0].split())
    return re.sub(r":math:`|`", "", line).rstrip(".")


def front_page() -> str:
    """Markdown of the first page."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    readme = sections(re.sub(r"\n+```$", "\n```", text, flags=re.MULTILINE))
    head = [part.strip() for part in readme.pop("").split("\n\n")]
    title, *words = [part for part in head if not part.startswith(("[![", "!["))]
    lead, *rest = _SENTENCE.split(" ".join(" ".join(words).split()))
    guide_list = [
        f"- [{heading}](docs/{page.name}): {_SENTENCE.split(' '.join(text.split()))[0]}"
        for page in guides()
        for heading, text, _ in [opening(page)]
    ]
    module_list = [
        f"| [qdens_nb.{name}](api/{name}.md) | {first_line(getattr(qdens_nb, name).__doc__)} |"
        for name in MODULES
    ]
    parts = [
        title,
        f"```{{container}} lead\n{lead}\n```",
        "```{container} buttons\n"
        "[Read the tutorials](#tutorials) "
        f"[Run them on Binder]({binder('labpath=tutorials/00_index.ipynb')}) "
        f"[Try the apps on Binder]({binder('urlpath=voila/render/apps/index.ipynb')}) "
        "[Measured results](docs/results.md) [API](api/index.md)\n```",
        " ".join(rest),
        "## Tutorials",
        "Notebooks that run from top to bottom in minutes, on this machine with `make lab`. "
        "The [index](tutorials/00_index.ipynb) is a tour: problem, solver, Dataset, network.",
        tutorial_cards(),
        "## Apps",
        "Sliders and live plots without code, on this machine with `make apps`. Each is on the "
        "page of its tutorial too.",
        app_cards(),
        *(f"## {name}\n\n{text.strip()}" for name, text in readme.items() if name in _FIRST),
        "## Guides",
        "\n".join(guide_list),
        "## Modules",
        "\n".join(["| | |", "|---|---|", *module_list]),
        "The command line is on a page of its own: [`qdens`](api/cli.md).",
        *(
            f"## {name}\n\n{text.strip()}"
            for name, text in readme.items()
            if name not in (*_FIRST, *_REPLACED)
        ),
    ]
    return "\n\n".join(parts)
