"""Full fine-tuning: every weight is trained."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from xautolm.methods.base import head_starts, learning_rate
from xautolm.records import ModelCard, Scalar
from xautolm.space import Float, Int, Parameter
from xautolm.space.presets import Bounds


class Full:
    """Every weight is trained; also the way to train a model from scratch."""

    name = "full.v1"
    title = "all weights"
    trains_body = True
    trains_by_gradient = True
    reads_training_split = True
    presets = ("default", "paper")

    def problem(self, card: ModelCard, form: str) -> str:
        """Applies to every model."""
        return ""

    def parameters(self, preset: str, card: ModelCard, bounds: Bounds) -> tuple[Parameter, ...]:
        """Learning rate and epochs; more of both from scratch."""
        if preset == "paper":
            return ()
        if card.origin == "scratch":
            rate = Float(name="learning_rate", low=1e-4, high=3e-3, default=1e-3, log=True)
            return (rate, Int(name="epochs", low=3, high=12, default=8))
        rate = learning_rate(card, (2e-5, 5e-4, 1e-4))
        return (*head_starts(card, bounds), rate, Int(name="epochs", low=1, high=6, default=3))

    def trained_share(self, card: ModelCard, values: Mapping[str, Scalar]) -> float:
        """Everything."""
        return 1.0

    def stored_share(self, card: ModelCard, values: Mapping[str, Scalar]) -> float:
        """As they are."""
        return 1.0

    def backward_share(self, card: ModelCard, values: Mapping[str, Scalar]) -> float:
        """Everything."""
        return 1.0

    def wrap(self, model: Any, card: ModelCard, values: Mapping[str, Scalar]) -> Any:
        """The model as it is."""
        return model


METHOD = Full()
