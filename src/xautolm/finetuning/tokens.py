"""Texts to tokens: once for each tokenizer and length, shared by all trials of a run on disk."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from datasets import Dataset, DatasetDict
from transformers import PreTrainedTokenizerBase

from xautolm.data.stored import read_split
from xautolm.data.stratify import Strata, sample
from xautolm.errors import TrialError
from xautolm.finetuning.forms import TORCH_FORMS
from xautolm.finetuning.pretrained import load_failure, read_tokenizer
from xautolm.records import Answering, ModelCard, TrialSpec, digest_of
from xautolm.serialization import temporary_path, to_plain
from xautolm.space.shares import RUNG_SHARES, trained_share
from xautolm.symptoms import lacks_memory
from xautolm.tasks import Task, form_of
from xautolm.vocabulary import Architecture, FailureKind, Origin, Split

if TYPE_CHECKING:
    from tokenizers import Tokenizer

logger = logging.getLogger(__name__)

T = TypeVar("T")

VOCABULARY_SAMPLE = 200
"""Training texts by which a tokenizer is judged."""
MOST_UNKNOWN = 0.95
"""Share of unknown tokens above which nothing but the length of a text reaches the model."""


def load_tokenizer(card: ModelCard, data: Path, shared: Path) -> PreTrainedTokenizerBase:
    """Return the model's tokenizer; for a model from scratch, one that is built on the training texts.

    Args:
        card: The model's.
        data: The folder with the splits.
        shared: The run's folder of tokens, where such a tokenizer is kept.

    Raises:
        TrialError: It cannot be loaded (`load_error`).
    """
    if card.origin == Origin.SCRATCH:

        def build(folder: Path) -> None:
            _build(card, data, folder)

        return loaded(shared / tokenizer_name(card), build, read_tokenizer)
    source = card.path or card.hub_id
    try:
        tokenizer = read_tokenizer(source)
    except Exception as error:
        raise load_failure(f"tokenizer of {card.name}", source, error) from error
    if tokenizer.pad_token is None:
        # A token of its own: with the end's, the loss would leave out, and generation ignore, where answers end.
        tokenizer.add_special_tokens({"pad_token": "<pad>"})
    return tokenizer


def tokenized(
    spec: TrialSpec, task: Task, tokenizer: PreTrainedTokenizerBase
) -> tuple[DatasetDict, Answering]:
    """Return the splits as their form needs them, memory-mapped from disk, and the settings by which answers are given.

    Args:
        spec: The trial's.
        task: The task.
        tokenizer: The model's.

    Raises:
        TrialError: The tokenizer does not know the language of the data (`load_error`).
    """
    architecture = spec.card.architecture
    form_name = form_of(task.forms, architecture, spec.configuration.values).name
    form = TORCH_FORMS.get(form_name)
    tables = {name: read_split(spec.data, name) for name in (Split.TRAIN, Split.VALIDATION)}
    train = tables[Split.TRAIN]

    first_input = next(iter(task.inputs))
    sample_texts = train[first_input].iloc[:VOCABULARY_SAMPLE]
    _check_vocabulary(spec.card, tokenizer, list(sample_texts))

    # All of them: whether some are empty, and their mean, is of the whole split.
    targets = [task.words(label) for label in train[task.target]]
    settings = form.answering(spec, tokenizer, targets)

    def make(folder: Path) -> None:
        splits = DatasetDict()
        for name, table in tables.items():
            columns = form.columns(table, task, tokenizer, settings, architecture)
            splits[name] = Dataset.from_dict(columns)
        splits.save_to_disk(str(folder))

    def load(folder: Path) -> DatasetDict:
        return DatasetDict.load_from_disk(str(folder))

    folder = tokens_folder(spec, settings)
    return loaded(folder, make, load), settings


def tokens_folder(spec: TrialSpec, settings: Answering) -> Path:
    """Return where the tokens of a model with these settings of answering are kept.

    Models with the same files share them, whatever their methods and layers are.
    """
    card = spec.card
    source = card.path or card.hub_id or tokenizer_name(card)
    # All that the tokens depend on besides the data, of which a run has one.
    digest = digest_of([source, card.architecture, to_plain(settings)])
    name = f"tokens-{digest[:12]}-{settings.max_length}"
    return Path(spec.tokens) / name


def _check_vocabulary(
    card: ModelCard, tokenizer: PreTrainedTokenizerBase, texts: list[str]
) -> None:
    """Refuse a tokenizer that does not know the language of the data: all texts would look alike to the model.

    Raises:
        TrialError: Nearly all tokens of the texts are unknown to it (`load_error`).
    """
    unknown_token = tokenizer.unk_token_id
    # Tokenizers of bytes know every text.
    if unknown_token is None:
        return
    encoded = tokenizer(texts, add_special_tokens=False, truncation=True)
    token_count = 0
    unknown_count = 0
    for row in encoded["input_ids"]:
        token_count += len(row)
        unknown_count += row.count(unknown_token)
    share = unknown_count / max(1, token_count)
    if share > MOST_UNKNOWN:
        raise TrialError(
            FailureKind.LOAD_ERROR,
            f"tokenizer of {card.name}: {share:.0%} of the training texts' words are unknown to it; "
            f"use a model for their language, or the tokenizer that belongs to the weights",
        )


def trained_rows(rows: Dataset, spec: TrialSpec, task: Task) -> Dataset:
    """Return the part of the training rows that a configuration asks for, in proportion to the classes.

    Args:
        rows: All of them, tokenised.
        spec: The trial's; with the same seed, the part of a lower rung lies within that of a higher one.
        task: The task.
    """
    share = trained_share(spec.configuration.values)
    if share == 1:
        return rows
    table = read_split(spec.data, Split.TRAIN)
    # Forms that extract make several rows of a long text; their order says nothing of the table's.
    strata: Sequence[Strata] = [()] * len(rows)
    if len(table) == len(rows):
        strata = task.strata(list(table[task.target]))
    return rows.select(nested_sample(strata, share, spec.seed))


def nested_sample(strata: Sequence[Strata], share: float, seed: int) -> np.ndarray:
    """Return sorted positions of a stratified share of some rows, drawn from the shares of the rungs above it.

    Args:
        strata: Of each row.
        share: Of the rows; at least one is returned.
        seed: Same seed, same rows.
    """
    higher_rungs = [rung for rung in RUNG_SHARES if rung > share]
    positions = np.arange(len(strata))
    # From the highest down, each drawn from the one above it: so a lower rung's rows are among a higher one's.
    for rung in sorted({share, *higher_rungs}, reverse=True):
        rung_rows = round(rung * len(strata))
        size = max(1, rung_rows)
        strata_of_rows = [strata[position] for position in positions.tolist()]
        drawn = sample(strata_of_rows, size, seed)
        positions = positions[drawn]
    return positions


def loaded(folder: Path, make: Callable[[Path], None], load: Callable[[Path], T]) -> T:
    """Return the content of a shared folder; one that is damaged is made again.

    Args:
        folder: Made only once, as by `once`.
        make: Fills a folder.
        load: Reads it.
    """
    if folder.exists():
        try:
            return load(folder)
        except Exception as error:  # tokenizers and Arrow raise many kinds
            # Then it is not the folder that is to blame.
            if lacks_memory(error):
                raise
            logger.warning("%s cannot be read and is made again: %s", folder, error)
            shutil.rmtree(folder, ignore_errors=True)
    return load(once(folder, make))


def once(folder: Path, make: Callable[[Path], None]) -> Path:
    """Return a folder that is made only once, whole, even when several trials want it at the same time.

    Each makes its own copy under another name; the first to rename it wins, the rest throw theirs away.

    Args:
        folder: The folder.
        make: Fills a folder that exists and is empty.

    Raises:
        OSError: It could not be made; nothing of it is left, which would keep a full disk full.
    """
    if folder.exists():
        return folder
    own_copy = temporary_path(folder)
    try:
        own_copy.mkdir(parents=True)
        make(own_copy)
        own_copy.rename(folder)
    except BaseException as error:
        shutil.rmtree(own_copy, ignore_errors=True)
        # A folder that is not empty cannot be renamed to: another trial was first.
        is_too_late = isinstance(error, OSError) and folder.exists()
        if not is_too_late:
            raise
    return folder


def tokenizer_name(card: ModelCard) -> str:
    """Return the name of the tokenizer that a model from scratch has; models of one name share it."""
    return f"tokenizer-{card.architecture}-{card.vocabulary}-{card.positions}"


def _build(card: ModelCard, data: Path, folder: Path) -> None:
    """Train a tokenizer on the training texts: lower-casing WordPiece for encoders, bytes for models that write."""
    table = read_split(data, Split.TRAIN)
    texts: list[str] = []
    for column in table.columns:
        texts += [str(cell) for cell in table[column]]
    if card.architecture == Architecture.ENCODER:
        _word_pieces(card, texts, folder)
    else:
        _byte_pairs(card, texts, folder)


def _word_pieces(card: ModelCard, texts: list[str], folder: Path) -> None:
    """Train a WordPiece tokenizer as BERT's, and save it."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    special = {
        "pad_token": "[PAD]",
        "unk_token": "[UNK]",
        "cls_token": "[CLS]",
        "sep_token": "[SEP]",
        "mask_token": "[MASK]",
    }
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(
        vocab_size=card.vocabulary,
        special_tokens=[*special.values(), *_single_pieces(texts, tokenizer)],
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer = _with_vocabulary(tokenizer, list(special.values()))
    around = [(token, tokenizer.token_to_id(token)) for token in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=around
    )
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, model_max_length=card.positions, **special
    )
    fast.save_pretrained(str(folder))


def _single_pieces(texts: list[str], tokenizer: Tokenizer) -> list[str]:
    """Return each character of the words of the texts as a piece, and as one that goes on with a word if it ever does.

    Named to the trainer, they get the same numbers in every process. Those that go on with a word are otherwise
    numbered in the order of a hash table, which differs from process to process, and between equally frequent pairs
    the numbers decide which one becomes a piece: the same data and seed would give another tokenizer each time.
    """
    characters: set[str] = set()
    continuing: set[str] = set()
    for text in texts:
        normal = tokenizer.normalizer.normalize_str(text)
        for word, _ in tokenizer.pre_tokenizer.pre_tokenize_str(normal):
            characters.update(word)
            # Signs and Chinese characters are words of their own, and never go on with one.
            continuing.update(word[1:])
    # Sorted, because the order of a set differs from process to process.
    continuations = [f"##{character}" for character in sorted(continuing)]
    return [*sorted(characters), *continuations]


def _with_vocabulary(trained: Tokenizer, special: list[str]) -> Tokenizer:
    """Return a tokenizer with the same vocabulary, to which no tokens but these are special."""
    from tokenizers import Tokenizer, models

    tokenizer = Tokenizer(models.WordPiece(trained.get_vocab(), unk_token="[UNK]"))
    tokenizer.normalizer = trained.normalizer
    tokenizer.pre_tokenizer = trained.pre_tokenizer
    tokenizer.add_special_tokens(special)
    return tokenizer


def _byte_pairs(card: ModelCard, texts: list[str], folder: Path) -> None:
    """Train a tokenizer of byte pairs, and save it."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    special = {"pad_token": "<pad>", "bos_token": "<s>", "eos_token": "</s>"}
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=card.vocabulary,
        special_tokens=list(special.values()),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    # What an encoder-decoder reads ends with a token of its own, as T5's; what a decoder goes on with begins with one.
    if card.architecture == Architecture.ENCODER_DECODER:
        token = special["eos_token"]
        template = f"$A {token}"
    else:
        token = special["bos_token"]
        template = f"{token} $A"
    token_id = tokenizer.token_to_id(token)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=template, special_tokens=[(token, token_id)]
    )
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, model_max_length=card.positions, **special
    )
    fast.save_pretrained(str(folder))
