"""A small web server for programs and browsers of this machine, by the standard library."""

from __future__ import annotations

import contextlib
import errno
import logging
import threading
import time
from collections.abc import Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import SHUT_WR, socket

from xautolm.errors import UsageError

logger = logging.getLogger(__name__)

HOST = "127.0.0.1"
"""Only programs of this machine reach it: there is no sign-in, and nothing is encrypted."""
LOCAL_NAMES = ("127.0.0.1", "localhost")
"""What a request may call this host; a page of the web that names its own host after ours is refused by it."""
POLL_SECONDS = 0.1
"""How often a server in a thread looks whether it is to end."""
IDLE_SECONDS = 60.0
"""After which a connection that says nothing is closed."""
MOST_DISCARDED_BYTES = 64_000_000
"""Of what comes after the last answer; six times the longest body that is answered."""
MOST_DISCARDING_SECONDS = 5.0
"""For which they are read."""
SILENT_SECONDS = 1.0
"""After which nothing more is expected."""
BLOCK_BYTES = 65_536
"""Read at once."""


class RefusedRequestError(Exception):
    """A request that cannot be answered.

    Args:
        status: Of HTTP.
        message: What is wrong, in a sentence.
    """

    def __init__(self, status: HTTPStatus, message: str) -> None:
        super().__init__(message)
        self.status = status


class LocalServer(ThreadingHTTPServer):
    """Answers on a port of this machine, each connection in a thread of its own.

    Args:
        port: 0 for any that is free.
        handler: Answers the requests of a connection.

    Raises:
        UsageError: The port is in use or not for everybody.
    """

    # Connections that are kept open, and say nothing, do not hold up the end.
    daemon_threads = True
    # Of the class, for the library closes a server whose port is in use before it has anything of its own.
    _thread: threading.Thread | None = None

    def __init__(self, port: int, handler: type[LocalHandler]) -> None:
        try:
            super().__init__((HOST, port), handler)
        # A number that is no port at all is an OverflowError.
        except (OSError, OverflowError) as error:
            sentence = f"Port {port} cannot be opened."
            if getattr(error, "errno", None) == errno.EADDRINUSE:
                sentence = f"Port {port} is in use."
            raise UsageError(
                sentence,
                got=getattr(error, "strerror", None) or str(error),
                fix="Choose another with --port; 0 takes a free one.",
            ) from None

    @property
    def address(self) -> str:
        """Return where it is reached."""
        return f"http://{HOST}:{self.server_port}"

    def start(self) -> None:
        """Answer in a thread of its own until `server_close`, or until the program ends."""
        self._thread = threading.Thread(
            target=self.serve_forever, args=(POLL_SECONDS,), daemon=True
        )
        self._thread.start()

    def server_close(self) -> None:
        """Stop answering, and give the port back; so does the end of a `with` block."""
        # Without a thread of ours, whoever called `serve_forever` has come back from it.
        if self._thread is not None:
            self.shutdown()
            self._thread.join()
            self._thread = None
        super().server_close()

    def handle_error(self, request: socket | tuple[bytes, socket], client_address: object) -> None:
        """Log what a connection broke off with, such as a browser that went away, instead of printing it."""
        logger.debug("a connection broke off", exc_info=True)


class LocalHandler(BaseHTTPRequestHandler):
    """Answers the requests of one connection; a subclass says what."""

    server: LocalServer
    protocol_version = "HTTP/1.1"
    timeout = IDLE_SECONDS

    def log_message(self, format: str, *values: object) -> None:
        """Log a request, at the level that -vv shows."""
        logger.debug(format, *values)

    def finish(self) -> None:
        """Close the connection so that the last answer arrives, whatever is still being sent."""
        super().finish()
        # The system resets a connection that is closed with bytes unread, and drops an answer on its way.
        with contextlib.suppress(OSError):
            self.connection.shutdown(SHUT_WR)
            self._discard()

    def _discard(self) -> None:
        """Read what the other side still sends until it has ended, within bounds.

        Raises:
            OSError: It has gone away, or says nothing.
        """
        self.connection.settimeout(SILENT_SECONDS)
        end = time.monotonic() + MOST_DISCARDING_SECONDS
        discarded_bytes = 0
        while discarded_bytes < MOST_DISCARDED_BYTES and time.monotonic() < end:
            block = self.connection.recv(BLOCK_BYTES)
            if not block:
                return
            discarded_bytes += len(block)

    def check_host(self) -> None:
        """Refuse requests that do not name this machine.

        Raises:
            RefusedRequestError: Another name stands there.
        """
        named_host = self.headers.get("Host", "")
        host, _, _ = named_host.rpartition(":")
        # A page of the web may let its own name lead to this machine (DNS rebinding); its requests then name it.
        if (host or named_host) not in LOCAL_NAMES:
            raise RefusedRequestError(
                HTTPStatus.FORBIDDEN, f"Ask {self.server.address}, by that name."
            )

    def reply(
        self,
        status: HTTPStatus,
        content: bytes,
        content_type: str,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Send an answer.

        Args:
            status: Of HTTP.
            content: Its body; left out where only the head was asked for.
            content_type: As in `Content-Type`.
            headers: What is said besides.
        """
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(content)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)
