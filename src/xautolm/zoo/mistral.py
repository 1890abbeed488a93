"""Mistral 7B (Jiang et al., 2023), Mistral-Nemo (2024), and Mixtral, which has no card."""

from dataclasses import replace

from xautolm.vocabulary import Architecture
from xautolm.zoo.base import Family, with_chat

MISTRAL = Family(
    name="mistral",
    architecture=Architecture.DECODER,
    lora_targets=("q_proj", "v_proj"),
    positions=32_768,
    vocabulary=32_000,
    licence="apache-2.0",
)
# A mixture of experts: the weights that it has and those that a token meets do not follow from a card's numbers.
MIXTRAL = replace(MISTRAL, name="mixtral")
FAMILIES = (MISTRAL, MIXTRAL)

# The output layer has weights of its own, which are counted.
BASE = (
    MISTRAL.card(
        "mistral-7b-v0.1",
        hub_id="mistralai/Mistral-7B-v0.1",
        parameters=7_241_732_096,
        hidden_size=4096,
        layers=32,
    ),
    MISTRAL.card(
        "mistral-7b-v0.2",
        # Mistral published this one outside the hub; the community put it there.
        hub_id="mistral-community/Mistral-7B-v0.2",
        parameters=7_241_732_096,
        hidden_size=4096,
        layers=32,
    ),
    MISTRAL.card(
        "mistral-7b-v0.3",
        hub_id="mistralai/Mistral-7B-v0.3",
        parameters=7_248_023_552,
        hidden_size=4096,
        layers=32,
        # 768 more than before, for control tokens and calls of tools.
        vocabulary=32_768,
    ),
)
INSTRUCTED = {
    "mistral-7b-v0.1": ("mistral-7b-instruct-v0.1", "mistralai/Mistral-7B-Instruct-v0.1"),
    "mistral-7b-v0.2": ("mistral-7b-instruct-v0.2", "mistralai/Mistral-7B-Instruct-v0.2"),
    "mistral-7b-v0.3": ("mistral-7b-instruct-v0.3", "mistralai/Mistral-7B-Instruct-v0.3"),
}
"""Name and hub id of the conversational siblings, by the base model's name."""
CARDS = (
    *with_chat(BASE, INSTRUCTED),
    MISTRAL.card(
        "mistral-nemo-instruct",
        hub_id="mistralai/Mistral-Nemo-Instruct-2407",
        parameters=12_247_782_400,
        hidden_size=5120,
        layers=40,
        positions=131_072,
        vocabulary=131_072,
        languages="multilingual",
        chat=True,
    ),
)
