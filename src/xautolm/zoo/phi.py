"""Phi-3 and Phi-4 mini (Microsoft, 2024 and 2025), trained on conversations."""

from xautolm.zoo.cards import hub_card

CARDS = (
    *(
        hub_card(row, family="phi3", lora_targets=("qkv_proj", "o_proj"), architecture="decoder", chat=True)
        for row in (
            (
                "phi-3-mini-4k",
                "microsoft/Phi-3-mini-4k-instruct",
                3821079552,
                3072,
                32,
                4096,
                32064,
                "mit",
                "en",
                False,
            ),
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
    ),
)
