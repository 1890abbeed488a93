"""Trackio: a group of runs in its local database, or in a Space (`TRACKIO_SPACE_ID`)."""

from __future__ import annotations

import io
from collections.abc import Mapping
from contextlib import redirect_stdout
from typing import TYPE_CHECKING

from xautolm.callbacks import TrialEvaluated, TrialFinished, TrialStarted
from xautolm.settings import tracking_project
from xautolm.trackers.base import (
    SearchEnded,
    TrackedRun,
    Tracker,
    numbers_of,
    parameters_of,
    results_of,
    standing_of,
    status_of,
)

if TYPE_CHECKING:
    from trackio import Run


class TrackioRun:
    """A run for the search and one for each trial, all in a group of the search's name.

    Trackio keeps numbers, texts and files, but no status of a run: that is a text among a trial's last numbers.
    """

    def __init__(self, run: TrackedRun) -> None:
        self.run = run
        self.trials: dict[int, Run] = {}
        self.search = self._open(run.name, run.parameters)

    def started(self, event: TrialStarted) -> None:
        """Open the run of a trial, with the configuration as its config."""
        config = {**parameters_of(event.configuration), "proposal": event.proposal}
        # Trackio knows runs by their names, and many searches may be in a project.
        name = f"{self.run.name} {self.run.trial_name(event.trial)}"
        self.trials[event.trial] = self._open(name, config)

    def evaluated(self, event: TrialEvaluated) -> None:
        """Add a point to each curve."""
        self.trials[event.trial].log(numbers_of(event), step=event.step)

    def finished(self, event: TrialFinished) -> None:
        """Log what the trial ends with, its status among it, and close its run."""
        outcome = event.experience.outcome
        trial = self.trials.pop(event.trial)
        results = {f"result/{name}": value for name, value in results_of(outcome).items()}
        trial.log({**results, **status_of(outcome)})
        _finish(trial)
        self.search.log(standing_of(event, self.run.lead), step=event.ended)

    def ended(self, event: SearchEnded) -> None:
        """Add the models of the front and the tables as artifacts, and close the run of the search."""
        import trackio

        for trial, folder in event.models.items():
            model = trackio.Artifact(self.run.trial_id(trial), type="model")
            model.add_dir(str(folder))
            self.search.log_artifact(model)
        if event.best is not None:
            self.search.log({"best_trial": event.best.trial})
        _finish(self.search)

    def _open(self, name: str, config: Mapping[str, object]) -> Run:
        """Open a run, or go on with the one of that name."""
        import trackio

        # It greets on standard output, where `--json` writes one object a line.
        with redirect_stdout(io.StringIO()):
            return trackio.init(
                project=tracking_project("TRACKIO_PROJECT"),
                name=name,
                group=self.run.name,
                config=dict(config),
                resume="allow",
                embed=False,
                # A thread for each open run would measure the machine beside the trials.
                auto_log_cpu=False,
                auto_log_gpu=False,
            )


def _finish(run: Run) -> None:
    """Close a run, without the words that it has for that."""
    with redirect_stdout(io.StringIO()):
        run.finish()


TRACKER = Tracker(name="trackio", module="trackio", begin=TrackioRun)
