"""Folders that hold a model: from their `config.json` to a card."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from xautolm.errors import ModelUnavailableError
from xautolm.records import ModelCard

CONFIG = "config.json"
"""The file that makes a folder a model's, as transformers calls it."""
DECODERS = {
    "deepseek_v2",
    "gemma",
    "gemma3_text",
    "gpt2",
    "llama",
    "mistral",
    "mixtral",
    "opt",
    "phi",
    "phi3",
    "qwen2",
    "qwen3",
    "smollm3",
}
"""Values of `model_type` that stand for decoders, whatever head the folder's model has."""
TRANSPOSED = {"gpt2"}
"""Values of `model_type` whose matrices lie transposed (`Conv1D`)."""
RELATIVE_POSITIONS = 512
"""Longest input of models with relative positions, in tokens, as in their pretraining."""


def card_of_folder(folder: Path, name: str) -> ModelCard:
    """Return the card of the model in a folder.

    Args:
        folder: Holds `config.json`.
        name: What the user calls the model.

    Raises:
        ModelUnavailableError: The configuration does not describe a model that can be fine-tuned here.
    """
    config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    return card_of_config(config, name, path=folder.resolve())


def card_of_config(config: Mapping[str, Any], name: str, path: Path | None) -> ModelCard:
    """Return a card from a `config.json`; the number of parameters is that of a standard transformer of this shape.

    Args:
        config: The content of the file.
        name: What the user calls the model: a folder or a hub id.
        path: The model's folder; None for a model on the hub that is not here yet.

    Raises:
        ModelUnavailableError: A number that planning needs is missing.
    """

    def number(*keys: str) -> int:
        for key in keys:
            if isinstance(config.get(key), int):
                return int(config[key])
        raise ModelUnavailableError(
            f"The configuration of {name!r} does not say its {keys[0]}.", got=f"model_type {config.get('model_type')}"
        )

    hidden = number("hidden_size", "dim", "d_model", "n_embd")
    layers = number("num_hidden_layers", "n_layers", "num_layers", "n_layer", "encoder_layers")
    if config.get("is_encoder_decoder"):
        layers += int(config.get("num_decoder_layers") or config.get("decoder_layers") or layers)
    vocabulary = number("vocab_size")
    relative = "relative_attention_num_buckets" in config  # T5 and its kin know no longest input
    positions = RELATIVE_POSITIONS if relative else number("max_position_embeddings", "n_positions")
    # RoBERTa and its kin count positions from the padding index + 1.
    offset = int(config.get("pad_token_id") or 0) + 1 if "roberta" in str(config.get("model_type")) else 0
    return ModelCard(
        name=name,
        hub_id="" if path else name,
        family=str(config.get("model_type", "unknown")),
        parameters=(vocabulary + positions) * hidden + layers * 12 * hidden**2,
        hidden_size=hidden,
        layers=layers,
        positions=positions - offset,
        vocabulary=vocabulary,
        licence="unstated",
        languages="unstated",
        lora_targets=(),
        architecture=_architecture(config),
        origin="folder" if path else "hub",
        path=str(path) if path else "",
        shared_layers="num_hidden_groups" in config,
        chat=path is not None and _has_chat_template(path),
        quantizable=config.get("model_type") not in TRANSPOSED,
    )


def _architecture(config: Mapping[str, Any]) -> str:
    """Return what kind of transformer a `config.json` describes."""
    if config.get("is_encoder_decoder"):
        return "encoder-decoder"
    says = " ".join(map(str, config.get("architectures") or ()))
    causal = ("CausalLM", "LMHeadModel", "GPT")
    return "decoder" if any(part in says for part in causal) or config.get("model_type") in DECODERS else "encoder"


def _has_chat_template(folder: Path) -> bool:
    """Return whether the tokenizer in a model's folder knows how a conversation is written."""
    if (folder / "chat_template.jinja").is_file():
        return True
    path = folder / "tokenizer_config.json"
    return path.is_file() and "chat_template" in json.loads(path.read_text(encoding="utf-8"))
