"""One file from which a run goes on: parameters, chains, optimiser or integrator, history."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from qdens_nb._checkpoints import read_arrays, write_arrays
from qdens_nb.nqs._ansatz import get_parameters, set_parameters


def state_of(owner: Any) -> dict[str, np.ndarray]:
    """What a checkpoint keeps of a sampler, optimiser or integrator; nothing of an exact sum."""
    return owner.state() if hasattr(owner, "state") else {}


def save_checkpoint(
    path: str | Path,
    label: str,
    ansatz: Any,
    states: Mapping[str, Mapping[str, Any]],
    history: Mapping[str, list],
) -> None:
    """Write the file; the old one is replaced only when the new one is whole."""
    arrays: dict[str, Any] = {"label": np.array(label), "parameters": get_parameters(ansatz)}
    for room, state in states.items():
        arrays.update({f"{room}/{name}": np.asarray(value) for name, value in state.items()})
    arrays.update({f"history/{name}": np.array(values) for name, values in history.items()})
    write_arrays(path, arrays)


def load_checkpoint(
    path: str | Path, label: str, ansatz: Any, owners: Mapping[str, Any], history: dict
) -> bool:
    """Continue from the file if it exists; whether it does.

    Raises
    ------
    ValueError
        The file is damaged, or of another Hamiltonian, network or options.
    """
    if not Path(path).exists():
        return False
    arrays = read_arrays(path)
    found = str(arrays.get("label"))
    if found != label:
        raise ValueError(
            f"the checkpoint {path} is of another run: {found[:1000]}; this one is {label}. "
            "Delete it or choose another file"
        )

    def room(name: str) -> dict[str, np.ndarray]:
        head = name + "/"
        return {key[len(head) :]: value for key, value in arrays.items() if key.startswith(head)}

    try:
        past = room("history")
        if {*past} != {*history} or len({len(values) for values in past.values()}) != 1:
            raise ValueError("its history is not that of such a run")
        set_parameters(ansatz, arrays["parameters"])
        for name, owner in owners.items():
            if hasattr(owner, "restore"):
                owner.restore(room(name))
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"the checkpoint {path} is damaged ({error}); delete it") from error
    for name, values in past.items():
        history[name][:] = values.tolist()
    return True
