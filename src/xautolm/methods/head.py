"""Head only: the body is frozen, the classifier on top is trained."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from xautolm.methods.base import freeze_all_but, head_parameters, learning_rate
from xautolm.records import Form, ModelCard, Scalar
from xautolm.space import Int, Parameter
from xautolm.space.presets import Bounds


class Head:
    """The cheapest method: no gradient enters the body."""

    name = "head.v1"
    title = "head on a frozen body"
    trains_body = False
    trains_by_gradient = True
    most_training_rows = None
    # In `default`, the linear probe takes its place: it fits the same layer to features that are computed once.
    presets = ("paper",)

    def problem(self, card: ModelCard, form: Form) -> str:
        """Needs a body that already knows something."""
        if form.says_words:
            return "saying words needs no head of its own that could be trained alone"
        return "a model trained from scratch has nothing worth freezing" if card.origin == "scratch" else ""

    def parameters(self, preset: str, card: ModelCard, bounds: Bounds) -> tuple[Parameter, ...]:
        """High learning rates: the head starts from random weights."""
        if preset == "paper":
            return ()
        rate = learning_rate(card, (1e-4, 1e-2, 1e-3), shrink=0.7)
        return (rate, Int(name="epochs", low=2, high=12, default=6))

    def trained_share(self, card: ModelCard, values: Mapping[str, Scalar]) -> float:
        """The pooler, at most."""
        return card.hidden_size**2 / card.parameters

    def stored_share(self, card: ModelCard, values: Mapping[str, Scalar]) -> float:
        """As they are."""
        return 1.0

    def backward_share(self, card: ModelCard, values: Mapping[str, Scalar]) -> float:
        """None."""
        return 0.0

    def wrap(self, model: Any, card: ModelCard, values: Mapping[str, Scalar]) -> Any:
        """Freeze the body."""
        freeze_all_but(model, head_parameters(model))
        return model


METHOD = Head()
