"""What turns a dataset and a network into weights, and weights into a predictor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qdens_nb.training._bose_predictor import BosePredictor, sector_of
from qdens_nb.training._config import TrainConfig
from qdens_nb.training._dot_predictor import DotPredictor
from qdens_nb.training._predictor import ChainPredictor, load_predictor

if TYPE_CHECKING:
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


def __getattr__(name: str) -> Any:
    if name != "train":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    # Lightning takes seconds to load, and a predictor does not need it.
    from qdens_nb.training._train import train

    return train
