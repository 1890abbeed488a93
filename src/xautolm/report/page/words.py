"""Names and numbers as people say them."""

from __future__ import annotations

import math
from collections.abc import Iterable

from xautolm.methods import METHODS
from xautolm.records import Configuration, Experience, Values
from xautolm.report.tables import number

CONFIGURATION_PARTS = ("model", "method")
"""Values of a configuration that are said apart from its hyperparameters."""
INTERVAL_DECIMALS = 3
"""One less than a score has: the bootstrap of some hundred samples tells no more."""
FEWEST_DIGITS, MOST_DIGITS = 3, 9
"""Of two numbers that are compared."""
LONGEST_WHOLE = 1e7
"""From which on such a number may be written with an exponent: its seven digits are as many as can be compared."""
ERRORS = 10
"""Rows of the worst errors, of samples, and of confused pairs: as many as somebody reads."""


def method_name(method: str) -> str:
    """Return what people call a method; one of a plug-in that is not installed by its own name."""
    thing = METHODS.things.get(method)
    return method if thing is None else thing.title


def trains(method: str) -> bool:
    """Return whether a method trains by gradient; of one that is not installed, that it does."""
    thing = METHODS.things.get(method)
    return thing is None or thing.trains_by_gradient


def configuration_name(configuration: Configuration) -> str:
    """Return model and method in a few words."""
    return f"{configuration.model}, {method_name(configuration.method)}"


def parameter_name(name: str) -> str:
    """Return a parameter's name in words."""
    return name.replace("_", " ")


def hyperparameter_pairs(values: Values) -> list[tuple[str, str]]:
    """Return the hyperparameters of a configuration as names and values."""
    pairs = []
    for name, value in values.items():
        if name not in CONFIGURATION_PARTS:
            pairs.append((parameter_name(name), number(value)))
    return pairs


def in_bytes(size: float) -> str:
    """Return a size in megabytes or gigabytes."""
    if size >= 1e9:
        return f"{size / 1e9:.1f} GB"
    return f"{size / 1e6:.0f} MB"


def short_time(seconds: float) -> str:
    """Return a time of less than a minute with the digits that matter, in milliseconds below a second."""
    # Three digits: 4.21 ms and 42.1 ms differ in what can be built on them, 42.1 and 42.13 do not.
    if seconds < 1:
        return f"{seconds * 1e3:.3g} ms"
    return f"{seconds:.1f} s"


def interval_text(low: float, high: float) -> str:
    """Return the ends of an interval with three decimals; a narrow one has as many more as its ends need to differ."""
    decimals = INTERVAL_DECIMALS
    if 0 < high - low < 10.0**-decimals:
        # Two digits of the width.
        decimals = 1 - math.floor(math.log10(high - low))
    return f"{low:.{decimals}f} to {high:.{decimals}f}"


def numbers_apart(first: float, second: float) -> tuple[str, str]:
    """Return two numbers with three digits, or with as many more as show two digits of their difference.

    Below ten millions, all digits before the point are shown: 1958 and 2058 are not both about `2e+03`.
    """
    difference = abs(first - second)
    if not math.isfinite(difference):
        return number(first), number(second)
    digits = FEWEST_DIGITS
    largest = max(abs(first), abs(second))
    if difference:
        needed_digits = _magnitude(largest) - _magnitude(difference) + 2
        # More are noise of the arithmetic, such as that of 0.1 + 0.2.
        digits = max(digits, min(needed_digits, MOST_DIGITS))
    if 1 <= largest < LONGEST_WHOLE:
        digits = max(digits, _magnitude(largest) + 1)
    return f"{first:.{digits}g}", f"{second:.{digits}g}"


def _magnitude(size: float) -> int:
    """Return the power of ten of a positive number's first digit."""
    return math.floor(math.log10(size))


def counted(count: int, noun: str) -> str:
    """Return a count with its noun, in the plural where there are several."""
    ending = "" if count == 1 else "s"
    return f"{count:,} {noun}{ending}"


def listed(names: Iterable[str]) -> str:
    """Return names with commas and an "and"."""
    *before, last = names
    if not before:
        return last
    return f"{', '.join(before)} and {last}"


def cut(text: str, most: int) -> str:
    """Return at most so many characters of a text."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def trial_name(experience: Experience) -> str:
    """Return a trial in a few words."""
    return f"trial {experience.trial} ({configuration_name(experience.configuration)})"


def anchor_of(trial: int) -> str:
    """Return the anchor of a trial's row in the table of all trials."""
    return f"trial-{trial}"
