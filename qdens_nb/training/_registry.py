"""The tasks by name, and the network that a configuration asks for."""

from __future__ import annotations

from typing import Any

from torch import nn

from qdens_nb.models import ChainResNet, LatticeCNN, LatticeResNet, ResidualUNet, UNetGenerator
from qdens_nb.training._bose_tasks import BoseCorrectionTask, BoseDirectTask
from qdens_nb.training._config import TrainConfig
from qdens_nb.training._dot_tasks import DOT_TASK_CLASSES
from qdens_nb.training._tasks import CorrectionTask, DirectTask

TASKS: dict[str, Any] = {
    "chain": CorrectionTask,
    "chain_cnn": DirectTask,
    "bose_hubbard": BoseCorrectionTask,
    "bose_hubbard_cnn": BoseDirectTask,
    **DOT_TASK_CLASSES,
}


def build_task(config: TrainConfig) -> Any:
    """The task of a configuration."""
    return TASKS[config.task](**config.task_options)


def build_network(config: TrainConfig) -> nn.Module:
    """The network of a configuration, with its task's inputs and heads."""
    task = build_task(config)
    if task.system == "quantum_dot":
        return _build_dot_network(config, task)
    ends = (task.in_channels, task.outputs, config.blocks, config.width, config.norm)
    if task.system == "fermion_chain":
        return ChainResNet(*ends)
    if config.network == "cnn":
        return LatticeCNN(*ends)
    return LatticeResNet(*ends, squeeze=config.squeeze)


def _build_dot_network(config: TrainConfig, task: Any) -> nn.Module:
    if config.network == "residual_unet":
        return ResidualUNet(task.in_channels, task.outputs, config.blocks, config.width)
    return UNetGenerator(
        task.in_channels,
        task.outputs,
        config.width,
        dropout=config.dropout,
        norm="batch" if config.norm == "layer" else config.norm,
        bounded=task.centred,
    )
