"""RoBERTa (Liu et al., 2019) and its Spanish relatives."""

from xautolm.zoo.cards import hub_card

CARDS = tuple(
    hub_card(row, family="roberta", lora_targets=("query", "value"))
    for row in (
        ("roberta-base", "FacebookAI/roberta-base", 124_645_632, 768, 12, 512, 50265, "mit", "en", True),
        ("roberta-large", "FacebookAI/roberta-large", 355_359_744, 1024, 24, 512, 50265, "mit", "en", False),
        (
            "robertuito-base-uncased",
            "pysentimiento/robertuito-base-uncased",
            108_793_344,
            768,
            12,
            128,
            30002,
            "unstated",
            "es",
            False,
        ),
        (
            "roberta-base-bne",
            "PlanTL-GOB-ES/roberta-base-bne",
            124_643_328,
            768,
            12,
            512,
            50262,
            "apache-2.0",
            "es",
            False,
        ),
    )
)
