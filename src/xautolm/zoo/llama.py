"""Llama 3.2 (Meta, 2024), and SmolLM2 (Hugging Face, 2024), which has the same architecture."""

from xautolm.zoo.cards import hub_card, with_chat

CARDS = with_chat(
    (
        *(
            hub_card(row, family="llama", lora_targets=("q_proj", "v_proj"), architecture="decoder")
            for row in (
                (
                    "smollm2-135m",
                    "HuggingFaceTB/SmolLM2-135M",
                    134515008,
                    576,
                    30,
                    8192,
                    49152,
                    "apache-2.0",
                    "en",
                    True,
                ),
                (
                    "smollm2-360m",
                    "HuggingFaceTB/SmolLM2-360M",
                    361821120,
                    960,
                    32,
                    8192,
                    49152,
                    "apache-2.0",
                    "en",
                    True,
                ),
                (
                    "smollm2-1.7b",
                    "HuggingFaceTB/SmolLM2-1.7B",
                    1711376384,
                    2048,
                    24,
                    8192,
                    49152,
                    "apache-2.0",
                    "en",
                    False,
                ),
            )
        ),
        *(
            hub_card(row, family="llama", lora_targets=("q_proj", "v_proj"), architecture="decoder", gated=True)
            for row in (
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
            )
        ),
    ),
    {
        "smollm2-135m": ("smollm2-135m-instruct", "HuggingFaceTB/SmolLM2-135M-Instruct"),
        "smollm2-360m": ("smollm2-360m-instruct", "HuggingFaceTB/SmolLM2-360M-Instruct"),
        "smollm2-1.7b": ("smollm2-1.7b-instruct", "HuggingFaceTB/SmolLM2-1.7B-Instruct"),
        "llama-3.2-1b": ("llama-3.2-1b-instruct", "meta-llama/Llama-3.2-1B-Instruct"),
        "llama-3.2-3b": ("llama-3.2-3b-instruct", "meta-llama/Llama-3.2-3B-Instruct"),
    },
)
