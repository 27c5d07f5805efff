"""Networks in plain torch.nn; one file each. Nothing here knows xarray."""

from qdens_nb.models._chain_resnet import ChainResNet
from qdens_nb.models._lattice_cnn import LatticeCNN
from qdens_nb.models._lattice_layers import PeriodicConv2d, SqueezeExcite
from qdens_nb.models._lattice_resnet import LatticeResNet
from qdens_nb.models._layers import PeriodicConv1d, ResidualBlock

__all__ = [
    "ChainResNet",
    "LatticeCNN",
    "LatticeResNet",
    "PeriodicConv1d",
    "PeriodicConv2d",
    "ResidualBlock",
    "SqueezeExcite",
]
