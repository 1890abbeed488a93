"""A run inside a pickle: what lies in its folder of the winner and of the trials' records, byte by byte."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from xautolm.errors import RunFolderError
from xautolm.run_folder import COPY, RUN_FILE, RunFolder
from xautolm.trial_folder import TrialFolder

NO_PICKLES = {".bin", ".pt", ".pth", ".pkl", ".pickle", ".joblib"}
"""Endings of files that would be unpickled where they are read; weights are safetensors."""

NOT_IN_NAMES = ("\\", ":", "\0")


@dataclass(frozen=True, slots=True)
class PackedRun:
    """The winner of a run and the records of its trials; not the data, the logs, the study, nor other weights."""

    files: Mapping[str, bytes]
    """By their paths in the run's folder, with `/` between."""

    @classmethod
    def of_folder(cls, run: RunFolder) -> PackedRun:
        """Read what a run's folder holds of them.

        Raises:
            RunFolderError: The folder is gone.
        """
        if not run.is_run():
            raise RunFolderError(
                "The run of this AutoLM is gone, so it cannot be pickled.", got=run.root
            )
        files = {}
        for path in _files(run):
            name = path.relative_to(run.root).as_posix()
            files[name] = path.read_bytes()
        return cls(files)

    def restore(self) -> RunFolder:
        """Write the files to a temporary folder, which goes when the process ends; return it as a run.

        Raises:
            RunFolderError: A file would lie outside the folder, or is no safetensors file where weights are.
        """
        for name in self.files:
            if not _may_be_written(name):
                raise RunFolderError("A pickled run holds a file that none should hold.", got=name)
        root = Path(tempfile.mkdtemp(prefix="xautolm-run-"))
        atexit.register(shutil.rmtree, root, ignore_errors=True)
        for name, content in self.files.items():
            target = root / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        return RunFolder(root)


def _may_be_written(name: str) -> bool:
    """Return whether a name is of a file inside the folder, on every system, that no reader would unpickle."""
    path = PurePosixPath(name)
    if not path.parts or path.is_absolute() or ".." in path.parts:
        return False
    # On Windows, a backslash or a drive leads out of a folder too.
    if any(character in name for character in NOT_IN_NAMES):
        return False
    return path.suffix.lower() not in NO_PICKLES


def _files(run: RunFolder) -> Iterator[Path]:
    """Find the files to pack."""
    # The copy stands in where `run.json` is damaged or gone.
    records = [run.root / RUN_FILE, run.root / COPY, run.results]
    # A run's tables, its front and its leaderboard are made from what its trials were told to do, and what came of it.
    for number in run.numbers():
        trial = TrialFolder(run.trial(number))
        records += [trial.spec, trial.result]
    weights = run.best.rglob("*")
    for path in (*records, *weights):
        is_unsafe = path.suffix.lower() in NO_PICKLES
        if path.is_file() and not is_unsafe:
            yield path
