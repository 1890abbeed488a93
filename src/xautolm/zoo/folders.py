"""Folders that hold a model: from their `config.json` to a card."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from xautolm.errors import ModelUnavailableError
from xautolm.records import ModelCard
from xautolm.vocabulary import Architecture, Origin
from xautolm.zoo.base import Family
from xautolm.zoo.families import family_of
from xautolm.zoo.inspection import (
    CONFIG,
    TOKENIZER_SETTINGS,
    Config,
    check_folder,
    read_config,
    stored_parameters,
    text_part,
)

MOST_HIDDEN, MOST_LAYERS, MOST_TOKENS = 2**17, 2**10, 2**24
"""Beyond what any model has (53,248; 126; and 10 million positions as of Llama 4): such a configuration is damaged."""
WIDTH_KEYS = ("hidden_size", "dim", "d_model", "n_embd")
"""How families call the width of their layers."""
LAYER_KEYS = ("num_hidden_layers", "n_layers", "num_layers", "n_layer", "encoder_layers")
"""How families call their number of layers."""
DECODER_LAYER_KEYS = ("num_decoder_layers", "decoder_layers")
POSITION_KEYS = ("max_position_embeddings", "n_positions")
CAUSAL_CLASSES = ("CausalLM", "LMHeadModel", "GPT")
"""Parts of the names of classes that are decoders, as `architectures` lists them."""
SAFETENSORS = ".safetensors"
BYTES_BY_FORMAT = {"float32": 4, "bfloat16": 2, "float16": 2}
"""Bytes of a weight by the number format in `config.json`."""
FARTHEST = 4
"""How many times more or fewer weights than a standard transformer of its shape a model can have."""
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
    # After the card: a configuration that makes no sense would blame the weights for not fitting to it.
    check_folder(path, name, config)
    return with_parameters(card, stored_parameters(path))


def with_parameters(card: ModelCard, parameters: int) -> ModelCard:
    """Return a card with the number of weights that its files hold, where that can be the model's.

    Fakes say nothing of it: then the number stays that of the shape, which is off by up to a third for layers with
    gates or fewer keys than queries.
    """
    is_near = card.parameters / FARTHEST <= parameters <= card.parameters * FARTHEST
    if not is_near:
        return card
    return replace(card, parameters=parameters)


def parameters_of_files(config: Config, files: Mapping[str, int]) -> int:
    """Return the number of weights in safetensors of a repository, by their sizes and the format that its config says.

    Args:
        config: The content of `config.json`.
        files: Sizes in bytes of the files that would be fetched, by path.
    """
    size = sum(size for path, size in files.items() if path.endswith(SAFETENSORS))
    stored_as = text_part(config).get("dtype") or config.get("dtype") or config.get("torch_dtype")
    # Older models say nothing, and lie in float32.
    return size // BYTES_BY_FORMAT.get(str(stored_as), 4)


def card_of_config(config: Config, name: str, path: Path | None) -> ModelCard:
    """Return a card from a `config.json`; the number of weights is that of a standard transformer of this shape.

    Args:
        config: The content of the file.
        name: What the user calls the model: a folder or a hub id.
        path: The model's folder; None for a model on the hub that is not here yet.

    Raises:
        ModelUnavailableError: A number that planning needs is missing.
    """
    config = text_part(config)
    family = family_of(str(config.get("model_type", "unknown")))
    hidden_size = _count(config, name, MOST_HIDDEN, *WIDTH_KEYS)
    layers = _layers(config, name)
    vocabulary = _count(config, name, MOST_TOKENS, "vocab_size")
    rows = _position_rows(config, name)
    padding = config.get("pad_token_id")
    unused_rows = padding + 1 if family.counts_from_padding and isinstance(padding, int) else 0
    # A layer has 4 matrices of attention, and 2 to and from an inner layer of the usual 4 times the width.
    parameters_of_layers = layers * 12 * hidden_size**2
    return ModelCard(
        name=name,
        hub_id="" if path else name,
        family=family.name,
        parameters=(vocabulary + rows) * hidden_size + parameters_of_layers,
        hidden_size=hidden_size,
        layers=layers,
        positions=rows - unused_rows,
        vocabulary=vocabulary,
        licence="unstated",
        languages="unstated",
        lora_targets=(),
        architecture=_architecture(config, family),
        origin=Origin.FOLDER if path else Origin.HUB,
        path=str(path) if path else "",
        shared_layers="num_hidden_groups" in config,
        chat=path is not None and _has_chat_template(path),
        quantizable=not family.transposed,
    )


def _layers(config: Config, name: str) -> int:
    """Return the number of layers, of both stacks where there are two; a decoder is as deep as its encoder if unsaid.

    Raises:
        ModelUnavailableError: As `_count`.
    """
    layers = _count(config, name, MOST_LAYERS, *LAYER_KEYS)
    if not config.get("is_encoder_decoder"):
        return layers
    decoder_keys = [key for key in DECODER_LAYER_KEYS if config.get(key) is not None]
    if not decoder_keys:
        return 2 * layers
    return layers + _count(config, name, MOST_LAYERS, *decoder_keys)


def _position_rows(config: Config, name: str) -> int:
    """Return how many rows a model's table of positions has, in tokens.

    Raises:
        ModelUnavailableError: As `_count`.
    """
    # T5 and its kin have relative positions, and so no longest input.
    if "relative_attention_num_buckets" in config:
        return RELATIVE_POSITIONS
    return _count(config, name, MOST_TOKENS, *POSITION_KEYS)


def _count(config: Config, name: str, most: int, *keys: str) -> int:
    """Return a whole number of a `config.json`, by the first of its names that is there.

    Raises:
        ModelUnavailableError: None is there, or it is no number that a model can have.
    """
    family = config.get("model_type")
    for key in keys:
        value = config.get(key)
        if value is None:
            continue
        # To Python, `true` is the number 1.
        is_switch = isinstance(value, bool)
        if isinstance(value, int) and not is_switch and 1 <= value <= most:
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


def _architecture(config: Config, family: Family) -> Architecture:
    """Return what kind of transformer a `config.json` describes."""
    if config.get("is_encoder_decoder"):
        return Architecture.ENCODER_DECODER
    if family.architecture == Architecture.DECODER:
        return Architecture.DECODER
    # What reads images as well and says words does so as a decoder.
    if isinstance(config.get("text_config"), dict):
        return Architecture.DECODER
    # A family that no file of the zoo holds tells it by the class that it was saved from.
    class_names = " ".join(map(str, config.get("architectures") or ()))
    is_causal = any(part in class_names for part in CAUSAL_CLASSES)
    return Architecture.DECODER if is_causal else Architecture.ENCODER


def _has_chat_template(folder: Path) -> bool:
    """Return whether the tokenizer in a model's folder knows how a conversation is written."""
    if (folder / "chat_template.jinja").is_file():
        return True
    path = folder / TOKENIZER_SETTINGS
    return path.is_file() and "chat_template" in path.read_text(encoding="utf-8", errors="replace")
