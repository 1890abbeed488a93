"""The conductor: ask, run, tell, remember, until the budget is spent."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial

from xautolm.budget import Clock
from xautolm.errors import SearchEndedError
from xautolm.execution import ClusterExecutor
from xautolm.limits import limits_of_divided
from xautolm.objectives import lead_position, pareto_front
from xautolm.records import Configuration, Experience, Limits, Place, TrialOutcome
from xautolm.refit import refit, seconds_to_keep
from xautolm.report import Standing, explained
from xautolm.resources import PART_OF_EPOCH, are_alike
from xautolm.resuming import STOPPED, settled
from xautolm.run_folder import experience_of, folder_errors
from xautolm.search import AGAIN, DEFAULT, EXPLANATION, NEAR_BEST, PROMOTED, PROPOSAL, AskedTrial
from xautolm.session import Session, WaitingTrial
from xautolm.trial_folder import TrialFolder

UPDATE_SECONDS = 0.5
"""Between two looks at what runs: a person sees the screen move, and nothing is busy with looking."""
BUILT_ON_BEST = frozenset({DEFAULT, NEAR_BEST, PROMOTED})
"""Where proposals come from that build on the best so far."""
WHOLE_EPOCH = 1.0
LARGEST_MISFORTUNE = 5
"""So many trials in a row that are ended from outside end the search: a full disk or a broken driver ends them all."""


def search(session: Session) -> list[Experience]:
    """Run trials until the budget is spent, then train the winner once more on all rows where that is wanted.

    Returns:
        The experiences of the run, those of earlier sessions included.

    Raises:
        SearchEndedError: There is no room for the run's files, or trial after trial is ended from outside.
    """
    scenario = session.scenario
    experiences = list(session.experiences)
    standing = Standing(lead=scenario.lead, folder=session.folder, experiences=experiences)
    # What earlier sessions measured on such a machine, on this very data, corrects predictions from the first trial on.
    for experience in standing.experiences:
        if not are_alike(experience.system, scenario.system):
            continue
        scenario.resources.observe(experience.configuration, experience.outcome, experience.limits)
        session.forecaster.observe(experience)

    with folder_errors(session.folder.root):
        session.clock.note()
        session.best.restore(standing.experiences)
        session.clock.kept = seconds_to_keep(session, standing.best)
        # Who asks for a finished run again wants to see it, and has nothing measured beside trials.
        if not is_spent(session, standing):
            session.measure_features()
        let_weights_be_judged(session, standing)
        misfortunes = 0
        while True:
            start_trials(session, standing)
            # Nothing runs and nothing could be started: the budget or the space is used up.
            if not standing.running:
                break
            stop_hopeless(session, standing)
            ended = session.executor.finished(UPDATE_SECONDS)
            for number, outcome in ended:
                experience = conclude(session, standing, number, outcome)
                session.screen.finished(experience, standing)
                tell_finished(session, standing, experience)
            session.callbacks.look()
            misfortunes = misfortunes_after(misfortunes, ended)
            if misfortunes == LARGEST_MISFORTUNE:
                raise _too_many_misfortunes(ended[-1][1])
            show(session, standing)
        # The time was over before enough devices were free.
        put_back(session)
        # Before the wait for meta-features, which are measured beside it.
        refit(session, standing.experiences, partial(show, session, standing))
        session.record([], are_last=True)
        session.clock.note()
        return standing.experiences


def misfortunes_after(misfortunes: int, ended: Sequence[tuple[int, TrialOutcome]]) -> int:
    """Return how many times in a row trials were ended from outside; those that end together count once."""
    if not ended:
        return misfortunes
    if any(outcome.is_evidence for _, outcome in ended):
        return 0
    # A machine of a cluster that is lost takes all of its trials with it, eight on eight GPUs: that is one misfortune.
    return misfortunes + 1


def let_weights_be_judged(session: Session, standing: Standing) -> None:
    """Let models that lie on other machines be fetched only where their trial is on the front."""

    def is_on_front(number: int, outcome: TrialOutcome) -> bool:
        outcomes = outcomes_with_weights(session, standing.experiences)
        outcomes[number] = outcome
        return number in pareto_front(outcomes, session.scenario.objectives)

    if isinstance(session.executor, ClusterExecutor):
        session.executor.wants_weights = is_on_front


def start_trials(session: Session, standing: Standing) -> None:
    """Start trials until as many run as may run at once, or no further one can be started."""
    most = session.scenario.parallel
    if isinstance(session.executor, ClusterExecutor):
        # Machines come and go. What Ray would let wait would use up the time that it was given.
        most = min(most, session.executor.slots())
    while len(standing.running) < most:
        has_started = start_next(session, standing)
        if not has_started:
            break


def stop_hopeless(session: Session, standing: Standing) -> None:
    """Stop the running trials that can no longer reach the front; nothing where pruning is turned off."""
    if session.pruner is not None:
        session.pruner.stop_hopeless(session.executor, standing.running, standing.experiences)


def tell_finished(session: Session, standing: Standing, experience: Experience) -> None:
    """Tell the callbacks that a trial has ended."""
    folder = session.folder.trial(experience.trial)
    ended = len(standing.experiences)
    session.callbacks.finished(experience, folder, standing.best, standing.front, ended)


def show(session: Session, standing: Standing) -> None:
    """Let the screen show how the search stands now."""
    session.clock.tick()
    standing.used = session.clock.used
    # With what is kept for the winner's last training, which is of the budget, too.
    standing.left = session.clock.left_in_all
    standing.trials_left = session.trials_left(standing.experiences, len(standing.running))
    session.screen.update(standing)


def conclude(
    session: Session, standing: Standing, number: int, outcome: TrialOutcome
) -> Experience:
    """Tell study, resources and store what came of a trial."""
    scenario = session.scenario
    spec = standing.running.pop(number)
    configuration = spec.configuration
    session.study.tell(number, outcome)
    scenario.resources.observe(configuration, outcome, spec.limits)
    # A trial that was ended from outside says nothing of its configuration, which is tried once more.
    is_second_attempt = spec.proposal.startswith(AGAIN)
    if not outcome.is_evidence and not is_second_attempt:
        session.study.enqueue(configuration, f"{AGAIN} {number}")
    folder = TrialFolder(session.folder.trial(number))
    experience = experience_of(session.info, spec, outcome, folder)
    session.forecaster.observe(experience)
    session.record([experience])
    standing.experiences.append(experience)
    outcomes = {ended.trial: ended.outcome for ended in standing.experiences}
    standing.front = pareto_front(outcomes, scenario.objectives)
    keep_weights(session, standing.experiences, standing.running)
    session.best.follow(standing.experiences)
    session.clock.kept = seconds_to_keep(session, standing.best)
    return experience


def keep_weights(
    session: Session, experiences: Sequence[Experience], running: Iterable[int]
) -> None:
    """Delete the weights of trials that are not on the Pareto front, of those whose weights are there."""
    outcomes = outcomes_with_weights(session, experiences)
    front = pareto_front(outcomes, session.scenario.objectives)
    session.folder.keep_weights(front, running)


def outcomes_with_weights(
    session: Session, experiences: Sequence[Experience]
) -> dict[int, TrialOutcome]:
    """Return the outcomes of the trials whose weights are here.

    A trial whose weights are gone, whatever took them, must not push another's off the front.
    """
    outcomes = {}
    for experience in experiences:
        has_weights = session.folder.model(experience.trial).is_dir()
        if has_weights:
            outcomes[experience.trial] = experience.outcome
    return outcomes


def start_next(session: Session, standing: Standing) -> bool:
    """Start the next trial; return False if budget or space hold no further one."""
    if is_spent(session, standing):
        return False
    places = free_places(session, standing)
    # Trials whose models are divided may hold all devices before as many run as may run at once.
    if not places:
        return False
    if session.waiting is not None and not is_in_time(session, session.waiting):
        put_back(session)
    waiting = session.waiting or next_trial(session, standing)
    if waiting is None:
        return False
    if len(places) < waiting.devices:
        # Nothing is started before it: a search would otherwise never have so many devices free at once.
        session.waiting = waiting
        return False
    # To propose something may take as long as what was left of the budget; something quicker may still fit.
    if not is_in_time(session, waiting):
        session.waiting = waiting
        put_back(session)
        return start_next(session, standing)
    session.waiting = None
    limits = within(waiting.limits, session.clock)
    start(session, standing, waiting.asked, limits, places[: waiting.devices])
    return True


def is_spent(session: Session, standing: Standing) -> bool:
    """Return whether the budget holds no further trial."""
    trials_left = session.trials_left(standing.experiences, len(standing.running))
    if trials_left is not None and trials_left <= 0:
        return True
    return session.clock.left <= 0


def is_in_time(session: Session, waiting: WaitingTrial) -> bool:
    """Return whether a trial that has waited for devices would still give a result in the time that is left."""
    limits = within(waiting.limits, session.clock)
    resources = session.scenario.resources
    return not resources.obstacle(waiting.asked.configuration, limits, PART_OF_EPOCH)


def put_back(session: Session) -> None:
    """Leave the trial that waits for devices, if there is one, to a later start of the search."""
    if session.waiting is not None:
        session.study.put_back(session.waiting.asked.number)
        session.waiting = None


def next_trial(session: Session, standing: Standing) -> WaitingTrial | None:
    """Return what is to be started next; nothing if the space or the time holds no further trial."""
    opening_limits = within(session.opening_limits, session.clock)
    trial_limits = within(session.scenario.limits, session.clock)

    def limits_of(proposal: str | None) -> Limits:
        # What builds on the best so far may use all the time that is left; anything else has the limit of a trial.
        builds_on_best = origin_of(proposal, standing.experiences) in BUILT_ON_BEST
        return opening_limits if builds_on_best else trial_limits

    has_to_wait = open_further(session, standing, opening_limits)
    proposal = session.study.waiting_proposal
    if proposal is None and has_to_wait:
        return None
    # Where what waits is passed over, the sampler is asked in its place: for what fits within the same limits.
    limits = limits_of(proposal)
    asked = ask(session, standing.experiences, limits)
    if asked is None:
        return None
    explanation = asked.attributes.get(EXPLANATION) or {}
    session.trust = explanation.get("trust", session.trust)
    devices = session.scenario.resources.devices(asked.configuration, limits)
    return WaitingTrial(asked=asked, limits=limits, devices=devices)


def origin_of(proposal: str | None, experiences: Sequence[Experience]) -> str | None:
    """Return where a proposal comes from; of one that is tried again, where it came from the first time."""
    by_name: dict[str | None, str] = {}
    for experience in experiences:
        by_name[f"{AGAIN} {experience.trial}"] = experience.proposal
    while proposal in by_name:
        proposal = by_name.pop(proposal)
    return proposal


def free_places(session: Session, standing: Standing) -> list[Place]:
    """Return the places where a further trial may run, those with the fewest first."""
    scenario = session.scenario
    busy: Counter[str] = Counter()
    for spec in standing.running.values():
        busy.update(spec.devices or (spec.gpu,))
    # Trials share a place where more of them are to run at once than there are places.
    most = math.ceil(scenario.parallel / len(scenario.places))
    free = [place for place in scenario.places if busy[place.gpu] < most]
    return sorted(free, key=lambda place: busy[place.gpu])


def start(
    session: Session,
    standing: Standing,
    asked: AskedTrial,
    limits: Limits,
    places: Sequence[Place],
) -> None:
    """Start a trial in some places: in the first, or with its model divided over all of them."""
    scenario = session.scenario
    number = asked.number
    configuration = asked.configuration
    folder = session.folder.trial(number)
    # A folder that is there already belongs to a trial that ended: it is never written over.
    folder.mkdir(parents=True)
    # A run that goes on on another machine: `run.json` tells of the one that it began on.
    if scenario.system != session.info.system:
        TrialFolder(folder).write_system(scenario.system)
    place, *beside = places
    if beside:
        limits = limits_of_divided(limits, len(places), scenario.system)
    # Samplers that do not tell where a proposal came from are named in its place.
    proposal = str(asked.attributes.get(PROPOSAL, scenario.options.sampler))
    spec = session.spec(number, configuration, limits, place, proposal, beside)
    forecast = session.forecaster.forecast(
        configuration,
        limits,
        asked.attributes.get(EXPLANATION),
        lead_position(scenario.objectives),
    )
    # Before the trial can tell anything, so that the two can be compared when it has ended.
    TrialFolder(folder).write_forecast(forecast)
    explain(session, asked)
    session.executor.start(spec, folder)
    standing.running[number] = spec
    estimate = scenario.resources.predict_within(configuration, limits)
    session.screen.started(number, configuration, estimate.seconds)
    session.callbacks.started(spec, folder, forecast)


def within(limits: Limits, clock: Clock) -> Limits:
    """Return the limits of a trial that starts now: none lasts longer than the budget."""
    seconds = clock.left
    if limits.seconds is not None:
        seconds = min(limits.seconds, clock.left)
    # The clock of a search without a time budget has infinitely many seconds; limits say that by None.
    if math.isinf(seconds):
        return replace(limits, seconds=None)
    return replace(limits, seconds=seconds)


def open_further(session: Session, standing: Standing, limits: Limits) -> bool:
    """Let what is built on the best probe be next, once all probes have ended, and then what is near the best training.

    What has earned a training on more of the rows comes before anything new.

    Returns:
        Whether the sampler has to wait: what runs now decides what comes next.
    """
    scenario, opening = session.scenario, session.opening
    experiences = standing.experiences
    running = [spec.configuration for spec in standing.running.values()]

    def obstacle(configuration: Configuration) -> str:
        return scenario.resources.obstacle(configuration, limits)

    if opening.is_misled(session.trust):
        session.opening = opening.from_zero()
        beginnings = session.opening.left_out(experiences, running, scenario.lead, obstacle)
        for configuration in beginnings:
            session.study.enqueue(configuration, DEFAULT)
        session.screen.note("the store does not tell of this data: the search begins as without it")
        return False

    def obstacle_to_whole(configuration: Configuration) -> str:
        return scenario.resources.obstacle_to_whole(configuration, limits)

    obstacle_to_training = obstacle_to_whole if opening.follows_store else obstacle
    # What follows waits behind probes that wait, and takes their place where these are passed over; it waits only once.
    begun = [*running, *session.study.waiting_configurations]
    following = opening.after_probes(experiences, begun, scenario.lead, obstacle_to_training)
    for configuration in following:
        session.study.enqueue(configuration, DEFAULT)
    if opening.awaits_probes(experiences, running, obstacle):
        return True
    # Until the opening has ended, what waits in the study comes next.
    if following or not opening.has_ended(experiences, running):
        return False
    promoted = session.rungs.promotion(experiences, running, session.clock.spent, obstacle)
    if promoted is not None:
        session.study.enqueue(promoted, PROMOTED)
        return False
    neighbor = opening.refinement(experiences, running, scenario.lead, obstacle)
    if neighbor is not None:
        session.study.enqueue(neighbor, NEAR_BEST)
    return False


def ask(session: Session, experiences: Sequence[Experience], limits: Limits) -> AskedTrial | None:
    """Return the next trial that fits within limits; nothing if there is none, or no time for any."""
    scenario, clock = session.scenario, session.clock

    def too_large(configuration: Configuration, epochs: float) -> str:
        return scenario.resources.obstacle(configuration, limits, epochs)

    def obstacle(configuration: Configuration, epochs: float) -> str:
        reason_to_wait = session.opening.reason_to_wait(configuration, experiences, scenario.lead)
        return reason_to_wait or too_large(configuration, epochs)

    def fits(epochs: float) -> bool:
        return any(not obstacle(default, epochs) for default in session.defaults)

    def attempt(
        epochs: float, against: Callable[[Configuration, float], str] = obstacle
    ) -> AskedTrial | None:
        def refuse(configuration: Configuration) -> str:
            return against(configuration, epochs)

        def has_time() -> bool:
            return clock.left > 0

        return session.study.ask(refuse, has_time)

    # Where the end of the budget is near, samplers would be asked in vain for something that fits into nothing.
    is_last = scenario.limits.seconds is None or clock.left < scenario.limits.seconds
    if is_last and not fits(PART_OF_EPOCH):
        return None
    if not is_last or fits(WHOLE_EPOCH):
        asked = attempt(WHOLE_EPOCH)
        if asked is not None:
            return asked
    # Where no whole epoch fits any more, the budget is better spent on part of one than left; and where the sampler has
    # nothing but what had better wait, on that.
    return attempt(PART_OF_EPOCH) or attempt(PART_OF_EPOCH, too_large)


def end_early(session: Session) -> list[Experience]:
    """Stop what runs, and bring study and store up to what the trials' folders say.

    Returns:
        The experiences of the run.
    """
    # First of all, so that no trial writes into its folder while it is read.
    session.executor.close()
    info = session.whole_info()
    experiences = session.folder.trials(info).experiences
    # On a full disk some of this fails; the next start does it then.
    with suppress(OSError, SearchEndedError):
        session.clock.note()
        put_back(session)
        experiences = settled(session.folder, info, STOPPED, session.screen.note)
        outcomes = {experience.trial: experience.outcome for experience in experiences}
        for number in session.study.running():
            if number in outcomes:
                session.study.tell(number, outcomes[number])
            else:
                # Its folder does not tell of it, for it was interrupted before it began.
                session.study.put_back(number)
    session.store.add(experiences)
    keep_weights(session, experiences, ())
    tell_interrupted(session, experiences)
    return experiences


def tell_interrupted(session: Session, experiences: list[Experience]) -> None:
    """Tell the callbacks what came of the trials that were running when the search was ended from outside."""
    standing = Standing(lead=session.scenario.lead, folder=session.folder, experiences=experiences)
    outcomes = {experience.trial: experience.outcome for experience in experiences}
    standing.front = pareto_front(outcomes, session.scenario.objectives)
    for experience in experiences:
        # Of those that ended before, the callbacks know already.
        tell_finished(session, standing, experience)


def explain(session: Session, asked: AskedTrial) -> None:
    """Write where a proposal came from, and say it where that is asked for; samplers that do not tell are named."""
    explanation = asked.attributes.get(EXPLANATION)
    if not explanation:
        origin = asked.attributes.get(PROPOSAL, session.scenario.options.sampler)
        explanation = {"origin": origin}
    folder = TrialFolder(session.folder.trial(asked.number))
    folder.write_explanation(explanation)
    if session.scenario.options.explain:
        text = explained(asked.number, explanation)
        session.screen.note(text)


def _too_many_misfortunes(outcome: TrialOutcome) -> SearchEndedError:
    """Return the error that ends a search whose trials are ended from outside one after the other."""
    reason = ""
    if outcome.failure is not None:
        reason = outcome.failure.headline
    return SearchEndedError(
        f"{LARGEST_MISFORTUNE} trials in a row were ended from outside, so the search ends here.",
        got=reason,
        fix="Mend that; the same command goes on from here.",
    )
