"""What a reader who did not run the search asks, and what the page must say: docs/report.md has the questions."""

from __future__ import annotations

import re
from collections.abc import Callable
from html.parser import HTMLParser

from xautolm.report import PageContent
from xautolm.report.page.words import configuration_name, in_bytes, method_name, short_time
from xautolm.report.tables import failures_by_kind, score_text

Expected = Callable[[PageContent], list[str]]
"""Returns the texts of a run's page that answer a question."""


class _Reader(HTMLParser):
    """Reads what a page shows, without its tags, styles and scripts."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []
        self.hidden = 0

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.hidden += tag in ("style", "script")

    def handle_endtag(self, tag: str) -> None:
        self.hidden -= tag in ("style", "script")

    def handle_data(self, data: str) -> None:
        if not self.hidden:
            self.parts.append(data)


def text_of(page: str) -> str:
    """Return what a page shows, with single spaces."""
    reader = _Reader()
    reader.feed(page)
    return re.sub(r"\s+", " ", " ".join(reader.parts))


def which_model(content: PageContent) -> list[str]:
    assert content.best is not None
    name = configuration_name(content.best.configuration)
    return [f"{name} (trial {content.best.trial}) scores"]


def how_good(content: PageContent) -> list[str]:
    assert content.winner is not None and content.answers is not None
    low, high = content.answers.assessment.interval or (0.0, 0.0)
    score = score_text(content.winner.test[content.lead.name])
    rows = content.answers.assessment.rows
    return [
        f"{score} {content.metric} on {rows:,} test rows that the search never saw",
        f"{low:.3f} to {high:.3f} (95 % interval)",
    ]


def beside_what(content: PageContent) -> list[str]:
    assert content.answers is not None
    constant = content.answers.assessment.constant[content.lead.name]
    return ["constant answer, test", score_text(constant), "validation", "linear probe"]


def which_class_fails(content: PageContent) -> list[str]:
    assert content.answers is not None
    rows = content.answers.rows
    is_right = rows["target"] == rows["prediction"]
    assert not is_right.all()
    return [
        "The weakest class is",
        "it is taken most often for",
        f"{is_right.mean():.1%} of the rows",
    ]


def which_texts_fail(content: PageContent) -> list[str]:
    assert content.answers is not None
    rows = content.answers.rows
    wrong = rows[rows["target"] != rows["prediction"]]
    worst = wrong.sort_values("confidence").iloc[-1]
    text = " ".join(worst["text"].split())
    return ["Worst errors", text[:60]]


def what_was_tried(content: PageContent) -> list[str]:
    models = {experience.configuration.model for experience in content.experiences}
    methods = {experience.configuration.method for experience in content.experiences}
    names = [method_name(method) for method in methods]
    return [f"{len(content.experiences)} trials of", "by model and method", *models, *names]


def why_this_one(content: PageContent) -> list[str]:
    assert content.best is not None
    score = score_text(content.best.outcome.metrics[content.lead.name])
    return [f"has the best validation {content.metric}, {score}; next is trial", "On the front"]


def what_failed(content: PageContent) -> list[str]:
    kinds = failures_by_kind(content.experiences)
    if not kinds:
        return ["No trial failed"]
    return ["Failures by kind", *(kind.replace("_", " ") for kind in kinds)]


def what_it_cost(content: PageContent) -> list[str]:
    return ["in all,", "The budget was", "Account of the time", "start-up", "scoring the winner"]


def what_it_needs(content: PageContent) -> list[str]:
    assert content.winner is not None and content.answers is not None and content.best is not None
    return [
        f"on disk {in_bytes(content.winner.disk_bytes or 0)}",
        short_time(content.answers.assessment.seconds_per_text),
        f"memory in training {in_bytes(content.best.outcome.peak_memory or 0)}",
    ]


def what_the_store_gave(content: PageContent) -> list[str]:
    experiences = content.warm_start["experiences"]
    nearest = content.warm_start["influences"][0]["data"]
    return [f"{experiences} past trial", "Nearest past tasks", nearest, "Proposals by origin:"]


def what_next(content: PageContent) -> list[str]:
    assert content.winner is not None
    first_line, *_ = content.winner.usage.splitlines()
    return [
        "in trials",
        "xautolm fit --config",
        content.predict.split('"')[0].strip(),
        first_line,
        content.info.data.fingerprint,
        f"seed {content.info.seed}",
    ]


QUESTIONS: dict[str, Expected] = {
    "Which model and method won?": which_model,
    "How good is it on data that nobody has seen, and how sure is that?": how_good,
    "How good is that beside doing next to nothing?": beside_what,
    "Which class fails, and what is it taken for?": which_class_fails,
    "On which texts is the model wrong and sure of itself?": which_texts_fail,
    "What was tried?": what_was_tried,
    "Why this trial and no other?": why_this_one,
    "What failed, and why?": what_failed,
    "What did the search cost, and where did the time go?": what_it_cost,
    "What does it take to run the model?": what_it_needs,
    "What did the store contribute?": what_the_store_gave,
    "How do I load it, go on, and make it again?": what_next,
}
"""Twelve, each with what answers it."""


def unanswered(content: PageContent, page: str) -> dict[str, list[str]]:
    """Return the questions that a page does not answer, with the texts that it lacks."""
    text = text_of(page)
    missing = {}
    for question, expected in QUESTIONS.items():
        absent = [part for part in expected(content) if part not in text]
        if absent:
            missing[question] = absent
    return missing
