"""What can be done with data and a run: search, score, describe, advise, report. `AutoLM` and the command line call it.

Without scikit-learn, whose loading would take a second of every command.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from xautolm.artifacts import finish, page_content, parting_words, write_report, write_tables
from xautolm.best_model import BestModel
from xautolm.callbacks import Callback
from xautolm.data import cells_in_memory, labelled, training_data
from xautolm.errors import DataError, NoModelError, SearchEndedError, XAutoLMError
from xautolm.execution import Executor
from xautolm.importable import is_function_name
from xautolm.loop import end_early, search
from xautolm.metrics import scores
from xautolm.notices import warn_once
from xautolm.options import FitOptions, config_text
from xautolm.recommend import Advice, recommend
from xautolm.records import Features
from xautolm.report import Screen, choose_screen
from xautolm.report.page import notebook_answer
from xautolm.run_folder import RunFolder, RunInfo, folder_errors
from xautolm.scenario import chosen_objectives, described, given_columns
from xautolm.search_space import data_needs
from xautolm.serialization import write_text
from xautolm.session import Session, open_session
from xautolm.tasks import TASKS
from xautolm.vocabulary import Split, Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What is right for some rows, and what a model says of them."""

    targets: Any
    """In the shape of the task's targets, as metrics take them."""
    predictions: Any
    """In the same shape."""
    probabilities: np.ndarray | None
    """Of shape (rows, classes); None for tasks without classes."""


def fit_run(
    X: object,
    y: object,
    options: FitOptions,
    *,
    callbacks: Sequence[Callback] = (),
    screen: Screen | None = None,
    executor: Executor | None = None,
    started: float | None = None,
) -> RunFolder:
    """Search, keep the best model, and return the run's folder; an earlier run in the same folder is resumed.

    Args:
        X: As for `AutoLM.fit`.
        y: As for `AutoLM.fit`.
        options: What the user asked for.
        callbacks: Told of every trial, beside the trackers that the options name.
        screen: What shows the progress; chosen by the terminal by default.
        executor: What runs the trials; this machine by default.
        started: When the budget's time began, as `time.monotonic` counts it; with this call by default.

    Raises:
        UsageError: Bad input, before any compute.
        NoModelError: No trial gave a model.
        SearchEndedError: There is no room for the run's files, or trial after trial is ended from outside.
    """
    # Reading the data is of the budget's time already.
    if started is None:
        started = time.monotonic()
    if screen is None:
        screen = choose_screen(quiet=False, as_json=False)
    as_asked = options
    data, options = shaped(X, y, options)
    with (
        _parting_words(options),
        open_session(data, options, screen, executor, started, callbacks) as session,
        _parting_words(options, session.folder),
    ):
        folder = session.folder
        with folder_errors(folder.root):
            _note_start(session, X, y, as_asked, started)
        try:
            folder.mark(Stage.SEARCH)
            session.open_trackers()
            experiences = search(session)
            folder.mark(Stage.SCORING)
            finish(session, experiences)
        except (KeyboardInterrupt, SearchEndedError):
            session.screen.close()
            experiences = end_early(session)
            if any(experience.outcome.succeeded for experience in experiences):
                # The same trouble may come again; what the user has to know is what came first.
                with suppress(NoModelError, SearchEndedError):
                    finish(session, experiences, is_early=True)
            session.trackers.end(experiences, is_early=True)
            raise
        except NoModelError:
            session.trackers.end(session.folder.experiences(), is_early=False)
            raise
        finally:
            # Where the disk is full, the page does without.
            with suppress(OSError):
                folder.mark(Stage.END)
        session.trackers.end(experiences, is_early=False)
    return folder


@contextmanager
def _parting_words(options: FitOptions, folder: RunFolder | None = None) -> Iterator[None]:
    """Let whoever ends a search early be told where its best model is, also while it starts or closes.

    Args:
        options: What the user asked for.
        folder: The run's; before that is known, the one that the options name.
    """
    try:
        yield
    except (KeyboardInterrupt, SearchEndedError) as ended:
        if folder is None and options.out:
            folder = RunFolder(Path(options.out).absolute())
        is_said = hasattr(ended, "__notes__")
        if folder is not None and folder.is_run() and not is_said:
            # A run that cannot be read, or whose task is not installed, has no words; the next start says why.
            with suppress(XAutoLMError, OSError):
                ended.add_note(parting_words(folder, folder.info()))
        raise


def _note_start(
    session: Session, X: object, y: object, options: FitOptions, started: float
) -> None:
    """Write when an invocation began, and its options where its data has a name to give again.

    Args:
        session: The search.
        X: As for `fit_run`.
        y: As for `fit_run`.
        options: As the user gave them.
        started: When the budget's time began.
    """
    since_start = time.monotonic() - started
    budget = session.clock.budget
    session.folder.mark(Stage.START_UP, seconds_ago=since_start, budget=budget)
    if not isinstance(X, str | Path):
        return
    in_memory: tuple[str, ...] = ()
    if isinstance(y, str | int):
        options = _with_target_named(options, str(y))
    elif y is not None:
        in_memory = (session.scenario.task.target,)
    write_text(session.folder.options, config_text(str(X), options, in_memory))


def _with_target_named(options: FitOptions, column: str) -> FitOptions:
    """Return options that name the column of the target, which was given as `y`."""
    target = TASKS.get(options.task).target
    # Some targets have an option of their own.
    if target in FitOptions.model_fields:
        return options.model_copy(update={target: column})
    columns = {**options.columns, target: column}
    return options.model_copy(update={"columns": columns})


def answer(model: BestModel, X: object, y: object, options: FitOptions) -> Answered:
    """Return what is right for labelled data, and what a model says of it.

    Args:
        model: The winner of a run.
        X: As for `AutoLM.fit`; its test split if it has several.
        y: As for `AutoLM.fit`.
        options: Say how the data is read.

    Raises:
        DataError: The data cannot be read, or has classes that the model does not know.
    """
    info = model.info
    task = model.task
    # A run is asked in its own task, whatever the options say of one.
    options_of_task = options.model_copy(update={"task": info.task})
    rows, options_of_data = shaped(X, y, options_of_task)
    table = labelled(
        rows,
        data_needs(task),
        given_columns(options_of_data),
        info.labels,
        info.columns,
        unlabelled=options.unlabelled,
        encoding=options.encoding,
    )
    labels = list(table[task.target])
    targets = task.encode(labels, info.labels)
    predictions = model.predictions(table)
    return Answered(
        targets=targets, predictions=predictions.targets, probabilities=predictions.probabilities
    )


def evaluate_run(model: BestModel, X: object, y: object, options: FitOptions) -> dict[str, float]:
    """Return the metrics of a run's winner on labelled data, and those among the options' objectives.

    Arguments and errors are those of `answer`; besides, an objective that the task does not have is refused.
    """
    names = [name for name in model.info.metrics if _may_score(name, options)]
    # Before the model is asked.
    objectives = chosen_objectives(options, model.task) if options.objectives else ()
    for objective in objectives:
        if objective.is_quality and objective.name not in names:
            names.append(objective.name)
    answered = answer(model, X, y, options)
    return scores(names, answered.targets, answered.predictions, answered.probabilities)


def _may_score(name: str, options: FitOptions) -> bool:
    """Return whether a metric of a run is registered, or a function that the person names among the objectives.

    Nothing is imported because the files of a run name it: they may come from somebody else.
    """
    if not is_function_name(name) or name in options.objectives:
        return True
    warn_once(f"{name} is not scored: give it as one of the objectives to have it imported")
    return False


def describe_data(X: object, y: object, options: FitOptions) -> Features:
    """Return the meta-features of data on this machine, by the versioned names of their groups.

    Raises:
        DataError: The data cannot be read or learned from.
    """
    data, options_of_data = shaped(X, y, options)
    return described(data, options_of_data)


def recommend_for(X: object, y: object, options: FitOptions, count: int) -> Advice:
    """Return what experience says of at most `count` configurations for some data, before any training.

    Raises:
        UsageError: As for `fit_run`.
    """
    data, options_of_data = shaped(X, y, options)
    return recommend(data, options_of_data, count)


def report_run(folder: RunFolder, path: Path | None = None) -> Path:
    """Write a run's tables and its HTML page, in its folder by default; return where the page lies.

    Raises:
        NoModelError: No trial has ended yet.
        RunFolderError: The page cannot be written there.
    """
    info = folder.info()
    experiences = folder.experiences()
    try:
        write_tables(folder, info, experiences)
    except OSError as error:
        # A run that may only be read has its tables since it ended; the page may go elsewhere.
        reason = f"{error.filename}: {error.strerror}"
        warn_once(f"the tables of the run cannot be written: {reason}")
    return write_report(folder, path)


def answer_in_notebook(folder: RunFolder) -> str:
    """Return what a notebook shows of a run, as HTML: its winner, how good that is, and what it takes.

    Raises:
        NoModelError: No trial has ended yet.
        RunFolderError: Nobody can say what the run is about.
    """
    return notebook_answer(page_content(folder))


def shaped(X: object, y: object, options: FitOptions) -> tuple[object, FitOptions]:
    """Return data in a shape that `load` reads, and the options with the names of its columns.

    Raises:
        DataError: The shapes of inputs and targets do not fit together, or not the task.
    """
    task = TASKS.get(options.task)
    roles = data_needs(task).roles
    training = training_data(X, y, roles, given_columns(options))
    columns = {}
    for role, column in training.columns.items():
        if column is not None:
            columns[role] = column
    # The columns of text and label are among those by role now, and stand nowhere else.
    changes: dict[str, object] = {"columns": columns, "text": None, "label": None}
    for split in (Split.VALIDATION, Split.TEST):
        data = getattr(options, split)
        if data is None:
            continue
        targets = None
        if isinstance(data, list):
            _refuse_pair_in_list(data, split, len(roles))
        if isinstance(data, tuple):
            data, targets = _pair(data, split)
        # A split has the columns of the training data, and its shapes are checked in the same way.
        changes[split] = training_data(data, targets, roles, training.columns).data
    return training.data, options.model_copy(update=changes)


def given_targets(X: object, y: object, options: FitOptions, info: RunInfo) -> list[object]:
    """Return the targets of the training data as they were given in memory; none of files.

    Args:
        X: As for `fit_run`; nothing that can be read once only.
        y: As `X`.
        options: What the user asked for.
        info: Of the run that came of it.
    """
    task = TASKS.get(info.task)
    needs = data_needs(task)
    training = training_data(X, y, needs.roles, given_columns(options))
    # A run that is resumed may have begun with another name of the same column.
    named_column = training.columns.get(task.target)
    column = named_column or info.columns.get(task.target, task.target)
    return cells_in_memory(training.data, needs, training.columns, column)


def _refuse_pair_in_list(data: list[object], split: Split, columns: int) -> None:
    """Refuse inputs and targets of a split in a list, where they would be two rows.

    Args:
        data: The split, as it was given.
        split: Its name.
        columns: Of a row, as the task has them.

    Raises:
        DataError: There are two parts that are no rows.
    """
    if len(data) != 2 or any(isinstance(part, Mapping) for part in data):
        return
    if all(isinstance(part, list | tuple) and len(part) == columns for part in data):
        return
    kinds = [type(part).__name__ for part in data]
    raise DataError(
        f"{split}: a list of two is no table.",
        got=f"a list of {' and '.join(kinds)}",
        fix="Give a pair of inputs and targets as a tuple, (X, y).",
    )


def _pair(data: tuple[object, ...], split: Split) -> tuple[object, object]:
    """Return inputs and targets of a split that is given as `(X, y)`.

    Raises:
        DataError: It is no pair.
    """
    if len(data) != 2:
        raise DataError(f"{split}: expected data, or a pair (X, y).", got=f"{len(data)} values")
    X, y = data
    return X, y
