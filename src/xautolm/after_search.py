"""Children that run once the last trial of a search has ended: the winner is trained on all rows, merged, scored.

They are named by their functions, because the parent never imports torch.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from xautolm.execution import ClusterExecutor, LocalExecutor, SpawnLauncher
from xautolm.hardware import measured_machine
from xautolm.records import Experience, Limits, TrialOutcome, TrialSpec
from xautolm.session import Session

MERGE_ENTRY = "xautolm.finetuning.merging:run"
"""Merges the winner's adapters into its model."""
TEST_ENTRY = "xautolm.finetuning.evaluate:run"
"""Scores the winner."""
WAIT_SECONDS = 0.5
"""For which the end of a child is waited for at a time: a person sees the screen move."""


def last_order(session: Session, best: Experience, limits: Limits) -> TrialSpec:
    """Return the order of the winner's trial once more.

    Args:
        session: The search.
        best: The trial.
        limits: Of the child.
    """
    place = session.scenario.places[0]
    if isinstance(session.executor, ClusterExecutor):
        # The winner's files are here, and so it is asked here, whatever its trial ran on.
        _, places = measured_machine()
        place = places[0]
    return session.spec(best.trial, best.configuration, limits, place, best.proposal)


def wait_silently() -> None:
    """Do nothing while a child runs."""


def outcome_of_child(
    session: Session,
    spec: TrialSpec,
    folder: Path,
    entry: str,
    meanwhile: Callable[[], None] = wait_silently,
) -> TrialOutcome:
    """Run a child and wait for it.

    Args:
        session: The search, whose server starts the child where it has one.
        spec: What the child is told.
        folder: The child's.
        entry: The function that it runs.
        meanwhile: Called twice a second until it has ended.
    """
    # What an earlier attempt left there must not be taken for the result of this one.
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(exist_ok=True)
    # The server of the trials has torch loaded already, which takes a new interpreter 2 % of five minutes.
    # A server of our own is closed at the end; that of the trials is the session's.
    trials_launcher = (
        session.executor.launcher if isinstance(session.executor, LocalExecutor) else None
    )
    launcher = trials_launcher or SpawnLauncher(spec.threads)
    executor = LocalExecutor(launcher, entry)
    ended: Sequence[tuple[int, TrialOutcome]] = ()
    try:
        executor.start(spec, folder)
        while not ended:
            meanwhile()
            ended = executor.finished(timeout=WAIT_SECONDS)
    except BaseException:
        # Who interrupts the search does not want its last child to go on by itself.
        executor.cancel(spec.number)
        raise
    finally:
        if trials_launcher is None:
            executor.close()
    _, outcome = ended[0]
    return outcome
