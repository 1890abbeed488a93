"""Past trials as evidence about the task at hand: their scores within their data set, weighted by its distance."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from xautolm.metalearning import (
    Distances,
    Mode,
    Near,
    WarmStart,
    decay,
    distances_of,
    is_negative,
    is_scored,
)
from xautolm.objectives import (
    TIME,
    Objective,
    lead_of,
    oriented_value,
    recorded_objectives,
    time_position,
)
from xautolm.records import Experience, Features
from xautolm.search import Evidence, standardised
from xautolm.traits import TraitReader

LARGEST_SCORE = 3.0
"""Standard deviations at which a quality's score ends: one very poor success must not press all others together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where a past trial stands among those on the same data."""

    scores: tuple[float, ...] | None
    """As evidence has them; None for a failure."""
    data: str
    """Which trials it was compared with."""
    units: tuple[float, ...]
    """By what each score was divided."""


NO_STANDING = Standing(scores=None, data="", units=())
"""Of a failure."""


def evidence_of(
    experiences: Sequence[Experience],
    current: Features,
    objectives: Sequence[Objective],
    options: WarmStart,
) -> list[Evidence]:
    """Return past trials as a sampler's models see them; see `weighed`.

    Args:
        experiences: Past trials; those that cannot be compared are left out.
        current: Meta-features of the task at hand.
        objectives: Of the search at hand.
        options: The knobs of the warm start.
    """
    distances = distances_of(experiences, current, options)
    return weighed(distances, objectives, options)


def weighed(
    distances: Distances,
    objectives: Sequence[Objective],
    options: WarmStart,
    traits: TraitReader | None = None,
    most: int | None = None,
) -> list[Evidence]:
    """Return past trials as a sampler's models see them.

    Qualities are in standard deviations within their data set, weights fall with the distance as the learning rates of
    the warm start do. All comparable experiences are evidence, however many shape the prior; of successes or failures
    that a setting takes none of, there is none here either.

    Args:
        distances: As `distances_of` returns them.
        objectives: Of the search at hand. An experience that lacks one stands in it as in the quality that
            led its own search.
        options: The knobs of the warm start.
        traits: Tells the traits that each trial had where it ran; none are kept without it.
        most: Only so many, those of the largest weight; all if None.
    """
    neighbors, _ = distances
    beta = decay([neighbor.distance for neighbor in neighbors], options)
    informative = _informative(neighbors, options, most)
    standings: dict[str, Standing] = {}
    if options.positives != Mode.NONE:
        # Their standing is that among all trials on their data, not only among those that are evidence.
        data_sets = {neighbor.experience.data_set for neighbor in informative}
        comparable = [neighbor.experience for neighbor in neighbors]
        on_same_data = [experience for experience in comparable if experience.data_set in data_sets]
        standings = standings_of(on_same_data, objectives)
    evidence = []
    for neighbor in informative:
        experience = neighbor.experience
        standing = standings.get(experience.id, NO_STANDING)
        item = Evidence(
            values=experience.configuration.values,
            scores=standing.scores,
            weight=math.exp(-beta * neighbor.distance),
            source=title(experience),
            data=standing.data,
            units=standing.units,
            traits=traits.of_experience(experience) if traits is not None else {},
        )
        evidence.append(item)
    return evidence


def _informative(neighbors: Sequence[Near], options: WarmStart, most: int | None) -> list[Near]:
    """Return the nearest neighbors from which something can be learned: they have scores, or failed by themselves.

    Args:
        neighbors: The nearest first.
        options: Whether successes and failures are taken.
        most: So many at most.
    """
    takes_successes = options.positives != Mode.NONE
    takes_failures = options.negatives != Mode.NONE
    informative: list[Near] = []
    for neighbor in neighbors:
        if len(informative) == most:
            break
        experience = neighbor.experience
        is_success = takes_successes and is_scored(experience)
        is_failure = takes_failures and is_negative(experience)
        if is_success or is_failure:
            informative.append(neighbor)
    return informative


def title(experience: Experience) -> str:
    """Return a past trial in a few words."""
    outcome = experience.outcome
    values = experience.configuration.values
    words = []
    for name in ("model", "method"):
        # Evidence may be of other searches than ours, whose configurations have neither model nor method.
        if name in values:
            words.append(str(values[name]))
    if outcome.failure is not None:
        words.append(outcome.failure.kind.value)
    else:
        objectives = recorded_objectives(experience)
        lead = lead_of(objectives)
        score = outcome.metrics[lead.name]
        words.append(f"{lead.name} {score:.3g}")
    text = " ".join(words)
    return f"{experience.data.name} trial {experience.trial}: {text}"


def standings_of(
    experiences: Sequence[Experience], objectives: Sequence[Objective]
) -> dict[str, Standing]:
    """Return the standing of every trial that did not fail, by its id.

    Qualities are in standard deviations from the mean of the data set; those of stopped trials are bounds.
    Runs of one data set are compared with each other: within a run with one success, that would stand at 0 however good
    it is. Scores end at three standard deviations; the time is minus its logarithm.
    """
    groups: dict[tuple[str, tuple[Objective, ...]], list[Experience]] = {}
    for experience in experiences:
        if not is_scored(experience):
            continue
        # What is measured differently (F1 here, accuracy there) is never compared.
        measures = tuple(_measure(experience, objective) for objective in objectives)
        group = (experience.data_set, measures)
        members = groups.setdefault(group, [])
        members.append(experience)
    time = time_position(objectives)
    standings: dict[str, Standing] = {}
    for (data, measures), members in groups.items():
        scores, units = _scores(members, measures, time)
        names = " ".join(measure.name for measure in measures)
        for experience, row in zip(members, scores.tolist(), strict=True):
            standing = Standing(scores=tuple(row), data=f"{data} {names}", units=units)
            standings[experience.id] = standing
    return standings


def _scores(
    members: Sequence[Experience], measures: Sequence[Objective], time: int | None
) -> tuple[np.ndarray, tuple[float, ...]]:
    """Return the scores of experiences of one data set, shape (experiences, objectives), and by what they were divided.

    Args:
        members: The experiences; all have a value of every measure.
        measures: What is compared, in the order of the search's objectives.
        time: Position of the evaluation time among them.
    """
    rows = []
    is_stopped = []
    for experience in members:
        outcome = experience.outcome
        rows.append([oriented_value(outcome, measure) for measure in measures])
        is_stopped.append(outcome.is_censored)
    values = np.asarray(rows)
    scores, units = standardised(values, measures, time, np.asarray(is_stopped, dtype=bool))
    limited: np.ndarray = np.clip(scores, -LARGEST_SCORE, LARGEST_SCORE)
    if time is not None:
        # A logarithm of seconds is no number of standard deviations: it is taken as it is.
        limited[:, time] = scores[:, time]
    return limited, units


def _measure(experience: Experience, objective: Objective) -> Objective:
    """Return the objective that is asked for; where an experience has no value of it, what stands in for it.

    That is the quality which led its own search, and for a cost of use the time that it took.
    """
    value = oriented_value(experience.outcome, objective)
    if math.isfinite(value):
        return objective
    # Most searches never measured them. Larger models are slower to train, too; how far that holds here, the trust in
    # the store's opinion of this objective tells after a few trials.
    if objective.is_cost_of_use and experience.outcome.whole_time is not None:
        return TIME
    # A store holds searches for other metrics: standing high in its own says of a trial that it was good.
    own_objectives = recorded_objectives(experience)
    return lead_of(own_objectives)
