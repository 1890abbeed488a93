"""Experiences as tables, pictures, cards, and as what a person sees while they are made."""

from xautolm.report.card import CardFacts, model_card
from xautolm.report.page import Answers, PageContent, Winner, html_report
from xautolm.report.screen import Screen, Standing, choose_screen
from xautolm.report.tables import (
    as_csv,
    duration,
    explained,
    failures_by_kind,
    failures_in_words,
    leaderboard,
    pruning_account,
    pruning_savings,
    score_text,
    wide_leaderboard,
)

__all__ = [
    "Answers",
    "CardFacts",
    "PageContent",
    "Screen",
    "Standing",
    "Winner",
    "advice",
    "as_csv",
    "card",
    "choose_screen",
    "console",
    "duration",
    "experiences",
    "explained",
    "failures_by_kind",
    "failures_in_words",
    "families",
    "features",
    "forecasts",
    "html_report",
    "leaderboard",
    "model_card",
    "page",
    "pruning_account",
    "pruning_savings",
    "result",
    "score_text",
    "usage",
    "wide_leaderboard",
    "zoo",
]
