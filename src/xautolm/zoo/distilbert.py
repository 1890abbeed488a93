"""DistilBERT (Sanh et al., 2019)."""

from xautolm.zoo.cards import hub_card

CARDS = tuple(
    hub_card(row, family="distilbert", lora_targets=("q_lin", "v_lin"))
    for row in (
        (
            "distilbert-base-uncased",
            "distilbert/distilbert-base-uncased",
            66_362_880,
            768,
            6,
            512,
            30522,
            "apache-2.0",
            "en",
            True,
        ),
        (
            "distilbert-base-cased",
            "distilbert/distilbert-base-cased",
            65_190_912,
            768,
            6,
            512,
            28996,
            "apache-2.0",
            "en",
            False,
        ),
        (
            "distilbert-base-multilingual-cased",
            "distilbert/distilbert-base-multilingual-cased",
            134_734_080,
            768,
            6,
            512,
            119547,
            "apache-2.0",
            "multilingual",
            False,
        ),
    )
)
