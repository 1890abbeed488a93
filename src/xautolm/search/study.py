"""The Optuna study of a run: ask it for configurations, tell it outcomes."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from xautolm.callbacks import TrialEvaluated
from xautolm.objectives import Objectives, lead_of, told_values, worst_values
from xautolm.records import Configuration, Evaluation, Experience, Scalar, TrialOutcome, Values
from xautolm.search.database import close_database, database_errors
from xautolm.search.plain_names import PlainNames
from xautolm.space import Branch, Choice, Float, Int, Parameter, Space
from xautolm.space.shares import lowest_rung

if TYPE_CHECKING:
    import optuna

logger = logging.getLogger(__name__)

FAILED = "failed"
"""Name of the constraint that a failed trial violates."""
CONSTRAINTS = "constraints"
"""How the system attributes begin in which Optuna keeps constraints; those are told by themselves."""
EXPLANATION = "explanation"
"""User attribute of a trial that says where its proposal came from."""
PROPOSAL = "proposal"
"""User attribute of a trial: what proposed it, where that was not the sampler."""
DIGEST = "digest"
"""User attribute of a trial: the digest of its configuration."""
STATUS = "status"
"""User attribute of a trial: how it ended."""
CENSORED = "censored"
"""User attribute of a trial: whether it was stopped before its end."""
NUMBER = "number"
"""User attribute of a proposal that became a trial: the trial's number."""
ASKED_FROM = "asked_from"
"""User attribute of the study of proposals: how many there were when the search asked for the next trial."""
FIXED_PARAMS = "fixed_params"
"""System attribute in which Optuna keeps the values of a trial that waits."""
PASSED_OVER = "passed_over"
"""User attribute of a proposal that did not: why."""
DEFAULT = "default"
"""Proposal of the first trial: the space's defaults."""
NEAR_BEST = "near the best"
"""Proposal of a trial that differs from the best training so far in one value."""
PROMOTED = "promoted"
"""Proposal of a trial of a configuration that did well on a smaller part of the training rows."""
AGAIN = "again after trial"
"""How the proposal of a trial begins whose configuration had been interrupted."""
STEPS_PER_EPOCH = 100
"""Steps of intermediate values, which Optuna counts in whole numbers. Hundredths of an epoch have a place for the quick
looks inside the first one, and mean the same for every batch size."""
ATTEMPTS = 30
"""How many proposals may be passed over in a row before the search ends."""

Attributes = Mapping[str, Any]
"""What Optuna keeps of a trial besides its parameters and values, by name."""
Obstacle = Callable[[Configuration], str]
"""Says why a configuration is to be passed over, or nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedTrial:
    """A trial that the study asks for."""

    number: int
    configuration: Configuration
    attributes: Attributes
    """What sampler and study noted of it: `proposal`, `explanation`."""


@dataclass(slots=True, kw_only=True)
class SearchStudy:
    """The trials of a run as an Optuna study, and the study in memory in which its sampler works.

    A sampler has to learn of proposals that were passed over, or it would repeat them; whoever reads the study of a
    run, in optuna-dashboard or with Optuna, wants to see trials only. So proposals are made in memory, and the record
    gets those that become trials, under plain names and with every evaluation: as a callback of the search, the study
    hears of those.
    """

    label: ClassVar[str] = "the study"
    space: Space
    objectives: Objectives
    names: PlainNames
    """Those that parameters have in the record."""
    record: optuna.Study
    """In the run's folder; one trial for each trial, under the same number."""
    proposals: optuna.Study
    """In memory; the record's trials, and the proposals of this session that were passed over."""
    is_taken: Callable[[int], bool] = lambda number: False
    """Whether a number must not be used, because there is a folder of that number."""
    handles: dict[int, optuna.Trial] = field(default_factory=dict)
    """Trials of `proposals` by their number in the record."""

    def ask(
        self, obstacle: Obstacle, has_time: Callable[[], bool] = lambda: True
    ) -> AskedTrial | None:
        """Return the next trial: its configuration is new and meets no obstacle.

        Args:
            obstacle: Says why a configuration is to be passed over.
            has_time: Says whether there is time for another attempt.

        Returns:
            Nothing if no such configuration was found in a fair number of attempts.

        Raises:
            SearchEndedError: The record cannot be written.
        """
        tried = self._tried()
        # What was passed over before may meet no obstacle by now: this one is another, or a running trial has ended.
        self.proposals.set_user_attr(ASKED_FROM, len(self.proposals.get_trials(deepcopy=False)))
        for _ in range(ATTEMPTS):
            if not has_time():
                return None
            proposal = self._next_proposal()
            suggest = partial(_suggested, proposal)
            configuration = self.space.walk(suggest)
            digest = configuration.digest
            if digest in tried:
                self._pass_over(proposal, "tried before")
                continue
            reason = obstacle(configuration)
            if reason:
                self._pass_over(proposal, reason)
                continue
            # The mark of what becomes a trial: what was passed over may be proposed again.
            proposal.set_user_attr(DIGEST, digest)
            return self._begin(proposal, configuration)
        return None

    def tell(self, number: int, outcome: TrialOutcome) -> None:
        """Tell the study what came of a trial.

        A failure ends as a complete trial with the worst values and a violated constraint: unlike Optuna's own FAIL,
        which every sampler ignores, that makes TPE, NSGA-II and GP avoid its kind. An interrupted trial ends as FAIL:
        it says nothing about its configuration.

        Raises:
            SearchEndedError: The record cannot be written.
        """
        values = self._values(outcome)
        handle = self.handles.pop(number, None)
        attributes: Attributes = {}
        # Of a trial that an earlier process asked for, this one has no proposal.
        if handle is not None:
            finish_trial(self.proposals, handle, outcome, values)
            # The sampler keeps what it will want to know again, such as NSGA-II's generation, in system attributes.
            proposed = self.proposals.get_trials(deepcopy=False)[handle.number]
            attributes = proposed.system_attrs
        with database_errors(self.record):
            self._note(number, attributes)
            note_evaluations(self.record, number, outcome.evaluations, self.objectives)
            # Ended last: Optuna lets nobody change a trial that has ended.
            recorded = handle_on(self.record, number)
            finish_trial(self.record, recorded, outcome, values)

    def put_back(self, number: int) -> None:
        """Let a trial that was asked for and not started wait in the record, where the next session finds it.

        Raises:
            SearchEndedError: The record cannot be written.
        """
        import optuna

        self.handles.pop(number, None)
        with database_errors(self.record):
            recorded = self.record.get_trials(deepcopy=False)[number]
            waiting = optuna.trial.TrialState.WAITING
            self.record._storage.set_trial_state_values(recorded._trial_id, waiting)

    def evaluated(self, event: TrialEvaluated) -> None:
        """Note an evaluation of a running trial in the record, so that whoever watches it sees the curve grow.

        Raises:
            SearchEndedError: The record cannot be written.
        """
        # What a trial wrote just before its end is told after it; its outcome had that already.
        if event.trial not in self.handles:
            return
        with database_errors(self.record):
            note_evaluations(self.record, event.trial, [event.evaluation], self.objectives)

    def _note(self, number: int, attributes: Attributes) -> None:
        """Add to the record what the sampler has noted of a trial."""
        recorded = self.record.get_trials(deepcopy=False)[number]
        storage = self.record._storage
        for name, value in attributes.items():
            is_noted = name in recorded.system_attrs
            is_constraint = name.startswith(CONSTRAINTS)
            if is_noted or is_constraint:
                continue
            storage.set_trial_system_attr(recorded._trial_id, name, value)

    def running(self) -> list[int]:
        """Return the numbers of the trials that have begun and were not told."""
        import optuna

        with database_errors(self.record):
            trials = self.record.get_trials(
                deepcopy=False, states=(optuna.trial.TrialState.RUNNING,)
            )
        return [trial.number for trial in trials]

    def enqueue(self, configuration: Configuration, proposal: str) -> None:
        """Let a configuration be the next to be proposed, after what waits.

        Args:
            configuration: A configuration of the space.
            proposal: Where it comes from, for people.
        """
        values = self.space.site_values(configuration.values)
        attributes = {PROPOSAL: proposal}
        self.proposals.enqueue_trial(values, user_attrs=attributes)

    @property
    def waiting_proposal(self) -> str | None:
        """Return what is proposed next without the sampler, by where it comes from; None where nothing waits."""
        waiting = self._waiting()
        if not waiting:
            return None
        return str(waiting[0].user_attrs.get(PROPOSAL, ""))

    @property
    def waiting_configurations(self) -> list[Configuration]:
        """Return what is proposed next without the sampler, in its order."""
        configurations: list[Configuration] = []
        for waiting in self._waiting():
            recorded = partial(_recorded, waiting.system_attrs[FIXED_PARAMS])
            configurations.append(self.space.walk(recorded))
        return configurations

    def _waiting(self) -> list[optuna.trial.FrozenTrial]:
        """Return the trials of what is proposed next without the sampler, in its order."""
        import optuna

        states = (optuna.trial.TrialState.WAITING,)
        return self.proposals.get_trials(deepcopy=False, states=states)

    def close(self) -> None:
        """Let go of the database."""
        close_database(self.record)

    def _next_proposal(self) -> optuna.Trial:
        """Return what waits to be proposed, else what the sampler proposes, on the lowest rung where there are rungs.

        Samplers know the rung as a parameter, and so tell results on a part of the rows from those on all; which rung
        comes next is not theirs to say.
        """

        lowest = lowest_rung(self.space)
        if lowest and self.waiting_proposal is None:
            # Optuna asks the sampler for every value that a queued trial lacks.
            self.proposals.enqueue_trial(lowest)
        return self.proposals.ask()

    def _begin(self, proposal: optuna.Trial, configuration: Configuration) -> AskedTrial:
        """Make a trial of a proposal."""
        import optuna

        drawn = self.proposals.get_trials(deepcopy=False)[proposal.number]
        # A copy, because the number that is noted below belongs to the proposal alone.
        attributes = dict(drawn.user_attrs)
        trial = optuna.trial.create_trial(
            state=optuna.trial.TrialState.RUNNING,
            params=drawn.params,
            distributions=drawn.distributions,
            user_attrs=attributes,
            system_attrs=drawn.system_attrs,
        )
        with database_errors(self.record):
            # Optuna takes the next free number by itself, so numbers that are taken are filled first.
            number = next_number(self.record, self.is_taken)
            self.handles[number] = proposal
            self.record.add_trial(self.names.to_record(trial))
        proposal.set_user_attr(NUMBER, number)
        return AskedTrial(number=number, configuration=configuration, attributes=attributes)

    def _pass_over(self, proposal: optuna.Trial, reason: str) -> None:
        import optuna

        logger.info("a proposal was passed over: %s", reason)
        proposal.set_user_attr(PASSED_OVER, reason)
        # Pruned, which samplers read: they look elsewhere.
        self.proposals.tell(proposal, state=optuna.trial.TrialState.PRUNED)

    def _tried(self) -> set[str]:
        """Return the digests of all configurations that were tried, without those that were interrupted."""
        import optuna

        interrupted = optuna.trial.TrialState.FAIL
        digests: set[str] = set()
        for trial in self.proposals.get_trials(deepcopy=False):
            # A proposal that was passed over has no digest: what stood in its way may be gone by now.
            if trial.state != interrupted and DIGEST in trial.user_attrs:
                digests.add(trial.user_attrs[DIGEST])
        return digests

    def _values(self, outcome: TrialOutcome) -> list[float]:
        """Return the values that an outcome is told with."""
        return values_to_tell(self.proposals, outcome, self.objectives)


def values_to_tell(
    study: optuna.Study, outcome: TrialOutcome, objectives: Objectives
) -> list[float]:
    """Return the values that a study is told of an outcome: for a failure, the worst that others had.

    So it is of a cost of use that was not measured, where the trial is told with its quality.
    """
    values = told_values(outcome, objectives)
    if values is not None and all(math.isfinite(value) for value in values):
        return values
    recorded = recorded_values(study)
    worst = worst_values(recorded, outcome, objectives)
    if values is None:
        return worst
    finite = []
    for value, worst_value in zip(values, worst, strict=True):
        finite.append(value if math.isfinite(value) else worst_value)
    return finite


def recorded_values(study: optuna.Study) -> list[list[float]]:
    """Return the values of all trials of a study that have any."""
    values: list[list[float]] = []
    for trial in study.get_trials(deepcopy=False):
        if trial.values:
            values.append(trial.values)
    return values


def next_number(record: optuna.Study, is_taken: Callable[[int], bool]) -> int:
    """Return the number of the next trial; numbers that are taken are filled with trials that say nothing."""
    number = len(record.get_trials(deepcopy=False))
    while is_taken(number):
        filler = unknown_trial(
            "there is a folder of this number, and nothing is known of its trial"
        )
        record.add_trial(filler)
        number = len(record.get_trials(deepcopy=False))
    return number


def unknown_trial(reason: str) -> optuna.trial.FrozenTrial:
    """Return a trial of which nothing is known, so that the numbers of the following ones are right."""
    import optuna

    return optuna.trial.create_trial(
        state=optuna.trial.TrialState.FAIL, user_attrs={"unknown": reason}
    )


def finished_trial(
    names: PlainNames, experience: Experience, values: Sequence[float], objectives: Objectives
) -> optuna.trial.FrozenTrial:
    """Return the trial of the record that an experience stands for.

    Args:
        names: Those of the parameters of the space that it lies in.
        experience: A finished or interrupted trial.
        values: What it is told with.
        objectives: Names and directions.
    """
    import optuna

    outcome = experience.outcome
    configuration = experience.configuration
    attributes: dict[str, Any] = {DIGEST: configuration.digest}
    attributes |= outcome_attributes(outcome)
    if experience.proposal:
        attributes[PROPOSAL] = experience.proposal
    params = names.params(configuration.values)
    distributions = {name: names.distributions[name] for name in params}
    curve = intermediate_values(outcome.evaluations, objectives)
    if not outcome.is_evidence:
        # An interrupted trial says nothing about its configuration, so it has neither values nor a constraint.
        return optuna.trial.create_trial(
            state=optuna.trial.TrialState.FAIL,
            params=params,
            distributions=distributions,
            user_attrs=attributes,
            intermediate_values=curve,
        )
    return optuna.trial.create_trial(
        state=optuna.trial.TrialState.COMPLETE,
        values=list(values),
        params=params,
        distributions=distributions,
        user_attrs=attributes,
        intermediate_values=curve,
        constraints={FAILED: violation(outcome)},
    )


def intermediate_values(
    evaluations: Sequence[Evaluation], objectives: Objectives
) -> dict[int, float]:
    """Return what Optuna shows of a trial's course: its first quality by hundredths of an epoch."""
    lead = lead_of(objectives).name
    values: dict[int, float] = {}
    for evaluation in evaluations:
        value = evaluation.values.get(lead, math.nan)
        # A probe of features has a score and no epochs: its step is 0.
        if math.isfinite(value):
            step = round(STEPS_PER_EPOCH * evaluation.epoch)
            values[step] = value
    return values


def note_evaluations(
    record: optuna.Study, number: int, evaluations: Sequence[Evaluation], objectives: Objectives
) -> None:
    """Note evaluations of a trial that has not ended in the record."""
    curve = intermediate_values(evaluations, objectives)
    recorded = record.get_trials(deepcopy=False)[number]
    for step, value in curve.items():
        # Optuna refuses `Trial.report` in studies of several objectives, which have no single value to prune by; the
        # storage takes it, and its charts show it.
        if recorded.intermediate_values.get(step) != value:
            record._storage.set_trial_intermediate_value(recorded._trial_id, step, value)


def violation(outcome: TrialOutcome) -> float:
    """Return the value of the constraint that a failure violates: Optuna takes what is above 0 for a violation."""
    if outcome.failed:
        return 1.0
    return 0.0


def outcome_attributes(outcome: TrialOutcome) -> dict[str, str | bool]:
    """Return what a trial of the study says of its outcome."""
    attributes: dict[str, str | bool] = {STATUS: outcome.status.value}
    attributes[CENSORED] = outcome.is_censored
    if outcome.failure is not None:
        kind = outcome.failure.kind
        attributes["failure"] = kind.value
    return attributes


def _recorded(values: Values, key: str, parameter: Parameter) -> Scalar:
    """Return the value at a site of a trial that waits."""
    return values[key]


def _suggested(trial: optuna.Trial, key: str, parameter: Parameter) -> Scalar:
    """Ask a trial for the value at a site."""
    match parameter:
        case Float():
            return trial.suggest_float(key, parameter.low, parameter.high, log=parameter.log)
        case Int():
            return trial.suggest_int(key, parameter.low, parameter.high, log=parameter.log)
        case Choice() | Branch():
            return trial.suggest_categorical(key, parameter.options)


def handle_on(study: optuna.Study, number: int) -> optuna.Trial:
    """Return a handle on a trial: Optuna has none for one that was added, or that an earlier process asked for."""
    import optuna

    recorded = study.get_trials(deepcopy=False)[number]
    return optuna.trial.Trial(study, recorded._trial_id)


def finish_trial(
    study: optuna.Study, trial: optuna.Trial, outcome: TrialOutcome, values: Sequence[float]
) -> None:
    """End a trial of a study."""
    import optuna

    for name, value in outcome_attributes(outcome).items():
        trial.set_user_attr(name, value)
    if not outcome.is_evidence:
        study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
        return
    # Before the values: Optuna lets nobody change a trial that has them.
    trial.set_constraint(FAILED, violation(outcome))
    study.tell(trial.number, list(values))
