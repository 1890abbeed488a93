"""A machine of a cluster without the cluster: folders that come, trials that run, and what is left of them."""

from __future__ import annotations

import asyncio
import errno
import os
import sys
from collections.abc import Coroutine
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from xautolm.errors import UsageError
from xautolm.execution.local import LocalExecutor
from xautolm.execution.node import Node, NodeSettings, Report, own_folder, use_own_environment
from xautolm.execution.parcels import Chunk, packed, sizes_of
from xautolm.hardware import installed_versions
from xautolm.records import TrialOutcome
from xautolm.serialization import to_plain
from xautolm.settings import GPUS_VARIABLE, THREAD_VARIABLES, cache_folder
from xautolm.testing import made_up_spec
from xautolm.testing.executors import ENTRY, SCORE, SUCCEED, WAIT
from xautolm.vocabulary import FailureKind, TrialStatus

SETTINGS = NodeSettings(entry=ENTRY, preload=(), later=(), device="cpu", cores=1, at_once=1)


@pytest.fixture(autouse=True)
def entries_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let children import these tests, and the same xautolm as this process."""
    root = str(Path(__file__).parents[2])
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([root, *filter(None, sys.path)]))
    # What a node takes back from Ray, it would take from this process too.
    monkeypatch.setattr("xautolm.execution.node.use_own_environment", lambda: None)


async def there(content: bytes) -> bytes:
    return content


class Sent:
    """Bytes in an object store that can be had more than once."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    def __await__(self):  # type: ignore[no-untyped-def]
        return there(self.content).__await__()


def put(content: bytes) -> Chunk:
    return Sent(content)


def on_node(play: Coroutine[object, object, None]) -> None:
    asyncio.run(play)


def test_a_machine_says_what_it_is_and_runs_a_trial_on_what_it_was_sent(tmp_path: Path) -> None:
    data = tmp_path / "data"
    (data / "deep").mkdir(parents=True)
    (data / "deep" / "rows").write_bytes(b"rows")
    (data / "empty").touch()

    async def play() -> None:
        node = Node(SETTINGS)
        facts = await node.describe()
        assert facts.system.device == "cpu" and facts.versions == installed_versions()
        order = replace(made_up_spec(3, play=SUCCEED), data=str(data))
        parcel = packed(data, put)
        report = await node.run(to_plain(order), [parcel], "")
        assert report.outcome.metrics == {"f1_macro": SCORE}
        spec = node.folder(3).read_spec()
        place = Path(spec.data)
        assert place.is_relative_to(node.root) and sizes_of(place) == {"deep/rows": 4, "empty": 0}
        assert (place / "deep" / "rows").read_bytes() == b"rows"
        # Once for each machine: what has come is not written again.
        (place / "empty").write_text("here already")
        await node.run(to_plain(replace(order, number=4)), [parcel], "")
        assert (place / "empty").read_text() == "here already"
        await node.forget(3)
        assert not node.folder(3).root.exists() and node.folder(4).root.exists()
        await node.close()
        assert not node.root.exists()

    on_node(play())


@pytest.mark.slow
def test_a_trial_is_stopped_or_refused_when_it_comes_late(tmp_path: Path) -> None:
    async def play() -> None:
        node = Node(SETTINGS)
        await node.describe()
        running = asyncio.create_task(node.run(to_plain(made_up_spec(0, play=WAIT)), [], ""))
        text = b""
        while b"\n" not in text:
            await asyncio.sleep(0.1)
            text = (await node.progress({})).get(0, b"")
        # Only what was added since comes again.
        rest = (await node.progress({0: len(text)}))[0]
        assert b'"epoch": 1,' in text and b'"epoch": 1,' not in rest
        await node.cancel(0)
        await node.cancel(1)
        stopped: Report = await running
        assert stopped.outcome.status is TrialStatus.PRUNED
        assert stopped.texts["progress.jsonl"].startswith(text)
        refused = await node.run(to_plain(made_up_spec(1, play=WAIT)), [], "")
        assert refused.outcome.failure is not None
        assert refused.outcome.failure.kind is FailureKind.INTERRUPTED
        await node.close()

    on_node(play())


def test_who_waits_for_a_trial_hears_when_its_end_cannot_be_noted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def play() -> None:
        node = Node(SETTINGS)
        # One that comes before the machine knows itself waits for that.
        early = asyncio.create_task(node.run(to_plain(made_up_spec(0, play=SUCCEED)), [], ""))
        await node.describe()
        assert (await early).outcome.succeeded

        def fail(self: LocalExecutor, trial: object, code: object) -> TrialOutcome:
            raise OSError(errno.ENOSPC, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr(LocalExecutor, "_conclude", fail)
            with pytest.raises(OSError, match="No space left"):
                await node.run(to_plain(made_up_spec(1, play=SUCCEED)), [], "")
        # The machine goes on.
        later = await node.run(to_plain(made_up_spec(2, play=SUCCEED)), [], "")
        assert later.outcome.succeeded
        await node.close()

    on_node(play())


def test_what_ray_set_in_the_environment_is_taken_back(monkeypatch: pytest.MonkeyPatch) -> None:
    names = (*THREAD_VARIABLES, GPUS_VARIABLE)
    for name in names:
        monkeypatch.setenv(name, "")
    use_own_environment()
    started_with = psutil.Process().environ()
    assert [os.environ.get(name) for name in names] == [started_with.get(name) for name in names]


def test_what_differs_under_a_path_is_lacking(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text("{}")
    here, gone = str(tmp_path / "model"), str(tmp_path / "gone")

    async def play() -> None:
        node = Node(SETTINGS)
        assert await node.lacks({here: {}, gone: {}}) == [gone]
        assert await node.lacks({here: {"config.json": 2}}) == []
        assert await node.lacks({here: {"config.json": 3}}) == [here]
        assert await node.lacks({here: {"weights": 1}}) == [here]
        await node.close()

    on_node(play())


def test_a_machine_without_the_device_says_so() -> None:
    async def play() -> None:
        node = Node(replace(SETTINGS, device="mps" if sys.platform != "darwin" else "cuda"))
        with pytest.raises(UsageError, match="cannot run the trials"):
            await node.describe()
        await node.close()

    on_node(play())


def test_folders_of_processes_that_have_ended_are_deleted() -> None:
    folder = own_folder()
    host, pid, created = folder.name.rsplit("-", 2)
    ended = folder.with_name(f"{host}-{pid}-{int(created) - 60}")
    elsewhere = folder.with_name(f"another-{pid}-{int(created) - 60}")
    for leftover in (ended, elsewhere):
        leftover.mkdir()
    assert own_folder() == folder
    assert set((cache_folder() / "nodes").iterdir()) == {folder, elsewhere}
