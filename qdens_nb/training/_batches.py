"""Prepared tensors by size, and an endless stream of batches that never mixes sizes."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from tqdm.auto import tqdm

from qdens_nb.training._registry import TASKS

Tensors = dict[str, torch.Tensor]
Size = int | tuple[int, ...]


def count_samples(part: Tensors) -> int:
    """Number of samples of prepared tensors."""
    return len(next(iter(part.values())))


def _maps(part: Tensors) -> torch.Tensor:
    """A tensor (samples, sides...)."""
    known = part.get("density")
    return known if known is not None else next(v for v in part.values() if v.ndim > 1)


@dataclass
class Store:
    """Training and validation tensors, one dict for each size.

    The key is the number of sites of a ring, the pair of sides of a torus.
    """

    train: dict[Size, Tensors] = field(default_factory=dict)
    validation: dict[Size, Tensors] = field(default_factory=dict)

    @property
    def samples(self) -> int:
        """Number of training samples."""
        return sum(count_samples(part) for part in self.train.values())

    def known(self, names: Sequence[str]) -> list[str]:
        """Of these names, the tensors of which something is known (NaN marks what is not)."""
        parts = self.train.values()
        return [n for n in names if any(n in p and not p[n].isnan().all() for p in parts)]


def prepare_file(
    task: str, path: Path, cache: Path | None, min_gap: float, options: Mapping[str, Any]
) -> Tensors:
    """Tensors of one file, from the cache if they are there."""
    how = "_".join([task, str(min_gap), *(f"{k}-{v}" for k, v in sorted(options.items()))])
    kept = cache / f"{how}_{path.parent.name}_{path.stem}.safetensors" if cache else None
    if kept is not None and kept.exists():
        with contextlib.suppress(SafetensorError):  # damaged: made again
            return load_file(kept)
    try:
        with xr.open_dataset(path, engine="netcdf4") as opened:
            data = opened.load()
    except FileNotFoundError:
        raise
    except Exception as error:  # xarray and netCDF raise many kinds on foreign files
        raise ValueError(f"{path} is not a netCDF file, or is damaged: {error}") from error
    if "sample" not in data.dims:
        data = data.expand_dims("sample")
    system = data.attrs.get("system", TASKS[task].system)
    if system != TASKS[task].system:
        raise ValueError(f"{path} holds a {system}; {task!r} learns a {TASKS[task].system}")
    if "gap" in data:
        data = data.isel(sample=(data["gap"] >= min_gap).values)
    tensors = TASKS[task](**options).prepare(data)
    tensors = {k: v.half() if k == "channels" else v for k, v in tensors.items()}
    if kept is not None:
        kept.parent.mkdir(parents=True, exist_ok=True)
        partial = kept.with_suffix(f".{os.getpid()}.tmp")
        save_file(tensors, partial)
        os.replace(partial, kept)
    return tensors


def _prepare_in_worker(job: tuple[str, Path, Path | None, float, Mapping[str, Any]]) -> Path:
    torch.set_num_threads(1)
    prepare_file(*job)
    return job[1]


def load_store(
    task: str,
    files: list[Path],
    *,
    cache: Path | None = None,
    validation_fraction: float = 0.02,
    min_gap: float = 0.02,
    options: Mapping[str, Any] | None = None,
    max_samples: int | None = None,
    workers: int = 1,
    seed: int = 0,
    progress: bool = True,
) -> Store:
    """Prepare all files with a task of these `options`; see `split_store` for the validation part.

    Raises
    ------
    ValueError
        No file, or no usable sample.
    """
    if not files:
        raise ValueError("no training files were found; make them with 'qdens generate'")
    if cache is not None and workers > 1:
        jobs = [(task, path, cache, min_gap, options or {}) for path in files]
        with ProcessPoolExecutor(workers) as pool:
            list(tqdm(pool.map(_prepare_in_worker, jobs), total=len(jobs), desc="prepare"))
    tensors = [
        prepare_file(task, path, cache, min_gap, options or {})
        for path in tqdm(files, desc="load", disable=not progress)
    ]
    store = split_store(tensors, validation_fraction)
    if max_samples is not None and max_samples < store.samples:
        keep = max_samples / store.samples
        generator = torch.Generator().manual_seed(seed)
        for size, part in store.train.items():
            count = count_samples(part)
            chosen = torch.randperm(count, generator=generator)[: max(1, round(keep * count))]
            store.train[size] = {k: v[chosen] for k, v in part.items()}
    return store


def split_store(prepared: Sequence[Tensors], validation_fraction: float) -> Store:
    """Tensors of several files by size, the last part of the samples of each for validation.

    Where the tensors say how the samples are split (0 training, 1 validation, others neither),
    that holds. A file of few samples keeps none: it takes turns with its like, so that of all
    samples of a size the wanted part is kept.
    """
    parts: dict[Size, list[tuple[Tensors, Tensors]]] = {}
    seen: dict[Size, int] = {}
    for tensors in prepared:
        count, *sides = _maps(tensors).shape
        if count:
            size = sides[0] if len(sides) == 1 else tuple(sides)
            rows: tuple[Any, Any]
            if "split" in tensors:
                rows = (tensors["split"] == 0, tensors["split"] == 1)
            else:
                before = seen.get(size, 0)
                seen[size] = before + count
                kept = round(seen[size] * validation_fraction) - round(before * validation_fraction)
                split = max(1, count - kept)
                rows = (slice(None, split), slice(split, None))
            pair = tuple({k: v[s] for k, v in tensors.items() if k != "split"} for s in rows)
            parts.setdefault(size, []).append(pair)  # type: ignore[arg-type]
    store = Store()
    for size, pairs in sorted(parts.items()):
        for side, target in ((0, store.train), (1, store.validation)):
            pieces = [pair[side] for pair in pairs]
            target[size] = {k: torch.cat([p[k] for p in pieces]) for k in pieces[0]}
    if store.samples == 0:
        raise ValueError("the training files hold no usable sample")
    return store


def own_share(values: torch.Tensor) -> torch.Tensor:
    """The samples of a batch that are this process' part in a distributed training; else all."""
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return values
    return values[torch.distributed.get_rank() :: torch.distributed.get_world_size()]


class BatchStream(torch.utils.data.IterableDataset):
    """Random batches; the state is ``(seed, step)``, so a resumed run sees the same stream.

    All processes of a distributed training see the same one; each takes its `own_share`.
    """

    def __init__(self, parts: Mapping[Size, Tensors], batch_size: int, seed: int, first: int = 0):
        self.parts = dict(parts)
        self.batch_size = batch_size
        self.seed = seed
        self.first = first

    def __iter__(self) -> Iterator[Tensors]:
        sizes = list(self.parts)
        counts = np.array([count_samples(self.parts[s]) for s in sizes], dtype=float)
        step = self.first
        while True:
            rng = np.random.default_rng([self.seed, step])
            part = self.parts[sizes[rng.choice(len(sizes), p=counts / counts.sum())]]
            rows = torch.from_numpy(rng.integers(0, count_samples(part), self.batch_size))
            batch = {k: v[rows] for k, v in part.items()}
            batch["step"] = torch.tensor(step)
            step += 1
            yield batch


def sequential_batches(parts: Mapping[Size, Tensors], batch_size: int) -> Iterator[Tensors]:
    """All samples once, in order, for validation."""
    for part in parts.values():
        for start in range(0, count_samples(part), batch_size):
            yield {k: v[start : start + batch_size] for k, v in part.items()}
