"""Surrogates of the table's tasks: what they tell a search of what it asked for, and how they are judged."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.ftbench import surrogate
from benchmarks.ftbench.contest import Kind, play, read_results
from benchmarks.ftbench.page import asked_exactly
from benchmarks.ftbench.replay import ReplayTask, read_tasks
from benchmarks.ftbench.strategies import COLD, MISLED, OURS
from benchmarks.ftbench.surrogate import (
    Foretelling,
    Surrogate,
    fidelity,
    modelled,
    surrogates_of,
)
from tests.benchmarks.test_contest import BAD, BROKEN, GOOD, STARTER_TABLE, TASKS, toy
from xautolm.records import BODY_SECONDS
from xautolm.vocabulary import FailureKind


@pytest.fixture(scope="module", autouse=True)
def small_forests() -> Iterator[None]:
    """Let forests have few trees: the made-up tasks are easy."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(surrogate, "TREES", 15)
        yield


@pytest.fixture(scope="module")
def surrogates() -> dict[str, Surrogate]:
    """Return the surrogates of the made-up tasks."""
    return surrogates_of(TASKS)


def test_a_search_is_told_of_what_it_asked_for(surrogates: dict[str, Surrogate]) -> None:
    world = Foretelling(surrogates["a"], seed=0)
    lead = TASKS["a"].lead
    for model, rate, quality in ((GOOD, 0.25, 0.6), (GOOD, 0.8, 0.82), (BAD, 0.8, 0.32)):
        asked = toy(model, rate)
        told = world.look(asked.values)
        assert told.configuration == asked
        assert told.outcome.metrics[lead.name] == pytest.approx(quality, abs=0.06)
        # Of the table's trials, loading is no part.
        assert told.outcome.wall_time == told.outcome.evaluation_time
        assert world.look(asked.values) == told
    assert not world.is_exhausted


def test_what_fails_in_the_table_fails_as_it_does_there(surrogates: dict[str, Surrogate]) -> None:
    told = Foretelling(surrogates["b"], seed=0).look(toy(BROKEN, 0.5).values)
    assert told.outcome.failure is not None
    assert told.outcome.failure.kind is FailureKind.OUT_OF_MEMORY
    assert told.outcome.wall_time > 0


def test_the_first_probe_of_a_search_pays_for_the_features() -> None:
    trials = []
    for experience in TASKS["a"].experiences:
        outcome = experience.outcome
        if experience.configuration.model == GOOD:
            point = {"epoch": 1.0, "seconds": 10.0, BODY_SECONDS: 8.0}
            outcome = replace(outcome, history=(point,), evaluation_time=10.0, wall_time=10.0)
        trials.append(replace(experience, outcome=outcome))
    task = replace(TASKS["a"], experiences=trials)
    world = Foretelling(surrogates_of({**TASKS, "a": task})["a"], seed=0)
    first, second = (world.look(toy(GOOD, rate).values).outcome for rate in (0.2, 0.21))
    assert first.evaluation_time == pytest.approx(second.evaluation_time, rel=0.2)
    assert second.wall_time == pytest.approx(0.2 * second.evaluation_time, rel=0.01)
    assert first.wall_time == first.evaluation_time


def test_surrogates_are_judged_by_trials_that_they_have_not_seen() -> None:
    def judged_with(quality_of: dict[str, list[float]]) -> float:
        """Return the rank correlation on tasks with these qualities."""
        tasks = []
        for name, task in TASKS.items():
            trials = []
            for experience, quality in zip(task.experiences, quality_of[name], strict=True):
                metrics = {} if experience.outcome.failed else {"f1_macro": quality}
                outcome = replace(experience.outcome, metrics=metrics)
                trials.append(replace(experience, outcome=outcome))
            tasks.append(replace(task, experiences=trials))
        return fidelity(tasks).quality

    rng = np.random.default_rng(0)
    real, random = {}, {}
    for name, task in TASKS.items():
        real[name] = [trial.outcome.metrics.get("f1_macro", 0.0) for trial in task.experiences]
        random[name] = rng.random(len(real[name])).tolist()
    assert judged_with(real) > 0.9
    assert abs(judged_with(random)) < 0.3
    judged = fidelity(list(TASKS.values()))
    assert judged.failure == judged.right == 1.0


def test_tasks_of_a_type_without_trials_enough_are_not_played() -> None:
    questions = replace(TASKS["d"].task, name="questions", task="question-answering")
    tasks: dict[str, ReplayTask] = {**TASKS, "questions": replace(TASKS["d"], task=questions)}
    assert [task.name for task in modelled(tasks)] == list(TASKS)


def test_results_on_surrogates_are_not_mixed_with_those_on_the_table(tmp_path: Path) -> None:
    results = tmp_path / "results.jsonl"
    result = {**play(TASKS, None, ("a", "random", 0)), "answers": Kind.SURROGATES.value}
    results.write_text(json.dumps(result) + "\n")
    assert read_results(results, TASKS, Kind.SURROGATES) == [result]
    with pytest.raises(SystemExit, match="another table"):
        read_results(results, TASKS)


@pytest.mark.slow
def test_the_page_says_what_searches_reach_that_are_told_of_what_they_ask_for(
    surrogates: dict[str, Surrogate],
) -> None:
    results = []
    for name in TASKS:
        for method in (OURS, COLD, MISLED, "pge", "random"):
            world = Foretelling(surrogates[name], seed=0)
            results.append(play(TASKS, None, (name, method, 0), world))
    text = asked_exactly(TASKS, results)
    met = [line for line in text.splitlines() if line.endswith(("| yes |", "| **no** |"))]
    # All but the forecast of the table's own failures.
    assert len(met) == 10
    assert f"| {OURS} |" in text


def test_the_committed_results_are_of_the_table_that_comes_with_the_package() -> None:
    committed = Path(__file__).parents[2] / "benchmarks" / "contest_surrogates.jsonl"
    assert read_results(committed, read_tasks(STARTER_TABLE), Kind.SURROGATES)
