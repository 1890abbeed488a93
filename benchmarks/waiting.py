"""What trials of the benchmark of clusters do: wait, without loading what real trials load."""

from __future__ import annotations

import time
from pathlib import Path

from xautolm.records import TrialOutcome, TrialSpec, as_float
from xautolm.testing import success


def wait(spec: TrialSpec, folder: Path) -> TrialOutcome:
    """Wait as long as the configuration says."""
    seconds = as_float(spec.configuration.values["seconds"])
    time.sleep(seconds)
    return success(seconds, f1_macro=0.5)
