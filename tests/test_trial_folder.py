"""What a running trial's progress says, whatever state its file is in."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from xautolm.objectives import Objective
from xautolm.trial_folder import PROGRESS, PROGRESS_BYTES, TrialFolder, score_so_far

F1 = Objective(name="f1")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", []),
        (
            b'{"step": 1}\n{"step": 2, "epoch": 0.5, "note": "x"}\n',
            [{"step": 1}, {"step": 2, "epoch": 0.5}],
        ),
        (b'{"step": 1}\n{"st', [{"step": 1}]),
        (b'[1, 2]\n7\nnull\n{"step": 3}\n', [{"step": 3}]),
        (b'\xff\xfe\x00\n{"step": 4}\n', [{"step": 4}]),
        (b'{"loss": NaN, "f1": Infinity, "n": 1' + b"0" * 400 + b', "step": 6}', [{"step": 6}]),
        (b"[" * 5_000 + b'\n{"step": 5}\n', [{"step": 5}]),
    ],
)
def test_lines_that_cannot_be_read_are_passed_over(
    tmp_path: Path, content: bytes, expected: list[dict[str, float]]
) -> None:
    (tmp_path / PROGRESS).write_bytes(content)
    assert TrialFolder(tmp_path).progress_lines() == expected


def test_without_a_file_there_is_no_progress(tmp_path: Path) -> None:
    assert TrialFolder(tmp_path).progress_lines() == []
    (tmp_path / PROGRESS).mkdir()
    assert TrialFolder(tmp_path).progress_lines() == []


def test_only_the_end_of_a_long_file_is_read(tmp_path: Path) -> None:
    lines = [json.dumps({"step": step}) for step in range(20_000)]
    (tmp_path / PROGRESS).write_text("\n".join(lines) + "\n")
    steps = [line["step"] for line in TrialFolder(tmp_path).progress_lines()]
    assert steps == list(range(int(steps[0]), 20_000))
    assert steps[0] > 0 and len(steps) <= PROGRESS_BYTES // len(lines[0])


def test_the_score_so_far_is_that_of_the_best_epoch_and_before_the_first_an_estimate() -> None:
    log = {"step": 1, "loss": 2.0}
    early = {"step": 2, "f1": 0.4, "partial_rows": 40}
    later = {"step": 3, "f1": 0.3, "partial_rows": 40}
    assert score_so_far([], F1) is None and score_so_far([log], F1) is None
    assert score_so_far([log, early, later, log], F1) == (0.3, True)
    epochs = [
        {"step": 4, "f1": 0.7},
        log,
        {"step": 8, "f1": 0.6},
        {"step": 9, "f1": 0.95, "partial_rows": 40},
    ]
    assert score_so_far([early, *epochs], F1) == (0.7, False)
    assert score_so_far(epochs, Objective(name="accuracy")) is None
