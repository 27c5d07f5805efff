"""R2 of a task over the validation samples, summed batch by batch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from qdens_nb.training._batches import Store, count_samples


class ExplainedVariance:
    """R2 over the validation samples against the mean training map, for the dots' tasks.

    Parts of the loss named ``square_<target>`` are mean squared errors; for tasks without such
    parts it stays empty.
    """

    def __init__(self, variance: Mapping[str, float] | None = None) -> None:
        self.variance = dict(variance or {})
        self._sums = dict.fromkeys(self.variance, 0.0)
        self._count = 0

    @classmethod
    def of(cls, task: Any, store: Store) -> ExplainedVariance:
        """Variance of the validation targets about the mean of the training targets."""
        sums: dict[str, float] = {}
        count = 0
        for size, part in store.validation.items():
            held = count_samples(part)
            if task.system != "quantum_dot" or not held:
                continue
            count += held
            for name in task.targets:
                mean = task.scaled(name, store.train[size][name].mean(0))
                square = (task.scaled(name, part[name]) - mean).square().mean((-2, -1)).sum()
                sums[name] = sums.get(name, 0.0) + float(square)
        return cls({name: value / count for name, value in sums.items()})

    def add(self, parts: Mapping[str, torch.Tensor], weight: int) -> None:
        """Count a batch of `weight` samples."""
        self._count += weight
        for name in self.variance:
            self._sums[name] += float(parts[f"square_{name}"]) * weight

    def close(self) -> dict[str, float]:
        """``r2_<target>`` of what was counted, and ``r2``, the lowest; starts anew."""
        if not self.variance or not self._count:
            return {}
        found = {
            f"r2_{name}": 1.0 - self._sums[name] / self._count / self.variance[name]
            for name in self.variance
        }
        self._sums, self._count = dict.fromkeys(self.variance, 0.0), 0
        return {**found, "r2": min(found.values())}
