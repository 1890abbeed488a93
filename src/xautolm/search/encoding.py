"""Configurations as rows of numbers, by plain parameter names, so that those of other spaces can be encoded too."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from xautolm.records import Scalar, as_float
from xautolm.space import Branch, Choice, Float, Int, Parameter, Space

WIDE = 20.0
"""A numeric set whose largest value is so many times its smallest is scaled by logarithms."""


@dataclass(frozen=True, slots=True)
class Column:
    """A number of the row: a scaled value (`option` is None), or whether a value is a certain option."""

    name: str
    option: Scalar = None
    low: float = 0.0
    high: float = 1.0
    log: bool = False

    def of(self, values: Mapping[str, Scalar]) -> float:
        """The number for a configuration; one half for a number that it does not have."""
        value = values.get(self.name)
        if self.option is not None:
            return float(value == self.option)
        if isinstance(value, bool) or not isinstance(value, int | float) or (self.log and value <= 0):
            return 0.5
        place = math.log(value) if self.log else float(value)
        low, high = (math.log(self.low), math.log(self.high)) if self.log else (self.low, self.high)
        return min(max((place - low) / (high - low), -0.5), 1.5) if high > low else 0.5


@dataclass(frozen=True, slots=True)
class Encoder:
    """The columns of a space: numbers over the widest range that a name has, one column for each other option."""

    columns: tuple[Column, ...]

    @classmethod
    def of_space(cls, space: Space) -> Encoder:
        """The encoder for a space."""
        by_name: dict[str, list[Parameter]] = {}
        for parameter in space.sites().values():
            by_name.setdefault(parameter.name, []).append(parameter)
        return cls(tuple(column for name, parameters in by_name.items() for column in _columns(name, parameters)))

    def rows(self, configurations: Iterable[Mapping[str, Scalar]]) -> np.ndarray:
        """Configurations as rows, shape (configurations, columns)."""
        rows = [[column.of(values) for column in self.columns] for values in configurations]
        return np.asarray(rows, dtype=float).reshape(len(rows), len(self.columns))


def _columns(name: str, parameters: list[Parameter]) -> list[Column]:
    bounds = [bound for parameter in parameters if (bound := _bounds(parameter)) is not None]
    if len(bounds) == len(parameters):
        low, high = min(bound[0] for bound in bounds), max(bound[1] for bound in bounds)
        log = low > 0 and (any(bound[2] for bound in bounds) or high / low >= WIDE)
        return [Column(name, low=low, high=high, log=log)]
    options = dict.fromkeys(option for one in parameters if isinstance(one, Choice | Branch) for option in one.options)
    return [Column(name, option=option) for option in options if option is not None]


def _bounds(parameter: Parameter) -> tuple[float, float, bool] | None:
    """Smallest and largest value, and whether the scale is logarithmic; nothing for options that are no numbers."""
    match parameter:
        case Float() | Int():
            return float(parameter.low), float(parameter.high), parameter.log
        case Choice(options=options) if all(isinstance(o, int | float) and not isinstance(o, bool) for o in options):
            numbers = [as_float(option) for option in options]
            return min(numbers), max(numbers), False
    return None
