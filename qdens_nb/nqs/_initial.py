r"""States to start a time evolution from."""

from __future__ import annotations

import math

import numpy as np

from qdens_nb.nqs._ansatz import Ansatz, set_parameters
from qdens_nb.nqs._rbm import RBM


def x_polarised(machine: Ansatz, *, scale: float = 0.1, seed: int = 0) -> Ansatz:
    r"""Put a restricted Boltzmann machine into the state with all spins along x, ψ = 1.

    With zero weights the machine is exactly there, but at a saddle where no correlation can
    begin to grow. So groups of m <= 4 hidden units share random weights w up to the phases
    :math:`e^{iπk/m}`: the powers of :math:`\sum_k\log\cosh` below 2m cancel in a complex
    machine. A real one has just small weights.

    Parameters
    ----------
    machine : RBM
        Changed in place, and returned.
    scale : float
        Standard deviation of the weights; smaller is closer to the state but stiffer.
    seed : int
        Seed of the weights.

    Raises
    ------
    ValueError
        Another kind of network: optimise it as `ground_state` at J = 0.
    """
    if not isinstance(machine, RBM) or machine.projection is not None:
        raise ValueError(
            "x_polarised is for an RBM without projection; for other networks run "
            "ground_state(transverse_ising(sites, h=1.0, J=0.0), ansatz)"
        )
    rng = np.random.default_rng(seed)
    features, sites = machine.weights.shape[:2]
    weights = np.empty((features, sites), complex)
    for group in np.array_split(np.arange(features), max(1, math.ceil(features / 4))):
        phases = np.exp(1j * np.pi * np.arange(len(group)) / len(group))
        weights[group] = phases[:, None] * scale * rng.normal(size=sites)
    if not machine.is_complex:
        weights = scale * rng.normal(size=(features, sites)).astype(complex)
    biases = machine.parameter_count - machine.weights.numel()
    flat = weights.ravel().view(float) if machine.is_complex else weights.real.ravel()
    set_parameters(machine, np.concatenate([flat, np.zeros(biases)]))
    return machine
