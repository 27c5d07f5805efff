r"""What every neural quantum state has in common: log ψ of a batch, and its derivatives.

A wave function is expanded in a basis of configurations, :math:`|ψ⟩ = \sum_s ψ_θ(s) |s⟩`, and a
network answers :math:`\log ψ_θ(s)`: a real number where :math:`ψ > 0` everywhere, a complex one
otherwise. All parameters are real tensors, so that one formula serves real and complex networks:
with :math:`O_k(s) = ∂_k \log ψ(s)` the metric of the parameters is :math:`\mathrm{Re}⟨O^†O⟩_c`.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

CHUNK = 4096


class Ansatz(torch.nn.Module):
    """Base class of the networks: `forward` maps (B, N) local values to (B,) values of log ψ.

    Attributes
    ----------
    sites : int
        Number of sites N.
    is_complex : bool
        Whether log ψ is complex; if not, ψ is positive.
    samples_directly : bool
        Whether ``sample(samples, rng)`` draws independent configurations from :math:`|ψ|^2`.
    """

    sites: int
    is_complex: bool = False
    samples_directly: bool = False

    def log_psi(self, configs: np.ndarray) -> np.ndarray:
        """log ψ of a (B, N) array of configurations, as a numpy array.

        Raises
        ------
        ValueError
            The configurations do not have N sites.
        """
        configs = np.asarray(configs)
        if configs.ndim != 2 or configs.shape[1] != self.sites:
            raise ValueError(
                f"configurations have the shape {configs.shape}; expected (B, {self.sites})"
            )
        with torch.no_grad():
            parts = [self(self._tensor(part)).numpy() for part in _chunks(configs)]
        kind = np.complex128 if self.is_complex else np.float64
        return np.concatenate(parts) if parts else np.zeros(0, kind)

    def log_derivatives(self, configs: np.ndarray) -> np.ndarray:
        """(B, P) derivatives of log ψ by all P parameters, in the order of `parameters()`."""
        parameters = {name: value.detach() for name, value in self.named_parameters()}
        kinds = (torch.real, torch.imag) if self.is_complex else (torch.clone,)

        def one(values: dict[str, Tensor], config: Tensor, part: int) -> Tensor:
            return kinds[part](torch.func.functional_call(self, values, (config[None],))[0])

        def flat(part: int, chosen: np.ndarray) -> np.ndarray:
            gradient = torch.func.vmap(torch.func.grad(one), in_dims=(None, 0, None))
            found = gradient(parameters, self._tensor(chosen), part)
            columns = [found[name].reshape(len(chosen), -1) for name in parameters]
            return torch.cat(columns, 1).numpy()

        rows = []
        for chosen in _chunks(np.asarray(configs), 512):
            parts = [flat(part, chosen) for part in range(len(kinds))]
            rows.append(parts[0] + 1j * parts[1] if self.is_complex else parts[0])
        return np.concatenate(rows)

    @property
    def parameter_count(self) -> int:
        """Number P of real parameters."""
        return sum(value.numel() for value in self.parameters())

    def _tensor(self, configs: np.ndarray) -> Tensor:
        kind = next(self.parameters()).dtype
        return torch.from_numpy(np.ascontiguousarray(configs)).to(kind)


def get_parameters(ansatz: torch.nn.Module) -> np.ndarray:
    """All parameters as one (P,) vector."""
    with torch.no_grad():
        return torch.nn.utils.parameters_to_vector(ansatz.parameters()).numpy().copy()


def set_parameters(ansatz: torch.nn.Module, vector: np.ndarray) -> None:
    """Put a (P,) vector back into the parameters.

    Raises
    ------
    ValueError
        A value is not finite, or their number differs.
    """
    count = sum(value.numel() for value in ansatz.parameters())
    if vector.shape != (count,):
        raise ValueError(f"{vector.size} values given; the network has {count} parameters")
    if not np.isfinite(vector).all():
        raise ValueError(
            "the new parameters are not finite: the step was too long; lower learning_rate or "
            "raise diagonal_shift"
        )
    position = 0
    with torch.no_grad():
        for value in ansatz.parameters():
            part = torch.from_numpy(vector[position : position + value.numel()])
            value.copy_(part.view_as(value))
            position += value.numel()


def _chunks(configs: np.ndarray, size: int = CHUNK) -> Iterator[np.ndarray]:
    for start in range(0, len(configs), size):
        yield configs[start : start + size]
