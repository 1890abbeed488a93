"""A body, the mean over its tokens, and one linear layer: kept as a folder that sentence-transformers loads.

`SentenceTransformer(folder).encode(texts)` gives the logits. A classifier that looks at the mean over all layers also
pools these, and its body is configured to hand over its hidden states.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from safetensors.torch import load_file
from torch import nn
from transformers import AutoModel, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutput

from xautolm.finetuning.pretrained import read_config, read_weights
from xautolm.finetuning.quiet import quietly
from xautolm.finetuning.sentence_folder import (
    LAYER_POOLING,
    DenseLayer,
    SentenceModel,
    dense_folder,
)
from xautolm.vocabulary import Layers


class MeanPooledClassifier(nn.Module):
    """Score texts as a model of transformers does, so that forms can ask it in the same way.

    Args:
        body: A model without a head.
        weight: Of the linear layer, shape (classes, width).
        bias: Shape (classes,).
        layers: Which hidden states are pooled.
    """

    def __init__(
        self, body: PreTrainedModel, weight: np.ndarray, bias: np.ndarray, layers: Layers
    ) -> None:
        super().__init__()
        self.body = body
        self.layers = layers
        classes, width = weight.shape
        self.linear = nn.Linear(width, classes)
        # torch lets weights be changed in place only where no gradient is recorded.
        with torch.no_grad():
            self.linear.weight.copy_(torch.as_tensor(weight))
            self.linear.bias.copy_(torch.as_tensor(bias))
        # Forms ask a model's configuration for the number of classes.
        self.config = SimpleNamespace(num_labels=classes)

    @property
    def device(self) -> torch.device:
        """Return where the weights are."""
        return self.linear.weight.device

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        token_type_ids: torch.Tensor | None = None,
    ) -> SimpleNamespace:
        """Return `logits` of shape (batch, classes).

        Args:
            input_ids: Tokens of shape (batch, tokens).
            attention_mask: 1 for tokens, 0 for padding, of the same shape.
            token_type_ids: Which text of a pair a token is of, of the same shape; None where the body knows no pairs.
        """
        inputs = {"input_ids": input_ids, "attention_mask": attention_mask}
        if token_type_ids is not None:
            inputs["token_type_ids"] = token_type_ids
        needs_all = self.layers is Layers.ALL
        output = self.body(**inputs, output_hidden_states=needs_all)
        # The first of the outputs is the last layer's hidden state.
        hidden = output[0].float()
        if needs_all:
            hidden = mean_over_layers(output.hidden_states)
        features = mean_over_tokens(hidden, attention_mask)
        logits = self.linear(features)
        return SimpleNamespace(logits=logits)

    def save(self, folder: Path, max_length: int) -> None:
        """Write the folder, but for the tokenizer.

        Args:
            folder: Made if it does not exist.
            max_length: Longest input in tokens.
        """
        self.parts().save(folder, max_length)

    def parts(self) -> SentenceModel:
        """Return the model in the parts that sentence-transformers puts together."""
        answers = DenseLayer(linear=self.linear)
        width = self.linear.in_features
        return SentenceModel(body=self.body, width=width, dense=[answers], layers=self.layers)


def mean_over_tokens(hidden: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Return the mean over the tokens of each text, shape (batch, width).

    Args:
        hidden: Shape (batch, tokens, width).
        mask: 1 for tokens, 0 for padding, shape (batch, tokens).
    """
    # One more dimension, so that a token's weight multiplies all its features.
    weights = mask.unsqueeze(-1).to(hidden.dtype)
    weighted = hidden * weights
    total = weighted.sum(dim=1)
    # A text without tokens gives zeros, not a division by zero.
    count = weights.sum(dim=1).clamp(min=1)
    return total / count


def mean_over_layers(hidden_states: Sequence[torch.Tensor]) -> torch.Tensor:
    """Return the mean over the layers' hidden states, shape (batch, tokens, width), in float32.

    Args:
        hidden_states: The embeddings' output, which is left out, and that of each layer.
    """
    layers = hidden_states[1:]
    # One after the other: stacked, they would take their memory twice.
    total = layers[0].float()
    for layer in layers[1:]:
        total = total + layer
    return total / len(layers)


def pool_by_mean(model: PreTrainedModel) -> None:
    """Let every token that leaves a model's body be the mean over the text's tokens.

    Whichever token the family's classifier looks at, it sees the mean, and everything around the body (adapters,
    checkpoints, the Trainer) stays as it is.

    Args:
        model: A classifier of transformers whose head was opened.
    """
    # The mask of the pass that is running: hooks after it get the output, but not what was passed by keyword.
    masks: list[torch.Tensor] = []

    def note_mask(body: nn.Module, arguments: object, keywords: dict[str, torch.Tensor]) -> None:
        # One at most, also where a pass before it was given up half-way.
        masks[:] = [keywords["attention_mask"]]

    def replace_tokens(
        body: nn.Module, arguments: object, output: BaseModelOutput
    ) -> BaseModelOutput:
        hidden = output.last_hidden_state
        # In float32: bfloat16 cannot even count beyond 256 tokens.
        mean = mean_over_tokens(hidden.float(), masks.pop()).to(hidden.dtype)
        # A view: no memory for the copies.
        output.last_hidden_state = mean.unsqueeze(1).expand_as(hidden)
        # Some families pool the first token inside the body, before this hook.
        if output.get("pooler_output") is not None:
            output.pooler_output = mean
        return output

    model.base_model.register_forward_pre_hook(note_mask, with_kwargs=True)
    model.base_model.register_forward_hook(replace_tokens)


def load_mean_pooled(folder: Path) -> MeanPooledClassifier:
    """Read what `MeanPooledClassifier.save` wrote."""
    config = read_config(folder)
    # transformers would say in ten lines that a pooler, which nothing looks at here, is not among the weights.
    with quietly():
        body = read_weights(AutoModel, folder, config=config, dtype=torch.float32)
    dense = load_file(folder / dense_folder(0) / "model.safetensors")
    weight = dense["linear.weight"].numpy()
    bias = dense["linear.bias"].numpy()
    layers = Layers.LAST
    # It is written only where all layers are looked at.
    if (folder / LAYER_POOLING).is_dir():
        layers = Layers.ALL
    return MeanPooledClassifier(body, weight, bias, layers)
