"""The clock of a run, and what stands for it when its file is damaged."""

from __future__ import annotations

from pathlib import Path

import pytest

from xautolm.budget import Clock, seconds_used
from xautolm.documents import read_json
from xautolm.records import Budget
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


@pytest.mark.parametrize("content", [None, "", "{", "[]", '{"seconds": NaN}', '{"seconds": -5}', '{"seconds": "1h"}'])
def test_the_time_of_the_trials_stands_for_a_damaged_clock(tmp_path: Path, content: str | None) -> None:
    said: list[str] = []
    path = tmp_path / "clock.json"
    if content is not None:
        path.write_text(content)
    assert seconds_used(path, TRIALS, 2, said.append) == 60.0
    assert len(said) == 1 and "clock.json" in said[0] and "60 s" in said[0]
