"""Check what a record of experience must be to mean anything.

The same rules hold where records come in from files and where they are read from a store, which other programs can
write to as well. Past this door, nothing meets a number that means nothing.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from functools import cache
from operator import attrgetter
from typing import Any

from pydantic import ValidationError

from xautolm.metrics import METRICS
from xautolm.objectives import COSTS, EVALUATION_TIME, without_signs
from xautolm.records import Experience, Scalar, SystemProfile, as_float, digest_of, is_fingerprint
from xautolm.serialization import Json, from_json, from_plain, to_plain
from xautolm.space import Choice, Float, Int
from xautolm.tasks import TASKS
from xautolm.vocabulary import TargetKind

LARGEST_NUMBER = 1e15
"""No quantity of ours is larger: in bytes it is a petabyte."""
LARGEST_FOREIGN_NUMBER = 1e150
"""Of a metric, and of a parameter in somebody else's space, nobody knows what is large. Squares of larger ones are
infinite, and deviations with them."""
LONGEST_SECONDS = 1e9
"""32 years."""
SHORTEST_EVALUATION = 1e-6
"""Seconds; not even one step of training and validation fits into a microsecond."""
HIGHEST_TRIAL = 2**31 - 1
"""What the store's column holds."""
LARGEST_RECORD = 2_000_000
"""Characters of a whole record as JSON; ours have some ten thousand."""
LONGEST_TEXT = 20_000
"""Characters of a message or of the end of a log."""
LONGEST_NAME = 4_096
"""Characters of a name, which may be a path: the longest that Linux has."""
LONGEST_ID = 32
"""Characters of an id, as the store's column has it."""
LONGEST_SHORT_NAME = 64
"""Characters of names that are columns of the store: run, task and method."""
IMPORTED_METRICS = frozenset({"f1"})
"""What the paper's store calls the F1 of answers by their words; we call it `token_f1`."""
METRIC_SLACK = 1e-6
"""How far rounding can take a metric out of its range."""
EARLIER_FINGERPRINT = "autogoal-"
"""Begins what earlier versions wrote as the fingerprint of the paper's data sets."""

RANGES: Mapping[str, tuple[float, float]] = {
    "trial": (0, HIGHEST_TRIAL),
    "data.train_examples": (0, LARGEST_NUMBER),
    "data.validation_examples": (0, LARGEST_NUMBER),
    "data.classes": (0, LARGEST_NUMBER),
    "data.tokens_mean": (0, LARGEST_NUMBER),
    "data.tokens_max": (0, LARGEST_NUMBER),
    "data.tokens_p90": (0, LARGEST_NUMBER),
    "system.physical_cores": (0, LARGEST_NUMBER),
    "system.logical_cores": (0, LARGEST_NUMBER),
    "system.cpu_frequency": (0, LARGEST_NUMBER),
    "system.memory": (0, LARGEST_NUMBER),
    "system.gflops": (0, LARGEST_NUMBER),
    "system.bf16_speedup": (0, LARGEST_NUMBER),
    "limits.seconds": (0, LONGEST_SECONDS),
    "limits.memory": (1, LARGEST_NUMBER),
    "limits.gpu_memory": (1, LARGEST_NUMBER),
    "outcome.evaluation_time": (SHORTEST_EVALUATION, LONGEST_SECONDS),
    "outcome.planned_time": (0, LONGEST_SECONDS),
    "outcome.latency": (0, LONGEST_SECONDS),
    "outcome.model_size": (0, LARGEST_NUMBER),
    "outcome.wall_time": (0, LONGEST_SECONDS),
    "outcome.peak_memory": (0, LARGEST_NUMBER),
    "outcome.peak_gpu_memory": (0, LARGEST_NUMBER),
    "outcome.devices": (1, LARGEST_NUMBER),
}
"""Smallest and largest value of each number of a record; None is allowed where the record allows it."""
NEVER_ZERO = (
    "data.train_examples",
    "data.tokens_mean",
    "system.physical_cores",
    "system.logical_cores",
    "system.memory",
)
"""What no trial of a task on texts was without. Experiences of other searches may leave them out, as zeros."""
LENGTHS: Mapping[str, int] = {
    "id": LONGEST_ID,
    "created": LONGEST_SHORT_NAME,
    "run": LONGEST_SHORT_NAME,
    "task": LONGEST_SHORT_NAME,
    "configuration.method": LONGEST_SHORT_NAME,
    "configuration.model": LONGEST_NAME,
    "configuration.space": LONGEST_NAME,
    "data.name": LONGEST_NAME,
    "system.device": LONGEST_SHORT_NAME,
    "proposal": LONGEST_NAME,
    "alias": LONGEST_NAME,
    "provenance": LONGEST_NAME,
}
"""Most characters of each text of a record."""

VALUE_AT: Mapping[str, Callable[[Experience], Any]] = {
    path: attrgetter(path) for path in (*RANGES, *NEVER_ZERO, *LENGTHS)
}
"""Returns what stands at each of these places; made once, for a store has them in each of 100,000 records."""

Check = Callable[[Experience], Iterator[str]]
"""Yields what is wrong with a record."""


def read_record(text: object) -> Experience:
    """Return the experience that a record holds as JSON text.

    Raises:
        ValueError: It is damaged or means nothing; why, in one line.
    """
    if not isinstance(text, str):
        raise ValueError(f"the record is no text but of type {type(text).__name__}")
    _check_length(text)
    experience = _todays_record(text)
    if experience is None:
        experience = _any_record(text)
    check(experience)
    return experience


def record_text(experience: Experience) -> str:
    """Return the record of an experience as JSON text, from which `read_record` reads it again if it passes `check`.

    Raises:
        ValueError: It is too long; why, in one line.
    """
    text = json.dumps(to_plain(experience))
    _check_length(text)
    return text


def _check_length(text: str) -> None:
    """Refuse a record that is too long.

    Raises:
        ValueError: It is; how long, in one line.
    """
    if len(text) > LARGEST_RECORD:
        raise ValueError(f"the record has {len(text)} characters, more than {LARGEST_RECORD}")


def _todays_record(text: str) -> Experience | None:
    """Return the experience of a record that this version could have written; None for any other.

    Pydantic's own reader of JSON takes a third of the time of `json.loads` with a validation after it, and reading is
    most of what a large store costs. But it knows no earlier versions, and no halves of characters.
    """
    try:
        experience = from_json(Experience, text)
    except ValidationError:
        return None
    data = experience.data
    fingerprints = (data.fingerprint, data.source_fingerprint)
    has_earlier_data = any(name.startswith(EARLIER_FINGERPRINT) for name in fingerprints)
    _, signed = without_signs(experience.objectives)
    if has_earlier_data or signed:
        return None
    return experience


def _any_record(text: str) -> Experience:
    """Return the experience of a record of whatever version.

    Raises:
        ValueError: It is damaged; why, in one line.
    """
    try:
        plain = json.loads(text)
        plain = _with_today_fingerprints(plain)
        plain = _with_directions(plain)
        return from_plain(Experience, plain)
    except RecursionError:
        raise ValueError("the record is nested too deeply") from None
    except ValidationError as error:
        raise ValueError(_first_problem(error)) from None


def check(experience: Experience) -> None:
    """Refuse a record that means nothing.

    Raises:
        ValueError: Why, in one line.
    """
    for find_problems in CHECKS:
        problem = next(find_problems(experience), None)
        # One problem is enough to leave a record out.
        if problem is not None:
            raise ValueError(problem)


def check_storable(experience: Experience) -> None:
    """Refuse what a store could not read again.

    Raises:
        ValueError: It means nothing, or its record is too long; why, in one line.
    """
    check(experience)
    record_text(experience)


def named_fingerprint(name: str) -> str:
    """Return the fingerprint of data of which nothing but a name is known."""
    return digest_of(f"{EARLIER_FINGERPRINT}{name}")


def _with_today_fingerprints(plain: Json) -> Json:
    """Return a record in which fingerprints of an earlier version, which were names, are digests."""
    if not isinstance(plain, dict):
        return plain
    data = plain.get("data")
    # What is no record at all is refused afterwards, by pydantic.
    if not isinstance(data, dict):
        return plain
    renewed = dict(data)
    for key in ("fingerprint", "source_fingerprint"):
        value = data.get(key)
        if isinstance(value, str) and value.startswith(EARLIER_FINGERPRINT):
            name = value.removeprefix(EARLIER_FINGERPRINT)
            renewed[key] = named_fingerprint(name)
    return {**plain, "data": renewed}


def _with_directions(plain: Json) -> Json:
    """Return a record in which names of objectives are plain: earlier versions put a minus before those minimised."""
    if not isinstance(plain, dict) or plain.get("minimized"):
        return plain
    names = plain.get("objectives")
    if not isinstance(names, list):
        return plain
    objectives, minimized = without_signs([str(name) for name in names])
    if not minimized:
        return plain
    return {**plain, "objectives": list(objectives), "minimized": list(minimized)}


def _first_problem(error: ValidationError) -> str:
    """Return the first problem that pydantic has with a record, in one line and cut to a few words."""
    # Without the input, which may have millions of characters.
    problems = error.errors(include_input=False, include_url=False)
    first = problems[0]
    steps = []
    for step in first["loc"]:
        # A key of the record's own, of any length.
        name = str(step)
        steps.append(name[:LONGEST_SHORT_NAME])
    place = ".".join(steps)
    longest_message = 2 * LONGEST_SHORT_NAME
    message = first["msg"][:longest_message]
    return f"{place}: {message}"


def _numbers(experience: Experience) -> Iterator[str]:
    """Yield which numbers are out of their range, or 0 where no trial could be without."""
    for path, (low, high) in RANGES.items():
        value = VALUE_AT[path](experience)
        # Written so, the comparison refuses NaN too.
        if value is not None and not low <= value <= high:
            yield f"{path} is {_short(value)}, out of bounds: {low:g} to {high:g}"
    task = TASKS.things.get(experience.task)
    # Experiences of other searches, whose tasks are not ours, may leave numbers out.
    if task is None:
        return
    for path in NEVER_ZERO:
        value = VALUE_AT[path](experience)
        if not value:
            yield f"{path} is 0"
    if task.target_kind == TargetKind.CLASSES and not experience.data.classes:
        yield "data.classes is 0"


def _texts(experience: Experience) -> Iterator[str]:
    """Yield which texts are too long, and whether the date is none."""
    for path, longest in LENGTHS.items():
        text = VALUE_AT[path](experience)
        if len(text) > longest:
            yield f"{path} has {len(text)} characters, more than {longest}"
    failure = experience.outcome.failure
    messages = [
        *experience.outcome.adjustments,
        *experience.versions,
        *experience.versions.values(),
    ]
    if failure is not None:
        messages += [failure.message, failure.stderr_tail]
    for message in messages:
        if len(message) > LONGEST_TEXT:
            yield f"a text has {len(message)} characters, more than {LONGEST_TEXT}"
    try:
        datetime.fromisoformat(experience.created)
    except ValueError:
        yield f"created is {_short(experience.created)}, no date of ISO 8601"


def _fingerprints(experience: Experience) -> Iterator[str]:
    for name in ("fingerprint", "source_fingerprint"):
        value = getattr(experience.data, name)
        if not is_fingerprint(value):
            yield f"data.{name} is {_short(value)}, which is not hexadecimal"


def _gpus(experience: Experience) -> Iterator[str]:
    """Yield what no GPU can be."""
    for gpu in experience.system.gpus:
        # A GPU without memory is none; a compute capability of 0 means that it is not known.
        if not 0 < gpu.memory <= LARGEST_NUMBER:
            memory = _short(gpu.memory)
            yield f"the memory of a GPU is {memory}, out of bounds"
        if not 0 <= gpu.compute_capability <= LARGEST_NUMBER:
            capability = _short(gpu.compute_capability)
            yield f"the compute capability of a GPU is {capability}, out of bounds"
        if gpu.speed is not None:
            yield from gpu.speed.impossible(LARGEST_NUMBER)
        if len(gpu.name) > LONGEST_NAME:
            yield f"the name of a GPU has {len(gpu.name)} characters"


def _configuration(experience: Experience) -> Iterator[str]:
    """Yield which hyperparameters cannot be, and whether model or method is missing."""
    values = experience.configuration.values
    is_ours = experience.task in TASKS.things
    for name, value in values.items():
        yield from _hyperparameter(name, value)
        if is_ours:
            yield from _own_hyperparameter(name, value)
    # Other searches than ours for language models need neither.
    if not is_ours:
        return
    for name in ("model", "method"):
        value = values.get(name)
        if not isinstance(value, str) or not value:
            yield f"a configuration without model or method: {name} is {_short(value)}"


def _hyperparameter(name: str, value: Scalar) -> Iterator[str]:
    """Yield why a value cannot be that of a hyperparameter."""
    longest = len(name)
    if isinstance(value, str):
        longest = max(longest, len(value))
    if longest > LONGEST_NAME:
        yield f"a hyperparameter has a text of {longest} characters"
    number = _number(value)
    # Written so, the comparison refuses NaN too.
    if number is not None and not abs(number) <= LARGEST_FOREIGN_NUMBER:
        yield f"{_short(name)} is {_short(value)}, out of bounds"


def _own_hyperparameter(name: str, value: Scalar) -> Iterator[str]:
    """Yield why a value cannot be that of a hyperparameter of a training.

    Searches of other things may call what they like by the same names.
    """
    number = _number(value)
    # Written so, the comparisons refuse NaN too.
    if number is not None and not abs(number) <= LARGEST_NUMBER:
        yield f"{_short(name)} is {_short(value)}, out of bounds"
    least = least_values().get(name)
    # A name that no preset has is another space's own, and may be anything.
    if least is None or value is None:
        return
    if number is None:
        yield f"{name} is {_short(value)}, no number"
    elif least > 0 and not number > 0:
        yield f"{name} is {_short(value)}, and must be more than 0"
    elif least == 0 and not number >= 0:
        yield f"{name} is {_short(value)}, and must not be less than 0"


def _number(value: Scalar) -> float | None:
    """Return the value of a hyperparameter that is a number, None of any other."""
    # Yes and no are whole numbers for Python.
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:
        return math.inf


@cache
def least_values() -> Mapping[str, float]:
    """Return the smallest value that any preset has of each hyperparameter that is a number in all of them.

    What is positive in every preset is positive by its nature, whatever ranges a space of somebody's own has.
    """
    from xautolm.search_space import build_space, generic_data
    from xautolm.space.presets import PRESETS
    from xautolm.zoo import ZOO

    machine = SystemProfile(
        physical_cores=1, logical_cores=1, cpu_frequency=1.0, memory=2**40, device="cpu", gflops=1.0
    )
    cards = list(ZOO.things.values())
    least: dict[str, float] = {}
    not_numbers: set[str] = set()
    for task in TASKS.things.values():
        suited = [card for card in cards if card.architecture in task.forms][:1]
        if not suited:
            continue
        for preset in PRESETS:
            space = build_space(preset, task, suited, (), generic_data(), machine)
            for parameter in space.sites().values():
                name = parameter.name
                low = _lowest(parameter)
                if low is None:
                    not_numbers.add(name)
                    continue
                least_so_far = least.get(name, low)
                least[name] = min(low, least_so_far)
    for name in not_numbers:
        least.pop(name, None)
    return least


def _lowest(parameter: object) -> float | None:
    """Return the smallest value of a parameter, None where it is not a number."""
    if isinstance(parameter, Float | Int):
        return float(parameter.low)
    if not isinstance(parameter, Choice):
        return None
    # By the exact type: yes and no are whole numbers for Python.
    if any(type(option) not in {int, float} for option in parameter.options):
        return None
    numbers = [as_float(option) for option in parameter.options]
    return min(numbers)


def _outcome(experience: Experience) -> Iterator[str]:
    """Yield what contradicts itself or is out of bounds in how a trial ended."""
    outcome = experience.outcome
    has_reason = outcome.failure is not None
    lacks_scores = not outcome.failed and not outcome.metrics
    if outcome.failed != has_reason or lacks_scores:
        yield "status, failure and metrics contradict each other"
    for name, value in outcome.metrics.items():
        # Only what is registered: nothing is imported because a record names it.
        metric = METRICS.things.get(name)
        # Of a metric that is not known here, any number may be a value: a mean square is as large as its labels.
        low = -LARGEST_FOREIGN_NUMBER
        high = LARGEST_FOREIGN_NUMBER
        if metric is not None:
            low = max(low, metric.low - METRIC_SLACK)
            high = min(high, metric.high + METRIC_SLACK)
        # Written so, the comparison refuses NaN too.
        if len(name) > LONGEST_NAME or not low <= value <= high:
            yield f"the metric {_short(name)} is {_short(value)}, out of bounds"
    for point in outcome.history:
        # A loss may be infinite where the trial ended well; these two are computed with.
        for name in ("epoch", "seconds"):
            value = point.get(name, 0.0)
            if not 0 <= value <= LARGEST_NUMBER:
                yield f"{name} in the history is {_short(value)}, out of bounds"


def _objectives(experience: Experience) -> Iterator[str]:
    names = experience.objectives
    # A cost of use may be missing: not every trial that has scores leaves a model that could be measured.
    qualities = [name for name in names if name not in COSTS]
    if not qualities or len(set(names)) < len(names):
        yield f"the objectives {_short(names)} need at least one quality, and none twice"
    for name in names:
        if len(name) > LONGEST_NAME:
            yield f"an objective has a name of {len(name)} characters"
    if not set(experience.minimized) <= set(names):
        yield f"minimized is {_short(experience.minimized)}, which are no objectives"
    outcome = experience.outcome
    # A failure has no values to look for.
    if outcome.failed:
        return
    if EVALUATION_TIME in names and outcome.evaluation_time is None:
        yield f"a success without {EVALUATION_TIME}"
    for name in qualities:
        if name not in outcome.metrics:
            yield f"a success without a value of its objective {_short(name)}"
    if experience.task not in TASKS.things:
        return
    known_metrics = METRICS.things.keys() | IMPORTED_METRICS
    if known_metrics.isdisjoint(outcome.metrics):
        metric_names = list(outcome.metrics)
        yield f"none of the metrics {_short(metric_names)} is known"


def _features(experience: Experience) -> Iterator[str]:
    for group, values in experience.features.items():
        if len(group) > LONGEST_TEXT:
            yield f"a group of meta-features has a name of {len(group)} characters"
        # One infinite number would spoil every distance that it enters.
        for value in values:
            is_usable = math.isfinite(value) and abs(value) <= LARGEST_NUMBER
            if not is_usable:
                yield f"a meta-feature in {_short(group)} is {_short(value)}, out of bounds"


CHECKS: tuple[Check, ...] = (
    _numbers,
    _texts,
    _fingerprints,
    _gpus,
    _configuration,
    _outcome,
    _objectives,
    _features,
)


def _short(value: object) -> str:
    """Return a value as it may stand in a line."""
    text = repr(value)
    if len(text) <= LONGEST_SHORT_NAME:
        return text
    return f"{text[:LONGEST_SHORT_NAME]}..."
