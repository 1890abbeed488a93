"""Support tickets of three classes for the field cases: every text is another, and the classes are even."""

from __future__ import annotations

import pandas as pd

CLASSES = ("account", "billing", "delivery")
ROWS = 60
"""Enough for a made validation split with every class; few enough for a case to take milliseconds."""

THINGS = {
    "account": ("password", "profile", "second factor", "user name"),
    "billing": ("invoice", "refund", "discount code", "card payment"),
    "delivery": ("parcel", "courier", "tracking page", "return label"),
}


def ticket(number: int) -> tuple[str, str]:
    """Return the text and the class of a ticket; equal numbers, equal tickets."""
    label = CLASSES[number % len(CLASSES)]
    things = THINGS[label]
    thing = things[number // len(CLASSES) % len(things)]
    return f"Ticket {number} is about the {thing} that we talked about", label


def tickets(rows: int = ROWS, first: int = 0) -> list[tuple[str, str]]:
    """Return texts and classes of consecutive tickets."""
    return [ticket(number) for number in range(first, first + rows)]


def table(rows: int = ROWS, first: int = 0) -> pd.DataFrame:
    """Return tickets as a frame with the columns `text` and `label`."""
    return pd.DataFrame(tickets(rows, first), columns=["text", "label"])
