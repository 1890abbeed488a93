"""A conditional search space: a tree of parameters that can be walked, checked, printed, stored and narrowed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from xautolm.errors import SpaceError
from xautolm.records import Configuration, Scalar, Values
from xautolm.space.parameters import Branch, Parameter, Plain, parameter_from_plain

Choose = Callable[[str, Parameter], Scalar]
"""Given a site and its parameter, picks a value."""
Keys = Mapping[tuple[str, str], str]
"""The keys of sites by name and range of their parameters."""


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
        """Return the configuration that results when `choose` is asked at every site on the way."""
        values: dict[str, Scalar] = {}
        # Of a branch only the chosen option is walked, so a name has one value here, also where branches share it.
        path = self._path(choose, self._keys)
        for parameter, value in path:
            values[parameter.name] = value
        return Configuration(values=values, space=self.name)

    def default(self) -> Configuration:
        """Return the configuration of all defaults."""
        return self.walk(lambda key, parameter: parameter.default)

    def sites(self) -> dict[str, Parameter]:
        """Return every site of the tree by its key."""
        return dict(self._sites)

    def site_values(self, values: Values) -> dict[str, Scalar]:
        """Return a valid configuration's values by site key instead of name."""
        by_site: dict[str, Scalar] = {}

        def choose(key: str, parameter: Parameter) -> Scalar:
            value = values[parameter.name]
            by_site[key] = value
            return value

        self.walk(choose)
        return by_site

    def adopt(self, values: Values) -> Adoption:
        """Bring a configuration of another space into this one, as far as names and ranges agree.

        A value has a place where there is a parameter of its name whose range it lies in. Where a branch has no such
        option (a model that is not in this space), what it would have opened is looked for under every option: what
        was learned about a learning rate does not depend on the model being here.

        Args:
            values: By plain parameter name, from a store, an earlier run or another version.
        """
        by_site: dict[str, Scalar] = {}
        placed: set[str] = set()
        pending = list(self.parameters)
        while pending:
            parameter = pending.pop(0)
            name = parameter.name
            has_place = name in values and not parameter.problem(values[name])
            if has_place:
                key = self._keys[name, parameter.domain]
                by_site[key] = values[name]
                placed.add(name)
            if not isinstance(parameter, Branch):
                continue
            # Without its option, what the configuration has below the branch may have a place under any of them.
            options = parameter.options
            if has_place:
                options = (str(values[name]),)
            for option in options:
                opened = parameter.branches[option]
                pending += opened.parameters
        unplaced = [name for name in values if name not in placed]
        return Adoption(self, values, by_site, tuple(unplaced))

    def problems(self, values: Values) -> list[str]:
        """Return everything that is wrong with a configuration's values, one line each; nothing if it lies here."""
        problems: list[str] = []
        expected: set[str] = set()
        pending = list(self.parameters)
        while pending:
            parameter = pending.pop(0)
            name = parameter.name
            expected.add(name)
            if name not in values:
                problems.append(f"{name} is missing")
                continue
            value = values[name]
            problem = parameter.problem(value)
            if problem:
                problems.append(problem)
            # Below an option that is not here nothing is expected: what would stand there is named as no parameter.
            elif isinstance(parameter, Branch):
                option = str(value)
                opened = parameter.branches[option]
                pending += opened.parameters
        for name in values:
            if name not in expected:
                problems.append(f"{name} is not a parameter here")
        return problems

    def size(self) -> str:
        """Return how large the space is, in words: number of sites and of options at the branches."""
        site_count = len(self.sites())
        counts = [f"{site_count} parameters"]
        # Only those at the top, models and methods: further down, a branch is a detail of one option.
        for parameter in self.parameters:
            if isinstance(parameter, Branch):
                option_count = len(parameter.options)
                counts.append(f"{option_count} {parameter.name}s")
        return ", ".join(counts)

    def to_plain(self) -> Plain:
        """Return the space as JSON values."""
        parameters = [parameter.to_plain() for parameter in self.parameters]
        return {"name": self.name, "parameters": parameters}

    @classmethod
    def from_plain(cls, plain: Mapping[str, object]) -> Space:
        """Build the space that `to_plain` described.

        Raises:
            SpaceError: The value does not describe a space, or has a kind of parameter that is not known here.
        """
        try:
            plain_parameters = plain["parameters"]
            if not isinstance(plain_parameters, list):
                raise TypeError("a space has a list of parameters")
            name = str(plain["name"])
            parameters = [parameter_from_plain(parameter) for parameter in plain_parameters]
            return cls(name, tuple(parameters))
        # A file of somebody else's may be damaged anywhere: a key that is missing, a list in place of a mapping, a text
        # in place of a number.
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            kind = type(error).__name__
            raise SpaceError("Not a search space.", got=f"{kind}: {error}") from None

    def _path(self, choose: Choose, keys: Keys) -> Iterator[tuple[Parameter, Scalar]]:
        """Yield parameter and value along the way that `choose` takes through the tree.

        Args:
            choose: Picks the values.
            keys: Those of the whole tree, also below a branch, within which a name may have one range only.
        """
        for parameter in self.parameters:
            key = keys[parameter.name, parameter.domain]
            value = choose(key, parameter)
            yield parameter, value
            if isinstance(parameter, Branch):
                option = str(value)
                opened = parameter.branches[option]
                yield from opened._path(choose, keys)

    def _everywhere(self) -> Iterator[Parameter]:
        """Yield every parameter of the tree, those of all branches included."""
        for parameter in self.parameters:
            yield parameter
            if isinstance(parameter, Branch):
                for space in parameter.branches.values():
                    yield from space._everywhere()

    @cached_property
    def _sites(self) -> Mapping[str, Parameter]:
        """Return the sites, collected once: a warm start asks for them with every experience."""
        sites: dict[str, Parameter] = {}
        for parameter in self._everywhere():
            key = self._keys[parameter.name, parameter.domain]
            sites[key] = parameter
        return sites

    @cached_property
    def _keys(self) -> Keys:
        """Return the key of every site by name and range."""
        domains_of_names: dict[str, set[str]] = {}
        for parameter in self._everywhere():
            domains = domains_of_names.setdefault(parameter.name, set())
            domains.add(parameter.domain)

        # The plain name is enough wherever it means one range, and reads better.
        keys: dict[tuple[str, str], str] = {}
        for name, domains in domains_of_names.items():
            has_one_range = len(domains) == 1
            for domain in domains:
                key = name if has_one_range else f"{name}[{domain}]"
                keys[name, domain] = key
        return keys


@dataclass(frozen=True, slots=True)
class Adoption:
    """What a configuration from elsewhere is in a space."""

    space: Space
    foreign: Values
    """The values as they came, by name."""
    by_site: Mapping[str, Scalar]
    """The values that have a place, by site: below a branch whose option is not here, under every option."""
    unplaced: tuple[str, ...]
    """Names of values that have no place."""

    def completed(self) -> Configuration | None:
        """Return a configuration of the space, with defaults for values out of range and for those that are missing.

        None where the configuration chose an option of a branch, such as a model, that is not here: with another one
        in its place, it would be another configuration.
        """
        chose_absent_option = False

        def choose(key: str, parameter: Parameter) -> Scalar:
            nonlocal chose_absent_option
            if key in self.by_site:
                return self.by_site[key]
            # The default would be another model or method, not a near value of the same one.
            foreign_value = self.foreign.get(parameter.name)
            if isinstance(parameter, Branch) and foreign_value is not None:
                chose_absent_option = True
            return parameter.default

        configuration = self.space.walk(choose)
        if chose_absent_option:
            return None
        return configuration
