"""DeBERTa-v3 (He et al., 2023); transformers calls the architecture deberta-v2."""

from xautolm.zoo.cards import hub_card

CARDS = tuple(
    hub_card(row, family="deberta-v2", lora_targets=("query_proj", "value_proj"))
    for row in (
        ("deberta-v3-small", "microsoft/deberta-v3-small", 141_304_320, 768, 6, 512, 128100, "mit", "en", True),
        ("deberta-v3-base", "microsoft/deberta-v3-base", 183_831_552, 768, 12, 512, 128100, "mit", "en", True),
        ("deberta-v3-large", "microsoft/deberta-v3-large", 434_012_160, 1024, 24, 512, 128100, "mit", "en", False),
        (
            "mdeberta-v3-base",
            "microsoft/mdeberta-v3-base",
            278_218_752,
            768,
            12,
            512,
            251000,
            "mit",
            "multilingual",
            False,
        ),
    )
)
