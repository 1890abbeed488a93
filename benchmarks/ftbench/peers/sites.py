"""Describe a conditional space as a flat list of sites, each with the choices that open it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from xautolm.records import Configuration, Scalar, Values
from xautolm.space import Branch, Choice, Parameter, Space

Opening = Mapping[str, frozenset[int]]
"""Positions of options by the site of their branch; all of the sites must have one of theirs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Hold a place of a space where a value is chosen."""

    key: str
    parameter: Parameter
    openings: Sequence[Opening]
    """The site is there if at least one of them holds; an empty one always does."""

    @property
    def options(self) -> tuple[Scalar, ...]:
        """Return the options; none for a number."""
        if isinstance(self.parameter, Choice | Branch):
            return self.parameter.options
        return ()

    def position(self, value: Scalar) -> int:
        """Return the position of an option; True and 1, equal to Python, are two options."""
        for position, option in enumerate(self.options):
            is_same_kind = isinstance(option, bool) == isinstance(value, bool)
            if is_same_kind and option == value:
                return position
        raise ValueError(f"{value!r} is no option of {self.key}")


def sites_of(space: Space) -> list[Site]:
    """Return the sites of a space, in the order of the tree."""
    keys: dict[tuple[str, str], str] = {}
    option_counts: dict[str, int] = {}
    for key, parameter in space.sites().items():
        keys[parameter.name, parameter.domain] = key
        if isinstance(parameter, Branch):
            option_counts[key] = len(parameter.options)
    openings: dict[str, list[Opening]] = {key: [] for key in keys.values()}

    def visit(parameters: Sequence[Parameter], opening: Opening) -> None:
        for parameter in parameters:
            key = keys[parameter.name, parameter.domain]
            openings[key].append(opening)
            if not isinstance(parameter, Branch):
                continue
            for position, opened in enumerate(parameter.branches.values()):
                longer_way = {**opening, key: frozenset({position})}
                visit(opened.parameters, longer_way)

    visit(space.parameters, {})
    sites: list[Site] = []
    for key, parameter in space.sites().items():
        merged = merged_openings(openings[key], option_counts)
        sites.append(Site(key=key, parameter=parameter, openings=merged))
    return sites


def merged_openings(
    openings: Sequence[Opening], option_counts: Mapping[str, int]
) -> Sequence[Opening]:
    """Return as few openings as say the same: models that all open a method become one opening with several models.

    Args:
        openings: One for each way through the tree.
        option_counts: Of each branch.
    """
    remaining = [_without_full(opening, option_counts) for opening in openings]
    merged: list[Opening] = []
    while remaining:
        opening = remaining.pop()
        for partner in remaining:
            union = _union(opening, partner)
            if union is not None:
                remaining.remove(partner)
                remaining.append(_without_full(union, option_counts))
                break
        else:
            merged.append(opening)
    # An opening that asks for nothing makes all others idle.
    if any(not opening for opening in merged):
        return [{}]
    return merged[::-1]


def configuration_at(space: Space, by_site: Mapping[str, Scalar]) -> Configuration:
    """Return the configuration that values by site make; values of sites that are not opened are left out."""
    return space.walk(lambda key, parameter: by_site[key])


def all_sites(space: Space, values: Values) -> dict[str, Scalar]:
    """Return a value for every site: a configuration's own, and defaults where it opens nothing."""
    by_site: dict[str, Scalar] = {}
    for key, parameter in space.sites().items():
        by_site[key] = parameter.default
    by_site.update(space.site_values(values))
    return by_site


def _union(opening: Opening, partner: Opening) -> Opening | None:
    """Return what two openings say together, if they differ in one branch at most."""
    if opening.keys() != partner.keys():
        return None
    differing = [key for key in opening if opening[key] != partner[key]]
    if len(differing) > 1:
        return None
    union = dict(opening)
    for key in differing:
        union[key] = opening[key] | partner[key]
    return union


def _without_full(opening: Opening, option_counts: Mapping[str, int]) -> Opening:
    """Leave out branches of which every option opens the site."""
    return {
        key: positions for key, positions in opening.items() if len(positions) < option_counts[key]
    }
