"""What the two chain networks see and answer.

``chain_cnn``: the paper's. Inputs (mu - v - V, V, flux/L), outputs the observables themselves.
``chain``: ours. Inputs Hartree-Fock channels at fixed N, outputs corrections to Hartree-Fock and to
its energy; N is then the one of lowest corrected grand potential.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
import torch
import xarray as xr

from qdens_nb.training._mean_field_channels import CHANNELS, mean_field_channels
from qdens_nb.training._symmetry import particle_hole_map, reflect_map

OBSERVABLES = ("density", "density_correlation", "coherence", "current", "current_correlation")
RANGES = {"V": [0.0, 2.0], "potential": [-3.0, 3.0]}
Batch = Mapping[str, torch.Tensor]


class Task(Protocol):
    """How a Dataset becomes tensors, tensors become inputs, and outputs are judged.

    Attributes
    ----------
    system : the system of the problems
    in_channels, outputs : inputs and heads of the network
    fixed_number : whether the answers are at a fixed number of particles
    ranges : what the network may be asked for, as written on its card
    """

    system: str
    in_channels: int
    outputs: tuple[str, ...]
    fixed_number: bool
    ranges: Mapping[str, Any]

    def prepare(self, data: xr.Dataset) -> dict[str, torch.Tensor]:
        """Tensors of a Dataset of one size, leading dim the samples."""
        ...

    def inputs(self, batch: Batch, generator: torch.Generator | None) -> tuple[torch.Tensor, dict]:
        """Input channels and targets of a batch; with a generator, augmented at random."""
        ...

    def loss(self, predicted: Batch, target: Batch) -> dict[str, torch.Tensor]:
        """Named parts of the loss; ``"loss"`` is their weighted sum."""
        ...


def _tensor(values: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.array(values, dtype=np.float32))


def _coin(generator: torch.Generator) -> bool:
    return bool(torch.rand((), generator=generator) < 0.5)


def _observable_targets(data: xr.Dataset) -> dict[str, torch.Tensor]:
    absent = [name for name in ("density",) if name not in data]
    if absent:
        raise ValueError(f"the dataset holds no {absent[0]!r}; solve it or use from_arrays")
    shape = data["density"].shape
    return {
        name: _tensor(data[name].values if name in data else np.full(shape, np.nan))
        for name in OBSERVABLES
    }


def masked_mae(predicted: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Mean absolute error over what is known (NaN marks what is not)."""
    known = ~torch.isnan(target)
    return (predicted - torch.nan_to_num(target)).abs()[known].sum() / known.sum().clamp(min=1)


def scale_loss(log_scale: torch.Tensor, error: torch.Tensor) -> torch.Tensor:
    """Negative log-likelihood of a Laplace distribution; teaches the scale, not the mean."""
    return (error.detach() * torch.exp(-log_scale) + log_scale).mean()


class DirectTask:
    """The paper's task: observables from mu - v and the couplings."""

    system = "fermion_chain"
    in_channels = 3
    outputs = (*OBSERVABLES, "log_scale")
    fixed_number = False
    ranges: Mapping[str, Any] = RANGES

    def __init__(self, number_weight: float = 0.3) -> None:
        self.number_weight = number_weight

    def prepare(self, data: xr.Dataset) -> dict[str, torch.Tensor]:
        if "mu_lower" in data:
            data = data.isel(sample=(data["mu_lower"] < data["mu_upper"]).values)
        samples = data.sizes["sample"]
        out = _observable_targets(data)
        out["potential"] = _tensor(data["potential"].values)
        for name in ("V", "flux", "mu"):
            out[name] = _tensor(np.broadcast_to(data[name].values, (samples,)))
        for name in ("mu_lower", "mu_upper"):
            out[name] = _tensor(data[name].values) if name in data else out["mu"]
        return out

    def inputs(self, batch: Batch, generator: torch.Generator | None) -> tuple[torch.Tensor, dict]:
        sites = batch["potential"].shape[-1]
        mu = batch["mu"]
        target = {name: batch[name] for name in OBSERVABLES}
        if generator is not None:
            part = torch.rand(mu.shape, generator=generator).to(mu.device)
            mu = batch["mu_lower"] + part * (batch["mu_upper"] - batch["mu_lower"])
        centred = (mu - batch["V"])[:, None] - batch["potential"]
        flux = batch["flux"]
        if generator is not None and _coin(generator):
            centred, flux = centred.flip(-1), -flux
            target = {name: reflect_map(name, value) for name, value in target.items()}
        if generator is not None and sites % 2 == 0 and _coin(generator):
            centred, flux = -centred, -flux
            density = target["density"]
            target = {k: particle_hole_map(k, v, density) for k, v in target.items()}
        return direct_channels(centred, batch["V"], flux), target

    def loss(self, predicted: Batch, target: Batch) -> dict[str, torch.Tensor]:
        parts = {name: masked_mae(predicted[name], target[name]) for name in OBSERVABLES}
        number = (predicted["density"] - target["density"]).mean(-1).abs().mean()
        error = (predicted["density"] - target["density"]).abs()
        scale = scale_loss(predicted["log_scale"], error)
        total = 2.0 * parts["density"] + sum(parts.values()) + self.number_weight * number
        return {"loss": total + 0.01 * scale, "number": number, "scale": scale, **parts}


def direct_channels(centred: torch.Tensor, V: torch.Tensor, flux: torch.Tensor) -> torch.Tensor:
    """Channels (B, 3, L) of the paper's network from mu - v - V (B, L) and the couplings (B,)."""
    sites = centred.shape[-1]
    constant = torch.stack([V - 1.0, flux * (4.0 / sites)], 1)[..., None].expand(-1, -1, sites)
    return torch.cat([centred[:, None], constant], 1)


_SIGNED = {
    "potential_from_mid_gap",
    "density",
    "half_density",
    "free_density",
    "staggered_mean",
    "second_density",
}
_BONDS = {"coherence", "half_coherence", "free_coherence"}


class CorrectionTask:
    """Our task: the difference between the exact answer and Hartree-Fock, at fixed N."""

    system = "fermion_chain"
    in_channels = len(CHANNELS)
    outputs = (*OBSERVABLES, "log_scale", "energy")
    fixed_number = True
    ranges: Mapping[str, Any] = RANGES

    def prepare(self, data: xr.Dataset) -> dict[str, torch.Tensor]:
        sites = data.sizes["x"]
        if "particle_number" in data:
            number = np.rint(data["particle_number"].values).astype(int)
        else:
            number = np.rint(data["density"].sum("x").values).astype(int)
        data = data.isel(sample=(number > 0) & (number < sites))
        number = number[(number > 0) & (number < sites)]
        count = data.sizes["sample"]
        V, flux = (np.broadcast_to(data[name].values, (count,)) for name in ("V", "flux"))
        channels, energies = mean_field_channels(data["potential"].values, V, flux, number)
        out = _observable_targets(data)
        out["channels"] = _tensor(channels)
        known = data["energy"].values if "energy" in data else np.nan
        out["energy"] = _tensor(np.broadcast_to(known - energies, (count,)))
        return out

    def inputs(self, batch: Batch, generator: torch.Generator | None) -> tuple[torch.Tensor, dict]:
        channels = batch["channels"]
        target = {name: batch[name] for name in OBSERVABLES}
        if generator is not None and _coin(generator):
            channels = reflect_channels(channels)
            target = {name: reflect_map(name, value) for name, value in target.items()}
        if generator is not None and channels.shape[-1] % 2 == 0 and _coin(generator):
            channels = particle_hole_channels(channels)
            density = target["density"]
            target = {k: particle_hole_map(k, v, density) for k, v in target.items()}
        base = mean_field_observables(channels)
        target = {name: value - base.get(name, 0.0) for name, value in target.items()}
        return channels, {**target, "energy": batch["energy"]}

    def loss(self, predicted: Batch, target: Batch) -> dict[str, torch.Tensor]:
        density = predicted["density"] - predicted["density"].mean(-1, keepdim=True)
        predicted = {**predicted, "density": density}
        parts = {name: masked_mae(predicted[name], target[name]) for name in OBSERVABLES}
        energy = masked_mae(predicted["energy"].sum(-1), target["energy"])
        error = (density - target["density"]).abs()
        scale = scale_loss(predicted["log_scale"], error)
        total = 4.0 * parts["density"] + sum(parts.values()) + 0.1 * energy
        return {"loss": total + 0.01 * scale, "energy": energy, "scale": scale, **parts}


def mean_field_observables(channels: torch.Tensor) -> dict[str, torch.Tensor]:
    """Hartree-Fock observables (B, L) read off the channels (B, C, L)."""
    at = {name: channels[:, i] for i, name in enumerate(CHANNELS)}
    density = at["density"] + 0.5
    coherence, current = at["coherence"], 2.0 * at["half_current"]
    return {
        "density": density,
        "coherence": coherence,
        "current": current,
        "density_correlation": density * density.roll(-1, -1) - coherence**2 - current**2 / 4,
    }


def reflect_channels(channels: torch.Tensor) -> torch.Tensor:
    """Mean-field channels of the reflected ring."""
    out = channels.flip(-1)
    for i, name in enumerate(CHANNELS):
        if name in _BONDS:
            out[:, i] = out[:, i].roll(-1, -1)
        elif name == "half_current":
            out[:, i] = -out[:, i].roll(-1, -1)
    return out


def particle_hole_channels(channels: torch.Tensor) -> torch.Tensor:
    """Mean-field channels of the particle-hole image (even rings)."""
    out = channels.clone()
    for i, name in enumerate(CHANNELS):
        if name in _SIGNED or name == "half_current":
            out[:, i] = -out[:, i]
    homo, lumo = CHANNELS.index("homo"), CHANNELS.index("lumo")
    out[:, [homo, lumo]] = channels[:, [lumo, homo]]
    return out
