r"""The potential behind noisy values of a wave function.

Direct inversion :math:`V - E = \nabla^2\psi / 2\psi` turns noise s on values a step h apart into an
error of order :math:`s/h^2`. Two ways round it:

- **Forward, on a line** (`_forward`). A network :math:`U_\theta(x)` is the potential, its
  eigenstate with the wanted number of nodes is computed, and :math:`\theta` is fitted to the values
  by maximum likelihood. The state obeys the Schrödinger equation by construction: nothing is
  differentiated twice, and nodes are no poles.
- **Smooth log psi, in any dimension, no nodes.** A network for :math:`\log|\psi|` is fitted to the
  values, and its exact Laplacian inverted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from qdens_nb.mpnn._forward import fit_forward
from qdens_nb.mpnn._gauss_newton import Residuals, cross_validated
from qdens_nb.mpnn._log_psi import Inputs, LogPsi, Recovered, committee
from qdens_nb.mpnn._wavefunctions import check_points

#: Fewer values than this leave no second derivative to speak of.
FEWEST = 30
#: Least standard deviation of a value in the first stages.
WARM_UP = [0.3, 0.1, 0.03]
#: Strength of the prior in the stages after.
PRIORS = np.geomspace(10.0, 1e-3, 9).tolist()


@dataclass(frozen=True)
class Noise:
    """Gaussian noise: psi (1 + relative xi) + additive max|psi| xi'."""

    relative: float = 0.0
    additive: float = 0.0

    def __post_init__(self) -> None:
        if min(self.relative, self.additive) < 0 or self.relative + self.additive == 0:
            raise ValueError(
                f"noise: relative={self.relative}, additive={self.additive}; expected numbers >= 0,"
                " one of them positive (values without noise: invert them by `direct_inversion`)"
            )

    def __call__(self, values: Tensor, *, seed: int = 0) -> Tensor:
        """Values with noise."""
        rng = torch.Generator().manual_seed(seed)
        first, second = torch.randn(2, *values.shape, generator=rng, dtype=torch.float64)
        top = values.abs().max()
        return values * (1 + self.relative * first) + self.additive * top * second

    def spread(self, values: Tensor, floor: float = 0.0) -> Tensor:
        """Standard deviation of each of the values, whose largest is 1; at least `floor`."""
        constant = max(self.additive, floor)
        return ((self.relative * values).square() + constant**2).sqrt()


def potential_from_values(
    points: Tensor,
    values: Tensor,
    *,
    pin: Sequence[float],
    pinned: float,
    noise: float = 0.01,
    additive: float = 0.0,
    nodes: int | None = None,
    cusps: Sequence[Sequence[float]] = (),
    particles: int = 1,
    method: str | None = None,
    members: int = 5,
    width: int = 16,
    seed: int = 0,
    progress: bool = False,
) -> Recovered:
    """Learn the potential from values of an eigenstate that carry noise.

    Parameters
    ----------
    points : (N, D) array_like
        Where psi was measured; N >= 30.
    values : (N,) array_like
        Its real values with their signs; the norm is free.
    pin : (D,) sequence of float
        Point at which the potential is known.
    pinned : float
        The potential there.
    noise : float
        Relative standard deviation of the values, 0.01 for 1 %.
    additive : float
        Standard deviation of a further, constant noise, in units of max|values|.
    nodes : int, optional
        Of the state on a line; counted from the values where they exceed their noise if not given.
    cusps : sequence of points
        Where log psi of a particle may have a kink; the distance to each is an input.
    particles : int
        Among which the coordinates are shared; the distances of pairs are inputs.
    method : {"forward", "log_psi"}, optional
        By default forward on a line without cusps, else log_psi.
    members : int
        Networks that are averaged; each holds out other values to choose its smoothness by.
    width : int
        Of the two hidden layers.
    seed : int
        Of the weights and of the held-out values.
    progress : bool
        Whether a bar is shown.

    Returns
    -------
    Recovered
        ``history`` holds ``step``, ``train`` and ``held_out``: mean squared misfit in units of the
        noise, 1 at best.

    Raises
    ------
    ValueError
        For too few values, NaN, other shapes, no noise, or a state with nodes for log_psi.
    """
    data = check_points(points, len(pin))
    psi = torch.as_tensor(values, dtype=torch.float64)
    if psi.shape != (len(data),):
        raise ValueError(f"values have shape {tuple(psi.shape)}; expected ({len(data)},)")
    if not torch.isfinite(psi).all() or not psi.any():
        raise ValueError("values hold NaN or infinite numbers, or vanish everywhere")
    if len(data) < FEWEST:
        raise ValueError(f"{len(data)} values; expected at least {FEWEST}")
    if members < 1 or width < 1:
        raise ValueError(f"members={members}, width={width}; expected at least 1")
    errors = Noise(noise, additive)
    line = data.shape[1] == 1
    method = method or ("forward" if line and not len(cusps) else "log_psi")
    if method not in ("forward", "log_psi") or (method == "forward" and not line):
        raise ValueError(f"method={method!r}; expected 'log_psi', or 'forward' on a line")
    psi = psi / psi.abs().max()
    if method == "forward":
        level = count_nodes(data[:, 0], psi, errors) if nodes is None else nodes
        return fit_forward(
            data[:, 0],
            psi,
            errors.spread,
            pin=pin[0],
            pinned=pinned,
            nodes=level,
            members=members,
            width=width,
            seed=seed,
            progress=progress,
        )
    clear = psi[psi.abs() > 4 * additive]
    if nodes or ((clear < 0).any() and (clear > 0).any()):
        raise ValueError("the values change sign: log_psi is for a state without nodes")
    psi = psi * clear.sum().sign()
    history: dict[str, list[float]] = {"step": [], "train": [], "held_out": []}

    inputs = Inputs(data, cusps=cusps, particles=particles)

    def network(number: int) -> LogPsi:
        return LogPsi(inputs, width=width, seed=number)

    found = cross_validated(
        lambda number: _residuals(network(number), data, psi, errors),
        len(data),
        [*[PRIORS[0]] * len(WARM_UP), *PRIORS],
        members=members,
        warm_up=len(WARM_UP),
        seed=seed,
        history=history,
        progress=progress,
    )
    nets = [network(number) for number, _ in found]
    for net, (_, theta) in zip(nets, found, strict=True):
        net.perceptron.load(theta)
    return committee(nets, pin=pin, pinned=pinned, history=history)


def count_nodes(x: Tensor, values: Tensor, errors: Noise) -> int:
    """Changes of sign along a line, among values clearly above their additive noise."""
    ordered = values[x.argsort()]
    clear = ordered[ordered.abs() > 4 * errors.additive * values.abs().max()]
    return int((clear[1:] * clear[:-1] < 0).sum())


def _residuals(
    net: LogPsi, data: Tensor, psi: Tensor, errors: Noise
) -> tuple[Residuals, Tensor, Tensor]:
    """Misfit of e^phi to the values; under relative noise alone, of phi to their logarithms."""
    perceptron, seen = net.perceptron, net.inputs(data)
    logarithms = errors.additive == 0
    wanted = psi.abs().log() if logarithms else psi
    shift = float(wanted.mean()) if logarithms else -1.0
    floors = [*WARM_UP, *[0.0] * len(PRIORS)]

    def residuals(theta: Tensor, stage: int, slopes: bool) -> tuple[Tensor, Tensor | None]:
        perceptron.load(theta)
        with torch.no_grad():
            phi = perceptron(seen) + shift
        if logarithms:
            derivative = perceptron.by_weights(seen) / errors.relative if slopes else None
            return (phi - wanted) / errors.relative, derivative
        fitted = phi.clamp(max=5.0).exp()
        spread = errors.spread(psi, floors[stage])
        derivative = perceptron.by_weights(seen) * (fitted / spread)[:, None] if slopes else None
        return (fitted - wanted) / spread, derivative

    return residuals, perceptron.theta, perceptron.theta
