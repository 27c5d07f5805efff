"""The potential behind a wave function: Metropolis potential neural networks, and beyond."""

from __future__ import annotations

import importlib
from typing import Any

_NAMES = {
    "WaveFunction": "_wavefunctions",
    "wave_function": "_systems",
    "oscillator": "_systems",
    "from_grid": "_systems",
    "metropolis": "_sampling",
    "sample_wave": "_sampling",
    "Walk": "_sampling",
    "PotentialNet": "_network",
    "Recovery": "_recovery",
    "Settings": "_recovery",
    "METHODS": "_recovery",
    "recover_potential": "_recovery",
    "Noise": "_from_values",
    "potential_from_values": "_from_values",
    "potential_from_samples": "_from_samples",
    "Recovered": "_log_psi",
    "potential_from_density": "_from_density",
    "trap_from_image": "_from_image",
    "condensate": "_condensate",
    "filtered_inversion": "_baselines",
    "spline_inversion": "_baselines",
    "histogram_potential": "_baselines",
    "kernel_density_potential": "_baselines",
    "direct_inversion": "_direct",
    "grid_state": "_direct",
}

__all__ = [*_NAMES]


def __getattr__(name: str) -> Any:
    if name in _NAMES:
        return getattr(importlib.import_module(f"qdens_nb.mpnn.{_NAMES[name]}"), name)
    raise AttributeError(f"module 'qdens_nb.mpnn' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
