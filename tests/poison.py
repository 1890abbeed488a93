"""Records that mean nothing, put into a store past every check, as another program or a fault would."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

from xautolm.experience import ExperienceStore
from xautolm.records import Experience
from xautolm.serialization import to_plain

INFINITE, NO_NUMBER = float("inf"), float("nan")
MEGABYTE = "x" * 1_000_000

CHANGES: Mapping[str, tuple[str, Any]] = {
    "no objectives": ("objectives", []),
    "only the time as objective": ("objectives", ["evaluation_time"]),
    "an objective twice": ("objectives", ["f1_macro", "f1_macro"]),
    "an objective without a value": ("objectives", ["accuracy_of_birds", "evaluation_time"]),
    "an objective that is a number": ("objectives", [3]),
    "objectives that are one text": ("objectives", "f1_macro"),
    "metrics that nobody knows": ("outcome.metrics", {"birds": 0.5}),
    "no metrics": ("outcome.metrics", {}),
    "a metric that is NaN": ("outcome.metrics", {"f1_macro": NO_NUMBER}),
    "a metric that is infinite": ("outcome.metrics", {"f1_macro": INFINITE}),
    "a metric beyond its range": ("outcome.metrics", {"f1_macro": 85.0}),
    "a metric below its range": ("outcome.metrics", {"f1_macro": -1.0}),
    "a metric that is a text": ("outcome.metrics", {"f1_macro": "good"}),
    "a failure without a reason": ("outcome.status", "failed"),
    "a status that there is not": ("outcome.status", "perfect"),
    "no time": ("outcome.evaluation_time", None),
    "a time of 0": ("outcome.evaluation_time", 0.0),
    "a time of 1e-300": ("outcome.evaluation_time", 1e-300),
    "a negative time": ("outcome.evaluation_time", -5.0),
    "an infinite time": ("outcome.evaluation_time", INFINITE),
    "a time of a billion years": ("outcome.evaluation_time", 3e16),
    "a time that is a list": ("outcome.evaluation_time", [1]),
    "a history of NaN epochs": ("outcome.history", [{"epoch": NO_NUMBER, "seconds": 1.0}]),
    "a history of negative epochs": ("outcome.history", [{"epoch": -1.0, "seconds": 1.0}]),
    "a history that is a text": ("outcome.history", "long"),
    "an infinite wall time": ("outcome.wall_time", INFINITE),
    "no training examples": ("data.train_examples", 0),
    "fewer than no training examples": ("data.train_examples", -1000),
    "infinite training examples": ("data.train_examples", INFINITE),
    "NaN tokens": ("data.tokens_mean", NO_NUMBER),
    "no tokens": ("data.tokens_mean", 0.0),
    "negative tokens": ("data.tokens_max", -1),
    "no classes": ("data.classes", 0),
    "a fingerprint that is a path": ("data.fingerprint", "../../x"),
    "a source fingerprint that is a path": ("data.source_fingerprint", "/etc/passwd"),
    "a fingerprint that is no text": ("data.fingerprint", 7),
    "an empty fingerprint": ("data.fingerprint", ""),
    "a data name of a megabyte": ("data.name", MEGABYTE),
    "no cores": ("system.physical_cores", 0),
    "negative memory": ("system.memory", -1),
    "NaN gflops": ("system.gflops", NO_NUMBER),
    "a negative clock": ("system.cpu_frequency", -3.0),
    "a GPU without memory": (
        "system.gpus",
        [{"name": "g", "memory": 0, "compute_capability": 9.0}],
    ),
    "a GPU that is a text": ("system.gpus", ["g"]),
    "a GPU without bandwidth": (
        "system.gpus",
        [
            {
                "name": "g",
                "memory": 80_000_000_000,
                "compute_capability": 9.0,
                "speed": {
                    "fp32_gflops": 1e5,
                    "fp16_gflops": 1e6,
                    "bf16_gflops": 1e6,
                    "bandwidth": 0.0,
                    "launch_seconds": 1e-5,
                },
            }
        ],
    ),
    "epochs of 0": ("configuration.values.epochs", 0),
    "a negative batch": ("configuration.values.batch_size", -16),
    "a batch that is a text": ("configuration.values.batch_size", "many"),
    "a length of 0": ("configuration.values.max_length", 0),
    "a NaN rate": ("configuration.values.learning_rate", NO_NUMBER),
    "a rate of 0": ("configuration.values.learning_rate", 0.0),
    "an infinite decay": ("configuration.values.weight_decay", INFINITE),
    "negative dropout": ("configuration.values.dropout", -0.5),
    "a hyperparameter that is a list": ("configuration.values.learning_rate", [1e-4]),
    "a hyperparameter of a megabyte": ("configuration.values.scheduler", MEGABYTE),
    "no model": ("configuration.values.model", None),
    "a model that is a number": ("configuration.values.model", 5),
    "a model's name of a megabyte": ("configuration.values.model", MEGABYTE),
    "a method that is a list": ("configuration.values.method", ["lora.v1"]),
    "no hyperparameters": ("configuration.values", {}),
    "hyperparameters that are a list": ("configuration.values", [1, 2]),
    "a limit of no memory": ("limits.memory", 0),
    "a negative limit of time": ("limits.seconds", -1.0),
    "a NaN meta-feature": ("features", {"classification-paper.v1": [NO_NUMBER] * 10}),
    "an infinite meta-feature": ("features", {"system-paper.v1": [INFINITE] * 5}),
    "meta-features that are texts": ("features", {"classification-paper.v1": ["a"] * 10}),
    "a trial that is no number": ("trial", "first"),
    "a negative trial": ("trial", -1),
    "a trial beyond 64 bits": ("trial", 2**70),
    "a date that is none": ("created", "yesterday"),
    "an id that is another's": ("id", "0" * 24),
    "an alias of a megabyte": ("alias", MEGABYTE),
    "a run that is null": ("run", None),
    "data that is null": ("data", None),
    "an outcome that is a number": ("outcome", 1),
    "nesting in a value": ("configuration.values.epochs", json.loads("[" * 400 + "]" * 400)),
}
"""Kinds of poison that are another value at one place of a sound record."""

WHOLE: Mapping[str, Any] = {
    "an empty record": "",
    "half a record": '{"id": "a", "created": ',
    "a record that is null": "null",
    "a record that is a list": "[1, 2, 3]",
    "a record that is a number": "17",
    "a record that is a text": '"experience"',
    "nesting without end": "[" * 100_000,
    "a number of 10,000 digits": '{"trial": ' + "9" * 10_000 + "}",
    "bytes that are no text": b"\x80\x81\xff\x00",
    "a text that is not UTF-8": "CAST(X'7B22FFFE22' AS TEXT)",
    "a record of three megabytes": json.dumps(["x" * 3_000_000]),
}
"""Kinds of poison that take the place of a whole record."""

KINDS = (*CHANGES, *WHOLE)

EXTREMES: Mapping[str, tuple[str, Any]] = {
    "a time of a microsecond": ("outcome.evaluation_time", 1e-6),
    "a time of 30 years": ("outcome.evaluation_time", 9e8),
    "one example": ("data.train_examples", 1),
    "1e15 examples": ("data.train_examples", 10**15),
    "1e15 tokens": ("data.tokens_mean", 1e15),
    "hardly any tokens": ("data.tokens_mean", 1e-300),
    "hardly any gflops": ("system.gflops", 1e-300),
    "no gflops": ("system.gflops", 0.0),
    "part of an epoch": ("outcome.history", [{"epoch": 1e-300, "seconds": 1.0}]),
    "epochs without end": ("configuration.values.epochs", 10**15),
    "a huge rate": ("configuration.values.learning_rate", 1e15),
    "a tiny rate": ("configuration.values.learning_rate", 1e-300),
    "a huge batch": ("configuration.values.batch_size", 10**15),
    "a model that nobody has": ("configuration.values.model", "nobody/has-it"),
    "a model that is a path": ("configuration.values.model", "../../../etc/passwd"),
    "a method that nobody knows": ("configuration.values.method", "sorcery.v9"),
    "a task that nobody knows": ("task", "cooking"),
    "huge meta-features": ("features", {"classification-paper.v1": [1e15] * 10}),
    "negative meta-features": ("features", {"classification-paper.v1": [-1e15] * 10}),
    "meta-features all 0": (
        "features",
        {"classification-paper.v1": [0.0] * 10, "semantic-hashed.v1": [0.0] * 64},
    ),
    "too few meta-features": ("features", {"classification-paper.v1": [1.0]}),
    "a downsizing that nobody knows": ("configuration.values.data_downsize", "1/4"),
    "a loss that was infinite": (
        "outcome.history",
        [{"epoch": 1.0, "seconds": 1.0, "train_loss": INFINITE}],
    ),
    "terminal escapes": ("data.name", "\x1b[2J\x1b]0;owned\x07"),
    "a lone surrogate": ("data.name", "\ud800"),
    "a day far away": ("created", "9999-12-31T23:59:59+00:00"),
}
"""Records that are let in and are far from everything."""


def changed(experience: Experience, place: str, value: Any) -> dict[str, Any]:
    """Return a record, as plain values, with another value at a place such as `outcome.metrics`."""
    plain = deepcopy(to_plain(experience))
    *parents, last = place.split(".")
    inner: Any = plain
    for parent in parents:
        inner = inner[parent]
    inner[last] = value
    return plain


def record_of(kind: str, experience: Experience) -> Any:
    """Return the record of a kind of poison as it lies in the store: mostly JSON."""
    if kind in WHOLE:
        return WHOLE[kind]
    place, value = CHANGES[kind] if kind in CHANGES else EXTREMES[kind]
    return json.dumps(changed(experience, place, value))


def poison(path: Path, experience: Experience, kinds: tuple[str, ...]) -> list[str]:
    """Put one record of each kind into an SQLite store; return their ids.

    Args:
        path: The store; it is there.
        experience: A sound record, that each kind is a change of.
        kinds: Their names.
    """
    sound = [
        replace(experience, id=f"dead{number:020x}", trial=number) for number in range(len(kinds))
    ]
    with ExperienceStore(path) as store:
        store.add(sound)
    with sqlite3.connect(path) as database:
        for kind, own in zip(kinds, sound, strict=True):
            record = record_of(kind, own)
            is_expression = isinstance(record, str) and record.startswith("CAST")
            place = record if is_expression else "?"
            values = (own.id,) if is_expression else (record, own.id)
            database.execute(f"UPDATE experiences SET record = {place} WHERE id = ?", values)
    database.close()
    return [own.id for own in sound]
