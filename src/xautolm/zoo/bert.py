"""BERT (Devlin et al., 2019) and small descendants of the same architecture."""

from dataclasses import replace

from xautolm.zoo.base import Family, Head

BERT = Family(
    name="bert",
    has_position_table=True,
    head=Head.BERT_POOLER,
    lora_targets=("query", "value"),
    vocabulary=30_522,
    licence="apache-2.0",
)
ERNIE = replace(BERT, name="ernie")
"""Of the same shape; no model of it has a card."""
FAMILIES = (BERT, ERNIE)

# The pooler is counted, too: it is a part of the body, and 768 x 768 weights in the base models.
CARDS = (
    BERT.card(
        "bert-base-uncased",
        hub_id="google-bert/bert-base-uncased",
        parameters=109_482_240,
        hidden_size=768,
        layers=12,
        automatic=True,
    ),
    BERT.card(
        "bert-base-cased",
        hub_id="google-bert/bert-base-cased",
        parameters=108_310_272,
        hidden_size=768,
        layers=12,
        vocabulary=28_996,
    ),
    BERT.card(
        "bert-large-uncased",
        hub_id="google-bert/bert-large-uncased",
        parameters=335_141_888,
        hidden_size=1024,
        layers=24,
    ),
    BERT.card(
        "bert-large-cased",
        hub_id="google-bert/bert-large-cased",
        parameters=333_579_264,
        hidden_size=1024,
        layers=24,
        vocabulary=28_996,
    ),
    # Half of the weights of these two are words, so they cost little more time than those for English.
    BERT.card(
        "bert-base-multilingual-cased",
        hub_id="google-bert/bert-base-multilingual-cased",
        parameters=177_853_440,
        hidden_size=768,
        layers=12,
        vocabulary=119_547,
        languages="multilingual",
    ),
    BERT.card(
        "bert-base-multilingual-uncased",
        hub_id="google-bert/bert-base-multilingual-uncased",
        parameters=167_356_416,
        hidden_size=768,
        layers=12,
        vocabulary=105_879,
        languages="multilingual",
    ),
    BERT.card(
        "minilm-l12",
        hub_id="microsoft/MiniLM-L12-H384-uncased",
        parameters=33_360_000,
        hidden_size=384,
        layers=12,
        licence="mit",
    ),
    # From here on sentence encoders: their vectors of similar texts are near before any fine-tuning.
    BERT.card(
        "all-minilm-l6-v2",
        hub_id="sentence-transformers/all-MiniLM-L6-v2",
        parameters=22_713_216,
        hidden_size=384,
        layers=6,
    ),
    BERT.card(
        "e5-small-v2",
        hub_id="intfloat/e5-small-v2",
        parameters=33_360_000,
        hidden_size=384,
        layers=12,
        licence="mit",
        automatic=True,
    ),
    BERT.card(
        "bge-small-en-v1.5",
        hub_id="BAAI/bge-small-en-v1.5",
        parameters=33_360_000,
        hidden_size=384,
        layers=12,
        licence="mit",
        automatic=True,
    ),
    BERT.card(
        "e5-base-v2",
        hub_id="intfloat/e5-base-v2",
        parameters=109_482_240,
        hidden_size=768,
        layers=12,
        licence="mit",
    ),
    BERT.card(
        "e5-large-v2",
        hub_id="intfloat/e5-large-v2",
        parameters=335_141_888,
        hidden_size=1024,
        layers=24,
        licence="mit",
    ),
    BERT.card(
        "bge-base-en-v1.5",
        hub_id="BAAI/bge-base-en-v1.5",
        parameters=109_482_240,
        hidden_size=768,
        layers=12,
        licence="mit",
    ),
    BERT.card(
        "bge-large-en-v1.5",
        hub_id="BAAI/bge-large-en-v1.5",
        parameters=335_141_888,
        hidden_size=1024,
        layers=24,
        licence="mit",
    ),
    BERT.card(
        "multilingual-e5-small",
        hub_id="intfloat/multilingual-e5-small",
        parameters=117_653_760,
        hidden_size=384,
        layers=12,
        # Of XLM-RoBERTa's tokenizer.
        vocabulary=250_037,
        licence="mit",
        languages="multilingual",
        automatic=True,
    ),
)
