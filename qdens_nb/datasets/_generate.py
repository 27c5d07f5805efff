"""Generation of data sets: one dask task a shard; a killed run goes on where it stopped."""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import logging
import platform
import time
import warnings
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm.auto import tqdm

from qdens_nb.datasets._files import TEMPORARY, checksum_state, write_checksum, write_json
from qdens_nb.datasets._netcdf import save
from qdens_nb.datasets._recipes import as_json, read_recipe, shard_function

if TYPE_CHECKING:
    from distributed import Client

CONFIG = "config.json"
_ONE_THREAD = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}
#: Ctrl-C reaches all processes of a terminal; only the one that waits for the workers acts on it
_LEAVE_INTERRUPTS = ["import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)"]
#: seconds between two looks at how many workers there are
_LOOK_EVERY = 1.0
_SOFTWARE = ("qdens_nb", "numpy", "scipy", "numba", "quspin", "xarray", "netCDF4")


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that decide what a data set holds."""
    found = {name: importlib.metadata.version(name) for name in _SOFTWARE}
    return {"python": platform.python_version(), **found}


def shard_path(folder: Path, shard: int) -> Path:
    """File of one shard."""
    return folder / f"shard_{shard:05d}.nc"


def _make_shard(system: str, recipe: Any, shard: int, seed: int, path: Path) -> int:
    """Compute and write one shard (runs in a worker); return its number of samples.

    The file is this task's alone. Left to itself xarray takes a lock of the whole cluster for each
    variable, and a worker that is asked to leave meanwhile waits for it without end.
    """
    import dask

    data = shard_function(system)(recipe, shard, seed)
    with dask.config.set(scheduler="threads"):
        write_checksum(save(data, path))
    return data.sizes["sample"]


@contextlib.contextmanager
def _client(workers: int | None, scheduler: str | None, tasks: int) -> Iterator[Client]:
    from dask.system import CPU_COUNT
    from distributed import Client, LocalCluster

    if scheduler is not None:
        try:
            client = Client(scheduler, timeout="15s", set_as_default=False)
        except (OSError, ValueError, TypeError) as error:
            raise ValueError(
                f"no dask scheduler answers at {scheduler!r} ({error}); give an address such as "
                "'tcp://10.0.0.1:8786', or leave it out to use this machine"
            ) from error
        with client:
            yield client
        return
    with (
        LocalCluster(
            n_workers=min(workers or CPU_COUNT, tasks),
            threads_per_worker=1,
            processes=True,
            dashboard_address="127.0.0.1:0",
            silence_logs=logging.CRITICAL,
            env=_ONE_THREAD,
            preload=_LEAVE_INTERRUPTS,
        ) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        yield client


@contextlib.contextmanager
def _only_writer(folder: Path) -> Iterator[None]:
    """Hold a lock on `folder` that ends with this process, however it ends."""
    try:
        import fcntl
    except ImportError:  # not POSIX
        yield
        return
    with open(folder / ".lock", "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ValueError(f"another process is generating into {folder} right now") from None
        except OSError:  # a file system without locks
            pass
        yield


def _agree(folder: Path, identity: dict[str, Any], defaults: dict[str, Any]) -> None:
    """Write config.json, or refuse to mix another recipe or seed into the folder.

    A recipe's field that came after the folder was begun counts as its default there.
    """
    path = folder / CONFIG
    if not path.exists():
        if any(folder.glob("*.nc")):
            raise ValueError(f"{folder} holds netCDF files but no {CONFIG}; give an empty folder")
        write_json(path, {**identity, "versions": versions()})
        return
    try:
        old = json.loads(path.read_text())
        before = {"system": old["system"], "seed": old["seed"], **defaults, **old["recipe"]}
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is damaged ({error}); give an empty folder") from error
    now = {"system": identity["system"], "seed": identity["seed"], **identity["recipe"]}
    changed = [
        f"{key} is {now.get(key)!r}, was {before.get(key)!r}"
        for key in sorted(set(before) | set(now))
        if before.get(key) != now.get(key)
    ]
    if changed:
        raise ValueError(
            f"{folder} was begun with other settings: {'; '.join(changed)}. Repeat the old ones "
            "to resume it, or give another folder"
        )
    newer = {k: v for k, v in versions().items() if old.get("versions", {}).get(k) != v}
    if newer:
        warnings.warn(
            f"{folder} was begun with other software versions (now {newer}); the rest may differ "
            "from what that software gives by rounding",
            stacklevel=3,
        )


def _remove_parts(folder: Path) -> None:
    """Remove what processes that were killed while they wrote have left."""
    for part in folder.glob(f".*{TEMPORARY}"):
        part.unlink(missing_ok=True)


def _missing(folder: Path, shards: int, progress: bool) -> list[int]:
    """Shards that are absent, incomplete or damaged; left-over temporary files are removed."""
    _remove_parts(folder)
    missing = []
    shown = {"desc": "checking", "unit": "shard", "leave": False, "disable": not progress}
    for shard in tqdm(range(shards), **shown):
        path = shard_path(folder, shard)
        if not path.exists():
            missing.append(shard)
            continue
        state = checksum_state(path)
        if state == "damaged":
            warnings.warn(f"{path} is damaged and is computed again", stacklevel=3)
        if state != "ok":
            missing.append(shard)
    return missing


def generate(
    system: str,
    recipe: Any,
    folder: str | Path,
    *,
    seed: int,
    workers: int | None = None,
    scheduler: str | None = None,
    progress: bool = True,
) -> Path:
    """Generate a data set as checksummed netCDF shards, or go on with one that was interrupted.

    A shard depends on the recipe, its number and the seed alone, so the data do not depend on
    the number of workers or on interruptions. Workers may come, go and be killed meanwhile: what
    one has not finished another computes. A script that calls this with local workers needs
    the usual ``if __name__ == "__main__":``.

    Parameters
    ----------
    system : str
        What to generate, one of `systems`.
    recipe : recipe, mapping, path of a YAML file, or None
        What the samples are drawn from; None takes the defaults.
    folder : path
        Where ``config.json`` and ``shard_00000.nc``, ... go; made if needed. On a cluster all
        workers must see it under this name.
    seed : int
        Seed of all random numbers, >= 0.
    workers : int, optional
        Number of local processes of one thread each (default: one for each core).
    scheduler : str, optional
        Address of a running dask scheduler, such as ``"tcp://10.0.0.1:8786"``, used instead.
    progress : bool
        Show a progress bar.

    Returns
    -------
    Path
        The folder, complete.

    Raises
    ------
    ValueError
        Bad recipe; the folder was begun with another recipe or seed, or is in use; no scheduler.
    OSError
        Full disk; the scheduler has gone, or one shard has killed several workers. What is
        complete is kept, nothing partial is left; the same call resumes.
    """
    if isinstance(seed, bool) or int(seed) != seed or seed < 0:
        raise ValueError(f"seed={seed!r}; give a whole number >= 0")
    if workers is not None and workers < 1:
        raise ValueError(f"workers={workers!r}; give at least 1")
    recipe = read_recipe(system, recipe)
    folder = Path(folder).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    identity = {"system": system, "recipe": as_json(recipe), "seed": int(seed)}
    with _only_writer(folder):
        _agree(folder, identity, as_json(type(recipe)()))
        total = len(recipe.shards())
        missing = _missing(folder, total, progress)
        if missing:
            with (
                _client(workers, scheduler, len(missing)) as client,
                tqdm(
                    total=total,
                    initial=total - len(missing),
                    desc=f"generate {system}",
                    unit="shard",
                    disable=not progress,
                ) as bar,
            ):
                _run(client, bar, missing, (system, recipe, int(seed), folder))
            _remove_parts(folder)
    return folder


def _run(client: Client, bar: tqdm, missing: list[int], job: tuple[str, Any, int, Path]) -> None:
    """Keep a few tasks a worker in flight until none is missing; workers may come and go."""
    from distributed import CancelledError, KilledWorker, as_completed
    from distributed.comm import CommClosedError

    system, recipe, seed, folder = job
    todo = iter(missing)
    running = as_completed(loop=client.loop)
    start, samples = time.monotonic(), 0
    window, looked = 0, -_LOOK_EVERY
    try:
        while True:
            if time.monotonic() - looked > _LOOK_EVERY:
                window, looked = _window(client), time.monotonic()
            for shard in islice(todo, max(0, window - running.count())):
                args = (system, recipe, shard, seed, shard_path(folder, shard))
                running.add(client.submit(_make_shard, *args, pure=False))
            if running.is_empty():
                break
            samples += next(running).result()
            bar.set_postfix_str(f"{samples / (time.monotonic() - start):.3g} samples/s")
            bar.update()
    except KeyboardInterrupt:
        bar.write(
            f"stopped with {bar.n} of {bar.total} shards complete in {folder}; the same command "
            "goes on from there"
        )
        raise
    except KilledWorker as error:
        raise ChildProcessError(
            f"{error.allowed_failures + 1} workers died one after another on the same shard: is "
            f"there memory enough, and time enough for a job? {_kept(bar, folder)}"
        ) from error
    except (CancelledError, CommClosedError) as error:
        raise ConnectionError(f"the dask scheduler is gone. {_kept(bar, folder)}") from error


def _window(client: Client) -> int:
    """Tasks to have in flight: enough for all workers, and a reason for a cluster to grow."""
    return max(32, 3 * sum(client.nthreads().values()))


def _kept(bar: tqdm, folder: Path) -> str:
    return f"{bar.n} of {bar.total} shards are complete in {folder}; the same command goes on"
