r"""Losses: how far Psi is from an eigenstate of -1/2 laplace + U_theta.

With the local energy :math:`E(r) = -\tfrac12\nabla^2\Psi/\Psi + U_\theta(r)` (paper, eq. (2)):

- ``qpnn``: mean of :math:`|\nabla E|^2` plus :math:`[U(r_0)-V(r_0)]^2`, eq. (4);
- ``mpnn``: :math:`\sqrt{\langle|H\Psi-\bar E\Psi|^2\rangle} + \lambda[U(r_0)-V(r_0)]^2` with the
  mean :math:`\bar E` of E over samples of :math:`|\Psi|^2`, eqs. (7, 8). Since
  :math:`H\Psi-\bar E\Psi = (E-\bar E)\Psi`, samples weight the local energy by
  :math:`|\Psi|^4`: tails are hardly constrained;
- ``local_energy`` (ours): a robust mean of :math:`E-\bar E` without that weight.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import huber_loss

from qdens_nb.mpnn._network import PotentialNet


def qpnn(net: PotentialNet, points: Tensor, kinetic_gradient: Tensor, strength: float) -> Tensor:
    """Mean |grad E|^2 and the penalty; `kinetic_gradient` (B, D) is that of -1/2 lap psi / psi."""
    leaf = points.detach().requires_grad_()
    slope = torch.autograd.grad(net(leaf).sum(), leaf, create_graph=True)[0]
    roughness = (slope + kinetic_gradient).square().sum(-1).mean()
    return roughness + strength * penalty(net)


def mpnn(
    net: PotentialNet, points: Tensor, kinetic: Tensor, psi: Tensor, strength: float
) -> Tensor:
    """Root mean square of H psi - E psi over the points, and the penalty."""
    local = kinetic + net(points)
    residual = (local - local.mean()) * psi
    return residual.square().mean().sqrt() + strength * penalty(net)


def local_energy(
    net: PotentialNet, points: Tensor, kinetic: Tensor, pin_kinetic: Tensor, scale: float = 0.01
) -> Tensor:
    """Huber loss of E(r) - E in units of `scale`: squares below it, absolute values above.

    A constant added to the network changes U and E alike, so the network is taken to be U - E
    here, and E follows from the known U(r0). Its error at r0 shifts everything: that point is
    asked with the weight of a twentieth of the others together.
    """

    def loss(deviation: Tensor) -> Tensor:
        return huber_loss(deviation / scale, torch.zeros_like(deviation))

    potential = net.unpinned(torch.cat([points, net.pin]))
    everywhere = loss(kinetic + potential[:-1])
    return everywhere + 0.05 * loss(pin_kinetic + potential[-1:])


def penalty(net: PotentialNet) -> Tensor:
    """[U(r0) - V(r0)]^2."""
    return (net(net.pin)[0] - net.pinned).square()
