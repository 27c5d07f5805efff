"""The files that are shipped: where they are, their checksums, and the commands that made them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import qdens_nb
from qdens_nb.datasets._files import sha256, write_json
from qdens_nb.datasets._generate import versions

MANIFEST = "manifest.json"


def data_folder() -> Path:
    """Folder of the shipped files: $QDENS_DATA, the repository's data/, or the package's own."""
    given = os.environ.get("QDENS_DATA")
    if given:
        return Path(given)
    package = Path(qdens_nb.__file__).parent
    in_repository = (package.parent / "pyproject.toml").exists()
    return (package.parent if in_repository else package) / "data"


def registry() -> dict[str, dict[str, Any]]:
    """Every shipped file: name -> sha256, bytes, command, seed, versions.

    Raises
    ------
    ValueError
        The manifest is damaged.
    """
    path = data_folder() / MANIFEST
    if not path.exists():
        return {}
    try:
        entries = json.loads(path.read_text())
        if all("sha256" in entry for entry in entries.values()):
            return entries
    except (ValueError, AttributeError, TypeError):
        pass
    raise ValueError(f"{path} is damaged; fetch it anew from the repository")


def shipped(name: str) -> Path:
    """Path of a shipped file, after its checksum has been verified.

    Parameters
    ----------
    name : str
        Its path below the data folder, such as ``"chain/wells.nc"``.

    Raises
    ------
    ValueError
        Not a shipped file, or damaged.
    FileNotFoundError
        It is in the manifest, but not there.
    """
    entries, path = registry(), data_folder() / name
    if name not in entries:
        raise ValueError(
            f"no shipped file {name!r} in {data_folder()}; there is {', '.join(entries) or 'none'}."
            " QDENS_DATA names another folder"
        )
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing; fetch it anew, or run: {_made(entries[name])}")
    if sha256(path) != entries[name]["sha256"]:
        raise ValueError(
            f"{path} is damaged: its checksum is not the one in {MANIFEST}; fetch it anew, or run: "
            f"{_made(entries[name])}"
        )
    return path


def _made(entry: dict[str, Any]) -> str:
    return str(entry.get("command", "the command that made it"))


def register(path: str | Path, command: str, *, seed: int | None = None) -> dict[str, Any]:
    """Enter a file of the data folder into the manifest, or renew its entry.

    Parameters
    ----------
    path : path
        The file; it lies in the data folder.
    command : str
        The command that makes it.
    seed : int, optional
        The seed that the command was given.

    Returns
    -------
    dict
        The entry.

    Raises
    ------
    ValueError
        The file lies elsewhere.
    OSError
        It cannot be read, or the manifest cannot be written.
    """
    folder, path = data_folder().resolve(), Path(path).resolve()
    if not path.is_relative_to(folder):
        raise ValueError(f"{path} lies outside {folder}; copy it there first, or set QDENS_DATA")
    entry = {
        "sha256": sha256(path),
        "bytes": path.stat().st_size,
        "command": command,
        "seed": seed,
        "versions": versions(),
    }
    entries = registry() | {path.relative_to(folder).as_posix(): entry}
    write_json(folder / MANIFEST, dict(sorted(entries.items())))
    return entry
