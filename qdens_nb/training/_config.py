"""Training configurations, read from YAML; unknown keys are refused."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field, fields
from numbers import Real
from pathlib import Path
from typing import Any

from qdens_nb.datasets._recipes import read_yaml

DOT_TASKS = (
    "dot_density",
    "dot_density_free",
    "dot_free_to_interacting",
    "dot_potential",
    "dot_density_live",
)
DOT_NETWORKS = ("residual_unet", "unet", "pix2pix")


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)


@dataclass(frozen=True)
class TrainConfig:
    """What makes weights out of a dataset.

    Attributes
    ----------
    task : "chain" (learnt correction to Hartree-Fock), "chain_cnn" (the paper's), "bose_hubbard"
        (learnt correction to Gutzwiller's mean field), "bose_hubbard_cnn" (the paper's), or of
        quantum dots "dot_density", "dot_density_free", "dot_free_to_interacting",
        "dot_potential", "dot_density_live"
    network : on the torus "cnn" (plain, the paper's) or "resnet" (residual blocks); for dots
        "residual_unet" (ours), "pix2pix" (the paper's) or "unet" (the generator of pix2pix,
        trained without a discriminator)
    blocks, width, norm : size and normalisation; the paper's are 64, 120, "batch" for the chain,
        and 20 (layers), 200, "batch" for the "cnn" on the torus; norms of pix2pix are "batch"
        (also for "layer"), "instance" (statistics of each map) and "none"
    squeeze : gates of the "resnet" on the torus: "none", "local" or "global"
    optimizer : "adam" (the paper's) or "muon" (orthogonalised momentum for the stem)
    learning_rate, weight_decay, clip : of the optimiser; cosine decay after `warmup` steps
    batch_size, steps : samples a step and number of steps
    max_minutes : stop (and finish the schedule) after this time; None for no limit
    ema : decay of the averaged weights, which are the ones shipped
    validation_fraction : part of the potentials kept away from training
    min_gap : samples whose gap at fixed N is smaller (in J) are not used
    use_every : take every k-th file of the data (mean-field channels cost more than a step)
    max_samples : use only that many training samples (learning curves); None for all
    validate_every, patience : steps between validations; validations without progress to stop at
    precision : "bf16" or "fp32"
    compile : compile the network (half the time a step, a minute or two at the start)
    members : networks in the ensemble, differing in seed
    pretrained : folder of weights to start from, made by the same task with the same network
    mean_field : side -> number of problems that training draws and solves in the mean field
        itself, in place of given data (to pre-train on); None to train on given data
    discriminator : of pix2pix: "patch70", "patch34", "patch16", "patch7", "patch4", "pixel"
        (the side of what it judges; one larger than the map judges the whole map)
    l1_weight : weight of the mean absolute error beside the adversarial loss of pix2pix
    jitter : side to which pix2pix enlarges the maps before it cuts them at random; 0 for none
    dropout : of the generator of pix2pix
    stored : "fp32" or "fp16", how the weights are written
    seed : of everything
    """

    task: str = "chain"
    network: str = "resnet"
    blocks: int = 8
    width: int = 64
    norm: str = "layer"
    squeeze: str = "local"
    optimizer: str = "adam"
    learning_rate: float = 2e-3
    weight_decay: float = 1e-4
    clip: float = 1.0
    warmup: int = 100
    batch_size: int = 256
    steps: int = 2000
    max_minutes: float | None = None
    ema: float = 0.995
    validation_fraction: float = 0.02
    min_gap: float = 0.02
    use_every: int = 1
    max_samples: int | None = None
    validate_every: int = 500
    patience: int = 100
    precision: str = "fp32"
    compile: bool = False
    members: int = 1
    pretrained: str | None = None
    mean_field: dict[int, int] | None = None
    discriminator: str = "patch70"
    l1_weight: float = 100.0
    jitter: int = 0
    dropout: float = 0.5
    stored: str = "fp32"
    seed: int = 0
    task_options: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        allowed = {
            "task": ("chain", "chain_cnn", "bose_hubbard", "bose_hubbard_cnn", *DOT_TASKS),
            "network": DOT_NETWORKS if self.task in DOT_TASKS else ("cnn", "resnet"),
            "discriminator": ("patch70", "patch34", "patch16", "patch7", "patch4", "pixel"),
            "stored": ("fp32", "fp16"),
            "squeeze": ("none", "local", "global"),
            "norm": ("batch", "layer", "instance", "none"),
            "optimizer": ("adam", "muon"),
            "precision": ("bf16", "fp32"),
        }
        for name, choices in allowed.items():
            if getattr(self, name) not in choices:
                raise ValueError(f"{name}={getattr(self, name)!r}; choose one of {choices}")
        for entry in fields(self):
            value = getattr(self, entry.name)
            if type(entry.default) in (int, float) and not _is_number(value):
                raise ValueError(f"{entry.name}={value!r}; give a finite number")
        for name in (
            "blocks",
            "width",
            "batch_size",
            "steps",
            "members",
            "validate_every",
            "use_every",
        ):
            if int(getattr(self, name)) < 1:
                raise ValueError(f"{name}={getattr(self, name)!r}; give at least 1")

    @classmethod
    def read(cls, path: str | Path) -> TrainConfig:
        """Read a YAML file.

        Raises
        ------
        ValueError
            Not YAML, an unknown key, or a value that is not allowed.
        """
        content = read_yaml(path)
        known = [f.name for f in fields(cls)]
        unknown = sorted(set(content) - set(known))
        if unknown:
            raise ValueError(f"{path}: unknown key(s) {unknown}; allowed are {known}")
        try:
            return cls(**content)
        except TypeError as error:
            raise ValueError(f"{path}: a value is of a wrong type ({error})") from error

    def as_dict(self) -> dict[str, Any]:
        """Plain dict, for the card of the weights."""
        return asdict(self)
