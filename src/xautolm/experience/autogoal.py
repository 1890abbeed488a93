"""Importer of the experience store that the paper's system (a fork of AutoGOAL) wrote: one JSON file each.

Two layouts are in use. Older files have flat `dataset_features`, `f1`, `evaluation_time`, `accuracy` and `error`; newer
ones `task_features` and a list of `metrics`. No value is told as None or as the non-standard -Infinity. A failure may
be stored twice: once with its error text, and within two seconds a twin without.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from xautolm.errors import StoreError
from xautolm.experience.adoption import AUTOGOAL_SEMANTIC, IMPORTED, our_features, our_values
from xautolm.experience.autogoal_models import MODELS
from xautolm.experience.exchange import Imported
from xautolm.experience.validation import check, named_fingerprint
from xautolm.metafeatures.generation import AUTOGOAL_GENERATION
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
    experience_id,
)
from xautolm.symptoms import says_lack_of_memory
from xautolm.vocabulary import FailureKind, TrialStatus

TWIN_SECONDS = 2.0
GIB = 1024**3
LIMITS = Limits(seconds=5400.0, memory=35_000_000_000)
"""Of each evaluation in the paper: one and a half hours, 35 GB of host memory."""
CHARACTERS_PER_TOKEN = 5.0

NAMES = {
    "dropout_rate": "dropout",
    "lr_scheduler": "scheduler",
    "gradient_clipping_max_norm": "max_grad_norm",
    "class_weighted_loss": "class_weights",
    "num_trainable_layers": "trainable_layers",
    "init_lora_weights": "lora_init",
}
SWITCHES = {"use_early_stopping": "early_stopping", "use_gradient_clipping": "gradient_clipping"}
IRRELEVANT = {"inner_model", "num_workers", "verbose", "model_save"}
UNITS = {"squad": 100.0, "drop": 1.0}
"""The best possible score of a data set in the files, by the beginning of its name: SQuAD's own script counts to 100,
DROP's to 1. Of other data sets, whether any of their values of a metric lies above 1 decides for all of them."""
SCRIPT_METRICS = {"f1", "exact_match"}
"""What the scripts of question answering compute."""
HUNDREDTHS = 100.0
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


@dataclass(frozen=True, slots=True)
class Stored:
    """A file that was read: its experience, and what is needed to find its twin."""

    path: Path
    at: datetime
    experience: Experience
    has_reason: bool


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
    stored, skipped = [], []
    for path in paths:
        try:
            stored.append(_read(path, gpu_memory))
        except (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError) as error:
            skipped.append(f"{path}: {type(error).__name__}: {str(error).partition(chr(10))[0][:160]}")
    kept = _without_twins(sorted(_in_units(stored), key=lambda one: (one.at, one.path)))
    counts: dict[str, int] = {}
    experiences = []
    for one in kept:
        number = counts[one.experience.run] = counts.get(one.experience.run, -1) + 1
        identity = experience_id(one.experience.run, number, one.experience.configuration)
        experience = replace(one.experience, trial=number, id=identity)
        try:
            check(experience)
        except ValueError as error:
            skipped.append(f"{one.path}: {error}")
        else:
            experiences.append(experience)
    return Imported(experiences=experiences, skipped=skipped)


def failure_kind(text: str) -> FailureKind:
    """The kind of failure that an error text tells of."""
    if says_lack_of_memory(text):
        return FailureKind.OUT_OF_MEMORY
    lowered = text.lower()
    return next((kind for kind, pattern in KINDS if re.search(pattern, lowered)), FailureKind.CRASH)


def _without_twins(stored: Sequence[Stored]) -> list[Stored]:
    """Of failures of one configuration within two seconds, the one with a reason."""
    kept: list[Stored] = []
    for one in stored:
        twin = next((earlier for earlier in reversed(kept[-8:]) if _are_twins(earlier, one)), None)
        if twin is None:
            kept.append(one)
        elif one.has_reason and not twin.has_reason:
            kept[kept.index(twin)] = one
    return kept


def _are_twins(first: Stored, second: Stored) -> bool:
    return (
        not first.experience.outcome.succeeded
        and not second.experience.outcome.succeeded
        and not (first.has_reason and second.has_reason)
        and abs((second.at - first.at).total_seconds()) <= TWIN_SECONDS
        and first.experience.alias == second.experience.alias
        and first.experience.configuration == second.experience.configuration
    )


def _read(path: Path, gpu_memory: int | None) -> Stored:
    record = json.loads(path.read_text(encoding="utf-8"))
    name, pipeline = next(iter(record["algorithms"][0].items()))
    alias, at = str(record["alias"]), datetime.strptime(record["timestamp"], "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
    is_generation = name.endswith("Task")
    features = _features(record, gpu_memory)
    error = str(record.get("error") or "")
    outcome = _outcome(record, error, is_generation)
    experience = Experience(
        id="",
        created=at.isoformat(timespec="seconds"),
        run=f"autogoal-{digest_of(alias)[:12]}",
        trial=0,
        task="question-answering" if is_generation else "text-classification",
        data=_data(alias, features),
        system=_system(features["system-paper.v1"]),
        configuration=_configuration(name, pipeline),
        outcome=outcome,
        limits=LIMITS,
        objectives=("f1" if is_generation else "f1_macro", "evaluation_time"),
        seed=0,
        versions={},
        features=features,
        alias=alias,
        provenance=f"{IMPORTED}{'/'.join(path.parts[-3:])}",
    )
    return Stored(path, at, experience, bool(error))


def _configuration(name: str, pipeline: Mapping[str, Any]) -> Configuration:
    model = next(iter(pipeline["inner_model"]["value"]))
    method = next(version for part, version in METHODS if name.startswith(part))
    values: dict[str, Scalar] = {"model": _hub_id(model), "method": method}
    for key, holder in pipeline.items():
        if key in SWITCHES:
            values[SWITCHES[key]] = "on" if holder["value"] else "off"
        elif key not in IRRELEVANT:
            values[NAMES.get(key, key)] = _scalar(holder["value"])
    return Configuration(values=our_values(values), space="paper.v1")


def _scalar(value: Any) -> Scalar:
    if not isinstance(value, str | int | float | bool | None):
        raise ValueError(f"a hyperparameter of type {type(value).__name__}")
    return value


def _hub_id(class_name: str) -> str:
    """Return the model's name on the hub; of an unknown class, its own name in the hub's manner."""
    plain = re.sub(r"^(WORD_EMB|TEXT_GEN|SENT_EMB)_", "", class_name).lower()
    return MODELS.get(plain, plain.replace("_", "-"))


def _outcome(record: Mapping[str, Any], error: str, is_generation: bool) -> TrialOutcome:
    listed = {metric["name"]: metric["value"] for metric in record.get("metrics") or ()}
    values = listed or {name: record.get(name) for name in ("f1", "accuracy", "evaluation_time")}
    finite = {name: float(value) for name, value in values.items() if _is_value(value)}
    if "f1" not in finite or "evaluation_time" not in finite:
        message = error.strip().partition("\n")[0][:500] or "no value and no reason recorded"
        kind = failure_kind(error) if error else FailureKind.CRASH
        return TrialOutcome(
            status=TrialStatus.FAILED, failure=Failure(kind=kind, message=message, stderr_tail=error[-2000:])
        )
    seconds = finite.pop("evaluation_time")
    metrics = {name: value for name, value in finite.items() if not name.startswith("time_")}
    if not is_generation:
        metrics["f1_macro"] = metrics.pop("f1")
    return TrialOutcome(status=TrialStatus.COMPLETE, metrics=metrics, evaluation_time=seconds, wall_time=seconds)


def _is_value(value: Any) -> bool:
    """Return whether a metric was had: their metrics say -1.0 for an error, and None or an infinity for no value."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < math.inf


def _in_units(stored: Sequence[Stored]) -> list[Stored]:
    """Return what was read with all scores between 0 and 1, in one unit for each metric of a data set."""
    values: dict[tuple[str, str], list[float]] = {}
    for item in stored:
        for metric, value in item.experience.outcome.metrics.items():
            values.setdefault((item.experience.data.name, metric), []).append(value)
    # What is no score in any unit must not decide the unit of the others.
    possible = {key: [score for score in scores if score <= HUNDREDTHS] for key, scores in values.items()}
    units = {key: _unit(*key, max(scores, default=1.0)) for key, scores in possible.items()}
    return [_in_unit(item, units) for item in stored]


def _unit(data: str, metric: str, largest: float) -> float:
    """Return the best possible score of a metric on a data set, of which the files have `largest` as best."""
    if metric in SCRIPT_METRICS:
        for beginning, unit in UNITS.items():
            if data.lower().startswith(beginning):
                return unit
    return HUNDREDTHS if largest > 1 else 1.0


def _in_unit(item: Stored, units: Mapping[tuple[str, str], float]) -> Stored:
    """Return an item with each score divided by the unit of its data set and metric."""
    data, outcome = item.experience.data.name, item.experience.outcome
    metrics = {metric: value / units[data, metric] for metric, value in outcome.metrics.items()}
    return replace(item, experience=replace(item.experience, outcome=replace(outcome, metrics=metrics)))


def _features(record: Mapping[str, Any], gpu_memory: int | None) -> Features:
    system = [float(value) for value in record["system_features"]]
    if gpu_memory is not None:
        system[4] = gpu_memory / GIB
    found = {"system-paper.v1": tuple(system[:5])}
    nested = record.get("task_features")
    numbers = nested["meta"] if nested else record["dataset_features"]
    is_generation = record["dataset_feature_extractor_name"].startswith("Gen")
    found[AUTOGOAL_GENERATION if is_generation else "classification-paper.v1"] = tuple(
        float(value) for value in numbers
    )
    if nested and nested.get("semantic"):
        found[AUTOGOAL_SEMANTIC] = tuple(float(value) for value in nested["semantic"])
    if any(not math.isfinite(value) for values in found.values() for value in values):
        raise ValueError("a meta-feature that is no number")
    return our_features(found, imported=True)


def _data(alias: str, features: Mapping[str, tuple[float, ...]]) -> DataProfile:
    """The data is known by the alias's first part only: `squad_warmstart (...)` is SQuAD."""
    name = re.split(r"[_ ](?:warm_?start|baseline|zero|knn|memory)", alias, maxsplit=1)[0]
    numbers = features.get("classification-paper.v1") or features[AUTOGOAL_GENERATION]
    is_classification = "classification-paper.v1" in features
    fingerprint = named_fingerprint(name)
    return DataProfile(
        train_examples=int(numbers[0]),
        validation_examples=0,
        classes=int(numbers[1]) if is_classification else 0,
        tokens_mean=(numbers[6] if is_classification else numbers[1]) / CHARACTERS_PER_TOKEN,
        tokens_max=0,
        fingerprint=fingerprint,
        source_fingerprint=fingerprint,
        name=name,
    )


def _system(numbers: Sequence[float]) -> SystemProfile:
    physical, logical, frequency, memory, gpu = numbers
    gpus = (Gpu(name="unstated", memory=int(gpu * GIB), compute_capability=0.0),) if gpu > 0 else ()
    return SystemProfile(
        physical_cores=int(physical),
        logical_cores=int(logical),
        cpu_frequency=frequency,
        memory=int(memory * GIB),
        device="cuda",  # the paper's machine had a 24 GB GPU, whatever its files say of the memory
        gpus=gpus,
    )
