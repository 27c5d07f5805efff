"""One file from which an optimisation goes on: parameters, chains, optimiser, history."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from qdens_nb.nqs._ansatz import get_parameters, set_parameters


def save_checkpoint(
    path: str | Path, label: str, ansatz: Any, sampler: Any, optimizer: Any, history: dict
) -> None:
    """Write the file; the old one is replaced only when the new one is whole."""
    path = Path(path)
    arrays: dict[str, Any] = {"label": np.array(label), "parameters": get_parameters(ansatz)}
    for room, owner in (("sampler", sampler), ("optimizer", optimizer)):
        state = owner.state() if hasattr(owner, "state") else {}
        arrays.update({f"{room}/{name}": np.asarray(value) for name, value in state.items()})
    arrays.update({f"history/{name}": np.array(values) for name, values in history.items()})
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".part")
    try:
        with open(partial, "wb") as file:
            np.savez(file, **arrays)
        os.replace(partial, path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise OSError(
            f"the checkpoint {path} could not be written ({error}); the one before it, if there "
            "is one, is untouched"
        ) from error


def load_checkpoint(
    path: str | Path, label: str, ansatz: Any, sampler: Any, optimizer: Any, history: dict
) -> None:
    """Continue from the file if it exists.

    Raises
    ------
    ValueError
        The file is damaged, or of another Hamiltonian, network or options.
    """
    path = Path(path)
    if not path.exists():
        return
    try:
        with open(path, "rb") as raw, np.load(raw, allow_pickle=False) as file:
            arrays = dict(file)
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise ValueError(f"the checkpoint {path} is damaged ({error}); delete it") from error
    if str(arrays["label"]) != label:
        raise ValueError(
            f"the checkpoint {path} is of another run: {arrays['label']}; this one is {label}. "
            "Delete it or choose another file"
        )

    def room(name: str) -> dict[str, np.ndarray]:
        head = name + "/"
        return {key[len(head) :]: value for key, value in arrays.items() if key.startswith(head)}

    set_parameters(ansatz, arrays["parameters"])
    if hasattr(sampler, "restore"):
        sampler.restore(room("sampler"))
    optimizer.restore(room("optimizer"))
    for name, values in room("history").items():
        history[name][:] = values.tolist()
