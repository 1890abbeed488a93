"""The conductor: ask, run, tell, remember, until the budget is spent."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace

from xautolm.budget import Clock
from xautolm.errors import SearchEndedError
from xautolm.objectives import pareto_front
from xautolm.records import Configuration, Experience, Limits, TrialOutcome
from xautolm.report.screen import Standing
from xautolm.report.tables import explained
from xautolm.resuming import interrupted, settled
from xautolm.run_folder import experience_of, folder_errors
from xautolm.search import AGAIN, DEFAULT, EXPLANATION, NEAR_BEST, PROMOTED, PROPOSAL, AskedTrial
from xautolm.session import Session
from xautolm.trial_folder import TrialFolder

UPDATE_SECONDS = 0.5
"""Between two looks at what runs: a person sees the screen move, and nothing is busy with looking."""
WHOLE_EPOCH = 1.0
PART_OF_EPOCH = 1 / 3
"""Share of the first epoch that must fit at least."""
LARGEST_MISFORTUNE = 5
"""So many trials in a row that are ended from outside end the search: a full disk or a broken driver ends them all."""


def search(session: Session) -> list[Experience]:
    """Run trials until the budget is spent.

    Returns:
        The experiences of the run, those of earlier sessions included.

    Raises:
        SearchEndedError: There is no room for the run's files, or trial after trial is ended from outside.
    """
    scenario = session.scenario
    standing = Standing(
        lead=scenario.lead, folder=session.folder, experiences=list(session.experiences)
    )
    for experience in standing.experiences:
        scenario.resources.observe(experience.configuration, experience.outcome)
    with folder_errors(session.folder.root):
        session.clock.note()
        session.best.restore(standing.experiences)
        session.measure_features()
        misfortunes = 0
        while True:
            while len(standing.running) < scenario.options.parallel and start_next(
                session, standing
            ):
                pass
            if not standing.running:
                break
            if session.pruner is not None:
                session.pruner.stop_hopeless(
                    session.executor, standing.running, standing.experiences
                )
            for number, outcome in session.executor.finished(UPDATE_SECONDS):
                experience = conclude(session, standing, number, outcome)
                session.screen.finished(experience, standing)
                misfortunes = 0 if outcome.is_evidence else misfortunes + 1
                if misfortunes == LARGEST_MISFORTUNE:
                    raise _too_many_misfortunes(outcome)
            show(session, standing)
        session.record([], are_last=True)
        session.clock.note()
        return standing.experiences


def show(session: Session, standing: Standing) -> None:
    """Let the screen show how the search stands now."""
    session.clock.tick()
    standing.used = session.clock.used
    standing.left = session.clock.left
    standing.trials_left = session.trials_left(standing.experiences, len(standing.running))
    session.screen.update(standing)


def conclude(
    session: Session, standing: Standing, number: int, outcome: TrialOutcome
) -> Experience:
    """Tell study, resources and store what came of a trial."""
    spec = standing.running.pop(number)
    session.study.tell(number, outcome)
    session.scenario.resources.observe(spec.configuration, outcome)
    # A trial that was ended from outside says nothing of its configuration, which is tried once more.
    if not outcome.is_evidence and not spec.proposal.startswith(AGAIN):
        session.study.enqueue(spec.configuration, f"{AGAIN} {number}")
    experience = experience_of(
        session.info, spec, outcome, TrialFolder(session.folder.trial(number))
    )
    session.record([experience])
    standing.experiences.append(experience)
    outcomes = {ended.trial: ended.outcome for ended in standing.experiences}
    standing.front = pareto_front(outcomes, session.scenario.objectives)
    keep_weights(session, standing.experiences, standing.running)
    session.best.follow(standing.experiences)
    return experience


def keep_weights(
    session: Session, experiences: Sequence[Experience], running: Iterable[int]
) -> None:
    """Delete the weights that no longer matter: who is on the front counts, of those whose weights are there."""
    outcomes = {}
    for experience in experiences:
        if session.folder.model(experience.trial).is_dir():
            outcomes[experience.trial] = experience.outcome
    front = pareto_front(outcomes, session.scenario.objectives)
    session.folder.keep_weights(front, running)


def start_next(session: Session, standing: Standing) -> bool:
    """Start the next trial; return False if budget or space hold no further one."""
    trials_left = session.trials_left(standing.experiences, len(standing.running))
    if session.clock.left <= 0 or (trials_left is not None and trials_left <= 0):
        return False
    opening_limits = within(session.opening_limits, session.clock)
    is_opening = open_further(session, standing, opening_limits)
    limits = opening_limits if is_opening else within(session.scenario.limits, session.clock)
    asked = ask(session, standing.experiences, limits)
    if asked is None:
        return False
    start(session, standing, asked, limits)
    return True


def start(session: Session, standing: Standing, asked: AskedTrial, limits: Limits) -> None:
    """Start a trial on the device that has the fewest."""
    scenario = session.scenario
    number, configuration = asked.number, asked.configuration
    folder = session.folder.trial(number)
    # A folder that is there already belongs to a trial that ended: it is never written over.
    folder.mkdir(parents=True)
    busy = [spec.device for spec in standing.running.values()]
    device = min(session.devices(), key=busy.count)
    proposal = str(asked.attributes.get(PROPOSAL, scenario.options.sampler))
    spec = session.spec(number, configuration, limits, device, proposal)
    if scenario.options.explain:
        explain(session, asked)
    session.executor.start(spec, folder)
    standing.running[number] = spec
    session.screen.started(number, configuration, scenario.resources.predict(configuration).seconds)


def within(limits: Limits, clock: Clock) -> Limits:
    """Return the limits of a trial that starts now: none lasts longer than the budget."""
    seconds = min(limits.seconds or float("inf"), clock.left)
    return replace(limits, seconds=None if seconds == float("inf") else seconds)


def open_further(session: Session, standing: Standing, limits: Limits) -> bool:
    """Let what is built on the best probe be next, once all probes have ended, and then what is near the best training.

    What has earned a training on more of the rows comes before anything new.

    Returns:
        Whether the next trial builds on what is known to be good, and so may use all the time that is left.
    """
    scenario, opening = session.scenario, session.opening
    experiences = standing.experiences
    running = [spec.configuration for spec in standing.running.values()]

    def obstacle(configuration: Configuration) -> str:
        return scenario.resources.obstacle(configuration, limits)

    for configuration in opening.after_probes(experiences, running, scenario.lead, obstacle):
        session.study.enqueue(configuration, DEFAULT)
    if not opening.has_ended(experiences, running):
        return True
    promoted = session.rungs.promotion(experiences, running, session.clock.spent, obstacle)
    if promoted is not None:
        session.study.enqueue(promoted, PROMOTED)
        return True
    neighbor = opening.refinement(experiences, running, scenario.lead, obstacle)
    if neighbor is None:
        return False
    session.study.enqueue(neighbor, NEAR_BEST)
    return True


def ask(session: Session, experiences: Sequence[Experience], limits: Limits) -> AskedTrial | None:
    """Return the next trial that fits within limits; nothing if there is none, or no time for any."""
    scenario, clock = session.scenario, session.clock

    def obstacle(configuration: Configuration, epochs: float) -> str:
        reason = session.opening.reason_to_wait(configuration, experiences, scenario.lead)
        return reason or scenario.resources.obstacle(configuration, limits, epochs)

    def fits(epochs: float) -> bool:
        return any(not obstacle(default, epochs) for default in session.defaults)

    def attempt(epochs: float) -> AskedTrial | None:
        def refuse(configuration: Configuration) -> str:
            return obstacle(configuration, epochs)

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
    # Where no whole epoch fits any more, the budget is better spent on part of one than left.
    return attempt(PART_OF_EPOCH)


def end_early(session: Session) -> list[Experience]:
    """Stop what runs, and bring study and store up to what the trials' folders say.

    Returns:
        The experiences of the run.
    """
    session.executor.close()
    info = session.whole_info()
    experiences = session.folder.trials(info).experiences
    # On a full disk some of this fails; the next start does it then.
    with suppress(OSError, SearchEndedError):
        session.clock.note()
        experiences = settled(session.folder, info, session.screen.note)
        outcomes = {experience.trial: experience.outcome for experience in experiences}
        for number in session.study.running():
            session.study.tell(number, outcomes.get(number, interrupted()))
    session.store.add(experiences)
    keep_weights(session, experiences, ())
    return experiences


def explain(session: Session, asked: AskedTrial) -> None:
    """Say and write where a proposal came from; samplers that do not tell are named."""
    origin = asked.attributes.get(PROPOSAL, session.scenario.options.sampler)
    explanation = asked.attributes.get(EXPLANATION) or {"origin": origin}
    TrialFolder(session.folder.trial(asked.number)).write_explanation(explanation)
    session.screen.note(explained(asked.number, explanation))


def _too_many_misfortunes(outcome: TrialOutcome) -> SearchEndedError:
    """Return the error that ends a search whose trials are ended from outside one after the other."""
    message = outcome.failure.headline if outcome.failure else ""
    return SearchEndedError(
        f"{LARGEST_MISFORTUNE} trials in a row were ended from outside, so the search ends here.",
        got=message,
        fix="Mend that; the same command goes on from here.",
    )
