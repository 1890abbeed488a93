"""A conditional search space: a tree of parameters that can be walked, checked, printed, stored and narrowed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from xautolm.errors import SpaceError
from xautolm.records import Configuration, Scalar
from xautolm.space.parameters import Branch, Choice, Float, Int, Parameter

Choose = Callable[[str, Parameter], Scalar]
"""Given a site and its parameter, picks a value."""


@dataclass(frozen=True)
class Space:
    """Parameters in order; a branch opens further ones.

    A *site* is a place where a value is chosen. Its key is the parameter's name where that name has the same range
    everywhere in the tree, and name and range otherwise, for example `learning_rate[1e-05..0.0002 log]`: samplers
    that demand one distribution per key (Optuna's do) then share what they learn between branches of equal range.

    Example:
        >>> Space("tiny.v1", (Int(name="epochs", low=1, high=3, default=2),)).default().values
        {'epochs': 2}
    """

    name: str
    parameters: tuple[Parameter, ...]

    def walk(self, choose: Choose) -> Configuration:
        """The configuration that results when `choose` is asked at every site on the way."""
        values: dict[str, Scalar] = {}
        for key, parameter, value in self._path(choose, self._keys):
            del key
            values[parameter.name] = value
        return Configuration(values=values, space=self.name)

    def default(self) -> Configuration:
        """The configuration of all defaults."""
        return self.walk(lambda key, parameter: parameter.default)

    def sites(self) -> dict[str, Parameter]:
        """Every site of the tree by its key."""
        return dict(self._sites)

    def site_values(self, values: Mapping[str, Scalar]) -> dict[str, Scalar]:
        """A valid configuration's values by site key instead of name."""
        return {key: value for key, _, value in self._path(lambda key, p: values[p.name], self._keys)}

    def mapped(self, values: Mapping[str, Scalar]) -> tuple[dict[str, Scalar], list[str]]:
        """Values of a configuration from another space, by site of this one, as far as names and ranges agree.

        Where a branch has no such option (a model that is not in this space), what it would have opened is looked for
        under every option: what was learned about a learning rate does not depend on the model being here.

        Returns:
            Values by site, and the names that found no place.
        """
        found: dict[str, Scalar] = {}
        placed: set[str] = set()
        pending = list(self.parameters)
        while pending:
            parameter = pending.pop(0)
            fits = parameter.name in values and not parameter.problem(values[parameter.name])
            if fits:
                found[self._keys[parameter.name, parameter.domain]] = values[parameter.name]
                placed.add(parameter.name)
            if isinstance(parameter, Branch):
                options = [str(values[parameter.name])] if fits else list(parameter.branches)
                pending += [opened for option in options for opened in parameter.branches[option].parameters]
        return found, [name for name in values if name not in placed]

    def problems(self, values: Mapping[str, Scalar]) -> list[str]:
        """Everything that is wrong with a configuration's values, one line each; empty if it lies in the space."""
        found: list[str] = []
        seen: set[str] = set()
        pending = list(self.parameters)
        while pending:
            parameter = pending.pop(0)
            seen.add(parameter.name)
            if parameter.name not in values:
                found.append(f"{parameter.name} is missing")
                continue
            problem = parameter.problem(values[parameter.name])
            if problem:
                found.append(problem)
            elif isinstance(parameter, Branch):
                pending += parameter.branches[str(values[parameter.name])].parameters
        return found + [f"{name} is not a parameter here" for name in values if name not in seen]

    def size(self) -> str:
        """How large the space is, in words: number of sites and of options at the branches."""
        branches = [f"{len(p.options)} {p.name}s" for p in self.parameters if isinstance(p, Branch)]
        return ", ".join([f"{len(self.sites())} parameters", *branches])

    def to_plain(self) -> dict[str, Any]:
        """The space as JSON values."""
        return {"name": self.name, "parameters": [parameter.to_plain() for parameter in self.parameters]}

    @classmethod
    def from_plain(cls, value: Mapping[str, Any]) -> Space:
        """The space that `to_plain` described.

        Raises:
            SpaceError: The value does not describe a space.
        """
        try:
            return cls(str(value["name"]), tuple(_parameter(item) for item in value["parameters"]))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise SpaceError("Not a search space.", got=f"{type(error).__name__}: {error}") from None

    def _path(self, choose: Choose, keys: Mapping[tuple[str, str], str]) -> Iterator[tuple[str, Parameter, Scalar]]:
        for parameter in self.parameters:
            key = keys[parameter.name, parameter.domain]
            value = choose(key, parameter)
            yield key, parameter, value
            if isinstance(parameter, Branch):
                yield from parameter.branches[str(value)]._path(choose, keys)

    def _everywhere(self) -> Iterator[Parameter]:
        for parameter in self.parameters:
            yield parameter
            if isinstance(parameter, Branch):
                for space in parameter.branches.values():
                    yield from space._everywhere()

    @cached_property
    def _sites(self) -> Mapping[str, Parameter]:
        """The sites, found once: a warm start asks for them with every experience."""
        return {self._keys[parameter.name, parameter.domain]: parameter for parameter in self._everywhere()}

    @cached_property
    def _keys(self) -> dict[tuple[str, str], str]:
        domains: dict[str, dict[str, None]] = {}
        for parameter in self._everywhere():
            domains.setdefault(parameter.name, {})[parameter.domain] = None
        return {
            (name, domain): name if len(found) == 1 else f"{name}[{domain}]"
            for name, found in domains.items()
            for domain in found
        }


def _parameter(item: Mapping[str, Any]) -> Parameter:
    if "float" in item:
        log = bool(item.get("log"))
        return Float(name=item["float"], low=item["low"], high=item["high"], default=item["default"], log=log)
    if "int" in item:
        log = bool(item.get("log"))
        return Int(name=item["int"], low=item["low"], high=item["high"], default=item["default"], log=log)
    if "choice" in item:
        return Choice(name=item["choice"], options=tuple(item["options"]), default=item["default"])
    branches = {
        option: Space(option, tuple(_parameter(opened) for opened in parameters))
        for option, parameters in item["branches"].items()
    }
    return Branch(name=item["branch"], branches=branches, default=item["default"])
