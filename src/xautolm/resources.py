"""What a configuration will need: memory and time, from numbers alone, corrected by what was measured."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from statistics import median

from xautolm.errors import UnknownNameError
from xautolm.methods import METHODS
from xautolm.records import (
    BODY_SECONDS,
    Configuration,
    DataProfile,
    Experience,
    Limits,
    ModelCard,
    Scalar,
    SystemProfile,
    TrialOutcome,
    as_float,
    as_int,
)
from xautolm.space.shares import trained_share
from xautolm.tasks import form_of
from xautolm.vocabulary import FailureKind

BYTES = 4
"""Weights, gradients and optimizer state are float32 in every precision: mixed precision keeps master weights. Only
quantised weights are smaller."""
OPTIMIZER_COPIES = 3
"""Gradient and Adam's two moments for each trained weight."""
ACTIVATIONS = 24
"""Numbers of width `hidden_size` that a layer keeps for each token until its backward pass."""
PROCESS_MEMORY = 900 * 1024**2
"""Resident memory of a trial's process before any model, in bytes: Python, torch and transformers."""
CPU_EFFICIENCY = 0.4
"""Share of a large matrix product's speed that training reaches on processors."""
GPU_GFLOPS = 20_000.0
"""Sustained speed assumed of a GPU until a trial was measured, in 10^9 operations per second."""
FEATURE_BATCH = 32
"""Per-device batch of methods that train nothing."""
PADDING = 1.15
"""Tokens computed for each token of text, with batches grouped by length."""
LARGEST_RATIO = 100.0
"""Measured over predicted time, or the inverse, beyond which a past trial's time is taken for an error of its record:
predictions were never off by more than ten."""
MAJORITY = 3
"""Past trials of which one that is wrong is outvoted by the median."""
MINORITY_RATIO = 3.0
"""How far fewer past trials can move a prediction: one wrong record must not make everything look too slow to try."""
FIXED_SECONDS = 3.0
"""Loading, tokenising and saving, in seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What a configuration is predicted to need."""

    seconds: float
    """Wall time of the whole trial."""
    first_result_seconds: float
    """Wall time until the first epoch is evaluated: less than this gives no whole one."""
    validation_seconds: float
    """Wall time of one evaluation."""
    memory: float
    """Peak memory of the device's kind with a per-device batch of one, in bytes."""
    memory_per_example: float
    """Further bytes for each example in the per-device batch."""
    least_memory: float
    """Peak memory with a per-device batch of one and gradient checkpointing, in bytes."""


@dataclass(slots=True)
class ResourceModel:
    """Predicts memory and time, corrected by the median ratio of measured to predicted time: of the search's own
    trials, or before there is any, of past trials on such a machine."""

    cards: dict[str, ModelCard]
    profile: DataProfile
    system: SystemProfile
    forms: Mapping[str, tuple[str, ...]]
    """Names of the forms that the task can be cast in, by architecture."""
    threads_share: float = 1.0
    """Share of the processor that a trial gets when several run at once."""
    ratios: list[float] = field(default_factory=list)
    past_ratios: list[float] = field(default_factory=list)

    def predict(self, configuration: Configuration) -> Estimate:
        """Memory and time of a configuration."""
        values, card = configuration.values, self.cards[configuration.model]
        method = METHODS.get(configuration.method)
        max_length = _number(values, "max_length")
        length = min(self.profile.tokens_read(max_length) * PADDING, max_length)
        per_token = 2 * card.layers * (12 * card.hidden_size**2 + 2 * length * card.hidden_size)
        form = form_of(self.forms, card.architecture, values)
        per_token += 2 * card.hidden_size * card.vocabulary if form.says_words else 0
        backward = method.backward_share(card, values)
        speed = self._speed() / self._correction()
        examples = self.profile.train_examples * trained_share(values)
        if method.most_training_rows is not None:
            examples = min(examples, method.most_training_rows)
        train = examples * length * per_token * (1 + 2 * backward) / speed
        validate = self.profile.validation_examples * length * per_token / speed
        validate *= form.validation_passes
        longest = min(self.profile.tokens_max, max_length)
        of_layer = longest * (ACTIVATIONS * card.hidden_size + 2 * card.layers * longest)
        logits = form.logit_copies * longest * card.vocabulary
        kept = max(backward * card.layers, 1) * of_layer + logits
        least = min(kept, of_layer + card.layers * longest * card.hidden_size + logits)
        trained = method.trained_share(card, values) * card.parameters
        overhead = PROCESS_MEMORY if self.system.device != "cuda" else PROCESS_MEMORY // 2
        stored = method.stored_share(card, values) * card.parameters
        fixed = overhead + BYTES * (stored + OPTIMIZER_COPIES * trained)
        return Estimate(
            # A method without epochs looks at each text once.
            seconds=FIXED_SECONDS + as_float(values.get("epochs", 1)) * (train + validate),
            first_result_seconds=FIXED_SECONDS + train + validate,
            validation_seconds=validate,
            memory=fixed + BYTES * kept,
            memory_per_example=BYTES * kept,
            least_memory=fixed + BYTES * least,
        )

    def observe(self, configuration: Configuration, outcome: TrialOutcome) -> None:
        """Learn from a finished trial of this search how far predictions of time are off."""
        self.ratios += self._ratio(configuration, outcome)

    def learn(self, past: Iterable[Experience]) -> None:
        """Learn from past trials on such a machine how far predictions of time are off; the data may be any.

        Trials of models that are not here, or without what a prediction needs, are passed over.
        """
        for experience in past:
            configuration = experience.configuration
            is_known = configuration.model in self.cards and configuration.method in METHODS.things
            if not is_known or not _are_alike(experience.system, self.system):
                continue
            there = replace(self, profile=experience.data, ratios=[], past_ratios=[])
            # Configurations of other spaces may lack what a prediction needs, or have it as something else.
            with suppress(KeyError, ValueError, ArithmeticError, UnknownNameError):
                measured = there._ratio(configuration, experience.outcome)
                self.past_ratios += [ratio for ratio in measured if 1 / LARGEST_RATIO <= ratio <= LARGEST_RATIO]

    def _ratio(self, configuration: Configuration, outcome: TrialOutcome) -> list[float]:
        """Return measured over uncorrected predicted time of an epoch; nothing for a trial that says nothing of it."""
        last = outcome.history[-1] if outcome.history else {}
        epochs = last.get("epoch", 0.0)
        seconds = last.get(BODY_SECONDS, outcome.evaluation_time)
        if not outcome.succeeded or not seconds or not epochs > 0:
            return []
        per_epoch = (self.predict(configuration).first_result_seconds - FIXED_SECONDS) / self._correction()
        if not per_epoch > 0:  # too short to be told from the fixed seconds
            return []
        return [seconds / epochs / per_epoch]

    def _correction(self) -> float:
        """Return what predictions of time are multiplied by."""
        if self.ratios:
            return median(self.ratios)
        if not self.past_ratios:
            return 1.0
        correction = median(self.past_ratios)
        if len(self.past_ratios) >= MAJORITY:
            return correction
        return min(max(correction, 1 / MINORITY_RATIO), MINORITY_RATIO)

    def obstacle(self, configuration: Configuration, limits: Limits, epochs: float = 1.0) -> str:
        """Why a configuration is predicted not to fit within limits, or nothing.

        Args:
            configuration: The configuration.
            limits: Of the trial.
            epochs: How much of the first epoch must fit, besides one evaluation.
        """
        estimate = self.predict(configuration)
        seconds = estimate.first_result_seconds
        seconds -= (1 - epochs) * (seconds - FIXED_SECONDS - estimate.validation_seconds)
        memory = self.memory_limit(limits)
        if estimate.least_memory > memory:
            needs = f"needs about {estimate.least_memory / 1e9:.1f} GB of {memory / 1e9:.1f} GB"
            return f"{FailureKind.OUT_OF_MEMORY}: {needs}"
        if limits.seconds is not None and seconds > limits.seconds:
            part = "its first epoch" if epochs == 1 else f"{epochs:.0%} of its first epoch"
            return f"{FailureKind.TIMEOUT}: needs about {seconds:.0f} s for {part}, {limits.seconds:.0f} s are left"
        return ""

    def needs_checkpointing(self, configuration: Configuration, limits: Limits) -> bool:
        """Whether not even a per-device batch of one is predicted to fit with all activations kept."""
        return self.predict(configuration).memory > self.memory_limit(limits)

    def micro_batch(self, configuration: Configuration, limits: Limits) -> int:
        """The largest per-device batch, a halving of the configured one, that is predicted to fit."""
        estimate = self.predict(configuration)
        size = as_int(configuration.values.get("batch_size", FEATURE_BATCH))
        while size > 1 and estimate.memory + (size - 1) * estimate.memory_per_example > self.memory_limit(limits):
            size = (size + 1) // 2
        return size

    def cheapest(self, configurations: Sequence[Configuration]) -> Estimate:
        """The estimate of the configuration whose first result comes soonest."""
        return min((self.predict(one) for one in configurations), key=lambda estimate: estimate.first_result_seconds)

    def memory_limit(self, limits: Limits) -> float:
        """Return what a trial may use on the device, in bytes: the limit given, or what the device has."""
        return memory_within(limits, self.system)

    def _speed(self) -> float:
        """Operations per second."""
        if self.system.device == "cpu":
            return self.system.gflops * 1e9 * CPU_EFFICIENCY * self.threads_share
        return GPU_GFLOPS * 1e9


def memory_within(limits: Limits, system: SystemProfile) -> float:
    """Return the memory that a trial may use on a machine's device, in bytes: the limit, or what the device has."""
    limit = limits.gpu_memory if system.device == "cuda" else limits.memory
    return float(limit or system.device_memory)


def _are_alike(one: SystemProfile, other: SystemProfile) -> bool:
    """Whether two machines have the same device, cores and GPUs, and about the same memory."""
    described = [(each.device, each.physical_cores, [gpu.name for gpu in each.gpus]) for each in (one, other)]
    return described[0] == described[1] and abs(one.memory - other.memory) <= 0.1 * other.memory


def _number(values: dict[str, Scalar] | object, name: str) -> float:
    return as_float(values[name])  # type: ignore[index]
