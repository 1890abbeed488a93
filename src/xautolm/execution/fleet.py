"""The machines of a Ray cluster: which are there, what each says of itself, and who comes and goes."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import ray
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from xautolm.errors import SearchEndedError, UsageError
from xautolm.execution.cluster_connection import capacities
from xautolm.execution.node import Node, NodeFacts, NodeSettings
from xautolm.execution.parcels import sizes_of
from xautolm.execution.shares import Capacity, Share
from xautolm.hardware import installed_versions

if TYPE_CHECKING:
    from ray import ObjectRef
    from ray.actor import ActorHandle

JOIN_SECONDS = 300.0
"""In which the machines must have said what they are: each loads torch once, from a disk that may be cold."""
RETURN_SECONDS = 60.0
"""For which a search waits for a machine when none is left: who replaces machines needs about as long."""
CLOSE_SECONDS = 20.0
"""In which machines must have stopped their trials; Ray kills what is left when this process parts from it."""
POLL_SECONDS = 0.1
"""Between two looks at what has ended."""
REFRESH_SECONDS = 2.0
"""Between two looks at which machines are there."""


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


class Fleet:
    """Know the machines, and keep an actor on each.

    Args:
        settings: How each is to run trials, but for its cores.
        share: What a trial asks for.
        prefix: Of the actors' names.
        say: Told of machines that come and go.
    """

    def __init__(
        self, settings: NodeSettings, share: Share, prefix: str, say: Callable[[str], None]
    ) -> None:
        self.settings = settings
        self.share = share
        self.prefix = prefix
        self.say = say
        self.machines: dict[str, Machine] = {}
        """By their numbers in Ray."""
        self.lost: set[str] = set()
        """Machines that were lost, also before the cluster itself has noticed, or refused."""
        self.required: tuple[str, ...] = ()
        """Folders that are not sent, and that every machine must have."""
        self.refreshed = -math.inf
        """When was looked last which machines are there, on the monotonic clock."""

    def described(self) -> list[Machine]:
        """Return the machines that have said what they are."""
        return [machine for machine in self.machines.values() if machine.facts is not None]

    def begin(self, alive: Mapping[str, Capacity]) -> None:
        """Make an actor on each machine, and wait until all have said what they are.

        Raises:
            UsageError: One cannot run the trials of this search, or all are gone.
        """
        self._join(alive)
        for machine in list(self.machines.values()):
            try:
                facts = _facts_of(machine)
            except UsageError:
                if machine.node in capacities() or len(self.machines) == 1:
                    raise
                # It died before the search began; the cluster noticed only now.
                self.lose(machine.node)
                continue
            _check_versions(facts)
            machine.facts, machine.joining = facts, None

    def refresh(self) -> bool:
        """Take notice of machines that came or went; return whether one was added."""
        now = time.monotonic()
        if now - self.refreshed < REFRESH_SECONDS:
            return False
        self.refreshed = now
        has_new = False
        alive = capacities()
        self.lost &= set(alive)
        self._join(alive)
        for machine in list(self.machines.values()):
            if machine.joining is None or not is_there(machine.joining):
                continue
            try:
                facts = _facts_of(machine)
                _check_versions(facts)
                self._check_folders([machine])
            except UsageError as error:
                self._refuse(machine, error)
                continue
            machine.facts, machine.joining = facts, None
            has_new = True
            self.say(f"{machine.name} joined the cluster")
        return has_new

    def wait_for_machine(self) -> None:
        """Wait until there is a machine again: one whose process for trials died is there still, others are replaced.

        Raises:
            SearchEndedError: None came.
        """
        self.say("no machine of the cluster is left; the search waits for one")
        # What was lost a moment ago may be there again, and is looked for at once.
        self.refreshed = -math.inf
        started = time.monotonic()
        while not self.described():
            seconds = time.monotonic() - started
            limit = JOIN_SECONDS if self.machines else RETURN_SECONDS
            if seconds > limit:
                raise SearchEndedError(
                    "No machine of the cluster is left, so the search ends here.",
                    got=f"none came in {seconds:.0f} s",
                    fix="Start machines anew; the same command goes on from here.",
                )
            time.sleep(POLL_SECONDS)
            self.refresh()

    def require(self, folders: Collection[str]) -> None:
        """Check that folders which are not sent are on every machine.

        Raises:
            UsageError: A machine lacks one.
        """
        # Machines that join later must have them, too.
        self.required = tuple(folders)
        self._check_folders(self.described())

    def is_lacking(self, folder: Path) -> bool:
        """Return whether a machine lacks a folder of this one, or has something else under its path."""
        wanted = {str(folder): sizes_of(folder)}
        answers = [machine.actor.lacks.remote(wanted) for machine in self.described()]
        try:
            return any(ray.get(answers, timeout=JOIN_SECONDS))
        except RayError:
            # A machine that does not answer may lack everything.
            return True

    def lose(self, node: str) -> None:
        """Let go of a machine; nothing where that was done already."""
        self.lost.add(node)
        machine = self.machines.pop(node, None)
        if machine is not None:
            self.say(f"{machine.name} is lost to the search; its trials are tried again elsewhere")

    def replace_actor(self, node: str) -> None:
        """Let a machine whose actor died have another, as if it joined anew, if it is there still."""
        machine = self.machines.pop(node, None)
        if machine is not None:
            self.say(f"{machine.name} lost its process for trials and gets another")

    def close(self) -> None:
        """Let machines stop their trials, and end the actors."""
        actors = [machine.actor for machine in self.machines.values()]
        closing = [actor.close.remote() for actor in actors]
        if closing:
            ray.wait(closing, num_returns=len(closing), timeout=CLOSE_SECONDS)
        for actor in actors:
            with suppress(RayError):
                ray.kill(actor)
        self.machines.clear()

    def _join(self, alive: Mapping[str, Capacity]) -> None:
        """Make an actor on each machine that has none, and let go of those that are gone."""
        for node in list(self.machines):
            if node not in alive:
                self.lose(node)
        addresses = {node["NodeID"]: node["NodeManagerAddress"] for node in ray.nodes()}
        for node, capacity in alive.items():
            if node in self.machines or node in self.lost:
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
            self.machines[node] = Machine(
                node=node,
                address=addresses.get(node, node),
                capacity=capacity,
                actor=actor,
                joining=joining,
            )

    def _check_folders(self, machines: Collection[Machine]) -> None:
        """Raise if a machine lacks a folder that is required of all.

        Raises:
            UsageError: It does.
        """
        wanted: dict[str, dict[str, int]] = {folder: {} for folder in self.required}
        answers = {machine.name: machine.actor.lacks.remote(wanted) for machine in machines}
        for name, answer in answers.items():
            try:
                missing = ray.get(answer, timeout=JOIN_SECONDS)
            except RayError:
                # It died meanwhile, which is noticed when its trials are asked after.
                continue
            if missing:
                raise UsageError(
                    "A machine of the cluster lacks a folder that trials import from.",
                    got=f"{name}: {', '.join(missing)}",
                    fix="Put it on a disk that all machines share, or copy it there under the same path.",
                )

    def _refuse(self, machine: Machine, error: Exception) -> None:
        """Leave a machine that joined alone, as long as it is there."""
        del self.machines[machine.node]
        self.lost.add(machine.node)
        ray.kill(machine.actor)
        self.say(f"{machine.name} joined the cluster and is not used: {error}")


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
    except RayError as error:
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


def is_there(answer: ObjectRef[object]) -> bool:
    """Return whether an answer has come, or an error in its place; does not wait for it."""
    ready, _ = ray.wait([answer], timeout=0)
    return bool(ready)
