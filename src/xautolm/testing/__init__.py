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
from xautolm.testing.forms import check_form
from xautolm.testing.gpus import FakeGpu, faked_cuda, faked_driver
from xautolm.testing.groups import check_group
from xautolm.testing.methods import check_method
from xautolm.testing.metrics import check_metric
from xautolm.testing.strategies import check_strategy
from xautolm.testing.tasks import check_task

__all__ = [
    "ExecutorContract",
    "FakeExecutor",
    "FakeGpu",
    "SteppingExecutor",
    "check_form",
    "check_group",
    "check_method",
    "check_metric",
    "check_strategy",
    "check_task",
    "executors",
    "faked_cuda",
    "faked_driver",
    "lookup_questions",
    "made_up_card",
    "made_up_experience",
    "made_up_spec",
    "success",
    "trial_spec",
]
