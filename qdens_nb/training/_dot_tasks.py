"""What the networks of the quantum dots see and answer, and how it is scaled.

Every map is divided by a unit: densities by that of two electrons spread evenly over the square
(their mean is then 1), potentials by the paper's step. With ``centred`` the range from 0 to the
unit becomes [-1, 1], as images have it; the paper's own networks are trained so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
import xarray as xr
from torch.nn import functional as F

from qdens_nb._checks import check_choice
from qdens_nb.training._dot_channels import DENSITY_CHANNELS, FLOOR, density_channels
from qdens_nb.training._square_symmetry import ELEMENTS, move_sites
from qdens_nb.training._tasks import scale_loss

SIZE_NM = 30.0
ELECTRONS = 2.0
MASS, EPS_R, STEP = 0.067, 12.9, 0.5
DENSITY_UNIT = ELECTRONS / SIZE_NM**2
RANGES = {"size_nm": SIZE_NM, "points": 64, "mass": [MASS, MASS]}
Batch = Mapping[str, torch.Tensor]


def _tensor(values: Any) -> torch.Tensor:
    return torch.from_numpy(np.array(values, dtype=np.float32))


class DotTask:
    """Maps to maps; the subclasses name which.

    Attributes
    ----------
    sources, targets : names of the maps that go in and come out
    constants : names of numbers per sample that go in as constant channels
    """

    system = "quantum_dot"
    fixed_number = False
    sources: tuple[str, ...] = ("potential",)
    targets: tuple[str, ...] = ("density",)
    constants: tuple[str, ...] = ()
    ranges: Mapping[str, Any] = {**RANGES, "eps_r": [EPS_R, EPS_R], "step": [STEP, STEP]}

    def __init__(
        self,
        *,
        l1: float = 0.0,
        mse: float = 1.0,
        cross_entropy: float = 0.0,
        error_bar: float = 0.0,
        positive: str = "none",
        physics: bool = False,
        floor: float | None = None,
        augment: bool = True,
        centred: bool = False,
        density_unit: float = DENSITY_UNIT,
        potential_unit: float = STEP,
    ) -> None:
        """Scaling, loss and augmentation.

        Parameters
        ----------
        l1, mse : weights of the mean absolute and mean squared error
        cross_entropy : weight of the cross entropy of potentials that are 0 or `potential_unit`;
            where it is not 0 the answer is a sigmoid, the probability of the step
        error_bar : weight of the likelihood of the learnt scale of the error; 0 for none
        positive : "softplus", "square" or "exp" make densities non-negative with exactly two
            electrons; "none" leaves them free
        physics : let the network that sees a density also see local functions of it
        floor : in training, half of the densities that go in are cut off from below, at a value
            between `FLOOR` and this one (in units of the even density) that is drawn at random:
            the network learns to do without tails that are not known
        augment : move the training maps by the eight symmetries of the square
        centred : scale to [-1, 1] in place of [0, 1]
        density_unit, potential_unit : in 1/nm^2 and eV
        """
        check_choice("positive", positive, ("none", "softplus", "square", "exp"))
        if centred and (positive != "none" or cross_entropy):
            raise ValueError("positive and cross_entropy need maps that start at 0, not centred")
        if floor is not None and (self.sources[0] == "potential" or floor < FLOOR):
            raise ValueError(f"floor={floor!r} is for densities that go in; give at least {FLOOR}")
        self.l1, self.mse, self.cross_entropy = l1, mse, cross_entropy
        self.error_bar, self.positive, self.physics = error_bar, positive, physics
        self.floor, self.augment, self.centred = floor, augment, centred
        self.units = {
            "density": density_unit,
            "density_free": density_unit,
            "potential": potential_unit,
        }

    @property
    def in_channels(self) -> int:
        """Channels that `inputs` makes."""
        local = DENSITY_CHANNELS if self.physics and self.sources[0] != "potential" else 0
        return len(self.sources) + local + len(self.constants)

    @property
    def outputs(self) -> tuple[str, ...]:
        """Heads of the network."""
        return (*self.targets, "log_scale") if self.error_bar else self.targets

    @property
    def monitor(self) -> str:
        """The part of the loss that is shown."""
        return self.targets[0]

    def scaled(self, name: str, values: Any) -> Any:
        """Map in the network's units from one in eV or 1/nm^2."""
        values = values / self.units[name]
        return 2.0 * values - 1.0 if self.centred else values

    def physical(self, name: str, values: Any) -> Any:
        """Inverse of `scaled`."""
        values = 0.5 * (values + 1.0) if self.centred else values
        return values * self.units[name]

    def prepare(self, data: xr.Dataset) -> dict[str, torch.Tensor]:
        """Maps and constants of a Dataset with the leading dim sample, in physical units.

        Constants are named ``of_<name>``; ``split`` says which samples train (0), validate (1) or
        test (2), if the data do.
        """
        names = dict.fromkeys((*self.sources, *self.targets))
        absent = [name for name in names if name not in data]
        if absent:
            raise ValueError(f"the dataset holds no {absent[0]!r}; solve it with dot_ci")
        count = data.sizes["sample"]
        out = {name: _tensor(data[name].transpose("sample", "x", "y").values) for name in names}
        for name in self.constants:
            known = data[name].values if name in data else step_heights(data["potential"])
            out[f"of_{name}"] = _tensor(np.broadcast_to(known, (count,)))
        if "split" in data:
            out["split"] = torch.from_numpy(np.array(data["split"].values, dtype=np.int64))
        return out

    def inputs(
        self, batch: Batch, generator: torch.Generator | None
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Channels (B, C, X, Y) and scaled targets; with a generator, each sample moved.

        The targets may be absent, as they are at prediction.
        """
        names = [name for name in (*self.sources, *self.targets) if name in batch]
        maps = {name: self.scaled(name, batch[name]) for name in names}
        if generator is not None and self.augment:
            stacked = torch.stack(list(maps.values()), 1)
            chosen = torch.randint(8, (len(stacked),), generator=generator)
            for element in ELEMENTS:
                rows = chosen == element
                stacked[rows] = move_sites(stacked[rows], element)
            maps = dict(zip(maps, stacked.unbind(1), strict=True))
        if generator is not None and self.floor is not None:
            shape = (len(maps[self.sources[0]]), 1, 1)
            part = (2.0 * torch.rand(shape, generator=generator) - 1.0).clamp(min=0.0)
            part = part.to(maps[self.sources[0]].device)
            lowest = DENSITY_UNIT * FLOOR * (self.floor / FLOOR) ** part
            maps |= {k: torch.maximum(maps[k], self.scaled(k, lowest)) for k in self.sources}
        return self.channels(maps, batch), {k: maps[k] for k in self.targets if k in maps}

    def channels(self, maps: Batch, batch: Batch) -> torch.Tensor:
        """Input channels from scaled maps and the constants in `batch`."""
        shape = maps[self.sources[0]].shape[-2:]
        fields = [maps[name] for name in self.sources]
        if self.physics and self.sources[0] != "potential":
            density = self.physical(self.sources[0], fields[0])
            local = density_channels(density, DENSITY_UNIT, MASS, EPS_R, SIZE_NM, STEP)
            fields += local.unbind(1)
        for name in self.constants:
            given = batch[f"of_{name}"]
            value = EPS_R / given if name == "eps_r" else given / STEP
            fields.append((value - 1.0)[:, None, None].expand(-1, *shape))
        return torch.stack(fields, 1)

    def answer(self, heads: Batch) -> dict[str, torch.Tensor]:
        """Maps in the network's units off the heads of the network."""
        out = dict(heads)
        for name in self.targets:
            if name == "potential" and self.cross_entropy:
                out[name] = torch.sigmoid(heads[name])
            elif name != "potential" and self.positive != "none":
                values = _POSITIVE[self.positive](heads[name])
                mean = DENSITY_UNIT / self.units[name]
                out[name] = values * (mean / values.mean((-2, -1), keepdim=True))
        return out

    def loss(self, predicted: Batch, target: Batch) -> dict[str, torch.Tensor]:
        """Weighted errors of the answers to the heads in `predicted`."""
        answer = self.answer(predicted)
        total = torch.zeros((), device=answer[self.targets[0]].device)
        parts = {}
        for name in self.targets:
            error = answer[name] - target[name]
            parts[name] = error.abs().mean()
            parts[f"square_{name}"] = error.square().mean()
            total = total + self.l1 * parts[name] + self.mse * parts[f"square_{name}"]
        if self.error_bar:
            error = (answer[self.targets[0]] - target[self.targets[0]]).abs()
            parts["scale"] = scale_loss(predicted["log_scale"], error)
            total = total + self.error_bar * parts["scale"]
        if self.cross_entropy and "potential" in self.targets:
            logits, step = predicted["potential"], target["potential"].clamp(0.0, 1.0)
            parts["cross_entropy"] = F.binary_cross_entropy_with_logits(logits, step)
            total = total + self.cross_entropy * parts["cross_entropy"]
        return {"loss": total, **parts}


_POSITIVE: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "softplus": F.softplus,
    "square": lambda head: (1.0 + head).square(),
    "exp": lambda head: torch.exp(head - head.amax((-2, -1), keepdim=True)),
}


def step_heights(potential: xr.DataArray) -> np.ndarray:
    """Difference of the highest and the lowest value (eV) of each potential."""
    return (potential.max(("x", "y")) - potential.min(("x", "y"))).values


class DotDensityTask(DotTask):
    """Potential to the density of two interacting electrons."""


class DotDensityFreeTask(DotTask):
    """Potential to the density without interaction."""

    targets = ("density_free",)


class DotFreeToInteractingTask(DotTask):
    """Density without interaction to the one with it."""

    sources = ("density_free",)


class DotPotentialTask(DotTask):
    """Density of two interacting electrons to the potential that holds them."""

    sources = ("density",)
    targets = ("potential",)


class DotDensityLiveTask(DotTask):
    """Potential, permittivity and step height to both densities."""

    constants = ("eps_r", "step")
    targets = ("density", "density_free")
    ranges: Mapping[str, Any] = {**RANGES, "eps_r": [6.0, 40.0], "step": [0.2, 1.0]}


DOT_TASK_CLASSES: dict[str, type[DotTask]] = {
    "dot_density": DotDensityTask,
    "dot_density_free": DotDensityFreeTask,
    "dot_free_to_interacting": DotFreeToInteractingTask,
    "dot_potential": DotPotentialTask,
    "dot_density_live": DotDensityLiveTask,
}
