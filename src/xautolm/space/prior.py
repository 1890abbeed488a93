"""A probability model over a space: what the paper's evolution samples from, and what experience biases."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from xautolm.records import Configuration, Scalar
from xautolm.space.parameters import Branch, Choice, Float, Int, Parameter
from xautolm.space.space import Space

WEIGHT_FLOOR = 0.001
"""No option's weight falls below this (paper): nothing is ruled out for ever."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Categorical:
    """Probabilities of the options of a choice or branch, in their order; they sum to 1."""

    weights: tuple[float, ...]

    def sample(self, parameter: Parameter, rng: np.random.Generator) -> Scalar:
        """One option."""
        assert isinstance(parameter, Choice | Branch)
        return parameter.options[int(rng.choice(len(self.weights), p=self.weights))]

    def marginal(self, parameter: Parameter, values: Sequence[Scalar]) -> Categorical:
        """The share of each option among some values."""
        assert isinstance(parameter, Choice | Branch)
        return Categorical(weights=tuple(values.count(option) / len(values) for option in parameter.options))

    def toward(self, other: Categorical, rate: float) -> Categorical:
        """Weights moved by `rate` of the way to another's, floored and normalised."""
        moved = [(1 - rate) * a + rate * b for a, b in zip(self.weights, other.weights, strict=True)]
        floored = [max(weight, WEIGHT_FLOOR) for weight in moved]
        return Categorical(weights=tuple(weight / sum(floored) for weight in floored))


@dataclass(frozen=True, slots=True, kw_only=True)
class Normal:
    """Mean and standard deviation of a number; of its natural logarithm where the range is logarithmic."""

    mean: float
    deviation: float

    def sample(self, parameter: Parameter, rng: np.random.Generator) -> Scalar:
        """One value, clipped to the range."""
        assert isinstance(parameter, Float | Int)
        value = _linear(parameter, float(rng.normal(self.mean, self.deviation)))
        clipped = min(max(value, parameter.low), parameter.high)
        return round(clipped) if isinstance(parameter, Int) else clipped

    def marginal(self, parameter: Parameter, values: Sequence[Scalar]) -> Normal:
        """Mean and standard deviation of some values."""
        assert isinstance(parameter, Float | Int)
        scaled = [_scaled(parameter, float(str(value))) for value in values]
        return Normal(mean=float(np.mean(scaled)), deviation=float(np.std(scaled)))

    def toward(self, other: Normal, rate: float) -> Normal:
        """Both numbers moved by `rate` of the way to another's."""
        return Normal(
            mean=(1 - rate) * self.mean + rate * other.mean,
            deviation=(1 - rate) * self.deviation + rate * other.deviation,
        )


Belief = Categorical | Normal


@dataclass(frozen=True, slots=True)
class Prior:
    """Independent beliefs about every site of a space.

    Example:
        >>> space = Space("tiny.v1", (Int(name="epochs", low=1, high=3, default=2),))
        >>> Prior.plain(space).sample(np.random.default_rng(0)).values["epochs"] in (1, 2, 3)
        True
    """

    space: Space
    beliefs: Mapping[str, Belief]

    @classmethod
    def plain(cls, space: Space) -> Prior:
        """No knowledge: equal weights; the middle of a range as mean, its width as deviation (paper)."""
        return cls(space, {key: _plain(parameter) for key, parameter in space.sites().items()})

    def sample(self, rng: np.random.Generator) -> Configuration:
        """One configuration, drawn site by site along the tree."""
        return self.space.walk(lambda key, parameter: self.beliefs[key].sample(parameter, rng))

    def toward(self, samples: Sequence[Mapping[str, Scalar]], rate: float) -> Prior:
        """The prior moved by `rate` of the way to the marginals of some samples, each given by site.

        Sites that none of them visits keep their belief.
        """
        visited: dict[str, list[Scalar]] = {}
        for sample in samples:
            for key, value in sample.items():
                visited.setdefault(key, []).append(value)
        sites = self.space.sites()
        beliefs = dict(self.beliefs)
        for key, values in visited.items():
            belief = beliefs[key]
            beliefs[key] = belief.toward(belief.marginal(sites[key], values), rate)  # type: ignore[arg-type]
        return replace(self, beliefs=beliefs)


def _plain(parameter: Parameter) -> Belief:
    if isinstance(parameter, Choice | Branch):
        return Categorical(weights=(1 / len(parameter.options),) * len(parameter.options))
    low, high = _scaled(parameter, parameter.low), _scaled(parameter, parameter.high)
    return Normal(mean=(low + high) / 2, deviation=high - low)


def _scaled(parameter: Float | Int, value: float) -> float:
    return math.log(value) if parameter.log else float(value)


def _linear(parameter: Float | Int, value: float) -> float:
    # 700 is near the largest exponent of a double; a wide belief may reach further.
    return math.exp(min(value, 700.0)) if parameter.log else value
