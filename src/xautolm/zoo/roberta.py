"""RoBERTa (Liu et al., 2019), its Spanish relatives, and families of the same head and positions."""

from dataclasses import replace

from xautolm.zoo.base import Family, Head

ROBERTA = Family(
    name="roberta",
    has_position_table=True,
    # The padding token is number 1, so that 512 of the 514 rows of positions are used.
    counts_from_padding=True,
    head=Head.DENSE_TANH,
    lora_targets=("query", "value"),
    vocabulary=50_265,
    licence="mit",
)
RELATIVES = tuple(
    replace(ROBERTA, name=name)
    for name in (
        "camembert",
        "data2vec-text",
        "longformer",
        "mpnet",
        "roberta-prelayernorm",
        "xlm-roberta-xl",
    )
)
"""Families that no model of the zoo is of."""
FAMILIES = (ROBERTA, *RELATIVES)

CARDS = (
    ROBERTA.card(
        "roberta-base",
        hub_id="FacebookAI/roberta-base",
        parameters=124_645_632,
        hidden_size=768,
        layers=12,
        automatic=True,
    ),
    ROBERTA.card(
        "roberta-large",
        hub_id="FacebookAI/roberta-large",
        parameters=355_359_744,
        hidden_size=1024,
        layers=24,
    ),
    ROBERTA.card(
        "robertuito-base-uncased",
        hub_id="pysentimiento/robertuito-base-uncased",
        parameters=108_793_344,
        hidden_size=768,
        layers=12,
        # Pretrained on tweets, cut at 128 tokens.
        positions=128,
        vocabulary=30_002,
        licence="unstated",
        languages="es",
    ),
    ROBERTA.card(
        "roberta-base-bne",
        hub_id="PlanTL-GOB-ES/roberta-base-bne",
        parameters=124_643_328,
        hidden_size=768,
        layers=12,
        vocabulary=50_262,
        licence="apache-2.0",
        languages="es",
    ),
)
