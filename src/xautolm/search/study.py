"""The Optuna study of a run: open it, ask it for configurations, tell it outcomes."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from xautolm.metrics import EVALUATION_TIME
from xautolm.ranking import fronts, oriented
from xautolm.records import Configuration, Objective, Scalar, TrialOutcome
from xautolm.space import Branch, Choice, Float, Int, Parameter, Space

if TYPE_CHECKING:
    import optuna

logger = logging.getLogger(__name__)

FAILED = "failed"
"""Name of the constraint that a failed trial violates."""
EXPLANATION = "explanation"
"""User attribute of a trial that says where its proposal came from."""
NAME = "xautolm"
DEFAULT = "default"
"""Proposal of the first trial: the space's defaults."""
ATTEMPTS = 30
"""How many proposals may be passed over in a row before the search ends."""


def open_study(
    storage: str | None,
    space: Space,
    objectives: Sequence[Objective],
    make: Callable[[int], optuna.samplers.BaseSampler],
    seed: int,
    first: Sequence[Configuration] = (),
) -> optuna.Study:
    """The study in a storage; a new one begins with known configurations.

    Args:
        storage: SQLAlchemy URL; in memory if None.
        space: The space.
        objectives: Names and directions.
        make: Makes the sampler for a seed.
        seed: For the sampler; a resumed study goes on with a seed of its own.
        first: What to begin with; the space's default configuration if empty.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(
        storage=_fast_storage(storage) if storage else None,
        study_name=NAME,
        directions=["maximize" if objective.maximize else "minimize" for objective in objectives],
        load_if_exists=True,
    )
    # Optuna's samplers keep their random state in memory: with the first seed, a resumed one would repeat itself.
    # NumPy's generators take seeds below 2**32, and `--seed` may be the largest of them.
    study.sampler = make((seed + len(study.get_trials(deepcopy=False))) % 2**32)
    if not study.get_trials(deepcopy=False):
        study.set_user_attr("objectives", [objective.name for objective in objectives])
        for one in first or [space.default()]:
            study.enqueue_trial(space.site_values(one.values), user_attrs={"proposal": DEFAULT})
    return study


def _fast_storage(url: str) -> optuna.storages.RDBStorage:
    """Optuna's storage; SQLite in write-ahead mode, where a commit (there is one for each parameter) need not wait
    for the disk and a killed process still loses nothing."""
    import optuna
    from sqlalchemy import event

    storage = optuna.storages.RDBStorage(url)
    if url.startswith("sqlite"):

        @event.listens_for(storage.engine, "connect")
        def configure(connection: Any, _: Any) -> None:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=NORMAL")

        storage.engine.dispose()
    return storage


def ask(
    study: optuna.Study, space: Space, obstacle: Callable[[Configuration], str]
) -> tuple[optuna.Trial, Configuration] | None:
    """The next configuration that is new and meets no obstacle.

    Proposals that are passed over are told as pruned, with the reason: samplers then look elsewhere.

    Returns:
        The trial and its configuration; nothing if no such configuration was found in a fair number of attempts.
    """
    import optuna

    interrupted = optuna.trial.TrialState.FAIL
    tried = {trial.user_attrs.get("digest") for trial in study.get_trials(deepcopy=False) if trial.state != interrupted}
    for _ in range(ATTEMPTS):
        trial = study.ask()
        configuration = space.walk(lambda key, parameter, trial=trial: _suggest(trial, key, parameter))  # type: ignore[misc]
        reason = "tried before" if configuration.digest in tried else obstacle(configuration)
        if not reason:
            trial.set_user_attr("digest", configuration.digest)
            return trial, configuration
        _pass_over(study, trial, reason)
    return None


def tell(study: optuna.Study, number: int, outcome: TrialOutcome, objectives: Sequence[Objective]) -> None:
    """Tell the study what came of a trial.

    A failure ends as a complete trial with the worst values and a violated constraint: unlike Optuna's own FAIL,
    which every sampler ignores, that makes TPE, NSGA-II and GP avoid its kind. An interrupted trial ends as FAIL:
    it says nothing about its configuration.
    """
    import optuna

    # The only way to a handle on a trial that an earlier process asked for.
    trial = optuna.trial.Trial(study, study.get_trials(deepcopy=False)[number]._trial_id)
    trial.set_user_attr("status", outcome.status.value)
    if outcome.failure is not None:
        trial.set_user_attr("failure", outcome.failure.kind.value)
    if not outcome.is_evidence:
        study.tell(number, state=optuna.trial.TrialState.FAIL)
        return
    trial.set_constraint(FAILED, 0.0 if outcome.succeeded else 1.0)
    study.tell(number, objective_values(outcome, objectives) or _worst_values(study, outcome, objectives))


def objective_values(outcome: TrialOutcome, objectives: Sequence[Objective]) -> list[float] | None:
    """The objectives of a successful outcome, or nothing."""
    if not outcome.succeeded or outcome.evaluation_time is None:
        return None
    values = {**outcome.metrics, EVALUATION_TIME: outcome.evaluation_time}
    return [values[objective.name] for objective in objectives]


def pareto_front(outcomes: dict[int, TrialOutcome], objectives: Sequence[Objective]) -> list[int]:
    """Numbers of the trials that no other dominates, best in the first objective first."""
    told = {number: found for number, one in outcomes.items() if (found := objective_values(one, objectives))}
    if not told:
        return []
    numbers, values = list(told), oriented(list(told.values()), objectives)
    front = fronts(values)[0]
    return [numbers[position] for position in sorted(front, key=lambda position: -values[position, 0])]


def _suggest(trial: optuna.Trial, key: str, parameter: Parameter) -> Scalar:
    match parameter:
        case Float():
            return trial.suggest_float(key, parameter.low, parameter.high, log=parameter.log)
        case Int():
            return trial.suggest_int(key, parameter.low, parameter.high, log=parameter.log)
        case Choice() | Branch():
            return trial.suggest_categorical(key, parameter.options)


def _pass_over(study: optuna.Study, trial: optuna.Trial, reason: str) -> None:
    import optuna

    logger.info("proposal %d passed over: %s", trial.number, reason)
    trial.set_user_attr("passed_over", reason)
    study.tell(trial, state=optuna.trial.TrialState.PRUNED)


def _worst_values(study: optuna.Study, outcome: TrialOutcome, objectives: Sequence[Objective]) -> list[float]:
    """The worst of each objective's range; for the time, the longest of any trial so far."""
    seen = [trial.values for trial in study.get_trials(deepcopy=False) if trial.values]
    return [
        objective.worst if objective.maximize else max([outcome.wall_time, *(values[column] for values in seen)])
        for column, objective in enumerate(objectives)
    ]
