"""Mistral 7B (Jiang et al., 2023)."""

from xautolm.zoo.cards import hub_card, with_chat

CARDS = with_chat(
    (
        *(
            hub_card(row, family="mistral", lora_targets=("q_proj", "v_proj"), architecture="decoder")
            for row in (
                (
                    "mistral-7b-v0.3",
                    "mistralai/Mistral-7B-v0.3",
                    7248023552,
                    4096,
                    32,
                    32768,
                    32768,
                    "apache-2.0",
                    "en",
                    False,
                ),
            )
        ),
    ),
    {
        "mistral-7b-v0.3": ("mistral-7b-instruct-v0.3", "mistralai/Mistral-7B-Instruct-v0.3"),
    },
)
