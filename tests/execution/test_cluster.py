"""A Ray cluster of two machines that trials run on, both on this one.

The first test kills one of them; the others need no more than the head, and so start half as many processes.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.conftest import patience
from tests.execution.away import HOLD
from tests.execution.test_local import ended
from xautolm import AutoLM, ExperienceStore
from xautolm.errors import SearchEndedError, UsageError
from xautolm.execution import Executor
from xautolm.hardware import installed_versions
from xautolm.report.screen import Quiet
from xautolm.serialization import read_json
from xautolm.testing import ExecutorContract, made_up_spec
from xautolm.testing.executors import ENTRY, SUCCEED, WAIT, outcomes, wait_for_evaluation
from xautolm.trial_folder import TrialFolder
from xautolm.vocabulary import FailureKind

ray = pytest.importorskip("ray", reason="Ray is not built for this Python")

from ray.cluster_utils import Cluster  # noqa: E402

from xautolm.execution.cluster import RayExecutor  # noqa: E402
from xautolm.execution.fetching import _rename_paths  # noqa: E402
from xautolm.execution.fleet import Fleet  # noqa: E402

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.filterwarnings("default"),
]
STORE_BYTES = 100_000_000
"""Of each machine's object store: what travels here is small, and both share one memory."""
AWAY = "tests.execution.away:search"
PRELOAD = ("xautolm.execution.worker",)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return where machines keep what they are sent: they have one folder, as processes of one machine."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def cluster(cache: Path) -> Iterator[Cluster]:
    """Start a cluster of two machines, the head and another, that run two trials each."""
    root = str(Path(__file__).parents[2])
    with pytest.MonkeyPatch.context() as patch:
        # Machines inherit it when they start, before any test has a folder of its own.
        patch.setenv("PYTHONPATH", os.pathsep.join([root, *filter(None, sys.path)]))
        patch.setenv("XAUTOLM_CACHE", str(cache))
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        # By default Ray's processes, and so trials, give way to everything else on this machine.
        patch.setenv("RAY_worker_niceness", "0")
        head = {"num_cpus": 2, "num_gpus": 0, "object_store_memory": STORE_BYTES}
        cluster = Cluster(initialize_head=True, head_node_args={**head, "include_dashboard": False})
        cluster.add_node(**head)
        yield cluster
        ray.shutdown()
        cluster.shutdown()


@pytest.fixture
def executor_of(cluster: Cluster) -> Iterator[Callable[..., RayExecutor]]:
    """Return what connects to the cluster, and close what was made."""
    executors = []

    def make(entry: str = AWAY, **settings: Any) -> RayExecutor:
        settings = {"parallel": 4, "device": "cpu", "preload": PRELOAD, **settings}
        executor = RayExecutor(cluster.address, entry, **settings)
        executors.append(executor)
        return executor

    yield make
    for executor in executors:
        executor.close()


def test_a_search_goes_on_when_a_machine_is_killed(
    cluster: Cluster,
    cache: Path,
    executor_of: Callable[..., RayExecutor],
    tmp_path: Path,
    tickets: pd.DataFrame,
) -> None:
    ray.shutdown()
    said: list[str] = []
    executor = executor_of(say=said.append)
    machines = executor.machines()
    assert (machines.slots, machines.at_once, machines.count) == (4, 2, 2)
    pids: list[int] = []

    (victim,) = cluster.worker_nodes
    hold = cache / HOLD
    hold.touch()

    def kill() -> None:
        """Kill the machine that is not the head in the middle of two trials, and only then let the others end."""
        deadline = time.monotonic() + patience(60)
        while len(pids) < 2 and time.monotonic() < deadline:
            pids[:] = processes_of(victim.node_id, executor, cache)
            time.sleep(0.05)
        cluster.remove_node(victim, allow_graceful=False)
        while not all(ended(pid) for pid in pids) and time.monotonic() < deadline:
            time.sleep(0.05)
        hold.unlink()

    killer = threading.Thread(target=kill)
    killer.start()
    auto = AutoLM(
        out=str(tmp_path / "run"),
        sampler="random",
        device="cpu",
        parallel=4,
        trials=8,
        models="minilm-l2",
    )
    auto.fit(tickets, screen=Quiet(), executor=executor)
    killer.join()

    experiences = auto.experiences_
    lost = [trial for trial in experiences if not trial.outcome.is_evidence]
    assert len(pids) == 2 and all(ended(pid) for pid in pids)
    assert len(lost) == 2 and any("is lost to the search" in line for line in said)
    for trial in lost:
        assert trial.outcome.failure is not None
        assert trial.outcome.failure.kind is FailureKind.INTERRUPTED
        again = [e for e in experiences if e.proposal == f"again after trial {trial.trial}"]
        assert [e.configuration for e in again] == [trial.configuration]
        assert again[0].outcome.succeeded
    # Nothing is lost: what was asked for has run, and the store and the folder know all of it.
    assert sum(trial.outcome.succeeded for trial in experiences) == 8
    stored = ExperienceStore().experiences(task=auto.task)
    assert {trial.trial for trial in stored} == {trial.trial for trial in experiences}

    folder = auto.run_
    best = auto.best_.trial
    model = folder.model(best)
    assert (model / "part" / "weights.bin").read_bytes() == bytes(range(256)) * 1_000
    assert (folder.best / "part" / "weights.bin").exists()
    # Weights of trials that are not on the front never came.
    front = {trial.trial for trial in auto.pareto_front_}
    have_model = {number for number in folder.numbers() if folder.model(number).exists()}
    assert have_model == front
    trial = TrialFolder(folder.trial(best))
    assert trial.read_system() is not None and len(trial.progress_lines()) == 3
    assert trial.read_spec().data == str(folder.data)

    # The cluster itself notices a death only after seconds, and the tests below count on one machine.
    cluster.wait_for_nodes(timeout=patience(60))


def processes_of(node: str, executor: RayExecutor, cache: Path) -> list[int]:
    """Return the processes of the trials that run on a machine, of those that have begun."""
    pids = []
    for number, trial in list(executor.trials.items()):
        if trial.node == node:
            for file in cache.glob(f"nodes/*/trials/{number:04d}/pid"):
                pids.append(int(file.read_text()))
    return pids


def test_a_model_that_machines_lack_is_sent_and_named_by_its_own_path_again(
    executor_of: Callable[..., RayExecutor], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Both machines are this one, so they have it; another's would not.
    monkeypatch.setattr(Fleet, "is_lacking", lambda self, folder: True)
    body, data = tmp_path / "body", tmp_path / "data"
    for folder in (body, data):
        folder.mkdir()
        (folder / "train.parquet").write_bytes(b"rows")
    spec = made_up_spec(0)
    spec = replace(spec, data=str(data), card=replace(spec.card, path=str(body)))
    executor = executor_of(parallel=2)
    folder = tmp_path / "trial"
    folder.mkdir()
    executor.start(spec, folder)
    outcome = outcomes(executor, 1)[0]
    assert outcome.succeeded
    assert read_json(folder / "model" / "adapter_config.json") == {"base": str(body)}

    # Of a trial that is not on the front, the model stays where it is, and is deleted there.
    executor.wants_weights = lambda number, outcome: False
    second = tmp_path / "second"
    second.mkdir()
    executor.start(replace(spec, number=1), second)
    assert outcomes(executor, 1)[1].succeeded
    assert not (second / "model").exists() and (second / "result.json").exists()


def test_a_machine_whose_process_for_trials_dies_gets_another(
    executor_of: Callable[..., RayExecutor], tmp_path: Path
) -> None:
    executor = executor_of(ENTRY, parallel=2)
    (tmp_path / "0").mkdir()
    executor.start(made_up_spec(0, play=WAIT), tmp_path / "0")
    wait_for_evaluation(executor, TrialFolder(tmp_path / "0"))
    (first,) = executor.fleet.machines.values()
    ray.kill(first.actor)
    failure = outcomes(executor, 1)[0].failure
    assert failure is not None and failure.kind is FailureKind.INTERRUPTED
    wait_for_slots(executor, 2)
    # Another one dies while nothing runs there.
    (second,) = executor.fleet.machines.values()
    ray.kill(second.actor)
    deadline = time.monotonic() + patience(60)
    while second in executor.fleet.machines.values() and time.monotonic() < deadline:
        assert executor.finished(0.0) == []
        time.sleep(0.1)
    wait_for_slots(executor, 2)
    (third,) = executor.fleet.machines.values()
    assert len({first.actor, second.actor, third.actor}) == 3
    (tmp_path / "1").mkdir()
    executor.start(made_up_spec(1, play=SUCCEED), tmp_path / "1")
    assert outcomes(executor, 1)[1].succeeded


def wait_for_slots(executor: RayExecutor, slots: int) -> None:
    """Wait until machines for so many trials have said what they are."""
    deadline = time.monotonic() + patience(60)
    while executor.slots() < slots and time.monotonic() < deadline:
        time.sleep(0.2)
    assert executor.slots() == slots


def test_a_machine_that_joins_gets_trials_when_it_is_found_fit(
    cluster: Cluster, executor_of: Callable[..., RayExecutor], tmp_path: Path
) -> None:
    said: list[str] = []
    executor = executor_of(ENTRY, parallel=2, say=said.append)
    (head,) = executor.fleet.machines
    # As a folder that the first machine has, and the second lacks.
    executor.fleet.required = (str(tmp_path / "gone"),)
    executor.parcels["at-head"] = None
    node = cluster.add_node(num_cpus=2, num_gpus=0, object_store_memory=STORE_BYTES)
    try:
        # It is there, but has not said what it is; then it is refused. No trial may come to it either way.
        assert places_of_trials(executor, tmp_path, range(2)) == {head}
        deadline = time.monotonic() + patience(60)
        while not said and time.monotonic() < deadline:
            executor.slots()
            time.sleep(0.1)
        assert len(said) == 1 and "is not used: A machine of the cluster lacks a folder" in said[0]
        assert places_of_trials(executor, tmp_path, range(2, 4)) == {head}

        executor.fleet.required = ()
        executor.fleet.lost.clear()
        wait_for_slots(executor, 4)
        # Which models it lacks is asked anew.
        assert executor.parcels == {}
        assert places_of_trials(executor, tmp_path, range(4, 8)) == {head, node.node_id}
    finally:
        cluster.remove_node(node)


def places_of_trials(executor: RayExecutor, folder: Path, numbers: range) -> set[str]:
    """Run trials, and return the machines that they were run on."""
    trials = []
    for number in numbers:
        (folder / str(number)).mkdir()
        executor.start(made_up_spec(number, play=SUCCEED), folder / str(number))
        trials.append(executor.trials[number])
    ended = outcomes(executor, len(numbers))
    assert all(outcome.succeeded for outcome in ended.values())
    return {trial.node for trial in trials}


def test_paths_in_a_model_are_those_of_this_machine_again(tmp_path: Path) -> None:
    remote, local = '/root/nodes/received/home/jos\u00e9/"a"', '/home/jos\u00e9/"a"'
    for name, is_ascii in (("escaped.json", True), ("plain.json", False)):
        text = json.dumps(
            {"base": remote, "deeper": {"file": f"{remote}/x"}}, ensure_ascii=is_ascii
        )
        (tmp_path / name).write_text(text, encoding="utf-8")
        _rename_paths(tmp_path, remote, local)
        assert read_json(tmp_path / name) == {"base": local, "deeper": {"file": f"{local}/x"}}


def test_what_a_cluster_cannot_do_is_said_before_a_trial(
    executor_of: Callable[..., RayExecutor], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(
        UsageError, match=r"No machine .* can run trials(.|\n)*--device cuda; . mach"
    ):
        executor_of(device="cuda")
    executor = executor_of()
    executor.require([str(tmp_path)])
    with pytest.raises(UsageError, match=r"lacks a folder(.|\n)*gone"):
        executor.require([str(tmp_path), str(tmp_path / "gone")])
    # The last machine goes, and none comes.
    with monkeypatch.context() as patch:
        patch.setattr("xautolm.execution.fleet.capacities", dict)
        patch.setattr("xautolm.execution.fleet.RETURN_SECONDS", 0.5)
        executor.fleet.refreshed = 0.0
        with pytest.raises(SearchEndedError, match=r"No machine(.|\n)*goes on from here"):
            executor.slots()
    executor.close()
    here = {**installed_versions(), "torch": "0.1"}
    monkeypatch.setattr("xautolm.execution.fleet.installed_versions", lambda: here)
    with pytest.raises(UsageError, match=r"other versions(.|\n)*torch 0.1 here, \d.* there"):
        executor_of()


def test_there_must_be_a_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as unused:
        # Bound, and nobody listens.
        unused.bind(("127.0.0.1", 0))
        address_of_gone = f"127.0.0.1:{unused.getsockname()[1]}"
        for nowhere in (address_of_gone, "head..local:6379", f"{'a' * 64}:6379"):
            with pytest.raises(UsageError, match=r"no Ray cluster at this address(.|\n)*ray start"):
                RayExecutor(nowhere, ENTRY)
    for address, problem in (
        ("head", "Not the address"),
        ("ray://head:10001", "not through Ray's client"),
    ):
        with pytest.raises(UsageError, match=problem):
            RayExecutor(address, ENTRY)
    # Of a cluster that is gone: Ray would wait two minutes, and then end this process.
    monkeypatch.setenv("RAY_ADDRESS", address_of_gone)
    with pytest.raises(UsageError, match=r"no Ray cluster at this address(.|\n)*ray start"):
        RayExecutor("auto", ENTRY)
    monkeypatch.setenv("RAY_ADDRESS", "ray://head:10001")
    with pytest.raises(UsageError, match="not through Ray's client"):
        RayExecutor("auto", ENTRY)
    with pytest.raises(UsageError, match="Ray chooses the GPU"):
        RayExecutor(address, ENTRY, device="cuda:1")


class TestRay(ExecutorContract):
    prompt_seconds = patience(5.0)

    @pytest.fixture(autouse=True)
    def of_cluster(self, cluster: Cluster) -> None:
        # Connected once for all tests of the contract: to connect takes as long as all the rest of one.
        if not ray.is_initialized():
            ray.init(address=cluster.address, log_to_driver=False)
        self.cluster = cluster

    def make(self) -> Executor:
        return RayExecutor(self.cluster.address, ENTRY, parallel=4, device="cpu", preload=PRELOAD)
