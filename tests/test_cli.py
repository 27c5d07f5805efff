"""The command qdens: what it prints, writes and refuses."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

import qdens_nb as qd
from qdens_nb import datasets
from qdens_nb.cli import app


def call(*arguments: object, code: int = 0) -> Result:
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    assert result.exit_code == code, result.output
    return result


def refused(*arguments: object) -> str:
    """What is said on the way out with exit code 2; never a traceback."""
    text = call(*arguments, code=2).stderr
    assert "Traceback" not in text
    return re.sub(r"[\s│]+", " ", text)


@pytest.fixture(scope="module")
def wells(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = np.random.default_rng(0)
    V = np.repeat([0.0, 1.0], 6)
    problem = qd.fermion_chain(rng.normal(size=(12, 8)), V=V, mu=0.5)
    folder = tmp_path_factory.mktemp("wells")
    return datasets.save(qd.solvers.chain_ed(problem), folder / "wells.nc")


def test_version_and_help() -> None:
    assert call("--version").output == f"qdens {qd.__version__}\n"
    for command in ("generate", "info", "train", "evaluate"):
        assert command in call("--help").output


def test_generate_then_info_then_resume(tmp_path: Path) -> None:
    from distributed import LocalCluster

    config = tmp_path / "small.yaml"
    config.write_text("sites: {8: 2, 9: 2}\npotentials_per_shard: 2\n")
    out = tmp_path / "data"
    with LocalCluster(n_workers=1, processes=False, dashboard_address="127.0.0.1:0") as cluster:
        common = ("generate", "chain", "--config", config, "--out", out)
        address = ("--scheduler", cluster.scheduler_address)
        result = call(*common, *address, "--seed", 1, "--size", 3)
        assert f"complete: {out}" in result.output
        assert "samples/s" in result.stderr
        damaged = out / "shard_00000.nc"
        damaged.write_bytes(b"damaged")
        assert "damaged: shard_00000.nc" in refused("info", out)
        result = call(*common, *address, "--seed", 1, "--size", 3)
        assert "warning:" in result.stderr and "computed again" in result.stderr
    text = call("info", out).output
    for part in ("27 at L = 8, 30 at L = 9", "4 of 4", "4 ok", "density_correlation", "sum_x"):
        assert part in text
    assert "seed is 2, was 1" in refused(*common, "--seed", 2, "--size", 3)


def test_generate_refuses_what_it_does_not_know(tmp_path: Path) -> None:
    out = ("--out", tmp_path / "data")
    assert "there is chain, chain_wells" in refused("generate", "chian", *out)
    config = tmp_path / "bad.yaml"
    config.write_text("colour: blue\n")
    text = refused("generate", "chain", *out, "--config", config)
    assert "unknown key 'colour'" in text and "allowed are sites" in text
    assert "is a grid" in refused("generate", "chain_well_grid", *out, "--size", 3)
    assert "no size without" in refused("generate", "chain", *out, "--size", 0)
    assert "No such file" in refused("generate", "chain", *out, "--config", tmp_path / "none.yaml")


def test_info_on_good_damaged_and_foreign_files(wells: Path, tmp_path: Path) -> None:
    text = call("info", wells).output
    for part in ("12 at L = 8", "chain_ed", "-J sum_x", "density", "1 none"):
        assert part in text
    damaged = tmp_path / "damaged.nc"
    damaged.write_bytes(wells.read_bytes()[:3000])
    assert "damaged" in refused("info", damaged)
    foreign = tmp_path / "foreign.txt"
    foreign.write_text("hello")
    assert "not a netCDF file" in refused("info", foreign)
    assert "there is no netCDF file" in refused("info", tmp_path / "none.nc")


def test_evaluate_prints_one_json_object(wells: Path, tmp_path: Path) -> None:
    out = tmp_path / "results" / "hf.json"
    result = call("evaluate", "hartree_fock", wells, "--split", "V", "--out", out)
    scores = json.loads(result.stdout)
    assert scores == json.loads(out.read_text())
    assert set(scores["density"]) == {"mae", "rmse", "r2", "max"}
    assert scores["model"] == "hartree_fock" and scores["file"] == str(wells)
    assert scores["by"]["V"]["0"]["density"]["max"] < 1e-6  # mean field is exact at V = 0
    assert scores["by"]["V"]["1"]["energy"]["mae"] > 1e-4
    exact = json.loads(call("evaluate", "chain_ed", wells, "--margin", 0.05).stdout)
    assert exact["density"]["max"] < 1e-9
    assert exact["samples"] + exact["left_out"] == 12


def test_evaluate_takes_measured_data(tmp_path: Path) -> None:
    own = datasets.from_arrays(np.zeros((2, 9)), np.full((2, 9), 4 / 9), V=1.0, mu=0.3)
    path = datasets.save(own, tmp_path / "own.nc")
    assert set(json.loads(call("evaluate", "chain_ed", path).stdout)) == {
        "density",
        "particle_number",
        "samples",
        "left_out",
        "model",
        "file",
    }


def test_evaluate_refuses_unknown_models_and_files(wells: Path, tmp_path: Path) -> None:
    text = refused("evaluate", "oracle", wells)
    assert "oracle" in text and "chain_hartree_fock" in text
    assert "no data set" in refused("evaluate", "chain_ed", tmp_path / "none.nc")
    assert "'depth' is not" in refused("evaluate", "chain_ed", wells, "--split", "depth")


def test_train_hands_everything_over(
    wells: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {}

    def train(model: str, config: Path, **options: object) -> Path:
        given.update(model=model, config=config, **options)
        return tmp_path

    monkeypatch.setattr("qdens_nb.training.train", train)
    arguments = ("train", "chain", "--config", "c.yaml", "--data", wells, "--out", tmp_path)
    assert f"weights: {tmp_path}" in call(*arguments, "--resume").output
    assert given == {
        "model": "chain",
        "config": Path("c.yaml"),
        "data": [wells],
        "out": tmp_path,
        "resume": True,
        "workers": 1,
        "devices": 1,
    }


def test_errors_of_training_are_messages(
    wells: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ("train", "chain", "--config", tmp_path / "none.yaml")
    arguments += ("--data", wells, "--out", tmp_path)
    assert "No such file" in refused(*arguments)
    monkeypatch.setenv("QDENS_DEBUG", "1")
    assert isinstance(CliRunner().invoke(app, [str(a) for a in arguments]).exception, OSError)
