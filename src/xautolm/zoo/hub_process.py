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
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from xautolm.zoo.hub_errors import explained

REPLIES = 1
"""The standard output; what a library prints goes to the standard error instead."""
MODELS_AT_ONCE = 8
FILES_AT_ONCE = 4
BEAT_SECONDS = 1.0
"""Seconds between signs of life."""


def main() -> None:
    """Read a request, and answer it."""
    replies = os.dup(REPLIES)
    os.dup2(2, REPLIES)
    request = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_the_parent, daemon=True).start()

    def send(line: Mapping[str, Any]) -> None:
        os.write(replies, json.dumps(line).encode() + b"\n")

    actions = {"inspect": _inspect_all, "fetch": _fetch_all}
    actions[request["action"]](request, send)
    # Threads of the client may still wait for answers that nobody wants any more.
    os._exit(0)


def _end_with_the_parent() -> None:
    """Wait until the input closes: the parent is gone, or wants no more."""
    sys.stdin.read()
    os._exit(1)


Send = Callable[[Mapping[str, Any]], None]
"""Sends a line."""


def _inspect_all(request: Mapping[str, Any], send: Send) -> None:
    with ThreadPoolExecutor(max_workers=MODELS_AT_ONCE) as pool:
        jobs = {
            pool.submit(_inspect, model, request["seconds"]): model for model in request["models"]
        }
        for job in as_completed(jobs):
            model = jobs[job]
            error = job.exception()
            send(model | (job.result() if error is None else explained(error, **model)))


def _inspect(model: Mapping[str, Any], seconds: float) -> dict[str, Any]:
    """Return commit, files and configuration of a model."""
    from huggingface_hub import HfApi, hf_hub_download

    hub_id, revision = model["hub_id"], model["revision"] or None
    client = HfApi()
    info = client.model_info(hub_id, revision=revision, files_metadata=True, timeout=seconds)
    files = {file.rfilename: file.size for file in info.siblings or ()}
    if any(size is None for size in files.values()):
        # Mirrors and older hubs say sizes in the listing only.
        listing = client.list_repo_tree(hub_id, revision=info.sha)
        files |= {file.path: getattr(file, "size", 0) for file in listing if file.path in files}

    def text_of(file: str) -> str:
        if file not in files:
            return ""
        path = Path(hf_hub_download(hub_id, file, revision=revision, etag_timeout=seconds))
        return path.read_text(encoding="utf-8", errors="replace")

    # The list of files is public even where the files are gated: only fetching one of them tells.
    config = _json_object(text_of("config.json"))
    chat = "chat_template.jinja" in files or "chat_template" in text_of("tokenizer_config.json")
    sizes = {name: size or 0 for name, size in files.items()}
    return {"commit": info.sha or "", "files": sizes, "config": config, "chat": chat}


def _json_object(text: str) -> dict[str, Any] | None:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def _fetch_all(request: Mapping[str, Any], send: Send) -> None:
    bar = _beating_bar(send)
    for model in request["models"]:
        name = {"hub_id": model["hub_id"], "revision": model["revision"]}
        try:
            folder = _fetch(model, request["cache"], request["seconds"], bar)
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


def _fetch(model: Mapping[str, Any], cache: str, seconds: float, bar: type) -> str:
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
    missing = [file for file in model["files"] if not (Path(folder) / file).is_file()]
    if missing:
        raise ConnectionError(f"the hub fell silent before {missing[0]} came")
    return folder
