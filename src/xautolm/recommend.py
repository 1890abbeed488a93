"""Before any training: what experience says of configurations, what they will cost, and because of what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from xautolm.description import feature_cache
from xautolm.errors import NoStoreError
from xautolm.experience import ExperienceStore, with_starter
from xautolm.forecaster import Forecaster
from xautolm.forecasts import ForecastCheck
from xautolm.metalearning import (
    Near,
    Nearness,
    distances_of,
    near_neighbors,
    nearness,
    telling,
)
from xautolm.objectives import lead_of
from xautolm.options import FitOptions
from xautolm.past_evidence import weighed
from xautolm.past_forecasts import check_on_past
from xautolm.past_trials import hiding_notes, is_small, visible, with_features
from xautolm.records import Configuration, Experience, Scalar
from xautolm.report.advice import AdviceRow, reason
from xautolm.scenario import Scenario, make_scenario, say_notes
from xautolm.search import Evidence
from xautolm.search.encoding import Encoder
from xautolm.search.surrogates import Surrogates
from xautolm.search_space import default_configurations
from xautolm.serialization import to_plain
from xautolm.space import Prior, Space
from xautolm.warm_start import (
    DEFAULT,
    NONE,
    check_choice,
    knobs_of,
    warmed_prior,
)

DRAWN = 300
"""Candidates drawn from the prior, besides past configurations and defaults."""
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
    """Predicted wall time of the trial, if its training is not stopped."""
    seconds_interval: tuple[float, float]
    """What nine of ten such trials take."""
    memory: float
    """Predicted peak memory in bytes, with the per-device batch that it would begin with."""
    memory_interval: tuple[float, float]
    """What nine of ten such trials need, in bytes."""
    failure: float | None
    """Chance of failure, 0 to 1; None where nothing near says."""
    because: tuple[Near, ...]
    """The most similar past trials of near tasks; none where nothing is known."""

    def to_plain(self) -> AdviceRow:
        """Return the recommendation as JSON has it, with the past trials in a few words each."""
        because = [reason(neighbor.experience) for neighbor in self.because]
        return {
            "configuration": dict(self.configuration.values),
            "origin": self.origin,
            "quality": self.quality,
            "seconds": self.seconds,
            "seconds_interval": self.seconds_interval,
            "memory": self.memory,
            "memory_interval": self.memory_interval,
            "failure": self.failure,
            "because": because,
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
    check: ForecastCheck
    """How past trials compare with forecasts of times, memories and failures that did not see their data set."""

    def to_plain(self) -> dict[str, object]:
        """Return the advice as `xautolm recommend --json` prints it."""
        recommendations = [recommendation.to_plain() for recommendation in self.recommendations]
        tasks = dict(self.tasks)
        return {
            "recommendations": recommendations,
            "tasks": tasks,
            "note": self.note,
            "check": to_plain(self.check),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A configuration that may be recommended."""

    configuration: Configuration
    origin: str
    was_tried: bool = False
    """Whether it succeeded before."""


def recommend(data: object, options: FitOptions, count: int = 8) -> Advice:
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
    options_of_scenario = options.model_copy(update={"rungs": False})
    scenario = make_scenario(data, options_of_scenario)
    say_notes(scenario.dataset)

    features = scenario.features()
    past, store_notes = _past(scenario, options)
    scenario.resources.learn(past)
    forecaster = Forecaster(scenario.resources)
    forecaster.learn(past)
    distances = distances_of(past, features, knobs)
    comparable, _ = distances
    closeness = nearness(past, features)
    neighbors: list[Near] = []
    # A store whose data sets lie close together says less of a task beside them than its models would.
    if closeness.is_near:
        neighbors = near_neighbors(comparable, features)
    prior = None
    # What shapes a prior must be near as such: of far tasks, the nearest would stand for this one.
    if neighbors and choice != NONE:
        warmed = warmed_prior(choice, scenario.space, past, features, distances, knobs)
        prior = warmed.prior

    candidates = _candidates(scenario, neighbors, prior, options.seed)
    traits = scenario.traits()
    evidence = weighed(distances, (lead_of(scenario.objectives),), knobs, traits)
    encoder = Encoder.of_space(scenario.space, traits)
    surrogates = Surrogates(encoder, options.seed, evidence)
    recommendations = _ranked(scenario, forecaster, candidates, surrogates, neighbors, count)
    note = _note(
        len(comparable), len(past), closeness, predicts_quality=surrogates.past is not None
    )
    return Advice(
        recommendations=tuple(recommendations),
        tasks=_nearest_data(comparable),
        experiences=len(comparable),
        note=note + store_notes,
        check=check_on_past(surrogates, forecaster, past),
    )


def _past(scenario: Scenario, options: FitOptions) -> tuple[list[Experience], str]:
    """Return the experiences that may be seen and say something here, with the meta-features that can be had, and a
    line for each thing that a person should know of the stores.
    """
    task = scenario.task.name
    notes: list[str] = []
    stored: list[Experience] = []
    takes_starter = options.starter
    try:
        # What only reads makes no store, least of all one at a misspelt place.
        with ExperienceStore(options.store, must_exist=True) as store:
            stored = store.experiences(task=task)
            takes_starter = options.starter and is_small(store, task)
            if store.damaged_ids:
                notes.append(store.damage_note)
    except NoStoreError:
        # Before the first search there is no usual one, and nothing is amiss.
        if options.store is not None:
            notes.append(f"There is no experience store at {options.store}: none was looked into.")
    if takes_starter:
        stored = with_starter(stored, task, notes.append)
    profile = scenario.dataset.profile
    past = visible(stored, task, profile, "", options.hide)
    notes += hiding_notes(stored, task, profile, "", options.hide)
    # What lacked memory or time somewhere smaller says nothing of this machine.
    telling_here = telling(past, scenario.limits, scenario.system)
    cache = feature_cache()
    return with_features(telling_here, cache), "".join(f"\n{note}" for note in notes)


def _candidates(
    scenario: Scenario, neighbors: Sequence[Near], prior: Prior | None, seed: int
) -> list[Candidate]:
    """Return past successes that have a place in this space, defaults, and draws from the prior; only what fits."""
    space = scenario.space
    candidates: list[Candidate] = []
    for neighbor in neighbors:
        tried = _tried(neighbor.experience, space)
        if tried is not None:
            candidates.append(tried)
    for configuration in default_configurations(space):
        candidates.append(Candidate(configuration=configuration, origin="default"))
    if prior is not None:
        rng = np.random.default_rng(seed)
        for _ in range(DRAWN):
            configuration = prior.sample(rng)
            candidates.append(Candidate(configuration=configuration, origin="prior"))
    # What is the same configuration keeps the origin that says most: it was tried, or it is a default.
    distinct: dict[str, Candidate] = {}
    for candidate in candidates:
        distinct.setdefault(candidate.configuration.digest, candidate)
    fitting = []
    for candidate in distinct.values():
        obstacle = scenario.resources.obstacle(candidate.configuration, scenario.limits)
        if not obstacle:
            fitting.append(candidate)
    return fitting


def _tried(experience: Experience, space: Space) -> Candidate | None:
    """Return a past success as a configuration of a space, None for a failure or if its model is not here.

    Where the model is here but not the method, the space's own method takes its place, and that is said.
    """
    if not experience.outcome.succeeded:
        return None
    origin = f"as {experience.data.name} trial {experience.trial}"
    values = experience.configuration.values
    configuration = space.adopt(values).completed()
    if configuration is not None:
        return Candidate(configuration=configuration, origin=origin, was_tried=True)
    without_method = {name: value for name, value in values.items() if name != "method"}
    configuration = space.adopt(without_method).completed()
    if configuration is None:
        return None
    past_method = experience.configuration.method
    origin = f"{origin}, but {configuration.method} instead of {past_method}"
    return Candidate(configuration=configuration, origin=origin, was_tried=True)


def _ranked(
    scenario: Scenario,
    forecaster: Forecaster,
    candidates: Sequence[Candidate],
    surrogates: Surrogates,
    neighbors: Sequence[Near],
    count: int,
) -> list[Recommendation]:
    """Return the best candidate of each model and method, the most promising first.

    Where nothing is near, none is better than another: past successes and defaults stand as they came.
    """
    rows = surrogates.encoder.rows(candidate.configuration.values for candidate in candidates)
    quality = surrogates.past_quality(rows)
    failure = surrogates.failure((), rows, trust=1.0)
    is_failure_known = [surrogates.failure_forest is not None] * len(candidates)
    if surrogates.failure_forest is None and surrogates.heaviest:
        failure, is_failure_known = failure_shares(candidates, surrogates.heaviest)
    order = np.arange(len(candidates))
    if neighbors:
        was_tried = np.asarray([candidate.was_tried for candidate in candidates], dtype=float)
        promise = quality - FAILURE_WEIGHT * failure + TRIED * was_tried
        order = np.argsort(-promise, kind="stable")

    recommendations: dict[tuple[str, str], Recommendation] = {}
    for index in order.tolist():
        if len(recommendations) == count:
            break
        candidate = candidates[index]
        configuration = candidate.configuration
        pair = (configuration.model, configuration.method)
        # The order is from best to worst, so the first of each pair is its best.
        if pair in recommendations:
            continue
        because = reasons(surrogates.encoder, configuration, neighbors)
        # Where no forest could be fitted, or no near trial is like this, a number would rest on nothing.
        predicted_quality = None
        if because and surrogates.past is not None:
            predicted_quality = float(quality[index])
        predicted_failure = None
        if because and is_failure_known[index]:
            predicted_failure = float(failure[index])
        forecast = forecaster.forecast(configuration, scenario.limits)
        recommendations[pair] = Recommendation(
            configuration=configuration,
            origin=candidate.origin,
            quality=predicted_quality,
            seconds=forecast.seconds.expected,
            seconds_interval=forecast.seconds.interval,
            memory=forecast.memory.expected,
            memory_interval=forecast.memory.interval,
            failure=predicted_failure,
            because=because,
        )
    return list(recommendations.values())


def failure_shares(
    candidates: Sequence[Candidate], trials: Sequence[Evidence]
) -> tuple[np.ndarray, list[bool]]:
    """Return the chance that each candidate fails, where past trials are too few or too alike for a forest.

    It is a share with one failure and one success added (Laplace's rule), among the trials of its model and method.
    Where none failed, nothing tells those apart, and the share is that among all.

    Args:
        candidates: What may be recommended.
        trials: What is known; at least one.

    Returns:
        The chances, and for which candidates there were trials of their model and method.
    """
    failed_by_pair: dict[tuple[Scalar, Scalar], list[bool]] = {}
    failed: list[bool] = []
    for trial in trials:
        pair = trial.values.get("model"), trial.values.get("method")
        failed_by_pair.setdefault(pair, []).append(trial.failed)
        failed.append(trial.failed)
    chances: list[float] = []
    is_known: list[bool] = []
    for candidate in candidates:
        configuration = candidate.configuration
        of_pair = failed_by_pair.get((configuration.model, configuration.method), [])
        counted = of_pair if any(failed) else failed
        chances.append((sum(counted) + 1) / (len(counted) + 2))
        is_known.append(bool(of_pair))
    return np.asarray(chances), is_known


def reasons(
    encoder: Encoder, configuration: Configuration, neighbors: Sequence[Near]
) -> tuple[Near, ...]:
    """Return the past trials that are most like a configuration, among those of the same method or model."""
    similar: list[Near] = []
    values_of_similar = []
    for neighbor in neighbors:
        past = neighbor.experience.configuration
        if past.method == configuration.method or past.model == configuration.model:
            similar.append(neighbor)
            values_of_similar.append(past.values)
    if not similar:
        return ()
    rows = encoder.without_traits(encoder.rows(values_of_similar))
    row = encoder.without_traits(encoder.rows([configuration.values]))
    differences = np.linalg.norm(rows - row, axis=1)
    distances = np.asarray([neighbor.distance for neighbor in similar])
    # How unlike the configurations are, and how far the tasks.
    unlikeness = differences + distances
    most_similar = np.argsort(unlikeness, kind="stable")[:REASONS]
    return tuple(similar[index] for index in most_similar.tolist())


def _nearest_data(neighbors: Sequence[Near]) -> dict[str, float]:
    """Return the distance of each data set by its name, the nearest first."""
    distances: dict[str, float] = {}
    for neighbor in neighbors:
        name = neighbor.experience.data.name
        # Neighbours come the nearest first: a data set counts with its first.
        distances.setdefault(name, neighbor.distance)
    return distances


def _note(comparable: int, past: int, closeness: Nearness, *, predicts_quality: bool) -> str:
    """Return what a person must know of the basis of the advice.

    Args:
        comparable: How many past trials can be compared.
        past: How many there are.
        closeness: How near the nearest of their data sets is.
        predicts_quality: Whether enough of them succeeded to learn from.
    """
    if not comparable:
        content = "no past trials"
        if past:
            content = f"{past} past trials, none of which can be compared"
        return (
            f"The store has {content}: quality and failure are not predicted, only time and memory."
        )
    if not closeness.is_near:
        return (
            f"The store has nothing near this task ({closeness.in_words}): quality and failure are not predicted, "
            "only time and memory; the order is that of the space."
        )
    if not predicts_quality:
        return (
            f"Judged by {comparable} past trials, of which too few succeeded: quality is not predicted, only risk, "
            "time and memory."
        )
    return f"Judged by {comparable} past trials; quality is in standard deviations from a data set's mean."
