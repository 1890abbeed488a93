"""Partial fine-tuning: the top layers and the head are trained, the rest is frozen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xautolm.errors import TrialError
from xautolm.methods.base import (
    Method,
    Training,
    freeze_all_but,
    head_parameters,
    is_from_scratch,
    layers_share,
    trainings,
)
from xautolm.records import Form, ModelCard, Values, as_int
from xautolm.space import Choice, Int, Parameter
from xautolm.space.presets import Bounds
from xautolm.vocabulary import Architecture, FailureKind, Preset

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

PAPER_LAYERS = (1, 2, 4, 8, 16, 32, 64)
"""How many layers the paper trains; of those, a model has the ones below its own number."""
USUAL = Training(rates=(3e-5, 1e-3, 2e-4), epochs=Int(name="epochs", low=1, high=8, default=4))
FROM_PROBE = Training(rates=(3e-5, 6e-4, 2e-4), epochs=Int(name="epochs", low=1, high=8, default=4))
FROM_RANDOM = Training(
    rates=(2e-4, 1e-3, 4e-4), epochs=Int(name="epochs", low=3, high=8, default=5)
)


class Partial(Method):
    """The top `trainable_layers` layers and the head are trained."""

    name = "partial.v1"
    title = "top-layer fine-tuning"
    trains_body = True

    def problem(self, card: ModelCard, form: Form) -> str:
        """Return that there are no layers that could be frozen apart, or nothing in them that is worth keeping."""
        if is_from_scratch(card):
            return "a model trained from scratch has nothing worth freezing"
        if card.architecture == Architecture.ENCODER_DECODER:
            return "there are two stacks of layers, and which to freeze is not defined"
        if card.shared_layers:
            return "all layers share their weights, so the top ones cannot be trained alone"
        if card.layers < 2:
            return "there is only one layer"
        return ""

    def parameters(self, preset: str, card: ModelCard, bounds: Bounds) -> tuple[Parameter, ...]:
        """Return how many layers are trained, never all of them (that is full fine-tuning), and how."""
        if preset == Preset.PAPER:
            fewer = [layers for layers in PAPER_LAYERS if layers < card.layers]
            choice = Choice(
                name="trainable_layers", options=tuple(fewer), default=fewer[0], highest=card.layers
            )
            return (choice,)
        # Upwards: of three layers the top two.
        half = (card.layers + 1) // 2
        most = card.layers - 1
        layers = Int(name="trainable_layers", low=1, high=most, default=half, highest=card.layers)
        training = trainings(
            card, bounds, usual=USUAL, from_probe=FROM_PROBE, from_random=FROM_RANDOM
        )
        return (layers, *training)

    def trained_share(self, card: ModelCard, values: Values) -> float:
        """Return the trained layers' part of the body."""
        layers = as_int(values["trainable_layers"])
        return layers_share(card, layers)

    def backward_share(self, card: ModelCard, values: Values) -> float:
        """Return the share of the layers that are trained: gradients go no deeper."""
        layers = as_int(values["trainable_layers"])
        return layers / card.layers

    def wrap(self, model: PreTrainedModel, card: ModelCard, values: Values) -> PreTrainedModel:
        """Return the model with all frozen but the top layers and the head."""
        count = as_int(values["trainable_layers"])
        trained = head_parameters(model)
        for layer in layer_stack(model, card.layers)[-count:]:
            trained += layer.parameters()
        freeze_all_but(model, trained)
        return model


def layer_stack(model: PreTrainedModel, layers: int) -> torch.nn.ModuleList:
    """Return the list of the body's layers.

    Raises:
        TrialError: The body has no list of that many layers.
    """
    for module in model.base_model.modules():
        # By name: this file is read in the parent process too, which does not load torch.
        is_list = type(module).__name__ == "ModuleList"
        if is_list and len(module) == layers:
            stack: torch.nn.ModuleList = module
            return stack
    name = type(model).__name__
    raise TrialError(
        FailureKind.INVALID_CONFIG, f"{name} has no stack of {layers} layers to train in part"
    )


METHOD = Partial()
