"""Which configuration is worth a trial next, judged by models of store and target; knows nothing of Optuna."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from xautolm.records import Scalar, as_float
from xautolm.search.acquisition import gain
from xautolm.search.encoding import Encoder
from xautolm.search.evidence import Evidence, Memory
from xautolm.search.surrogates import Surrogates
from xautolm.space import Branch, Choice, Parameter, Prior, Space

FROM_PRIOR, MUTATED, UNIFORM = 100, 70, 50
"""Candidates of each origin."""
PAST = 30
"""How many of the store's best configurations are candidates as they are."""
PARENTS = 6
"""How many of the best trials are mutated; the store's best stand in while the target has fewer."""
LARGEST_TRUST = 0.85
"""Share of the proposals that follow the store when it is trusted wholly: only trials that it would not choose can show
that it misleads."""
FIRST = 3
"""Trials of the target's own before which a store is followed: fewer cannot contradict it, and a search from zero
begins with random trials, of which on real tasks about half learn nothing."""
BEARABLE, DOOMED = 0.3, 0.35
"""Chance of failure up to which a candidate is proposed, if there is any such; and from which on a proposal of the
search from zero, which has no others to offer, is passed over."""
PRIOR_TRUST = 0.5
"""Share of the proposals drawn from the prior where the store has failures only, of which no model can learn."""
FROM_ZERO = "search from zero"
KEPT = 0.75
"""Share of the sites that a mutation leaves alone."""
STEP = 0.15
"""Standard deviation of a mutated number, relative to its range."""
FAILURE_FADE = 0.25
"""The store's opinion of failure fades more slowly than that of quality: causes of failure carry over best."""
REASONS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A configuration and where it came from."""

    values: Mapping[str, Scalar] | None
    """By plain parameter name; None leaves the choice to a search from zero."""
    failure_trust: float
    """How far the store's opinion of failure counts."""
    explanation: Mapping[str, Any]
    """JSON values: `origin`; where models chose, also `trust` in the store, `expected` scores, chance of `failure`, and
    the past trials most like it as `because`."""


@dataclass(slots=True)
class Proposer:
    """Draws candidates from the prior, the plain space and near the best trials, and chooses the one that gains most.

    Args:
        space: The conditional space.
        seed: Of the models.
        memory: Prior and evidence; without it, a search begins from zero.
    """

    space: Space
    seed: int
    memory: Memory | None
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
        self.surrogates = Surrogates(self.encoder, self.seed, self.memory.evidence if self.memory else ())
        successes = [one for one in self.surrogates.heaviest if not one.failed]
        past: list[Evidence] = []
        for success in successes:
            configuration = self.space.adopt(success.values).completed()
            if configuration is not None:
                past.append(replace(success, values=configuration.values))
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
        """The next configuration.

        Args:
            target: The target's own trials.
            pending: Configurations that run now.
            rng: The only source of chance.
            objectives: Their number.
            lead: Position of the first quality among them.
            time: Position of the evaluation time, if it is one: what the store says of it is believed throughout, for
                the same seconds mean the same on every task.
        """
        believed = self._trust(target, objectives)
        failure_trust = float(believed[lead]) ** FAILURE_FADE
        if self._begins_from_zero(target, float(believed[lead]), rng):
            return Proposal(
                values=None,
                failure_trust=failure_trust,
                explanation={"origin": FROM_ZERO, "trust": round(float(believed[lead]), 3)},
            )
        if self.surrogates.score_forest is None:
            return Proposal(
                values=self.prior.sample(rng).values, failure_trust=failure_trust, explanation={"origin": "prior"}
            )
        trust = believed.copy()
        trust[[time] if time is not None else []] = 1.0
        tried = {_key(one.values) for one in target} | {_key(one) for one in pending}
        candidates = [
            one for one in self._candidates(target, float(trust[lead]), lead, rng) if _key(one[0]) not in tried
        ]
        if not candidates:  # a small space of which everything was tried
            return Proposal(
                values=self.plain.sample(rng).values,
                failure_trust=failure_trust,
                explanation={"origin": "everything was tried"},
            )
        rows = self.encoder.rows(values for values, _ in candidates)
        prediction = self.surrogates.predict(target, rows, trust, failure_trust)
        gains = gain(prediction, target, lead=lead, time=time)
        bearable = prediction.failure <= max(BEARABLE, float(prediction.failure.min()))
        best = int(np.argmax(np.where(bearable, gains, -1.0)))
        values, origin = candidates[best]
        explanation = {
            "origin": origin,
            "trust": round(float(trust[lead]), 3),
            "expected": [round(float(score), 3) for score in prediction.scores[best]],
            "failure": round(float(prediction.failure[best]), 3),
            "because": self.reasons(rows[best]) if trust[lead] > 0 else [],
        }
        return Proposal(values=values, failure_trust=failure_trust, explanation=explanation)

    def _begins_from_zero(self, target: Sequence[Evidence], trust: float, rng: np.random.Generator) -> bool:
        """Whether to leave a proposal to a search from zero: with the chance that the store misleads; without a store,
        always; with one, not before the target's own trials could contradict it."""
        chance = 1 - min(trust, LARGEST_TRUST)
        return rng.random() < chance and (len(target) >= FIRST or trust == 0)

    def is_doomed(self, target: Sequence[Evidence], values: Mapping[str, Scalar], trust: float) -> bool:
        """Whether a configuration is too likely to fail, for a trust in the store's opinion of failure."""
        return bool(self.surrogates.failure(target, self.encoder.rows([values]), trust)[0] > DOOMED)

    def _trust(self, target: Sequence[Evidence], objectives: int) -> np.ndarray:
        if self.surrogates.score_forest is None and self.prior != self.plain:
            return np.full(objectives, PRIOR_TRUST)
        return self.surrogates.trust_in_store(target, objectives)

    def reasons(self, row: np.ndarray) -> list[str]:
        """The past trials most like an encoded configuration, weighed by how much they count."""
        gaps = np.linalg.norm(self.surrogates.rows - row, axis=1) - np.log(self.surrogates.weights)
        nearest = np.argsort(gaps, kind="stable")[:REASONS].tolist()
        return [self.surrogates.heaviest[index].source for index in nearest]

    def _candidates(
        self, target: Sequence[Evidence], trust: float, lead: int, rng: np.random.Generator
    ) -> list[tuple[Mapping[str, Scalar], str]]:
        """Configurations and their origins: from the prior as far as the store is trusted, from the plain space, the
        store's best, and near the target's best."""
        from_prior = round(trust * FROM_PRIOR)
        found = [(self.prior.sample(rng).values, "prior") for _ in range(from_prior)]
        found += [
            (self.space.walk(lambda key, one: _uniform(one, rng)).values, "uniform")
            for _ in range(UNIFORM + FROM_PRIOR - from_prior)
        ]
        past = _best(self.past, lead)[:PAST]
        found += [(one.values, f"as {one.source}") for one in past]
        parents = (_best(target, lead)[:PARENTS] + past)[:PARENTS]
        for index in range(MUTATED if parents else 0):
            parent = parents[index % len(parents)]
            found.append((self._mutated(parent.values, rng), f"mutation of {parent.source}"))
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
            share = parameter.to_unit(as_float(value)) + float(rng.normal(0, STEP))
            return parameter.from_unit(share)

        return self.space.walk(choose).values


def _best(trials: Sequence[Evidence], lead: int) -> list[Evidence]:
    """Successes, those first that lead in the first quality on the nearest tasks."""
    scored = [(one.scores[lead] * one.weight, one) for one in trials if one.scores is not None]
    return [one for _, one in sorted(scored, key=lambda pair: -pair[0])]


def _uniform(parameter: Parameter, rng: np.random.Generator) -> Scalar:
    """Any value, as likely as any other on the parameter's own scale."""
    if isinstance(parameter, Choice | Branch):
        return parameter.options[int(rng.integers(len(parameter.options)))]
    return parameter.from_unit(float(rng.uniform()))


def _key(values: Mapping[str, Scalar]) -> frozenset[tuple[str, Scalar]]:
    return frozenset(values.items())
