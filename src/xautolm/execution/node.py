"""What runs on each machine of a cluster: it takes trials, runs them as this machine's processes, and keeps weights.

Nothing here knows Ray, which makes an actor of `Node` and calls it.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import psutil

from xautolm.errors import UsageError
from xautolm.execution.failures import failed
from xautolm.execution.launchers import default_launcher
from xautolm.execution.local import CANCELLED, LocalExecutor
from xautolm.execution.parcels import CHUNK_BYTES, Parcel, holds, sizes_of, unpack
from xautolm.hardware import installed_versions, measured_machine
from xautolm.records import SystemProfile, TrialOutcome, TrialSpec
from xautolm.serialization import from_plain, to_plain
from xautolm.settings import GPUS_VARIABLE, THREAD_VARIABLES, cache_folder
from xautolm.trial_folder import TrialFolder

LOOK_SECONDS = 0.05
"""Between two looks at the trials, which also hold them to their limits."""
PROFILE_SECONDS = 120.0
"""In which a machine must have measured itself: loading torch from a cold disk is most of it."""
PROFILE_PROGRAM = "from xautolm.execution.node import print_profile; print_profile()"
CLOSE_SECONDS = 5.0
"""In which the loop that looks at trials must have come to its end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeFacts:
    """What a machine says of itself before it gets a trial."""

    host: str
    versions: Mapping[str, str]
    """Of what results depend on, by package."""
    system: SystemProfile
    free_memory: int | None = None
    """Bytes that the fullest of its GPUs has free; None without GPUs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What is left of a trial that has ended, besides its weights; these stay until they are asked for."""

    outcome: TrialOutcome
    texts: Mapping[str, bytes]
    """Its logs and its progress, by the names of their files."""
    weights: Mapping[str, int]
    """Sizes of the files of its model, by their paths inside the model's folder."""
    model: str
    """The folder here from which the pretrained model was loaded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeSettings:
    """How a machine is to run trials."""

    entry: str
    """The function that runs a trial, as `package.module:function`."""
    preload: tuple[str, ...]
    """What the server that trials are forked from loads at once."""
    later: tuple[str, ...]
    """What it loads after the first trial."""
    device: str
    """As `--device` says it, `auto` decided already: `cpu`, `cuda` or `mps`."""
    cores: int
    """Cores that the cluster gives to trials here."""
    at_once: int
    """Trials that share them."""


class Node:
    """Run trials on this machine, in processes of its own, as a search on another machine asks for them.

    Args:
        settings: How.
    """

    def __init__(self, settings: NodeSettings) -> None:
        use_own_environment()
        self.settings = settings
        self.root = own_folder()
        self.executor: LocalExecutor | None = None
        # The executor is no place for two threads at once.
        self.lock = asyncio.Lock()
        self.described = asyncio.Event()
        self.unpacking = asyncio.Lock()
        self.waiting: dict[int, asyncio.Future[TrialOutcome]] = {}
        self.cancelled: set[int] = set()
        self.is_closed = False
        self.looking: asyncio.Task[None] | None = None
        self.system: SystemProfile | None = None
        self.threads = 1

    async def describe(self) -> NodeFacts:
        """Measure this machine, then let the server for trials load what it needs.

        Raises:
            UsageError: It has no such device.
        """
        measured = await asyncio.to_thread(measured_profile, self.settings.device)
        self.system = measured.system
        cores = min(self.system.physical_cores, max(1, self.settings.cores))
        self.threads = max(1, cores // self.settings.at_once)
        if self.executor is None:
            launcher = default_launcher(self.settings.preload, self.threads, self.settings.later)
            launcher.begin()
            self.executor = LocalExecutor(launcher, self.settings.entry)
            self.looking = asyncio.create_task(self._look())
        self.described.set()
        return NodeFacts(
            host=socket.gethostname(),
            versions=installed_versions(),
            system=self.system,
            free_memory=measured.free_memory,
        )

    async def lacks(self, folders: Mapping[str, Mapping[str, int]]) -> list[str]:
        """Return which folders are not here under their path.

        Args:
            folders: The sizes of a folder's files by their paths inside it, by the folder's path; where no file is
                named, it is enough that the folder is there.
        """
        missing = []
        for path, sizes in folders.items():
            folder = Path(path)
            if not folder.is_dir() or not holds(folder, sizes):
                missing.append(path)
        return missing

    async def run(self, order: Mapping[str, object], parcels: Sequence[Parcel], gpu: str) -> Report:
        """Run a trial and return what is left of it; waits for it.

        Args:
            order: A `TrialSpec` in plain values, with the paths of the machine that the search runs on.
            parcels: Folders that this machine may lack.
            gpu: UUID of the GPU that the trial was given; empty without.
        """
        # One that waited for this machine may be here before the machine knows itself.
        await self.described.wait()
        for parcel in parcels:
            await self._receive(parcel)
        spec = self._localised(from_plain(TrialSpec, order), parcels, gpu)
        number = spec.number
        folder = self.folder(number)
        folder.root.mkdir(parents=True)
        ended = asyncio.get_running_loop().create_future()
        async with self.lock:
            assert self.executor is not None
            if number in self.cancelled:
                return _report(failed(CANCELLED), folder, spec)
            self.waiting[number] = ended
            # In a thread, since it may have to wait for the server, and others ask for progress meanwhile.
            try:
                await asyncio.to_thread(self.executor.start, spec, folder.root)
            except BaseException:
                del self.waiting[number]
                raise
        outcome = await ended
        return _report(outcome, folder, spec)

    async def progress(self, offsets: Mapping[int, int]) -> dict[int, bytes]:
        """Return what running trials have added to their progress.

        Args:
            offsets: How many bytes of it are there already, by trial; others are read from their beginning.
        """
        added: dict[int, bytes] = {}
        for number in self.waiting:
            with suppress(OSError), self.folder(number).progress.open("rb") as file:
                file.seek(offsets.get(number, 0))
                added[number] = file.read()
        # A trial that has nothing to say is named too: by that the search knows where it runs.
        return {number: added.get(number, b"") for number in self.waiting}

    async def cancel(self, number: int) -> None:
        """Stop a trial, or refuse it when it comes."""
        self.cancelled.add(number)
        async with self.lock:
            if self.executor is not None:
                self.executor.cancel(number)

    async def read(self, number: int, name: str, offset: int) -> bytes:
        """Return a chunk of a file of a trial's model."""
        path = self.folder(number).model / name
        return await asyncio.to_thread(_chunk, path, offset)

    async def forget(self, number: int) -> None:
        """Delete what is left here of a trial."""
        shutil.rmtree(self.folder(number).root, ignore_errors=True)

    async def close(self) -> None:
        """Stop what runs, and delete what lies here."""
        self.is_closed = True
        if self.looking is not None:
            with suppress(TimeoutError):
                await asyncio.wait_for(self.looking, CLOSE_SECONDS)
        async with self.lock:
            if self.executor is not None:
                await asyncio.to_thread(self.executor.close)
        shutil.rmtree(self.root, ignore_errors=True)

    def folder(self, number: int) -> TrialFolder:
        """Return the folder of a trial on this machine."""
        return TrialFolder(self.root / "trials" / f"{number:04d}")

    async def _look(self) -> None:
        """Hold trials to their limits, and pass on what they end with."""
        assert self.executor is not None
        while not self.is_closed:
            try:
                async with self.lock:
                    ended = await asyncio.to_thread(self.executor.finished, LOOK_SECONDS)
            except Exception as error:
                # As of a full disk. Whoever waits for a trial must hear of it, and nobody else would.
                self._give_up(error)
                ended = []
            for number, outcome in ended:
                waiter = self.waiting.pop(number, None)
                if waiter is not None and not waiter.done():
                    waiter.set_result(outcome)
            await asyncio.sleep(LOOK_SECONDS)

    def _give_up(self, error: Exception) -> None:
        """Stop all trials, of which some may have ended unseen, and let them fail with an error of the machine."""
        assert self.executor is not None
        for number, waiter in self.waiting.items():
            self.executor.cancel(number)
            if not waiter.done():
                waiter.set_exception(error)
        self.waiting.clear()

    async def _receive(self, parcel: Parcel) -> None:
        # Two trials that begin at once must not write one folder.
        async with self.unpacking:
            target = self._place_of(parcel)
            if not target.exists():
                await unpack(parcel, target)

    def _place_of(self, parcel: Parcel) -> Path:
        """Return where a parcel is unpacked: under its own path, which may not be had on this machine."""
        return self.root / "received" / Path(parcel.path).relative_to("/")

    def _localised(self, spec: TrialSpec, parcels: Sequence[Parcel], gpu: str) -> TrialSpec:
        """Return an order with this machine's paths, threads and device."""
        assert self.system is not None
        places = {parcel.path: str(self._place_of(parcel)) for parcel in parcels}
        tokens = self.root / "tokens"
        tokens.mkdir(parents=True, exist_ok=True)
        card = replace(spec.card, path=places.get(spec.card.path, spec.card.path))
        return replace(
            spec,
            card=card,
            data=places.get(spec.data, spec.data),
            tokens=str(tokens),
            threads=self.threads,
            gpu=gpu,
            computes_in_bf16=self.system.computes_in_bf16,
        )


def use_own_environment() -> None:
    """Take back what Ray set in the environment of this process, which trials inherit.

    For an actor that asks for no core and no GPU, that is one thread for numerical libraries, and with some versions of
    Ray (in later ones, with RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO) no GPU in sight.
    """
    # What the process was started with; Ray sets its variables afterwards.
    inherited = psutil.Process().environ()
    for name in (*THREAD_VARIABLES, GPUS_VARIABLE):
        if name in inherited:
            os.environ[name] = inherited[name]
        else:
            os.environ.pop(name, None)


def own_folder() -> Path:
    """Make and return a folder of this process in the cache; those of processes that have ended are deleted."""
    parent = cache_folder() / "nodes"
    host = socket.gethostname()
    own = psutil.Process()
    # The cache may lie on a disk that several machines share, and numbers of processes come again.
    name = f"{host}-{own.pid}-{own.create_time():.0f}"
    for folder in parent.glob(f"{host}-*"):
        _, pid, created = folder.name.rsplit("-", 2)
        if not _runs(int(pid), float(created)):
            shutil.rmtree(folder, ignore_errors=True)
    folder = parent / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _runs(pid: int, created: float) -> bool:
    """Return whether the process of that number is still the one that began then, to the second."""
    try:
        return abs(psutil.Process(pid).create_time() - created) <= 1.0
    except psutil.NoSuchProcess:
        return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What a process found out about the machine that it runs on."""

    system: SystemProfile
    free_memory: int | None
    """As in `NodeFacts`."""


def measured_profile(device: str) -> Measured:
    """Return the profile of this machine, as a process measures it that Ray has not slowed down.

    Raises:
        UsageError: It has no such device.
    """
    command = [sys.executable, "-c", PROFILE_PROGRAM, device]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=PROFILE_SECONDS, check=False
    )
    if done.returncode:
        raise UsageError(
            "A machine of the cluster could not be measured.",
            got=f"{socket.gethostname()}: {done.stderr[-500:]}",
        )
    # What libraries print comes before it.
    answer = json.loads(done.stdout.splitlines()[-1])
    if "error" in answer:
        raise UsageError(
            "A machine of the cluster cannot run the trials.",
            got=f"{socket.gethostname()}: {answer['error']}",
        )
    return from_plain(Measured, answer)


def print_profile() -> None:
    """Run the program of a process that measures this machine, with the argument DEVICE; prints JSON."""
    device = sys.argv[1]
    try:
        system, places = measured_machine(device)
    except UsageError as error:
        print(json.dumps({"error": " ".join(str(error).split())}))
        return
    free = [place.free_memory for place in places if place.free_memory is not None]
    print(json.dumps({"system": to_plain(system), "free_memory": min(free, default=None)}))


def _report(outcome: TrialOutcome, folder: TrialFolder, spec: TrialSpec) -> Report:
    texts: dict[str, bytes] = {}
    for path in (folder.stdout, folder.stderr, folder.progress):
        with suppress(OSError):
            texts[path.name] = path.read_bytes()
    weights = sizes_of(folder.model) if folder.model.is_dir() else {}
    return Report(outcome=outcome, texts=texts, weights=weights, model=spec.card.path)


def _chunk(path: Path, offset: int) -> bytes:
    with path.open("rb") as file:
        file.seek(offset)
        return file.read(CHUNK_BYTES)
