"""XLM-RoBERTa (Conneau et al., 2020)."""

from xautolm.zoo.cards import hub_card

CARDS = tuple(
    hub_card(row, family="xlm-roberta", lora_targets=("query", "value"))
    for row in (
        (
            "xlm-roberta-base",
            "FacebookAI/xlm-roberta-base",
            278_043_648,
            768,
            12,
            512,
            250002,
            "mit",
            "multilingual",
            True,
        ),
        (
            "xlm-roberta-large",
            "FacebookAI/xlm-roberta-large",
            559_890_432,
            1024,
            24,
            512,
            250002,
            "mit",
            "multilingual",
            False,
        ),
    )
)
