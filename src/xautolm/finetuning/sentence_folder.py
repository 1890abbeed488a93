"""Folders that sentence-transformers loads: a body of transformers, a pooling of its tokens, dense layers behind it.

`SentenceTransformer(folder).encode(texts)` gives what the last layer says. The folder holds the body's configuration
and weights as any model's, a folder for each part after it, and `modules.json`, which names them in their order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn
from transformers import PreTrainedModel

from xautolm.finetuning.export import save_weights
from xautolm.serialization import write_json
from xautolm.vocabulary import Layers

POOLING = "1_Pooling"
LAYER_POOLING = "0_WeightedLayerPooling"
FIRST_DENSE = 2
"""Number of the folder of the first dense layer."""
LIBRARY = "sentence_transformers.models"
"""Where the classes of a folder's modules are."""


def dense_folder(place: int) -> str:
    """Return the folder of a dense layer, by its place among them."""
    return f"{FIRST_DENSE + place}_Dense"


@dataclass(frozen=True, slots=True, kw_only=True)
class DenseLayer:
    """A linear layer, and the activation behind it."""

    linear: nn.Linear
    activation: type[nn.Module] = nn.Identity
    """A class of torch that takes no arguments."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SentenceModel:
    """A model in the parts that sentence-transformers puts together."""

    body: PreTrainedModel
    """A model without a head."""
    width: int
    """Features of a token."""
    dense: Sequence[DenseLayer]
    """From the pooled features on; none for a model that gives the features themselves."""
    pools_first_token: bool = False
    """Whether the first token stands for the text, rather than the mean over all of them."""
    layers: Layers = Layers.LAST
    """Which hidden states are pooled."""

    def save(self, folder: Path, max_length: int) -> None:
        """Write the folder, but for the tokenizer.

        Args:
            folder: Made if it does not exist.
            max_length: Longest input in tokens.
        """
        config = self.body.config
        width = self.width
        # The body's folder is the whole one's: plain transformers loads it from there.
        modules = [("", "Transformer")]
        if self.layers is Layers.ALL:
            # The configuration is saved with the body, which then hands over its hidden states wherever it is loaded.
            config.output_hidden_states = True
            modules.append((LAYER_POOLING, "WeightedLayerPooling"))
        modules.append((POOLING, "Pooling"))

        save_weights(self.body, folder, loads_in_float32=True)
        lengths = {"max_seq_length": max_length, "do_lower_case": False}
        write_json(folder / "sentence_bert_config.json", lengths)
        if self.layers is Layers.ALL:
            _save_layer_pooling(folder / LAYER_POOLING, width, config.num_hidden_layers)
        _save_pooling(folder / POOLING, width, is_of_first_token=self.pools_first_token)
        for place, layer in enumerate(self.dense):
            name = dense_folder(place)
            modules.append((name, "Dense"))
            _save_dense(folder / name, layer)
        # Written last: with it the folder is whole.
        _save_modules(folder, modules)


def _save_modules(folder: Path, modules: Sequence[tuple[str, str]]) -> None:
    """Write the list of modules in the order in which sentence-transformers applies them.

    Args:
        folder: The whole model's.
        modules: The folder of each, relative to the whole one's, and its class in the library.
    """
    entries = []
    for place, (path, class_name) in enumerate(modules):
        entry = {
            "idx": place,
            "name": str(place),
            "path": path,
            "type": f"{LIBRARY}.{class_name}",
        }
        entries.append(entry)
    write_json(folder / "modules.json", entries)


def _save_pooling(folder: Path, width: int, *, is_of_first_token: bool) -> None:
    """Write a mean over the tokens, or a choice of the first."""
    folder.mkdir(exist_ok=True)
    pooling = {
        "word_embedding_dimension": width,
        "pooling_mode_cls_token": is_of_first_token,
        "pooling_mode_mean_tokens": not is_of_first_token,
    }
    write_json(folder / "config.json", pooling)


def _save_dense(folder: Path, layer: DenseLayer) -> None:
    """Write a linear layer and its activation."""
    folder.mkdir(exist_ok=True)
    linear = layer.linear
    activation = layer.activation
    dense = {
        "in_features": linear.in_features,
        "out_features": linear.out_features,
        "bias": linear.bias is not None,
        "activation_function": f"{activation.__module__}.{activation.__name__}",
    }
    write_json(folder / "config.json", dense)
    weights = {}
    for name, tensor in linear.state_dict().items():
        # safetensors refuses tensors that are not contiguous.
        weights[f"linear.{name}"] = tensor.contiguous()
    save_file(weights, folder / "model.safetensors", {"format": "pt"})


def _save_layer_pooling(folder: Path, width: int, layers: int) -> None:
    """Write a mean over all layers; the hidden state before the first, the embeddings' output, is left out."""
    folder.mkdir(exist_ok=True)
    shape = {"word_embedding_dimension": width, "num_hidden_layers": layers, "layer_start": 1}
    write_json(folder / "config.json", shape)
    # Equal weights: sentence-transformers divides by their sum.
    weights = {"layer_weights": torch.ones(layers)}
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
