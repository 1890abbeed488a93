"""For tests of programs that use or extend xautolm: public fakes, made-up data, and contracts of each kind of part."""

from xautolm.testing.executors import ExecutorContract
from xautolm.testing.fakes import (
    FakeExecutor,
    SteppingExecutor,
    lookup_questions,
    made_up_card,
    made_up_experience,
    made_up_spec,
    success,
    trial_spec,
)
from xautolm.testing.metrics import check_metric

__all__ = [
    "ExecutorContract",
    "FakeExecutor",
    "SteppingExecutor",
    "check_metric",
    "lookup_questions",
    "made_up_card",
    "made_up_experience",
    "made_up_spec",
    "success",
    "trial_spec",
]
