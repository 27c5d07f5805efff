"""Clusters with killed workers make the same files; devices that share a batch the same loss."""

from __future__ import annotations

import csv
import importlib.util
import json
import os
import re
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import qdens_nb
from qdens_nb import datasets, training

RECIPE = {"sites": {10: 120, 12: 120}, "potentials_per_shard": 10}
SHARDS = 24
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
BIN = Path(sys.executable).parent


def generate(folder: Path, scheduler: str, recipe: Any = RECIPE) -> Path:
    return datasets.generate("chain", recipe, folder, seed=7, scheduler=scheduler, progress=False)


def contents(folder: Path) -> dict[str, bytes]:
    """All files of a data set but its lock; ``config.json`` and anything left over too."""
    files = [path for path in folder.iterdir() if path.is_file() and path.name != ".lock"]
    return {path.name: path.read_bytes() for path in files}


def wait_for(condition: Callable[[], Any], seconds: float = 120) -> Any:
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)
    return found


def complete(folder: Path) -> list[Path]:
    return [*folder.glob("*.sha256")]


@pytest.fixture(scope="module")
def in_process() -> Iterator[Any]:
    """A cluster of threads in this process, quick to start."""
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address="127.0.0.1:0"
    ) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, in_process: Any) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("data") / "undisturbed"
    made = contents(generate(folder, in_process.scheduler_address))
    assert len(made) == 2 * SHARDS + 1
    return made


def test_a_cluster_that_grows_and_shrinks_meanwhile_is_used(
    tmp_path: Path, in_process: Any
) -> None:
    recipe = {"sites": {6: 24}, "potentials_per_shard": 1}
    folder = tmp_path / "data"
    errors: list[BaseException] = []

    def run() -> None:
        try:
            generate(folder, in_process.scheduler_address, recipe)
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    wait_for(lambda: complete(folder))
    in_process.scale(3)
    wait_for(lambda: len(in_process.scheduler.workers) == 3 or len(complete(folder)) > 18)
    in_process.scale(1)
    thread.join()
    assert not errors and len(complete(folder)) == 24


@contextmanager
def processes_cluster(workers: int) -> Iterator[Any]:
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=workers,
        threads_per_worker=1,
        dashboard_address="127.0.0.1:0",
        silence_logs=50,
        env=ONE_THREAD,
    ) as cluster:
        yield cluster


def kill_a_busy_worker(scheduler: str, folder: Path) -> None:
    """SIGKILL a worker process that has a task, with some shards complete and some not."""
    from distributed import Client

    with Client(scheduler, set_as_default=False) as client:
        processes = client.run(os.getpid)
        wait_for(lambda: len(complete(folder)) >= 3)
        busy = wait_for(lambda: [name for name, keys in client.processing().items() if keys])
        os.kill(processes[busy[0]], signal.SIGKILL)
    assert 3 <= len(complete(folder)) < SHARDS


@pytest.mark.slow
def test_worker_process_killed_midway_loses_and_repeats_nothing(
    tmp_path: Path, undisturbed: dict[str, bytes]
) -> None:
    folder = tmp_path / "killed"
    with processes_cluster(3) as cluster:
        killer = threading.Thread(
            target=kill_a_busy_worker, args=(cluster.scheduler_address, folder)
        )
        killer.start()
        generate(folder, cluster.scheduler_address)
        killer.join()
    assert contents(folder) == undisturbed
    for size, data in datasets.open_shards(folder).items():
        samples = np.column_stack([data["potential"].values, data["particle_number"].values])
        assert len(np.unique(samples, axis=0)) == len(samples) == 120 * (size + 1)


@pytest.mark.slow
def test_a_shard_that_kills_its_workers_is_given_up_with_a_message(
    tmp_path: Path, undisturbed: dict[str, bytes], in_process: Any
) -> None:
    folder = tmp_path / "given_up"
    with processes_cluster(2) as cluster:
        cluster.scheduler.allowed_failures = 0
        killer = threading.Thread(
            target=kill_a_busy_worker, args=(cluster.scheduler_address, folder)
        )
        killer.start()
        with pytest.raises(ChildProcessError, match=r"workers? died.*the same command goes on"):
            generate(folder, cluster.scheduler_address)
        killer.join()
    assert contents(generate(folder, in_process.scheduler_address)) == undisturbed


@contextmanager
def started(*command: Any, **options: Any) -> Iterator[subprocess.Popen[Any]]:
    """A process of dask's command line, ended with the block."""
    environment = {**os.environ, **ONE_THREAD}
    process = subprocess.Popen([*map(str, command)], env=environment, **options)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@contextmanager
def dask_scheduler(folder: Path) -> Iterator[tuple[str, subprocess.Popen[Any]]]:
    """Address and process of ``dask scheduler``."""
    file = folder / "scheduler.json"
    command = (BIN / "dask", "scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard")
    with (
        open(folder / "scheduler.log", "w") as log,
        started(*command, "--scheduler-file", file, stderr=log) as process,
    ):
        wait_for(file.exists)
        yield (
            wait_for(lambda: file.read_text() and json.loads(file.read_text()))["address"],
            process,
        )


def dask_worker(address: str, log: Any) -> Any:
    command = (BIN / "dask", "worker", address, "--no-nanny", "--nthreads", "1", "--no-dashboard")
    return started(*command, "--death-timeout", "20", stderr=log)


@pytest.mark.slow
def test_scheduler_and_workers_of_their_own_with_one_worker_killed(
    tmp_path: Path, undisturbed: dict[str, bytes]
) -> None:
    folder, recipe = tmp_path / "data", tmp_path / "recipe.yaml"
    recipe.write_text(json.dumps(RECIPE))
    with (
        open(tmp_path / "workers.log", "w") as log,
        dask_scheduler(tmp_path) as (address, _),
        dask_worker(address, log) as first,
        dask_worker(address, log),
        started(
            *(BIN / "qdens", "generate", "chain", "--config", recipe, "--out", folder),
            *("--seed", 7, "--scheduler", address),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process,
    ):
        wait_for(lambda: len(complete(folder)) >= 3)
        first.send_signal(signal.SIGKILL)
        left = len(complete(folder))
        output = process.communicate(timeout=300)[0]
    assert process.returncode == 0, output
    assert 3 <= left < SHARDS
    assert contents(folder) == undisturbed


@pytest.mark.slow
def test_a_lost_scheduler_is_an_error_and_the_same_command_goes_on(
    tmp_path: Path, undisturbed: dict[str, bytes], in_process: Any
) -> None:
    folder = tmp_path / "data"
    with (
        open(tmp_path / "workers.log", "w") as log,
        dask_scheduler(tmp_path) as (address, scheduler),
        dask_worker(address, log),
    ):

        def end() -> None:
            wait_for(lambda: len(complete(folder)) >= 3)
            scheduler.send_signal(signal.SIGKILL)

        killer = threading.Thread(target=end)
        killer.start()
        with pytest.raises(ConnectionError, match=r"scheduler is gone.*the same command goes on"):
            generate(folder, address)
        killer.join()
    assert contents(generate(folder, in_process.scheduler_address)) == undisturbed


def needs_jobqueue() -> None:
    """Not by importing it, for that takes Ctrl-C over."""
    if importlib.util.find_spec("dask_jobqueue") is None:
        pytest.skip("the SLURM example needs dask-jobqueue")


def slurm_example(root: Path) -> Any:
    needs_jobqueue()
    spec = importlib.util.spec_from_file_location("slurm", root / "examples" / "slurm_generate.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_slurm_example_writes_a_job_script(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    example, before = slurm_example(root), signal.getsignal(signal.SIGINT)
    arguments = ["chain", "--out", str(tmp_path), "--cores", "4", "--memory", "8GB"]
    example.main([*arguments, "--queue", "long", "--account", "me", "--print-script"])
    assert signal.getsignal(signal.SIGINT) is before
    script = capsys.readouterr().out
    for line in ("#SBATCH -p long", "#SBATCH --account=me", "#SBATCH --cpus-per-task=4",
                 "#SBATCH -t 04:00:00", "export OMP_NUM_THREADS=1"):  # fmt: skip
        assert line in script.splitlines()
    worker = script.splitlines()[-2 if not script.splitlines()[-1] else -1]
    assert re.search(r"dask_worker tcp://\S+ .*--nthreads 1 .*--nworkers 4 .*--lifetime", worker)
    assert not list(tmp_path.glob("*.nc"))


@pytest.mark.slow
def test_slurm_example_generates_where_sbatch_is_a_shell(
    root: Path, tmp_path: Path, undisturbed: dict[str, bytes]
) -> None:
    """`sbatch` runs the job script on this machine; all else is as on a cluster."""
    needs_jobqueue()
    tools, folder, recipe = tmp_path / "bin", tmp_path / "data", tmp_path / "recipe.yaml"
    tools.mkdir()
    recipe.write_text(json.dumps(RECIPE))
    scripts = {
        "sbatch": 'cp "$1" "$0.$$"\nsetsid bash "$0.$$" >/dev/null 2>&1 &\n'
        'echo "Submitted batch job $!"',
        "scancel": 'kill -- "-$1"',
    }
    for name, script in scripts.items():
        (tools / name).write_text(f"#!/bin/bash\n{script}\n")
        (tools / name).chmod(stat.S_IRWXU)
    command = [sys.executable, root / "examples" / "slurm_generate.py", "chain", "--seed", 7]
    command += ["--config", recipe, "--out", folder, "--jobs", 1, "--cores", 2, "--memory", "4GB"]
    done = subprocess.run(
        [*map(str, command)],
        env={**os.environ, "PATH": f"{tools}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert contents(folder) == undisturbed


SMALL = {
    **{"task": "chain", "blocks": 1, "width": 12, "steps": 12, "batch_size": 16, "members": 2},
    **{"validate_every": 4, "warmup": 2, "optimizer": "muon", "max_minutes": 60},
}


@pytest.mark.slow
def test_two_processes_train_as_one_at_equal_global_batch(tmp_path: Path, in_process: Any) -> None:
    data = generate(tmp_path / "data", in_process.scheduler_address, {"sites": {6: 20, 7: 20}})
    config = tmp_path / "config.yaml"
    config.write_text(json.dumps(SMALL))
    logs, folders = [], []
    for devices in (1, 2):
        out = tmp_path / f"devices_{devices}"
        command = [BIN / "qdens", "train", "chain", "--config", config, "--data", data]
        done = subprocess.run(
            [*map(str, [*command, "--out", out, "--devices", devices])],
            env={**os.environ, **ONE_THREAD, "CUDA_VISIBLE_DEVICES": ""},
            capture_output=True,
            text=True,
            timeout=600,
        )
        assert done.returncode == 0, done.stderr
        with open(out / "member_1" / "log" / "metrics.csv", newline="") as file:
            logs.append(list(csv.DictReader(file)))
        folders.append(out)
    one, two = logs
    assert len(one) == len(two) == 4
    for first, second in zip(one, two, strict=True):
        losses = [name for name in first if name.startswith(("train_", "val_")) and first[name]]
        assert losses
        for name in losses:
            assert float(second[name]) == pytest.approx(float(first[name]), rel=1e-4), name
    # not the weights: rounding moves those that the answer does not depend on
    problem = qdens_nb.fermion_chain(np.linspace(-1.0, 1.0, 7), V=1.0, mu=0.3)
    first, second = (training.load_predictor(folder)(problem) for folder in folders)
    assert int(first["particle_number"]) == int(second["particle_number"])
    for name in ("density", "coherence", "density_stderr"):
        np.testing.assert_allclose(second[name], first[name], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("changed", "devices", "message"),
    [
        ({}, 0, "at least 1"),
        ({}, 3, "cannot be shared by 3"),
        ({"task": "dot_density", "network": "pix2pix"}, 2, "trains on one device"),
    ],
)
def test_what_devices_cannot_share_is_refused(
    changed: dict[str, Any], devices: int, message: str, tmp_path: Path
) -> None:
    config = training.TrainConfig(**{**SMALL, **changed})
    with pytest.raises(ValueError, match=message):
        training.train(config.task, config, data=tmp_path, out=tmp_path / "out", devices=devices)
    assert not (tmp_path / "out").exists()


def test_scale_out_table_is_consistent(root: Path) -> None:
    """Core-hours, disk and cost follow from the measured rates; the mix lies between its parts."""
    result = json.loads((root / "results" / "scale_out.json").read_text())
    assert result["samples"] == 170_000
    for row in result["rows"]:
        hours = row["CPU s a sample"] * result["samples"] / 3600
        assert row["core-hours"] == pytest.approx(hours)
        assert row["cost"] == pytest.approx(hours * result["price"])
        assert row["GB"] == pytest.approx(row["kB a sample"] * result["samples"] / 1e6)
    mix, *kinds = result["rows"]
    parts = [row["CPU s a sample"] for row in kinds if row["potentials"] == "training noise"]
    assert min(parts) < mix["CPU s a sample"] < max(parts)
