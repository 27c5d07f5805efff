"""Neural quantum states: networks as wave functions, optimised without data."""

from __future__ import annotations

import importlib
from typing import Any

_NAMES = {
    "Hamiltonian": "_hamiltonian",
    "transverse_ising": "_models",
    "heisenberg": "_models",
    "j1j2": "_models",
    "tv_chain": "_models",
    "bose_hubbard": "_models",
    "Ansatz": "_ansatz",
    "RBM": "_rbm",
    "Jastrow": "_jastrow",
    "FeedForward": "_feedforward",
    "CNN": "_cnn",
    "Autoregressive": "_autoregressive",
    "Transformer": "_transformer",
    "Symmetrized": "_symmetrized",
    "SymmetryGroup": "_symmetry",
    "translations": "_symmetry",
    "point_group": "_symmetry",
    "reflection": "_symmetry",
    "spin_flip": "_symmetry",
    "ground_state": "_ground_state",
    "estimate_energy": "_ground_state",
    "chain_nqs": "_chain_solver",
    "local_energy": "_local_energy",
    "FullSum": "_samplers",
    "Metropolis": "_samplers",
    "Direct": "_samplers",
    "derivatives": "_natural_gradient",
    "natural_gradient": "_natural_gradient",
    "evolve": "_dynamics",
    "Broadened": "_broadened",
    "x_polarised": "_initial",
    "magnetisation": "_observables",
    "Correlation": "_observables",
    "state_vector": "_observables",
    "integrated_autocorrelation_time": "_diagnostics",
    "effective_sample_size": "_diagnostics",
    "split_rhat": "_diagnostics",
    "summarize": "_diagnostics",
    "v_score": "_diagnostics",
    "exact_ground_state": "_exact",
    "exact_evolution": "_exact",
    "ising_ring_energy": "_exact",
    "ising_ring_quench": "_exact",
    "heisenberg_ring_energy": "_exact",
    "reference_energy": "_exact",
    "entanglement_entropy": "_entropy",
    "entropy_profile": "_entropy",
    "page_entropy": "_entropy",
    "renyi2_swap": "_entropy",
    "rbm_volume_law": "_entropy",
    "random_rbm": "_entropy",
    "rbm_state": "_entropy",
    "rbm_entropy_bound": "_entropy",
}

__all__ = [*_NAMES]


def __getattr__(name: str) -> Any:
    if name in _NAMES:
        return getattr(importlib.import_module(f"qdens_nb.nqs.{_NAMES[name]}"), name)
    raise AttributeError(f"module 'qdens_nb.nqs' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
