"""Damaged, foreign and hostile files are refused with a message. The table: docs/faults.md."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import pytest
import torch
import xarray as xr
from safetensors.torch import load_file, save_file
from small_training import SMALL, solved, train_small
from typer.testing import CliRunner

import qdens_nb as qd
from qdens_nb import datasets, nqs
from qdens_nb.cli import app
from qdens_nb.datasets import _files
from qdens_nb.training import TrainConfig, train
from qdens_nb.training._train import check_checkpoint

ROOT = Path(__file__).resolve().parents[1]


def ring() -> xr.Dataset:
    return qd.bose_hubbard(np.random.default_rng(0).normal(size=4), U=8.0, mu=4.0, T=0.5)


WORM = {"sweeps": 128, "thermalisation": 64, "chains": 1, "clip_warning": 1.0}
VMC: dict[str, Any] = {"steps": 6, "samples": 40, "progress": False}


# Every kind of file that is read: what writes one, what reads it


def write_netcdf(path: Path) -> None:
    shutil.move(datasets.save(solved(), path.with_suffix(".nc")), path)


def write_vmc(path: Path) -> None:
    nqs.ground_state(nqs.transverse_ising(4), nqs.RBM(4), checkpoint=path, **VMC)


def read_vmc(path: Path) -> Any:
    return nqs.ground_state(nqs.transverse_ising(4), nqs.RBM(4), checkpoint=path, **VMC)


def write_worm(path: Path) -> None:
    from qdens_nb.solvers import _worm_run

    whole = _worm_run.Run.block
    calls = iter(range(100))

    def block(run: Any, pool: Any) -> int:
        if next(calls) == 2:
            raise KeyboardInterrupt
        return whole(run, pool)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_worm_run.Run, "block", block)
        with contextlib.suppress(KeyboardInterrupt):
            qd.solvers.worm(ring(), checkpoint=path, **WORM | {"sweeps": 512})


def read_worm(path: Path) -> Any:
    return qd.solvers.worm(ring(), checkpoint=path, **WORM | {"sweeps": 512})


def write_checkpoint(path: Path) -> None:
    torch.save({"state_dict": torch.nn.Linear(20, 20).state_dict(), "steps_done": 3}, path)


def read_checkpoint(path: Path) -> Any:
    check_checkpoint(path, torch.nn.Linear(20, 20))


def write_recipe(path: Path) -> None:
    path.write_bytes((ROOT / "configs" / "generate_chain.yaml").read_bytes())


def write_training(path: Path) -> None:
    path.write_bytes((ROOT / "configs" / "train_chain.yaml").read_bytes())


FORMATS: dict[str, tuple[Callable[[Path], None], Callable[[Path], Any]]] = {
    "netCDF": (write_netcdf, datasets.open_dataset),
    "VMC checkpoint": (write_vmc, read_vmc),
    "worm checkpoint": (write_worm, read_worm),
    "training checkpoint": (write_checkpoint, read_checkpoint),
    "recipe": (write_recipe, lambda path: datasets.read_recipe("chain", path)),
    "training configuration": (write_training, TrainConfig.read),
}
TEXTS = ("recipe", "training configuration")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("whole")
    for kind, (write, _) in FORMATS.items():
        write(folder / kind)
    return {kind: (folder / kind).read_bytes() for kind in FORMATS}


@pytest.mark.parametrize("kind", FORMATS)
def test_a_whole_file_is_read(kind: str, whole: dict[str, bytes], tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(whole[kind])
    FORMATS[kind][1](path)


@pytest.mark.parametrize("kind", [kind for kind in FORMATS if kind not in TEXTS])
def test_a_truncated_file_is_refused_by_name(
    kind: str, whole: dict[str, bytes], tmp_path: Path
) -> None:
    path, content = tmp_path / "file", whole[kind]
    lengths = np.random.default_rng(1).integers(0, len(content) - 1, 20)
    for length in {0, 1, 4, len(content) - 1, *lengths.tolist()}:
        path.write_bytes(content[:length])
        with pytest.raises(ValueError, match=r"file.*(damaged|netCDF)"):
            FORMATS[kind][1](path)


@pytest.mark.parametrize("kind", FORMATS)
def test_bytes_of_something_else_are_refused(
    kind: str, whole: dict[str, bytes], tmp_path: Path
) -> None:
    rng = np.random.default_rng(2)
    path = tmp_path / "file"
    foreign = [rng.bytes(500), b"\x00" * 500, b"\x89PNG\r\n\x1a\n" + rng.bytes(100)]
    foreign += [content for other, content in whole.items() if other != kind]
    for content in foreign:
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"file|unknown key"):
            FORMATS[kind][1](path)


@pytest.mark.parametrize("kind", FORMATS)
def test_changed_bytes_are_refused_or_do_no_harm(
    kind: str, whole: dict[str, bytes], tmp_path: Path
) -> None:
    """Without a checksum beside it a file may open; never does anything else than that happen."""
    rng = np.random.default_rng(3)
    path = tmp_path / "file"
    refused = 0
    for _ in range(30):
        content = bytearray(whole[kind])
        for place in rng.integers(0, len(content), 4):
            content[place] = int(rng.integers(256))
        path.write_bytes(content)
        try:
            FORMATS[kind][1](path)
        except ValueError as error:
            assert len(str(error)) > 10
            refused += 1
    assert refused > 0


def test_with_a_checksum_any_change_is_refused(tmp_path: Path) -> None:
    path = datasets.save(solved(), tmp_path / "a.nc")
    _files.write_checksum(path)
    content = path.read_bytes()
    for place in np.random.default_rng(4).integers(0, len(content), 30):
        changed = bytearray(content)
        changed[place] ^= 1 << int(place) % 8
        path.write_bytes(changed)
        with pytest.raises(ValueError, match="damaged"):
            datasets.open_dataset(path)


# netCDF of somebody else


def foreign(name: str) -> Any:
    problem = qd.fermion_chain(np.zeros((3, 8)), V=[0.0, 1.0, 2.0])
    return {
        "another convention": problem.assign_attrs(convention="qdens-99"),
        "numbers for names": problem.assign_attrs(system=np.arange(3)),
        "unknown system": problem.assign_attrs(system="ising"),
        "no potential": problem.drop_vars("potential"),
        "other dims": problem.rename(x="site"),
        "potential of text": problem.assign(potential=("x", [*"abcdefgh"])),
        "complex potential": problem.assign(potential=("x", np.arange(8).astype("S1"))),
        "bad time units": problem.assign(
            t=xr.Variable("sample", [1, 2, 3], {"units": "days since the beginning"})
        ),
    }[name]


@pytest.mark.parametrize(
    "name",
    [
        *("another convention", "numbers for names", "unknown system", "no potential"),
        *("other dims", "potential of text", "complex potential", "bad time units"),
    ],
)
def test_a_foreign_netcdf_file_is_refused(name: str, tmp_path: Path) -> None:
    path = tmp_path / "foreign.nc"
    foreign(name).to_netcdf(path, engine="netcdf4")
    for read in (datasets.open_dataset, datasets.open_shards, datasets.describe):
        with pytest.raises(ValueError, match=r"foreign\.nc"):
            read(path)
    result = CliRunner().invoke(app, ["info", str(path)])
    assert result.exit_code == 2 and "error:" in result.output


def test_a_small_file_that_claims_terabytes_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bomb.nc"
    with netCDF4.Dataset(path, "w") as file:
        file.setncatts({"convention": "qdens-1", "system": "fermion_chain"})
        file.createDimension("sample", 10**9)
        file.createDimension("x", 1000)
        file.createVariable("potential", "f8", ("sample", "x"), zlib=True, chunksizes=(1000, 1000))
    assert path.stat().st_size < 1e5
    with pytest.raises(ValueError, match=r"bomb\.nc says that it holds 8e\+03 GB"):
        datasets.open_dataset(path)


@pytest.mark.parametrize("name", ["V", "mu", "flux", "potential"])
def test_a_problem_with_a_part_missing_or_not_finite_is_refused(name: str) -> None:
    problem = qd.fermion_chain(np.zeros(8))
    for broken in (problem.drop_vars(name), problem.assign({name: problem[name] * np.nan})):
        with pytest.raises(ValueError, match=f"'{name}'"):
            qd.solvers.chain_ed(broken)


# YAML


HOSTILE = {
    "an object": "sites: !!python/object/apply:os.system ['touch {marker}']\n",
    "a name": "sites: !!python/name:os.system\n",
    "a new object": "!!python/object/new:subprocess.Popen [['touch', '{marker}']]\n",
    "aliases": "a: &a [x, x, x, x, x, x, x, x, x]\n"
    + "".join(
        f"{b}: &{b} [{', '.join(['*' + a] * 9)}]\n"
        for a, b in zip("abcdefgh", "bcdefghi", strict=True)
    ),
    "depth": "sites: " + "[" * 5_000,
    "digits": "seed: " + "9" * 10_000,
    "a list": "- 1\n- 2\n",
    "nothing": "",
    "a date": "sites: 2024-99-99\n",
    "numbers as keys": "1: 2\nseed: 1\n",
    "control characters": "sites: \x07\n",
    "size": "# " + "x" * 2_000_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_yaml_is_refused_and_runs_nothing(name: str, tmp_path: Path) -> None:
    path, marker = tmp_path / "file.yaml", tmp_path / "marker"
    path.write_text(HOSTILE[name].replace("{marker}", str(marker)))
    for read in (lambda p: datasets.read_recipe("chain", p), TrainConfig.read):
        with pytest.raises(ValueError, match=r"file\.yaml") as error:
            read(path)
        assert len(str(error.value)) < 2000
    assert not marker.exists()
    path.write_bytes(b"\xff\xfe\x00sites")
    with pytest.raises(ValueError, match="not valid YAML"):
        TrainConfig.read(path)


@pytest.mark.parametrize(
    "text", ["blocks: many", "blocks: null", "blocks: [1]", "steps: {}", "members: -1"]
)
def test_wrong_types_in_a_training_configuration_are_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "file.yaml"
    path.write_text(text + "\n")
    with pytest.raises(ValueError, match=r"blocks|steps|members|wrong type"):
        TrainConfig.read(path)


# Weights


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train_small(tmp_path_factory.mktemp("weights"))


def tampered(source: Path, target: Path, change: Callable[[dict, Path], Any]) -> Path:
    """A copy with a changed card or changed weights and the checksum that fits them."""
    shutil.copytree(source, target)
    card = json.loads((target / "card.json").read_text())
    change(card, target / "weights.safetensors")
    card["sha256"] = datasets.sha256(target / "weights.safetensors")
    (target / "card.json").write_text(json.dumps(card))
    return target


def tensors_to(new: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[dict, Path], None]:
    def change(card: dict, path: Path) -> None:
        save_file({name: new(value) for name, value in load_file(path).items()}, path)

    return change


def header(length: int, text: bytes) -> Callable[[dict, Path], Any]:
    return lambda card, path: path.write_bytes(length.to_bytes(8, "little") + text)


TAMPERED: dict[str, Callable[[dict, Path], Any]] = {
    "other shapes": tensors_to(lambda value: torch.zeros(7)),
    "no tensors": lambda card, path: save_file({}, path),
    "one member too few": lambda card, path: card["config"].update(members=2),
    "a huge header": header(2**62, b"{}"),
    "a header longer than the file": header(10**6, b"{}"),
    "a header that is no JSON": header(4, b"abcd"),
    "offsets outside": header(
        66, b'{"0.a":{"dtype":"F32","shape":[999999],"data_offsets":[0,3999996]}}'[:66]
    ),
    "a pickle": lambda card, path: torch.save({"a": torch.zeros(2)}, path),
    "a network without end": lambda card, path: card["config"].update(width=10**7),
    "an unknown task": lambda card, path: card["config"].update(task="cheese"),
    "another model": lambda card, path: card.update(model="chain"),
    "no calibration": lambda card, path: card.pop("calibration"),
    "no ranges": lambda card, path: card.pop("ranges"),
    "a list as configuration": lambda card, path: card.update(config=[1]),
}


@pytest.mark.parametrize("name", TAMPERED)
def test_hostile_weights_with_a_fitting_checksum_are_refused(
    name: str, weights: Path, tmp_path: Path
) -> None:
    folder = tampered(weights, tmp_path / "w", TAMPERED[name])
    with pytest.raises(ValueError, match=r"card\.json|safetensors"):
        qd.load_predictor(folder)


@pytest.mark.parametrize("text", ["", "[]", "null", "{", "[" * 100_000, '{"config": {}}'])
def test_a_card_that_is_none_is_refused(text: str, weights: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(weights, tmp_path / "w")
    (folder / "card.json").write_text(text)
    with pytest.raises(ValueError, match="not a card"):
        qd.load_predictor(folder)


# Checkpoints: no pickle, no bomb


def rewritten(path: Path, compression: int, **changed: np.ndarray) -> None:
    with np.load(path) as file:
        arrays = dict(file) | changed
    with path.open("wb") as file:
        (np.savez_compressed if compression else np.savez)(file, **arrays)


@pytest.mark.parametrize("kind", ["VMC checkpoint", "worm checkpoint"])
def test_hostile_checkpoints_are_refused(
    kind: str, whole: dict[str, bytes], tmp_path: Path
) -> None:
    path, read = tmp_path / "run.npz", FORMATS[kind][1]
    path.write_bytes(whole[kind])
    rewritten(path, 0, label=np.array([{"a": 1}], dtype=object))
    with pytest.raises(ValueError, match=r"allow_pickle=False"):
        read(path)
    path.write_bytes(whole[kind])
    rewritten(path, 1, bomb=np.zeros(10**7))
    assert path.stat().st_size < 10**6
    with pytest.raises(ValueError, match="compressed"):
        read(path)
    head = b"{'descr': '<f8', 'fortran_order': False, 'shape': (10000000000000,), }"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.npy", b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head)
    with pytest.raises(ValueError, match="damaged"):
        read(path)
    np.savez(path, something=np.zeros(3))
    with pytest.raises(ValueError, match=r"damaged|another run"):
        read(path)


def test_a_vmc_checkpoint_with_other_arrays_is_refused(
    whole: dict[str, bytes], tmp_path: Path
) -> None:
    path = tmp_path / "run.npz"
    for name, value in {
        "parameters": np.zeros(3),
        "history/energy": np.zeros(99),
        "history/cheese": np.zeros(6),
    }.items():
        path.write_bytes(whole["VMC checkpoint"])
        rewritten(path, 0, **{name: value})
        with pytest.raises(ValueError, match="damaged"):
            read_vmc(path)


class Payload:
    """Runs a command when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.marker}",)


def test_a_training_checkpoint_with_a_payload_is_refused_and_runs_nothing(
    weights: Path, tmp_path: Path
) -> None:
    data = weights.parent / "data.nc"
    folder = shutil.copytree(weights, tmp_path / "w")
    marker = tmp_path / "marker"
    checkpoints = folder / "member_0" / "checkpoints"
    torch.save({"state_dict": {}, "more": Payload(marker)}, checkpoints / "step=99.ckpt")
    config = TrainConfig(task="chain_cnn", **SMALL)
    with pytest.raises(ValueError, match=r"step=99\.ckpt is damaged, or holds more"):
        train("chain_cnn", config, data=data, out=folder, progress=False, resume=True)
    assert not marker.exists()
    (checkpoints / "step=99.ckpt").unlink()
    wider = TrainConfig(task="chain_cnn", **SMALL | {"width": 16})
    with pytest.raises(ValueError, match="of another network"):
        train("chain_cnn", wider, data=data, out=folder, progress=False, resume=True)


FORBIDDEN = {
    "pickle": re.compile(r"^\s*(?:import|from)\s+(?:c?pickle|dill|joblib|shelve|marshal)\b", re.M),
    "pickled arrays": re.compile(r"allow_pickle\s*=\s*True"),
    "yaml objects": re.compile(
        r"yaml\.(?:unsafe_load|full_load|UnsafeLoader|FullLoader|Loader)\b"
        r"|yaml\.load\((?!.*, _PlainLoader\))"
    ),
    "torch.load of objects": re.compile(r"torch\.load\((?![^\n]*weights_only=True)"),
    "weights_only off": re.compile(r"weights_only\s*=\s*(?:False|None)"),
    "code from text": re.compile(r"(?<![\w.])(?:eval|exec)\("),
}


def committed() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    ).stdout
    return [ROOT / name for name in listed.decode().split("\0") if name]


@pytest.mark.parametrize("name", FORBIDDEN)
def test_no_code_loads_objects(name: str) -> None:
    found = [
        str(path)
        for path in committed()
        if path.suffix in {".py", ".ipynb"} and path.is_file() and path.parent.name != "tests"
        if FORBIDDEN[name].search(path.read_text(encoding="utf-8"))
    ]
    assert found == []


def test_nothing_shipped_is_a_pickle() -> None:
    kinds = {".pkl", ".pickle", ".pt", ".pth", ".ckpt", ".npy", ".npz", ".joblib", ".bin", ".h5"}
    assert [str(path) for path in committed() if path.suffix in kinds] == []
    data = {path.suffix for path in (ROOT / "data").rglob("*") if path.is_file()}
    assert data <= {".nc", ".safetensors", ".json"}
    for path in (ROOT / "data").rglob("*.safetensors"):
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            json.loads(file.read(length))
