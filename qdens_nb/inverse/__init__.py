"""Inverse problems by gradient through a network: which potential, which Hamiltonian.

Any predictor with ``torch_density(local, U, V, sector, T, n_max) -> (B, X, Y)`` will do, with
``local`` = (mu - v)/U (B, X, Y); those of `qdens_nb.load_predictor` for the Bose-Hubbard torus have
it.
"""

from qdens_nb.inverse._design import design
from qdens_nb.inverse._learn import learn_hamiltonian
from qdens_nb.inverse._recheck import recheck

__all__ = ["design", "learn_hamiltonian", "recheck"]
