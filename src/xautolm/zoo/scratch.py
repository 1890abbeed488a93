"""Small models trained from scratch, with a tokenizer built on the training text: no download, any language."""

from xautolm.records import ModelCard
from xautolm.vocabulary import Architecture, Origin
from xautolm.zoo.base import Family
from xautolm.zoo.bert import BERT
from xautolm.zoo.llama import LLAMA_32
from xautolm.zoo.t5 import T5

VOCABULARY = 8_000
POSITIONS, LONG_POSITIONS = 256, 512
"""Of encoders, and of those that generate: prompts hold a context."""


def _card(name: str, family: Family, *, layers: int, hidden_size: int, heads: int) -> ModelCard:
    """Return the card of a model that has the architecture of a family, and none of its weights."""
    positions = POSITIONS if family.architecture == Architecture.ENCODER else LONG_POSITIONS
    # A layer has 4 matrices of attention, and 2 to and from an inner layer of 4 times the width.
    parameters_of_layers = layers * 12 * hidden_size**2
    return ModelCard(
        name=name,
        hub_id="",
        family=family.name,
        parameters=(VOCABULARY + positions) * hidden_size + parameters_of_layers,
        hidden_size=hidden_size,
        layers=layers,
        positions=positions,
        vocabulary=VOCABULARY,
        licence="your own",
        languages="multilingual",
        lora_targets=family.lora_targets,
        origin=Origin.SCRATCH,
        heads=heads,
        automatic=True,
        architecture=family.architecture,
    )


CARDS = (
    _card("scratch-tiny", BERT, layers=2, hidden_size=128, heads=2),
    _card("scratch-small", BERT, layers=4, hidden_size=256, heads=4),
    _card("scratch-decoder", LLAMA_32, layers=4, hidden_size=256, heads=4),
    _card("scratch-encoder-decoder", T5, layers=4, hidden_size=256, heads=4),
)
