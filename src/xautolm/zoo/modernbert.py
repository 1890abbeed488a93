"""ModernBERT (Warner et al., 2024)."""

from xautolm.zoo.cards import hub_card

CARDS = tuple(
    hub_card(row, family="modernbert", lora_targets=("Wqkv",))
    for row in (
        ("modernbert-base", "answerdotai/ModernBERT-base", 149_014_272, 768, 22, 8192, 50368, "apache-2.0", "en", True),
        (
            "modernbert-large",
            "answerdotai/ModernBERT-large",
            394_781_696,
            1024,
            28,
            8192,
            50368,
            "apache-2.0",
            "en",
            False,
        ),
    )
)
