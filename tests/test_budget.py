"""The clock of a run, and what stands for it when its file is damaged."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from xautolm.budget import Clock, process_started, seconds_used
from xautolm.records import Budget
from xautolm.serialization import read_json
from xautolm.testing import made_up_experience

TRIALS = [made_up_experience(number, wall_time=30.0) for number in range(4)]


def test_a_new_run_has_used_nothing_and_a_resumed_one_what_it_noted(tmp_path: Path) -> None:
    said: list[str] = []
    path = tmp_path / "clock.json"
    assert seconds_used(path, [], 1, said.append) == 0
    clock = Clock(path, Budget(seconds=100.0, trials=None), before=40.0)
    clock.tick()
    assert 40 <= read_json(path)["seconds"] < 100 and 0 < clock.left <= 60
    assert seconds_used(path, TRIALS, 1, said.append) == pytest.approx(40, abs=30)
    assert said == []


def test_the_time_since_the_command_began_counts_up_to_half_of_the_budget(tmp_path: Path) -> None:
    now = time.monotonic()
    budget = Budget(seconds=1000.0, trials=None)
    clock = Clock(tmp_path / "clock.json", budget, before=40.0, started=now - 300.0)
    assert 340 <= clock.used < 440 and 0.34 <= clock.spent < 0.44
    slow = Clock(tmp_path / "clock.json", budget, started=now - 10_000.0)
    assert 500 <= slow.used < 600
    unlimited = Clock(tmp_path / "clock.json", Budget(seconds=None, trials=3), started=now - 300.0)
    assert unlimited.left == float("inf") and unlimited.spent == 0


def test_a_process_began_before_it_asked() -> None:
    # The tests' own process: it has imported xautolm, but not run for a day.
    assert 0 < time.monotonic() - process_started() < 86_400


@pytest.mark.parametrize(
    "content", [None, "", "{", "[]", '{"seconds": NaN}', '{"seconds": -5}', '{"seconds": "1h"}']
)
def test_the_time_of_the_trials_stands_for_a_damaged_clock(
    tmp_path: Path, content: str | None
) -> None:
    said: list[str] = []
    path = tmp_path / "clock.json"
    if content is not None:
        path.write_text(content)
    assert seconds_used(path, TRIALS, 2, said.append) == 60.0
    assert len(said) == 1 and "clock.json" in said[0] and "60 s" in said[0]
