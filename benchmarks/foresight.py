"""How well memory and time of trials are foreseen: by published tables, and by the trials of the starter store.

    python -m benchmarks.foresight

Written to `foresight.md`. Nothing is trained: predictions are compared with what others measured on GPUs, and with
what the trials of the store took on a processor, each of its data sets foreseen from the others.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median

from xautolm.experience.starter import starter_experiences
from xautolm.forecaster import DEFAULT_MEMORY
from xautolm.forecasts import measured_memory
from xautolm.memory import GPU_CONTEXT, SOFT_SHARE
from xautolm.records import (
    BODY_SECONDS,
    Configuration,
    DataProfile,
    Experience,
    Gpu,
    GpuSpeed,
    Limits,
    ModelCard,
    Scalar,
    SystemProfile,
)
from xautolm.resources import LEAST_OF_PREDICTED, UNPREDICTABLE, Estimate, ResourceModel
from xautolm.settings import starter_file
from xautolm.tasks import TASKS
from xautolm.vocabulary import FailureKind
from xautolm.zoo import ZOO

PAGE = Path(__file__).with_suffix(".md")
TRIALS_BEFORE = 3
"""Trials of a search after which its predictions of time are looked at."""
NEAR = 1.3
"""Measured over predicted seconds, or the inverse, that counts as near."""
SHARES = (1.0, LEAST_OF_PREDICTED, 0.9)
"""Shares of the predicted memory that a trial must fit into, as `LEAST_OF_PREDICTED` is one."""
SOFT_SHARES = (1.0, 0.95, SOFT_SHARE, 0.85)
"""Shares of the memory limit that the first per-device batch is predicted to fit into."""
HALVING = re.compile(r"per-device batch (\d+) to (\d+)")
"""How a trial notes that it lacked memory for a batch."""
LARGE_GPU = Gpu(name="L40S", memory=48 * 2**30, compute_capability=8.9)
DATA_SHEET = GpuSpeed(
    fp32_gflops=183e3,
    fp16_gflops=362e3,
    bf16_gflops=362e3,
    bandwidth=864e9,
    launch_seconds=8e-6,
)
"""Of an L40S, without the doubling for sparse matrices; no data sheet says what a launch takes."""
HALF_PEAK = replace(DATA_SHEET, fp32_gflops=92e3, fp16_gflops=181e3, bf16_gflops=181e3)
"""If products reach half of that, as they may within the card's limit of power."""
QUICK = replace(DATA_SHEET, launch_seconds=4e-6)
TRAINING_TEXTS = 20_000
MACHINE = SystemProfile(
    physical_cores=16,
    logical_cores=32,
    cpu_frequency=2.6,
    memory=256 * 2**30,
    device="cuda",
    gpus=(LARGE_GPU,),
)
LLAMA_3B = ZOO.get("llama-3.2-3b")
LLAMA_2_7B = replace(
    LLAMA_3B,
    name="llama-2-7b",
    parameters=6_738_415_616,
    hidden_size=4096,
    layers=32,
    vocabulary=32_000,
    positions=4096,
)
Values = Mapping[str, Scalar]
ON_ATTENTION: Values = {"lora_targets": "attention", "lora_dropout": 0.0}
WHOLE: Values = {"freeze_embeddings": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """Hold a peak of memory that others published, and what it was measured with."""

    title: str
    card: ModelCard
    method: str
    gigabytes: float
    batch: int
    tokens: int
    values: Values = field(default_factory=dict)
    has_masters: bool = True
    is_checkpointed: bool = False
    relative_seconds: float | None = None
    """Of the training, over those of LoRA of rank 32, where that was published."""

    def predicted(self) -> float:
        """Return what is predicted for it, in GB, without the driver's context, which neither table counts."""
        estimate = self.estimate(MACHINE)
        peak = estimate.memory + (self.batch - 1) * estimate.memory_per_example
        if self.is_checkpointed:
            peak = estimate.least_memory
        return (peak - GPU_CONTEXT) / 1e9

    def step_seconds(self, speed: GpuSpeed) -> float:
        """Return what is predicted of a step of training on a GPU with a speed."""
        gpu = replace(LARGE_GPU, speed=speed)
        estimate = self.estimate(replace(MACHINE, gpus=(gpu,)))
        return estimate.epoch_seconds / (TRAINING_TEXTS / self.batch)

    def estimate(self, machine: SystemProfile) -> Estimate:
        """Return what is predicted for it on a machine."""
        data = DataProfile(
            train_examples=TRAINING_TEXTS,
            validation_examples=50,
            classes=0,
            tokens_mean=self.tokens / 4,
            tokens_max=self.tokens,
            fingerprint="",
            source_fingerprint="",
            name="",
        )
        values = {
            "model": self.card.name,
            "method": self.method,
            "form": "generate",
            "max_length": self.tokens,
            "batch_size": self.batch,
            "precision": "bf16",
            **self.values,
        }
        configuration = Configuration(values=values, space="default.v1")
        forms = TASKS.get("text-generation").forms
        resources = ResourceModel({self.card.name: self.card}, data, machine, forms=forms)
        return resources.predict(configuration, has_masters=self.has_masters)


def peft_row(
    title: str, gigabytes: float, relative_seconds: float | None = None, **values: Scalar
) -> Published:
    """Return a row of peft's comparison: adapters on the query and value projections."""
    return Published(
        title=title,
        card=LLAMA_3B,
        method="lora.v1",
        gigabytes=gigabytes,
        batch=4,
        tokens=768,
        values={**ON_ATTENTION, **values},
        relative_seconds=relative_seconds,
    )


def llama_factory_row(title: str, gigabytes: float, **values: Scalar) -> Published:
    """Return a row of LLaMA-Factory's table for LoRA."""
    return Published(
        title=title,
        card=LLAMA_2_7B,
        method="lora.v1",
        gigabytes=gigabytes,
        batch=1,
        tokens=1024,
        values={**ON_ATTENTION, "lora_r": 8, **values},
        is_checkpointed=True,
    )


PEFT = (
    peft_row("LoRA, rank 32", 22.27, 1.00, lora_r=32),
    peft_row("LoRA, rank 64", 22.54, 1.03, lora_r=64),
    peft_row("rsLoRA, rank 64", 22.54, lora_r=64, lora_variant="rslora"),
    peft_row("DoRA, rank 32", 24.54, 1.26, lora_r=32, lora_variant="dora"),
    peft_row("MiSS, rank 64", 20.25, 0.95, lora_r=64, lora_variant="miss"),
    Published(
        title="all weights in bfloat16",
        card=LLAMA_3B,
        method="full.v1",
        gigabytes=37.24,
        batch=4,
        tokens=768,
        values=WHOLE,
        has_masters=False,
        relative_seconds=2.28,
    ),
)
"""Bytes that CUDA's allocator reserved at most (`method_comparison/MetaMathQA/results` in huggingface/peft): Llama 3.2
3B on an L40S, batches of 4 with up to 768 tokens. The settings that a space of ours can express."""
LLAMA_FACTORY = (
    replace(
        llama_factory_row("all weights, mixed precision", 120.0),
        method="full.v1",
        values=WHOLE,
    ),
    replace(
        llama_factory_row("all weights in bfloat16", 60.0),
        method="full.v1",
        values=WHOLE,
        has_masters=False,
    ),
    llama_factory_row("LoRA", 16.0),
    llama_factory_row("QLoRA, 8 bits", 10.0, quantization="8bit"),
    llama_factory_row("QLoRA, 4 bits", 6.0, quantization="4bit"),
)
"""The table of LLaMA-Factory's README for 7 billion weights, by which users choose: no length is said, and gradient
checkpointing is its default. Taken as one text of 1,024 tokens; from 512 to 2,048 the numbers differ by a fifth."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreseen:
    """Hold what trials took over what was predicted of them."""

    memory: Mapping[str, Sequence[float]]
    """By model and method."""
    seconds_first: Sequence[float]
    """Of the first trials on each data set, foreseen from the other data sets."""
    seconds_later: Sequence[float]
    """Of those after `TRIALS_BEFORE`."""

    @property
    def all_memory(self) -> list[float]:
        """Return the ratios of all models and methods."""
        return [ratio for ratios in self.memory.values() for ratio in ratios]


def foreseen(experiences: Sequence[Experience]) -> Foreseen:
    """Return how trials compare with predictions, each data set foreseen from the others."""
    by_data: dict[str, list[Experience]] = defaultdict(list)
    for experience in experiences:
        by_data[experience.data_set].append(experience)
    memory: dict[str, list[float]] = defaultdict(list)
    first: list[float] = []
    later: list[float] = []
    for data_set, own in by_data.items():
        forms = TASKS.get(own[0].task).forms
        resources = ResourceModel(dict(ZOO.things), own[0].data, own[0].system, forms=forms)
        resources.learn(trial for trial in experiences if trial.data_set != data_set)
        finished = 0
        for trial in sorted(own, key=lambda experience: experience.trial):
            configuration = trial.configuration
            peak = measured_memory(trial.outcome, trial.system.device)
            if peak is not None:
                name = f"{configuration.model}, {configuration.method}"
                predicted = resources.peak_memory(configuration, trial.limits)
                memory[name].append(peak / predicted)
            ratio = seconds_ratio(trial, resources)
            if ratio is not None:
                ratios = later if finished >= TRIALS_BEFORE else first
                ratios.append(ratio)
            resources.observe(configuration, trial.outcome)
            finished += trial.outcome.succeeded
    return Foreseen(memory=memory, seconds_first=first, seconds_later=later)


def seconds_ratio(trial: Experience, resources: ResourceModel) -> float | None:
    """Return the seconds of the epochs that a trial ran, and of its evaluations, over those predicted.

    None for a trial that failed, and for a probe whose features lay in the cache.
    """
    if not trial.outcome.succeeded or not trial.outcome.history:
        return None
    last = trial.outcome.history[-1]
    seconds = last.get(BODY_SECONDS, last["seconds"])
    if seconds < 0.01:
        return None
    try:
        estimate = resources.predict(trial.configuration)
    except UNPREDICTABLE:
        return None
    evaluations = len(trial.outcome.history) * estimate.validation_seconds
    return seconds / (last["epoch"] * estimate.epoch_seconds + evaluations)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusals:
    """Count the trials that are refused for their memory, of those that ran and of those that lacked it."""

    ran: int
    lacked: int


def resources_of(trial: Experience) -> ResourceModel:
    """Return predictions for a trial's own data and machine, which learned nothing."""
    forms = TASKS.get(trial.task).forms
    return ResourceModel(dict(ZOO.things), trial.data, trial.system, forms=forms)


def refusals(experiences: Sequence[Experience], share: float) -> Refusals:
    """Return which trials would be refused if they had to fit into a share of what is predicted."""
    ran = lacked = 0
    for trial in experiences:
        resources = resources_of(trial)
        estimate = resources.predict_within(trial.configuration, trial.limits)
        if share * estimate.least_memory <= resources.memory_limit(trial.limits):
            continue
        failure = trial.outcome.failure
        ran += trial.outcome.succeeded
        lacked += failure is not None and failure.kind == FailureKind.OUT_OF_MEMORY
    return Refusals(ran=ran, lacked=lacked)


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstBatches:
    """Count what first per-device batches, predicted within a share of the memory limit, mean to trainings."""

    attempts: int
    """Halvings until the batch that a training which lacked memory ended with."""
    needless: int
    """Trainings that lacked nothing, and begin with less than they do by the whole limit."""
    lacking_trials: int
    """Trainings that lacked memory on the way."""
    other_trials: int


def first_batches(experiences: Sequence[Experience], share: float) -> FirstBatches:
    """Return how first batches compare with those that trainings on a processor ran with in the end."""
    attempts = needless = lacking_trials = other_trials = 0
    for trial in experiences:
        is_training = "learning_rate" in trial.configuration.values
        if not is_training or not trial.outcome.succeeded:
            continue
        first = first_batch(trial, share)
        halvings = [HALVING.match(note) for note in trial.outcome.adjustments]
        last_batches = [int(halving[2]) for halving in halvings if halving]
        if not last_batches:
            other_trials += 1
            needless += first < first_batch(trial, 1.0)
            continue
        lacking_trials += 1
        while first > last_batches[-1]:
            attempts += 1
            first = (first + 1) // 2
    return FirstBatches(
        attempts=attempts,
        needless=needless,
        lacking_trials=lacking_trials,
        other_trials=other_trials,
    )


def first_batch(trial: Experience, share: float) -> int:
    """Return the first per-device batch of a training, predicted within a share of its memory limit."""
    assert trial.limits.memory is not None, "trials of the table have a limit"
    # The prediction itself stays below the limit by `SOFT_SHARE`.
    limits = Limits(memory=int(trial.limits.memory * share / SOFT_SHARE))
    return resources_of(trial).micro_batch(trial.configuration, limits)


def refusals_table(experiences: Sequence[Experience]) -> list[str]:
    """Return a table of trials that are refused, by the share of the predicted memory that must fit."""
    lines = [
        "| share of the predicted memory that must fit | refused of those that ran | of those that lacked memory |",
        "| --- | --- | --- |",
    ]
    for share in SHARES:
        counts = refusals(experiences, share)
        lines.append(f"| {share:g} | {counts.ran} | {counts.lacked} |")
    return lines


def first_batches_table(experiences: Sequence[Experience]) -> list[str]:
    """Return a table of first batches that are too large or needlessly small, by the share that they must fit into."""
    whole = first_batches(experiences, 1.0)
    lines = [
        f"| share of the limit | attempts that lack memory, of {whole.lacking_trials} trainings "
        f"| begun smaller than needed, of {whole.other_trials} |",
        "| --- | --- | --- |",
    ]
    for share in SOFT_SHARES:
        counts = first_batches(experiences, share)
        lines.append(f"| {share:g} | {counts.attempts} | {counts.needless} |")
    return lines


def share_near(ratios: Sequence[float]) -> float:
    """Return the share of ratios that are near 1."""
    near = [ratio for ratio in ratios if 1 / NEAR <= ratio <= NEAR]
    return len(near) / len(ratios)


def median_error(ratios: Sequence[float]) -> float:
    """Return the median distance of measured from predicted, as a share of what was predicted."""
    return median(abs(ratio - 1) for ratio in ratios)


def published_table(rows: Sequence[Published]) -> list[str]:
    """Return a table of published and predicted peaks."""
    lines = ["| setting | published GB | predicted GB | difference |", "| --- | --- | --- | --- |"]
    for row in rows:
        predicted = row.predicted()
        difference = predicted / row.gigabytes - 1
        lines.append(f"| {row.title} | {row.gigabytes:g} | {predicted:.1f} | {difference:+.0%} |")
    return lines


def seconds_table(rows: Sequence[Published]) -> list[str]:
    """Return a table of published and predicted seconds, over those of the first row."""
    speeds = (DATA_SHEET, HALF_PEAK, QUICK)
    lines = [
        "| setting | published | predicted | at half the peak | with launches of 4 µs |",
        "| --- | --- | --- | --- | --- |",
    ]
    first = [rows[0].step_seconds(speed) for speed in speeds]
    for row in rows:
        if row.relative_seconds is None:
            continue
        cells = [f"{row.relative_seconds:.2f}"]
        for speed, reference in zip(speeds, first, strict=True):
            cells.append(f"{row.step_seconds(speed) / reference:.2f}")
        lines.append(f"| {row.title} | {' | '.join(cells)} |")
    of_first = " | ".join(f"{seconds:.2f} s" for seconds in first)
    lines.append(f"| one step of the first | | {of_first} |")
    return lines


def page() -> str:
    """Return the page with all tables."""
    experiences = starter_experiences(starter_file(), print)
    result = foreseen(experiences)
    inside = [DEFAULT_MEMORY.low <= ratio <= DEFAULT_MEMORY.high for ratio in result.all_memory]
    lines = [
        "# What is foreseen of trials",
        "",
        "Written by `python -m benchmarks.foresight`.",
        "",
        "## Peaks that peft published",
        "",
        "Llama 3.2 3B on an L40S, batches of 4 with up to 768 tokens.",
        "",
        *published_table(PEFT),
        "",
        "## Seconds that peft published",
        "",
        "Over those of LoRA of rank 32, in the same comparison. Predicted by the peak (362 TFLOPS in bfloat16) and the "
        "bandwidth (864 GB/s) of the data sheet, with launches of 8 µs.",
        "",
        *seconds_table(PEFT),
        "",
        "## LLaMA-Factory's table",
        "",
        "A model of 7 billion weights, one text, gradient checkpointing.",
        "",
        *published_table(LLAMA_FACTORY),
        "",
        "## The starter store",
        "",
        f"Peak memory of {len(inside)} trials on a processor: median error {median_error(result.all_memory):.1%}, "
        f"{sum(inside) / len(inside):.0%} inside the interval that is told before any trial was measured.",
        "",
        "| model and method | trials | measured over predicted: least | median | most |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name, ratios in sorted(result.memory.items()):
        numbers = f"{min(ratios):.2f} | {median(ratios):.2f} | {max(ratios):.2f}"
        lines.append(f"| {name} | {len(ratios)} | {numbers} |")
    lines += [
        "",
        f"Seconds, of epochs as they ran: within 30 % of what was predicted in {share_near(result.seconds_first):.0%} "
        f"of the {len(result.seconds_first)} trials before the fourth of their data set (median error "
        f"{median_error(result.seconds_first):.0%}), and in {share_near(result.seconds_later):.0%} of the "
        f"{len(result.seconds_later)} later ones ({median_error(result.seconds_later):.0%}).",
        "",
        "Trials that are refused before they begin:",
        "",
        *refusals_table(experiences),
        "",
        "First per-device batches:",
        "",
        *first_batches_table(experiences),
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
