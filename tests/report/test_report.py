from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from huggingface_hub import ModelCard as HubCard
from huggingface_hub import ModelCardData
from rich.console import Console

from tests.small_hub import DATASET_TYPE
from xautolm.metrics import METRICS
from xautolm.records import (
    Answering,
    Configuration,
    DataProfile,
    Experience,
    Failure,
    Limits,
    ModelCard,
    SystemProfile,
    TrialOutcome,
    TrialSpec,
)
from xautolm.report import (
    CardFacts,
    as_csv,
    duration,
    leaderboard,
    model_card,
    wide_leaderboard,
)
from xautolm.report.screen import JsonLines, LiveTable, Plain, Standing
from xautolm.report.tables import score_text
from xautolm.run_folder import RunFolder
from xautolm.testing import made_up_experience, success
from xautolm.vocabulary import FailureKind, TrialStatus

LEAD = METRICS.get("f1_macro").objective
HOSTILE = "<script>alert('x')</script>"


@pytest.fixture
def trials(profile: DataProfile, machine: SystemProfile) -> list[Experience]:
    first = Experience(
        id="a" * 24,
        created="2026-01-02T03:04:05+00:00",
        run="r",
        trial=0,
        task="text-classification",
        data=replace(profile, name=HOSTILE),
        system=machine,
        configuration=Configuration(
            values={"model": HOSTILE, "method": "lora.v1", "learning_rate": 1e-4},
            space="default.v1",
        ),
        outcome=success(12.5, f1_macro=0.7),
        limits=Limits(),
        objectives=("f1_macro", "evaluation_time"),
        seed=0,
        versions={"torch": "2"},
    )
    failure = Failure(kind=FailureKind.CRASH, message=f"ValueError: {HOSTILE}", stderr_tail=HOSTILE)
    failed = replace(
        first,
        id="b" * 24,
        trial=1,
        outcome=TrialOutcome(status=TrialStatus.FAILED, wall_time=3.0, failure=failure),
    )
    faster = replace(first, id="c" * 24, trial=2, outcome=success(2.0, f1_macro=0.6))
    return [first, failed, faster]


def order(experience: Experience, card: ModelCard) -> TrialSpec:
    return TrialSpec(
        number=3,
        configuration=experience.configuration,
        task=experience.task,
        labels=("a", "b"),
        card=card,
        data="",
        tokens="",
        metric="f1_macro",
        metrics=("f1_macro",),
        limits=Limits(),
        micro_batch=1,
        device="cpu",
        threads=1,
        seed=0,
    )


def test_the_leaderboard_survives_csv(trials: list[Experience]) -> None:
    rows = leaderboard(trials, LEAD, [0, 2])
    assert [row["trial"] for row in rows] == [0, 2, 1]
    read = list(csv.DictReader(io.StringIO(as_csv(rows))))
    assert (
        read[0]["f1_macro"] == "0.7" and read[2]["failure"] == "crash" and read[2]["f1_macro"] == ""
    )


def test_a_wide_leaderboard_has_a_column_for_each_hyperparameter(trials: list[Experience]) -> None:
    first, second, third = trials
    lora = replace(
        first,
        configuration=replace(
            first.configuration, values={"model": "m", "method": "lora.v1", "r": 8}
        ),
    )
    full = {"model": "m", "method": "full.v1", "rate": 1e-4, "trial": "not the number"}
    full_trial = replace(second, configuration=replace(second.configuration, values=full))
    rows = {row["trial"]: row for row in wide_leaderboard([lora, full_trial, third], LEAD, [0])}
    assert (rows[first.trial]["r"], rows[first.trial]["rate"]) == (8, None)
    assert (rows[second.trial]["r"], rows[second.trial]["rate"]) == (None, 1e-4)
    assert all("hyperparameters" not in row and row["model"] for row in rows.values())
    assert wide_leaderboard([], LEAD, []) == []


@pytest.mark.parametrize(
    ("score", "expected"),
    [
        (0.82341, "0.8234"),
        (0.0, "0.0000"),
        (7.891e-6, "7.89e-06"),
        (-2.5e-5, "-2.5e-05"),
        (0.3 - 0.1 - 0.2, "-0.0000"),
        (2554891.5782, "2554891.5782"),
    ],
)
def test_errors_of_small_numbers_keep_their_digits(score: float, expected: str) -> None:
    assert score_text(score) == expected
    small = made_up_experience(0, outcome=success(mae=score))
    (row,) = leaderboard([small], METRICS.get("mae").objective, [])
    assert row["mae"] == float(expected)


def test_durations_for_people() -> None:
    assert [duration(value) for value in (8.4, 200, 3900, float("inf"))] == [
        "8 s",
        "3 min 20 s",
        "1 h 5 min",
        "unlimited",
    ]


def facts(experience: Experience, card: ModelCard) -> CardFacts:
    return CardFacts(
        experience=experience,
        card=card,
        labels=("a", "b"),
        metric="f1_macro",
        notes=["split made"],
        test={"f1_macro": 0.65},
        answering=Answering(task="text-classification", form="classify", max_length=8),
        prompt="",
    )


def test_the_card_has_what_it_must_state(trials: list[Experience], card: ModelCard) -> None:
    text = model_card(facts(trials[0], card))
    for fact in (
        "f1_macro on the validation split",
        "| test f1_macro | 0.6500 |",
        "f" * 16,
        "split made",
        "seed 0",
        "torch 2",
        "learning_rate",
    ):
        assert fact in text


def test_the_hub_reads_the_card(trials: list[Experience], card: ModelCard) -> None:
    metrics = {"f1_macro": 0.6, "mcc": float("nan")}
    best = replace(trials[0], outcome=replace(trials[0].outcome, metrics=metrics))
    data = HubCard(model_card(facts(best, card))).data
    scores = [
        (result.dataset_split, result.metric_type, result.metric_value)
        for result in data.eval_results
    ]
    assert scores == [("validation", "f1_macro", 0.6), ("test", "f1_macro", 0.65)]
    assert {result.dataset_name for result in data.eval_results} == {best.data.name}
    assert (
        {result.task_type for result in data.eval_results}
        == {data.pipeline_tag}
        == {"text-classification"}
    )
    assert (data.base_model, data.library_name) == (card.hub_id, "transformers")
    assert (
        data.tags == ["xautolm", "text-classification"] and data.language == card.languages.split()
    )


def test_the_hub_is_told_no_licence_or_language_that_it_does_not_know(
    trials: list[Experience], card: ModelCard
) -> None:
    def data_of(card: ModelCard) -> ModelCardData:
        return HubCard(model_card(facts(trials[0], card))).data

    assert data_of(replace(card, licence="apache-2.0", languages="en fr")).language == ["en", "fr"]
    folder = data_of(replace(card, licence="unstated", languages="unstated", hub_id=""))
    assert (folder.license, folder.language, folder.base_model) == ("unknown", None, None)
    scratch = data_of(
        replace(card, licence="your own", languages="multilingual", origin="scratch", hub_id="")
    )
    assert (scratch.license, scratch.language) == (None, None)


@pytest.mark.parametrize("name", ["a: b", "- c", "'", '"', "---", "x\n---\n# y", "null"])
def test_names_from_outside_stay_text_in_the_card(
    trials: list[Experience], card: ModelCard, name: str
) -> None:
    best = replace(trials[0], data=replace(trials[0].data, name=name))
    data = HubCard(model_card(facts(best, replace(card, hub_id=name, licence=name)))).data
    assert (data.base_model, data.license, data.eval_results[0].dataset_name) == (name, name, name)
    assert data.tags == ["xautolm", "text-classification"]


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("imdb", "imdb"),
        ("stanfordnlp/imdb", "stanfordnlp/imdb"),
        ("tickets-2.csv", "tickets-2.csv"),
        ("data frame", "data-frame"),
        ("My reviews (2).csv", "My-reviews-2-.csv"),
        ("squad v2/data", "squad-v2/data"),
        ("v1.1/data", "v1-1/data"),
        ("a/b/c.csv", "a/b-c.csv"),
        ("/data.csv", "data.csv"),
        ("Bücher", "B-cher"),
        ("数据", "dataset"),
        ("", "dataset"),
    ],
)
def test_the_card_names_the_data_as_the_hub_takes_it(
    trials: list[Experience], card: ModelCard, name: str, slug: str
) -> None:
    best = replace(trials[0], data=replace(trials[0].data, name=name))
    (result, *_) = HubCard(model_card(facts(best, card))).data.eval_results
    assert (result.dataset_type, result.dataset_name) == (slug, name)
    assert DATASET_TYPE.match(slug)


def test_screens_say_the_same(trials: list[Experience], tmp_path: Path, card: ModelCard) -> None:
    run = RunFolder(tmp_path)
    run.trial(3).mkdir(parents=True)
    (run.trial(3) / "progress.jsonl").write_text('{"epoch": 1.5, "step": 3, "steps": 6}\n')
    standing = Standing(
        lead=LEAD,
        folder=run,
        used=10.0,
        left=50.0,
        experiences=trials,
        front=[0],
        running={3: order(trials[0], card)},
    )
    plain, lines = io.StringIO(), io.StringIO()
    for screen in (Plain(plain), JsonLines(lines)):
        screen.note("hello")
        screen.started(3, trials[0].configuration, 61.0)
        for one in trials:
            screen.finished(one, standing)
        screen.update(standing)
        screen.close()
    assert (
        "trial 1: crash: ValueError" in plain.getvalue()
        and "best 0.7000 (trial 0)" in plain.getvalue()
    )
    events = [json.loads(line) for line in lines.getvalue().splitlines()]
    assert [event["event"] for event in events] == [
        "note",
        "started",
        "finished",
        "finished",
        "finished",
    ]
    assert events[3]["failure"]["kind"] == "crash"


def drawn(standing: Standing) -> str:
    """Return what a terminal shows of a search."""
    console = Console(file=io.StringIO(), force_terminal=True, width=140)
    live = LiveTable(console)
    live.update(standing)
    live.close()
    return console.file.getvalue()


def standing_of(
    trials: list[Experience], run: RunFolder, card: ModelCard, progress: str
) -> Standing:
    """Return a search with a sixth of its time used, and one trial running that has left this progress."""
    run.trial(3).mkdir(parents=True)
    (run.trial(3) / "progress.jsonl").write_text(progress)
    running = {3: order(trials[0], card)}
    return Standing(
        lead=LEAD, folder=run, used=10.0, left=50.0, experiences=trials, front=[0], running=running
    )


def test_the_live_table_shows_budget_best_failures_and_progress(
    trials: list[Experience], tmp_path: Path, card: ModelCard
) -> None:
    standing = standing_of(
        trials, RunFolder(tmp_path), card, '{"epoch": 1.5, "step": 3, "steps": 6}\n'
    )
    standing.trials_left = 4
    shown = drawn(standing)
    for fact in (
        "10 s used, 50 s left, 4 trials left",
        "best f1_macro: 0.7000",
        "1 crash",
        "epoch 1.5",
        "trial 3",
    ):
        assert fact in shown
    assert "so far" not in shown


@pytest.mark.parametrize(
    ("left", "trials_left", "expected"),
    [
        (50.0, None, "17%, ends in about 50 s"),
        # 3 of 8 trials have ended, in 10 s; 4 and a half of the like are to come.
        (50.0, 4, "38%, ends in about 15 s"),
        (5.0, 400, "67%, ends in about 5 s"),
        (float("inf"), 4, "38%, ends in about 15 s"),
        (-3.0, None, "100%, ends in about 0 s"),
    ],
)
def test_the_bar_of_the_budget_is_of_what_is_used_up_first(
    trials: list[Experience],
    tmp_path: Path,
    card: ModelCard,
    left: float,
    trials_left: int | None,
    expected: str,
) -> None:
    standing = standing_of(trials, RunFolder(tmp_path), card, "")
    standing.left, standing.trials_left = left, trials_left
    assert expected in drawn(standing)


def test_without_a_budget_there_is_no_bar_and_before_the_first_trial_no_end(
    trials: list[Experience], tmp_path: Path, card: ModelCard
) -> None:
    standing = standing_of(trials, RunFolder(tmp_path), card, "")
    standing.left = float("inf")
    assert "budget" not in drawn(standing)
    standing.experiences, standing.trials_left = [], 4
    assert "0%, nothing says yet when it ends" in drawn(standing)


@pytest.mark.parametrize(
    ("progress", "expected"),
    [
        ("", "loading"),
        (
            '{"step": 1, "steps": 9, "epoch": 0.1, "f1_macro": 0.4, "partial_rows": 40}\n',
            "f1_macro about 0.4000 so far",
        ),
        (
            '{"epoch": 1.0, "f1_macro": 0.66}\n{"epoch": 1.5, "loss": 0.1}\n',
            "epoch 1.5, f1_macro 0.6600 so far",
        ),
        ('{"epoch": 1.0, "step": NaN, "steps": 1e999, "f1_macro": NaN}\n', "epoch 1.0"),
        ('{"step": 3, "steps": 0, "epoch": 1.0}\n{"ste', "epoch 1.0"),
    ],
)
def test_the_live_table_shows_the_score_so_far_of_what_runs(
    trials: list[Experience], tmp_path: Path, card: ModelCard, progress: str, expected: str
) -> None:
    shown = drawn(standing_of(trials, RunFolder(tmp_path), card, progress))
    assert expected in shown
    assert ("so far" in shown) == ("so far" in expected)


def test_the_live_table_obeys_no_text_from_outside(
    trials: list[Experience], tmp_path: Path, card: ModelCard
) -> None:
    values = {"model": "[red]\x1b[2Jm", "method": "[bold]x"}
    hostile = replace(trials[0], configuration=Configuration(values=values, space="default.v1"))
    standing = standing_of(
        [hostile], RunFolder(tmp_path), card, '{"epoch": 1.0, "\\u001b[2J": 1}\n'
    )
    standing.running = {3: order(hostile, card)}
    shown = drawn(standing)
    assert "\x1b[2J" not in shown
    assert "trial 3  [red]m [bold]x" in shown
