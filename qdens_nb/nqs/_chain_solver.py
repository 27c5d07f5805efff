r"""The bridge to the other engines: the ground state of a chain of fermions by a neural state.

A Jordan-Wigner transformation makes hard-core bosons of N fermions on a ring with the flux Φ:
only the hop around the ring changes, by the sign :math:`(-1)^{N-1}`. So the fermions are bosons
with the flux :math:`θ = Φ + π(N-1)`, of which only θ modulo 2π counts, here in (-π, π] and spread
evenly over the bonds. Density, energy and the gauge-invariant bond operator
:math:`e^{-iθ/L}b^†_xb_{x+1}` are those of the fermions.

θ = 0 (odd N on a ring without flux) and open chains have a positive ground state: a real machine.
Elsewhere ψ has phases, and a machine with complex weights takes them up. θ = π (even N without
flux) is frustrated: carried around the ring, ψ changes its sign, so it has a node. With
:math:`\cosθ_k` being a hidden unit of imaginary weights, one unit starts as
:math:`\cos(\frac πL\sum_x x n_x + b)`, which changes its sign once around the ring; of several b
the best after a few steps goes on.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
import xarray as xr

from qdens_nb.nqs._diagnostics import summarize, v_score
from qdens_nb.nqs._ground_state import ground_state
from qdens_nb.nqs._hamiltonian import Hamiltonian
from qdens_nb.nqs._models import tv_chain
from qdens_nb.nqs._rbm import RBM
from qdens_nb.nqs._samplers import Draw, Metropolis
from qdens_nb.solvers._chain_hartree_fock import scan_numbers, solve_at
from qdens_nb.solvers._common import solve_each
from qdens_nb.solvers._wick import slater_observables

#: phases b of the node that a frustrated ring is started with, and the steps of each trial
NODES = np.pi * np.array([0.0, 0.25, 0.5, 0.75])
TRIAL_STEPS = 40
#: learning rates, without and with frustration: there the gap is small and sets the pace
RATE, FRUSTRATED_RATE = (0.1, 0.02), (0.2, 0.05)
#: where the product state of the start stops to follow the Hartree-Fock density
CLIP = 0.05


class _Settings(NamedTuple):
    alpha: int
    steps: int
    samples: int
    final_samples: int
    learning_rate: Any
    diagonal_shift: Any
    momentum: float
    seed: int
    progress: bool


def chain_nqs(
    problem: xr.Dataset,
    particles: int | None = None,
    *,
    alpha: int = 2,
    steps: int = 300,
    samples: int = 1000,
    final_samples: int | None = None,
    learning_rate: Any = None,
    diagonal_shift: Any = (0.01, 1e-4),
    momentum: float = 0.9,
    seed: int = 0,
    progress: bool = False,
) -> xr.Dataset:
    """Ground state of the chain by a restricted Boltzmann machine, at ``mu`` or at fixed N.

    Parameters
    ----------
    problem : Dataset
        From `qdens_nb.fermion_chain`, single or batched, ring or open, any flux.
    particles : int, optional
        Fix the particle number and ignore mu. By default N starts from Hartree-Fock and goes
        downhill in E(N) - mu N of the neural states themselves, until both neighbours of N are
        higher: three optimisations or more. This takes E(N) to be convex, as it is for repulsion;
        where two N differ by less than the error of their energies, N is not certain.
    alpha : int
        Hidden units per site.
    steps, samples : int
        Steps of the optimisation (twice as many on a frustrated ring: an even number of particles
        and no flux), and configurations a step.
    final_samples : int, optional
        Fresh configurations for the observables, 100 times `samples` by default.
    learning_rate, diagonal_shift, momentum
        As in `ground_state`, by stochastic reconfiguration. The rate's default is (0.1, 0.02), on
        a frustrated ring (0.2, 0.05).
    seed : int
        Seed of the network and of the chains.
    progress : bool
        Show a progress bar: over the samples, or the steps of one problem.

    Returns
    -------
    Dataset
        The problem with density, density_correlation, coherence, current (along x), each with its
        standard error (``density_stderr``, ...) from Markov chains with their autocorrelation;
        density_variance; energy, energy_stderr, v_score, rhat, particle_number and, if N is not
        fixed, mu_lower and mu_upper, each with the standard error of the two energies that it is
        the difference of. The error bars are those of the sampling; how far the network is from
        the ground state shows in the v_score (about 0 for an eigenstate).

    Raises
    ------
    ValueError
        Not a chain, `particles` out of range, an option out of range.

    Notes
    -----
    An even number of particles on a ring without flux is the hard case. On a uniform ring its
    ground state is degenerate, and some superposition is found; in a potential the gap can be
    small, so that an energy within 1e-3 J still leaves an admixture of the first excited state
    and a density that is wrong by several times its standard error. The remedy is more steps.

    Examples
    --------
    >>> import numpy as np, qdens_nb as qd
    >>> problem = qd.fermion_chain(np.zeros(7), V=1.0)
    >>> result = qd.nqs.chain_nqs(problem, particles=3, steps=80, samples=400)
    >>> bool(abs(result.energy - -4.0) < 0.01)    # exact at V = J: -(L - N) J
    True
    """
    sites = problem.sizes.get("x", 0)
    if particles is not None and not 0 <= particles <= sites:
        raise ValueError(f"particles={particles} on {sites} sites; give 0 <= particles <= {sites}")
    if alpha < 1 or steps < 1 or samples < 2:
        raise ValueError(
            f"alpha={alpha}, steps={steps}, samples={samples}: expected at least 1, 1 and 2"
        )
    single = progress and "sample" not in problem.get("potential", xr.DataArray()).dims
    settings = _Settings(
        alpha=alpha,
        steps=steps,
        samples=samples,
        final_samples=final_samples or 100 * samples,
        learning_rate=learning_rate,
        diagonal_shift=diagonal_shift,
        momentum=momentum,
        seed=seed,
        progress=single,
    )

    def solve_one(one: dict[str, Any]) -> dict[str, Any]:
        found: dict[int, dict[str, Any]] = {}

        def at(n: int) -> dict[str, Any]:
            if n not in found:
                found[n] = _solve_at(one, n, settings)
            return found[n]

        if particles is not None:
            return at(particles)
        best = _downhill(lambda n: at(n)["energy"] - one["mu"] * n, sites, _hartree_fock_n(one))
        return {**at(best), **_interval(at, best, sites)}

    options = {**settings._asdict(), "particles": particles}
    del options["progress"]
    return solve_each(problem, solve_one, "chain_nqs", options, progress)


def bosons(one: dict[str, Any], particles: int) -> tuple[Hamiltonian, float]:
    """The chain as hard-core bosons, and the flux θ in (-π, π] that they feel."""
    periodic = one["boundary"] == "periodic"
    theta = one["flux"] + np.pi * (particles - 1) if periodic else 0.0
    theta = float(np.pi - (np.pi - theta) % (2 * np.pi))
    if abs(theta) < 1e-9:
        theta = 0.0
    model = tv_chain(
        one["potential"],
        V=one["V"],
        particles=particles,
        flux=theta,
        periodic=periodic,
        statistics="bosons",
    )
    return model, theta


def machine(
    density: np.ndarray, theta: float, alpha: int, seed: int, node: float | None = None
) -> RBM:
    """RBM that starts near the product state of a density; `node` is b of the cosine, if any."""
    sites = len(density)
    found = RBM(sites, alpha, is_complex=theta != 0, scale=0.02, seed=seed)
    clipped = np.clip(density, CLIP, 1 - CLIP)
    visible = torch.from_numpy(0.25 * np.log(clipped / (1 - clipped)))
    assert found.visible_bias is not None and found.hidden_bias is not None
    with torch.no_grad():
        if theta == 0:
            found.visible_bias += visible
            return found
        found.visible_bias[:, 0] += visible
        if node is not None:
            ramp = torch.from_numpy(0.5 * np.pi / sites * (np.arange(sites) - 0.5 * (sites - 1)))
            found.visible_bias[:, 1] += ramp
            found.weights[0, :, 1] += ramp
            found.hidden_bias[0, 1] += node
    return found


def _solve_at(one: dict[str, Any], particles: int, settings: _Settings) -> dict[str, Any]:
    """Everything at one particle number."""
    sites = len(one["potential"])
    periodic = one["boundary"] == "periodic"
    if particles in (0, sites):
        return _trivial(one, particles)
    model, theta = bosons(one, particles)
    mean_field = solve_at(one["potential"], one["V"], one["flux"], particles, periodic)
    density = (np.abs(mean_field.orbitals[:, :particles]) ** 2).sum(1)
    frustrated = abs(theta - np.pi) < 1e-9

    def optimise(network: RBM, steps: int, progress: bool) -> xr.Dataset:
        return ground_state(
            model,
            network,
            steps=steps,
            samples=settings.samples,
            seed=settings.seed,
            learning_rate=settings.learning_rate or (FRUSTRATED_RATE if frustrated else RATE),
            diagonal_shift=settings.diagonal_shift,
            momentum=settings.momentum,
            final_samples=settings.samples,
            progress=progress,
        )

    chosen = machine(density, theta, settings.alpha, settings.seed)
    if frustrated:
        trials = [machine(density, theta, settings.alpha, settings.seed, node) for node in NODES]
        few = min(TRIAL_STEPS, settings.steps)
        energies = [float(optimise(one_of, few, False).final_energy) for one_of in trials]
        chosen = trials[int(np.argmin(energies))]
    optimise(chosen, (2 if frustrated else 1) * settings.steps, settings.progress)
    sampler = Metropolis(
        model,
        chains=max(8, min(settings.samples // 4, settings.final_samples // 100)),
        sweeps=2,
        seed=settings.seed + 1,
        burn_in=200,
    )
    draw = sampler.draw(chosen, settings.final_samples)
    return {**_energy(draw, one, particles), **_observables(draw, chosen, theta, periodic)}


def _energy(draw: Draw, one: dict[str, Any], particles: int) -> dict[str, Any]:
    sites = len(one["potential"])
    found = summarize(draw.series)
    energy = float(np.real(found.mean))
    bonds = sites if one["boundary"] == "periodic" else sites - 1
    pairs = bonds * particles * (particles - 1) / (sites * (sites - 1))
    infinite = particles * float(one["potential"].mean()) + one["V"] * pairs
    return {
        "energy": energy,
        "energy_stderr": found.stderr,
        "v_score": float(v_score(energy, found.variance, sites, infinite)),
        "rhat": found.rhat,
        "particle_number": particles,
    }


def _observables(draw: Draw, network: RBM, theta: float, periodic: bool) -> dict[str, Any]:
    occupied = (draw.configs + 1) // 2
    sites = occupied.shape[1]
    bond = bond_values(network, draw.configs, theta)
    pairs = (occupied * np.roll(occupied, -1, axis=1)).astype(float)
    if not periodic:
        bond[:, -1], pairs[:, -1] = 0.0, 0.0
    values = {
        "density": occupied.astype(float),
        "density_correlation": pairs,
        "coherence": bond.real,
        "current": 2.0 * bond.imag,
    }
    out: dict[str, Any] = {}
    for name, columns in values.items():
        each = [summarize(columns[:, x].reshape(draw.chains, -1)) for x in range(sites)]
        out[name] = np.array([found.mean for found in each])
        out[f"{name}_stderr"] = np.array([found.stderr for found in each])
    out["density_variance"] = out["density"] * (1 - out["density"])
    return out


def bond_values(network: RBM, configs: np.ndarray, theta: float) -> np.ndarray:
    r"""(B, L) local values of :math:`e^{-iθ/L}b^†_xb_{x+1}`, x + 1 taken around the ring.

    A configuration with a particle at x and none at x + 1 contributes ψ(s')/ψ(s) with the particle
    moved; one with the opposite occupations does so through the adjoint. Both have the same mean,
    and half their sum is used.
    """
    sites = configs.shape[1]
    phase = np.exp(-1j * theta / sites)
    here = network.log_psi(configs)
    found = np.zeros(configs.shape, complex)
    for x in range(sites):
        y = (x + 1) % sites
        moves = np.flatnonzero(configs[:, x] != configs[:, y])
        moved = configs[moves]
        moved[:, [x, y]] = moved[:, [y, x]]
        ratio = phase ** configs[moves, x] * np.exp(network.log_psi(moved) - here[moves])
        found[moves, x] = 0.5 * np.where(configs[moves, x] > 0, ratio, ratio.conj())
    return found


def _trivial(one: dict[str, Any], particles: int) -> dict[str, Any]:
    """The empty and the full chain: one configuration."""
    sites, periodic = len(one["potential"]), one["boundary"] == "periodic"
    names = ("density", "density_correlation", "coherence", "current", "density_variance")
    exact = slater_observables(np.eye(sites)[:, :particles], one["flux"], periodic)
    out: dict[str, Any] = {name: exact[name] for name in names}
    out.update({f"{name}_stderr": np.zeros(sites) for name in names[:-1]})
    pairs = exact["density_correlation"].sum()
    energy = float(exact["density"] @ one["potential"] + one["V"] * pairs)
    out.update(energy=energy, energy_stderr=0.0, v_score=0.0, rhat=np.nan)
    return {**out, "particle_number": particles}


def _hartree_fock_n(one: dict[str, Any]) -> int:
    periodic, sites = one["boundary"] == "periodic", len(one["potential"])

    def grand(n: int) -> float:
        found = solve_at(one["potential"], one["V"], one["flux"], n, periodic)
        return found.energy - one["mu"] * n

    return scan_numbers(grand, sites, sites // 2)


def _downhill(grand: Any, sites: int, start: int) -> int:
    """N of the lowest grand potential, walking until both neighbours are higher."""
    best = start
    for direction in (1, -1):
        while 0 <= best + direction <= sites and grand(best + direction) < grand(best):
            best += direction
    return best


def _interval(at: Any, best: int, sites: int) -> dict[str, float]:
    """Interval of mu of the chosen N, from the neighbouring energies."""
    here = at(best)
    out = {"mu_lower": -np.inf, "mu_lower_stderr": 0.0, "mu_upper": np.inf, "mu_upper_stderr": 0.0}
    for name, n in (("mu_lower", best - 1), ("mu_upper", best + 1)):
        if 0 <= n <= sites:
            other = at(n)
            out[name] = (here["energy"] - other["energy"]) / (best - n)
            error = float(np.hypot(here["energy_stderr"], other["energy_stderr"]))
            out[f"{name}_stderr"] = error
    return out
