r"""Observables of a network, from samples: operators, functions of the configuration, ready-made.

An operator is measured by its local values, :math:`O_{loc}(s)=\sum_{s'}O_{ss'}ψ(s')/ψ(s)`, like
the energy: give it as a `Hamiltonian`. A diagonal one can be a function of (B, N) configurations
with values (B,) or (B, K). Local values at the nodes of ψ are missed as the rates are, see
`_broadened`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from qdens_nb.nqs._ansatz import Ansatz
from qdens_nb.nqs._diagnostics import Estimate, summarize
from qdens_nb.nqs._hamiltonian import Hamiltonian
from qdens_nb.nqs._local_energy import local_energy
from qdens_nb.nqs._samplers import Draw

Observable = Hamiltonian | Callable[[np.ndarray], np.ndarray]
NAMES = ("sigma_x", "sigma_y", "sigma_z", "correlation")


def magnetisation(hamiltonian: Hamiltonian, axis: str = "x") -> Hamiltonian:
    r"""Operator :math:`\frac1N\sum_iσ^a_i` on the spins of a Hamiltonian.

    Raises
    ------
    ValueError
        Local values other than -1, 1; "x" or "y" where the total is conserved (they vanish).
    """
    matrices: dict[str, Any] = {
        "x": np.array([[0.0, 1.0], [1.0, 0.0]]),
        "y": np.array([[0.0, 1.0j], [-1.0j, 0.0]]),
        "z": np.diag([-1.0, 1.0]),
    }
    if axis not in matrices:
        raise ValueError(f"axis={axis!r}; expected 'x', 'y' or 'z'")
    if hamiltonian.local_values != (-1, 1):
        raise ValueError(f"sigma_{axis} needs spins -1, 1, not {hamiltonian.local_values}")
    if hamiltonian.total is not None and axis != "z":
        raise ValueError(f"sigma_{axis} is zero in a sector of fixed total")
    sites = hamiltonian.sites
    terms = [(matrices[axis] / sites, (site,)) for site in range(sites)]
    return Hamiltonian(hamiltonian.shape, terms, total=hamiltonian.total, name=f"sigma_{axis}")


class Correlation:
    r""":math:`\frac1N\sum_is_is_{i+d}` of all distances d of the periodic lattice, by FFT.

    Parameters
    ----------
    shape : tuple of int
        (L,) or (Lx, Ly); distances in C order, the first one is 0.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape = shape

    def __call__(self, configs: np.ndarray) -> np.ndarray:
        axes = tuple(range(1, 1 + len(self.shape)))
        values = configs.reshape(-1, *self.shape).astype(float)
        power = np.abs(np.fft.fftn(values, axes=axes)) ** 2
        found = np.fft.ifftn(power, axes=axes).real / configs.shape[1]
        return found.reshape(len(configs), -1)


def make_observables(
    chosen: Iterable[str] | Mapping[str, Observable] | None, hamiltonian: Hamiltonian
) -> dict[str, Observable]:
    """Observables by their names in the results; None: what suits the model.

    Raises
    ------
    ValueError
        An unknown name, or an operator on other sites.
    """
    if chosen is None:
        free = hamiltonian.local_values == (-1, 1) and hamiltonian.total is None
        chosen = ("sigma_x", "sigma_z", "correlation") if free else ("correlation",)
    if isinstance(chosen, Mapping):
        for name, one in chosen.items():
            if isinstance(one, Hamiltonian) and one.sites != hamiltonian.sites:
                raise ValueError(
                    f"observable {name!r} acts on {one.sites} sites, the model on "
                    f"{hamiltonian.sites}"
                )
        return dict(chosen)
    found: dict[str, Observable] = {}
    for name in [chosen] if isinstance(chosen, str) else chosen:
        if name not in NAMES:
            raise ValueError(f"observable {name!r}; expected some of {NAMES}, or a dict")
        if name == "correlation":
            found[name] = Correlation(hamiltonian.shape)
        else:
            found[name] = magnetisation(hamiltonian, name[-1])
    return found


def measure(
    observable: Observable, ansatz: Ansatz, draw: Draw, *, exact: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard error of an observable on a draw: scalars, or (K,) arrays."""
    if isinstance(observable, Hamiltonian):
        values = local_energy(observable, ansatz, draw.configs)
    else:
        values = np.asarray(observable(draw.configs))
    if values.shape[:1] != draw.weights.shape or values.ndim > 2:
        raise ValueError(
            f"an observable answers {values.shape} values to {len(draw.weights)} configurations; "
            "expected (B,) or (B, K)"
        )
    if values.ndim == 1:
        found = estimate(values, draw, exact=exact)
        return np.array(np.real(found.mean)), np.array(found.stderr)
    columns = [estimate(column, draw, exact=exact) for column in values.T]
    means = np.array([np.real(one.mean) for one in columns])
    return means, np.array([one.stderr for one in columns])


def estimate(values: np.ndarray, draw: Draw, *, exact: bool) -> Estimate:
    """`summarize` of values on a draw, with the weights of the draw."""
    if exact:
        return summarize(values, draw.weights, exact=True)
    shape = (draw.chains, -1)
    return summarize(values.reshape(shape), draw.weights.reshape(shape))


def state_vector(hamiltonian: Hamiltonian, ansatz: Ansatz) -> np.ndarray:
    """(D,) complex amplitudes of unit norm in the order of ``hamiltonian.basis()``."""
    logs = ansatz.log_psi(hamiltonian.basis())
    amplitudes = np.exp(logs - logs.real.max()).astype(complex)
    return amplitudes / np.linalg.norm(amplitudes)
