"""DeBERTa, first version (He et al., 2021)."""

from xautolm.zoo.base import Family, Head

DEBERTA = Family(
    name="deberta",
    head=Head.CONTEXT_POOLER,
    # Query, key and value are one matrix.
    lora_targets=("in_proj",),
    vocabulary=50_265,
    licence="mit",
)
FAMILIES = (DEBERTA,)

CARDS = (
    DEBERTA.card(
        "deberta-base",
        hub_id="microsoft/deberta-base",
        parameters=138_601_728,
        hidden_size=768,
        layers=12,
    ),
)
