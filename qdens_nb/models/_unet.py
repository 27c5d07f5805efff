"""The generator of pix2pix: a U-Net of strided convolutions."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

KERNEL = 4


def map_normalisation(kind: str, channels: int) -> nn.Module:
    """Normalisation of (B, C, X, Y) maps.

    ``"batch"`` normalises by the statistics of the batch in training and by their running mean in
    evaluation. ``"instance"`` always uses those of the map itself, which is what batch
    normalisation does in training with one map a batch, and what pix2pix does at prediction too.
    ``"none"`` leaves the maps alone.

    Raises
    ------
    ValueError
        Another kind.
    """
    if kind == "batch":
        return nn.BatchNorm2d(channels)
    if kind == "instance":
        return nn.InstanceNorm2d(channels, affine=True)
    if kind == "none":
        return nn.Identity()
    raise ValueError(f"norm={kind!r}; choose 'batch', 'instance' or 'none'")


def initialise(network: nn.Module) -> None:
    """As in pix2pix: filters from N(0, 0.02), factors of norms from N(1, 0.02), biases 0."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(module.weight, 0.0, 0.02)
        elif isinstance(module, nn.BatchNorm2d | nn.InstanceNorm2d):
            nn.init.normal_(module.weight, 1.0, 0.02)
        else:
            continue
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def _down(inputs: int, outputs: int, norm: str, first: bool) -> nn.Sequential:
    layers = [] if first else [nn.LeakyReLU(0.2)]
    bias = norm == "none"
    return nn.Sequential(
        *layers,
        nn.Conv2d(inputs, outputs, KERNEL, stride=2, padding=1, bias=bias),
        map_normalisation(norm, outputs),
    )


def _up(inputs: int, outputs: int, norm: str, dropout: float) -> nn.Sequential:
    bias = norm == "none"
    return nn.Sequential(
        nn.ReLU(),
        nn.ConvTranspose2d(inputs, outputs, KERNEL, stride=2, padding=1, bias=bias),
        map_normalisation(norm, outputs),
        nn.Dropout(dropout) if dropout > 0 else nn.Identity(),
    )


class UNetGenerator(nn.Module):
    """U-Net of pix2pix for float maps whose sides are divisible by 2**downs.

    Convolutions of kernel 4 and stride 2 halve the map `downs` times, to ``width * (1, 2, 4, 8, 8,
    ...)`` channels, and as many transposed ones bring it back, each beside the map of the same
    size on the way down. Dropout follows the first three of these, as in pix2pix; it is the noise
    of the generator in training, and in evaluation mode there is none. The first convolution, the
    bottleneck and the last layer have no normalisation.

    Parameters
    ----------
    in_channels : int
        Input maps.
    outputs : sequence of str
        Names of the output maps.
    width : int
        Channels of the first layer; pix2pix has 64.
    downs : int
        Number of halvings, at least 2; 6 bring 64x64 to one site.
    dropout : float
        Probability in [0, 1); pix2pix has 0.5.
    norm : {"batch", "instance", "none"}
        See `map_normalisation`.
    bounded : bool
        End in a tanh, as pix2pix does: outputs lie in [-1, 1].

    Raises
    ------
    ValueError
        Fewer than 2 halvings, no output, a dropout outside [0, 1), an unknown norm.

    Notes
    -----
    Isola et al., arXiv:1611.07004; six halvings at 64x64 as in Pantis-Simut et al.
    `receptive_field` counts the sites a side that an output can depend on through convolutions;
    normalisation by a map's own statistics connects all sites.
    """

    def __init__(
        self,
        in_channels: int,
        outputs: Sequence[str],
        width: int = 64,
        downs: int = 6,
        dropout: float = 0.5,
        norm: str = "batch",
        bounded: bool = True,
    ) -> None:
        super().__init__()
        if downs < 2 or not outputs or not 0 <= dropout < 1:
            raise ValueError(
                f"downs={downs}, outputs={tuple(outputs)}, dropout={dropout}; give at least 2 "
                "downs, one output, and a dropout in [0, 1)"
            )
        self.in_channels = in_channels
        self.outputs = tuple(outputs)
        self.divisor = 2**downs
        self.bounded = bounded
        channels = [width * min(2**i, 8) for i in range(downs)]
        norms = ["none", *[norm] * (downs - 2), "none"]
        self.downs = nn.ModuleList(
            _down(a, b, kind, first=i == 0)
            for i, (a, b, kind) in enumerate(
                zip([in_channels, *channels[:-1]], channels, norms, strict=True)
            )
        )
        ups = []
        for i in range(downs - 1):
            inputs = channels[-1] if i == 0 else 2 * channels[-1 - i]
            ups.append(_up(inputs, channels[-2 - i], norm, dropout if i < 3 else 0.0))
        ups.append(_up(2 * channels[0], len(self.outputs), "none", 0.0))
        self.ups = nn.ModuleList(ups)
        initialise(self)
        sites = 1
        for _ in range(downs):
            sites = sites // 2 + 2
        for _ in range(downs):
            sites = 2 * sites + 2
        self.receptive_field = sites

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        """Map (B, in_channels, X, Y) to a dict of (B, X, Y) tensors.

        Raises
        ------
        ValueError
            Another number of channels, or sides that 2**downs does not divide.
        """
        if (
            x.ndim != 4
            or x.shape[1] != self.in_channels
            or any(side % self.divisor or side == 0 for side in x.shape[2:])
        ):
            raise ValueError(
                f"input of shape {tuple(x.shape)}; expected (batch, {self.in_channels}, x, y) "
                f"with x and y divisible by {self.divisor}"
            )
        skips = []
        for down in self.downs:
            x = down(x)
            skips.append(x)
        x = self.ups[0](skips.pop())
        for up in list(self.ups)[1:]:
            x = up(torch.cat([x, skips.pop()], 1))
        maps = torch.tanh(x.float()) if self.bounded else x.float()
        return {name: maps[:, i] for i, name in enumerate(self.outputs)}
