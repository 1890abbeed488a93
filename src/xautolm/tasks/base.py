"""What a task type is: its columns, its label map, how outputs become answers, and how answers are scored."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any, Protocol

import numpy as np


class Task(Protocol):
    """One task type; a plug-in of `xautolm.tasks`."""

    name: str
    problem_type: str
    """What transformers calls the head's loss: `single_label_classification` or `multi_label_classification`."""
    target_kind: str
    """Which meta-features apply: those of `classes` or of `texts`."""
    metrics: tuple[str, ...]
    """The metrics that mean something here; the first is the default objective."""
    text_guesses: tuple[str, ...]
    label_guesses: tuple[str, ...]

    def parse_label(self, cell: Any) -> Any:
        """A label cell as its value; raises ValueError with the reason when it cannot be one."""

    def stratum(self, label: Any) -> Hashable:
        """What stratified splits keep in proportion."""

    def labels_of(self, labels: Sequence[Any]) -> tuple[str, ...]:
        """All class names, sorted."""

    def check(self, train: Sequence[Any], validation: Sequence[Any]) -> None:
        """Raise DataError if nothing can be learned from these labels."""

    def encode(self, labels: Sequence[Any], names: Sequence[str]) -> np.ndarray:
        """Targets: class indices of shape (n,), or 0/1 indicators of shape (n, classes)."""

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """Logits of shape (n, classes) to probabilities of the same shape."""

    def predictions(self, logits: np.ndarray) -> np.ndarray:
        """Logits to predictions in the shape of the targets."""

    def decode(self, predictions: np.ndarray, names: Sequence[str]) -> list[Any]:
        """Predictions to what a person reads: class names, or lists of them."""
