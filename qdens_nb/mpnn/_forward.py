r"""A potential network on a line, fitted forward: its eigenstate is compared with the values.

The eigenstate of :math:`-\tfrac12 d^2/dx^2 + U_\theta` with a given number of nodes is computed in
a basis of sines. Its derivative by the weights is first-order perturbation theory,

.. math::
   \frac{\partial\psi_n(x)}{\partial\theta} = \sum_{m \ne n} \psi_m(x)
   \frac{\langle m|\partial U_\theta/\partial\theta|n\rangle}{E_n - E_m} .
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from qdens_nb.mpnn._gauss_newton import Residuals, cross_validated, follow
from qdens_nb.mpnn._log_psi import Perceptron, Recovered
from qdens_nb.mpnn._wavefunctions import check_points

#: Least standard deviation of a value in the first stages: those of small modulus come in later.
WARM_UP = np.geomspace(1e-2, 1e-8, 10).tolist()
#: Strength of the prior in the stages after.
PRIORS = np.geomspace(10.0, 1e-2, 12).tolist()


class Box:
    """Sines of a box with hard walls: eigenstates of a potential given on midpoints.

    Parameters
    ----------
    left, right : float
        The walls.
    basis : int
        Number of sines; the potential is integrated by three midpoints a sine.
    """

    def __init__(self, left: float, right: float, basis: int = 80) -> None:
        self.left, self.length = left, right - left
        self.k = torch.arange(1, basis + 1, dtype=torch.float64) * torch.pi / self.length
        self.step = self.length / (3 * basis)
        self.places = left + self.step * (torch.arange(3 * basis, dtype=torch.float64) + 0.5)
        self.sines = self.at(self.places)

    def at(self, x: Tensor) -> Tensor:
        """The sines at points, (B, basis)."""
        return (2 / self.length) ** 0.5 * torch.sin((x[:, None] - self.left) * self.k)

    def states(self, potential: Tensor) -> tuple[Tensor, Tensor]:
        """Energies (basis,) and coefficients (basis, states) of a potential at `places`."""
        weighted = self.step * potential[:, None] * self.sines
        energies, states = torch.linalg.eigh(
            torch.diag(self.k.square() / 2) + self.sines.T @ weighted
        )
        return energies, states


def fit_forward(
    x: Tensor,
    psi: Tensor,
    spread: Callable[[Tensor, float], Tensor],
    *,
    pin: float,
    pinned: float,
    nodes: int,
    members: int,
    width: int,
    seed: int,
    progress: bool,
) -> Recovered:
    """Fit potentials to values on a line by maximum likelihood; see `potential_from_values`.

    ``spread(values, floor)`` is the standard deviation of each value.
    """
    low, high = float(x.min()), float(x.max())
    if not high > low:
        raise ValueError("all points of the line are the same")
    margin = 0.2 * (high - low)
    weights = psi.square() / psi.square().sum()
    centre = float(weights @ x)
    length = float((weights @ (x - centre).square()).sqrt())
    box = Box(low - margin, high + margin)
    if not 0 <= nodes < len(box.k) // 4:
        raise ValueError(f"nodes={nodes}; expected 0 to {len(box.k) // 4 - 1}")
    inputs, sines = ((box.places - centre) / length)[:, None], box.at(x)
    floors = [*WARM_UP, *[WARM_UP[-1]] * len(PRIORS)]
    priors = [*[PRIORS[0]] * len(WARM_UP), *PRIORS]
    history: dict[str, list[float]] = {"step": [], "train": [], "held_out": []}
    rough = smoothed_inversion(x, psi, spread(psi, 1e-3), length)

    def network(number: int) -> Perceptron:
        return Perceptron([1, width, width, 1], seed=number).double()

    def build(number: int) -> tuple[Residuals, Tensor, Tensor]:
        net = network(number)

        def residuals(theta: Tensor, stage: int, slopes: bool) -> tuple[Tensor, Tensor | None]:
            net.load(theta)
            with torch.no_grad():
                levels, states = box.states(net(inputs) / length**2)
            sigma = spread(psi, floors[stage])
            fitted, wanted = sines @ states[:, nodes] / sigma, psi / sigma
            scale = (fitted @ wanted) / (fitted @ fitted)
            if not slopes:
                return scale * fitted - wanted, None
            gaps = levels[nodes] - levels
            gaps[nodes] = torch.inf
            coupling = (box.sines @ states) * (box.sines @ states[:, nodes])[:, None] * box.step
            moved = coupling.T @ (net.by_weights(inputs) / length**2) / gaps[:, None]
            derivative = scale * (sines @ states @ moved) / sigma[:, None]
            along = fitted / fitted.norm()
            return scale * fitted - wanted, derivative - along[:, None] * (along @ derivative)

        return residuals, net.theta, _begin(net, (x - centre) / length, rough)

    found = cross_validated(
        build,
        len(x),
        priors,
        members=members,
        warm_up=len(WARM_UP),
        moves=3,
        seed=seed,
        history=history,
        progress=progress,
    )
    nets, energies = [], []
    for number, theta in found:
        nets.append(network(number))
        nets[-1].load(theta)
        with torch.no_grad():
            energies.append(float(box.states(nets[-1](inputs) / length**2)[0][nodes]))

    def excess(points: Tensor) -> Tensor:
        at = (check_points(points, 1) - centre) / length
        with torch.no_grad():
            found = [net(at) / length**2 - e for net, e in zip(nets, energies, strict=True)]
        return torch.stack(found).mean(0)

    energy = pinned - float(excess(torch.tensor([[pin]], dtype=torch.float64)))
    return Recovered(lambda points: energy + excess(points), energy, history)


def smoothed_inversion(
    x: Tensor, psi: Tensor, sigma: Tensor, length: float
) -> tuple[Tensor, Tensor]:
    """psi and psi''/2 at the points, by a spline that misses the values by their noise."""
    from scipy.interpolate import UnivariateSpline

    order = x.argsort()
    places = (x[order] / length).numpy()
    apart = np.concatenate([[True], np.diff(places) > 1e-9])
    rows = order.numpy()[apart]
    weights = 1 / sigma[rows].numpy()
    spline = UnivariateSpline(places[apart], psi[rows].numpy(), w=weights, k=5, s=len(rows))
    at = (x / length).numpy()
    return torch.from_numpy(spline(at)), torch.from_numpy(spline.derivative(2)(at) / 2)


def _begin(net: Perceptron, inputs: Tensor, rough: tuple[Tensor, Tensor]) -> Tensor:
    """Weights at which U psi = psi''/2 + E psi for the smoothed psi, E being in U."""
    start, (psi, bend), all_of = net.theta, rough, torch.arange(len(inputs))

    def residuals(theta: Tensor, stage: int, slopes: bool) -> tuple[Tensor, Tensor | None]:
        net.load(theta)
        with torch.no_grad():
            misfit = net(inputs[:, None]) * psi - bend
        derivative = net.by_weights(inputs[:, None]) * psi[:, None] if slopes else None
        return misfit, derivative

    path = follow(residuals, start, start, [1e-3] * 10, all_of, all_of)
    return path.thetas[-1]
