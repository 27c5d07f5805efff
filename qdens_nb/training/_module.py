"""The Lightning module: one step, the optimisers, the averaged weights."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from typing import Any

import lightning as L
import torch
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from qdens_nb.training._batches import BatchStream, Store, count_samples, own_share
from qdens_nb.training._config import TrainConfig
from qdens_nb.training._explained_variance import ExplainedVariance
from qdens_nb.training._registry import build_network, build_task


class RegressionModule(L.LightningModule):
    """Training of one network; ``averaged`` holds the weights that are shipped.

    What `fit_member` asks of a module, this one or another: ``stream``, ``averaged.module``,
    ``minutes``, ``updates_a_step`` (optimiser steps in a training step), `use_store`.
    """

    def __init__(
        self, config: TrainConfig, seed: int, start: Mapping[str, torch.Tensor] | None = None
    ) -> None:
        super().__init__()
        self.config = config
        self.task = build_task(config)
        torch.manual_seed(seed)
        self.network = build_network(config)
        if start is not None:
            self.network.load_state_dict(start)
        self.averaged = AveragedModel(
            self.network, multi_avg_fn=get_ema_multi_avg_fn(config.ema), use_buffers=True
        ).requires_grad_(False)
        self.augmentation_seed = seed
        self.automatic_optimization = False
        compiled = torch.compile(self.network, dynamic=True) if config.compile else self.network
        self._fast: Callable[..., Any] = compiled.__call__
        self.stream: BatchStream | None = None
        self.steps_done = 0
        self.minutes_before = 0.0
        self._started = time.monotonic()
        self.validation = ExplainedVariance()

    @property
    def updates_a_step(self) -> int:
        """Optimiser steps in a training step."""
        return 2 if self.config.optimizer == "muon" else 1

    def use_store(self, store: Store) -> None:
        """Learn from the training data what the validation needs."""
        self.validation = ExplainedVariance.of(self.task, store)

    def on_train_start(self) -> None:
        self._started = time.monotonic()

    @property
    def minutes(self) -> float:
        """Minutes trained, over all resumed runs."""
        return self.minutes_before + (time.monotonic() - self._started) / 60

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["minutes"] = self.minutes
        checkpoint["steps_done"] = self.steps_done

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.minutes_before = checkpoint["minutes"]
        self.steps_done = checkpoint["steps_done"]
        if self.stream is not None:
            self.stream.first = self.steps_done

    def schedule(self, step: int, minutes: float) -> float:
        """Warm-up, then half a cosine over the steps or the minutes, whichever is further."""
        done = step / self.config.steps
        if self.config.max_minutes is not None:
            done = max(done, minutes / self.config.max_minutes)
        warm = min(1.0, (step + 1) / self.config.warmup)
        return warm * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        c = self.config
        rest = list(self.network.parameters())
        optimisers: list[torch.optim.Optimizer] = []
        if c.optimizer == "muon":
            matrices = [p for p in self.network.stem.parameters() if p.ndim == 2]
            chosen = {id(p) for p in matrices}
            rest = [p for p in rest if id(p) not in chosen]
            optimisers.append(
                torch.optim.Muon(
                    matrices, lr=c.learning_rate, weight_decay=0.0, adjust_lr_fn="match_rms_adamw"
                )
            )
        optimisers.append(torch.optim.AdamW(rest, lr=c.learning_rate, weight_decay=c.weight_decay))
        return optimisers

    def training_step(self, batch: dict[str, torch.Tensor], batch_idx: int) -> None:
        step = int(batch["step"])
        generator = torch.Generator().manual_seed(hash((self.augmentation_seed, step)) % 2**63)
        batch = {k: v.float() if v.is_floating_point() else v for k, v in batch.items()}
        inputs, target = self.task.inputs(batch, generator)
        inputs, target = own_share(inputs), {k: own_share(v) for k, v in target.items()}
        half = self.config.precision == "bf16"
        with torch.autocast(self.device.type, torch.bfloat16, enabled=half):
            predicted = self._fast(inputs)
        parts = self.task.loss(predicted, target)
        optimisers = self.optimizers()
        optimisers = optimisers if isinstance(optimisers, list) else [optimisers]
        minutes = self._minutes_of_first()
        rate = self.config.learning_rate * self.schedule(step, minutes)
        for optimiser in optimisers:
            for group in optimiser.param_groups:
                group["lr"] = rate
            optimiser.zero_grad()
        self.manual_backward(parts["loss"])
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.config.clip)
        for optimiser in optimisers:
            optimiser.step()
        self.averaged.update_parameters(self.network)
        self.steps_done = step + 1
        if self.config.max_minutes is not None and minutes >= self.config.max_minutes:
            self.trainer.should_stop = True
        shown = getattr(self.task, "monitor", "density")
        self.log(f"train_{shown}_mae", parts[shown], prog_bar=True, on_step=True, sync_dist=True)
        self.log("lr", rate, on_step=True)

    def _minutes_of_first(self) -> float:
        """Minutes trained by the clock of the first process: all must agree when to stop."""
        if self.config.max_minutes is None:
            return self.minutes
        return self.trainer.strategy.broadcast(self.minutes)

    def validation_step(self, batch: dict[str, torch.Tensor], batch_idx: int) -> None:
        batch = {k: v.float() if v.is_floating_point() else v for k, v in batch.items()}
        inputs, target = self.task.inputs(batch, None)
        parts = self.task.loss(self.averaged(inputs), target)
        weight = count_samples(batch)
        self.validation.add(parts, weight)
        for name, value in parts.items():
            shown = name == "density"
            self.log(f"val_{name}", value, batch_size=weight, prog_bar=shown, sync_dist=True)

    def on_validation_epoch_end(self) -> None:
        for name, value in self.validation.close().items():
            self.log(f"val_{name}", value, prog_bar=True, sync_dist=True)
