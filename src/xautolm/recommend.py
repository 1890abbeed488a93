"""Before any training: what experience says of configurations, what they will cost, and because of what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from xautolm.experience import ExperienceStore
from xautolm.metafeatures import FEATURES, Part
from xautolm.metalearning import Distances, Near, distances_of, telling
from xautolm.metalearning.similarity import OWN
from xautolm.objectives import lead_of
from xautolm.options import FitOptions
from xautolm.records import Configuration, Experience, Features
from xautolm.report.advice import reason
from xautolm.scenario import Scenario, make_scenario, say_notes
from xautolm.search.encoding import Encoder
from xautolm.search.surrogates import Surrogates
from xautolm.search_space import default_configurations
from xautolm.settings import cache_folder
from xautolm.space import Prior, Space
from xautolm.warm_start import (
    DEFAULT,
    NONE,
    check_choice,
    knobs_of,
    visible,
    warmed_prior,
    weighed,
    with_features,
)

DRAWN = 300
"""Candidates drawn from the prior, besides past configurations and defaults."""
FAR = 0.7
"""Mean difference of the logarithms of task features from which on no task counts as near: about a factor of two each.
The distance of the warm start cannot say that: it is normalised over the tasks at hand, however alike they are."""
AMOUNT = "samples"
"""The feature that says how much data there is. A sample of a task is as near to it as can be."""
FAILURE_WEIGHT = 2.0
"""Standard deviations of quality that the certainty of failure outweighs."""
TRIED = 0.1
"""Standard deviations of quality that it is worth to have been tried: what predictions of neighbours differ by."""
REASONS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Recommendation:
    """A configuration, what to expect of it, and why."""

    configuration: Configuration
    origin: str
    """Where it comes from: a past success, the defaults, or the prior."""
    quality: float | None
    """Predicted, in standard deviations from the mean of what was tried on a data set; None where nothing near says."""
    seconds: float
    """Predicted wall time of the trial."""
    memory: float
    """Predicted peak memory in bytes, with the per-device batch that it would begin with."""
    failure: float | None
    """Chance of failure, 0 to 1; None where nothing near says."""
    because: tuple[Near, ...]
    """The most similar past trials of near tasks; none where nothing is known."""

    def to_plain(self) -> dict[str, Any]:
        """Return the recommendation as JSON has it, with the past trials in a few words each."""
        return {
            "configuration": dict(self.configuration.values),
            "origin": self.origin,
            "quality": self.quality,
            "seconds": self.seconds,
            "memory": self.memory,
            "failure": self.failure,
            "because": [reason(near.experience) for near in self.because],
        }


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

    def to_plain(self) -> dict[str, Any]:
        """Return the advice as `xautolm recommend --json` prints it."""
        recommendations = [recommendation.to_plain() for recommendation in self.recommendations]
        return {"recommendations": recommendations, "tasks": dict(self.tasks), "note": self.note}


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A configuration that may be recommended."""

    configuration: Configuration
    origin: str
    was_tried: bool = False
    """Whether it succeeded before."""


def recommend(data: Any, options: FitOptions, count: int = 8) -> Advice:
    """Return a ranked list of configurations, at most one for each model and method, without training anything.

    Args:
        data: As for a search.
        options: As for a search; `hide` restricts what is looked at, the warm start and its knobs say what is near.
        count: Length of the list.

    Raises:
        UsageError: As for a search.
    """
    choice = options.warm_start or DEFAULT
    check_choice(choice)
    knobs = knobs_of(choice, options.warm_start_options)
    # Advice is about trainings on all rows.
    sight = make_scenario(data, options.model_copy(update={"rungs": False}))
    say_notes(sight.dataset)
    features = sight.features()
    past, left_out = _past(sight, options)
    sight.resources.learn(past)
    distances = distances_of(past, features, knobs)
    comparable, _ = distances
    near = near_ones(comparable, features)
    prior = _prior(sight.space, past, features, choice, distances, options) if near else None
    candidates = _candidates(sight, near, prior, options.seed)
    evidence = weighed(distances, (lead_of(sight.objectives),), knobs)
    surrogates = Surrogates(Encoder.of_space(sight.space), options.seed, evidence)
    return Advice(
        recommendations=tuple(_chosen(sight, candidates, surrogates, near, count)),
        tasks=_nearest_data(comparable),
        experiences=len(comparable),
        note=_note(len(comparable), len(past), is_near=bool(near)) + left_out,
    )


def near_ones(comparable: Sequence[Near], current: Features) -> list[Near]:
    """Return the experiences of tasks that are near as such, however near the others of the store are."""
    gaps: dict[str, float] = {}
    near = []
    for item in comparable:
        data = f"{item.experience.data.fingerprint} {item.experience.data.name}"
        if data not in gaps:
            gaps[data] = gap(item.experience.features, current)
        if gaps[data] <= FAR:
            near.append(item)
    return near


def gap(features: Features, current: Features) -> float:
    """Return how far two tasks are apart as such: the mean difference of the logarithms of their features.

    Of several groups that both have, the largest counts; how many samples there are counts in none. Infinite where the
    two share no group.
    """
    gaps = []
    for name, numbers in current.items():
        group = FEATURES.things.get(name)
        is_of_task = name.startswith(OWN) if group is None else group.part == Part.TASK
        if not is_of_task or len(features.get(name, ())) != len(numbers):
            continue
        names = () if group is None else group.features
        compared = [
            position
            for position in range(len(numbers))
            if names[position : position + 1] != (AMOUNT,)
        ]
        ours, theirs = (
            np.log1p(np.maximum(np.asarray(values)[compared], 0))
            for values in (numbers, features[name])
        )
        gaps.append(float(np.abs(ours - theirs).mean()))
    return max(gaps, default=np.inf)


def _past(sight: Scenario, options: FitOptions) -> tuple[list[Experience], str]:
    """Return the experiences that may be seen and say something here, with the meta-features that can be had, and a
    line on records that are damaged, if any are.
    """
    name, profile = sight.task.name, sight.dataset.profile
    with ExperienceStore(options.store) as store:
        seen = visible(store.experiences(task=name), name, profile, "", options.hide)
        left_out = f"\n{store.damage_note}" if store.damaged_ids else ""
    cache = cache_folder() / "metafeatures"
    # What lacked memory or time somewhere smaller says nothing of this machine.
    past = telling(seen, sight.limits, sight.system)
    return [with_features(experience, cache) for experience in past], left_out


def _prior(
    space: Space,
    past: Sequence[Experience],
    features: Features,
    choice: str,
    distances: Distances,
    options: FitOptions,
) -> Prior | None:
    """Return the prior that a search would begin with; None where it begins with none."""
    if choice == NONE:
        return None
    knobs = knobs_of(choice, options.warm_start_options)
    return warmed_prior(choice, space, past, features, distances, knobs).prior


def _candidates(
    sight: Scenario, near: Sequence[Near], prior: Prior | None, seed: int
) -> list[Candidate]:
    """Return past successes that have a place in this space, defaults, and draws from the prior; only what fits."""
    space = sight.space
    candidates = [
        candidate for item in near if (candidate := _tried(item.experience, space)) is not None
    ]
    candidates += [
        Candidate(configuration=each, origin="default") for each in default_configurations(space)
    ]
    if prior is not None:
        rng = np.random.default_rng(seed)
        candidates += [
            Candidate(configuration=prior.sample(rng), origin="prior") for _ in range(DRAWN)
        ]
    distinct: dict[str, Candidate] = {}
    for candidate in candidates:
        distinct.setdefault(candidate.configuration.digest, candidate)
    return [
        each
        for each in distinct.values()
        if not sight.resources.obstacle(each.configuration, sight.limits)
    ]


def _tried(experience: Experience, space: Space) -> Candidate | None:
    """Return a past success as a configuration of a space, None for a failure or if its model is not here.

    Where the model is here but not the method, the space's own method takes its place, and that is said.
    """
    if not experience.outcome.succeeded:
        return None
    called = f"{experience.data.name} trial {experience.trial}"
    values = experience.configuration.values
    configuration = space.adopt(values).completed()
    if configuration is not None:
        return Candidate(configuration=configuration, origin=f"as {called}", was_tried=True)
    without_method = {name: value for name, value in values.items() if name != "method"}
    configuration = space.adopt(without_method).completed()
    if configuration is None:
        return None
    origin = f"as {called}, but {configuration.method} instead of {experience.configuration.method}"
    return Candidate(configuration=configuration, origin=origin, was_tried=True)


def _chosen(
    sight: Scenario,
    candidates: Sequence[Candidate],
    surrogates: Surrogates,
    near: Sequence[Near],
    count: int,
) -> list[Recommendation]:
    """Return the best candidate of each model and method, the most promising first.

    Where nothing is near, none is better than another: past successes and defaults stand as they came.
    """
    rows = surrogates.encoder.rows(candidate.configuration.values for candidate in candidates)
    prediction = surrogates.predict((), rows, trust=np.ones(1), failure_trust=1.0)
    quality = prediction.scores[:, 0]
    order = np.arange(len(candidates))
    if near:
        tried = np.asarray([candidate.was_tried for candidate in candidates], dtype=float)
        order = np.argsort(
            -(quality - FAILURE_WEIGHT * prediction.failure + TRIED * tried), kind="stable"
        )
    chosen: dict[tuple[str, str], Recommendation] = {}
    for index in order.tolist():
        candidate = candidates[index]
        configuration = candidate.configuration
        if (configuration.model, configuration.method) in chosen or len(chosen) == count:
            continue
        estimate = sight.resources.predict(configuration)
        batch = sight.resources.micro_batch(configuration, sight.limits)
        because = reasons(surrogates.encoder, configuration, near)
        chosen[configuration.model, configuration.method] = Recommendation(
            configuration=configuration,
            origin=candidate.origin,
            quality=float(quality[index])
            if because and surrogates.score_forest is not None
            else None,
            seconds=estimate.seconds,
            memory=estimate.memory + (batch - 1) * estimate.memory_per_example,
            failure=float(prediction.failure[index])
            if because and surrogates.failure_forest is not None
            else None,
            because=because,
        )
    return list(chosen.values())


def reasons(
    encoder: Encoder, configuration: Configuration, near: Sequence[Near]
) -> tuple[Near, ...]:
    """Return the past trials that are most like a configuration, among those of the same method or model."""
    alike = [
        item
        for item in near
        if item.experience.configuration.method == configuration.method
        or item.experience.configuration.model == configuration.model
    ]
    if not alike:
        return ()
    rows = encoder.rows(item.experience.configuration.values for item in alike)
    gaps = np.linalg.norm(rows - encoder.rows([configuration.values]), axis=1)
    gaps = gaps + np.asarray([item.distance for item in alike])
    return tuple(alike[index] for index in np.argsort(gaps, kind="stable")[:REASONS].tolist())


def _nearest_data(near: Sequence[Near]) -> dict[str, float]:
    """Return the distance of each data set by its name, the nearest first."""
    distances: dict[str, float] = {}
    for item in near:
        distances.setdefault(item.experience.data.name, item.distance)
    return distances


def _note(comparable: int, seen: int, *, is_near: bool) -> str:
    if not comparable:
        what = f"{seen} past trials, none of which can be compared" if seen else "no past trials"
        return f"The store has {what}: quality and failure are not predicted, only time and memory."
    if not is_near:
        return (
            "The store has nothing near this task: quality and failure are not predicted, only time and memory; "
            "the order is that of the space."
        )
    return f"Judged by {comparable} past trials; quality is in standard deviations from a data set's mean."
