r"""A network that is the potential on an image, trained through the ground state that it makes.

The MPNN asks that the local energy of a given wave function be constant, which takes the Laplacian
of the data. Here the potential :math:`U_\theta` goes through the solver and its density meets the
image: nothing that was measured is ever differentiated, and the loss is the likelihood of counted
particles,

.. math:: \sum_i \left[m_i - c_i + c_i \log(c_i/m_i)\right], \qquad m_i \propto \psi_\theta(r_i)^2 .

A share of the pixels is kept out; the network that explains these best is the answer.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from qdens_nb.mpnn._condensate import Array, Box, GroundState

#: share of pixels kept out; smallest density of a pixel; of Adam
_KEPT_OUT, _FLOOR, _LEARNING_RATE = 0.1, 1e-13, 1e-2


class PixelNet(nn.Module):
    """A potential on the pixels of a box: a multilayer perceptron of waves along x and y.

    Parameters
    ----------
    box : Box
    waves : int
        Standing waves along each axis that the network is given, from one half-wave a side on.
    base : array (x, y)
        What the untrained network is, if it has no bounds.
    scale : float
        Energy that an output of 1 adds, if it has no bounds.
    bounds : (float, float), optional
        Lowest and highest potential; without them it has no limits.
    width, depth, seed : int
        Hidden layers and their start.
    """

    def __init__(
        self,
        box: Box,
        *,
        waves: int,
        base: Array | None = None,
        scale: float = 1.0,
        bounds: tuple[float, float] | None = None,
        width: int = 64,
        depth: int = 3,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.shape, self.bounds, self.scale = box.shape, bounds, scale
        x, y = (torch.linspace(-1, 1, points) for points in box.shape)
        places = torch.stack(torch.meshgrid(x, y, indexing="ij"), -1).reshape(-1, 2)
        k = torch.arange(1, waves + 1) * torch.pi / 2
        phases = places[..., None] * k
        inputs = torch.cat([places, phases.sin().flatten(1), phases.cos().flatten(1)], 1)
        self.register_buffer("inputs", inputs.double())
        start = np.zeros(box.shape) if base is None else base
        self.register_buffer("base", torch.as_tensor(start, dtype=torch.float64))
        sizes = [inputs.shape[1], *[width] * depth]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            layers: list[nn.Module] = []
            for a, b in pairwise(sizes):
                layers += [nn.Linear(a, b), nn.SiLU()]
            last = nn.Linear(width, 1)
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)
        self.layers = nn.Sequential(*layers, last).double()

    def forward(self) -> Tensor:
        """The potential (x, y)."""
        out = self.layers(self.inputs)[:, 0].reshape(self.shape)
        if self.bounds is None:
            return self.base + self.scale * out
        low, high = self.bounds
        return low + (high - low) * torch.sigmoid(out)

    def map(self) -> Array:
        """The potential as an array."""
        with torch.no_grad():
            return self().numpy()


@dataclass
class Fitted:
    """Potential and density (sum 1) on the pixels, and the losses at every evaluation."""

    potential: Array
    density: Array
    loss: list[float]
    kept_out: list[float]


def fit(
    net: PixelNet,
    box: Box,
    image: Array,
    *,
    strength: float = 0.0,
    known: Array | None = None,
    steps: int = 400,
    warm_up: int = 50,
    seed: int = 0,
    progress: bool = False,
) -> Fitted:
    """Train a network until the ground state of its potential explains an image.

    The loss has no noise of its own, so after a few steps of Adam L-BFGS goes on.

    Parameters
    ----------
    net : PixelNet
        Trained in place; ends with the parameters that were best on the pixels kept out.
    box : Box
    image : array (x, y)
        Counts, or a density in any unit.
    strength : float
        Self-interaction, strength * psi^2 with psi^2 summing to 1.
    known : array (x, y), optional
        A part of the potential that is known, such as that of the other electron.
    steps : int
        Evaluations by L-BFGS.
    warm_up : int
        Steps of Adam before.
    seed : int
        Of the choice of pixels.
    """
    out = torch.from_numpy(np.random.default_rng(seed).random(box.shape) < _KEPT_OUT)
    share = torch.from_numpy(image / image.sum())
    entropy = torch.xlogy(share, share)
    fixed = 0.0 if known is None else torch.from_numpy(known)
    found = Fitted(net.map(), np.empty(0), [], [])
    best, start = (np.inf, copy.deepcopy(net.state_dict())), None
    bar = tqdm(total=steps + warm_up, desc="fit", disable=not progress, leave=False)

    def evaluate() -> Tensor:
        nonlocal best, start
        psi = GroundState.apply(net() + fixed, box, strength, start)
        start = psi.detach().numpy()
        density = psi.square() + _FLOOR
        deviance = density - share + entropy - share * density.log()
        loss = deviance[~out].mean() * out.numel()
        net.zero_grad()
        loss.backward()
        found.loss.append(float(loss.detach()))
        found.kept_out.append(float(deviance.detach()[out].mean()) * out.numel())
        if found.kept_out[-1] < best[0]:
            best = found.kept_out[-1], copy.deepcopy(net.state_dict())
            found.density = start**2
        bar.update()
        return loss

    adam = torch.optim.Adam(net.parameters(), lr=_LEARNING_RATE)
    for _ in range(warm_up):
        evaluate()
        adam.step()
    if steps:
        torch.optim.LBFGS(
            net.parameters(),
            max_iter=steps,
            max_eval=steps,
            history_size=30,
            line_search_fn="strong_wolfe",
            tolerance_grad=1e-12,
            tolerance_change=1e-14,
        ).step(evaluate)
    bar.close()
    net.load_state_dict(best[1])
    found.potential = net.map()
    return found


def quadratic_start(box: Box, image: Array, interaction: Array | float = 0.0) -> Array:
    """The harmonic potential whose Gaussian ground state resembles an image.

    The interaction (x, y) that the particles feel besides is taken off, as a quadratic too.
    """
    axes = [np.linspace(-1, 1, points) for points in box.shape]
    half = [box.spacing * (points - 1) / 2 for points in box.shape]
    x, y = np.meshgrid(*axes, indexing="ij")
    terms = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], -1)
    seen = image > 0
    weights = np.sqrt(image[seen])

    def quadratic(values: Array) -> Array:
        solved = np.linalg.lstsq(terms[seen] * weights[:, None], values[seen] * weights, rcond=None)
        return solved[0]

    q = quadratic(np.log(np.where(seen, image, 1.0)) / 2)
    slope_x = (q[1] + 2 * q[3] * x + q[4] * y) / half[0]
    slope_y = (q[2] + q[4] * x + 2 * q[5] * y) / half[1]
    bend = 2 * q[3] / half[0] ** 2 + 2 * q[5] / half[1] ** 2
    kinetic = box.scale * (slope_x**2 + slope_y**2 + bend)
    return kinetic - terms @ quadratic(np.broadcast_to(interaction, box.shape))
