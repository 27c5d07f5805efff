"""Checkpoints: named arrays in one file, without pickle, replaced only by a whole one."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np


def write_arrays(path: str | Path, arrays: Mapping[str, Any]) -> None:
    """Write the file; the one before it stays until the new one is whole and on the disk.

    Raises
    ------
    OSError
        The disk is full, or the folder cannot be written; nothing partial is left.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    try:
        with part.open("wb") as file:
            np.savez(file, **arrays)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except OSError as error:
        raise OSError(
            error.errno,
            f"the checkpoint could not be written ({error.strerror or error}); the one before it, "
            "if there is one, is untouched. Free some space and repeat the command",
            str(path),
        ) from error
    finally:
        part.unlink(missing_ok=True)


def read_arrays(path: str | Path) -> dict[str, np.ndarray]:
    """Arrays of a file that `write_arrays` wrote.

    Raises
    ------
    ValueError
        Not such a file: truncated, damaged, compressed (it could unpack to any size), pickled.
    """
    try:
        with open(path, "rb") as raw:
            with zipfile.ZipFile(raw) as archive:
                if any(entry.compress_type for entry in archive.infolist()):
                    raise ValueError("it is compressed, checkpoints are not")
            raw.seek(0)
            with np.load(raw, allow_pickle=False) as file:
                return {name: file[name] for name in file.files}
    except Exception as error:  # what zipfile and numpy raise on damaged bytes is of many kinds
        raise ValueError(
            f"the checkpoint {path} is damaged or none of this package ({error}); delete it to "
            "start anew"
        ) from error
