"""Numbers of published `config.json` files, by the names of the zoo's cards.

Of Ettin, EuroBERT, LFM2, OLMo, Qwen3 and Granite, widths and layers or the exact numbers of weights were found again in
public repositories that measured or converted the models, of mmBERT the rounded numbers of its paper; mT5-small is the
default of transformers' configuration; the sentence encoders and BART have the shapes of the models that they began as.
"""

from __future__ import annotations

from typing import Any

MODERNBERT = {"model_type": "modernbert", "vocab_size": 50_368}
ETTIN = {**MODERNBERT, "max_position_embeddings": 7999}
MMBERT = {**MODERNBERT, "vocab_size": 256_000, "num_hidden_layers": 22, "intermediate_size": 1152}
EUROBERT = {"model_type": "eurobert", "vocab_size": 128_256}
DEBERTA_V3 = {
    "model_type": "deberta-v2",
    "vocab_size": 128_100,
    "max_position_embeddings": 512,
    "relative_attention": True,
    "position_buckets": 256,
    "norm_rel_ebd": "layer_norm",
    "share_att_key": True,
    "pos_att_type": "p2c|c2p",
    "position_biased_input": False,
    "type_vocab_size": 0,
}
QWEN_3 = {
    "model_type": "qwen3",
    "vocab_size": 151_936,
    "num_hidden_layers": 36,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "head_dim": 128,
}
OLMO_7B = {
    "hidden_size": 4096,
    "num_hidden_layers": 32,
    "intermediate_size": 11_008,
    "num_attention_heads": 32,
    "num_key_value_heads": 32,
    "tie_word_embeddings": False,
}
GRANITE_3 = {
    "model_type": "granite",
    "vocab_size": 49_155,
    "max_position_embeddings": 131_072,
    "num_hidden_layers": 40,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "tie_word_embeddings": True,
}
GRANITE_4_MICRO = {
    "model_type": "granitemoehybrid",
    "vocab_size": 100_352,
    "max_position_embeddings": 131_072,
    "hidden_size": 2560,
    "num_hidden_layers": 40,
    "layer_types": ["attention"] * 40,
    "shared_intermediate_size": 8192,
    "num_attention_heads": 40,
    "num_key_value_heads": 8,
    "num_local_experts": 0,
    "num_experts_per_tok": 0,
    "tie_word_embeddings": True,
}
LFM2 = {
    "model_type": "lfm2",
    "num_hidden_layers": 16,
    "num_key_value_heads": 8,
    "full_attn_idxs": [2, 5, 8, 10, 12, 14],
}
BERT_LARGE = {
    "model_type": "bert",
    "hidden_size": 1024,
    "num_hidden_layers": 24,
    "intermediate_size": 4096,
    "num_attention_heads": 16,
}
XLM_ROBERTA = {
    "model_type": "xlm-roberta",
    "vocab_size": 250_002,
    "max_position_embeddings": 514,
    "type_vocab_size": 1,
}
MODERNBERT_BASE = {**MODERNBERT, "hidden_size": 768, "num_hidden_layers": 22}
MT5 = {"model_type": "mt5", "vocab_size": 250_112}


def shape(base: dict[str, Any], width: int, layers: int, inner: int, heads: int) -> dict[str, Any]:
    """Return a configuration with these numbers."""
    return {
        **base,
        "hidden_size": width,
        "num_hidden_layers": layers,
        "intermediate_size": inner,
        "num_attention_heads": heads,
    }


SHAPES: dict[str, dict[str, Any]] = {
    "e5-base-v2": {"model_type": "bert"},
    "e5-large-v2": BERT_LARGE,
    "bge-base-en-v1.5": {"model_type": "bert"},
    "bge-large-en-v1.5": BERT_LARGE,
    "multilingual-e5-base": XLM_ROBERTA,
    "multilingual-e5-large": shape(XLM_ROBERTA, 1024, 24, 4096, 16),
    "deberta-v3-xsmall": shape(DEBERTA_V3, 384, 12, 1536, 6),
    "deberta-v3-small": shape(DEBERTA_V3, 768, 6, 3072, 12),
    "modernbert-base": MODERNBERT_BASE,
    "gte-modernbert-base": MODERNBERT_BASE,
    "modernbert-embed-base": MODERNBERT_BASE,
    "ettin-17m": shape(ETTIN, 256, 7, 384, 4),
    "ettin-32m": shape(ETTIN, 384, 10, 576, 6),
    "ettin-68m": shape(ETTIN, 512, 19, 768, 8),
    "ettin-150m": shape(ETTIN, 768, 22, 1152, 12),
    "ettin-400m": shape(ETTIN, 1024, 28, 2624, 16),
    "ettin-1b": shape(ETTIN, 1792, 28, 3840, 28),
    "mmbert-small": shape(MMBERT, 384, 22, 1152, 6),
    "mmbert-base": shape(MMBERT, 768, 22, 1152, 12),
    "eurobert-210m": {**shape(EUROBERT, 768, 12, 3072, 12), "num_key_value_heads": 12},
    "eurobert-610m": {**shape(EUROBERT, 1152, 26, 4096, 18), "num_key_value_heads": 6},
    "eurobert-2.1b": {**shape(EUROBERT, 2304, 32, 6144, 18), "num_key_value_heads": 6},
    "qwen3-4b": {
        **QWEN_3,
        "hidden_size": 2560,
        "intermediate_size": 9728,
        "tie_word_embeddings": True,
    },
    "qwen3-8b": {**QWEN_3, "hidden_size": 4096, "intermediate_size": 12_288},
    "olmo-2-1b": {
        **shape({"model_type": "olmo2"}, 2048, 16, 8192, 16),
        "vocab_size": 100_352,
        "max_position_embeddings": 4096,
    },
    "olmo-2-7b": {
        "model_type": "olmo2",
        "vocab_size": 100_352,
        "max_position_embeddings": 4096,
        **OLMO_7B,
    },
    "olmo-3-7b": {
        "model_type": "olmo3",
        "vocab_size": 100_278,
        "max_position_embeddings": 65_536,
        **OLMO_7B,
    },
    "granite-3.1-2b-instruct": {**GRANITE_3, "hidden_size": 2048, "intermediate_size": 8192},
    "granite-3.1-8b-instruct": {**GRANITE_3, "hidden_size": 4096, "intermediate_size": 12_800},
    "granite-4.0-micro": GRANITE_4_MICRO,
    # Two thirds of the inner width, rounded up to a multiple of 256, is what the layers have.
    "lfm2-350m": shape(LFM2, 1024, 16, 6656, 16),
    "lfm2-700m": shape(LFM2, 1536, 16, 10_240, 24),
    "lfm2-1.2b": shape(LFM2, 2048, 16, 12_288, 32),
    "bart-large-cnn": {"model_type": "bart", "vocab_size": 50_264},
    "mt5-small": {**MT5, "d_model": 512, "d_kv": 64, "d_ff": 1024, "num_layers": 8, "num_heads": 6},
    "mt5-base": {
        **MT5,
        "d_model": 768,
        "d_kv": 64,
        "d_ff": 2048,
        "num_layers": 12,
        "num_heads": 12,
    },
}
