"""Importer of the experience store that the paper's system (a fork of AutoGOAL) wrote: one JSON file each.

Two layouts are in use. Older files have flat `dataset_features`, `f1`, `evaluation_time`, `accuracy` and `error`; newer
ones `task_features` and a list of `metrics`. No value is told as None or as the non-standard -Infinity. A failure may
be stored twice: once with its error text, and within two seconds a twin without.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from xautolm.errors import StoreError
from xautolm.experience.adoption import AUTOGOAL_SEMANTIC, IMPORTED, our_features, our_values
from xautolm.experience.autogoal_models import MODELS
from xautolm.experience.exchange import Imported, identity_of
from xautolm.experience.validation import check, named_fingerprint
from xautolm.metafeatures.classification import PaperClassification
from xautolm.metafeatures.generation import AUTOGOAL_GENERATION
from xautolm.metafeatures.machine import PaperSystem
from xautolm.objectives import EVALUATION_TIME
from xautolm.records import (
    Configuration,
    DataProfile,
    Experience,
    Failure,
    Features,
    Gpu,
    Limits,
    Scalar,
    SystemProfile,
    TrialOutcome,
    digest_of,
)
from xautolm.symptoms import says_lack_of_memory
from xautolm.vocabulary import FailureKind, Switch, TrialStatus

TWIN_SECONDS = 2.0
"""Longest time between a failure and its twin."""
TWIN_WINDOW = 8
"""Earlier files among which a twin is looked for."""
GIB = 1024**3
LIMITS = Limits(seconds=5400.0, memory=35_000_000_000)
"""Of each evaluation in the paper: one and a half hours, 35 GB of host memory."""
CHARACTERS_PER_TOKEN = 5.0
"""The files have lengths of texts in characters, we in tokens."""
GPU_MEMORY_POSITION = 4
"""Where the features of the system have the GPU's memory, in GiB."""

NAMES = {
    "dropout_rate": "dropout",
    "lr_scheduler": "scheduler",
    "gradient_clipping_max_norm": "max_grad_norm",
    "class_weighted_loss": "class_weights",
    "num_trainable_layers": "trainable_layers",
    "init_lora_weights": "lora_init",
}
"""What we call their hyperparameters, where that differs."""
SWITCHES = {"use_early_stopping": "early_stopping", "use_gradient_clipping": "gradient_clipping"}
IRRELEVANT = {"inner_model", "num_workers", "verbose", "model_save"}
UNITS = {"squad": 100.0, "drop": 1.0}
"""The best possible score of a data set in the files, by the beginning of its name: SQuAD's own script counts to 100,
DROP's to 1. Of other data sets, whether any of their values of a metric lies above 1 decides for all of them."""
SCRIPT_METRICS = {"f1", "exact_match"}
"""What the scripts of question answering compute."""
HUNDREDTHS = 100.0
"""The best possible score in percent."""
METHODS = (("Partial", "partial.v1"), ("Lora", "lora.v1"), ("FineTune", "full.v1"))

KINDS = (
    (FailureKind.TIMEOUT, r"exceeded allowed time|timed? ?out"),
    (FailureKind.DIVERGED, r"\bnan\b|contains infinity|inf loss"),
    (
        FailureKind.LOAD_ERROR,
        r"unrecognized configuration class|can'?t load|couldn'?t instantiate|not appear to have a file|gated repo|"
        r"does not exist on the hub|no file named|unrecognized model|tokenizer class|is not a valid model",
    ),
    (
        FailureKind.INVALID_CONFIG,
        r"size mismatch|shapes? .*(mismatch|cannot be multiplied|not aligned)|must match|index out of range|"
        r"device-side assert|longer than|target modules .* not found|invalid .*(value|argument|option)",
    ),
)
"""Kinds of failure by what their error text says, looked for in this order, after lack of memory."""


DAMAGES = (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError)
"""What reading a file raises that is cut short, or of another layout than the two."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A file that was read: its experience, and what is needed to find its twin."""

    path: Path
    time: datetime
    experience: Experience
    has_reason: bool
    """Whether the file says why the evaluation failed."""


def import_autogoal(folder: Path, gpu_memory: int | None = None) -> Imported:
    """Read a folder of the paper's store, or one file of it.

    Args:
        folder: Holds `<alias>/<date>/<time>-<id>.json`.
        gpu_memory: Memory in bytes of the GPU that was used; the files say 0.

    Returns:
        The experiences in order of time, twins merged; files that are damaged are listed, the rest is imported.

    Raises:
        StoreError: No such folder, or no JSON file in it.
    """
    paths = [folder] if folder.is_file() else sorted(folder.rglob("*.json"))
    if not paths:
        raise StoreError("There is no experience of the paper's system here.", got=folder)
    stored: list[Stored] = []
    skipped: list[str] = []
    for path in paths:
        try:
            stored.append(_read(path, gpu_memory))
        except DAMAGES as error:
            first_line = str(error).partition("\n")[0]
            skipped.append(f"{path}: {type(error).__name__}: {first_line[:160]}")

    # Times are whole seconds; of two files of one second, the path decides, so that each import numbers them alike.
    in_order = sorted(_in_units(stored), key=lambda item: (item.time, item.path))
    trials_of_run: Counter[str] = Counter()
    experiences: list[Experience] = []
    for item in _without_twins(in_order):
        # The files do not number their trials; within a run they are numbered in order of time, from 0.
        run = item.experience.run
        trial = trials_of_run[run]
        trials_of_run[run] += 1
        numbered = replace(item.experience, trial=trial)
        experience = replace(numbered, id=identity_of(numbered))
        try:
            check(experience)
        except ValueError as error:
            skipped.append(f"{item.path}: {error}")
        else:
            experiences.append(experience)
    return Imported(experiences=experiences, skipped=skipped)


def failure_kind(text: str) -> FailureKind:
    """Return the kind of failure that an error text tells of."""
    if says_lack_of_memory(text):
        return FailureKind.OUT_OF_MEMORY
    lowered = text.lower()
    for kind, pattern in KINDS:
        if re.search(pattern, lowered):
            return kind
    return FailureKind.CRASH


def _without_twins(stored: Sequence[Stored]) -> list[Stored]:
    """Return files with one of two failures of one configuration within two seconds: the one with a reason."""
    unique: list[Stored] = []
    for item in stored:
        recent = unique[-TWIN_WINDOW:]
        twins = [earlier for earlier in recent if _are_twins(earlier, item)]
        if not twins:
            unique.append(item)
            continue
        latest = twins[-1]
        if item.has_reason and not latest.has_reason:
            place = unique.index(latest)
            unique[place] = item
    return unique


def _are_twins(first: Stored, second: Stored) -> bool:
    """Return whether two files tell of one failure: the same trial at the same time, and a single reason."""
    # The twin of a failure lacks only its reason.
    if first.experience.outcome.succeeded or second.experience.outcome.succeeded:
        return False
    if first.has_reason and second.has_reason:
        return False
    distance = second.time - first.time
    seconds = abs(distance.total_seconds())
    if seconds > TWIN_SECONDS:
        return False
    if first.experience.alias != second.experience.alias:
        return False
    return first.experience.configuration == second.experience.configuration


def _read(path: Path, gpu_memory: int | None) -> Stored:
    """Return what a file says, without a number of its trial and without an id.

    Raises:
        ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError: It is damaged.
    """
    record = json.loads(path.read_text(encoding="utf-8"))
    algorithm = record["algorithms"][0]
    (name, pipeline), *_ = algorithm.items()
    alias = str(record["alias"])
    time = datetime.strptime(record["timestamp"], "%Y-%m-%d %H:%M:%S")
    # The files say nothing of a time zone.
    time = time.replace(tzinfo=UTC)
    is_generation = name.endswith("Task")
    features = _features(record, gpu_memory)
    error = str(record.get("error") or "")
    # Whole, so that it does not depend on the folder from which the file was named.
    source = "/".join(path.resolve().parts[-3:])
    experience = Experience(
        id="",
        created=time.isoformat(timespec="seconds"),
        run=f"autogoal-{digest_of(alias)[:12]}",
        trial=0,
        task="question-answering" if is_generation else "text-classification",
        data=_data(alias, features),
        system=_system(features[PaperSystem.name]),
        configuration=_configuration(name, pipeline),
        outcome=_outcome(record, error, is_generation),
        limits=LIMITS,
        objectives=("f1" if is_generation else "f1_macro", EVALUATION_TIME),
        seed=0,
        versions={},
        features=features,
        alias=alias,
        provenance=f"{IMPORTED}{source}",
    )
    return Stored(path, time, experience, has_reason=bool(error))


def _configuration(name: str, pipeline: Mapping[str, Any]) -> Configuration:
    """Return a configuration in our words.

    Args:
        name: The class of the paper's system that was run; it begins with the method.
        pipeline: Its hyperparameters, each a mapping with a `value`.
    """
    # The value is a mapping with one key, the class of the model.
    model_class, *_ = pipeline["inner_model"]["value"]
    values: dict[str, Scalar] = {"model": _hub_id(model_class), "method": _method(name)}
    for key, holder in pipeline.items():
        if key in IRRELEVANT:
            continue
        value = holder["value"]
        if key in SWITCHES:
            switch = SWITCHES[key]
            option = Switch.ON if value else Switch.OFF
            values[switch] = option.value
        else:
            our_name = NAMES.get(key, key)
            values[our_name] = _scalar(value)
    values_in_our_words = our_values(values)
    return Configuration(values=values_in_our_words, space="paper.v1")


def _method(name: str) -> str:
    """Return the method that a class of the paper's system stands for.

    Raises:
        ValueError: It is of none that we know.
    """
    for beginning, version in METHODS:
        if name.startswith(beginning):
            return version
    raise ValueError(f"no fine-tuning method of ours is called {name}")


def _scalar(value: object) -> Scalar:
    if not isinstance(value, str | int | float | bool | None):
        raise ValueError(f"a hyperparameter of type {type(value).__name__}")
    return value


def _hub_id(class_name: str) -> str:
    """Return the model's name on the hub; of an unknown class, its own name in the hub's manner."""
    without_kind = re.sub(r"^(WORD_EMB|TEXT_GEN|SENT_EMB)_", "", class_name)
    plain = without_kind.lower()
    in_hub_manner = plain.replace("_", "-")
    return MODELS.get(plain, in_hub_manner)


def _outcome(record: Mapping[str, Any], error: str, is_generation: bool) -> TrialOutcome:
    """Return how an evaluation ended; without a score or a time it failed, for the reason in `error` if there is one.

    Args:
        record: The whole file.
        error: The error text, which may be empty.
        is_generation: Whether texts were generated, so that F1 is that of their words.
    """
    # Newer files list their metrics; older ones have them beside everything else.
    if record.get("metrics"):
        values = {metric["name"]: metric["value"] for metric in record["metrics"]}
    else:
        values = {name: record.get(name) for name in ("f1", "accuracy", EVALUATION_TIME)}
    metrics: dict[str, float] = {}
    for name, value in values.items():
        if _is_value(value):
            metrics[name] = float(value)
    if "f1" not in metrics or EVALUATION_TIME not in metrics:
        failure = _failure(error)
        return TrialOutcome(status=TrialStatus.FAILED, failure=failure)
    seconds = metrics.pop(EVALUATION_TIME)
    for name in list(metrics):
        # Times of single steps are no metrics of ours.
        if name.startswith("time_"):
            del metrics[name]
    if not is_generation:
        metrics["f1_macro"] = metrics.pop("f1")
    return TrialOutcome(
        status=TrialStatus.COMPLETE, metrics=metrics, evaluation_time=seconds, wall_time=seconds
    )


def _failure(error: str) -> Failure:
    """Return the failure that an error text tells of, which may be empty."""
    if not error:
        return Failure(kind=FailureKind.CRASH, message="no value and no reason recorded")
    first_line = error.strip().partition("\n")[0]
    return Failure(
        kind=failure_kind(error),
        message=first_line[:500] or "no value and no reason recorded",
        # The end of a traceback says what went wrong.
        stderr_tail=error[-2000:],
    )


def _is_value(value: object) -> bool:
    """Return whether a metric was had: their metrics say -1.0 for an error, and None or an infinity for no value."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return 0 <= value < math.inf


def _in_units(stored: Sequence[Stored]) -> list[Stored]:
    """Return what was read with all scores between 0 and 1, in one unit for each metric of a data set."""
    scores: dict[tuple[str, str], list[float]] = {}
    for item in stored:
        data = item.experience.data.name
        metrics = item.experience.outcome.metrics
        for metric, value in metrics.items():
            values = scores.setdefault((data, metric), [])
            values.append(value)

    units: dict[tuple[str, str], float] = {}
    for (data, metric), values in scores.items():
        # What is no score in any unit must not decide the unit of the others.
        possible = [value for value in values if value <= HUNDREDTHS]
        largest = max(possible, default=1.0)
        unit = _unit(data, metric, largest)
        units[data, metric] = unit

    in_units: list[Stored] = []
    for item in stored:
        in_units.append(_in_unit(item, units))
    return in_units


def _unit(data: str, metric: str, largest: float) -> float:
    """Return the best possible score of a metric on a data set, of which the files have `largest` as best."""
    if metric in SCRIPT_METRICS:
        for beginning, unit in UNITS.items():
            if data.lower().startswith(beginning):
                return unit
    return HUNDREDTHS if largest > 1 else 1.0


def _in_unit(item: Stored, units: Mapping[tuple[str, str], float]) -> Stored:
    """Return an item with each score divided by the unit of its data set and metric."""
    experience = item.experience
    data = experience.data.name
    outcome = experience.outcome
    metrics: dict[str, float] = {}
    for metric, value in outcome.metrics.items():
        unit = units[data, metric]
        metrics[metric] = value / unit

    outcome = replace(outcome, metrics=metrics)
    experience = replace(experience, outcome=outcome)
    return replace(item, experience=experience)


def _features(record: Mapping[str, Any], gpu_memory: int | None) -> Features:
    """Return the meta-features of a file by the names of our groups.

    Raises:
        ValueError: One is no number.
    """
    system = _numbers(record["system_features"])
    # The files say 0 of every GPU.
    if gpu_memory is not None:
        system[GPU_MEMORY_POSITION] = gpu_memory / GIB
    is_generation = record["dataset_feature_extractor_name"].startswith("Gen")
    data_group = AUTOGOAL_GENERATION if is_generation else PaperClassification.name
    # Newer files have a vector of the text's meaning beside the numbers; older ones have numbers only.
    nested = record.get("task_features")
    data = nested["meta"] if nested else record["dataset_features"]
    features: dict[str, tuple[float, ...]] = {
        PaperSystem.name: tuple(system[: GPU_MEMORY_POSITION + 1]),
        data_group: tuple(_numbers(data)),
    }
    if nested and nested.get("semantic"):
        features[AUTOGOAL_SEMANTIC] = tuple(_numbers(nested["semantic"]))

    for values in features.values():
        if not all(math.isfinite(value) for value in values):
            raise ValueError("a meta-feature that is no number")
    return our_features(features, imported=True)


def _numbers(values: Sequence[Any]) -> list[float]:
    return [float(value) for value in values]


def _data(alias: str, features: Mapping[str, tuple[float, ...]]) -> DataProfile:
    """Return what is known of the data; its name is the alias's first part: `squad_warmstart (...)` is SQuAD."""
    name = re.split(r"[_ ](?:warm_?start|baseline|zero|knn|memory)", alias, maxsplit=1)[0]
    fingerprint = named_fingerprint(name)
    if PaperClassification.name in features:
        numbers = features[PaperClassification.name]
        classes, characters = int(numbers[1]), numbers[6]
    else:
        numbers = features[AUTOGOAL_GENERATION]
        classes, characters = 0, numbers[1]
    return DataProfile(
        train_examples=int(numbers[0]),
        validation_examples=0,
        classes=classes,
        tokens_mean=characters / CHARACTERS_PER_TOKEN,
        tokens_max=0,
        fingerprint=fingerprint,
        source_fingerprint=fingerprint,
        name=name,
    )


def _system(numbers: Sequence[float]) -> SystemProfile:
    """Return the machine from its features: cores, the frequency in GHz, memories in GiB."""
    physical, logical, frequency, memory, gpu_memory = numbers
    gpus: tuple[Gpu, ...] = ()
    if gpu_memory > 0:
        gpus = (Gpu(name="unstated", memory=int(gpu_memory * GIB), compute_capability=0.0),)
    return SystemProfile(
        physical_cores=int(physical),
        logical_cores=int(logical),
        cpu_frequency=frequency,
        memory=int(memory * GIB),
        device="cuda",  # the paper's machine had a 24 GB GPU, whatever its files say of the memory
        gpus=gpus,
    )
