"""The way from the store to what a search begins with: experiences that may be seen, the prior, and the account."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from xautolm.data.naming import is_called
from xautolm.errors import DamagedFileError, UnknownNameError, UsageError
from xautolm.experience.adoption import adopted, our_features
from xautolm.metafeatures import FEATURES, Part, Sample, known_features
from xautolm.metalearning import (
    SETTINGS,
    Distances,
    Influence,
    Nearness,
    Warmed,
    WarmStart,
    distances_of,
    knn_start,
    nearness,
    shaped,
)
from xautolm.objectives import Objective
from xautolm.past_evidence import weighed
from xautolm.records import DataProfile, Experience, Features
from xautolm.search import Evidence, Memory, Strategy
from xautolm.search.settings import DEFAULTS
from xautolm.serialization import from_plain, read_json, to_plain, write_text
from xautolm.space import Prior, Space
from xautolm.traits import TraitReader
from xautolm.vocabulary import Recall

NONE, KNN = "none", "knn"
"""Choices of a warm start besides the paper's settings: none at all, and the nearest neighbors of a baseline."""
CHOICES = (NONE, KNN, *SETTINGS)
"""All choices of a warm start."""
DEFAULT = "moderate-linear"
"""The setting of a search that does not name one."""
SELF = "self"
"""Stands for the data at hand among the names of data to hide."""
SHOWN = 3
"""Data sets that the summary names, the nearest."""
LISTED = 200
"""Influences that `warm_start.json` lists, the strongest: a store may have 100,000, and nobody reads those."""


def chosen_start(choice: str | None, changes: Mapping[str, str], strategy: Strategy) -> str:
    """Return the warm start of a search: the one asked for, or the strategy's own.

    Raises:
        UnknownNameError: No such setting or knob.
        UsageError: The sampler does not begin with experience, or the setting does not have those knobs.
    """
    if choice is None:
        choice = DEFAULT if strategy.memory == Recall.EVIDENCE else NONE
    check_choice(choice)
    if changes:
        if choice not in SETTINGS:
            raise UsageError(
                "The knobs of the warm start would have no effect.", got=f"--warm-start {choice}"
            )
        # Raises where a knob has no such name, or the value is none of its kind.
        SETTINGS[choice].changed(changes)
    if choice != NONE and strategy.memory == Recall.NONE:
        raise UsageError(
            "The warm start would have no effect.",
            got=f"--sampler {strategy.name}, which does not begin with experience",
            fix="Use --sampler xautolm or pge, or leave --warm-start out.",
        )
    return choice


def check_choice(choice: str) -> None:
    """Raise an `UnknownNameError` where there is no warm start of this name."""
    if choice not in CHOICES:
        raise UnknownNameError("warm start", choice, CHOICES)


def knobs_of(choice: str, changes: Mapping[str, str]) -> WarmStart:
    """Return the knobs of a warm start; those of the default where the choice (`none`, `knn`) has none of its own."""
    default = SETTINGS[DEFAULT]
    setting = SETTINGS.get(choice, default)
    return setting.changed(changes)


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
    of_task = [
        experience
        for experience in experiences
        if experience.task == task and experience.run != run
    ]
    hidden_names = [name for name in hide if name != SELF]
    hides_self = SELF in hide
    result = []
    for experience in adopted(of_task):
        if hides_self and _is_same_data(experience, data):
            continue
        if any(_is_called(experience, name) for name in hidden_names):
            continue
        result.append(experience)
    return result


def _is_same_data(experience: Experience, data: DataProfile) -> bool:
    """Return whether an experience is of this data: by content, or by name where it came from another system."""
    fingerprints = {data.fingerprint, data.source_fingerprint}
    past_data = experience.data
    past_fingerprints = {past_data.fingerprint, past_data.source_fingerprint}
    if not fingerprints.isdisjoint(past_fingerprints):
        return True
    # Only experiences from other systems have an alias; their data cannot be fingerprinted.
    is_foreign = bool(experience.alias)
    return is_foreign and is_called(data.name, past_data.name)


def _is_called(experience: Experience, name: str) -> bool:
    """Return whether an experience, its search or its data has a name, as it stands or by its folders."""
    data = experience.data
    names = {data.fingerprint, data.source_fingerprint, data.name}
    names |= {experience.alias, experience.run}
    # An experience without an alias is not called by the empty name.
    names.discard("")
    if name in names:
        return True
    # A file is also called by its own name, wherever it lies.
    _, _, file_name = data.name.rpartition("/")
    return name == file_name or is_called(data.name, name)


def with_features(experience: Experience, cache: Path) -> Experience:
    """Return an experience with the meta-features that it lacks, as far as they can be had without its data.

    Those of the task come from the cache, if that data was described on this machine; the machine's from its record.
    """
    features: dict[str, tuple[float, ...]] = {}
    cached = known_features(cache, experience.data.fingerprint)
    features.update(cached)
    features.update(experience.features)
    # Groups of the system look at the machine and the limits only, so a sample without texts will do.
    sample = Sample(
        texts=(), targets=(), examples=0, system=experience.system, limits=experience.limits, seed=0
    )
    for name, group in FEATURES.things.items():
        if group.part == Part.SYSTEM and name not in features:
            features[name] = group.compute(sample)
    renamed = our_features(features, imported=False)
    return replace(experience, features=renamed)


def remembered(
    choice: str,
    changes: Mapping[str, str],
    space: Space,
    experiences: Sequence[Experience],
    current: Features,
    objectives: Sequence[Objective],
    traits: TraitReader,
    path: Path,
    say: Callable[[str], None],
) -> Memory | None:
    """Return what a search begins with; a resumed one goes on with what it began with.

    Args:
        choice: `none`, `knn` or a setting of the warm start.
        changes: Knobs that differ from the setting.
        space: The space.
        experiences: Those that may be seen.
        current: Meta-features of the task and machine at hand.
        objectives: Of the search.
        traits: Tells the traits of configurations, here and where they were tried.
        path: `warm_start.json` in the run's folder, which keeps the prior, the evidence and the account of both.
        say: Told once how many experiences shaped the prior, and from where; and if the file is damaged.
    """
    if choice == NONE:
        return None
    if path.exists():
        try:
            return _read_memory(path, space, traits)
        except DamagedFileError as error:
            say(
                f"{path.name} cannot be read ({error.reason}): the search goes on with what the store says now"
            )
    options = knobs_of(choice, changes)
    distances = distances_of(experiences, current, options)
    warmed = warmed_prior(choice, space, experiences, current, distances, options)
    # The surrogates look at no more than these, and a store may have 100,000 experiences.
    evidence = weighed(distances, objectives, options, traits, most=DEFAULTS.largest_store)
    memory = Memory(prior=warmed.prior, evidence=evidence, traits=traits)
    _write_memory(path, choice, warmed, memory)
    say(summary(warmed, nearness(experiences, current)))
    return memory


def warmed_prior(
    choice: str,
    space: Space,
    experiences: Sequence[Experience],
    current: Features,
    distances: Distances,
    options: WarmStart,
) -> Warmed:
    """Return the prior of a space, shaped by experience.

    Args:
        choice: `knn` or a setting of the warm start.
        space: The space.
        experiences: Those that may be seen; `knn` measures their distances in its own way.
        current: Meta-features of the task and machine at hand.
        distances: As `distances_of` returns them for these experiences.
        options: The knobs of the warm start.
    """
    plain = Prior.plain(space)
    if choice == KNN:
        return knn_start(plain, experiences, current)
    return shaped(plain, distances, options)


def _read_memory(path: Path, space: Space, traits: TraitReader) -> Memory:
    """Return what a search began with.

    Raises:
        DamagedFileError: The file has no prior of this space, or no evidence.
    """
    stored = read_json(path)
    try:
        prior = Prior.from_plain(space, stored["prior"])
        evidence = from_plain(list[Evidence], stored["evidence"])
    except (KeyError, TypeError, ValueError, AttributeError, UsageError) as error:
        reason = f"{type(error).__name__} in its prior or its evidence"
        raise DamagedFileError(path, reason) from None
    return Memory(prior=prior, evidence=evidence, traits=traits)


def _write_memory(path: Path, choice: str, warmed: Warmed, memory: Memory) -> None:
    """Write what a search begins with; the size does not depend on the store's, apart from bounds on what is kept."""
    influences = account(warmed)
    successes = [influence for influence in warmed.influences if influence.rate > 0]
    content = {
        "choice": choice,
        "experiences": len(influences),
        "successes": len(successes),
        "influences": influences[:LISTED],
        "prior": memory.prior.to_plain(),
        "evidence": [to_plain(evidence) for evidence in memory.evidence],
    }
    write_text(path, json.dumps(content, ensure_ascii=False))


def account(warmed: Warmed) -> list[Mapping[str, object]]:
    """Return every influence as JSON values, the strongest first."""

    def strength(influence: Influence) -> float:
        # A failure's learning rate is below zero, and as strong as it is far from zero.
        return abs(influence.rate)

    by_strength = sorted(warmed.influences, key=strength, reverse=True)
    return [_row(influence) for influence in by_strength]


def summary(warmed: Warmed, closeness: Nearness) -> str:
    """Return in one line how many experiences shaped the prior, and from where; first of all if none of it is near."""
    if not warmed.influences:
        reason = ""
        if warmed.incomparable:
            reason = f"; {warmed.incomparable} have meta-features that cannot be compared"
        return f"warm start: no past experience applies, the search begins from zero{reason}"
    # Failures have learning rates below zero; a success that is worth nothing counts as one of them.
    successes = sum(influence.rate > 0 for influence in warmed.influences)
    failures = len(warmed.influences) - successes
    mapped_in_part = sum(bool(influence.unmapped) for influence in warmed.influences)
    nearest = ", ".join(_nearest_data(warmed.influences)[:SHOWN])
    beginning = "warm start: "
    if not closeness.is_near:
        beginning += f"nothing near is known ({closeness.in_words}); "
    return (
        f"{beginning}{successes} successes and {failures} failures, from {nearest}; "
        f"{mapped_in_part} map in part, {warmed.incomparable} cannot be compared"
    )


def _nearest_data(influences: Sequence[Influence]) -> list[str]:
    """Return the names of the data sets with their smallest distances, the nearest first."""
    nearest_first = sorted(influences, key=lambda influence: influence.distance)
    smallest: dict[str, float] = {}
    for influence in nearest_first:
        data = influence.experience.data
        # A data set counts with its first, which is its nearest.
        smallest.setdefault(data.name, influence.distance)
    texts = []
    for name, distance in smallest.items():
        texts.append(f"{name} at {distance:.2f}")
    return texts


def _row(influence: Influence) -> Mapping[str, object]:
    """Return an influence as JSON values: which trial, how far its task is, and how strongly it counts."""
    experience = influence.experience
    configuration = experience.configuration
    outcome = "success"
    if experience.outcome.failure is not None:
        outcome = experience.outcome.failure.kind.value
    return {
        "experience": experience.id,
        "data": experience.data.name,
        "model": configuration.model,
        "method": configuration.method,
        "outcome": outcome,
        "distance": influence.distance,
        "rate": influence.rate,
        "unmapped": list(influence.unmapped),
    }
