from __future__ import annotations

import io
import json

from rich.console import Console

from xautolm.report.screen import JsonLines, LiveTable, Plain, Quiet, Screen


def watch(screen: Screen) -> None:
    with screen.download(2_000_000) as show:
        for received in (0, 100_000, 250_000, 1_000_000, 1_050_000, 2_000_000):
            show(received)


def test_a_log_has_a_line_for_each_tenth_that_is_reached() -> None:
    stream = io.StringIO()
    watch(Plain(stream))
    assert stream.getvalue().splitlines() == [
        "fetched 250.0 kB of 2.0 MB",
        "fetched 1.0 MB of 2.0 MB",
        "fetched 2.0 MB of 2.0 MB",
    ]


def test_programs_are_told_bytes() -> None:
    stream = io.StringIO()
    watch(JsonLines(stream))
    events = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert events[-1] == {"event": "download", "bytes": 2_000_000, "total": 2_000_000}


def test_a_terminal_has_a_bar() -> None:
    stream = io.StringIO()
    watch(LiveTable(Console(file=stream, force_terminal=True, width=120)))
    assert "fetching" in stream.getvalue() and "2.0/2.0 MB" in stream.getvalue()


def test_nothing_is_shown_to_who_wants_quiet_or_when_there_is_nothing_to_come() -> None:
    watch(Quiet())
    stream = io.StringIO()
    with Plain(stream).download(0) as show:
        show(0)
    assert "fetched 0 B of 0 B" in stream.getvalue()
