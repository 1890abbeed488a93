"""Full fine-tuning: every weight is trained."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from xautolm.methods.base import Training, trainings
from xautolm.records import Form, ModelCard, Scalar
from xautolm.space import Choice, Float, Int, Parameter
from xautolm.space.presets import Bounds

USUAL = Training(rates=(2e-5, 5e-4, 1e-4), epochs=Int(name="epochs", low=1, high=6, default=3))
FROM_PROBE = Training(rates=(2e-5, 3e-4, 1e-4), epochs=Int(name="epochs", low=1, high=6, default=3))
FROM_RANDOM = Training(rates=(1e-4, 5e-4, 2e-4), epochs=Int(name="epochs", low=3, high=8, default=4))


class Full:
    """Every weight is trained; also the way to train a model from scratch."""

    name = "full.v1"
    title = "all weights"
    trains_body = True
    trains_by_gradient = True
    most_training_rows = None
    presets = ("default", "paper")

    def problem(self, card: ModelCard, form: Form) -> str:
        """Applies to every model."""
        return ""

    def parameters(self, preset: str, card: ModelCard, bounds: Bounds) -> tuple[Parameter, ...]:
        """Start of the head, learning rate and epochs, and whether words' embeddings stay; more of it from scratch."""
        if preset == "paper":
            return ()
        if card.origin == "scratch":
            rate = Float(name="learning_rate", low=1e-4, high=3e-3, default=1e-3, log=True)
            return (rate, Int(name="epochs", low=3, high=12, default=8))
        training = trainings(card, bounds, usual=USUAL, from_probe=FROM_PROBE, from_random=FROM_RANDOM)
        if bounds.form.says_words:
            # What says words is often the same matrix, which has to be trained.
            return training
        # Half of a small model's weights: without their gradients and moments an epoch takes 22 % less time, at the
        # same score (docs/experiments.md).
        return (Choice(name="freeze_embeddings", options=(False, True), default=True), *training)

    def trained_share(self, card: ModelCard, values: Mapping[str, Scalar]) -> float:
        """Everything, or all but the words' embeddings."""
        return 1.0 - embeddings_share(card) if values.get("freeze_embeddings") else 1.0

    def stored_share(self, card: ModelCard, values: Mapping[str, Scalar]) -> float:
        """As they are."""
        return 1.0

    def backward_share(self, card: ModelCard, values: Mapping[str, Scalar]) -> float:
        """Everything."""
        return 1.0

    def wrap(self, model: Any, card: ModelCard, values: Mapping[str, Scalar]) -> Any:
        """The model as it is, or with its words' embeddings frozen."""
        if values.get("freeze_embeddings"):
            model.get_input_embeddings().requires_grad_(False)
        return model


def embeddings_share(card: ModelCard) -> float:
    """Return the share of a body's weights that embed words.

    Embeddings may be narrower than the body (ALBERT, ELECTRA): they are no more than what its layers leave.
    """
    stacked = 1 if card.shared_layers else card.layers
    in_layers = stacked * 12 * card.hidden_size**2
    outside = max(0, card.parameters - in_layers)
    return min(card.vocabulary * card.hidden_size, outside) / card.parameters


METHOD = Full()
