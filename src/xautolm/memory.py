"""From the store to the prior of a search: which experiences may be seen, what they say, and the account of it."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from xautolm.documents import from_plain, read_json, to_plain, write_text
from xautolm.errors import DamagedFileError, UnknownNameError, UsageError
from xautolm.metafeatures import FEATURES, Sample, known_features
from xautolm.metalearning import PRESETS, Influence, Warmed, WarmStart, knn_start, measured, warm_start
from xautolm.metalearning.utility import SMALLER, is_negative, is_positive, oriented_value
from xautolm.metalearning.warm_start import decay
from xautolm.metrics import EVALUATION_TIME
from xautolm.records import DataProfile, Experience, Features
from xautolm.search import Evidence, Memory, Strategy, standardised
from xautolm.search.surrogates import heaviest
from xautolm.space import Prior, Space

NONE, KNN, SELF = "none", "knn", "self"
DEFAULT = "moderate-linear"
SHOWN = 3
LISTED = 200
"""Influences that `warm_start.json` lists, the strongest: a store may have 100,000, and nobody reads those."""


def chosen_start(choice: str | None, changes: Mapping[str, str], strategy: Strategy) -> str:
    """The warm start of a search: the one asked for, or the strategy's own.

    Raises:
        UnknownNameError: No such setting or knob.
        UsageError: The sampler does not begin with experience, or the setting does not have those knobs.
    """
    if choice is None:
        choice = DEFAULT if strategy.memory == "evidence" else NONE
    if changes:
        if choice not in PRESETS:
            raise UsageError("The knobs of the warm start would have no effect.", got=f"--warm-start {choice}")
        PRESETS[choice].changed(changes)
    if choice not in {NONE, KNN, *PRESETS}:
        raise UnknownNameError("warm start", choice, [NONE, KNN, *PRESETS])
    if choice != NONE and strategy.memory == "none":
        raise UsageError(
            "The warm start would have no effect.",
            got=f"--sampler {strategy.name}, which does not begin with experience",
            fix="Use --sampler xautolm or pge, or leave --warm-start out.",
        )
    return choice


def visible(
    experiences: Sequence[Experience], task: str, data: DataProfile, run: str, hide: Sequence[str]
) -> list[Experience]:
    """The experiences of the same task type that a search may see; never those of its own run.

    Args:
        experiences: The store.
        task: The task type.
        data: The data at hand; `self` in `hide` stands for it under any name, whole or sampled. Imported
            experiences, whose data nobody can fingerprint, are known by their data's name.
        run: The run's own identifier.
        hide: Names or fingerprints of data, aliases, or `self`.
    """
    prints = {data.fingerprint, data.source_fingerprint}

    def is_hidden(one: Experience) -> bool:
        is_same = bool(prints & {one.data.fingerprint, one.data.source_fingerprint})
        is_same = is_same or (bool(one.alias) and one.data.name == data.name)
        return (SELF in hide and is_same) or bool(set(hide) & _marks(one))

    return [one for one in experiences if one.task == task and one.run != run and not is_hidden(one)]


def with_features(experience: Experience, cache: Path) -> Experience:
    """An experience with the meta-features that it lacks, as far as they can be had without its data: those of the
    task from the cache, if that data was described on this machine; the machine's from its own record."""
    missing = {
        name: group
        for name, group in FEATURES.things.items()
        if name not in experience.features and group.part == "system"
    }
    there = Sample(texts=(), targets=(), examples=0, system=experience.system, limits=experience.limits, seed=0)
    found: dict[str, tuple[float, ...]] = dict(known_features(cache, experience.data.fingerprint))
    found |= {name: group.compute(there) for name, group in missing.items()}
    return replace(experience, features={**found, **experience.features})


def remembered(
    choice: str,
    changes: Mapping[str, str],
    space: Space,
    experiences: Sequence[Experience],
    current: Features,
    objectives: Sequence[str],
    path: Path,
    say: Callable[[str], None],
) -> Memory | None:
    """What a search begins with; a resumed one goes on with what it began with.

    Args:
        choice: `none`, `knn` or a setting of the warm start.
        changes: Knobs that differ from the setting.
        space: The space.
        experiences: Those that may be seen.
        current: Meta-features of the task and machine at hand.
        objectives: Of the search, by name.
        path: `warm_start.json` in the run's folder, which keeps the prior, the evidence and the account of both.
        say: Told once how many experiences shaped the prior, and from where; and if the file is damaged.
    """
    if choice == NONE:
        return None
    if path.exists():
        try:
            return _read_memory(path, space)
        except DamagedFileError as error:
            say(f"{path.name} cannot be read ({error.reason}): the search goes on with what the store says now")
    plain = Prior.plain(space)
    warmed = (
        knn_start(plain, experiences, current)
        if choice == KNN
        else warm_start(plain, experiences, current, PRESETS[choice].changed(changes))
    )
    evidence = heaviest(evidence_of(experiences, current, objectives))
    memory = Memory(prior=warmed.prior, evidence=evidence)
    _write_memory(path, choice, warmed, memory)
    say(summary(warmed))
    return memory


def _read_memory(path: Path, space: Space) -> Memory:
    """Return what a search began with.

    Raises:
        DamagedFileError: The file does not say it.
    """
    stored = read_json(path)
    try:
        prior = Prior.from_plain(space, stored["prior"])
        evidence = from_plain(list[Evidence], stored["evidence"])
    except (KeyError, TypeError, ValueError, AttributeError, UsageError) as error:
        raise DamagedFileError(path, f"{type(error).__name__} in its prior or its evidence") from None
    return Memory(prior=prior, evidence=evidence)


def _write_memory(path: Path, choice: str, warmed: Warmed, memory: Memory) -> None:
    """Write what a search begins with; the size does not depend on the store's, apart from bounds on what is kept."""
    influences = account(warmed)
    content = {
        "choice": choice,
        "experiences": len(influences),
        "successes": sum(influence.rate > 0 for influence in warmed.influences),
        "influences": influences[:LISTED],
        "prior": memory.prior.to_plain(),
        "evidence": [to_plain(evidence) for evidence in memory.evidence],
    }
    write_text(path, json.dumps(content, ensure_ascii=False))


def evidence_of(experiences: Sequence[Experience], current: Features, objectives: Sequence[str]) -> list[Evidence]:
    """Past trials as a sampler's models see them: qualities in standard deviations within their own run, weights that
    fall with the distance of their task as in the warm start. Those that cannot be compared are left out.

    Args:
        experiences: Past trials.
        current: Meta-features of the task at hand.
        objectives: Of the search at hand, by name. An experience that lacks one stands in it as in the quality that
            led its own search.
    """
    near, _ = measured(experiences, current)
    beta = decay([one.distance for one in near], WarmStart())
    standings = _standings(experiences, objectives)
    return [
        Evidence(
            values=one.experience.configuration.values,
            scores=standings.get(one.experience.id),
            weight=math.exp(-beta * one.distance),
            source=title(one.experience),
        )
        for one in near
        if one.experience.id in standings or is_negative(one.experience)
    ]


def title(experience: Experience) -> str:
    """A past trial in a few words."""
    outcome, configuration = experience.outcome, experience.configuration.values
    result = (
        outcome.failure.kind.value
        if outcome.failure
        else f"{(name := _lead(experience).removeprefix(SMALLER))} {outcome.metrics[name]:.3g}"
    )
    what = [str(configuration[name]) for name in ("model", "method") if name in configuration]
    return f"{experience.data.name} trial {experience.trial}: {' '.join([*what, result])}"


def _standings(experiences: Sequence[Experience], objectives: Sequence[str]) -> dict[str, tuple[float, ...]]:
    """The scores of every success by its id, within its own run and within three standard deviations."""
    runs: dict[str, list[Experience]] = {}
    for one in experiences:
        if is_positive(one):
            runs.setdefault(one.run, []).append(one)
    time = objectives.index(EVALUATION_TIME) if EVALUATION_TIME in objectives else None
    found: dict[str, tuple[float, ...]] = {}
    for members in runs.values():
        values = np.asarray([[_oriented(one, name) for name in objectives] for one in members])
        scores = standardised(values, time)
        clipped = [[s if column == time else min(max(s, -3.0), 3.0) for column, s in enumerate(row)] for row in scores]
        found |= {one.id: tuple(map(float, row)) for one, row in zip(members, clipped, strict=True)}
    return found


def _oriented(experience: Experience, name: str) -> float:
    """A value of an experience, larger is better; that of its own lead where it lacks the one asked for."""
    value = oriented_value(experience.outcome, name)
    return value if math.isfinite(value) else oriented_value(experience.outcome, _lead(experience))


def _lead(experience: Experience) -> str:
    """The first quality metric among the objectives."""
    return next(name for name in experience.objectives if name != EVALUATION_TIME)


def account(warmed: Warmed) -> list[Mapping[str, Any]]:
    """Every influence as JSON values, the strongest first."""
    return [_row(one) for one in sorted(warmed.influences, key=lambda one: -abs(one.rate))]


def summary(warmed: Warmed) -> str:
    """In one line: how many experiences shaped the prior, and from where."""
    if not warmed.influences:
        reason = f"; {warmed.incomparable} have meta-features that cannot be compared" if warmed.incomparable else ""
        return f"warm start: no past experience applies, the search begins from zero{reason}"
    successes = sum(one.rate > 0 for one in warmed.influences)
    nearest: dict[str, float] = {}
    for one in sorted(warmed.influences, key=lambda one: one.distance):
        nearest.setdefault(one.experience.data.name, one.distance)
    shown = ", ".join(f"{name} at {distance:.2f}" for name, distance in list(nearest.items())[:SHOWN])
    unmapped = sum(bool(one.unmapped) for one in warmed.influences)
    return (
        f"warm start: {successes} successes and {len(warmed.influences) - successes} failures, from {shown}; "
        f"{unmapped} map in part, {warmed.incomparable} cannot be compared"
    )


def _row(one: Influence) -> Mapping[str, Any]:
    return {
        "experience": one.experience.id,
        "data": one.experience.data.name,
        "model": one.experience.configuration.model,
        "method": one.experience.configuration.method,
        "outcome": one.experience.outcome.failure.kind if one.experience.outcome.failure else "success",
        "distance": one.distance,
        "rate": one.rate,
        "unmapped": list(one.unmapped),
    }


def _marks(experience: Experience) -> set[str]:
    """Everything by which an experience's data may be called."""
    data = experience.data
    return {data.fingerprint, data.source_fingerprint, data.name, experience.alias, experience.run} - {""}
