"""Llama 3.1 and 3.2 (Meta, 2024), DeepSeek's distillate of R1 into it (2025), and SmolLM2 (Hugging Face, 2024), which
has the same architecture."""

from typing import Any

from xautolm.records import ModelCard
from xautolm.zoo.cards import hub_card, with_chat

SMOL_ROWS = (
    ("smollm2-135m", "HuggingFaceTB/SmolLM2-135M", 134515008, 576, 30, 8192, 49152, "apache-2.0", "en", True),
    ("smollm2-360m", "HuggingFaceTB/SmolLM2-360M", 361821120, 960, 32, 8192, 49152, "apache-2.0", "en", True),
    ("smollm2-1.7b", "HuggingFaceTB/SmolLM2-1.7B", 1711376384, 2048, 24, 8192, 49152, "apache-2.0", "en", False),
)
LLAMA_ROWS = (
    (
        "llama-3.2-1b",
        "meta-llama/Llama-3.2-1B",
        1235814400,
        2048,
        16,
        131072,
        128256,
        "llama3.2",
        "multilingual",
        False,
    ),
    (
        "llama-3.2-3b",
        "meta-llama/Llama-3.2-3B",
        3212749824,
        3072,
        28,
        131072,
        128256,
        "llama3.2",
        "multilingual",
        False,
    ),
    (
        "llama-3.1-8b",
        "meta-llama/Llama-3.1-8B",
        8030261248,
        4096,
        32,
        131072,
        128256,
        "llama3.1",
        "multilingual",
        False,
    ),
    (
        "llama-3.1-70b",
        "meta-llama/Llama-3.1-70B",
        70553706496,
        8192,
        80,
        131072,
        128256,
        "llama3.1",
        "multilingual",
        False,
    ),
)
DISTILLED_ROW = (
    "deepseek-r1-distill-llama-8b",
    "deepseek-ai/DeepSeek-R1-Distill-Llama-8B",
    8030261248,
    4096,
    32,
    131072,
    128256,
    "mit",
    "multilingual",
    False,
)
INSTRUCTED = {
    "smollm2-135m": ("smollm2-135m-instruct", "HuggingFaceTB/SmolLM2-135M-Instruct"),
    "smollm2-360m": ("smollm2-360m-instruct", "HuggingFaceTB/SmolLM2-360M-Instruct"),
    "smollm2-1.7b": ("smollm2-1.7b-instruct", "HuggingFaceTB/SmolLM2-1.7B-Instruct"),
    "llama-3.2-1b": ("llama-3.2-1b-instruct", "meta-llama/Llama-3.2-1B-Instruct"),
    "llama-3.2-3b": ("llama-3.2-3b-instruct", "meta-llama/Llama-3.2-3B-Instruct"),
    "llama-3.1-8b": ("llama-3.1-8b-instruct", "meta-llama/Llama-3.1-8B-Instruct"),
    "llama-3.1-70b": ("llama-3.1-70b-instruct", "meta-llama/Llama-3.1-70B-Instruct"),
}


def _card(row: tuple[str, str, int, int, int, int, int, str, str, bool], **more: Any) -> ModelCard:
    return hub_card(row, family="llama", lora_targets=("q_proj", "v_proj"), architecture="decoder", **more)


BASE = (*(_card(row) for row in SMOL_ROWS), *(_card(row, gated=True) for row in LLAMA_ROWS))
CARDS = (*with_chat(BASE, INSTRUCTED), _card(DISTILLED_ROW, chat=True))
