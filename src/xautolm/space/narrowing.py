"""A user's own ranges: a mapping, usually from YAML, that replaces parameters of a space.

learning_rate: {low: 1e-5, high: 1e-4}     # a range
epochs: [1, 2, 3]                          # some values
weight_decay: 0.01                         # one value
lora: {lora_r: [8, 16]}                    # only where the branch `lora` is taken
lora_variant: [lora, dora]                 # searched only because it is named here
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from xautolm.errors import SpaceError
from xautolm.records import Scalar
from xautolm.space.parameters import Branch, Choice, Float, Int, Parameter
from xautolm.space.space import Space

Changes = Mapping[str, Any]


def narrowed(space: Space, changes: Changes) -> Space:
    """The space with the user's ranges in place of its own; parameters on request stay only where they are named.

    Raises:
        SpaceError: A name that is nowhere in the space, or a range that is no range; all of them at once.
    """
    used: set[str] = set()
    problems: list[str] = []
    known = {name for name, _ in _names(space)}
    space = _as_requested(space, _requested_names(changes))
    result = Space(space.name, _apply(space, changes, used, problems))
    for name in changes:
        if name not in used:
            close = difflib.get_close_matches(str(name), sorted(known), n=1)
            problems.append(f"{name!r} is not in the space" + (f"; did you mean {close[0]!r}?" if close else ""))
    if problems:
        raise SpaceError("The ranges cannot be used.", got="; ".join(dict.fromkeys(problems)))
    return result


def _requested_names(changes: Changes) -> set[str]:
    """Return the names in a user's ranges, also those that count below one branch only."""
    names = set(changes)
    for change in changes.values():
        if isinstance(change, Mapping):
            names.update(change)
    return names


def _as_requested(space: Space, requested: set[str]) -> Space:
    """Return the space without the parameters on request that nobody named."""
    parameters: list[Parameter] = []
    for parameter in space.parameters:
        if isinstance(parameter, Choice) and parameter.on_request and parameter.name not in requested:
            continue
        if isinstance(parameter, Branch):
            branches = {option: _as_requested(opened, requested) for option, opened in parameter.branches.items()}
            parameter = replace(parameter, branches=branches)
        parameters.append(parameter)
    return Space(space.name, tuple(parameters))


def _apply(space: Space, changes: Changes, used: set[str], problems: list[str]) -> tuple[Parameter, ...]:
    result: list[Parameter] = []
    for parameter in space.parameters:
        if isinstance(parameter, Branch):
            parameter = _branch(parameter, changes, used, problems)
        elif parameter.name in changes:
            used.add(parameter.name)
            try:
                parameter = _replaced(parameter, changes[parameter.name])
            except (TypeError, ValueError, KeyError) as error:
                problems.append(f"{parameter.name}: {error}")
        result.append(parameter)
    return tuple(result)


def _branch(branch: Branch, changes: Changes, used: set[str], problems: list[str]) -> Branch:
    options = list(branch.options)
    if branch.name in changes:
        used.add(branch.name)
        wanted = changes[branch.name] if isinstance(changes[branch.name], list) else [changes[branch.name]]
        if branch.closed:
            absent = [option for option in wanted if option not in branch.branches]
            problems += [f"{branch.name}: {option!r} is not one of {branch.domain}" for option in absent]
        options = [option for option in options if option in wanted or option.rpartition(".v")[0] in wanted]
        if not options and not branch.closed:
            problems.append(f"{branch.name}: none of {wanted} is among {branch.domain}")
        options = options or list(branch.options)
    opened: dict[str, Space] = {}
    for option in options:
        space = branch.branches[option]
        inner = dict(changes)
        for name in (option, option.rpartition(".v")[0]):
            if isinstance(changes.get(name), Mapping):
                used.add(name)
                inner |= changes[name]
                unknown = set(changes[name]) - {found for found, _ in _names(space)}
                problems += [f"{name}.{key} is not in the space" for key in sorted(unknown)]
        opened[option] = Space(space.name, _apply(space, inner, used, problems))
    return replace(branch, branches=opened, default=branch.default if branch.default in opened else options[0])


def _replaced(parameter: Float | Int | Choice, change: Any) -> Parameter:
    if isinstance(change, Mapping):
        unknown = set(change) - {"low", "high", "log", "default"}
        if unknown or isinstance(parameter, Choice):
            raise ValueError("give a list of values" if isinstance(parameter, Choice) else f"unknown {sorted(unknown)}")
        cast = int if isinstance(parameter, Int) else float
        low, high = cast(change.get("low", parameter.low)), cast(change.get("high", parameter.high))
        log = bool(change.get("log", parameter.log))
        if not low <= high or (log and low <= 0):
            raise ValueError(f"{low}..{high} is not a{' logarithmic' if log else ''} range")
        default = min(max(cast(change.get("default", parameter.default)), low), high)
        return replace(parameter, low=low, high=high, log=log, default=default)  # type: ignore[arg-type]
    options = tuple(_scalar(parameter, value) for value in (change if isinstance(change, list) else [change]))
    if not options:
        raise ValueError("the list of values is empty")
    if isinstance(parameter, Choice) and parameter.closed:
        problems = [parameter.problem(option) for option in options]
        if any(problems):
            raise ValueError("; ".join(problem.partition("=")[2] for problem in problems if problem))
    return Choice(
        name=parameter.name,
        options=options,
        default=parameter.default if parameter.default in options else options[0],
    )


def _scalar(parameter: Parameter, value: Any) -> Scalar:
    """A value in the parameter's own type; YAML reads 1e-5 as text."""
    if isinstance(parameter, Float):
        return float(value)
    if isinstance(parameter, Int):
        if int(value) != float(value):
            raise ValueError(f"{value!r} is not a whole number")
        return int(value)
    if not isinstance(value, str | int | float | bool | None):
        raise ValueError(f"{value!r} is not a plain value")
    return value


def _names(space: Space) -> Iterator[tuple[str, Parameter]]:
    for parameter in space.parameters:
        yield parameter.name, parameter
        if isinstance(parameter, Branch):
            for option, opened in parameter.branches.items():
                yield option, parameter
                yield option.rpartition(".v")[0], parameter
                yield from _names(opened)
