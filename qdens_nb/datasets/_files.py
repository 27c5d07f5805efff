"""Files that are whole or absent: atomic writes and checksums."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

TEMPORARY = ".tmp"


def sha256(path: str | Path) -> str:
    """Return the SHA-256 of a file as 64 hexadecimal digits.

    Raises
    ------
    OSError
        The file cannot be read.
    """
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def replacing(path: Path, size: int) -> Iterator[Path]:
    """Give a temporary path to write to; on success it replaces `path`, on failure it goes.

    Whatever happens, `path` is afterwards the old file (or none) or the whole new one. Where less
    than `size` bytes are free nothing is begun: HDF5 keeps a file that it could not finish open.

    Raises
    ------
    OSError
        The disk is full (the message says so), or the folder cannot be written.
    """
    if shutil.disk_usage(path.parent).free < size:
        raise _full(path, size)
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex}{TEMPORARY}")
    try:
        yield part
        _sync(part)
        os.replace(part, path)
        _sync(path.parent)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise _full(path, size) from error
        raise
    finally:
        part.unlink(missing_ok=True)


def _full(path: Path, size: int) -> OSError:
    return OSError(
        errno.ENOSPC,
        f"the disk is full: up to {size / 1e6:.2f} MB are needed for this file, of which nothing "
        "is left behind. Free some space and repeat the command",
        str(path),
    )


def _sync(path: Path) -> None:
    if path.is_dir() and os.name != "posix":
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_text(path: Path, text: str) -> None:
    """Write a small text file atomically."""
    with replacing(path, len(text)) as part:
        part.write_text(text, encoding="utf-8")


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a mapping as readable JSON, atomically."""
    write_text(path, json.dumps(content, indent=2) + "\n")


def sidecar(path: Path) -> Path:
    """The file that holds the checksum of `path`, in the format of the ``sha256sum`` tool."""
    return path.with_name(path.name + ".sha256")


def write_checksum(path: Path) -> None:
    """Write the checksum of a file beside it: from then on the file counts as complete."""
    write_text(sidecar(path), f"{sha256(path)}  {path.name}\n")


def checksum_state(path: str | Path) -> str:
    """Compare a file with the checksum beside it.

    Returns
    -------
    str
        ``"ok"``, ``"damaged"`` (or the file is gone), or ``"none"`` if there is no checksum.
    """
    path = Path(path)
    try:
        expected = sidecar(path).read_text(errors="replace").split()
    except FileNotFoundError:
        return "none"
    return "ok" if path.exists() and expected[:1] == [sha256(path)] else "damaged"
