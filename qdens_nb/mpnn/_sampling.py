"""Points at which the Schrödinger equation is asked for: Metropolis walks in |psi|^2, and boxes.

A Metropolis walk that drops its rejected moves samples another distribution: here a rejected move
repeats the point. Walkers start apart, on both sides of nodes; the step is tuned to the wanted
acceptance during burn-in only, so that the chain that is kept is a fixed reversible one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from qdens_nb.mpnn._wavefunctions import WaveFunction

#: Half width of the boxes in which potentials are asked for and judged (paper, below eq. (9)).
WIDE, CORE = 5.0, 1.0


@dataclass(frozen=True)
class Walk:
    """Points of a Metropolis walk.

    Attributes
    ----------
    points : (samples, D) tensor
        In the order of time, walker by walker within a time.
    acceptance : float
        Share of accepted moves after burn-in.
    step : float
        Standard deviation of a move, in each coordinate.
    rhat : float
        Largest split R-hat of the coordinates, their signs and their squares; 1 when the walkers
        agree.
    tau : float
        Largest integrated autocorrelation time of the same, in kept points of a walker.
    """

    points: Tensor
    acceptance: float
    step: float
    rhat: float
    tau: float


def metropolis(
    log_density: Callable[[Tensor], Tensor],
    dims: int,
    samples: int,
    *,
    walkers: int = 500,
    burn_in: int = 300,
    thin: int = 10,
    acceptance: float = 0.5,
    spread: float = 1.0,
    seed: int = 0,
) -> Walk:
    """Sample a density by the Metropolis rule with many walkers.

    Parameters
    ----------
    log_density : callable
        (B, D) float64 tensor -> (B,), log of the density up to a constant; -inf where it vanishes.
    dims : int
        D.
    samples : int
        Points wanted.
    walkers : int
        Independent walkers; a walker gives ``samples / walkers`` points.
    burn_in : int
        Moves of each walker before points are kept, in which the step is tuned.
    thin : int
        Moves between kept points.
    acceptance : float
        Wanted share of accepted moves, in (0, 1).
    spread : float
        Standard deviation of the starts.
    seed : int
        Of all random numbers.

    Raises
    ------
    ValueError
        For numbers out of range, or a density that vanishes at every start.
    """
    for name, value in (("samples", samples), ("walkers", walkers), ("thin", thin)):
        if value < 1:
            raise ValueError(f"{name}={value}; expected at least 1")
    if not 0 < acceptance < 1:
        raise ValueError(f"acceptance={acceptance}; expected between 0 and 1")
    rng = torch.Generator().manual_seed(seed)
    walkers = min(walkers, samples)

    def normal() -> Tensor:
        return torch.randn(walkers, dims, generator=rng, dtype=torch.float64)

    places = spread * normal()
    weight = log_density(places)
    sound = torch.isfinite(weight)
    if not sound.any():
        raise ValueError(
            "the density vanishes or is NaN at every start of a walker; change `spread`"
        )
    chosen = torch.randint(int(sound.sum()), (walkers,), generator=rng)
    places = torch.where(sound[:, None], places, places[sound][chosen])
    weight = torch.where(sound, weight, weight[sound][chosen])

    def move(step: float) -> float:
        nonlocal places, weight
        trial = places + step * normal()
        heavier = log_density(trial)
        luck = torch.rand(walkers, generator=rng, dtype=torch.float64).log()
        taken = luck < heavier - weight  # false where the density is NaN
        places = torch.where(taken[:, None], trial, places)
        weight = torch.where(taken, heavier, weight)
        return float(taken.double().mean())

    step = spread
    for number in range(burn_in):
        rate = move(step)
        step *= float(np.exp((rate - acceptance) / np.sqrt(1 + number / 10)))
    kept, rates = [], []
    for _ in range(-(-samples // walkers)):
        rates += [move(step) for _ in range(thin)]
        kept.append(places)
    series = torch.stack(kept)
    rhat, tau = _mixing(series)
    points = series.reshape(-1, dims)[:samples]
    return Walk(points, float(np.mean(rates)), step, rhat, tau)


def _mixing(series: Tensor) -> tuple[float, float]:
    """Largest split R-hat and autocorrelation time of a walk (times, walkers, D)."""
    from qdens_nb.nqs._diagnostics import integrated_autocorrelation_time, split_rhat

    times, walkers, _ = series.shape
    if times < 8 or walkers < 2:
        return float("nan"), float("nan")
    chains = series.transpose(0, 1).numpy()
    seen = np.concatenate([chains, np.sign(chains), np.square(chains)], axis=-1)
    columns = np.moveaxis(seen, -1, 0)
    rhat = np.nanmax([split_rhat(one) for one in columns])
    tau = np.nanmax([integrated_autocorrelation_time(one) for one in columns])
    return float(rhat), float(tau)


def sample_wave(wave: WaveFunction, samples: int, *, seed: int = 0, **options: float) -> Walk:
    """Points in |psi|^2 of a wave function; options are those of `metropolis`."""
    given: dict = {"spread": wave.spread, **options}
    return metropolis(wave.log_density, wave.dims, samples, seed=seed, **given)


def uniform(dims: int, samples: int, half: float, rng: torch.Generator) -> Tensor:
    """Points in the box [-half, half]^D, (samples, D) float64."""
    return half * (2 * torch.rand(samples, dims, generator=rng, dtype=torch.float64) - 1)


def mixed(
    walked: Tensor, wave: WaveFunction, samples: int, half: float, rng: torch.Generator
) -> Tensor:
    """A third from |psi|^2, a third uniform in the box, a third in nested boxes around the pin.

    |psi|^2 alone leaves the tails to chance, a box alone the core. The nested boxes are centred on
    the origin and on the cusps and have half widths spread evenly in their logarithm from
    ``half / 50`` to ``half``.
    """
    third = samples // 3
    tenth = max(1, samples - 2 * third)
    centres = torch.zeros(1, wave.dims, dtype=torch.float64)
    if wave.cusps and wave.particles == 1:
        centres = torch.cat([centres, torch.tensor(wave.cusps, dtype=torch.float64)])
    chosen = torch.randint(len(centres), (tenth,), generator=rng)
    shrink = 50 ** -torch.rand(tenth, 1, generator=rng, dtype=torch.float64)
    nested = centres[chosen] + shrink * uniform(wave.dims, tenth, half, rng)
    order = torch.randperm(len(walked), generator=rng)[:third]
    return torch.cat([walked[order], uniform(wave.dims, third, half, rng), nested])
