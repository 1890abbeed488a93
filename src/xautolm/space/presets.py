"""The parameters that all fine-tuning methods share: the presets `default` and `paper`."""

from __future__ import annotations

from dataclasses import dataclass

from xautolm.records import Form, Scalar, as_int
from xautolm.space.parameters import Branch, Choice, Float, Int, Parameter
from xautolm.space.space import Space
from xautolm.vocabulary import Export

LENGTHS = (64, 128, 256, 512, 1024, 2048, 4096, 8192)
PAPER_GENERATION_LENGTHS = (500, 700, 900, 1024, 2048, 4096)
PAPER_RATES = (5e-6, 1e-5, 2e-5, 3e-5, 4e-5, 5e-5, 1e-4)
PAPER_SCHEDULERS = ("linear", "cosine", "cosine_with_restarts", "polynomial", "constant")
DATA_SHARES = {"none": 1.0, "half": 0.5, "quarter": 0.25}
"""Share of the training examples that is used, by what `data_downsize` says."""
USUAL_BATCH = 16
FEWEST_STEPS = 25
"""Steps in an epoch at least, where batches are larger than the usual: with ten an epoch little is learned in few."""


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
    quantizations: tuple[str, ...] = ("none",)
    """How frozen weights can be stored here: `none`, `8bit`, `4bit`."""
    tokens_p90: float = 0.0
    """Estimated length that nine of ten texts do not exceed, in tokens; 0 if it is not known."""
    export: Export = Export.ANY
    """What the trained model's folder may be."""

    @property
    def usual_length(self) -> float:
        """Return the tokens with which most texts are read whole.

        One text of 100,000 characters among 120 short ones moves their mean from 14 to 230 tokens, and with it the
        time of every trial; it does not move the quantile.
        """
        return self.tokens_p90 or 1.5 * self.tokens_typical


def default_parameters(bounds: Bounds) -> tuple[Parameter, ...]:
    """The shared part of the preset `default`: few parameters that matter, with ranges around good practice."""
    largest = max(min(bounds.train_examples, USUAL_BATCH), bounds.train_examples // FEWEST_STEPS)
    sizes: tuple[Scalar, ...] = tuple(size for size in (8, 16, 32, 64) if size <= largest) or (1,)
    dropout = (Float(name="dropout", low=0.0, high=0.3, default=0.1),) if bounds.body_dropout else ()
    return (
        Choice(name="batch_size", options=sizes, default=USUAL_BATCH if USUAL_BATCH in sizes else sizes[-1]),
        default_length(bounds),
        Float(name="warmup_ratio", low=0.0, high=0.2, default=0.06),
        Float(name="weight_decay", low=1e-4, high=0.1, default=0.01, log=True),
        Choice(name="scheduler", options=("linear", "cosine", "constant_with_warmup"), default="linear"),
        *(
            (Choice(name="label_smoothing", options=(0.0, 0.05, 0.1), default=0.0),)
            if bounds.form.chooses_class
            else ()
        ),
        *_class_weights(bounds),
        *dropout,
        Choice(name="precision", options=bounds.precisions, default=bounds.precisions[0]),
    )


def default_length(bounds: Bounds) -> Choice:
    """Return the choice of the longest input in tokens, as the preset `default` has it."""
    lengths = _useful_lengths(bounds)
    return Choice(name="max_length", options=lengths, default=_shortest_covering(lengths, bounds.usual_length))


def paper_parameters(bounds: Bounds) -> tuple[Parameter, ...]:
    """The shared part of the preset `paper`: the sets of XAutoLM's two spaces, for classification and for generation
    (arXiv 2508.00924).

    What cannot run is left out: batches larger than the data, lengths beyond the model's positions.
    """
    generates = bounds.form.is_open_ended
    sizes = tuple(size for size in (2, 4, 8, 16, 32, 64, 128, 256) if size <= bounds.train_examples) or (1,)
    mixed = (False, True) if len(bounds.precisions) > 1 else (False,)
    wanted = PAPER_GENERATION_LENGTHS if generates else LENGTHS[:7]
    lengths = tuple(length for length in wanted if length <= bounds.positions) or (bounds.positions,)
    return (
        Choice(name="batch_size", options=sizes, default=16 if 16 in sizes else sizes[-1]),
        Choice(name="max_length", options=lengths, default=lengths[0]),
        Choice(name="learning_rate", options=PAPER_RATES, default=2e-5),
        Int(name="epochs", low=1, high=10, default=3),
        Choice(name="warmup_steps", options=(0, 100, 500, 1000, 1500, 2000), default=0),
        Choice(name="weight_decay", options=(0.0, 0.001, 0.005, 0.01, 0.1), default=0.01),
        Choice(name="gradient_accumulation_steps", options=(1, 2, 4, 8, 16), default=1),
        Choice(name="scheduler", options=PAPER_SCHEDULERS, default="linear"),
        Choice(name="use_mixed_precision", options=mixed, default=mixed[-1]),
        *(_paper_generation() if generates else _paper_classification(bounds)),
    )


def _paper_generation() -> tuple[Parameter, ...]:
    return (
        *_early_stopping((0.001, 0.005, 0.01)),
        Choice(name="max_grad_norm", options=(0.5, 1.0, 5.0), default=1.0),
        Choice(name="data_downsize", options=tuple(DATA_SHARES), default="none"),
    )


def _paper_classification(bounds: Bounds) -> tuple[Parameter, ...]:
    dropout = (Choice(name="dropout", options=(0.1, 0.2, 0.3, 0.4, 0.5), default=0.1),) if bounds.body_dropout else ()
    return (
        *dropout,
        Choice(name="optimizer", options=("adamw", "adam", "sgd", "adagrad"), default="adamw"),
        _switch("early_stopping", *_early_stopping((0.0, 0.001, 0.005, 0.01))),
        _switch("gradient_clipping", Choice(name="max_grad_norm", options=(0.5, 1.0, 5.0), default=1.0)),
        *_class_weights(bounds),
    )


def _early_stopping(deltas: tuple[float, ...]) -> tuple[Parameter, ...]:
    return (
        Int(name="early_stopping_patience", low=1, high=10, default=3),
        Choice(name="early_stopping_delta", options=deltas, default=deltas[0]),
    )


PRESETS = {"default": default_parameters, "paper": paper_parameters}


def _class_weights(bounds: Bounds) -> tuple[Parameter, ...]:
    weights = Choice(name="class_weights", options=(False, True), default=False)
    return (weights,) if bounds.form.chooses_class else ()


def _switch(name: str, *opened: Parameter) -> Branch:
    return Branch(name=name, branches={"on": Space("on", opened), "off": Space("off", ())}, default="on")


def _useful_lengths(bounds: Bounds) -> tuple[Scalar, ...]:
    """Powers of two up to the shortest that covers the longest text, capped by the model's positions.

    Lengths under half a typical text would throw most of every text away and are left out.
    """
    allowed = [length for length in LENGTHS if length <= bounds.positions] or [bounds.positions]
    covering = _shortest_covering(tuple(allowed), bounds.tokens_max)
    return tuple(length for length in allowed if bounds.tokens_typical / 2 <= length <= covering) or (allowed[-1],)


def _shortest_covering(lengths: tuple[Scalar, ...] | tuple[int, ...], wanted: float) -> int:
    numbers = [as_int(length) for length in lengths]
    return next((length for length in numbers if length >= wanted), numbers[-1])
