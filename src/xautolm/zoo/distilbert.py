"""DistilBERT (Sanh et al., 2019)."""

from xautolm.zoo.base import Family, Head

DISTILBERT = Family(
    name="distilbert",
    has_position_table=True,
    head=Head.DENSE_RELU,
    lora_targets=("q_lin", "v_lin"),
    vocabulary=30_522,
    licence="apache-2.0",
)
FAMILIES = (DISTILBERT,)

# Without a pooler and without segments, unlike BERT.
CARDS = (
    DISTILBERT.card(
        "distilbert-base-uncased",
        hub_id="distilbert/distilbert-base-uncased",
        parameters=66_362_880,
        hidden_size=768,
        layers=6,
        automatic=True,
    ),
    DISTILBERT.card(
        "distilbert-base-cased",
        hub_id="distilbert/distilbert-base-cased",
        parameters=65_190_912,
        hidden_size=768,
        layers=6,
        vocabulary=28_996,
    ),
    DISTILBERT.card(
        "distilbert-base-multilingual-cased",
        hub_id="distilbert/distilbert-base-multilingual-cased",
        parameters=134_734_080,
        hidden_size=768,
        layers=6,
        vocabulary=119_547,
        languages="multilingual",
    ),
)
