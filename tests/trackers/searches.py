"""Searches that are played for trackers: one success, one failure, one trial that is trained on."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from xautolm import AutoLM
from xautolm.callbacks import Callback
from xautolm.execution.failures import failed, failure_of
from xautolm.records import TrialOutcome, TrialSpec
from xautolm.report.screen import Quiet
from xautolm.testing import SteppingExecutor

EPOCHS = 3
FAILING = 1
"""Number of the trial that fails."""


def score(trial: int, epoch: int) -> float:
    """Return what a trial scores after an epoch."""
    return 0.1 * epoch + 0.01 * trial


def curve(spec: TrialSpec) -> list[dict[str, float]]:
    """Return what a trial writes; nothing where it fails."""
    if spec.number == FAILING:
        return []
    lines = []
    for epoch in range(1, EPOCHS + 1):
        line = {"epoch": epoch, "step": 10 * epoch, "steps": 10 * EPOCHS, "seconds": 2.0 * epoch}
        lines.append({**line, **dict.fromkeys(spec.metrics, score(spec.number, epoch))})
    return lines


class FailingExecutor(SteppingExecutor):
    """Plays trials by their curves; one of them fails for lack of memory."""

    def __init__(self) -> None:
        super().__init__(curve)

    def finished(self, timeout: float) -> list[tuple[int, TrialOutcome]]:
        """Let the trials go on by one line each; the one that fails ends at once."""
        if FAILING not in self.waiting:
            return super().finished(timeout)
        spec, folder = self.waiting.pop(FAILING)
        outcome = failed(failure_of(MemoryError("no room")))
        self._leave(spec, folder, outcome)
        return [(FAILING, outcome)]


def fit(
    folder: Path,
    tickets: pd.DataFrame,
    report_to: str,
    trials: int = 3,
    callbacks: tuple[Callback, ...] = (),
    screen: Quiet | None = None,
) -> AutoLM:
    """Play a search that reports to trackers."""
    auto = AutoLM(
        out=str(folder),
        sampler="random",
        device="cpu",
        pruning=False,
        trials=trials,
        report_to=report_to,
    )
    return auto.fit(
        tickets, callbacks=callbacks, screen=screen or Quiet(), executor=FailingExecutor()
    )
