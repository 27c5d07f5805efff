"""What is read off densities: Friedel oscillations, comparisons of solvers, trust in a network."""

from qdens_nb.analysis._compare import compare, side_by_side, well_sweep
from qdens_nb.analysis._friedel import (
    FriedelFit,
    friedel_fit,
    friedel_wavelength,
    luttinger_parameter,
)
from qdens_nb.analysis._trust import nearest_distance, reliability, training_potentials

__all__ = [
    "FriedelFit",
    "compare",
    "friedel_fit",
    "friedel_wavelength",
    "luttinger_parameter",
    "nearest_distance",
    "reliability",
    "side_by_side",
    "training_potentials",
    "well_sweep",
]
