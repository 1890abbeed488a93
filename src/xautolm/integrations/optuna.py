"""Our sampler for studies of other people's own: any define-by-run space, any objectives, any experiences."""

from __future__ import annotations

import copy
import threading
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.storages import InMemoryStorage
from optuna.trial import FrozenTrial, TrialState

from xautolm.errors import UsageError
from xautolm.experience import LARGEST_FOREIGN_NUMBER
from xautolm.integrations.learned_space import LearnedSpace, PastShapes, agree, choices_of
from xautolm.metalearning import OWN, SETTINGS, Distances, Near, distances_of, own_features, shaped
from xautolm.objectives import (
    Direction,
    Objective,
    numbered_objectives,
    oriented,
    recorded_objectives,
)
from xautolm.past_evidence import weighed
from xautolm.records import Experience, Features, Scalar, Values
from xautolm.search import FAILED, Evidence, Memory, scores_of
from xautolm.search.candidates import Proposer
from xautolm.search.settings import DEFAULTS, HYPERVOLUME_ONLY
from xautolm.search.space_sampler import explain
from xautolm.search.strategies.optuna_samplers import tpe
from xautolm.search.strategies.xautolm import OwnTrial, compared, from_zero, has_failed, named
from xautolm.space import Prior
from xautolm.warm_start import DEFAULT

if TYPE_CHECKING:
    from optuna.study import Study

ENDED = (TrialState.COMPLETE, TrialState.FAIL, TrialState.PRUNED)
"""States of trials that say something."""
PRUNED_DEFICIT = 1.0
"""How far below the worst trial one stands that was pruned before it reported a value: in standard deviations."""
POOREST = 3.0
"""How far below the median a value ends, in distances of the best from it, or of the lower quartile if that is farther:
one training that diverged must not press all others together."""
QUIET = threading.Lock()
"""Held while Optuna's messages are off, whose level a second thread would take for the user's."""
PROPOSED = "xautolm:proposed"
"""Where a trial keeps what the models proposed."""
ENQUEUED = "fixed_params"
"""Where Optuna keeps the values of a trial that was enqueued."""
KNOBS = SETTINGS[DEFAULT]
"""Of the warm start: those that the sampler `xautolm` begins with in a search."""
KEENNESS = 2.0
"""How much likelier a past trial is followed for each standard deviation of its score: e to this power."""
SEEDS = 2**31
"""Number of seeds drawn from: Optuna hands them to numpy's older generator, which takes whole numbers below 2^32."""


@dataclass(frozen=True, slots=True)
class StudyModel:
    """What is known of a study when a trial begins."""

    learned: LearnedSpace
    proposer: Proposer


@dataclass(frozen=True, slots=True, kw_only=True)
class StudySpaces:
    """What is known of a study's space."""

    state: tuple[str, int]
    """The study's name, and how many of its trials had ended."""
    met: LearnedSpace
    """What its trials asked for."""
    whole: LearnedSpace
    """The same, and what past trials asked for that these have not met yet."""


class XAutoLMSampler(BaseSampler):
    """A sampler that begins with what earlier searches found, their failures included.

    Works in any study: single and multi-objective, conditional spaces, which it learns from the trials as they come.
    Proposals follow the past as far as it agrees with the study's own trials; the others are those of Optuna's TPE.
    Trials that fail (`study.optimize(..., catch=...)`, `study.tell(trial, state=FAIL)`, a violated constraint) teach
    it what to avoid.

    Args:
        experiences: Past trials, for example from `xautolm.integrations.table.experiences_from_rows` or a store.
        features: Meta-features of the task at hand, under the names that those of the past tasks have.
        seed: Same seed and history, same proposals; not for trials in parallel.

    Raises:
        UsageError: Past trials, and no meta-features of the task at hand, or none of the names that those have.

    Example:
        >>> import optuna
        >>> optuna.logging.set_verbosity(optuna.logging.ERROR)
        >>> study = optuna.create_study(sampler=XAutoLMSampler(seed=1))
        >>> study.optimize(lambda trial: trial.suggest_float("x", -1, 1) ** 2, n_trials=12)
        >>> study.best_value < 0.5
        True
    """

    def __init__(
        self,
        experiences: Sequence[Experience] = (),
        features: Mapping[str, float] | None = None,
        *,
        seed: int = 0,
    ) -> None:
        # Without features no distance can be measured, and the past trials would silently count for nothing.
        if experiences and not features:
            raise UsageError(
                "Past trials without meta-features of the task at hand.",
                fix="Pass features={...} with the names that the past tasks' features have.",
            )
        self.experiences = tuple(experiences)
        self.features = own_features(features) if features else {}
        if experiences:
            _check_names(self.experiences, self.features)
        self.seed = seed
        self._distances: Distances = ([], 0)
        self._evidence: dict[tuple[Objective, ...], list[Evidence]] = {}
        """By the objectives of a study: one sampler may serve several."""
        self._shapes: dict[tuple[Objective, ...], PastShapes] = {}
        """Of the same past trials."""
        self._spaces: StudySpaces | None = None
        self._model: StudyModel | None = None
        self._unmet: dict[tuple[str, int], Values] = {}
        """What is proposed for parameters that no trial of a study has asked for yet, by the study's name and the
        trial's number."""

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Return every parameter that any trial had; only those that the objective asks for get used."""
        # What only past trials had is left out: the study's range of it is not known, and Optuna refuses another.
        return dict(self._known_spaces(study).met.distributions)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Scalar]:
        """Return values of the parameters that earlier trials had, chosen together with what only past ones had."""
        model = self._study_model(study)
        learned = model.learned
        if not learned.distributions:
            # Neither trials nor a past: nothing is known, and `sample_independent` is asked for each parameter.
            return {}
        target = _target_evidence(study, learned, search_space)
        running = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        # A parameter that no trial which ended has asked for has no place in the space yet.
        names = {name: name for name in learned.distributions}
        pending = [learned.inward(named(running_trial.params, names)) for running_trial in running]
        # No objective of somebody else's is known to be seconds that mean the same on every task.
        proposal = model.proposer.propose(
            target,
            [*pending, *_proposed(study)],
            np.random.default_rng([self.seed, trial.number]),
            objectives=len(study.directions),
            lead=0,
            time=None,
        )
        explain(study, trial, proposal.explanation)
        if proposal.values is None:
            params = self._from_zero(study, trial, model, target, proposal.failure_trust)
            # Another thread's trial may have brought in a parameter meanwhile, which Optuna does not expect.
            return {name: value for name, value in params.items() if name in search_space}
        # An enqueued trial keeps its own values: what was proposed for it stays untried.
        if ENQUEUED not in trial.system_attrs:
            values = dict(proposal.values)
            study._storage.set_trial_system_attr(trial._trial_id, PROPOSED, values)
        params = learned.outward(proposal.values)
        self._forget_ended(study, running)
        met: dict[str, Scalar] = {}
        unmet: dict[str, Scalar] = {}
        for name, value in params.items():
            part = met if name in search_space else unmet
            part[name] = value
        self._unmet[study.study_name, trial.number] = unmet
        return met

    def _forget_ended(self, study: Study, running: Sequence[FrozenTrial]) -> None:
        """Forget what was proposed for trials of a study that have ended."""
        numbers = {running_trial.number for running_trial in running}
        for name, number in list(self._unmet):
            if name == study.study_name and number not in numbers:
                del self._unmet[name, number]

    def _from_zero(
        self,
        study: Study,
        trial: FrozenTrial,
        model: StudyModel,
        target: Sequence[Evidence],
        failure_trust: float,
    ) -> dict[str, Scalar]:
        """Return what a search without a past proposes.

        What is likely to fail is passed over, but not for ever: of some attempts, the least likely one is taken.
        """
        met = self._known_spaces(study).met
        shown = _with_failures(study)
        shown_trial = trial
        if shown is not study:
            shown_trial = shown.get_trials(deepcopy=False)[trial.number]
        attempts: list[dict[str, Scalar]] = []
        chances: list[float] = []
        for attempt in range(DEFAULTS.passed_over + 1):
            seed = [self.seed, trial.number, attempt]
            params = from_zero(shown, shown_trial, met.space, met.distributions, seed)
            values = model.learned.inward(met.inward(params))
            chance = model.proposer.chance_of_failure(target, values, failure_trust)
            attempts.append(params)
            chances.append(chance)
            if chance <= DEFAULTS.largest_failure:
                break
        return attempts[int(np.argmin(chances))]

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Scalar:
        """Return a value of a parameter that no trial has had yet.

        It is what was proposed with the trial's other values; else that of a past trial which agrees with what was
        chosen so far, or Optuna's.
        """
        proposed = self._unmet.get((study.study_name, trial.number), {})
        if param_name in proposed and _contains(param_distribution, proposed[param_name]):
            return proposed[param_name]
        # Drawn once a trial, not once a parameter: a trial follows the past in all its parameters or in none.
        whole_trial = np.random.default_rng([self.seed, trial.number])
        follows_past = whole_trial.random() < DEFAULTS.largest_trust
        # Each parameter of a trial has random numbers of its own: shared ones would tie the parameters together.
        parameter_position = len(trial.params)
        rng = np.random.default_rng([self.seed, trial.number, parameter_position])
        values: list[Scalar] = []
        if follows_past:
            values, weights = self._agreeing(study, trial, param_name, param_distribution)
        if values:
            probabilities = np.asarray(weights) / sum(weights)
            position = rng.choice(len(values), p=probabilities)
            return values[int(position)]
        sampler = tpe(int(rng.integers(SEEDS)))
        value: Scalar = sampler.sample_independent(study, trial, param_name, param_distribution)
        return value

    def _agreeing(
        self, study: Study, trial: FrozenTrial, name: str, distribution: BaseDistribution
    ) -> tuple[list[Scalar], list[float]]:
        """Return the values that past successes gave to a parameter, and their weights.

        Only those count that agree with the trial on every text or switch chosen so far, as far as they have it.
        """
        choices = choices_of(trial.params)
        values: list[Scalar] = []
        weights: list[float] = []
        for evidence in self._past(study):
            if evidence.scores is None or name not in evidence.values:
                continue
            value = evidence.values[name]
            if not agree(evidence.values, choices) or not _contains(distribution, value):
                continue
            # The first objective leads. Its score is in standard deviations within the past task.
            lead_score = evidence.scores[0]
            values.append(value)
            factor = float(np.exp(KEENNESS * lead_score))
            weights.append(evidence.weight * factor)
        return values, weights

    def _past(self, study: Study) -> list[Evidence]:
        """Return the past trials as the models see them.

        Raises:
            UsageError: They have other objectives than the study.
        """
        objectives = _objectives_of(study)
        if objectives in self._evidence:
            return self._evidence[objectives]
        for experience in self.experiences:
            past_objectives = recorded_objectives(experience)
            if past_objectives != objectives:
                past_names = _described(past_objectives)
                study_names = _described(objectives)
                raise UsageError(
                    "The past trials have other objectives than the study.",
                    got=f"{past_names} in {experience.data.name}, {study_names} in the study",
                    fix="Give experiences_from_rows the study's directions.",
                )
        self._distances = distances_of(self.experiences, self.features, KNOBS)
        self._evidence[objectives] = weighed(self._distances, objectives, KNOBS)
        return self._evidence[objectives]

    def _known_spaces(self, study: Study) -> StudySpaces:
        """Return the spaces of a study as its trials show them by now."""
        ended = _ended_trials(study)
        state = study.study_name, len(ended)
        if self._spaces is None or self._spaces.state != state:
            self._spaces = StudySpaces(
                state=state,
                met=LearnedSpace.of_trials(ended),
                whole=LearnedSpace.of_trials(ended, self._past_shapes(study)),
            )
        return self._spaces

    def _past_shapes(self, study: Study) -> PastShapes:
        """Return what the past trials asked for, read once for the objectives of a study."""
        objectives = _objectives_of(study)
        if objectives not in self._shapes:
            past = [evidence.values for evidence in self._past(study)]
            self._shapes[objectives] = PastShapes.of(past)
        return self._shapes[objectives]

    def _study_model(self, study: Study) -> StudyModel:
        """Return the space so far, and models over it; made anew when the space has changed."""
        learned = self._known_spaces(study).whole
        # The steps of parameters are no part of the space, but of what is possible in it.
        if self._model is not None and self._model.learned == learned:
            return self._model
        past: list[Evidence] = []
        for evidence in self._past(study):
            values = learned.inward(evidence.values)
            past.append(replace(evidence, values=values))

        neighbors, incomparable = self._distances
        neighbors_here: list[Near] = []
        for neighbor in neighbors:
            experience = _experience_in(learned, neighbor.experience)
            neighbors_here.append(Near(experience, neighbor.distance))

        plain = Prior.plain(learned.space)
        warmed = shaped(plain, (neighbors_here, incomparable), KNOBS)
        # Without past trials there is nothing to trust or to distrust: the search begins from zero.
        memory = Memory(prior=warmed.prior, evidence=past) if past else None
        proposer = Proposer(
            learned.space,
            self.seed,
            memory,
            HYPERVOLUME_ONLY,
            possible=learned.possible,
            repeats=True,
        )
        self._model = StudyModel(learned, proposer)
        return self._model


def _check_names(experiences: Sequence[Experience], features: Features) -> None:
    """Warn where some past tasks have meta-features of other names than the task at hand: they count for nothing.

    Raises:
        UsageError: All have, so that the whole past would count for nothing.
    """
    (group,) = features
    others: dict[str, int] = {}
    for experience in experiences:
        if group not in experience.features:
            names = _names_of_own(experience.features)
            others[names] = others.get(names, 0) + 1
    if not others:
        return
    incomparable = sum(others.values())
    here = _names_of_own(features)
    past = "; ".join(others)
    if incomparable == len(experiences):
        raise UsageError(
            "No past trial has meta-features of the same names as the task at hand, so none can be compared with it.",
            got=f"{here} here, {past} in the past",
            fix="Give all tasks meta-features of the same names.",
        )
    warnings.warn(
        f"{incomparable} of {len(experiences)} past trials cannot be compared and count for nothing: they have the "
        f"meta-features {past}, and the task at hand has {here}",
        stacklevel=3,
    )


def _names_of_own(features: Features) -> str:
    """Return the names of the meta-features that somebody gave to a task, as a text."""
    for group in features:
        if group.startswith(OWN):
            return group.removeprefix(OWN)
    return "none"


def _proposed(study: Study) -> list[Values]:
    """Return what models proposed in a study.

    Who replays a table tells its nearest row in a trial's place, and what was proposed would be proposed for ever.
    """
    proposed: list[Values] = []
    for trial in study.get_trials(deepcopy=False):
        if PROPOSED in trial.system_attrs:
            proposed.append(trial.system_attrs[PROPOSED])
    return proposed


def _ended_trials(study: Study) -> list[FrozenTrial]:
    """Return the trials of a study that ended, whatever came of them."""
    return study.get_trials(deepcopy=False, states=ENDED)


def _target_evidence(
    study: Study, learned: LearnedSpace, search_space: Mapping[str, BaseDistribution]
) -> list[Evidence]:
    """Return the study's own trials as evidence, with values as the learned space has them."""
    # A name has one range in an Optuna study, so the study's names are the plain ones.
    names = {name: name for name in search_space}
    objectives = _objectives_of(study)
    # A trial that ended before it asked for a value says nothing about any.
    ended = [trial for trial in _ended_trials(study) if named(trial.params, names)]
    reached = _reached(ended, objectives)
    own_trials: list[OwnTrial] = []
    for trial in ended:
        values = named(trial.params, names)
        # Of the attributes of a trial none is read: whatever they are called, they are the user's.
        own_trial = OwnTrial(
            values=learned.inward(values),
            reached=reached.get(trial.number),
            is_censored=trial.state == TrialState.PRUNED,
            source=f"trial {trial.number}",
        )
        own_trials.append(own_trial)
    target = compared(own_trials, objectives, time=None)

    # Shape (objectives,).
    worst = scores_of(target, len(objectives)).min(axis=0, initial=0.0)
    below_worst = tuple((worst - PRUNED_DEFICIT).tolist())
    for position, trial in enumerate(ended):
        # It did not fail, and whoever pruned it knew that it is poor: what expected more of it is trusted less.
        if _was_pruned_silently(trial):
            target[position] = replace(target[position], scores=below_worst)
    return target


def _with_failures(study: Study) -> Study:
    """Return a study in which failures are seen; the same where there are none.

    Every sampler of Optuna ignores trials that failed. In a copy in memory they are complete and violate a constraint,
    which the samplers heed.
    """
    trials = study.get_trials(deepcopy=False)
    failed: set[int] = set()
    for trial in trials:
        # One that ended before it asked for a value says nothing about any.
        if trial.state in ENDED and trial.params and _gave_nothing(trial):
            failed.add(trial.number)
    if not failed:
        return study
    storage = InMemoryStorage()
    with QUIET:
        # Optuna says of every study that it was created; of this one, nobody wants to read before each trial.
        verbosity = optuna.logging.get_verbosity()
        # Who wants to hear of errors only hears no more than these.
        optuna.logging.set_verbosity(max(verbosity, optuna.logging.WARNING))
        try:
            study_id = storage.create_new_study(study.directions)
        finally:
            optuna.logging.set_verbosity(verbosity)
    for original in trials:
        trial = copy.copy(original)
        # No sampler reads them, and each trial is copied whole, for each proposal.
        trial.user_attrs = {}
        if trial.number in failed:
            # The constraint is written among them.
            trial.system_attrs = dict(original.system_attrs)
            trial.state = TrialState.COMPLETE
            # Of what violates a constraint no value counts.
            trial.values = [0.0] * len(study.directions)
            trial.set_constraint(FAILED, 1.0)
        # In the order of their numbers, which are then the same. `add_trial` would refuse values out of range, which
        # a user may have enqueued.
        storage.create_new_trial(study_id, template_trial=trial)
    return optuna.Study(storage.get_study_name_from_id(study_id), storage)


def _was_pruned_silently(trial: FrozenTrial) -> bool:
    """Return whether a trial was pruned before it reported a value, and broke no constraint."""
    is_silent = trial.state == TrialState.PRUNED and trial.values is None
    breaks_constraint = any(value > 0 for value in trial.constraints.values())
    return is_silent and not breaks_constraint


def _gave_nothing(trial: FrozenTrial) -> bool:
    """Return whether a trial that ended failed, or has values of which nothing can be computed."""
    if trial.values is None or has_failed(trial):
        return not _was_pruned_silently(trial)
    # The square of a larger number is infinite.
    return not all(abs(value) <= LARGEST_FOREIGN_NUMBER for value in trial.values)


def _reached(
    trials: Sequence[FrozenTrial], objectives: Sequence[Objective]
) -> dict[int, list[float]]:
    """Return what trials with a result reached, by their number; what is far below all others is raised.

    Of a pruned trial, it is what Optuna takes for its value: the last that it reported.
    """
    successes: list[FrozenTrial] = []
    for trial in trials:
        if trial.values is not None and not _gave_nothing(trial):
            successes.append(trial)
    if not successes:
        return {}
    # Shape (successes, objectives), larger is better.
    values = oriented([trial.values for trial in successes], objectives)
    # All of shape (objectives,).
    median = np.median(values, axis=0)
    # A value that is there: between two of them lies what one outlier makes of it.
    lower_quartile = np.quantile(values, 0.25, axis=0, method="nearest")
    spread = np.maximum(values.max(axis=0) - median, median - lower_quartile)
    lowest = median - POOREST * spread
    # Where most trials are as good as the best, nothing says how far below is far.
    lowest = np.where(lowest < median, lowest, -np.inf)
    limited = np.maximum(values, lowest)
    # Oriented twice, they are as measured.
    measured = oriented(limited.tolist(), objectives).tolist()
    return {trial.number: row for trial, row in zip(successes, measured, strict=True)}


def _objectives_of(study: Study) -> tuple[Objective, ...]:
    """Return the objectives of a study by number, as `experiences_from_rows` calls them."""
    directions: list[Direction] = []
    for study_direction in study.directions:
        # Optuna's enum has numbers; ours has the words that users write.
        word = study_direction.name.lower()
        directions.append(Direction(word))
    return numbered_objectives(directions)


def _described(objectives: Sequence[Objective]) -> str:
    """Return directions and names of objectives, for a person."""
    descriptions = [f"{objective.direction} {objective.name}" for objective in objectives]
    return ", ".join(descriptions)


def _experience_in(learned: LearnedSpace, experience: Experience) -> Experience:
    """Return an experience with its configuration as the learned space has it."""
    configuration = experience.configuration
    values = learned.inward(configuration.values)
    configuration = replace(configuration, values=values)
    return replace(experience, configuration=configuration)


def _contains(distribution: BaseDistribution, value: Scalar) -> bool:
    """Return whether a value of a past trial lies in the range that the study's objective asks for."""
    # Optuna has no public test; the conversion refuses what is of another kind.
    try:
        internal = distribution.to_internal_repr(value)
        return bool(distribution._contains(internal))
    except (ValueError, TypeError):
        return False
