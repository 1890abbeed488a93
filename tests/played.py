"""Runs that are played, and a model that is made up: what `predict` and `evaluate` do, without torch."""

from __future__ import annotations

import sys
import types
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest

from xautolm import AutoLM
from xautolm.records import TrialOutcome, TrialSpec
from xautolm.report.screen import Quiet
from xautolm.serialization import read_json
from xautolm.testing import FakeExecutor, lookup_questions, success

CLASSES = ("apple", "pear", "plum")
NAMES = ("red", "green", "blue")
ROWS = 30


class FakePredictor:
    """Counts how often models are loaded and run; a row's answer is a function of its text.

    A text that holds the name of a class is of that class, and of none otherwise likelier than of the first.
    """

    loads = 0
    runs = 0
    rows = 0
    tables: ClassVar[list[pd.DataFrame]] = []

    def __init__(self, folder: Path, device: str) -> None:
        FakePredictor.loads += 1
        self.task = read_json(folder / "xautolm.json")["task"]
        info = read_json(folder.parent / "run.json")
        self.labels = list(info["labels"])

    def answers(self, table: pd.DataFrame) -> Any:
        """Return logits of shape (rows, classes), lengths for regression, else the texts in capitals."""
        FakePredictor.runs += 1
        FakePredictor.rows += len(table)
        FakePredictor.tables.append(table)
        texts = list(table.iloc[:, 0])
        if self.labels:
            return np.asarray(
                [[4.0 if label in text else -4.0 for label in self.labels] for text in texts]
            )
        if self.task.endswith("regression"):
            return np.asarray([float(len(text)) for text in texts])
        return [text.upper() for text in texts]


@pytest.fixture
def fake_predictor(monkeypatch: pytest.MonkeyPatch) -> type[FakePredictor]:
    """Put the made-up model in the real one's place; its counters begin at zero."""
    module = types.ModuleType("xautolm.finetuning.predictor")
    module.Predictor = FakePredictor  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "xautolm.finetuning.predictor", module)
    FakePredictor.loads = FakePredictor.runs = FakePredictor.rows = 0
    FakePredictor.tables = []
    return FakePredictor


def table_for(task: str) -> pd.DataFrame:
    """Return a small table that a task can learn from, with the usual names of its columns."""
    if task == "question-answering":
        return lookup_questions(ROWS, seed=0)
    texts = [f"text {number} on the {CLASSES[number % 3]}" for number in range(ROWS)]
    table = pd.DataFrame({"text": texts})
    if "pair" in task:
        table["text_pair"] = [f"another {number}" for number in range(ROWS)]
    if task == "text-generation":
        return table.assign(target=[text[::-1] for text in texts])
    if task.endswith("regression"):
        return table.assign(label=[float(number) for number in range(ROWS)])
    if task.startswith("multilabel"):
        return table.assign(
            labels=[[CLASSES[number % 3], NAMES[number % 2]] for number in range(ROWS)]
        )
    return table.assign(label=[CLASSES[number % 3] for number in range(ROWS)])


def play(spec: TrialSpec) -> TrialOutcome:
    """Return an outcome with the same score in every metric."""
    return success(**dict.fromkeys(spec.metrics, 0.5))


def played(
    folder: Path, task: str = "text-classification", data: Any = None, y: Any = None, **options: Any
) -> AutoLM:
    """Return an AutoLM whose one trial was played, with its run in `folder`."""
    options = {"models": "minilm-l2" if "generation" not in task else "scratch-decoder", **options}
    auto = AutoLM(task=task, trials=1, sampler="random", device="cpu", out=str(folder), **options)
    return auto.fit(
        table_for(task) if data is None else data, y, screen=Quiet(), executor=FakeExecutor(play)
    )
