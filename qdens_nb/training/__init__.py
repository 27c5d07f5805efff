"""What turns a dataset and a network into weights, and weights into a predictor."""

from qdens_nb.training._config import TrainConfig
from qdens_nb.training._predictor import ChainPredictor, load_predictor
from qdens_nb.training._train import train

__all__ = ["ChainPredictor", "TrainConfig", "load_predictor", "train"]
