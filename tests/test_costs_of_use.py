"""A search that minimises what a model costs in use: the front, the sampler, the store, and what was not measured."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import optuna
import pytest

from tests.played import played, table_for
from xautolm import AutoLM
from xautolm.errors import UsageError
from xautolm.experience.validation import check
from xautolm.metalearning import SETTINGS, own_features
from xautolm.metalearning.utility import is_positive, utilities
from xautolm.metrics import METRICS
from xautolm.objectives import (
    COSTS,
    LATENCY,
    MODEL_SIZE,
    UNBOUNDED_WORST,
    lead_of,
    pareto_front,
    recorded_objectives,
    told_values,
    worst_values,
)
from xautolm.past_evidence import evidence_of
from xautolm.records import Experience, TrialOutcome, TrialSpec
from xautolm.report.result import print_result
from xautolm.report.screen import Quiet
from xautolm.run_folder import RunFolder
from xautolm.search.study import values_to_tell
from xautolm.serialization import from_plain, to_plain
from xautolm.testing import FakeExecutor, made_up_experience, success
from xautolm.vocabulary import TrialStatus

QUALITY = METRICS.get("f1_macro").objective
OBJECTIVES = (COSTS[LATENCY], QUALITY, COSTS[MODEL_SIZE])
NAMES = tuple(objective.name for objective in OBJECTIVES)
SECONDS = (0.02, 0.004, None)
"""To answer one text, by trial: the last one was not measured."""
SCORES = (0.9, 0.7, 0.6)


def play(spec: TrialSpec) -> TrialOutcome:
    """The later a trial, the faster and the poorer; the third could not be timed."""
    outcome = success(**dict.fromkeys(spec.metrics, SCORES[spec.number]))
    return replace(outcome, latency=SECONDS[spec.number], model_size=1000 + spec.number)


def used(
    trial: int, quality: float, latency: float | None, status: TrialStatus = TrialStatus.COMPLETE
) -> Experience:
    """Return the experience of a trial of a search for quality and latency."""
    outcome = replace(success(5.0, f1_macro=quality), latency=latency, status=status)
    experience = made_up_experience(trial, outcome=outcome)
    return replace(
        experience,
        objectives=("f1_macro", "latency"),
        minimized=("latency",),
        features=own_features({"words": 12.0}),
    )


def test_a_search_leaves_a_front_from_the_best_model_to_the_fastest(tmp_path: Path) -> None:
    orders: list[TrialSpec] = []

    def note_and_play(spec: TrialSpec) -> TrialOutcome:
        orders.append(spec)
        return play(spec)

    auto = AutoLM(
        objectives=["f1_macro", "latency"],
        models="minilm-l2",
        methods="head,lora",
        trials=3,
        sampler="random",
        device="cpu",
        out=str(tmp_path / "run"),
    )
    auto.fit(table_for("text-classification"), screen=Quiet(), executor=FakeExecutor(note_and_play))
    assert [experience.trial for experience in auto.pareto_front_] == [0, 1]
    assert auto.best_.trial == 0 and auto.best_.outcome.latency == 0.02
    assert all(spec.measures_latency for spec in orders)
    # It is measured, not computed from answers.
    assert "latency" not in orders[0].metrics and orders[0].metric == "f1_macro"
    assert list(auto.leaderboard_["latency"])[:2] == [0.02, 0.004]
    assert list(auto.leaderboard_["model_size"]) == [1000, 1001, 1002]
    points = json.loads((tmp_path / "run" / "pareto.json").read_text())
    assert points[1]["objectives"] == {"f1_macro": 0.7, "latency": 0.004}
    # The same command goes on with what the folder says.
    again = auto.fit(
        table_for("text-classification"), screen=Quiet(), executor=FakeExecutor(note_and_play)
    )
    assert len(again.experiences_) == len(orders) == 3


def test_the_last_words_of_a_search_tell_the_latency(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    played(tmp_path / "run")
    run = RunFolder(tmp_path / "run")
    best, fast = used(0, 0.9, 0.02), used(1, 0.7, None)
    print_result(run, best, [best, fast], None, ["text"])
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    heading = next(words for words in lines if "latency" in words)
    winner = next(words for words in lines if words[:1] == ["0"])
    assert heading.index("latency") == heading.index("time") + 1
    assert winner[winner.index("ms") - 1] == "20"


def test_a_model_that_could_not_be_timed_wins_all_the_same(tmp_path: Path) -> None:
    def untimed(spec: TrialSpec) -> TrialOutcome:
        return success(**dict.fromkeys(spec.metrics, 0.5))

    auto = AutoLM(
        objectives=["f1_macro", "latency"],
        models="minilm-l2",
        trials=1,
        sampler="random",
        device="cpu",
        out=str(tmp_path / "run"),
    )
    auto.fit(table_for("text-classification"), screen=Quiet(), executor=FakeExecutor(untimed))
    assert auto.best_.trial == 0 and auto.best_.outcome.latency is None
    (point,) = json.loads((tmp_path / "run" / "pareto.json").read_text())
    assert point["objectives"] == {"f1_macro": 0.5, "latency": None}


def test_other_searches_do_not_spend_time_on_it(tmp_path: Path) -> None:
    orders: list[TrialSpec] = []

    def note_and_play(spec: TrialSpec) -> TrialOutcome:
        orders.append(spec)
        return success(**dict.fromkeys(spec.metrics, 0.5))

    auto = AutoLM(models="minilm-l2", trials=1, sampler="random", out=str(tmp_path / "run"))
    auto.fit(table_for("text-classification"), screen=Quiet(), executor=FakeExecutor(note_and_play))
    assert not orders[0].measures_latency


@pytest.mark.parametrize("objectives", ["latency", "latency,model_size,evaluation_time"])
def test_costs_alone_are_no_objectives(tmp_path: Path, objectives: str) -> None:
    with pytest.raises(UsageError, match="at least one quality metric"):
        played(tmp_path / "run", objectives=objectives)


def test_a_misspelled_cost_is_answered_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="latency"):
        played(tmp_path / "run", objectives="f1_macro,latncy")


def test_the_first_quality_leads_wherever_it_stands() -> None:
    assert lead_of(OBJECTIVES) == QUALITY
    assert not any(objective.maximize or objective.is_quality for objective in COSTS.values())


def test_a_cost_that_was_not_measured_is_infinite_among_rivals() -> None:
    outcomes = {}
    for number, (score, seconds) in enumerate(zip(SCORES, SECONDS, strict=True)):
        outcome = success(f1_macro=score)
        outcomes[number] = replace(outcome, latency=seconds, model_size=10)
    # Fastest first; the third is dominated, and would lead the front if it were the best.
    assert pareto_front(outcomes, OBJECTIVES) == [1, 0]
    outcomes[2] = replace(outcomes[2], metrics={"f1_macro": 1.0})
    assert pareto_front(outcomes, OBJECTIVES) == [1, 0, 2]
    assert told_values(outcomes[2], OBJECTIVES) == [math.inf, 1.0, 10]


def test_the_worst_cost_is_the_largest_that_was_measured() -> None:
    failure = TrialOutcome(status=TrialStatus.FAILED, wall_time=7.0)
    told = [[0.02, 0.9, 100.0], [0.05, 0.8, 50.0]]
    assert worst_values(told, failure, OBJECTIVES) == [0.05, 0.0, 100.0]


def test_a_sampler_is_told_the_worst_cost_of_others_and_the_trials_own_quality() -> None:
    study = optuna.create_study(directions=["minimize", "maximize", "minimize"])
    stopped = replace(success(f1_macro=0.3), status=TrialStatus.PRUNED)
    assert values_to_tell(study, stopped, OBJECTIVES) == [UNBOUNDED_WORST, 0.3, UNBOUNDED_WORST]
    for values in ([0.02, 0.9, 100.0], [0.05, 0.8, 50.0]):
        study.add_trial(optuna.trial.create_trial(values=values))
    assert values_to_tell(study, stopped, OBJECTIVES) == [0.05, 0.3, 100.0]


def test_records_keep_what_was_measured_and_earlier_ones_lack_it(experience: Experience) -> None:
    outcome = replace(success(5.0, f1_macro=0.8), latency=0.02, model_size=10)
    record = replace(
        experience,
        outcome=outcome,
        objectives=("f1_macro", "latency"),
        minimized=("latency",),
    )
    check(record)
    quality, cost = recorded_objectives(record)
    assert cost == COSTS[LATENCY] and quality.maximize
    plain = to_plain(outcome)
    assert from_plain(TrialOutcome, plain) == outcome
    del plain["latency"], plain["model_size"]
    assert from_plain(TrialOutcome, plain) == replace(outcome, latency=None, model_size=None)
    # A success whose measurement failed is a record that means something; a negative time is not.
    check(replace(record, outcome=replace(outcome, latency=None)))
    with pytest.raises(ValueError, match=r"outcome.latency is -1"):
        check(replace(record, outcome=replace(outcome, latency=-1.0)))


def test_a_store_of_such_searches_prefers_what_is_good_or_fast() -> None:
    good, fast, neither = used(0, 0.9, 0.02), used(1, 0.7, 0.004), used(2, 0.6, 0.03)
    worth = utilities([good, fast, neither], "linear_front")
    assert worth[good.id] == worth[fast.id] == 1.0 and worth[neither.id] < 1.0
    assert not is_positive(used(3, 0.9, None))


def test_a_store_without_latencies_says_what_it_can_of_them() -> None:
    features = own_features({"words": 12.0})
    past = []
    for number, (seconds, quality) in enumerate([(100.0, 0.8), (10.0, 0.6), (50.0, 0.7)]):
        outcome = success(seconds, f1_macro=quality)
        past.append(replace(made_up_experience(number, outcome=outcome), features=features))
    objectives = (QUALITY, COSTS[LATENCY])
    evidence = evidence_of(past, features, objectives, SETTINGS["moderate-linear"])
    by_trial = {item.values["n"]: item.scores for item in evidence}
    slow, quick, middle = by_trial[0], by_trial[1], by_trial[2]
    assert slow is not None and quick is not None and middle is not None
    # What was slow to train is taken for slow in use, and not for fast because it was good.
    assert quick[1] > middle[1] > slow[1]
    assert slow[0] > middle[0] > quick[0]
