"""Which configuration is worth a trial next, judged by models of store and target; knows nothing of Optuna."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from xautolm.records import Scalar, as_float
from xautolm.search.acquisition import acquisition
from xautolm.search.encoding import Encoder
from xautolm.search.evidence import Evidence, Memory
from xautolm.search.settings import DEFAULTS, SearchSettings
from xautolm.search.surrogates import Prediction, Surrogates
from xautolm.space import Branch, Choice, Parameter, Prior, Space

FROM_ZERO = "search from zero"
"""Origin of a proposal that is left to a search without a store."""
REASONS = 3
"""Past trials that an explanation names."""
DIGITS = 3
"""Decimals of the numbers in an explanation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A configuration and where it came from."""

    values: Mapping[str, Scalar] | None
    """By plain parameter name; None leaves the choice to a search from zero."""
    failure_trust: float
    """How far the store's opinion of failure counts."""
    explanation: Mapping[str, object]
    """JSON values: `origin`; where models chose, also `trust` in the store, `expected` scores, chance of `failure`, and
    the past trials most like it as `because`."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A configuration that may be proposed."""

    values: Mapping[str, Scalar]
    """By plain parameter name."""
    origin: str

    @property
    def key(self) -> frozenset[tuple[str, Scalar]]:
        """Return what two candidates share only if they are the same configuration."""
        return _key(self.values)


@dataclass(slots=True)
class Proposer:
    """Draw candidates from the prior, the plain space and near the best trials, and choose the one that gains most.

    Args:
        space: The conditional space.
        seed: Of the models.
        memory: Prior and evidence; without it, a search begins from zero.
        settings: The tuned numbers.
    """

    space: Space
    seed: int
    memory: Memory | None
    settings: SearchSettings = DEFAULTS
    plain: Prior = field(init=False)
    prior: Prior = field(init=False)
    encoder: Encoder = field(init=False)
    surrogates: Surrogates = field(init=False)
    past: Sequence[Evidence] = field(init=False)
    """The store's successes as configurations of the space, as far as they can be."""

    def __post_init__(self) -> None:
        self.plain = Prior.plain(self.space)
        self.prior = self.memory.prior if self.memory else self.plain
        self.encoder = Encoder.of_space(self.space)
        store = self.memory.evidence if self.memory else ()
        self.surrogates = Surrogates(self.encoder, self.seed, store, self.settings)
        past: list[Evidence] = []
        for evidence in self.surrogates.heaviest:
            if evidence.failed:
                continue
            configuration = self.space.adopt(evidence.values).completed()
            if configuration is not None:
                past.append(replace(evidence, values=configuration.values))
        self.past = past

    def propose(
        self,
        target: Sequence[Evidence],
        pending: Sequence[Mapping[str, Scalar]],
        rng: np.random.Generator,
        *,
        objectives: int,
        lead: int,
        time: int | None,
    ) -> Proposal:
        """Return the next configuration.

        Args:
            target: The target's own trials.
            pending: Configurations that run now.
            rng: The only source of chance.
            objectives: Their number.
            lead: Position of the first quality among them.
            time: Position of the evaluation time, if it is one: what the store says of it is believed throughout, for
                the same seconds mean the same on every task.
        """
        trust = self._trust(target, objectives)
        lead_trust = float(trust[lead])
        failure_trust = lead_trust**self.settings.failure_fade
        if self._begins_from_zero(target, lead_trust, rng):
            explanation: dict[str, object] = {
                "origin": FROM_ZERO,
                "trust": round(lead_trust, DIGITS),
            }
            return Proposal(values=None, failure_trust=failure_trust, explanation=explanation)
        if self.surrogates.score_forest is None:
            # The store has failures only: no model of quality, but a prior that leads away from them.
            values = self.prior.sample(rng).values
            return Proposal(
                values=values, failure_trust=failure_trust, explanation={"origin": "prior"}
            )
        if time is not None:
            trust[time] = 1.0

        tried = {_key(evidence.values) for evidence in target}
        tried.update(_key(values) for values in pending)
        drawn = self._candidates(target, float(trust[lead]), lead, rng)
        candidates = [candidate for candidate in drawn if candidate.key not in tried]
        if not candidates:  # a small space of which everything was tried
            values = self.plain.sample(rng).values
            return Proposal(
                values=values,
                failure_trust=failure_trust,
                explanation={"origin": "everything was tried"},
            )

        rows = self.encoder.rows(candidate.values for candidate in candidates)
        prediction = self.surrogates.predict(target, rows, trust, failure_trust)
        worth = acquisition(prediction, target, lead=lead, time=time, settings=self.settings)
        # Where every candidate is likely to fail, the least likely one is still bearable.
        largest_failure = max(self.settings.bearable_failure, float(prediction.failure.min()))
        worth = np.where(prediction.failure <= largest_failure, worth, -1.0)
        best = int(np.argmax(worth))
        explanation = self._explanation(
            candidates[best], prediction, best, rows[best], float(trust[lead])
        )
        return Proposal(
            values=candidates[best].values, failure_trust=failure_trust, explanation=explanation
        )

    def _explanation(
        self,
        candidate: Candidate,
        prediction: Prediction,
        position: int,
        row: np.ndarray,
        trust: float,
    ) -> dict[str, object]:
        """Return why a candidate was chosen, as JSON values; `row` is the candidate encoded, shape (columns,)."""
        scores = prediction.scores[position].tolist()
        # What is not trusted is no reason.
        reasons = self.reasons(row) if trust > 0 else []
        return {
            "origin": candidate.origin,
            "trust": round(trust, DIGITS),
            "expected": [round(score, DIGITS) for score in scores],
            "failure": round(float(prediction.failure[position]), DIGITS),
            "because": reasons,
        }

    def is_likely_to_fail(
        self, target: Sequence[Evidence], values: Mapping[str, Scalar], trust: float
    ) -> bool:
        """Return whether a configuration is too likely to fail, for a trust in the store's opinion of failure."""
        rows = self.encoder.rows([values])
        chance = self.surrogates.failure(target, rows, trust)[0]
        return bool(chance > self.settings.largest_failure)

    def reasons(self, row: np.ndarray) -> list[str]:
        """Return the past trials most like an encoded configuration, weighed by how much they count."""
        gaps = np.linalg.norm(self.surrogates.rows - row, axis=1) - np.log(self.surrogates.weights)
        nearest = np.argsort(gaps, kind="stable")[:REASONS].tolist()
        return [self.surrogates.heaviest[index].source for index in nearest]

    def _trust(self, target: Sequence[Evidence], objectives: int) -> np.ndarray:
        """Return how far the store is followed in each objective, shape (objectives,)."""
        if self.surrogates.score_forest is None and self.prior != self.plain:
            return np.full(objectives, self.settings.prior_trust)
        return self.surrogates.trust_in_store(target, objectives)

    def _begins_from_zero(
        self, target: Sequence[Evidence], trust: float, rng: np.random.Generator
    ) -> bool:
        """Return whether to leave a proposal to a search from zero.

        That is so with the chance that the store misleads: without a store, always; with one, not before the target's
        own trials could contradict it.
        """
        chance = 1 - min(trust, self.settings.largest_trust)
        is_chosen = rng.random() < chance
        can_contradict = len(target) >= self.settings.trials_to_contradict
        return is_chosen and (can_contradict or trust == 0)

    def _candidates(
        self, target: Sequence[Evidence], trust: float, lead: int, rng: np.random.Generator
    ) -> list[Candidate]:
        """Return candidates: from the prior as far as the store is trusted, from the plain space, the store's best, and
        near the target's best."""
        settings = self.settings
        candidates = []
        from_prior = round(trust * settings.prior_candidates)
        for _ in range(from_prior):
            candidates.append(Candidate(self.prior.sample(rng).values, "prior"))

        def uniform(key: str, parameter: Parameter) -> Scalar:
            return _uniform(parameter, rng)

        for _ in range(settings.uniform_candidates + settings.prior_candidates - from_prior):
            candidates.append(Candidate(self.space.walk(uniform).values, "uniform"))
        past = _best(self.past, lead)[: settings.past_candidates]
        for evidence in past:
            candidates.append(Candidate(evidence.values, f"as {evidence.source}"))
        own_best = _best(target, lead)[: settings.parents]
        parents = (own_best + past)[: settings.parents]
        if not parents:
            return candidates
        for index in range(settings.mutations):
            parent = parents[index % len(parents)]
            mutation = self._mutated(parent.values, rng)
            candidates.append(Candidate(mutation, f"mutation of {parent.source}"))
        return candidates

    def _mutated(
        self, parent: Mapping[str, Scalar], rng: np.random.Generator
    ) -> Mapping[str, Scalar]:
        """Return a configuration near another: most parameters as they are, some numbers moved, some options drawn."""

        def choose(key: str, parameter: Parameter) -> Scalar:
            value = parent.get(parameter.name)
            if value is None or parameter.problem(value):
                return self.prior.beliefs[key].sample(parameter, rng)
            if rng.random() < self.settings.mutation_keeps:
                return value
            if isinstance(parameter, Choice | Branch):
                return self.prior.beliefs[key].sample(parameter, rng)
            step = float(rng.normal(0, self.settings.mutation_step))
            return parameter.from_unit(parameter.to_unit(as_float(value)) + step)

        return self.space.walk(choose).values


def _best(trials: Sequence[Evidence], lead: int) -> list[Evidence]:
    """Return the successes, those first that lead in the first quality on the nearest tasks."""
    scored = []
    for evidence in trials:
        if evidence.scores is not None:
            scored.append((evidence.scores[lead] * evidence.weight, evidence))
    scored.sort(key=lambda pair: pair[0], reverse=True)
    return [evidence for _, evidence in scored]


def _uniform(parameter: Parameter, rng: np.random.Generator) -> Scalar:
    """Return any value, as likely as any other on the parameter's own scale."""
    if isinstance(parameter, Choice | Branch):
        return parameter.options[int(rng.integers(len(parameter.options)))]
    return parameter.from_unit(float(rng.uniform()))


def _key(values: Mapping[str, Scalar]) -> frozenset[tuple[str, Scalar]]:
    """Return what two configurations share only if their values are equal."""
    return frozenset(values.items())
