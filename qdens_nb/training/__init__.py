"""What turns a dataset and a network into weights, and weights into a predictor."""

from qdens_nb.training._bose_predictor import BosePredictor, sector_of
from qdens_nb.training._config import TrainConfig
from qdens_nb.training._dot_predictor import DotPredictor
from qdens_nb.training._predictor import ChainPredictor, load_predictor
from qdens_nb.training._train import train

__all__ = [
    "BosePredictor",
    "ChainPredictor",
    "DotPredictor",
    "TrainConfig",
    "load_predictor",
    "sector_of",
    "train",
]
