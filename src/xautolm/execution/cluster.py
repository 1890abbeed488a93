"""Runs trials on the machines of a Ray cluster.

Ray places: each trial is a task that asks for cores and a share of a GPU. On each machine one actor, a `Node`, runs the
trials that come there as processes of that machine, so limits and kinds of failure are those of a single machine. The
task only holds the place, and waits for the actor. What trials read travels once to each machine; what they leave comes
back when they end. This process alone writes the run's folder, the study and the store.

This module and those that it is made of (`cluster_connection`, `fleet`, `fetching`) are the only ones that import Ray,
which is an extra.
"""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import ray
from ray.exceptions import ActorDiedError, NodeDiedError, OutOfMemoryError, RayError

from xautolm.errors import UsageError, XAutoLMError
from xautolm.execution.cluster_connection import AUTO, capacities, connect
from xautolm.execution.failures import failed
from xautolm.execution.fetching import Away, fetch, left_alone
from xautolm.execution.fleet import POLL_SECONDS, Fleet, Machine, is_there
from xautolm.execution.node import Node, NodeSettings, Report
from xautolm.execution.parcels import Parcel, packed
from xautolm.execution.shares import Capacity, share_of_trial
from xautolm.hardware import trial_places
from xautolm.records import Failure, Gpu, Machines, Place, TrialOutcome, TrialSpec
from xautolm.serialization import to_plain
from xautolm.trial_folder import TrialFolder
from xautolm.vocabulary import DeviceKind, FailureKind

if TYPE_CHECKING:
    from ray.actor import ActorHandle

logger = logging.getLogger(__name__)

NODE_SECONDS = 60.0
"""In which a trial that was placed on a machine must find the actor there: it is made when a machine has joined."""
PROGRESS_SECONDS = 0.5
"""Between two questions how the trials go on: pruning looks once a second."""
TOGETHER_SECONDS = 1.0
"""After a machine was lost, in which the ends of its other trials are waited for, so that they are told together."""
FETCHERS = 4
"""Models that are fetched at the same time."""
NODE_LABEL = "ray.io/node-id"
"""Label that Ray gives every machine: its number there."""


def run_trial(
    order: Mapping[str, object], parcels: Sequence[Parcel], prefix: str, on_gpu: bool
) -> tuple[str, Report]:
    """Hold the place of a trial while the machine's actor runs it; returns the machine, and what is left there.

    Args:
        order: A `TrialSpec` in plain values.
        parcels: Folders that machines may lack.
        prefix: Of the actors' names.
        on_gpu: Whether Ray has given a GPU to this process.
    """
    node = ray.get_runtime_context().get_node_id()
    # Ray lets this process see what it was given; the trial is told by its UUID.
    gpu = trial_places(DeviceKind.CUDA)[0].gpu if on_gpu else ""
    actor = _actor_here(f"{prefix}{node}")
    # Not `ray.get`: while that waits, Ray lends the cores of this task to others.
    report: Report = actor.run.remote(order, parcels, gpu).future().result()
    return node, report


def _actor_here(name: str) -> ActorHandle[Node]:
    """Return the actor of this machine, which may just have joined.

    Raises:
        XAutoLMError: There is none.
    """
    deadline = time.monotonic() + NODE_SECONDS
    while time.monotonic() < deadline:
        with suppress(ValueError):
            return ray.get_actor(name)
        time.sleep(POLL_SECONDS)
    raise XAutoLMError(f"{socket.gethostname()} does not answer as a machine for trials.")


class RayExecutor:
    """Run trials on the machines of a Ray cluster, which it connects to and checks at once.

    Args:
        address: Of the cluster: `auto`, or host and port of its head.
        entry: The function that runs a trial, as `package.module:function`.
        preload: What each machine loads once, for trials to be forks of it.
        later: What each loads after its first trial.
        parallel: Trials at once; by default one on each GPU, and without GPUs one on each machine.
        device: As for a search; an index of a GPU means nothing in a cluster.
        say: Told of machines that come and go.

    Raises:
        UsageError: No cluster there, no machine that could run trials, other versions, no such device.
    """

    def __init__(
        self,
        address: str,
        entry: str,
        *,
        preload: Sequence[str] = (),
        later: Sequence[str] = (),
        parallel: int | None = None,
        device: str = AUTO,
        say: Callable[[str], None] = logger.info,
    ) -> None:
        if ":" in device:
            raise UsageError(
                "In a cluster, Ray chooses the GPU.",
                got=device,
                fix="Use --device cuda, cpu or auto.",
            )
        self.wants_weights: Callable[[int, TrialOutcome], bool] = lambda number, outcome: True
        """Whether the model of a trial that has ended is fetched, or deleted where it lies."""
        self.trials: dict[int, Away] = {}
        self.parcels: dict[str, Parcel | None] = {}
        """By the path of a folder; None where all machines have it."""
        self.handles = ExitStack()
        """What is closed at the end, the last first."""
        if not ray.is_initialized():
            connect(address)
            self.handles.callback(ray.shutdown)
        self.prefix = f"xautolm-{ray.get_runtime_context().get_job_id()}-{id(self)}-"
        self.fetchers = ThreadPoolExecutor(FETCHERS, thread_name_prefix="xautolm-fetch")
        # When the machines are closed, nobody answers any more, and what is still fetched fails; nothing may write into
        # the folders afterwards.
        self.handles.callback(self.fetchers.shutdown, wait=True, cancel_futures=True)
        try:
            alive = capacities()
            self.on_gpu = _chooses_gpus(device, alive.values())
            share = share_of_trial(list(alive.values()), parallel, on_gpus=self.on_gpu)
            if share is None:
                raise _nothing_to_run_on(device, alive)
            self.share = share
            self.place = ray.remote(
                num_cpus=share.cpus,
                num_gpus=share.gpus,
                # A trial whose machine was lost is told, and the search decides.
                max_retries=0,
                scheduling_strategy="SPREAD",
            )(run_trial)
            settings = NodeSettings(
                entry=entry,
                preload=tuple(preload),
                later=tuple(later),
                device=_device_of_trials(device, on_gpu=self.on_gpu),
                cores=1,
                at_once=1,
            )
            self.fleet = Fleet(settings, share, self.prefix, say)
            self.handles.callback(self.fleet.close)
            self.fleet.begin(alive)
        except BaseException:
            self.close()
            raise

    def machines(self) -> Machines:
        """Return the machines as a search plans for them: all like the one with the least memory for a trial."""
        described = self.fleet.described()
        weakest = min(described, key=self._memory_of_trial)
        assert weakest.facts is not None
        at_once = self.share.slots(weakest.capacity)
        system = weakest.facts.system
        device = system.device
        free_memory = None
        if self.on_gpu:
            # A trial may come to any GPU: the one with the least memory stands for all of them.
            gpus: list[Gpu] = []
            for machine in described:
                gpus.extend(machine.facts.system.gpus if machine.facts else ())
            smallest = min(gpus, key=lambda gpu: gpu.memory)
            usable = int(weakest.capacity.gpus)
            system = replace(system, gpus=(smallest,) * usable)
            device = f"{DeviceKind.CUDA}:0"
            free = [machine.facts.free_memory for machine in described if machine.facts]
            free_memory = min((memory for memory in free if memory is not None), default=None)
        systems = [machine.facts.system for machine in described if machine.facts]
        system = replace(
            system,
            gflops=min(system.gflops for system in systems),
            # The space offers bfloat16 where it pays on every machine.
            bf16_speedup=min(system.bf16_speedup for system in systems),
        )
        return Machines(
            system=system,
            places=(Place(device=device, free_memory=free_memory),),
            slots=self.slots(),
            at_once=at_once,
            count=len(described),
        )

    def slots(self) -> int:
        """Return how many trials the machines that are there can hold at once.

        Raises:
            SearchEndedError: The last machine was lost.
        """
        self._refresh()
        if not self.fleet.described() and not self.trials:
            self.fleet.wait_for_machine()
            # What all machines had so far, that one may lack.
            self._ask_anew_what_is_lacking()
        return sum(self.share.slots(machine.capacity) for machine in self.fleet.described())

    def require(self, folders: Collection[str]) -> None:
        """Check that folders which are not sent are on every machine.

        Raises:
            UsageError: A machine lacks one.
        """
        self.fleet.require(folders)

    def start(self, spec: TrialSpec, folder: Path) -> None:
        """Write the order and hand the trial to Ray."""
        TrialFolder(folder).write_spec(spec)
        parcels = []
        # The splits are this run's own, and small; a model may lie on all machines already.
        for path, is_sent_anyway in ((spec.data, True), (spec.card.path, False)):
            parcel = self._parcel(path, is_sent_anyway=is_sent_anyway)
            if parcel is not None:
                parcels.append(parcel)
        # Ray would also use a machine that has not yet said what it is, or that was refused.
        nodes = [machine.node for machine in self.fleet.described()]
        place = self.place.options(label_selector={NODE_LABEL: f"in({','.join(nodes)})"})
        task = place.remote(to_plain(spec), parcels, self.prefix, self.on_gpu)
        self.trials[spec.number] = Away(
            spec=spec, folder=folder, task=task, machines=frozenset(nodes)
        )

    def running(self) -> dict[int, Path]:
        """Return the folders of the running trials by number."""
        return {number: trial.folder for number, trial in self.trials.items()}

    def finished(self, timeout: float) -> list[tuple[int, TrialOutcome]]:
        """Return trials that ended; those of a lost machine together, as interrupted."""
        deadline = time.monotonic() + timeout
        while True:
            self._refresh()
            self._ask_for_progress()
            ended = self._conclude_ended()
            seconds_left = deadline - time.monotonic()
            if ended or seconds_left <= 0 or not self.trials:
                return ended
            time.sleep(min(POLL_SECONDS, seconds_left))

    def cancel(self, number: int) -> None:
        """Stop a trial where it runs; one that has no place yet is refused when it gets one."""
        if number not in self.trials:
            return
        for machine in self.fleet.machines.values():
            machine.actor.cancel.remote(number)

    def close(self) -> None:
        """Stop what still runs on all machines, and part from the cluster."""
        for trial in self.trials.values():
            with suppress(RayError):
                ray.cancel(trial.task, force=True)
        self.trials.clear()
        self.handles.close()

    def _memory_of_trial(self, machine: Machine) -> float:
        assert machine.facts is not None
        return machine.facts.system.memory / max(1, self.share.slots(machine.capacity))

    def _refresh(self) -> None:
        """Take notice of machines that came or went."""
        has_new = self.fleet.refresh()
        if has_new:
            self._ask_anew_what_is_lacking()
        self._let_go_of_unplaced()

    def _ask_anew_what_is_lacking(self) -> None:
        """Forget what all machines had so far: one that joined may lack it."""
        self.parcels = {path: sent for path, sent in self.parcels.items() if sent is not None}

    def _let_go_of_unplaced(self) -> None:
        """Cancel trials that wait for machines which have all gone: they would wait for ever."""
        for trial in self.trials.values():
            if not trial.node and trial.machines.isdisjoint(self.fleet.machines):
                ray.cancel(trial.task, force=True)

    def _parcel(self, path: str, *, is_sent_anyway: bool) -> Parcel | None:
        """Return a folder as references to its content; None where every machine has it under its path."""
        if not path:
            return None
        if path in self.parcels:
            return self.parcels[path]
        folder = Path(path)
        parcel = None
        if is_sent_anyway or self.fleet.is_lacking(folder):
            parcel = packed(folder, ray.put)
        self.parcels[path] = parcel
        return parcel

    def _ask_for_progress(self) -> None:
        """Write what trials have said of themselves since the last answer, and ask again."""
        now = time.monotonic()
        for machine in self.fleet.described():
            if machine.news is not None and is_there(machine.news):
                news, machine.news = machine.news, None
                try:
                    self._note(machine, ray.get(news))
                except ActorDiedError:
                    # Of a machine with trials, those tell whether it was lost as a whole.
                    if all(trial.node != machine.node for trial in self.trials.values()):
                        self.fleet.replace_actor(machine.node)
                except RayError as error:
                    # It is asked again.
                    logger.info("%s did not say how its trials go on: %s", machine.name, error)
            if machine.news is None and now - machine.asked >= PROGRESS_SECONDS:
                machine.asked = now
                offsets = {number: trial.written for number, trial in self.trials.items()}
                machine.news = machine.actor.progress.remote(offsets)

    def _note(self, machine: Machine, progress: Mapping[int, bytes]) -> None:
        for number, added in progress.items():
            trial = self.trials.get(number)
            # Its end has been told meanwhile, with all of its progress.
            if trial is None or trial.fetching is not None:
                continue
            trial.node = machine.node
            if added:
                with TrialFolder(trial.folder).progress.open("ab") as file:
                    file.write(added)
                trial.written += len(added)

    def _conclude_ended(self) -> list[tuple[int, TrialOutcome]]:
        """Return the trials that have ended, after what they left is here."""
        losses = self._collect_reports()
        if losses:
            # Others of the same machine are told of in a moment; they are one misfortune, not several.
            tasks = [trial.task for trial in self.trials.values() if trial.fetching is None]
            if tasks:
                ray.wait(tasks, num_returns=len(tasks), timeout=TOGETHER_SECONDS)
            losses |= self._collect_reports()
        ended = []
        for number, outcome in losses.items():
            trial = self.trials.pop(number)
            ended.append((number, left_alone(trial, outcome)))
        for number, trial in list(self.trials.items()):
            if trial.fetching is None or not trial.fetching.done():
                continue
            del self.trials[number]
            ended.append((number, trial.fetching.result()))
        return ended

    def _collect_reports(self) -> dict[int, TrialOutcome]:
        """Begin to fetch what trials left that have ended; return outcomes of those that left nothing."""
        losses: dict[int, TrialOutcome] = {}
        for number, trial in self.trials.items():
            if trial.fetching is not None or not is_there(trial.task):
                continue
            try:
                trial.node, report = ray.get(trial.task)
            except Exception as error:
                losses[number] = self._loss(trial, error)
                continue
            # In threads: a large model takes a while, and other trials end meanwhile.
            trial.fetching = self.fetchers.submit(
                fetch, trial, report, self.fleet.machines.get(trial.node), self.wants_weights
            )
        return losses

    def _loss(self, trial: Away, error: Exception) -> TrialOutcome:
        """Return what it means that a trial came to no report."""
        # It may still run, where only the process was lost that held its place.
        self.cancel(trial.spec.number)
        # Of what was raised in a task, Ray makes an error of its own around it.
        cause = getattr(error, "cause", error)
        if isinstance(cause, OutOfMemoryError):
            message = "Ray stopped it, since its machine was short of memory"
            return failed(Failure(kind=FailureKind.OUT_OF_MEMORY, message=message))
        if isinstance(cause, NodeDiedError):
            # The cluster goes on counting it for a quarter of a minute.
            for node in list(self.fleet.machines):
                if node == trial.node or node in str(cause):
                    self.fleet.lose(node)
        if isinstance(cause, ActorDiedError):
            self.fleet.replace_actor(trial.node)
        if isinstance(cause, RayError):
            message = f"its machine, or a process there, was lost ({type(cause).__name__})"
            return failed(Failure(kind=FailureKind.INTERRUPTED, message=message))
        first_line, _, _ = str(cause).partition("\n")
        message = f"its machine could not run it: {first_line}"
        return failed(Failure(kind=FailureKind.INFRASTRUCTURE, message=message[:500]))


def _chooses_gpus(device: str, alive: Collection[Capacity]) -> bool:
    """Return whether trials run on GPUs: where that is asked for, and by default where there are any."""
    has_gpus = any(capacity.gpus >= 1 for capacity in alive)
    return device == DeviceKind.CUDA or (device == AUTO and has_gpus)


def _device_of_trials(device: str, *, on_gpu: bool) -> str:
    """Return what kind of device trials run on, `auto` decided."""
    if on_gpu:
        return DeviceKind.CUDA.value
    # Machines whose GPUs Ray does not know must not use them.
    return DeviceKind.CPU.value if device == AUTO else device


def _nothing_to_run_on(device: str, alive: Mapping[str, Capacity]) -> UsageError:
    cpus = sum(capacity.cpus for capacity in alive.values())
    gpus = sum(capacity.gpus for capacity in alive.values())
    return UsageError(
        "No machine of the cluster can run trials.",
        got=f"--device {device}; {len(alive)} machines with {cpus:g} cores and {gpus:g} GPUs for Ray",
        fix="Add machines, or start Ray there with --num-cpus and --num-gpus as large as they are.",
    )
