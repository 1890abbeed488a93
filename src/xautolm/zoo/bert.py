"""BERT (Devlin et al., 2019) and small descendants of the same architecture."""

from xautolm.zoo.cards import hub_card

CARDS = tuple(
    hub_card(row, family="bert", lora_targets=("query", "value"))
    for row in (
        ("bert-base-uncased", "google-bert/bert-base-uncased", 109_482_240, 768, 12, 512, 30522, "apache-2.0", "en", True),
        ("bert-base-cased", "google-bert/bert-base-cased", 108_310_272, 768, 12, 512, 28996, "apache-2.0", "en", False),
        ("bert-large-uncased", "google-bert/bert-large-uncased", 335_141_888, 1024, 24, 512, 30522, "apache-2.0", "en", False),
        ("bert-large-cased", "google-bert/bert-large-cased", 333_579_264, 1024, 24, 512, 28996, "apache-2.0", "en", False),
        ("bert-base-multilingual-cased", "google-bert/bert-base-multilingual-cased", 177_853_440, 768, 12, 512, 119547, "apache-2.0", "multilingual", False),
        ("minilm-l12", "microsoft/MiniLM-L12-H384-uncased", 33_360_000, 384, 12, 512, 30522, "mit", "en", False),
        ("all-minilm-l6-v2", "sentence-transformers/all-MiniLM-L6-v2", 22_713_216, 384, 6, 512, 30522, "apache-2.0", "en", False),
        ("e5-small-v2", "intfloat/e5-small-v2", 33_360_000, 384, 12, 512, 30522, "mit", "en", True),
        ("bge-small-en-v1.5", "BAAI/bge-small-en-v1.5", 33_360_000, 384, 12, 512, 30522, "mit", "en", True),
        ("multilingual-e5-small", "intfloat/multilingual-e5-small", 117_653_760, 384, 12, 512, 250037, "mit", "multilingual", True),
    )
)
