"""The parameters that all fine-tuning methods share: the presets `default` and `paper`."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from xautolm.records import Form
from xautolm.space.parameters import Branch, Choice, Float, Int, Parameter
from xautolm.space.space import Space
from xautolm.vocabulary import Export, Precision, Preset, Quantization, Switch

LENGTHS = (64, 128, 256, 512, 1024, 2048, 4096, 8192)
"""Longest inputs in tokens: powers of two, up to the longest that models of the zoo read."""
BATCH_SIZES = (8, 16, 32, 64)
"""Examples in a step of the preset `default`."""
USUAL_BATCH = 16
"""Examples in a step by default, and in any data set that has so many."""
FEWEST_STEPS = 25
"""Steps in an epoch at least, where batches are larger than the usual: with ten an epoch little is learned in few."""
USUAL_OVER_MEAN = 1.5
"""Length that most texts do not exceed, in mean lengths, where the quantile is not known."""

PAPER_BATCH_SIZES = (2, 4, 8, 16, 32, 64, 128, 256)
PAPER_LENGTHS = (64, 128, 256, 512, 1024, 2048, 4096)
"""Longest inputs of the paper's classifiers, in tokens."""
PAPER_GENERATION_LENGTHS = (500, 700, 900, 1024, 2048, 4096)
"""Longest inputs of the paper's generators, in tokens."""
PAPER_RATES = (5e-6, 1e-5, 2e-5, 3e-5, 4e-5, 5e-5, 1e-4)
PAPER_SCHEDULERS = ("linear", "cosine", "cosine_with_restarts", "polynomial", "constant")
SCHEDULERS = (*PAPER_SCHEDULERS, "constant_with_warmup", "inverse_sqrt")
"""Schedules of the learning rate that need no numbers of their own, and follow a training that is shortened."""
LEAST_RATE = 1e-12
"""The least learning rate: with none, nothing is learned."""
MOST_OF_SHARE = 0.99
"""The most of a training that may be warm-up, of numbers that dropout may leave out, and of a label that may be
smoothed away: with all of it nothing is learned, and a warm-up of 1 is one step to the Trainer."""
DATA_SHARES = {"none": 1.0, "half": 0.5, "quarter": 0.25}
"""Share of the training examples that is used, by what `data_downsize` says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What a model, the data and the machine allow, in numbers."""

    positions: int
    """Longest input of the model, in tokens."""
    tokens_max: int
    """Estimated length of the longest text, in tokens."""
    tokens_typical: float
    """Estimated mean length, in tokens, of texts that are no exceptions."""
    train_examples: int
    precisions: tuple[str, ...]
    """Number formats that the device trains in, the preferred one first."""
    body_dropout: bool
    """Whether dropout in the body has an effect: some of the body is trained in place."""
    form: Form
    """How the task is cast for the model."""
    quantizations: tuple[str, ...] = (Quantization.NONE.value,)
    """How frozen weights can be stored here: `none`, `8bit`, `4bit`."""
    tokens_p90: float = 0.0
    """Estimated length that nine of ten texts do not exceed, in tokens; 0 if it is not known."""
    export: Export = Export.ANY
    """What the trained model's folder may be."""
    longest: float = math.inf
    """Longest input that the model reads at all, in tokens; beyond `positions` where those are only usual."""

    @property
    def usual_length(self) -> float:
        """Return the tokens with which most texts are read whole.

        One text of 100,000 characters among 120 short ones moves their mean from 14 to 230 tokens, and with it the
        time of every trial; it does not move the quantile.
        """
        if self.tokens_p90:
            return self.tokens_p90
        return USUAL_OVER_MEAN * self.tokens_typical


def default_parameters(bounds: Bounds) -> tuple[Parameter, ...]:
    """Return the shared part of the preset `default`: few parameters that matter, in ranges around good practice."""
    parameters: list[Parameter] = [
        _default_batch_size(bounds),
        default_length(bounds),
        Float(name="warmup_ratio", low=0.0, high=0.2, default=0.06, highest=MOST_OF_SHARE),
        Float(name="weight_decay", low=1e-4, high=0.1, default=0.01, log=True),
        _scheduler(("linear", "cosine", "constant_with_warmup")),
    ]
    # Both change the loss of a choice between classes, and mean nothing where a task has another loss.
    if bounds.form.chooses_class:
        smoothing = Choice(
            name="label_smoothing", options=(0.0, 0.05, 0.1), default=0.0, highest=MOST_OF_SHARE
        )
        parameters.append(smoothing)
        parameters.append(class_weights())
    if bounds.body_dropout:
        dropout = Float(name="dropout", low=0.0, high=0.3, default=0.1, highest=MOST_OF_SHARE)
        parameters.append(dropout)
    # The format that the device prefers is the default; on most processors it is the only one.
    preferred = bounds.precisions[0]
    precision = Choice(
        name="precision",
        options=bounds.precisions,
        default=preferred,
        closed=True,
        # A device that does not prefer one computes in it all the same.
        further=tuple(precision.value for precision in Precision),
    )
    parameters.append(precision)
    return tuple(parameters)


def _default_batch_size(bounds: Bounds) -> Choice:
    """Return the choice of a batch size with which an epoch of the data still has enough steps."""
    # Data of fewer than 25 usual batches has the usual one all the same: smaller ones are offered beside it.
    usual = min(bounds.train_examples, USUAL_BATCH)
    largest_with_steps = bounds.train_examples // FEWEST_STEPS
    largest = max(usual, largest_with_steps)
    sizes = [size for size in BATCH_SIZES if size <= largest]
    return _batch_size(sizes)


def _batch_size(sizes: Sequence[int]) -> Choice:
    """Return the choice between some batch sizes; of one example where there are too few for any."""
    options = tuple(sizes) or (1,)
    default = options[-1]
    if USUAL_BATCH in options:
        default = USUAL_BATCH
    return Choice(name="batch_size", options=options, default=default)


def default_length(bounds: Bounds) -> Choice:
    """Return the choice of the longest input in tokens, as the preset `default` has it."""
    lengths = _useful_lengths(bounds)
    # Longer inputs cost time in every trial, and most texts would not fill them.
    default = _shortest_covering(lengths, bounds.usual_length)
    return _length(lengths, default, bounds)


def _length(lengths: tuple[int, ...], default: int, bounds: Bounds) -> Choice:
    """Return the choice between some lengths of the longest input in tokens."""
    return Choice(name="max_length", options=lengths, default=default, highest=bounds.longest)


def _scheduler(options: tuple[str, ...]) -> Choice:
    """Return the choice between some schedules of the learning rate."""
    return Choice(
        name="scheduler", options=options, default="linear", closed=True, further=SCHEDULERS
    )


def class_weights() -> Choice:
    """Return the choice whether rare classes count more in the loss, or in the fit of a probe."""
    return Choice(name="class_weights", options=(False, True), default=False)


def paper_parameters(bounds: Bounds) -> tuple[Parameter, ...]:
    """Return the shared part of the preset `paper`: the sets of XAutoLM's two spaces (arXiv 2508.00924).

    One space is for classification and one for generation. What cannot run is left out: batches larger than the data,
    lengths beyond the model's positions.
    """
    generates = bounds.form.is_open_ended
    sizes = [size for size in PAPER_BATCH_SIZES if size <= bounds.train_examples]
    all_lengths = PAPER_GENERATION_LENGTHS if generates else PAPER_LENGTHS
    # A model that reads less than the shortest of them reads what it can.
    lengths = [length for length in all_lengths if length <= bounds.positions]
    if not lengths:
        lengths = [bounds.positions]
    # It stands for bfloat16; without, the switch has no effect.
    mixed = (False, True) if Precision.BFLOAT16 in bounds.precisions else (False,)
    parameters: list[Parameter] = [
        _batch_size(sizes),
        _length(tuple(lengths), lengths[0], bounds),
        Choice(name="learning_rate", options=PAPER_RATES, default=2e-5, lowest=LEAST_RATE),
        Int(name="epochs", low=1, high=10, default=3),
        Choice(name="warmup_steps", options=(0, 100, 500, 1000, 1500, 2000), default=0),
        Choice(name="weight_decay", options=(0.0, 0.001, 0.005, 0.01, 0.1), default=0.01),
        Choice(name="gradient_accumulation_steps", options=(1, 2, 4, 8, 16), default=1),
        _scheduler(PAPER_SCHEDULERS),
        Choice(name="use_mixed_precision", options=mixed, default=mixed[-1]),
    ]
    if generates:
        parameters += _paper_generation()
    else:
        parameters += _paper_classification(bounds)
    return tuple(parameters)


def _paper_generation() -> list[Parameter]:
    """Return what only the paper's space for generation has."""
    patience, delta = _early_stopping((0.001, 0.005, 0.01))
    clipping = Choice(name="max_grad_norm", options=(0.5, 1.0, 5.0), default=1.0)
    shares = tuple(DATA_SHARES)
    downsize = Choice(name="data_downsize", options=shares, default="none", closed=True)
    return [patience, delta, clipping, downsize]


def _paper_classification(bounds: Bounds) -> list[Parameter]:
    """Return what only the paper's space for classification has."""
    parameters: list[Parameter] = []
    if bounds.body_dropout:
        shares = (0.1, 0.2, 0.3, 0.4, 0.5)
        dropout = Choice(name="dropout", options=shares, default=0.1, highest=MOST_OF_SHARE)
        parameters.append(dropout)
    optimizers = ("adamw", "adam", "sgd", "adagrad")
    optimizer = Choice(name="optimizer", options=optimizers, default="adamw", closed=True)
    parameters.append(optimizer)
    patience, delta = _early_stopping((0.0, 0.001, 0.005, 0.01))
    stopping = _switch("early_stopping", patience, delta)
    parameters.append(stopping)
    largest_norm = Choice(name="max_grad_norm", options=(0.5, 1.0, 5.0), default=1.0)
    clipping = _switch("gradient_clipping", largest_norm)
    parameters.append(clipping)
    if bounds.form.chooses_class:
        parameters.append(class_weights())
    return parameters


def _early_stopping(deltas: tuple[float, ...]) -> tuple[Int, Choice]:
    """Return after how many epochs without a gain training ends, and what counts as a gain of the metric."""
    patience = Int(name="early_stopping_patience", low=1, high=10, default=3)
    smallest = deltas[0]
    delta = Choice(name="early_stopping_delta", options=deltas, default=smallest)
    return patience, delta


def _switch(name: str, *opened: Parameter) -> Branch:
    """Return a branch that opens parameters where it is on, as it is by default."""
    # As plain texts, which the space's digest and stored configurations have.
    on = Switch.ON.value
    off = Switch.OFF.value
    branches = {on: Space(on, opened), off: Space(off, ())}
    return Branch(name=name, branches=branches, default=on)


def _useful_lengths(bounds: Bounds) -> tuple[int, ...]:
    """Return powers of two up to the shortest that covers the longest text, capped by the model's positions.

    Lengths under half a typical text would throw most of every text away and are left out.
    """
    allowed = [length for length in LENGTHS if length <= bounds.positions]
    # A model that reads less than the shortest length reads what it can.
    if not allowed:
        allowed = [bounds.positions]
    shortest = bounds.tokens_typical / 2
    longest = _shortest_covering(allowed, bounds.tokens_max)
    useful = [length for length in allowed if shortest <= length <= longest]
    # Texts that are typically more than twice as long as the model reads: no length spares them.
    if not useful:
        useful = [allowed[-1]]
    return tuple(useful)


def _shortest_covering(lengths: Sequence[int], tokens: float) -> int:
    """Return the shortest of some lengths that is enough for a text; the longest where none is."""
    for length in lengths:
        if length >= tokens:
            return length
    return lengths[-1]


PRESETS: Mapping[str, Callable[[Bounds], tuple[Parameter, ...]]] = {
    Preset.DEFAULT.value: default_parameters,
    Preset.PAPER.value: paper_parameters,
}
"""What makes the shared parameters of a preset, by its name."""
