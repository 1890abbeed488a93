"""The conditional space of an Optuna study, read from its trials: define-by-run objectives do not state theirs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import FrozenTrial

from xautolm.records import Scalar, as_float
from xautolm.space import Branch, Choice, Float, Int, Parameter, Space

NAME = "learned"


@dataclass(frozen=True, slots=True)
class LearnedSpace:
    """A space, and the way between its values and the study's.

    The options of a branch are texts in our spaces and may be anything in Optuna's; numbers on steps are Optuna's only.
    """

    space: Space
    distributions: Mapping[str, BaseDistribution]
    branches: frozenset[str]

    @classmethod
    def of_trials(cls, trials: Sequence[FrozenTrial]) -> LearnedSpace:
        """The space of some trials: a parameter that some of them lack stands under the option of another categorical
        parameter that tells those with it from those without; if there is none, it stands beside the others."""
        distributions: dict[str, BaseDistribution] = {}
        for trial in trials:
            distributions |= trial.distributions  # the latest, where a range has changed
        parameters = _tree(
            [trial.params for trial in trials if trial.params], distributions, frozenset()
        )
        space = Space(NAME, tuple(parameters))
        branches = {one.name for one in space.sites().values() if isinstance(one, Branch)}
        return cls(space, distributions, frozenset(branches))

    def inward(self, params: Mapping[str, Any]) -> dict[str, Scalar]:
        """Values of a trial as the space has them."""
        return {
            name: str(value) if name in self.branches else value for name, value in params.items()
        }

    def outward(self, values: Mapping[str, Scalar]) -> dict[str, Any]:
        """A configuration as Optuna wants it."""
        return {name: _fitted(value, self.distributions[name]) for name, value in values.items()}


def _tree(
    trials: Sequence[Mapping[str, Any]],
    distributions: Mapping[str, BaseDistribution],
    above: frozenset[str],
) -> list[Parameter]:
    """The parameters of some trials that agree on everything above, as a tree."""
    names = [
        name for name in distributions if name not in above and any(name in one for one in trials)
    ]
    always = [name for name in names if all(name in one for one in trials)]
    parents = [name for name in always if isinstance(distributions[name], CategoricalDistribution)]
    split = min(parents, key=lambda name: _left_open(trials, name), default=None)
    if (
        len(names) == len(always)
        or split is None
        or _left_open(trials, split) >= len(names) - len(always)
    ):
        return [_parameter(name, distributions[name]) for name in names]
    below = above | set(always)
    branches = {}
    for option in _options(distributions[split]):
        members = [one for one in trials if one[split] == option]
        branches[str(option)] = Space(str(option), tuple(_tree(members, distributions, below)))
    return [
        Branch(name=name, branches=branches, default=next(iter(branches)))
        if name == split
        else _parameter(name, distributions[name])
        for name in always
    ]


def _left_open(trials: Sequence[Mapping[str, Any]], parent: str) -> int:
    """How many parameters some, but not all, of the trials have that share a value of the parent; the most of any."""
    groups: dict[Any, list[Mapping[str, Any]]] = {}
    for one in trials:
        groups.setdefault(str(one[parent]), []).append(one)
    return max(
        len({name for one in group for name in one if any(name not in other for other in group)})
        for group in groups.values()
    )


def _options(distribution: BaseDistribution) -> Sequence[Any]:
    assert isinstance(distribution, CategoricalDistribution)
    return distribution.choices


def _parameter(name: str, distribution: BaseDistribution) -> Parameter:
    match distribution:
        case FloatDistribution(low=low, high=high, log=log):
            return Float(name=name, low=low, high=high, default=low, log=log)
        case IntDistribution(low=low, high=high, log=log):
            return Int(name=name, low=low, high=high, default=low, log=log)
    return Choice(
        name=name, options=tuple(_options(distribution)), default=_options(distribution)[0]
    )


def _fitted(value: Scalar, distribution: BaseDistribution) -> Any:
    """The value that a distribution has, or the one nearest to it on its steps."""
    match distribution:
        case CategoricalDistribution(choices=choices):
            same = [
                one
                for one in choices
                if one == value and isinstance(one, bool) == isinstance(value, bool)
            ]
            return (same or [one for one in choices if str(one) == value])[0]
        case (
            FloatDistribution(low=low, high=high, step=step)
            | IntDistribution(low=low, high=high, step=step)
        ):
            number = as_float(value)
            if step:
                number = min(low + round((number - low) / step) * step, high)
            return round(number) if isinstance(distribution, IntDistribution) else number
    raise AssertionError(distribution)
