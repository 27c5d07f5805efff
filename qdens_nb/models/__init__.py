"""Networks in plain torch.nn; one file each. Nothing here knows xarray."""

from qdens_nb.models._chain_resnet import ChainResNet
from qdens_nb.models._layers import PeriodicConv1d, ResidualBlock

__all__ = ["ChainResNet", "PeriodicConv1d", "ResidualBlock"]
