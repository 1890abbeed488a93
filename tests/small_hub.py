"""A model hub of our own on this machine, with repositories that misbehave as those of the real one do."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import numpy as np
import pytest
import yaml
from safetensors.numpy import save_file
from tokenizers import Tokenizer, models

TOKENS, HIDDEN = 12, 8
SHAPE = {
    "model_type": "bert",
    "architectures": ["BertModel"],
    "hidden_size": HIDDEN,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "vocab_size": TOKENS,
    "max_position_embeddings": 130,
}
DATASET_TYPE = re.compile(r"^(?:[\w-]+\/)?[\w\-.]+$", re.ASCII)
"""The hub's own pattern, as its refusals cite it."""
COMMIT = "c0ffee" * 6 + "abcd"


@dataclass
class Shelf:
    """A repository, and how the hub behaves when it is asked for it."""

    files: dict[str, bytes]
    status: int = 200
    """Of every answer about it."""
    error: str = ""
    """What the hub calls the reason of the status (`X-Error-Code`)."""
    gated: bool = False
    """Whether files are given to tokens in `members` only; the list of files is public."""
    members: set[str] = field(default_factory=set)
    private: bool = False
    revisions: set[str] = field(default_factory=lambda: {"main"})
    silent: float = 0.0
    """Seconds before any answer."""
    cut_after: int | None = None
    """Bytes of weights after which the connection breaks."""
    stall_after: int | None = None
    """Bytes of weights after which nothing more comes, though the connection stays."""
    pause: float = 0.0
    """Seconds before each tenth of the weights."""
    sizes: bool = True
    """Whether the answer about the model says the sizes of files; else only the listing does."""


class SmallHub:
    """Serves repositories until it is closed.

    Args:
        folder: For files while models are made.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.shelves: dict[str, Shelf] = {}
        self.requests: list[str] = []
        """Method and path of each, in order."""
        self.writers: set[str] = set()
        """Tokens that may make repositories and write to them."""
        self.large_files: dict[str, bytes] = {}
        """By the digest under which Git's extension for large files sends them, before the commit that names them."""
        hub = self

        class Handler(_Handler):
            small_hub = hub

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.closing = threading.Event()
        self.address = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(
            target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        ).start()

    def add(self, hub_id: str, files: dict[str, bytes] | None = None, **behaviour: Any) -> Shelf:
        """Put a model up; a small one without other files."""
        shelf = Shelf(self.model_files() if files is None else files, **behaviour)
        self.shelves[hub_id] = shelf
        return shelf

    def add_folder(self, hub_id: str, folder: Path, **behaviour: Any) -> Shelf:
        """Put the files of a folder up."""
        return self.add(
            hub_id, {path.name: path.read_bytes() for path in folder.iterdir()}, **behaviour
        )

    def model_files(self, rows: int = 1, **changes: Any) -> dict[str, bytes]:
        """Return the smallest files that pass for a model; `rows` of 1,000 numbers make it larger."""
        path = self.folder / "model.safetensors"
        weights = {
            "embeddings.word_embeddings.weight": np.zeros((TOKENS, HIDDEN), np.float32),
            "ballast": np.zeros((rows, 1000), np.float32),
        }
        save_file(weights, path)
        words = {f"word{index}": index for index in range(TOKENS - 2)}
        tokenizer = Tokenizer(models.WordLevel(words, unk_token="word0"))
        return {
            "config.json": json.dumps(SHAPE | changes).encode(),
            "tokenizer.json": tokenizer.to_str().encode(),
            "model.safetensors": path.read_bytes(),
        }

    def fetched(self, ending: str = "") -> list[str]:
        """Return the paths of files that were asked for, without those that were only looked at."""
        return [
            line[4:]
            for line in self.requests
            if line.startswith("GET ") and "/resolve/" in line and line.endswith(ending)
        ]

    def close(self) -> None:
        """Stop serving."""
        self.closing.set()
        self.server.shutdown()
        self.server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    small_hub: SmallHub

    def log_message(self, *parts: Any) -> None:
        """Log nothing."""

    def do_HEAD(self) -> None:
        self.serve()

    def do_GET(self) -> None:
        self.serve()

    def do_POST(self) -> None:
        self.take()

    def do_PUT(self) -> None:
        self.take()

    def take(self) -> None:
        """Answer what is sent to the hub."""
        path = unquote(urlsplit(self.path).path)
        self.small_hub.requests.append(f"{self.command} {path}")
        content = self.sent()
        parts = path.strip("/").split("/")
        # A large file goes to a storage that asks for no token: its address is the permission.
        if self.command == "PUT":
            self.small_hub.large_files[parts[-1]] = content
            return self.answer(200, b"", {})
        if not self.token():
            return self.refuse(401, "")
        if self.token() not in self.small_hub.writers:
            return self.refuse(403, "")
        if parts == ["api", "repos", "create"]:
            return self.make(json.loads(content))
        if parts == ["api", "validate-yaml"]:
            return self.check_card(json.loads(content)["content"])
        if path.endswith(".git/info/lfs/objects/batch"):
            return self.tell_places(json.loads(content)["objects"])
        hub_id = "/".join(parts[2:4])
        shelf = self.small_hub.shelves[hub_id]
        if shelf.status != 200:
            return self.refuse(shelf.status, shelf.error)
        if parts[4] == "preupload":
            return self.tell_modes(json.loads(content)["files"])
        assert parts[4] == "commit"
        self.commit(shelf, [json.loads(line) for line in content.splitlines()])
        url = f"{self.small_hub.address}/{hub_id}/commit/{COMMIT}"
        return self.tell_json({"commitUrl": url, "commitOid": COMMIT, "success": True})

    def sent(self) -> bytes:
        """Return what a request brings; the client sends files in chunks, each behind its length."""
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        chunks = []
        while size := int(self.rfile.readline(), 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(chunks)

    def make(self, order: dict[str, Any]) -> None:
        hub_id = f"{order['organization']}/{order['name']}"
        is_there = hub_id in self.small_hub.shelves
        if not is_there:
            is_private = order.get("visibility") == "private"
            self.small_hub.add(hub_id, {}, private=is_private)
        url = f"{self.small_hub.address}/{hub_id}"
        self.tell_json({"url": url}, 409 if is_there else 200)

    def check_card(self, card: str) -> None:
        """Refuse a card as the hub does: no metadata, or scores without a task, a number or a name of their data."""
        _, metadata, _ = card.split("---\n", 2)
        errors = []
        for model in yaml.safe_load(metadata)["model-index"]:
            for result in model["results"]:
                scores = [score["value"] for score in result["metrics"]]
                if not result["task"]["type"] or not all(map(np.isfinite, scores)):
                    errors.append({"message": f"{result} is no result"})
                if not DATASET_TYPE.match(result["dataset"]["type"]):
                    errors.append({"message": f"{result['dataset']} fails to match {DATASET_TYPE}"})
        self.tell_json({"errors": errors, "warnings": []}, 400 if errors else 200)

    def tell_modes(self, files: list[dict[str, Any]]) -> None:
        modes = []
        for file in files:
            mode = "lfs" if file["path"].endswith(".safetensors") else "regular"
            modes.append({"path": file["path"], "uploadMode": mode, "shouldIgnore": False})
        self.tell_json({"files": modes})

    def tell_places(self, objects: list[dict[str, Any]]) -> None:
        places = []
        for item in objects:
            href = f"{self.small_hub.address}/large-files/{item['oid']}"
            places.append(item | {"actions": {"upload": {"href": href}}})
        self.tell_json({"transfer": "basic", "objects": places})

    def commit(self, shelf: Shelf, lines: list[dict[str, Any]]) -> None:
        for line in lines:
            value = line["value"]
            match line["key"]:
                case "file":
                    shelf.files[value["path"]] = base64.b64decode(value["content"])
                case "lfsFile":
                    content = self.small_hub.large_files[value["oid"]]
                    assert hashlib.sha256(content).hexdigest() == value["oid"]
                    shelf.files[value["path"]] = content
                case "deletedFile":
                    del shelf.files[value["path"]]

    def tell_json(self, value: object, status: int = 200) -> None:
        body = json.dumps(value).encode()
        self.answer(status, body, {"Content-Type": "application/json"})

    def serve(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self.small_hub.requests.append(f"{self.command} {path}")
        parts = path.strip("/").split("/")
        is_about = parts[:2] == ["api", "models"]
        parts = parts[2:] if is_about else parts
        hub_id, rest = "/".join(parts[:2]), parts[2:]
        shelf = self.small_hub.shelves.get(hub_id)
        if shelf is None or (shelf.private and not self.token()):
            return self.refuse(401 if shelf is None and not self.token() else 404, "RepoNotFound")
        if self.small_hub.closing.wait(shelf.silent):
            return None
        if shelf.status != 200:
            return self.refuse(shelf.status, shelf.error)
        if is_about:
            return self.tell(hub_id, shelf, rest)
        if shelf.gated and self.token() not in shelf.members:
            return self.refuse(403 if self.token() else 401, "GatedRepo")
        if rest[0] != "resolve" or (rest[1] not in shelf.revisions and rest[1] != COMMIT):
            return self.refuse(404, "RevisionNotFound")
        return self.give(shelf, "/".join(rest[2:]))

    def token(self) -> str:
        return (self.headers.get("Authorization") or "").removeprefix("Bearer ")

    def tell(self, hub_id: str, shelf: Shelf, rest: list[str]) -> None:
        revision = "/".join(rest[1:]) or "main"
        if revision not in shelf.revisions and revision != COMMIT:
            return self.refuse(404, "RevisionNotFound")
        if rest[:1] == ["tree"]:
            entries = [
                {"type": "file", "path": name, "size": len(body), "oid": "b" * 40}
                for name, body in shelf.files.items()
            ]
            return self.answer(
                200, json.dumps(entries).encode(), {"Content-Type": "application/json"}
            )
        siblings = [
            {"rfilename": name} | ({"size": len(body)} if shelf.sizes else {})
            for name, body in shelf.files.items()
        ]
        about = {
            "_id": "1",
            "id": hub_id,
            "modelId": hub_id,
            "sha": COMMIT,
            "private": shelf.private,
            "tags": [],
        }
        about |= {
            "gated": "manual" if shelf.gated else False,
            "downloads": 0,
            "likes": 0,
            "siblings": siblings,
        }
        return self.answer(200, json.dumps(about).encode(), {"Content-Type": "application/json"})

    def give(self, shelf: Shelf, name: str) -> None:
        body = shelf.files.get(name)
        if body is None:
            return self.refuse(404, "EntryNotFound")
        etag = hashlib.sha1(body).hexdigest()
        headers = {"ETag": f'"{etag}"', "X-Repo-Commit": COMMIT, "Accept-Ranges": "bytes"}
        if self.command == "HEAD" or not name.endswith(".safetensors"):
            return self.answer(200, body, headers)
        self.start(200, headers | {"Content-Length": str(len(body))})
        step = max(1, len(body) // 10)
        for start in range(0, len(body), step):
            self.small_hub.closing.wait(shelf.pause)
            end = min(start + step, len(body))
            if shelf.cut_after is not None and end > shelf.cut_after:
                self.close_connection = True
                return self.connection.close()
            if shelf.stall_after is not None and end > shelf.stall_after:
                self.small_hub.closing.wait(600)
                return None
            self.wfile.write(body[start:end])
            self.wfile.flush()
        return None

    def refuse(self, status: int, error: str) -> None:
        self.answer(status, b'{"error": "no"}', {"X-Error-Code": error} if error else {})

    def answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.start(status, headers | {"Content-Length": str(len(body))})
        if self.command != "HEAD":
            self.wfile.write(body)

    def start(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()


@pytest.fixture
def small_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SmallHub]:
    """A hub that this test alone knows, with an empty cache, and nobody signed in."""
    folder = tmp_path / "hub"
    folder.mkdir()
    hub = SmallHub(folder)
    go_online(monkeypatch, tmp_path / "huggingface", hub.address)
    yield hub
    hub.close()


def go_online(monkeypatch: pytest.MonkeyPatch, home: Path, address: str) -> None:
    """Let this test ask the hub at an address, with a cache of its own."""
    for name in (
        "HF_HUB_OFFLINE",
        "TRANSFORMERS_OFFLINE",
        "HF_TOKEN",
        "HF_HUB_CACHE",
        "HUGGINGFACE_HUB_CACHE",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_ENDPOINT", address)
    monkeypatch.setenv("HF_HOME", str(home))
    # The client reads its variables when it is imported, which other tests have done in this process.
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(home / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", address)


def wait_for(condition: Any, seconds: float) -> None:
    """Wait until something holds, at most so many seconds."""
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.05)
