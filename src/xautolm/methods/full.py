"""Full fine-tuning: every weight is trained."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xautolm.methods.base import Method, Training, is_from_scratch, layers_share, trainings
from xautolm.records import Form, ModelCard, Values
from xautolm.space import Choice, Float, Int, Parameter
from xautolm.space.presets import LEAST_RATE, Bounds
from xautolm.vocabulary import Preset

if TYPE_CHECKING:
    from transformers import PreTrainedModel

USUAL = Training(
    rates=(2e-5, 5e-4, 1e-4),
    epochs=Int(name="epochs", low=1, high=6, default=3),
    # A tenth of LoRA's, which is where the best rates of the two lie.
    fitted_rate=5e-5,
)
FROM_PROBE = Training(rates=(2e-5, 3e-4, 1e-4), epochs=Int(name="epochs", low=1, high=6, default=3))
FROM_RANDOM = Training(
    rates=(1e-4, 5e-4, 2e-4), epochs=Int(name="epochs", low=3, high=8, default=4)
)


class Full(Method):
    """Every weight is trained; also the way to train a model from scratch."""

    name = "full.v1"
    title = "full fine-tuning"
    trains_body = True

    def problem(self, card: ModelCard, form: Form) -> str:
        """Return nothing: it applies to every model."""
        return ""

    def parameters(self, preset: str, card: ModelCard, bounds: Bounds) -> tuple[Parameter, ...]:
        """Return start of the head, learning rate and epochs, and whether words' embeddings stay as they are.

        From scratch, higher rates and more epochs: there is nothing learned yet that they could destroy.
        """
        if preset == Preset.PAPER:
            return ()
        if is_from_scratch(card):
            rate = Float(
                name="learning_rate", low=1e-4, high=3e-3, default=1e-3, log=True, lowest=LEAST_RATE
            )
            epochs = Int(name="epochs", low=3, high=12, default=8)
            return (rate, epochs)
        training = trainings(
            card, bounds, usual=USUAL, from_probe=FROM_PROBE, from_random=FROM_RANDOM
        )
        if bounds.form.says_words:
            # What says words is often the same matrix, which has to be trained.
            return training
        # Half of a small model's weights: without their gradients and moments an epoch takes 22 % less time, at the
        # same score (docs/experiments.md).
        freeze = Choice(name="freeze_embeddings", options=(False, True), default=True)
        return (freeze, *training)

    def trained_share(self, card: ModelCard, values: Values) -> float:
        """Return everything, or all but the words' embeddings."""
        if values.get("freeze_embeddings"):
            return 1.0 - embeddings_share(card)
        return 1.0

    def backward_share(self, card: ModelCard, values: Values) -> float:
        """Return everything: also where embeddings are frozen, gradients go through all layers."""
        return 1.0

    def wrap(self, model: PreTrainedModel, card: ModelCard, values: Values) -> PreTrainedModel:
        """Return the model as it is, or with its words' embeddings frozen."""
        if values.get("freeze_embeddings"):
            embeddings = model.get_input_embeddings()
            embeddings.requires_grad_(False)
        return model


def embeddings_share(card: ModelCard) -> float:
    """Return the share of a body's weights that embed words.

    Embeddings may be narrower than the body (ALBERT, ELECTRA): they are no more than what its layers leave.
    """
    # ALBERT's layers are one and the same, whose weights are there once.
    distinct_layers = 1 if card.shared_layers else card.layers
    in_layers = layers_share(card, distinct_layers)
    outside_layers = max(0.0, 1.0 - in_layers)
    as_wide_as_body = card.vocabulary * card.hidden_size / card.parameters
    return min(as_wide_as_body, outside_layers)


METHOD = Full()
