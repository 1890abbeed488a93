"""The untrained model, asked as it is: the answer that every training has to beat."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xautolm.methods.base import WithoutGradient, freeze_all_but, is_from_scratch
from xautolm.records import Form, ModelCard, Values
from xautolm.space import Parameter
from xautolm.space.presets import Bounds, default_length
from xautolm.vocabulary import Preset

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class ZeroShot(WithoutGradient):
    """No training at all: one pass over the validation split."""

    name = "zero_shot.v1"
    title = "no training (zero-shot)"
    most_training_rows = 0
    presets = (Preset.DEFAULT,)

    def problem(self, card: ModelCard, form: Form) -> str:
        """Return that the model does not say words, or none that it has learned."""
        if not form.says_words:
            return "without training, a new head on top of the model says nothing"
        if is_from_scratch(card):
            return "a model trained from scratch knows nothing before it is trained"
        return ""

    def parameters(self, preset: str, card: ModelCard, bounds: Bounds) -> tuple[Parameter, ...]:
        """Return how much of a prompt is read."""
        length = default_length(bounds)
        return (length,)

    def wrap(self, model: PreTrainedModel, card: ModelCard, values: Values) -> PreTrainedModel:
        """Return the model with everything frozen."""
        freeze_all_but(model, [])
        return model


METHOD = ZeroShot()
