"""The best model of a run at work: loaded once, and run once for labels and probabilities together."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd
from safetensors import SafetensorError

from xautolm.errors import NoModelError, RunFolderError
from xautolm.run_folder import RunFolder
from xautolm.tasks import TASKS, Classification
from xautolm.zoo.hub import MOST_LETTERS

if TYPE_CHECKING:
    from xautolm.finetuning.predictor import Predictor

DAMAGE = (OSError, ValueError, KeyError, SafetensorError)
"""What libraries raise that read a file of a model which is gone, cut or changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Predictions:
    """What a model says of some rows."""

    values: list[Any]
    """For each row: a class, a list of classes for multi-label tasks, a number for regression, else a text."""
    probabilities: np.ndarray | None
    """Of shape (rows, classes); None for tasks without classes."""
    targets: Any
    """In the shape of the task's targets, as metrics take them."""


class BestModel:
    """The winner of a run.

    The model is loaded at the first question and kept; a newer winner in the same folder replaces it. `run.json` is
    read once.

    Args:
        run: The run's folder.
        device: As `FitOptions.device`; `auto` is the fastest that this machine has, whichever it was trained on.

    Raises:
        RunFolderError: There is no run.
    """

    def __init__(self, run: RunFolder, device: str = "auto") -> None:
        self.run = run
        self.info = run.info()
        self.task = TASKS.get(self.info.task)
        self.device = device
        self._predictor: Predictor | None = None
        self._loaded: tuple[int, int] | None = None

    def predictions(self, table: pd.DataFrame) -> Predictions:
        """Return what the model says of rows; it runs once, and is not even loaded for no rows.

        Args:
            table: The task's inputs, by their names.

        Raises:
            NoModelError: The run has no model yet.
        """
        if table.empty:
            return self._nothing()
        answers = self.predictor().answers(table)
        targets: Any = self.task.predictions(answers)
        if not self.info.labels:
            values = answers.tolist() if isinstance(answers, np.ndarray) else list(answers)
            return Predictions(values=values, probabilities=None, targets=targets)
        task = cast("Classification", self.task)
        return Predictions(
            values=task.decode(targets, self.info.labels),
            probabilities=task.probabilities(np.asarray(answers)),
            targets=targets,
        )

    def predictor(self) -> Predictor:
        """Return the loaded model, loading it if it is not, or if another trial has won since.

        Raises:
            NoModelError: The run has no model yet.
            RunFolderError: Files of the model are gone or damaged.
        """
        if self._loaded != self._identity():
            self._load()
        assert self._predictor is not None
        return self._predictor

    def _load(self) -> None:
        """Load the model; once more if another took its place meanwhile, for half of each would be neither.

        Raises:
            RunFolderError: Files of the model are gone or damaged.
        """
        from xautolm.finetuning.predictor import Predictor

        while True:
            identity = self._identity()
            try:
                predictor = Predictor(self.run.best, self.device)
            except Exception as error:
                if self._identity() != identity:
                    continue
                if isinstance(error, DAMAGE):
                    raise _damaged(self.run.best, error) from error
                raise
            if self._identity() == identity:
                self._predictor, self._loaded = predictor, identity
                return

    def _identity(self) -> tuple[int, int]:
        """Return what tells one winner from the next: a new one is a new folder of the same name.

        Raises:
            NoModelError: The run has no model yet.
        """
        try:
            status = self.run.best.stat()
        except FileNotFoundError:
            raise NoModelError(f"The run in {self.run.root} has no model yet.") from None
        return status.st_ino, status.st_mtime_ns

    def _nothing(self) -> Predictions:
        """Return what a model says of no rows."""
        labels = self.info.labels
        probabilities = None
        if labels:
            probabilities = np.zeros((0, len(labels)), dtype=np.float32)
        return Predictions(values=[], probabilities=probabilities, targets=[])

    def __getstate__(self) -> dict[str, object]:
        """Return what a copy or a pickle needs: not the loaded model, which comes from the folder again."""
        state = dict(self.__dict__)
        state["_predictor"] = None
        state["_loaded"] = None
        return state


def _damaged(folder: Path, error: Exception) -> RunFolderError:
    reason = " ".join(str(error).split())[:MOST_LETTERS]
    return RunFolderError(
        "The model of this run cannot be loaded.",
        got=f"{folder}: {reason or type(error).__name__}",
        fix="Run the same fit again: it puts back what is gone or damaged, if the trial's own files are there.",
    )
