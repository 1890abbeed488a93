"""From the store to the prior of a search: which experiences may be seen, what they say, and the account of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from xautolm.documents import read_json, write_json
from xautolm.errors import UnknownNameError, UsageError
from xautolm.metafeatures import FEATURES, Sample, known_features
from xautolm.metalearning import PRESETS, Influence, Warmed, knn_start, warm_start
from xautolm.records import DataProfile, Experience, Features
from xautolm.search import Strategy
from xautolm.space import Prior, Space

NONE, KNN, SELF = "none", "knn", "self"
FILE = "warm_start.json"
SHOWN = 3


def check_choice(choice: str, strategy: Strategy) -> None:
    """Refuse a warm start that does not exist or would have no effect.

    Raises:
        UnknownNameError: No such setting.
        UsageError: The sampler does not begin with a prior.
    """
    if choice not in {NONE, KNN, *PRESETS}:
        raise UnknownNameError("warm start", choice, [NONE, KNN, *PRESETS])
    if choice != NONE and not strategy.takes_prior:
        raise UsageError(
            "The warm start would have no effect.",
            got=f"--sampler {strategy.name}, which does not begin with a prior",
            fix="Use --sampler pge, or leave --warm-start out.",
        )


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


def warmed_prior(
    choice: str,
    space: Space,
    experiences: Sequence[Experience],
    current: Features,
    folder: Path,
    say: Callable[[str], None],
) -> Prior | None:
    """The prior of a search; a resumed one goes on with the prior that it began with.

    Args:
        choice: `none`, `knn` or a setting of the warm start.
        space: The space.
        experiences: Those that may be seen.
        current: Meta-features of the task and machine at hand.
        folder: The run's folder, where `warm_start.json` keeps the prior and the account of it.
        say: Told once how many experiences shaped the prior, and from where.
    """
    if choice == NONE:
        return None
    path = folder / FILE
    if path.exists():
        return Prior.from_plain(space, read_json(path)["prior"])
    plain = Prior.plain(space)
    warmed = (
        knn_start(plain, experiences, current)
        if choice == KNN
        else warm_start(plain, experiences, current, PRESETS[choice])
    )
    write_json(path, {"choice": choice, "prior": warmed.prior.to_plain(), "influences": account(warmed)})
    say(summary(warmed))
    return warmed.prior


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
