"""ModernBERT (Warner et al., 2024), sentence encoders made from it, and Ettin and mmBERT (Weller et al. and Marone et
al., 2025), which have the same architecture."""

from dataclasses import replace

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
# Its last phase of training had inputs of 7,999 tokens.
ETTIN = replace(MODERNBERT, licence="mit", positions=7999)
# 1,833 languages and the tokenizer of Gemma 2, whose words are 197 of the base model's 307 million weights.
MMBERT = replace(MODERNBERT, licence="mit", vocabulary=256_000, languages="multilingual")
# To transformers all three are `modernbert`, and what holds for every model of a family is equal in them.
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
        automatic=True,
    ),
    # Sentence encoders: their vectors of similar texts are near before any fine-tuning.
    MODERNBERT.card(
        "gte-modernbert-base",
        hub_id="Alibaba-NLP/gte-modernbert-base",
        parameters=149_014_272,
        hidden_size=768,
        layers=22,
    ),
    MODERNBERT.card(
        "modernbert-embed-base",
        hub_id="nomic-ai/modernbert-embed-base",
        parameters=149_014_272,
        hidden_size=768,
        layers=22,
    ),
    ETTIN.card(
        "ettin-17m",
        hub_id="jhu-clsp/ettin-encoder-17m",
        parameters=16_797_440,
        hidden_size=256,
        layers=7,
    ),
    ETTIN.card(
        "ettin-32m",
        hub_id="jhu-clsp/ettin-encoder-32m",
        parameters=31_883_136,
        hidden_size=384,
        layers=10,
    ),
    ETTIN.card(
        "ettin-68m",
        hub_id="jhu-clsp/ettin-encoder-68m",
        parameters=68_144_640,
        hidden_size=512,
        layers=19,
    ),
    ETTIN.card(
        "ettin-150m",
        hub_id="jhu-clsp/ettin-encoder-150m",
        parameters=149_014_272,
        hidden_size=768,
        layers=22,
    ),
    ETTIN.card(
        "ettin-400m",
        hub_id="jhu-clsp/ettin-encoder-400m",
        parameters=394_781_696,
        hidden_size=1024,
        layers=28,
        automatic=True,
    ),
    ETTIN.card(
        "ettin-1b",
        hub_id="jhu-clsp/ettin-encoder-1b",
        parameters=1_028_050_688,
        hidden_size=1792,
        layers=28,
        automatic=True,
    ),
    MMBERT.card(
        "mmbert-small",
        hub_id="jhu-clsp/mmBERT-small",
        parameters=140_493_696,
        hidden_size=384,
        layers=22,
    ),
    MMBERT.card(
        "mmbert-base",
        hub_id="jhu-clsp/mmBERT-base",
        parameters=306_939_648,
        hidden_size=768,
        layers=22,
        automatic=True,
    ),
)
