"""Weights & Biases: a group of runs, which it shows together since it knows no nested ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xautolm.callbacks import TrialEvaluated, TrialFinished, TrialStarted
from xautolm.errors import UsageError
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
    from wandb import Run

STEP = "step"
"""What curves are drawn over. wandb's own count only grows, but a training that lacked memory begins again."""
ENDED_TRIALS = "ended_trials"
"""What the numbers of the whole search are drawn over."""


class WandbRun:
    """A run for the search and one for each trial, all in a group of the search's name.

    Settings of its own (`WANDB_MODE`, `WANDB_DIR`, `WANDB_PROJECT`, `WANDB_BASE_URL`) hold as they do elsewhere.
    """

    def __init__(self, run: TrackedRun) -> None:
        import wandb

        # It would ask for a key on the terminal, behind the screen of the search.
        is_online = wandb.setup().settings.mode in ("online", "shared")
        if is_online and not wandb.login(prompt=False):
            raise UsageError(
                "wandb knows no key.", fix="Call `wandb login`, or set WANDB_MODE=offline."
            )
        self.run = run
        self.trials: dict[int, Run] = {}
        self.search = self._open(run.id, run.name, "search", dict(run.parameters))
        self.search.define_metric("*", step_metric=ENDED_TRIALS)

    def started(self, event: TrialStarted) -> None:
        """Open the run of a trial, with the configuration as its config."""
        config = {**parameters_of(event.configuration), "proposal": event.proposal}
        identity = self.run.trial_id(event.trial)
        name = self.run.trial_name(event.trial)
        trial = self._open(identity, name, "trial", config)
        trial.define_metric("*", step_metric=STEP)
        self.trials[event.trial] = trial

    def evaluated(self, event: TrialEvaluated) -> None:
        """Add a point to each curve."""
        self.trials[event.trial].log({**numbers_of(event), STEP: event.step})

    def finished(self, event: TrialFinished) -> None:
        """Close the run of a trial: a failure ends with an exit code, and says its kind in the summary."""
        outcome = event.experience.outcome
        trial = self.trials.pop(event.trial)
        trial.summary.update({**results_of(outcome), **status_of(outcome)})
        trial.finish(exit_code=int(outcome.failed))
        standing = standing_of(event, self.run.lead)
        self.search.log({**standing, ENDED_TRIALS: event.ended})

    def ended(self, event: SearchEnded) -> None:
        """Add the models of the front and the tables as artifacts, and close the run of the search."""
        import wandb

        for trial, folder in event.models.items():
            model = wandb.Artifact(self.run.trial_id(trial), type="model")
            model.add_dir(str(folder))
            self.search.log_artifact(model)
        if event.files:
            tables = wandb.Artifact(self.run.id, type="tables")
            for path in event.files:
                tables.add_file(str(path))
            self.search.log_artifact(tables)
        if event.best is not None:
            self.search.summary.update({"best_trial": event.best.trial})
        self.search.finish(exit_code=int(event.is_early))

    def _open(self, identity: str, name: str, kind: str, config: dict[str, Any]) -> Run:
        """Open a run, or go on with the one of that id."""
        import wandb

        return wandb.init(
            project=tracking_project("WANDB_PROJECT"),
            id=identity,
            name=name,
            group=self.run.name,
            job_type=kind,
            config=config,
            resume="allow",
            # Several runs are open at once in this process, and none is the global one.
            reinit="create_new",
            settings=wandb.Settings(silent=True, console="off"),
        )


TRACKER = Tracker(name="wandb", module="wandb", begin=WandbRun)
