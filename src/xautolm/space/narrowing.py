"""A user's own ranges: a mapping, usually from YAML, that replaces parameters of a space.

learning_rate: {low: 1e-5, high: 1e-4}     # a range
epochs: [1, 2, 3]                          # some values
weight_decay: 0.01                         # one value
lora: {lora_r: [8, 16]}                    # only where the branch `lora` is taken
lora_variant: [lora, dora]                 # searched only because it is named here
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from xautolm.errors import SpaceError
from xautolm.records import Scalar, as_float, as_int
from xautolm.space.parameters import Branch, Choice, Float, Int, Parameter, is_number
from xautolm.space.space import Space
from xautolm.vocabulary import Switch

Changes = Mapping[str, object]
"""A range, some values or one value by the parameter's name; below the name of a branch's option, a mapping of them."""

RANGE_KEYS = ("low", "high", "log", "default")
"""What a range may say; what it leaves out stays as it is in the space."""


def narrowed(space: Space, changes: Changes, known: Collection[str] = ()) -> Space:
    """Put a user's ranges in place of a space's own; parameters on request stay only where they are named.

    Args:
        space: The space.
        changes: The user's ranges by name.
        known: Names of options that are none of this space's and no mistakes: a method may fit no model of it.

    Raises:
        SpaceError: A name that is nowhere in the space, or a range that is no range; all of them at once.
    """
    offered = _as_requested(space, _requested_names(changes))
    narrowing = _Narrowing(known=frozenset(known))
    parameters = narrowing.parameters_of(offered, changes)
    kept = Space(space.name, parameters)
    problems = narrowing.problems
    for name in changes:
        if name not in narrowing.used:
            # In the whole space, so that a parameter on request that is misspelt can be suggested too.
            reason = _why_unused(str(name), space, kept)
            problems.append(f"{name!r} {reason}")
    problems += narrowing.passed_over(changes)
    if problems:
        # A range that is wrong is so below every branch that has the parameter.
        distinct = dict.fromkeys(problems)
        raise SpaceError("The ranges cannot be used.", got="; ".join(distinct))
    return kept


@dataclass(slots=True)
class _Narrowing:
    """Apply a user's ranges to a tree of parameters, and remember what was wrong with them."""

    known: frozenset[str]
    """Names of options that are no mistakes, wherever they are lacking."""
    used: set[str] = field(default_factory=set)
    """Names that changed something somewhere in the tree."""
    problems: list[str] = field(default_factory=list)
    options: dict[str, list[str]] = field(default_factory=dict)
    """By the name of a branch that the user names, if it passes over what it does not have: its options in the tree."""

    def parameters_of(self, space: Space, changes: Changes) -> tuple[Parameter, ...]:
        """Return the parameters of a space with the user's ranges."""
        parameters: list[Parameter] = []
        for parameter in space.parameters:
            # A branch is walked also where it is not named: the changes may be for what it opens.
            if isinstance(parameter, Branch):
                parameter = self._narrowed_branch(parameter, changes)
            elif parameter.name in changes:
                self.used.add(parameter.name)
                change = changes[parameter.name]
                # A person sees all problems at once, so the first does not end the search for others.
                try:
                    narrowed_parameter = _replaced(parameter, change)
                except (TypeError, ValueError, KeyError, OverflowError) as error:
                    self.problems.append(f"{parameter.name}: {error}")
                else:
                    self.problems += _ignored_beside(parameter, narrowed_parameter, changes)
                    parameter = narrowed_parameter
            parameters.append(parameter)
        return tuple(parameters)

    def _narrowed_branch(self, branch: Branch, changes: Changes) -> Branch:
        """Return a branch with the options that the user wants, and their parameters with the user's ranges."""
        options = branch.options
        if branch.name in changes:
            self.used.add(branch.name)
            change = changes[branch.name]
            options = self._wanted_options(branch, change)
        branches: dict[str, Space] = {}
        for option in options:
            branches[option] = self._narrowed_option(option, branch.branches[option], changes)
        default = branch.default
        # The usual option may be among those that the user left out.
        if default not in branches:
            default = options[0]
        return replace(branch, branches=branches, default=default)

    def _wanted_options(self, branch: Branch, change: object) -> tuple[str, ...]:
        """Return the options of a branch that the user names, with their version or without it.

        All options where none is named that is here: the problem is noted, and the search for others goes on.
        """
        names = _as_names(change)
        if not all(isinstance(name, Scalar) for name in names):
            self.problems.append(f"{branch.name}: give a list of names")
            return branch.options
        if branch.closed:
            for name in names:
                if name not in branch.branches:
                    self.problems.append(f"{branch.name}: {name!r} is not one of {branch.domain}")
        else:
            self.options.setdefault(branch.name, []).extend(branch.options)
        options: list[str] = []
        for option in branch.options:
            if not _names_of_option(option).isdisjoint(names):
                options.append(option)
        if options:
            return tuple(options)
        if not branch.closed:
            problem = f"{branch.name}: none of {names} is among {branch.domain}"
            self.problems.append(problem + _suggestion(str(names[0]), branch.options))
        return branch.options

    def _narrowed_option(self, option: str, opened: Space, changes: Changes) -> Space:
        """Return what an option opens, with the user's ranges for the whole space and for this option."""
        own_changes = self._changes_of(option, changes)
        # What is said for an option goes before what is said for the whole space.
        inside = {**changes, **own_changes}
        # By itself, to see which of the option's own changes had no effect below this very option.
        narrowing = _Narrowing(known=self.known)
        kept = Space(opened.name, narrowing.parameters_of(opened, inside))
        self.used |= narrowing.used
        self.problems += narrowing.problems
        for name, options in narrowing.options.items():
            # An option's own list is not that for the whole space.
            if name not in own_changes:
                self.options.setdefault(name, []).extend(options)
        for name in own_changes:
            if name not in narrowing.used:
                reason = _why_unused(str(name), opened, kept)
                self.problems.append(f"{_unversioned(option)}.{name} {reason}")
        self.problems += narrowing.passed_over(own_changes)
        return kept

    def passed_over(self, changes: Changes) -> list[str]:
        """Return a problem for each name in a list for a branch that no such branch in the tree has.

        One branch may lack what another one has: not every method can be applied to every model.
        """
        problems: list[str] = []
        for branch, options in self.options.items():
            if branch not in changes:
                continue
            names: set[str] = set()
            for option in options:
                names |= _names_of_option(option)
            wanted = _as_names(changes[branch])
            # Where a list has no name that is there, that was said of the whole list.
            if names.isdisjoint(wanted):
                continue
            domain = "|".join(dict.fromkeys(options))
            for name in wanted:
                if name not in names and name not in self.known:
                    suggestion = _suggestion(str(name), names)
                    problems.append(f"{branch}: {name!r} is not among {domain}{suggestion}")
        return problems

    def _changes_of(self, option: str, changes: Changes) -> dict[str, object]:
        """Return the changes below an option's name, with its version or without it."""
        own_changes: dict[str, object] = {}
        for spelling in (option, _unversioned(option)):
            if spelling not in changes:
                continue
            self.used.add(spelling)
            below = changes[spelling]
            if isinstance(below, Mapping):
                own_changes |= below
            else:
                self.problems.append(f"{spelling}: give a mapping of its parameters")
        return own_changes


def _why_unused(name: str, space: Space, kept: Space) -> str:
    """Return why a name changed nothing: the options that it belongs to are left out, or it is nowhere in the space.

    Args:
        name: In the user's ranges.
        space: As it was.
        kept: What the ranges leave of it.
    """
    options = dict.fromkeys(_options_left_out(name, space, kept))
    if options:
        return f"counts only with {' or '.join(options)}, which these ranges leave out"
    return "is not in the space" + _suggestion(name, _all_names(space))


def _suggestion(name: str, names: Iterable[str]) -> str:
    """Return the end of a problem that says which name may have been meant; empty if none is similar."""
    close = difflib.get_close_matches(name, sorted(names), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def _options_left_out(name: str, space: Space, kept: Space) -> Iterator[str]:
    """Yield the options, as `branch: option`, that are left out of a space and have a name, or open what has it."""
    kept_branches = {
        branch.name: branch for branch in kept.parameters if isinstance(branch, Branch)
    }
    for parameter in space.parameters:
        if not isinstance(parameter, Branch):
            continue
        kept_options = kept_branches[parameter.name].branches
        for option, opened in parameter.branches.items():
            if option in kept_options:
                yield from _options_left_out(name, opened, kept_options[option])
            elif name in _names_of_option(option) | _all_names(opened):
                yield f"{parameter.name}: {option}"


def _requested_names(changes: Changes) -> set[str]:
    """Return the names in a user's ranges, also those that count below one branch only."""
    names = set(changes)
    for change in changes.values():
        if isinstance(change, Mapping):
            names |= _requested_names(change)
    return names


def _as_requested(space: Space, requested: set[str]) -> Space:
    """Return the space without the parameters on request that nobody named."""
    parameters: list[Parameter] = []
    for parameter in space.parameters:
        is_requested = parameter.name in requested
        if isinstance(parameter, Choice) and parameter.on_request and not is_requested:
            continue
        if isinstance(parameter, Branch):
            branches: dict[str, Space] = {}
            for option, opened in parameter.branches.items():
                offered = _as_requested(opened, requested)
                branches[option] = offered
            parameter = replace(parameter, branches=branches)
        parameters.append(parameter)
    return Space(space.name, tuple(parameters))


def _ignored_beside(
    parameter: Parameter, narrowed_parameter: Parameter, changes: Changes
) -> list[str]:
    """Return a problem for each remaining option that ignores other parameters which the user names."""
    # A person's own values are a plain choice: what options ignore is only said of the original.
    if not isinstance(parameter, Choice) or not isinstance(narrowed_parameter, Choice):
        return []
    problems: list[str] = []
    for option in narrowed_parameter.options:
        ignored = [name for name in parameter.ignores.get(str(option), ()) if name in changes]
        if ignored:
            names = " and ".join(ignored)
            problems.append(
                f"{parameter.name}: {names} means nothing to {option!r}; leave one of the two out"
            )
    return problems


def _replaced(parameter: Float | Int | Choice, change: object) -> Parameter:
    """Return a parameter with the user's range or values.

    Raises:
        TypeError: A value is not of the parameter's kind.
        ValueError: The same, or the range is none.
    """
    if not isinstance(change, Mapping):
        values = _as_list(change)
        return _with_values(parameter, values)
    # Options have no order, so nothing lies between a lower and an upper end.
    if isinstance(parameter, Choice):
        raise ValueError("give a list of values")
    unknown = set(change) - set(RANGE_KEYS)
    if unknown:
        raise ValueError(f"unknown {sorted(unknown)}")
    return _with_range(parameter, change)


def _with_range(parameter: Float | Int, change: Changes) -> Float | Int:
    """Return a number with the user's range, and its default inside."""
    # What the user does not say stays as it is.
    old = {
        "low": parameter.low,
        "high": parameter.high,
        "default": parameter.default,
        "log": parameter.log,
    }
    new = old | dict(change)
    if not isinstance(new["log"], bool):
        raise ValueError(f"log is true or false, not {new['log']!r}")
    low = _finite(new["low"])
    high = _finite(new["high"])
    default = _finite(new["default"])
    is_log = new["log"]
    # A user who moves the range need not move the default too: it goes to the nearest end.
    if isinstance(parameter, Int):
        whole_low = as_int(low)
        whole_high = as_int(high)
        _check_possible(parameter, parameter.low, whole_low)
        _check_possible(parameter, parameter.low, whole_high)
        whole_range = replace(parameter, low=whole_low, high=whole_high, log=is_log)
        whole_default = whole_range.clip(as_int(default))
        return replace(whole_range, default=whole_default)
    _check_possible(parameter, parameter.low, low)
    _check_possible(parameter, parameter.low, high)
    real_range = replace(parameter, low=low, high=high, log=is_log)
    real_default = real_range.clip(default)
    return replace(real_range, default=real_default)


def _with_values(parameter: Float | Int | Choice, values: Sequence[object]) -> Choice:
    """Return a choice between the user's values."""
    if not values:
        raise ValueError("the list of values is empty")
    options = tuple(_as_value_of(parameter, value) for value in values)
    if isinstance(parameter, Choice) and parameter.closed:
        possible = replace(parameter, options=_possible_options(parameter))
        reasons: list[str] = []
        for option in options:
            problem = possible.problem(option)
            # What stands in front of the sign of equality is the parameter's name, which the caller says.
            _, _, reason = problem.partition("=")
            if reason:
                reasons.append(reason)
        if reasons:
            raise ValueError("; ".join(reasons))
    # Some values are a choice without order, also of what was a range.
    default = parameter.default if parameter.default in options else options[0]
    return Choice(name=parameter.name, options=options, default=default)


def _possible_options(parameter: Choice) -> tuple[Scalar, ...]:
    """Return what a person may choose among in a closed choice: its options, and what can be named besides."""
    return tuple(dict.fromkeys((*parameter.options, *parameter.further)))


def _as_value_of(parameter: Float | Int | Choice, value: object) -> Scalar:
    """Return a value in the parameter's own type; YAML reads 1e-5 as text.

    Raises:
        TypeError: It is of another type.
        ValueError: The same, or it is infinite, has another sign than the parameter's own values, or is too large.
    """
    if not isinstance(parameter, Choice):
        return _as_number(parameter, parameter.low, value, is_count=isinstance(parameter, Int))
    if all(isinstance(option, bool) for option in parameter.options):
        # A text such as "false" would count as true; 0 and 1 count as what they mean.
        if isinstance(value, int) and value in (0, 1):
            return value
        raise TypeError(f"{value!r} is not true or false")
    numbers = [option for option in parameter.options if is_number(option)]
    if numbers and len(numbers) == len(parameter.options):
        # Options that are counts, such as batch sizes, are used as counts.
        is_count = all(isinstance(number, int) for number in numbers)
        return _as_number(parameter, min(numbers), value, is_count=is_count)
    if not isinstance(value, Scalar):
        raise ValueError(f"{value!r} is not a plain value")
    return value


def _as_number(
    parameter: Float | Int | Choice, usual_lowest: float, value: object, *, is_count: bool
) -> int | float:
    """Return a user's number.

    Args:
        parameter: Of which it is a value.
        usual_lowest: The least that the parameter usually is.
        value: The user's.
        is_count: Whether it is a whole number.

    Raises:
        TypeError: It is none.
        ValueError: The same, or the parameter cannot be so much or so little.
    """
    number = _finite(value)
    if is_count:
        number = as_int(number)
    _check_possible(parameter, usual_lowest, number)
    return number


def _check_possible(parameter: Float | Int | Choice, usual_lowest: float, number: float) -> None:
    """Refuse a negative number where none is usual, a count of nothing where there is always something, and too much.

    Args:
        parameter: Of which it is a value.
        usual_lowest: The least that the parameter usually is, a whole number of a count.
        number: The user's. A rate or a share may be zero, which switches something off, where it is possible.

    Raises:
        ValueError: It is so small, or so large.
    """
    is_count_of_nothing = isinstance(number, int) and number == 0 < usual_lowest
    if number < 0 <= usual_lowest or is_count_of_nothing or number < parameter.lowest:
        raise ValueError(f"{number} is too small: usual values begin at {usual_lowest}")
    if number > parameter.highest:
        raise ValueError(f"{number} is too large: the most that is possible is {parameter.highest}")


def _finite(value: object) -> float:
    """Return a number that is one.

    Raises:
        TypeError: It is none.
        ValueError: The same, or it is infinite or NaN.
    """
    if isinstance(value, bool):
        # To Python, True is the number 1.
        raise TypeError(f"{value!r} is not a number")
    number = as_float(value)
    if not math.isfinite(number):
        raise ValueError(f"{value!r} is not a finite number")
    return number


def _as_list(change: object) -> list[object]:
    """Return the values of a change; a single one need not be in a list."""
    if isinstance(change, list):
        return change
    return [change]


def _as_names(change: object) -> list[object]:
    """Return the names of options that a change gives; YAML reads `on` and `off` as true and false."""
    names: list[object] = []
    for name in _as_list(change):
        if isinstance(name, bool):
            name = Switch.ON if name else Switch.OFF
        names.append(name)
    return names


def _unversioned(option: str) -> str:
    """Return the name of an option without its version: `lora` of `lora.v1`; itself where it has none."""
    unversioned, separator, _ = option.rpartition(".v")
    return unversioned if separator else option


def _names_of_option(option: str) -> set[str]:
    """Return what a person may call an option: its name with the version, or without it."""
    return {option, _unversioned(option)}


def _all_names(space: Space) -> set[str]:
    """Return the names of all parameters in the tree, and of the options of branches, with versions and without."""
    names: set[str] = set()
    for parameter in space.parameters:
        names.add(parameter.name)
        if not isinstance(parameter, Branch):
            continue
        for option, opened in parameter.branches.items():
            names |= _names_of_option(option)
            names |= _all_names(opened)
    return names
