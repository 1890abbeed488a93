"""The folder of a run: where everything lies, what identifies the run, and what survives a crash."""

from __future__ import annotations

import errno
import json
import math
import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NoReturn

from filelock import FileLock, Timeout

from xautolm.data.stored import split_path
from xautolm.errors import DamagedFileError, RunFolderError, SearchEndedError
from xautolm.importable import is_function_name
from xautolm.notices import warn_once
from xautolm.objectives import COSTS_OF_USE, EVALUATION_TIME
from xautolm.printable import printable_line
from xautolm.records import (
    Budget,
    DataProfile,
    Experience,
    Features,
    Forecast,
    Mark,
    SystemProfile,
    TrialOutcome,
    TrialSpec,
    experience_id,
)
from xautolm.serialization import final_name, from_plain, read_record, to_plain, write_json
from xautolm.trial_folder import RESULT, SPEC, TrialFolder
from xautolm.vocabulary import Split, Stage

RUN_FILE = "run.json"
COPY = "data/run.json"
"""The same once more, for the day on which `run.json` is damaged."""
LOCK = ".lock"
OWN = {"data", "tokens", "trials", LOCK}
"""What may lie in a folder in which a run was killed before it had begun."""
ANSWERING = "xautolm.json"
"""Lies beside the weights: how answers are had from the model."""
ADAPTERS = "adapter_config.json"
"""By this file of peft, a folder holds adapters, and names the folder of the model that they belong to."""
SET_ASIDE = ".damaged"
"""What the name of a damaged file gets behind it when a new one takes its place."""
NUMBER = re.compile(r"\d{4,9}")
"""Name of a trial's folder."""
LONGEST_DATA_NAME = 100
"""Characters of the data's name in that of the study."""
UNRECORDED = ("families",)
"""Settings that runs from before them do not have, whatever was chosen: of such a run they are not compared."""
NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
"""Errors of the system that say that a disk, or a user's share of it, is full."""

Say = Callable[[str], None]
"""Takes a note for a person."""


def holds_adapters(folder: Path) -> bool:
    """Return whether a model's folder holds adapters only, which a large model leaves until it has won."""
    return (folder / ADAPTERS).is_file()


@dataclass(frozen=True, slots=True, kw_only=True)
class RunInfo:
    """What a run is about; written as `run.json`, once more when its meta-features are measured."""

    id: str
    created: str
    """ISO 8601, UTC."""
    task: str
    labels: tuple[str, ...]
    objectives: tuple[str, ...]
    """Names, in the order of the search."""
    metrics: tuple[str, ...]
    """Names of those that every trial reports."""
    data: DataProfile
    system: SystemProfile
    seed: int
    versions: Mapping[str, str]
    settings: Mapping[str, Any]
    """What an invocation must share with the run in order to resume it."""
    notes: tuple[str, ...] = ()
    """What was done to the data."""
    columns: Mapping[str, str] = field(default_factory=dict)
    """What the columns were called in the data, by role: `text` and the like."""
    models: tuple[str, ...] = ()
    """The models in the space."""
    features: Features = field(default_factory=dict)
    """Meta-features of the task and the machine; those of the task come when they are measured."""
    minimized: tuple[str, ...] = ()
    """Names of the objectives of which smaller is better; runs without it maximise all but the evaluation time."""

    @property
    def study_name(self) -> str:
        """Return what the Optuna study is called: for people by the data, and in a database of many runs by the run."""
        # Optuna has room for 512 characters, in databases on a server.
        data = printable_line(self.data.name)[:LONGEST_DATA_NAME]
        return f"{data} {self.id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunTrials:
    """What the trials' folders of a run say."""

    experiences: list[Experience]
    """The trials that ended, interrupted ones included, in order of their numbers."""
    unfinished: list[int]
    """Numbers of trials that have begun and left no result that can be read."""
    damaged: list[DamagedFileError]
    """Files that cannot be read."""


@dataclass(frozen=True, slots=True, weakref_slot=True)
class RunFolder:
    """Paths of a run.

    Layout: `run.json`, `fit.yaml` (its options), `study.db` (Optuna), `clock.json`, `timeline.jsonl`,
    `warm_start.json`, `data/`, `tokens/`,
    `features/`, `trials/0007/` (see `TrialFolder`); with trackers `reported/`; from the first success on `best/` and
    `results.json`; at the end `test/`, `pareto.json`, `leaderboard.csv`, `report.html`.

    The folder is the truth: what `study.db` says is mended by it, and a file that is damaged costs that file at most.
    """

    root: Path

    @property
    def study(self) -> Path:
        """Return the database of the Optuna study."""
        return self.root / "study.db"

    @property
    def clock(self) -> Path:
        """Return the file that says how much of the budget is used."""
        return self.root / "clock.json"

    @property
    def options(self) -> Path:
        """Return the file of the options of the last invocation, for `fit --config`."""
        return self.root / "fit.yaml"

    @property
    def timeline(self) -> Path:
        """Return the file that says when the stages of each invocation began, one JSON object a line."""
        return self.root / "timeline.jsonl"

    @property
    def warm_start(self) -> Path:
        """Return the file that says what the search began with."""
        return self.root / "warm_start.json"

    @property
    def results(self) -> Path:
        """Return the file that says which trial `best/` is, and what it scored on the test split."""
        return self.root / "results.json"

    @property
    def features(self) -> Path:
        """Return the folder of the child that measures the meta-features: its order and its logs."""
        return self.root / "features"

    @property
    def merging(self) -> Path:
        """Return the folder of the child that merges the winner's adapters into its model."""
        return self.root / "merging"

    @property
    def refit(self) -> Path:
        """Return the folder of the child that trains the winner once more, on all rows."""
        return self.root / "refit"

    @property
    def refit_model(self) -> Path:
        """Return the folder of the weights that came of it."""
        return TrialFolder(self.refit).model

    @property
    def test(self) -> Path:
        """Return the folder of the child that scores the winner on the test split."""
        return self.root / "test"

    @property
    def front(self) -> Path:
        """Return the file of the trials that no other dominates."""
        return self.root / "pareto.json"

    @property
    def leaderboard(self) -> Path:
        """Return the table of all trials."""
        return self.root / "leaderboard.csv"

    @property
    def report(self) -> Path:
        """Return the run's page."""
        return self.root / "report.html"

    def reported(self, tracker: str) -> Path:
        """Return the file that says which trials a tracker has to their end."""
        return self.root / "reported" / f"{tracker}.json"

    @property
    def data(self) -> Path:
        """Return the folder of the splits, as Parquet."""
        return self.root / "data"

    @property
    def tokens(self) -> Path:
        """Return the folder of tokenised splits, shared by trials."""
        return self.root / "tokens"

    @property
    def best(self) -> Path:
        """Return the folder of the best model so far, in the layout of Hugging Face; at the end the winner's."""
        return self.root / "best"

    @property
    def trials_folder(self) -> Path:
        """Return the folder of the trials' folders."""
        return self.root / "trials"

    def trial(self, number: int) -> Path:
        """Return the folder of a trial."""
        return self.trials_folder / f"{number:04d}"

    def model(self, number: int) -> Path:
        """Return the folder of a trial's weights, while they are kept."""
        return TrialFolder(self.trial(number)).model

    def split(self, split: Split) -> Path:
        """Return the file of a split."""
        return split_path(self.data, split)

    def info(self, say: Say = warn_once) -> RunInfo:
        """Return what the run is about.

        Args:
            say: Told if `run.json` is damaged and its copy was read instead.

        Raises:
            RunFolderError: There is no run here, or `run.json` and its copy cannot be read.
        """
        path = self.root / RUN_FILE
        copy = self.root / COPY
        if not path.exists() and not copy.exists():
            raise RunFolderError(
                "There is no run here.", got=self.root, fix="Give the --out folder of a fit."
            )
        try:
            return read_record(RunInfo, path)
        except DamagedFileError as error:
            try:
                info = read_record(RunInfo, copy)
            except DamagedFileError:
                raise RunFolderError(
                    "What the run is about cannot be read.",
                    got=f"{path}: {error.reason}",
                    fix="Restore it from a copy, or choose another folder with --out.",
                ) from None
            say(f"{RUN_FILE} cannot be read ({error.reason}); its copy {COPY} was read instead")
            return info

    def is_run(self) -> bool:
        """Return whether a run lies here."""
        return (self.root / RUN_FILE).exists() or (self.root / COPY).exists()

    def earlier(self) -> RunInfo | None:
        """Return the run that is here already, if any."""
        return self.info(say=_say_nothing) if self.is_run() else None

    def check_place(self) -> None:
        """Look whether the folder is here, or can be made; nothing is written.

        Raises:
            RunFolderError: It cannot be made or written to, or holds something else than a run.
        """
        # JSON, in which the place is written, has no way to say bytes that are no text.
        try:
            os.fsencode(self.root).decode("utf-8")
        except UnicodeError:
            self._refuse("its name is not text in UTF-8")
        # A folder that is not there yet can be made if the nearest one above it can be written to.
        place = self.root
        try:
            while not place.exists():
                place = place.parent
        except (OSError, ValueError) as error:
            self._refuse(getattr(error, "strerror", None) or str(error))
        if not place.is_dir():
            self._refuse(f"{place} is a file")
        if not os.access(place, os.W_OK | os.X_OK):
            self._refuse(f"{place} cannot be written to")
        if place != self.root or self.is_run():
            return
        if not self._holds_leftovers_only():
            raise RunFolderError(
                "The output folder is not empty and holds no run.",
                got=self.root,
                fix="Choose another with --out.",
            )

    def _holds_leftovers_only(self) -> bool:
        """Return whether all that lies here is what a start leaves that ended before its run had begun."""
        for path in self.root.iterdir():
            if path.name not in OWN and final_name(path) != RUN_FILE:
                return False
        # What trials make comes only once the run has begun.
        if any(self.tokens.glob("*")) or any(self.trials_folder.glob("*")):
            return False
        splits = {self.split(split).name for split in Split}
        in_data = list(self.data.glob("*"))
        # These are made before the first split is: without them, `data/train.parquet` is a person's own. The lock alone
        # does not tell: some versions of filelock remove it when it is let go.
        has_begun = (self.root / LOCK).is_file() or self.trials_folder.is_dir()
        if in_data and not has_begun:
            return False
        return all(path.name in splits or final_name(path) in splits for path in in_data)

    def open(self, info: RunInfo, say: Say = warn_once) -> RunInfo:
        """Begin a run here, or resume the one that is here.

        Returns:
            The run's own info: the given one, or that of the run to resume.

        Raises:
            RunFolderError: The folder holds something else; the message says what differs. Or it cannot be made.
        """
        self.check_place()
        earlier = self.info(say) if self.is_run() else None
        if earlier is not None:
            _check_same(earlier.settings, to_plain(info)["settings"], self.root)
            _check_functions(earlier, info, self.root)
        try:
            for folder in (self.data, self.tokens, self.trials_folder):
                folder.mkdir(parents=True, exist_ok=True)
            if earlier is not None:
                self._mend_info(earlier)
        except OSError as error:
            self._refuse(error.strerror or str(error))
        return earlier or info

    def write_info(self, info: RunInfo) -> None:
        """Write `run.json`, last of what a run needs to be resumed, and its copy."""
        for name in (RUN_FILE, COPY):
            write_json(self.root / name, to_plain(info))

    def _mend_info(self, info: RunInfo) -> None:
        """Write `run.json` or its copy anew where they cannot be read."""
        for name in (RUN_FILE, COPY):
            try:
                read_record(RunInfo, self.root / name)
            except DamagedFileError:
                write_json(self.root / name, to_plain(info))

    def _refuse(self, reason: str) -> NoReturn:
        """Raise that the folder cannot be used, whatever its name is made of."""
        printable_root = str(self.root).encode("utf-8", "backslashreplace").decode()
        raise RunFolderError(
            "The output folder cannot be made or written to.",
            got=f"{printable_root}: {reason}",
            fix="Choose another with --out.",
        ) from None

    def mark(self, stage: Stage, *, seconds_ago: float = 0.0, budget: Budget | None = None) -> None:
        """Note when a stage of this invocation began."""
        time = datetime.now(UTC) - timedelta(seconds=seconds_ago)
        mark = Mark(stage=stage, time=time.isoformat(timespec="milliseconds"), budget=budget)
        text = json.dumps(to_plain(mark))
        with self.timeline.open("a", encoding="utf-8") as file:
            # On a line of its own, also where a kill has cut the one before.
            file.write(f"\n{text}\n")

    def marks(self) -> list[Mark]:
        """Return when the stages of all invocations began; lines that cannot be read are passed over."""
        try:
            content = self.timeline.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return []
        marks = []
        for line in content.splitlines():
            # A kill may have cut the last line. pydantic's error is a ValueError, as JSON's is.
            with suppress(ValueError, RecursionError):
                marks.append(from_plain(Mark, json.loads(line)))
        return marks

    def lock(self) -> FileLock:
        """Acquire and return the lock that only one search may hold.

        Raises:
            RunFolderError: Another process works on this run, or the folder cannot be written to.
        """
        lock = FileLock(self.root / LOCK, timeout=0)
        try:
            lock.acquire()
        except Timeout:
            raise RunFolderError("Another process works on this run.", got=self.root) from None
        except OSError as error:
            self._refuse(error.strerror or str(error))
        return lock

    def experiences(self) -> list[Experience]:
        """Return the finished trials, in order of their numbers; files that cannot be read are warned of."""
        trials = self.trials(self.info())
        for error in trials.damaged:
            warn_once(self.described(error))
        return trials.experiences

    def trials(self, info: RunInfo) -> RunTrials:
        """Read the trials' folders; a file that cannot be read costs its own trial only."""
        trials = RunTrials(experiences=[], unfinished=[], damaged=[])
        for number in self.numbers():
            folder = TrialFolder(self.trial(number))
            if not folder.spec.exists() and not folder.result.exists():
                continue  # it was killed before it had begun, or its files are set aside
            try:
                spec = checked_spec(folder, number)
            except DamagedFileError as error:
                trials.damaged.append(error)
                continue
            if not folder.result.exists():
                trials.unfinished.append(number)
                continue
            try:
                outcome = checked_outcome(folder, info.objectives)
            except DamagedFileError as error:
                trials.damaged.append(error)
                trials.unfinished.append(number)
                continue
            trials.experiences.append(experience_of(info, spec, outcome, folder))
        return trials

    def forecasts(self) -> dict[int, Forecast]:
        """Return what was predicted of the trials, by their number; a file that cannot be read is warned of.

        Trials from before it was kept have none.
        """
        forecasts: dict[int, Forecast] = {}
        for number in self.numbers():
            folder = TrialFolder(self.trial(number))
            try:
                forecast = folder.read_forecast()
            except DamagedFileError as error:
                path = error.path.relative_to(self.root)
                warn_once(f"{path} cannot be read ({error.reason}): its trial has no forecast")
                continue
            if forecast is not None:
                forecasts[number] = forecast
        return forecasts

    def numbers(self) -> list[int]:
        """Return the numbers that have a folder, in order."""
        numbers = []
        for path in self.trials_folder.glob("*"):
            if not path.is_dir() or not NUMBER.fullmatch(path.name):
                continue
            number = int(path.name)
            # A copy that a person made, `00007` beside `0007`, is no other trial.
            if self.trial(number).name == path.name:
                numbers.append(number)
        return sorted(numbers)

    def is_taken(self, number: int) -> bool:
        """Return whether something lies where a trial of this number would."""
        return os.path.lexists(self.trial(number))

    def described(self, error: DamagedFileError) -> str:
        """Return in one line which file cannot be read, and what that costs."""
        path = error.path
        if path.is_relative_to(self.root):
            path = path.relative_to(self.root)
        cost = "its trial is left out" if path.name == SPEC else "its trial counts as interrupted"
        return f"{path} cannot be read ({error.reason}): {cost}"

    def end_unfinished(
        self,
        info: RunInfo,
        outcome_of: Callable[[TrialFolder], TrialOutcome],
        stored: Mapping[int, Experience],
    ) -> list[str]:
        """Give trials that left no result an outcome; only for who holds the lock, when nothing runs.

        Args:
            info: What the run is about.
            outcome_of: Returns that of a trial of which nothing else is known.
            stored: Experiences of the run that lie elsewhere, by trial.

        Returns:
            What a person should know of damaged files, one line each.
        """
        trials = self.trials(info)
        notes = []
        for error in trials.damaged:
            _set_aside(error.path)
            notes.append(self.described(error))
        for number in trials.unfinished:
            folder = TrialFolder(self.trial(number))
            recorded = _recorded_outcome(checked_spec(folder, number), stored.get(number))
            if recorded is None:
                folder.write_outcome(outcome_of(folder))
            else:
                folder.write_outcome(recorded)
                notes.append(
                    f"the result of trial {number}, which was lost, was had from the experience store"
                )
        return notes

    def forget_tokens(self) -> None:
        """Delete tokens and features, of rows that are no more; a trial makes them anew."""
        for path in self.tokens.glob("*"):
            shutil.rmtree(path, ignore_errors=True)

    def remove_unfinished(self) -> None:
        """Delete what a kill has left of splits, tokens and features that were being made; nobody else may make any."""
        for path in (*self.data.glob(".*"), *self.tokens.glob(".*")):
            if not final_name(path):
                continue
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                with suppress(OSError):
                    path.unlink()

    def keep_weights(self, numbers: Iterable[int], running: Iterable[int]) -> None:
        """Delete the weights of all trials but these, so that disk use stays bounded."""
        spared = {*numbers, *running}
        for number in self.numbers():
            if number not in spared:
                TrialFolder(self.trial(number)).remove_weights()


def _set_aside(damaged: Path) -> None:
    """Give a damaged file of a trial another name, so that a new one can take its place."""
    names = [RESULT]
    # Without the order, nobody knows what the result is of; without the result, the order can be given again.
    if damaged.name == SPEC:
        names.append(SPEC)
    for name in names:
        path = damaged.with_name(name)
        if os.path.lexists(path):
            path.replace(path.with_name(name + SET_ASIDE))


def _recorded_outcome(spec: TrialSpec, experience: Experience | None) -> TrialOutcome | None:
    """Return what the store knows of a trial; nothing if that is of another configuration, or says nothing."""
    if experience is None or experience.configuration != spec.configuration:
        return None
    return experience.outcome if experience.outcome.is_evidence else None


@contextmanager
def folder_errors(root: Path) -> Iterator[None]:
    """Turn trouble with a run's folder in the middle of a search into the error that ends it.

    Raises:
        SearchEndedError: The disk is full, or the folder cannot be written to any more.
    """
    try:
        yield
    except OSError as error:
        trouble = "The run's folder cannot be written to"
        cure = "Mend that"
        if error.errno in NO_ROOM:
            trouble = "The disk is full"
            cure = "Make room"
        raise SearchEndedError(
            f"{trouble}, so the search ends here.",
            got=f"{error.filename or root}: {error.strerror or error}",
            fix=f"{cure}; the same command goes on from here.",
        ) from None


def checked_spec(folder: TrialFolder, number: int) -> TrialSpec:
    """Return the order of a trial.

    Raises:
        DamagedFileError: It cannot be read, or is that of another trial.
    """
    spec = folder.read_spec()
    if spec.number != number:
        raise DamagedFileError(folder.spec, f"it is the order of trial {spec.number}")
    return spec


def checked_outcome(folder: TrialFolder, objectives: Sequence[str]) -> TrialOutcome:
    """Return the outcome of a trial.

    Args:
        folder: The trial's.
        objectives: Names of what a success has values for.

    Raises:
        DamagedFileError: It cannot be read, or says of a success less than the run is about.
    """
    outcome = folder.read_outcome()
    if outcome.failed:
        if outcome.failure is None:
            raise DamagedFileError(folder.result, "it is a failure without a reason")
        return outcome
    values = {**outcome.metrics, EVALUATION_TIME: outcome.evaluation_time}
    for name in objectives:
        # A trial that was stopped has no model to measure, and a measurement may fail.
        if name in COSTS_OF_USE:
            continue
        value = values.get(name)
        if value is None or not math.isfinite(value):
            raise DamagedFileError(folder.result, f"it says {value} for {name}")
    return outcome


def experience_of(
    info: RunInfo, spec: TrialSpec, outcome: TrialOutcome, folder: TrialFolder
) -> Experience:
    """Return the experience of a trial that has ended."""
    ended = folder.ended()
    return Experience(
        id=experience_id(info.id, spec.number, spec.configuration),
        created=ended.isoformat(timespec="seconds"),
        run=info.id,
        trial=spec.number,
        task=info.task,
        data=info.data,
        system=folder.read_system() or info.system,
        configuration=spec.configuration,
        outcome=outcome,
        limits=spec.limits,
        objectives=info.objectives,
        minimized=info.minimized,
        seed=spec.seed,
        versions=info.versions,
        proposal=spec.proposal,
        features=info.features,
    )


def _say_nothing(text: str) -> None:
    """Take a note that another will say."""


def _check_same(earlier: Mapping[str, Any], now: Mapping[str, Any], root: Path) -> None:
    # What only the earlier one says was chosen then, and is left at its default now.
    names = [*now, *(name for name in earlier if name not in now)]
    differences = []
    for name in names:
        if name in UNRECORDED and name not in earlier:
            continue
        if earlier.get(name) != now.get(name):
            differences.append(
                f"{name}: {_short(earlier.get(name))} there, {_short(now.get(name))} now"
            )
    if differences:
        raise RunFolderError(
            "The output folder holds another run.",
            got=f"{root} ({'; '.join(differences)})",
            fix="Choose another folder with --out; in Python, each table gets one of its own if `out` is not given.",
        )


def _check_functions(earlier: RunInfo, now: RunInfo, root: Path) -> None:
    """Refuse to go on with metrics of a person's own that are not what they were.

    The direction of a function may have been changed since the run began, and its trials were ranked by it. And a
    trial imports and calls what a metric names: only functions that this invocation asks for, none that a file does.

    Raises:
        RunFolderError: A function has another direction now, or the run names one that was not asked for.
    """
    differences = []
    for name in now.objectives:
        if is_function_name(name) and (name in earlier.minimized) != (name in now.minimized):
            differences.append(
                f"{name} was {_direction(name, earlier)}, and is {_direction(name, now)} now"
            )
    for name in earlier.metrics:
        if is_function_name(name) and name not in now.metrics:
            differences.append(f"it scores {name}, which is not asked for now")
    if differences:
        raise RunFolderError(
            "The output folder holds another run.",
            got=f"{root} ({'; '.join(differences)})",
            fix="Choose another folder with --out.",
        )


def _direction(name: str, info: RunInfo) -> str:
    """Return in a word which values of an objective a run took for better."""
    return "minimised" if name in info.minimized else "maximised"


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
