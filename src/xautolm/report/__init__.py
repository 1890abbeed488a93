"""Experiences as tables, pictures, cards, and as what a person sees while they are made."""

from xautolm.report.card import CardFacts, model_card
from xautolm.report.html import html_report
from xautolm.report.screen import Screen, choose_screen
from xautolm.report.tables import as_csv, duration, failures_by_kind, leaderboard, wide_leaderboard

__all__ = [
    "CardFacts",
    "Screen",
    "as_csv",
    "choose_screen",
    "duration",
    "failures_by_kind",
    "html_report",
    "leaderboard",
    "model_card",
    "wide_leaderboard",
]
