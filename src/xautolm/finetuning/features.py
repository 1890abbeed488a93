"""The features that a frozen body gives of each text: computed once for a model, a length and the data, and kept."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from datasets import Dataset, DatasetDict
from torch import nn
from transformers import BatchEncoding, PreTrainedTokenizerBase
from transformers.utils import ModelOutput

from xautolm.finetuning.feature_files import (
    IN_HALF,
    NOT_KEPT,
    Batch,
    Readout,
    RowFeatures,
    features_in_memory,
    read_features,
    read_seconds,
    stored_type,
    write_features,
    write_seconds,
)
from xautolm.finetuning.forms.base import SEGMENTS, taken_by
from xautolm.finetuning.linear_head import LinearHead
from xautolm.finetuning.mean_pooled import mean_over_layers, mean_over_tokens
from xautolm.finetuning.memory import in_batches
from xautolm.finetuning.precision import as_array
from xautolm.finetuning.probe import sampled_rows
from xautolm.finetuning.tokens import once
from xautolm.records import ModelCard
from xautolm.symptoms import is_trouble
from xautolm.vocabulary import Architecture, Layers, Pooling, Split

logger = logging.getLogger(__name__)

BATCH = 32
"""Rows in a forward pass at most."""
BATCH_TOKENS = 8_192
"""Tokens in a forward pass at most: the hidden states of 24 layers of width 1,024 then take 0.8 GB."""
READ_ROWS = 2_048
"""Rows whose tokens are read from the disk at once: a read costs about 10 ms, however few its rows are."""

OWN = Readout(Pooling.OWN)
MEAN = Readout(Pooling.MEAN)
MEAN_OF_LAYERS = Readout(Pooling.MEAN, Layers.ALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitFeatures:
    """Features of the training split, or of a sample of it, and of the validation split."""

    train: RowFeatures
    validation: RowFeatures
    seconds: float
    """What computing them took in this process; 0 where they lay on the disk already."""
    spared_seconds: float = 0.0
    """What computing them took the trial that left them on the disk; 0 where this process computed them."""
    notes: tuple[str, ...]
    """What was done so that they fit on the disk, for a person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureCache:
    """Where the features of a body are kept, and those of bodies that are parts of each other."""

    folder: Path
    """Of this body; its name must say model, length and data."""
    cuts: Sequence[int] = ()
    """Layers of the bodies that are this one without its top layers: their features are kept, too."""
    deeper: Sequence[Path] = ()
    """Folders of bodies of which this may be the lower part."""

    def of_deeper(
        self, readout: Readout, card: ModelCard, rows: dict[Split, np.ndarray]
    ) -> SplitFeatures | None:
        """Return the features that a deeper body's pass has left; None where there are none.

        Args:
            readout: Which.
            card: The model's.
            rows: Positions of the rows by split.
        """
        lower = replace(readout, depth=card.layers)
        for folder in self.deeper:
            if are_whole(folder, lower, rows):
                return _read(folder, lower, spared_seconds=read_seconds(folder, card.layers))
        return None


def readouts_of(card: ModelCard) -> tuple[Readout, ...]:
    """Return what may be read from a model."""
    if card.architecture == Architecture.ENCODER:
        return (OWN, MEAN, MEAN_OF_LAYERS)
    if card.architecture == Architecture.DECODER:
        # Between its layers a few features are a thousand times as large as the others, and drown them in a mean.
        return (OWN, MEAN)
    # The hidden states of encoder-decoders are those of the decoder, which has read the tokens shifted by one.
    return (OWN,)


def readouts_of_cuts(card: ModelCard, cuts: Sequence[int]) -> list[Readout]:
    """Return what may be read from bodies that are a model's without its top layers.

    Args:
        card: The model's, of a family whose own token is the first, with no normalisation after the last layer. The
            states between its layers are then the ends of these bodies.
        cuts: How many layers each of them has.
    """
    readouts: list[Readout] = []
    for depth in cuts:
        for readout in readouts_of(card):
            readouts.append(replace(readout, depth=depth))
    return readouts


def split_features(
    cache: FeatureCache,
    readout: Readout,
    card: ModelCard,
    head: LinearHead,
    tokenizer: PreTrainedTokenizerBase,
    tokens: DatasetDict,
    probe_rows: int | None = None,
) -> SplitFeatures:
    """Return the features of the training and validation split, computing them if no trial has yet.

    Args:
        cache: Where they are kept.
        readout: Which; all come from the same forward pass.
        card: The model's.
        head: Of the model, opened.
        tokenizer: The model's.
        tokens: The tokenised splits.
        probe_rows: Training rows that are looked at; None for all that a probe takes.
    """
    folder = cache.folder
    body = _Body(head=head, tokenizer=tokenizer)
    # Probes are fitted to a sample of a large training split, and validated on the whole validation split.
    train_count = len(tokens[Split.TRAIN])
    validation_count = len(tokens[Split.VALIDATION])
    train_rows = sampled_rows(train_count, probe_rows)
    rows = {Split.TRAIN: train_rows, Split.VALIDATION: np.arange(validation_count)}

    started = time.monotonic()
    seconds = 0.0
    spared_seconds = 0.0
    if folder.exists() and not are_whole(folder, readout, rows):
        logger.warning("%s cannot be read and is made again", folder)
        shutil.rmtree(folder, ignore_errors=True)
    if not folder.exists():
        features = cache.of_deeper(readout, card, rows)
        if features is not None:
            return features
        # One pass over the data gives what all later probes of this body may look at.
        is_written = _write_all(folder, body, card, cache.cuts, tokens, rows)
        if not is_written:
            by_split = _in_memory(body, readout, tokens, rows)
            seconds = time.monotonic() - started
            return SplitFeatures(
                train=by_split[Split.TRAIN],
                validation=by_split[Split.VALIDATION],
                seconds=seconds,
                notes=(NOT_KEPT,),
            )
        seconds = time.monotonic() - started
    else:
        spared_seconds = read_seconds(folder)

    return _read(folder, readout, seconds=seconds, spared_seconds=spared_seconds)


def _read(
    folder: Path, readout: Readout, *, seconds: float = 0.0, spared_seconds: float = 0.0
) -> SplitFeatures:
    """Return the features of a folder that has them whole; both times as they are defined of `SplitFeatures`."""
    train = read_features(folder, Split.TRAIN, readout)
    validation = read_features(folder, Split.VALIDATION, readout)
    notes: tuple[str, ...] = ()
    # An earlier trial may have written them, when the disk had less room.
    if train.values.dtype == np.float16:
        notes = (IN_HALF,)
    return SplitFeatures(
        train=train,
        validation=validation,
        seconds=seconds,
        spared_seconds=spared_seconds,
        notes=notes,
    )


def are_whole(folder: Path, readout: Readout, rows: dict[Split, np.ndarray]) -> bool:
    """Return whether a folder has the features of these rows; a run that is resumed may find damaged files.

    Args:
        folder: As `write_features` left it.
        readout: Which features.
        rows: Positions of the rows by split.
    """
    for split, positions in rows.items():
        try:
            features = read_features(folder, split, readout)
        except (OSError, ValueError, EOFError):
            return False
        # A file that was cut short, or belongs to another sample.
        has_values = len(features.values) == len(positions)
        has_rows = len(features.rows) == len(positions)
        if not (has_values and has_rows):
            return False
    return True


def own_features(head: LinearHead, tokenizer: PreTrainedTokenizerBase, rows: Dataset) -> np.ndarray:
    """Return what reaches a head, shape (rows, width), in the order of the rows."""
    body = _Body(head=head, tokenizer=tokenizer)
    count = len(rows)
    width = head.linear.in_features
    features = np.zeros((count, width), dtype=np.float32)
    # Batches come in the order of their rows' lengths.
    all_rows = np.arange(count)
    for positions, by_readout in body.batches(rows, all_rows, [OWN]):
        features[positions] = by_readout[OWN]
    return features


def _in_memory(
    body: _Body, readout: Readout, tokens: DatasetDict, rows: dict[Split, np.ndarray]
) -> dict[Split, RowFeatures]:
    """Compute the features of one readout, where the disk has no room for them; return them by split."""
    by_split = {}
    for split, positions in rows.items():
        # Only the readout that is asked for: all of them would take several times the memory.
        batches = body.batches(tokens[split], positions, [readout])
        by_split[split] = features_in_memory(batches, readout)
    return by_split


def _write_all(
    folder: Path,
    body: _Body,
    card: ModelCard,
    cuts: Sequence[int],
    tokens: DatasetDict,
    rows: dict[Split, np.ndarray],
) -> bool:
    """Compute all features and write them to the disk.

    Args:
        folder: Where to; does not exist.
        body: Computes them.
        card: The model's: says which features.
        cuts: Layers of bodies that are this one without its top layers: theirs, too, where the disk has room.
        tokens: The tokenised splits.
        rows: Positions of the rows by split.

    Returns:
        Whether the disk had room for them.
    """
    row_count = sum(len(positions) for positions in rows.values())
    own = list(readouts_of(card))
    readouts = own + readouts_of_cuts(card, cuts)
    number = stored_type(folder.parent, row_count * body.width_of(readouts))
    if number is not np.float32:
        # Those that others may ask for cost this body no digits.
        readouts, cuts = own, ()
        number = stored_type(folder.parent, row_count * body.width_of(own))
    if number is None:
        return False

    def compute(path: Path) -> None:
        started = time.monotonic()
        for split, positions in rows.items():
            # One batch after the other is computed and written.
            batches = body.batches(tokens[split], positions, readouts)
            write_features(path, split, batches, len(positions), number)
        # The trials that find them were spared so much.
        seconds = time.monotonic() - started
        write_seconds(path, seconds)
        for depth in cuts:
            write_seconds(path, seconds * depth / card.layers, depth)

    try:
        once(folder, compute)
    except OSError as error:
        # The disk filled up meanwhile; `once` left nothing on it.
        if not is_trouble(error):
            raise
        # There may be room for the body's own.
        return bool(cuts) and _write_all(folder, body, card, (), tokens, rows)
    return True


@dataclass(slots=True)
class _Pass:
    """What the hooks saw of the last forward pass."""

    head_input: torch.Tensor = field(default_factory=lambda: torch.empty(0))
    """Shape (batch, width), or (batch, tokens, width) where the head scores every token."""
    hidden: tuple[torch.Tensor, ...] = ()
    """The body's hidden states, the last layer's last, each of shape (batch, tokens, width)."""

    def features(self, readout: Readout, mask: torch.Tensor) -> torch.Tensor:
        """Return features of shape (batch, width).

        Args:
            readout: Which.
            mask: 1 for tokens, 0 for padding, shape (batch, tokens).
        """
        if readout.pooling is Pooling.OWN and readout.depth is None:
            return self._of_own_token(mask)
        # The first are the embeddings, which are no layer.
        hidden = self.hidden if readout.depth is None else self.hidden[: readout.depth + 1]
        # All in float32: a mean in bfloat16 would lose digits that the passes have.
        last_layer = hidden[-1].float()
        if readout.pooling is Pooling.OWN:
            return last_layer[:, 0]
        if readout.layers is Layers.ALL:
            all_layers = mean_over_layers(hidden)
            return mean_over_tokens(all_layers, mask)
        return mean_over_tokens(last_layer, mask)

    def _of_own_token(self, mask: torch.Tensor) -> torch.Tensor:
        """Return the head's input at the token that the family's classifier looks at, shape (batch, width)."""
        if self.head_input.ndim == 2:
            return self.head_input
        # Heads of decoders score every token; the last one that is no padding counts, on whichever side padding is.
        text_count, token_count = mask.shape
        places = torch.arange(token_count, device=mask.device)
        places_of_tokens = places * mask
        last = places_of_tokens.argmax(dim=1)
        texts = torch.arange(text_count, device=mask.device)
        return self.head_input[texts, last]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Body:
    """A frozen body that is run over rows."""

    head: LinearHead
    tokenizer: PreTrainedTokenizerBase

    def width_of(self, readouts: Sequence[Readout]) -> int:
        """Return the numbers that readouts have of one row, together."""
        width = 0
        for readout in readouts:
            if readout.pooling is Pooling.OWN:
                # A family's own dense layer may make it another width than the body's.
                width += self.head.linear.in_features
            else:
                width += self.head.model.config.get_text_config().hidden_size
        return width

    def batches(
        self, rows: Dataset, positions: np.ndarray, readouts: Sequence[Readout]
    ) -> Iterator[Batch]:
        """Run the body over some rows, those of like length together; yield features batch by batch.

        Args:
            rows: Tokenised texts.
            positions: Of the rows.
            readouts: Which features.
        """
        self.head.model.eval()
        # Rows of like length share a batch, which then needs little padding.
        all_lengths = np.asarray(rows["length"])
        lengths = all_lengths[positions]
        order = np.argsort(lengths, kind="stable")
        positions = positions[order]
        lengths = lengths[order]
        # The labels are of no interest here.
        names = [name for name in ("input_ids", SEGMENTS) if name in rows.column_names]
        columns = rows.select_columns(names)

        with self._watched() as watched:
            for start in range(0, len(positions), READ_ROWS):
                # Many batches are read at once: `READ_ROWS` says why.
                end = start + READ_ROWS
                read_positions = positions[start:end]
                tokens = columns.select(read_positions)[:]
                for first, last in _bounds(lengths[start:end]):
                    batch = {name: cells[first:last] for name, cells in tokens.items()}
                    features = self._features_in_parts(batch, readouts, watched)
                    batch_positions = read_positions[first:last]
                    yield batch_positions.tolist(), features

    def _features_in_parts(
        self, batch: Mapping[str, list[list[int]]], readouts: Sequence[Readout], watched: _Pass
    ) -> dict[Readout, np.ndarray]:
        """Run the body over a batch, in parts where memory does not suffice; arguments and result as `_features`.

        Raises:
            Exception: Whatever said that a single row does not fit.
        """
        row_count = len(batch["input_ids"])
        parts: list[dict[Readout, np.ndarray]] = []

        def compute(places: list[int]) -> None:
            # The rows of a part stand one after the other.
            first = places[0]
            end = places[-1] + 1
            part = {}
            for name, cells in batch.items():
                part[name] = cells[first:end]
            features = self._features(part, readouts, watched)
            parts.append(features)

        in_batches(list(range(row_count)), row_count, compute)
        by_readout = {}
        for readout in readouts:
            arrays = [part[readout] for part in parts]
            by_readout[readout] = np.concatenate(arrays)
        return by_readout

    def _features(
        self, batch: Mapping[str, list[list[int]]], readouts: Sequence[Readout], watched: _Pass
    ) -> dict[Readout, np.ndarray]:
        """Run the body over a batch; return features of shape (batch, width) by readout.

        Args:
            batch: Columns of tokens, a list for each row.
            readouts: Which features.
            watched: What the hooks write to.
        """
        model = self.head.model
        padded: BatchEncoding = self.tokenizer.pad(batch, return_tensors="pt")
        inputs = taken_by(model, padded).to(model.device)
        # Hidden states of all layers take memory: only where they are looked at.
        needs_all_layers = MEAN_OF_LAYERS in readouts
        with torch.inference_mode():
            # What it returns is not looked at: the hooks have noted what is wanted.
            model(**inputs, output_hidden_states=needs_all_layers)

        features = {}
        mask = inputs["attention_mask"]
        for readout in readouts:
            tensor = watched.features(readout, mask)
            features[readout] = as_array(tensor)
        return features

    @contextmanager
    def _watched(self) -> Iterator[_Pass]:
        """Let hooks note what reaches the head and what leaves the body."""
        watched = _Pass()

        def note_head(module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
            head_input = inputs[0].detach().float()
            # The constant of an opened DistilBERT is no feature.
            watched.head_input = head_input - self.head.offset

        def note_body(module: nn.Module, inputs: object, output: ModelOutput) -> None:
            layers = output.get("hidden_states")
            if layers is None:
                # Where only the last layer was asked for, it is the output itself.
                last_layer = output[0]
                layers = (last_layer,)
            watched.hidden = layers

        body = self.head.model.base_model
        head_hook = self.head.linear.register_forward_pre_hook(note_head)
        body_hook = body.register_forward_hook(note_body)
        try:
            yield watched
        finally:
            head_hook.remove()
            body_hook.remove()


def _bounds(lengths: np.ndarray) -> Iterator[tuple[int, int]]:
    """Yield where batches begin and end.

    Args:
        lengths: Of the rows in tokens, rising.
    """
    first = 0
    while first < len(lengths):
        # All rows of a batch are padded to its longest, here to that of a full batch, which is no shorter.
        end_of_full = min(first + BATCH, len(lengths))
        longest = lengths[end_of_full - 1]
        # A single row is run whatever its length is.
        fitting = max(1, BATCH_TOKENS // longest)
        size = int(min(BATCH, fitting))
        last = min(first + size, len(lengths))
        yield first, last
        first = last
