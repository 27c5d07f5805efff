"""The discriminators of pix2pix, from whole images down to single pixels."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from qdens_nb.models._unet import initialise, map_normalisation

#: strides of the convolutions by patch, the side of the square that one verdict is about
PATCHES: dict[int, tuple[int, ...]] = {
    70: (2, 2, 2, 1, 1),
    34: (2, 2, 1, 1),
    16: (2, 1, 1),
    7: (1, 1),
    4: (1,),
    1: (1, 1, 1),
}


def receptive_field(strides: Sequence[int], kernel: int = 4) -> int:
    """Sites a side that one output of a stack of convolutions depends on.

    Examples
    --------
    >>> receptive_field((2, 2, 2, 1, 1))
    70
    """
    sites, step = 1, 1
    for stride in strides:
        sites += (kernel - 1) * step
        step *= stride
    return sites


def gan_kind(patch: int, side: int = 64) -> str:
    """What the discriminator is called on images of that side.

    Examples
    --------
    >>> [gan_kind(patch) for patch in (70, 16, 1)]
    ['ImageGAN', 'PatchGAN', 'PixelGAN']
    """
    return "PixelGAN" if patch == 1 else "ImageGAN" if patch >= side else "PatchGAN"


class PatchDiscriminator(nn.Module):
    """Tells real pairs (input, output) from generated ones, patch by patch.

    All layers but the last have LeakyReLU(0.2), all but the first and the last a normalisation,
    and channels double from `width` to at most eight times it; kernels are 4, in the PixelGAN 1.
    Patches of 70, 34 and 16 have 3, 2 and 1 strided layers and then two of stride 1; those of 7
    and 4 have two and one of stride 1 only, so the last is a linear filter.

    Parameters
    ----------
    in_channels : int
        Input and output maps together.
    patch : int
        70, 34, 16, 7, 4 or 1; a patch as large as the image makes an ImageGAN.
    width : int
        Channels of the first layer.
    norm : {"batch", "instance", "none"}
        Statistics of a batch or map connect all patches of it; the patch counts convolutions.

    Raises
    ------
    ValueError
        Another patch.

    Notes
    -----
    Isola et al., arXiv:1611.07004; Pantis-Simut et al. use the same sequence of patches.
    """

    def __init__(
        self, in_channels: int, patch: int = 70, width: int = 64, norm: str = "batch"
    ) -> None:
        super().__init__()
        if patch not in PATCHES:
            raise ValueError(f"patch={patch!r}; choose one of {tuple(PATCHES)}")
        strides = PATCHES[patch]
        kernel = 1 if patch == 1 else 4
        self.patch = self.receptive_field = receptive_field(strides, kernel)
        layers: list[nn.Module] = []
        channels = in_channels
        for i, stride in enumerate(strides):
            last = i == len(strides) - 1
            kind = "none" if i == 0 or last else norm
            outputs = 1 if last else width * min(2**i, 8)
            layers.append(
                nn.Conv2d(channels, outputs, kernel, stride, kernel // 3, bias=kind == "none")
            )
            if not last:
                layers += [map_normalisation(kind, outputs), nn.LeakyReLU(0.2)]
            channels = outputs
        self.layers = nn.Sequential(*layers)
        initialise(self)

    def forward(self, pair: torch.Tensor) -> torch.Tensor:
        """Logits (B, 1, X', Y') that each patch of (B, in_channels, X, Y) is real."""
        return self.layers(pair).float()
