"""Mistral 7B (Jiang et al., 2023) and Mistral-Nemo (2024)."""

from dataclasses import replace

from xautolm.records import ModelCard
from xautolm.zoo.cards import hub_card, with_chat

BASE_ROWS = (
    ("mistral-7b-v0.1", "mistralai/Mistral-7B-v0.1", 7241732096, 4096, 32, 32768, 32000, "apache-2.0", "en", False),
    (
        "mistral-7b-v0.2",
        "mistral-community/Mistral-7B-v0.2",
        7241732096,
        4096,
        32,
        32768,
        32000,
        "apache-2.0",
        "en",
        False,
    ),
    ("mistral-7b-v0.3", "mistralai/Mistral-7B-v0.3", 7248023552, 4096, 32, 32768, 32768, "apache-2.0", "en", False),
)
NEMO_ROW = (
    "mistral-nemo-instruct",
    "mistralai/Mistral-Nemo-Instruct-2407",
    12247782400,
    5120,
    40,
    131072,
    131072,
    "apache-2.0",
    "multilingual",
    False,
)
INSTRUCTED = {
    "mistral-7b-v0.1": ("mistral-7b-instruct-v0.1", "mistralai/Mistral-7B-Instruct-v0.1"),
    "mistral-7b-v0.2": ("mistral-7b-instruct-v0.2", "mistralai/Mistral-7B-Instruct-v0.2"),
    "mistral-7b-v0.3": ("mistral-7b-instruct-v0.3", "mistralai/Mistral-7B-Instruct-v0.3"),
}


def _card(row: tuple[str, str, int, int, int, int, int, str, str, bool]) -> ModelCard:
    return hub_card(row, family="mistral", lora_targets=("q_proj", "v_proj"), architecture="decoder")


CARDS = (
    *with_chat(map(_card, BASE_ROWS), INSTRUCTED),
    replace(_card(NEMO_ROW), chat=True),
)
