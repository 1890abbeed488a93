"""What a task type is: its columns, its label map, how outputs become answers, and how answers are scored."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any, Protocol, cast

import numpy as np

from xautolm.records import Form, Scalar
from xautolm.tasks.forms import FORMS


class Task(Protocol):
    """One task type; a plug-in of `xautolm.tasks`."""

    name: str
    problem_type: str
    """What transformers calls the loss of a head: `single_label_classification`, `multi_label_classification` or
    `regression`; empty for other tasks."""
    forms: Mapping[str, tuple[str, ...]]
    """Names of the forms that the task can be cast in, for each architecture that can do it, the usual one first."""
    families: tuple[str, ...]
    """Architectures that `--families auto` considers."""
    target_kind: str
    """Which meta-features apply: those of `classes`, `numbers` or `texts`."""
    metrics: tuple[str, ...]
    """The metrics that mean something here; the first is the default objective."""
    inputs: Mapping[str, tuple[str, ...]]
    """Columns that are texts, with usual names; equal values of the first never straddle a split."""
    target: str
    """What the column to predict is called."""
    target_guesses: tuple[str, ...]

    empty_label: tuple[()] | None
    """The label of a row for which none is right, such as no answer; None where every row has one."""
    joins_columns: bool
    """Whether several columns of 0 and 1 can be its label, each the name of a class."""
    validates_every_class: bool
    """Whether each class must be in the validation split too."""

    def parse_label(self, cell: Any) -> Any:
        """Return a label cell as its value.

        Raises:
            MissingCellError: There is nothing in the cell.
            ValueError: It cannot be a label; says why.
        """

    def column_problem(self, cells: Sequence[Any]) -> str:
        """Return why a whole column cannot be labels though each of its cells can, or nothing."""

    def stand_ins(self, labels: Sequence[Any], train: Sequence[Any]) -> frozenset[Any]:
        """Return those of a split's labels that data sets write for "no label", such as -1.

        Args:
            labels: Of the split.
            train: Of the training split, which may be the same.
        """

    def strata(self, labels: Sequence[Any]) -> list[tuple[Hashable, ...]]:
        """Return for each label the strata that a split keeps in proportion, and on both of its sides."""

    def labels_of(self, labels: Sequence[Any]) -> tuple[str, ...]:
        """All class names, sorted."""

    def check(self, train: Sequence[Any], validation: Sequence[Any]) -> None:
        """Raise DataError if nothing can be learned from these labels."""

    def notes(self, rows: Sequence[Mapping[str, Any]]) -> list[str]:
        """What a person should know of some training rows, given by column names."""

    def encode(self, labels: Sequence[Any], names: Sequence[str]) -> Any:
        """Targets: class indices or numbers of shape (n,), 0/1 indicators of shape (n, classes), or texts for each
        row."""

    def parts(self, row: Mapping[str, str]) -> tuple[str, str, str]:
        """A prompt for generation in three parts, of which only the middle one may be cut."""

    def words(self, label: Any) -> str:
        """A label as a text to generate."""


class TaskDefaults:
    """What most tasks have in common; a task file overrides what differs."""

    empty_label: tuple[()] | None = None
    joins_columns = False
    validates_every_class = False

    def column_problem(self, cells: Sequence[Any]) -> str:
        """Return nothing: cells are looked at one by one."""
        return ""

    def stand_ins(self, labels: Sequence[Any], train: Sequence[Any]) -> frozenset[Any]:
        """Return nothing: every label means what it says."""
        return frozenset()

    def notes(self, rows: Sequence[Mapping[str, Any]]) -> list[str]:
        """Return nothing beyond what all data is told."""
        return []


class Classification(Task, Protocol):
    """A task whose outputs are scores of classes."""

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """Logits of shape (n, classes) to probabilities of the same shape."""

    def predictions(self, logits: np.ndarray) -> np.ndarray:
        """Logits to predictions in the shape of the targets."""

    def decode(self, predictions: np.ndarray, names: Sequence[str]) -> list[Any]:
        """Predictions to what a person reads: class names, or lists of them."""


def form_of(forms: Mapping[str, tuple[str, ...]], architecture: str, values: Mapping[str, Scalar]) -> Form:
    """Return how a configuration casts a task: as its `form` says, else in the usual way for the architecture.

    Args:
        forms: Names of the task's forms, by architecture.
        architecture: Of the model.
        values: The configuration.

    Raises:
        KeyError: The task has no form for the architecture.
        UnknownNameError: There is no form of that name.
    """
    usual_form = forms[architecture][0]
    return FORMS.get(str(values.get("form", usual_form)))


def predicted(task: Task, answers: Any) -> Any:
    """Predictions in the shape of the targets, from what a model says: logits, or numbers and texts as they are."""
    return cast("Classification", task).predictions(answers) if task.problem_type else answers
