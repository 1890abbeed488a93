"""What quality is set against on the page: the cost that the search minimised."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.report.pages import content_of
from xautolm.metrics import METRICS
from xautolm.objectives import COSTS, LATENCY, pareto_front
from xautolm.records import Experience
from xautolm.report import PageContent, Winner
from xautolm.report.page.blocks import Text
from xautolm.report.page.choice import choice_section, front_chart
from xautolm.report.page.costs import shown_cost
from xautolm.testing import made_up_experience, success

QUALITY = METRICS.get("f1_macro").objective


def trial(number: int, quality: float, seconds: float, latency: float | None) -> Experience:
    """Return a trial of a search for quality and a quick model."""
    outcome = replace(success(seconds, f1_macro=quality), latency=latency, model_size=4_000_000)
    return made_up_experience(number, outcome=outcome)


@pytest.fixture
def content() -> PageContent:
    """The best model, one that answers quickly and was slow to train, and one that was never timed."""
    trials = [trial(0, 0.9, 10.0, 0.02), trial(1, 0.8, 90.0, 0.004), trial(2, 0.7, 5.0, None)]
    outcomes = {experience.trial: experience.outcome for experience in trials}
    content = content_of(trials, front=pareto_front(outcomes, (QUALITY, COSTS[LATENCY])))
    winner = Winner(trial=0, usage="", validation={"f1_macro": 0.9}, test={})
    info = replace(content.info, objectives=("f1_macro", "latency"), minimized=("latency",))
    return replace(content, info=info, winner=winner)


def test_a_search_for_a_quick_model_shows_quality_against_latency(content: PageContent) -> None:
    chart = front_chart(content)
    assert chart is not None and chart.title == "Quality against latency"
    assert "better and faster in use: trial 0, 1" in chart.caption
    (front,) = chart.figure.data
    # Quickest first; the trial that was not timed has no place on such an axis.
    assert list(front.x) == [0.004, 0.02] and list(front.y) == [0.8, 0.9]


def test_the_quickest_model_is_told_beside_the_best(content: PageContent) -> None:
    first = choice_section(content).blocks[0]
    assert isinstance(first, Text)
    assert "The fastest in use on the Pareto front, trial 1" in first.text
    assert "takes 4 ms instead of 20 ms and reaches 0.8000" in first.text


def test_other_searches_show_the_time_that_they_took(content: PageContent) -> None:
    usual = replace(content.info, objectives=("f1_macro", "evaluation_time"))
    chart = front_chart(replace(content, info=usual))
    assert chart is not None and chart.title == "Quality against time"
    assert "both better and faster: trial" in chart.caption
    assert shown_cost(("f1_macro",)) == shown_cost(("f1_macro", "evaluation_time"))
    assert shown_cost(("f1_macro", "model_size", "latency")).text(4_000_000) == "4 MB"
