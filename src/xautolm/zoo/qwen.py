"""Qwen 2.5 and Qwen 3 (Alibaba, 2024 and 2025)."""

from dataclasses import replace

from xautolm.vocabulary import Architecture
from xautolm.zoo.base import Family, with_chat

QWEN_25 = Family(
    name="qwen2",
    architecture=Architecture.DECODER,
    lora_targets=("q_proj", "v_proj"),
    positions=32_768,
    # Rows of the table of words, some of which stand for nothing.
    vocabulary=151_936,
    licence="apache-2.0",
    languages="multilingual",
    # Next to none: 5.3e-4 is best for LoRA with half a billion weights, and 4.7e-4 with 8.
    rate_exponent=0.0775,
)
QWEN_3 = replace(QWEN_25, name="qwen3")
FAMILIES = (QWEN_25, QWEN_3)

# Up to 4 billion weights the output layer is the table of words, which is counted once.
BASE = (
    QWEN_25.card(
        "qwen2.5-0.5b",
        hub_id="Qwen/Qwen2.5-0.5B",
        parameters=494_032_768,
        hidden_size=896,
        layers=24,
        automatic=True,
    ),
    QWEN_25.card(
        "qwen2.5-1.5b",
        hub_id="Qwen/Qwen2.5-1.5B",
        parameters=1_543_714_304,
        hidden_size=1536,
        layers=28,
        positions=131_072,
    ),
    QWEN_3.card(
        "qwen3-0.6b",
        hub_id="Qwen/Qwen3-0.6B-Base",
        parameters=596_049_920,
        hidden_size=1024,
        layers=28,
        automatic=True,
    ),
    QWEN_3.card(
        "qwen3-1.7b",
        hub_id="Qwen/Qwen3-1.7B-Base",
        parameters=1_720_574_976,
        hidden_size=2048,
        layers=28,
        automatic=True,
    ),
    QWEN_3.card(
        "qwen3-4b",
        hub_id="Qwen/Qwen3-4B-Base",
        parameters=4_022_468_096,
        hidden_size=2560,
        layers=36,
        automatic=True,
    ),
    # Its output layer has weights of its own.
    QWEN_3.card(
        "qwen3-8b",
        hub_id="Qwen/Qwen3-8B-Base",
        parameters=8_190_735_360,
        hidden_size=4096,
        layers=36,
        automatic=True,
    ),
)
INSTRUCTED = {
    "qwen2.5-0.5b": ("qwen2.5-0.5b-instruct", "Qwen/Qwen2.5-0.5B-Instruct"),
    "qwen2.5-1.5b": ("qwen2.5-1.5b-instruct", "Qwen/Qwen2.5-1.5B-Instruct"),
    "qwen3-0.6b": ("qwen3-0.6b-chat", "Qwen/Qwen3-0.6B"),
    "qwen3-1.7b": ("qwen3-1.7b-chat", "Qwen/Qwen3-1.7B"),
    "qwen3-4b": ("qwen3-4b-chat", "Qwen/Qwen3-4B"),
    "qwen3-8b": ("qwen3-8b-chat", "Qwen/Qwen3-8B"),
}
"""Name and hub id of the conversational siblings, by the base model's name."""
CARDS = with_chat(BASE, INSTRUCTED)
