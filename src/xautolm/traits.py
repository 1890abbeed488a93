"""Traits of a configuration on a task: what its model is, and what its training will need, as numbers.

Names of models do not travel: a store about DistilBERT says nothing of ModernBERT. Sizes do, and so do needs over
limits: what lacked memory at a size lacks it at the next one too.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from xautolm.errors import UnknownNameError
from xautolm.methods import METHODS
from xautolm.records import (
    Configuration,
    DataProfile,
    Experience,
    Limits,
    ModelCard,
    SystemProfile,
    Values,
    as_float,
)
from xautolm.resources import FEATURE_BATCH, ResourceModel, memory_within
from xautolm.space import Float
from xautolm.space.shares import trained_share
from xautolm.tasks import TASKS
from xautolm.vocabulary import Architecture, Origin
from xautolm.zoo import ZOO, known_card


def _trait(name: str, low: float, high: float, *, log: bool = True) -> Float:
    """Return the range of a trait; what lies outside counts as half a range outside at most."""
    return Float(name=name, low=low, high=high, default=low, log=log)


def _share(name: str) -> Float:
    """Return the range of a need over its limit: a hundredth of it to a hundred times it."""
    return _trait(name, 0.01, 100.0)


def _flag(name: str) -> Float:
    """Return the range of what is either so, 1, or not, 0."""
    return _trait(name, 0.0, 1.0, log=False)


RANGES: tuple[Float, ...] = (
    _trait("parameters", 1e6, 1e10),
    _trait("layers", 1, 64),
    _trait("width", 64, 8192),
    _trait("vocabulary", 1e3, 3e5),
    _trait("positions", 128, 131_072),
    _flag("is_decoder"),
    _flag("is_encoder_decoder"),
    _flag("is_pretrained"),
    _flag("is_cut"),
    _flag("is_multilingual"),
    _trait("trained_weights", 1e3, 1e10),
    _trait("batch_tokens", 128, 131_072),
    _trait("steps", 1, 1e5),
    _trait("tokens_seen", 1e4, 1e9),
    _trait("length_of_positions", 0.1, 10.0),
    _share("memory_of_limit"),
    _share("least_memory_of_limit"),
    _share("seconds_of_limit"),
    _share("first_result_of_limit"),
)
"""Every trait with the range that the models take it over: from scratch encoders on a processor to 10 B parameters."""


@dataclass(frozen=True, slots=True)
class Circumstances:
    """Under which a configuration is tried: the data, the machine and the limits of a trial."""

    task: str
    data: DataProfile
    system: SystemProfile
    limits: Limits


@dataclass(slots=True)
class TraitReader:
    """Read the traits of configurations on the task at hand, and of past trials on theirs.

    Args:
        cards: The models of the search; others are looked up in the zoo.
        here: The circumstances of the search.
    """

    cards: Mapping[str, ModelCard]
    here: Circumstances
    models: dict[Circumstances, ResourceModel] = field(default_factory=dict)
    """What predicts needs, by circumstances: a store has many trials under the same ones."""

    @property
    def ranges(self) -> Sequence[Float]:
        """Return the range of every trait."""
        return RANGES

    def of(self, values: Values) -> Mapping[str, float]:
        """Return the traits of a configuration of the search at hand."""
        return self._traits(values, self.here)

    def of_experience(self, experience: Experience) -> Mapping[str, float]:
        """Return the traits that a past trial had on its own data and machine."""
        circumstances = Circumstances(
            experience.task, experience.data, experience.system, experience.limits
        )
        return self._traits(experience.configuration.values, circumstances)

    def _traits(self, values: Values, circumstances: Circumstances) -> Mapping[str, float]:
        """Return what can be said; nothing of a model that is unknown here."""
        name = str(values.get("model", ""))
        card = self.cards.get(name) or known_card(name, ZOO.things)
        if card is None:
            return {}
        traits = dict(model_traits(card))
        # Configurations of other systems may lack what a prediction needs, or have it as something else.
        with suppress(KeyError, TypeError, ValueError, ArithmeticError, UnknownNameError):
            traits |= self._training_traits(values, card, circumstances)
        return traits

    def _training_traits(
        self, values: Values, card: ModelCard, circumstances: Circumstances
    ) -> Mapping[str, float]:
        """Return what a training will need."""
        method = METHODS.get(str(values["method"]))
        data = circumstances.data
        length = as_float(values["max_length"])
        batch = as_float(values.get("batch_size", FEATURE_BATCH))
        epochs = as_float(values.get("epochs", 1))
        examples = data.train_examples * trained_share(values)
        tokens = min(data.tokens_read(length), length)
        # Of imported data sets, the longest text is not known.
        longest = min(length, data.tokens_max or length)
        traits: dict[str, float] = {
            "trained_weights": method.trained_share(card, values) * card.parameters,
            "batch_tokens": batch * longest,
            "steps": math.ceil(examples / batch) * epochs,
            "tokens_seen": examples * tokens * epochs,
            "length_of_positions": length / card.positions,
        }
        model = self._resources(card, circumstances)
        estimate = model.predict(Configuration(values=values, space=""))
        memory = estimate.memory + (batch - 1) * estimate.memory_per_example
        limit = memory_within(circumstances.limits, circumstances.system)
        traits["memory_of_limit"] = memory / limit
        traits["least_memory_of_limit"] = estimate.least_memory / limit
        # Without a limit, nothing is too slow: the shares stay unknown.
        if circumstances.limits.seconds:
            seconds = circumstances.limits.seconds
            traits["seconds_of_limit"] = estimate.seconds / seconds
            traits["first_result_of_limit"] = estimate.first_result_seconds / seconds
        return traits

    def _resources(self, card: ModelCard, circumstances: Circumstances) -> ResourceModel:
        """Return what predicts needs under some circumstances."""
        model = self.models.get(circumstances)
        if model is None:
            task = TASKS.get(circumstances.task)
            model = ResourceModel({}, circumstances.data, circumstances.system, forms=task.forms)
            self.models[circumstances] = model
        model.cards[str(card.name)] = card
        return model


def model_traits(card: ModelCard) -> Mapping[str, float]:
    """Return what a model is."""
    return {
        "parameters": card.parameters,
        "layers": card.layers,
        "width": card.hidden_size,
        "vocabulary": card.vocabulary,
        "positions": card.positions,
        "is_decoder": float(card.architecture == Architecture.DECODER),
        "is_encoder_decoder": float(card.architecture == Architecture.ENCODER_DECODER),
        "is_pretrained": float(card.origin != Origin.SCRATCH),
        "is_cut": float(card.is_cut),
        "is_multilingual": float(card.languages == "multilingual"),
    }
