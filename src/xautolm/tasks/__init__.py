"""Task types, one file each, and the records of the forms that they can be cast in."""

from xautolm.registry import Registry
from xautolm.tasks.base import BaseClassification, BaseTask, Classification, Task, form_of

TASKS: Registry[Task] = Registry("task", __name__, "TASK", helpers=("base", "forms"))

__all__ = ["TASKS", "BaseClassification", "BaseTask", "Classification", "Task", "form_of"]
