"""The table of real trials: which rows a task draws, and which configurations it runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from benchmarks.ftbench.collect import (
    OPENING,
    RANDOM,
    SHARED_CONFIGURATIONS,
    begin_with_table,
    configuration_of,
    numbers_present,
    run_trial,
)
from benchmarks.ftbench.tasks import TASKS, TRAIN_ROWS, VALIDATION_ROWS, BenchmarkTask
from xautolm.options import FitOptions
from xautolm.records import Configuration, TrialOutcome, TrialSpec
from xautolm.report.screen import Quiet
from xautolm.session import open_session
from xautolm.space import Float, Int, Space
from xautolm.testing import FakeExecutor, success
from xautolm.vocabulary import FailureKind, Preset

SPACE = Space(
    "toy.v1",
    (
        Float(name="learning_rate", low=1e-5, high=1e-3, default=1e-4, log=True),
        Int(name="epochs", low=1, high=100, default=3),
    ),
)
PROBES = (
    Configuration(values={"method": "probe.v1", "model": "small"}, space="toy.v1"),
    Configuration(values={"method": "probe.v1", "model": "large"}, space="toy.v1"),
)
REVIEWS = BenchmarkTask(name="reviews", seconds=60, memory=1)
ANSWERS = BenchmarkTask(name="answers", task="question-answering", seconds=60, memory=1)


def fake_session(preset: Preset) -> Any:
    """Return what is asked of a session for a configuration: its space, its preset and its probes."""

    def probes(obstacle: Any) -> Sequence[Configuration]:
        return [probe for probe in PROBES if not obstacle(probe)]

    options = SimpleNamespace(space=preset)
    return SimpleNamespace(
        scenario=SimpleNamespace(space=SPACE, options=options),
        opening=SimpleNamespace(probes=probes),
    )


def write_table(folder: Path, name: str, table: pd.DataFrame) -> None:
    """Write a made-up data set as collected ones lie."""
    (folder / name).mkdir()
    table.to_parquet(folder / name / "train.parquet")


def draw(task: BenchmarkTask, folder: Path, work: str = "work") -> list[pd.DataFrame]:
    """Return the training and the validation rows that a task writes."""
    return [pd.read_parquet(file) for file in task.draw(folder, folder / work)]


def reviews() -> pd.DataFrame:
    """Make up 4,000 texts, one in five of them bad."""
    texts = [f"review {number}" for number in range(4_000)]
    labels = ["bad" if number % 5 == 0 else "good" for number in range(4_000)]
    return pd.DataFrame({"text": texts, "label": labels, "author": "Ada"})


def questions() -> pd.DataFrame:
    """Make up 2,100 questions, seven about each of 300 contexts, which do not lie together."""
    rows = range(2_100)
    return pd.DataFrame(
        {
            "question": [f"question {row}" for row in rows],
            "context": [f"context {row % 300}" for row in rows],
        }
    )


def test_a_new_collection_begins_with_what_the_packages_table_holds(tmp_path: Path) -> None:
    begin_with_table(tmp_path)
    # Begun once, it is not begun again.
    begin_with_table(tmp_path)
    present = numbers_present(tmp_path, TASKS["sst2"], "default.v1")
    assert present == set(range(len(present))) and len(present) >= 34
    assert numbers_present(tmp_path, TASKS["squad"], "paper.v1") == set(range(6))
    assert not numbers_present(tmp_path, TASKS["squad"], "other.v1")


def test_classes_keep_their_shares_and_no_row_is_on_both_sides(tmp_path: Path) -> None:
    write_table(tmp_path, "reviews", reviews())
    train, validation = draw(REVIEWS, tmp_path)
    assert (len(train), len(validation)) == (TRAIN_ROWS, VALIDATION_ROWS)
    for rows in (train, validation):
        assert list(rows.columns) == ["text", "label"]
        assert (rows["label"] == "bad").mean() == pytest.approx(0.2)
    texts = [*train["text"], *validation["text"]]
    assert len(set(texts)) == len(texts)


def test_no_context_is_on_both_sides(tmp_path: Path) -> None:
    write_table(tmp_path, "answers", questions())
    train, validation = draw(ANSWERS, tmp_path)
    # Seven does not divide a thousand: one context is cut, and what is left of it is on neither side.
    assert (len(train), len(validation)) == (TRAIN_ROWS, VALIDATION_ROWS)
    assert not set(train["context"]) & set(validation["context"])
    assert train["question"].is_unique and validation["question"].is_unique
    assert train["context"].nunique() == 143


@pytest.mark.parametrize(("task", "table"), [(REVIEWS, reviews), (ANSWERS, questions)])
def test_rows_are_drawn_alike_again(task: BenchmarkTask, table: Any, tmp_path: Path) -> None:
    write_table(tmp_path, task.name, table())
    first = draw(task, tmp_path, "first")
    again = draw(task, tmp_path, "again")
    for rows, same in zip(first, again, strict=True):
        pd.testing.assert_frame_equal(rows, same)


def test_a_small_table_gives_what_it_has(tmp_path: Path) -> None:
    write_table(tmp_path, "reviews", reviews().head(800))
    train, validation = draw(REVIEWS, tmp_path)
    assert (len(train), len(validation)) == (300, VALIDATION_ROWS)


def test_the_opening_comes_first() -> None:
    session = fake_session(Preset.DEFAULT)
    opening = [configuration_of(session, REVIEWS, number) for number in range(3)]
    assert opening == [(configuration, OPENING) for configuration in (*PROBES, SPACE.default())]
    _, origin = configuration_of(session, REVIEWS, 3)
    assert origin == RANDOM


def test_other_presets_are_random_from_the_start() -> None:
    configuration, origin = configuration_of(fake_session(Preset.PAPER), REVIEWS, 0)
    assert origin == RANDOM
    # The same draws, moved up by the opening.
    behind_opening, _ = configuration_of(fake_session(Preset.DEFAULT), REVIEWS, 3)
    assert configuration == behind_opening


def test_shared_draws_are_equal_over_tasks_and_own_ones_are_not() -> None:
    session = fake_session(Preset.PAPER)
    draws = {
        task.name: [
            configuration_of(session, task, number)[0]
            for number in range(SHARED_CONFIGURATIONS + 5)
        ]
        for task in (REVIEWS, ANSWERS)
    }
    shared = draws["reviews"][:SHARED_CONFIGURATIONS]
    assert shared == draws["answers"][:SHARED_CONFIGURATIONS]
    own = draws["reviews"][SHARED_CONFIGURATIONS:]
    others = draws["answers"][SHARED_CONFIGURATIONS:]
    for mine, other in zip(own, others, strict=True):
        assert mine != other
    # No draw comes twice, and the same number is the same draw again.
    rates = {configuration.values["learning_rate"] for configuration in (*shared, *own)}
    assert len(rates) == SHARED_CONFIGURATIONS + 5
    assert draws["reviews"][-1] == configuration_of(session, REVIEWS, SHARED_CONFIGURATIONS + 4)[0]


def test_a_trial_runs_under_its_tasks_limits_and_is_recorded(
    tmp_path: Path, tickets: pd.DataFrame
) -> None:
    def play(spec: TrialSpec) -> TrialOutcome:
        if spec.number == 1:
            raise MemoryError("no room")
        return success(f1_macro=0.7, seconds=3.0)

    task = BenchmarkTask(name="tickets", seconds=30, memory=700 * 2**20)
    options = FitOptions(
        models=("minilm-l2",),
        trials=100,
        trial_time_limit=task.seconds,
        sampler=RANDOM,
        device="cpu",
        store=str(tmp_path / "table.db"),
        out=str(tmp_path / "run"),
        seed=0,
    )
    executor = FakeExecutor(play)
    with open_session(tickets, options, Quiet(), executor) as session:
        session.measure_features()
        ran, failed = (run_trial(session, task, number) for number in range(2))
    for spec in executor.specs:
        assert (spec.limits.seconds, spec.limits.memory) == (30, 700 * 2**20)
        assert spec.device == "cpu"
    assert ran.outcome.metrics == {"f1_macro": 0.7}
    assert ran.proposal == OPENING
    assert failed.outcome.failure is not None
    assert failed.outcome.failure.kind is FailureKind.OUT_OF_MEMORY

    # It goes on where it ended, with what was recorded.
    with open_session(tickets, options, Quiet(), FakeExecutor(play)) as again:
        recorded = [(experience.id, experience.outcome) for experience in again.experiences]
    assert recorded == [(experience.id, experience.outcome) for experience in (ran, failed)]


def test_tasks_of_one_family_leave_together() -> None:
    assert TASKS["mr"].group == TASKS["sst2"].group == TASKS["sst5"].group
    groups = {task.group for task in TASKS.values()}
    assert len(groups) == len(TASKS) - 2
