"""What the size of a store costs: a small one is measured."""

from __future__ import annotations

from benchmarks.store_size import measured, told
from benchmarks.synthetic import SPACE, related_tasks


def test_every_number_of_a_row_is_there() -> None:
    reading, warm_start, models, together, proposal, megabytes = map(float, measured(60, 3))
    assert min(reading, warm_start, models, proposal) >= 0
    assert together >= max(reading, warm_start, models)
    assert megabytes > 50


def test_a_failure_is_told_without_scores() -> None:
    (task,) = related_tasks(1, 0)
    default = SPACE.default().values
    assert told(task, default).scores is not None
    diverging = {**default, "learning_rate": 1e-2}
    assert told(task, diverging).failed
