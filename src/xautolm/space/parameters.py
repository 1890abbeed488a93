"""The four kinds of parameter: a real number, an integer, a choice, and a branch that opens further parameters."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeGuard

from xautolm.errors import SpaceError
from xautolm.records import Scalar

if TYPE_CHECKING:
    import optuna

    from xautolm.space.space import Space

Plain = dict[str, object]
"""JSON values by name."""

LARGEST_EXPONENT = 700.0
"""Positions beyond this on a logarithmic scale are cut: e^709.8 is the largest double, and a wide belief of a prior may
draw further."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """A number in a closed range, uniform or log-uniform: its scale, and the ways there and back.

    The *scale* of a log-uniform number is its natural logarithm, of any other the number itself. The *unit* is the
    scale moved and stretched so that the range goes from 0 to 1.

    Raises:
        ValueError: The range is empty, or logarithmic and not positive.
    """

    name: str
    low: float
    high: float
    default: float
    log: bool = False
    lowest: float = field(default=-math.inf, compare=False)
    """The least that a person's own ranges may say, as `highest`."""
    highest: float = field(default=math.inf, compare=False)
    """The most that a person's own ranges may say: beyond, it cannot be used, or means something else."""

    TAG: ClassVar[str]
    """The key under which the JSON of this kind has the parameter's name."""

    def __post_init__(self) -> None:
        is_range = self.low <= self.high
        # Checked here, before a logarithm of 0 or an empty range of Optuna's fails far from where it was written.
        has_logarithm = self.low > 0
        if self.log and not (is_range and has_logarithm):
            raise ValueError(f"{self.low}..{self.high} is not a logarithmic range")
        if not is_range:
            raise ValueError(f"{self.low}..{self.high} is not a range")

    def to_scale(self, value: float) -> float:
        """Return where a value lies on the parameter's scale; it may lie outside the range."""
        if self.log:
            return math.log(value)
        return float(value)

    def from_scale(self, position: float) -> int | float:
        """Return the value at a position on the parameter's scale, clipped to the range."""
        if not self.log:
            return self.clip(position)
        exponent = min(position, LARGEST_EXPONENT)
        value = math.exp(exponent)
        return self.clip(value)

    @property
    def scale(self) -> tuple[float, float]:
        """Return both ends of the range on the parameter's scale."""
        low = self.to_scale(self.low)
        high = self.to_scale(self.high)
        return low, high

    def to_unit(self, value: float) -> float:
        """Return the share of the range that lies below a value, on the parameter's scale.

        It is negative below the range and more than 1 above it; one half where the range is a single value.
        """
        low, high = self.scale
        width = high - low
        # A range of a single value has no width to divide by.
        if width <= 0:
            return 0.5
        position = self.to_scale(value)
        return (position - low) / width

    def from_unit(self, share: float) -> int | float:
        """Return the value below which a share of the range lies, on the parameter's scale; clipped to the range."""
        low, high = self.scale
        width = high - low
        position = low + width * share
        return self.from_scale(position)

    def clip(self, value: float) -> int | float:
        """Return the value of the range that is nearest to a number."""
        if value < self.low:
            return self.low
        if value > self.high:
            return self.high
        return value

    def to_plain(self) -> Plain:
        """Return the parameter as JSON values."""
        plain: Plain = {self.TAG: self.name}
        plain["low"] = self.low
        plain["high"] = self.high
        plain["default"] = self.default
        if self.log:
            plain["log"] = True
        return plain

    @classmethod
    def from_plain(cls, plain: Mapping[str, object]) -> Self:
        """Build the parameter that `to_plain` described."""
        name = str(plain[cls.TAG])
        low = _number(plain, "low")
        high = _number(plain, "high")
        default = _number(plain, "default")
        # Left out by `to_plain` where the range is not logarithmic.
        log = bool(plain.get("log"))
        return cls(name=name, low=low, high=high, default=default, log=log)


@dataclass(frozen=True, slots=True, kw_only=True)
class Float(Number):
    """A real number in a closed range, uniform or log-uniform."""

    TAG: ClassVar[str] = "float"

    @property
    def domain(self) -> str:
        """Return the range, for people and for telling equal ranges apart."""
        ending = " log" if self.log else ""
        return f"{self.low:g}..{self.high:g}{ending}"

    def problem(self, value: object) -> str:
        """Return what is wrong with a value, or nothing."""
        # NaN lies in no range: it is not equal to, above or below anything.
        if is_number(value) and self.low <= value <= self.high:
            return ""
        return f"{self.name}={value!r} is not a number in {self.domain}"

    def distribution(self) -> optuna.distributions.BaseDistribution:
        """Return the same range for Optuna."""
        from optuna.distributions import FloatDistribution

        return FloatDistribution(self.low, self.high, log=self.log)


@dataclass(frozen=True, slots=True, kw_only=True)
class Int(Number):
    """A whole number in a closed range, uniform or log-uniform."""

    low: int
    high: int
    default: int

    TAG: ClassVar[str] = "int"

    @property
    def domain(self) -> str:
        """Return the range, for people and for telling equal ranges apart."""
        ending = " log" if self.log else ""
        return f"{self.low}..{self.high}{ending}"

    def problem(self, value: object) -> str:
        """Return what is wrong with a value, or nothing."""
        # To Python, True is the number 1; a switch in place of a count is a mistake.
        is_switch = isinstance(value, bool)
        if isinstance(value, int) and not is_switch and self.low <= value <= self.high:
            return ""
        return f"{self.name}={value!r} is not a whole number in {self.domain}"

    def clip(self, value: float) -> int:
        """Return the whole number of the range that is nearest to a number."""
        if value < self.low:
            return self.low
        if value > self.high:
            return self.high
        return round(value)

    def distribution(self) -> optuna.distributions.BaseDistribution:
        """Return the same range for Optuna."""
        from optuna.distributions import IntDistribution

        return IntDistribution(self.low, self.high, log=self.log)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One of several values, without order."""

    name: str
    options: tuple[Scalar, ...]
    default: Scalar
    closed: bool = field(default=False, compare=False)
    """Whether a person's own ranges may only choose among the options: anything else would mean nothing here."""
    further: tuple[Scalar, ...] = field(default=(), compare=False)
    """What a person's own ranges may name besides the options of a closed choice."""
    lowest: float = field(default=-math.inf, compare=False)
    """The least that a person's own numbers may be, as `Number.lowest`."""
    highest: float = field(default=math.inf, compare=False)
    """The most that a person's own numbers may be, as `Number.highest`."""
    on_request: bool = field(default=False, compare=False)
    """Whether it is searched only where a person's own ranges name it: it costs trials and gains nothing by itself."""
    ignores: Mapping[str, tuple[str, ...]] = field(default_factory=dict, compare=False)
    """By option, the parameters that mean nothing beside it: a person's own ranges cannot name both."""

    TAG: ClassVar[str] = "choice"

    @property
    def domain(self) -> str:
        """Return the options, for people and for telling equal sets apart."""
        names = [str(option) for option in self.options]
        return "|".join(names)

    def problem(self, value: object) -> str:
        """Return what is wrong with a value, or nothing."""
        for option in self.options:
            # To Python, 1 and True are equal; a switch and a count are not the same value.
            is_same_kind = isinstance(value, bool) == isinstance(option, bool)
            if is_same_kind and value == option:
                return ""
        return f"{self.name}={value!r} is not one of {self.domain}"

    def distribution(self) -> optuna.distributions.BaseDistribution:
        """Return the same options for Optuna."""
        from optuna.distributions import CategoricalDistribution

        return CategoricalDistribution(self.options)

    def to_plain(self) -> Plain:
        """Return the parameter as JSON values."""
        plain: Plain = {self.TAG: self.name}
        plain["options"] = list(self.options)
        plain["default"] = self.default
        return plain

    @classmethod
    def from_plain(cls, plain: Mapping[str, object]) -> Self:
        """Build the parameter that `to_plain` described."""
        name = str(plain[cls.TAG])
        options = plain["options"]
        if not isinstance(options, list):
            raise TypeError("a choice has a list of options")
        default = plain["default"]
        if not isinstance(default, Scalar):
            raise TypeError("the default of a choice is a plain value")
        return cls(name=name, options=tuple(options), default=default)


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """One of several options, each of which opens parameters of its own."""

    name: str
    branches: Mapping[str, Space] = field(hash=False)
    default: str
    closed: bool = field(default=False, compare=False)
    """Whether options that it does not have are refused in a person's own ranges, instead of passed over."""

    TAG: ClassVar[str] = "branch"

    @property
    def options(self) -> tuple[str, ...]:
        """Return the names of the options."""
        return tuple(self.branches)

    @property
    def domain(self) -> str:
        """Return the options, for people and for telling equal sets apart."""
        return "|".join(self.branches)

    def problem(self, value: object) -> str:
        """Return what is wrong with a value, or nothing."""
        if value in self.branches:
            return ""
        return f"{self.name}={value!r} is not one of {self.domain}"

    def distribution(self) -> optuna.distributions.BaseDistribution:
        """Return the same options for Optuna, without what they open."""
        from optuna.distributions import CategoricalDistribution

        return CategoricalDistribution(self.options)

    def to_plain(self) -> Plain:
        """Return the parameter, and everything that it opens, as JSON values."""
        opened: Plain = {}
        for option, space in self.branches.items():
            # The name of the space below is that of the option, so it is not written twice.
            parameters = [parameter.to_plain() for parameter in space.parameters]
            opened[option] = parameters
        plain: Plain = {self.TAG: self.name}
        plain["branches"] = opened
        plain["default"] = self.default
        return plain

    @classmethod
    def from_plain(cls, plain: Mapping[str, object]) -> Self:
        """Build the parameter, and everything that it opens, that `to_plain` described."""
        # A space is made of parameters, and a branch of spaces: one of the two files has to import late.
        from xautolm.space.space import Space

        opened = plain["branches"]
        if not isinstance(opened, Mapping):
            raise TypeError("a branch has its options by their names")
        branches: dict[str, Space] = {}
        for option, plain_parameters in opened.items():
            parameters: list[Parameter] = []
            for plain_parameter in plain_parameters:
                parameter = parameter_from_plain(plain_parameter)
                parameters.append(parameter)
            branches[option] = Space(option, tuple(parameters))
        name = str(plain[cls.TAG])
        default = str(plain["default"])
        return cls(name=name, branches=branches, default=default)


Parameter = Float | Int | Choice | Branch
"""Any of the four kinds."""

KINDS: Mapping[str, type[Parameter]] = {kind.TAG: kind for kind in (Float, Int, Choice, Branch)}
"""The kinds by the tag that their JSON has."""


def parameter_from_plain(plain: Mapping[str, object]) -> Parameter:
    """Build a parameter from JSON values; which of the keys is a tag says its kind.

    Raises:
        SpaceError: None is, as in a file of a later version that has another kind.
    """
    for tag, kind in KINDS.items():
        if tag in plain:
            return kind.from_plain(plain)
    keys = ", ".join(str(key) for key in plain)
    tags = ", ".join(KINDS)
    raise SpaceError(
        "Not a kind of parameter.", got=f"one with {keys}", fix=f"A parameter has one of {tags}."
    )


def is_number(value: object) -> TypeGuard[int | float]:
    """Return whether a value is a number; True and False, which Python counts as such, are none."""
    if isinstance(value, bool):
        return False
    return isinstance(value, int | float)


def _number(plain: Mapping[str, object], name: str) -> Any:
    """Return a number of a parameter's JSON: whole where an `Int` wrote it.

    Raises:
        TypeError: It is none.
    """
    number = plain[name]
    if not is_number(number):
        raise TypeError(f"{name} is {number!r}, no number")
    return number
