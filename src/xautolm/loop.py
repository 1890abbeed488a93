"""The conductor: ask, run, tell, remember, until the budget is spent."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from xautolm.documents import write_json
from xautolm.plan import Plan
from xautolm.records import Experience
from xautolm.report.screen import Standing
from xautolm.report.tables import explained
from xautolm.run_folder import ended_experience
from xautolm.search import EXPLANATION, ask, pareto_front, tell

if TYPE_CHECKING:
    import optuna

UPDATE_SECONDS = 0.5
PART_OF_EPOCH = 0.3
"""Share of the first epoch that must fit at least."""


def search(plan: Plan) -> list[Experience]:
    """Run trials until the budget is spent.

    Returns:
        The experiences of the run, those of earlier sessions included.
    """
    standing = Standing(metric=plan.metric, folder=plan.folder, experiences=plan.folder.experiences())
    for earlier in standing.experiences:
        plan.resources.observe(earlier.configuration, earlier.outcome)
    while True:
        while len(standing.running) < plan.parallel and start_next(plan, standing):
            pass
        if not standing.running:
            return standing.experiences
        for number, outcome in plan.executor.finished(UPDATE_SECONDS):
            spec = standing.running.pop(number)
            tell(plan.study, number, outcome, plan.objectives)
            plan.resources.observe(spec.configuration, outcome)
            experience = ended_experience(plan.info, plan.folder.trial(number))
            plan.store.add([experience])
            standing.experiences.append(experience)
            outcomes = {one.trial: one.outcome for one in standing.experiences}
            standing.front = pareto_front(outcomes, plan.objectives)
            plan.folder.keep_weights(standing.front, standing.running)
            plan.screen.finished(experience, standing)
        plan.clock.tick()
        standing.used, standing.left = plan.clock.used, plan.clock.left
        standing.trials_left = plan.trials_left(standing.experiences, len(standing.running))
        plan.screen.update(standing)


def start_next(plan: Plan, standing: Standing) -> bool:
    """Start the next trial; False if budget or space hold no further one."""
    trials_left = plan.trials_left(standing.experiences, len(standing.running))
    if plan.clock.left <= 0 or (trials_left is not None and trials_left <= 0):
        return False
    seconds = min(plan.limits.seconds or float("inf"), plan.clock.left)
    limits = replace(plan.limits, seconds=None if seconds == float("inf") else seconds)
    asked = ask(plan.study, plan.space, lambda one: plan.resources.obstacle(one, limits))
    # Where no whole epoch fits any more, the budget is better spent on part of one than left.
    asked = asked or ask(plan.study, plan.space, lambda one: plan.resources.obstacle(one, limits, PART_OF_EPOCH))
    if asked is None:
        return False
    trial, configuration = asked
    folder = plan.folder.trial(trial.number)
    folder.mkdir(parents=True, exist_ok=True)
    proposal = str(trial.user_attrs.get("proposal", plan.sampler))
    busy = [spec.device for spec in standing.running.values()]
    spec = plan.spec(trial.number, configuration, limits, min(plan.devices, key=busy.count), proposal)
    if plan.explain:
        explain(plan, trial, folder)
    plan.executor.start(spec, folder)
    standing.running[trial.number] = spec
    plan.screen.started(trial.number, configuration, plan.resources.predict(configuration).seconds)
    return True


def explain(plan: Plan, trial: optuna.Trial, folder: Path) -> None:
    """Say and write where a proposal came from; samplers that do not tell are named."""
    attributes = plan.study.get_trials(deepcopy=False)[trial.number].user_attrs
    explanation = attributes.get(EXPLANATION) or {"origin": attributes.get("proposal", plan.sampler)}
    write_json(folder / "explanation.json", explanation)
    plan.screen.note(explained(trial.number, explanation))
