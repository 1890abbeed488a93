"""Our own search: expected gain, judged by models of store and target, times the chance of success."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from xautolm.metrics import EVALUATION_TIME
from xautolm.records import Scalar
from xautolm.search.base import Strategy
from xautolm.search.encoding import Encoder
from xautolm.search.evidence import Evidence, Memory
from xautolm.search.space_sampler import SpaceSampler
from xautolm.search.surrogates import Prediction, Surrogates
from xautolm.space import Branch, Choice, Float, Int, Parameter, Space

if TYPE_CHECKING:
    from optuna.study import Study

FROM_PRIOR, MUTATED, UNIFORM = 100, 70, 50
"""Candidates of each origin."""
STARTUP = 4
"""Trials from the prior alone, where there is no evidence of other tasks."""
KEPT = 0.75
"""Share of the sites that a mutation leaves alone."""
STEP = 0.15
"""Standard deviation of a mutated number, relative to its range."""
QUALITY_SHARE = 1.0
"""Weight of the gain in quality alone, beside that in hypervolume."""
DOUBT_EVERY = 4
"""Every so many trials, the store's opinion of quality is left out: only trials that it would not choose can show that
it misleads."""
FAILURE_FADE = 0.25
"""The store's opinion of failure fades more slowly than that of quality: causes of failure carry over best."""
QUANTILES = np.asarray([-1.4, -0.6, 0.0, 0.6, 1.4])
"""Points of the normal distribution at which the gain is averaged."""


class XAutoLMSampler(SpaceSampler):
    """Proposes what is expected to gain most, judged by store and target together.

    All state is in the study's history, so a resumed study goes on as it would have.

    Args:
        space: The conditional space.
        seed: Same seed, history and memory, same proposal.
        memory: Prior and evidence; without it, the search begins from zero.
    """

    def __init__(self, space: Space, seed: int = 0, memory: Memory | None = None) -> None:
        super().__init__(space, seed)
        self.prior = memory.prior if memory else self.plain
        self.encoder = Encoder.of_space(space)
        self.surrogates = Surrogates(self.encoder, seed, memory.evidence if memory else ())

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """The best of some hundred candidates."""
        told = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        rng = np.random.default_rng([self.seed, trial.number])
        target = own_evidence(study, told, self.space)
        if len(target) < STARTUP and self.surrogates.quality_forest is None:
            return self.space.site_values(self.prior.sample(rng).values)
        believed = self.surrogates.trust_in_store(target)
        doubts = len(target) % DOUBT_EVERY == DOUBT_EVERY - 1
        trust = 0.0 if doubts else believed
        tried = {_key(one.values) for one in target} | {_key(one) for one in _pending(study, self.space)}
        candidates = [one for one in self._candidates(target, trust, rng) if _key(one) not in tried]
        if not candidates:  # a small space of which everything was tried
            return self.space.site_values(self.plain.sample(rng).values)
        prediction = self.surrogates.predict(target, self.encoder.rows(candidates), trust, believed**FAILURE_FADE)
        best = candidates[int(np.argmax(gain(prediction, target, has_time=_places(study)[1] is not None)))]
        return self.space.site_values(best)

    def _candidates(
        self, target: Sequence[Evidence], trust: float, rng: np.random.Generator
    ) -> list[Mapping[str, Scalar]]:
        """From the prior as far as the store is trusted, from the plain space, and near the target's best."""
        from_prior = round(trust * FROM_PRIOR)
        found: list[Mapping[str, Scalar]] = [self.prior.sample(rng).values for _ in range(from_prior)]
        found += [self.plain.sample(rng).values for _ in range(UNIFORM + FROM_PRIOR - from_prior)]
        parents = sorted((one for one in target if one.quality is not None), key=lambda one: -(one.quality or 0))[:6]
        found += [
            self._mutated(parents[index % len(parents)].values, rng) for index in range(MUTATED if parents else 0)
        ]
        return found

    def _mutated(self, parent: Mapping[str, Scalar], rng: np.random.Generator) -> Mapping[str, Scalar]:
        def choose(key: str, parameter: Parameter) -> Scalar:
            value = parent.get(parameter.name)
            if value is None or parameter.problem(value):
                return self.prior.beliefs[key].sample(parameter, rng)
            if rng.random() < KEPT:
                return value
            if isinstance(parameter, Choice | Branch):
                return self.prior.beliefs[key].sample(parameter, rng)
            return _stepped(parameter, float(str(value)), rng)

        return self.space.walk(choose).values


def own_evidence(study: Study, trials: Sequence[FrozenTrial], space: Space) -> list[Evidence]:
    """The study's own trials; qualities in standard deviations among its successes."""
    place, time = _places(study)
    sign = 1.0 if study.directions[place] == StudyDirection.MAXIMIZE else -1.0
    names = {key: parameter.name for key, parameter in space.sites().items()}
    failed = [any(value > 0 for value in trial.constraints.values()) for trial in trials]
    scores = np.asarray([sign * trial.values[place] for trial, bad in zip(trials, failed, strict=True) if not bad])
    mean, deviation = (float(scores.mean()), max(float(scores.std()), 1e-3)) if len(scores) else (0.0, 1.0)
    return [
        Evidence(
            values={names[key]: value for key, value in trial.params.items() if key in names},
            quality=None if bad else (sign * trial.values[place] - mean) / deviation,
            log_seconds=None if bad else (0.0 if time is None else float(np.log(max(trial.values[time], 1e-3)))),
            failed=bad,
        )
        for trial, bad in zip(trials, failed, strict=True)
    ]


def gain(prediction: Prediction, target: Sequence[Evidence], *, has_time: bool) -> np.ndarray:
    """Expected gain of each candidate over the target's trials, times the square of its chance of success.

    The gain is that in the hypervolume of quality and logarithmic time, plus that in quality alone, each averaged over
    quantiles of the predicted quality. The square: a failure costs a trial, and teaches less than a success.
    """
    good = [
        (one.quality, -one.log_seconds) for one in target if one.quality is not None and one.log_seconds is not None
    ]
    quality = prediction.quality[:, None] + prediction.deviation[:, None] * QUANTILES
    best = max((point[0] for point in good), default=float(prediction.quality.min()))
    expected = QUALITY_SHARE * np.maximum(quality - best, 0).mean(axis=1)
    if has_time:
        speed = np.repeat(-prediction.log_seconds[:, None], len(QUANTILES), axis=1)
        expected = expected + _volume_gain(quality, speed, good).mean(axis=1)
    # Where no candidate is expected to gain, the most promising one is still found.
    expected = expected + 1e-3 * np.exp(np.clip(prediction.quality + prediction.deviation - best, -20, 0))
    return np.asarray(expected * (1 - prediction.failure) ** 2)


def _volume_gain(quality: np.ndarray, speed: np.ndarray, points: Sequence[tuple[float, float]]) -> np.ndarray:
    """What points of these coordinates would add to the hypervolume of a front above a reference below everything."""
    low_quality = min([float(quality.min()), *(point[0] for point in points)])
    low_speed = min([float(speed.min()), *(point[1] for point in points)])
    front: list[tuple[float, float]] = []
    for point in sorted(points, reverse=True):
        if not front or point[1] > front[-1][1]:
            front.append(point)
    # Strips of speed from slow to fast: in each, the front is as high as its best point that is at least so fast.
    edges = [low_speed, *(one[1] for one in front), np.inf]
    heights = [*(one[0] for one in front), low_quality]
    total = np.zeros_like(quality)
    for left, right, height in zip(edges[:-1], edges[1:], heights, strict=True):
        total += np.clip(np.minimum(speed, right) - left, 0, None) * np.clip(quality - height, 0, None)
    return total


def _pending(study: Study, space: Space) -> list[Mapping[str, Scalar]]:
    """The configurations that run now."""
    names = {key: parameter.name for key, parameter in space.sites().items()}
    running = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
    return [{names[key]: value for key, value in trial.params.items() if key in names} for trial in running]


def _key(values: Mapping[str, Scalar]) -> frozenset[tuple[str, Scalar]]:
    return frozenset(values.items())


def _places(study: Study) -> tuple[int, int | None]:
    """Where among the objectives the first quality stands, and where the evaluation time, if it is one."""
    names = list(study.user_attrs.get("objectives", []))
    time = names.index(EVALUATION_TIME) if EVALUATION_TIME in names else None
    return (1 if time == 0 else 0), time


def _stepped(parameter: Float | Int, value: float, rng: np.random.Generator) -> Scalar:
    """A number near another, on the parameter's own scale."""
    low, high = (np.log([parameter.low, parameter.high])) if parameter.log else (parameter.low, parameter.high)
    place = (np.log(value) if parameter.log else value) + rng.normal(0, STEP * (high - low))
    moved = float(np.exp(place) if parameter.log else place)
    clipped = min(max(moved, parameter.low), parameter.high)
    return round(clipped) if isinstance(parameter, Int) else clipped


STRATEGIES = Strategy(
    name="xautolm",
    title="learned models of quality, time and failure over store and target",
    make=XAutoLMSampler,
    memory="evidence",
)
