"""What needs no network: inversion by the Laplacian, and the eigenstates of a potential on a grid.

Where psi is known as a function, V(r) = V(r0) + (1/2) laplace(psi)/psi (r) - (1/2)
laplace(psi)/psi (r0) is exact. Where it is known as numbers on a grid, finite differences amplify
their noise by 1/h^2.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from qdens_nb.mpnn._wavefunctions import WaveFunction

Array = NDArray[np.float64]


def direct_inversion(wave: WaveFunction, points: Tensor) -> tuple[Tensor, float]:
    """The potential by inversion of the Schrödinger equation, and the energy; no network.

    Parameters
    ----------
    wave : WaveFunction
        The eigenstate, as a function.
    points : (B, D) tensor
        Where the potential is wanted.

    Returns
    -------
    potential : (B,) tensor
    energy : float
    """
    pin = torch.tensor([wave.pin], dtype=torch.float64)
    energy = float(wave.kinetic(pin)) + wave.pinned_value
    return energy - wave.kinetic(points), energy


def grid_state(x: Array, potential: Array, level: int = 0) -> tuple[float, Array]:
    """Energy and values of an eigenstate on an even grid, in a basis of sines (hard walls).

    Parameters
    ----------
    x : (n,) array
        Even grid; psi vanishes at its ends.
    potential : (n,) array
    level : int
        0 for the ground state.
    """
    n, length = len(x), float(x[-1] - x[0])
    basis = min(n - 2, 200)
    k = np.arange(1, basis + 1) * np.pi / length
    sines = np.sqrt(2 / length) * np.sin(np.outer(x - x[0], k))
    step = length / (n - 1)
    hamiltonian = np.diag(k**2 / 2) + step * sines.T @ (potential[:, None] * sines)
    energies, states = np.linalg.eigh(hamiltonian)
    values = sines @ states[:, level]
    return float(energies[level]), values * np.sign(values[np.abs(values).argmax()])
