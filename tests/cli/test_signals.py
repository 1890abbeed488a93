"""What ends the program from outside: best/ is written, the exit code says the signal, a second signal ends at once."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import termios
import threading
from pathlib import Path

import pytest

from tests.conftest import patience
from xautolm.cli.signals import Ended, ending_in_order
from xautolm.data.demo import support_tickets

PROGRAM = Path(__file__).with_name("ended.py")


def hear_ctrl_c() -> None:
    """Undo what shells do to programs in the background, and with them to these tests: let them ignore Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def started(folder: Path, *first: str, shell: str = "", **how: object) -> subprocess.Popen[str]:
    """Start a search of played trials in a folder; the second trial never ends."""
    support_tickets(60).to_csv(folder / "tickets.csv", index=False)
    command = [
        sys.executable,
        str(PROGRAM),
        *first,
        "fit",
        "tickets.csv",
        "--out",
        "run",
        "--trials",
        "9",
    ]
    command += [
        "--models",
        "minilm-l2",
        "--methods",
        "head",
        "--sampler",
        "random",
        "--device",
        "cpu",
    ]
    how.setdefault("preexec_fn", hear_ctrl_c)
    if shell:
        command = ["sh", "-c", f'{shell}; exec "$@"', "sh", *command]
    return subprocess.Popen(
        command,
        cwd=folder,
        text=True,
        **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **how},
    )


def wait_for(process: subprocess.Popen[str], word: str) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if word in line:
            return
    raise AssertionError(f"ended without {word}: {process.stderr and process.stderr.read()}")


def check_order(folder: Path) -> None:
    """Look whether a search was ended in order in its second trial."""
    run = folder / "run"
    assert (run / "best" / "xautolm.json").exists()
    assert json.loads((run / "results.json").read_text())["best"] == 0
    ended = json.loads((run / "trials" / "0001" / "result.json").read_text())
    assert ended["failure"]["kind"] == "interrupted"


def test_ctrl_c_ends_the_search_with_its_best_model(tmp_path: Path) -> None:
    process = started(tmp_path)
    wait_for(process, "waiting")
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=patience(60))
    assert process.returncode == 130
    assert "Traceback" not in errors
    *_, headline, where, how = errors.splitlines()
    assert headline == "interrupted by SIGINT" and how == "the same command goes on from here"
    assert where == (
        "the best model so far (trial 0, validation f1_macro 0.5000) is in run/best; "
        'ask it with: xautolm predict run "some text"'
    )
    check_order(tmp_path)


@pytest.mark.slow
def test_ctrl_c_before_the_first_result_says_that_there_is_no_model(tmp_path: Path) -> None:
    process = started(tmp_path, "--first-never-ends")
    wait_for(process, "waiting")
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=patience(60))
    assert process.returncode == 130 and "Traceback" not in errors
    *_, headline, where, how = errors.splitlines()
    assert (headline, where) == ("interrupted by SIGINT", "no trial has given a model yet")
    assert how == "the same command goes on from here"
    assert not (tmp_path / "run" / "best").exists()


def test_a_kill_after_the_first_result_leaves_its_model(tmp_path: Path) -> None:
    process = started(tmp_path)
    wait_for(process, "waiting")
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=patience(60))
    assert (tmp_path / "run" / "best" / "xautolm.json").exists()
    assert "best model so far" in (tmp_path / "run" / "best" / "README.md").read_text()
    assert json.loads((tmp_path / "run" / "results.json").read_text())["best"] == 0


@pytest.mark.slow
def test_a_signal_ends_it_likewise_but_not_one_that_nohup_ignores(tmp_path: Path) -> None:
    process = started(tmp_path, shell="trap '' HUP")
    wait_for(process, "waiting")
    process.send_signal(signal.SIGHUP)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(timeout=1.0)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=patience(60))
    assert process.returncode == 143
    assert "Traceback" not in errors and "interrupted by SIGTERM" in errors
    check_order(tmp_path)


def test_a_second_signal_ends_at_once(tmp_path: Path) -> None:
    process = started(tmp_path, "--slow-end")
    wait_for(process, "waiting")
    process.send_signal(signal.SIGTERM)
    wait_for(process, "placing")
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=patience(20))
    assert process.returncode == 128 + signal.SIGINT


@pytest.mark.slow
def test_a_terminal_that_is_closed_ends_the_search_in_order(tmp_path: Path) -> None:
    """Nothing can be printed any more: that must not keep best/ from being written."""
    terminal, inside = os.openpty()

    def own_terminal() -> None:
        hear_ctrl_c()
        # These tests may themselves run under nohup, which their children would inherit.
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        os.setsid()
        fcntl.ioctl(inside, termios.TIOCSCTTY, 0)

    process = started(tmp_path, stdin=inside, stderr=inside, preexec_fn=own_terminal)
    os.close(inside)
    drain = threading.Thread(target=_read_all, args=(terminal,), daemon=True)
    drain.start()
    wait_for(process, "waiting")
    process.send_signal(signal.SIGHUP)
    os.close(terminal)
    process.communicate(timeout=patience(60))
    assert process.returncode == 129
    check_order(tmp_path)


def _read_all(terminal: int) -> None:
    try:
        while os.read(terminal, 4096):
            pass
    except OSError:
        return


def test_handlers_are_put_back_and_other_threads_have_none() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
    with pytest.raises(SystemExit, match="143"), ending_in_order():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        except Ended as ended:
            assert isinstance(ended, KeyboardInterrupt)
            raise
    assert [
        signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    ] == before
    entered = []

    def elsewhere() -> None:
        with ending_in_order():
            entered.append(True)

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert entered == [True]
