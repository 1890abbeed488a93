"""The contest on the table of real trials: what a search is told, what is measured of it, and what counts as chance."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks.ftbench.contest import METHODS, mirrored, past_of, play
from benchmarks.ftbench.measures import Scale, holm, lost_tasks, measured, ranks, speedups
from benchmarks.ftbench.page import write_page
from benchmarks.ftbench.replay import LookUp, ReplayTask
from benchmarks.ftbench.strategies import StrategyPlayer
from benchmarks.ftbench.tasks import BenchmarkTask
from xautolm.metalearning import own_features
from xautolm.records import Configuration, Experience, Failure, TrialOutcome
from xautolm.space import Branch, Float, Space
from xautolm.testing import made_up_experience, success
from xautolm.vocabulary import FailureKind, TrialStatus

SPACE = Space(
    "toy.v1",
    (
        Branch(
            name="model",
            branches={name: Space(name, ()) for name in ("good", "bad", "broken")},
            default="bad",
        ),
        Float(name="rate", low=0.0, high=1.0, default=0.5),
    ),
)


def trial(number: int, model: str, rate: float, seconds: float = 10.0) -> Experience:
    """Make up a trial: the good model is better by a half, and the rate adds up to 0.4; the broken one fails."""
    configuration = Configuration(values={"model": model, "rate": rate}, space="toy.v1")
    outcome: TrialOutcome = replace(
        success(seconds=seconds, f1_macro=(0.5 if model == "good" else 0.0) + 0.4 * rate),
        wall_time=seconds,
    )
    if model == "broken":
        failure = Failure(kind=FailureKind.OUT_OF_MEMORY, message="no room", stderr_tail="")
        outcome = TrialOutcome(status=TrialStatus.FAILED, failure=failure, wall_time=seconds)
    return replace(
        made_up_experience(number, configuration, outcome),
        objectives=("f1_macro", "evaluation_time"),
    )


def task(name: str, family: str = "", seed: int = 0) -> ReplayTask:
    """Make up a task with 30 trials."""
    rng = np.random.default_rng(seed)
    trials = []
    for number in range(30):
        model = ("good", "bad", "broken")[number % 3]
        made_up = trial(number, model, float(rng.random()), seconds=5.0 + number)
        features = own_features({"size": float(seed)})
        data = replace(made_up.data, name=name, source_fingerprint=f"{seed:016x}")
        trials.append(replace(made_up, data=data, features=features, id=f"{name} {number}"))
    benchmark = BenchmarkTask(name=name, seconds=60, memory=1, family=family)
    return ReplayTask(task=benchmark, space=SPACE, experiences=trials)


TASKS = {
    "a": task("a", family="letters", seed=1),
    "b": task("b", family="letters", seed=2),
    "c": task("c", seed=3),
    "d": task("d", seed=4),
}


def test_the_nearest_trial_is_looked_up_and_none_twice() -> None:
    trials = [trial(0, "good", 0.2), trial(1, "good", 0.6), trial(2, "bad", 0.2)]
    world = LookUp(replace(TASKS["a"], experiences=trials), seed=0)
    asked = {"model": "good", "rate": 0.25}
    # The other model is farther than any rate, though its rate is the nearer one.
    assert [world.look(asked).trial for _ in range(3)] == [0, 1, 2]
    assert world.is_exhausted


def test_the_family_of_the_target_is_no_past() -> None:
    assert [past.name for past in past_of(TASKS, TASKS["a"])] == ["c", "d"]
    assert [past.name for past in past_of(TASKS, TASKS["c"])] == ["a", "b", "d"]


def test_a_strategy_is_told_what_ran_and_not_what_it_asked_for() -> None:
    player = StrategyPlayer(TASKS["a"], "random", None, 0)
    asked = player.ask()
    ran = trial(5, "broken" if asked["model"] != "broken" else "good", 0.125)
    player.hear(ran)
    complete = [told for told in player.study.get_trials() if told.state.name == "COMPLETE"]
    (told,) = complete
    assert set(told.params.values()) == {ran.configuration.values["model"], 0.125}


@pytest.mark.parametrize("method", ["xautolm", "xautolm, empty store", "pge", "pge, knn", "tpe"])
def test_a_search_has_a_quarter_of_the_tables_seconds(method: str) -> None:
    result = play(TASKS, None, ("c", method, 0))
    total = sum(experience.outcome.wall_time for experience in TASKS["c"].experiences)
    assert result["budget"] == pytest.approx(total / 4, abs=0.1)
    clocks = [look[0] for look in result["looks"]]
    # The last trial began before the budget was over.
    assert clocks[-2] < result["budget"] <= clocks[-1]
    for _, quality, seconds, failure, _ in result["looks"]:
        assert (quality is None) == (failure == "out_of_memory")
        assert seconds > 0
    again = play(TASKS, None, ("c", method, 0))
    assert again["looks"] == result["looks"]


def test_experience_helps_on_related_tasks_and_is_doubted_where_it_misleads() -> None:
    helped = [play(TASKS, None, ("c", "xautolm", seed)) for seed in range(3)]
    misled = [play(TASKS, None, ("c", "xautolm, misleading store", seed)) for seed in range(3)]

    def first_quality(results: Sequence[dict[str, object]]) -> float:
        return float(np.mean([result["looks"][0][1] or 0.0 for result in results]))

    assert first_quality(helped) > first_quality(misled)
    trusts = [[look[4] for look in result["looks"]] for result in misled]
    assert np.mean([trust[-1] for trust in trusts]) < np.mean([trust[0] for trust in trusts])


def test_a_mirrored_past_turns_the_order_of_a_data_set_round() -> None:
    past = [trial(0, "good", 1.0), trial(1, "bad", 0.5), trial(2, "broken", 0.5)]
    best, worst, failed = mirrored(past)
    assert best.outcome.metrics["f1_macro"] == pytest.approx(0.2)
    assert worst.outcome.metrics["f1_macro"] == pytest.approx(0.9)
    assert failed.outcome == past[2].outcome


def result_of(method: str, looks: Sequence[Sequence[object]], seed: int = 0) -> dict[str, object]:
    return {"task": "a", "method": method, "seed": seed, "budget": 100.0, "ms": 1.0, "looks": looks}


def test_measures_by_hand() -> None:
    # Qualities from 0 to 1 and seconds from 1 to e; one trial has the best of both, so the hypervolume is 1.
    ends = [trial(0, "bad", 0.0, seconds=1.0), trial(1, "good", 1.0, seconds=float(np.e))]
    both = trial(2, "good", 1.0, seconds=1.0)
    tasks = {"a": replace(TASKS["a"], experiences=[*ends, both])}
    scale = Scale.of(tasks["a"])
    assert scale.volume == pytest.approx(1.0)
    looks = [
        [20.0, None, 5.0, "out_of_memory", None],
        [40.0, 0.45, np.e**0.5, "", None],
        [80.0, 0.9, 1.0, "", None],
    ]
    rows = measured([result_of("xautolm", looks), result_of("pge", looks[:2])], tasks)
    ours = rows[rows["method"] == "xautolm"].iloc[0]
    assert (ours["volume_25"], ours["volume_50"], ours["volume_100"]) == pytest.approx((0, 0.25, 1))
    assert (ours["best_50"], ours["best_100"]) == pytest.approx((0.5, 1))
    assert ours["to_99"] == pytest.approx(0.8)
    assert ours["failed"] == pytest.approx(1 / 3)
    # Of three proposals, one is above what pge had: its own point is not above itself.
    assert ours["above"] == pytest.approx(1 / 3)
    theirs = rows[rows["method"] == "pge"].iloc[0]
    assert theirs["above"] == 0 and np.isinf(theirs["to_99"])


def test_how_much_sooner_a_quality_is_reached() -> None:
    theirs = [[10.0, 0.2, 1.0, "", None], [60.0, 0.8, 1.0, "", None], [90.0, 0.3, 1.0, "", None]]
    sooner = [[6.0, None, 1.0, "crash", None], [12.0, 0.9, 1.0, "", None]]
    never = [[6.0, 0.7, 1.0, "", None]]
    results = [
        result_of("pge", theirs),
        result_of("xautolm", sooner),
        result_of("pge", theirs, seed=1),
        result_of("xautolm", never, seed=1),
        result_of("pge", sooner[:1], seed=2),
        result_of("xautolm", never, seed=2),
    ]
    assert speedups(results, "xautolm", "pge") == [5.0, 0.0]


def table(ours: Sequence[float], theirs: Sequence[float]) -> pd.DataFrame:
    """Return measures of two methods on two tasks, by seed: on the second task they are equal."""
    rows = []
    for seed, values in enumerate(zip(ours, theirs, strict=True)):
        for method, value in zip(("ours", "theirs"), values, strict=True):
            rows.append({"task": "a", "method": method, "seed": seed, "volume": value})
            rows.append({"task": "b", "method": method, "seed": seed, "volume": 0.5})
    return pd.DataFrame(rows)


def test_a_task_is_lost_where_chance_does_not_explain_it() -> None:
    rng = np.random.default_rng(0)
    theirs = rng.random(20)
    assert lost_tasks(table(theirs - 0.1, theirs), "ours", "theirs", "volume") == ["a"]
    assert lost_tasks(table(theirs + 0.1, theirs), "ours", "theirs", "volume") == []
    assert lost_tasks(table(rng.permutation(theirs), theirs), "ours", "theirs", "volume") == []


def test_ranks_over_tasks() -> None:
    standing = ranks(table([0.9] * 3, [0.1] * 3), "volume")
    # First and second on one task, both in the middle on the other.
    assert standing.loc["ours", "rank"] == 1.25
    assert standing.loc["theirs", "rank"] == 1.75
    assert standing.loc["ours", "low"] <= 1.25 <= standing.loc["ours", "high"]


def test_many_comparisons_need_smaller_chances() -> None:
    assert holm({"a": 0.01, "b": 0.02, "c": 0.9}) == ["a", "b"]
    # Of three, the smallest has to be below a third of .05.
    assert holm({"a": 0.02, "b": 0.03, "c": 0.9}) == []


def test_every_method_of_the_contest_has_a_name_of_its_own() -> None:
    assert {"xautolm", "pge", "random", "tpe"} <= set(METHODS)


def test_the_page_has_every_method_every_goal_and_its_pictures(tmp_path: Path) -> None:
    methods = ("xautolm", "xautolm, empty store", "xautolm, misleading store", "pge", "random")
    results = [play(TASKS, None, (name, method, 0)) for name in TASKS for method in methods]
    page = write_page(TASKS, results, tmp_path / "contest.md")
    text = page.read_text(encoding="utf-8")
    for method in methods:
        assert f"| {method} |" in text
    met = [line for line in text.splitlines() if line.endswith(("| yes |", "| **no** |"))]
    assert len(met) == 11
    names = re.findall(r"\(pictures/([a-z-]+\.svg)\)", text)
    assert len(names) == 3
    for name in names:
        assert (tmp_path / "pictures" / name).stat().st_size > 1000
