"""Configurations as rows of numbers, by plain parameter names, so that those of other spaces can be encoded too."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from xautolm.records import Scalar
from xautolm.space import Branch, Choice, Float, Int, Parameter, Space, is_number

WIDE = 20.0
"""A numeric set whose largest value is so many times its smallest is scaled by logarithms."""
MISSING = 0.5
"""What stands for a number that a configuration does not have: the middle of its range."""
FARTHEST = 0.5
"""How far a number of another space may stand outside the range here, in widths of the range: one that is far off must
not press all others together."""


class Column(Protocol):
    """One number of a row."""

    def of(self, values: Mapping[str, Scalar]) -> float:
        """Return the number for a configuration, given by plain parameter names."""


@dataclass(frozen=True, slots=True)
class NumberColumn:
    """A number, scaled to its range."""

    parameter: Float
    """The widest range that the number has in the space."""

    def of(self, values: Mapping[str, Scalar]) -> float:
        """Return where the number lies in its range, from 0 to 1; outside of it half a range farther at most."""
        value = values.get(self.parameter.name)
        if not is_number(value):
            return MISSING
        if self.parameter.log and value <= 0:
            return MISSING
        share = self.parameter.to_unit(value)
        return min(max(share, -FARTHEST), 1 + FARTHEST)


@dataclass(frozen=True, slots=True)
class OptionColumn:
    """Whether a value is a certain option."""

    name: str
    option: Scalar

    def of(self, values: Mapping[str, Scalar]) -> float:
        """Return 1 for a configuration that has the option, else 0."""
        value = values.get(self.name)
        return float(value == self.option)


@dataclass(frozen=True, slots=True)
class Encoder:
    """The columns of a space: numbers over the widest range that a name has, one column for each other option."""

    columns: tuple[Column, ...]

    @classmethod
    def of_space(cls, space: Space) -> Encoder:
        """Make the encoder for a space."""
        by_name: dict[str, list[Parameter]] = {}
        for parameter in space.sites().values():
            by_name.setdefault(parameter.name, []).append(parameter)
        columns: list[Column] = []
        for name, parameters in by_name.items():
            columns += _columns(name, parameters)
        return cls(tuple(columns))

    def rows(self, configurations: Iterable[Mapping[str, Scalar]]) -> np.ndarray:
        """Return configurations as rows, shape (configurations, columns)."""
        rows = [[column.of(values) for column in self.columns] for values in configurations]
        return np.asarray(rows, dtype=float).reshape(len(rows), len(self.columns))


def _columns(name: str, parameters: Sequence[Parameter]) -> list[Column]:
    """Return the columns of a name: one if it is a number at every site that has it, else one for each option."""
    ranges: list[Float] = []
    for parameter in parameters:
        widest = _as_range(parameter)
        if widest is not None:
            ranges.append(widest)
    if len(ranges) == len(parameters):
        return [NumberColumn(_widest(name, ranges))]
    options: dict[Scalar, None] = {}
    for parameter in parameters:
        if isinstance(parameter, Choice | Branch):
            options.update(dict.fromkeys(parameter.options))
    return [OptionColumn(name, option) for option in options if option is not None]


def _widest(name: str, ranges: Sequence[Float]) -> Float:
    """Return the range that holds all of some ranges, logarithmic where one of them is or where it is wide."""
    low = min(parameter.low for parameter in ranges)
    high = max(parameter.high for parameter in ranges)
    is_log = low > 0 and (any(parameter.log for parameter in ranges) or high / low >= WIDE)
    return Float(name=name, low=low, high=high, default=low, log=is_log)


def _as_range(parameter: Parameter) -> Float | None:
    """Return a parameter as a range of real numbers; None for options that are no numbers."""
    name = parameter.name
    if isinstance(parameter, Float | Int):
        low, high = float(parameter.low), float(parameter.high)
        return Float(name=name, low=low, high=high, default=low, log=parameter.log)
    numbers = [float(option) for option in parameter.options if is_number(option)]
    if len(numbers) < len(parameter.options):
        return None
    return Float(name=name, low=min(numbers), high=max(numbers), default=numbers[0])
