"""The contest on the table of real trials: what a search is told, what is measured of it, and what counts as chance."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import xautolm.experience
from benchmarks.ftbench.contest import (
    METHODS,
    SETTING,
    experiences_of,
    main,
    mirrored,
    past_of,
    play,
    read_results,
)
from benchmarks.ftbench.measures import (
    Scale,
    comparable,
    holm,
    lost_tasks,
    measured,
    ranks,
    scales_of,
    seeds_to_lose,
    speedups,
)
from benchmarks.ftbench.page import introduction, losses, standings, trusting, write_page
from benchmarks.ftbench.replay import LookUp, ReplayTask, configuration_of, read_tasks
from benchmarks.ftbench.strategies import (
    COLD,
    MISLED,
    MODELS_ALONE,
    OURS,
    SearchPlayer,
    StrategyPlayer,
    memory_of,
)
from benchmarks.ftbench.tasks import BenchmarkTask
from xautolm.experience import import_experiences
from xautolm.metalearning import own_features
from xautolm.opening import is_trained
from xautolm.records import BODY_SECONDS, Configuration, Experience, Failure, Limits, TrialOutcome
from xautolm.resources import PART_OF_EPOCH
from xautolm.space import Branch, Choice, Float, Space
from xautolm.testing import made_up_experience, success
from xautolm.vocabulary import FailureKind, TrialStatus

STARTER_TABLE = Path(xautolm.experience.__file__).parent / "starter.parquet"
GOOD, BAD, BROKEN = "minilm-l6", "minilm-l2", "scratch-tiny"
"""What these models are in the made-up tasks."""


def training() -> Branch:
    """Make up the methods of a model: one, with a rate, and with what predictions of memory and time ask for."""
    parameters = (
        Float(name="rate", low=0.0, high=1.0, default=0.5),
        Choice(name="max_length", options=(32,), default=32),
        Choice(name="batch_size", options=(8,), default=8),
        Choice(name="epochs", options=(1,), default=1),
    )
    branches = {"full.v1": Space("full.v1", parameters)}
    return Branch(name="method", branches=branches, default="full.v1")


MODELS = {name: Space(name, (training(),)) for name in (GOOD, BAD, BROKEN)}
SPACE = Space("toy.v1", (Branch(name="model", branches=MODELS, default=BAD),))


def toy(model: str, rate: float) -> Configuration:
    """Return a configuration of the made-up space."""
    values = {
        "model": model,
        "method": "full.v1",
        "rate": rate,
        "max_length": 32,
        "batch_size": 8,
        "epochs": 1,
    }
    return Configuration(values=values, space="toy.v1")


def trial(number: int, model: str, rate: float, seconds: float = 10.0) -> Experience:
    """Make up a trial: the good model is better by a half, and the rate adds up to 0.4; the broken one fails."""
    configuration = toy(model, rate)
    outcome: TrialOutcome = replace(
        success(seconds=seconds, f1_macro=(0.5 if model == GOOD else 0.0) + 0.4 * rate),
        wall_time=seconds,
    )
    if model == BROKEN:
        failure = Failure(kind=FailureKind.OUT_OF_MEMORY, message="no room", stderr_tail="")
        outcome = TrialOutcome(status=TrialStatus.FAILED, failure=failure, wall_time=seconds)
    experience = made_up_experience(number, configuration, outcome)
    system = replace(experience.system, gflops=50.0, memory=16_000_000_000)
    return replace(experience, system=system, objectives=("f1_macro", "evaluation_time"))


def task(name: str, family: str = "", seed: int = 0) -> ReplayTask:
    """Make up a task with 30 trials."""
    rng = np.random.default_rng(seed)
    trials = []
    for number in range(30):
        model = (GOOD, BAD, BROKEN)[number % 3]
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
    trials = [trial(0, GOOD, 0.2), trial(1, GOOD, 0.6), trial(2, BAD, 0.2)]
    world = LookUp(replace(TASKS["a"], experiences=trials), seed=0)
    asked = toy(GOOD, 0.25).values
    # The other model is farther than any rate, though its rate is the nearer one.
    assert [world.look(asked).trial for _ in range(3)] == [0, 1, 2]
    assert world.is_exhausted


def test_the_first_probe_that_a_search_looks_up_pays_for_the_features() -> None:
    """Whichever probe had computed them when the table was collected."""

    def probe(number: int, own: float, body: float, spared: float) -> Experience:
        found = trial(number, GOOD, 0.1 * number)
        history = ({"epoch": 1.0, "seconds": own, BODY_SECONDS: body},)
        evaluation_time = own + spared
        outcome = replace(
            found.outcome, history=history, evaluation_time=evaluation_time, wall_time=own + 1.0
        )
        return replace(found, outcome=outcome)

    computed, found = probe(1, 5.0, 4.0, 0.0), probe(2, 0.5, 0.0, 4.0)
    for first, second in ((computed, found), (found, computed)):
        world = LookUp(replace(TASKS["a"], experiences=[first, second]), seed=0)
        looks = [world.look(item.configuration.values) for item in (first, second)]
        assert [item.trial for item in looks] == [first.trial, second.trial]
        seconds = {item.trial: item.outcome.wall_time for item in looks}
        if first is computed:
            assert seconds == {1: 6.0, 2: 1.5}
        else:
            assert seconds == {2: 5.5, 1: 2.0}


def test_the_family_of_the_target_is_no_past() -> None:
    assert [past.name for past in past_of(TASKS, TASKS["a"])] == ["c", "d"]
    assert [past.name for past in past_of(TASKS, TASKS["c"])] == ["a", "b", "d"]


def test_a_strategy_is_told_what_ran_and_not_what_it_asked_for() -> None:
    player = StrategyPlayer(TASKS["a"], "random", None, 0)
    asked = player.ask()
    ran = trial(5, BROKEN if asked["model"] != BROKEN else GOOD, 0.125)
    player.hear(ran)
    complete = [told for told in player.study.get_trials() if told.state.name == "COMPLETE"]
    (told,) = complete
    assert set(told.params.values()) == set(ran.configuration.values.values())


@pytest.mark.parametrize("method", [OURS, COLD, MODELS_ALONE, "pge", "pge, knn", "tpe"])
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
    target = TASKS["c"]
    past = experiences_of(past_of(TASKS, target))

    def looked_up(experiences: Sequence[Experience], seed: int) -> tuple[float, list[float]]:
        """Return the quality of the first trial, and the trust in the past before each."""
        memory = memory_of(target, experiences, SETTING)
        player = StrategyPlayer(target, OURS, memory, seed)
        world = LookUp(target, seed)
        qualities, trusts = [], []
        for _ in range(8):
            asked = player.ask()
            trusts.append(player.trust or 0.0)
            looked = world.look(asked)
            player.hear(looked)
            qualities.append(target.quality(looked) or 0.0)
        return qualities[0], trusts

    helped = [looked_up(past, seed) for seed in range(3)]
    misled = [looked_up(mirrored(past), seed) for seed in range(3)]
    assert np.mean([first for first, _ in helped]) > np.mean([first for first, _ in misled])
    assert np.mean([trusts[-1] for _, trusts in misled]) < np.mean(
        [trusts[0] for _, trusts in misled]
    )


def test_a_whole_search_begins_as_fit_does_and_passes_over_what_does_not_fit() -> None:
    tasks = read_tasks(STARTER_TABLE)
    target = tasks["ag_news"]
    past = experiences_of(past_of(tasks, target))
    memory = memory_of(target, past, SETTING)
    player = SearchPlayer(StrategyPlayer(target, OURS, memory, 0), past)
    world = LookUp(target, 0)
    looked = []
    for _ in range(4):
        asked = player.ask()
        assert not player.obstacle(configuration_of(target, asked), PART_OF_EPOCH)
        experience = world.look(asked)
        player.hear(experience)
        looked.append(experience.configuration)
    # The news are long: a quick answer comes before the probe of the whole body.
    assert [each.model for each in looked[:2]] == ["minilm-l2", "minilm-l6"]
    assert {each.method for each in looked[:2]} == {"probe.v1"}
    # Without a store, the default follows on the probes of all bodies.
    roomy = Limits(seconds=600.0, memory=8_000_000_000)
    unhurried = [replace(experience, limits=roomy) for experience in target.experiences]
    target = replace(target, experiences=unhurried)
    cold = SearchPlayer(StrategyPlayer(target, OURS, None, 0), ())
    world = LookUp(target, 0)
    for _ in range(4):
        asked = cold.ask()
        assert not is_trained(configuration_of(target, asked))
        cold.hear(world.look(asked))
    assert is_trained(configuration_of(target, cold.ask()))
    # Nothing fits into no memory, so the last proposal of the strategy is taken as it is.
    limits = replace(target.experiences[0].limits, memory=1)
    tight = [replace(experience, limits=limits) for experience in target.experiences]
    cramped = replace(target, experiences=tight)
    player = SearchPlayer(StrategyPlayer(cramped, "random", None, 0), ())
    assert player.obstacle(configuration_of(cramped, player.ask()))


def test_a_mirrored_past_turns_the_order_of_a_data_set_round() -> None:
    past = [trial(0, GOOD, 1.0), trial(1, BAD, 0.5), trial(2, BROKEN, 0.5)]
    best, worst, failed = mirrored(past)
    assert best.outcome.metrics["f1_macro"] == pytest.approx(0.2)
    assert worst.outcome.metrics["f1_macro"] == pytest.approx(0.9)
    assert failed.outcome == past[2].outcome


def result_of(method: str, looks: Sequence[Sequence[object]], seed: int = 0) -> dict[str, object]:
    return {"task": "a", "method": method, "seed": seed, "budget": 100.0, "ms": 1.0, "looks": looks}


def test_measures_by_hand() -> None:
    # Qualities from 0 to 1 and seconds from 1 to e; one trial has the best of both, so the hypervolume is 1.
    ends = [trial(0, BAD, 0.0, seconds=1.0), trial(1, GOOD, 1.0, seconds=float(np.e))]
    both = trial(2, GOOD, 1.0, seconds=1.0)
    tasks = {"a": replace(TASKS["a"], experiences=[*ends, both])}
    scale = Scale.of(tasks["a"])
    assert scale.volume == pytest.approx(1.0)
    looks = [
        [20.0, None, 5.0, "out_of_memory", None],
        [40.0, 0.45, np.e**0.5, "", None],
        [80.0, 0.9, 1.0, "", None],
    ]
    rows = measured([result_of("xautolm", looks), result_of("pge", looks[:2])], scales_of(tasks))
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


def test_no_time_is_said_of_what_is_computed_in_an_interpreter_of_its_own() -> None:
    played = [play(TASKS, None, (name, "random", 0)) for name in TASKS]
    results = [
        {**result, "method": method, "ms": 7.0}
        for result in played
        for method in (OURS, "pge", "smac parego")
    ]
    lines = standings(measured(results, scales_of(TASKS))).splitlines()
    (ours,) = [line for line in lines if line.startswith(f"| {OURS} |")]
    (peer,) = [line for line in lines if line.startswith("| smac parego |")]
    assert ours.split(" | ")[-2] == "7"
    assert peer.split(" | ")[-2] == ""


@pytest.mark.slow
def test_the_page_has_every_method_every_goal_and_its_pictures(tmp_path: Path) -> None:
    methods = (OURS, COLD, MISLED, "pge", "random")
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


def test_tasks_without_a_front_to_compare_are_past_only() -> None:
    # Two successes of which the better one is the slower one: neither is above the worst in both objectives.
    ends = [trial(0, BAD, 0.0, seconds=1.0), trial(1, GOOD, 1.0, seconds=9.0)]
    failures = [trial(number, BROKEN, 0.5) for number in range(2, 12)]
    hopeless = replace(TASKS["a"], experiences=[*ends, *failures])
    only_failures = replace(TASKS["a"], experiences=failures)
    no_front = replace(TASKS["a"], experiences=[*ends, *ends, *ends])
    tasks = {**TASKS, "hopeless": hopeless, "failures": only_failures, "no front": no_front}
    assert list(comparable(tasks)) == list(TASKS)


def test_the_page_says_which_tasks_were_not_played() -> None:
    results = [play(TASKS, None, (name, "random", 0)) for name in TASKS]
    tasks = {**TASKS, "hopeless": replace(TASKS["a"], experiences=[])}
    text = introduction(tasks, TASKS, measured(results, scales_of(TASKS)))
    assert "too few successes to compare searches: hopeless." in text
    assert "A task has 30 trials" in text


def test_what_a_search_reached_after_its_budget_is_no_goal_for_another() -> None:
    theirs = [[50.0, 0.5, 1.0, "", None], [120.0, 0.9, 1.0, "", None]]
    ours = [[10.0, 0.6, 1.0, "", None]]
    results = [result_of("pge", theirs), result_of("xautolm", ours)]
    assert speedups(results, "xautolm", "pge") == [5.0]


@pytest.mark.parametrize("tasks", [1, 2, 14])
def test_fewer_seeds_cannot_show_a_loss(tasks: int) -> None:
    def worst_case(seeds: int) -> list[str]:
        rows = []
        for name in range(tasks):
            for seed in range(seeds):
                # On one task the peer is better with each seed, on the others there is no difference.
                gain = 0.1 + seed / 100 if name == 0 else 0.0
                rows.append({"task": name, "method": "ours", "seed": seed, "volume": 0.5})
                rows.append({"task": name, "method": "peer", "seed": seed, "volume": 0.5 + gain})
        return lost_tasks(pd.DataFrame(rows), "ours", "peer", "volume")

    needed = seeds_to_lose(tasks)
    assert worst_case(needed) == ["0"]
    assert worst_case(needed - 1) == []


def test_a_comparison_of_too_few_seeds_meets_no_goal() -> None:
    few = table([0.5] * 3, [0.5] * 3).rename(columns={"volume": "volume_100"})
    goal, text, is_met = losses("none lost", few, [("ours", "theirs")])
    assert not is_met
    assert "undecided for want of 6 seeds: theirs" in text
    enough = table([0.5] * 6, [0.5] * 6).rename(columns={"volume": "volume_100"})
    assert losses("none lost", enough, [("ours", "theirs")]) == (goal, "none", True)


def test_searches_that_say_no_trust_do_not_spoil_the_curve_of_the_others() -> None:
    # The first trial is the opening's.
    says = [[0.5, 0.5, 1.0, "", None], [1.0, 0.5, 1.0, "", 0.9], [2.0, 0.5, 1.0, "", 0.8]]
    says_nothing = [[1.0, 0.5, 1.0, "", None]]
    results = [result_of(OURS, says), result_of(OURS, says_nothing, seed=1)]
    assert trusting(results, OURS) == [[0.9, 0.8]]


def test_every_trial_of_the_table_that_comes_with_the_package_is_in_the_contest() -> None:
    # Those whose configurations are outside of today's space would be left out without a word.
    experiences = import_experiences(STARTER_TABLE).experiences
    of_default = [
        trial for trial in experiences if trial.configuration.space.startswith("default.")
    ]
    tasks = read_tasks(STARTER_TABLE)
    assert sum(len(task.experiences) for task in tasks.values()) == len(of_default)
    assert len(comparable(tasks)) >= 10


def test_results_of_another_table_are_not_mixed_with_those_of_this_one(tmp_path: Path) -> None:
    results = tmp_path / "results.jsonl"
    assert read_results(results, TASKS) == []
    result = play(TASKS, None, ("a", "random", 0))
    results.write_text(json.dumps(result) + "\n")
    assert read_results(results, TASKS) == [result]
    grown = {**TASKS, "e": task("e", seed=5)}
    with pytest.raises(SystemExit, match="another table"):
        read_results(results, grown)


def test_the_committed_results_are_of_the_table_that_comes_with_the_package() -> None:
    committed = Path(__file__).parents[2] / "benchmarks" / "contest.jsonl"
    assert read_results(committed, read_tasks(STARTER_TABLE))


@pytest.mark.parametrize(
    ("option", "name"), [("--methods", "xautoml"), ("--tasks", "imdb"), ("--methods", "random,tpe")]
)
def test_a_name_that_does_not_play_is_refused(
    option: str,
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("benchmarks.ftbench.contest.read_tasks", lambda file: TASKS)
    results = tmp_path / "results.jsonl"
    monkeypatch.setattr("sys.argv", ["contest", "table", "--out", str(results), option, name])
    with pytest.raises(SystemExit):
        main()
    assert f"{option}: {name!r} does not play" in capsys.readouterr().err
    assert not results.exists()
