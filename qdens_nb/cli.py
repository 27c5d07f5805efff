"""The command ``qdens``: thin over the library; engines are imported inside the commands."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

import qdens_nb

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@contextmanager
def user_errors() -> Iterator[None]:
    """Turn errors that the user can mend into a message and exit code 2.

    With QDENS_DEBUG set the traceback is shown.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("default", UserWarning)
            warnings.showwarning = lambda message, *_, **__: _say(f"warning: {message}", "yellow")
            yield
    except KeyboardInterrupt:
        _say("interrupted", "yellow")
        raise typer.Exit(130) from None
    except (ValueError, OSError) as error:
        if os.environ.get("QDENS_DEBUG"):
            raise
        text = str(error)
        if isinstance(error, OSError) and error.strerror:
            text = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
        _say(f"error: {text}", "red")
        raise typer.Exit(2) from None


def _say(text: str, colour: str) -> None:
    typer.secho(text, fg=colour, err=True)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"qdens {qdens_nb.__version__}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Data, training and evaluation for inhomogeneous correlated quantum systems."""


@app.command()
def generate(
    system: Annotated[
        str,
        typer.Argument(
            help="chain, chain_wells, chain_well_grid, bose_hubbard, bose_hubbard_traps or dots."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder of the shards; repeat a command to resume.")],
    config: Annotated[Path | None, typer.Option(help="YAML file of the recipe.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of all random numbers.")] = 0,
    workers: Annotated[int | None, typer.Option(help="Local processes (default: cores).")] = None,
    scheduler: Annotated[str | None, typer.Option(help="Address of a dask scheduler.")] = None,
    size: Annotated[
        int | None, typer.Option(help="Potentials of each L, in place of the config's numbers.")
    ] = None,
) -> None:
    """Generate a data set of reference solutions on random potentials."""
    with user_errors():
        from qdens_nb import datasets

        recipe: Any = datasets.read_recipe(system, config)
        if size is not None:
            recipe = _resize(recipe, size)
        folder = datasets.generate(
            system, recipe, out, seed=seed, workers=workers, scheduler=scheduler
        )
        typer.echo(f"complete: {folder}")


def _resize(recipe: Any, size: int) -> Any:
    if hasattr(recipe, "count"):
        return replace(recipe, count=size)
    if isinstance(recipe.sites, dict):
        return replace(recipe, sites=dict.fromkeys(recipe.sites, size))
    raise ValueError("--size: this recipe is a grid, its size follows from its values")


@app.command()
def info(
    path: Annotated[Path, typer.Argument(help="A netCDF file, or a folder of them.")],
) -> None:
    """Describe a file or a folder: what it holds, in which units, whether it is sound."""
    with user_errors():
        from qdens_nb import datasets

        report = datasets.describe(path, progress=True)
        _show(report)
        damaged = [name for name, state in report["checksums"].items() if state == "damaged"]
        if damaged:
            raise ValueError(
                f"damaged: {', '.join(damaged)}; 'qdens generate' with the same options computes "
                "them again"
            )


def _show(report: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Column, Table

    console = Console()
    if not console.is_terminal:
        console.width = 140
    about = Table(title=report["path"], show_header=False, title_justify="left")
    attributes = report["attributes"] or {}
    states = list(report["checksums"].values())
    checks = ", ".join(f"{states.count(s)} {s}" for s in ("ok", "damaged", "none") if s in states)
    planned = f" of {report['planned']}" if report["planned"] is not None else ""
    rows = {
        **{key: attributes[key] for key in ("system", "hamiltonian") if key in attributes},
        "samples": ", ".join(f"{n} at L = {size}" for size, n in report["samples"].items()),
        **{k: v for k, v in attributes.items() if k not in ("system", "hamiltonian")},
        "files": f"{report['files']}{planned}",
        "checksums": checks,
    }
    if report["config"]:
        rows |= {"recipe": json.dumps(report["config"]["recipe"])}
        rows |= {"software": json.dumps(report["config"].get("versions"))}
    for key, value in rows.items():
        about.add_row(key, escape(str(value)))
    console.print(about)
    headings = ("dims", "type", "units", "lowest", "highest", "meaning")
    table = Table(Column("variable", no_wrap=True), *headings)
    for name, entry in report["variables"].items():
        table.add_row(
            name,
            ", ".join(entry["dims"]),
            entry["dtype"],
            entry["units"],
            f"{entry['lowest']:.5g}",
            f"{entry['highest']:.5g}",
            escape(entry["long_name"]),
        )
    console.print(table)


@app.command()
def train(
    model: Annotated[
        str, typer.Argument(help="chain, chain_cnn, bose_hubbard or bose_hubbard_cnn.")
    ],
    config: Annotated[Path, typer.Option(help="YAML file of the training.")],
    out: Annotated[Path, typer.Option(help="Folder of the weights, checkpoints and log.")],
    data: Annotated[
        list[Path] | None,
        typer.Option(help="Folder or file of the data; repeatable. None for mean_field configs."),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the checkpoint.")] = False,
    workers: Annotated[int, typer.Option(help="Processes that prepare the data.")] = 1,
    devices: Annotated[int, typer.Option(help="GPUs (or CPU processes) that share a batch.")] = 1,
) -> None:
    """Train a network on generated or measured data."""
    with user_errors():
        from qdens_nb import training

        sources: list[str | Path] | None = [*data] if data else None
        folder = training.train(
            model, config, data=sources, out=out, resume=resume, workers=workers, devices=devices
        )
        typer.echo(f"weights: {folder}")


@app.command()
def evaluate(
    model: Annotated[
        str,
        typer.Argument(
            help="A shipped network, a folder of weights, or an engine such as hartree_fock."
        ),
    ],
    file: Annotated[Path, typer.Argument(help="Solved problems: a netCDF file or a folder.")],
    split: Annotated[
        str | None, typer.Option(help="Errors also by L, or by a coupling such as V.")
    ] = None,
    margin: Annotated[
        float, typer.Option(help="Leave out ground states not unique by that much.")
    ] = 0.0,
    out: Annotated[Path | None, typer.Option(help="Write the JSON to this file too.")] = None,
) -> None:
    """Compare a network or an engine with solved problems; print one JSON object."""
    with user_errors():
        from qdens_nb import datasets, metrics

        reference = datasets.open_shards(file)
        result = metrics.evaluate(
            _solver(model), reference, split=split, margin=margin, progress=True
        )
        text = json.dumps({**result, "model": model, "file": str(file)}, indent=2)
        typer.echo(text)
        if out is not None:
            out.parent.mkdir(parents=True, exist_ok=True)
            out.write_text(text + "\n")


@app.command()
def recover(
    system: Annotated[str, typer.Argument(help="E.g. hydrogen_1s, oscillator_2, hooke_3d.")],
    method: Annotated[
        str, typer.Option(help="local_energy (ours), mpnn, qpnn or qpnn_ms.")
    ] = "local_energy",
    seed: Annotated[int, typer.Option(help="Seed of all random numbers.")] = 0,
    samples: Annotated[int | None, typer.Option(help="Points at which psi is known.")] = None,
    steps: Annotated[int | None, typer.Option(help="Steps of the training.")] = None,
    noise: Annotated[float, typer.Option(help="Relative noise of psi.")] = 0.0,
    out: Annotated[Path | None, typer.Option(help="netCDF file for the potential.")] = None,
) -> None:
    """Find the potential behind a wave function; print one JSON object."""
    with user_errors():
        from qdens_nb import mpnn

        given = {"samples": samples, "steps": steps}
        options = {name: value for name, value in given.items() if value is not None}
        found = mpnn.recover_potential(system, method, seed=seed, noise=noise, **options)
        if out is not None:
            out.parent.mkdir(parents=True, exist_ok=True)
            found.to_netcdf(out)
        scalars = {str(k): float(v) for k, v in found.data_vars.items() if v.ndim == 0}
        typer.echo(json.dumps({"system": system, "method": method, "seed": seed, **scalars}))


@app.command("mpnn")
def mpnn_study(
    study: Annotated[str, typer.Argument(help="table, maps, penalty, samples or inputs.")],
    out: Annotated[Path, typer.Option(help="Folder of the results file.")] = Path("results"),
    runs: Annotated[Path, typer.Option(help="Folder of finished runs.")] = Path("runs/mpnn"),
    seeds: Annotated[int, typer.Option(help="Seeds of each case.")] = 5,
    workers: Annotated[int, typer.Option(help="Local processes.")] = 2,
) -> None:
    """A table or figure of the MPNN paper: all its trainings; resumes where it was stopped."""
    with user_errors():
        from qdens_nb.mpnn import _studies

        path = _studies.write(study, out, runs, seeds=seeds, workers=workers)
        typer.echo(f"results: {path}")


def _solver(model: str) -> Any:
    """An engine by its name, with or without ``chain_``, or else a network."""
    from qdens_nb import solvers

    for name in (model, f"chain_{model}"):
        if name in solvers.__all__:
            return getattr(solvers, name)
    try:
        return qdens_nb.load_predictor(model)
    except ValueError as error:
        engines = ", ".join(solvers.__all__)
        raise ValueError(f"{error}. Engines are {engines}") from error


if __name__ == "__main__":
    app()
