"""Head only: the body is frozen, the classifier on top is trained."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xautolm.methods.base import (
    Method,
    freeze_all_but,
    head_parameters,
    is_from_scratch,
    learning_rate,
)
from xautolm.records import Form, ModelCard, Values
from xautolm.space import Int, Parameter
from xautolm.space.presets import Bounds
from xautolm.vocabulary import Preset

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class Head(Method):
    """The cheapest method that takes gradient steps: none of them enters the body."""

    name = "head.v1"
    title = "head on a frozen body"
    freezes_body = True
    # In `default`, the linear probe takes its place: it fits the same layer to features that are computed once.
    presets = (Preset.PAPER,)

    def problem(self, card: ModelCard, form: Form) -> str:
        """Return that there is no head of its own, or a body that does not know anything yet."""
        if form.says_words:
            return "saying words needs no head of its own that could be trained alone"
        if is_from_scratch(card):
            return "a model trained from scratch has nothing worth freezing"
        return ""

    def parameters(self, preset: str, card: ModelCard, bounds: Bounds) -> tuple[Parameter, ...]:
        """Return high learning rates: the head starts from random weights, and there is nothing else to destroy."""
        if preset == Preset.PAPER:
            return ()
        rate = learning_rate(card, (1e-4, 1e-2, 1e-3), shrink=0.7)
        epochs = Int(name="epochs", low=2, high=12, default=6)
        return (rate, epochs)

    def trained_share(self, card: ModelCard, values: Values) -> float:
        """Return the pooler's share, a square matrix, at most."""
        pooler = card.hidden_size**2
        return pooler / card.parameters

    def backward_share(self, card: ModelCard, values: Values) -> float:
        """Return 0: gradients end at the head."""
        return 0.0

    def wrap(self, model: PreTrainedModel, card: ModelCard, values: Values) -> PreTrainedModel:
        """Return the model with its body frozen."""
        head = head_parameters(model)
        freeze_all_but(model, head)
        return model


METHOD = Head()
