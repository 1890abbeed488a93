"""Machines that are gone when a search begins, without a cluster: the cluster notices a death only after seconds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

pytest.importorskip("ray", reason="Ray is not built for this Python")

from ray.exceptions import ActorDiedError

from xautolm.errors import UsageError
from xautolm.execution import fleet as fleet_module
from xautolm.execution.fleet import Fleet, Machine
from xautolm.execution.node import NodeFacts, NodeSettings
from xautolm.execution.shares import Capacity, Share
from xautolm.hardware import installed_versions
from xautolm.records import SystemProfile

CAPACITY = Capacity(cpus=2, gpus=0)


@dataclass
class FakeCluster:
    """Machines by name, with what each answers to a question: an error is raised."""

    machines: dict[str, NodeFacts | Exception]
    alive: set[str]
    said: list[str] = field(default_factory=list)

    def fleet(self, monkeypatch: pytest.MonkeyPatch) -> Fleet:
        monkeypatch.setattr(fleet_module, "capacities", lambda: dict.fromkeys(self.alive, CAPACITY))
        monkeypatch.setattr(fleet_module.ray, "get", self.get)
        monkeypatch.setattr(Fleet, "_join", lambda fleet, alive: self.join(fleet))
        settings = NodeSettings(entry="a:b", preload=(), later=(), device="cpu", cores=1, at_once=1)
        share = Share(cpus=1, gpus=0)
        return Fleet(settings, share, prefix="test-", say=self.said.append)

    def join(self, fleet: Fleet) -> None:
        for name in self.machines:
            joining: Any = name
            actor: Any = FakeActor(name)
            fleet.machines[name] = Machine(
                node=name, address=name, capacity=CAPACITY, actor=actor, joining=joining
            )

    def get(self, name: str, timeout: float) -> Any:
        answer = self.machines[name]
        if isinstance(answer, Exception):
            raise answer
        return answer


class FakeActor:
    """An actor whose answers are looked up by the machine's name."""

    def __init__(self, name: str) -> None:
        self.name = name

    @property
    def lacks(self) -> FakeActor:
        return self

    def remote(self, wanted: object) -> str:
        return self.name


def facts(machine: SystemProfile) -> NodeFacts:
    return NodeFacts(
        host="host", system=machine, free_memory=None, versions=dict(installed_versions())
    )


def test_a_search_begins_without_a_machine_that_died_before_the_cluster_noticed(
    machine: SystemProfile, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = FakeCluster({"first": ActorDiedError(), "second": facts(machine)}, alive={"second"})
    fleet = cluster.fleet(monkeypatch)
    fleet.begin({})
    assert [described.node for described in fleet.described()] == ["second"]
    assert cluster.said == ["first is lost to the search; its trials are tried again elsewhere"]


def test_a_machine_that_is_there_and_cannot_run_trials_is_an_error(
    machine: SystemProfile, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = {"first", "second"}
    cluster = FakeCluster({"first": ActorDiedError(), "second": facts(machine)}, alive=names)
    with pytest.raises(UsageError, match="cannot run trials"):
        cluster.fleet(monkeypatch).begin({})


def test_a_search_does_not_begin_when_all_machines_are_gone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cluster = FakeCluster({"first": ActorDiedError(), "second": ActorDiedError()}, alive=set())
    with pytest.raises(UsageError, match="cannot run trials"):
        cluster.fleet(monkeypatch).begin({})


def test_a_machine_that_dies_while_it_is_asked_for_folders_is_no_error(
    machine: SystemProfile, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = FakeCluster({"first": facts(machine)}, alive={"first"})
    fleet = cluster.fleet(monkeypatch)
    fleet.begin({})
    cluster.machines["first"] = ActorDiedError()
    fleet.require(["somewhere"])
