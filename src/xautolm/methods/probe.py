"""Linear probe: a regression on what the frozen body says of each text, without a single gradient step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xautolm.methods.base import (
    WithoutGradient,
    freeze_all_but,
    head_parameters,
    is_from_scratch,
    poolings_of,
)
from xautolm.records import Form, ModelCard, Values
from xautolm.space import Branch, Choice, Parameter, Space
from xautolm.space.presets import Bounds, class_weights, default_length
from xautolm.vocabulary import Architecture, Layers, Pooling, Preset

if TYPE_CHECKING:
    from transformers import PreTrainedModel

LARGEST_SAMPLE = 20_000
"""Training rows that a probe is fitted to at most: a line through 768 numbers needs no more."""


class LinearProbe(WithoutGradient):
    """The quickest method: one pass over the data, then logistic or ridge regression."""

    name = "probe.v1"
    title = "linear probe"
    most_training_rows = LARGEST_SAMPLE
    presets = (Preset.DEFAULT,)

    def problem(self, card: ModelCard, form: Form) -> str:
        """Return that there is no linear layer on top to be fitted, or a body that does not know anything yet."""
        if not form.has_linear_head:
            return "a linear probe gives one answer for a text, not words or places in it"
        if is_from_scratch(card):
            return "a model trained from scratch has nothing worth probing"
        return ""

    def parameters(self, preset: str, card: ModelCard, bounds: Bounds) -> tuple[Parameter, ...]:
        """Return how tokens and layers are pooled; the regularisation is chosen inside the trial."""
        poolings = poolings_of(card, bounds)
        branches: dict[str, Space] = {}
        for pooling in poolings:
            layers: tuple[Parameter, ...] = ()
            if pooling == Pooling.MEAN:
                layers = layers_of(card)
            branches[pooling] = Space(pooling, layers)
        # The best for a frozen body comes first.
        default = poolings[0]
        branch = Branch(name="pooling", branches=branches, default=default, closed=True)
        length = default_length(bounds)
        # A number has no classes to weight.
        if bounds.form.chooses_class:
            return (branch, length, class_weights())
        return (branch, length)

    def wrap(self, model: PreTrainedModel, card: ModelCard, values: Values) -> PreTrainedModel:
        """Return the model with its body frozen; the head is fitted, not trained."""
        head = head_parameters(model)
        freeze_all_but(model, head)
        return model


def layers_of(card: ModelCard) -> tuple[Parameter, ...]:
    """Return the choice of the layers whose mean is looked at; nothing where only the last is worth it.

    Between the layers of decoders a few features are a thousand times as large as the others, and drown them in a mean.
    Without a pooling of all layers' first tokens: no library would load it.
    """
    if card.architecture != Architecture.ENCODER:
        return ()
    options = tuple(layers.value for layers in Layers)
    choice = Choice(name="layers", options=options, default=Layers.LAST.value, closed=True)
    return (choice,)


METHOD = LinearProbe()
