"""Llama 3.1 and 3.2 (Meta, 2024), DeepSeek's distillate of R1 into it (2025), and SmolLM2 (Hugging Face, 2024), which
has the same architecture."""

from dataclasses import replace

from xautolm.vocabulary import Architecture
from xautolm.zoo.base import Family, with_chat

LLAMA_32 = Family(
    name="llama",
    architecture=Architecture.DECODER,
    lora_targets=("q_proj", "v_proj"),
    positions=131_072,
    vocabulary=128_256,
    licence="llama3.2",
    languages="multilingual",
    gated=True,
    rate_exponent=0.781,
)
LLAMA_31 = replace(LLAMA_32, licence="llama3.1")
SMOLLM2 = replace(
    LLAMA_32,
    positions=8192,
    vocabulary=49_152,
    licence="apache-2.0",
    languages="en",
    gated=False,
    # The power was fitted to Meta's models, none of them narrower than 2,048.
    rate_exponent=None,
)
# To transformers all three are `llama`, and what holds for every model of a family is equal in them.
FAMILIES = (LLAMA_32,)

# The output layer of Llama 3.1 has weights of its own, which are counted; elsewhere it is the table of words.
BASE = (
    SMOLLM2.card(
        "smollm2-135m",
        hub_id="HuggingFaceTB/SmolLM2-135M",
        parameters=134_515_008,
        hidden_size=576,
        layers=30,
        automatic=True,
    ),
    SMOLLM2.card(
        "smollm2-360m",
        hub_id="HuggingFaceTB/SmolLM2-360M",
        parameters=361_821_120,
        hidden_size=960,
        layers=32,
        automatic=True,
    ),
    SMOLLM2.card(
        "smollm2-1.7b",
        hub_id="HuggingFaceTB/SmolLM2-1.7B",
        parameters=1_711_376_384,
        hidden_size=2048,
        layers=24,
    ),
    LLAMA_32.card(
        "llama-3.2-1b",
        hub_id="meta-llama/Llama-3.2-1B",
        parameters=1_235_814_400,
        hidden_size=2048,
        layers=16,
    ),
    LLAMA_32.card(
        "llama-3.2-3b",
        hub_id="meta-llama/Llama-3.2-3B",
        parameters=3_212_749_824,
        hidden_size=3072,
        layers=28,
    ),
    LLAMA_31.card(
        "llama-3.1-8b",
        hub_id="meta-llama/Llama-3.1-8B",
        parameters=8_030_261_248,
        hidden_size=4096,
        layers=32,
    ),
    LLAMA_31.card(
        "llama-3.1-70b",
        hub_id="meta-llama/Llama-3.1-70B",
        parameters=70_553_706_496,
        hidden_size=8192,
        layers=80,
    ),
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
"""Name and hub id of the conversational siblings, by the base model's name."""
CARDS = (
    *with_chat(BASE, INSTRUCTED),
    # Published by DeepSeek, which asks for no agreement, unlike Meta for the model that it is made from.
    LLAMA_31.card(
        "deepseek-r1-distill-llama-8b",
        hub_id="deepseek-ai/DeepSeek-R1-Distill-Llama-8B",
        parameters=8_030_261_248,
        hidden_size=4096,
        layers=32,
        licence="mit",
        gated=False,
        chat=True,
    ),
)
