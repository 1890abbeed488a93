"""The page of a run: what it says, of runs of all kinds."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.report.pages import (
    BEGIN,
    assessment,
    classified,
    content_of,
    info_of,
    made_up_run,
)
from tests.report.questions import QUESTIONS, text_of, unanswered
from xautolm.forecasts import AmountCheck, ForecastCheck, check_failures
from xautolm.printable import CONTROLS
from xautolm.records import Budget, Configuration, Failure, Mark, TrialOutcome
from xautolm.report import Answers, PageContent, html_report
from xautolm.report.page.blocks import Chart, Code, Section, Text
from xautolm.report.page.choice import round_values
from xautolm.report.page.cost import Spent, stretches_of
from xautolm.report.page.figures import figure
from xautolm.report.page.next_steps import next_section, outlook
from xautolm.report.page.page import html_sections, wide_blocks
from xautolm.report.page.parameters import study_of, varied
from xautolm.report.page.words import interval_text, numbers_apart
from xautolm.report.tables import duration
from xautolm.testing import made_up_experience, success
from xautolm.vocabulary import FailureKind, Split, Stage, TrialStatus

HOSTILE = "<script>alert('x')</script>"
LARGEST_PAGE = 3_000_000
"""Bytes."""


@pytest.fixture(scope="module")
def run() -> PageContent:
    return made_up_run()


@pytest.fixture(scope="module")
def page(run: PageContent) -> str:
    return html_report(run)


def own_part(page: str) -> str:
    """Return a page without Plotly's library."""
    return re.sub(r'(?s)<script type="text/plain".*?</script>', "", page)


def test_a_stranger_finds_twelve_answers(run: PageContent, page: str) -> None:
    assert len(QUESTIONS) == 12
    assert unanswered(run, page) == {}


def test_a_page_that_lacks_its_sections_answers_nothing(run: PageContent) -> None:
    bare = content_of(list(run.experiences))
    with_answers = replace(run, warm_start={}, explanations={})
    assert "What did the store contribute?" in unanswered(run, html_report(with_answers))
    assert len(unanswered(run, html_report(bare))) > 6


def test_the_reading_order_is_that_of_a_reader(page: str) -> None:
    sections = re.findall(r'<section id="(\w+)"', page)
    assert sections == ["answer", "quality", "choice", "cost", "experience", "next", "provenance"]


def test_the_page_is_whole_and_small(page: str) -> None:
    assert len(page.encode()) < LARGEST_PAGE
    own = own_part(page)
    assert "src=" not in own and "@import" not in own and "<link" not in own
    assert "http://" not in own and "https://" not in own


def test_text_from_outside_stays_text() -> None:
    content = made_up_run()
    answers = classified(("a", HOSTILE))
    rows = answers.rows.assign(text=HOSTILE)
    hostile_trials = []
    for experience in content.experiences:
        values = {**experience.configuration.values, "model": HOSTILE}
        outcome = experience.outcome
        if outcome.failure is not None:
            failure = replace(outcome.failure, message=HOSTILE)
            outcome = replace(outcome, failure=failure)
        hostile_trials.append(
            replace(
                experience,
                configuration=Configuration(values=values, space=HOSTILE),
                outcome=outcome,
                proposal=HOSTILE,
                data=replace(experience.data, name=HOSTILE),
            )
        )
    assert content.winner is not None
    page = html_report(
        replace(
            content,
            info=replace(info_of(hostile_trials), notes=(HOSTILE,), models=(HOSTILE,)),
            experiences=hostile_trials,
            winner=replace(content.winner, usage=HOSTILE, kind=HOSTILE),
            answers=replace(answers, rows=rows),
            explanations={3: {"origin": HOSTILE, "because": [HOSTILE], "trust": HOSTILE}},
            warm_start={"influences": [{"data": HOSTILE, "distance": 1.0, "model": HOSTILE}]},
            options=HOSTILE,
            root=HOSTILE,
            predict=HOSTILE,
            troubles=[HOSTILE],
        )
    )
    assert HOSTILE not in page and "alert(" in page


def test_signs_that_turn_the_direction_of_writing_are_in_no_text_and_no_chart() -> None:
    turning = "pe\u202ear\u2066 & <plum>"
    picture = figure(turning, "count")
    chart = Chart(name="some", title=turning, figure=picture, caption=turning)
    section = Section(anchor="some", title=turning, blocks=[chart, Text(text=turning)])
    html = html_sections([section])
    assert html.count("pear &amp; &lt;plum&gt;") >= 4
    (drawn,) = re.findall(r'data-chart="[^"]*">(.*?)</script>', html)
    assert json.loads(drawn)["layout"]["xaxis"]["title"]["text"] == "pear &amp; &lt;plum&gt;"
    assert not CONTROLS.search(html)


def test_a_run_without_models_says_so() -> None:
    failure = Failure(kind=FailureKind.OUT_OF_MEMORY, message="9 GB of 8 GB", stderr_tail="")
    outcome = TrialOutcome(status=TrialStatus.FAILED, wall_time=3.0, failure=failure)
    text = text_of(html_report(content_of([made_up_experience(0, outcome=outcome)])))
    assert "There is no model: of 1 trial, none succeeded (1 out_of_memory)" in text
    assert "9 GB of 8 GB" in text and "Failures by kind" in text
    assert "Load the model" not in text and "Best so far" not in text


def test_an_old_run_says_what_was_not_recorded(run: PageContent) -> None:
    old = replace(run, answers=None, marks=(), explanations={}, warm_start={}, options="")
    text = text_of(html_report(old))
    for sentence in (
        "The answers of the winner were not recorded",
        "when start-up and scoring began was not recorded",
        "Where each proposal came from was not recorded",
        "this search began from zero",
        "per text not recorded",
    ):
        assert sentence in text


def test_a_search_that_goes_on_another_version_and_damage_are_said_first(run: PageContent) -> None:
    content = replace(
        run, marks=run.marks[:2], version="0.2.0", troubles=["trials/0003/result.json is damaged."]
    )
    text = text_of(html_report(content))
    text, _, _ = text.rpartition("Scores")
    assert "The search had not ended when this page was made" in text
    assert "made by xautolm 0.1.0, this page by 0.2.0" in text
    assert "trials/0003/result.json is damaged." in text


def test_without_a_test_split_the_page_warns_of_its_score(run: PageContent) -> None:
    assert run.winner is not None and run.answers is not None
    validated = replace(run.answers, assessment=assessment(Split.VALIDATION))
    content = replace(run, winner=replace(run.winner, test={}), answers=validated)
    text = text_of(html_report(content))
    assert "There is no test split: these rows also chose the winner" in text
    assert "constant answer, validation" in text


def test_a_test_score_far_below_validation_is_a_warning(run: PageContent) -> None:
    assert run.answers is not None
    low = replace(run.answers.assessment, interval=(0.40, 0.45))
    content = replace(run, answers=replace(run.answers, assessment=low))
    assert "Validation promised" in text_of(html_report(content))
    assert "Validation promised" not in text_of(html_report(run))


def test_a_winner_that_is_no_better_than_a_constant_answer_is_a_warning(run: PageContent) -> None:
    assert run.answers is not None
    measured = run.answers.assessment
    learned_nothing = replace(measured, constant=dict(measured.scores))
    content = replace(run, answers=replace(run.answers, assessment=learned_nothing))
    warning = "nothing shows that it has learned anything"
    assert warning in text_of(html_report(content))
    assert warning not in text_of(html_report(run))


def test_the_score_of_an_equally_good_trial_is_not_behind(run: PageContent) -> None:
    equal = [replace(run.experiences[0], trial=trial) for trial in range(2)]
    winner = replace(run.winner, trial=0) if run.winner is not None else None
    text = text_of(html_report(replace(run, experiences=equal, winner=winner)))
    assert "as good and no faster" in text and "0.0000 behind" not in text


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.5814, 0.6691, "0.581 to 0.669"),
        (1.0, 1.0, "1.000 to 1.000"),
        (7.86e-6, 1.12e-5, "0.0000079 to 0.0000112"),
    ],
)
def test_the_ends_of_an_interval_differ_also_where_errors_are_small(
    low: float, high: float, expected: str
) -> None:
    assert interval_text(low, high) == expected


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        ((1958.0, 1971.0), ("1958", "1971")),
        ((1958.0, 2058.0), ("1958", "2058")),
        ((1958.0, 1958.0), ("1958", "1958")),
        ((1234567.0, 9.0), ("1234567", "9")),
        ((12345678.0, 3e7), ("1.23e+07", "3e+07")),
        ((0.1 + 0.2, 0.3), ("0.3", "0.3")),
        ((1.0, math.nan), ("1", "nan")),
        ((1.0, -math.inf), ("1", "-inf")),
        ((1e308, -1e308), ("1e+308", "-1e+308")),
        ((1958.25, 1959.125), ("1958.25", "1959.12")),
        ((0.1234, 0.4567), ("0.123", "0.457")),
        ((1e-7, 2e-7), ("1e-07", "2e-07")),
        ((5.0, 5.0), ("5", "5")),
        ((0.0, 0.0), ("0", "0")),
    ],
)
def test_compared_numbers_have_the_digits_that_show_how_they_differ(
    numbers: tuple[float, float], expected: tuple[str, str]
) -> None:
    assert numbers_apart(*numbers) == expected


@pytest.mark.parametrize(
    ("task", "target", "prediction", "expected"),
    [
        (
            "text-regression",
            list(np.linspace(0, 9, 10)),
            list(np.linspace(1, 10, 10)),
            "Half of the answers are within 1 of the right number; on average they lie 1 above it",
        ),
        (
            "multilabel-classification",
            [["a", "b"]] * 9 + [["a"]],
            [["a"]] * 10,
            "All labels of 10.0% of the rows are answered rightly. The weakest class is b: F1 0.000",
        ),
        (
            "multilabel-classification",
            [[]] * 10,
            [[]] * 10,
            "No row has a label, and none was answered",
        ),
        (
            "multilabel-classification",
            [[]] * 10,
            [["a"]] * 5 + [[]] * 5,
            "All labels of 50.0% of the rows are answered rightly",
        ),
        (
            "question-answering",
            [("Paris", "in Paris")] * 5 + [()] * 5,
            ["Paris"] * 9 + [""],
            "60.0% of the answers are a reference, word for word",
        ),
    ],
)
def test_each_kind_of_task_is_judged_in_its_own_way(
    task: str, target: list[object], prediction: list[object], expected: str
) -> None:
    run = made_up_run(6)
    rows = pd.DataFrame({"prediction": prediction, "confidence": np.nan, "text": "Some text."})
    rows["target"] = target
    answers = Answers(assessment=assessment(rows=10), rows=rows)
    content = replace(run, info=info_of(list(run.experiences), task), answers=answers)
    assert expected in text_of(html_report(content))


def test_many_classes_are_shown_by_the_pairs_that_are_confused() -> None:
    labels = tuple(f"intent {number}" for number in range(30))
    content = replace(made_up_run(6), answers=classified(labels, rows=300))
    text = text_of(html_report(content))
    assert "Confused most often" in text and "The matrix of 30 classes would not fit" in text
    assert "Confusion matrix" not in text


def test_the_time_of_a_search_is_all_accounted_for(run: PageContent) -> None:
    stretches = stretches_of(run)
    spent = {kind: sum(s.seconds for s in stretches if s.spent is kind) for kind in Spent}
    # Half a second between two trials is not told.
    assert spent.pop(Spent.WAITING) == 0.0 == spent.pop(Spent.REFIT) and all(spent.values())
    assert spent[Spent.START_UP] == 9.0 and spent[Spent.SCORING] == 11.0
    in_trials = sum(experience.outcome.wall_time for experience in run.experiences)
    assert sum(spent.values()) == pytest.approx(in_trials + 20.0)


def test_the_winners_last_training_is_told_apart_from_scoring_it(run: PageContent) -> None:
    start, search, scoring, end = run.marks
    later = datetime.fromisoformat(scoring.time) + timedelta(seconds=4)
    marks = (
        start,
        search,
        replace(scoring, stage=Stage.REFIT),
        replace(scoring, time=later.isoformat()),
        end,
    )
    stretches = stretches_of(replace(run, marks=marks))
    spent = {kind: sum(s.seconds for s in stretches if s.spent is kind) for kind in Spent}
    assert spent[Spent.REFIT] == 4.0 and spent[Spent.SCORING] == 7.0


@pytest.mark.parametrize(
    ("test", "expected"),
    [
        ({"f1_macro": 0.8}, "the validation score is of the trial's own model"),
        ({}, "trained once more, on these rows, too: the score is of the trial's own model"),
    ],
)
def test_a_winner_that_was_trained_on_all_rows_is_said_to(
    run: PageContent, test: dict[str, float], expected: str
) -> None:
    assert run.winner is not None
    winner = replace(run.winner, is_refit=True, test=test)
    assert expected in text_of(html_report(replace(run, winner=winner)))
    assert expected not in text_of(html_report(run))


def test_a_long_wait_between_two_trials_is_told(run: PageContent) -> None:
    last = run.experiences[-1]
    later = datetime.fromisoformat(last.created) + timedelta(seconds=30)
    scoring, end = run.marks[2:]
    marks = (
        *run.marks[:2],
        replace(scoring, time=later.isoformat()),
        replace(end, time=later.isoformat()),
    )
    waits = [s for s in stretches_of(replace(run, marks=marks)) if s.spent is Spent.WAITING]
    assert [wait.seconds for wait in waits] == [30.0]


def test_a_lone_block_takes_the_whole_width() -> None:
    narrow = [Code(title=str(number), lines="") for number in range(3)]
    text = Text(text="")
    blocks = [text, narrow[0], narrow[1], text, narrow[2]]
    assert wide_blocks(blocks) == {id(text), id(narrow[2])}


def test_ticks_of_times_are_round() -> None:
    assert round_values(1.7, 64) == [1, 2, 5, 10, 20, 50, 100]


def test_a_killed_invocation_does_not_last_until_the_next_one(run: PageContent) -> None:
    later = (BEGIN.replace(day=9)).isoformat()
    marks = (
        run.marks[0],
        Mark(stage=Stage.START_UP, time=later),
        Mark(stage=Stage.SEARCH, time=later),
    )
    spent = [
        stretch for stretch in stretches_of(replace(run, marks=marks)) if stretch.seconds > 3600
    ]
    assert spent == []


def test_the_time_of_a_killed_invocation_counts_to_its_last_trial(run: PageContent) -> None:
    start, search, scoring, end = run.marks
    whole = replace(run, marks=(start, search, scoring, end))
    day_later = [replace(mark, time=_a_day_later(mark.time)) for mark in (start, search, end)]
    killed = replace(run, marks=(start, search, *day_later))
    sentence = "in 24 trials. The budget was"
    seconds = datetime.fromisoformat(end.time) - datetime.fromisoformat(start.time)
    last_trial = max(datetime.fromisoformat(trial.created) for trial in run.experiences)
    seconds_killed = last_trial - datetime.fromisoformat(start.time) + seconds
    assert f"{duration(seconds.total_seconds())} in all" in text_of(html_report(whole))
    text = text_of(html_report(killed))
    assert f"{duration(seconds_killed.total_seconds())} in all" in text and sentence in text


def _a_day_later(time: str) -> str:
    return (datetime.fromisoformat(time) + timedelta(days=1)).isoformat()


def test_trials_from_before_the_first_mark_are_no_part_of_a_whole(run: PageContent) -> None:
    marks = [replace(mark, time=_a_day_later(mark.time)) for mark in run.marks]
    text = text_of(html_report(replace(run, marks=marks)))
    assert " in all" not in text and "was not recorded by the version that ran" in text


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ([0.5, 0.6, 0.6, 0.6], "brought nothing better than 0.6000 validation macro F1"),
        ([0.5, 0.5, 0.5, 0.7], "by 0.2000 (from 0.5000 to 0.7000). Another 2 s may bring as much"),
    ],
)
def test_the_outlook_is_what_the_later_half_brought(scores: list[float], expected: str) -> None:
    trials = [
        made_up_experience(number, outcome=success(1.0, f1_macro=score))
        for number, score in enumerate(scores)
    ]
    assert expected in outlook(content_of(trials))


def test_going_on_takes_as_much_time_again(run: PageContent) -> None:
    assert "--out runs/first --budget 1200s" in text_of(html_report(run))
    budgets = [Budget(seconds=60.0, trials=4), Budget(trials=4), None]
    commands = ["--budget 120s --trials 8", "--trials 8", "--budget 1h"]
    for budget, command in zip(budgets, commands, strict=True):
        content = replace(run, marks=[replace(run.marks[0], budget=budget)])
        section = next_section(content)
        (code, *_) = [block for block in section.blocks if isinstance(block, Code)]
        assert code.lines.endswith(command)


def test_forecasts_are_compared_with_what_happened(run: PageContent) -> None:
    failure = check_failures([0.1, 0.9, 0.9], [False, True, False])
    seconds = AmountCheck(trials=10, median_ratio=1.23, share_inside=0.9)
    check = ForecastCheck(seconds=seconds, memory=None, failure=failure)
    text = text_of(html_report(replace(run, forecasts=check)))
    assert "Forecasts against what happened forecast of how it compares Wall time 9 of 10" in text
    assert "Failures, predicted and real" in text


def test_columns_of_proposals_that_say_nothing_are_left_out(run: PageContent) -> None:
    with_reasons = html_report(run)
    plain = html_report(replace(run, explanations={0: {"origin": "random"}}))
    assert ">risk of failure<" in with_reasons and ">risk of failure<" not in plain
    assert "0 random" in text_of(plain)


def test_only_what_all_trials_have_and_what_differs_is_compared(run: PageContent) -> None:
    first = made_up_experience(0)
    second = made_up_experience(1)
    assert varied([first, second]) == ["n"]
    assert varied([first, first]) == [] and varied([]) == []
    study = study_of([first, second], ["n"], run.lead)
    assert [trial.params for trial in study.trials] == [{"n": 0}, {"n": 1}]


def test_five_hundred_trials_have_a_page(tmp_path: Path) -> None:
    content = made_up_run(500)
    page = html_report(content)
    assert len(page.encode()) < LARGEST_PAGE
    assert page.count('id="trial-') == 500


def test_the_documentation_lists_the_questions() -> None:
    text = (Path(__file__).parents[2] / "docs" / "report.md").read_text(encoding="utf-8")
    listed = re.findall(r"(?m)^\d+\. (.+)$", text)
    assert listed == list(QUESTIONS)
