"""Qwen 2.5 and Qwen 3 (Alibaba, 2024 and 2025)."""

from xautolm.zoo.cards import hub_card, with_chat

CARDS = with_chat(
    (
        *(
            hub_card(row, family="qwen2", lora_targets=("q_proj", "v_proj"), architecture="decoder")
            for row in (
                (
                    "qwen2.5-0.5b",
                    "Qwen/Qwen2.5-0.5B",
                    494032768,
                    896,
                    24,
                    32768,
                    151936,
                    "apache-2.0",
                    "multilingual",
                    True,
                ),
                (
                    "qwen2.5-1.5b",
                    "Qwen/Qwen2.5-1.5B",
                    1543714304,
                    1536,
                    28,
                    131072,
                    151936,
                    "apache-2.0",
                    "multilingual",
                    False,
                ),
            )
        ),
        *(
            hub_card(row, family="qwen3", lora_targets=("q_proj", "v_proj"), architecture="decoder")
            for row in (
                (
                    "qwen3-0.6b",
                    "Qwen/Qwen3-0.6B-Base",
                    596049920,
                    1024,
                    28,
                    32768,
                    151936,
                    "apache-2.0",
                    "multilingual",
                    True,
                ),
                (
                    "qwen3-1.7b",
                    "Qwen/Qwen3-1.7B-Base",
                    1720574976,
                    2048,
                    28,
                    32768,
                    151936,
                    "apache-2.0",
                    "multilingual",
                    False,
                ),
            )
        ),
    ),
    {
        "qwen2.5-0.5b": ("qwen2.5-0.5b-instruct", "Qwen/Qwen2.5-0.5B-Instruct"),
        "qwen2.5-1.5b": ("qwen2.5-1.5b-instruct", "Qwen/Qwen2.5-1.5B-Instruct"),
        "qwen3-0.6b": ("qwen3-0.6b-chat", "Qwen/Qwen3-0.6B"),
        "qwen3-1.7b": ("qwen3-1.7b-chat", "Qwen/Qwen3-1.7B"),
    },
)
