"""The conductor: ask, run, tell, remember, until the budget is spent."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace

from xautolm.budget import Clock
from xautolm.documents import write_json
from xautolm.errors import SearchEndedError
from xautolm.plan import Plan, interrupted, settled
from xautolm.records import Configuration, Experience, Limits, TrialOutcome
from xautolm.report.screen import Standing
from xautolm.report.tables import explained
from xautolm.run_folder import experience_of, folder_errors
from xautolm.search import AGAIN, DEFAULT, EXPLANATION, NEAR_BEST, PROPOSAL, AskedTrial, pareto_front

UPDATE_SECONDS = 0.5
PART_OF_EPOCH = 1 / 3
"""Share of the first epoch that must fit at least."""
LARGEST_MISFORTUNE = 5
"""So many trials in a row that are ended from outside end the search: a full disk or a broken driver ends them all."""


def search(plan: Plan) -> list[Experience]:
    """Run trials until the budget is spent.

    Returns:
        The experiences of the run, those of earlier sessions included.

    Raises:
        SearchEndedError: There is no room for the run's files, or trial after trial is ended from outside.
    """
    standing = Standing(metric=plan.metric, folder=plan.folder, experiences=list(plan.experiences))
    for earlier in standing.experiences:
        plan.resources.observe(earlier.configuration, earlier.outcome)
    misfortunes = 0
    with folder_errors(plan.folder.root):
        plan.clock.note()
        plan.best.restore(standing.experiences)
        plan.measure_features()
        while True:
            while len(standing.running) < plan.parallel and start_next(plan, standing):
                pass
            if not standing.running:
                plan.record([], are_last=True)
                plan.clock.note()
                return standing.experiences
            if plan.pruner is not None:
                plan.pruner.stop_hopeless(plan.executor, standing.running, standing.experiences)
            for number, outcome in plan.executor.finished(UPDATE_SECONDS):
                experience = conclude(plan, standing, number, outcome)
                misfortunes = 0 if outcome.is_evidence else misfortunes + 1
                plan.screen.finished(experience, standing)
                if misfortunes == LARGEST_MISFORTUNE:
                    raise _too_many_misfortunes(outcome)
            plan.clock.tick()
            standing.used, standing.left = plan.clock.used, plan.clock.left
            standing.trials_left = plan.trials_left(standing.experiences, len(standing.running))
            plan.screen.update(standing)


def conclude(plan: Plan, standing: Standing, number: int, outcome: TrialOutcome) -> Experience:
    """Tell study, resources and store what came of a trial."""
    spec = standing.running.pop(number)
    plan.study.tell(number, outcome)
    plan.resources.observe(spec.configuration, outcome)
    if not outcome.is_evidence and not spec.proposal.startswith(AGAIN):
        plan.study.enqueue(spec.configuration, f"{AGAIN} {number}")
    experience = experience_of(plan.info, spec, outcome, plan.folder.trial(number))
    plan.record([experience])
    standing.experiences.append(experience)
    outcomes = {ended.trial: ended.outcome for ended in standing.experiences}
    standing.front = pareto_front(outcomes, plan.objectives)
    keep_weights(plan, standing.experiences, standing.running)
    plan.best.follow(standing.experiences)
    return experience


def keep_weights(plan: Plan, experiences: Sequence[Experience], running: Iterable[int]) -> None:
    """Delete the weights that no longer matter: who is on the front counts, of those whose weights are there."""
    there = [experience for experience in experiences if plan.folder.model(experience.trial).is_dir()]
    front = pareto_front({experience.trial: experience.outcome for experience in there}, plan.objectives)
    plan.folder.keep_weights(front, running)


def start_next(plan: Plan, standing: Standing) -> bool:
    """Start the next trial; False if budget or space hold no further one."""
    trials_left = plan.trials_left(standing.experiences, len(standing.running))
    if plan.clock.left <= 0 or (trials_left is not None and trials_left <= 0):
        return False
    opening_limits = within(plan.opening_limits, plan.clock)
    is_opening = open_further(plan, standing, opening_limits)
    limits = opening_limits if is_opening else within(plan.limits, plan.clock)
    asked = ask(plan, standing.experiences, limits)
    if asked is None:
        return False
    number, configuration = asked.number, asked.configuration
    folder = plan.folder.trial(number)
    # A folder that is there already belongs to a trial that ended: it is never written over.
    folder.mkdir(parents=True)
    proposal = str(asked.attributes.get(PROPOSAL, plan.sampler))
    busy = [spec.device for spec in standing.running.values()]
    spec = plan.spec(number, configuration, limits, min(plan.devices, key=busy.count), proposal)
    if plan.explain:
        explain(plan, asked)
    plan.executor.start(spec, folder)
    standing.running[number] = spec
    plan.screen.started(number, configuration, plan.resources.predict(configuration).seconds)
    return True


def within(limits: Limits, clock: Clock) -> Limits:
    """Return the limits of a trial that starts now: none lasts longer than the budget."""
    seconds = min(limits.seconds or float("inf"), clock.left)
    return replace(limits, seconds=None if seconds == float("inf") else seconds)


def open_further(plan: Plan, standing: Standing, limits: Limits) -> bool:
    """Let what is built on the best probe be next, once all probes have ended, and then what is near the best training.

    Returns:
        Whether the search is still in its opening, whose trials may use all the time that is left.
    """
    running = [spec.configuration for spec in standing.running.values()]

    def obstacle(configuration: Configuration) -> str:
        return plan.resources.obstacle(configuration, limits)

    for configuration in plan.opening.after_probes(standing.experiences, running, plan.metric, obstacle):
        plan.study.enqueue(configuration, DEFAULT)
    if not plan.opening.has_ended(standing.experiences, running):
        return True
    neighbour = plan.opening.refinement(standing.experiences, running, plan.metric, obstacle)
    if neighbour is None:
        return False
    plan.study.enqueue(neighbour, NEAR_BEST)
    return True


def ask(plan: Plan, experiences: Sequence[Experience], limits: Limits) -> AskedTrial | None:
    """Return the next trial that fits within limits; nothing if there is none, or no time for any."""

    def obstacle(configuration: Configuration, epochs: float) -> str:
        reason = plan.opening.reason_to_wait(configuration, experiences, plan.metric)
        return reason or plan.resources.obstacle(configuration, limits, epochs)

    def fits(epochs: float) -> bool:
        return any(not obstacle(default, epochs) for default in plan.defaults)

    def attempt(epochs: float) -> AskedTrial | None:
        def has_time() -> bool:
            return plan.clock.left > 0

        return plan.study.ask(lambda configuration: obstacle(configuration, epochs), has_time)

    # Where the end of the budget is near, samplers would be asked in vain for something that fits into nothing.
    is_last = plan.limits.seconds is None or plan.clock.left < plan.limits.seconds
    if is_last and not fits(PART_OF_EPOCH):
        return None
    asked = attempt(1.0) if not is_last or fits(1.0) else None
    # Where no whole epoch fits any more, the budget is better spent on part of one than left.
    return asked or attempt(PART_OF_EPOCH)


def end_early(plan: Plan) -> list[Experience]:
    """Stop what runs, and bring study and store up to what the trials' folders say.

    Returns:
        The experiences of the run.
    """
    plan.executor.close()
    info = plan.whole_info()
    experiences = plan.folder.trials(info).experiences
    # On a full disk some of this fails; the next start does it then.
    with suppress(OSError, SearchEndedError):
        plan.clock.note()
        experiences = settled(plan.folder, info, plan.screen.note)
        outcomes = {experience.trial: experience.outcome for experience in experiences}
        for number in plan.study.running():
            plan.study.tell(number, outcomes.get(number, interrupted()))
    plan.store.add(experiences)
    keep_weights(plan, experiences, ())
    return experiences


def explain(plan: Plan, asked: AskedTrial) -> None:
    """Say and write where a proposal came from; samplers that do not tell are named."""
    origin = asked.attributes.get(PROPOSAL, plan.sampler)
    explanation = asked.attributes.get(EXPLANATION) or {"origin": origin}
    write_json(plan.folder.trial(asked.number) / "explanation.json", explanation)
    plan.screen.note(explained(asked.number, explanation))


def _too_many_misfortunes(outcome: TrialOutcome) -> SearchEndedError:
    message = outcome.failure.headline if outcome.failure else ""
    return SearchEndedError(
        f"{LARGEST_MISFORTUNE} trials in a row were ended from outside, so the search ends here.",
        got=message,
        fix="Mend that; the same command goes on from here.",
    )
