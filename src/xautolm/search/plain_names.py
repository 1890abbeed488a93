"""How the study in a run's folder names parameters: plainly, with one range for each name, as people's tools expect.

Samplers work with the keys of sites, `learning_rate[2e-05..0.0005 log]` where a name's range differs between branches,
and learn for each range apart. A chart of Optuna has an axis for each name, so one parameter would be spread over many.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xautolm.records import Scalar, Values
from xautolm.space import Branch, Choice, Float, Int, Parameter, Space

if TYPE_CHECKING:
    import optuna
    from optuna.distributions import BaseDistribution


@dataclass(frozen=True, slots=True)
class PlainNames:
    """Translate trials between the study of a run's folder and the study in which its sampler works."""

    space: Space
    by_site: Mapping[str, str]
    """The name in the folder's study by the key of a site."""
    distributions: Mapping[str, BaseDistribution]
    """The range by that name: it spans those of all sites, because Optuna's importances leave out what changes its
    range from trial to trial."""

    @classmethod
    def of_space(cls, space: Space) -> PlainNames:
        """Return the names of a space's parameters."""
        sites = space.sites()
        keys_by_name: dict[str, list[str]] = {}
        for key, parameter in sites.items():
            keys_by_name.setdefault(parameter.name, []).append(key)

        by_site: dict[str, str] = {}
        distributions: dict[str, BaseDistribution] = {}
        for name, keys in keys_by_name.items():
            parameters = [sites[key] for key in keys]
            shared = spanning_distribution(parameters)
            for key in keys:
                # No distribution holds numbers in one branch and options in another: those keep their keys.
                site_name = key if shared is None else name
                by_site[key] = site_name
                distributions[site_name] = shared or sites[key].distribution()
        return cls(space, by_site, distributions)

    def to_record(self, trial: optuna.trial.FrozenTrial) -> optuna.trial.FrozenTrial:
        """Return a trial of the sampler's study as the folder's study has it; what has no site stays as it is."""
        params: dict[str, Scalar] = {}
        distributions: dict[str, BaseDistribution] = {}
        for key, value in trial.params.items():
            name = self.by_site.get(key, key)
            params[name] = value
            distributions[name] = self.distributions.get(name, trial.distributions[key])
        return _with_params(trial, params, distributions)

    def to_sites(self, trial: optuna.trial.FrozenTrial) -> optuna.trial.FrozenTrial:
        """Return a trial of the folder's study as the sampler's study has it; what has no place in the space goes."""
        values = self.values(trial.params)
        if self.space.problems(values):
            params = dict(self.space.adopt(values).by_site)
        else:
            params = self.space.site_values(values)
        sites = self.space.sites()
        distributions = {key: sites[key].distribution() for key in params}
        translated = _with_params(trial, params, distributions)
        # For people only: samplers never had them, and some would read those of stopped trials.
        translated.intermediate_values = {}
        return translated

    def params(self, values: Values) -> dict[str, Scalar]:
        """Return the values of a configuration of the space by their names in the folder's study."""
        by_site = self.space.site_values(values)
        return {self.by_site[key]: value for key, value in by_site.items()}

    def values(self, params: Mapping[str, Scalar]) -> dict[str, Scalar]:
        """Return values by the plain names of their parameters, from those of either study."""
        sites = self.space.sites()
        values: dict[str, Scalar] = {}
        for key, value in params.items():
            name = sites[key].name if key in sites else key
            values[name] = value
        return values


def spanning_distribution(parameters: Sequence[Parameter]) -> BaseDistribution | None:
    """Return the distribution that holds the values of all parameters; None where they are of several kinds."""
    from optuna.distributions import (
        CategoricalDistribution,
        FloatDistribution,
        IntDistribution,
    )

    floats: list[Float] = []
    ints: list[Int] = []
    # A dictionary, which keeps the order of the options.
    options: dict[Scalar, None] = {}
    has_choices = False
    for parameter in parameters:
        match parameter:
            case Float():
                floats.append(parameter)
            case Int():
                ints.append(parameter)
            case Choice() | Branch():
                has_choices = True
                options.update(dict.fromkeys(parameter.options))
    if bool(floats) + bool(ints) + has_choices != 1:
        return None
    if has_choices:
        return CategoricalDistribution(tuple(options))
    is_log = all(number.log for number in [*floats, *ints])
    if floats:
        low = min(number.low for number in floats)
        high = max(number.high for number in floats)
        return FloatDistribution(low, high, log=is_log)
    lowest = min(number.low for number in ints)
    highest = max(number.high for number in ints)
    return IntDistribution(lowest, highest, log=is_log)


def _with_params(
    trial: optuna.trial.FrozenTrial,
    params: dict[str, Scalar],
    distributions: dict[str, BaseDistribution],
) -> optuna.trial.FrozenTrial:
    """Return a copy of a trial with other parameters: all else, such as when it began, stays."""
    translated = copy.copy(trial)
    translated.params = params
    translated.distributions = distributions
    return translated
