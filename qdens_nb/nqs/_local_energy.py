r"""Local energies, :math:`E_{loc}(s) = \sum_{s'} H_{ss'} ψ(s')/ψ(s)`."""

from __future__ import annotations

import numpy as np

from qdens_nb.nqs._ansatz import Ansatz, _chunks
from qdens_nb.nqs._hamiltonian import Hamiltonian


def local_energy(hamiltonian: Hamiltonian, ansatz: Ansatz, configs: np.ndarray) -> np.ndarray:
    """(B,) local energies of (B, N) configurations.

    A restricted Boltzmann machine is asked through its look-up tables, any other network by its
    log ψ of all connected configurations.

    Raises
    ------
    ValueError
        Configurations that are not of this Hamiltonian or network.
    """
    from qdens_nb.nqs._rbm_engine import LookUp, supports

    if supports(ansatz, hamiltonian):
        return LookUp(ansatz, hamiltonian, configs).local_energies()
    return np.concatenate(
        [_local_energy(hamiltonian, ansatz, part) for part in _chunks(np.asarray(configs), 1024)]
    )


def _local_energy(hamiltonian: Hamiltonian, ansatz: Ansatz, configs: np.ndarray) -> np.ndarray:
    diagonal, index, connected, elements = hamiltonian.rows(configs)
    here, there = ansatz.log_psi(configs), ansatz.log_psi(connected)
    summands = elements * np.exp(there - here[index])
    found = np.zeros(len(configs), np.result_type(summands, float))
    np.add.at(found, index, summands)
    return found + diagonal
