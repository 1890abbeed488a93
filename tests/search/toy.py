"""A small conditional space, and what its configurations are worth."""

from __future__ import annotations

import numpy as np

from xautolm.metrics import METRICS
from xautolm.objectives import TIME
from xautolm.records import Failure, TrialOutcome
from xautolm.space import Branch, Float, Int, Space
from xautolm.testing import success
from xautolm.vocabulary import FailureKind, TrialStatus

OBJECTIVES = (METRICS.get("f1_macro").objective, TIME)


def leaf(name: str) -> Space:
    rate = Float(name="learning_rate", low=1e-5, high=1e-3, default=1e-4, log=True)
    own = (Int(name="r", low=1, high=32, default=8),) if name == "lora" else ()
    return Space(name, (rate, *own))


def model(name: str) -> Space:
    return Space(
        name,
        (Branch(name="method", branches={m: leaf(m) for m in ("full", "lora")}, default="full"),),
    )


MODELS = {name: model(name) for name in ("good", "bad", "broken")}
SPACE = Space(
    "toy.v1",
    (
        Branch(name="model", branches=MODELS, default="good"),
        Int(name="epochs", low=1, high=5, default=3),
    ),
)


def play(values: dict) -> TrialOutcome:
    if values["model"] == "broken":
        return TrialOutcome(
            status=TrialStatus.FAILED,
            wall_time=5.0,
            failure=Failure(kind=FailureKind.OUT_OF_MEMORY, message="too large"),
        )
    base = 0.8 if values["model"] == "good" else 0.4
    score = base - 0.1 * abs(np.log10(values["learning_rate"]) + 4)
    return success(seconds=10.0 * values["epochs"], f1_macro=float(score))
