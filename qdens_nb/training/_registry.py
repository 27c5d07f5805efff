"""The tasks by name, and the network that a configuration asks for."""

from __future__ import annotations

from typing import Any

from torch import nn

from qdens_nb.models import ChainResNet, LatticeCNN, LatticeResNet
from qdens_nb.training._bose_tasks import BoseCorrectionTask, BoseDirectTask
from qdens_nb.training._config import TrainConfig
from qdens_nb.training._tasks import CorrectionTask, DirectTask, Task

TASKS: dict[str, Any] = {
    "chain": CorrectionTask,
    "chain_cnn": DirectTask,
    "bose_hubbard": BoseCorrectionTask,
    "bose_hubbard_cnn": BoseDirectTask,
}


def build_task(config: TrainConfig) -> Task:
    """The task of a configuration."""
    return TASKS[config.task](**config.task_options)


def build_network(config: TrainConfig) -> nn.Module:
    """The network of a configuration, with its task's inputs and heads."""
    task = TASKS[config.task]
    ends = (task.in_channels, task.outputs, config.blocks, config.width, config.norm)
    if task.system == "fermion_chain":
        return ChainResNet(*ends)
    if config.network == "cnn":
        return LatticeCNN(*ends)
    return LatticeResNet(*ends, squeeze=config.squeeze)
