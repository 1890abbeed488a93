"""The process that talks to the hub, through huggingface_hub: a request comes in, a reply for each model goes out.

Requests, one a process, as a JSON line on the standard input:
`{"action": "inspect", "models": [{"hub_id", "revision"}], "seconds": of waiting for one answer}`;
`{"action": "fetch", "models": [{"hub_id", "revision", "files"}], "cache": folder, "seconds"}`.
Replies, as JSON lines: `hub_id`, `revision`, and either `reason` and `cure` or what was asked for; meanwhile `alive`.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from xautolm.zoo.hub import Message
from xautolm.zoo.hub_errors import explained

STANDARD_ERROR = 2
REPLIES = 1
"""The standard output; what a library prints goes to the standard error instead."""
MODELS_AT_ONCE = 8
FILES_AT_ONCE = 4
BEAT_SECONDS = 1.0
"""Seconds between signs of life."""


def main() -> None:
    """Read a request, and answer it."""
    # Before anything is imported that may print: what it says would stand among the replies.
    replies = os.dup(REPLIES)
    os.dup2(STANDARD_ERROR, REPLIES)
    request = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_the_parent, daemon=True).start()

    def send(reply: Message) -> None:
        line = json.dumps(reply).encode() + b"\n"
        os.write(replies, line)

    actions = {"inspect": _inspect_all, "fetch": _fetch_all}
    action = actions[request["action"]]
    action(request, send)
    # Threads of the client may still wait for answers that nobody wants any more.
    os._exit(0)


def _end_with_the_parent() -> None:
    """Wait until the input closes: the parent is gone, or wants no more."""
    sys.stdin.read()
    os._exit(1)


Send = Callable[[Message], None]
"""Sends a line."""


def _inspect_all(request: Message, send: Send) -> None:
    """Answer what the hub has of each model, as soon as its answer is there."""
    seconds = request["seconds"]
    with ThreadPoolExecutor(max_workers=MODELS_AT_ONCE) as pool:
        jobs = {pool.submit(_inspect, model, seconds): model for model in request["models"]}
        for job in as_completed(jobs):
            model = jobs[job]
            error = job.exception()
            answer = job.result() if error is None else explained(error, **model)
            send(model | answer)


def _inspect(model: Message, seconds: float) -> dict[str, object]:
    """Return commit, files and configuration of a model, and what is known of its tokenizer."""
    from huggingface_hub import HfApi, hf_hub_download

    hub_id = model["hub_id"]
    revision = model["revision"] or None
    client = HfApi()
    info = client.model_info(hub_id, revision=revision, files_metadata=True, timeout=seconds)
    sizes = {file.rfilename: file.size for file in info.siblings or ()}
    # Mirrors and older hubs say sizes in the listing only.
    if None in sizes.values():
        for file in client.list_repo_tree(hub_id, revision=info.sha):
            if file.path in sizes:
                sizes[file.path] = getattr(file, "size", 0)

    def text_of(file: str) -> str:
        if file not in sizes:
            return ""
        cached = hf_hub_download(hub_id, file, revision=revision, etag_timeout=seconds)
        path = Path(cached)
        return path.read_text(encoding="utf-8", errors="replace")

    # The list of files is public even where the files are gated: only fetching one of them tells.
    config = _json_object(text_of("config.json"))
    # Newer tokenizers have the template in a file of its own, which need not be fetched to know that it is there.
    settings = _json_object(text_of("tokenizer_config.json")) or {}
    chat = "chat_template.jinja" in sizes or "chat_template" in settings
    files = {name: size or 0 for name, size in sizes.items()}
    return {
        "commit": info.sha or "",
        "files": files,
        "config": config,
        "chat": chat,
        "tokenizer_class": str(settings.get("tokenizer_class") or ""),
    }


def _json_object(text: str) -> dict[str, object] | None:
    """Return the JSON object that a text is, None if it is none."""
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def _fetch_all(request: Message, send: Send) -> None:
    """Fetch one model after the other, and say of each where it lies or what stood in the way."""
    bar = _beating_bar(send)
    for model in request["models"]:
        name = {"hub_id": model["hub_id"], "revision": model["revision"]}
        try:
            folder = _fetch(model, request["cache"], request["seconds"], bar)
        # Whatever it is, the parent is told of it in a person's words, and the next model may still come.
        except Exception as error:
            send(name | explained(error, **name))
        else:
            send(name | {"folder": folder})


def _beating_bar(send: Send) -> type:
    """Return a progress bar's class that draws nothing, and tells the parent that bytes still come.

    The parent sees what lies on the disk, but a client may collect for long before it writes.
    """
    from tqdm import tqdm

    class BeatingBar(tqdm):  # type: ignore[misc]
        # Of the class: files that come at the same time have a bar each, and one beat is enough for all.
        beaten_at = 0.0

        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **(options | {"disable": True}))

        def update(self, n: float | None = 1) -> Any:
            now = time.monotonic()
            if n and now - BeatingBar.beaten_at > BEAT_SECONDS:
                BeatingBar.beaten_at = now
                send({"alive": True})
            return super().update(n)

    return BeatingBar


def _fetch(model: Message, cache: str, seconds: float, bar: type) -> str:
    """Fetch files of a model into the hub cache; returns the folder in which they lie together.

    Args:
        model: With its `files`.
        cache: The hub cache.
        seconds: To wait for one answer.
        bar: A progress bar's class, as tqdm has it.

    Raises:
        ConnectionError: Some of the files did not come; the client takes what it has where the hub falls silent.
    """
    from huggingface_hub import snapshot_download

    folder = snapshot_download(
        model["hub_id"],
        revision=model["revision"] or None,
        allow_patterns=model["files"],
        cache_dir=cache,
        etag_timeout=seconds,
        max_workers=FILES_AT_ONCE,
        tqdm_class=bar,
    )
    for file in model["files"]:
        if not (Path(folder) / file).is_file():
            raise ConnectionError(f"the hub fell silent before {file} came")
    return folder
