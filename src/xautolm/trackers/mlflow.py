"""MLflow: a run with nested runs, at the address that MLflow's own settings name (`MLFLOW_TRACKING_URI`)."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Mapping
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
    small_files,
    standing_of,
    status_of,
)
from xautolm.vocabulary import FailureKind, TrialStatus

if TYPE_CHECKING:
    from mlflow.entities import Run

FOREIGN = re.compile(r"[^\w\-. /]")
"""Characters that MLflow takes in no name of a parameter or metric on every system; functions as metrics have `:`."""
LONGEST_VALUE = 500
"""Characters of a parameter's value that every version of the server takes."""
LONGEST_TAG = 5000
"""Characters of a tag's value."""
RUN_TAG, TRIAL_TAG = "xautolm.run", "xautolm.trial"
"""By these tags a search finds its own runs again when it goes on."""
FRONT_TAG = "xautolm.front"
"""Says of a trial's run whether no other trial dominates it."""
PARENT_TAG, NAME_TAG = "mlflow.parentRunId", "mlflow.runName"
"""MLflow's own: by the first its page nests runs."""
FINISHED, FAILED, KILLED, RUNNING = "FINISHED", "FAILED", "KILLED", "RUNNING"
"""MLflow's states of a run."""


class MlflowRun:
    """A run for the search, and one nested in it for each trial."""

    def __init__(self, run: TrackedRun) -> None:
        from mlflow import MlflowClient

        # It tells how it migrates its database, in the middle of the screen that shows the search.
        for name in ("mlflow", "alembic"):
            logging.getLogger(name).setLevel(logging.WARNING)
        self.run = run
        self.client = MlflowClient()
        self.experiment = self._experiment(tracking_project("MLFLOW_EXPERIMENT_NAME"))
        self.search = self._open(run.name, {RUN_TAG: run.id}, run.parameters)
        self.trials: dict[int, str] = {}

    def started(self, event: TrialStarted) -> None:
        """Open a nested run, with the configuration as its parameters."""
        tags = {
            RUN_TAG: self.run.id,
            TRIAL_TAG: str(event.trial),
            PARENT_TAG: self.search,
            "xautolm.proposal": event.proposal,
        }
        name = self.run.trial_name(event.trial)
        self.trials[event.trial] = self._open(name, tags, parameters_of(event.configuration))

    def evaluated(self, event: TrialEvaluated) -> None:
        """Add a point to each metric."""
        self._log(self.trials[event.trial], numbers_of(event), event.step)

    def finished(self, event: TrialFinished) -> None:
        """Close the nested run, with its status; a failure's kind and message are tags."""
        outcome = event.experience.outcome
        run = self.trials.pop(event.trial)
        results = {f"result/{name}": value for name, value in results_of(outcome).items()}
        self._log(run, results)
        for name, words in status_of(outcome).items():
            self.client.set_tag(run, f"xautolm.{name}", words[:LONGEST_TAG])
        for path in small_files(event.folder):
            self.client.log_artifact(run, str(path))
        status = FINISHED
        if outcome.failed:
            status = FAILED
        is_interrupted = (
            outcome.failure is not None and outcome.failure.kind is FailureKind.INTERRUPTED
        )
        if outcome.status is TrialStatus.PRUNED or is_interrupted:
            status = KILLED
        self.client.set_terminated(run, status)
        self._log(self.search, standing_of(event, self.run.lead), event.ended)

    def ended(self, event: SearchEnded) -> None:
        """Add the models of the front to their runs and the tables to that of the search, and close it."""
        for trial, folder in event.models.items():
            run = self._find({RUN_TAG: self.run.id, TRIAL_TAG: str(trial)})
            if run is not None:
                self.client.log_artifacts(run.info.run_id, str(folder), "model")
                self.client.set_tag(run.info.run_id, FRONT_TAG, "true")
        # What was on the front when the search ended before may not be now.
        was_on_front = f"tags.`{RUN_TAG}` = '{self.run.id}' and tags.`{FRONT_TAG}` = 'true'"
        for run in self.client.search_runs([self.experiment], was_on_front):
            if not event.is_early and int(run.data.tags[TRIAL_TAG]) not in event.models:
                self.client.set_tag(run.info.run_id, FRONT_TAG, "false")
        for path in event.files:
            self.client.log_artifact(self.search, str(path))
        if event.best is not None:
            self.client.set_tag(self.search, "xautolm.best_trial", str(event.best.trial))
        status = KILLED if event.is_early else FINISHED
        self.client.set_terminated(self.search, status)

    def _experiment(self, name: str) -> str:
        """Return the id of an experiment, which is made if it is not there."""
        experiment = self.client.get_experiment_by_name(name)
        if experiment is not None:
            return str(experiment.experiment_id)
        return str(self.client.create_experiment(name))

    def _open(self, name: str, tags: Mapping[str, str], parameters: Mapping[str, object]) -> str:
        """Return the id of the run with these tags, which runs again, or of a new one; it has the parameters."""
        from mlflow.entities import Param

        run = self._find(tags)
        if run is None:
            run = self.client.create_run(self.experiment, tags={**tags, NAME_TAG: name})
        else:
            self.client.update_run(run.info.run_id, status=RUNNING)
        lacking = []
        for parameter, value in parameters.items():
            # MLflow refuses another value for one that it has, such as the folder of a run that was moved.
            if _name(parameter) not in run.data.params:
                lacking.append(Param(_name(parameter), str(value)[:LONGEST_VALUE]))
        self.client.log_batch(run.info.run_id, params=lacking)
        return str(run.info.run_id)

    def _find(self, tags: Mapping[str, str]) -> Run | None:
        """Return the run that has our tags among these; None if there is none."""
        conditions = []
        for name in (RUN_TAG, TRIAL_TAG):
            if name in tags:
                conditions.append(f"tags.`{name}` = '{tags[name]}'")
        # The oldest first: the server sends 1,000 at once, and the run of a search is older than those of its trials.
        runs = self.client.search_runs(
            [self.experiment], " and ".join(conditions), order_by=["attributes.start_time ASC"]
        )
        for run in runs:
            # The runs of the trials have the tag of their search, too.
            if (TRIAL_TAG in run.data.tags) == (TRIAL_TAG in tags):
                return run
        return None

    def _log(self, run: str, numbers: Mapping[str, float], step: int = 0) -> None:
        """Send numbers of one moment."""
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        metrics = []
        for name, number in numbers.items():
            metrics.append(Metric(_name(name), float(number), now, step))
        self.client.log_batch(run, metrics=metrics)


def _name(name: str) -> str:
    """Return a name as MLflow takes it."""
    return FOREIGN.sub("_", name)


TRACKER = Tracker(name="mlflow", module="mlflow", begin=MlflowRun)
