"""The way from the store to what a search begins with: experiences that may be seen, the prior, and the account."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from xautolm.errors import DamagedFileError, UnknownNameError, UsageError
from xautolm.experience import STARTER
from xautolm.metalearning import (
    SETTINGS,
    Distances,
    Influence,
    Nearness,
    Warmed,
    WarmStart,
    decay,
    knn_start,
    nearness,
    shaped,
)
from xautolm.objectives import Objective
from xautolm.past_evidence import weighed
from xautolm.past_trials import PastTrials
from xautolm.records import Experience, Features
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


def remembered(
    choice: str,
    changes: Mapping[str, str],
    space: Space,
    past: PastTrials,
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
        past: The store.
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
    # The surrogates look at no more than these, and a store may have 100,000 experiences.
    most = DEFAULTS.largest_store
    # The baseline takes the best of the whole store, however far their tasks are.
    nearby = past.nearby(current, options, most, needs_all=choice == KNN)
    warmed = warmed_prior(choice, space, nearby.experiences, current, nearby.distances, options)
    # Weights fall as the distances of the whole store say, not those of its nearest part.
    beta = decay(nearby.every_distance, options)
    knobs = replace(options, beta=beta)
    evidence = weighed(nearby.distances, objectives, knobs, traits, most=most)
    memory = Memory(prior=warmed.prior, evidence=evidence, traits=traits)
    _write_memory(path, choice, warmed, memory)
    say(summary(warmed, nearness(nearby.overview, current)))
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
    successes, _, weightless = _counts(warmed)
    content = {
        "choice": choice,
        "experiences": len(influences),
        "successes": successes,
        "weightless": weightless,
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
    successes, failures, weightless = _counts(warmed)
    mapped_in_part = sum(bool(influence.unmapped) for influence in warmed.influences)
    started = sum(influence.experience.provenance == STARTER for influence in warmed.influences)
    nearest = ", ".join(_nearest_data(warmed.influences)[:SHOWN])
    beginning = "warm start: "
    if not closeness.is_near:
        beginning += f"nothing near is known ({closeness.in_words}); "
    return (
        f"{beginning}{successes} successes and {failures} failures, from {nearest}; "
        f"{started} came with xautolm, {mapped_in_part} map in part, {weightless} have no weight, "
        f"{warmed.incomparable} cannot be compared"
    )


def _counts(warmed: Warmed) -> tuple[int, int, int]:
    """Return how many successes and how many failures shaped a prior, and how many of both have no weight in it."""
    failures = sum(influence.experience.outcome.failed for influence in warmed.influences)
    successes = len(warmed.influences) - failures
    # The worst success of a run is worth nothing, and is none the less no failure.
    weightless = sum(influence.rate == 0 for influence in warmed.influences)
    return successes, failures, weightless


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
