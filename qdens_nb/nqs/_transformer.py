r"""Transformer wave function: patches of the lattice as tokens that attend to each other.

.. math:: x_t = W_e s_{patch\,t} + b,\qquad
          x_t ← x_t + W_o \sum_{t'} A_{tt'} V x_{t'},\qquad x_t ← x_t + MLP(x_t)

and, of the pooled :math:`z = \sum_t x_t / \sqrt T`,

.. math:: \log ψ = \sum_a v_a \log\cosh(w_a · z + b_a)

with a complex v for a complex log ψ (Viteritti, Rende and Becca, Phys. Rev. Lett. 130, 236401
(2023), with complex w and b instead, whose log cosh has poles in its derivative). With
``attention="factored"`` the weights A are parameters :math:`α_{t-t'}` that depend on positions
alone, which serves wave functions as well as queries and keys do (Rende and Viteritti, Mach.
Learn.: Sci. Technol. 6, 010501 (2025)); with ``"softmax"`` they are
:math:`softmax(q_t·k_{t'}/\sqrt{d} + α_{t-t'})`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from qdens_nb._checks import check_choice
from qdens_nb.nqs._ansatz import Ansatz
from qdens_nb.nqs._layers import (
    check_positive,
    check_sites,
    normal,
    one_or_two,
    per_direction,
    seeded,
    zeros,
)
from qdens_nb.nqs._rbm import log_cosh
from qdens_nb.nqs._symmetry import lattice_shape, translations


class Transformer(Ansatz):
    """Small vision transformer on a periodic lattice.

    Parameters
    ----------
    shape : int or (Lx, Ly)
        Sides of the lattice.
    patch : int or (px, py)
        Sides of a patch; each patch is a token.
    width : int
        Components of a token.
    heads, layers : int
        Attention heads (dividing `width`) and blocks.
    attention : {"factored", "softmax"}
        Weights from positions alone, or from queries and keys as well.
    invariant : bool
        α depends on the displacement of two tokens only: log ψ is invariant under translations by
        a patch. If not, α is a free matrix of each pair.
    is_complex : bool
        Complex log ψ.
    seed : int
        Seed of the first parameters.

    Raises
    ------
    ValueError
        A patch that does not divide the lattice, heads that do not divide the width, an unknown
        attention, numbers below 1, a seed that is not an integer >= 0.

    Notes
    -----
    Weights start from N(0, 1/inputs), α of the factored attention too and that of the softmax
    from N(0, 1), v from N(0, 0.1²/width): log ψ starts with a variance well below one. Tokens are
    normalised (mean 0, variance 1) before each block and before the pooling.
    """

    sites_of: Tensor

    def __init__(
        self,
        shape: int | Sequence[int],
        *,
        patch: int | Sequence[int] = 1,
        width: int = 16,
        heads: int = 4,
        layers: int = 1,
        attention: str = "factored",
        invariant: bool = True,
        is_complex: bool = False,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.shape = lattice_shape(shape)
        self.sites = int(np.prod(self.shape))
        self.is_complex = is_complex
        check_positive(width=width, heads=heads, layers=layers)
        check_choice("attention", attention, ("factored", "softmax"))
        if width % heads:
            raise ValueError(f"width={width} and heads={heads}; the heads must divide the width")
        table, tokens = _patches(self.shape, patch)
        self.register_buffer("sites_of", torch.from_numpy(table), False)
        count = len(table)
        generator, size = seeded(seed), table.shape[1]
        self.embedding = normal(generator, size, width, scale=size**-0.5)
        self.offset = normal(generator, width, scale=0.1)
        displacement = np.arange(count**2).reshape(count, count)
        if invariant:
            displacement = np.argsort(translations(tokens).permutations, axis=0)
        self.blocks = nn.ModuleList(
            _Block(width, heads, attention, displacement, generator) for _ in range(layers)
        )
        self.weight = normal(generator, width, width, scale=width**-0.5)
        self.bias = normal(generator, width, scale=0.1)
        self.readout = normal(generator, width, 2 if is_complex else 1, scale=0.1 * width**-0.5)

    def forward(self, configs: Tensor) -> Tensor:
        check_sites(configs, self.sites)
        tokens = configs[:, self.sites_of] @ self.embedding + self.offset
        for block in self.blocks:
            tokens = block(tokens)
        pooled = _normalised(tokens).sum(1) / len(self.sites_of) ** 0.5
        hidden = log_cosh(pooled @ self.weight + self.bias)
        return one_or_two(hidden @ self.readout, self.is_complex)


class _Block(nn.Module):
    """Attention and a dense layer, each added to the (B, T, width) tokens."""

    displacement: Tensor

    def __init__(
        self,
        width: int,
        heads: int,
        attention: str,
        displacement: np.ndarray,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.heads, self.factored = heads, attention == "factored"
        self.register_buffer("displacement", torch.from_numpy(displacement), False)
        kinds, scale = int(displacement.max()) + 1, width**-0.5
        first = len(displacement) ** -0.5 if self.factored else 1.0
        self.alpha = normal(generator, heads, kinds, scale=first)
        self.projection = normal(generator, width, width * (1 if self.factored else 3), scale=scale)
        self.output = normal(generator, width, width, scale=scale)
        self.up = normal(generator, width, 2 * width, scale=scale)
        self.up_bias = zeros(2 * width)
        self.down = normal(generator, 2 * width, width, scale=(2 * width) ** -0.5)

    def forward(self, tokens: Tensor) -> Tensor:
        batch, count, width = tokens.shape
        projected = _normalised(tokens) @ self.projection
        value, *asked = (
            part.reshape(batch, count, self.heads, -1).transpose(1, 2)
            for part in projected.split(width, dim=2)
        )
        weights = self.alpha[:, self.displacement]
        if asked:
            query, key = asked
            scores = query @ key.transpose(2, 3) * (width // self.heads) ** -0.5
            weights = torch.softmax(scores + weights, -1)
        mixed = (weights @ value).transpose(1, 2).reshape(batch, count, width)
        tokens = tokens + mixed @ self.output
        hidden = nn.functional.gelu(_normalised(tokens) @ self.up + self.up_bias)
        return tokens + hidden @ self.down


def _normalised(tokens: Tensor) -> Tensor:
    return nn.functional.layer_norm(tokens, tokens.shape[-1:])


def _patches(
    sides: tuple[int, ...], patch: int | Sequence[int]
) -> tuple[np.ndarray, tuple[int, ...]]:
    """Sites of each patch, (T, P), and the lattice of patches."""
    spans = per_direction("patch", patch, sides)
    if any(side % span for side, span in zip(sides, spans, strict=True)):
        raise ValueError(
            f"patch={patch!r} does not divide the lattice {sides}; give divisors of its sides"
        )
    tokens = tuple(side // p for side, p in zip(sides, spans, strict=True))
    sites = np.arange(np.prod(sides)).reshape(
        [n for pair in zip(tokens, spans, strict=True) for n in pair]
    )
    order = (*range(0, sites.ndim, 2), *range(1, sites.ndim, 2))
    return sites.transpose(order).reshape(int(np.prod(tokens)), -1), tokens
