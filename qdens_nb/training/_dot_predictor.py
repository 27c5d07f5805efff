"""The networks of the quantum dots as solvers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import xarray as xr
from torch import nn

import qdens_nb
from qdens_nb.solvers._dot_ci import DOT_OBSERVABLES
from qdens_nb.systems import quantum_dot
from qdens_nb.training._config import TrainConfig
from qdens_nb.training._dot_border import Given
from qdens_nb.training._dot_calibration import mean_maps
from qdens_nb.training._dot_tasks import DENSITY_UNIT, EPS_R, SIZE_NM, STEP
from qdens_nb.training._registry import build_task

#: of the tails that the potential is read from, see `DotPredictor.__call__`
_FLOOR = 3e-4
_SAMPLES_AT_ONCE = 32


class DotPredictor:
    """A network of the dots: one map, or one and two constants, to one or two maps.

    Attributes
    ----------
    name : str
    card : dict
        Configuration, data, ranges, units, calibration and checksum of the weights.
    task : DotTask
        What goes in (``sources``, ``constants``), what comes out (``targets``), and the scaling.
    """

    def __init__(self, name: str, members: Sequence[nn.Module], card: dict[str, Any]) -> None:
        self.name = name
        self.members = list(members)
        self.card = card
        self.task = build_task(TrainConfig(**card["config"]))
        self.factor = float(card["calibration"].get("stderr_factor", 1.0))

    def __call__(
        self,
        problem: xr.Dataset,
        *,
        symmetrise: bool | None = None,
        two_valued: bool = False,
        floor: float | None = None,
    ) -> xr.Dataset:
        """Predict for `problem`.

        Parameters
        ----------
        problem : Dataset
            From `qdens_nb.quantum_dot`. ``dot_free_to_interacting`` starts from its
            ``density_free``, ``dot_potential`` from its ``density`` (1/nm^2); both take any Dataset
            with that map, with ``mass`` and ``eps_r`` (default: GaAs) and the attr ``size_nm``
            (default: 30).
        symmetrise : bool, optional
            Average over the eight symmetries of the square: more accurate, eight times the work.
            By default all but ``dot_density_live`` do.
        two_valued : bool
            Round a predicted potential to 0 or the step; otherwise it is the step times its
            probability.
        floor : float, optional
            Do not believe the tails of a density that goes in: values below this part of the even
            density (2 electrons over the square) are raised to it. By default 3e-4 for
            ``dot_potential`` and 0 else. An exact density of a dot like those trained on is
            inverted best with 0; small dots, whose tails are longer than any trained on, need a
            floor, and one that is drawn, measured or predicted is known to 1e-3 or so.

        Returns
        -------
        Dataset
            The problem with `density` (and `density_free`) in 1/nm^2, or with the `potential` in eV
            (in place of one that was there), ready for `qdens_nb.solvers.dot_ci`. Where the network
            learnt it, also with a standard error (``_stderr``).

        Raises
        ------
        TypeError, ValueError
            Another system, no such map, a grid that the network cannot take, NaN, a density that
            does not integrate to two electrons.

        Warns
        -----
        UserWarning
            Outside of what the network was trained on.
        """
        source = self.task.sources[0]
        given = Given(problem, source, getattr(self.members[0], "divisor", 8))
        given.warn_outside(self.name, self.card["ranges"])
        if floor is None:
            floor = _FLOOR if "potential" in self.task.targets else 0.0
        if floor > 0 and source != "potential":
            given.source = np.maximum(given.source, floor * DENSITY_UNIT)
        if symmetrise is None:
            symmetrise = not self.task.constants
        parts = []
        with torch.inference_mode():
            for start in range(0, len(given.source), _SAMPLES_AT_ONCE):
                rows = slice(start, start + _SAMPLES_AT_ONCE)
                batch = {source: given.source[rows]}
                batch |= {f"of_{name}": getattr(given, name)[rows] for name in self.task.constants}
                tensors = {k: torch.from_numpy(v).float() for k, v in batch.items()}
                channels, _ = self.task.inputs(tensors, None)
                found = mean_maps(self.task, self.members, channels, symmetrise)
                parts.append({k: v.double().numpy() for k, v in found.items()})
        values = {k: np.concatenate([part[k] for part in parts]) for k in parts[0]}
        return self._label(problem, given, values, symmetrise, two_valued)

    def torch_maps(
        self, source: torch.Tensor, *, eps_r: Any = EPS_R, step: Any = STEP
    ) -> dict[str, torch.Tensor]:
        """Maps (B, X, Y) in 1/nm^2 or eV from the map that goes in, differentiable in it.

        Parameters
        ----------
        source : tensor (B, X, Y)
            In eV or 1/nm^2, of a GaAs dot of 30 nm.
        eps_r, step : float or tensor (B,)
            For ``dot_density_live``.
        """
        name = self.task.sources[0]
        batch = {name: source.float()}
        for constant, value in (("eps_r", eps_r), ("step", step)):
            batch[f"of_{constant}"] = torch.as_tensor(value).float().expand(len(source))
        channels, _ = self.task.inputs(batch, None)
        found = mean_maps(self.task, self.members, channels, False)
        return {k: self.task.physical(k, found[k]).to(source.dtype) for k in self.task.targets}

    def _label(
        self,
        problem: xr.Dataset,
        given: Given,
        values: dict[str, np.ndarray],
        symmetrise: bool,
        two_valued: bool,
    ) -> xr.Dataset:
        result = problem.drop_vars("energy", errors="ignore").copy()
        first = self.task.targets[0]
        for name in self.task.targets:
            maps = self.task.physical(name, values[name])
            spread = (
                self.factor * values["spread"] if name == first and "spread" in values else None
            )
            scale: Any = (SIZE_NM / given.size) ** 2
            if name == "potential":
                result = self._with_potential(problem, given)
                step = self.task.units["potential"]
                maps = np.where(maps > step / 2, step, 0.0) if two_valued else maps
                scale = (1.0 / given.energy_scale)[:, None, None]
            _put(result, given, name, maps * scale)
            if spread is not None:
                unit = self.task.physical(name, 1.0) - self.task.physical(name, 0.0)
                _put(result, given, f"{name}_stderr", spread * unit * scale)
        options = {
            "model": self.card["model"],
            "sha256": self.card["sha256"][:12],
            "symmetrise": symmetrise,
        }
        if first == "potential":
            options["two_valued"] = two_valued
        result.attrs.update(
            engine=f"network:{self.name}",
            engine_version=qdens_nb.__version__,
            engine_options=json.dumps(options, sort_keys=True),
        )
        return result

    def _with_potential(self, problem: xr.Dataset, given: Given) -> xr.Dataset:
        """A problem without potential as one of `qdens_nb.quantum_dot`, to be filled."""
        empty = np.zeros_like(given.source) if given.batched else np.zeros_like(given.source[0])
        mass, eps_r = given.mass, given.given_eps_r
        if not given.batched:
            mass, eps_r = mass[0], eps_r[0]
        made = quantum_dot(empty, mass=mass, eps_r=eps_r, size=given.size)
        rest = problem.drop_vars(
            ["potential", "x", "y", "mass", "eps_r", "energy"], errors="ignore"
        )
        return made.merge(rest).assign_attrs(made.attrs)


def _put(result: xr.Dataset, given: Given, name: str, values: np.ndarray) -> None:
    dims = given.dims
    result[name] = (dims, values if given.batched else values[0])
    base = name.removesuffix("_stderr")
    _, units, long_name = DOT_OBSERVABLES.get(base, ((), "eV", "confinement"))
    long_name = long_name if base == name else f"standard error of {base}"
    result[name].attrs.update(units=units, long_name=long_name)
