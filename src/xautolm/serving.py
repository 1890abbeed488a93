"""The winner of a run as a small web service of this machine: `POST /predict`, `GET /health`, `GET /openapi.json`.

By the standard library: one model answers one batch at a time, so that an asynchronous server would wait as well.
"""

from __future__ import annotations

import json
import logging
import queue
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from http import HTTPStatus
from typing import NoReturn

import pandas as pd

from xautolm.best_model import BestModel, Predictions
from xautolm.data.surrogates import repaired_texts
from xautolm.local_server import LocalHandler, LocalServer, RefusedRequestError
from xautolm.serialization import Json

logger = logging.getLogger(__name__)

MOST_BYTES = 10_000_000
"""Of the body of a request: 1,000 rows of 10,000 letters."""
MOST_ROWS = 1_000
"""Rows in one request, and at most about as many in one batch: others wait for no longer than that takes."""
PREDICT = "/predict"
HEALTH = "/health"
DESCRIPTION = "/openapi.json"
METHODS = {PREDICT: "POST", HEALTH: "GET", DESCRIPTION: "GET"}
"""The method of each path."""
JSON_TYPE = "application/json"


@dataclass(frozen=True, slots=True)
class Waiting:
    """The rows of a request that waits for its answer."""

    table: pd.DataFrame
    answer: Future[list[Json]]


class Batcher:
    """Answers requests with one model, in a thread of its own: those that wait at the same time in one batch.

    No request waits for others to come: what arrives while the model works is the next batch.

    Args:
        model: Asked by this thread only.
    """

    def __init__(self, model: BestModel) -> None:
        self.model = model
        self.batches = 0
        """How many were answered."""
        self._waiting: queue.SimpleQueue[Waiting] = queue.SimpleQueue()
        threading.Thread(target=self._work, daemon=True).start()

    def answers(self, table: pd.DataFrame) -> list[Json]:
        """Return what the model says of rows, one value a row; waits until it is said."""
        waiting = Waiting(table, Future())
        self._waiting.put(waiting)
        return waiting.answer.result()

    def _work(self) -> None:
        """Answer batch after batch."""
        while True:
            # Sleeps until there is a request; what came meanwhile is taken without waiting.
            batch = [self._waiting.get()]
            rows = len(batch[0].table)
            while rows < MOST_ROWS and not self._waiting.empty():
                waiting = self._waiting.get()
                rows += len(waiting.table)
                batch.append(waiting)
            self._answer(batch)

    def _answer(self, batch: Sequence[Waiting]) -> None:
        """Ask the model about all rows of some requests, and give each request its own answers."""
        table = pd.concat([waiting.table for waiting in batch], ignore_index=True)
        try:
            predictions = self.model.predictions(table)
            values = answers_as_json(predictions, self.model.info.labels)
        # Whatever it is, it belongs to those who asked; the next batch may go well.
        except Exception as error:
            logger.exception("a batch of %d rows could not be answered", len(table))
            for waiting in batch:
                waiting.answer.set_exception(error)
            return
        self.batches += 1
        start = 0
        for waiting in batch:
            end = start + len(waiting.table)
            waiting.answer.set_result(values[start:end])
            start = end


def answers_as_json(predictions: Predictions, labels: Sequence[str]) -> list[Json]:
    """Return an object for each row: `prediction`, and for tasks with classes `probabilities` by class."""
    answers: list[Json] = []
    for number, value in enumerate(predictions.values):
        answer: dict[str, Json] = {"prediction": value}
        if predictions.probabilities is not None:
            row = predictions.probabilities[number].tolist()
            answer["probabilities"] = dict(zip(labels, row, strict=True))
        answers.append(answer)
    return answers


def rows_of(content: bytes, inputs: Sequence[str]) -> pd.DataFrame:
    """Return the rows of the body of a request.

    Args:
        content: JSON: `{"rows": [{"text": "some text"}]}`.
        inputs: Names of the task's inputs, which every row has, as texts.

    Raises:
        RefusedRequestError: It is something else; the message says where.
    """
    example = json.dumps({"rows": [{name: f"some {name}" for name in inputs}]})
    try:
        body = json.loads(content)
    # Bytes that are no UTF-8 are a ValueError too.
    except (ValueError, RecursionError) as error:
        raise RefusedRequestError(
            HTTPStatus.BAD_REQUEST, f"The body is no JSON ({error}); send {example}."
        ) from None
    if not isinstance(body, dict) or set(body) != {"rows"} or not isinstance(body["rows"], list):
        raise RefusedRequestError(
            HTTPStatus.UNPROCESSABLE_ENTITY, f"The body is not as expected; send {example}."
        )
    rows = body["rows"]
    # One request of many rows would hold up all others for as long as the model works on it.
    if len(rows) > MOST_ROWS:
        raise RefusedRequestError(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            f"{len(rows)} rows in one request; send at most {MOST_ROWS}.",
        )
    columns: dict[str, list[str]] = {name: [] for name in inputs}
    for number, row in enumerate(rows):
        # A name too many is most often one that is misspelled; to drop it would answer another question.
        if not isinstance(row, dict) or set(row) != set(inputs):
            raise RefusedRequestError(
                HTTPStatus.UNPROCESSABLE_ENTITY,
                f"Row {number} needs {' and '.join(inputs)} and nothing else.",
            )
        for name in inputs:
            if not isinstance(row[name], str):
                raise RefusedRequestError(
                    HTTPStatus.UNPROCESSABLE_ENTITY, f"Row {number}: {name} is no text."
                )
            columns[name].append(row[name])
    for name in inputs:
        # JSON may hold half characters, which no tokenizer reads.
        columns[name], _ = repaired_texts(columns[name])
    return pd.DataFrame(columns, dtype=object)


class Server(LocalServer):
    """Serves a model until it is closed.

    Args:
        model: The winner of a run; it is loaded here.
        port: Of this machine; 0 for any that is free.

    Raises:
        UsageError: The port is in use or not for everybody, or there is no run.
        NoModelError: The run has no model yet.
    """

    def __init__(self, model: BestModel, port: int) -> None:
        # The port before the model: a port in use is told at once, not after weights were read.
        super().__init__(port, Handler)
        try:
            # Who is told that the server is there should not wait for weights.
            model.predictor()
        except BaseException:
            self.server_close()
            raise
        self.model = model
        self.batcher = Batcher(model)


class Handler(LocalHandler):
    """Answers the requests of one connection."""

    server: Server

    def do_GET(self) -> None:
        """Answer `/health` and `/openapi.json`."""
        self._serve()

    def do_POST(self) -> None:
        """Answer `/predict`."""
        self._serve()

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer what the library refuses by itself: malformed requests, and methods that are not above."""
        # Methods without a `do_` of their own, such as DELETE: they get 405 with the right one, as others do.
        if code == HTTPStatus.NOT_IMPLEMENTED:
            self._serve()
            return
        # Where such a request ends, and the next begins, is not known.
        self.close_connection = True
        self._answer(HTTPStatus(code), {"error": message or HTTPStatus(code).phrase})

    def _serve(self) -> None:
        """Answer a request, whatever it asks."""
        try:
            content = self._body()
            value = self._value(content)
        except RefusedRequestError as refused:
            self._answer(refused.status, {"error": str(refused)})
        # Logged where it arose; who asks is told as much as helps to report it.
        except Exception as error:
            message = f"The model could not answer: {type(error).__name__}: {error}"
            self._answer(HTTPStatus.INTERNAL_SERVER_ERROR, {"error": message})
        else:
            self._answer(HTTPStatus.OK, value)

    def _body(self) -> bytes:
        """Return what came with the request.

        Raises:
            RefusedRequestError: Its length is not said, or not true, or it is too long.
        """
        length = self.headers.get("Content-Length", "0")
        is_chunked = "Transfer-Encoding" in self.headers
        if is_chunked or not length.isdecimal():
            self._refuse_body(HTTPStatus.LENGTH_REQUIRED, "Say Content-Length.")
        # By its digits first: Python makes no number of thousands of them.
        if len(length.lstrip("0")) > len(str(MOST_BYTES)) or int(length) > MOST_BYTES:
            self._refuse_body(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"Send at most {MOST_BYTES} bytes."
            )
        try:
            return self.rfile.read(int(length))
        except TimeoutError:
            self._refuse_body(
                HTTPStatus.REQUEST_TIMEOUT,
                f"Fewer bytes came than the {length} of Content-Length, for {self.timeout:.0f} s.",
            )

    def _refuse_body(self, status: HTTPStatus, message: str) -> NoReturn:
        """Refuse a request whose body is not read to its end.

        Raises:
            RefusedRequestError: Always.
        """
        # What is not read would be taken for the next request.
        self.close_connection = True
        raise RefusedRequestError(status, message)

    def _value(self, content: bytes) -> Json:
        """Return the answer to a request.

        Raises:
            RefusedRequestError: There is no such thing, or it is asked in another way.
        """
        self.check_host()
        path, _, _ = self.path.partition("?")
        if path not in METHODS:
            raise RefusedRequestError(
                HTTPStatus.NOT_FOUND, f"There is {', '.join(METHODS)}, and nothing else."
            )
        if self.command != METHODS[path]:
            raise RefusedRequestError(
                HTTPStatus.METHOD_NOT_ALLOWED, f"{path} takes {METHODS[path]} only."
            )
        model = self.server.model
        if path == HEALTH:
            return {"status": "ok", "task": model.task.name}
        if path == DESCRIPTION:
            return openapi(tuple(model.task.inputs), model.info.labels)
        # Pages of the web may send any text to this machine unasked, but JSON only after a question that gets a no.
        if self.headers.get_content_type() != JSON_TYPE:
            raise RefusedRequestError(
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"Send {JSON_TYPE}, and say so in Content-Type."
            )
        table = rows_of(content, tuple(model.task.inputs))
        return {"predictions": [] if table.empty else self.server.batcher.answers(table)}

    def _answer(self, status: HTTPStatus, value: Json) -> None:
        """Send a status and a value."""
        # A model may write half characters, which UTF-8 has no bytes for.
        content = json.dumps(value, ensure_ascii=False).encode(errors="backslashreplace")
        headers = {}
        path, _, _ = getattr(self, "path", "").partition("?")
        if status == HTTPStatus.METHOD_NOT_ALLOWED:
            headers["Allow"] = METHODS[path]
        self.reply(status, content, JSON_TYPE, headers)


def openapi(inputs: Sequence[str], labels: Sequence[str]) -> dict[str, Json]:
    """Return the service's description in OpenAPI 3.1.

    Args:
        inputs: Names of the task's inputs.
        labels: The classes; none for other tasks.
    """
    texts: dict[str, Json] = {name: {"type": "string"} for name in inputs}
    row: Json = _object(texts)
    rows: Json = {"type": "array", "items": row, "maxItems": MOST_ROWS}
    answer: dict[str, Json] = {
        "prediction": {
            "description": "A class, a list of classes, a number, or a text, by the task.",
            "type": ["string", "number", "array"],
        }
    }
    if labels:
        chances: dict[str, Json] = {}
        for label in labels:
            chances[label] = {"type": "number", "minimum": 0, "maximum": 1}
        answer["probabilities"] = _object(chances)
    predictions: Json = _object({"predictions": {"type": "array", "items": _object(answer)}})
    health: Json = _object({"status": {"const": "ok"}, "task": {"type": "string"}})
    # Every status that may come is named: schemathesis takes one that is not for a fault of the service.
    refusals: dict[str, Json] = {}
    for status in (400, 403, 408, 411, 413, 415, 422, 500):
        refusals[str(status)] = _response(
            HTTPStatus(status).phrase, _object({"error": {"type": "string"}})
        )
    body: Json = {"required": True, "content": {JSON_TYPE: {"schema": _object({"rows": rows})}}}
    predict: dict[str, Json] = {
        "summary": "Predict for rows",
        "requestBody": body,
        "responses": {"200": _response("One answer a row, in order", predictions), **refusals},
    }
    look: dict[str, Json] = {
        "summary": "Say that the model is loaded",
        "responses": {"200": _response("It is", health), "403": refusals["403"]},
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": "A model found by xautolm", "version": "1"},
        "paths": {PREDICT: {"post": predict}, HEALTH: {"get": look}},
    }


def _object(properties: Mapping[str, Json]) -> dict[str, Json]:
    """Return the schema of an object that has these properties and no other."""
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(properties),
        "additionalProperties": False,
    }


def _response(description: str, schema: Json) -> dict[str, Json]:
    """Return the description of an answer."""
    return {"description": description, "content": {JSON_TYPE: {"schema": schema}}}
