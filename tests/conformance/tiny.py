"""Models of real architecture classes with random weights, small enough to train in a second."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    PreTrainedTokenizerFast,
    set_seed,
)

from xautolm.records import ModelCard
from xautolm.zoo import ZOO, find_models

POSITIONS = 130
COMMON = {
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 128,
    "max_position_embeddings": POSITIONS,
}
GROUPED = {**COMMON, "num_key_value_heads": 1, "head_dim": 32}
SHAPES: dict[str, dict[str, Any]] = {
    "albert": {**COMMON, "embedding_size": 64},
    "bart": {
        "d_model": 64,
        "encoder_layers": 2,
        "decoder_layers": 2,
        "encoder_attention_heads": 2,
        "decoder_attention_heads": 2,
        "encoder_ffn_dim": 128,
        "decoder_ffn_dim": 128,
        "max_position_embeddings": POSITIONS,
    },
    "distilbert": {
        "dim": 64,
        "n_layers": 2,
        "n_heads": 2,
        "hidden_dim": 128,
        "max_position_embeddings": POSITIONS,
    },
    "electra": {**COMMON, "embedding_size": 64},
    "eurobert": {**COMMON, "num_key_value_heads": 1},
    "gemma": GROUPED,
    "gemma3_text": GROUPED,
    "granite": {**COMMON, "num_key_value_heads": 1},
    "granitemoehybrid": {
        **COMMON,
        "num_key_value_heads": 1,
        "shared_intermediate_size": 128,
        "num_local_experts": 0,
        "num_experts_per_tok": 0,
        "layer_types": ["attention"] * 2,
    },
    "gpt2": {"n_embd": 64, "n_layer": 2, "n_head": 2, "n_positions": POSITIONS},
    "lfm2": {**COMMON, "num_key_value_heads": 1, "full_attn_idxs": [1]},
    "llama": GROUPED,
    "mistral": GROUPED,
    "mt5": {"d_model": 64, "d_kv": 32, "d_ff": 128, "num_layers": 2, "num_heads": 2},
    "olmo2": {**COMMON, "num_key_value_heads": 1},
    "olmo3": {**COMMON, "num_key_value_heads": 1},
    "opt": {**COMMON, "ffn_dim": 128, "word_embed_proj_dim": 64},
    "phi3": {**COMMON, "num_key_value_heads": 1},
    "qwen2": {**COMMON, "num_key_value_heads": 1},
    "qwen3": GROUPED,
    "smollm3": {**COMMON, "num_key_value_heads": 1},
    "t5": {"d_model": 64, "d_kv": 32, "d_ff": 128, "num_layers": 2, "num_heads": 2},
}
"""Where a family's configuration does not have the common names."""
FAMILIES = {card.family: card for card in ZOO.things.values() if card.origin == "hub"}
"""A card of each family in the zoo."""


def tiny_model(family: str, folder: Path, texts: list[str], **shape: Any) -> ModelCard:
    """A model of a family in a folder, with a tokenizer trained on some texts; returns its card.

    Args:
        family: What `config.json` calls it; an encoder if the zoo has none of it.
        folder: Where to.
        texts: For the tokenizer.
        **shape: Values of its configuration other than the small ones.
    """
    known = FAMILIES.get(family)
    architecture = known.architecture if known else "encoder"
    tokenizer = _tokenizer(architecture, texts)
    special = {
        "vocab_size": len(tokenizer),
        "pad_token_id": tokenizer.pad_token_id,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
    }
    if architecture == "encoder-decoder":
        special["decoder_start_token_id"] = tokenizer.bos_token_id
    config = AutoConfig.for_model(family, **{**SHAPES.get(family, COMMON), **special, **shape})
    kinds = {
        "encoder": AutoModel,
        "decoder": AutoModelForCausalLM,
        "encoder-decoder": AutoModelForSeq2SeqLM,
    }
    set_seed(0)
    kinds[architecture].from_config(config).save_pretrained(str(folder))
    tokenizer.save_pretrained(str(folder))
    (card,) = find_models([str(folder)], ZOO.things)
    assert card.architecture == architecture
    return (
        replace(card, lora_targets=known.lora_targets, shared_layers=known.shared_layers)
        if known
        else card
    )


def _tokenizer(architecture: str, texts: list[str]) -> PreTrainedTokenizerFast:
    special = {"pad_token": "<pad>", "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=list(special.values()),
        initial_alphabet=alphabet,
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    start, end = (special[name] for name in ("bos_token", "eos_token"))
    single = {
        "encoder": f"{start} $A {end}",
        "decoder": f"{start} $A",
        "encoder-decoder": f"$A {end}",
    }[architecture]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=single,
        pair=f"{start} $A {end} $B {end}",
        special_tokens=[(token, tokenizer.token_to_id(token)) for token in (start, end)],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=POSITIONS - 2,
        cls_token=start,
        sep_token=end,
        **special,
    )
