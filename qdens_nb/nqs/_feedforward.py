r"""The simplest neural quantum state: layers of affine maps and a non-linearity.

.. math:: \log ψ(s) = V^T σ(W s + b)

and deeper: each further layer is another affine map followed by σ. One wide hidden layer can
represent any function of the N spins (Hornik, Neural Networks 4, 251 (1991)); how wide it has to
be is the question. A complex log ψ reads amplitude and phase out of the same hidden units, with a
complex V (Cai and Liu, Phys. Rev. B 97, 035116 (2018)).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from torch import Tensor, nn

from qdens_nb.nqs._ansatz import Ansatz
from qdens_nb.nqs._layers import (
    activation_of,
    check_positive,
    check_sites,
    normal,
    one_or_two,
    seeded,
)
from qdens_nb.nqs._symmetry import lattice_shape


class FeedForward(Ansatz):
    """Dense network of one or more hidden layers.

    Parameters
    ----------
    shape : int or (Lx, Ly)
        Sites; a dense network does not see how they are arranged.
    widths : sequence of int
        Hidden units of each layer.
    activation : {"log_cosh", "gelu", "tanh"}
        The non-linearity σ.
    is_complex : bool
        Complex log ψ.
    seed : int
        Seed of the first parameters.

    Raises
    ------
    ValueError
        No layer, an empty one, an unknown activation, a seed that is not an integer >= 0.

    Notes
    -----
    Weights start from N(0, 1/inputs), biases from N(0, 0.1²), V from N(0, 0.1²/inputs): for spins
    the units start with a variance of order one and log ψ with one of at most some 0.01.
    """

    def __init__(
        self,
        shape: int | Sequence[int],
        *,
        widths: Sequence[int] = (32,),
        activation: str = "log_cosh",
        is_complex: bool = False,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.shape = lattice_shape(shape)
        self.sites = int(np.prod(self.shape))
        self.is_complex = is_complex
        self.activation = activation_of(activation)
        check_positive(layers=len(widths), **{f"widths[{i}]": w for i, w in enumerate(widths)})
        generator = seeded(seed)
        sizes = [self.sites, *widths]
        self.weights = nn.ParameterList(
            normal(generator, b, a, scale=a**-0.5) for a, b in itertools.pairwise(sizes)
        )
        self.biases = nn.ParameterList(normal(generator, width, scale=0.1) for width in widths)
        heads = 2 if is_complex else 1
        self.readout = normal(generator, heads, widths[-1], scale=0.1 * widths[-1] ** -0.5)

    def forward(self, configs: Tensor) -> Tensor:
        check_sites(configs, self.sites)
        hidden = configs
        for weight, bias in zip(self.weights, self.biases, strict=True):
            hidden = self.activation(hidden @ weight.T + bias)
        return one_or_two(hidden @ self.readout.T, self.is_complex)
