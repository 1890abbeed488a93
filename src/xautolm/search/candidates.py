"""Which configuration is worth a trial next, judged by models of store and target; knows nothing of Optuna."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations

import numpy as np
from numpy.random import Generator

from xautolm.objectives import hypervolume_improvement
from xautolm.records import Scalar, Values, as_float
from xautolm.search.acquisition import acquisition
from xautolm.search.encoding import Encoder
from xautolm.search.evidence import Evidence, Memory, Traits, Trials, scores_of
from xautolm.search.known import are_known
from xautolm.search.past_runs import normal_scores
from xautolm.search.settings import DEFAULTS, SearchSettings
from xautolm.search.surrogates import Prediction, Surrogates, Target, Trust
from xautolm.space import Branch, Choice, Parameter, Prior, Space

FROM_ZERO = "search from zero"
"""Origin of a proposal that is left to a search without a store."""
REASONS = 3
"""Past trials that an explanation names."""
DIGITS = 3
"""Decimals of the numbers in an explanation."""
CORNER_GAP = 0.1
"""Distance of the reference point to the worst trials, in normal scores."""
TIE_BREAK = 1e-6
"""Weight of the plain sum of objectives where trials add nothing to the hypervolume."""
UNBEARABLE = -1.0
"""Worth of a candidate that is too likely to fail: below that of any other, which is 0 at least."""


Key = frozenset[tuple[str, Scalar]]
"""What two configurations share only if all their values are equal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A configuration and where it came from."""

    values: Values | None
    """By plain parameter name; None leaves the choice to a search from zero."""
    failure_trust: float
    """How far the store's opinion of failure counts."""
    explanation: Mapping[str, object]
    """JSON values: `origin`; where models chose, also `trust` in the store, `expected` scores, chance of `failure`, and
    the past trials most like it as `because`."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A configuration that may be proposed."""

    values: Values
    """By plain parameter name."""
    origin: str
    """Where it comes from, for people."""


@dataclass(slots=True)
class Proposer:
    """Draw candidates from the prior, the plain space and near the best trials, and choose the one that gains most.

    Args:
        space: The conditional space.
        seed: Of the models.
        memory: Prior and evidence; without it, a search begins from zero.
        settings: The tuned numbers.
        possible: Returns the configuration that a study has in place of one of the space, whose numbers know no steps.
        repeats: Whether what was tried may be proposed once nothing is new. A search of ours ends then.
    """

    space: Space
    seed: int
    memory: Memory | None
    settings: SearchSettings = DEFAULTS
    possible: Callable[[Values], Values] = dict
    repeats: bool = False
    plain: Prior = field(init=False)
    prior: Prior = field(init=False)
    encoder: Encoder = field(init=False)
    surrogates: Surrogates = field(init=False)
    past_best: list[Evidence] = field(init=False)
    """The best trials of each past data set, as configurations of the space; the nearest data set's first."""

    def __post_init__(self) -> None:
        # Without a store, the prior is the plain one, and the models have nothing to learn from.
        self.plain = Prior.plain(self.space)
        self.prior = self.plain
        store: Trials = ()
        traits: Traits | None = None
        if self.memory:
            self.prior = self.memory.prior
            store = self.memory.evidence
            traits = self.memory.traits
        self.encoder = Encoder.of_space(self.space, traits)
        self.surrogates = Surrogates(self.encoder, self.seed, store, self.settings)
        self.past_best = self._past_best()

    def _adopted(self, store: Trials) -> list[Evidence]:
        """Return past successes as configurations of this space; those without a place in it are left out."""
        adopted: list[Evidence] = []
        for evidence in store:
            if evidence.failed:
                continue
            adoption = self.space.adopt(evidence.values)
            configuration = adoption.completed()
            if configuration is not None:
                inside = replace(evidence, values=configuration.values)
                adopted.append(inside)
        return adopted

    def _past_best(self) -> list[Evidence]:
        """Return the trials that lead in their data set, as far as they have a place in this space."""
        by_data: dict[str, list[Evidence]] = {}
        for evidence in self._adopted(self.surrogates.heaviest):
            by_data.setdefault(evidence.data, []).append(evidence)
        nearest_first = sorted(by_data.values(), key=lambda trials: -trials[0].weight)
        best: list[Evidence] = []
        for trials in nearest_first:
            best += leaders(trials, self.settings.leaders)
        return best[: self.settings.past_candidates]

    def propose(
        self,
        target: Trials,
        pending: Sequence[Values],
        rng: Generator,
        *,
        objectives: int,
        lead: int,
        time: int | None,
    ) -> Proposal:
        """Return the next configuration.

        Args:
            target: The target's own trials.
            pending: Configurations that run now, and others that are not to be proposed.
            rng: The only source of chance.
            objectives: Their number.
            lead: Position of the first quality among them.
            time: Position of the evaluation time, if it is one of them.
        """
        view = self.surrogates.look_at(target, objectives)
        # How far the store is followed in each objective, shape (objectives,).
        trust = self._trust(view)
        overall_trust = self._overall(trust, lead)
        # Causes of failure carry over from task to task better than qualities do: that trust fades more slowly.
        failure_trust = overall_trust**self.settings.failure_fade

        explanation: dict[str, object] = {
            "origin": FROM_ZERO,
            "trust": round(overall_trust, DIGITS),
        }
        if self._begins_from_zero(target, overall_trust, rng):
            return Proposal(values=None, failure_trust=failure_trust, explanation=explanation)

        # A store with few successes, or with failures only, has no model of quality, but a prior that says something.
        has_quality = self.surrogates.past is not None
        if has_quality:
            candidates = self._candidates(target, overall_trust, rng)
        else:
            candidates = self._drawn_from_prior(self.settings.prior_candidates, rng)
        candidates = [
            replace(candidate, values=self.possible(candidate.values)) for candidate in candidates
        ]
        # A configuration that was tried, or runs now, would teach nothing new.
        new = untried(candidates, target, pending)
        if new or not self.repeats:
            candidates = new
        if not candidates:
            # In a small space everything may have been tried; the study ends the search after some such proposals.
            drawn = self.plain.sample(rng)
            explanation = {"origin": "everything was tried"}
            return Proposal(
                values=drawn.values, failure_trust=failure_trust, explanation=explanation
            )

        if has_quality:
            chosen, expected = self._worth_most(candidates, view, failure_trust, lead, time)
            explanation |= expected
            # What is not trusted is no reason.
            explanation["because"] = self.reasons(chosen.values) if overall_trust > 0 else []
        else:
            chosen = self._first_bearable(candidates, view, failure_trust)
        explanation["origin"] = chosen.origin
        return Proposal(values=chosen.values, failure_trust=failure_trust, explanation=explanation)

    def _worth_most(
        self,
        candidates: list[Candidate],
        target: Target,
        failure_trust: float,
        lead: int,
        time: int | None,
    ) -> tuple[Candidate, dict[str, object]]:
        """Return the candidate of which the models expect most, and what they expect of it, as JSON values."""
        # One row for each candidate, in their order, as in all that is computed of them.
        rows = self.encoder.rows(candidate.values for candidate in candidates)
        candidates, rows = self._of_known(candidates, rows, target.trials)
        prediction = self.surrogates.predict(target, rows, failure_trust)
        worth = acquisition(prediction, lead=lead, time=time, settings=self.settings)
        best = most_worth(worth, prediction.failure, self.settings.bearable_failure)
        return candidates[best], expectation(prediction, best)

    def _first_bearable(
        self, candidates: list[Candidate], target: Target, failure_trust: float
    ) -> Candidate:
        """Return the first candidate that is not too likely to fail; the least likely one where all are."""
        rows = self.encoder.rows(candidate.values for candidate in candidates)
        failure = self.surrogates.failure(target.trials, rows, failure_trust)
        first = first_bearable(failure, self.settings.largest_failure)
        return candidates[first]

    def _of_known(
        self, candidates: list[Candidate], rows: np.ndarray, target: Trials
    ) -> tuple[list[Candidate], np.ndarray]:
        """Return the candidates that models can judge, with their rows; all of them where there is none."""
        own_rows = self.encoder.rows(trial.values for trial in target)
        tried = np.concatenate([self.surrogates.rows, own_rows])
        (positions,) = are_known(self.encoder, rows, tried).nonzero()
        if not len(positions):
            return candidates, rows
        return [candidates[position] for position in positions], rows[positions]

    def is_likely_to_fail(self, target: Trials, values: Values, trust: float) -> bool:
        """Return whether a configuration is too likely to fail, for a trust in the store's opinion of failure."""
        return self.chance_of_failure(target, values, trust) > self.settings.largest_failure

    def chance_of_failure(self, target: Trials, values: Values, trust: float) -> float:
        """Return how likely a configuration is to fail, for a trust in the store's opinion of failure."""
        rows = self.encoder.rows([values])
        chances = self.surrogates.failure(target, rows, trust)
        return float(chances[0])

    def reasons(self, values: Values) -> list[str]:
        """Return the past trials most like a configuration."""
        # Shape (columns,).
        (row,) = self.encoder.rows([values])
        # Shape (experiences, columns).
        past_rows = self.encoder.without_traits(self.surrogates.rows)
        differences = past_rows - row[: past_rows.shape[1]]
        # Shape (experiences,), as all that follows.
        distances = np.linalg.norm(differences, axis=1)
        # An experience that weighs e times as much may be one unit farther away.
        allowance = np.log(self.surrogates.weights)
        penalized = distances - allowance
        nearest_first = np.argsort(penalized, kind="stable")
        sources: list[str] = []
        for position in nearest_first[:REASONS]:
            experience = self.surrogates.heaviest[position]
            sources.append(experience.source)
        return sources

    def _trust(self, target: Target) -> Trust:
        """Return how far the store is followed in each objective, shape (objectives,)."""
        # A prior that knows something, and too few successes to learn of: what moved it were these and failures.
        has_prior_only = self.surrogates.past is None and self.prior != self.plain
        if has_prior_only:
            # There is no opinion of quality that could agree or disagree with the target's trials. So each of them
            # counts as one that does neither: what the target learns by itself takes over.
            weight = self.settings.trust_weight
            share = weight / (weight + len(target.trials))
            return np.full(target.scores.shape[1], self.settings.prior_trust * share)
        return self.surrogates.trust_in_store(target)

    def _overall(self, trust: Trust, lead: int) -> float:
        """Return how far the store is followed: as in the lead objective; where none leads, the geometric mean.

        So a store that misleads in one of several objectives fades, however right it is in another.
        """
        if self.settings.lead_share > 0:
            return float(trust[lead])
        return float(trust.prod() ** (1 / len(trust)))

    def _begins_from_zero(self, target: Trials, trust: float, rng: Generator) -> bool:
        """Return whether to leave a proposal to a search from zero.

        That is the likelier, the less the store is trusted: without a store, it is certain; with one, it never happens
        before the target's own trials could contradict it.
        """
        # However far the store is trusted, some proposals are not its own: only those can show that it misleads.
        largest_trust = self.settings.largest_trust
        chance = 1 - min(trust, largest_trust)
        # Drawn in any case, so that what is drawn after it does not depend on the number of trials.
        is_drawn = rng.random() < chance
        has_store = trust > 0
        can_contradict = len(target) >= self.settings.trials_to_contradict
        if has_store and not can_contradict:
            return False
        return is_drawn

    def _candidates(self, target: Trials, trust: float, rng: Generator) -> list[Candidate]:
        """Return candidates: from the prior as far as the store is trusted, from the plain space, the store's best, and
        near the target's best."""
        settings = self.settings
        candidates: list[Candidate] = []
        # A store that misleads makes a prior that misleads: then its share is drawn from the plain space instead.
        prior_count = round(trust * settings.prior_candidates)
        uniform_count = settings.uniform_candidates + settings.prior_candidates - prior_count
        candidates += self._drawn_from_prior(prior_count, rng)

        def uniform(key: str, parameter: Parameter) -> Scalar:
            return _uniform(parameter, rng)

        for _ in range(uniform_count):
            configuration = self.space.walk(uniform)
            candidate = Candidate(configuration.values, "uniform")
            candidates.append(candidate)

        # The store's best as they were, and as parents: on made-up tasks F1 after 2 trials rose from 0.527 to 0.592.
        for evidence in self.past_best:
            candidate = Candidate(evidence.values, f"as {evidence.source}")
            candidates.append(candidate)

        # The target's own best come first as parents; the store's stand in while there are too few.
        own_best = leaders(target, settings.parents)
        parents = own_best + self.past_best
        parents = parents[: settings.parents]
        if not parents:
            return candidates
        for index in range(settings.mutations):
            # In turn, so that each parent has about as many mutations.
            parent = parents[index % len(parents)]
            values = self._mutated(parent.values, rng)
            candidate = Candidate(values, f"mutation of {parent.source}")
            candidates.append(candidate)
        return candidates

    def _drawn_from_prior(self, count: int, rng: Generator) -> list[Candidate]:
        """Return so many candidates from the prior."""
        candidates: list[Candidate] = []
        for _ in range(count):
            configuration = self.prior.sample(rng)
            candidate = Candidate(configuration.values, "prior")
            candidates.append(candidate)
        return candidates

    def _mutated(self, parent: Values, rng: Generator) -> Values:
        """Return a configuration near another: most parameters as they are, some numbers moved, some options drawn."""

        def mutate(key: str, parameter: Parameter) -> Scalar:
            value = parent.get(parameter.name)
            return self._mutated_value(key, parameter, value, rng)

        configuration = self.space.walk(mutate)
        return configuration.values

    def _mutated_value(
        self, key: str, parameter: Parameter, value: Scalar, rng: Generator
    ) -> Scalar:
        """Return the value of a mutation at a site, given that of its parent; None where the parent has none."""
        belief = self.prior.beliefs[key]
        # Another option of a branch above may open parameters that the parent does not have.
        if value is None or parameter.problem(value):
            return belief.sample(parameter, rng)
        if rng.random() < self.settings.mutation_keeps:
            return value
        # Options have no neighbours, so a changed one is drawn anew.
        if isinstance(parameter, Choice | Branch):
            return belief.sample(parameter, rng)
        share = parameter.to_unit(as_float(value))
        step = float(rng.normal(0, self.settings.mutation_step))
        # A step beyond the range ends at its border.
        return parameter.from_unit(share + step)


def untried(
    candidates: Sequence[Candidate], target: Trials, pending: Sequence[Values]
) -> list[Candidate]:
    """Return the candidates that neither ended nor run now."""
    tried: set[Key] = set()
    for trial in target:
        tried.add(_key(trial.values))
    for values in pending:
        tried.add(_key(values))
    remaining: list[Candidate] = []
    for candidate in candidates:
        if _key(candidate.values) not in tried:
            remaining.append(candidate)
    return remaining


def first_bearable(failure: np.ndarray, bearable: float) -> int:
    """Return the position of the first chance of failure that is bearable; of the smallest where none is.

    Args:
        failure: Chances, shape (candidates,).
        bearable: The largest bearable one.
    """
    (positions,) = (failure <= bearable).nonzero()
    if len(positions):
        return int(positions[0])
    return int(np.argmin(failure))


def most_worth(worth: np.ndarray, failure: np.ndarray, bearable: float) -> int:
    """Return the position of the candidate that is worth most, of those whose chance of failure is bearable.

    Args:
        worth: The acquisition function, at least 0, shape (candidates,).
        failure: Chance of failure, shape (candidates,).
        bearable: The largest bearable chance.
    """
    # Where every candidate is likely to fail, the least likely one is still bearable.
    least = float(failure.min())
    largest = max(bearable, least)
    is_bearable = failure <= largest
    worth_if_bearable = np.where(is_bearable, worth, UNBEARABLE)
    return int(np.argmax(worth_if_bearable))


def expectation(prediction: Prediction, position: int) -> dict[str, object]:
    """Return what is expected of the candidate at a position, as JSON values."""
    expected: list[float] = []
    for score in prediction.scores[position].tolist():
        rounded = round(score, DIGITS)
        expected.append(rounded)
    failure = float(prediction.failure[position])
    return {"expected": expected, "failure": round(failure, DIGITS)}


def leaders(trials: Trials, count: int) -> list[Evidence]:
    """Return the successes that lead, at most so many: each adds most to the hypervolume of those before it.

    Of one objective these are simply the best. Objectives count as ranks, for their units cannot be compared.
    """
    successes = [evidence for evidence in trials if evidence.scores is not None]
    if not successes:
        return []
    scores = scores_of(successes, len(successes[0].scores or ()))
    ranks = normal_scores(scores)
    objectives = ranks.shape[1]
    # Slightly below the worst, so that the best in one objective gain something even if they are the worst in another.
    corner = ranks.min(axis=0) - CORNER_GAP
    chosen: list[int] = []
    while len(chosen) < min(count, len(successes)):
        gains = (ranks - corner).sum(axis=1) * TIE_BREAK
        if objectives == 1:
            gains = ranks[:, 0] - corner[0]
        for first, second in combinations(range(objectives), 2):
            pair = [first, second]
            gains = gains + hypervolume_improvement(
                ranks[:, first], ranks[:, second], ranks[chosen][:, pair], corner[pair]
            )
        gains[chosen] = -np.inf
        chosen.append(int(np.argmax(gains)))
    return [successes[position] for position in chosen]


def _uniform(parameter: Parameter, rng: Generator) -> Scalar:
    """Return any value, as likely as any other on the parameter's own scale."""
    if isinstance(parameter, Choice | Branch):
        position = int(rng.integers(len(parameter.options)))
        return parameter.options[position]
    # A share of the range on its own scale: a learning rate is drawn evenly over its orders of magnitude.
    share = float(rng.uniform())
    return parameter.from_unit(share)


def _key(values: Values) -> Key:
    return frozenset(values.items())
