"""Classes as a person's labels have them: models know names, labels in Python may be numbers or truth values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True, slots=True)
class ClassValues:
    """The way from the names of classes to the labels that they were in `y`; without any, names stand for themselves.

    Example:
        >>> values = ClassValues({"0": 0, "10": 10, "2": 2})
        >>> values.of_names(["10", "0"]), values.sorted(("0", "10", "2")).tolist()
        ([10, 0], [0, 2, 10])
    """

    by_name: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of_cells(
        cls, cells: Sequence[object], parse: Callable[[Any], str], names: Sequence[str]
    ) -> ClassValues:
        """Return the values behind class names, where labels were given apart and are no texts.

        Args:
            cells: The target of each row, as `target_cells` reads it; none where labels are a column of the data, and
                come back as the names that they have there.
            parse: Returns the class name of a label; the task's.
            names: Of the classes.
        """
        label_by_name: dict[str, object] = {}
        for label in cells:
            if not _is_number(label):
                continue
            name = parse(label)
            label_by_name.setdefault(name, label)
        label_by_class = {}
        for name, label in label_by_name.items():
            # Numbers may also mark rows without a label (-1, -100), which were left out.
            if name in names:
                label_by_class[name] = label
        # Labels that are texts, or numbers that stand for names (`datasets.ClassLabel`), are given back as names.
        if len(label_by_class) < len(names):
            return cls()
        return cls(label_by_class)

    def of_names(self, names: Sequence[Any]) -> list[Any]:
        """Return the label of each name; what is no class comes back as it is."""
        if not self.by_name:
            return list(names)
        return [self.by_name.get(name, name) for name in names]

    def order(self, names: Sequence[str]) -> np.ndarray:
        """Return the positions that sort the classes by their labels, as scikit-learn's metrics expect."""
        labels = np.asarray(self.of_names(names))
        return np.argsort(labels, kind="stable")

    def sorted(self, names: Sequence[str]) -> np.ndarray:
        """Return the labels of the classes, sorted."""
        labels = np.asarray(self.of_names(names))
        return labels.take(self.order(names))


def _is_number(label: object) -> bool:
    """Return whether a label is a number or a truth value; NaN is none."""
    if not isinstance(label, int | float | np.number | np.bool_):
        return False
    # NaN is not equal to itself.
    return bool(label == label)
