"""Configurations as rows of numbers, by plain parameter names, so that those of other spaces can be encoded too."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from xautolm.records import Scalar, Values
from xautolm.search.evidence import Traits, Trials
from xautolm.space import Branch, Choice, Float, Int, Parameter, Space, is_number

WIDE = 20.0
"""A numeric set whose largest value is so many times its smallest is scaled by logarithms."""
MISSING = 0.5
"""What stands for a number that a configuration does not have: the middle of its range."""
FARTHEST = 0.5
"""How far a number of another space may stand outside the range here, in widths of the range: one that is far off must
not press all others together."""

Rows = np.ndarray
"""Encoded configurations, shape (configurations, columns)."""


class Column(Protocol):
    """One number of a row."""

    @property
    def name(self) -> str:
        """Return the plain name of the parameter that it says something of."""

    def of(self, values: Values) -> float:
        """Return the number for a configuration, given by plain parameter names."""


@dataclass(frozen=True, slots=True)
class NumberColumn:
    """A number, scaled to its range."""

    parameter: Float
    """The widest range that the number has in the space."""

    @property
    def name(self) -> str:
        """Return the number's plain name."""
        return self.parameter.name

    def of(self, values: Values) -> float:
        """Return where the number lies in its range, from 0 to 1; outside of it half a range farther at most."""
        value = values.get(self.parameter.name)
        if not is_number(value):
            return MISSING
        # Another space may have a 0 where this one has a logarithmic scale, on which a 0 has no place.
        if self.parameter.log and value <= 0:
            return MISSING
        share = self.parameter.to_unit(value)
        lowest = -FARTHEST
        highest = 1 + FARTHEST
        return min(max(share, lowest), highest)


@dataclass(frozen=True, slots=True)
class OptionColumn:
    """Whether a value is a certain option."""

    name: str
    option: Scalar

    def of(self, values: Values) -> float:
        """Return 1 for a configuration that has the option, else 0."""
        value = values.get(self.name)
        has_option = value == self.option
        return float(has_option)


@dataclass(frozen=True, slots=True)
class Encoder:
    """The columns of a space: numbers over the widest range that a name has, one column for each other option.

    Behind them stand columns of traits, where there are any.
    """

    columns: tuple[Column, ...]
    traits: Traits | None = None
    trait_columns: tuple[NumberColumn, ...] = ()

    @classmethod
    def of_space(cls, space: Space, traits: Traits | None = None) -> Encoder:
        """Make the encoder for a space, with columns for what tells traits."""
        # A name may stand at several sites of the tree, with another range at each: they share their columns, so that
        # what is learned of a learning rate under one model is learned for all.
        by_name: dict[str, list[Parameter]] = {}
        for parameter in space.sites().values():
            namesakes = by_name.setdefault(parameter.name, [])
            namesakes.append(parameter)

        columns: list[Column] = []
        for name, namesakes in by_name.items():
            columns += _columns(name, namesakes)
        ranges = traits.ranges if traits is not None else ()
        trait_columns = tuple(NumberColumn(its_range) for its_range in ranges)
        return cls(tuple(columns), traits, trait_columns)

    def rows(self, configurations: Iterable[Values]) -> Rows:
        """Return encoded configurations of the task at hand."""
        rows: list[list[float]] = []
        for values in configurations:
            traits: Values = {}
            if self.traits is not None:
                traits = self.traits.of(values)
            rows.append(self._row(values, traits))
        return self._as_rows(rows)

    def rows_of_past(self, trials: Trials) -> Rows:
        """Return encoded past trials, with the traits that they had where they ran."""
        return self._as_rows([self._row(trial.values, trial.traits) for trial in trials])

    def without_traits(self, rows: Rows) -> Rows:
        """Return the columns of the configurations alone: in these, near is alike."""
        return rows[:, : len(self.columns)]

    def _row(self, values: Values, traits: Values) -> list[float]:
        """Return one encoded configuration."""
        row = [column.of(values) for column in self.columns]
        row += [column.of(traits) for column in self.trait_columns]
        return row

    def _as_rows(self, rows: list[list[float]]) -> Rows:
        """Return rows as an array."""
        # Of no configurations at all, NumPy would make an array without columns.
        shape = (len(rows), len(self.columns) + len(self.trait_columns))
        return np.asarray(rows, dtype=float).reshape(shape)


def _columns(name: str, namesakes: Sequence[Parameter]) -> list[Column]:
    """Return the columns of a name: one if it is a number at every site that has it, else one for each option.

    Args:
        name: The plain name.
        namesakes: The parameters of that name, at whatever site.
    """
    ranges: list[Float] = []
    for parameter in namesakes:
        numeric_range = _as_range(parameter)
        if numeric_range is not None:
            ranges.append(numeric_range)
    is_number_everywhere = len(ranges) == len(namesakes)
    if is_number_everywhere:
        return [NumberColumn(_widest(name, ranges))]

    # A dictionary rather than a set: it keeps the order, on which the columns and so the proposals depend.
    options: dict[Scalar, None] = {}
    for parameter in namesakes:
        if isinstance(parameter, Choice | Branch):
            options.update(dict.fromkeys(parameter.options))
    columns: list[Column] = []
    for option in options:
        # None needs no column: it is where all others are 0, as for a configuration that lacks the name.
        if option is not None:
            columns.append(OptionColumn(name, option))
    return columns


def _widest(name: str, ranges: Sequence[Float]) -> Float:
    """Return the range that holds all of some ranges, logarithmic where one of them is or where it is wide."""
    lows = [parameter.low for parameter in ranges]
    highs = [parameter.high for parameter in ranges]
    low = min(lows)
    high = max(highs)
    # There is no logarithm of 0: a range that begins there stays linear, however wide.
    is_log = False
    if low > 0:
        is_wide = high / low >= WIDE
        is_log = is_wide or any(parameter.log for parameter in ranges)
    return Float(name=name, low=low, high=high, default=low, log=is_log)


def _as_range(parameter: Parameter) -> Float | None:
    """Return a parameter as a range of real numbers; None for options that are no numbers."""
    name = parameter.name
    if isinstance(parameter, Float | Int):
        low = float(parameter.low)
        high = float(parameter.high)
        return Float(name=name, low=low, high=high, default=low, log=parameter.log)
    numbers: list[float] = []
    for option in parameter.options:
        if not is_number(option):
            return None
        numbers.append(float(option))
    low = min(numbers)
    high = max(numbers)
    return Float(name=name, low=low, high=high, default=numbers[0])
