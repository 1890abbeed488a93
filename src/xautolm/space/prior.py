"""A probability model over a space: what the paper's evolution samples from, and what experience biases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache, reduce
from operator import or_
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from numpy.random import Generator

from xautolm.records import Configuration, Scalar, Values, as_float
from xautolm.space.parameters import Branch, Choice, Float, Int, Parameter, Plain
from xautolm.space.space import Space

if TYPE_CHECKING:
    from pydantic import TypeAdapter

WEIGHT_FLOOR = 0.001
"""No option's weight falls below this (paper): nothing is ruled out for ever."""
ALTERNATIVES = frozenset({"method"})
"""Branches that the paper's grammar has as productions, each with a weight of its own. Its choices of a model and of
hyperparameters are distributions."""
NARROWEST = 0.01
"""Smallest deviation of a belief about a number, as a share of the range's width: some of the range stays likely."""
SMALLEST_WIDTH = 1e-12
"""Width that a range of a single value is taken to have, so that a deviation in it is not zero."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Categorical:
    """Probabilities of the options of a choice or branch, in their order; they sum to 1."""

    weights: tuple[float, ...]

    def sample(self, parameter: Parameter, rng: Generator) -> Scalar:
        """Draw an option."""
        assert isinstance(parameter, Choice | Branch)
        count = len(self.weights)
        # A position is drawn and not an option: numpy would make its own types of numbers and texts of the options.
        position = int(rng.choice(count, p=self.weights))
        return parameter.options[position]

    def toward(self, parameter: Parameter, values: Sequence[Scalar], rate: float) -> Categorical:
        """Return weights moved by `rate` of the way to the shares of the options among some values."""
        shares = _shares(parameter, values)
        moved = _mixed(self.weights, shares, rate)
        # An option that no value has is not ruled out: the floor stays under its weight.
        return _normalized(moved)

    def nudged(self, parameter: Parameter, value: Scalar, rate: float) -> Categorical:
        """Return weights after one experience of a value (paper).

        `rate` is added to the value's weight; a negative one is taken from it, as far as there is some, and spread
        over the other weights. Floored and normalised afterwards.
        """
        assert isinstance(parameter, Choice | Branch)
        position = parameter.options.index(value)
        weights = list(self.weights)
        if rate >= 0:
            weights[position] += rate
            return _normalized(weights)
        other_count = len(weights) - 1
        # A single option has no others to spread its weight over, and stays certain.
        if other_count == 0:
            return _normalized(weights)
        # No more than there is: a weight below 0 is no probability.
        taken = min(-rate, weights[position])
        share = taken / other_count
        weights = [weight + share for weight in weights]
        # The share that the value's own weight got in the line before is taken back.
        weights[position] -= taken + share
        return _normalized(weights)


@dataclass(frozen=True, slots=True, kw_only=True)
class Normal:
    """Mean and standard deviation of a number on the parameter's scale: of its logarithm where that is logarithmic."""

    mean: float
    deviation: float

    def sample(self, parameter: Parameter, rng: Generator) -> Scalar:
        """Draw a value, clipped to the range."""
        assert isinstance(parameter, Float | Int)
        # A normal distribution has no ends: what falls outside counts for the end of the range.
        position = float(rng.normal(self.mean, self.deviation))
        return parameter.from_scale(position)

    def toward(self, parameter: Parameter, values: Sequence[Scalar], rate: float) -> Normal:
        """Return the belief moved by `rate` of the way to mean and deviation of some values."""
        assert isinstance(parameter, Float | Int)
        positions: list[float] = []
        for value in values:
            number = as_float(value)
            position = parameter.to_scale(number)
            positions.append(position)
        goal_mean = float(np.mean(positions))
        goal_deviation = float(np.std(positions))
        mean = _moved(self.mean, goal_mean, rate)
        deviation = _moved(self.deviation, goal_deviation, rate)
        return Normal(mean=mean, deviation=deviation)

    def nudged(self, parameter: Parameter, value: Scalar, rate: float) -> Normal:
        """Return the belief after one experience of a value: both numbers move by `rate` of their distance to it.

        A positive rate draws the mean to the value and narrows the belief where the value is near; a negative rate
        does the opposite. The mean stays in the range, the deviation between a hundredth and the whole of its width.
        """
        assert isinstance(parameter, Float | Int)
        low, high = parameter.scale
        width = max(high - low, SMALLEST_WIDTH)
        number = as_float(value)
        position = parameter.to_scale(number)
        offset = position - self.mean
        mean = self.mean + rate * offset
        # A value nearer than the deviation narrows the belief, one that is farther widens it.
        excess = abs(offset) - self.deviation
        deviation = self.deviation + rate * excess
        # Failures push the mean away and widen the belief: without bounds, many of them would leave the range.
        mean = min(max(mean, low), high)
        narrowest = NARROWEST * width
        deviation = min(max(deviation, narrowest), width)
        return Normal(mean=mean, deviation=deviation)


@dataclass(frozen=True, slots=True, kw_only=True)
class Alternatives:
    """Weights of the productions of a branch, in their order, each 1 at first (paper); they need not sum to 1.

    One experience moves a choice among n of them n times less than it moves a distribution.
    """

    alternatives: tuple[float, ...]

    @property
    def probabilities(self) -> tuple[float, ...]:
        """Return the share of each weight in their sum."""
        total = sum(self.alternatives)
        shares = [weight / total for weight in self.alternatives]
        return tuple(shares)

    def sample(self, parameter: Parameter, rng: Generator) -> Scalar:
        """Draw an option."""
        # Weights need not sum to 1 here, which numpy demands of probabilities.
        distribution = Categorical(weights=self.probabilities)
        return distribution.sample(parameter, rng)

    def toward(self, parameter: Parameter, values: Sequence[Scalar], rate: float) -> Alternatives:
        """Return weights moved by `rate` of the way to the shares of the options among some values, floored.

        The shares are scaled to the sum of the weights, which they would shrink otherwise.
        """
        total = sum(self.alternatives)
        shares = _shares(parameter, values)
        goal = [share * total for share in shares]
        moved = _mixed(self.alternatives, goal, rate)
        floored = _floored(moved)
        return Alternatives(alternatives=tuple(floored))

    def nudged(self, parameter: Parameter, value: Scalar, rate: float) -> Alternatives:
        """Return weights after one experience of a value (paper): `rate` is added to its weight, all others stay."""
        assert isinstance(parameter, Choice | Branch)
        position = parameter.options.index(value)
        weights = list(self.alternatives)
        weight = weights[position] + rate
        # Not normalised: that is what makes an experience count less here than in a distribution.
        weights[position] = max(weight, WEIGHT_FLOOR)
        return Alternatives(alternatives=tuple(weights))


Belief = Categorical | Alternatives | Normal
"""What is believed about a site."""

BELIEFS: Mapping[str, type[Belief]] = {
    "weights": Categorical,
    "alternatives": Alternatives,
    "mean": Normal,
}
"""The kinds of belief by the field that tells them apart in JSON; files of early versions have no alternatives."""


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
        """Return no knowledge: equal weights; the middle of a range as mean, its width as deviation (paper)."""
        beliefs: dict[str, Belief] = {}
        sites = space.sites()
        for key, parameter in sites.items():
            belief = _plain_belief(parameter)
            beliefs[key] = belief
        return cls(space, beliefs)

    def to_plain(self) -> dict[str, Plain]:
        """Return the beliefs as JSON values."""
        plain: dict[str, Plain] = {}
        for key, belief in self.beliefs.items():
            # Its fields tell the kinds apart, so no name of the kind is written.
            plain[key] = asdict(belief)
        return plain

    @classmethod
    def from_plain(cls, space: Space, plain: object) -> Prior:
        """Build the prior over a space that `to_plain` described.

        Raises:
            pydantic.ValidationError: The value describes none, or has a kind of belief that is not known here.
        """
        beliefs = _reader().validate_python(plain)
        return cls(space, beliefs)

    def sample(self, rng: Generator) -> Configuration:
        """Draw a configuration, site by site along the tree."""

        def choose(key: str, parameter: Parameter) -> Scalar:
            belief = self.beliefs[key]
            return belief.sample(parameter, rng)

        return self.space.walk(choose)

    def toward(self, samples: Sequence[Values], rate: float) -> Prior:
        """Return the prior moved by `rate` of the way to the marginals of some samples, each with its values by site.

        Sites that none of them visits keep their belief.
        """
        visited: dict[str, list[Scalar]] = {}
        for sample in samples:
            for key, value in sample.items():
                values_at_site = visited.setdefault(key, [])
                values_at_site.append(value)

        # Only what was visited is touched: below a branch that no sample took, nothing was learned.
        sites = self.space.sites()
        beliefs = dict(self.beliefs)
        for key, values in visited.items():
            belief = beliefs[key]
            parameter = sites[key]
            beliefs[key] = belief.toward(parameter, values, rate)
        return replace(self, beliefs=beliefs)

    def with_distributions(self) -> Prior:
        """Return the prior with a distribution wherever alternatives have weights of their own; equally likely values
        stay so."""
        beliefs: dict[str, Belief] = {}
        for key, belief in self.beliefs.items():
            if isinstance(belief, Alternatives):
                probabilities = belief.probabilities
                belief = Categorical(weights=probabilities)
            beliefs[key] = belief
        return replace(self, beliefs=beliefs)

    def nudged(self, values: Values, rate: float) -> Prior:
        """Return the prior after one experience.

        Args:
            values: Of its configuration, by site.
            rate: How far beliefs move toward them; negative moves them away.
        """
        sites = self.space.sites()
        beliefs = dict(self.beliefs)
        for key, value in values.items():
            belief = beliefs[key]
            parameter = sites[key]
            beliefs[key] = belief.nudged(parameter, value, rate)
        return replace(self, beliefs=beliefs)


@cache
def _reader() -> TypeAdapter[dict[str, Belief]]:
    """Return what reads the JSON of a prior; made once, when the first is read: pydantic takes its time to load."""
    from pydantic import Discriminator, Tag, TypeAdapter

    tagged = [Annotated[kind, Tag(tag)] for tag, kind in BELIEFS.items()]
    # Written out it would be `Categorical | Alternatives | Normal`, a second list of the kinds.
    union = reduce(or_, tagged)
    # Told apart by the field that each kind has of its own: the files that we have carry no tag.
    belief: Any = Annotated[union, Discriminator(_tag_of)]
    adapter: TypeAdapter[dict[str, Belief]] = TypeAdapter(dict[str, belief])
    return adapter


def _tag_of(plain: object) -> str:
    """Return the field that says which kind of belief JSON values describe; all fields where none does."""
    if not isinstance(plain, Mapping):
        return type(plain).__name__
    for tag in BELIEFS:
        if tag in plain:
            return tag
    # No kind has such a tag, so pydantic refuses it, and names it in the message.
    fields = [str(field) for field in plain]
    return ", ".join(fields)


def _plain_belief(parameter: Parameter) -> Belief:
    """Return what is believed of a parameter without experience."""
    if isinstance(parameter, Float | Int):
        low, high = parameter.scale
        middle = (low + high) / 2
        width = high - low
        return Normal(mean=middle, deviation=width)
    count = len(parameter.options)
    is_branch = isinstance(parameter, Branch)
    if is_branch and parameter.name in ALTERNATIVES:
        ones = (1.0,) * count
        return Alternatives(alternatives=ones)
    equal = (1 / count,) * count
    return Categorical(weights=equal)


def _shares(parameter: Parameter, values: Sequence[Scalar]) -> list[float]:
    """Return the share of each option among some values."""
    assert isinstance(parameter, Choice | Branch)
    shares: list[float] = []
    total = len(values)
    for option in parameter.options:
        count = values.count(option)
        share = count / total
        shares.append(share)
    return shares


def _mixed(weights: Sequence[float], goal: Sequence[float], rate: float) -> list[float]:
    """Return weights moved by `rate` of the way to those of a goal."""
    moved: list[float] = []
    for weight, goal_weight in zip(weights, goal, strict=True):
        moved_weight = _moved(weight, goal_weight, rate)
        moved.append(moved_weight)
    return moved


def _moved(number: float, goal: float, rate: float) -> float:
    """Return a number moved by `rate` of the way to a goal."""
    return (1 - rate) * number + rate * goal


def _floored(weights: Sequence[float]) -> list[float]:
    """Return weights none of which is below the floor."""
    return [max(weight, WEIGHT_FLOOR) for weight in weights]


def _normalized(weights: Sequence[float]) -> Categorical:
    """Return floored weights as probabilities."""
    # Floored before and not after: the floor raises the sum, which has to be 1 for numpy to draw by it.
    floored = _floored(weights)
    total = sum(floored)
    probabilities = [weight / total for weight in floored]
    return Categorical(weights=tuple(probabilities))
