"""Talking to the model hub: in a process of its own, so that nothing that the network does can hold up a search.

A name server that never answers, a connection that trickles and a client that retries for minutes are bounded by the
parent's clock: what has not answered by then is given up, and the process ends with the conversation.
"""

from __future__ import annotations

import json
import os
import queue
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from xautolm.settings import hub_environment

ANSWER_SECONDS = 10.0
"""Seconds in which the hub must answer one request about a model."""
INSPECTION_SECONDS = 30.0
"""Seconds for all that is asked about all models before a search: a few requests each, several models at a time."""
Message = Mapping[str, Any]
"""A line of JSON that the process reads or writes; see `xautolm.zoo.hub_process`."""
MOST_LETTERS = 200
"""Letters of a foreign message that a person is shown: some libraries put whole pages into one."""
PROGRAM = "from xautolm.zoo.hub_process import main; main()"
"""The program of the process; `python -m` would import its module a second time, and warn."""
HUB_ID = r"[A-Za-z0-9_][\w.-]*/[A-Za-z0-9_][\w.-]*"
"""Owner and name; neither begins with a point, as paths like `../model` do."""
NAME = re.compile(rf"({HUB_ID})(?:@([\w./-]+))?")
PUBLIC_HUB = re.compile(r"(?:https?://)?(?:www\.)?(?:huggingface\.co|hf\.co)/")
PAGE = re.compile(rf"({HUB_ID})(?:/tree/([\w./-]+))?/?")
"""What follows the hub's own address in that of a model's page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HubName:
    """A model on the hub."""

    hub_id: str
    """Owner and name, for example `FacebookAI/roberta-base`."""
    revision: str = ""
    """A branch, tag or commit; empty for the main branch."""

    def __str__(self) -> str:
        return f"{self.hub_id}@{self.revision}" if self.revision else self.hub_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    """What the hub says of a model that may be fetched."""

    name: HubName
    commit: str
    files: Mapping[str, int]
    """Sizes in bytes by path; 0 where the hub does not say."""
    config: Mapping[str, Any] | None
    """The content of `config.json`, if there is one that can be read."""
    chat: bool = False
    """Whether its tokenizer knows how a conversation is written."""
    tokenizer_class: str = ""
    """What the settings of its tokenizer call its class; empty if they do not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HubTrouble:
    """Why a model cannot be had from the hub; no fault of the model's, and never evidence about it."""

    reason: str
    """A clause that follows a colon."""
    cure: str
    """What to do, in a sentence."""


UNANSWERED = "the hub does not answer"
NO_ANSWER_CURE = (
    "Check the network, proxy and HF_ENDPOINT, try again later, "
    "or set HF_HUB_OFFLINE=1 to use what is on this machine."
)


def read_hub_name(text: str) -> HubName | None:
    """Return the model on the hub that a text names, or None if it cannot name one.

    Args:
        text: `owner/name`, `owner/name@revision`, or the address of a model's page on the public hub or on that of
            `HF_ENDPOINT`. Pages of other sites also end with an owner and a name, and mean something else.
    """
    match = NAME.fullmatch(text) or _match_page(text)
    if match is None:
        return None
    return HubName(hub_id=match[1], revision=match[2] or "")


def _match_page(address: str) -> re.Match[str] | None:
    """Return owner, name and revision in the address of a page, or None if it is of no hub."""
    public = PUBLIC_HUB.match(address)
    if public is not None:
        return PAGE.fullmatch(address, public.end())
    endpoint = os.environ.get("HF_ENDPOINT", "").rstrip("/")
    if endpoint and address.startswith(f"{endpoint}/"):
        return PAGE.fullmatch(address, len(endpoint) + 1)
    return None


def look_up(names: Sequence[HubName]) -> dict[HubName, Repository | HubTrouble]:
    """Ask the hub about models: whether they can be fetched, and what files they have; fetches `config.json` only.

    Args:
        names: Of the models; all are asked about at the same time.
    """
    answers: dict[HubName, Repository | HubTrouble] = {}
    if not names:
        return answers
    models = [{"hub_id": name.hub_id, "revision": name.revision} for name in names]
    request = {"action": "inspect", "models": models, "seconds": ANSWER_SECONDS}
    # One deadline for all, however many there are: nobody waits longer for a search to begin.
    deadline = time.monotonic() + INSPECTION_SECONDS
    with HubProcess(request) as process:
        while len(answers) < len(names):
            seconds_left = deadline - time.monotonic()
            reply = process.reply(seconds_left)
            if reply is None:
                break
            name = HubName(hub_id=reply["hub_id"], revision=reply["revision"])
            answers[name] = read_trouble(reply) or _repository(name, reply)
        # Asked before the process is ended here, which would look like a failure.
        failure = process.failure()
    silence = failure or HubTrouble(
        reason=f"{UNANSWERED} within {INSPECTION_SECONDS:.0f} s", cure=NO_ANSWER_CURE
    )
    for name in names:
        answers.setdefault(name, silence)
    return answers


def read_trouble(reply: Message) -> HubTrouble | None:
    """Return the trouble that a reply of the process tells of, if any."""
    if "reason" not in reply:
        return None
    return HubTrouble(reason=reply["reason"], cure=reply["cure"])


def _repository(name: HubName, reply: Message) -> Repository:
    """Return what a reply of the process says of a model that can be fetched."""
    return Repository(
        name=name,
        commit=reply["commit"],
        files=reply["files"],
        config=reply["config"],
        chat=reply["chat"],
        tokenizer_class=reply["tokenizer_class"],
    )


class HubProcess:
    """A conversation with the hub: one request goes in as a JSON line, replies come out as JSON lines.

    Args:
        request: What to do; see `xautolm.zoo.hub_process`.
    """

    def __init__(self, request: Mapping[str, object]) -> None:
        self.replies: queue.Queue[Message | None] = queue.Queue()
        # A file and no pipe, which would fill up unread. Closed at the end of the conversation.
        self.log = tempfile.TemporaryFile()  # noqa: SIM115
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log,
            env=hub_environment(),
        )
        threading.Thread(target=self._listen, daemon=True).start()
        assert self.process.stdin is not None
        # The input stays open: when it closes, the process knows that its parent is gone, and ends.
        line = json.dumps(request).encode() + b"\n"
        self.process.stdin.write(line)
        self.process.stdin.flush()

    def __enter__(self) -> HubProcess:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # Whatever it waits for: all that is wanted has come, or was given up.
        self.process.kill()
        self.process.wait()
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.log.close()

    def reply(self, seconds: float) -> Message | None:
        """Return the next reply; None if there was none in time, or if there will be none."""
        # Python refuses to wait for a negative time, which a deadline in the past would be.
        timeout = max(0.0, seconds)
        try:
            return self.replies.get(timeout=timeout)
        except queue.Empty:
            return None

    def has_ended(self) -> bool:
        """Return whether there will be no further reply."""
        is_running = self.process.poll() is None
        # What it said before it ended may not be read yet.
        return not is_running and self.replies.empty()

    def failure(self) -> HubTrouble | None:
        """Return what ended the process before its work was done, if anything did."""
        code = self.process.poll()
        # None while it runs, 0 where it did all that was asked.
        if not code:
            return None
        self.log.seek(0)
        text = self.log.read().decode("utf-8", "replace")
        lines = text.strip().splitlines()
        reason = f"it ended with code {code}"
        if lines:
            # A trace ends in the line that says what happened.
            reason = lines[-1][:MOST_LETTERS]
        return HubTrouble(
            reason=f"the program that asks the hub failed: {reason}", cure=NO_ANSWER_CURE
        )

    def _listen(self) -> None:
        """Put each reply in the queue as it comes, and None when there will be no more."""
        assert self.process.stdout is not None
        with self.process.stdout:
            for line in self.process.stdout:
                self.replies.put(json.loads(line))
        self.process.wait()
        self.replies.put(None)
