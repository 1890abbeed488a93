"""What the benchmarks' trials do. It loads what real trials load, and nothing else."""

from __future__ import annotations

import time
from pathlib import Path

import xautolm.finetuning.run  # noqa: F401  a real trial cannot begin without the frameworks
from xautolm.records import TrialOutcome, TrialSpec
from xautolm.vocabulary import TrialStatus


def note_start(spec: TrialSpec, folder: Path) -> TrialOutcome:
    """Note when user code began."""
    (folder / "began").write_text(repr(time.monotonic()))
    return TrialOutcome(status=TrialStatus.COMPLETE, metrics={"f1_macro": 0.5}, evaluation_time=0.0)
