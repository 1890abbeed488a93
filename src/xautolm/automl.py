"""AutoLM: the whole of it in scikit-learn's manners."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from html import escape
from io import IOBase
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError
from sklearn.utils import ClassifierTags, RegressorTags, Tags, estimator_html_repr

from xautolm.best_folder import best_of, front_of
from xautolm.best_model import BestModel, Predictions
from xautolm.callbacks import Callback
from xautolm.class_values import ClassValues
from xautolm.data import input_table
from xautolm.errors import UnknownNameError, UsageError, XAutoLMError
from xautolm.execution import Executor
from xautolm.exporting import Exported, export
from xautolm.metrics import scores
from xautolm.objectives import lead_of, recorded_objectives
from xautolm.operations import (
    answer,
    answer_in_notebook,
    describe_data,
    evaluate_run,
    fit_run,
    given_targets,
    recommend_for,
    report_run,
)
from xautolm.options import FitOptions
from xautolm.packed_run import PackedRun
from xautolm.publishing import planned_upload, push
from xautolm.recommend import Advice
from xautolm.records import Experience, Features
from xautolm.report import Screen, wide_leaderboard
from xautolm.run_folder import RunFolder, RunInfo
from xautolm.scenario import given_columns
from xautolm.search_space import data_needs
from xautolm.serving import Server
from xautolm.tasks import TASKS
from xautolm.vocabulary import ModelFormat, Targets

CLASSIFICATION = {Targets.CLASSES, Targets.INDICATORS}
"""Problem types of tasks whose answers are classes."""

Names = Sequence[str] | str
"""Names, or a text that separates them by commas."""
Pairs = Mapping[str, str] | str
"""Texts by name, or one text such as `a=1,b=2`."""
Function = Callable[..., float]
"""A metric of a person's own."""
Objectives = Sequence[str | Function] | Function | str
"""Names of metrics and functions, or one of them."""
Column = str | int
"""Name of a column; a number in tables without a header."""
Duration = str | float
"""Seconds, or a text such as `30m`."""


class AutoLMNotFittedError(UsageError, NotFittedError):
    """Something was asked of an AutoLM that only a run can answer."""


class NoClassesError(UsageError, AttributeError):
    """The task has no classes; an `AttributeError`, by which scikit-learn finds out what an estimator can do."""

    def __init__(self, task: str) -> None:
        super().__init__(f"{task} has no classes, so there are no probabilities of them.")


class AutoLM(BaseEstimator):
    """Finds and fine-tunes the best language model for some data within a budget.

    An estimator of scikit-learn: a classifier or a regressor where the task is one, so that `clone`,
    `cross_val_score`, `GridSearchCV` and `Pipeline` work with it. Arguments are only stored; `fit` looks at them.

    Covered: texts in lists, arrays, series and frames; labels that are texts, numbers or truth values, which `predict`
    gives back as they are in memory; of files they are texts.
    Not covered: arrays of numbers as inputs, sample weights, `partial_fit`; scikit-learn's own scorers of several
    labels a row, for which `score` and `evaluate` stand in.

    Args:
        task: This and all others are the fields of `xautolm.options.FitOptions`, which explains each.
        out: Folder of the run. A second `fit` there with other data or settings is refused, and one with the same
            resumes the run, so leave it out where there are many fits, as in `cross_val_score`: tables in memory
            get a folder of their own for each data and setting, `runs/data-frame-<digest>`.

    Attributes:
        best_: The trial that leads in the first quality metric, as an `Experience`.
        pareto_front_: The trials that no other dominates, best in the first objective first.
        leaderboard_: A data frame with one row for each trial, and a column for each hyperparameter.
        classes_: The classes, as `predict` gives them, sorted, in the order of `predict_proba`'s columns.
        run_: The folder of the run.

    Example:
        >>> auto = AutoLM(task="text-classification", budget="10m", out="runs/tickets")
        >>> auto.fit("tickets.csv").predict(["My card was charged twice."])  # doctest: +SKIP
    """

    _model: BestModel | None = None
    _values = ClassValues()

    def __init__(
        self,
        *,
        task: str = "text-classification",
        text: Column | None = None,
        label: Column | None = None,
        columns: Pairs | None = None,
        encoding: str | None = None,
        validation: object = None,
        test: object = None,
        max_train: int | None = None,
        unlabelled: str = "drop",
        objectives: Objectives = (),
        models: Names = ("auto",),
        families: Names = ("auto",),
        methods: Names = (),
        space: str = "default",
        export: str = "any",
        sampler: str = "xautolm",
        warm_start: str | None = None,
        warm_start_options: Pairs | None = None,
        hide: Names = (),
        starter: bool = True,
        pruning: bool = True,
        rungs: bool = False,
        refit: str = "auto",
        seed: int = 0,
        budget: Duration | None = None,
        trials: int | None = None,
        trial_time_limit: Duration | None = None,
        trial_memory_limit: str | int | None = None,
        parallel: int | str | None = None,
        devices_per_trial: int | str | None = None,
        device: str = "auto",
        executor: str = "local",
        address: str | None = None,
        explain: bool = False,
        report_to: Names = (),
        store: str | None = None,
        out: str | None = None,
    ) -> None:
        self.task = task
        self.text = text
        self.label = label
        self.columns = columns
        self.encoding = encoding
        self.validation = validation
        self.test = test
        self.max_train = max_train
        self.unlabelled = unlabelled
        self.objectives = objectives
        self.models = models
        self.families = families
        self.methods = methods
        self.space = space
        self.export = export
        self.sampler = sampler
        self.warm_start = warm_start
        self.warm_start_options = warm_start_options
        self.hide = hide
        self.starter = starter
        self.pruning = pruning
        self.rungs = rungs
        self.refit = refit
        self.seed = seed
        self.budget = budget
        self.trials = trials
        self.trial_time_limit = trial_time_limit
        self.trial_memory_limit = trial_memory_limit
        self.parallel = parallel
        self.devices_per_trial = devices_per_trial
        self.device = device
        self.executor = executor
        self.address = address
        self.explain = explain
        self.report_to = report_to
        self.store = store
        self.out = out

    @property
    def options(self) -> FitOptions:
        """Return the arguments, checked.

        Raises:
            UsageError: Values that are not valid; all of them in one message.
        """
        return FitOptions.parse(self.get_params(deep=False))

    def fit(
        self,
        X: object,
        y: object = None,
        *,
        validation: object = None,
        callbacks: Sequence[Callback] = (),
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
            callbacks: Objects with any of the methods `started`, `evaluated` and `finished`, which are called for every
                trial with the records of `xautolm.callbacks`. An error in one is told once, and ends nothing.
            screen: What shows the progress; chosen by the terminal by default.
            executor: What runs the trials; this machine by default.
            started: When the budget's time began, as `time.monotonic` counts it; with this call by default.

        Raises:
            UsageError: Bad input, before any compute; options that are not valid all in one message.
            NoModelError: No trial gave a model.
            SearchEndedError: There is no room for the run's files, or trial after trial is ended from outside.
        """
        # Reading iterators is of the budget's time already.
        if started is None:
            started = time.monotonic()
        options = self.options
        if validation is not None:
            options = options.model_copy(update={"validation": validation})
        X = _readable_again(X)
        y = _readable_again(y)
        self.run_ = fit_run(
            X,
            y,
            options,
            callbacks=callbacks,
            screen=screen,
            executor=executor,
            started=started,
        )
        # The winner of an earlier fit is another model.
        self._model = None
        self._values = ClassValues()
        info = self.info_
        if info.labels:
            cells = given_targets(X, y, options, info)
            self._values = ClassValues.of_cells(cells, info.labels)
        return self

    @classmethod
    def load(
        cls,
        folder: str | Path,
        *,
        objectives: Objectives = (),
        text: Column | None = None,
        label: Column | None = None,
        columns: Pairs | None = None,
        encoding: str | None = None,
        unlabelled: str = "drop",
        device: str = "auto",
    ) -> AutoLM:
        """Return a fitted AutoLM from a run's folder; its classes are texts, whatever they were in Python.

        It answers, and is not for going on with the search: the run's settings are not restored. For that call `fit` on
        an AutoLM with the options of the first start, `out` among them.

        Args:
            folder: The run's.
            objectives: Functions among the run's objectives, if `evaluate` is to import and compute them.
            text: This and the others concern data to evaluate on; see `FitOptions`.
            label: As `text`.
            columns: As `text`.
            encoding: As `text`.
            unlabelled: As `text`.
            device: Where the model runs; `auto` is the fastest device of this machine.

        Raises:
            RunFolderError: There is no run.
        """
        path = Path(folder).absolute()
        run = RunFolder(path)
        model = BestModel(run, device)
        auto = cls(
            task=model.info.task,
            objectives=objectives,
            text=text,
            label=label,
            columns=columns,
            encoding=encoding,
            unlabelled=unlabelled,
            device=device,
            # A `fit` with other settings than the run's is refused there, instead of beginning another run.
            out=str(run.root),
        )
        auto.run_ = run
        auto._model = model
        return auto

    @property
    def info_(self) -> RunInfo:
        """Return what the run is about.

        Raises:
            AutoLMNotFittedError: Not fitted yet.
        """
        return self._best_model().info

    @property
    def experiences_(self) -> list[Experience]:
        """Return all trials of the run, failed ones included."""
        return self._fitted().experiences()

    @property
    def best_(self) -> Experience:
        """Return the trial that leads in the first quality metric."""
        return best_of(self.info_, self.experiences_)

    @property
    def pareto_front_(self) -> list[Experience]:
        """Return the trials that no other dominates, best in the first objective first."""
        return front_of(self.info_, self.experiences_)

    @property
    def leaderboard_(self) -> pd.DataFrame:
        """Return one row for each trial, the best first, with a column for each hyperparameter."""
        front = [experience.trial for experience in self.pareto_front_]
        lead = lead_of(recorded_objectives(self.info_))
        rows = wide_leaderboard(self.experiences_, lead, front)
        return pd.DataFrame(rows)

    @property
    def classes_(self) -> np.ndarray:
        """Return the classes, sorted, in the order of `predict_proba`'s columns.

        Raises:
            NoClassesError: The task has none.
        """
        info = self.info_
        if not info.labels:
            raise NoClassesError(info.task)
        return self._values.sorted(info.labels)

    def predict(self, X: object) -> list[Any]:
        """Return what the best model says.

        Args:
            X: What `fit` takes as `X`; labels in it are not looked at. Nothing asked is nothing answered.

        Returns:
            The class of each row; a list of classes each for multi-label tasks, a number each for regression, a text
            each for the others. Classes are numbers or truth values where all of them were that in the data that `fit`
            had in memory, be it in `y` or in a column; else, and of files, they are texts.

        Raises:
            DataError: An input that is no text, named by its row, or a shape without the task's inputs.
        """
        predictions = self._predictions(X)
        return self._values.of_names(predictions.values)

    @property
    def predict_proba(self) -> Callable[[object], np.ndarray]:
        """Return a method like `predict` that gives probabilities of shape (rows, classes), in the order of `classes_`.

        Raises:
            NoClassesError: The task has none, so the method is not there.
        """
        # A property, so that `hasattr` tells scikit-learn whether this estimator has probabilities.
        if self._problem() not in CLASSIFICATION:
            raise NoClassesError(self.task)
        return self._probabilities

    def score(self, X: object, y: object = None) -> float:
        """Return the score that scikit-learn's own estimators have, so that numbers can be compared with theirs.

        Accuracy for classification (the share of rows with all labels right, where a row has several), R² for
        regression, the first metric for the other tasks. `evaluate` gives the metrics of the search.

        Args:
            X: As for `fit`.
            y: As for `fit`.

        Raises:
            DataError: The data cannot be read, or has classes that the model does not know.
        """
        from sklearn.metrics import accuracy_score, r2_score

        model = self._best_model()
        answered = answer(model, X, y, self.options)
        targets = answered.targets
        predictions = answered.predictions
        problem = model.task.problem_type
        if problem in CLASSIFICATION:
            return float(accuracy_score(targets, predictions))
        if problem == Targets.NUMBERS:
            return float(r2_score(targets, predictions))
        first = model.task.metrics[0]
        values = scores((first,), targets, predictions, answered.probabilities)
        return values[first]

    def evaluate(self, X: object, y: object = None) -> dict[str, float]:
        """Return the task's metrics on data that the search never saw.

        Args:
            X: As for `fit`; its test split if it has several.
            y: As for `fit`.

        Raises:
            DataError: The data cannot be read, or has classes that the model does not know.
        """
        return evaluate_run(self._best_model(), X, y, self.options)

    def describe(self, X: object, y: object = None) -> Features:
        """Return the meta-features of data on this machine, by the versioned names of their groups.

        Args:
            X: As for `fit`.
            y: As for `fit`.

        Raises:
            DataError: The data cannot be read or learned from.
        """
        return describe_data(X, y, self.options)

    def recommend(self, X: object, y: object = None, *, count: int = 8) -> Advice:
        """Return what experience says of configurations for some data, before any training.

        Args:
            X: As for `fit`.
            y: As for `fit`.
            count: How many configurations, at most one for each model and method.

        Raises:
            UsageError: As for `fit`.
        """
        return recommend_for(X, y, self.options, count)

    def report(self, path: str | Path | None = None) -> Path:
        """Write the run's HTML page; return where it lies.

        Raises:
            NoModelError: No trial has ended yet.
            RunFolderError: The page cannot be written there.
        """
        target = Path(path) if path else None
        return report_run(self._fitted(), target)

    def export_to(self, model_format: str, out: str | Path | None = None) -> Exported:
        """Write the best model in another format, and return how it compares with the original.

        Args:
            model_format: `onnx`, `onnx-int8`, `sentence-transformers` or `setfit`.
            out: The folder; by default one in the run, called as the format. An earlier export there is replaced.

        Raises:
            UsageError: There is no such format, a package is missing, the folder holds something else, or the model
                cannot be written so.
            NoModelError: The run has no model yet.
        """
        formats = [member.value for member in ModelFormat]
        if model_format not in formats:
            raise UnknownNameError("format", model_format, formats)
        target = Path(out) if out else None
        return export(self._fitted(), ModelFormat(model_format), target)

    def push(self, repository: str, *, public: bool = False) -> str:
        """Put the best model on the Hugging Face hub with its card, and return the address of its page.

        Args:
            repository: Owner and name; made if there is none.
            public: Whether everybody may see it.

        Raises:
            UsageError: Nobody has signed in, or the hub refuses or cannot be reached.
            NoModelError: The run has no model yet.
        """
        upload = planned_upload(self._fitted(), repository, is_private=not public)
        return push(upload)

    def serve(self, port: int = 8000) -> Server:
        """Answer `POST /predict` on this machine in a thread of its own, and return the server.

        It answers until its `server_close`, the end of a `with` block, or that of the program; `address` says where.

        Args:
            port: Of this machine; 0 for any that is free.

        Raises:
            UsageError: The port is in use.
            NoModelError: The run has no model yet.
        """
        # A model of its own: the service asks it from another thread.
        server = Server(BestModel(self._fitted(), self.device), port)
        server.start()
        return server

    def _html_repr(self) -> str:
        """Return what a notebook shows: the answer of the run, above scikit-learn's diagram of the arguments."""
        if not hasattr(self, "run_"):
            return str(estimator_html_repr(self))
        # A run that was moved or damaged meanwhile must not keep an object from being shown; the diagram reads all
        # attributes of what is fitted, and so the run as well.
        try:
            return answer_in_notebook(self.run_) + str(estimator_html_repr(self))
        except XAutoLMError as error:
            return f"<pre>{escape(repr(self))}\n{escape(str(error))}</pre>"

    def __sklearn_is_fitted__(self) -> bool:
        """Tell scikit-learn whether there is a run."""
        return hasattr(self, "run_")

    def __sklearn_tags__(self) -> Tags:
        """Tell scikit-learn what kind of estimator the task makes of this one."""
        tags = super().__sklearn_tags__()
        # scikit-learn asks for tags before `fit`, also where the task's name is wrong: that is an error of `fit`.
        task = TASKS.things.get(self.task)
        has_pairs = task is not None and len(task.inputs) > 1
        tags.input_tags.one_d_array = not has_pairs
        tags.input_tags.two_d_array = has_pairs
        tags.input_tags.string = True
        # Trials are planned by the clock.
        tags.non_deterministic = True
        problem = self._problem()
        if problem in CLASSIFICATION:
            has_several = problem == Targets.INDICATORS
            tags.estimator_type = "classifier"
            tags.classifier_tags = ClassifierTags(multi_label=has_several)
        elif problem == Targets.NUMBERS:
            tags.estimator_type = "regressor"
            tags.regressor_tags = RegressorTags()
        return tags

    def __copy__(self) -> AutoLM:
        """Return a copy with the same run and the same arguments; the loaded model is not copied."""
        return self._duplicate(self.get_params(deep=False))

    def __deepcopy__(self, memo: dict[int, Any]) -> AutoLM:
        """Return a copy with the same run and copies of the arguments; the loaded model is not copied."""
        arguments = self.get_params(deep=False)
        return self._duplicate(copy.deepcopy(arguments, memo))

    def _duplicate(self, arguments: Mapping[str, Any]) -> AutoLM:
        """Return an AutoLM with other arguments and the same run."""
        duplicate = type(self)(**arguments)
        if hasattr(self, "run_"):
            duplicate.run_ = self.run_
            duplicate._values = self._values
        return duplicate

    def __getstate__(self) -> dict[str, Any]:
        """Return the arguments and, if fitted, what the run's folder holds of the winner and the trials' records."""
        state = dict(super().__getstate__())
        # A loaded model has gigabytes, on a device that need not be where the pickle is read.
        state["_model"] = None
        if hasattr(self, "run_"):
            state["run_"] = PackedRun.of_folder(self.run_)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore the arguments, and the run in a temporary folder that lasts as long as it is held."""
        packed = state.get("run_")
        if isinstance(packed, PackedRun):
            state = {**state, "run_": packed.restore()}
        super().__setstate__(state)

    def _problem(self) -> str:
        """Return the problem type of the task; empty also for a task that is not there, which is an error of `fit`."""
        task = TASKS.things.get(self.task)
        if task is None:
            return Targets.TEXTS
        return task.problem_type

    def _probabilities(self, X: object) -> np.ndarray:
        """Return probabilities of shape (rows, classes), in the order of `classes_`."""
        predictions = self._predictions(X)
        probabilities = predictions.probabilities
        assert probabilities is not None
        # The model's columns have the order of the run's labels; `classes_` are sorted by what they were in Python.
        order = self._values.order(self.info_.labels)
        return probabilities[:, order]

    def _fitted(self) -> RunFolder:
        """Return the run.

        Raises:
            AutoLMNotFittedError: There is none yet.
        """
        if not hasattr(self, "run_"):
            raise AutoLMNotFittedError(
                "This AutoLM is not fitted.", fix="Call fit, or AutoLM.load(folder)."
            )
        return self.run_

    def _best_model(self) -> BestModel:
        """Return the winner, the same object from call to call, so that it is loaded once."""
        run = self._fitted()
        if self._model is None or self._model.run != run:
            self._model = BestModel(run, self.device)
        return self._model

    def _predictions(self, X: object) -> Predictions:
        """Return what the best model says of inputs in any shape; it runs once."""
        model = self._best_model()
        roles = data_needs(model.task).roles
        # The last role is the target's, which need not be there.
        input_roles = roles[:-1]
        columns = given_columns(self.options)
        table = input_table(X, input_roles, columns, model.info.columns)
        return model.predictions(table)


def _readable_again(data: object) -> object:
    """Return data that can be read more than once: the items of an iterator, anything else as it is."""
    # An open file is refused later, by name.
    if isinstance(data, Iterator) and not isinstance(data, IOBase):
        return list(data)
    return data
