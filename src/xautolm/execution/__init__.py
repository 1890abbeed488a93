"""Trials as child processes: how they start, what holds them within limits, what their ends mean."""

from xautolm.execution.launchers import (
    ForkServerLauncher,
    Launcher,
    ServerLauncher,
    SpawnLauncher,
    default_launcher,
)
from xautolm.execution.local import (
    ClusterExecutor,
    Executor,
    LocalExecutor,
    hard_limit,
    left_outcome,
)

__all__ = [
    "ClusterExecutor",
    "Executor",
    "ForkServerLauncher",
    "Launcher",
    "LocalExecutor",
    "ServerLauncher",
    "SpawnLauncher",
    "cluster",
    "default_launcher",
    "failures",
    "hard_limit",
    "left_outcome",
]
