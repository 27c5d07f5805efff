"""What is read off densities: oscillations, phases, comparisons of solvers, trust in a network."""

from qdens_nb.analysis._bose import (
    PHASES,
    LobeTip,
    checkerboard_sector,
    first_crossing,
    homogeneous,
    lobe_tip,
    local_staggered,
    order_parameters,
    phase_names,
    phases_of,
    smooth_density,
    staggered_density,
    stiffness_jump,
)
from qdens_nb.analysis._bose_scores import (
    density_calibration,
    error_scores,
    hopping_ranges,
    scores_by_hopping,
    sector_differs,
)
from qdens_nb.analysis._compare import compare, side_by_side, well_sweep
from qdens_nb.analysis._dots import nearest_dots
from qdens_nb.analysis._friedel import (
    FriedelFit,
    friedel_fit,
    friedel_wavelength,
    luttinger_parameter,
)
from qdens_nb.analysis._trust import nearest_distance, reliability, training_potentials

__all__ = [
    "PHASES",
    "FriedelFit",
    "LobeTip",
    "checkerboard_sector",
    "compare",
    "density_calibration",
    "error_scores",
    "first_crossing",
    "friedel_fit",
    "friedel_wavelength",
    "homogeneous",
    "hopping_ranges",
    "lobe_tip",
    "local_staggered",
    "luttinger_parameter",
    "nearest_distance",
    "nearest_dots",
    "order_parameters",
    "phase_names",
    "phases_of",
    "reliability",
    "scores_by_hopping",
    "sector_differs",
    "side_by_side",
    "smooth_density",
    "staggered_density",
    "stiffness_jump",
    "training_potentials",
    "well_sweep",
]
