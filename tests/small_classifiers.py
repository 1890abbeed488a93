"""Classifiers of random weights, small enough to be exported in a moment, as winners of runs that were played."""

from __future__ import annotations

from pathlib import Path

import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import (
    AlbertConfig,
    AlbertForSequenceClassification,
    BartConfig,
    BartForSequenceClassification,
    BertConfig,
    BertForSequenceClassification,
    DebertaV2Config,
    DebertaV2ForSequenceClassification,
    DistilBertConfig,
    DistilBertForSequenceClassification,
    ElectraConfig,
    ElectraForSequenceClassification,
    GPT2Config,
    GPT2ForSequenceClassification,
    LlamaConfig,
    LlamaForSequenceClassification,
    ModernBertConfig,
    ModernBertForSequenceClassification,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForSequenceClassification,
    RobertaConfig,
    RobertaForSequenceClassification,
    T5Config,
    T5ForSequenceClassification,
    XLMRobertaConfig,
    XLMRobertaForSequenceClassification,
)

from tests.played import CLASSES, played
from xautolm.finetuning.export import save_model
from xautolm.records import Answering
from xautolm.run_folder import RunFolder

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "text", "another", "on", "the", *CLASSES]
WORDS += [str(number) for number in range(30)]
DECODER = {
    "vocab_size": len(WORDS),
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "initializer_range": 0.5,
    "pad_token_id": 0,
}
SHAPE = {**DECODER, "max_position_embeddings": 40}
"""Of encoders, which have a table of positions."""
DISTILBERT = {
    "vocab_size": len(WORDS),
    "dim": 32,
    "n_layers": 2,
    "n_heads": 2,
    "hidden_dim": 64,
    "initializer_range": 0.5,
    "pad_token_id": 0,
}
FAMILIES: dict[str, tuple[type[PreTrainedModel], PreTrainedConfig]] = {
    "bert": (BertForSequenceClassification, BertConfig(**SHAPE)),
    "albert": (AlbertForSequenceClassification, AlbertConfig(embedding_size=16, **SHAPE)),
    "distilbert": (DistilBertForSequenceClassification, DistilBertConfig(**DISTILBERT)),
    "deberta-v2": (DebertaV2ForSequenceClassification, DebertaV2Config(**SHAPE)),
    "electra": (ElectraForSequenceClassification, ElectraConfig(embedding_size=16, **SHAPE)),
    "roberta": (RobertaForSequenceClassification, RobertaConfig(**SHAPE)),
}
"""Every kind of head that a folder of sentence-transformers can hold."""
OTHERS: dict[str, tuple[type[PreTrainedModel], PreTrainedConfig]] = {
    "xlm-roberta": (XLMRobertaForSequenceClassification, XLMRobertaConfig(**SHAPE)),
    "modernbert": (
        ModernBertForSequenceClassification,
        ModernBertConfig(**SHAPE, cls_token_id=2, sep_token_id=3, bos_token_id=2, eos_token_id=3),
    ),
    "gpt2": (
        GPT2ForSequenceClassification,
        GPT2Config(
            vocab_size=len(WORDS),
            n_embd=32,
            n_layer=2,
            n_head=2,
            pad_token_id=0,
            initializer_range=0.5,
        ),
    ),
    "llama": (LlamaForSequenceClassification, LlamaConfig(**DECODER)),
    "qwen2": (
        Qwen2ForSequenceClassification,
        Qwen2Config(**DECODER, num_key_value_heads=1),
    ),
    "t5": (
        T5ForSequenceClassification,
        T5Config(
            vocab_size=len(WORDS),
            d_model=32,
            d_kv=16,
            d_ff=64,
            num_layers=2,
            num_heads=2,
            pad_token_id=0,
            eos_token_id=3,
            decoder_start_token_id=0,
        ),
    ),
    "bart": (
        BartForSequenceClassification,
        BartConfig(
            vocab_size=len(WORDS),
            d_model=32,
            encoder_layers=2,
            decoder_layers=2,
            encoder_attention_heads=2,
            decoder_attention_heads=2,
            encoder_ffn_dim=64,
            decoder_ffn_dim=64,
            max_position_embeddings=40,
            pad_token_id=0,
            eos_token_id=3,
            init_std=0.5,
        ),
    ),
}
"""Heads that only ONNX can hold, or that are like one of the others."""


def tokenizer() -> PreTrainedTokenizerFast:
    """Return a tokenizer of words that marks the beginning of a text and the end of each."""
    vocabulary = {word: number for number, word in enumerate(WORDS)}
    words = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    words.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=words,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
    )


def run_with(folder: Path, family: str, task: str = "text-classification") -> RunFolder:
    """Return a run that was played, with a model of random weights as its winner."""
    played(folder, task)
    run = RunFolder(folder)
    labels = run.info().labels
    torch.manual_seed(0)
    model_class, config = (FAMILIES | OTHERS)[family]
    config.num_labels = len(labels) or 1
    form = "classify" if labels else "regress"
    settings = Answering(
        task=task, form=form, max_length=16, labels=labels, mean=10.0, deviation=3.0
    )
    save_model(model_class(config), tokenizer(), settings, run.best)
    return run
