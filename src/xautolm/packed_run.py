"""A run inside a pickle: what lies in its folder of the winner and of the trials' records, byte by byte."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from multiprocessing.util import Finalize
from pathlib import Path, PurePosixPath
from weakref import WeakValueDictionary

from xautolm.errors import RunFolderError
from xautolm.run_folder import COPY, RUN_FILE, RunFolder
from xautolm.trial_folder import TrialFolder

NO_PICKLES = {".bin", ".pt", ".pth", ".pkl", ".pickle", ".joblib"}
"""Endings of files that would be unpickled where they are read; weights are safetensors."""

NOT_IN_NAMES = ("\\", ":", "\0")

_unpacked: WeakValueDictionary[tuple[int, str], RunFolder] = WeakValueDictionary()
"""Runs in temporary folders, by process and content. A forked process has those of its parent, which go with that."""


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
        """Return the run in a temporary folder, the same one for the same content as long as a process holds it.

        The folder is deleted when nobody holds the returned object any more, at the end of the process at the latest.

        Raises:
            RunFolderError: A file would lie outside the folder, or is no safetensors file where weights are.
        """
        for name in self.files:
            if not _may_be_written(name):
                raise RunFolderError("A pickled run holds a file that none should hold.", got=name)
        key = (os.getpid(), self._digest())
        run = _unpacked.get(key)
        # Programs that tidy up temporary folders may have deleted it.
        if run is None or not run.is_run():
            run = self._unpack()
            _unpacked[key] = run
        return run

    def _unpack(self) -> RunFolder:
        """Write the files to a new temporary folder, which lives as long as the returned object."""
        root = Path(tempfile.mkdtemp(prefix="xautolm-run-"))
        run = RunFolder(root)
        # Unlike functions of `atexit` it is called at the end of a process of `multiprocessing`, too; and unlike
        # `weakref.finalize` never in a forked process, which must not delete the folder of its parent.
        Finalize(run, shutil.rmtree, args=(root,), kwargs={"ignore_errors": True}, exitpriority=0)
        for name, content in self.files.items():
            target = root / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        return run

    def _digest(self) -> str:
        """Return what identifies the files."""
        digest = hashlib.sha256()
        for name, content in sorted(self.files.items()):
            # With the length, so that no file runs into the next.
            heading = f"{len(content)} {name}\0"
            digest.update(heading.encode("utf-8", "surrogatepass"))
            digest.update(content)
        return digest.hexdigest()


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
