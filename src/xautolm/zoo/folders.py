"""Folders that hold a model: from their `config.json` to a card."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from xautolm.errors import ModelUnavailableError
from xautolm.records import ModelCard
from xautolm.zoo.inspection import CONFIG, TOKENIZER_SETTINGS, check_folder, read_config

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
MOST_HIDDEN, MOST_LAYERS, MOST_TOKENS = 2**17, 2**10, 2**24
"""Beyond what any model has (53,248; 126; and 10 million positions as of Llama 4): such a configuration is damaged."""
LAYER_KEYS = ("num_hidden_layers", "n_layers", "num_layers", "n_layer", "encoder_layers")
"""How families call their number of layers."""
RELATIVE_POSITIONS = 512
"""Longest input of models with relative positions, in tokens, as in their pretraining."""


def card_of_folder(folder: Path, name: str) -> ModelCard:
    """Return the card of the model in a folder.

    Args:
        folder: Holds `config.json`, weights and tokenizer.
        name: What the user calls the model.

    Raises:
        ModelUnavailableError: The folder holds no model that can be fine-tuned here.
    """
    path = folder.resolve()
    config = read_config(path, name)
    card = card_of_config(config, name, path)
    check_folder(path, name, config)
    return card


def card_of_config(config: Mapping[str, Any], name: str, path: Path | None) -> ModelCard:
    """Return a card from a `config.json`; the number of parameters is that of a standard transformer of this shape.

    Args:
        config: The content of the file.
        name: What the user calls the model: a folder or a hub id.
        path: The model's folder; None for a model on the hub that is not here yet.

    Raises:
        ModelUnavailableError: A number that planning needs is missing.
    """

    hidden = _count(config, name, MOST_HIDDEN, "hidden_size", "dim", "d_model", "n_embd")
    layers = _count(
        config, name, MOST_LAYERS, "num_hidden_layers", "n_layers", "num_layers", "n_layer", "encoder_layers"
    )
    if config.get("is_encoder_decoder"):
        decoder_keys = [key for key in ("num_decoder_layers", "decoder_layers") if config.get(key) is not None]
        layers += _count(config, name, MOST_LAYERS, *decoder_keys) if decoder_keys else layers
    vocabulary = _count(config, name, MOST_TOKENS, "vocab_size")
    relative = "relative_attention_num_buckets" in config  # T5 and its kin know no longest input
    positions = (
        RELATIVE_POSITIONS if relative else _count(config, name, MOST_TOKENS, "max_position_embeddings", "n_positions")
    )
    # RoBERTa and its kin count positions from the padding index + 1.
    padding = config.get("pad_token_id")
    offset = 0
    if "roberta" in str(config.get("model_type")) and isinstance(padding, int):
        offset = padding + 1
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


def _count(config: Mapping[str, Any], name: str, most: int, *keys: str) -> int:
    """Return a whole number of a `config.json`, by the first of its names that is there.

    Raises:
        ModelUnavailableError: None is there, or it is no number that a model can have.
    """
    family = config.get("model_type")
    for key in keys:
        value = config.get(key)
        if value is None:
            continue
        if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= most:
            return value
        raise ModelUnavailableError(
            f"The configuration of {name!r} makes no sense.",
            got=f"{key}={value!r}, model_type {family!r}",
            fix=f"It must be a whole number from 1 to {most}; copy {CONFIG} again from where the model is from.",
        )
    raise ModelUnavailableError(
        f"The configuration of {name!r} does not say its {keys[0]}.",
        got=f"model_type {family!r}",
        fix="It describes no language model that can be planned with; use another model.",
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
    path = folder / TOKENIZER_SETTINGS
    return path.is_file() and "chat_template" in path.read_text(encoding="utf-8", errors="replace")
