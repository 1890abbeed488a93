"""The base class of task types: their columns, how labels are read and checked, and how answers become predictions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Mapping, Sequence
from typing import Any, ClassVar, Generic, NamedTuple, TypeAlias, TypeVar

import numpy as np

from xautolm.records import Form, Scalar
from xautolm.tasks.forms import FORMS
from xautolm.vocabulary import TargetKind, Targets

Label = TypeVar("Label", bound=Hashable)
"""A label as a value: a class name, a tuple of names or of reference answers, a number, or a text."""
Row: TypeAlias = Mapping[str, Any]
"""The cells of a row by the names of their columns."""
Stratum: TypeAlias = tuple[Hashable, ...]
"""What a split keeps in proportion of one row: the strata that its label belongs to."""
EncodedLabels: TypeAlias = np.ndarray | Sequence[tuple[str, ...]]
"""Labels as metrics take them: class indices or numbers of shape (rows,), 0/1 indicators of shape (rows, classes), or
the reference texts of each row."""
Answers: TypeAlias = np.ndarray | Sequence[str]
"""What a model says of rows: logits of shape (rows, classes), numbers of shape (rows,), or a text for each row."""


class Prompt(NamedTuple):
    """What a model that says words is asked, in three parts that are joined as they are."""

    before: str
    text: str
    """The only part of which some may be left out, so that the prompt fits."""
    after: str


class BaseTask(ABC, Generic[Label]):
    """One task type, whose labels are values of one type; a plug-in of `xautolm.tasks`.

    A subclass gives the attributes without a value and the abstract methods; the rest has defaults.
    """

    name: ClassVar[str]
    problem_type: ClassVar[str] = Targets.TEXTS
    """A member of `Targets`: what transformers calls the loss of a head; empty for tasks whose answers are texts."""
    forms: ClassVar[Mapping[str, tuple[str, ...]]]
    """Names of the forms that the task can be cast in, for each architecture that can do it, the usual one first."""
    families: ClassVar[tuple[str, ...]]
    """Architectures that `--families auto` considers."""
    target_kind: ClassVar[str]
    """A `TargetKind`: which meta-features apply."""
    metrics: ClassVar[tuple[str, ...]]
    """The metrics that mean something here; the first is the default objective."""
    inputs: ClassVar[Mapping[str, tuple[str, ...]]]
    """Columns that are texts, with usual names; equal values of the first never straddle a split."""
    target: ClassVar[str]
    """What the column to predict is called."""
    target_guesses: ClassVar[tuple[str, ...]]
    """Usual names of the column to predict, the likeliest first."""

    empty_label: ClassVar[tuple[()] | None] = None
    """The label of a row for which none is right, such as no answer; None where every row has one."""
    joins_columns: ClassVar[bool] = False
    """Whether several columns of 0 and 1 can be its label, each the name of a class."""
    validates_every_class: ClassVar[bool] = False
    """Whether each class must be in the validation split too."""

    @abstractmethod
    def parse_label(self, cell: object) -> Label:
        """Return a label cell as its value.

        Raises:
            MissingCellError: There is nothing in the cell.
            ValueError: It cannot be a label; says why.
        """

    def column_problem(self, cells: Sequence[object]) -> str:
        """Return why a whole column cannot be labels though each of its cells can; nothing by default."""
        return ""

    def stand_ins(self, labels: Sequence[Label], train: Sequence[Label]) -> frozenset[Label]:
        """Return those of a split's labels that stand for "no label", such as -1 in many data sets.

        By default that is the empty label of a task that has one, where a whole split has no other label and the
        training split has: nobody has labelled it.

        Args:
            labels: Of the split.
            train: Of the training split, which may be the same.
        """
        if self.empty_label is None:
            return frozenset()
        # A split with a label was labelled, and without any in training, no label at all may well be right.
        is_labelled = any(labels)
        training_is_labelled = any(train)
        if is_labelled or not training_is_labelled:
            return frozenset()
        # All of them are the empty one.
        return frozenset(labels)

    @abstractmethod
    def strata(self, labels: Sequence[Label]) -> list[Stratum]:
        """Return for each label the strata that a split keeps in proportion, and on both of its sides."""

    def labels_of(self, labels: Sequence[Label]) -> tuple[str, ...]:
        """Return all class names, sorted; nothing by default: the task has no classes."""
        return ()

    @abstractmethod
    def check(self, train: Sequence[Label], validation: Sequence[Label]) -> None:
        """Refuse labels from which nothing can be learned.

        Raises:
            DataError: Says why nothing can.
        """

    def notes(self, rows: Sequence[Row]) -> list[str]:
        """Return what a person should know of some training rows; nothing by default."""
        return []

    @abstractmethod
    def encode(self, labels: Sequence[Label], names: Sequence[str]) -> EncodedLabels:
        """Return labels as targets of training and metrics.

        Args:
            labels: One for each row.
            names: The classes, in the order of their indices; empty for tasks without classes.
        """

    @abstractmethod
    def parts(self, row: Row) -> Prompt:
        """Return what a model that says words is asked of a row."""

    @abstractmethod
    def words(self, label: Label) -> str:
        """Return a label as a text to say."""

    def predictions(self, answers: Answers) -> Answers:
        """Return predictions in the shape of the targets; by default what the model says, as it is."""
        return answers


class BaseClassification(BaseTask[Label]):
    """A task type whose models give a score to each class."""

    target_kind = TargetKind.CLASSES

    @abstractmethod
    def labels_of(self, labels: Sequence[Label]) -> tuple[str, ...]:
        """Return all class names, sorted."""

    @abstractmethod
    def predictions(self, answers: Answers) -> np.ndarray:
        """Return logits of shape (rows, classes) as predictions in the shape of the targets."""

    @abstractmethod
    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """Return logits of shape (rows, classes) as probabilities of the same shape."""

    @abstractmethod
    def decode(self, predictions: np.ndarray, names: Sequence[str]) -> list[Any]:
        """Return predictions as a person reads them: a class name for each row, or a list of them."""


Task: TypeAlias = BaseTask[Any]
"""A task type whose labels may be of any type: it alone looks into them."""
Classification: TypeAlias = BaseClassification[Any]
"""A task type with classes."""


def form_of(
    forms: Mapping[str, tuple[str, ...]], architecture: str, values: Mapping[str, Scalar]
) -> Form:
    """Return how a configuration casts a task: as its `form` says, else in the usual way for the architecture.

    Args:
        forms: Names of the task's forms, by architecture.
        architecture: Of the model.
        values: The configuration.

    Raises:
        KeyError: The task has no form for the architecture.
        UnknownNameError: There is no form of that name.
    """
    possible_forms = forms[architecture]
    usual_form = possible_forms[0]
    # Only a choice among several forms is a parameter of the space.
    name = values.get("form", usual_form)
    return FORMS.get(str(name))
