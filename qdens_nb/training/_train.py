"""From a configuration and a dataset to a folder of weights with a card."""

from __future__ import annotations

import dataclasses
import logging
import signal
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint, TQDMProgressBar
from lightning.pytorch.loggers import CSVLogger
from lightning.pytorch.utilities import rank_zero_only

from qdens_nb.datasets import checksum_state
from qdens_nb.training._batches import (
    BatchStream,
    Store,
    count_samples,
    load_store,
    sequential_batches,
)
from qdens_nb.training._card import calibrate, load_weights, save_weights
from qdens_nb.training._config import DOT_TASKS, TrainConfig
from qdens_nb.training._mean_field_data import mean_field_store
from qdens_nb.training._module import RegressionModule
from qdens_nb.training._registry import TASKS
from qdens_nb.training._tasks import OBSERVABLES


class _Batches(torch.utils.data.IterableDataset):
    def __init__(self, store: Store, batch_size: int) -> None:
        self.store = store
        self.batch_size = batch_size

    def __iter__(self) -> Any:
        return sequential_batches(self.store.validation, self.batch_size)


def training_files(data: str | Path | list[str | Path]) -> list[Path]:
    """The netCDF files of a folder of shards, of one file, or of a list of those."""
    entries = data if isinstance(data, list) else [data]
    files: list[Path] = []
    for entry in map(Path, entries):
        if not entry.exists():
            raise FileNotFoundError(f"{entry} does not exist; make it with 'qdens generate'")
        files += sorted(entry.rglob("*.nc")) if entry.is_dir() else [entry]
    damaged = [str(path) for path in files if checksum_state(path) == "damaged"]
    if damaged:
        raise ValueError(f"damaged: {', '.join(damaged)}; 'qdens generate' computes them again")
    return files


def newest_checkpoint(folder: Path) -> Path | None:
    """The newest checkpoint that was written to its end (a truncated archive is no archive)."""
    whole = [path for path in folder.glob("*.ckpt") if zipfile.is_zipfile(path)]
    return max(whole, key=lambda path: int(path.stem.split("=")[1].split("-")[0]), default=None)


def check_checkpoint(path: Path, module: torch.nn.Module) -> None:
    """Raise ``ValueError`` unless a checkpoint is whole, without objects, and of this network."""
    try:
        saved = torch.load(path, map_location="cpu", weights_only=True)["state_dict"]
        shapes = {name: value.shape for name, value in saved.items()}
    except Exception as error:  # torch raises many kinds on damaged and foreign files
        reason = str(error).split("\n")[0]
        raise ValueError(
            f"the checkpoint {path} is damaged, or holds more than tensors and plain values "
            f"({reason}); delete it and repeat the call"
        ) from error
    if shapes != {name: value.shape for name, value in module.state_dict().items()}:
        raise ValueError(
            f"the checkpoint {path} is of another network; repeat its configuration, or give "
            "another folder"
        )


def start_weights(config: TrainConfig, member: int) -> dict[str, torch.Tensor] | None:
    """Weights that a member of the ensemble starts from, if the configuration names some.

    Raises
    ------
    FileNotFoundError, ValueError
        None there, or made by another task or with another network.
    """
    if config.pretrained is None:
        return None
    networks, card = load_weights(Path(config.pretrained))
    for key in ("task", "network", "blocks", "width", "norm", "squeeze"):
        there, here = getattr(TrainConfig(**card["config"]), key), getattr(config, key)
        if there != here:
            raise ValueError(
                f"pretrained={config.pretrained!r} has {key}={there!r}, this configuration "
                f"{here!r}; they must be the same"
            )
    return networks[member % len(networks)].state_dict()


def build_module(
    config: TrainConfig, seed: int, start: dict[str, torch.Tensor] | None = None
) -> Any:
    """What trains the configuration's network."""
    if config.network in ("pix2pix", "unet"):
        from qdens_nb.training._pix2pix_module import Pix2PixModule

        return Pix2PixModule(config, seed, start)
    return RegressionModule(config, seed, start)


def fit_member(
    config: TrainConfig,
    store: Store,
    folder: Path,
    member: int = 0,
    resume: bool = False,
    progress: bool = True,
    devices: int = 1,
) -> Any:
    """Train one network of the ensemble; checkpoints and a CSV log go to `folder`."""
    seed = config.seed + member
    module = build_module(config, seed, start_weights(config, member))
    module.use_store(store)
    checkpoint = newest_checkpoint(folder / "checkpoints") if resume else None
    if checkpoint is not None:
        check_checkpoint(checkpoint, module)
    batches = BatchStream(store.train, config.batch_size, seed)
    module.stream = batches
    callbacks: list[L.Callback] = [
        ModelCheckpoint(
            folder / "checkpoints",
            filename="{step}",
            monitor="step",
            mode="max",
            save_top_k=2,
        ),
    ]
    if any(count_samples(part) for part in store.validation.values()):
        watched = ("val_r2", "max") if config.task in DOT_TASKS else ("val_density", "min")
        callbacks.append(EarlyStopping(watched[0], patience=config.patience, mode=watched[1]))
    if progress:
        callbacks.append(TQDMProgressBar(refresh_rate=20))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*does not have many workers.*")
        warnings.filterwarnings("ignore", ".*IterableDataset.*")
        warnings.filterwarnings("ignore", ".*exists and is not empty.*")
        warnings.filterwarnings("ignore", ".*LeafSpec.*")
        trainer = L.Trainer(
            max_steps=config.steps * module.updates_a_step,
            accelerator="auto",
            devices=devices,
            strategy="ddp" if devices > 1 else "auto",
            callbacks=callbacks,
            logger=CSVLogger(folder, name="log", version=""),
            enable_progress_bar=progress,
            enable_model_summary=False,
            limit_val_batches=200,
            val_check_interval=min(config.validate_every, config.steps),
            log_every_n_steps=min(50, config.steps),
            num_sanity_val_steps=0,
        )
        with _interruptible(folder):
            trainer.fit(
                module,
                torch.utils.data.DataLoader(batches, batch_size=None),
                torch.utils.data.DataLoader(
                    _Batches(store, max(config.batch_size, 25)), batch_size=None
                ),
                ckpt_path=checkpoint,
                weights_only=True,
            )
    return module


@contextmanager
def _interruptible(folder: Path) -> Iterator[None]:
    """Let an interrupt through: Lightning exits instead, and ignores all later ones."""
    handler = signal.getsignal(signal.SIGINT)
    try:
        yield
    except SystemExit as end:
        if not isinstance(end.__context__, KeyboardInterrupt):
            raise
        signal.signal(signal.SIGINT, handler)
        raise KeyboardInterrupt(
            f"training stopped; the same call with resume=True goes on from {folder}"
        ) from None


def _check_devices(config: TrainConfig, devices: int) -> None:
    if isinstance(devices, bool) or int(devices) != devices or devices < 1:
        raise ValueError(f"devices={devices!r}; give a whole number of at least 1")
    if devices > 1 and config.network in ("pix2pix", "unet"):
        raise ValueError(f"devices={devices}; {config.network!r} trains on one device, give 1")
    if config.batch_size % devices:
        raise ValueError(
            f"batch_size={config.batch_size} cannot be shared by {devices} devices alike; give a "
            "multiple"
        )


def train(
    model: str,
    config: str | Path | TrainConfig,
    *,
    data: str | Path | list[str | Path] | None = None,
    out: str | Path,
    resume: bool = False,
    workers: int = 1,
    devices: int = 1,
    progress: bool = True,
) -> Path:
    """Train `model` and write weights with a card.

    Parameters
    ----------
    model : str
        Name of the task (see `TrainConfig`); has to be the configuration's.
    config : path of a YAML file or TrainConfig
    data : folder of shards, a netCDF file, or a list of those
        None if the configuration says `mean_field`.
    out : folder
        Receives ``weights.safetensors``, ``card.json``, and for each member of the ensemble its
        checkpoints and CSV log. With ``resume`` an interrupted run goes on from there.
    workers : int
        Processes that prepare the tensors; with more than one, what they prepare is kept beside
        `out` for the next training.
    devices : int
        GPUs, or where there are none processes, that share each batch (Lightning's DDP; it starts
        the program that calls this once more for each). The losses are those of one device,
        except that statistics of batch normalisation are those of each part.

    Returns
    -------
    Path
        The folder, which `load_predictor` opens.

    Raises
    ------
    ValueError
        Model and configuration disagree, nothing to train on, or a network or batch that the
        devices cannot share.
    FileNotFoundError
        No such data.
    """
    settings = config if isinstance(config, TrainConfig) else TrainConfig.read(config)
    if settings.task != model:
        raise ValueError(f"the configuration is for {settings.task!r}, not for {model!r}")
    _check_devices(settings, devices)
    logging.getLogger("lightning.pytorch.utilities.rank_zero").setLevel(logging.WARNING)
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    files: list[Path] = []
    if settings.mean_field is not None:
        if data is not None or TASKS[model].system != "bose_hubbard":
            raise ValueError(
                "the configuration says mean_field: training draws Bose-Hubbard problems itself; "
                "give no data"
            )
        store = mean_field_store(settings, progress=progress)
    elif data is None:
        raise ValueError("no training data; give files, or a configuration with mean_field")
    else:
        files = training_files(data)[:: settings.use_every]
        store = load_store(
            settings.task,
            files,
            cache=folder.parent / "prepared" if workers > 1 else None,
            validation_fraction=settings.validation_fraction,
            min_gap=settings.min_gap,
            options=settings.task_options,
            max_samples=settings.max_samples,
            workers=workers,
            seed=settings.seed,
            progress=progress,
        )
    members = []
    minutes = 0.0
    for member in range(settings.members):
        place = folder / f"member_{member}"
        module = fit_member(settings, store, place, member, resume, progress, devices)
        minutes += module.minutes
        members.append(module.averaged.module.eval())
    if rank_zero_only.rank:  # the first process writes for all
        return folder
    calibration = calibrate(settings, members, store)
    about: dict[str, Any] = {
        "files": len(files),
        "samples": store.samples,
        "sites": sorted(store.train),
        "minutes": round(minutes, 2),
    }
    if TASKS[settings.task].system == "fermion_chain":
        about["observables"] = store.known(OBSERVABLES)
    save_weights(
        folder,
        dataclasses.replace(settings),
        members,
        about,
        calibration,
        torch.float16 if settings.stored == "fp16" else torch.float32,
    )
    return folder
