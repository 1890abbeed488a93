"""SmolLM3 (Hugging Face, 2025)."""

from xautolm.zoo.cards import hub_card, with_chat

CARDS = with_chat(
    (
        *(
            hub_card(row, family="smollm3", lora_targets=("q_proj", "v_proj"), architecture="decoder")
            for row in (
                (
                    "smollm3-3b",
                    "HuggingFaceTB/SmolLM3-3B-Base",
                    3075098624,
                    2048,
                    36,
                    65536,
                    128256,
                    "apache-2.0",
                    "multilingual",
                    False,
                ),
            )
        ),
    ),
    {
        "smollm3-3b": ("smollm3-3b-chat", "HuggingFaceTB/SmolLM3-3B"),
    },
)
