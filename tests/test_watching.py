"""The page of a run while it goes on, by a plain client: what it says, how soon, and what it refuses."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from tests.conftest import patience
from tests.played import play, played
from tests.trackers.searches import FailingExecutor
from xautolm import AutoLM
from xautolm.errors import NoModelError, UsageError
from xautolm.records import TrialOutcome, TrialSpec
from xautolm.report.screen import Quiet
from xautolm.run_folder import RunFolder
from xautolm.serialization import read_json, write_json
from xautolm.testing import FakeExecutor, made_up_spec
from xautolm.trial_folder import TrialFolder
from xautolm.vocabulary import Stage
from xautolm.watching import Watch, WatchServer

SEEN_SECONDS = 2.0
"""Within which a trial's score is shown after its evaluation."""


@contextmanager
def serving(root: Path, store: str | None = None) -> Iterator[WatchServer]:
    """Yield a server, which answers until it is not needed any more."""
    with WatchServer(root, 0, store) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield server
        server.shutdown()


def asked(server: WatchServer, path: str, **headers: str) -> tuple[int, str, dict[str, str]]:
    """Return status, body and headers of an answer."""
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=patience(60))
    connection.request("GET", path, headers=headers)
    response = connection.getresponse()
    body = response.read().decode()
    connection.close()
    return response.status, body, dict(response.getheaders())


def news(server: WatchServer, run: str, want: Callable[[str, str], bool]) -> float:
    """Listen to the events of a run until one is wanted; return how many seconds that took."""
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=patience(30))
    begin = time.monotonic()
    connection.request("GET", f"/runs/{run}/events")
    response = connection.getresponse()
    assert response.getheader("Content-Type") == "text/event-stream"
    kind = ""
    while time.monotonic() - begin < patience(30):
        line = response.readline().decode().rstrip("\n")
        if line.startswith("event: "):
            kind = line.removeprefix("event: ")
        elif line.startswith("data: ") and want(kind, json.loads(line.removeprefix("data: "))):
            connection.close()
            return time.monotonic() - begin
    raise TimeoutError(run)


@pytest.fixture
def running(tmp_path: Path) -> tuple[RunFolder, TrialFolder, TrialSpec]:
    """Return a run whose second trial goes on at this moment, without a process that would."""
    auto = played(tmp_path / "runs" / "first")
    folder = auto.run_
    folder.mark(Stage.SEARCH)
    write_json(folder.clock, {"seconds": 12.0})
    spec = replace(made_up_spec(7, learning_rate=0.001), metrics=auto.info_.metrics)
    trial = TrialFolder(folder.trial(7))
    trial.root.mkdir()
    trial.write_spec(spec)
    return folder, trial, spec


def evaluate(trial: TrialFolder, spec: TrialSpec, epoch: int, score: float) -> None:
    line = {"epoch": epoch, "step": 10 * epoch, "steps": 40, "seconds": float(epoch)}
    trial.add_progress({**line, **dict.fromkeys(spec.metrics, score)})


def test_a_run_that_is_over_has_its_page(tmp_path: Path) -> None:
    auto = played(tmp_path / "run")
    with serving(auto.run_.root) as server:
        status, page, headers = asked(server, "/")
        assert status == 200 and headers["X-Frame-Options"] == "DENY"
        assert "<b>over</b>" in page and "0.5000" in page
        assert "<script>" in page and "http://" not in page and "https://" not in page
        _, report, _ = asked(server, "/runs/run/report")
        assert 'id="answer"' in report and 'id="provenance"' in report
        assert asked(server, "/runs/run/")[1] == page
        status, library, _ = asked(server, "/plotly.js")
        assert status == 200 and "Plotly" in library


def test_a_score_is_shown_within_two_seconds(
    running: tuple[RunFolder, TrialFolder, TrialSpec],
) -> None:
    folder, trial, spec = running
    with serving(folder.root) as server:
        assert news(server, "first", lambda kind, html: kind == "now" and "loading" in html) < 30
        written = threading.Timer(0.3, evaluate, (trial, spec, 1, 0.4321))
        written.start()
        seconds = news(server, "first", lambda kind, html: kind == "now" and "0.4321" in html)
        assert seconds < patience(SEEN_SECONDS)
        evaluate(trial, spec, 2, 0.5432)
        seconds = news(server, "first", lambda kind, html: "0.4321 → 0.5432" in html)
        assert seconds < patience(SEEN_SECONDS)


def test_what_it_says_of_a_search_that_runs(
    running: tuple[RunFolder, TrialFolder, TrialSpec],
) -> None:
    folder, trial, spec = running
    evaluate(trial, spec, 1, 0.4321)
    with serving(folder.root) as server:
        _, page, _ = asked(server, "/runs/first/now")
    assert "<b>running</b>" in page and "1 trial running" in page
    assert "learning rate 0.001" in page and "epoch 1.0 of 4.0" in page
    # One trial has ended, one runs, and there is a budget for one.
    assert "Ended last" in page and "50%" in page and "12 s used" in page


def test_the_whole_page_is_told_to_be_new_when_a_trial_has_ended(
    running: tuple[RunFolder, TrialFolder, TrialSpec],
) -> None:
    folder, trial, spec = running
    with serving(folder.root) as server:
        watch = server.watch("first")
        first = watch.report_html()
        version = watch.version()
        assert not watch.is_report_due(version)
        trial.write_outcome(play(spec))
        time.sleep(0.3)
        assert watch.version() != version
        # Made a moment ago: the trials need the processor.
        assert not watch.is_report_due(version) and watch.report_html() == first
        watch.report_due = 0.0
        assert news(server, "first", lambda kind, _: kind == "report") < patience(30)
        assert "trial 7" in watch.report_html()


def test_a_search_that_was_killed_is_silent(
    running: tuple[RunFolder, TrialFolder, TrialSpec],
) -> None:
    folder, _, _ = running
    for path in (folder.clock, folder.timeline):
        os.utime(path, (1_000_000, 1_000_000))
    section = Watch(folder).look()
    _, standing, state = section
    assert state.word == "silent" and state.is_over and not standing.running
    assert "the same command goes on from here" in state.detail


def test_the_winners_last_training_is_said_to_go_on_however_long_it_takes(
    running: tuple[RunFolder, TrialFolder, TrialSpec],
) -> None:
    folder, _, _ = running
    folder.mark(Stage.REFIT)
    os.utime(folder.timeline, (1_000_000, 1_000_000))
    _, _, state = Watch(folder).look()
    assert state.word == "training" and not state.is_over
    assert "the winner once more, on all rows" in state.detail
    # The time is noted every second meanwhile.
    os.utime(folder.clock, (1_000_000, 1_000_000))
    _, _, state = Watch(folder).look()
    assert state.word == "silent" and state.is_over


def test_a_real_search_is_followed_from_its_beginning_to_its_end(
    tmp_path: Path, tickets: pd.DataFrame
) -> None:
    folder = RunFolder(tmp_path / "run")
    states: list[tuple[str, int, int]] = []

    class Look:
        def __init__(self) -> None:
            self.watch = Watch(folder)

        def evaluated(self, event: object) -> None:
            self.watch.looked = 0.0
            _, standing, state = self.watch.look()
            states.append((state.word, len(standing.experiences), len(standing.running)))

    look = Look()
    auto = AutoLM(out=str(folder.root), sampler="random", device="cpu", pruning=False, trials=3)
    auto.fit(tickets, callbacks=[look], screen=Quiet(), executor=FailingExecutor())
    assert states[0] == ("running", 0, 1) and states[-1] == ("running", 2, 1)
    look.watch.looked = 0.0
    _, standing, state = look.watch.look()
    assert state.word == "over" and not standing.running
    assert [experience.trial for experience in standing.experiences] == [0, 1, 2]
    assert standing.best is not None and standing.best.trial == auto.best_.trial


def test_runs_in_a_folder_and_two_beside_each_other(tmp_path: Path) -> None:
    root = tmp_path / "runs"
    played(root / "first")
    played(root / "second & <last>", seed=1)
    (root / "notes").mkdir()
    with serving(root) as server:
        _, page, _ = asked(server, "/")
        assert "2 runs" in page and "notes" not in page
        assert '<a href="/runs/first/">first</a>' in page
        assert "second &amp; &lt;last&gt;" in page and "<last>" not in page
        assert "/runs/second%20%26%20%3Clast%3E/" in page and "Compare two runs" in page
        status, _, _ = asked(server, "/runs/second%20%26%20%3Clast%3E/")
        assert status == 200
        path = "/compare?run=first&run=second%20%26%20%3Clast%3E"
        _, page, _ = asked(server, path)
        assert "best score on validation" in page and 'id="chart-comparison"' in page
        # Another seed splits the data differently.
        assert "cannot be compared" in page
        status, page, _ = asked(server, "/compare?run=first")
        assert status == 400 and "Name two runs" in page


def test_a_run_that_cannot_be_read_is_a_sentence(tmp_path: Path) -> None:
    root = tmp_path / "runs"
    played(root / "first")
    broken = played(root / "broken").run_
    for path in (broken.root / "run.json", broken.root / "data" / "run.json"):
        path.write_text("{")
    with serving(root) as server:
        status, page, _ = asked(server, "/")
        assert status == 200 and "broken cannot be shown" in page and "1 run<" in page
        _, page, _ = asked(server, "/runs/broken/")
        assert "What the run is about cannot be read." in page
        assert news(server, "broken", lambda kind, html: "cannot be read" in html) < patience(30)


def test_a_run_that_makes_no_sense_leaves_the_list_to_the_others(tmp_path: Path) -> None:
    root = tmp_path / "runs"
    played(root / "first")
    edited = played(root / "edited").run_
    line = {"stage": "search", "time": "yesterday"}
    edited.timeline.write_text(json.dumps(line))
    # A name of another encoding, as an archive from elsewhere may hold.
    foreign = root / os.fsdecode(b"caf\xe9")
    shutil.copytree(root / "first", foreign)
    with serving(root) as server:
        status, page, _ = asked(server, "/")
        assert (
            status == 200 and "edited cannot be shown: What the run holds makes no sense." in page
        )
        assert "2 runs" in page and "/runs/caf%E9/" in page
        assert "makes no sense" in asked(server, "/runs/edited/now")[1]
        status, page, _ = asked(server, "/runs/caf%E9/")
        assert status == 200 and 'data-address="/runs/caf%E9/"' in page


def test_a_run_that_is_damaged_while_it_is_watched_is_a_sentence(
    running: tuple[RunFolder, TrialFolder, TrialSpec],
) -> None:
    folder, _, _ = running
    content = (folder.root / "run.json").read_bytes()
    with serving(folder.root) as server:
        connection = http.client.HTTPConnection(
            "127.0.0.1", server.server_port, timeout=patience(30)
        )
        connection.request("GET", "/runs/first/events")
        response = connection.getresponse()
        lines = [response.readline().decode()]
        for path in (folder.root / "run.json", folder.data / "run.json"):
            path.write_text("{")
        while not any("cannot be read" in line for line in lines):
            lines.append(response.readline().decode())
            assert lines[-1], "the connection ended"
        # It goes on, and the run is there again when its files are.
        (folder.root / "run.json").write_bytes(content)
        while not any("running" in line for line in lines[-3:]):
            lines.append(response.readline().decode())
            assert lines[-1], "the connection ended"
        connection.close()
    fields = ("event: ", "data: ", ": still here", "\n")
    assert all(line.startswith(fields) for line in lines)


def test_a_run_may_be_named_from_within(tmp_path: Path) -> None:
    folder = played(tmp_path / "run").run_
    with serving(folder.root / "trials" / "..") as server:
        assert 'data-address="/runs/run/"' in asked(server, "/")[1]


def test_a_run_without_a_trial_and_one_of_another_version(tmp_path: Path) -> None:
    auto = played(tmp_path / "run")
    info = read_json(auto.run_.root / "run.json")
    info["versions"]["xautolm"] = "0.0.1"
    write_json(auto.run_.root / "run.json", info)
    with serving(auto.run_.root) as server:
        assert "made by xautolm 0.0.1" in asked(server, "/runs/run/report")[1]
    (auto.run_.trial(0) / "spec.json").unlink()
    (auto.run_.trial(0) / "result.json").unlink()
    with serving(auto.run_.root) as server:
        assert "No trial has ended yet." in asked(server, "/")[1]
        assert "when the first trial has ended" in asked(server, "/runs/run/report")[1]


@pytest.mark.parametrize(
    "path",
    [
        "/nothing",
        "/runs/none/",
        "/runs/../first/",
        "/runs/%2e%2e/",
        "/runs/run/secret",
        "/run.json",
    ],
)
def test_nothing_else_is_given_away(tmp_path: Path, path: str) -> None:
    played(tmp_path / "run")
    with serving(tmp_path / "run") as server:
        status, page, _ = asked(server, path)
    assert status == 404 and "fingerprint" not in page


def test_a_page_of_the_web_that_leads_its_name_here_is_refused(tmp_path: Path) -> None:
    played(tmp_path / "run")
    with serving(tmp_path / "run") as server:
        for path in ("/", "/runs/run/report", "/runs/run/events"):
            status, page, _ = asked(server, path, Host="evil.example")
            assert status == 403 and "Ask http://127.0.0.1" in page and "0.5000" not in page
        assert asked(server, "/", Host=f"localhost:{server.server_port}")[0] == 200


def test_where_nothing_is_it_says_so(tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "none"):
        with pytest.raises(UsageError, match="There is no run here, and no folder of runs"):
            WatchServer(place, 0)


def test_a_number_that_is_no_port(tmp_path: Path) -> None:
    played(tmp_path / "run")
    with pytest.raises(UsageError, match="Port 70000 cannot be opened"):
        WatchServer(tmp_path / "run", 70_000)


def test_labels_and_messages_from_outside_are_texts(tmp_path: Path, tickets: pd.DataFrame) -> None:
    def fail(spec: TrialSpec) -> TrialOutcome:
        raise ValueError("<script>alert(1)</script>")

    folder = tmp_path / "run"
    auto = AutoLM(out=str(folder), sampler="random", device="cpu", trials=1)
    with pytest.raises(NoModelError):
        auto.fit(tickets, screen=Quiet(), executor=FakeExecutor(fail))
    with serving(folder) as server:
        _, page, _ = asked(server, "/")
    assert "<script>alert" not in page and "&lt;script&gt;alert" in page
