"""Inverse problems by gradient through a network: which potential, which Hamiltonian.

Any predictor with ``torch_density(local, U, V, sector, T, n_max) -> (B, X, Y)`` will do, with
``local`` = (mu - v)/U (B, X, Y); those of `qdens_nb.load_predictor` for the Bose-Hubbard torus have
it, the correction networks through their mean field too. ``benchmarks/bose_design.py`` compares
them.
"""

from qdens_nb.inverse._design import design
from qdens_nb.inverse._dots import design_dot
from qdens_nb.inverse._learn import learn_hamiltonian
from qdens_nb.inverse._recheck import recheck

__all__ = ["design", "design_dot", "learn_hamiltonian", "recheck"]
