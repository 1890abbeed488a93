"""For tests of programs that use or extend xautolm: public fakes, made-up data, and contracts of each kind of part."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from xautolm.testing.executors import ExecutorContract
    from xautolm.testing.fakes import (
        FakeExecutor,
        SteppingExecutor,
        lookup_questions,
        made_up_card,
        made_up_experience,
        made_up_spec,
        trial_spec,
    )
    from xautolm.testing.forms import check_form
    from xautolm.testing.gpus import FakeGpu, faked_cuda, faked_driver
    from xautolm.testing.groups import check_group
    from xautolm.testing.methods import check_method
    from xautolm.testing.metrics import check_metric
    from xautolm.testing.outcomes import success
    from xautolm.testing.strategies import check_strategy
    from xautolm.testing.tasks import check_task

_HOMES = {
    "ExecutorContract": "xautolm.testing.executors",
    "FakeExecutor": "xautolm.testing.fakes",
    "FakeGpu": "xautolm.testing.gpus",
    "SteppingExecutor": "xautolm.testing.fakes",
    "check_form": "xautolm.testing.forms",
    "check_group": "xautolm.testing.groups",
    "check_method": "xautolm.testing.methods",
    "check_metric": "xautolm.testing.metrics",
    "check_strategy": "xautolm.testing.strategies",
    "check_task": "xautolm.testing.tasks",
    "faked_cuda": "xautolm.testing.gpus",
    "faked_driver": "xautolm.testing.gpus",
    "lookup_questions": "xautolm.testing.fakes",
    "made_up_card": "xautolm.testing.fakes",
    "made_up_experience": "xautolm.testing.fakes",
    "made_up_spec": "xautolm.testing.fakes",
    "success": "xautolm.testing.outcomes",
    "trial_spec": "xautolm.testing.fakes",
}

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


def __getattr__(name: str) -> Any:
    """Load a promised name on first use: a trial's process needs little of this, and all of it takes half a second."""
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'xautolm.testing' has no attribute {name!r}")


def __dir__() -> list[str]:
    return list(__all__)
