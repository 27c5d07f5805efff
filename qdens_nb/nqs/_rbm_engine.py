"""The fast path of a restricted Boltzmann machine: look-up tables around the compiled kernels."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from qdens_nb.nqs._hamiltonian import Hamiltonian
from qdens_nb.nqs._natural_gradient import Derivatives
from qdens_nb.nqs._rbm_kernel import complex_tanh, local_energies, sweep, weight_derivatives

if TYPE_CHECKING:
    from qdens_nb.nqs._rbm import RBM

SMALLEST_PART = 32
LARGEST_PAIRS = 2_000_000


class LookUp:
    """tanh θ of every image of a batch of configurations, and the images' amplitudes.

    Attributes
    ----------
    configs : (B, N) int8
    tanh : (B, P, M)
    images : (B, P)
        χ_p* φ(p s), divided by the largest size of a configuration.
    log_scale : (B,)
        Logarithm of that size.
    """

    def __init__(self, machine: RBM, hamiltonian: Hamiltonian, configs: np.ndarray) -> None:
        with torch.no_grad():
            weights, hidden, visible = (value.numpy() for value in machine.numbers())
        group = machine._projected
        self.group, self.hamiltonian = group, hamiltonian
        self.weights, self.hidden_bias, self.visible = weights, hidden, visible
        step = hamiltonian.step * weights.T
        self.kernel = (
            *(np.ascontiguousarray(f(step)) for f in (np.cosh, np.sinh, np.tanh)),
            np.exp(np.multiply.outer([1, -1], hamiltonian.step * visible)),
            *_pair_tables(step, hamiltonian),
            np.argsort(group.permutations, 1),
            group.signs,
        )
        self.renew(np.ascontiguousarray(configs, np.int8))

    def renew(self, configs: np.ndarray) -> None:
        """Compute the tables of new configurations from nothing."""
        self.configs = configs
        batch, (units, sites) = len(configs), self.weights.shape
        images = configs[:, self.group.permutations] * self.group.signs[:, None]
        images = images.reshape(-1, sites).astype(self.weights.dtype)
        theta = images @ self.weights.T
        theta += self.hidden_bias
        places = self.group.permutations.shape[0]
        characters = np.conj(self.group.characters)
        if places == 1:
            kind = np.result_type(self.weights, characters)
            self.images = np.broadcast_to(characters, (batch, 1)).astype(kind)
            self.log_scale = np.zeros(batch)
            self.tanh = np.tanh(theta, out=theta).reshape(batch, 1, units)
            return
        tanh, logs = tanh_and_log_cosh(theta)
        logs = (images @ self.visible + logs).reshape(batch, places)
        self.log_scale = logs.real.max(1)
        self.images = np.exp(logs - self.log_scale[:, None]) * characters
        self.tanh = tanh.reshape(batch, places, units)

    def sweep(self, streams: np.ndarray, exchange: bool, sweeps: int, power: float = 1.0) -> int:
        """Metropolis sweeps of all configurations, in place; returns the accepted moves."""
        values, step = self.hamiltonian.local_values, self.hamiltonian.step

        def part(rows: slice) -> int:
            return sweep(
                self.configs[rows],
                self.tanh[rows],
                self.images[rows],
                self.kernel,
                exchange,
                values[0],
                values[-1],
                step,
                streams[rows],
                sweeps,
                power,
            )

        return sum(in_threads(part, len(self.configs)))

    def local_energies(self) -> np.ndarray:
        """(B,) local energies."""
        kind = np.result_type(self.images, self.hamiltonian.tables.elements)
        found = np.empty(len(self.configs), kind)
        rows = tuple(self.hamiltonian.tables)

        def part(chosen: slice) -> None:
            local_energies(
                self.configs[chosen],
                self.tanh[chosen],
                self.images[chosen],
                self.kernel,
                rows,
                self.hamiltonian.local_values[0],
                self.hamiltonian.step,
                found[chosen],
            )

        in_threads(part, len(self.configs))
        return found


def _pair_tables(
    step: np.ndarray, hamiltonian: Hamiltonian
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """cosh, sinh, tanh of d_i - d_j, (N, N, M), where the Hamiltonian or the moves need them."""
    sites, units = step.shape
    if sites * sites * units > LARGEST_PAIRS or not _moves_pairs(hamiltonian):
        empty = np.empty((0, 0, units), step.dtype)
        return empty, empty, empty
    difference = step[:, None] - step[None]
    cosh, sinh = np.cosh(difference), np.sinh(difference)
    return cosh, sinh, sinh / cosh


def _moves_pairs(hamiltonian: Hamiltonian) -> bool:
    changed = np.count_nonzero(hamiltonian.tables.delta, -1)
    return hamiltonian.total is not None or bool((changed == 2).any())


def in_threads(part: Callable[[slice], Any], length: int) -> list[Any]:
    """Call `part` on slices of 0..length, one a thread of torch; the order is kept."""
    threads = min(torch.get_num_threads(), max(1, length // SMALLEST_PART))
    if threads == 1:
        return [part(slice(0, length))]
    edges = np.linspace(0, length, threads + 1).astype(int)
    slices = [slice(a, b) for a, b in pairwise(edges)]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(part, slices))


def supports(machine: Any, hamiltonian: Hamiltonian) -> bool:
    """Whether the compiled path knows every move of this Hamiltonian and network."""
    from qdens_nb.nqs._rbm import RBM

    delta = hamiltonian.tables.delta
    spins = hamiltonian.local_values[0] == -hamiltonian.local_values[-1]
    return (
        isinstance(machine, RBM)
        and bool((np.abs(delta) <= 1).all() and (np.count_nonzero(delta, -1) <= 2).all())
        and (spins or bool((machine._projected.signs > 0).all()))
    )


def log_derivatives(machine: RBM, configs: np.ndarray) -> np.ndarray:
    """(B, P) derivatives by all real parameters; complex weights give pairs (O, iO)."""
    from qdens_nb.nqs._ansatz import _chunks

    rows = [_log_derivatives(machine, part) for part in _chunks(np.asarray(configs), 1024)]
    found = np.concatenate(rows)
    if not machine.is_complex:
        return found
    return np.stack([found, 1j * found], -1).reshape(len(found), -1)


def derivatives(machine: RBM, configs: np.ndarray, weights: np.ndarray) -> Derivatives:
    """A of a batch: never formed for a plain machine, complex for complex weights."""
    from qdens_nb.nqs._ansatz import _chunks

    if machine.tied is None and machine.projection is None:
        return PlainDerivatives(machine, configs, weights)
    rows = [_log_derivatives(machine, part) for part in _chunks(np.asarray(configs), 1024)]
    return Derivatives(np.concatenate(rows), weights, machine.is_complex)


class PlainDerivatives(Derivatives):
    """A of a machine without symmetries, from its factors.

    The derivative by W_kj is T_k s_j, so a B x B Gram matrix is a product, element by element, of
    those of T and of s: B²(M + N) multiplications in place of B²MN, and no B x MN matrix.
    """

    def __init__(self, machine: RBM, configs: np.ndarray, weights: np.ndarray) -> None:
        with torch.no_grad():
            matrix, hidden, _ = (value.numpy() for value in machine.numbers())
        self.holomorphic, self.split = machine.is_complex, False
        self.weights, self.root = weights, np.sqrt(weights)
        self.spins = configs.astype(matrix.dtype)
        self.tanh = np.tanh(self.spins @ matrix.T + hidden)
        self.biases = machine.biases
        self._matrix: np.ndarray | None = None

    @property
    def shape(self) -> tuple[int, int]:
        (rows, sites), units = self.spins.shape, self.tanh.shape[1]
        return rows, units * sites + (units + sites) * self.biases

    @property
    def gram_cost(self) -> float:
        return float(self.shape[0]) ** 2 * (self.spins.shape[1] + self.tanh.shape[1])

    @property
    def matrix(self) -> np.ndarray:  # type: ignore[override]
        """A, formed when a P x P metric is asked for."""
        if self._matrix is None:
            products = self.tanh[:, :, None] * self.spins[:, None]
            columns = [products.reshape(len(self.spins), -1)]
            if self.biases:
                columns += [self.tanh, self.spins]
            rows = np.concatenate(columns, 1)
            rows -= self.weights @ rows
            rows *= self.root[:, None]
            self._matrix = rows
        return self._matrix

    def gram(self) -> np.ndarray:
        of_spins = self.spins.real @ self.spins.real.T
        found = self.tanh @ self.tanh.conj().T
        found *= of_spins + self.biases
        if self.biases:
            found += of_spins
        mean = found @ self.weights
        found -= mean[:, None]
        found -= (mean.conj() - self.weights @ mean)[None]
        found *= self.root[:, None]
        found *= self.root[None]
        return found

    def adjoint(self, values: np.ndarray) -> np.ndarray:
        weighted = self.root * values
        weighted = weighted - self.weights * weighted.sum()
        left = self.tanh.conj() * weighted[:, None]
        parts = [(left.T @ self.spins.real).ravel()]
        if self.biases:
            parts += [left.sum(0), weighted @ self.spins.real]
        return np.concatenate(parts)

    def apply(self, step: np.ndarray) -> np.ndarray:
        (_, sites), units = self.spins.shape, self.tanh.shape[1]
        by_weights = step[: units * sites].reshape(units, sites)
        found = ((self.spins @ by_weights.T) * self.tanh).sum(1)
        if self.biases:
            rest = step[units * sites :]
            found = found + self.tanh @ rest[:units] + self.spins @ rest[units:]
        return self.root * (found - self.weights @ found)


def _log_derivatives(machine: RBM, configs: np.ndarray) -> np.ndarray:
    """(B, P') derivatives by the weights, hidden and visible biases, as numbers of one kind."""
    with torch.no_grad():
        weights, hidden, visible = (value.numpy() for value in machine.numbers())
    group = machine._projected
    batch, sites = configs.shape
    copies = np.arange(sites)[None] if machine.tied is None else machine.tied.permutations
    images = configs[:, group.permutations] * group.signs[:, None]
    theta = images.reshape(-1, sites).astype(weights.dtype) @ weights.T + hidden
    tanh, logs = tanh_and_log_cosh(theta)
    shape = (batch, len(group))
    share = np.ones(shape, weights.dtype)
    if len(group) > 1:
        logs = logs.reshape(shape) + images @ visible
        logs -= logs.real.max(1, keepdims=True)
        share = np.exp(logs) * np.conj(group.characters)
        share /= share.sum(1, keepdims=True)
    tanh = tanh.reshape(*shape, len(machine.weights), -1) * share[:, :, None, None]
    by_weights = np.empty((batch, len(machine.weights), sites), tanh.dtype)
    places = np.ascontiguousarray(group.permutations[:, copies])
    signs = np.multiply.outer(group.signs, machine._tied_signs.numpy())
    given = np.ascontiguousarray(configs, np.int8)

    def part(rows: slice) -> None:
        weight_derivatives(given[rows], tanh[rows], places, signs, by_weights[rows])

    in_threads(part, batch)
    columns = [by_weights.reshape(batch, -1)]
    if machine.hidden_bias is not None:
        columns.append(tanh.sum((1, 3)))
    if machine.visible_bias is not None:
        seen = np.einsum("bp,bpj->bj", share, images)
        columns.append(seen if machine.tied is None else seen.sum(1, keepdims=True))
    return np.concatenate(columns, 1)


def tanh_and_log_cosh(theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """tanh θ, and log of the product of cosh θ over the last axis, by real functions."""
    if np.isrealobj(theta):
        size = np.abs(theta)
        return np.tanh(theta), (size + np.log1p(np.exp(-2 * size)) - np.log(2.0)).sum(-1)
    tanh, logs = np.empty_like(theta), np.empty(theta.shape[:-1], theta.dtype)

    def part(rows: slice) -> None:
        complex_tanh(theta[rows], tanh[rows], logs[rows])

    in_threads(part, len(theta))
    return tanh, logs
