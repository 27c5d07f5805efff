"""What the Bose-Hubbard commands of this folder share: resumable Monte Carlo, data files."""

from __future__ import annotations

import argparse
import hashlib
import json
import warnings
from typing import Any

from _common import ROOT

import numpy as np  # isort: skip
import xarray as xr  # isort: skip
from tqdm.auto import tqdm

import qdens_nb as qd
from qdens_nb.solvers._bose_common import unpack
from qdens_nb.solvers._worm_starts import flat_occupations

RUNS = ROOT / "runs" / "bose_bench"
NETWORKS = ("bose_hubbard", "bose_hubbard_cnn", "bose_hubbard_live")


def run_worm(one: xr.Dataset, start: np.ndarray, **settings: Any) -> xr.Dataset:
    """One chain of `solvers.worm`, taken from runs/ if it was done before.

    An interrupted run goes on where it stopped. What the engine would warn of is in the answer:
    ``thermalised``, ``clipped``.
    """
    RUNS.mkdir(parents=True, exist_ok=True)
    key = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    for values in (start, *(one[name].values for name in ("potential", "U", "V", "mu", "T"))):
        key.update(np.ascontiguousarray(values, dtype=np.float64).tobytes())
    done = RUNS / f"{key.hexdigest()[:20]}.nc"
    if done.is_file():
        return qd.datasets.open_dataset(done)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "worm: ")
        answer = qd.solvers.worm(
            one,
            chains=1,
            start=start,
            symmetry_moves=False,
            checkpoint=done.with_suffix(".npz"),
            **settings,
        )
    if answer.attrs["interrupted"]:
        raise SystemExit("interrupted; the same command goes on from here")
    answer["cpu_seconds"] = answer.attrs["cpu_seconds_total"]
    qd.datasets.save(answer, done)
    return answer


def monte_carlo(
    problem: xr.Dataset, *, seed: int, sectors: bool = False, **settings: Any
) -> xr.Dataset:
    """Answers of `solvers.worm` to a batch, each from the best of its `flat_occupations`.

    As start="lowest" of the engine, but every start runs to its end and is kept in runs/. At these
    temperatures the best one is that of the lowest <H> - mu <N>. ``metastable`` is by how much that
    of the worst start is higher, in t: 0 where all starts are the same.
    """
    answers = []
    for i in tqdm(range(problem.sizes["sample"]), desc="worm", unit="sample"):
        one = problem.isel(sample=i, drop=True)
        begins = flat_occupations(unpack(one)[0], sectors)
        found = [run_worm(one, begin, seed=seed + i, **settings) for begin in begins]
        grand = [float(a["energy"] - a["mu"] * a["particle_number"]) for a in found]
        best = int(np.argmin(grand))
        answer = found[best]
        answer["metastable"] = max(grand) - grand[best]
        answer["metastable"].attrs.update(
            units="t", long_name="<H> - mu <N> from the worst start less that from the best"
        )
        answers.append(answer)
    together = xr.concat(answers, "sample", coords="minimal", compat="override", join="override")
    together.attrs = dict(answers[0].attrs)
    together.attrs["cpu_seconds_total"] = float(together["cpu_seconds"].sum())
    together.attrs.pop("cpu_seconds", None)
    return together.assign_coords(problem["sample"].coords)


def mean_field_in(problem: xr.Dataset, density: xr.DataArray) -> xr.Dataset:
    """Gutzwiller answer of a batch in the checkerboard sector of the given density.

    ``sector_advantage`` is by how much the grand potential of the other sector is higher, in t.
    """
    even, odd = (qd.solvers.gutzwiller(problem, start=start) for start in ("even", "odd"))
    dense_odd = qd.analysis.checkerboard_sector(density) == 1
    names = ("density", "density_squared", "density_correlation", "coherence")
    out = problem.copy()
    for name in names:
        chosen = xr.where(dense_odd, odd[name], even[name])
        out[name] = chosen.transpose(*odd[name].dims).assign_attrs(odd[name].attrs)
    advantage = odd["grand_potential"] - even["grand_potential"]
    out["sector_advantage"] = xr.where(dense_odd, -advantage, advantage)
    out["sector_advantage"].attrs.update(
        units="t", long_name="mean-field grand potential of the other sector less that of this one"
    )
    return out


def with_mean_field(answer: xr.Dataset) -> xr.Dataset:
    """Add the mean field in the same sector as gutzwiller_density and others."""
    mean = mean_field_in(answer[["potential", "U", "V", "mu", "T"]], answer["density"])
    names = {name: f"gutzwiller_{name}" for name in ("density", "density_squared", "coherence")}
    return answer.assign(mean[[*names, "sector_advantage"]].rename(names).data_vars)


def ship(
    data: xr.Dataset, name: str, chosen: argparse.Namespace, *, command: str, seed: int
) -> None:
    """Write data/NAME.nc, packed, and enter it into the manifest (if it is the repository's)."""
    path = chosen.out / "data" / f"{name}.nc"
    qd.datasets.save(data, path, packed=True)
    if chosen.out == ROOT:
        qd.datasets.register(path, f"python benchmarks/{command}.py", seed=seed)
    print(f"{path}  {path.stat().st_size / 1e6:.2f} MB", flush=True)


def predictors() -> dict[str, Any]:
    """The networks whose weights are there."""
    found = {}
    for name in NETWORKS:
        try:
            found[name] = qd.load_predictor(name)
        except (ValueError, FileNotFoundError, KeyError) as error:
            print(f"{name}: left out ({str(error).splitlines()[0][:90]})", flush=True)
    return found
