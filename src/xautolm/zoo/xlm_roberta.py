"""XLM-RoBERTa (Conneau et al., 2020)."""

from xautolm.zoo.base import Family, Head

XLM_ROBERTA = Family(
    name="xlm-roberta",
    has_position_table=True,
    # As in RoBERTa, whose architecture it has.
    counts_from_padding=True,
    head=Head.DENSE_TANH,
    lora_targets=("query", "value"),
    vocabulary=250_002,
    licence="mit",
    languages="multilingual",
)
FAMILIES = (XLM_ROBERTA,)

# Most of the base model's weights are words: 192 million (250,002 x 768) of 278.
CARDS = (
    XLM_ROBERTA.card(
        "xlm-roberta-base",
        hub_id="FacebookAI/xlm-roberta-base",
        parameters=278_043_648,
        hidden_size=768,
        layers=12,
        automatic=True,
    ),
    XLM_ROBERTA.card(
        "xlm-roberta-large",
        hub_id="FacebookAI/xlm-roberta-large",
        parameters=559_890_432,
        hidden_size=1024,
        layers=24,
    ),
    # Sentence encoders: their vectors of similar texts are near before any fine-tuning.
    XLM_ROBERTA.card(
        "multilingual-e5-base",
        hub_id="intfloat/multilingual-e5-base",
        parameters=278_043_648,
        hidden_size=768,
        layers=12,
    ),
    XLM_ROBERTA.card(
        "multilingual-e5-large",
        hub_id="intfloat/multilingual-e5-large",
        parameters=559_890_432,
        hidden_size=1024,
        layers=24,
    ),
)
