"""BART (Lewis et al., 2020). Layers are those of both stacks."""

from dataclasses import replace

from xautolm.vocabulary import Architecture
from xautolm.zoo.base import Family, Head

BART = Family(
    name="bart",
    has_position_table=True,
    architecture=Architecture.ENCODER_DECODER,
    head=Head.SEQUENCE_TO_SEQUENCE,
    lora_targets=("q_proj", "v_proj"),
    positions=1024,
    vocabulary=50_265,
    licence="apache-2.0",
)
MBART = replace(BART, name="mbart")
"""Of the same head; no model of it has a card."""
FAMILIES = (BART, MBART)

# One table of words serves both stacks and the output layer, and is counted once.
CARDS = (
    BART.card(
        "bart-base",
        hub_id="facebook/bart-base",
        parameters=139_420_416,
        hidden_size=768,
        layers=12,
        automatic=True,
    ),
    BART.card(
        "bart-large",
        hub_id="facebook/bart-large",
        parameters=406_291_456,
        hidden_size=1024,
        layers=24,
    ),
    # Fine-tuned on summaries of news; it lacks the row of the token that pretraining put in place of words.
    BART.card(
        "bart-large-cnn",
        hub_id="facebook/bart-large-cnn",
        parameters=406_290_432,
        hidden_size=1024,
        layers=24,
        vocabulary=50_264,
        licence="mit",
    ),
)
