"""ModernBERT (Warner et al., 2024)."""

from xautolm.zoo.base import Family, Head

MODERNBERT = Family(
    name="modernbert",
    head=Head.PRETRAINED_DENSE,
    # Query, key and value are one matrix.
    lora_targets=("Wqkv",),
    positions=8192,
    # A multiple of 64 with unused rows, for fast matrix products (paper).
    vocabulary=50_368,
    licence="apache-2.0",
)
FAMILIES = (MODERNBERT,)

CARDS = (
    MODERNBERT.card(
        "modernbert-base",
        hub_id="answerdotai/ModernBERT-base",
        parameters=149_014_272,
        hidden_size=768,
        layers=22,
        automatic=True,
    ),
    MODERNBERT.card(
        "modernbert-large",
        hub_id="answerdotai/ModernBERT-large",
        parameters=394_781_696,
        hidden_size=1024,
        layers=28,
    ),
)
