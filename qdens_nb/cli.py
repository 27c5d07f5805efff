"""The command ``qdens``: thin over the library; engines are imported inside the commands."""

from __future__ import annotations

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
    """Turn errors that the user can mend into a message and exit code 2."""
    try:
        yield
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    except (ValueError, TypeError, OSError) as error:
        typer.secho(f"error: {error}", fg="red", err=True)
        raise typer.Exit(2) from None


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
    system: Annotated[str, typer.Argument(help="What to generate: chain.")],
    out: Annotated[Path, typer.Option(help="Folder of the shards; repeat a command to resume.")],
    config: Annotated[Path | None, typer.Option(help="YAML file of the recipe.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of all random numbers.")] = 0,
    workers: Annotated[int | None, typer.Option(help="Local processes (default: cores).")] = None,
    scheduler: Annotated[str | None, typer.Option(help="Address of a dask scheduler.")] = None,
    size: Annotated[
        int | None, typer.Option(help="Potentials of each L, in place of the config's numbers.")
    ] = None,
) -> None:
    """Generate a data set of exact solutions on random potentials."""
    from qdens_nb import datasets

    with user_errors():
        recipe: Any = datasets.read_recipe(system, config)
        if size is not None:
            recipe = replace(recipe, sites=dict.fromkeys(recipe.sites, size))
        folder = datasets.generate(
            system, recipe, out, seed=seed, workers=workers, scheduler=scheduler
        )
        typer.echo(f"complete: {folder}")
