"""Phi-1.5 and Phi-2 (Microsoft, 2023); Phi-3, Phi-3.5 and Phi-4 (2024 and 2025), trained on conversations."""

from xautolm.zoo.cards import hub_card

EARLY_ROWS = (
    ("phi-1.5", "microsoft/phi-1_5", 1418270720, 2048, 24, 2048, 51200, "mit", "en", False),
    ("phi-2", "microsoft/phi-2", 2779683840, 2560, 32, 2048, 51200, "mit", "en", False),
)
CHAT_ROWS = (
    ("phi-3-mini-4k", "microsoft/Phi-3-mini-4k-instruct", 3821079552, 3072, 32, 4096, 32064, "mit", "en", False),
    ("phi-3-medium-4k", "microsoft/Phi-3-medium-4k-instruct", 13960238080, 5120, 40, 4096, 32064, "mit", "en", False),
    (
        "phi-3.5-mini",
        "microsoft/Phi-3.5-mini-instruct",
        3821079552,
        3072,
        32,
        131072,
        32064,
        "mit",
        "multilingual",
        False,
    ),
    ("phi-4", "microsoft/phi-4", 14659507200, 5120, 40, 16384, 100352, "mit", "en", False),
    ("phi-4-reasoning", "microsoft/Phi-4-reasoning", 14659507200, 5120, 40, 32768, 100352, "mit", "en", False),
    (
        "phi-4-mini",
        "microsoft/Phi-4-mini-instruct",
        3836021760,
        3072,
        32,
        131072,
        200064,
        "mit",
        "multilingual",
        False,
    ),
)
CARDS = (
    *(hub_card(row, family="phi", lora_targets=("q_proj", "v_proj"), architecture="decoder") for row in EARLY_ROWS),
    *(
        hub_card(row, family="phi3", lora_targets=("qkv_proj", "o_proj"), architecture="decoder", chat=True)
        for row in CHAT_ROWS
    ),
)
