"""Runs trials on the machines of a Ray cluster.

Ray places: each trial is a task that asks for cores and a share of a GPU. On each machine one actor, a `Node`, runs the
trials that come there as processes of that machine, so limits and kinds of failure are those of a single machine. The
task only holds the place, and waits for the actor. What trials read travels once to each machine; what they leave comes
back when they end. This process alone writes the run's folder, the study and the store.

The only module that imports Ray, which is an extra.
"""

from __future__ import annotations

import json
import logging
import math
import shutil
import signal
import socket
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import ray
from ray._private.services import get_ray_address_from_environment
from ray.exceptions import (
    ActorDiedError,
    GetTimeoutError,
    NodeDiedError,
    OutOfMemoryError,
    RayError,
)
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from xautolm.errors import SearchEndedError, UsageError, XAutoLMError
from xautolm.execution.failures import failed, tail
from xautolm.execution.node import Node, NodeFacts, NodeSettings, Report
from xautolm.execution.parcels import Parcel, packed, sizes_of
from xautolm.execution.shares import Capacity, share_of_trial
from xautolm.hardware import installed_versions, trial_places
from xautolm.records import Failure, Gpu, Machines, Place, TrialOutcome, TrialSpec
from xautolm.serialization import to_plain
from xautolm.trial_folder import TrialFolder
from xautolm.vocabulary import DeviceKind, FailureKind

if TYPE_CHECKING:
    from ray import ObjectRef
    from ray.actor import ActorHandle

logger = logging.getLogger(__name__)

AUTO = "auto"
CONNECT_SECONDS = 5.0
"""In which the head of the cluster must accept a connection; Ray itself would try for two minutes, and then exit."""
JOIN_SECONDS = 300.0
"""In which the machines must have said what they are: each loads torch once, from a disk that may be cold."""
RETURN_SECONDS = 60.0
"""For which a search waits for a machine when none is left: who replaces machines needs about as long."""
NODE_SECONDS = 60.0
"""In which a trial that was placed on a machine must find the actor there: it is made when a machine has joined."""
POLL_SECONDS = 0.1
"""Between two looks at what has ended."""
PROGRESS_SECONDS = 0.5
"""Between two questions how the trials go on: pruning looks once a second."""
REFRESH_SECONDS = 2.0
"""Between two looks at which machines are there."""
TOGETHER_SECONDS = 1.0
"""After a machine was lost, in which the ends of its other trials are waited for, so that they are told together."""
CLOSE_SECONDS = 20.0
"""In which machines must have stopped their trials; Ray kills what is left when this process parts from it."""
SMALL_JSON = 2**20
"""Bytes up to which JSON files of a model are searched for paths of the machine that wrote them; configurations are
far smaller, tokenizers larger."""
FETCHERS = 4
"""Models that are fetched at the same time."""
NODE_LABEL = "ray.io/node-id"
"""Label that Ray gives every machine: its number there."""


@dataclass(slots=True, kw_only=True)
class Machine:
    """A machine of the cluster that trials can run on."""

    node: str
    """Its number in Ray."""
    address: str
    capacity: Capacity
    actor: ActorHandle[Node]
    facts: NodeFacts | None = None
    """None until it has said them."""
    joining: ObjectRef[NodeFacts] | None = None
    """The answer that is waited for."""
    news: ObjectRef[dict[int, bytes]] | None = None
    """The answer how its trials go on, while that is waited for."""
    asked: float = 0.0
    """When that was asked last, on the monotonic clock."""

    @property
    def name(self) -> str:
        """Return what a person calls it."""
        return self.address if self.facts is None else f"{self.facts.host} ({self.address})"


@dataclass(slots=True, kw_only=True)
class Away:
    """A trial that was sent to the cluster."""

    spec: TrialSpec
    folder: Path
    task: ObjectRef[Report]
    machines: frozenset[str]
    """Those that it may come to, by their numbers in Ray."""
    node: str = ""
    """Where it runs, as soon as that is known."""
    written: int = 0
    """Bytes of its progress that are here."""
    fetching: Future[TrialOutcome] | None = None
    """The fetching of what it left, once it has ended."""


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
        self.say = say
        self.wants_weights: Callable[[int, TrialOutcome], bool] = lambda number, outcome: True
        """Whether the model of a trial that has ended is fetched, or deleted where it lies."""
        self.is_own = not ray.is_initialized()
        if self.is_own:
            connect(address)
        self.prefix = f"xautolm-{ray.get_runtime_context().get_job_id()}-{id(self)}-"
        self.trials: dict[int, Away] = {}
        self.machines_by_node: dict[str, Machine] = {}
        self.lost: set[str] = set()
        """Machines that were lost, also before the cluster itself has noticed."""
        self.parcels: dict[str, Parcel | None] = {}
        """By the path of a folder; None where all machines have it."""
        self.required: tuple[str, ...] = ()
        """Folders that are not sent, and that every machine must have."""
        self.refreshed = -math.inf
        self.fetchers = ThreadPoolExecutor(FETCHERS, thread_name_prefix="xautolm-fetch")
        self.is_closed = False
        try:
            alive = capacities()
            self.on_gpu = _chooses_gpus(device, alive.values())
            # Machines whose GPUs Ray does not know must not use them.
            plain = DeviceKind.CPU.value if device == AUTO else device
            self.device = DeviceKind.CUDA.value if self.on_gpu else plain
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
            self.settings = NodeSettings(
                entry=entry,
                preload=tuple(preload),
                later=tuple(later),
                device=self.device,
                cores=1,
                at_once=1,
            )
            self._join(alive)
            self._wait_for_machines()
        except BaseException:
            self.close()
            raise

    def machines(self) -> Machines:
        """Return the machines as a search plans for them: all like the one with the least memory for a trial."""
        described = self._described()
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
        if not self._described() and not self.trials:
            self._wait_for_a_machine()
        return sum(self.share.slots(machine.capacity) for machine in self._described())

    def require(self, folders: Collection[str]) -> None:
        """Check that folders which are not sent are on every machine.

        Raises:
            UsageError: A machine lacks one.
        """
        # Machines that join later must have them, too.
        self.required = tuple(folders)
        self._check_folders(self._described())

    def _check_folders(self, machines: Collection[Machine]) -> None:
        """Raise if a machine lacks a folder that is required of all.

        Raises:
            UsageError: It does.
        """
        wanted: dict[str, dict[str, int]] = {folder: {} for folder in self.required}
        answers = {machine.name: machine.actor.lacks.remote(wanted) for machine in machines}
        for name, answer in answers.items():
            missing = ray.get(answer, timeout=JOIN_SECONDS)
            if missing:
                raise UsageError(
                    "A machine of the cluster lacks a folder that trials import from.",
                    got=f"{name}: {', '.join(missing)}",
                    fix="Put it on a disk that all machines share, or copy it there under the same path.",
                )

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
        nodes = [machine.node for machine in self._described()]
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
        for machine in self.machines_by_node.values():
            machine.actor.cancel.remote(number)

    def close(self) -> None:
        """Stop what still runs on all machines, and part from the cluster."""
        if self.is_closed:
            return
        self.is_closed = True
        for trial in self.trials.values():
            with suppress(RayError):
                ray.cancel(trial.task, force=True)
        self.trials.clear()
        actors = [machine.actor for machine in self.machines_by_node.values()]
        closing = [actor.close.remote() for actor in actors]
        if closing:
            ray.wait(closing, num_returns=len(closing), timeout=CLOSE_SECONDS)
        for actor in actors:
            with suppress(RayError):
                ray.kill(actor)
        self.machines_by_node.clear()
        # What is still fetched fails now, since nobody answers; nothing may write into the folders afterwards.
        self.fetchers.shutdown(wait=True, cancel_futures=True)
        if self.is_own:
            ray.shutdown()

    def _described(self) -> list[Machine]:
        """Return the machines that have said what they are."""
        return [machine for machine in self.machines_by_node.values() if machine.facts is not None]

    def _memory_of_trial(self, machine: Machine) -> float:
        assert machine.facts is not None
        return machine.facts.system.memory / max(1, self.share.slots(machine.capacity))

    def _join(self, alive: Mapping[str, Capacity]) -> None:
        """Make an actor on each machine that has none, and let go of those that are gone."""
        for node in list(self.machines_by_node):
            if node not in alive:
                self._lose(node)
        addresses = {node["NodeID"]: node["NodeManagerAddress"] for node in ray.nodes()}
        for node, capacity in alive.items():
            if node in self.machines_by_node or node in self.lost:
                continue
            at_once = self.share.slots(capacity)
            if at_once == 0:
                continue
            settings = replace(self.settings, cores=int(capacity.cpus), at_once=at_once)
            # Without a core of its own, as it computes nothing; a hundred calls may wait for their trials.
            on_machine = ray.remote(num_cpus=0, max_restarts=0, max_concurrency=1000)(Node)
            actor = on_machine.options(
                name=f"{self.prefix}{node}",
                scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False),
            ).remote(settings)
            joining = actor.describe.remote()
            self.machines_by_node[node] = Machine(
                node=node,
                address=addresses.get(node, node),
                capacity=capacity,
                actor=actor,
                joining=joining,
            )

    def _wait_for_machines(self) -> None:
        """Wait until all machines have said what they are.

        Raises:
            UsageError: One cannot run the trials of this search.
        """
        for machine in self.machines_by_node.values():
            assert machine.joining is not None
            facts = _facts_of(machine)
            _check_versions(facts)
            machine.facts, machine.joining = facts, None

    def _wait_for_a_machine(self) -> None:
        """Wait until there is a machine again: one whose process for trials died is there still, others are replaced.

        Raises:
            SearchEndedError: None came.
        """
        self.say("no machine of the cluster is left; the search waits for one")
        # What was lost a moment ago may be there again, and is looked for at once.
        self.refreshed = -math.inf
        started = time.monotonic()
        while not self._described():
            seconds = time.monotonic() - started
            limit = JOIN_SECONDS if self.machines_by_node else RETURN_SECONDS
            if seconds > limit:
                raise SearchEndedError(
                    "No machine of the cluster is left, so the search ends here.",
                    got=f"none came in {seconds:.0f} s",
                    fix="Start machines anew; the same command goes on from here.",
                )
            time.sleep(POLL_SECONDS)
            self._refresh()

    def _refresh(self) -> None:
        """Take notice of machines that came or went."""
        now = time.monotonic()
        if now - self.refreshed < REFRESH_SECONDS:
            return
        self.refreshed = now
        alive = capacities()
        self.lost &= set(alive)
        self._join(alive)
        for machine in list(self.machines_by_node.values()):
            if machine.joining is None or not _is_there(machine.joining):
                continue
            try:
                facts = _facts_of(machine)
                _check_versions(facts)
                self._check_folders([machine])
            except (UsageError, RayError) as error:
                self._refuse(machine, error)
                continue
            machine.facts, machine.joining = facts, None
            # What all machines had so far, this one may lack.
            self.parcels = {path: sent for path, sent in self.parcels.items() if sent is not None}
            self.say(f"{machine.name} joined the cluster")
        self._let_go_of_unplaced()

    def _refuse(self, machine: Machine, error: Exception) -> None:
        """Leave a machine that joined alone, as long as it is there."""
        del self.machines_by_node[machine.node]
        self.lost.add(machine.node)
        ray.kill(machine.actor)
        self.say(f"{machine.name} joined the cluster and is not used: {error}")

    def _let_go_of_unplaced(self) -> None:
        """Cancel trials that wait for machines which have all gone: they would wait for ever."""
        for trial in self.trials.values():
            if not trial.node and trial.machines.isdisjoint(self.machines_by_node):
                ray.cancel(trial.task, force=True)

    def _lose(self, node: str) -> None:
        """Let go of a machine; nothing where that was done already."""
        self.lost.add(node)
        machine = self.machines_by_node.pop(node, None)
        if machine is not None:
            self.say(f"{machine.name} is lost to the search; its trials are tried again elsewhere")

    def _replace_actor(self, node: str) -> None:
        """Let a machine whose actor died have another, as if it joined anew, if it is there still."""
        machine = self.machines_by_node.pop(node, None)
        if machine is not None:
            self.say(f"{machine.name} lost its process for trials and gets another")

    def _parcel(self, path: str, *, is_sent_anyway: bool) -> Parcel | None:
        """Return a folder as references to its content; None where every machine has it under its path."""
        if not path:
            return None
        if path in self.parcels:
            return self.parcels[path]
        folder = Path(path)
        parcel = None
        if is_sent_anyway or self._is_lacking(folder):
            parcel = packed(folder, ray.put)
        self.parcels[path] = parcel
        return parcel

    def _is_lacking(self, folder: Path) -> bool:
        """Return whether a machine lacks a folder of this one, or has something else under its path."""
        wanted = {str(folder): sizes_of(folder)}
        answers = [machine.actor.lacks.remote(wanted) for machine in self._described()]
        try:
            return any(ray.get(answers, timeout=JOIN_SECONDS))
        except RayError:
            # A machine that does not answer may lack everything.
            return True

    def _ask_for_progress(self) -> None:
        """Write what trials have said of themselves since the last answer, and ask again."""
        now = time.monotonic()
        for machine in self._described():
            if machine.news is not None and _is_there(machine.news):
                news, machine.news = machine.news, None
                try:
                    self._note(machine, ray.get(news))
                except ActorDiedError:
                    # Of a machine with trials, those tell whether it was lost as a whole.
                    if all(trial.node != machine.node for trial in self.trials.values()):
                        self._replace_actor(machine.node)
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
            ended.append((number, _left_alone(trial, outcome)))
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
            if trial.fetching is not None or not _is_there(trial.task):
                continue
            try:
                trial.node, report = ray.get(trial.task)
            except Exception as error:
                losses[number] = self._loss(trial, error)
                continue
            # In threads: a large model takes a while, and other trials end meanwhile.
            trial.fetching = self.fetchers.submit(self._fetch, trial, report)
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
            for node in list(self.machines_by_node):
                if node == trial.node or node in str(cause):
                    self._lose(node)
        if isinstance(cause, ActorDiedError):
            self._replace_actor(trial.node)
        if isinstance(cause, RayError):
            message = f"its machine, or a process there, was lost ({type(cause).__name__})"
            return failed(Failure(kind=FailureKind.INTERRUPTED, message=message))
        first_line, _, _ = str(cause).partition("\n")
        message = f"its machine could not run it: {first_line}"
        return failed(Failure(kind=FailureKind.INFRASTRUCTURE, message=message[:500]))

    def _fetch(self, trial: Away, report: Report) -> TrialOutcome:
        """Bring here what a trial left; its outcome comes last, so that who finds it finds the rest."""
        number, outcome = trial.spec.number, report.outcome
        folder = TrialFolder(trial.folder)
        for name, content in report.texts.items():
            (trial.folder / name).write_bytes(content)
        machine = self.machines_by_node.get(trial.node)
        is_wanted = bool(report.weights) and self.wants_weights(number, outcome)
        if is_wanted and not self._has_fetched(machine, trial, report):
            message = "its machine was lost before its model was here"
            lost = failed(Failure(kind=FailureKind.INTERRUPTED, message=message))
            return _left_alone(trial, lost)
        if machine is not None:
            if machine.facts is not None:
                folder.write_system(machine.facts.system)
            machine.actor.forget.remote(number)
        folder.write_outcome(outcome)
        return outcome

    def _has_fetched(self, machine: Machine | None, trial: Away, report: Report) -> bool:
        """Bring a model here, under its name when it is whole; return whether that could be done."""
        if machine is None:
            return False
        model = TrialFolder(trial.folder).model
        fresh = model.with_name(f"{model.name}.partial")
        for name, size in report.weights.items():
            path = fresh / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if not _has_copied(machine, trial.spec.number, name, size, path):
                shutil.rmtree(fresh, ignore_errors=True)
                return False
        _rename_paths(fresh, report.model, trial.spec.card.path)
        fresh.replace(model)
        return True


def _has_copied(machine: Machine, number: int, name: str, size: int, path: Path) -> bool:
    """Bring a file of a trial's model here; return whether its machine has given all of it."""
    with path.open("wb") as file:
        while file.tell() < size:
            answer = machine.actor.read.remote(number, name, file.tell())
            try:
                chunk = ray.get(answer)
            except RayError as error:
                logger.warning("%s of trial %d is not here: %s", name, number, error)
                return False
            if not chunk:
                # Shorter than it was: asking again would go on for ever.
                logger.warning("%s of trial %d ends too early", name, number)
                return False
            file.write(chunk)
    return True


def connect(address: str) -> None:
    """Connect this process to a cluster; what it does on signals stays as it is.

    Raises:
        UsageError: There is no cluster, or it has other versions of Ray or Python.
    """
    if address == AUTO:
        address = _started_here()
    if address.startswith("ray://"):
        raise UsageError(
            "A search runs on a machine of the cluster, not through Ray's client.",
            got=address,
            fix="Start it on the head, or as a job: `ray job submit -- xautolm fit ...`.",
        )
    _check_listens(address)
    try:
        with _own_signals():
            ray.init(
                address=address,
                log_to_driver=False,
                configure_logging=False,
                logging_level=logging.ERROR,
            )
    except ConnectionError as error:
        raise _no_cluster(address, str(error)) from None
    except (RuntimeError, ValueError) as error:
        # Ray compares its own version and Python's with those that the cluster was started with.
        raise UsageError(
            "The Ray cluster does not take this process.",
            got=" ".join(str(error).split())[:300],
            fix="Use the same Python and the same Ray on all machines.",
        ) from None


def _started_here() -> str:
    """Return the address in RAY_ADDRESS, or else of the last `ray start`; either may be of a cluster that is gone.

    Raises:
        UsageError: There is neither.
    """
    try:
        address: str = get_ray_address_from_environment(AUTO, None)
    except ConnectionError:
        raise _no_cluster(AUTO, "no cluster has been started here") from None
    return address


def _check_listens(address: str) -> None:
    """Raise if nothing listens at an address of the form `host:port`."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal():
        raise UsageError(
            "Not the address of a Ray cluster.",
            got=address,
            fix="Give auto, or host:port of its head.",
        )
    try:
        socket.create_connection((host, int(port)), CONNECT_SECONDS).close()
    # A name with an empty part, or one of more than 63 characters, is no host: of that Python makes a UnicodeError.
    except (OSError, OverflowError, UnicodeError) as error:
        raise _no_cluster(address, str(error)) from None


def _no_cluster(address: str, reason: str) -> UsageError:
    return UsageError(
        "There is no Ray cluster at this address.",
        got=f"{address}: {reason}",
        fix="Start one with `ray start --head`, and `ray start --address HEAD:6379` on the other machines.",
    )


@contextmanager
def _own_signals() -> Iterator[None]:
    """Put back what this process does on SIGTERM, by which a search ends in order; Ray replaces it."""
    handler = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        # In another thread neither Ray nor we can set it.
        with suppress(ValueError):
            signal.signal(signal.SIGTERM, handler)


def capacities() -> dict[str, Capacity]:
    """Return what the machines that are there offer, by their number in Ray."""
    alive: dict[str, Capacity] = {}
    for node in ray.nodes():
        if node["Alive"]:
            resources = node["Resources"]
            alive[node["NodeID"]] = Capacity(
                cpus=resources.get("CPU", 0.0), gpus=resources.get("GPU", 0.0)
            )
    return alive


def _chooses_gpus(device: str, alive: Collection[Capacity]) -> bool:
    """Return whether trials run on GPUs: where that is asked for, and by default where there are any."""
    has_gpus = any(capacity.gpus >= 1 for capacity in alive)
    return device == DeviceKind.CUDA or (device == AUTO and has_gpus)


def _nothing_to_run_on(device: str, alive: Mapping[str, Capacity]) -> UsageError:
    cpus = sum(capacity.cpus for capacity in alive.values())
    gpus = sum(capacity.gpus for capacity in alive.values())
    return UsageError(
        "No machine of the cluster can run trials.",
        got=f"--device {device}; {len(alive)} machines with {cpus:g} cores and {gpus:g} GPUs for Ray",
        fix="Add machines, or start Ray there with --num-cpus and --num-gpus as large as they are.",
    )


def _facts_of(machine: Machine) -> NodeFacts:
    """Return what a machine says of itself.

    Raises:
        UsageError: It cannot run trials, or does not answer.
    """
    try:
        facts: NodeFacts = ray.get(machine.joining, timeout=JOIN_SECONDS)
    except UsageError as error:
        # What was raised there, without the traceback that Ray adds.
        raise getattr(error, "cause", error) from None
    except (RayError, GetTimeoutError) as error:
        lines = str(error).strip().splitlines()
        raise UsageError(
            "A machine of the cluster cannot run trials.",
            got=f"{machine.name}: {lines[-1] if lines else type(error).__name__}",
            fix="Install the same xautolm there, with `pip install 'xautolm[ray]'`.",
        ) from None
    return facts


def _check_versions(facts: NodeFacts) -> None:
    """Refuse a machine whose results would not be those of this one.

    Raises:
        UsageError: Versions differ.
    """
    differences = []
    for name, version in installed_versions().items():
        remote_version = facts.versions.get(name, "none")
        if remote_version != version:
            differences.append(f"{name} {version} here, {remote_version} there")
    if differences:
        raise UsageError(
            "A machine of the cluster has other versions than this one.",
            got=f"{facts.host}: {', '.join(differences)}",
            fix="Install the same versions on all machines.",
        )


def _is_there(answer: ObjectRef[object]) -> bool:
    ready, _ = ray.wait([answer], timeout=0)
    return bool(ready)


def _left_alone(trial: Away, outcome: TrialOutcome) -> TrialOutcome:
    """Leave the outcome of a trial that came to no report in its folder, and return it."""
    folder = TrialFolder(trial.folder)
    if outcome.failure is not None:
        failure = replace(outcome.failure, stderr_tail=tail(folder.stderr))
        outcome = replace(outcome, failure=failure)
    folder.write_outcome(outcome)
    return outcome


def _rename_paths(model: Path, remote_path: str, local_path: str) -> None:
    """Replace the path of the pretrained model on another machine by the one here: adapters name their base by it."""
    if not remote_path or remote_path == local_path:
        return
    for path in model.rglob("*.json"):
        if path.stat().st_size > SMALL_JSON:
            continue
        content = path.read_text(encoding="utf-8")
        renamed = content
        # Whoever writes JSON chooses whether letters beyond ASCII are escaped; what is in quotes is the path between.
        for is_ascii in (True, False):
            remote, local = (
                json.dumps(name, ensure_ascii=is_ascii)[1:-1] for name in (remote_path, local_path)
            )
            renamed = renamed.replace(remote, local)
        if renamed != content:
            path.write_text(renamed, encoding="utf-8")
