"""What a family of models has in common, and how the cards of its models are written down."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TypedDict, Unpack

from xautolm.records import ModelCard
from xautolm.vocabulary import Architecture

ConfigValues = dict[str, int]
"""Values of a model's `config.json`, by name."""


class Head(StrEnum):
    """What stands between the body of a family and the last linear layer of its classifier.

    `finetuning/linear_head.py` says how each of them is taken out and put back.
    """

    BERT_POOLER = "bert-pooler"
    """A pooler in the body: a dense layer and a tanh on the first token."""
    ALBERT_POOLER = "albert-pooler"
    """The same, the two being modules of the body themselves."""
    CONTEXT_POOLER = "context-pooler"
    """DeBERTa's pooler beside the body: dropout, a dense layer and a GELU on the first token."""
    DENSE_RELU = "dense-relu"
    """DistilBERT's dense layer in the model, with a ReLU in the model's `forward`."""
    DENSE_TANH = "dense-tanh"
    """A module `classifier` of dropout, a dense layer, a tanh and `out_proj`, which looks at the first token."""
    DENSE_GELU = "dense-gelu"
    """The same with a GELU."""
    SEQUENCE_TO_SEQUENCE = "sequence-to-sequence"
    """A module `classification_head` like `classifier` of `DENSE_TANH`, on a token that the model pools."""
    PRETRAINED_DENSE = "pretrained-dense"
    """A dense layer that was pretrained with the body: it is part of the features."""
    DENSE_GELU_MEAN = "dense-gelu-mean"
    """EuroBERT's dense layer and GELU in the model, and the mean over what they make of every token."""
    OTHER = "other"
    """Nothing at all, as with decoders, or something that is not known."""


def common_config(card: ModelCard) -> ConfigValues:
    """Return a new model's shape under the names that most families give to its numbers."""
    return {
        "hidden_size": card.hidden_size,
        "num_hidden_layers": card.layers,
        "num_attention_heads": card.heads,
        "intermediate_size": 4 * card.hidden_size,
        "max_position_embeddings": card.positions,
    }


class Differences(TypedDict, total=False):
    """Fields of a card that differ from what its family says, or that most cards leave as they are."""

    positions: int
    vocabulary: int
    licence: str
    languages: str
    gated: bool
    chat: bool
    automatic: bool
    safetensors: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """An architecture, and the values that most cards of its models share.

    The fields down to `config` hold for every model of the family, those with a card and those in a folder; the others
    are defaults of its cards.

    Example:
        >>> tiny = Family(name="bert", vocabulary=30_522, licence="mit")
        >>> tiny.card("tiny", hub_id="me/tiny", parameters=4_000_000, hidden_size=128, layers=2, languages="de").licence
        'mit'
    """

    name: str
    """What `config.json` calls it (`model_type`)."""
    architecture: Architecture = Architecture.ENCODER
    transposed: bool = False
    """Whether its matrices lie transposed (`Conv1D`): transformers 5 cannot load such with fewer bits."""
    counts_from_padding: bool = False
    """Whether its positions begin behind the index of the padding token, so that it has so many fewer than rows."""
    head: Head = Head.OTHER
    """What stands in front of its classifier's last layer."""
    fits_float16: bool = True
    """Whether its numbers stay within the range of float16, for GPUs that have no bfloat16."""
    absent_forms: tuple[str, ...] = ()
    """Forms of tasks that transformers has no class of this family for."""
    has_position_table: bool = False
    """Whether it knows positions by a table of weights, and so reads no input that is longer; others tell tokens apart
    by their distance, or compute positions. Of a family that no file holds, nothing is known."""
    has_checkpointing: bool = True
    """Whether transformers can compute its activations again in the backward pass instead of keeping them."""
    config: Callable[[ModelCard], ConfigValues] = common_config
    """Names the numbers of a new model's shape as the family's `config.json` does; used for models from scratch."""
    lora_targets: tuple[str, ...] = ()
    """Names of the attention projections that LoRA adapts when it adapts attention only."""
    shared_layers: bool = False
    """Whether all layers share one set of weights."""
    positions: int = 512
    """Longest input in tokens."""
    vocabulary: int = 0
    licence: str = "unstated"
    languages: str = "en"
    """Language codes separated by spaces, or `multilingual`."""
    gated: bool = False
    """Whether the hub asks for an agreement and a token."""
    chat: bool = False
    """Whether the models were trained on conversations."""
    rate_exponent: float | None = None
    """Power of the width by which the best learning rate falls where words are said; None where that is not known."""

    def card(
        self,
        name: str,
        *,
        hub_id: str,
        parameters: int,
        hidden_size: int,
        layers: int,
        **differences: Unpack[Differences],
    ) -> ModelCard:
        """Return the card of a model on the hub.

        Args:
            name: What the zoo calls the model.
            hub_id: Its repository on the hub.
            parameters: Number of weights in the body, without a task head.
            hidden_size: Width of its layers.
            layers: Number of layers; those of both stacks where there are two.
            **differences: What the family's defaults do not say.
        """
        card = ModelCard(
            name=name,
            hub_id=hub_id,
            family=self.name,
            architecture=self.architecture,
            parameters=parameters,
            hidden_size=hidden_size,
            layers=layers,
            positions=self.positions,
            vocabulary=self.vocabulary,
            licence=self.licence,
            languages=self.languages,
            lora_targets=self.lora_targets,
            shared_layers=self.shared_layers,
            quantizable=not self.transposed,
            gated=self.gated,
            chat=self.chat,
            rate_exponent=self.rate_exponent,
        )
        return replace(card, **differences)


def with_chat(
    cards: Iterable[ModelCard], siblings: Mapping[str, tuple[str, str]]
) -> tuple[ModelCard, ...]:
    """Return cards, and those of their siblings of the same shape that were trained on conversations.

    Args:
        cards: Of base models.
        siblings: Name and hub id of a sibling by the base model's name.
    """
    base = tuple(cards)
    conversational: list[ModelCard] = []
    for card in base:
        if card.name in siblings:
            name, hub_id = siblings[card.name]
            conversational.append(
                replace(card, name=name, hub_id=hub_id, chat=True, automatic=False)
            )
    return (*base, *conversational)
