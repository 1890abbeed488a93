"""The winner as a web service: rows in, as many answers out, requests that wait answered together, the rest refused."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.played import FakePredictor, fake_predictor, played
from xautolm.best_model import BestModel
from xautolm.errors import NoModelError, UsageError
from xautolm.run_folder import RunFolder
from xautolm.serving import MOST_BYTES, MOST_ROWS, Handler, Server

__all__ = ["fake_predictor"]
JSON = {"Content-Type": "application/json"}


@pytest.fixture
def served(tmp_path: Path, fake_predictor: type[FakePredictor]) -> Iterator[Server]:
    played(tmp_path / "run")
    with answering(tmp_path / "run") as server:
        yield server


@contextmanager
def answering(folder: Path) -> Iterator[Server]:
    """Yield a server of a run, which answers until it is not needed any more."""
    with Server(BestModel(RunFolder(folder)), 0) as server:
        server.start()
        yield server


def asked(
    server: Server, method: str, path: str, body: object = None, **headers: str
) -> tuple[int, Any]:
    """Return status and value of an answer."""
    content = body if isinstance(body, bytes | None) else json.dumps(body).encode()
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=60)
    connection.request(method, path, content, {**JSON, **headers})
    response = connection.getresponse()
    value = json.loads(response.read() or "null")
    connection.close()
    return response.status, value


def rows(*texts: str) -> dict[str, object]:
    return {"rows": [{"text": text} for text in texts]}


def test_rows_in_answers_out_in_order(served: Server) -> None:
    status, value = asked(served, "POST", "/predict", rows("a pear", "", "plum\ud83d"))
    assert status == 200
    answers = value["predictions"]
    assert [answer["prediction"] for answer in answers] == ["pear", "apple", "plum"]
    assert set(answers[0]["probabilities"]) == {"apple", "pear", "plum"}
    assert answers[0]["probabilities"]["pear"] > 0.9
    assert asked(served, "POST", "/predict", rows()) == (200, {"predictions": []})


def test_health_says_that_the_model_is_loaded(
    served: Server, fake_predictor: type[FakePredictor]
) -> None:
    assert fake_predictor.loads == 1
    expected = {"status": "ok", "task": "text-classification"}
    assert asked(served, "GET", "/health?now") == (200, expected)


def test_what_waits_at_the_same_time_is_one_batch(
    served: Server, fake_predictor: type[FakePredictor], monkeypatch: pytest.MonkeyPatch
) -> None:
    is_busy, may_go_on = threading.Event(), threading.Event()
    answers = FakePredictor.answers

    def slow_answers(self: FakePredictor, table: pd.DataFrame) -> Any:
        is_busy.set()
        assert may_go_on.wait(60)
        return answers(self, table)

    monkeypatch.setattr(FakePredictor, "answers", slow_answers)
    with ThreadPoolExecutor(9) as pool:
        first = pool.submit(asked, served, "POST", "/predict", rows("first"))
        assert is_busy.wait(60)
        texts = [f"{number} {'pear' if number % 2 else 'plum'}" for number in range(8)]
        jobs = [pool.submit(asked, served, "POST", "/predict", rows(text)) for text in texts]
        waiting = served.batcher._waiting
        while waiting.qsize() < len(jobs):
            is_busy.wait(0.01)
        may_go_on.set()
        predictions = [job.result()[1]["predictions"][0]["prediction"] for job in jobs]
        assert first.result()[0] == 200
    assert predictions == ["plum", "pear"] * 4
    assert (served.batcher.batches, fake_predictor.runs) == (2, 2)


def test_a_batch_that_fails_is_told_and_the_next_goes_well(
    served: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:

        def fail(self: FakePredictor, table: pd.DataFrame) -> None:
            raise RuntimeError("no memory")

        patch.setattr(FakePredictor, "answers", fail)
        status, value = asked(served, "POST", "/predict", rows("a"))
    assert status == 500 and "RuntimeError: no memory" in value["error"]
    assert asked(served, "POST", "/predict", rows("a"))[0] == 200


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        (b"{", 400, "no JSON"),
        (b"\xff", 400, "no JSON"),
        (b"[" * 100_000, 400, "no JSON"),
        ([], 422, '{"rows": [{"text": "some text"}]}'),
        ({"rows": "a"}, 422, "not as expected"),
        ({"rows": [], "more": 1}, 422, "not as expected"),
        ({"rows": ["a"]}, 422, "Row 0 needs text"),
        ({"rows": [{"text": "a"}, {"txt": "a"}]}, 422, "Row 1 needs text"),
        ({"rows": [{"text": None}]}, 422, "Row 0: text is no text"),
        ({"rows": [{"text": ""}] * (MOST_ROWS + 1)}, 422, "at most 1000"),
    ],
)
def test_a_body_that_is_something_else_is_refused_with_the_place(
    served: Server, body: object, status: int, message: str
) -> None:
    got, value = asked(served, "POST", "/predict", body)
    assert got == status and message in value["error"]


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("GET", "/", {}, 404),
        ("GET", "/predict", {}, 405),
        ("DELETE", "/health", {}, 405),
        ("POST", "/predict", {"Content-Type": "text/plain"}, 415),
        ("POST", "/predict", {"Content-Length": str(MOST_BYTES + 1)}, 413),
        ("POST", "/predict", {"Content-Length": "9" * 5_000}, 413),
        ("POST", "/predict", {"Content-Length": "-1"}, 411),
        ("POST", "/predict", {"Transfer-Encoding": "chunked"}, 411),
        ("POST", "/predict", {"Host": "evil.example:80"}, 403),
    ],
)
def test_what_is_asked_in_another_way_is_refused(
    served: Server, method: str, path: str, headers: dict[str, str], status: int
) -> None:
    got, value = asked(served, method, path, b"", **headers)
    assert got == status and value["error"]
    assert asked(served, "GET", "/health", Host="localhost")[0] == 200


@pytest.mark.parametrize(
    ("path", "size", "status"),
    [
        ("/predict", MOST_BYTES + 1, 413),
        ("/predict", 2 * MOST_BYTES, 413),
        # Refused by the library, before it looks for a body.
        (f"/{'a' * 100_000}", MOST_BYTES, 414),
    ],
)
def test_a_refusal_arrives_though_the_body_is_not_read(
    served: Server, path: str, size: int, status: int
) -> None:
    got, value = asked(served, "POST", path, b"x" * size)
    assert got == status and value["error"]


def test_a_body_that_does_not_come_is_not_the_models_fault(
    served: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Handler, "timeout", 0.5)
    status, value = asked(served, "POST", "/predict", b"{", **{"Content-Length": "2"})
    assert status == 408 and "than the 2 of Content-Length" in value["error"]


def test_a_task_of_two_texts(tmp_path: Path, fake_predictor: type[FakePredictor]) -> None:
    played(tmp_path / "run", "text-pair-regression")
    with answering(tmp_path / "run") as server:
        body = {"rows": [{"text": "abc", "text_pair": "d"}]}
        expected = (200, {"predictions": [{"prediction": 3.0}]})
        assert asked(server, "POST", "/predict", body) == expected


def test_a_port_in_use_is_said_before_the_model_is_loaded(
    served: Server, fake_predictor: type[FakePredictor]
) -> None:
    with pytest.raises(UsageError, match=f"Port {served.server_port} is in use"):
        Server(served.model, served.server_port)
    assert fake_predictor.loads == 1


def test_a_run_without_a_model(tmp_path: Path, fake_predictor: type[FakePredictor]) -> None:
    played(tmp_path / "run")
    run = RunFolder(tmp_path / "run")
    model = BestModel(run)
    run.best.rename(tmp_path / "elsewhere")
    with pytest.raises(NoModelError, match="no model yet"):
        Server(model, 0)


def test_a_fitted_automl_serves_its_model_until_it_is_closed(
    tmp_path: Path, fake_predictor: type[FakePredictor]
) -> None:
    auto = played(tmp_path / "run")
    with auto.serve(port=0) as server:
        assert asked(server, "GET", "/health")[0] == 200
        port = server.server_port
    with pytest.raises(ConnectionError):
        asked(server, "GET", "/health")
    # The port is free again.
    auto.serve(port).server_close()


@pytest.mark.slow
def test_the_service_does_as_its_description_says(served: Server) -> None:
    pytest.importorskip("schemathesis")
    command = [
        sys.executable,
        "-m",
        "schemathesis.cli",
        "run",
        "--max-examples",
        "40",
        "--seed",
        "1",
    ]
    done = subprocess.run(
        [*command, f"{served.address}/openapi.json"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout
    assert "Tested: 2" in done.stdout, done.stdout
