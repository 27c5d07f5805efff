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

import numpy as np
import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from qdens_nb.mpnn._condensate import Array, Box, GroundState

#: share of pixels kept out; steps between two looks at them; smallest density of a pixel
_KEPT_OUT, _LOOK, _FLOOR = 0.1, 10, 1e-13


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
        self.register_buffer("inputs", inputs)
        start = np.zeros(box.shape) if base is None else base
        self.register_buffer("base", torch.as_tensor(start, dtype=torch.float64))
        sizes = [inputs.shape[1], *[width] * depth]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            layers: list[nn.Module] = []
            for a, b in zip(sizes[:-1], sizes[1:], strict=True):
                layers += [nn.Linear(a, b), nn.SiLU()]
            last = nn.Linear(width, 1)
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)
        self.layers = nn.Sequential(*layers, last)

    def forward(self) -> Tensor:
        """The potential (x, y)."""
        out = self.layers(self.inputs)[:, 0].double().reshape(self.shape)
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
    """What a fit found: potential and density (sum 1) on the pixels, losses on the way."""

    potential: Array
    density: Array
    steps: list[int]
    loss: list[float]
    kept_out: list[float]


def fit(
    net: PixelNet,
    box: Box,
    image: Array,
    *,
    strength: float = 0.0,
    known: Array | None = None,
    steps: int = 300,
    learning_rate: float = 1e-2,
    seed: int = 0,
    progress: bool = False,
) -> Fitted:
    """Train a network until the ground state of its potential explains an image.

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
    learning_rate : float
        Of Adam, at the start; it falls to a hundredth along a cosine.
    seed : int
        Of the choice of pixels.
    """
    rng = np.random.default_rng(seed)
    out = torch.from_numpy(rng.random(box.shape) < _KEPT_OUT)
    share = torch.from_numpy(image / image.sum())
    entropy = torch.xlogy(share, share)
    fixed = 0.0 if known is None else torch.from_numpy(known)
    optimiser = torch.optim.Adam(net.parameters(), lr=learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(
        optimiser, max(steps, 1), eta_min=learning_rate / 100
    )
    found = Fitted(net.map(), np.empty(0), [], [], [])
    best, kept, start = np.inf, copy.deepcopy(net.state_dict()), None
    box.tolerance = 1e-7
    for step in tqdm(range(steps + 1), desc="fit", disable=not progress, leave=False):
        psi = GroundState.apply(net() + fixed, box, strength, start)
        start = psi.detach().numpy()
        density = psi.square() + _FLOOR
        deviance = density - share + entropy - share * density.log()
        loss = deviance[~out].sum()
        if step % _LOOK == 0 or step == steps:
            judged = float(deviance.detach()[out].sum())
            found.steps.append(step)
            found.loss.append(float(loss.detach()))
            found.kept_out.append(judged)
            if judged < best:
                best, kept = judged, copy.deepcopy(net.state_dict())
                found.density = start**2
        if step < steps:
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
    net.load_state_dict(kept)
    found.potential = net.map()
    return found
