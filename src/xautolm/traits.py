"""Traits of a configuration on a task: what its model is, and what its training will need, as numbers.

Names of models do not travel: a store about DistilBERT says nothing of ModernBERT. Sizes do, and so do needs over
limits: what lacked memory at a size lacks it at the next one too.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

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
from xautolm.resources import FEATURE_BATCH, Estimate, ResourceModel, memory_within
from xautolm.space import Float
from xautolm.space.shares import trained_share
from xautolm.tasks import TASKS
from xautolm.vocabulary import Architecture, DeviceKind, Origin
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

LONGER_THAN_ANY = 10**6
"""Tokens."""


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
        # Configurations of other systems may lack what one kind of traits needs, or have it as something else: the
        # others are told all the same.
        for told in (self._amounts, self._memory, self._seconds):
            with suppress(KeyError, TypeError, ValueError, ArithmeticError, UnknownNameError):
                traits |= told(values, card, circumstances)
        return traits

    def _amounts(
        self, values: Values, card: ModelCard, circumstances: Circumstances
    ) -> Mapping[str, float]:
        """Return how much a training changes and reads."""
        method = METHODS.get(str(values["method"]))
        data = circumstances.data
        length = as_float(values["max_length"])
        batch = _batch_of(values)
        epochs = as_float(values.get("epochs", 1))
        examples = data.train_examples * trained_share(values)
        tokens = min(data.tokens_read(length), length)
        return {
            "trained_weights": method.trained_share(card, values) * card.parameters,
            "batch_tokens": batch * min(length, _longest(data)),
            "steps": math.ceil(examples / batch) * epochs,
            "tokens_seen": examples * tokens * epochs,
            "length_of_positions": length / card.positions,
        }

    def _memory(
        self, values: Values, card: ModelCard, circumstances: Circumstances
    ) -> Mapping[str, float]:
        """Return the predicted memory over its limit, with the whole batch and with as little as possible."""
        estimate = self._estimate(values, card, circumstances)
        batch = _batch_of(values)
        # The estimate holds one example of the batch already.
        memory = estimate.memory + (batch - 1) * estimate.memory_per_example
        limit = memory_within(circumstances.limits, circumstances.system)
        return {
            "memory_of_limit": memory / limit,
            "least_memory_of_limit": estimate.least_memory / limit,
        }

    def _seconds(
        self, values: Values, card: ModelCard, circumstances: Circumstances
    ) -> Mapping[str, float]:
        """Return the predicted seconds over their limit; nothing without a limit, for then nothing is too slow."""
        limit = circumstances.limits.seconds
        if not limit or not _speed_is_known(circumstances.system):
            return {}
        estimate = self._estimate(values, card, circumstances)
        return {
            "seconds_of_limit": estimate.seconds / limit,
            "first_result_of_limit": estimate.first_result_seconds / limit,
        }

    def _estimate(self, values: Values, card: ModelCard, circumstances: Circumstances) -> Estimate:
        """Return what a configuration is predicted to need under some circumstances."""
        model = self.models.get(circumstances)
        if model is None:
            task = TASKS.get(circumstances.task)
            data = replace(circumstances.data, tokens_max=_longest(circumstances.data))
            system = circumstances.system
            if not _speed_is_known(system):
                # Memory is predicted all the same; the seconds that follow from this speed are not told.
                system = replace(system, gflops=1.0)
            model = ResourceModel({}, data, system, forms=task.forms)
            self.models[circumstances] = model
        model.cards[str(values["model"])] = card
        return model.predict(Configuration(values=values, space=""))


def _batch_of(values: Values) -> float:
    """Return the texts of a step.

    Raises:
        ValueError: No number of texts, or less than one.
    """
    batch = as_float(values.get("batch_size", FEATURE_BATCH))
    if not batch >= 1:
        raise ValueError(f"a batch of {batch}")
    return batch


def _longest(data: DataProfile) -> int:
    """Return the tokens of the longest text; more than any model reads where it is not known, as of imported data."""
    return data.tokens_max or LONGER_THAN_ANY


def _speed_is_known(system: SystemProfile) -> bool:
    """Return whether seconds can be predicted: the speed of a processor is not known of imported trials."""
    return system.device != DeviceKind.CPU or system.gflops > 0


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
