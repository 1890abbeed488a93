"""Meta-features of a run's data in a child of their own, beside the trials: the entry of that child."""

from __future__ import annotations

import time
from pathlib import Path

import pandas as pd
import torch
from pyarrow import parquet
from transformers.utils import logging

from xautolm.description import describe
from xautolm.finetuning.sentences import encode
from xautolm.processes import give_way
from xautolm.records import TrialOutcome, TrialSpec
from xautolm.run_folder import RunFolder
from xautolm.tasks import TASKS
from xautolm.vocabulary import Split, TrialStatus


def run(spec: TrialSpec, folder: Path) -> TrialOutcome:
    """Measure the meta-features of a run's training data, which leaves them in the cache.

    Args:
        spec: Any of the run's trials; says where its data lies.
        folder: The child's, not looked at.
    """
    started = time.monotonic()
    # Trials run beside it, and come first.
    give_way()
    torch.set_num_threads(spec.threads)
    logging.set_verbosity_error()
    logging.disable_progress_bar()

    # The splits lie in a folder of their own inside the run's.
    run_folder = RunFolder(Path(spec.data).parent)
    info = run_folder.info()
    task = TASKS.get(spec.task)
    # Not by pandas, which makes arrays of lists: what is described must be what the parent would describe.
    stored = parquet.read_table(run_folder.split(Split.TRAIN))
    series = {}
    for name, cells in stored.to_pydict().items():
        series[name] = pd.Series(cells, dtype=object)
    table = pd.DataFrame(series)
    describe(table, task, info.system, spec.limits, info.data.fingerprint, encode)
    evaluation_time = time.monotonic() - started
    return TrialOutcome(status=TrialStatus.COMPLETE, evaluation_time=evaluation_time)
