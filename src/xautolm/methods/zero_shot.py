"""The untrained model, asked as it is: the answer that every training has to beat."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from xautolm.methods.base import WithoutGradient, freeze_all_but
from xautolm.records import Form, ModelCard, Scalar
from xautolm.space import Parameter
from xautolm.space.presets import Bounds, default_length


class ZeroShot(WithoutGradient):
    """No training at all: one pass over the validation split."""

    name = "zero_shot.v1"
    title = "the model as it is"
    most_training_rows = 0
    presets = ("default",)

    def problem(self, card: ModelCard, form: Form) -> str:
        """Needs a model that already says words."""
        if not form.says_words:
            return "without training, a new head on top of the model says nothing"
        return "a model trained from scratch knows nothing before it is trained" if card.origin == "scratch" else ""

    def parameters(self, preset: str, card: ModelCard, bounds: Bounds) -> tuple[Parameter, ...]:
        """How much of a prompt is read."""
        return (default_length(bounds),)

    def wrap(self, model: Any, card: ModelCard, values: Mapping[str, Scalar]) -> Any:
        """Freeze everything."""
        freeze_all_but(model, [])
        return model


METHOD = ZeroShot()
