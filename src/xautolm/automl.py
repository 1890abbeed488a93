"""AutoLM: the whole of it in scikit-learn's manners."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from xautolm.artifacts import finish, parting_words, write_report, write_tables
from xautolm.best_folder import best_of, front_of
from xautolm.best_model import BestModel, Predictions
from xautolm.data import Role, input_table, labelled, training_data
from xautolm.errors import DataError, NoModelError, SearchEndedError, UsageError
from xautolm.execution import Executor
from xautolm.importable import is_function_name
from xautolm.loop import end_early, search
from xautolm.metrics import scores
from xautolm.objectives import lead_of, recorded_objectives
from xautolm.options import FitOptions
from xautolm.recommend import recommend
from xautolm.records import Experience, Features
from xautolm.report import Screen, choose_screen, leaderboard
from xautolm.report.advice import reason
from xautolm.run_folder import RunFolder, RunInfo, warn_once
from xautolm.scenario import described, given_columns
from xautolm.search_space import data_needs
from xautolm.session import open_session
from xautolm.tasks import TASKS


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
        started: float | None = None,
    ) -> AutoLM:
        """Search, and keep the best model; an earlier run in the same folder is resumed.

        Args:
            X: Anything that `fit` on the command line reads (path, hub name), a data frame, a `datasets.Dataset`, an
                arrow table, a mapping of columns, or a list of rows, which holds the labels too; or, with `y`, any of
                these, or a sequence, series or array of texts.
            y: Labels, if `X` does not hold them: a sequence, series or array of shape (n,) or (n, 1), paired with `X`
                by position; for several labels a row, lists of names or a frame of 0 and 1 whose columns are the
                names. Or the name of the column in `X`.
            validation: Data to validate on, in place of the option of that name; also as a pair `(X, y)`.
            screen: What shows the progress; chosen by the terminal by default.
            executor: What runs the trials; this machine by default.
            started: When the budget's time began, as `time.monotonic` counts it; with this call by default.

        Raises:
            UsageError: Bad input, before any compute.
            NoModelError: No trial gave a model.
            SearchEndedError: There is no room for the run's files, or trial after trial is ended from outside.
        """
        started = time.monotonic() if started is None else started
        options = self.options if validation is None else self.options.model_copy(update={"validation": validation})
        data, options = shaped(X, y, options)
        screen = screen or choose_screen(quiet=False, as_json=False)
        with open_session(data, options, screen, executor, started) as session:
            try:
                finish(session, search(session))
            except (KeyboardInterrupt, SearchEndedError) as ended:
                session.screen.close()
                experiences = end_early(session)
                if any(experience.outcome.succeeded for experience in experiences):
                    # The same trouble may come again; what the user has to know is what came first.
                    with suppress(NoModelError, SearchEndedError):
                        finish(session, experiences, is_early=True)
                ended.add_note(parting_words(session.folder, session.info))
                raise
        self.run_ = session.folder
        self._model = None
        return self

    @classmethod
    def load(cls, folder: str | Path, **options: Any) -> AutoLM:
        """A fitted AutoLM from a run's folder.

        Args:
            folder: The run's.
            **options: What concerns data to evaluate on or where the model runs: `text`, `label`, `columns`,
                `unlabelled`, `device`.

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
        lead = lead_of(recorded_objectives(self.info_))
        return pd.DataFrame(leaderboard(self.experiences_, lead, front))

    @property
    def classes_(self) -> tuple[str, ...]:
        """The class names, in the order of `predict_proba`'s columns."""
        return self.info_.labels

    def predict(self, inputs: Any) -> list[Any]:
        """What the best model says.

        Args:
            inputs: What `fit` takes as `X`; labels in it are not looked at. Nothing asked is nothing answered.

        Returns:
            The class of each row, a list of classes each for multi-label tasks, a number each for regression, a text
            each for the others.

        Raises:
            DataError: An input that is no text, named by its row, or a shape without the task's inputs.
        """
        return self._predictions(inputs).values

    def predict_proba(self, inputs: Any) -> np.ndarray:
        """Probabilities of shape (rows, classes).

        Raises:
            UsageError: The task has no classes.
        """
        probabilities = self._predictions(inputs).probabilities
        if probabilities is None:
            raise UsageError(f"{self.info_.task} has no classes, so there are no probabilities of them.")
        return probabilities

    def evaluate(self, data: Any, y: Any = None) -> dict[str, float]:
        """The task's metrics on data that the search never saw.

        Args:
            data: As `X` for `fit`; its test split if it has several.
            y: As for `fit`.

        Raises:
            DataError: The data cannot be read, or has classes that the model does not know.
        """
        model = self._best_model()
        info, task = model.info, model.task
        rows, options = shaped(data, y, self.options.model_copy(update={"task": info.task}))
        known = info.labels
        columns = given_columns(options)
        table = labelled(
            rows,
            data_needs(task),
            columns,
            known,
            info.columns,
            unlabelled=options.unlabelled,
            encoding=options.encoding,
        )
        targets = task.encode(list(table[task.target]), info.labels)
        predictions = model.predictions(table)
        names = [name for name in info.metrics if self._may_score(name)]
        return scores(names, targets, predictions.targets, predictions.probabilities)

    def describe(self, X: Any, y: Any = None) -> Features:
        """The meta-features of data on this machine, by the versioned names of their groups.

        Args:
            X: As for `fit`.
            y: As for `fit`.

        Raises:
            DataError: The data cannot be read or learned from.
        """
        return described(*shaped(X, y, self.options))

    def recommend(self, X: Any, y: Any = None, *, count: int = 8) -> dict[str, Any]:
        """What experience says of configurations for some data, before any training.

        Args:
            X: As for `fit`.
            y: As for `fit`.
            count: How many configurations, at most one for each model and method.

        Returns:
            `recommendations`, the most promising first, each with `configuration`, its `origin`, `quality` (predicted,
            in standard deviations from a data set's mean), `seconds`, `memory` (bytes), `failure` (chance) and
            `because`; quality and failure are None where nothing near is known. Besides
            `tasks`, the nearest data sets with their distances; and a `note` on what the advice rests on.

        Raises:
            UsageError: As for `fit`.
        """
        advice = recommend(*shaped(X, y, self.options), count)
        rows = [
            {
                "configuration": dict(one.configuration.values),
                "origin": one.origin,
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
        """Write the run's HTML page; returns where it lies.

        Raises:
            NoModelError: No trial has ended yet.
            RunFolderError: The page cannot be written there.
        """
        try:
            write_tables(self.run_, self.info_, self.experiences_)
        except OSError as error:
            # A run that may only be read has its tables since it ended; the page may go elsewhere.
            warn_once(f"the tables of the run cannot be written: {error.filename}: {error.strerror}")
        return write_report(self.run_, Path(path) if path else None)

    def _fitted(self) -> RunFolder:
        if not hasattr(self, "run_"):
            raise UsageError("This AutoLM is not fitted.", fix="Call fit, or AutoLM.load(folder).")
        return self.run_

    def _may_score(self, name: str) -> bool:
        """Return whether a metric of the run is registered, or a function that this AutoLM itself was given.

        Nothing is imported because the files of a run name it: they may come from somebody else.
        """
        if not is_function_name(name) or name in self.options.objectives:
            return True
        warn_once(f"{name} is not scored: give it as one of the objectives to have it imported")
        return False

    def _best_model(self) -> BestModel:
        """Return the winner, the same object from call to call, so that it is loaded once."""
        run = self._fitted()
        if self._model is None or self._model.run != run:
            self._model = BestModel(run, self.options.device)
        return self._model

    def _predictions(self, inputs: Any) -> Predictions:
        """Return what the best model says of inputs in any shape; it runs once."""
        model = self._best_model()
        *roles, _ = data_needs(model.task).roles
        table = input_table(inputs, roles, given_columns(self.options), model.info.columns)
        return model.predictions(table)


def shaped(X: Any, y: Any, options: FitOptions) -> tuple[Any, FitOptions]:
    """Return data in a shape that `load` reads, and the options with the names of its columns.

    Raises:
        DataError: The shapes of inputs and targets do not fit together, or not the task.
    """
    roles = data_needs(TASKS.get(options.task)).roles
    training = training_data(X, y, roles, given_columns(options))
    named = {role: column for role, column in training.columns.items() if column is not None}
    changes: dict[str, Any] = {"columns": named, "text": None, "label": None}
    for split in ("validation", "test"):
        data = getattr(options, split)
        if isinstance(data, tuple):
            changes[split] = _pair(data, split, roles, training.columns)
        elif data is not None:
            changes[split] = training_data(data, None, roles, training.columns).data
    return training.data, options.model_copy(update=changes)


def _pair(data: tuple[Any, ...], split: str, roles: Sequence[Role], columns: Mapping[str, str | None]) -> Any:
    """Return a split that is given as `(X, y)`, with the columns of the training data.

    Raises:
        DataError: It is no pair, or its shapes do not fit together.
    """
    if len(data) != 2:
        raise DataError(f"{split}: expected data, or a pair (X, y).", got=f"{len(data)} values")
    return training_data(data[0], data[1], roles, columns).data
