"""Task types, one file each."""

from xautolm.registry import Registry
from xautolm.tasks.base import Classification, Task, form_of, predicted

TASKS: Registry[Task] = Registry("task", __name__, "TASK", helpers=("base", "forms"))

__all__ = ["TASKS", "Classification", "Task", "form_of", "predicted"]
