"""Files keep what they are given; own arrays become Datasets; torch gets one size at a time."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr

import qdens_nb as qd
from qdens_nb import datasets
from qdens_nb.datasets import _files


def solved(samples: int = 6, sites: int = 8, seed: int = 0) -> xr.Dataset:
    rng = np.random.default_rng(seed)
    problem = qd.fermion_chain(
        rng.normal(size=(samples, sites)), V=rng.uniform(0, 2, samples), mu=0.3
    )
    return qd.solvers.chain_ed(problem)


# Files


@pytest.mark.parametrize(
    "problem",
    [
        qd.fermion_chain(np.linspace(-1, 1, 8), V=0.1, flux=0.2),
        qd.bose_hubbard(np.zeros((3, 4, 4)), mu=[1.0, 2.0, 3.0]),
        qd.quantum_dot(np.eye(8)),
        solved(),
    ],
    ids=["chain", "bosons", "dot", "solved"],
)
def test_round_trip_loses_nothing(problem: xr.Dataset, tmp_path: Path) -> None:
    again = datasets.open_dataset(datasets.save(problem, tmp_path / "new" / "a.nc"))
    xr.testing.assert_identical(again, problem)
    assert list(again) == list(problem) and list(again.attrs) == list(problem.attrs)
    assert {n: v.dtype for n, v in again.variables.items()} == {
        n: v.dtype for n, v in problem.variables.items()
    }


def test_packing_keeps_its_stated_precision_and_saves_space(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    data = datasets.from_arrays(
        rng.normal(size=(4000, 16)),
        rng.uniform(size=(4000, 16)),
        current=rng.normal(size=(4000, 16)),
        energy=rng.normal(size=4000),
    )
    plain = datasets.save(data.astype(np.float32), tmp_path / "plain.nc")
    packed = datasets.save(data, tmp_path / "packed.nc", packed=True)
    assert packed.stat().st_size < 0.8 * plain.stat().st_size
    again = datasets.open_dataset(packed)
    np.testing.assert_array_equal(again["potential"], data["potential"].astype(np.float32))
    np.testing.assert_array_equal(again["energy"], data["energy"].astype(np.float32))
    for name in ("density", "current"):
        stated = again[name].attrs["packing_error"]
        span = float(np.ptp(data[name].values))
        assert stated < 1.1 * span / 131068 + 1e-5
        assert float(np.abs(again[name] - data[name]).max()) <= stated
    flat = datasets.save(data.assign(density=0 * data["density"] + 0.5), packed, packed=True)
    assert (datasets.open_dataset(flat)["density"] == 0.5).all()
    with pytest.raises(ValueError, match="'density' holds NaN"):
        datasets.save(data.assign(density=data["density"].where(False)), packed, packed=True)


def test_save_refuses_what_cannot_be_read_again(tmp_path: Path) -> None:
    data = solved(1)
    with pytest.raises(ValueError, match=r"ends in \.nc"):
        datasets.save(data, tmp_path / "a.h5")
    with pytest.raises(ValueError, match="not a Dataset of qdens_nb"):
        datasets.save(xr.Dataset({"a": 1}), tmp_path / "a.nc")
    with pytest.raises(ValueError, match="does not fit"):
        datasets.save(data.assign_attrs(note={"a": 1}), tmp_path / "a.nc")
    assert list(tmp_path.iterdir()) == []


def test_full_disk_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    old = solved(1)
    path = datasets.save(old, tmp_path / "a.nc")
    with monkeypatch.context() as patch:
        patch.setattr(_files.os, "fsync", full)
        with pytest.raises(OSError, match="disk is full"):
            datasets.save(solved(2), path)
    with monkeypatch.context() as patch:
        patch.setattr(_files.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 10}))
        with pytest.raises(OSError, match="disk is full"):
            datasets.save(solved(2), path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.nc"]
    xr.testing.assert_identical(datasets.open_dataset(path), old)


def test_open_says_what_is_wrong_with_a_file(tmp_path: Path) -> None:
    path = tmp_path / "a.nc"
    with pytest.raises(FileNotFoundError):
        datasets.open_dataset(path)
    whole = datasets.save(
        qd.fermion_chain(np.random.default_rng(0).normal(size=(200, 8))), tmp_path / "whole.nc"
    ).read_bytes()
    for damaged in (b"no netCDF at all", b"", whole[: len(whole) // 2]):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match="not a netCDF file, or is damaged"):
            datasets.open_dataset(path)
    xr.Dataset({"temperature": ("time", [1.0])}).to_netcdf(path)
    with pytest.raises(ValueError, match="not a Dataset of qdens_nb"):
        datasets.open_dataset(path)
    solved(2).rename(x="site").to_netcdf(path)
    with pytest.raises(ValueError, match="potential of fermion_chain has dims"):
        datasets.open_dataset(path)


# Folders


def test_open_shards_joins_files_by_size(tmp_path: Path) -> None:
    parts = [solved(3, 8, 1), solved(2, 9, 2), solved(4, 8, 3).drop_attrs(deep=False)]
    parts[2].attrs = parts[0].attrs | {"note": "second"}
    for i, part in enumerate(parts):
        datasets.save(part, tmp_path / f"{i}.nc")
    data = datasets.open_shards(tmp_path)
    assert list(data) == [8, 9]
    joined = xr.concat([parts[0]["density"], parts[2]["density"]], "sample")
    np.testing.assert_array_equal(data[8]["density"], joined)
    assert data[8]["mu"].dims == ("sample",)
    assert "note" not in data[8].attrs and data[8].attrs["system"] == "fermion_chain"
    chosen = datasets.open_shards(tmp_path, sites=9, variables=["density"])
    assert list(chosen) == [9] and set(chosen[9].data_vars) == {"potential", "density"}


def test_open_shards_takes_single_problems_and_single_files(tmp_path: Path) -> None:
    one = qd.solvers.chain_ed(qd.fermion_chain(np.zeros(7), V=1.0))
    path = datasets.save(one, tmp_path / "one.nc")
    data = datasets.open_shards(path)[7]
    assert data.sizes["sample"] == 1
    np.testing.assert_array_equal(data["density"][0], one["density"])


def test_open_shards_refuses_what_cannot_be_stacked(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no data set"):
        datasets.open_shards(tmp_path)
    datasets.save(solved(2), tmp_path / "a.nc")
    with pytest.raises(ValueError, match="holds no entropy"):
        datasets.open_shards(tmp_path, variables=["entropy"])
    with pytest.raises(ValueError, match=r"no L=\[12\], only \[8\]"):
        datasets.open_shards(tmp_path, sites=[8, 12])
    datasets.save(solved(2).drop_vars("current"), tmp_path / "b.nc")
    with pytest.raises(ValueError, match=r"differ in current.*variables="):
        datasets.open_shards(tmp_path)
    assert datasets.open_shards(tmp_path, variables=["density"])[8].sizes["sample"] == 4
    open_chain = solved(2)
    open_chain.attrs["boundary"] = "open"
    datasets.save(open_chain, tmp_path / "b.nc")
    with pytest.raises(ValueError, match="boundary='open'"):
        datasets.open_shards(tmp_path)


def test_split_shares_no_potential_and_loses_no_sample() -> None:
    rng = np.random.default_rng(0)
    potentials = np.repeat(rng.normal(size=(50, 8)), 9, axis=0)
    data = qd.fermion_chain(potentials, V=np.arange(450.0))
    large, small = datasets.split(data, 0.2, seed=1)
    sets = [{row.tobytes() for row in part["potential"].values} for part in (large, small)]
    assert len(sets[0]) == 40 and len(sets[1]) == 10 and not sets[0] & sets[1]
    assert sorted([*large["V"].values, *small["V"].values]) == list(range(450))
    again, _ = datasets.split(data, 0.2, seed=1)
    xr.testing.assert_identical(again, large)
    with pytest.raises(ValueError, match="fraction"):
        datasets.split(data, 2, seed=0)
    with pytest.raises(ValueError, match="one sample only"):
        datasets.split(data.isel(sample=0), seed=0)


def test_describe_counts_and_ranges(tmp_path: Path) -> None:
    for i, sites in enumerate((8, 8, 9)):
        datasets.save(solved(3, sites, i), tmp_path / f"{i}.nc")
    report = datasets.describe(tmp_path)
    assert report["samples"] == {"8": 6, "9": 3} and report["planned"] is None
    density = report["variables"]["density"]
    assert density["units"] == "1" and 0 <= density["lowest"] < density["highest"] <= 1
    assert report["attributes"]["engine"] == "chain_ed"


# Own and measured data


def test_from_arrays_gives_the_dataset_of_a_solver(tmp_path: Path) -> None:
    exact = solved(5)
    own = datasets.from_arrays(
        exact["potential"].values,
        exact["density"].values,
        V=exact["V"].values,
        mu=0.3,
        density_stderr=np.full((5, 8), 0.01),
        current=exact["current"],
        energy=exact["energy"],
    )
    assert own.attrs["engine"] == "measured"
    for name in ("potential", "density", "V", "mu", "current", "energy"):
        np.testing.assert_array_equal(own[name], exact[name])
        assert own[name].dims == exact[name].dims and own[name].attrs == exact[name].attrs
    np.testing.assert_allclose(own["particle_number"], exact["particle_number"], atol=1e-9)
    assert own["density_stderr"].attrs["long_name"] == "standard error of density"
    again = datasets.open_shards(datasets.save(own, tmp_path / "own.nc"))[8]
    xr.testing.assert_equal(again, own.assign(flux=again["flux"], mu=again["mu"]))
    score = qd.metrics.evaluate(qd.solvers.chain_ed, again)
    assert score["density"]["max"] < 1e-9


def test_from_arrays_of_a_dot_counts_electrons_by_area() -> None:
    dot = datasets.from_arrays(
        np.zeros((64, 64)), np.full((64, 64), 2 / 900), system="quantum_dot", size=30.0
    )
    assert dot["density"].attrs["units"] == "1/nm^2"
    assert float(dot["particle_number"]) == pytest.approx(2.0)


def test_from_arrays_takes_single_samples_and_two_dimensions() -> None:
    one = datasets.from_arrays(np.zeros(8), np.full(8, 0.5), engine="microscope")
    assert one["density"].dims == ("x",) and one.attrs["engine"] == "microscope"
    torus = datasets.from_arrays(
        np.zeros((2, 4, 4)), np.full((2, 4, 4), 2.5), system="bose_hubbard", U=10.0, mu=[1.0, 2.0]
    )
    assert torus["density"].dims == ("sample", "x", "y")
    assert torus["particle_number"].values.tolist() == [40.0, 40.0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"density": np.full((3, 8), 0.5)}, r"shape \(3, 8\); the potential asks for \(2, 8\)"),
        ({"density": np.full((2, 8), 1.2)}, r"densities in \[0, 1\]"),
        ({"density": np.full((2, 8), -0.1)}, r"densities in \[0, 1\]"),
        ({"density": np.full((2, 8), np.nan)}, "16 value"),
        ({"density": np.full((2, 8), 0.5 + 0j)}, "real numbers"),
        ({"potential": np.full((2, 8), np.inf)}, "NaN or infinite"),
        ({"density_stderr": np.full((2, 8), -1.0)}, "negative"),
        ({"energy": [1.0]}, r"asks for \(2,\)"),
        ({"mu": [1.0, 2.0, 3.0]}, "lengths must match"),
        ({"system": "hubbard"}, "choose one of"),
    ],
)
def test_from_arrays_refuses(arguments: dict, message: str) -> None:
    given = {"potential": np.zeros((2, 8)), "density": np.full((2, 8), 0.5), **arguments}
    with pytest.raises(ValueError, match=message):
        datasets.from_arrays(**given)


def test_from_arrays_names_couplings_and_observables() -> None:
    with pytest.raises(TypeError, match=r"'U'; fermion_chain has the couplings V, boundary, .*mu"):
        datasets.from_arrays(np.zeros(8), np.zeros(8), U=1.0)


# Shipped files


def test_shipped_files_are_verified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QDENS_DATA", str(tmp_path))
    path = datasets.save(solved(2), tmp_path / "chain" / "small.nc")
    datasets.register(path, "qdens generate chain", seed=3)
    assert datasets.shipped("chain/small.nc") == path
    assert datasets.describe(path)["checksums"] == {"small.nc": "ok"}
    entry = datasets.registry()["chain/small.nc"]
    assert entry["command"] == "qdens generate chain" and entry["seed"] == 3
    assert entry["sha256"] == datasets.sha256(path) and "numpy" in entry["versions"]
    with pytest.raises(ValueError, match=r"no shipped file 'a.nc'.*chain/small.nc"):
        datasets.shipped("a.nc")
    path.write_bytes(path.read_bytes() + b"x")
    assert datasets.describe(path.parent)["checksums"] == {"small.nc": "damaged"}
    with pytest.raises(ValueError, match=r"damaged.*run: qdens generate chain"):
        datasets.shipped("chain/small.nc")
    path.unlink()
    with pytest.raises(FileNotFoundError, match="is missing"):
        datasets.shipped("chain/small.nc")
    (tmp_path / "manifest.json").write_text('{"a": 1}')
    with pytest.raises(ValueError, match=r"manifest\.json is damaged"):
        datasets.registry()
    outside = tmp_path.parent / "outside.nc"
    with pytest.raises(ValueError, match="lies outside"):
        datasets.register(outside, "by hand")


def test_every_shipped_file_is_what_the_manifest_says() -> None:
    for name in datasets.registry():
        datasets.shipped(name)


# torch


def test_batches_hold_one_size_and_every_sample_once() -> None:
    data = {8: solved(7, 8), 10: solved(5, 10)}
    data = {
        size: part.assign(mu=part["mu"].expand_dims(sample=part.sizes["sample"]))
        for size, part in data.items()
    }
    batches = datasets.Batches(data, batch_size=3, seed=1)
    seen = list(batches)
    assert len(seen) == len(batches) == 5 and batches.samples == {8: 7, 10: 5}
    for size, part in data.items():
        rows = torch.cat([b["density"] for b in seen if b["density"].shape[1] == size])
        expected = torch.from_numpy(part["density"].values.astype(np.float32))
        assert torch.equal(rows.sort(0).values, expected.sort(0).values)
    for batch in seen:
        torch.testing.assert_close(
            batch["density"].sum(1), batch["particle_number"].float(), rtol=0, atol=1e-5
        )
    assert seen[0]["V"].dtype == torch.float32 and seen[0]["particle_number"].dtype == torch.int64


def test_batches_repeat_with_the_seed_and_differ_between_passes() -> None:
    data = {8: solved(20, 8)}
    first, second = (datasets.Batches(data, ["density"], batch_size=4, seed=s) for s in (2, 2))
    passes = [torch.cat([b["density"] for b in first]) for _ in range(2)]
    assert not torch.equal(*passes)
    second.epoch = 1
    assert torch.equal(torch.cat([b["density"] for b in second]), passes[1])
    plain = datasets.Batches(data, ["density"], shuffle=False)
    np.testing.assert_allclose(next(iter(plain))["density"], data[8]["density"], atol=1e-7)


def test_batches_apply_a_transform_and_share_out_among_workers() -> None:
    data = {8: solved(10, 8)}

    def centre(batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        return {"input": batch["V"][:, None] - batch["potential"]}

    batches = datasets.Batches(data, batch_size=4, seed=0, transform=centre)
    assert sorted(b["input"].shape for b in batches) == [(2, 8), (4, 8), (4, 8)]
    loader = torch.utils.data.DataLoader(batches, batch_size=None, num_workers=2)
    assert sum(len(batch["input"]) for batch in loader) == 10


def test_batches_refuse() -> None:
    with pytest.raises(ValueError, match="0 sizes"):
        datasets.Batches({})
    with pytest.raises(ValueError, match="hold no 'entropy'"):
        datasets.Batches({8: solved(2)}, ["entropy"])
