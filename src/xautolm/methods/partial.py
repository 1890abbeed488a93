"""Partial fine-tuning: the top layers and the head are trained, the rest is frozen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from xautolm.errors import TrialError
from xautolm.methods.base import Training, freeze_all_but, head_parameters, trainings
from xautolm.records import Form, ModelCard, Scalar, as_int
from xautolm.space import Choice, Int, Parameter
from xautolm.space.presets import Bounds

PAPER_LAYERS = (1, 2, 4, 8, 16, 32, 64)
USUAL = Training(rates=(3e-5, 1e-3, 2e-4), epochs=Int(name="epochs", low=1, high=8, default=4))
FROM_PROBE = Training(rates=(3e-5, 6e-4, 2e-4), epochs=Int(name="epochs", low=1, high=8, default=4))
FROM_RANDOM = Training(rates=(2e-4, 1e-3, 4e-4), epochs=Int(name="epochs", low=3, high=8, default=5))


class Partial:
    """The top `trainable_layers` layers and the head are trained."""

    name = "partial.v1"
    title = "top layers and head"
    trains_body = True
    trains_by_gradient = True
    most_training_rows = None
    presets = ("default", "paper")

    def problem(self, card: ModelCard, form: Form) -> str:
        """Needs layers of its own to freeze, and something worth keeping in them."""
        if card.origin == "scratch":
            return "a model trained from scratch has nothing worth freezing"
        if card.architecture == "encoder-decoder":
            return "there are two stacks of layers, and which to freeze is not defined"
        if card.shared_layers:
            return "all layers share their weights, so the top ones cannot be trained alone"
        return "" if card.layers > 1 else "there is only one layer"

    def parameters(self, preset: str, card: ModelCard, bounds: Bounds) -> tuple[Parameter, ...]:
        """How many layers, never all of them: that is full fine-tuning."""
        if preset == "paper":
            options = tuple(k for k in PAPER_LAYERS if k < card.layers)
            return (Choice(name="trainable_layers", options=options, default=options[0]),)
        layers = Int(name="trainable_layers", low=1, high=card.layers - 1, default=(card.layers + 1) // 2)
        return (layers, *trainings(card, bounds, usual=USUAL, from_probe=FROM_PROBE, from_random=FROM_RANDOM))

    def trained_share(self, card: ModelCard, values: Mapping[str, Scalar]) -> float:
        """The trained layers' part of the body."""
        return self.backward_share(card, values) * card.layers * 12 * card.hidden_size**2 / card.parameters

    def stored_share(self, card: ModelCard, values: Mapping[str, Scalar]) -> float:
        """As they are."""
        return 1.0

    def backward_share(self, card: ModelCard, values: Mapping[str, Scalar]) -> float:
        """The trained layers."""
        return as_int(values["trainable_layers"]) / card.layers

    def wrap(self, model: Any, card: ModelCard, values: Mapping[str, Scalar]) -> Any:
        """Freeze all but the top layers and the head."""
        count = as_int(values["trainable_layers"])
        stack = layer_stack(model, card.layers)
        top = [parameter for layer in stack[-count:] for parameter in layer.parameters()]
        freeze_all_but(model, top + head_parameters(model))
        return model


def layer_stack(model: Any, layers: int) -> Any:
    """The list of the body's layers.

    Raises:
        TrialError: The body has no list of that many layers.
    """
    for module in model.base_model.modules():
        if type(module).__name__ == "ModuleList" and len(module) == layers:
            return module
    raise TrialError("invalid_config", f"{type(model).__name__} has no stack of {layers} layers to train in part")


METHOD = Partial()
