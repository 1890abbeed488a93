"""Task types, one file each."""

from xautolm.registry import Registry
from xautolm.tasks.base import Task

TASKS: Registry[Task] = Registry("task", __name__, "TASK")

__all__ = ["TASKS", "Task"]
