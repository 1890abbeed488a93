"""Every field case is read right, or refused with value, place and cure."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.field.cases import Case, all_cases, judge


@pytest.mark.parametrize("case", all_cases(), ids=lambda case: case.name)
def test_read_right_or_refused_well(case: Case, tmp_path: Path) -> None:
    verdict = judge(case, tmp_path / "input")
    assert not verdict.faults, verdict.outcome
