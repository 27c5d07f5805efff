"""Training of pix2pix: a U-Net against a discriminator, and the same U-Net without one.

    min_G max_D  E[log D(a, b)] + E[log(1 - D(a, G(a)))] + l1_weight E|b - G(a)|

as in equations 9 and 10 of Pantis-Simut et al.; the generator descends -log D in place of
log(1 - D), as pix2pix does. Adam at a constant rate with betas (0.5, 0.999) for both networks, one
step each a batch. Of the configuration `weight_decay`, `clip`, `warmup`, `ema` and `optimizer` are
not used: there is no decay, no clipping, no warm-up and no averaging of weights.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr
from torch import nn
from torch.nn import functional as F

from qdens_nb import metrics
from qdens_nb.models import PatchDiscriminator
from qdens_nb.training._batches import Store, Tensors, count_samples
from qdens_nb.training._config import TrainConfig
from qdens_nb.training._module import RegressionModule

#: steps at which the picture of one validation sample is kept
SNAPSHOTS = (0, 5, 10, 20, 50, 100, 200, 300, 500, 1000, 2000, 3000, 5000, 10_000, 20_000, 40_000)
#: steps between the losses that the history keeps
LOSSES_EVERY = 10
#: validation samples whose errors are kept one by one, as in figure 4 of the paper
FOLLOWED = 30
_LOSSES = ("generator_gan", "generator_l1", "discriminator_real", "discriminator_fake")
_GRADIENTS = ("gan_gradient", "l1_gradient", "gan_alignment")
_PER_SAMPLE = ("l1", "l2", "linf", "ssim", "mssim")


def patch_of(discriminator: str) -> int:
    """Side of what a discriminator of a configuration judges: ``"patch34"`` 34, ``"pixel"`` 1."""
    return 1 if discriminator == "pixel" else int(discriminator.removeprefix("patch"))


def jittered(maps: torch.Tensor, side: int, generator: torch.Generator) -> torch.Tensor:
    """Enlarge (B, C, X, X) to `side` points (bilinear) and cut X of them at random.

    All channels of a sample are cut alike. With `side` equal to X nothing changes.

    Raises
    ------
    ValueError
        A side below X.
    """
    points = maps.shape[-1]
    if side < points:
        raise ValueError(f"jitter={side}; give 0, or at least the {points} points of the maps")
    if side == points:
        return maps
    large = F.interpolate(maps, size=(side, side), mode="bilinear", align_corners=False)
    corners = torch.randint(side - points + 1, (len(maps), 2), generator=generator).tolist()
    return torch.stack(
        [large[i, :, x : x + points, y : y + points] for i, (x, y) in enumerate(corners)]
    )


class BestWeights(nn.Module):
    """Copy of the network at the validation with the highest R2: the paper's stopping rule."""

    r2: torch.Tensor
    step: torch.Tensor

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.module = copy.deepcopy(network).requires_grad_(False)
        self.register_buffer("r2", torch.tensor(-torch.inf))
        self.register_buffer("step", torch.tensor(0))

    def offer(self, network: nn.Module, r2: float, step: int) -> None:
        """Take the weights if their R2 is the highest so far."""
        if r2 > float(self.r2):
            self.module.load_state_dict(network.state_dict())
            self.r2.fill_(r2)
            self.step.fill_(step)


class Pix2PixModule(RegressionModule):
    """Training of a generator; ``averaged.module`` has the weights of the best validation R2.

    With ``network: unet`` there is no discriminator and the loss is the mean absolute error;
    everything else is the same. Validation and prediction are without dropout, so an answer is
    not random. With ``norm: instance`` they normalise by the map itself, as pix2pix does with one
    map a batch; with ``norm: batch`` by the running statistics of training.

    Parameters
    ----------
    config : TrainConfig
    seed : int
        Of weights, dropout, jitter and augmentation; a resumed run goes on with the same numbers.
    start : mapping, optional
        Weights of the generator to start from.
    """

    def __init__(
        self, config: TrainConfig, seed: int, start: Mapping[str, torch.Tensor] | None = None
    ) -> None:
        super().__init__(config, seed, start)
        if self.task.outputs != self.task.targets:
            raise ValueError("pix2pix learns maps only; leave out error_bar of the task")
        self.averaged: Any = BestWeights(self.network)
        self.discriminator: PatchDiscriminator | None = None
        if config.network == "pix2pix":
            self.discriminator = PatchDiscriminator(
                self.task.in_channels + len(self.task.targets),
                patch_of(config.discriminator),
                config.width,
                "batch" if config.norm == "layer" else config.norm,
            )
        self.losses: list[dict[str, float]] = []
        self.validations: list[dict[str, Any]] = []
        self.snapshots: dict[int, np.ndarray] = {}
        self._mean: dict[Any, np.ndarray] = {}
        self._shown: Tensors = {}
        self._seen: Tensors = {}
        self._answers: list[tuple[np.ndarray, np.ndarray]] = []

    @property
    def updates_a_step(self) -> int:
        """Steps of the generator; those of the discriminator are not counted."""
        return 1

    def use_store(self, store: Store) -> None:
        """Mean training map, the validation sample that is drawn, training samples to compare.

        Raises
        ------
        ValueError
            Training maps that the tanh of the generator cannot reach.
        """
        self.validation = type(self.validation)()
        for size, part in store.train.items():
            for name in self.task.targets if self.task.centred else ():
                peak = float(part[name].max())
                if float(self.task.scaled(name, part[name].max())) > 1.0:
                    kind = "potential_unit" if name == "potential" else "density_unit"
                    raise ValueError(
                        f"{kind}={self.task.units[name]} is what the generator gives at most, and "
                        f"{name} reaches {peak:.4g}; give at least that in task_options"
                    )
            name = self.task.targets[0]
            self._mean[size] = part[name].double().mean(0).numpy()
            self._seen = {k: v[:100] for k, v in part.items()}
        for part in store.validation.values():
            if count_samples(part):
                self._shown = {k: v[:1] for k, v in part.items()}

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        """One Adam for each network."""
        return [
            torch.optim.Adam(
                network.parameters(), lr=self.config.learning_rate, betas=(0.5, 0.999), fused=True
            )
            for network in (self.network, self.discriminator)
            if network is not None
        ]

    def training_step(self, batch: Tensors, batch_idx: int) -> None:
        step = int(batch["step"])
        if step in SNAPSHOTS:
            self._take_snapshot(step)
        generator = torch.Generator().manual_seed(hash((self.augmentation_seed, step)) % 2**63)
        torch.manual_seed(hash((self.augmentation_seed, step, 1)) % 2**63)
        inputs, real = self._pair(batch, generator)
        optimisers = self.optimizers(use_pl_optimizer=False)
        optimisers = optimisers if isinstance(optimisers, list) else [optimisers]
        with self._autocast():
            heads = self._fast(inputs)
        fake = self._stacked(self.task.answer(heads))
        row: dict[str, float] = {"step": step}
        gradient = torch.zeros_like(fake)
        if self.discriminator is not None:
            row |= self._train_discriminator(inputs, real, fake.detach(), optimisers[1])
            seen = fake.detach().requires_grad_()
            adversarial = self._cross_entropy(inputs, seen, real=True)
            (gradient,) = torch.autograd.grad(adversarial, seen)
            row["generator_gan"] = float(adversarial.detach())
        weight = 1.0 if self.discriminator is None else self.config.l1_weight
        error = fake.detach() - real
        plain = weight * error.sign() / error.numel()
        row["generator_l1"] = float(error.abs().mean())
        row |= _compared(gradient, plain, error)
        optimisers[0].zero_grad()
        # both losses are functions of the answer alone: one backward pass does for them
        fake.backward(gradient + plain)
        self._count_step(step)
        if step % LOSSES_EVERY == 0:
            self.losses.append(row)
        if (step + 1) % self.trainer.log_every_n_steps == 0:
            self.log_dict({k: v for k, v in row.items() if k != "step"}, on_step=True)

    def _count_step(self, step: int) -> None:
        optimisers = self.optimizers()
        (optimisers[0] if isinstance(optimisers, list) else optimisers).step()
        self.steps_done = step + 1
        if self.config.max_minutes is not None and self.minutes >= self.config.max_minutes:
            self.trainer.should_stop = True

    def _pair(
        self, batch: Tensors, generator: torch.Generator | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        batch = {k: v.float() if v.is_floating_point() else v for k, v in batch.items()}
        inputs, target = self.task.inputs(batch, generator)
        real = self._stacked(target)
        if generator is None or not self.config.jitter:
            return inputs, real
        both = jittered(torch.cat([inputs, real], 1), self.config.jitter, generator)
        return both[:, : inputs.shape[1]], both[:, inputs.shape[1] :]

    def _stacked(self, maps: Mapping[str, torch.Tensor]) -> torch.Tensor:
        return torch.stack([maps[name] for name in self.task.targets], 1)

    def _autocast(self) -> Any:
        half = self.config.precision == "bf16"
        return torch.autocast(self.device.type, torch.bfloat16, enabled=half)

    def _cross_entropy(
        self, inputs: torch.Tensor, maps: torch.Tensor, *, real: bool
    ) -> torch.Tensor:
        assert self.discriminator is not None
        with self._autocast():
            verdict = self.discriminator(torch.cat([inputs, maps], 1))
        return F.binary_cross_entropy_with_logits(verdict, torch.full_like(verdict, float(real)))

    def _train_discriminator(
        self,
        inputs: torch.Tensor,
        real: torch.Tensor,
        fake: torch.Tensor,
        optimiser: torch.optim.Optimizer,
    ) -> dict[str, float]:
        parts = {
            "discriminator_real": self._cross_entropy(inputs, real, real=True),
            "discriminator_fake": self._cross_entropy(inputs, fake, real=False),
        }
        optimiser.zero_grad()
        sum(parts.values(), torch.zeros(())).backward()
        optimiser.step()
        return {name: float(value.detach()) for name, value in parts.items()}

    @torch.no_grad()
    def _answer(self, batch: Tensors) -> tuple[torch.Tensor, torch.Tensor]:
        """Predicted and exact maps (B, C, X, Y) in physical units, without dropout."""
        training = self.network.training
        self.network.eval()
        inputs, real = self._pair(batch, None)
        fake = self._stacked(self.task.answer(self.network(inputs)))
        self.network.train(training)
        names = self.task.targets
        predicted, exact = (
            torch.stack([self.task.physical(name, m[:, i]) for i, name in enumerate(names)], 1)
            for m in (fake, real)
        )
        return predicted, exact

    def _take_snapshot(self, step: int) -> None:
        if self._shown and step not in self.snapshots:
            self.snapshots[step] = self._answer(self._shown)[0][0, 0].cpu().numpy()

    def validation_step(self, batch: Tensors, batch_idx: int) -> None:
        predicted, exact = self._answer(batch)
        self._answers.append((predicted[:, 0].cpu().numpy(), exact[:, 0].cpu().numpy()))

    def on_validation_epoch_end(self) -> None:
        """R2 of the first target, its errors, and R2 on training samples."""
        if not self._answers:
            return
        predicted, exact = (np.concatenate(maps) for maps in zip(*self._answers, strict=True))
        self._answers = []
        (mean,) = self._mean.values()
        extent = abs(float(self.task.units[self.task.targets[0]]))
        each = {
            **metrics.map_norms(predicted, exact),
            "ssim": metrics.ssim(predicted, exact, data_range=extent),
            "mssim": metrics.mssim(predicted, exact, data_range=extent),
        }
        r2 = metrics.r2_maps(predicted, exact, mean)
        known, truth = (maps[:, 0].cpu().numpy() for maps in self._answer(self._seen))
        row = {"r2": r2, "r2_train": metrics.r2_maps(known, truth, mean)}
        self.validations.append(
            {
                "step": self.steps_done,
                **row,
                **{k: v[:FOLLOWED].tolist() for k, v in each.items()},
                **{f"mean_{k}": float(v.mean()) for k, v in each.items()},
            }
        )
        self.averaged.offer(self.network, r2, self.steps_done)
        means = {k: float(v.mean()) for k, v in each.items()}
        self.log_dict({f"val_{k}": v for k, v in {**row, **means}.items()}, prog_bar=False)

    def on_train_end(self) -> None:
        """Keep the last weights if there was no validation; write ``history.nc`` beside the log."""
        if not torch.isfinite(self.averaged.r2):
            self.averaged.module.load_state_dict(self.network.state_dict())
        if self.steps_done in SNAPSHOTS:
            self._take_snapshot(self.steps_done)
        if self.logger is not None and self.logger.log_dir:
            folder = Path(self.logger.log_dir)
            folder.mkdir(parents=True, exist_ok=True)
            self.history().to_netcdf(folder / "history.nc")

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_save_checkpoint(checkpoint)
        checkpoint["losses"], checkpoint["validations"] = self.losses, self.validations
        checkpoint["snapshots"] = {k: torch.from_numpy(v) for k, v in self.snapshots.items()}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_load_checkpoint(checkpoint)
        self.losses, self.validations = checkpoint["losses"], checkpoint["validations"]
        self.snapshots = {k: v.numpy() for k, v in checkpoint["snapshots"].items()}

    def history(self) -> xr.Dataset:
        """Losses, gradients, validation errors and the picture of one sample against steps.

        Returns
        -------
        Dataset
            ``generator_gan``, ``generator_l1``, ``discriminator_real``, ``discriminator_fake``;
            ``gan_gradient`` and ``l1_gradient``, the norms of the two gradients by the answer, and
            ``gan_alignment``, the cosine between the step that the discriminator asks for and the
            way to the exact map, dim loss_step. ``r2``, ``r2_train``, ``mean_l1`` and the like,
            dim step, ``l1`` and the like, dims (step, followed), in physical units. ``picture``,
            dims (picture_step, x, y), ``picture_exact`` and ``picture_source``, dims (x, y). The
            attributes say which step was the best and what the minutes were.
        """
        out = xr.Dataset(
            attrs={
                "best_step": int(self.averaged.step),
                "best_r2": float(self.averaged.r2),
                "minutes": self.minutes,
                "target": self.task.targets[0],
                "source": self.task.sources[0],
            }
        )
        if self.losses:
            out.coords["loss_step"] = [row["step"] for row in self.losses]
            for name in (*_LOSSES, *_GRADIENTS):
                if name in self.losses[0]:
                    out[name] = ("loss_step", np.array([row[name] for row in self.losses]))
        if self.validations:
            out.coords["step"] = [row["step"] for row in self.validations]
            for name in ("r2", "r2_train", *(f"mean_{k}" for k in _PER_SAMPLE)):
                out[name] = ("step", np.array([row[name] for row in self.validations]))
            for name in _PER_SAMPLE:
                out[name] = (("step", "followed"), [row[name] for row in self.validations])
        if self.snapshots:
            steps = sorted(self.snapshots)
            out.coords["picture_step"] = steps
            out["picture"] = (
                ("picture_step", "x", "y"),
                np.stack([self.snapshots[s] for s in steps]),
            )
            for key, name in (("exact", self.task.targets[0]), ("source", self.task.sources[0])):
                out[f"picture_{key}"] = (("x", "y"), self._shown[name][0].numpy())
        return out


def _compared(gan: torch.Tensor, plain: torch.Tensor, error: torch.Tensor) -> dict[str, float]:
    """Size of the two gradients by the answer, and whether the first points to the exact map."""
    size, length = float(gan.norm()), float(error.norm())
    row = {"l1_gradient": float(plain.norm())}
    if size > 0:
        row["gan_gradient"] = size
        row["gan_alignment"] = float((gan * error).sum()) / (size * length) if length else 0.0
    return row
