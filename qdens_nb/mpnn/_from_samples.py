r"""The potential behind measured positions: samples of |psi|^2, no values.

For a trial ground state :math:`e^{\phi}` the Hamiltonian :math:`H_\phi = T + V_\phi` with
:math:`V_\phi = \tfrac12(\nabla^2\phi + |\nabla\phi|^2)` has ground energy zero, as :math:`e^\phi`
has no node. By the principle of Rayleigh and Ritz the true state obeys
:math:`\langle\psi|H_\phi|\psi\rangle \ge 0`, so

.. math::
   \langle V_\phi \rangle_{|\psi|^2} \;\ge\; -\langle T \rangle_\psi ,

with equality if and only if :math:`e^\phi \propto \psi`. The left side is an average over the
measured positions alone: minimising it finds the state, and minus its minimum is the kinetic
energy. Four times the left side is the objective of score matching, :math:`\mathbb
E[\tfrac12|s|^2 + \nabla\cdot s]` with :math:`s = 2\nabla\phi` (A. Hyvärinen, J. Mach. Learn. Res.
6, 695 (2005)): score matching is the variational principle read backwards, the potential being
sought at a given state.

The objective is quadratic in :math:`\phi`. With a layer of random cosines, of which the output
weights alone are learned, its minimum is the solution of one linear system; the width of the random
weights and the strength of weight decay are those that do best on positions held out, in turn.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from tqdm.auto import tqdm

from qdens_nb.mpnn._log_psi import Inputs, Jet, Recovered, committee
from qdens_nb.mpnn._wavefunctions import check_points

#: Fewer points than this leave no second derivative to speak of.
FEWEST = 200
#: Standard deviations of the random weights that are tried, and relative strengths of weight decay.
GAINS = (1.0, 0.5, 0.25, 0.12)
RIDGES = tuple(10.0**power for power in range(-12, 0))
#: Parts of the points; each is held out once to choose between these.
FOLDS = 5

#: Matrix (K, K), vector (K,) and constant of an objective that is quadratic in K weights.
Averages = tuple[Tensor, Tensor, Tensor]


def potential_from_samples(
    points: Tensor,
    *,
    pin: Sequence[float],
    pinned: float,
    cusps: Sequence[Sequence[float]] = (),
    particles: int = 1,
    gaussian: bool | None = None,
    width: int | None = None,
    members: int = 3,
    seed: int = 0,
    progress: bool = False,
) -> Recovered:
    """Learn the potential of a nodeless ground state from samples of its density.

    Parameters
    ----------
    points : (N, D) array_like
        Measured positions, distributed as |psi|^2; N >= 200.
    pin : (D,) sequence of float
        Point at which the potential is known.
    pinned : float
        The potential there: the density says nothing about its constant.
    cusps : sequence of points
        Where log psi of a particle may have a kink, e.g. nuclei; the distance to each is an input.
    particles : int
        Among which the coordinates are shared; the distances of pairs are inputs.
    gaussian : bool, optional
        Whether the network is a correction to the Gaussian with the moments of the points; by
        default if there are no kinks. For an oscillator that is the answer itself.
    width : int, optional
        Random features; by default 200 on a line, 300 to 800 in more dimensions.
    members : int
        Networks whose log psi is averaged.
    seed : int
        Of the random features and of the order of the points.
    progress : bool
        Whether a bar is shown.

    Returns
    -------
    Recovered
        ``history`` holds ``gain``, ``ridge`` and ``held_out``: <V - E> over held-out points, which
        is at least -<T> but for its statistical error. ``kinetic`` is minus the least of it.

    Raises
    ------
    ValueError
        For too few points, NaN, other shapes, or numbers out of range.
    """
    data = check_points(points, len(pin))
    if len(data) < FEWEST:
        raise ValueError(f"{len(data)} points; expected at least {FEWEST}")
    if members < 1:
        raise ValueError(f"members={members}; expected at least 1")
    dims = data.shape[1]
    inputs = Inputs(data, cusps=cusps, particles=particles)
    gaussian = inputs.count == dims if gaussian is None else gaussian
    width = min(100 * (dims + 1), 800) if width is None else width
    order = torch.randperm(len(data), generator=torch.Generator().manual_seed(seed))
    parts = [data[rows] for rows in order.tensor_split(FOLDS)]
    history: dict[str, list[float]] = {"gain": [], "ridge": [], "held_out": []}

    def network(gain: float, member: int) -> CosineLogPsi:
        return CosineLogPsi(inputs, width, gain, gaussian, 1000 * seed + member)

    best = float("inf"), 0.0, 0.0
    for gain in tqdm(GAINS, desc="score matching", disable=not progress):
        net = network(gain, 0)
        found = [net.averages(part) for part in parts]
        for ridge, score in zip(RIDGES, _cross_validated(found).tolist(), strict=True):
            for name, value in zip(history, (gain, ridge, score), strict=True):
                history[name].append(value)
            best = min(best, (score, gain, ridge))
    score, gain, ridge = best
    nets = [network(gain, member) for member in range(members)]
    for net in nets:
        net.output = _solve(*net.averages(data)[:2], (ridge,))[0]
    return committee(nets, pin=pin, pinned=pinned, history=history, kinetic=-score)


def _solve(matrix: Tensor, vector: Tensor, ridges: Sequence[float]) -> Tensor:
    """Minima of c.matrix.c/2 + vector.c + decay, (ridges, features)."""
    values, axes = torch.linalg.eigh(matrix)
    weakened = values.clamp(min=0) + values[-1] * torch.tensor(ridges, dtype=values.dtype)[:, None]
    return -((axes.T @ vector) / weakened) @ axes.T


def _cross_validated(parts: Sequence[Averages]) -> Tensor:
    """<V - E> over each part by the weights of the others, for each strength of decay."""
    totals = [torch.stack([part[which] for part in parts]).sum(0) for which in (0, 1)]
    scores = []
    for matrix, vector, constant in parts:
        train = [(t - p) / (len(parts) - 1) for t, p in zip(totals, (matrix, vector), strict=True)]
        outputs = _solve(train[0], train[1], RIDGES)
        scores.append((outputs @ matrix * outputs).sum(1) / 2 + outputs @ vector + constant)
    return torch.stack(scores).mean(0)


class CosineLogPsi:
    """log psi = sum_k c_k cos(w_k.u + b_k) + d.u, with u the inputs, plus a Gaussian's if asked."""

    def __init__(self, inputs: Inputs, width: int, gain: float, gaussian: bool, seed: int) -> None:
        rng = torch.Generator().manual_seed(seed)
        draw = torch.randn(inputs.count, width, generator=rng, dtype=torch.float64)
        self.weights = gain * draw / inputs.count**0.5
        self.phases = 2 * math.pi * torch.rand(width, generator=rng, dtype=torch.float64)
        self.inputs, self.gaussian = inputs, gaussian
        self.output = torch.zeros(width + inputs.count, dtype=torch.float64)

    def _features(self, points: Tensor) -> Jet:
        """Features (B, K), gradients (B, D, K) and Laplacians (B, K)."""
        seen, slope, bend = self.inputs.jet(points)
        angle = seen @ self.weights + self.phases
        sine, cosine = angle.sin(), angle.cos()
        along = slope @ self.weights
        bends = -sine * (bend @ self.weights) - cosine * along.square().sum(1)
        return (
            torch.cat([cosine, seen], dim=1),
            torch.cat([-sine[:, None, :] * along, slope], dim=2),
            torch.cat([bends, bend], dim=1),
        )

    def _envelope(self, points: Tensor) -> Jet:
        """The Gaussian with the moments of the data, or 1."""
        whiten = self.inputs.whiten * float(self.gaussian)
        scaled = (points - self.inputs.centre) @ whiten
        laplacian = -whiten.square().sum() / 2
        return -scaled.square().sum(1) / 4, -scaled @ whiten / 2, laplacian.expand(len(points))

    def averages(self, points: Tensor) -> Averages:
        """Quadratic, linear and constant part of <V - E> over the points, in the output weights."""
        size = len(self.output)
        matrix, vector = points.new_zeros(size, size), points.new_zeros(size)
        constant = points.new_zeros(())
        straight = self.inputs.count == points.shape[1]
        for some in points.split(1000):
            _, gradient, laplacian = self._envelope(some)
            constant += (laplacian + gradient.square().sum(1)).sum() / 2
            if straight:
                rise, bend = self._along_lines(some)
                matrix += rise.T @ rise
                vector += bend / 2 + ((gradient @ self._lines) * rise).sum(0)
            else:
                _, slopes, bends = self._features(some)
                flat = slopes.flatten(0, 1)
                matrix += flat.T @ flat
                vector += bends.sum(0) / 2 + gradient.flatten() @ flat
        if straight:
            matrix *= self._lines.T @ self._lines
        return matrix / len(points), vector / len(points), constant / len(points)

    @property
    def _lines(self) -> Tensor:
        """Gradients of what a feature is a function of, (D, K), where no distance is an input."""
        whiten = self.inputs.whiten
        return torch.cat([whiten @ self.weights, whiten], dim=1)

    def _along_lines(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Derivative of each feature along its line (B, K), and the sum of its Laplacian (K,)."""
        seen = self.inputs(points)
        angle = seen @ self.weights + self.phases
        bends = -angle.cos().sum(0) * self._lines[:, : len(self.phases)].square().sum(0)
        rise = torch.cat([-angle.sin(), torch.ones_like(seen)], dim=1)
        return rise, torch.cat([bends, bends.new_zeros(seen.shape[1])])

    def __call__(self, points: Tensor) -> Tensor:
        """log psi up to a constant, (B,) at points (B, D)."""
        return self.derivatives(points)[0]

    def derivatives(self, points: Tensor) -> Jet:
        """log psi (B,), its gradient (B, D) and its Laplacian (B,) at points (B, D)."""
        features, envelope = self._features(points), self._envelope(points)
        value, gradient, laplacian = (
            ours @ self.output + base for ours, base in zip(features, envelope, strict=True)
        )
        return value, gradient, laplacian
