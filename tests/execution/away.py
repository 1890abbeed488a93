"""What trials do on the machines of a cluster: real processes that train nothing, and leave a small model."""

from __future__ import annotations

import os
import time
from pathlib import Path

from xautolm.data.stored import split_path
from xautolm.opening import is_trained
from xautolm.records import Answering, TrialOutcome, TrialSpec
from xautolm.run_folder import ANSWERING
from xautolm.serialization import to_plain, write_json
from xautolm.settings import cache_folder
from xautolm.tasks import TASKS, form_of
from xautolm.testing import success
from xautolm.trial_folder import TrialFolder
from xautolm.vocabulary import Split

SECONDS = 0.3
"""That a trial of a search takes."""
HOLD = "hold"
"""File in the cache that lets trainings wait as long as it is there: until a machine is lost in the middle of them."""


def search(spec: TrialSpec, folder: Path) -> TrialOutcome:
    """Look for the data, say how it goes on, and leave a model that names the pretrained one by its path."""
    assert split_path(Path(spec.data), Split.TRAIN).is_file()
    (folder / "partial").write_text(str(os.getpid()))
    (folder / "partial").replace(folder / "pid")
    # A search waits for its first probes before it starts anything beside them, so they are not held.
    while is_trained(spec.configuration) and (cache_folder() / HOLD).exists():
        time.sleep(0.05)
    # Better from trial to trial, so that each is on the front when it ends, and takes the earlier ones' place there.
    score = 0.5 + spec.number / 1_000
    scores = dict.fromkeys(spec.metrics, score)
    for step in range(1, 4):
        line = {"epoch": step / 3, "step": step, "steps": 3, "seconds": step / 3}
        TrialFolder(folder).add_progress({**line, **scores})
        time.sleep(SECONDS / 3)
    leave_model(spec, folder)
    return success(seconds=1.0, **scores)


def leave_model(spec: TrialSpec, folder: Path) -> None:
    """Write what makes a folder a model, and a file of more than one chunk's name in a folder below."""
    trial = TrialFolder(folder)
    weights = trial.model / "part"
    weights.mkdir(parents=True)
    (weights / "weights.bin").write_bytes(bytes(range(256)) * 1_000)
    task = TASKS.get(spec.task)
    form = form_of(task.forms, spec.card.architecture, spec.configuration.values)
    answering = Answering(task=spec.task, form=form.name, max_length=8)
    write_json(trial.model / ANSWERING, to_plain(answering))
    write_json(trial.model / "adapter_config.json", {"base": spec.card.path})
