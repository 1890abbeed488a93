"""Gemma and Gemma 3 (Google, 2024 and 2025); all gated."""

from xautolm.zoo.cards import hub_card, with_chat

CARDS = with_chat(
    (
        *(
            hub_card(row, family="gemma", lora_targets=("q_proj", "v_proj"), architecture="decoder", gated=True)
            for row in (("gemma-2b", "google/gemma-2b", 2506172416, 2048, 18, 8192, 256000, "gemma", "en", False),)
        ),
        *(
            hub_card(row, family="gemma3_text", lora_targets=("q_proj", "v_proj"), architecture="decoder", gated=True)
            for row in (
                (
                    "gemma-3-270m",
                    "google/gemma-3-270m",
                    268098176,
                    640,
                    18,
                    32768,
                    262144,
                    "gemma",
                    "multilingual",
                    False,
                ),
                (
                    "gemma-3-1b",
                    "google/gemma-3-1b-pt",
                    999885952,
                    1152,
                    26,
                    32768,
                    262144,
                    "gemma",
                    "multilingual",
                    False,
                ),
            )
        ),
    ),
    {
        "gemma-2b": ("gemma-2b-it", "google/gemma-2b-it"),
        "gemma-3-270m": ("gemma-3-270m-it", "google/gemma-3-270m-it"),
        "gemma-3-1b": ("gemma-3-1b-it", "google/gemma-3-1b-it"),
    },
)
