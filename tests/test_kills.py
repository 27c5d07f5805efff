"""Kills, full disks and interrupts: what was begun goes on as if nothing had happened."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr
from safetensors.torch import load_file
from small_training import SMALL, solved, train_small
from typer.testing import CliRunner

import qdens_nb as qd
from qdens_nb import datasets, nqs
from qdens_nb.cli import app
from qdens_nb.training import TrainConfig, train

ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
WORM = {"sweeps": 512, "thermalisation": 64, "chains": 1, "clip_warning": 1.0}
VMC: dict[str, Any] = {"steps": 6, "samples": 40, "progress": False}


def vmc(path: Path, **options: Any) -> xr.Dataset:
    return nqs.ground_state(nqs.transverse_ising(4), nqs.RBM(4), checkpoint=path, **VMC | options)


def interrupted_worm(path: Path) -> None:
    from qdens_nb.solvers import _worm_run

    whole, calls = _worm_run.Run.block, iter(range(100))

    def block(run: Any, pool: Any) -> int:
        if next(calls) == 2:
            raise KeyboardInterrupt
        return whole(run, pool)

    problem = qd.bose_hubbard(np.random.default_rng(0).normal(size=4), U=8.0, mu=4.0, T=0.5)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_worm_run.Run, "block", block)
        with contextlib.suppress(KeyboardInterrupt):
            qd.solvers.worm(problem, checkpoint=path, **WORM)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train_small(tmp_path_factory.mktemp("weights"))


def assert_same_answers(folder: Path) -> None:
    """What the undisturbed and the killed run of `kill_at_random` wrote."""
    with (
        xr.open_dataset(folder / "whole" / "found.nc") as one,
        xr.open_dataset(folder / "killed" / "found.nc") as other,
    ):
        xr.testing.assert_identical(one, other)


def assert_same_weights(one: Path, other: Path) -> None:
    first, second = (load_file(folder / "weights.safetensors") for folder in (one, other))
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


def start(code: str, *arguments: Any, **options: Any) -> subprocess.Popen[str]:
    """Python in a session of its own, so that a kill of the group reaches all it started."""
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        env=os.environ | ONE_THREAD,
        start_new_session=True,
        text=True,
        **options,
    )


# kill -9

GENERATION = """
import sys
from qdens_nb import datasets
if __name__ == "__main__":
    print("ready", flush=True)
    recipe = {"sites": {8: 60, 9: 60, 10: 60}, "potentials_per_shard": 6}
    datasets.generate("chain", recipe, sys.argv[1], seed=5, workers=2, progress=False)
"""
TRAINING = """
import sys
from pathlib import Path
from qdens_nb.training import TrainConfig, train
config = TrainConfig(
    task=sys.argv[3], optimizer=sys.argv[4], blocks=1, width=16, steps=1200, batch_size=16,
    validate_every=40, members=2, seed=3,
)
print("ready", flush=True)
train(config.task, config, data=sys.argv[2], out=sys.argv[1], resume=True, progress=False)
"""
OPTIMISATION = """
import sys
from pathlib import Path
from qdens_nb import nqs
Path(sys.argv[1]).mkdir(exist_ok=True)
model = nqs.heisenberg(12)
network = nqs.RBM(12, alpha=2)
print("ready", flush=True)
found = nqs.ground_state(
    model, network, steps=1500, samples=400, optimizer=sys.argv[2], progress=False,
    checkpoint=sys.argv[1] + "/run.npz",
)
found.drop_vars("seconds").to_netcdf(sys.argv[1] + "/found.nc")
"""
EVOLUTION = """
import sys
from pathlib import Path
import numpy as np
from qdens_nb import nqs
Path(sys.argv[1]).mkdir(exist_ok=True)
model = nqs.transverse_ising(10)
network = nqs.RBM(10, is_complex=True, seed=1)
print("ready", flush=True)
found = nqs.evolve(
    model, network, np.linspace(0, 0.5, 26), samples=1000, step=0.01, progress=False,
    observables=["sigma_x", "correlation"], checkpoint=sys.argv[1] + "/run.npz",
)
found.drop_vars("seconds").to_netcdf(sys.argv[1] + "/found.nc")
"""
WORMS = """
import sys, time, types
from pathlib import Path
import numpy as np, qdens_nb as qd
from qdens_nb.solvers import _worm
Path(sys.argv[1]).mkdir(exist_ok=True)
# The clock of checkpoints runs 100 times as fast: one is written every 0.3 s.
_worm.time = types.SimpleNamespace(monotonic=lambda: 100 * time.monotonic())
potential = np.random.default_rng(0).normal(size=(2, 6, 6))
problem = qd.bose_hubbard(potential, U=8.0, V=1.0, mu=4.0, T=0.5)
print("ready", flush=True)
found = qd.solvers.worm(
    problem, sweeps=40000, thermalisation=200, seed=1, clip_warning=1.0,
    checkpoint=sys.argv[1] + "/run.npz",
)
found.drop_attrs().to_netcdf(sys.argv[1] + "/found.nc")
"""


def run_until(code: str, arguments: list[Any], after: float | None) -> tuple[int, float]:
    """Kill the run that many seconds after it is ready; its exit status and seconds at work."""
    with start(code, *arguments, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        try:
            assert process.stdout is not None and process.stdout.readline() == "ready\n"
            begun = time.monotonic()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(after)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        return process.wait(), time.monotonic() - begun


def kill_at_random(code: str, folder: Path, *arguments: Any, kills: int = 4) -> int:
    """Run undisturbed into ``whole``; into ``killed`` with kills at random moments; count those."""
    status, seconds = run_until(code, [folder / "whole", *arguments], None)
    assert status == 0
    rng, done = np.random.default_rng(), 0
    for _ in range(kills):
        status, took = run_until(
            code, [folder / "killed", *arguments], rng.uniform(0.1, 0.5) * seconds
        )
        done += status == -signal.SIGKILL
        if status == 0 and not done:  # the machine had other work during the first run
            shutil.rmtree(folder / "killed")
            seconds = took
        elif status == 0:
            break
    else:
        assert run_until(code, [folder / "killed", *arguments], None)[0] == 0
    assert done > 0
    return done


@pytest.mark.slow
def test_killed_generation_is_the_undisturbed_one(tmp_path: Path) -> None:
    kill_at_random(GENERATION, tmp_path)
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    names = sorted(path.name for path in whole.glob("*.nc"))
    assert len(names) == 30 and names == sorted(path.name for path in killed.glob("*.nc"))
    for name in names:
        one, other = (datasets.open_dataset(folder / name) for folder in (whole, killed))
        xr.testing.assert_identical(one, other)
    assert not list(killed.glob(".*.tmp"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("task", "optimizer"), [("chain_cnn", "adam"), ("chain", "muon")], ids=["adam", "muon"]
)
def test_killed_training_ends_with_the_weights_of_the_undisturbed_one(
    task: str, optimizer: str, tmp_path: Path
) -> None:
    data = datasets.save(solved(200), tmp_path / "data.nc")
    kill_at_random(TRAINING, tmp_path, data, task, optimizer)
    assert_same_weights(tmp_path / "whole", tmp_path / "killed")


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", ["sr", "adam"])
def test_killed_optimisation_of_a_network_is_the_undisturbed_one(
    optimizer: str, tmp_path: Path
) -> None:
    kill_at_random(OPTIMISATION, tmp_path, optimizer)
    assert_same_answers(tmp_path)


@pytest.mark.slow
def test_killed_time_evolution_is_the_undisturbed_one(tmp_path: Path) -> None:
    kill_at_random(EVOLUTION, tmp_path)
    assert_same_answers(tmp_path)


@pytest.mark.slow
def test_killed_worms_are_the_undisturbed_ones(tmp_path: Path) -> None:
    kill_at_random(WORMS, tmp_path)
    assert_same_answers(tmp_path)
    assert not (tmp_path / "killed" / "run.npz").exists()


@pytest.mark.slow
def test_a_kill_between_two_checkpoints_costs_no_more_than_the_steps_since(tmp_path: Path) -> None:
    """Killed as soon as a checkpoint is there."""
    code = OPTIMISATION.replace("steps=1500", "steps=150")
    with start(code, tmp_path / "killed", "sr", stderr=subprocess.DEVNULL) as process:
        while not (tmp_path / "killed" / "run.npz").exists() and process.poll() is None:
            time.sleep(0.01)
        process.kill()
    with np.load(tmp_path / "killed" / "run.npz") as file:
        assert len(file["history/energy"]) >= 50
    model, network = nqs.heisenberg(12), nqs.RBM(12, alpha=2)
    options = {"steps": 150, "samples": 400, "optimizer": "sr", "progress": False}
    path = tmp_path / "killed" / "run.npz"
    resumed = nqs.ground_state(model, network, checkpoint=path, **options)
    whole = nqs.ground_state(model, nqs.RBM(12, alpha=2), **options)
    xr.testing.assert_identical(resumed.drop_vars("seconds"), whole.drop_vars("seconds"))


# Full disk


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own of 4 MB; skipped where it cannot be mounted."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)]
    mount = shutil.which("mount")
    if mount is None or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("a small file system cannot be mounted here (no root)")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(folder: Path, leave: int) -> Path:
    free = shutil.disk_usage(folder).free
    filler = folder / "filler"
    filler.write_bytes(b"\0" * (free - leave))
    return filler


def test_a_full_disk_keeps_what_there_was(small_disk: Path) -> None:
    """netCDF, VMC and worm checkpoints on a real file system without space."""
    path = small_disk / "vmc.npz"
    vmc(path)
    old = path.read_bytes()
    filler = fill(small_disk, 2000)
    with pytest.raises(OSError, match="disk is full"):
        datasets.save(solved(), small_disk / "a.nc")
    with pytest.raises(OSError, match="checkpoint could not be written") as error:
        vmc(path, steps=9)
    assert error.value.errno == errno.ENOSPC and path.read_bytes() == old
    with pytest.raises(OSError, match="checkpoint could not be written"):
        interrupted_worm(small_disk / "worm.npz")
    assert {file.name for file in small_disk.iterdir()} == {"filler", "vmc.npz"}
    filler.unlink()
    assert vmc(path, steps=9).sizes["step"] == 9
    xr.testing.assert_identical(
        datasets.open_dataset(datasets.save(solved(), small_disk / "a.nc")), solved()
    )


@pytest.mark.slow
def test_full_disk_in_training_is_told_and_mended_by_the_same_command(
    small_disk: Path, weights: Path
) -> None:
    arguments = ["train", "chain_cnn", "--data", str(weights.parent / "data.nc"), "--resume"]
    config = small_disk / "c.yaml"
    config.write_text(json.dumps({"task": "chain_cnn", **SMALL}))
    arguments += ["--config", str(config), "--out", str(small_disk / "w")]
    filler = fill(small_disk, 12_000)
    full = CliRunner().invoke(app, arguments)
    assert full.exit_code == 2 and "error:" in full.output, full.output
    assert not (small_disk / "w" / "weights.safetensors").exists()
    filler.unlink()
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    assert_same_weights(weights, small_disk / "w")


def test_without_space_a_checkpoint_keeps_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    path = tmp_path / "run.npz"
    vmc(path)
    old = path.read_bytes()
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"one before it.*is untouched"):
        vmc(path)
    assert path.read_bytes() == old and [p.name for p in tmp_path.iterdir()] == ["run.npz"]


LIMITED = """
import resource, sys
import numpy as np, qdens_nb as qd
path, data = sys.argv[1], qd.fermion_chain(np.random.default_rng(0).normal(size=(5000, 8)))
old = open(qd.datasets.save(data.isel(sample=[0]), path), "rb").read()
soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
try:
    qd.datasets.save(data, path)
except OSError as error:
    assert "could not be written" in str(error), error
else:
    raise SystemExit("nothing was refused")
assert open(path, "rb").read() == old
resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
assert qd.datasets.open_dataset(qd.datasets.save(data, path)).identical(data)
"""


@pytest.mark.slow
def test_a_limit_on_the_size_of_files_keeps_the_old_file(tmp_path: Path) -> None:
    with start(LIMITED, tmp_path / "a.nc", stderr=subprocess.PIPE) as process:
        _, said = process.communicate(timeout=300)
    assert process.returncode == 0, said
    assert [path.name for path in tmp_path.iterdir()] == ["a.nc"]


# Interrupts


def test_an_interrupt_stops_training_and_the_next_one_still_works(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from qdens_nb.training import _train

    config, data = TrainConfig(task="chain_cnn", **SMALL), weights.parent / "data.nc"
    options = {"data": data, "out": tmp_path / "w", "progress": False}
    step = _train.RegressionModule.training_step
    before = signal.getsignal(signal.SIGINT)

    def interrupted(self: Any, batch: Any, index: int) -> None:
        if int(batch["step"]) == 6:
            signal.raise_signal(signal.SIGINT)
        step(self, batch, index)

    with monkeypatch.context() as patch:
        patch.setattr(_train.RegressionModule, "training_step", interrupted)
        with pytest.raises(KeyboardInterrupt, match="resume=True"):
            train("chain_cnn", config, **options)
    assert signal.getsignal(signal.SIGINT) is before
    assert not (tmp_path / "w" / "weights.safetensors").exists()
    train("chain_cnn", config, resume=True, **options)
    assert_same_weights(weights, tmp_path / "w")


@pytest.mark.slow
@pytest.mark.parametrize("command", ["generate", "train"])
def test_ctrl_c_ends_a_command_with_a_word_and_the_same_command_goes_on(
    command: str, tmp_path: Path
) -> None:
    data = datasets.save(solved(200), tmp_path / "data.nc")
    config = tmp_path / "c.yaml"
    out = tmp_path / "out"
    arguments = ["-m", "qdens_nb.cli", command]
    if command == "generate":
        config.write_text(json.dumps({"sites": {10: 60}, "potentials_per_shard": 3}))
        arguments += ["chain", "--workers", "1"]
        begun: Callable[[], Any] = lambda: list(out.glob("*.sha256"))  # noqa: E731
    else:
        config.write_text(json.dumps({"task": "chain_cnn", **SMALL, "steps": 600}))
        arguments += ["chain_cnn", "--data", str(data), "--resume"]
        begun = lambda: list(out.rglob("*.ckpt"))  # noqa: E731
    arguments += ["--config", str(config), "--out", str(out)]
    with subprocess.Popen(
        [sys.executable, *arguments], stderr=subprocess.PIPE, text=True, env=os.environ | ONE_THREAD
    ) as process:
        while not begun() and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=120)
    assert process.returncode == 130 and "interrupted" in said and "Traceback" not in said
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


NOTEBOOK = {
    "VMC": """
found = qd.nqs.ground_state(
    qd.nqs.heisenberg(16), qd.nqs.RBM(16, alpha=2), steps=100000, samples=500, progress=False)
print("kept", found.sizes["step"], "interrupted" in found.attrs["engine_options"])
""",
    "worm": """
problem = qd.bose_hubbard(np.zeros((6, 6)), U=8.0, mu=4.0, T=0.5)
found = qd.solvers.worm(problem, sweeps=10**8, thermalisation=100, seed=1, workers=1)
print("kept", int(found.sweeps), found.attrs["interrupted"])
""",
    "training": """
try:
    qd.training.train("chain_cnn", qd.training.TrainConfig(task="chain_cnn", steps=10**6, blocks=1,
        width=8, validate_every=50), data=DATA, out=OUT, progress=False)
except KeyboardInterrupt as stopped:
    print("kept", stopped)
""",
    "generation": """
try:
    qd.datasets.generate("chain", {"sites": {12: 10**5}, "potentials_per_shard": 4}, OUT + "g",
        seed=1, workers=1, progress=False)
except KeyboardInterrupt:
    print("kept")
""",
}


@pytest.mark.slow
def test_interrupts_in_a_notebook_leave_the_kernel_alive_and_keep_what_there_is(
    tmp_path: Path,
) -> None:
    from jupyter_client.manager import start_new_kernel

    data = datasets.save(solved(200), tmp_path / "data.nc")
    manager, client = start_new_kernel(kernel_name="python3", env=os.environ | ONE_THREAD)
    said: list[str] = []

    def hear(message: dict[str, Any]) -> None:
        content = message["content"]
        said.append(content.get("text", "") + "\n".join(content.get("traceback", [])))

    def cell(source: str, interrupt_after: float | None = None) -> str:
        said.clear()
        if interrupt_after is None:
            reply = client.execute_interactive(source, output_hook=hear, timeout=120)
            assert reply["content"]["status"] == "ok", said
            return "".join(said)
        timer = threading.Timer(interrupt_after, manager.interrupt_kernel)
        timer.start()
        try:
            return cell(source)
        finally:
            timer.cancel()

    try:
        cell("import numpy as np, qdens_nb as qd, qdens_nb.training")
        cell(f"DATA, OUT = {str(data)!r}, {str(tmp_path / 'out')!r}")
        cell("qd.nqs.RBM, qd.solvers.worm, qd.training.train, qd.datasets.generate")
        for name in (*NOTEBOOK, "VMC"):  # the first once more: interrupts still work at the end
            assert "kept" in cell(NOTEBOOK[name], interrupt_after=8.0), name
            assert cell("print(1 + 1)") == "2\n", name
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
