"""Classes as a person's labels have them: models know names, labels in Python may be numbers or truth values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from xautolm.cells import items_of, name_of


@dataclass(frozen=True, slots=True)
class ClassValues:
    """The way from the names of classes to the labels that they were in Python; without any, names are the labels.

    Example:
        >>> values = ClassValues({"0": 0, "10": 10, "2": 2})
        >>> values.of_names(["10", "0"]), values.sorted(("0", "10", "2")).tolist()
        ([10, 0], [0, 2, 10])
    """

    by_name: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of_cells(cls, cells: Sequence[object], names: Sequence[str]) -> ClassValues:
        """Return the values behind class names, where labels in memory are no texts.

        Args:
            cells: The target of each row as it was given, a label or several; none where the data lies in files.
            names: Of the classes.
        """
        label_by_name: dict[str, object] = {}
        for cell in cells:
            items = items_of(cell)
            labels = [cell] if items is None else items
            for label in labels:
                if _is_number(label):
                    label_by_name.setdefault(name_of(label), label)
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
        """Return the label of each name, or of each name in a list; what is no class comes back as it is."""
        if not self.by_name:
            return list(names)
        labels: list[Any] = []
        for name in names:
            if isinstance(name, list):
                labels.append(self.of_names(name))
            else:
                labels.append(self.by_name.get(name, name))
        return labels

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
