"""What a task demands of its data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import pandas as pd

from xautolm.data.columns import Role
from xautolm.data.stratify import Strata

ClassesOf: TypeAlias = Callable[[Sequence[Any]], tuple[str, ...]]
"""Return all class names among some labels, sorted."""
StandIns: TypeAlias = Callable[[Sequence[Any], Sequence[Any]], frozenset[Any]]
"""Return those of a split's labels that mean "no label", by the labels of training."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """What a task demands of its data."""

    task: str
    roles: tuple[Role, ...]
    """The first is the text by which duplicates are recognised."""
    strata: Callable[[Sequence[Any]], Sequence[Strata]]
    """The strata of labels, for stratified splits."""
    labels_of: ClassesOf
    """All class names among some labels, sorted."""
    check: Callable[[Sequence[Any], Sequence[Any]], None]
    """Raises DataError if nothing can be learned from these training and validation labels."""
    stand_ins: StandIns
    """Those of a split's labels that mean "no label", by the labels of training."""
    empty_label: Any = None
    """The label of rows for which none is right; None: every row has one."""
    validates_every_class: bool = False
    """Whether each class must be in the validation split too."""

    @property
    def inputs(self) -> tuple[str, ...]:
        """Return the names of the texts."""
        # The last role is the label.
        *inputs, _ = self.roles
        names = [role.name for role in inputs]
        return tuple(names)

    @property
    def target(self) -> str:
        """Return the name of the label."""
        label = self.roles[-1]
        return label.name

    def labels(self, table: pd.DataFrame) -> list[Any]:
        """Return the labels of a table whose columns are named by role."""
        column = table[self.target]
        return list(column)
