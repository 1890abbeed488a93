"""Gemma and Gemma 3 (Google, 2024 and 2025); all gated."""

from xautolm.vocabulary import Architecture
from xautolm.zoo.base import Family, with_chat

GEMMA = Family(
    name="gemma",
    architecture=Architecture.DECODER,
    # Its hidden states pass 65,504, the largest number of float16.
    fits_float16=False,
    lora_targets=("q_proj", "v_proj"),
    positions=8192,
    vocabulary=256_000,
    licence="gemma",
    gated=True,
)
# Those that read text only; Gemma 3 models that read images are another architecture, `gemma3`.
GEMMA_3 = Family(
    name="gemma3_text",
    architecture=Architecture.DECODER,
    # Its hidden states pass 65,504, the largest number of float16.
    fits_float16=False,
    lora_targets=("q_proj", "v_proj"),
    positions=32_768,
    vocabulary=262_144,
    licence="gemma",
    languages="multilingual",
    gated=True,
)
FAMILIES = (GEMMA, GEMMA_3)

BASE = (
    GEMMA.card(
        "gemma-2b", hub_id="google/gemma-2b", parameters=2_506_172_416, hidden_size=2048, layers=18
    ),
    # 168 million of its weights are words (262,144 x 640), more than all layers have.
    GEMMA_3.card(
        "gemma-3-270m",
        hub_id="google/gemma-3-270m",
        parameters=268_098_176,
        hidden_size=640,
        layers=18,
    ),
    GEMMA_3.card(
        "gemma-3-1b",
        hub_id="google/gemma-3-1b-pt",
        parameters=999_885_952,
        hidden_size=1152,
        layers=26,
    ),
)
INSTRUCTED = {
    "gemma-2b": ("gemma-2b-it", "google/gemma-2b-it"),
    "gemma-3-270m": ("gemma-3-270m-it", "google/gemma-3-270m-it"),
    "gemma-3-1b": ("gemma-3-1b-it", "google/gemma-3-1b-it"),
}
"""Name and hub id of the conversational siblings, by the base model's name."""
CARDS = with_chat(BASE, INSTRUCTED)
