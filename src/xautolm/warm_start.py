"""From the store to the prior of a search: which experiences may be seen, what they say, and the account of it."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from xautolm.data.naming import is_called
from xautolm.errors import DamagedFileError, UnknownNameError, UsageError
from xautolm.experience.adoption import adopted, our_features
from xautolm.metafeatures import FEATURES, Part, Sample, known_features
from xautolm.metalearning import (
    SETTINGS,
    Distances,
    Influence,
    Warmed,
    WarmStart,
    distances_of,
    knn_start,
    shaped,
)
from xautolm.metalearning.utility import is_negative, is_scored
from xautolm.metalearning.warm_start import decay
from xautolm.objectives import Objective, lead_of, oriented_value, recorded_objectives, time_position
from xautolm.records import DataProfile, Experience, Features
from xautolm.search import Evidence, Memory, Strategy, standardised
from xautolm.search.surrogates import heaviest
from xautolm.serialization import from_plain, read_json, to_plain, write_text
from xautolm.space import Prior, Space

NONE, KNN, SELF = "none", "knn", "self"
DEFAULT = "moderate-linear"
LARGEST_SCORE = 3.0
"""Standard deviations at which a quality's score ends: one very poor success must not press all others together."""
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
    if choice not in {NONE, KNN, *SETTINGS}:
        raise UnknownNameError("warm start", choice, [NONE, KNN, *SETTINGS])
    if changes:
        if choice not in SETTINGS:
            raise UsageError("The knobs of the warm start would have no effect.", got=f"--warm-start {choice}")
        SETTINGS[choice].changed(changes)
    if choice != NONE and strategy.memory == "none":
        raise UsageError(
            "The warm start would have no effect.",
            got=f"--sampler {strategy.name}, which does not begin with experience",
            fix="Use --sampler xautolm or pge, or leave --warm-start out.",
        )
    return choice


def knobs_of(choice: str, changes: Mapping[str, str]) -> WarmStart:
    """Return the knobs of a warm start; those of the default where the choice (`none`, `knn`) has none of its own."""
    return SETTINGS.get(choice, SETTINGS[DEFAULT]).changed(changes)


def visible(
    experiences: Sequence[Experience], task: str, data: DataProfile, run: str, hide: Sequence[str]
) -> list[Experience]:
    """Return the experiences of the same task type that a search may see, in today's words; never those of its own run.

    Args:
        experiences: The store.
        task: The task type.
        data: The data at hand; `self` in `hide` stands for it under any name, whole or sampled. Imported
            experiences, whose data nobody can fingerprint, are known by their data's name.
        run: The run's own identifier.
        hide: Names or fingerprints of data, aliases, or `self`.
    """
    wanted = [experience for experience in experiences if experience.task == task and experience.run != run]
    names = [name for name in hide if name != SELF]
    return [
        experience
        for experience in adopted(wanted)
        if not (SELF in hide and _is_same_data(experience, data))
        and not any(_is_called(experience, name) for name in names)
    ]


def _is_same_data(experience: Experience, data: DataProfile) -> bool:
    """Return whether an experience is of this data: by content, or by name where it came from another system."""
    prints = {data.fingerprint, data.source_fingerprint}
    if prints & {experience.data.fingerprint, experience.data.source_fingerprint}:
        return True
    return bool(experience.alias) and is_called(data.name, experience.data.name)


def _is_called(experience: Experience, name: str) -> bool:
    """Return whether an experience, its search or its data has a name, as it stands or by its folders."""
    data = experience.data
    names = {data.fingerprint, data.source_fingerprint, experience.alias, experience.run, data.name}
    file = data.name.rpartition("/")[2]
    return name in names - {""} or name == file or is_called(data.name, name)


def with_features(experience: Experience, cache: Path) -> Experience:
    """Return an experience with the meta-features that it lacks, as far as they can be had without its data.

    Those of the task come from the cache, if that data was described on this machine; the machine's from its record.
    """
    there = Sample(texts=(), targets=(), examples=0, system=experience.system, limits=experience.limits, seed=0)
    features: dict[str, tuple[float, ...]] = dict(known_features(cache, experience.data.fingerprint))
    features.update(experience.features)
    for name, group in FEATURES.things.items():
        if name not in features and group.part == Part.SYSTEM:
            features[name] = group.compute(there)
    return replace(experience, features=our_features(features, imported=False))


def remembered(
    choice: str,
    changes: Mapping[str, str],
    space: Space,
    experiences: Sequence[Experience],
    current: Features,
    objectives: Sequence[Objective],
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
        objectives: Of the search.
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
    options = knobs_of(choice, changes)
    distances = distances_of(experiences, current, options)
    plain = Prior.plain(space)
    warmed = knn_start(plain, experiences, current) if choice == KNN else shaped(plain, distances, options)
    evidence = heaviest(weighed(distances, objectives, options))
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


def evidence_of(
    experiences: Sequence[Experience],
    current: Features,
    objectives: Sequence[Objective],
    options: WarmStart = SETTINGS[DEFAULT],
) -> list[Evidence]:
    """Return past trials as a sampler's models see them; see `weighed`.

    Args:
        experiences: Past trials; those that cannot be compared are left out.
        current: Meta-features of the task at hand.
        objectives: Of the search at hand.
        options: The knobs of the warm start.
    """
    return weighed(distances_of(experiences, current, options), objectives, options)


def weighed(distances: Distances, objectives: Sequence[Objective], options: WarmStart) -> list[Evidence]:
    """Return past trials as a sampler's models see them.

    Qualities are in standard deviations within their data set, weights fall with the distance as the learning rates of
    the warm start do. All comparable experiences are evidence, however many shape the prior; of successes or failures
    that a setting takes none of, there is none here either.

    Args:
        distances: As `distances_of` returns them.
        objectives: Of the search at hand. An experience that lacks one stands in it as in the quality that
            led its own search.
        options: The knobs of the warm start.
    """
    near, _ = distances
    beta = decay([item.distance for item in near], options)
    experiences = [item.experience for item in near]
    standings = standings_of(experiences, objectives) if options.positives != "none" else {}
    evidence = []
    for item in near:
        experience = item.experience
        is_failure = is_negative(experience) and options.negatives != "none"
        if experience.id not in standings and not is_failure:
            continue
        evidence.append(
            Evidence(
                values=experience.configuration.values,
                scores=standings.get(experience.id),
                weight=math.exp(-beta * item.distance),
                source=title(experience),
            )
        )
    return evidence


def title(experience: Experience) -> str:
    """Return a past trial in a few words."""
    outcome = experience.outcome
    values = experience.configuration.values
    words = [str(values[name]) for name in ("model", "method") if name in values]
    if outcome.failure is not None:
        words.append(outcome.failure.kind.value)
    else:
        lead = lead_of(recorded_objectives(experience)).name
        words.append(f"{lead} {outcome.metrics[lead]:.3g}")
    return f"{experience.data.name} trial {experience.trial}: {' '.join(words)}"


def standings_of(experiences: Sequence[Experience], objectives: Sequence[Objective]) -> dict[str, tuple[float, ...]]:
    """Return the scores of every trial that did not fail, by its id.

    Qualities are in standard deviations from the mean of the data set; those of stopped trials are bounds.
    Runs of one data set are compared with each other: within a run with one success, that would stand at 0 however good
    it is. Scores end at three standard deviations; the time is minus its logarithm.
    """
    members: dict[tuple[str, tuple[Objective, ...]], list[Experience]] = {}
    for experience in experiences:
        if is_scored(experience):
            # What is measured differently (F1 here, accuracy there) is never compared.
            measures = tuple(_measure(experience, objective) for objective in objectives)
            members.setdefault((_data_set(experience), measures), []).append(experience)
    time = time_position(objectives)
    standings: dict[str, tuple[float, ...]] = {}
    for (_, measures), successes in members.items():
        rows = []
        for experience in successes:
            rows.append([oriented_value(experience.outcome, measure) for measure in measures])
        values = np.asarray(rows)
        is_stopped = np.asarray([experience.outcome.is_censored for experience in successes], dtype=bool)
        scores = standardised(values, time, is_stopped)
        limited = np.clip(scores, -LARGEST_SCORE, LARGEST_SCORE)
        if time is not None:
            limited[:, time] = scores[:, time]
        for experience, row in zip(successes, limited.tolist(), strict=True):
            standings[experience.id] = tuple(row)
    return standings


def _data_set(experience: Experience) -> str:
    """Return what tells data sets apart: the content of the whole source, or the name where there is no content."""
    return f"name {experience.data.name}" if experience.alias else experience.data.source_fingerprint


def _measure(experience: Experience, objective: Objective) -> Objective:
    """Return the objective that is asked for, or the experience's own lead where it has no value of it."""
    has_value = math.isfinite(oriented_value(experience.outcome, objective))
    return objective if has_value else lead_of(recorded_objectives(experience))


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
