"""Linear probe: a regression on what the frozen body says of each text, without a single gradient step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from xautolm.methods.base import freeze_all_but, head_parameters, poolings_of
from xautolm.records import SAYING, ModelCard, Scalar
from xautolm.space import Choice, Parameter
from xautolm.space.presets import Bounds, default_length


class LinearProbe:
    """The quickest method: one pass over the data, then logistic or ridge regression."""

    name = "probe.v1"
    title = "linear probe on a frozen body"
    trains_body = False
    trains_by_gradient = False
    reads_training_split = True
    presets = ("default",)

    def problem(self, card: ModelCard, form: str) -> str:
        """Needs a body that already knows something, and a score for each class or a number on top of it."""
        if form in SAYING or form == "extract":
            return "a linear probe gives one answer for a text, not words or places in it"
        return "a model trained from scratch has nothing worth probing" if card.origin == "scratch" else ""

    def parameters(self, preset: str, card: ModelCard, bounds: Bounds) -> tuple[Parameter, ...]:
        """How tokens are pooled; the regularisation is chosen on the validation split inside the trial."""
        poolings = poolings_of(card, bounds)
        weights = (Choice(name="class_weights", options=(False, True), default=False),)
        return (
            Choice(name="pooling", options=poolings, default=poolings[0], closed=True),
            default_length(bounds),
            *(weights if bounds.form == "classify" else ()),
        )

    def trained_share(self, card: ModelCard, values: Mapping[str, Scalar]) -> float:
        """Nothing of the body."""
        return 0.0

    def stored_share(self, card: ModelCard, values: Mapping[str, Scalar]) -> float:
        """As they are."""
        return 1.0

    def backward_share(self, card: ModelCard, values: Mapping[str, Scalar]) -> float:
        """None."""
        return 0.0

    def wrap(self, model: Any, card: ModelCard, values: Mapping[str, Scalar]) -> Any:
        """Freeze the body; the head is fitted, not trained."""
        freeze_all_but(model, head_parameters(model))
        return model


METHOD = LinearProbe()
