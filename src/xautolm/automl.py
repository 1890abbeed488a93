"""AutoLM: the whole of it in scikit-learn's manners."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from xautolm.best_model import BestModel
from xautolm.data import as_table, labelled
from xautolm.errors import UsageError
from xautolm.execution import Executor
from xautolm.loop import search
from xautolm.metrics import scores
from xautolm.options import FitOptions
from xautolm.plan import make_plan, recover
from xautolm.prospect import described, given_columns
from xautolm.recipe import data_needs
from xautolm.recommend import recommend
from xautolm.records import Experience, Features
from xautolm.report import Screen, choose_screen, leaderboard
from xautolm.report.advice import reason
from xautolm.results import best_of, finish, front_of, lead_metric, write_report, write_tables
from xautolm.run_folder import RunFolder, RunInfo
from xautolm.tasks import Task


class AutoLM:
    """Finds and fine-tunes the best language model for some data within a budget.

    Args:
        **options: The fields of `xautolm.options.FitOptions`, which explains each; `task`, `budget`, `objectives`
            and `out` are the usual ones.

    Attributes:
        best_: The trial that leads in the first quality metric, as an `Experience`.
        pareto_front_: The trials that no other dominates, best in the first objective first.
        leaderboard_: A data frame with one row for each trial.
        classes_: The class names in the order of `predict_proba`'s columns.
        run_: The folder of the run.

    Raises:
        UsageError: Options that are unknown or not valid; all of them in one message.

    Example:
        >>> auto = AutoLM(task="text-classification", budget="10m", out="runs/tickets")
        >>> auto.fit("tickets.csv").predict(["My card was charged twice."])  # doctest: +SKIP
    """

    def __init__(self, **options: Any) -> None:
        self.options = FitOptions.parse(options)
        self._model: BestModel | None = None

    def fit(
        self,
        X: Any,
        y: Any = None,
        *,
        validation: Any = None,
        screen: Screen | None = None,
        executor: Executor | None = None,
    ) -> AutoLM:
        """Search, and keep the best model; an earlier run in the same folder is resumed.

        Args:
            X: Anything that `fit` on the command line reads (path, hub name), a data frame, a `datasets.Dataset`, a
                mapping of columns; or, with `y`, a sequence of texts.
            y: Labels, if `X` holds texts only.
            validation: Data to validate on, in place of the option of that name.
            screen: What shows the progress; chosen by the terminal by default.
            executor: What runs the trials; this machine by default.

        Raises:
            UsageError: Bad input, before any compute.
            NoModelError: No trial gave a model.
        """
        options = self.options if validation is None else self.options.model_copy(update={"validation": validation})
        data = as_table(X, y, options.text or "text", options.label or "label")
        plan = make_plan(data, options, screen or choose_screen(quiet=False, as_json=False), executor)
        try:
            finish(plan, search(plan))
        except KeyboardInterrupt:
            plan.executor.close()
            recover(plan.study, plan.folder, plan.info, plan.objectives, plan.store)
            if any(one.outcome.succeeded for one in plan.folder.experiences()):
                finish(plan, plan.folder.experiences())
            raise
        finally:
            plan.close()
        self.run_ = plan.folder
        self._model = None
        return self

    @classmethod
    def load(cls, folder: str | Path, **options: Any) -> AutoLM:
        """A fitted AutoLM from a run's folder.

        Args:
            folder: The run's.
            **options: What concerns data to evaluate on or where the model runs: `text`, `label`, `columns`, `device`.

        Raises:
            RunFolderError: There is no run.
        """
        run = RunFolder(Path(folder).absolute())
        model = BestModel(run, options.get("device", "auto"))
        auto = cls(**options, task=model.info.task, out=str(run.root))
        auto.run_ = run
        auto._model = model
        return auto

    @property
    def info_(self) -> RunInfo:
        """What the run is about.

        Raises:
            UsageError: Not fitted yet.
        """
        return self._best_model().info

    @property
    def experiences_(self) -> list[Experience]:
        """All trials of the run, failed ones included."""
        return self._fitted().experiences()

    @property
    def best_(self) -> Experience:
        """The trial that leads in the first quality metric."""
        return best_of(self.info_, self.experiences_)

    @property
    def pareto_front_(self) -> list[Experience]:
        """The trials that no other dominates, best in the first objective first."""
        return front_of(self.info_, self.experiences_)

    @property
    def leaderboard_(self) -> pd.DataFrame:
        """One row for each trial, the best first."""
        front = [one.trial for one in self.pareto_front_]
        return pd.DataFrame(leaderboard(self.experiences_, lead_metric(self.info_), front))

    @property
    def classes_(self) -> tuple[str, ...]:
        """The class names, in the order of `predict_proba`'s columns."""
        return self.info_.labels

    def predict(self, inputs: Any) -> list[Any]:
        """What the best model says.

        Args:
            inputs: A list of texts; or a table (data frame or mapping of columns) with the task's inputs, for question
                answering `context` and `question`.

        Returns:
            The class of each row, a list of classes each for multi-label tasks, a number each for regression, a text
            each for the others.
        """
        model = self._best_model()
        return model.predictions(_inputs_table(inputs, model.task)).values

    def predict_proba(self, inputs: Any) -> np.ndarray:
        """Probabilities of shape (rows, classes).

        Raises:
            UsageError: The task has no classes.
        """
        model = self._best_model()
        probabilities = model.predictions(_inputs_table(inputs, model.task)).probabilities
        if probabilities is None:
            raise UsageError(f"{model.task.name} has no classes, so there are no probabilities of them.")
        return probabilities

    def evaluate(self, data: Any, y: Any = None) -> dict[str, float]:
        """The task's metrics on data that the search never saw.

        Args:
            data: As for `fit`; its training split if it has several.
            y: Labels, if `data` holds texts only.

        Raises:
            DataError: The data cannot be read, or has classes that the model does not know.
        """
        model = self._best_model()
        info, task = model.info, model.task
        rows = as_table(data, y, self.options.text or "text", self.options.label or "label")
        table = labelled(rows, data_needs(task), given_columns(self.options), info.labels)
        targets = task.encode(list(table[task.target]), info.labels)
        return scores(info.metrics, targets, model.predictions(table).targets)

    def describe(self, X: Any, y: Any = None) -> Features:
        """The meta-features of data on this machine, by the versioned names of their groups.

        Args:
            X: As for `fit`.
            y: Labels, if `X` holds texts only.

        Raises:
            DataError: The data cannot be read or learned from.
        """
        return described(as_table(X, y, self.options.text or "text", self.options.label or "label"), self.options)

    def recommend(self, X: Any, y: Any = None, *, count: int = 8) -> dict[str, Any]:
        """What experience says of configurations for some data, before any training.

        Args:
            X: As for `fit`.
            y: Labels, if `X` holds texts only.
            count: How many configurations, at most one for each model and method.

        Returns:
            `recommendations`, the most promising first, each with `configuration`, `quality` (predicted, in standard
            deviations from the mean of a random search), `seconds`, `memory` (bytes), `failure` (chance) and `because`;
            `tasks`, the nearest data sets with their distances; and a `note` on what the advice rests on.

        Raises:
            UsageError: As for `fit`.
        """
        advice = recommend(
            as_table(X, y, self.options.text or "text", self.options.label or "label"), self.options, count
        )
        rows = [
            {
                "configuration": dict(one.configuration.values),
                "quality": one.quality,
                "seconds": one.seconds,
                "memory": one.memory,
                "failure": one.failure,
                "because": [reason(near.experience) for near in one.because],
            }
            for one in advice.recommendations
        ]
        return {"recommendations": rows, "tasks": dict(advice.tasks), "note": advice.note}

    def report(self, path: str | Path | None = None) -> Path:
        """Write the run's HTML page; returns where it lies."""
        write_tables(self.run_, self.info_, self.experiences_)
        return write_report(self.run_, Path(path) if path else None)

    def _fitted(self) -> RunFolder:
        if not hasattr(self, "run_"):
            raise UsageError("This AutoLM is not fitted.", fix="Call fit, or AutoLM.load(folder).")
        return self.run_

    def _best_model(self) -> BestModel:
        """Return the winner, the same object from call to call, so that it is loaded once."""
        run = self._fitted()
        if self._model is None or self._model.run != run:
            self._model = BestModel(run, self.options.device)
        return self._model


def _inputs_table(inputs: Any, task: Task) -> pd.DataFrame:
    """Rows of the task's inputs.

    Raises:
        UsageError: Columns are missing, or cells are not texts.
    """
    names = list(task.inputs)
    if isinstance(inputs, list | tuple) and len(names) == 1 and all(isinstance(text, str) for text in inputs):
        return pd.DataFrame({names[0]: list(inputs)})
    table = pd.DataFrame(inputs) if isinstance(inputs, Mapping | pd.DataFrame) else None
    if table is None or not set(names) <= set(table.columns):
        got = type(inputs).__name__ if table is None else f"columns {', '.join(map(str, table.columns))}"
        what = "a list of texts" if len(names) == 1 else f"a table with {' and '.join(names)}"
        raise UsageError(f"predict needs {what}.", got=got)
    if not all(isinstance(cell, str) for name in names for cell in table[name]):
        raise UsageError(f"predict needs texts in {' and '.join(names)}.")
    return table
