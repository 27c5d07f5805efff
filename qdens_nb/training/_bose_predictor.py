"""The Bose-Hubbard networks as solvers: a checkerboard sector is chosen, or given."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
import xarray as xr
from torch import nn

from qdens_nb._checks import check_choice
from qdens_nb.solvers._bose_common import add_observables, checkerboard
from qdens_nb.systems import check_system
from qdens_nb.training._bose_fields import (
    SectorFields,
    base_observables,
    sector_fields,
    torch_sector_fields,
)
from qdens_nb.training._bose_tasks import OBSERVABLES, direct_channels, gather
from qdens_nb.training._ensemble import density_spread, mean_answer
from qdens_nb.training._square_symmetry import ELEMENTS, inverse, move, move_sites

Maps = dict[str, torch.Tensor]
_SITES_AT_ONCE = 20_000
_TIE = 1e-2
_RULE = (
    "the checkerboard sector whose Gutzwiller mean field has the lower grand potential; where both "
    f"starts end in the same one (within {_TIE} t) the sign of its staggered density decides, and "
    "the even sites where it has none"
)


class _Problem:
    """Plain arrays of a problem, batched."""

    def __init__(self, problem: xr.Dataset, name: str) -> None:
        if "y" not in problem["potential"].dims:
            raise ValueError(f"{name!r} is trained on the torus; this problem is a ring")
        if {"x", "y"} & set(problem["U"].dims):
            raise ValueError(f"{name!r} takes one U for all sites; this problem has a U per site")
        if float(problem["U"].min()) <= 0:
            raise ValueError(f"{name!r} sees energies in units of U; give U > 0")
        self.batched = "sample" in problem["potential"].dims
        dims = (*(("sample",) if self.batched else ()), "x", "y")
        potential = problem["potential"].transpose(*dims).values.astype(np.float64)
        potential = potential if self.batched else potential[None]
        self.U, self.V, self.mu, self.T = (
            np.broadcast_to(problem[key].values, len(potential)).astype(np.float64)
            for key in ("U", "V", "mu", "T")
        )
        self.local_mu = self.mu[:, None, None] - potential
        self.n_max = int(problem.attrs["n_max"])

    def part(self, rows: slice) -> _Problem:
        """Some of the samples."""
        out = object.__new__(_Problem)
        out.batched, out.n_max = True, self.n_max
        for key in ("U", "V", "mu", "T", "local_mu"):
            setattr(out, key, getattr(self, key)[rows])
        return out


class BosePredictor:
    """The paper's network: sees (mu - v)/U, 4t/U, 4V/U and the sector.

    Attributes
    ----------
    name : str
    card : dict
        Configuration, data, ranges, calibration and checksum of the weights.
    """

    _sees_mean_field = False

    def __init__(self, name: str, members: Sequence[nn.Module], card: dict[str, Any]) -> None:
        self.name = name
        self.members = list(members)
        self.card = card
        self.factor = float(card["calibration"].get("stderr_factor", 1.0))

    def __call__(
        self, problem: xr.Dataset, sector: Any = "auto", *, symmetrise: bool = True
    ) -> xr.Dataset:
        """Predict the observables of `problem`.

        Parameters
        ----------
        problem : Dataset
            From `qdens_nb.bose_hubbard`, on a torus.
        sector : {"auto", 0, 1} or (sample,) array of 0 and 1
            Which sites of a checkerboard are the denser ones: 0 the even (x + y even), 1 the odd.
            "auto" takes the sector whose Gutzwiller mean field has the lower grand potential. To
            compare with a solved problem take `sector_of` it: a simulation may hold the other one.
        symmetrise : bool
            Average over the eight symmetries of the square: more accurate, eight times the work.

        Returns
        -------
        Dataset
            The problem with density, density_stderr, density_squared, density_correlation,
            coherence, particle_number and the sector; the attr ``sector_rule`` tells how it was
            chosen.

        Raises
        ------
        ValueError
            Another system, a ring, a U that depends on the site, an unknown sector.
        """
        check_system(problem, "bose_hubbard")
        arrays = _Problem(problem, self.name)
        self._warn_outside(arrays)
        count, *shape = arrays.local_mu.shape
        sectors = _wanted(sector, count)
        step = max(1, _SITES_AT_ONCE // int(np.prod(shape)))
        parts = []
        with torch.inference_mode():
            for start in range(0, count, step):
                rows = slice(start, start + step)
                wanted = None if sectors is None else sectors[rows]
                parts.append(self._predict(arrays.part(rows), wanted, symmetrise))
        values = {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
        if not arrays.batched:
            values = {key: value[0] for key, value in values.items()}
        options = {
            "model": self.card["model"],
            "sha256": self.card["sha256"][:12],
            "sector": "auto" if sectors is None else "given",
            "symmetrise": symmetrise,
        }
        out = add_observables(problem, values, f"network:{self.name}", options)
        out.attrs["sector_rule"] = _RULE if sectors is None else "as was asked for"
        return out

    def torch_density(
        self, local: torch.Tensor, U: Any, V: Any, sector: Any = 0, T: Any = 0.25, n_max: int = 3
    ) -> torch.Tensor:
        """Density (B, X, Y) from (mu - v)/U (B, X, Y), differentiable in it and in U and V.

        Parameters
        ----------
        local : tensor (B, X, Y)
        U, V : float or tensor (B,)
            In units of t.
        sector : 0, 1 or tensor (B,) of them
        T, n_max
            As in `qdens_nb.bose_hubbard`.
        """
        return self.torch_observables(local, U, V, sector, T, n_max)["density"]

    def torch_observables(
        self, local: torch.Tensor, U: Any, V: Any, sector: Any = 0, T: Any = 0.25, n_max: int = 3
    ) -> Maps:
        """All maps, as `torch_density`: those of sites (B, X, Y), those of bonds (B, 2, X, Y)."""
        U, V, sector, T = (
            torch.as_tensor(value, dtype=local.dtype).expand(len(local))
            for value in (U, V, sector, T)
        )
        channels, base = self._torch_channels(local, U, V, 1.0 - 2.0 * sector, T, n_max)
        mean = mean_answer([gather(member(channels.float())) for member in self.members])
        maps = {name: mean[name].to(local.dtype) for name in OBSERVABLES}
        return {name: value + base[name] if base else value for name, value in maps.items()}

    def _torch_channels(
        self,
        local: torch.Tensor,
        U: torch.Tensor,
        V: torch.Tensor,
        sign: torch.Tensor,
        T: torch.Tensor,
        n_max: int,
    ) -> tuple[torch.Tensor, Maps]:
        return direct_channels(local, 4.0 / U, 4.0 * V / U, sign), {}

    @staticmethod
    def sector_of(solved: xr.Dataset) -> np.ndarray:
        """Sector of each sample of a solved problem, to be given to a prediction."""
        return sector_of(solved)

    def _predict(
        self, problem: _Problem, sectors: np.ndarray | None, symmetrise: bool
    ) -> dict[str, np.ndarray]:
        fields = None
        if sectors is None or self._sees_mean_field:
            fields = sector_fields(problem.local_mu, problem.U, problem.V, problem.T, problem.n_max)
        if sectors is None:
            assert fields is not None
            sectors = choose_sector(fields)
        U = torch.from_numpy(problem.U)
        local = torch.from_numpy(problem.local_mu) / U[:, None, None]
        sign = torch.from_numpy(1.0 - 2.0 * sectors)
        channels = direct_channels(local, 4.0 / U, 4.0 * torch.from_numpy(problem.V) / U, sign)
        base: Mapping[str, torch.Tensor] = {}
        if self._sees_mean_field and fields is not None:
            odd = (sectors == 1)[:, None, None, None]
            seen = torch.from_numpy(np.where(odd, *fields.values[::-1]))
            channels, base = torch.cat([channels, seen], 1), base_observables(seen)
        mean, spread = self._average(channels.float(), symmetrise)
        maps = {k: (v + base[k] if base else v).numpy() for k, v in mean.items()}
        maps = physical(maps, problem.n_max)
        maps["density_stderr"] = self.factor * spread.numpy()
        maps["particle_number"] = maps["density"].sum((-1, -2))
        maps["sector"] = sectors
        return maps

    def _average(self, channels: torch.Tensor, symmetrise: bool) -> tuple[Maps, torch.Tensor]:
        """Answers and spread of the ensemble, over the images of the problem too."""
        images, spreads = [], []
        for element in ELEMENTS if symmetrise else ELEMENTS[:1]:
            moved = move_sites(channels, element)
            answers = [gather(member(moved)) for member in self.members]
            back = inverse(element)
            mean = mean_answer(answers)
            images.append({name: move(name, mean[name], back) for name in OBSERVABLES})
            spreads.append(move_sites(density_spread(answers), back))
        total = {name: value.double() for name, value in mean_answer(images).items()}
        return total, torch.stack(spreads).mean(0).double()

    def _warn_outside(self, problem: _Problem) -> None:
        ranges = self.card["ranges"]
        given = {
            "4t/U": 4.0 / problem.U,
            "4V/U": 4.0 * problem.V / problem.U,
            "T": problem.T,
        }
        reasons = []
        for key, values in given.items():
            low, high = ranges[key]
            if (values < low - 1e-6).any() or (values > high + 1e-6).any():
                there = f"[{low}, {high}]" if low < high else f"{low}"
                reasons.append(
                    f"{key} is outside {there}" if low < high else f"{key} is not {there}"
                )
        highest = float((problem.local_mu / problem.U[:, None, None]).max())
        if highest > ranges["(mu - v)/U"][1] + 1e-6:
            reasons.append(f"(mu - v)/U reaches {highest:.2f}, above {ranges['(mu - v)/U'][1]}")
        if problem.n_max != 3:
            reasons.append("n_max is not 3")
        shape = problem.local_mu.shape[1:]
        fewest = min(min(sides) for sides in ranges.get("sites") or [shape])
        if min(shape) < fewest:
            reasons.append(f"the torus of {shape[0]} x {shape[1]} has a side below {fewest}")
        if reasons:
            warnings.warn(
                f"{'; '.join(reasons)}, what {self.name!r} was trained on; the answer is an "
                "extrapolation",
                stacklevel=3,
            )


class BoseCorrectionPredictor(BosePredictor):
    """Our network: sees the Gutzwiller mean field of the sector too and corrects it."""

    _sees_mean_field = True

    def _torch_channels(
        self,
        local: torch.Tensor,
        U: torch.Tensor,
        V: torch.Tensor,
        sign: torch.Tensor,
        T: torch.Tensor,
        n_max: int,
    ) -> tuple[torch.Tensor, Maps]:
        fields = torch_sector_fields(local * U[:, None, None], U, V, T, n_max)
        seen = torch.where(sign[:, None, None, None] > 0, *fields.values)
        channels, _ = super()._torch_channels(local, U, V, sign, T, n_max)
        return torch.cat([channels, seen], 1), base_observables(seen)


def _wanted(sector: Any, count: int) -> np.ndarray | None:
    """Sectors (count,) that were asked for, None for "auto"."""
    if isinstance(sector, str):
        check_choice("sector", sector, ("auto", 0, 1))
        return None
    values = np.asarray(sector)
    if values.shape not in ((), (count,)) or not np.isin(values, (0, 1)).all():
        raise ValueError(
            f"sector={sector!r}; choose 'auto', 0 (even sites), 1 (odd sites) or an array of "
            f"{count} of them"
        )
    return np.broadcast_to(values, count).astype(int)


def sector_of(solved: xr.Dataset) -> np.ndarray:
    """Sector of each sample of a solved problem: 0 if the even sites are the denser ones, else 1.

    Returns
    -------
    int array (sample,), without dims for a single problem
    """
    density = solved["density"].transpose(..., "x", "y").values
    return np.where((density * checkerboard(density.shape[-2:])).sum((-1, -2)) >= 0, 0, 1)


def choose_sector(fields: SectorFields) -> np.ndarray:
    """The sector (B,) of the lower mean field; see the attr ``sector_rule`` of a prediction."""
    even, odd = fields.grand_potential
    board = checkerboard(fields.values[0].shape[-2:])
    staggered = sum((values[:, 0] * board).sum((1, 2)) for values in fields.values)
    same = np.abs(even - odd) < _TIE
    return np.where(same, staggered < -1e-6 * board.size, odd < even).astype(int)


def physical(maps: Mapping[str, np.ndarray], n_max: int) -> dict[str, np.ndarray]:
    """Maps within the bounds that hold for any state of at most `n_max` bosons a site."""
    n = np.clip(maps["density"], 0.0, n_max)
    product = np.stack([n * np.roll(n, -1, -2), n * np.roll(n, -1, -1)], -3)
    bound = np.sqrt(product)
    return {
        "density": n,
        "density_squared": np.clip(maps["density_squared"], np.maximum(n, n**2), n_max * n),
        "density_correlation": np.clip(maps["density_correlation"], 0.0, None),
        "coherence": np.clip(maps["coherence"], -bound, bound),
    }
