"""SmolLM3 (Hugging Face, 2025)."""

from xautolm.vocabulary import Architecture
from xautolm.zoo.base import Family, with_chat

SMOLLM3 = Family(
    name="smollm3",
    architecture=Architecture.DECODER,
    lora_targets=("q_proj", "v_proj"),
    # What it was trained on; its makers reach further by scaling the positions, which nothing does here.
    positions=65_536,
    vocabulary=128_256,
    licence="apache-2.0",
    languages="multilingual",
)
FAMILIES = (SMOLLM3,)

BASE = (
    SMOLLM3.card(
        "smollm3-3b",
        hub_id="HuggingFaceTB/SmolLM3-3B-Base",
        parameters=3_075_098_624,
        hidden_size=2048,
        layers=36,
    ),
)
INSTRUCTED = {"smollm3-3b": ("smollm3-3b-chat", "HuggingFaceTB/SmolLM3-3B")}
"""Name and hub id of the conversational siblings, by the base model's name."""
CARDS = with_chat(BASE, INSTRUCTED)
