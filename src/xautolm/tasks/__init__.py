"""Task types, one file each, and the records of the forms that they can be cast in."""

from xautolm.registry import Registry
from xautolm.tasks.base import (
    Answers,
    BaseClassification,
    BaseTask,
    Classification,
    Prompt,
    Row,
    Task,
    form_of,
)

TASKS: Registry[Task] = Registry("task", __name__, "TASK", helpers=("base", "forms"))

__all__ = [
    "TASKS",
    "Answers",
    "BaseClassification",
    "BaseTask",
    "Classification",
    "Prompt",
    "Row",
    "Task",
    "form_of",
    "forms",
    "text_classification",
    "text_regression",
]
