"""A probability model over a space: what the paper's evolution samples from, and what experience biases."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from xautolm.records import Configuration, Scalar, as_float
from xautolm.space.parameters import Branch, Choice, Float, Int, Parameter
from xautolm.space.space import Space

WEIGHT_FLOOR = 0.001
"""No option's weight falls below this (paper): nothing is ruled out for ever."""
ALTERNATIVES = frozenset({"method"})
"""Branches that the paper's grammar has as productions, each with a weight of its own. Its choices of a model and of
hyperparameters are distributions."""


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

    def nudged(self, parameter: Parameter, value: Scalar, rate: float) -> Categorical:
        """Weights after one experience of a value (paper): `rate` is added to its weight, or for a negative rate
        taken from it, as far as there is some, and spread over the others; floored and normalised."""
        assert isinstance(parameter, Choice | Branch)
        chosen = parameter.options.index(value)
        weights = list(self.weights)
        if rate >= 0 or len(weights) == 1:
            weights[chosen] += max(rate, 0.0)
        else:
            taken = min(-rate, weights[chosen])
            share = taken / (len(weights) - 1)
            weights = [weight + share for weight in weights]
            weights[chosen] -= taken + share
        floored = [max(weight, WEIGHT_FLOOR) for weight in weights]
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
        scaled = [_scaled(parameter, as_float(value)) for value in values]
        return Normal(mean=float(np.mean(scaled)), deviation=float(np.std(scaled)))

    def toward(self, other: Normal, rate: float) -> Normal:
        """Both numbers moved by `rate` of the way to another's."""
        return Normal(
            mean=(1 - rate) * self.mean + rate * other.mean,
            deviation=(1 - rate) * self.deviation + rate * other.deviation,
        )

    def nudged(self, parameter: Parameter, value: Scalar, rate: float) -> Normal:
        """The belief after one experience of a value: mean and deviation move by `rate` of their distance to it.

        A positive rate draws the mean to the value and narrows the belief where the value is near; a negative rate
        does the opposite. The mean stays in the range, the deviation between a hundredth and the whole of its width.
        """
        assert isinstance(parameter, Float | Int)
        low, high = _scaled(parameter, parameter.low), _scaled(parameter, parameter.high)
        place = _scaled(parameter, as_float(value))
        mean = self.mean + rate * (place - self.mean)
        deviation = self.deviation + rate * (abs(place - self.mean) - self.deviation)
        width = max(high - low, 1e-12)
        return Normal(mean=min(max(mean, low), high), deviation=min(max(deviation, 0.01 * width), width))


@dataclass(frozen=True, slots=True, kw_only=True)
class Alternatives:
    """Weights of the productions of a branch, in their order, each 1 at first (paper); they need not sum to 1.

    One experience moves a choice among n of them n times less than it moves a distribution.
    """

    alternatives: tuple[float, ...]

    @property
    def probabilities(self) -> tuple[float, ...]:
        """The share of each weight in their sum."""
        total = sum(self.alternatives)
        return tuple(weight / total for weight in self.alternatives)

    def sample(self, parameter: Parameter, rng: np.random.Generator) -> Scalar:
        """Draw one option."""
        return Categorical(weights=self.probabilities).sample(parameter, rng)

    def marginal(self, parameter: Parameter, values: Sequence[Scalar]) -> Alternatives:
        """Return the share of each option among some values, as weights with the same sum as these."""
        shares = Categorical(weights=self.probabilities).marginal(parameter, values).weights
        total = sum(self.alternatives)
        return Alternatives(alternatives=tuple(share * total for share in shares))

    def toward(self, other: Alternatives, rate: float) -> Alternatives:
        """Return weights moved by `rate` of the way to another's, floored."""
        pairs = zip(self.alternatives, other.alternatives, strict=True)
        moved = [(1 - rate) * ours + rate * theirs for ours, theirs in pairs]
        return Alternatives(alternatives=tuple(max(weight, WEIGHT_FLOOR) for weight in moved))

    def nudged(self, parameter: Parameter, value: Scalar, rate: float) -> Alternatives:
        """Return weights after one experience of a value (paper): `rate` is added to its weight, the others stay."""
        assert isinstance(parameter, Choice | Branch)
        chosen = parameter.options.index(value)
        weights = list(self.alternatives)
        weights[chosen] = max(weights[chosen] + rate, WEIGHT_FLOOR)
        return Alternatives(alternatives=tuple(weights))


Belief = Categorical | Alternatives | Normal


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

    def to_plain(self) -> dict[str, Any]:
        """The beliefs as JSON values."""
        return {key: asdict(belief) for key, belief in self.beliefs.items()}

    @classmethod
    def from_plain(cls, space: Space, value: Mapping[str, Any]) -> Prior:
        """The prior over a space that `to_plain` described."""
        return cls(space, {key: _belief(plain) for key, plain in value.items()})

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

    def with_distributions(self) -> Prior:
        """Return the prior with a distribution wherever alternatives have weights of their own; equally likely values
        stay so."""
        beliefs: dict[str, Belief] = {}
        for key, belief in self.beliefs.items():
            if isinstance(belief, Alternatives):
                belief = Categorical(weights=belief.probabilities)
            beliefs[key] = belief
        return replace(self, beliefs=beliefs)

    def nudged(self, values: Mapping[str, Scalar], rate: float) -> Prior:
        """The prior after one experience, given by site, with a learning rate (negative: away from it)."""
        sites = self.space.sites()
        beliefs = dict(self.beliefs)
        for key, value in values.items():
            beliefs[key] = beliefs[key].nudged(sites[key], value, rate)
        return replace(self, beliefs=beliefs)


def _belief(plain: Mapping[str, Any]) -> Belief:
    """Return the belief that JSON values describe; those of earlier versions know no alternatives."""
    if "alternatives" in plain:
        return Alternatives(alternatives=tuple(plain["alternatives"]))
    if "weights" in plain:
        return Categorical(weights=tuple(plain["weights"]))
    return Normal(**plain)


def _plain(parameter: Parameter) -> Belief:
    if parameter.name in ALTERNATIVES and isinstance(parameter, Branch):
        return Alternatives(alternatives=(1.0,) * len(parameter.options))
    if isinstance(parameter, Choice | Branch):
        return Categorical(weights=(1 / len(parameter.options),) * len(parameter.options))
    low, high = _scaled(parameter, parameter.low), _scaled(parameter, parameter.high)
    return Normal(mean=(low + high) / 2, deviation=high - low)


def _scaled(parameter: Float | Int, value: float) -> float:
    return math.log(value) if parameter.log else float(value)


def _linear(parameter: Float | Int, value: float) -> float:
    # 700 is near the largest exponent of a double; a wide belief may reach further.
    return math.exp(min(value, 700.0)) if parameter.log else value
