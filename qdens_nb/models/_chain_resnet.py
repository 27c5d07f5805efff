"""The paper's one-dimensional network: one residual stem, one head for each observable."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from qdens_nb.models._layers import PeriodicConv1d, ResidualBlock, normalisation


class ChainResNet(nn.Module):
    """Residual network on a ring, translation equivariant, any number of sites.

    Kernel 5 in the first layer and 3 after it, periodic, no pooling, as in the paper's appendix.

    Parameters
    ----------
    in_channels : int
        Input channels (fields and constant coupling channels).
    outputs : sequence of str
        Names of the heads.
    blocks, width : int
        Residual blocks and channels; the paper's are 64 and 120.
    norm : {"batch", "layer"}
        Normalisation; the paper's is batch.
    first_kernel, kernel : int
        Kernel sizes.

    Notes
    -----
    The receptive field is ``first_kernel + 2 * blocks * (kernel - 1)`` sites.
    """

    def __init__(
        self,
        in_channels: int,
        outputs: Sequence[str],
        blocks: int = 64,
        width: int = 120,
        norm: str = "batch",
        first_kernel: int = 5,
        kernel: int = 3,
    ) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.outputs = tuple(outputs)
        self.receptive_field = first_kernel + 2 * blocks * (kernel - 1)
        self.first = PeriodicConv1d(in_channels, width, first_kernel)
        self.stem = nn.Sequential(*[ResidualBlock(width, kernel, norm) for _ in range(blocks)])
        self.last_norm = normalisation(norm, width)
        self.heads = nn.Linear(width, len(self.outputs))

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        """Map (B, in_channels, L) to a dict of (B, L) tensors.

        Raises
        ------
        ValueError
            Another number of channels than the network was built for.
        """
        if x.ndim != 3 or x.shape[1] != self.in_channels:
            raise ValueError(
                f"input of shape {tuple(x.shape)}; expected (batch, {self.in_channels}, sites)"
            )
        hidden = self.stem(self.first(x.transpose(1, 2)))
        maps = self.heads(torch.relu(self.last_norm(hidden))).float()
        return {name: maps[..., i] for i, name in enumerate(self.outputs)}
