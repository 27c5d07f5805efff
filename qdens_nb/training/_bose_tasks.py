"""What the Bose-Hubbard networks see and answer.

``bose_hubbard_cnn``: the paper's. Inputs (mu - v)/U, 4t/U, 4V/U and a checkerboard that names the
sector; outputs the observables themselves.
``bose_hubbard``: ours. The fields of the Gutzwiller mean field in that sector come as further
inputs, and the outputs are corrections to them.

The sector of a sample is +1 if its even sites are the denser ones, else -1. A translation needs no
augmentation: the networks are equivariant, the checkerboard moves along.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
import xarray as xr

from qdens_nb.solvers._bose_common import checkerboard
from qdens_nb.training._bose_fields import FIELDS, base_observables, sector_fields
from qdens_nb.training._square_symmetry import BONDS, move, move_sites

SITES = ("density", "density_squared")
OBSERVABLES = (*SITES, *BONDS)
HEADS = (*SITES, *(f"{name}_{d}" for name in BONDS for d in "xy"), "log_scale")
#: typical size of the values, in which errors are counted
SCALE = {"density": 1.0, "density_squared": 3.0, "density_correlation": 3.0, "coherence": 0.7}
#: (mu - v)/U beyond these is cut: far below the site is empty, far above it is full
LOCAL_RANGE = (-1.5, 3.5)
RANGES = {"4t/U": [0.05, 1.0], "4V/U": [0.0, 1.75], "T": [0.25, 0.25], "(mu - v)/U": [-1.0, 3.3]}
Batch = Mapping[str, torch.Tensor]


def _tensor(values: Any) -> torch.Tensor:
    return torch.from_numpy(np.array(values, dtype=np.float32))


def direct_channels(
    local: torch.Tensor, hopping: torch.Tensor, repulsion: torch.Tensor, sector: torch.Tensor
) -> torch.Tensor:
    """Channels (B, 4, X, Y) from (mu - v)/U (B, X, Y), and 4t/U, 4V/U, the sector +-1 (B,)."""
    shape = local.shape[-2:]
    board = torch.as_tensor(checkerboard(tuple(shape)), dtype=local.dtype, device=local.device)
    flat = torch.stack([2.0 * hopping - 1.0, repulsion - 1.0], 1)[..., None, None]
    centred = (local.clamp(*LOCAL_RANGE) - 1.0)[:, None]
    board = (sector[:, None, None] * board)[:, None]
    return torch.cat([centred, flat.expand(-1, -1, *shape), board], 1)


def gather(heads: Batch) -> dict[str, torch.Tensor]:
    """Maps of the heads as observables, the bonds' directions stacked (B, 2, X, Y)."""
    out = {name: heads[name] for name in (*SITES, "log_scale")}
    return out | {k: torch.stack([heads[f"{k}_x"], heads[f"{k}_y"]], -3) for k in BONDS}


class BoseDirectTask:
    """The paper's task: observables from (mu - v)/U, the couplings and the sector."""

    system = "bose_hubbard"
    in_channels = 4
    outputs = HEADS
    fixed_number = False
    ranges: Mapping[str, Any] = RANGES

    def __init__(
        self,
        floor: float = 0.02,
        huber: float | None = None,
        scale: float = 0.02,
        thermalised_only: bool = True,
    ) -> None:
        """Loss: squares of error / (stderr^2 + floor^2)^1/2, linear from `huber` on.

        The likelihood of the learnt spread has the weight `scale`.
        """
        self.floor, self.huber, self.scale = floor, huber, scale
        self.thermalised_only = thermalised_only

    def prepare(self, data: xr.Dataset) -> dict[str, torch.Tensor]:
        """Tensors of a Dataset of one size, leading dim the samples."""
        if "density" not in data:
            raise ValueError("the dataset holds no 'density'; solve it or use from_arrays")
        data = data.transpose("sample", ..., "x", "y")
        if self.thermalised_only and "thermalised" in data:
            data = data.isel(sample=(data["thermalised"] > 0).values)
        count, *shape = data["potential"].shape
        couplings = {
            name: np.broadcast_to(data[name].values, (count,)) for name in ("U", "V", "mu", "T")
        }
        local = couplings["mu"][:, None, None] - data["potential"].values
        staggered = (data["density"].values * checkerboard(tuple(shape))).sum((1, 2))
        sector = np.where(staggered >= 0, 1.0, -1.0)
        out = {
            "local": _tensor(local / couplings["U"][:, None, None]),
            "hopping": _tensor(4.0 / couplings["U"]),
            "repulsion": _tensor(4.0 * couplings["V"] / couplings["U"]),
            "sector": _tensor(sector),
        }
        for name in OBSERVABLES:
            size = (count, 2, *shape) if name in BONDS else (count, *shape)
            out[name] = _tensor(data[name].values if name in data else np.full(size, np.nan))
            error = f"{name}_stderr"
            out[error] = torch.nan_to_num(
                _tensor(data[error].values if error in data else np.zeros(size))
            )
        return out | self._fields(local, couplings, sector, int(data.attrs.get("n_max", 3)))

    def _fields(
        self, local: np.ndarray, couplings: Mapping[str, np.ndarray], sector: np.ndarray, n_max: int
    ) -> dict[str, torch.Tensor]:
        return {}

    def inputs(self, batch: Batch, generator: torch.Generator | None) -> tuple[torch.Tensor, dict]:
        """Input channels and targets; with a generator, moved by a symmetry of the square."""
        channels, base = self.channels(batch)
        names = (*OBSERVABLES, *(f"{name}_stderr" for name in OBSERVABLES))
        target = {name: batch[name] for name in names}
        target |= {name: target[name] - value for name, value in base.items()}
        if generator is not None:
            element = int(torch.randint(8, (), generator=generator))
            channels = move_sites(channels, element)
            target = {k: move(k.removesuffix("_stderr"), v, element) for k, v in target.items()}
        return channels, target

    def channels(self, batch: Batch) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Input channels, and what the network's answer is to be added to."""
        return direct_channels(*(batch[k] for k in ("local", "hopping", "repulsion", "sector"))), {}

    def loss(self, predicted: Batch, target: Batch) -> dict[str, torch.Tensor]:
        """Weighted squares of all observables; mean absolute errors for the log."""
        answer = gather(predicted)
        total = torch.zeros(())
        parts = {}
        for name in OBSERVABLES:
            known = ~torch.isnan(target[name])
            error = torch.where(known, answer[name] - torch.nan_to_num(target[name]), 0.0)
            count = known.sum().clamp(min=1)
            stderr = target[f"{name}_stderr"] / SCALE[name]
            relative = error / SCALE[name] / torch.sqrt(stderr**2 + self.floor**2)
            weight = 2.0 if name == "density" else 1.0
            total = total + weight * self._square(relative).sum() / count
            parts[name] = error.detach().abs().sum() / count
            if name == "density":
                spread = torch.exp(2.0 * answer["log_scale"]) + target["density_stderr"] ** 2 + 1e-6
                likelihood = 0.5 * (spread.log() + error.detach() ** 2 / spread)
                parts["scale"] = (likelihood * known).sum() / count
        return {"loss": total + self.scale * parts["scale"], **parts}

    def _square(self, relative: torch.Tensor) -> torch.Tensor:
        if self.huber is None:
            return relative**2
        size = relative.abs()
        return torch.where(size < self.huber, size**2, self.huber * (2 * size - self.huber))


class BoseCorrectionTask(BoseDirectTask):
    """Our task: the difference between the exact answer and the Gutzwiller mean field."""

    in_channels = 4 + len(FIELDS)

    def _fields(
        self, local: np.ndarray, couplings: Mapping[str, np.ndarray], sector: np.ndarray, n_max: int
    ) -> dict[str, torch.Tensor]:
        U, V, T = (couplings[name] for name in ("U", "V", "T"))
        fields = sector_fields(local, U, V, T, n_max)
        return {"fields": _tensor(np.where(sector[:, None, None, None] > 0, *fields.values))}

    def channels(self, batch: Batch) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        plain, _ = super().channels(batch)
        return torch.cat([plain, batch["fields"]], 1), base_observables(batch["fields"])
