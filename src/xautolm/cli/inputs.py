"""Read what `xautolm predict` is asked about: texts from the command line or standard input."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from xautolm.errors import UsageError
from xautolm.tasks import Task

TAB_IN_LETTERS = r"\t"
"""How a tab is written where a shell or keyboard gives none."""
CONTEXT = "context"
"""The input that a file can give for all questions."""


def table_of_texts(texts: Sequence[str], task: Task, context: Path | None) -> dict[str, list[str]]:
    """Return columns by the names of the task's inputs, a row for each text.

    Args:
        texts: Each one input, or several with a tab between; an empty text stands for empty inputs.
        task: Of the run.
        context: File whose text is the context of every row.

    Raises:
        UsageError: The context is not wanted or cannot be read, or a text has not as many parts as the task inputs.
    """
    columns: dict[str, list[str]] = {}
    names = list(task.inputs)
    if context is not None:
        columns[CONTEXT] = [read_context(context, task)] * len(texts)
        names.remove(CONTEXT)
    rows = [_parts(text, names, task, number) for number, text in enumerate(texts, start=1)]
    for place, name in enumerate(names):
        columns[name] = [row[place] for row in rows]
    return columns


def read_context(path: Path, task: Task) -> str:
    """Return the text of a file that questions are about.

    Raises:
        UsageError: The task has no context, or the file cannot be read.
    """
    if CONTEXT not in task.inputs:
        raise UsageError(f"The run's task, {task.name}, has no context.", got=f"--context {path}")
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError("The context cannot be read.", got=f"{path}: {error}") from None


def _parts(text: str, names: Sequence[str], task: Task, number: int) -> list[str]:
    """Return the inputs in one text."""
    if len(names) == 1:
        return [text]
    if not text:
        return [""] * len(names)
    separator = "\t" if "\t" in text else TAB_IN_LETTERS
    parts = text.split(separator)
    if len(parts) != len(names):
        fix = "For questions about one file, say --context FILE." if CONTEXT in names else ""
        raise UsageError(
            f"{task.name} needs {' and '.join(names)} with a tab between.", got=f"{text!r}, text {number}", fix=fix
        )
    return parts
