"""What a configuration will need: memory and time, from numbers alone, corrected by what was measured."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

from xautolm.errors import UnknownNameError
from xautolm.gpu_time import Job
from xautolm.memory import (
    SOFT_SHARE,
    MemoryNeeds,
    decodes_names_only,
    memory_needs,
    reading_layers,
)
from xautolm.methods import METHODS, Method, has_quantized_body, precision_of_passes
from xautolm.records import (
    BODY_SECONDS,
    Configuration,
    DataProfile,
    Experience,
    Form,
    Limits,
    ModelCard,
    SystemProfile,
    TrialOutcome,
    Values,
    as_float,
    as_int,
)
from xautolm.space.shares import trained_share
from xautolm.tasks import form_of
from xautolm.time_ratios import TimedKind, TimeRatio, correction_of
from xautolm.vocabulary import DeviceKind, FailureKind, Precision

CPU_EFFICIENCY = 0.4
"""Share of a large matrix product's speed that trainings reach on processors."""
READING_EFFICIENCY = 1.0
"""The same of passes that keep nothing for gradients: by the probes of the table of real trials, 1.05."""
BF16_TRAINING_SPEEDUP = 1.4
"""How many times faster a processor trains in bfloat16, where that is offered: measured 1.2 to 1.8."""
GPU_GFLOPS = 20_000.0
"""Sustained speed assumed of a GPU that could not be measured, in 10^9 operations per second."""
FEATURE_BATCH = 32
"""Per-device batch of methods that train nothing."""
PADDING = 1.15
"""Tokens computed for each token of text, with batches grouped by length."""
LARGEST_RATIO = 100.0
"""Measured over predicted time, or the inverse, beyond which a past trial's time is taken for an error of its record:
predictions were never off by more than ten."""
FIXED_SECONDS = 3.0
"""Loading, tokenising and saving, in seconds."""
LEAST_OF_PREDICTED = 0.95
"""Share of the predicted memory that a trial must fit into to be tried. Of the 418 trials of the table on a processor,
whose limits are tight, all of it refuses 52 that ran and 39 that lacked memory; this share refuses 2 and 23
(docs/experiments.md, "What is foreseen of trials")."""
PART_OF_EPOCH = 1 / 3
"""Share of the first epoch that must fit at least for a trial to be worth its time."""
ENOUGH_ROWS = 4_000
"""Training rows on which a part of an epoch is worth its trial, however large the data is: whole trainings are often on
no more."""
UNPREDICTABLE = (KeyError, ValueError, ArithmeticError, UnknownNameError)
"""Raised where a configuration of another space lacks what a prediction needs, or has it as something else."""
UNLIMITED = Limits()
"""Of trials that may use the whole device."""
MEMORY_TOLERANCE = 0.1
"""Share of its memory by which a machine may differ from another that counts as the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """Say what a configuration is predicted to need."""

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

    @property
    def epoch_seconds(self) -> float:
        """Return the wall time of an epoch's training, without its evaluation."""
        return self.first_result_seconds - FIXED_SECONDS - self.validation_seconds


@dataclass(slots=True)
class ResourceModel:
    """Predicts memory and time, corrected by the median ratio of measured to predicted time: of the search's own
    trials of the kind, or before there is any, of past trials on such a machine."""

    cards: dict[str, ModelCard]
    profile: DataProfile
    system: SystemProfile
    forms: Mapping[str, tuple[str, ...]]
    """Names of the forms that the task can be cast in, by architecture."""
    threads_share: float = 1.0
    """Share of the processor that a trial gets when several run at once."""
    most_devices: int = 1
    """GPUs that a model may be divided over at most."""
    devices_asked: int | None = None
    """Over how many each model that is trained is to be divided; None for as few as it fits on."""
    ratios: list[TimeRatio] = field(default_factory=list)
    past_ratios: list[TimeRatio] = field(default_factory=list)
    probe_rows: int | None = None
    """Training rows that probes of this search are fitted to at most; None for all that their method takes."""
    corrections: dict[tuple[TimedKind, int, int], float] = field(default_factory=dict, init=False)
    """Of predictions of time that were asked for, by kind and by how many ratios there were."""

    def predict(
        self,
        configuration: Configuration,
        *,
        has_masters: bool = True,
        devices: int = 1,
        recomputes: bool = False,
    ) -> Estimate:
        """Return the memory and the time that a configuration will need.

        Args:
            configuration: The configuration.
            has_masters: Whether what is trained is stored in float32, as it is wherever that fits.
            devices: Over how many the model is divided. Memory is that of each; time is predicted as on one, until
                trials have shown how much faster they are.
            recomputes: Whether layers are computed again in the backward pass. The time is counted on GPUs whose speed
                was measured; elsewhere the ratios of trials have it.
        """
        values = configuration.values
        train, validation = self._uncorrected_epoch(
            configuration, has_masters=has_masters, recomputes=recomputes
        )
        correction = self._correction(configuration, devices)
        train *= correction * self._share_of_sample(METHODS.get(configuration.method))
        validation *= correction
        memory = self._memory(configuration, has_masters=has_masters, devices=devices)
        # A method without epochs looks at each text once.
        epochs = as_float(values.get("epochs", 1))
        return Estimate(
            seconds=FIXED_SECONDS + epochs * (train + validation),
            first_result_seconds=FIXED_SECONDS + train + validation,
            validation_seconds=validation,
            memory=memory.weights + memory.activations,
            memory_per_example=memory.activations,
            least_memory=memory.weights + memory.checkpointed_activations,
        )

    def _uncorrected_epoch(
        self, configuration: Configuration, *, has_masters: bool, recomputes: bool
    ) -> tuple[float, float]:
        """Return the seconds of training for an epoch and of validating once, by numbers alone.

        The arguments are those of `predict`.
        """
        values = configuration.values
        card = self.cards[configuration.model]
        method = METHODS.get(configuration.method)
        form = form_of(self.forms, card.architecture, values)
        max_length = as_float(values["max_length"])
        tokens = self.profile.tokens_read(max_length)
        length = min(tokens * PADDING, max_length)

        operations = _operations_forward(card, form, length)
        examples = self.profile.train_examples * trained_share(values)
        if method.most_training_rows is not None:
            examples = min(examples, method.most_training_rows)
        speed = self.system.gpu_speed
        if speed is not None:
            job = Job(
                card=card,
                method=method,
                form=form,
                values=values,
                layers=reading_layers(card, form),
                tokens=length,
                operations=operations,
                batch_size=as_float(values.get("batch_size", FEATURE_BATCH)),
                train_examples=examples,
                validation_examples=self.profile.validation_examples,
                precision=precision_of_passes(
                    method, values, computes_in_bf16=self.system.computes_in_bf16
                ),
                has_masters=has_masters,
                recomputes=recomputes,
            )
            return job.seconds(speed)

        validation_passes = self.profile.validation_examples * form.validation_passes
        if not method.trains_by_gradient:
            reading = operations / self._reading_speed(form)
            return examples * reading, validation_passes * reading
        pass_seconds = operations / self._training_speed(values)
        # A backward pass costs two forward passes: gradients of the activations, and of the weights.
        passes = 1 + 2 * method.backward_share(card, values)
        train = examples * passes * pass_seconds
        # An evaluation has costs besides its passes: at the speed of reading, predictions were off by more.
        validation = validation_passes * pass_seconds
        return train, validation

    def _share_of_sample(self, method: Method) -> float:
        """Return the share that this search lets a method read of the training rows that it would look at."""
        if method.most_training_rows is None or self.probe_rows is None:
            return 1.0
        rows = min(self.profile.train_examples, method.most_training_rows)
        # A method that looks at no row is not made quicker.
        return min(1.0, self.probe_rows / rows) if rows else 1.0

    def _memory(
        self, configuration: Configuration, *, has_masters: bool, devices: int
    ) -> MemoryNeeds:
        """Return what weights and activations of a configuration take; the arguments are those of `predict`."""
        card = self.cards[configuration.model]
        form = form_of(self.forms, card.architecture, configuration.values)
        return memory_needs(
            configuration,
            card,
            form,
            self.profile,
            self.system,
            has_masters=has_masters,
            devices=devices,
        )

    def observe(
        self, configuration: Configuration, outcome: TrialOutcome, limits: Limits = UNLIMITED
    ) -> None:
        """Learn from a finished trial of this search how far predictions of time are off.

        Args:
            configuration: The trial's.
            outcome: What came of it.
            limits: Within which it ran.
        """
        ratio = self._ratio(configuration, outcome, limits)
        if ratio is not None:
            self.ratios.append(ratio)

    def learn(self, past: Iterable[Experience]) -> None:
        """Learn from past trials on such a machine how far predictions of time are off; the data may be any.

        Trials of models that are not here, or without what a prediction needs, are passed over.
        """
        for experience in past:
            model_of_past = self.of_past(experience)
            if model_of_past is None:
                continue
            # Configurations of other spaces may lack what a prediction needs, or have it as something else.
            with suppress(*UNPREDICTABLE):
                ratio = model_of_past._ratio(
                    experience.configuration, experience.outcome, experience.limits
                )
                if ratio is not None and 1 / LARGEST_RATIO <= ratio.value <= LARGEST_RATIO:
                    self.past_ratios.append(ratio)

    def of_past(self, experience: Experience) -> ResourceModel | None:
        """Return this model for the data of a past trial, corrected by past trials alone.

        None for trials of another machine, and of models or methods that are not here.
        """
        configuration = experience.configuration
        has_model = configuration.model in self.cards
        has_method = configuration.method in METHODS.things
        if not has_model or not has_method:
            return None
        if not are_alike(experience.system, self.system):
            return None
        return replace(self, profile=experience.data, ratios=[], probe_rows=None)

    def _ratio(
        self, configuration: Configuration, outcome: TrialOutcome, limits: Limits
    ) -> TimeRatio | None:
        """Return measured over uncorrected predicted time of a trial; None for one that says nothing of it."""
        if not outcome.succeeded or not outcome.history:
            return None
        last = outcome.history[-1]
        epochs = last.get("epoch", 0.0)
        # A probe says how long the frozen body ran, for the rest of its time is unlike any training's. Of a training,
        # attempts that lacked memory are no part of its speed, but of its evaluation time.
        seconds = last.get(BODY_SECONDS, last.get("seconds", outcome.evaluation_time))
        # Zero seconds: the features of the body lay in the cache already, and nothing was measured.
        if not seconds or not epochs > 0:
            return None
        train, validation = self._uncorrected_epoch(
            configuration,
            has_masters=not self.lacks_masters(configuration, limits),
            recomputes=self._recomputes(configuration, limits),
        )
        # In the first few steps of an epoch, validating once is most of what a trial does.
        predicted = epochs * train + len(outcome.history) * validation
        # Too short to be told from the fixed seconds.
        if not predicted > 0:
            return None
        kind = self._kind(configuration, outcome.devices)
        return TimeRatio(kind=kind, value=seconds / predicted)

    def _kind(self, configuration: Configuration, devices: int) -> TimedKind:
        """Return the kind of trials that a configuration's time is like."""
        card = self.cards[configuration.model]
        method = METHODS.get(configuration.method)
        return TimedKind(
            trains_by_gradient=method.trains_by_gradient,
            family=card.family,
            size_decade=math.floor(math.log10(card.parameters)),
            precision=str(configuration.values.get("precision", "")),
            devices=devices,
        )

    def _correction(self, configuration: Configuration, devices: int) -> float:
        """Return what a prediction of time is multiplied by."""
        kind = self._kind(configuration, devices)
        # A search asks for thousands of predictions between two trials, and a store has thousands of ratios.
        known_by = (kind, len(self.ratios), len(self.past_ratios))
        if known_by not in self.corrections:
            self.corrections[known_by] = correction_of(kind, self.ratios, self.past_ratios)
        return self.corrections[known_by]

    def obstacle(self, configuration: Configuration, limits: Limits, epochs: float = 1.0) -> str:
        """Return why a configuration is predicted not to fit within limits, or nothing.

        Args:
            configuration: The configuration.
            limits: Of the trial.
            epochs: How much of the first epoch must fit, besides one evaluation; of a part, `ENOUGH_ROWS` do.
        """
        if self.devices_asked is not None:
            reason = reason_against_division(configuration, self.devices_asked)
            if reason:
                return f"{FailureKind.INVALID_CONFIG}: {reason}"
        estimate = self.predict_within(configuration, limits)
        memory_limit = self.memory_limit(limits)
        # Checkpointing is tried where a batch of one does not fit without it, so its need is what decides.
        if LEAST_OF_PREDICTED * estimate.least_memory > memory_limit:
            needed = estimate.least_memory / 1e9
            available = memory_limit / 1e9
            return f"{FailureKind.OUT_OF_MEMORY}: needs about {needed:.1f} GB of {available:.1f} GB"
        if limits.seconds is None:
            return ""
        seconds = self._seconds_of_part(configuration, estimate, epochs)
        if seconds <= limits.seconds:
            return ""
        part = f"{epochs:.0%} of its first epoch"
        if epochs == 1:
            part = "its first epoch"
        needs = f"needs about {seconds:.0f} s for {part}, {limits.seconds:.0f} s are left"
        return f"{FailureKind.TIMEOUT}: {needs}"

    def _seconds_of_part(
        self, configuration: Configuration, estimate: Estimate, epochs: float
    ) -> float:
        """Return the wall time until so much of the first epoch was trained on and validated once."""
        if epochs < 1:
            rows = self.profile.train_examples * trained_share(configuration.values)
            epochs = min(epochs, ENOUGH_ROWS / max(rows, 1))
        left_out_seconds = (1 - epochs) * estimate.epoch_seconds
        return estimate.first_result_seconds - left_out_seconds

    def least_seconds(self, configuration: Configuration) -> float:
        """Return the wall time in which a configuration gives its least result: a probe, or part of an epoch."""
        estimate = self.predict(configuration)
        if METHODS.get(configuration.method).trains_by_gradient:
            return self._seconds_of_part(configuration, estimate, PART_OF_EPOCH)
        return estimate.first_result_seconds

    def obstacle_to_whole(self, configuration: Configuration, limits: Limits) -> str:
        """Return why a configuration is predicted not to fit within limits with all its epochs, or nothing."""
        seconds = self.predict_within(configuration, limits).seconds
        if limits.seconds is not None and seconds > limits.seconds:
            needs = (
                f"needs about {seconds:.0f} s for all its epochs, {limits.seconds:.0f} s are left"
            )
            return f"{FailureKind.TIMEOUT}: {needs}"
        return self.obstacle(configuration, limits)

    def predict_within(self, configuration: Configuration, limits: Limits) -> Estimate:
        """Return what a configuration will need as it is run within limits: without masters, divided, or with layers
        computed again, where only that fits."""
        if not self._recomputes(configuration, limits):
            return self._predict_keeping(configuration, limits)
        return self.predict(
            configuration,
            has_masters=not self.lacks_masters(configuration, limits),
            devices=self.devices(configuration, limits),
            recomputes=True,
        )

    def _recomputes(self, configuration: Configuration, limits: Limits) -> bool:
        """Return whether layers are computed again in the backward pass because what they keep does not fit.

        False also where that changes no prediction of time: the speed of the GPU is not known, or there is none.
        """
        method = METHODS.get(configuration.method)
        if self.system.gpu_speed is None or not method.trains_by_gradient:
            return False
        estimate = self._predict_keeping(configuration, limits)
        # Families without checkpointing need no less with it.
        can_recompute = estimate.least_memory < estimate.memory
        return can_recompute and estimate.memory > self.memory_limit(limits)

    def _predict_keeping(self, configuration: Configuration, limits: Limits) -> Estimate:
        """Return what a configuration will need if layers keep what the backward pass needs."""
        devices = self.devices(configuration, limits)
        if devices > 1:
            return self.predict(configuration, devices=devices)
        return self._predict_on_one(configuration, limits)

    def _predict_on_one(self, configuration: Configuration, limits: Limits) -> Estimate:
        """Return what a configuration will need on one device."""
        has_masters = not self._lacks_masters_on_one(configuration, limits)
        return self.predict(configuration, has_masters=has_masters)

    def devices(self, configuration: Configuration, limits: Limits) -> int:
        """Return over how many devices a model is divided: what is asked for, else as few as it fits on.

        One where it fits nowhere, so that what is lacking is told of the usual case.
        """
        method = METHODS.get(configuration.method)
        if self.most_devices == 1 or not method.trains_by_gradient:
            return 1
        if self.devices_asked is not None:
            return self.devices_asked
        limit = self.memory_limit(limits)
        on_one = self._predict_on_one(configuration, limits)
        if LEAST_OF_PREDICTED * on_one.least_memory <= limit:
            return 1
        for devices in range(2, self.most_devices + 1):
            if reason_against_division(configuration, devices):
                continue
            divided = self.predict(configuration, devices=devices)
            if LEAST_OF_PREDICTED * divided.least_memory <= limit:
                return devices
        return 1

    def lacks_masters(self, configuration: Configuration, limits: Limits) -> bool:
        """Return whether what is trained has to be stored in bfloat16; never where the model is divided."""
        if self.devices(configuration, limits) > 1:
            return False
        return self._lacks_masters_on_one(configuration, limits)

    def _lacks_masters_on_one(self, configuration: Configuration, limits: Limits) -> bool:
        """Return whether what is trained has to be stored in bfloat16, as the passes run: 8 bytes a weight, not 16.

        Only for whole bodies on a GPU: what the digits of bfloat16 lose of each step is better than no training.
        """
        method = METHODS.get(configuration.method)
        runs_in_bf16 = configuration.values.get("precision") == Precision.BFLOAT16
        if self.system.device != DeviceKind.CUDA or not runs_in_bf16 or not method.trains_body:
            return False
        limit = self.memory_limit(limits)
        if self.predict(configuration).least_memory <= limit:
            return False
        # What does not fit this way either is described as it would usually be.
        narrow = self.predict(configuration, has_masters=False)
        return narrow.least_memory <= limit

    def needs_checkpointing(self, configuration: Configuration, limits: Limits) -> bool:
        """Return whether not even a per-device batch of one is predicted to fit with all activations kept."""
        estimate = self.predict_within(configuration, limits)
        return estimate.memory > self.memory_limit(limits)

    def micro_batch(self, configuration: Configuration, limits: Limits) -> int:
        """Return the largest per-device batch, a halving of the configured one, that is predicted to fit."""
        estimate = self.predict_within(configuration, limits)
        limit = self.memory_limit(limits)
        # On a processor a training gives its batch up before the whole limit, and each attempt costs seconds.
        if self.system.device != DeviceKind.CUDA:
            limit *= SOFT_SHARE
        size = as_int(configuration.values.get("batch_size", FEATURE_BATCH))
        size //= self.devices(configuration, limits)
        while size > 1:
            memory = estimate.memory + (size - 1) * estimate.memory_per_example
            if memory <= limit:
                break
            # Rounded up, so that the sizes tried are those that a trial itself would go down to.
            size = (size + 1) // 2
        return size

    def peak_memory(self, configuration: Configuration, limits: Limits) -> float:
        """Return the predicted peak memory in bytes, with the per-device batch that a trial begins with."""
        estimate = self.predict_within(configuration, limits)
        if self.needs_checkpointing(configuration, limits):
            return estimate.least_memory
        # The estimate holds one example of the batch already.
        further_examples = self.micro_batch(configuration, limits) - 1
        return estimate.memory + further_examples * estimate.memory_per_example

    def cheapest(self, configurations: Sequence[Configuration]) -> Estimate:
        """Return the estimate of the configuration whose first result comes soonest."""
        estimates = [self.predict(configuration) for configuration in configurations]
        return min(estimates, key=lambda estimate: estimate.first_result_seconds)

    def memory_limit(self, limits: Limits) -> float:
        """Return what a trial may use on the device, in bytes: the limit given, or what the device has."""
        return memory_within(limits, self.system)

    def _training_speed(self, values: Values) -> float:
        """Return the assumed speed of a training in operations per second; values are those of its configuration."""
        if self.system.device != DeviceKind.CPU:
            return GPU_GFLOPS * 1e9
        speed = self._product_speed() * CPU_EFFICIENCY
        if values.get("precision") == Precision.BFLOAT16:
            speed *= BF16_TRAINING_SPEEDUP
        return speed

    def _reading_speed(self, form: Form) -> float:
        """Return the assumed speed of passes that keep nothing for gradients, in operations per second."""
        if self.system.device != DeviceKind.CPU:
            return GPU_GFLOPS * 1e9
        # Words are said one after the other, which is no quicker than a training.
        if form.says_words:
            return self._product_speed() * CPU_EFFICIENCY
        speed = self._product_speed() * READING_EFFICIENCY
        # Chosen wherever it pays, unlike a training's precision, which is a parameter.
        if self.system.computes_in_bf16:
            speed *= self.system.bf16_speedup
        return speed

    def _product_speed(self) -> float:
        """Return how fast a trial multiplies large matrices on this processor, in operations per second."""
        # Trials that run at once share it.
        return self.system.gflops * 1e9 * self.threads_share


def _operations_forward(card: ModelCard, form: Form, length: float) -> float:
    """Return the operations of a forward pass over a text of some tokens."""
    # A multiplication and an addition for each weight of a layer (4 h^2 of attention and 8 h^2 of the feed-forward
    # network), and for each pair of tokens in attention.
    weights_of_layer = 12 * card.hidden_size**2
    attention = 2 * length * card.hidden_size
    operations_per_token = 2 * reading_layers(card, form) * (weights_of_layer + attention)
    if form.says_words and not decodes_names_only(card, form):
        # The matrix that turns each token's hidden state into scores of all words.
        operations_per_token += 2 * card.hidden_size * card.vocabulary
    return length * operations_per_token


def reason_against_division(configuration: Configuration, devices: int) -> str:
    """Return why a configuration's model cannot be divided over so many devices; nothing if it can, or trains nothing.

    Args:
        configuration: The configuration.
        devices: At least one.
    """
    values = configuration.values
    if devices == 1 or not METHODS.get(configuration.method).trains_by_gradient:
        return ""
    if has_quantized_body(values):
        return f"weights of {values['quantization']} cannot be divided over {devices} GPUs"
    if values.get("precision") == Precision.FLOAT16:
        # What keeps gradients in its range must know of infinite ones on all devices.
        return f"trainings in float16 cannot be divided over {devices} GPUs"
    batch_size = as_int(values.get("batch_size", FEATURE_BATCH))
    if batch_size % devices:
        return f"a batch of {batch_size} cannot be divided over {devices} GPUs"
    return ""


def memory_within(limits: Limits, system: SystemProfile) -> float:
    """Return the memory that a trial may use on a machine's device, in bytes: the limit, or what the device has."""
    limit = limits.memory
    if system.device == DeviceKind.CUDA:
        limit = limits.gpu_memory
    # Zero is a limit, too: other processes hold all of a GPU.
    if limit is None:
        limit = system.device_memory
    return float(limit)


def are_alike(first: SystemProfile, second: SystemProfile) -> bool:
    """Return whether two machines have the same device, cores and GPUs, and about the same memory."""
    if first.device != second.device:
        return False
    if first.physical_cores != second.physical_cores:
        return False
    gpus_of_first = [gpu.name for gpu in first.gpus]
    gpus_of_second = [gpu.name for gpu in second.gpus]
    if gpus_of_first != gpus_of_second:
        return False
    # What a kernel reserves, and the memory of a virtual machine, differ a little from start to start.
    difference = abs(first.memory - second.memory)
    return difference <= MEMORY_TOLERANCE * second.memory
