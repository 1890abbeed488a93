"""Before any training: what experience says of configurations, what they will cost, and because of what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from xautolm.experience import ExperienceStore
from xautolm.memory import DEFAULT, NONE, evidence_of, visible, with_features
from xautolm.metalearning import PRESETS, Near, measured, warm_start
from xautolm.metalearning.similarity import PARTS
from xautolm.options import FitOptions
from xautolm.prospect import Prospect, make_prospect, say_notes
from xautolm.recipe import default_configurations
from xautolm.records import Configuration, Experience, Features
from xautolm.search.encoding import Encoder
from xautolm.search.surrogates import Surrogates
from xautolm.settings import cache_folder
from xautolm.space import Prior

DRAWN = 300
"""Candidates drawn from the prior, besides past configurations and defaults."""
FAR = 0.7
"""Mean difference of the logarithms of task features from which on no task counts as near: about a factor of two each.
The distance of the warm start cannot say that: it is normalised over the tasks at hand, however alike they are."""
REASONS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Recommendation:
    """A configuration, what to expect of it, and why."""

    configuration: Configuration
    quality: float
    """Predicted, in standard deviations from the mean of a random search of this task."""
    seconds: float
    """Predicted wall time of the trial."""
    memory: float
    """Predicted peak memory in bytes, with the per-device batch that it would begin with."""
    failure: float
    """Chance of failure, 0 to 1."""
    because: tuple[Near, ...]
    """The most similar past trials of the nearest tasks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """Recommendations in order, the most promising first, and what they rest on."""

    recommendations: tuple[Recommendation, ...]
    tasks: Mapping[str, float]
    """The nearest data sets and their distances."""
    experiences: int
    """How many past trials could be compared."""
    note: str
    """What a person must know of the basis of this advice."""


def recommend(data: Any, options: FitOptions, count: int = 8) -> Advice:
    """A ranked list of configurations, at most one for each model and method, without training anything.

    Args:
        data: As for a search.
        options: As for a search; `hide` restricts what is looked at.
        count: Length of the list.

    Raises:
        UsageError: As for a search.
    """
    sight = make_prospect(data, options)
    say_notes(sight.dataset)
    features = sight.features()
    with ExperienceStore(options.store) as store:
        seen = visible(
            store.experiences(task=sight.task.name), sight.task.name, sight.dataset.profile, "", options.hide
        )
    sight.resources.learn(seen)
    cache = cache_folder() / "metafeatures"
    past = [with_features(one, cache) for one in seen]
    near, _ = measured(past, features)
    candidates = _candidates(sight, past, features, options)
    evidence = evidence_of(past, features, (sight.metric,))
    surrogates = Surrogates(Encoder.of_space(sight.space), options.seed, evidence)
    rows = surrogates.encoder.rows(one.values for one in candidates)
    prediction = surrogates.predict((), rows, trust=np.ones(1), failure_trust=1.0)
    quality = prediction.scores[:, 0]
    order = np.argsort(-(quality - 2 * prediction.failure), kind="stable")
    found: dict[tuple[str, str], Recommendation] = {}
    for index in order.tolist():
        one = candidates[index]
        if (one.model, one.method) in found or len(found) == count:
            continue
        estimate = sight.resources.predict(one)
        batch = sight.resources.micro_batch(one, sight.limits)
        found[one.model, one.method] = Recommendation(
            configuration=one,
            quality=float(quality[index]),
            seconds=estimate.seconds,
            memory=estimate.memory + (batch - 1) * estimate.memory_per_example,
            failure=float(prediction.failure[index]),
            because=_reasons(surrogates.encoder, one, near),
        )
    tasks: dict[str, float] = {}
    for item in near:
        tasks.setdefault(item.experience.data.name, item.distance)
    return Advice(
        recommendations=tuple(found.values()), tasks=tasks, experiences=len(near), note=_note(near, len(seen), features)
    )


def _candidates(
    sight: Prospect, past: Sequence[Experience], features: Features, options: FitOptions
) -> list[Configuration]:
    """Defaults, past successes that lie in this space, and draws from the warm-started prior; only what fits."""
    choice = options.warm_start or DEFAULT
    prior = Prior.plain(sight.space)
    if choice in PRESETS:
        prior = warm_start(prior, past, features, PRESETS[choice]).prior
    rng = np.random.default_rng(options.seed)
    inside = [
        Configuration(values=one.configuration.values, space=sight.space.name)
        for one in past
        if one.outcome.succeeded and not sight.space.problems(one.configuration.values)
    ]
    drawn = [prior.sample(rng) for _ in range(DRAWN if choice != NONE else 0)]
    every = {one.digest: one for one in [*default_configurations(sight.space), *inside, *drawn]}
    return [one for one in every.values() if not sight.resources.obstacle(one, sight.limits)]


def _reasons(encoder: Encoder, configuration: Configuration, near: Sequence[Near]) -> tuple[Near, ...]:
    """The past trials that are most like a configuration, among those of the same method or model."""
    alike = [
        one
        for one in near
        if one.experience.configuration.method == configuration.method
        or one.experience.configuration.model == configuration.model
    ]
    if not alike:
        return ()
    rows = encoder.rows(one.experience.configuration.values for one in alike)
    gaps = np.linalg.norm(rows - encoder.rows([configuration.values]), axis=1)
    gaps = gaps + np.asarray([one.distance for one in alike])
    return tuple(alike[index] for index in np.argsort(gaps, kind="stable")[:REASONS].tolist())


def _note(near: Sequence[Near], seen: int, current: Features) -> str:
    if not near:
        what = f"{seen} past trials, none of which can be compared" if seen else "no past trials"
        return f"The store has {what}: quality and failure are not predicted, only time and memory."
    if min(_gap(one.experience.features, current) for one in near) > FAR:
        return "The store has nothing near this task: take quality and failure as a guess."
    return f"Judged by {len(near)} past trials; quality is in standard deviations from a random search's mean."


def _gap(features: Features, current: Features) -> float:
    """Mean difference of the logarithms of the task features that both have."""
    groups = [group for group in PARTS["task"] if group in features and group in current]
    first, second = (
        np.log1p(np.maximum(np.concatenate([one[group] for group in groups]), 0)) for one in (features, current)
    )
    return float(np.abs(first - second).mean())
