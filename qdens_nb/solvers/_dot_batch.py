"""The same exact diagonalisation of dots in batches with torch, for a GPU.

The one-electron matrices are diagonalised whole, and the integrals of all samples of a batch are
one batched product; what is left (the matrices of a few hundred configurations) is done on the CPU.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from tqdm.auto import tqdm

from qdens_nb.solvers import _dot_ci
from qdens_nb.solvers._dot_coulomb import COULOMB, _transform, pair_densities
from qdens_nb.solvers._dot_orbitals import kinetic, sines

_BATCH = 16


def solve_batch(
    potentials: np.ndarray,
    mass: np.ndarray,
    eps_r: np.ndarray,
    size: float,
    settings: Mapping[str, Any],
    device: str,
    progress: bool = False,
) -> list[dict[str, Any]]:
    """Observables of each sample, as `dot_ci` without a device gives them.

    Raises
    ------
    ValueError
        No such device.
    """
    try:
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"device={device!r} cannot be used here: {error}") from None
    points, modes, count = potentials.shape[-1], settings["modes"], settings["orbitals"]
    step = size / points
    s = torch.from_numpy(sines(points, modes)).to(device)
    waves, weight = (
        torch.from_numpy(array).to(device)
        for array in _transform(points, min(points, modes + modes // 4))
    )
    root = weight.clamp(min=0).sqrt()
    rows = []
    starts = range(0, len(potentials), _BATCH)
    for start in tqdm(starts, desc="dot_ci", disable=not progress):
        part = slice(start, start + _BATCH)
        v = torch.from_numpy(potentials[part].astype(np.float64)).to(device)
        matrix = torch.einsum("ip,ir,bij,jq,js->bpqrs", s, s, v, s, s)
        matrix = matrix.reshape(len(v), modes**2, modes**2)
        t = np.stack([kinetic(modes, m, size).ravel() for m in mass[part]])
        matrix.diagonal(dim1=-2, dim2=-1).add_(torch.from_numpy(t).to(device))
        energies, vectors = torch.linalg.eigh(matrix)
        c = vectors[:, :, :count].transpose(1, 2).reshape(len(v), count, modes, modes)
        values = (s @ c @ s.T).cpu().numpy()
        lowest = energies[:, :count].cpu().numpy()
        for i, u in enumerate(values):
            pairs = pair_densities(u)
            ft = waves.T @ (torch.from_numpy(pairs).to(device) @ waves)
            ft = ft.reshape(len(pairs), -1) * root
            integrals = (ft @ ft.T).cpu().numpy() * (COULOMB / eps_r[start + i] / step)
            rows.append(_dot_ci.observables(lowest[i], u, pairs, integrals, step, settings))
    return rows
