"""DeBERTa-v3 (He et al., 2023); transformers calls the architecture deberta-v2."""

from xautolm.zoo.base import Family, Head

DEBERTA_V2 = Family(
    name="deberta-v2",
    head=Head.CONTEXT_POOLER,
    lora_targets=("query_proj", "value_proj"),
    vocabulary=128_100,
    licence="mit",
)
FAMILIES = (DEBERTA_V2,)

# The table of words alone has 98 million weights in the small and the base model (128,100 x 768).
CARDS = (
    DEBERTA_V2.card(
        "deberta-v3-small",
        hub_id="microsoft/deberta-v3-small",
        parameters=141_304_320,
        hidden_size=768,
        layers=6,
        automatic=True,
        safetensors=False,
    ),
    DEBERTA_V2.card(
        "deberta-v3-base",
        hub_id="microsoft/deberta-v3-base",
        parameters=183_831_552,
        hidden_size=768,
        layers=12,
        automatic=True,
        safetensors=False,
    ),
    DEBERTA_V2.card(
        "deberta-v3-large",
        hub_id="microsoft/deberta-v3-large",
        parameters=434_012_160,
        hidden_size=1024,
        layers=24,
        safetensors=False,
    ),
    DEBERTA_V2.card(
        "mdeberta-v3-base",
        hub_id="microsoft/mdeberta-v3-base",
        parameters=278_218_752,
        hidden_size=768,
        layers=12,
        vocabulary=251_000,
        languages="multilingual",
    ),
    DEBERTA_V2.card(
        "deberta-v3-xsmall",
        hub_id="microsoft/deberta-v3-xsmall",
        parameters=70_682_112,
        hidden_size=384,
        layers=12,
        safetensors=False,
    ),
)
