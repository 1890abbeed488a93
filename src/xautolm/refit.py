"""The winner's last training: its configuration once more, on the rows of training and validation together.

Once it is chosen, the rows that it was chosen by can be learned from as well. What this gains stands in
docs/experiments.md, "The winner on all rows".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from xautolm.after_search import MERGE_ENTRY, last_order, outcome_of_child
from xautolm.execution import ClusterExecutor, LocalExecutor
from xautolm.methods import METHODS
from xautolm.metrics import metric_named
from xautolm.records import Experience, Limits, TrialSpec
from xautolm.run_folder import holds_adapters
from xautolm.session import ENTRY, Session
from xautolm.space.shares import trained_share
from xautolm.vocabulary import Refit, Stage, TrialStatus

MARGIN = 1.15
"""Of the time that the last training is predicted to take, over what its trial took for as many rows: the same training
takes some 10 % more or less from one time to the next."""
LARGEST_SHARE = 0.4
"""Of the budget that is kept for it: what takes longer is the first training that fits, and another one near that
promises more."""


def seconds_to_keep(session: Session, best: Experience | None) -> float:
    """Return the seconds of the budget that no further trial may use, so that the best so far can be trained once more.

    None are kept where it would take more than `LARGEST_SHARE` of the budget, or than is left of it: further trials
    may use that.

    Args:
        session: The search.
        best: Its best trial so far, if any.
    """
    budget = session.clock.budget.seconds
    if budget is None or best is None or not is_wanted(session) or obstacle(session, best):
        return 0.0
    results = session.best.results()
    is_done = results is not None and results.is_refit and results.best == best.trial
    if is_done:
        return 0.0
    needed = seconds_needed(best)
    most = min(LARGEST_SHARE * budget, session.clock.left_in_all)
    if needed > most:
        return 0.0
    return needed


def is_wanted(session: Session) -> bool:
    """Return whether the winner is to be trained once more, where that can be done."""
    wish = session.scenario.options.refit
    if wish is not Refit.AUTO:
        return wish is Refit.ALWAYS
    # A split that a person gave may be meant for more than choosing. Who counts trials has not asked for a further one.
    has_made_validation = session.scenario.dataset.has_made_validation
    has_time_budget = session.clock.budget.seconds is not None
    return has_made_validation and has_time_budget and isinstance(session.executor, LocalExecutor)


def obstacle(session: Session, best: Experience) -> str:
    """Return why a trial's training cannot be done once more on all rows, or nothing."""
    method = METHODS.get(best.configuration.method)
    if method.most_training_rows == 0:
        return "it learns nothing from rows"
    if best.outcome.status is not TrialStatus.COMPLETE:
        return "its training was cut"
    if best.outcome.devices > 1:
        return "its model was divided over several devices"
    if isinstance(session.executor, ClusterExecutor):
        return "trials run on other machines"
    return ""


def seconds_needed(best: Experience) -> float:
    """Return the seconds that a trial's training is predicted to take with the validation rows, too."""
    # On a rung it was trained on a part of the rows.
    trained_rows = trained_share(best.configuration.values) * best.data.train_examples
    growth = (trained_rows + best.data.validation_examples) / trained_rows
    return MARGIN * best.outcome.wall_time * growth


def refit(
    session: Session, experiences: Sequence[Experience], meanwhile: Callable[[], None]
) -> None:
    """Train the winner once more on all rows, and let `best/` be what comes of it; nothing where that is not wanted.

    Where it fails, or turns out worse than its trial in any metric on the very rows that it is trained on, `best/`
    stays the trial's own model, and the screen is told why. With `never` it is that, too, where an earlier start has
    trained it once more.

    Args:
        session: The search, of which no trial runs any more.
        experiences: Its trials.
        meanwhile: Called twice a second as long as it lasts: it may be two fifths of the budget.
    """
    results = session.best.results()
    if results is None:
        return
    is_refused = session.scenario.options.refit is Refit.NEVER
    is_to_undo = results.is_refit and is_refused
    is_to_do = is_wanted(session) and not results.is_refit
    if not is_to_undo and not is_to_do:
        return
    winners = [experience for experience in experiences if experience.trial == results.best]
    # Its own files may be lost, with `best/` all that is left of it.
    if not winners:
        return
    best = winners[0]
    if is_to_undo:
        _take_back(session, best)
        return
    reason = obstacle(session, best) or lack_of_time(session, best)
    if not reason:
        session.folder.mark(Stage.REFIT)
        reason = _train(session, best, meanwhile)
    if reason:
        session.screen.note(f"best/ is trial {best.trial} as it was validated: {reason}")
        return
    session.best.place(best, is_refit=True)


def _take_back(session: Session, best: Experience) -> None:
    """Let `best/` be the trial's own model again, where its weights are kept."""
    if not session.folder.model(best.trial).is_dir():
        session.screen.note(
            f"best/ stays trained on all rows: the weights of trial {best.trial} as it was validated are gone"
        )
        return
    session.best.place(best)
    session.screen.note(f"best/ is trial {best.trial} as it was validated")


def lack_of_time(session: Session, best: Experience) -> str:
    """Return why a trial's training on all rows would not end within the budget, or nothing."""
    # The margin was for what came in between, such as a last question to the sampler, and the training is planned to
    # end within what is left.
    needed = seconds_needed(best) / MARGIN
    left = session.clock.left_in_all
    if needed <= left:
        return ""
    return f"to train it on all rows would take {needed:.1f} s, and {max(0.0, left):.1f} s are left"


def _train(session: Session, best: Experience, meanwhile: Callable[[], None]) -> str:
    """Train a trial's configuration on all rows, in a child; return why the result is not to be used, or nothing."""
    # How many rows it had before differs: probes look at a sample of large data, rungs at a part.
    rows = best.data.validation_examples
    session.screen.note(
        f"trial {best.trial} is trained once more, with the {rows:,} validation rows, too"
    )
    folder = session.folder.refit
    order = replace(last_order(session, best, _limits(session)), trains_on_validation=True)
    outcome = outcome_of_child(session, order, folder, ENTRY, meanwhile)
    if outcome.failure is not None:
        return f"its training on all rows failed: {outcome.failure.message} (see {folder})"
    worse = metrics_lost(best.outcome.metrics, outcome.metrics)
    if worse:
        names = ", ".join(worse)
        return f"trained on all rows it has a worse {names}, even on rows that it has seen (see {folder})"
    if holds_adapters(session.folder.refit_model):
        return _merge(session, order, meanwhile)
    return ""


def metrics_lost(before: Mapping[str, float], after: Mapping[str, float]) -> list[str]:
    """Return the names of the metrics that are worse than before.

    All count, not the leading one alone: a correlation does not tell of numbers that are all far too large.

    Args:
        before: Scores of a trial's model on rows that it had not seen.
        after: Scores on the same rows of one that was trained on them.
    """
    lost = []
    for name in before:
        objective = metric_named(name).objective
        if objective.standing(after) < objective.standing(before):
            lost.append(name)
    return lost


def _limits(session: Session) -> Limits:
    """Return what the last training may use: what a trial may, and the rest of the budget's time."""
    limits = session.scenario.limits
    if session.clock.budget.seconds is None:
        return replace(limits, seconds=None)
    return replace(limits, seconds=session.clock.left_in_all)


def _merge(session: Session, order: TrialSpec, meanwhile: Callable[[], None]) -> str:
    """Merge the adapters that the last training left; return why that failed, or nothing."""
    folder = session.folder.merging
    outcome = outcome_of_child(session, order, folder, MERGE_ENTRY, meanwhile)
    if outcome.failure is None:
        return ""
    return f"its adapters could not be merged: {outcome.failure.message} (see {folder})"
