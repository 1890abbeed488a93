"""The conditional space of an Optuna study, read from its trials: define-by-run objectives do not state theirs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import FrozenTrial

from xautolm.records import Scalar, Values, as_float
from xautolm.search.encoding import WIDE
from xautolm.space import Branch, Choice, Float, Int, Parameter, Space, is_number

NAME = "learned"
"""Name of every space that is read from trials; it is never stored, so it needs no version."""


@dataclass(frozen=True, slots=True)
class PastShapes:
    """What past trials asked for, in as few configurations as say it: a space is learned anew for every trial."""

    distributions: Mapping[str, BaseDistribution]
    """By the parameter's name; each holds the past values, and no more than it has to."""
    shapes: Sequence[Values]
    """One configuration of each choice of options and set of parameters: a tree depends on no number."""

    @classmethod
    def of(cls, past: Sequence[Values]) -> PastShapes:
        """Read the values of past trials once."""
        return cls(_past_distributions(past), _shapes(past))

    def still_possible(self, trials: Sequence[Values]) -> PastShapes:
        """Return what is left without the parameters that the study's objective does not ask for.

        That it does not is known from a trial that made the same choices as a past one and lacks the parameter.
        """
        lacking = _lacking(self.shapes, trials)
        distributions: dict[str, BaseDistribution] = {}
        for name, distribution in self.distributions.items():
            if name not in lacking:
                distributions[name] = distribution
        possible: list[Values] = []
        for shape in self.shapes:
            possible.append({name: value for name, value in shape.items() if name not in lacking})
        # Without a choice, what differed in it alone has one shape.
        return PastShapes(distributions, _shapes(possible))


NO_PAST = PastShapes({}, ())


@dataclass(frozen=True, slots=True)
class LearnedSpace:
    """A space, and the way between its values and the study's.

    The options of a branch are texts in our spaces, all others plain values; in Optuna's they may be anything, also
    lists. Numbers on steps are Optuna's only.
    """

    space: Space
    distributions: Mapping[str, BaseDistribution]
    """Those of the study, by the parameter's name."""
    texts: frozenset[str]
    """Names of the parameters whose options stand in the space as texts: those that open others, and those of which an
    option is no plain value."""

    @classmethod
    def of_trials(cls, trials: Sequence[FrozenTrial], past: PastShapes = NO_PAST) -> LearnedSpace:
        """Build the space of a study from its trials, and from what past ones asked for that these have not met yet.

        The range of a parameter that only past trials had is not stated: it is as wide as their values. A parameter
        that only a part of the trials has stands under the option of another categorical parameter that tells those
        with it from those without; where there is none, it stands beside the others.
        """
        # A trial that ended before it asked for anything would make every parameter look conditional.
        values_of_trials = [trial.params for trial in trials if trial.params]
        possible = past.still_possible(values_of_trials)
        distributions = dict(possible.distributions)
        for trial in trials:
            # An objective may change a range while the study runs; later trials go by the latest.
            distributions |= trial.distributions
        shapes = [*values_of_trials, *possible.shapes]
        parameters = _tree(shapes, distributions, above=frozenset())
        space = Space(NAME, tuple(parameters))

        texts: set[str] = set()
        for parameter in space.sites().values():
            opens_others = isinstance(parameter, Branch)
            if opens_others or not _has_plain_options(distributions[parameter.name]):
                texts.add(parameter.name)
        return cls(space, distributions, frozenset(texts))

    def inward(self, params: Values) -> dict[str, Scalar]:
        """Return the values of a trial as the space has them."""
        values: dict[str, Scalar] = {}
        for name, value in params.items():
            if name in self.texts:
                value = str(value)
            values[name] = value
        return values

    def outward(self, values: Values) -> dict[str, Scalar]:
        """Return a configuration of the space as Optuna wants it."""
        params: dict[str, Scalar] = {}
        for name, value in values.items():
            distribution = self.distributions[name]
            params[name] = _value_in(distribution, value)
        return params

    def possible(self, values: Values) -> dict[str, Scalar]:
        """Return the configuration of the space that the study has in place of one: numbers on their steps."""
        return self.inward(self.outward(values))


def _lacking(shapes: Sequence[Values], trials: Sequence[Values]) -> set[str]:
    """Return the parameters of past shapes that a trial lacks which made the same choices as one of them."""
    choices_by_name: dict[str, set[frozenset[tuple[str, Scalar]]]] = {}
    for values in shapes:
        choices = frozenset(choices_of(values).items())
        for name in values:
            choices_by_name.setdefault(name, set()).add(choices)
    lacking: set[str] = set()
    for name, choices_of_past in choices_by_name.items():
        without = [choices_of(values) for values in trials if name not in values]
        for choices in choices_of_past:
            if any(agree(dict(choices), own_choices) for own_choices in without):
                lacking.add(name)
                break
    return lacking


def _shapes(past: Sequence[Values]) -> list[Values]:
    """Return one configuration of each choice of options and set of parameters: a tree depends on no number."""
    shapes: dict[tuple[frozenset[tuple[str, Scalar]], frozenset[str]], Values] = {}
    for values in past:
        shape = frozenset(choices_of(values).items()), frozenset(values)
        shapes.setdefault(shape, values)
    return list(shapes.values())


def choices_of(values: Values) -> dict[str, Scalar]:
    """Return the texts and switches of a configuration: what other parameters may stand under.

    Numbers are left out: two trials hardly ever have the same one.
    """
    return {name: value for name, value in values.items() if isinstance(value, str | bool)}


def agree(first: Values, second: Values) -> bool:
    """Return whether two configurations have the same values, as far as both have them."""
    # A parameter that one of them never had does not speak against it.
    common = first.keys() & second.keys()
    return all(first[name] == second[name] for name in common)


def _past_distributions(past: Sequence[Values]) -> dict[str, BaseDistribution]:
    """Return for each parameter a distribution that holds its past values, and no more than it has to."""
    values_by_name: dict[str, list[Scalar]] = {}
    for configuration in past:
        for name, value in configuration.items():
            values_by_name.setdefault(name, []).append(value)
    return {name: _range_of(values) for name, values in values_by_name.items()}


def _range_of(values: Sequence[Scalar]) -> BaseDistribution:
    """Return a distribution that holds some values."""
    numbers = [value for value in values if is_number(value)]
    if len(numbers) < len(values):
        # In the order of their first appearance, so that the same past gives the same space.
        return CategoricalDistribution(tuple(dict.fromkeys(values)))
    low, high = min(numbers), max(numbers)
    is_log = low > 0 and high >= WIDE * low
    if all(isinstance(number, int) for number in numbers):
        return IntDistribution(int(low), int(high), log=is_log)
    return FloatDistribution(low, high, log=is_log)


def _tree(
    trials: Sequence[Values],
    distributions: Mapping[str, BaseDistribution],
    above: frozenset[str],
) -> list[Parameter]:
    """Return the parameters of trials that agree on everything above, as a tree.

    Args:
        trials: Their values, by the parameter's name.
        distributions: Of all parameters, by name.
        above: Names of the parameters that stand higher in the tree.
    """
    names: list[str] = []
    always: list[str] = []
    for name in distributions:
        count = sum(name in trial for trial in trials)
        if name in above or count == 0:
            continue
        names.append(name)
        if count == len(trials):
            always.append(name)
    conditional_count = len(names) - len(always)
    split = _best_split(trials, always, distributions)

    # A split is worth a branch only if it explains why some trials lack a parameter: if every option still has as many
    # parameters that come and go as there are without the split, what stands below would be no simpler.
    is_explained = split is not None and _open_count(trials, split) < conditional_count
    if split is None or not is_explained:
        parameters: list[Parameter] = []
        for name in names:
            parameter = _parameter(name, distributions[name])
            parameters.append(parameter)
        return parameters

    below = above.union(always)
    branches: dict[str, Space] = {}
    for option in _options(distributions[split]):
        members = [trial for trial in trials if trial[split] == option]
        opened = _tree(members, distributions, below)
        branches[str(option)] = Space(str(option), tuple(opened))

    level: list[Parameter] = []
    for name in always:
        if name == split:
            # Optuna states no default; a branch of ours has one, so the first option stands there.
            first = next(iter(branches))
            level.append(Branch(name=name, branches=branches, default=first))
        else:
            level.append(_parameter(name, distributions[name]))
    return level


def _best_split(
    trials: Sequence[Values],
    names: Sequence[str],
    distributions: Mapping[str, BaseDistribution],
) -> str | None:
    """Return the categorical parameter whose value tells most about which others a trial has; None without any."""
    candidates: list[str] = []
    for name in names:
        if isinstance(distributions[name], CategoricalDistribution):
            candidates.append(name)

    def open_count(name: str) -> int:
        return _open_count(trials, name)

    return min(candidates, key=open_count, default=None)


def _open_count(trials: Sequence[Values], parent: str) -> int:
    """Return how many parameters come and go among trials that share a value of the parent; the most of any value."""
    groups: dict[str, list[Values]] = {}
    for trial in trials:
        # By its text: an option may be anything in Optuna, also what cannot be a key.
        group = groups.setdefault(str(trial[parent]), [])
        group.append(trial)
    most = 0
    for group in groups.values():
        in_any = set[str]().union(*group)
        in_all = in_any.intersection(*group)
        most = max(most, len(in_any - in_all))
    return most


def _options(distribution: BaseDistribution) -> Sequence[Scalar]:
    """Return the options of a categorical distribution."""
    assert isinstance(distribution, CategoricalDistribution)
    return distribution.choices


def _parameter(name: str, distribution: BaseDistribution) -> Parameter:
    """Return a parameter with the range of a distribution; steps are left to `_value_in`.

    Optuna states no default, and our parameters have one: the lower end, or the first option.
    """
    match distribution:
        case FloatDistribution(low=low, high=high, log=log):
            return Float(name=name, low=low, high=high, default=low, log=log)
        case IntDistribution(low=low, high=high, log=log):
            return Int(name=name, low=low, high=high, default=low, log=log)
    options = _options(distribution)
    if not _has_plain_options(distribution):
        options = [str(option) for option in options]
    return Choice(name=name, options=tuple(options), default=options[0])


def _has_plain_options(distribution: BaseDistribution) -> bool:
    """Return whether all options of a distribution are plain values; so they are where it has none.

    Lists and other objects cannot be keys, and Optuna takes them as options all the same.
    """
    if not isinstance(distribution, CategoricalDistribution):
        return True
    return all(isinstance(option, Scalar) for option in distribution.choices)


def _value_in(distribution: BaseDistribution, value: Scalar) -> Scalar:
    """Return the value that a distribution has in place of one of ours, or the one nearest to it on its steps."""
    if isinstance(distribution, CategoricalDistribution):
        return _option(distribution.choices, value)
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    number = as_float(value)
    if distribution.step:
        steps = round((number - distribution.low) / distribution.step)
        number = distribution.low + steps * distribution.step
        # The range need not be a whole number of steps, so the last one may lead beyond it.
        number = min(number, distribution.high)
    if isinstance(distribution, IntDistribution):
        return round(number)
    return number


def _option(options: Sequence[Scalar], value: Scalar) -> Scalar:
    """Return the option that a value of ours stands for."""
    for option in options:
        # To Python, 1 and True are equal; a switch and a count are not the same option.
        is_same_kind = isinstance(option, bool) == isinstance(value, bool)
        if is_same_kind and option == value:
            return option
    # Options of a branch of ours, and those that are no plain values, stand as texts.
    for option in options:
        if str(option) == value:
            return option
    raise AssertionError(f"{value!r} is none of {options}")
