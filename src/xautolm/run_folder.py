"""The folder of a run: where everything lies, what identifies the run, and what survives a crash."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from xautolm.documents import from_plain, read_json, to_plain, write_json
from xautolm.errors import RunFolderError
from xautolm.records import (
    DataProfile,
    Experience,
    Features,
    SystemProfile,
    TrialOutcome,
    TrialSpec,
    experience_id,
)

RUN_FILE = "run.json"
OWN = {"data", "tokens", "trials", ".lock"}
"""What may lie in a folder in which a run was killed before it had begun."""
ANSWERING = "xautolm.json"
"""Lies beside the weights: how answers are had from the model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunInfo:
    """What a run is about; written once as `run.json`."""

    id: str
    created: str
    """ISO 8601, UTC."""
    task: str
    labels: tuple[str, ...]
    objectives: tuple[str, ...]
    metrics: tuple[str, ...]
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
    """Meta-features of the task and the machine."""


@dataclass(frozen=True, slots=True)
class RunFolder:
    """Paths of a run.

    Layout: `run.json`, `study.db` (Optuna), `data/`, `tokens/`, `trials/0007/{spec.json, progress.jsonl, result.json,
    stdout.log, stderr.log, model/}`, and at the end `best/`, `pareto.json`, `leaderboard.csv`.
    """

    root: Path

    @property
    def study(self) -> str:
        """SQLAlchemy URL of the Optuna storage."""
        return f"sqlite:///{self.root / 'study.db'}"

    @property
    def data(self) -> Path:
        """The splits, as Parquet."""
        return self.root / "data"

    @property
    def tokens(self) -> Path:
        """Tokenised splits, shared by trials."""
        return self.root / "tokens"

    @property
    def best(self) -> Path:
        """The winner as a Hugging Face folder."""
        return self.root / "best"

    def trial(self, number: int) -> Path:
        """The folder of a trial."""
        return self.root / "trials" / f"{number:04d}"

    def model(self, number: int) -> Path:
        """The weights of a trial, while they are kept."""
        return self.trial(number) / "model"

    def info(self) -> RunInfo:
        """What the run is about.

        Raises:
            RunFolderError: There is no run here.
        """
        path = self.root / RUN_FILE
        if not path.is_file():
            raise RunFolderError("There is no run here.", got=self.root, fix="Give the --out folder of a fit.")
        return from_plain(RunInfo, read_json(path))

    def earlier(self) -> RunInfo | None:
        """The run that is here already, if any."""
        return self.info() if (self.root / RUN_FILE).is_file() else None

    def open(self, info: RunInfo) -> RunInfo:
        """Begin a run here, or resume the one that is here.

        Returns:
            The run's own info: the given one, or that of the run to resume.

        Raises:
            RunFolderError: The folder holds something else; the message says what differs.
        """
        path = self.root / RUN_FILE
        if path.is_file():
            earlier = self.info()
            _check_same(earlier.settings, to_plain(info)["settings"], self.root)
            return earlier
        if self.root.exists() and (not self.root.is_dir() or {path.name for path in self.root.iterdir()} - OWN):
            raise RunFolderError(
                "The output folder is not empty and holds no run.", got=self.root, fix="Choose another with --out."
            )
        for folder in (self.data, self.tokens, self.root / "trials"):
            folder.mkdir(parents=True, exist_ok=True)
        return info

    def write_info(self, info: RunInfo) -> None:
        """Write `run.json`, last of what a run needs to be resumed."""
        write_json(self.root / RUN_FILE, to_plain(info))

    def lock(self) -> FileLock:
        """The lock that only one search may hold, acquired.

        Raises:
            RunFolderError: Another process works on this run.
        """
        lock = FileLock(self.root / ".lock", timeout=0)
        try:
            lock.acquire()
        except Timeout:
            raise RunFolderError("Another process works on this run.", got=self.root) from None
        return lock

    def experiences(self) -> list[Experience]:
        """The finished trials, in order of their numbers."""
        info = self.info()
        folders = sorted((self.root / "trials").glob("[0-9]*"))
        return [found for folder in folders if (found := read_experience(info, folder)) is not None]

    def keep_weights(self, numbers: Iterable[int], running: Iterable[int]) -> None:
        """Delete the weights of all trials but these, so that disk use stays bounded."""
        kept = {self.trial(number) for number in (*numbers, *running)}
        for folder in (self.root / "trials").glob("[0-9]*"):
            if folder not in kept:
                for name in ("model", "checkpoints"):
                    shutil.rmtree(folder / name, ignore_errors=True)


def read_experience(info: RunInfo, folder: Path) -> Experience | None:
    """The experience of a trial from its folder, or nothing if it has not ended."""
    result, plan = folder / "result.json", folder / "spec.json"
    if not (result.is_file() and plan.is_file()):
        return None
    spec = from_plain(TrialSpec, read_json(plan))
    outcome = from_plain(TrialOutcome, read_json(result))
    ended = datetime.fromtimestamp(result.stat().st_mtime, UTC)
    return Experience(
        id=experience_id(info.id, spec.number, spec.configuration),
        created=ended.isoformat(timespec="seconds"),
        run=info.id,
        trial=spec.number,
        task=info.task,
        data=info.data,
        system=info.system,
        configuration=spec.configuration,
        outcome=outcome,
        limits=spec.limits,
        objectives=info.objectives,
        seed=spec.seed,
        versions=info.versions,
        proposal=spec.proposal,
        features=info.features,
    )


def ended_experience(info: RunInfo, folder: Path) -> Experience:
    """The experience of a trial that has ended."""
    experience = read_experience(info, folder)
    assert experience is not None, f"a trial ended without a result in {folder}"
    return experience


def _check_same(earlier: Mapping[str, Any], now: Mapping[str, Any], root: Path) -> None:
    different = [name for name in now if earlier.get(name) != now[name]]
    if different:
        shown = "; ".join(f"{name}: {_short(earlier.get(name))} there, {_short(now[name])} now" for name in different)
        raise RunFolderError(
            "The output folder holds another run.", got=f"{root} ({shown})", fix="Choose another folder with --out."
        )


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
