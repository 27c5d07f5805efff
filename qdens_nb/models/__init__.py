"""Networks in plain torch.nn; one file each. Nothing here knows xarray."""

from qdens_nb.models._chain_resnet import ChainResNet
from qdens_nb.models._discriminator import PATCHES, PatchDiscriminator, gan_kind, receptive_field
from qdens_nb.models._lattice_cnn import LatticeCNN
from qdens_nb.models._lattice_layers import PeriodicConv2d, SqueezeExcite
from qdens_nb.models._lattice_resnet import LatticeResNet
from qdens_nb.models._layers import PeriodicConv1d, ResidualBlock
from qdens_nb.models._residual_unet import ResidualUNet
from qdens_nb.models._unet import UNetGenerator

__all__ = [
    "PATCHES",
    "ChainResNet",
    "LatticeCNN",
    "LatticeResNet",
    "PatchDiscriminator",
    "PeriodicConv1d",
    "PeriodicConv2d",
    "ResidualBlock",
    "ResidualUNet",
    "SqueezeExcite",
    "UNetGenerator",
    "gan_kind",
    "receptive_field",
]
