"""The bridge from labelled data to torch; nothing else in `datasets` knows torch."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import torch
import xarray as xr
from torch.utils.data import IterableDataset, get_worker_info

Batch = dict[str, torch.Tensor]


class Batches(IterableDataset):
    """Batches of one size at a time, from tensors in memory.

    Give it to a DataLoader with ``batch_size=None``, or iterate over it. Processes of a
    distributed run, and workers of a DataLoader, share the batches out.

    Parameters
    ----------
    data : mapping of int to Dataset
        From `qdens_nb.datasets.open_shards`.
    variables : sequence of str, optional
        What a batch holds (default: everything that has the dim ``sample`` in all Datasets).
    batch_size : int
        Samples in a batch; the last of a size may be smaller.
    shuffle : bool
        Draw samples and sizes in random order, another one in each pass.
    seed : int
        Of that order; with `epoch` it decides it.
    transform : callable, optional
        Applied to each batch: dict of tensors to dict of tensors.
    device : str or torch.device
        Where the tensors are kept.

    Attributes
    ----------
    epoch : int
        Number of the next pass; set it to repeat or to resume one.

    Yields
    ------
    dict of str to Tensor
        potential (B, L), V (B,), density (B, L), ...; integers as int64, the rest as float32.

    Raises
    ------
    ValueError
        No data, a missing variable, a batch size below 1.
    """

    def __init__(
        self,
        data: Mapping[int, xr.Dataset],
        variables: Sequence[str] | None = None,
        *,
        batch_size: int = 256,
        shuffle: bool = True,
        seed: int = 0,
        transform: Callable[[Batch], Batch] | None = None,
        device: str | torch.device = "cpu",
    ) -> None:
        if not data or batch_size < 1:
            raise ValueError(f"{len(data)} sizes, batch_size={batch_size}; give at least one each")
        if variables is None:
            held = [{str(k) for k, v in d.items() if "sample" in v.dims} for d in data.values()]
            variables = sorted(set.intersection(*held))
        self.tensors = {size: _tensors(part, variables, device) for size, part in data.items()}
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.seed = seed
        self.transform = transform
        self.epoch = 0

    @property
    def samples(self) -> dict[int, int]:
        """Number of samples of each size."""
        return {size: len(part["potential"]) for size, part in self.tensors.items()}

    def __len__(self) -> int:
        """Number of batches of a pass over all data, for each process of a distributed run."""
        total = sum(math.ceil(count / self.batch_size) for count in self.samples.values())
        return math.ceil(total / _rank_and_world()[1])

    def __iter__(self) -> Iterator[Batch]:
        rng = np.random.default_rng((self.seed, self.epoch))
        self.epoch += 1
        plan: list[tuple[int, np.ndarray]] = []
        for size, count in self.samples.items():
            order = rng.permutation(count) if self.shuffle else np.arange(count)
            starts = range(0, count, self.batch_size)
            plan += [(size, order[start : start + self.batch_size]) for start in starts]
        if self.shuffle:
            plan = [plan[i] for i in rng.permutation(len(plan))]
        rank, world = _rank_and_world()
        plan += plan[: -len(plan) % world]
        worker = get_worker_info()
        first, step = (worker.id, worker.num_workers) if worker else (0, 1)
        for size, chosen in plan[rank::world][first::step]:
            part = self.tensors[size]
            rows = torch.from_numpy(chosen).to(part["potential"].device)
            batch = {name: tensor.index_select(0, rows) for name, tensor in part.items()}
            yield self.transform(batch) if self.transform else batch


def _tensors(data: xr.Dataset, variables: Sequence[str], device: str | torch.device) -> Batch:
    out = {}
    for name in dict.fromkeys(["potential", *variables]):
        if name not in data or "sample" not in data[name].dims:
            raise ValueError(f"the data hold no {name!r} for each sample; they hold {list(data)}")
        array = data[name].transpose("sample", ...).values
        kind = np.int64 if array.dtype.kind in "iu" else np.float32
        out[name] = torch.from_numpy(np.ascontiguousarray(array, dtype=kind)).to(device)
    return out


def _rank_and_world() -> tuple[int, int]:
    spread = torch.distributed.is_available() and torch.distributed.is_initialized()
    return (torch.distributed.get_rank(), torch.distributed.get_world_size()) if spread else (0, 1)
