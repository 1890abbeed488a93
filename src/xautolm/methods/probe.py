"""Linear probe: a regression on what the frozen body says of each text, without a single gradient step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from xautolm.methods.base import WithoutGradient, freeze_all_but, head_parameters, poolings_of
from xautolm.records import Form, ModelCard, Scalar
from xautolm.space import Branch, Choice, Parameter, Space
from xautolm.space.presets import Bounds, default_length
from xautolm.vocabulary import Layers, Pooling

LARGEST_SAMPLE = 20_000
"""Training rows that a probe is fitted to at most: a line through 768 numbers needs no more."""


class LinearProbe(WithoutGradient):
    """The quickest method: one pass over the data, then logistic or ridge regression."""

    name = "probe.v1"
    title = "linear probe on a frozen body"
    most_training_rows = LARGEST_SAMPLE
    presets = ("default",)

    def problem(self, card: ModelCard, form: Form) -> str:
        """Needs a body that already knows something, and a score for each class or a number on top of it."""
        if not form.has_linear_head:
            return "a linear probe gives one answer for a text, not words or places in it"
        return "a model trained from scratch has nothing worth probing" if card.origin == "scratch" else ""

    def parameters(self, preset: str, card: ModelCard, bounds: Bounds) -> tuple[Parameter, ...]:
        """How tokens and layers are pooled; the regularisation is chosen inside the trial."""
        poolings = poolings_of(card, bounds)
        opened = {name: Space(name, layers_of(card) if name == Pooling.MEAN else ()) for name in poolings}
        weights = (Choice(name="class_weights", options=(False, True), default=False),)
        return (
            Branch(name="pooling", branches=opened, default=poolings[0], closed=True),
            default_length(bounds),
            *(weights if bounds.form.chooses_class else ()),
        )

    def wrap(self, model: Any, card: ModelCard, values: Mapping[str, Scalar]) -> Any:
        """Freeze the body; the head is fitted, not trained."""
        freeze_all_but(model, head_parameters(model))
        return model


def layers_of(card: ModelCard) -> tuple[Parameter, ...]:
    """Return the choice of the layers whose mean is looked at; nothing where only the last is worth it.

    Between the layers of decoders a few features are a thousand times as large as the others, and drown them in a mean.
    Without a pooling of all layers' first tokens: no library would load it.
    """
    if card.architecture != "encoder":
        return ()
    return (
        Choice(name="layers", options=tuple(layers.value for layers in Layers), default=Layers.LAST.value, closed=True),
    )


METHOD = LinearProbe()
