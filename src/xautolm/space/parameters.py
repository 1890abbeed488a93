"""The four kinds of parameter: a real number, an integer, a choice, and a branch that opens further parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from xautolm.records import Scalar

if TYPE_CHECKING:
    import optuna

    from xautolm.space.space import Space


@dataclass(frozen=True, slots=True, kw_only=True)
class Float:
    """A real number in a closed range, uniform or log-uniform."""

    name: str
    low: float
    high: float
    default: float
    log: bool = False

    @property
    def domain(self) -> str:
        """The range, for people and for telling equal ranges apart."""
        return f"{self.low:g}..{self.high:g}" + (" log" if self.log else "")

    def problem(self, value: Any) -> str:
        """What is wrong with a value, or nothing."""
        good = isinstance(value, int | float) and not isinstance(value, bool) and self.low <= value <= self.high
        return "" if good else f"{self.name}={value!r} is not a number in {self.domain}"

    def distribution(self) -> optuna.distributions.BaseDistribution:
        """The same range for Optuna."""
        from optuna.distributions import FloatDistribution

        return FloatDistribution(self.low, self.high, log=self.log)

    def to_plain(self) -> dict[str, Any]:
        """The parameter as JSON values."""
        shape: dict[str, Any] = {"float": self.name, "low": self.low, "high": self.high, "default": self.default}
        return shape | ({"log": True} if self.log else {})


@dataclass(frozen=True, slots=True, kw_only=True)
class Int:
    """A whole number in a closed range, uniform or log-uniform."""

    name: str
    low: int
    high: int
    default: int
    log: bool = False

    @property
    def domain(self) -> str:
        """The range, for people and for telling equal ranges apart."""
        return f"{self.low}..{self.high}" + (" log" if self.log else "")

    def problem(self, value: Any) -> str:
        """What is wrong with a value, or nothing."""
        good = isinstance(value, int) and not isinstance(value, bool) and self.low <= value <= self.high
        return "" if good else f"{self.name}={value!r} is not a whole number in {self.domain}"

    def distribution(self) -> optuna.distributions.BaseDistribution:
        """The same range for Optuna."""
        from optuna.distributions import IntDistribution

        return IntDistribution(self.low, self.high, log=self.log)

    def to_plain(self) -> dict[str, Any]:
        """The parameter as JSON values."""
        shape: dict[str, Any] = {"int": self.name, "low": self.low, "high": self.high, "default": self.default}
        return shape | ({"log": True} if self.log else {})


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One of several values, without order."""

    name: str
    options: tuple[Scalar, ...]
    default: Scalar
    closed: bool = field(default=False, compare=False)
    """Whether a person's own ranges may only choose among the options: anything else would mean nothing here."""
    on_request: bool = field(default=False, compare=False)
    """Whether it is searched only where a person's own ranges name it: it costs trials and gains nothing by itself."""

    @property
    def domain(self) -> str:
        """The options, for people and for telling equal sets apart."""
        return "|".join(str(option) for option in self.options)

    def problem(self, value: Any) -> str:
        """What is wrong with a value, or nothing."""
        good = any(value == option and isinstance(value, bool) == isinstance(option, bool) for option in self.options)
        return "" if good else f"{self.name}={value!r} is not one of {self.domain}"

    def distribution(self) -> optuna.distributions.BaseDistribution:
        """The same options for Optuna."""
        from optuna.distributions import CategoricalDistribution

        return CategoricalDistribution(self.options)

    def to_plain(self) -> dict[str, Any]:
        """The parameter as JSON values."""
        return {"choice": self.name, "options": list(self.options), "default": self.default}


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """One of several options, each of which opens parameters of its own."""

    name: str
    branches: Mapping[str, Space] = field(hash=False)
    default: str
    closed: bool = field(default=False, compare=False)
    """Whether options that it does not have are refused in a person's own ranges, instead of passed over."""

    @property
    def options(self) -> tuple[str, ...]:
        """The names of the options."""
        return tuple(self.branches)

    @property
    def domain(self) -> str:
        """The options, for people and for telling equal sets apart."""
        return "|".join(self.branches)

    def problem(self, value: Any) -> str:
        """What is wrong with a value, or nothing."""
        return "" if value in self.branches else f"{self.name}={value!r} is not one of {self.domain}"

    def distribution(self) -> optuna.distributions.BaseDistribution:
        """The same options for Optuna, without what they open."""
        from optuna.distributions import CategoricalDistribution

        return CategoricalDistribution(self.options)

    def to_plain(self) -> dict[str, Any]:
        """The parameter, and everything that it opens, as JSON values."""
        opened = {option: space.to_plain()["parameters"] for option, space in self.branches.items()}
        return {"branch": self.name, "branches": opened, "default": self.default}


Parameter = Float | Int | Choice | Branch
"""Any of the four kinds."""
