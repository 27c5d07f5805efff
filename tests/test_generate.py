"""Generated data do not depend on workers, kills or damage; what cannot go on says why."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from qdens_nb import datasets
from qdens_nb.datasets import _files

RECIPE = {"sites": {8: 9, 9: 6}, "potentials_per_shard": 3, "flux_fraction": 0.5}
SAMPLES = {8: 9 * 9, 9: 6 * 10}


@pytest.fixture(scope="module")
def scheduler() -> Iterator[str]:
    """Address of a scheduler whose one worker lives in this process."""
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address="127.0.0.1:0"
    ) as cluster:
        yield cluster.scheduler_address


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, scheduler: str) -> Path:
    folder = tmp_path_factory.mktemp("data") / "undisturbed"
    return make(folder, scheduler=scheduler)


def make(folder: Path, **options: object) -> Path:
    return datasets.generate("chain", RECIPE, folder, **{"seed": 5, "progress": False} | options)


def copy(source: Path, target: Path) -> Path:
    target.mkdir()
    for path in source.iterdir():
        (target / path.name).write_bytes(path.read_bytes())
    return target


def assert_same(first: Path, second: Path) -> None:
    """Every file is there and every bit of every variable is the same."""
    names = sorted(path.name for path in first.glob("*.nc"))
    assert names == sorted(path.name for path in second.glob("*.nc"))
    for name in names:
        one, two = datasets.open_dataset(first / name), datasets.open_dataset(second / name)
        xr.testing.assert_identical(one, two)


def test_every_potential_and_particle_number_is_there_once(undisturbed: Path) -> None:
    data = datasets.open_shards(undisturbed)
    assert {size: part.sizes["sample"] for size, part in data.items()} == SAMPLES
    for size, part in data.items():
        number = part["particle_number"].values.reshape(-1, size + 1)
        assert (number == np.arange(size + 1)).all()
        potentials = part["potential"].values[:: size + 1]
        assert len(np.unique(potentials, axis=0)) == len(potentials)
        np.testing.assert_allclose(part["density"].sum("x"), part["particle_number"], atol=1e-5)


def test_two_worker_processes_and_one_of_a_cluster_make_the_same(
    undisturbed: Path, tmp_path: Path
) -> None:
    assert_same(undisturbed, make(tmp_path / "two", workers=2))


def test_killed_run_goes_on_without_losing_or_repeating(
    undisturbed: Path, tmp_path: Path, scheduler: str
) -> None:
    folder = tmp_path / "killed"
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(json.dumps(RECIPE))
    command = [sys.executable, "-m", "qdens_nb.cli", "generate", "chain", "--seed", "5"]
    command += ["--config", str(recipe), "--out", str(folder), "--workers", "1"]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        while not list(folder.glob("*.sha256")) and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    complete = {path: path.stat().st_mtime_ns for path in folder.glob("*.sha256")}
    assert complete
    (folder / ".shard_00004.nc.0123.tmp").write_bytes(b"half a shard")
    make(folder, scheduler=scheduler)
    assert_same(undisturbed, folder)
    assert {path: path.stat().st_mtime_ns for path in complete} == complete
    assert not list(folder.glob(".*.tmp"))


def test_a_complete_folder_is_not_touched(undisturbed: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in undisturbed.glob("shard*")}
    make(undisturbed, scheduler="tcp://127.0.0.1:1")  # no task, so nobody is called
    assert {path: path.stat().st_mtime_ns for path in undisturbed.glob("shard*")} == before


def test_damaged_and_missing_shards_are_computed_again(
    undisturbed: Path, tmp_path: Path, scheduler: str
) -> None:
    folder = copy(undisturbed, tmp_path / "damaged")
    damaged = folder / "shard_00001.nc"
    content = bytearray(damaged.read_bytes())
    content[len(content) // 2] ^= 1
    damaged.write_bytes(content)
    (folder / "shard_00002.nc").unlink()
    (folder / "shard_00003.nc.sha256").unlink()
    assert datasets.checksum_state(damaged) == "damaged"
    with pytest.raises(ValueError, match=r"shard_00001\.nc is damaged"):
        datasets.open_dataset(damaged)
    with pytest.warns(UserWarning, match="damaged and is computed again"):
        make(folder, scheduler=scheduler)
    assert_same(undisturbed, folder)


def test_unfinished_folder_opens_with_a_warning_and_complete_shards_only(
    undisturbed: Path, tmp_path: Path
) -> None:
    folder = copy(undisturbed, tmp_path / "part")
    (folder / "shard_00004.nc.sha256").unlink()
    with pytest.warns(UserWarning, match="4 of 5 shards"):
        assert datasets.open_shards(folder)[8].sizes["sample"] == 6 * 9


def test_another_seed_or_recipe_is_refused(undisturbed: Path) -> None:
    with pytest.raises(ValueError, match="seed is 6, was 5"):
        make(undisturbed, seed=6)
    with pytest.raises(ValueError, match=r"V_max is 1\.0, was 2\.0"):
        datasets.generate("chain", {**RECIPE, "V_max": 1}, undisturbed, seed=5)


def test_folder_of_other_files_and_busy_folder_are_refused(tmp_path: Path, scheduler: str) -> None:
    fcntl = pytest.importorskip("fcntl")
    (tmp_path / "mine.nc").touch()
    with pytest.raises(ValueError, match=r"no config\.json"):
        make(tmp_path, scheduler=scheduler)
    with open(tmp_path / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(ValueError, match="another process"):
            make(tmp_path, scheduler=scheduler)


def test_config_json_tells_recipe_seed_and_versions(undisturbed: Path) -> None:
    config = json.loads((undisturbed / "config.json").read_text())
    assert config["seed"] == 5 and config["recipe"]["sites"] == {"8": 9, "9": 6}
    assert {"python", "numpy", "quspin", "qdens_nb"} <= set(config["versions"])


def test_other_versions_are_warned_of(undisturbed: Path, tmp_path: Path, scheduler: str) -> None:
    folder = copy(undisturbed, tmp_path / "old")
    config = json.loads((folder / "config.json").read_text())
    config["versions"]["quspin"] = "0.3"
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.warns(UserWarning, match="other software versions"):
        make(folder, scheduler=scheduler)


def test_full_disk_leaves_no_partial_file(
    tmp_path: Path, scheduler: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    folder = tmp_path / "full"
    recipe = {"sites": {8: 1}}
    datasets.generate("chain", recipe, folder, seed=0, scheduler=scheduler, progress=False)
    for path in folder.glob("shard*"):
        path.unlink()
    with monkeypatch.context() as patch:
        patch.setattr(_files.os, "fsync", full)
        with pytest.raises(OSError, match="disk is full") as error:
            datasets.generate("chain", recipe, folder, seed=0, scheduler=scheduler, progress=False)
    assert error.value.errno == errno.ENOSPC
    assert {path.name for path in folder.iterdir()} == {".lock", "config.json"}
    datasets.generate("chain", recipe, folder, seed=0, scheduler=scheduler, progress=False)
    assert datasets.checksum_state(folder / "shard_00000.nc") == "ok"


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        ({"site": {8: 1}}, "unknown key 'site'.*allowed are sites, V_max"),
        ({"sites": {8: 0}}, "no size without samples"),
        ({"sites": {2: 5}}, "at least 3"),
        ({"sites": {8: 1, 23: 5}}, "takes 22"),
        ({"sites": {8.5: 5}}, "does not fit"),
        ({"sites": [8]}, "does not fit"),
        ({"amplitude": [0.0, 1.0]}, "positive"),
        ({"amplitude": [2.0, 1.0]}, "lowest and highest"),
        ({"amplitude": [1.0]}, "does not fit"),
        ({"exponent": [0.0, float("nan")]}, "finite"),
        ({"V_max": -1}, "at least 0"),
        ({"flux_fraction": 1.5}, r"\[0, 1\]"),
        ({"potentials_per_shard": 0}, "at least 1"),
        ([1], "give a ChainRecipe"),
    ],
)
def test_bad_recipe_is_refused(recipe: object, message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        datasets.generate("chain", recipe, tmp_path / "none", seed=0)
    assert not (tmp_path / "none").exists()


def test_bad_calls_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="there is chain, chain_wells"):
        datasets.generate("chian", None, tmp_path, seed=0)
    with pytest.raises(ValueError, match="seed=-1"):
        make(tmp_path, seed=-1)
    with pytest.raises(ValueError, match="workers=0"):
        make(tmp_path, workers=0)


def test_shipped_recipes_are_read(root: Path) -> None:
    small = datasets.read_recipe("chain", root / "configs" / "generate_chain.yaml")
    full = datasets.read_recipe("chain", root / "configs" / "generate_chain_full.yaml")
    assert sum(small.sites.values()) < 500 and max(full.sites) == 16
    bad = root / "pyproject.toml"
    with pytest.raises(ValueError, match="not valid YAML"):
        datasets.read_recipe("chain", bad)
